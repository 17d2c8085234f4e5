// Verifies consistency proofs: that one certified log begins with another.

import { unhex } from "./bytes.js";
import { parse } from "./canonical.js";
import { hasExactly, isHashes } from "./form.js";
import { CONSISTENCY_HASHES_MAX, JSON_DEPTH_MAX, PROOF_BYTES_MAX } from "./limits.js";
import { isConsistent } from "./merkle.js";
import { demand } from "./refusal.js";

/** `{kind: "consistency", origin, old: certificate, new: certificate}`. */
export async function verifyConsistency(trust, file) {
  const proof = parse(file, { bytes: PROOF_BYTES_MAX, nesting: JSON_DEPTH_MAX });
  const formed = hasExactly(proof, "kind new old path v") && proof.kind === "consistency-proof" && proof.v === 1;
  demand(formed, "file", "not a consistency proof");
  checkPath(proof.path);
  const older = await trust.certify(proof.old);
  const newer = await trust.certify(proof.new);
  const joined = await isConsistent(older.size, older.root, newer.size, newer.root, proof.path.map(unhex));
  demand(joined, "consistency", `the path does not join size ${older.size} to size ${newer.size}`);
  return { kind: "consistency", origin: trust.origin, old: older, new: newer };
}

export function checkPath(path) {
  demand(isHashes(path) && path.length <= CONSISTENCY_HASHES_MAX, "file", "a malformed path");
}
