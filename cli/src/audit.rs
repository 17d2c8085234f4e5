//! Download a ledger and judge it again from genesis: name the first height that differs.

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output;
use clap::{Args, ValueEnum};
use countersign_client::v1::ExportedBlock;
use countersign_client::{Client, ReceiptOf};
use countersign_ledger::store::{CacheSize, Ledger, Position, open_database};
use countersign_ledger::{Chain, Frontier, Judged, judge, verify_batch};
use countersign_proof::cli::CliFailure;
use countersign_proof::{
    Check, Evidence, Genesis, Hash, Leaf, Limits, Membership, ProofError, Proposal, Refusal, SealLeaf, Transaction,
    Trust, leaf_hash,
};
use indicatif::{ProgressBar, ProgressStyle};
use prost::Message;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Debug, Args)]
#[command(
    after_help = "The node is asked for whole blocks and for nothing else; whatever it says is compared with what a quorum has certified.
With --level full the blocks are executed in a database of their own, which is removed afterwards.

Example:
  countersign audit --level full"
)]
pub struct Audit {
    /// How much is done again
    #[arg(long, value_enum, default_value = "full")]
    level: Level,
    /// Where the database of a full audit lies while it runs [default: the system's folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    work: Option<PathBuf>,
    /// Where an evidence file goes when a certified seal is not what execution gives
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// Print the answer as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Level {
    /// Every leaf, seal, proposal and certificate: that the log is the certified one
    Hashes,
    /// And every transaction's signatures
    Signatures,
    /// And every transaction executed again: every record, leaf and state root
    Full,
}

pub async fn run(command: &Audit) -> Result<(), Failure> {
    let started = Instant::now();
    let client = command.connection.client()?;
    client.follow_epochs().await?;
    let last = client.status().await?.certified.unwrap_or_default().height;
    let bar = ProgressBar::new(last);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} blocks {per_sec} {eta}").expect("a fixed template");
    bar.set_style(style);
    let folder = match &command.work {
        Some(work) => tempfile::tempdir_in(work),
        None => tempfile::tempdir(),
    };
    let folder = folder.map_err(|e| Failure::Other(format!("no folder to work in: {e}")))?;
    let mut auditor = Auditor::new(&client, command.level, folder.path())?;
    let mut blocks = client.export_blocks(1).await?;
    while let Some(block) = blocks.message().await.map_err(|e| Failure::Other(e.message().to_owned()))? {
        let height = block.height;
        if let Err(reason) = auditor.take(block)? {
            bar.abandon();
            return Err(differs(command, &client, height, reason).await);
        }
        bar.set_position(height);
    }
    bar.finish_and_clear();
    // A stream that ends early is no ledger that ends early.
    if auditor.chain.height < last {
        let height = auditor.chain.height;
        return Err(Failure::Other(format!(
            "the node ended its export at height {height}, and said that it has {last}"
        )));
    }
    let certified = auditor.certified;
    if certified != auditor.chain.size {
        let reason = format!("the log ends at size {}, certified up to {certified}", auditor.chain.size);
        return Err(refused(Check::Quorum, "audit", reason));
    }
    report(command, &auditor, started.elapsed())
}

/// The first height that differs; and, where a quorum has signed for it, the evidence.
async fn differs(command: &Audit, client: &Client, height: u64, reason: String) -> Failure {
    if let Some(path) = &command.evidence
        && let Ok(proven) = client.receipt(ReceiptOf::Height(height), Duration::from_secs(5)).await
    {
        let evidence = Evidence::false_seal(proven.receipt).to_bytes();
        if let Err(failure) = output::write_file(path, &evidence) {
            return failure;
        }
    }
    refused(Check::State, "audit", format!("height {height} is the first that differs: {reason}"))
}

fn refused(check: Check, field: &'static str, reason: String) -> Failure {
    CliFailure::from(Refusal { check, error: ProofError::Malformed { field, reason } }).into()
}

