// Follows paths through the log's tree (RFC 9162, 2.1.3.2 and 2.1.4.2) and through the state's.

import { hex, unhex } from "./bytes.js";
import { logNodeHash, stateNodeHash } from "./hash.js";

/** Whether `path` leads from the leaf at `index` to `root` in a tree of `size`, and is exactly as long as they demand. */
export async function isIncluded(leafHash, index, size, path, root) {
  if (index >= size) return false;
  let at = index;
  let last = size - 1;
  let hash = leafHash;
  for (const sibling of path) {
    if (last === 0) return false;
    if (isOdd(at) || at === last) {
      hash = await logNodeHash(sibling, hash);
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      hash = await logNodeHash(hash, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && hex(hash) === root;
}

/** Whether `path` shows that the tree of `newSize` begins with the tree of `oldSize`. */
export async function isConsistent(oldSize, oldRoot, newSize, newRoot, path) {
  if (oldSize === 0 || oldSize > newSize) return false;
  if (oldSize === newSize) return path.length === 0 && oldRoot === newRoot;
  let [at, last] = [oldSize - 1, newSize - 1];
  while (isOdd(at)) [at, last] = [half(at), half(last)];
  // A complete old tree is itself the first node on the way.
  const steps = at === 0 ? [unhex(oldRoot), ...path] : path;
  if (path.length === 0) return false;
  let [older, newer] = [steps[0], steps[0]];
  for (const step of steps.slice(1)) {
    if (last === 0) return false;
    if (isOdd(at) || at === last) {
      older = await logNodeHash(step, older);
      newer = await logNodeHash(step, newer);
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      newer = await logNodeHash(newer, step);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && hex(older) === oldRoot && hex(newer) === newRoot;
}

/** The root above `hash`, which lies where the way of `key` ends after as many bits as there are siblings, leaf to root. */
export async function stateRoot(hash, key, siblings) {
  let node = hash;
  for (const [i, sibling] of siblings.entries()) {
    const goesRight = bit(key, siblings.length - 1 - i);
    node = goesRight ? await stateNodeHash(sibling, node) : await stateNodeHash(node, sibling);
  }
  return hex(node);
}

export function sharesBits(one, other, count) {
  for (let i = 0; i < count; i++) if (bit(one, i) !== bit(other, i)) return false;
  return true;
}

// Sizes reach 2^53-1, beyond JavaScript's 32-bit operators.
const isOdd = (number) => number % 2 === 1;
const half = (number) => Math.floor(number / 2);

function bit(key, i) {
  return (Number.parseInt(key[i >> 2], 16) >> (3 - (i & 3))) & 1;
}
