// Computes the hashes of the formats: plain, tagged, and of the log's and the state's nodes.

import { concat, hex, unhex, utf8 } from "./bytes.js";
import { Refusal } from "./refusal.js";

export async function sha256(...parts) {
  return new Uint8Array(await subtle().digest("SHA-256", concat(...parts)));
}

export async function sha512(...parts) {
  return new Uint8Array(await subtle().digest("SHA-512", concat(...parts)));
}

/** WebCrypto, which browsers withhold from pages that did not come over HTTPS. */
export function subtle() {
  const found = globalThis.crypto?.subtle;
  if (!found) throw new Refusal("file", "this runtime has no WebCrypto here: nothing can be verified");
  return found;
}

/** Of canonical text: what `sha256sum` says, in hexadecimal. */
export async function plainHash(text) {
  return hex(await sha256(utf8(text)));
}

/** `H(what, parts)` of the document, in hexadecimal. */
export async function taggedHash(what, ...parts) {
  return hex(await sha256(utf8(`countersign/${what}/v1\n`), ...parts));
}

// What follows is hashed too often to be written out each time: bytes in, bytes out.

export function logLeafHash(leaf) {
  return sha256(Uint8Array.of(0), leaf);
}

export function logNodeHash(left, right) {
  return sha256(Uint8Array.of(1), left, right);
}

export const STATE_EMPTY = utf8("SPARSE_MERKLE_PLACEHOLDER_HASH__");

export function stateLeafHash(key, recordHash) {
  return sha256(utf8("JMT::LeafNode"), unhex(key), unhex(recordHash));
}

export function stateNodeHash(left, right) {
  return sha256(utf8("JMT::IntrnalNode"), left, right);
}
