// Verifies state proofs: which version of a document was the newest at a seal, or that there was none.

import { unhex, utf8 } from "./bytes.js";
import { encode, parse } from "./canonical.js";
import { hasExactly, isAnyCollection, isDocumentId, isHashes } from "./form.js";
import { STATE_EMPTY, stateLeafHash } from "./hash.js";
import { checkPlace } from "./leaf.js";
import { PROOF_BYTES_MAX, STATE_DEPTH_MAX, STATE_SIBLINGS_MAX } from "./limits.js";
import { sharesBits, stateRoot } from "./merkle.js";
import { checkRecord, checkValue, describeVersion, recordHash, stateKey } from "./record.js";
import { demand } from "./refusal.js";
import { parseTlogProof, provenLeaf } from "./tlog_proof.js";

/**
 * What the state holds under a name that the caller gives, never the file:
 * `{kind: "state", ...certificate, index, height, collection, id, answer, newest}`, where `answer` is `present`, `deleted`
 * or `absent`, `height` the seal's, and `newest` a version or null.
 */
export async function verifyState(trust, file, collection, id) {
  return verifyParsedState(trust, parse(file, { bytes: PROOF_BYTES_MAX, nesting: STATE_DEPTH_MAX }), collection, id);
}

/** As `verifyState`, of the value that stands in a history proof. */
export async function verifyParsedState(trust, proof, collection, id) {
  demand(isAnyCollection(collection) && isDocumentId(id), "claim", "the question names no document");
  checkForm(proof);
  const { record, value, salt, neighbour, siblings } = proof;
  const receipt = parseTlogProof(proof.seal);
  const certificate = await trust.certifyCheckpoint(receipt.checkpoint);
  const { leaf: seal } = await provenLeaf(receipt);
  demand(seal.kind === "seal", "state", "the receipt is not a seal's");
  checkPlace(seal, receipt.index, trust.origin);
  if (record) {
    const asked = record.collection === collection && record.id === id;
    demand(asked, "claim", `the proof is of ${record.collection}/${record.id}, not of ${collection}/${id}`);
  }
  await checkValue(record, value, salt, "state");
  const key = await stateKey(collection, id);
  const end = await endOfWay(key, record, neighbour, siblings.length);
  const root = await stateRoot(end, key, siblings.map(unhex));
  demand(root === seal.state, "state", "the way does not lead to the seal's state");
  return {
    kind: "state",
    ...certificate,
    index: receipt.index,
    height: seal.height,
    collection,
    id,
    answer: !record ? "absent" : record.value === null ? "deleted" : "present",
    newest: record && (await describeVersion(record, value)),
  };
}

function checkForm(proof) {
  const formed = hasExactly(proof, "kind neighbour record salt seal siblings v value");
  demand(formed && proof.kind === "state-proof" && proof.v === 1, "file", "not a state proof");
  const { neighbour, record, seal, siblings } = proof;
  demand(typeof seal === "string" && isHashes(siblings), "file", "a malformed state proof");
  demand(siblings.length <= STATE_SIBLINGS_MAX, "file", `more than ${STATE_SIBLINGS_MAX} siblings`);
  const pair = isHashes(neighbour) && neighbour.length === 2;
  demand(neighbour === null || pair, "file", "a malformed neighbour");
  demand(record === null || neighbour === null, "file", "a neighbour beside a record");
  if (record !== null) checkRecord(record);
  // Inside of a history proof the limit of the file is another.
  demand(utf8(encode(proof)).length <= PROOF_BYTES_MAX, "file", "a state proof of more than 4 MiB");
}

/** The hash of what stands where the way of `key` ends. */
async function endOfWay(key, record, neighbour, depth) {
  if (record) return stateLeafHash(key, await recordHash(record));
  if (!neighbour) return STATE_EMPTY;
  const [other, hash] = neighbour;
  demand(other !== key, "state", "the neighbour is the document itself");
  demand(sharesBits(other, key, depth), "state", "the neighbour is not on the way");
  return stateLeafHash(other, hash);
}
