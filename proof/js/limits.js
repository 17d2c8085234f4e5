// Names every maximum of the formats; those the document leaves open say how they were chosen.

const KIB = 1024;
const MIB = 1024 * KIB;

export const NESTING_MAX = 32;
export const GENESIS_NESTING_MAX = 96;
// A document may be nested as deeply as its own limit allows wherever a file carries it; the envelopes of exhibit,
// history, state proof and bundle add fewer levels than this.
export const ENVELOPE_NESTING_MAX = 8;

export const LEAF_BYTES_MAX = 4 * KIB;
export const NOTE_BYTES_MAX = 64 * KIB;
export const NOTE_LINES_MAX = 256;
export const SIBLINGS_MAX = 256;
export const STATE_PROOF_BYTES_MAX = 4 * MIB;
export const HISTORY_VERSIONS_MAX = 10_000;
export const HISTORY_BYTES_MAX = 64 * MIB;
export const DOCUMENT_ID_BYTES_MAX = 256;

// Open in the document. A leaf, a path and a note fit a receipt of 256 KiB even where JSON escapes every byte of the note;
// two notes and a path fit 512 KiB.
export const RECEIPT_BYTES_MAX = 256 * KIB;
export const CONSISTENCY_BYTES_MAX = 512 * KIB;
export const EVIDENCE_BYTES_MAX = 512 * KIB;
export const MEMORY_BYTES_MAX = 256 * KIB;
export const PATH_HASHES_MAX = 64;
export const GENESIS_BYTES_MAX = 16 * MIB;
export const EPOCH_BYTES_MAX = MIB;
// Room for a log and a witness of each of the most organisations that there can be.
export const POLICY_BYTES_MAX = MIB;
export const BUNDLE_BYTES_MAX = 64 * MIB;
export const BUNDLE_CHANGES_MAX = 4096;
// A bundle and the largest proof, which is text inside of JSON and may take two bytes for one.
export const EXHIBIT_BYTES_MAX = BUNDLE_BYTES_MAX + 2 * HISTORY_BYTES_MAX;
// The largest membership whose quorum fits a note of 256 lines of which one is the log's.
export const ORGANISATIONS_MAX = 382;
// Each byte outside of strings may become a value of many bytes in memory; the largest proof is all that is allowed of it.
export const UNQUOTED_BYTES_MAX = HISTORY_BYTES_MAX;
