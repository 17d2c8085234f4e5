//! Judge one proof file: its checks, then the caller's claims, then memory.

use super::args::{self, VerifyCommand};
use super::failure::CliFailure;
use super::memory::recall;
use super::report::{Report, leaf_sentence};
use super::sources::{FileIs, Sources, read};
use crate::refusal::At;
use crate::{
    CertifiedCheckpoint, Check, ConsistencyProof, Evidence, HistoryProof, Leaf, PinnedEpoch, Receipt, StateAnswer,
    StateProof, VersionRecord, canonical,
};
use serde_json::{Value, json};

/// The report on what the command names; every check has held.
pub(super) fn judge(command: &VerifyCommand) -> Result<Report, CliFailure> {
    if matches!(command, VerifyCommand::Trust(args) if args.claims.trust.is_some()) {
        // The epochs of --trust would be taken as known, and those of the file not be followed.
        return Err(CliFailure::Usage("the bundle to check is the file itself; leave out --trust".into()));
    }
    let file_is = if matches!(command, VerifyCommand::Trust(_)) { FileIs::Bundle } else { FileIs::Proof };
    let sources = Sources::read(command.claims(), command.file(), file_is)?;
    let (mut report, newest) = match command {
        VerifyCommand::Receipt(args) => receipt(args, &sources)?,
        VerifyCommand::State(args) => state(args, &sources)?,
        VerifyCommand::History(args) => history(args, &sources)?,
        VerifyCommand::Consistency(_) => consistency(&sources)?,
        VerifyCommand::Trust(args) => return trust(args, &sources),
        VerifyCommand::Evidence(_) => return evidence(&sources),
    };
    report.known(&recall(command.claims(), &sources.trust, newest.note())?);
    Ok(report)
}

type Judged = Result<(Report, CertifiedCheckpoint), CliFailure>;

fn text(bytes: &[u8]) -> Result<&str, CliFailure> {
    let utf8 = std::str::from_utf8(bytes).map_err(|_| crate::ProofError::malformed("file", "not UTF-8 text"));
    Ok(utf8.at(Check::File)?)
}

fn receipt(args: &args::Receipt, sources: &Sources) -> Judged {
    let parsed = match sources.proof.starts_with(b"{") {
        true => Receipt::from_json(&sources.proof).at(Check::File)?,
        false => Receipt::parse(text(&sources.proof)?).at(Check::File)?,
    };
    let proof = parsed.verify(&sources.trust)?;
    if let Some(expected) = &args.transaction {
        match proof.leaf() {
            Leaf::Transaction(leaf) if leaf.id == *expected => {}
            Leaf::Transaction(leaf) => return Err(CliFailure::claim("transaction", expected, leaf.id)),
            _ => return Err(CliFailure::claim("transaction", expected, "a leaf of another kind")),
        }
    }
    if let Some(path) = &args.leaf
        && read(path)? != parsed.leaf
    {
        return Err(CliFailure::claim("leaf", path.display(), "another leaf"));
    }
    let mut report = Report::new(sources, proof.certified());
    report.prove(leaf_sentence(proof.leaf()));
    report.prove(format!("it is leaf {} of a log of {}", proof.index(), proof.certified().checkpoint().size));
    match proof.leaf() {
        Leaf::Transaction(leaf) => {
            report.leave_open(format!("what the transaction says: only that its body has the hash {}", leaf.body));
            report.leave_open("what a document holds now: ask for a state proof");
        }
        Leaf::Seal(_) => report.leave_open("any one transaction or document of the block"),
        Leaf::Genesis(_) => {}
    }
    report.put("height", height_of(proof.leaf()));
    report.put("index", proof.index());
    report.put("leaf", proof.leaf());
    Ok((report, proof.certified().clone()))
}

fn height_of(leaf: &Leaf) -> u64 {
    match leaf {
        Leaf::Genesis(_) => 0,
        Leaf::Transaction(leaf) => leaf.height,
        Leaf::Seal(leaf) => leaf.height,
    }
}

fn state(args: &args::State, sources: &Sources) -> Judged {
    let args::Document { collection, id } = &args.document;
    let proof = StateProof::parse(&sources.proof).at(Check::File)?.verify(&sources.trust, collection, id)?;
    let (height, certified) = (proof.seal().height, proof.receipt().certified().clone());
    let mut report = Report::new(sources, &certified);
    let (sentence, value) = match proof.answer() {
        StateAnswer::Absent => (format!("{collection}/{id} had never been at height {height}"), None),
        StateAnswer::Deleted { record } => {
            let sentence = format!(
                "{collection}/{id} was deleted at height {height}, by version {} of height {}",
                record.version, record.height
            );
            (sentence, None)
        }
        StateAnswer::Present { record, value } => {
            let sentence = format!(
                "{collection}/{id} was in version {}, of height {}, at height {height}",
                record.version, record.height
            );
            (sentence, Some(value))
        }
    };
    report.prove(sentence);
    match &value {
        Some(Some(value)) => report.prove(format!("its value was {}", text(&canonical(value))?)),
        Some(None) => report.leave_open("its value: it is withheld, only the value's hash is proved"),
        None => {}
    }
    check_state_claims(args, value)?;
    report.leave_open(format!("what it holds after height {height}"));
    report.put("answer", answer_json(proof.answer()));
    report.put("height", height);
    Ok((report, certified))
}

