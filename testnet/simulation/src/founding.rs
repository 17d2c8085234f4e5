//! Found a ledger of three organisations from a seed.

use crate::random::Random;
use countersign_node::{NodeSecrets, VoterSecrets};
use countersign_proof::{
    Access, Collection, FoundingNode, FoundingOrganisation, Genesis, GenesisDocument, KeyPair, Limits, canonical,
};
use serde_json::json;
use std::collections::BTreeMap;

/// The collection that the clients write to.
pub const COLLECTION: &str = "things";
/// The organisations; each has one node.
pub const ORGANISATIONS: [&str; 3] = ["acme.example", "bolt.example", "cargo.example"];
/// The genesis time.
pub const BEGAN_MS: u64 = 1_763_892_000_000;

/// What one organisation holds.
pub struct Founder {
    /// `<organisation>/<node>`.
    pub node: String,
    /// Its node's address, which is its host.
    pub address: String,
    /// Its node's private keys.
    pub secrets: NodeSecrets,
    /// The account that its clients sign as.
    pub account: String,
    /// That account's key.
    pub account_key: KeyPair,
}

/// The ledger and everyone's keys.
pub fn found(random: &mut Random) -> (Genesis, Vec<Founder>) {
    let mut pair = || KeyPair::from_seed(&random.bytes());
    let (mut founders, mut organisations) = (Vec::new(), BTreeMap::new());
    for name in ORGANISATIONS {
        let voter = VoterSecrets { cosign: pair(), log: pair(), proposal: pair() };
        let (governance, tls, address) = (pair(), pair(), format!("ledger.{name}:7400"));
        let node = FoundingNode {
            address: address.clone(),
            cosign: voter.cosign.public(),
            log: voter.log.public(),
            proposal: voter.proposal.public(),
            tls: tls.public(),
        };
        let nodes = BTreeMap::from([("1".to_owned(), node)]);
        organisations.insert(name.to_owned(), FoundingOrganisation { governance: governance.public(), nodes });
        founders.push(Founder {
            node: format!("{name}/1"),
            address,
            secrets: NodeSecrets { tls, voter: Some(voter) },
            account: format!("{name}/ops"),
            account_key: pair(),
        });
    }
    let document = GenesisDocument {
        accounts: founders.iter().map(|f| (f.account.clone(), vec![f.account_key.public()])).collect(),
        collections: BTreeMap::from([(COLLECTION.to_owned(), things())]),
        ledger: "simulated.example".to_owned(),
        limits: Limits::DEFAULT,
        organisations,
        quorum: "(n+f+1)/2".to_owned(),
        rules: 1,
        time: BEGAN_MS,
        v: 1,
    };
    (Genesis::parse(&canonical(&document)).expect("a genesis that we made"), founders)
}

fn things() -> Collection {
    let schema = json!({
        "properties": { "note": { "type": "string" }, "number": { "type": "integer" } },
        "required": ["number"],
        "type": "object",
    });
    Collection { access: Access::WritersV1 { write: ORGANISATIONS.map(str::to_owned).to_vec() }, schema }
}
