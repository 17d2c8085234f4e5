//! Register the accounts that write, and sign their transactions beforehand.

use crate::Failure;
use crate::drive::{Drive, Pace};
use crate::records::{COLLECTION, access, document, id, schema};
use countersign_client::{BulkRow, Client, Config, Level, TransactionBuilder, key_file};
use countersign_proof::{Genesis, KeyPair, canonical, plain_hash};
use countersign_testnet::{Network, governance_account, operations_account};
use std::fs;
use std::time::{Duration, Instant};

/// How long one transaction is tried for.
pub const TIMEOUT: Duration = Duration::from_secs(60);
const SIGNING_THREADS: usize = 2;
/// Documents of one transaction of a preload.
const PRELOAD_OPERATIONS: usize = 50;
const PRELOAD_IN_FLIGHT: usize = 64;

/// An account that writes.
pub struct Author {
    account: String,
    organisation: String,
    key: KeyPair,
}

/// Clients of one network, one a node, and the accounts whose transactions they hand in.
pub struct Load {
    /// Each at its own node, as that organisation's account.
    pub clients: Vec<Client>,
    organisations: Vec<String>,
    governors: Vec<(String, KeyPair)>,
    authors: Vec<Author>,
    genesis: Genesis,
    /// The number of the newest document.
    pub next: u64,
}

impl Load {
    /// Defines the collection and makes the clients, on the runtime around.
    pub fn prepare(network: &mut Network, accounts: usize) -> Result<Load, Failure> {
        let root = network.layout().root().to_owned();
        let (schema_file, access_file) = (root.join("records.schema.json"), root.join("records.access.json"));
        fs::write(&schema_file, schema().to_string())?;
        fs::write(&access_file, canonical(&access()))?;
        network.define_collection_under(COLLECTION, &schema_file, &access_file)?;
        let genesis = Genesis::parse(&fs::read(network.layout().genesis())?)?;
        let organisations: Vec<String> = network.nodes().iter().map(|node| node.organisation.clone()).collect();
        let (mut clients, mut governors) = (Vec::new(), Vec::new());
        for node in network.nodes() {
            let account = operations_account(&node.organisation);
            let key = key_file::read(&network.layout().account_key(&account))?;
            let nodes = vec![node.api_url()];
            clients.push(Client::new(Config { nodes, genesis: genesis.clone(), account, key, tls_keys: Vec::new() })?);
            let governor = governance_account(&node.organisation);
            let key = key_file::read(&network.layout().account_key(&governor))?;
            governors.push((governor, key));
        }
        // In turn, so that any part of them is spread evenly over the organisations.
        let authors = (0..accounts.max(organisations.len())).map(|n| {
            let organisation = organisations[n % organisations.len()].clone();
            let account = format!("{organisation}/writer-{n}");
            let key = KeyPair::from_seed(&plain_hash(account.as_bytes()).0);
            Author { account, organisation, key }
        });
        let authors = authors.collect();
        Ok(Load { clients, organisations, governors, authors, genesis, next: 0 })
    }

    /// Registers every account: one governance transaction an organisation.
    pub async fn register(&mut self) -> Result<(), Failure> {
        for (n, (governor, key)) in self.governors.iter().enumerate() {
            let own = self.authors.iter().filter(|author| author.organisation == self.organisations[n]);
            let builder = own.fold(TransactionBuilder::new(self.genesis.hash()), |builder, author| {
                builder.set_account(&author.account, &[author.key.public()])
            });
            let signed = builder.sign(&[(governor, key)])?;
            applied(self.clients[n].submit_until_known(signed.bytes, Level::All, TIMEOUT).await?)?;
        }
        Ok(())
    }

    /// What everything is verified against.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The next `count` documents' transactions, the k-th signed by the k-th of the first `accounts` accounts in turn.
    pub fn sign(&mut self, count: usize, accounts: usize) -> Result<Vec<BulkRow>, Failure> {
        let first = self.next + 1;
        self.next += count as u64;
        let this = &*self;
        let accounts = accounts.min(self.authors.len());
        in_parallel(count, |k| this.sign_one(first + k as u64, &this.authors[k % accounts], k as u64))
    }

