// Verifies receipts: that a leaf is in the log which a quorum certified.

import { checkPlace } from "./leaf.js";
import { parseReceipt, provenLeaf } from "./tlog_proof.js";

/** `{kind: "receipt", ...certificate, index, height, leaf, leaf_hash}`; the leaf of the genesis has no height. */
export async function verifyReceipt(trust, file) {
  const receipt = parseReceipt(file);
  const certificate = await trust.certifyCheckpoint(receipt.checkpoint);
  const { leaf, leafHash } = await provenLeaf(receipt);
  checkPlace(leaf, receipt.index, trust.origin);
  return {
    kind: "receipt",
    ...certificate,
    index: receipt.index,
    height: leaf.height ?? null,
    leaf,
    leaf_hash: leafHash,
  };
}
