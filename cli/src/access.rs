//! Write access rules from templates, and explain what a rule decides, without a node.

use crate::failure::Failure;
use crate::output::{self, read_json};
use clap::{Args, Subcommand, ValueEnum};
use countersign_ledger::access::{Action, Allowance, Asked, Change, Explained, Principal, Rules, Said, View};
use countersign_proof::{Access, check_account};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub enum AccessCommand {
    /// Print an access rule made from a template, to be stored, changed and given to --access
    Template(Template),
    /// Explain what a rule decides about one access, and which policies decided it
    Check(CheckAccess),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  countersign access template members --organisation ua.example,dl.example
  countersign access template party --member carrier --organisation regulator.example
  countersign access template element --field 'coupons[*].useIndicator' --member operatedBy
  countersign access template confidential --field fare --organisation ua.example,dl.example

A rule is JSON: policies of Cedar by name, and the fields they judge apart. Put the policies of several templates into
one file to combine them. What no policy permits is denied.")]
pub struct Template {
    /// Which one
    #[arg(value_enum)]
    name: TemplateName,
    /// The organisations it is about
    #[arg(long, value_name = "ORG,ORG", value_delimiter = ',')]
    organisation: Vec<String>,
    /// The member of the document, or of the array element, that holds an organisation's code
    #[arg(long, value_name = "NAME")]
    member: Option<String>,
    /// The field that is judged apart, such as coupons[*].code
    #[arg(long, value_name = "PATH")]
    field: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum TemplateName {
    /// Every member reads; the organisations write
    Members,
    /// Every member reads; the organisations create; nobody changes or deletes
    AppendOnly,
    /// The organisation whose code a member of the document holds reads and writes it; the organisations read all
    Party,
    /// A document names its own readers, writers and owners in $access
    Named,
    /// Every member reads all but the field; the organisations read and write it too
    Confidential,
    /// Every member reads; the organisation whose code an array element holds changes the field of that element
    Element,
}

#[derive(Debug, Args)]
#[command(after_help = "Exit code 0 when the access is allowed, 4 when it is denied.

Example:
  countersign access check --access ticket.access.json --account ib.example/gate --attributes '{\"code\":\"IB\"}' \\
    --action update --document ticket.json --after lifted.json")]
pub struct CheckAccess {
    /// The rule, or a collection's definition that holds one
    #[arg(long, value_name = "FILE")]
    access: PathBuf,
    /// Who asks
    #[arg(long)]
    account: String,
    /// What the ledger says of its organisation, as JSON
    #[arg(long, value_name = "JSON", default_value = "{}")]
    attributes: String,
    /// What is done
    #[arg(long, value_enum)]
    action: ActionName,
    /// The document: as it is read, or before a change; of a new one, its value
    #[arg(long, value_name = "FILE")]
    document: PathBuf,
    /// What an update makes of it
    #[arg(long, value_name = "FILE", required_if_eq("action", "update"))]
    after: Option<PathBuf>,
    /// The document's id
    #[arg(long, default_value = "example")]
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ActionName {
    Read,
    Create,
    Update,
    Delete,
}

pub fn run(command: &AccessCommand) -> Result<(), Failure> {
    match command {
        AccessCommand::Template(template) => {
            let access = template.access()?;
            output::line(serde_json::to_string_pretty(&access).expect("it is JSON"))
        }
        AccessCommand::Check(check) => check.run(),
    }
}

/// The rule of a collection: of a file, or that every member reads and these write.
pub fn access_rule(file: Option<&Path>, write: &[String]) -> Result<Access, Failure> {
    let Some(file) = file else {
        let mut write = write.to_vec();
        write.sort();
        return Ok(Access::WritersV1 { write });
    };
    let value: Value = read_json(file)?;
    let rule = value.get("access").cloned().unwrap_or(value);
    let access: Access = serde_json::from_value(rule).map_err(|e| Failure::file(file, "used", &e))?;
    Rules::compile(&access).map_err(|e| Failure::file(file, "used", &e))?;
    Ok(access)
}

/// What a template makes: the fields that are judged apart, whether documents name their own, policies by name.
type Made = (Vec<String>, &'static str, Vec<(&'static str, String)>);

impl Template {
    fn access(&self) -> Result<Access, Failure> {
        let (fields, named, policies) = match self.name {
            TemplateName::Members => self.everyone_reads("organisations_write", "action in Action::\"write\""),
            TemplateName::AppendOnly => self.everyone_reads("organisations_create", "action == Action::\"create\""),
            TemplateName::Party => self.party(),
            TemplateName::Named => Ok(named_in_documents()),
            TemplateName::Confidential => self.confidential(),
            TemplateName::Element => self.element(),
        }?;
        let policies: Map<String, Value> =
            policies.into_iter().map(|(name, text)| (name.into(), text.into())).collect();
        let rule = json!({ "engine": "cedar/v1", "fields": fields, "named": named, "policies": policies });
        let access = serde_json::from_value(rule).expect("the template is a rule");
        Rules::compile(&access).map_err(|e| Failure::usage("--field", e))?;
        Ok(access)
    }

    fn everyone_reads(&self, name: &'static str, action: &str) -> Result<Made, Failure> {
        let theirs = permit(&format!("{action}, resource"), &self.is_organisation()?);
        Ok((vec![], "none", vec![everyone_reads(), (name, theirs)]))
    }

    fn party(&self) -> Result<Made, Failure> {
        let member = self.member()?;
        let holds = |version: &str| format!("context.{version}{member} == principal.organisation.code");
        let keep = "forbid(principal, action == Action::\"update\", resource is Document)";
        let mut policies = vec![
            ("party_reads_and_writes", permit("action, resource", &holds("document"))),
            ("party_keeps_it", format!("{keep} unless {{ {} }};", holds("after"))),
        ];
        if !self.organisation.is_empty() {
            let all = permit("action == Action::\"read\", resource", &self.is_organisation()?);
            policies.push(("organisations_read_all", all));
        }
        Ok((vec![], "none", policies))
    }

    fn confidential(&self) -> Result<Made, Failure> {
        let (field, theirs) = (self.field()?, self.is_organisation()?);
        let resource = format!("resource == Field::{}", json!(field));
        let policies = vec![
            everyone_reads(),
            ("field_is_confidential", format!("forbid(principal, action, {resource}) unless {{ {theirs} }};")),
            ("organisations_write", permit("action in Action::\"write\", resource", &theirs)),
        ];
        Ok((vec![field], "none", policies))
    }

    fn element(&self) -> Result<Made, Failure> {
        let (field, member) = (self.field()?, self.member()?);
        let scope = format!("action == Action::\"update\", resource == Field::{}", json!(field));
        let change = permit(&scope, &format!("context.element{member} == principal.organisation.code"));
        Ok((vec![field], "none", vec![everyone_reads(), ("party_changes_its_element", change)]))
    }

    /// Whether the one who asks is of the organisations that were given.
    fn is_organisation(&self) -> Result<String, Failure> {
        if self.organisation.is_empty() {
            return Err(Failure::usage("--organisation", "this template is about organisations: name them"));
        }
        let entities: Vec<String> =
            self.organisation.iter().map(|name| format!("Organisation::{}", json!(name))).collect();
        Ok(format!("[{}].contains(principal.organisation)", entities.join(", ")))
    }

    fn member(&self) -> Result<String, Failure> {
        let member = self.member.as_ref().ok_or_else(|| Failure::usage("--member", "this template needs it"))?;
        Ok(format!("[{}]", json!(member)))
    }

    fn field(&self) -> Result<String, Failure> {
        self.field.clone().ok_or_else(|| Failure::usage("--field", "this template needs it"))
    }
}

fn permit(scope: &str, when: &str) -> String {
    format!("permit(principal, {scope}) when {{ {when} }};")
}

fn everyone_reads() -> (&'static str, String) {
    ("everyone_reads", "permit(principal, action == Action::\"read\", resource);".to_owned())
}

fn named_in_documents() -> Made {
    let when =
        |actions: &str, who: &str| permit(&format!("action in [{actions}], resource"), &format!("context.{who}"));
    let policies = vec![
        ("owners_create", when("Action::\"create\"", "owner")),
        ("readers_read", when("Action::\"read\"", "reader")),
        ("writers_write", when("Action::\"update\", Action::\"delete\"", "writer")),
    ];
    (vec![], "required", policies)
}

impl CheckAccess {
    fn run(&self) -> Result<(), Failure> {
        check_account("account", &self.account).map_err(|e| Failure::usage("--account", e))?;
        let attributes: Map<String, Value> = serde_json::from_str(&self.attributes)
            .map_err(|e| Failure::usage("--attributes", format!("not a JSON object: {e}")))?;
        let rules = Rules::compile(&access_rule(Some(&self.access), &[])?).expect("compiled when it was read");
        let principal = Principal::new(&self.account, &attributes);
        let document: Value = read_json(&self.document)?;
        let after: Option<Value> = self.after.as_deref().map(read_json).transpose()?;
        let (action, before, after) = match self.action {
            ActionName::Read => (Action::Read, Some(&document), None),
            ActionName::Create => (Action::Create, None, Some(&document)),
            ActionName::Update => (Action::Update, Some(&document), after.as_ref()),
            ActionName::Delete => (Action::Delete, Some(&document), None),
        };
        let explained = rules.explain(&principal, &Asked { action, id: &self.id, document: before, after });
        let (allowed, verdict) = self.verdict(&rules, &principal, before, after);
        if self.json {
            let answer = json!({ "allowed": allowed, "verdict": verdict, "questions": explained });
            output::line(answer)?;
        } else {
            explained.iter().try_for_each(|question| output::line(told(question)))?;
            output::line(verdict)?;
        }
        if allowed { Ok(()) } else { Err(Failure::Refused(format!("{} would be denied", self.account))) }
    }

    fn verdict(
        &self,
        rules: &Rules,
        principal: &Principal,
        before: Option<&Value>,
        after: Option<&Value>,
    ) -> (bool, String) {
        if let (ActionName::Read, Some(document)) = (self.action, before) {
            return match rules.view(Some(principal), &self.id, document, Some(document)) {
                View::Hidden => (false, "hidden: the document does not exist for this reader".to_owned()),
                View::Shown { redacted, .. } if redacted.is_empty() => (true, "shown whole".to_owned()),
                View::Shown { redacted, .. } => (true, format!("shown without {}", redacted.join(", "))),
            };
        }
        match rules.check_change(
            principal,
            &Change { id: &self.id, before, after, said: Said::Change },
            &Allowance::default(),
        ) {
            Ok(()) => (true, "allowed".to_owned()),
            Err(denied) => (false, format!("denied: {denied}")),
        }
    }
}

fn told(question: &Explained) -> String {
    let what = if question.pointer.is_empty() { "the document" } else { &question.pointer };
    let word = if question.allowed { "allow" } else { "deny " };
    let because = match &question.because[..] {
        [] => "no policy permits it".to_owned(),
        policies => policies.join(", "),
    };
    let failed: String = question.failed.iter().map(|failed| format!("; not evaluated: {failed}")).collect();
    format!("{word}  {} {what}: {because}{failed}", question.action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_a_rule_that_compiles() {
        for name in TemplateName::value_variants() {
            let template = Template {
                name: *name,
                organisation: vec!["ua.example".into(), "dl.example".into()],
                member: Some("carrier \"x\"".into()),
                field: Some("coupons[*].code".into()),
            };
            Rules::compile(&template.access().expect("a rule")).expect("compiles");
        }
    }

    #[test]
    fn a_template_says_what_it_needs() {
        let template = Template { name: TemplateName::Element, organisation: vec![], member: None, field: None };
        assert!(template.access().expect_err("no field").to_string().contains("--field"));
    }
}
