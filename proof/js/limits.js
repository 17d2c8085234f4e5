// Names every maximum that a verifier keeps, as section 16 of docs/formats.md does.

const KIB = 1024;
const MIB = 1024 * KIB;

// Nested arrays and objects.
export const JSON_DEPTH_MAX = 32;
export const DEFINITION_DEPTH_MAX = 96;
export const STATE_DEPTH_MAX = DEFINITION_DEPTH_MAX + 1;
export const HISTORY_DEPTH_MAX = DEFINITION_DEPTH_MAX + 3;
export const BUNDLE_DEPTH_MAX = DEFINITION_DEPTH_MAX + 1;
export const EXHIBIT_DEPTH_MAX = BUNDLE_DEPTH_MAX + 1;

export const NAME_BYTES_MAX = 64;
export const CODE_BYTES_MAX = 64;
export const DOCUMENT_ID_BYTES_MAX = 256;
export const ADDRESS_BYTES_MAX = 256;

export const LEAF_BYTES_MAX = 4 * KIB;
export const NOTE_BYTES_MAX = 64 * KIB;
export const NOTE_SIGNATURES_MAX = 256;
export const COSIGNATURE_TIME_MAX = 2n ** 63n - 1n;
export const PATH_HASHES_MAX = 53;
export const CONSISTENCY_HASHES_MAX = PATH_HASHES_MAX + 1;
export const RECEIPT_BYTES_MAX = 128 * KIB;
export const RECEIPT_JSON_BYTES_MAX = 256 * KIB;

export const PROOF_BYTES_MAX = 4 * MIB;
export const STATE_SIBLINGS_MAX = 256;
export const HISTORY_BYTES_MAX = 64 * MIB;
export const HISTORY_VERSIONS_MAX = 10_000;

export const GENESIS_BYTES_MAX = 4 * MIB;
export const FOUNDERS_BYTES_MAX = 64 * KIB;
export const ORGANISATIONS_MAX = 64;
export const ACCOUNT_KEYS_MAX = 16;
export const ACCESS_FIELDS_MAX = 64;
export const ACCESS_FIELD_BYTES_MAX = 256;
export const ACCESS_POLICIES_MAX = 64;
export const ACCESS_POLICY_BYTES_MAX = 4 * KIB;
export const REVOKED_KEYS_MAX = 1024;
export const EPOCHS_MAX = 4096;
export const EPOCH_BYTES_MAX = MIB;
export const TRUST_BYTES_MAX = 64 * MIB;
export const EXHIBIT_BYTES_MAX = TRUST_BYTES_MAX + 2 * HISTORY_BYTES_MAX;
export const MEMORY_BYTES_MAX = 256 * KIB;

export const POLICY_BYTES_MAX = 256 * KIB;
export const POLICY_ITEMS_MAX = 256;
export const VKEY_BYTES_MAX = 512;