fn check_state_claims(args: &args::State, value: Option<&Option<Value>>) -> Result<(), CliFailure> {
    if args.absent && value.is_some() {
        return Err(CliFailure::claim("document", "absent", "present"));
    }
    let Some(path) = &args.value else { return Ok(()) };
    let expected = crate::parse_json("value", &read(path)?, crate::limits::JSON_DEPTH_MAX);
    let expected = expected.map_err(|e| CliFailure::Usage(format!("{}: {e}", path.display())))?;
    match value {
        Some(Some(value)) if *value == expected => Ok(()),
        Some(Some(_)) => Err(CliFailure::claim("value", path.display(), "another value")),
        Some(None) => Err(CliFailure::claim("value", path.display(), "a value that is withheld")),
        None => Err(CliFailure::claim("value", path.display(), "no document")),
    }
}

fn answer_json(answer: &StateAnswer) -> Value {
    match answer {
        StateAnswer::Absent => json!({"answer": "absent"}),
        StateAnswer::Deleted { record } => json!({"answer": "deleted", "record": record}),
        StateAnswer::Present { record, value } => json!({"answer": "present", "record": record, "value": value}),
    }
}

fn history(args: &args::History, sources: &Sources) -> Judged {
    let args::Document { collection, id } = &args.document;
    let proof = HistoryProof::parse(&sources.proof).at(Check::File)?.verify(&sources.trust, collection, id)?;
    let certified = proof.state().receipt().certified().clone();
    let mut report = Report::new(sources, &certified);
    let (from, to) = proof.heights();
    if let Some(expected) = args.from.filter(|expected| *expected < from) {
        return Err(CliFailure::claim("complete from height", expected, from));
    }
    if let Some(expected) = args.to.filter(|expected| to < *expected) {
        return Err(CliFailure::claim("complete up to height", expected, to));
    }
    let count = proof.versions().len();
    report.prove(format!("{collection}/{id} had exactly {count} versions written at heights {from} to {to}"));
    for (record, value) in proof.versions() {
        report.prove(version_sentence(record, value.as_ref())?);
    }
    report.leave_open(format!("versions below height {from} or above {to}"));
    let versions = proof.versions().iter().map(|(record, value)| json!({"record": record, "value": value}));
    report.put("versions", versions.collect::<Value>());
    report.put("height", proof.state().seal().height);
    Ok((report, certified))
}

fn version_sentence(record: &VersionRecord, value: Option<&Value>) -> Result<String, CliFailure> {
    let VersionRecord { version, height, .. } = record;
    Ok(match (&record.value, value) {
        (None, _) => format!("version {version} at height {height}: deleted"),
        (Some(_), None) => format!("version {version} at height {height}: value withheld"),
        (Some(_), Some(value)) => format!("version {version} at height {height}: {}", text(&canonical(value))?),
    })
}

fn consistency(sources: &Sources) -> Judged {
    let proof = ConsistencyProof::parse(&sources.proof).at(Check::File)?.verify(&sources.trust)?;
    let (old, new) = (proof.smaller().checkpoint(), proof.larger().checkpoint());
    let mut report = Report::new(sources, proof.larger());
    report.prove(format!(
        "the log of size {} begins with the log of size {}: nothing in it was changed",
        new.size, old.size
    ));
    report.leave_open("what is in the log");
    report.put("old_size", old.size);
    report.put("old_root", old.root);
    Ok((report, proof.larger().clone()))
}

fn trust(args: &args::TrustFile, sources: &Sources) -> Result<Report, CliFailure> {
    let Some(newest) = sources.trust.epochs().last() else {
        return Err(CliFailure::Usage("a policy follows no epochs; give --genesis-hash, --genesis or --epoch".into()));
    };
    let mut report = Report::of_ledger(sources);
    for epoch in sources.trust.epochs() {
        let organisations: Vec<&str> = epoch.membership.organisations.keys().map(String::as_str).collect();
        let (number, quorum) = (epoch.membership.epoch, epoch.membership.quorum());
        report.prove(format!(
            "epoch {number}, above size {}: {}; {quorum} make a quorum",
            epoch.after,
            organisations.join(", ")
        ));
    }
    report.leave_open("that no later epoch exists");
    report.put(
        "epochs",
        sources.trust.epochs().iter().map(|e| json!({"after": e.after, "members": e.membership})).collect::<Value>(),
    );
    if let Some(path) = &args.pin {
        let pinned = PinnedEpoch {
            after: newest.after,
            kind: "epoch".into(),
            members: newest.membership.clone(),
            origin: sources.trust.origin().to_owned(),
            v: 1,
        };
        let failed = |e: std::io::Error| CliFailure::Usage(format!("{}: cannot be written: {e}", path.display()));
        std::fs::write(path, pinned.to_bytes()).map_err(failed)?;
    }
    Ok(report)
}

fn evidence(sources: &Sources) -> Result<Report, CliFailure> {
    let proof = Evidence::parse(&sources.proof).at(Check::File)?.verify(&sources.trust)?;
    let mut report = Report::of_ledger(sources);
    report.prove(format!("{}: {}", proof.what(), proof.sentence()));
    for accused in proof.accused() {
        report.prove(format!(
            "{} answers for it: its node {} signed with {}",
            accused.organisation, accused.node, accused.key
        ));
    }
    report.leave_open("why: a lie, a stolen key, or a node that was restored from a backup");
    report.needs_execution = proof.needs_execution();
    report.put("accused", proof.accused());
    report.put("what", proof.what());
    Ok(report)
}
