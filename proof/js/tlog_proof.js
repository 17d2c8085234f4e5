// Reads receipts as C2SP tlog-proofs, and follows their path from the leaf to the checkpoint's root.

import { hex, textOf, unbase64 } from "./bytes.js";
import { encode, parse } from "./canonical.js";
import { parseCheckpoint, parseDecimal } from "./checkpoint.js";
import { hasExactly } from "./form.js";
import { logLeafHash } from "./hash.js";
import { parseLeaf } from "./leaf.js";
import {
  JSON_DEPTH_MAX,
  LEAF_BYTES_MAX,
  PATH_HASHES_MAX,
  RECEIPT_BYTES_MAX,
  RECEIPT_JSON_BYTES_MAX,
} from "./limits.js";
import { isIncluded } from "./merkle.js";
import { demand } from "./refusal.js";

/** `{leafBytes, index, path, checkpoint, saysLeaf}` of a receipt in either form; `saysLeaf` is what its JSON calls the leaf. */
export function parseReceipt(file) {
  const text = textOf(file, RECEIPT_JSON_BYTES_MAX);
  if (!text.startsWith("{")) return { ...parseTlogProof(text), saysLeaf: null };
  const receipt = parse(text, { bytes: RECEIPT_JSON_BYTES_MAX, nesting: JSON_DEPTH_MAX });
  const formed = hasExactly(receipt, "kind leaf proof v") && receipt.kind === "receipt" && receipt.v === 1;
  demand(formed && typeof receipt.proof === "string", "file", "not a receipt");
  return { ...parseTlogProof(receipt.proof), saysLeaf: encode(receipt.leaf) };
}

/** What a tlog-proof says, wherever its text stands. */
export function parseTlogProof(proof) {
  demand(typeof proof === "string", "file", "a receipt that is no text");
  const text = textOf(proof, RECEIPT_BYTES_MAX);
  const end = text.indexOf("\n\n");
  demand(end > 0, "file", "a tlog-proof without a checkpoint");
  const [version, extra, index, ...hashes] = text.slice(0, end).split("\n");
  demand(version === "c2sp.org/tlog-proof@v1", "file", "not a tlog-proof");
  demand(extra?.startsWith("extra ") && index?.startsWith("index "), "file", "a tlog-proof without its leaf or index");
  const leafBytes = unbase64(extra.slice("extra ".length));
  demand(leafBytes, "file", "a leaf whose base64 is malformed");
  demand(hashes.length <= PATH_HASHES_MAX, "file", "a path that is too long");
  const path = hashes.map((line) => unbase64(line));
  demand(
    path.every((hash) => hash?.length === 32),
    "file",
    "a path of other than hashes",
  );
  const checkpoint = parseCheckpoint(text.slice(end + 2));
  return { leafBytes, index: parseDecimal(index.slice("index ".length)), path, checkpoint };
}

/** The leaf of a receipt and its hash, when the path leads to the root; of the checkpoint it says nothing. */
export async function provenLeaf({ leafBytes, index, path, checkpoint, saysLeaf = null }) {
  demand(leafBytes.length <= LEAF_BYTES_MAX, "leaf", "a leaf of more than 4 KiB");
  const leafHash = await logLeafHash(leafBytes);
  const included = await isIncluded(leafHash, index, checkpoint.size, path, checkpoint.root);
  demand(included, "inclusion", `the path does not lead from leaf ${index} to the root at size ${checkpoint.size}`);
  const leaf = parseLeaf(leafBytes);
  demand(saysLeaf === null || saysLeaf === encode(leaf), "leaf", "the leaf shown is not the leaf proved");
  return { leaf, leafHash: hex(leafHash) };
}
