//! Define and check what an auditor and a signer need: transactions, leaves, the log, receipts, proofs.
//!
//! This crate is the ground floor. It is pure: bytes in, verdicts out; no clock, no file, no socket. Whatever
//! it parses comes from somebody else, so it never panics on input, and each stage of trust is a type of its own
//! ([`Checkpoint`] / [`CertifiedCheckpoint`], [`Receipt`] / [`VerifiedReceipt`]).
//!
//! The bytes are described for a second implementer in `docs/formats.md`; the golden vectors are in
//! `proof/tests/vectors`.

mod access;
mod admission;
mod attributes;
mod canonical;
mod checkpoint;
#[cfg(feature = "cli")]
pub mod cli;
mod consistency;
mod cose;
mod cosigned;
mod error;
mod evidence;
mod exhibit;
mod genesis;
mod hash;
mod history_proof;
mod json_writer;
mod key;
mod leaf;
pub mod limits;
mod log_tree;
mod membership;
mod name;
mod note;
mod policy;
mod proposal;
mod proposed;
mod receipt;
mod refusal;
mod state_proof;
mod state_tree;
mod transaction;
mod trust;
mod trust_bundle;
mod version;
mod witnessing;

pub use access::{Access, NAMED_MEMBER, Named, NamedAccess};
pub use admission::{Admission, AdmittedNode, check_activation, joining};
pub use attributes::check_attributes;
pub use canonical::{INTEGER_MAX, canonical, canonical_value, parse_canonical, parse_canonical_value, parse_json};
pub use checkpoint::{CertifiedCheckpoint, Checkpoint, Cosignature, Count};
pub use consistency::{ConsistencyProof, VerifiedConsistency};
pub use cose::{CoseProof, CoseReceipt, VerifiedCose, cose_receipts, parse_cose_receipts, verify_cose_receipts};
pub use error::ProofError;
pub use evidence::{Accused, Evidence, SignedHeader, VerifiedEvidence};
pub use exhibit::Exhibit;
pub use genesis::{Collection, FoundingNode, FoundingOrganisation, Genesis, GenesisDocument, Limits};
pub use hash::{Hash, plain_hash, tagged_hash};
pub use history_proof::{EarlierVersion, HistoryProof, VerifiedHistory};
pub use key::{KeyPair, PublicKey};
pub use leaf::{GenesisLeaf, Leaf, Outcome, SealLeaf, TransactionLeaf};
pub use log_tree::{
    LogTree, consistency_proof, inclusion_proof, leaf_hash, log_root, node_hash, verify_consistency, verify_inclusion,
};
pub use membership::{Member, Membership, NodeKeys};
pub use name::{
    SYSTEM_COLLECTIONS, check_account, check_collection, check_document_id, check_name, check_node, organisation_of,
};
pub use note::{Note, NoteSignature, VerifierKey};
pub use policy::{Policy, parse_policy, parse_policy_octets, policy};
pub use proposal::{Proposal, ProposalHeader};
pub use proposed::{Proposed, proposed_hash};
pub use receipt::{Receipt, VerifiedReceipt};
pub use refusal::{Check, Refusal};
pub use state_proof::{StateAnswer, StateProof, StateProofKind, VerifiedState};
pub use state_tree::StateTree;
pub use transaction::{
    Activate, Admit, Append, Approve, Body, DefineCollection, EvolveCollection, Increment, Operation, Precondition,
    Propose, Put, RemoveNode, SetAccount, SetNode, SetOrganisation, SetRules, Signer, Transaction, TransactionBytes,
    Unit, Withdraw, check_pointer, check_predicate, operation, precondition,
};
pub use trust::{Anchor, Change, Epoch, PinnedEpoch, Trust};
pub use trust_bundle::TrustBundle;
pub use version::{VersionRecord, salt, state_key, value_hash};
pub use witnessing::{
    AddCheckpoint, FollowingHead, SignedHead, WitnessRefusal, WitnessedHead, WitnessedLog, cosignature_by,
};
