//! Name every maximum of the formats in this crate.

/// Nesting of what an operation carries, of a predicate, and of every file whose form leaves nothing free.
pub const JSON_DEPTH_MAX: usize = 32;
/// Nesting of what carries a schema: a genesis, a collection's definition.
pub const DEFINITION_DEPTH_MAX: usize = 96;
/// Nesting of a state proof, one above its value: a collection's definition, or a document, which may outgrow what any
/// one operation carries.
pub const STATE_DEPTH_MAX: usize = DEFINITION_DEPTH_MAX + 1;
/// Nesting of a history proof, three above the value of an earlier version.
pub const HISTORY_DEPTH_MAX: usize = DEFINITION_DEPTH_MAX + 3;
/// Nesting of a trust bundle, one above its genesis.
pub const BUNDLE_DEPTH_MAX: usize = DEFINITION_DEPTH_MAX + 1;
/// Nesting of an exhibit, one above its bundle.
pub const EXHIBIT_DEPTH_MAX: usize = BUNDLE_DEPTH_MAX + 1;
/// Bytes of a name of a ledger, organisation or collection, and of the last part of a node or account.
pub const NAME_BYTES_MAX: usize = 64;
/// Bytes of a code of rejection.
pub const CODE_BYTES_MAX: usize = 64;
/// Bytes of one leaf.
pub const LEAF_BYTES_MAX: usize = 4096;
/// Bytes of a document id.
pub const DOCUMENT_ID_BYTES_MAX: usize = 256;
/// Bytes of a transaction's `caller`.
pub const CALLER_BYTES_MAX: usize = 256;
/// Signers of one transaction.
pub const SIGNERS_MAX: usize = 16;
/// Operations of one transaction.
pub const OPERATIONS_MAX: usize = 1024;
/// Members of a predicate.
pub const PREDICATE_MEMBERS_MAX: usize = 16;
/// Pointers of a unique key or an index of a collection.
pub const KEY_POINTERS_MAX: usize = 4;
/// Keys of one account.
pub const ACCOUNT_KEYS_MAX: usize = 16;
/// Attributes of one organisation.
pub const ATTRIBUTES_MAX: usize = 32;
/// Bytes of an attribute's text, or of one text of its list.
pub const ATTRIBUTE_BYTES_MAX: usize = 256;
/// Texts of an attribute's list.
pub const ATTRIBUTE_TEXTS_MAX: usize = 64;
/// Operations of one proposal to the organisations.
pub const PROPOSED_OPERATIONS_MAX: usize = 16;
/// Bytes of them as JSON. Each approval writes them once more.
pub const PROPOSED_BYTES_MAX: usize = 256 << 10;
/// Nesting of them: more than any definition that compiles, less than what a proof of their document may hold.
pub const PROPOSED_DEPTH_MAX: usize = DEFINITION_DEPTH_MAX - 8;
/// Milliseconds that a proposal may be open: 90 days.
pub const PROPOSAL_OPEN_MS_MAX: u64 = 90 * 86_400_000;
/// Open proposals of one organisation.
pub const PROPOSALS_OPEN_MAX: usize = 8;
/// Bytes of a node's address.
pub const ADDRESS_BYTES_MAX: usize = 256;
/// Bytes of a genesis document.
pub const GENESIS_BYTES_MAX: usize = 4 << 20;
/// Organisations of a ledger.
pub const ORGANISATIONS_MAX: usize = 64;
/// Revoked keys of a membership document.
pub const REVOKED_KEYS_MAX: usize = 1_024;
/// Bytes of the file of the founders' signatures.
pub const FOUNDERS_BYTES_MAX: usize = 64 << 10;
/// Epochs that a verifier knows, the founding one among them.
pub const EPOCHS_MAX: usize = 4_096;
/// Bytes of a pinned epoch.
pub const EPOCH_BYTES_MAX: usize = 1 << 20;
/// Bytes of a trust bundle.
pub const TRUST_BYTES_MAX: usize = 64 << 20;
/// Bytes of an exhibit: a bundle, and a history proof as text inside of JSON. No file is larger.
pub const EXHIBIT_BYTES_MAX: usize = TRUST_BYTES_MAX + 2 * HISTORY_BYTES_MAX;
/// Bytes of a verifier's memory.
pub const MEMORY_BYTES_MAX: usize = 256 << 10;
/// Bytes of a state proof, a consistency proof or an evidence file.
pub const PROOF_BYTES_MAX: usize = 4 << 20;
/// Versions of a history proof before the newest.
pub const HISTORY_VERSIONS_MAX: usize = 10_000;
/// Bytes of a history proof.
pub const HISTORY_BYTES_MAX: usize = 64 << 20;
/// Signature lines of a note; C2SP asks verifiers for 16 or more.
pub const NOTE_SIGNATURES_MAX: usize = 256;
/// Bytes of a note.
pub const NOTE_BYTES_MAX: usize = 64 << 10;
/// Seconds since 1970 that a cosignature may name, as C2SP says.
pub const COSIGNATURE_TIME_MAX: u64 = (1 << 63) - 1;
/// Bytes of a verifier key as text.
pub const VKEY_BYTES_MAX: usize = 512;
/// Bytes of a policy file.
pub const POLICY_BYTES_MAX: usize = 256 << 10;
/// Logs of a policy file, witnesses of one, and groups of one; C2SP asks verifiers for 32 of each or more.
pub const POLICY_ITEMS_MAX: usize = 256;
/// Hashes of an inclusion path: the log has fewer than 2^53 leaves.
pub const PATH_HASHES_MAX: usize = 53;
/// Hashes of a consistency path: one more, from where it starts.
pub const CONSISTENCY_HASHES_MAX: usize = PATH_HASHES_MAX + 1;
/// Bytes of a receipt as a tlog-proof.
pub const RECEIPT_BYTES_MAX: usize = 128 << 10;
/// Bytes of a receipt as JSON, where a byte of the tlog-proof may take two.
pub const RECEIPT_JSON_BYTES_MAX: usize = 256 << 10;
/// Bytes of one COSE receipt.
pub const COSE_BYTES_MAX: usize = 4 << 10;
/// Siblings of a state proof: the key's bits.
pub const STATE_SIBLINGS_MAX: usize = 256;
/// Hashes of an `add-checkpoint` request; C2SP allows no more.
pub const ADD_CHECKPOINT_HASHES_MAX: usize = 63;
/// Bytes of an `add-checkpoint` request: sizes, hashes, note.
pub const ADD_CHECKPOINT_BYTES_MAX: usize = 64 + 45 * ADD_CHECKPOINT_HASHES_MAX + NOTE_BYTES_MAX;
/// Bytes of the text of a checkpoint that a witness cosigns, its origin and extension lines included.
pub const WITNESSED_TEXT_BYTES_MAX: usize = 2 << 10;
/// Logs that one witness follows.
pub const WITNESSED_LOGS_MAX: usize = 64;
/// Keys of a log that a witness follows.
pub const WITNESSED_KEYS_MAX: usize = ORGANISATIONS_MAX;
/// Transactions of one proposal.
pub const PROPOSAL_TRANSACTIONS_MAX: usize = 65_536;