fn report(command: &Audit, auditor: &Auditor, took: Duration) -> Result<(), Failure> {
    let Auditor { chain, trust, transactions, certificates, root, .. } = auditor;
    let (level, epochs) = (format!("{:?}", command.level).to_lowercase(), trust.epochs().len());
    let seconds = took.as_secs_f64();
    if command.json {
        return output::line(serde_json::json!({
            "certificates": certificates, "epochs": epochs, "height": chain.height, "level": level, "origin": trust.origin(),
            "root": root, "seconds": seconds, "transactions": transactions, "tree_size": chain.size, "verified": true,
        }));
    }
    output::line(format_args!("audited ({level}): nothing differs"))?;
    output::line(format_args!("  ledger        {}", trust.origin()))?;
    output::line(format_args!("  blocks        {}, with {transactions} transactions", chain.height))?;
    output::line(format_args!("  log           of size {}, root {root}", chain.size))?;
    output::line(format_args!("  certificates  {certificates} verified, over {epochs} epochs"))?;
    output::line(format_args!("  took          {seconds:.1} s"))
}

/// What is known of the ledger up to a height.
struct Auditor {
    genesis: Genesis,
    trust: Arc<Trust>,
    level: Level,
    chain: Chain,
    frontier: Frontier,
    root: Hash,
    /// The ledger executed again; none below [`Level::Full`].
    ledger: Option<Ledger>,
    /// The size of the last certificate that held.
    certified: u64,
    transactions: u64,
    certificates: u64,
}

/// Nothing, or how the block differs.
type Verdict = Result<(), String>;

impl Auditor {
    fn new(client: &Client, level: Level, folder: &std::path::Path) -> Result<Auditor, Failure> {
        let failed = |e: &dyn std::fmt::Display| Failure::Other(format!("the audit's own database: {e}"));
        let genesis = client.genesis().clone();
        // Block 0 follows from the genesis alone, so it is always executed.
        let database = open_database(folder, CacheSize::default()).map_err(|e| failed(&e))?;
        let ledger = Ledger::open(Arc::new(database), &genesis).map_err(|e| failed(&e))?;
        let mut frontier =
            Frontier::load(0, |_, _| Err(ProofError::Malformed { field: "log", reason: "empty".into() }))
                .map_err(|e| failed(&e))?;
        let first = ledger.reader().leaves(0, 2).map_err(|e| failed(&e))?;
        first.iter().for_each(|leaf| frontier.append(leaf_hash(leaf), |_, _, _| ()));
        Ok(Auditor {
            trust: client.trust(),
            level,
            chain: ledger.chain().clone(),
            root: frontier.root(),
            frontier,
            ledger: (level == Level::Full).then_some(ledger),
            genesis,
            certified: 0,
            transactions: 0,
            certificates: 0,
        })
    }

    fn take(&mut self, block: ExportedBlock) -> Result<Verdict, Failure> {
        let certificate = block.certificate.clone();
        let checked = self.follow(block);
        let (judged, leaves, seal) = match checked {
            Ok(checked) => checked,
            Err(reason) => return Ok(Err(reason)),
        };
        self.transactions += judged.transactions.len() as u64;
        self.chain = Chain {
            height: seal.height,
            digest: judged.digest,
            time: seal.time,
            size: seal.tree_size(),
            seal: leaf_hash(leaves.last().expect("it ends in its seal")),
        };
        leaves.iter().for_each(|leaf| self.frontier.append(leaf_hash(leaf), |_, _, _| ()));
        self.root = self.frontier.root();
        if let Err(reason) = self.certify(&certificate) {
            return Ok(Err(reason));
        }
        self.execute(judged, &leaves)
    }

