// Compares a certificate with the newest one remembered, so that an older log is not passed off as today's.

import { parse } from "./canonical.js";
import { parseCheckpoint } from "./checkpoint.js";
import { verifyConsistency } from "./consistency_proof.js";
import { hasExactly } from "./form.js";
import { JSON_DEPTH_MAX, MEMORY_BYTES_MAX } from "./limits.js";
import { demand } from "./refusal.js";

/**
 * Checks `{size, root}` of a certificate against a memory; below it only a consistency proof joins the two. What is
 * remembered was certified when it was written, and is not again: the epochs known now may begin above it.
 */
export async function checkMemory(trust, file, { size, root }, consistencyFile = null) {
  const memory = parse(file, { bytes: MEMORY_BYTES_MAX, nesting: JSON_DEPTH_MAX });
  const formed = hasExactly(memory, "kind note v") && memory.kind === "memory" && memory.v === 1;
  demand(formed, "file", "not a memory");
  const remembered = parseCheckpoint(memory.note);
  demand(remembered.origin === trust.origin, "memory", `a memory of ${remembered.origin}, not of ${trust.origin}`);
  if (size === remembered.size) {
    demand(root === remembered.root, "memory", `another root of size ${size} is remembered`);
  }
  if (size >= remembered.size) return remembered;
  demand(
    consistencyFile !== null,
    "memory",
    `size ${remembered.size} is remembered, and nothing joins size ${size} to it`,
  );
  const { old, new: newer } = await verifyConsistency(trust, consistencyFile);
  const joins =
    old.size === size && old.root === root && newer.size === remembered.size && newer.root === remembered.root;
  demand(joins, "memory", `the consistency proof does not join size ${size} to size ${remembered.size}`);
  return remembered;
}