/// Fields that a collection's access rule judges apart.
pub const ACCESS_FIELDS_MAX: usize = 64;
/// Bytes of the path of one such field.
pub const ACCESS_FIELD_BYTES_MAX: usize = 256;
/// Policies of one collection's access rule.
pub const ACCESS_POLICIES_MAX: usize = 64;
/// Bytes of one policy.
pub const ACCESS_POLICY_BYTES_MAX: usize = 4096;
/// Organisations that a document names in one list of `$access`.
pub const ACCESS_NAMED_MAX: usize = ORGANISATIONS_MAX + 1;

const _: () = assert!(LEAF_BYTES_MAX <= u16::MAX as usize, "an entry bundle prefixes each leaf with its u16 length");
const _: () = assert!(POLICY_ITEMS_MAX > ORGANISATIONS_MAX, "a group for each organisation, and their quorum");
const _: () = assert!(NOTE_BYTES_MAX < RECEIPT_BYTES_MAX);
const _: () = assert!(PATH_HASHES_MAX < ADD_CHECKPOINT_HASHES_MAX, "a witness reads the path between any two logs");
const _: () = assert!(WITNESSED_TEXT_BYTES_MAX + WITNESSED_KEYS_MAX * (VKEY_BYTES_MAX + 128) < NOTE_BYTES_MAX);
const _: () = assert!(34 * (PATH_HASHES_MAX + 1) + VKEY_BYTES_MAX + 256 < COSE_BYTES_MAX);