    /// The block follows the one before, is signed by a voter, and its leaves are of its own transactions.
    fn follow(&self, block: ExportedBlock) -> Result<(Judged, Vec<Vec<u8>>, SealLeaf), String> {
        let ExportedBlock { header, signature, transactions, leaves, .. } = block;
        let seal = leaves.last().map(|bytes| Leaf::parse(bytes));
        let Some(Ok(Leaf::Seal(seal))) = seal else { return Err("it does not end in a seal".into()) };
        let expected = (self.chain.height + 1, self.chain.size, leaves.len() as u64, self.chain.seal);
        if (seal.height, seal.first, seal.leaves, seal.previous) != expected {
            return Err("its seal does not follow the seal before".into());
        }
        let membership = self.membership(&seal)?;
        let proposal = Proposal { header, signature, transactions }.encode_to_vec();
        let (origin, hash) = (self.genesis.origin(), self.genesis.hash());
        // The limits in force are known to whoever executes; others allow the most that any build does.
        let judged = judge(&proposal, seal.term, &self.chain, &origin, &hash, membership, &Limits::MAX);
        let judged = judged.map_err(|skip| skip.to_string())?;
        let header = &judged.header;
        if (judged.digest, Some(&header.proposer), header.time) != (seal.proposal, seal.proposer.as_ref(), seal.time) {
            return Err("its seal is of another proposal".into());
        }
        own_leaves(&judged.transactions, &leaves[..leaves.len() - 1])?;
        if self.level >= Level::Signatures {
            let transactions: Vec<&Transaction> = judged.transactions.iter().map(|shared| &**shared).collect();
            if let Some(at) = verify_batch(&transactions).iter().position(|holds| !holds) {
                return Err(format!("a signature of transaction {} is false", judged.transactions[at].id));
            }
        }
        Ok((judged, leaves, seal))
    }

    /// The membership in force, when the seal names it, and the one that follows where an epoch ends.
    fn membership(&self, seal: &SealLeaf) -> Result<&Membership, String> {
        let in_force = self.trust.in_force(seal.tree_size());
        let hashes = in_force.iter().map(|membership| membership.hash()).collect::<Vec<_>>();
        let named = [seal.members, seal.next_members];
        let named = if named[0] == named[1] { &named[..1] } else { &named[..] };
        // A change that is not certified yet is in no bundle.
        if hashes != named {
            return Err("its seal names another membership than was certified".into());
        }
        in_force.first().copied().ok_or_else(|| "no epoch covers it".into())
    }

    fn certify(&mut self, certificate: &str) -> Verdict {
        if certificate.is_empty() {
            return Ok(());
        }
        let certified = self.trust.certify(certificate).map_err(|refusal| format!("its certificate: {refusal}"))?;
        let checkpoint = certified.checkpoint();
        if (checkpoint.size, checkpoint.root) != (self.chain.size, self.root) {
            let (size, root) = (self.chain.size, self.root);
            return Err(format!("the log of size {size} has root {root}, and {} was certified", checkpoint.root));
        }
        self.certified = checkpoint.size;
        self.certificates += 1;
        Ok(())
    }

    /// Executes the block and compares every leaf, the seal with its state root among them.
    fn execute(&mut self, judged: Judged, leaves: &[Vec<u8>]) -> Result<Verdict, Failure> {
        let Some(ledger) = &mut self.ledger else { return Ok(Ok(())) };
        let position = Position { term: judged.header.term, index: judged.header.height };
        let appended = ledger.append(position, judged).map_err(|e| Failure::Other(format!("execution: {e}")))?;
        for (at, executed) in appended.block.leaves.iter().enumerate() {
            if leaves.get(at) != Some(executed) {
                return Ok(Err(format!("leaf {} is not what execution gives", appended.block.first + at as u64)));
            }
        }
        let seal = Leaf::Seal(appended.seal).to_bytes();
        if leaves.len() != appended.block.leaves.len() + 1 || leaves.last() != Some(&seal) {
            return Ok(Err("its seal is not what execution gives".into()));
        }
        Ok(Ok(()))
    }
}

/// Every leaf but the seal is of one of the block's transactions, in their order.
fn own_leaves(transactions: &[Arc<Transaction>], leaves: &[Vec<u8>]) -> Verdict {
    let mut rest = transactions.iter();
    for bytes in leaves {
        let Ok(Leaf::Transaction(leaf)) = Leaf::parse(bytes) else { return Err("a leaf is of no transaction".into()) };
        let own = |transaction: &&Arc<Transaction>| {
            (transaction.id, transaction.body_hash, transaction.signatures_hash(), transaction.by())
                == (leaf.id, leaf.body, leaf.signatures, leaf.by.as_str())
        };
        if rest.find(own).is_none() {
            return Err(format!("the leaf of transaction {} is of none in the proposal", leaf.id));
        }
    }
    Ok(())
}
