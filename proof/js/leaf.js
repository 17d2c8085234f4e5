// Reads the leaves of the log, which are of three kinds.

import { parse } from "./canonical.js";
import { hasExactly, isAccount, isCount, isHash, isNode, isPositive } from "./form.js";
import { LEAF_BYTES_MAX, NESTING_MAX } from "./limits.js";
import { demand } from "./refusal.js";

const REJECTIONS = new Set([
  "EXPIRED",
  "UNAUTHORIZED",
  "UNKNOWN_COLLECTION",
  "RESERVED_NAME",
  "VERSION_CONFLICT",
  "PRECONDITION_FAILED",
  "ALREADY_EXISTS",
  "NOT_FOUND",
  "INVALID_VALUE",
  "TOO_LARGE",
  "KEY_IN_USE",
  "SCHEMA_VIOLATION",
]);

export function parseLeaf(bytes) {
  const leaf = parse(bytes, { bytes: LEAF_BYTES_MAX, nesting: NESTING_MAX }, "leaf");
  demand(leaf?.v === 1 && isKnown(leaf), "leaf", "a leaf of no known kind and form");
  return leaf;
}

/** Whether a leaf stands where it says it does: a seal ends its block, and a genesis is the ledger's own. */
export function checkPlace(leaf, index, origin) {
  if (leaf.kind === "seal") {
    demand(index + 1 === leaf.first + leaf.leaves, "leaf", "a seal that is not the last leaf of its block");
  }
  if (leaf.kind === "genesis") {
    demand(origin.endsWith(`/${leaf.genesis}`), "leaf", "a leaf of another genesis");
  }
}

function isKnown(leaf) {
  switch (leaf.kind) {
    case "genesis":
      return hasExactly(leaf, "genesis kind v") && isHash(leaf.genesis);
    case "transaction":
      return isTransaction(leaf);
    case "seal":
      return isSeal(leaf);
    default:
      return false;
  }
}

function isTransaction(leaf) {
  const { body, by, code, height, id, outcome, signatures, writes } = leaf;
  if (![body, id, signatures].every(isHash) || !isAccount(by) || !isCount(height)) return false;
  return outcome === "applied"
    ? hasExactly(leaf, "body by height id kind outcome signatures v writes") && isHash(writes)
    : hasExactly(leaf, "body by code height id kind outcome signatures v") &&
        outcome === "rejected" &&
        REJECTIONS.has(code);
}

function isSeal(leaf) {
  const names = "first height kind leaves members next_members previous proposal proposer rules state term time v";
  if (!hasExactly(leaf, names)) return false;
  const { first, height, leaves, members, next_members, previous, proposal, proposer, rules, state, term, time } = leaf;
  return (
    [first, height, term, time].every(isCount) &&
    [leaves, rules].every(isPositive) &&
    [members, next_members, previous, proposal, state].every(isHash) &&
    (height === 0 ? proposer === null : isNode(proposer))
  );
}