    fn sign_one(&self, number: u64, author: &Author, tag: u64) -> Result<BulkRow, String> {
        let signed = TransactionBuilder::new(self.genesis.hash())
            .create(COLLECTION, &id(number), &document(number, &author.organisation, self.receiver(author)))
            .without_expiry()
            .sign(&[(&author.account, &author.key)])
            .map_err(|e| e.to_string())?;
        Ok(BulkRow { tag, name: String::new(), transaction_id: signed.id, bytes: signed.bytes })
    }

    /// The organisation after the author's own.
    fn receiver(&self, author: &Author) -> &str {
        let own = self.organisations.iter().position(|organisation| *organisation == author.organisation);
        &self.organisations[own.map_or(0, |own| (own + 1) % self.organisations.len())]
    }

    /// Writes documents, many a transaction, until they are committed; gives the time that it took without signing.
    pub async fn preload(&mut self, documents: usize) -> Result<Duration, Failure> {
        let first = self.next + 1;
        self.next += documents as u64;
        let this = &*self;
        let rows = in_parallel(documents.div_ceil(PRELOAD_OPERATIONS), |k| {
            let author = &this.authors[k % this.authors.len()];
            let from = first + (k * PRELOAD_OPERATIONS) as u64;
            let to = (from + PRELOAD_OPERATIONS as u64).min(first + documents as u64);
            let builder = (from..to).fold(TransactionBuilder::new(this.genesis.hash()), |builder, number| {
                let document = document(number, &author.organisation, this.receiver(author));
                builder.create(COLLECTION, &id(number), &document)
            });
            let signed = builder.without_expiry().sign(&[(&author.account, &author.key)]).map_err(|e| e.to_string())?;
            Ok(BulkRow { tag: k as u64, name: String::new(), transaction_id: signed.id, bytes: signed.bytes })
        })?;
        let begun = Instant::now();
        let drive = Drive {
            pace: Pace::Closed { in_flight: PRELOAD_IN_FLIGHT },
            level: Level::Committed,
            lasts: Duration::from_secs(3_600),
        };
        let driven = drive.run(&self.clients, rows).await?;
        driven.all_applied()?;
        Ok(begun.elapsed())
    }

    /// Errs unless the access rule denies what it should: a stranger's document, and a note by the receiver.
    pub async fn check_rule(&mut self) -> Result<(), Failure> {
        self.next += 1;
        let [author, stranger] = [&self.authors[0], &self.authors[2 % self.authors.len()]];
        let receiver = &self.authors[1 % self.authors.len()];
        let document = document(self.next, &author.organisation, self.receiver(author));
        for (who, writer) in [("neither sender nor receiver", stranger), ("the receiver, with a note", receiver)] {
            let signed = TransactionBuilder::new(self.genesis.hash())
                .create(COLLECTION, &id(self.next), &document)
                .sign(&[(&writer.account, &writer.key)])?;
            let answer = self.clients[0].submit_until_known(signed.bytes, Level::Certified, TIMEOUT).await?;
            match &answer.outcome {
                countersign_client::Outcome::Rejected(rejection) if rejection.code == "UNAUTHORIZED" => {}
                other => return Err(format!("the access rule lets {who} create a document: {other:?}").into()),
            }
        }
        Ok(())
    }
}

fn applied(answer: countersign_client::Answer) -> Result<(), Failure> {
    match answer.outcome {
        countersign_client::Outcome::Applied => Ok(()),
        countersign_client::Outcome::Rejected(rejection) => Err(rejection.to_string().into()),
    }
}

/// Makes the items 0 to `count`, in order, on all cores.
fn in_parallel<T: Send>(count: usize, make: impl Fn(usize) -> Result<T, String> + Sync) -> Result<Vec<T>, Failure> {
    let share = count.div_ceil(SIGNING_THREADS).max(1);
    let parts = std::thread::scope(|scope| {
        let parts: Vec<_> = (0..count)
            .step_by(share)
            .map(|from| {
                let make = &make;
                scope.spawn(move || (from..(from + share).min(count)).map(make).collect::<Result<Vec<T>, _>>())
            })
            .collect();
        parts.into_iter().map(|part| part.join().expect("signing does not panic")).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(parts.into_iter().flatten().collect())
}
