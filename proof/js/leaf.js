// Reads the leaves of the log, which are of three kinds.

import { parse } from "./canonical.js";
import { hasExactly, isAccount, isCount, isHash, isNode, isPositive } from "./form.js";
import { CODE_BYTES_MAX, JSON_DEPTH_MAX, LEAF_BYTES_MAX } from "./limits.js";
import { demand } from "./refusal.js";

export function parseLeaf(bytes) {
  const leaf = parse(bytes, { bytes: LEAF_BYTES_MAX, nesting: JSON_DEPTH_MAX }, "leaf");
  demand(leaf?.v === 1 && isKnown(leaf), "leaf", "a leaf of no known kind and form");
  return leaf;
}

/** Whether a leaf stands where it says it does: a seal ends its block, and a genesis is the ledger's own. */
export function checkPlace(leaf, index, origin) {
  if (leaf.kind === "seal") {
    demand(index + 1 === leaf.first + leaf.leaves, "leaf", "a seal that is not the last leaf of its block");
  }
  if (leaf.kind === "genesis") {
    demand(index === 0 && origin.endsWith(`/${leaf.genesis}`), "leaf", "a leaf of another genesis, or not leaf 0");
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
        isCode(code);
}

// Of any rules: those to come may name reasons that are not known here.
function isCode(code) {
  return typeof code === "string" && code.length <= CODE_BYTES_MAX && /^[A-Z][A-Z0-9_]*$/.test(code);
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
