// Reads version records, and tells whether a value is the one a record commits to.

import { unhex, utf8 } from "./bytes.js";
import { encode } from "./canonical.js";
import { hasExactly, isAnyCollection, isCount, isDocumentId, isHash, isPositive } from "./form.js";
import { taggedHash } from "./hash.js";
import { demand } from "./refusal.js";

export function checkRecord(record) {
  const names = "collection height id previous transaction v value version";
  demand(hasExactly(record, names) && record.v === 1, "file", "not a version record");
  const { collection, height, id, previous, transaction, value, version } = record;
  const hashes = isHash(transaction) && (value === null || isHash(value)) && (previous === null || isHash(previous));
  demand(hashes && isAnyCollection(collection) && isDocumentId(id), "file", "a malformed version record");
  demand(isCount(height) && isPositive(version), "file", "a malformed version record");
  demand((previous === null) === (version === 1), "file", "only version 1 has nothing before it");
}

export function recordHash(record) {
  return taggedHash("version", utf8(encode(record)));
}

export function stateKey(collection, id) {
  return taggedHash("state-key", utf8(encode([collection, id])));
}

/** Checks value and salt, which are null together, against what the record commits to. */
export async function checkValue(record, value, salt, check) {
  demand((value === null) === (salt === null), "file", "a value without its salt, or a salt without its value");
  if (salt === null) return;
  demand(isHash(salt), "file", "a malformed salt");
  demand(record?.value, check, "a value where the record has none");
  const hash = await taggedHash("value", unhex(salt), utf8(encode(value)));
  demand(hash === record.value, check, "the value is not the one that the record commits to");
}

/** What a reader learns of one version. */
export async function describeVersion(record, value) {
  const { height, transaction, version } = record;
  const deleted = record.value === null;
  return {
    version,
    height,
    transaction,
    record_hash: await recordHash(record),
    deleted,
    withheld: !deleted && value === null,
    value,
  };
}
