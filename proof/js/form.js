// Tells whether a member of a file has its form: names, hashes, counts, and no member more or less.

import { utf8 } from "./bytes.js";
import { DOCUMENT_ID_BYTES_MAX, NAME_BYTES_MAX } from "./limits.js";

const HASH = /^[0-9a-f]{64}$/;
const NAME = /^[a-z0-9][a-z0-9.-]*$/;
const COLLECTION = /^[a-z][a-z0-9_.-]*$/;
const SYSTEM_COLLECTIONS = [
  "$accounts", "$members", "$nodes", "$organisations", "$proposals", "$rules", "$schemas",
];
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether `value` is an object with exactly the members `names`, given as words of one string. */
export function hasExactly(value, names) {
  if (!isObject(value)) return false;
  const wanted = names.split(" ");
  return Object.keys(value).length === wanted.length && wanted.every((name) => Object.hasOwn(value, name));
}

export function isHash(value) {
  return typeof value === "string" && HASH.test(value);
}

export function isHashes(value) {
  return Array.isArray(value) && value.every(isHash);
}

export function isCount(value) {
  return Number.isSafeInteger(value) && value >= 0;
}

export function isPositive(value) {
  return isCount(value) && value > 0;
}

/** A ledger, an organisation, or the last part of a node or account. */
export function isName(value) {
  return typeof value === "string" && value.length <= NAME_BYTES_MAX && NAME.test(value);
}

/** `<organisation>/<name>`. */
export function isNode(value) {
  if (typeof value !== "string") return false;
  const parts = value.split("/");
  return parts.length === 2 && parts.every(isName);
}

export function isAccount(value) {
  return isName(value) || isNode(value);
}

export function isOrigin(value) {
  if (typeof value !== "string") return false;
  const [ledger, genesis, ...rest] = value.split("/");
  return isName(ledger) && isHash(genesis) && rest.length === 0;
}

/** A collection that a genesis may define. */
export function isCollection(value) {
  return typeof value === "string" && value.length <= NAME_BYTES_MAX && COLLECTION.test(value);
}

/** What a version record may be of. */
export function isAnyCollection(value) {
  return isCollection(value) || SYSTEM_COLLECTIONS.includes(value);
}

export function isDocumentId(value) {
  if (typeof value !== "string" || value === "" || CONTROL.test(value)) return false;
  return utf8(value).length <= DOCUMENT_ID_BYTES_MAX;
}
