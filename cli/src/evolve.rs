//! Evolve a collection: say what a new schema would break, and replace the definition if it breaks nothing.

use crate::failure::Failure;
use crate::governance::{Approved, govern};
use crate::output::{self, read_json};
use clap::Args;
use countersign_client::{At, Client, ClientError};
use countersign_ledger::schema::{Schema, breaks};
use countersign_proof::{Access, Collection, StateAnswer};
use serde_json::Value;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
#[command(
    after_help = "The new schema takes effect the moment it is executed, in every API. It must allow every document that the schema in
force allows: a new optional property where further ones were forbidden, a wider enum or bound, a property that need not be there
any more. Whatever could make a valid document invalid is refused here, with the list (exit code 4), and by the ledger.

The governance accounts of a quorum sign: --account and each --approve; or --propose it, and the others approve one after the
other.

Examples:
  countersign collection evolve --name flights --schema flight-2.schema.json --check --account ua.example/ops --key ops.key
  countersign collection evolve --name flights --schema flight-2.schema.json --propose --account ua.example --key ua.key"
)]
pub struct EvolveCollection {
    /// The collection's name
    #[arg(long)]
    name: String,
    /// The file of its new JSON Schema; the one in force stays if not given
    #[arg(long, value_name = "FILE", required_unless_present_any = ["write", "access"])]
    schema: Option<PathBuf>,
    /// The organisations that may write to it from now on; the rule in force stays if not given
    #[arg(long, value_name = "ORG,ORG", value_delimiter = ',')]
    write: Vec<String>,
    /// The file of its new access rule as JSON, with its engine
    #[arg(long, value_name = "FILE", conflicts_with = "write")]
    access: Option<PathBuf>,
    /// Only say what the new schema would break; nothing is submitted
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    approved: Approved,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit code 0 when every document that the old schema allows is allowed by the new one, 4 when not, with the list.

Example:
  countersign collection compare --old flight.schema.json --new flight-2.schema.json"
)]
pub struct CompareSchemas {
    /// The file of the JSON Schema there is
    #[arg(long, value_name = "FILE")]
    old: PathBuf,
    /// The file of the one to come
    #[arg(long, value_name = "FILE")]
    new: PathBuf,
}

pub async fn evolve(command: &EvolveCollection) -> Result<(), Failure> {
    let before = in_force(&command.approved.client()?, &command.name).await?;
    let after = Collection { access: access(command, before.access)?, schema: schema(command, &before.schema)? };
    compare_schemas(&before.schema, &after.schema)?;
    if command.check {
        return output::line("nothing breaks: every document that is valid now stays valid");
    }
    govern(&command.approved, |builder| builder.evolve_collection(&command.name, &after)).await
}

pub fn compare(command: &CompareSchemas) -> Result<(), Failure> {
    compare_schemas(&compiled(&command.old)?, &compiled(&command.new)?)?;
    output::line("nothing breaks: every document that the old schema allows is allowed by the new one")
}

/// The definition in force, proved.
async fn in_force(client: &Client, name: &str) -> Result<Collection, Failure> {
    let proven = client.get_proven_document("$schemas", name, At::Newest).await?;
    match proven.proof.answer() {
        StateAnswer::Present { value: Some(value), .. } => serde_json::from_value(value.clone())
            .map_err(|e| Failure::Other(format!("this release does not know the definition of {name:?}: {e}"))),
        _ => Err(ClientError::NotFound { detail: format!("no collection {name:?}") }.into()),
    }
}

fn access(command: &EvolveCollection, before: Access) -> Result<Access, Failure> {
    if let Some(file) = &command.access {
        return serde_json::from_value(read_json(file)?).map_err(|e| Failure::file(file, "used", &e));
    }
    let mut write = command.write.clone();
    write.sort();
    Ok(if write.is_empty() { before } else { Access::WritersV1 { write } })
}

fn schema(command: &EvolveCollection, before: &Value) -> Result<Value, Failure> {
    command.schema.as_deref().map_or_else(|| Ok(before.clone()), compiled)
}

fn compiled(file: &Path) -> Result<Value, Failure> {
    let schema = read_json(file)?;
    Schema::compile(&schema).map_err(|e| Failure::file(file, "used", &e))?;
    Ok(schema)
}

fn compare_schemas(before: &Value, after: &Value) -> Result<(), Failure> {
    let found = breaks(before, after);
    for one in &found {
        let at = if one.pointer.is_empty() { "the schema itself" } else { &one.pointer };
        output::line(format_args!("{at}: {}", one.reason))?;
    }
    match found.len() {
        0 => Ok(()),
        n => Err(Failure::Refused(format!("{n} breaking changes; documents that are valid now could become invalid"))),
    }
}
