// Tests paths through the log for every small size, and that no path but the right one leads anywhere.

import assert from "node:assert/strict";
import test from "node:test";
import { hex, utf8 } from "../bytes.js";
import { logLeafHash } from "../hash.js";
import { isConsistent, isIncluded } from "../merkle.js";
import { consistencyPath, inclusionPath, logRoot } from "./forge.js";
import { random } from "./random.js";

const SIZE_MAX = 20;
const LEAVES = Array.from({ length: SIZE_MAX }, (_, i) => utf8(`leaf ${i}`));
const pick = random(1);

/** Paths that differ from the right one: shorter, longer, out of order, with one bit flipped. */
function wrongPaths(path) {
  const wrong = [[...path, new Uint8Array(32)], path.slice(1), path.slice(0, -1), [...path].reverse()];
  for (const i of path.keys()) {
    const flipped = path.map((hash) => Uint8Array.from(hash));
    flipped[i][pick(32)] ^= 1 << pick(8);
    wrong.push(
      flipped,
      path.filter((_, j) => j !== i),
      [...path.slice(0, i), path[i], ...path.slice(i)],
    );
  }
  const same = (other) => other.length === path.length && other.every((hash, i) => hex(hash) === hex(path[i]));
  return wrong.filter((other) => !same(other));
}

test("a leaf is included by its one path, at its one index", async () => {
  for (let size = 1; size <= SIZE_MAX; size++) {
    const leaves = LEAVES.slice(0, size);
    const root = hex(await logRoot(leaves));
    for (let index = 0; index < size; index++) {
      const hash = await logLeafHash(leaves[index]);
      const path = await inclusionPath(index, leaves);
      assert.ok(await isIncluded(hash, index, size, path, root), `${index} of ${size}`);
      for (const wrong of wrongPaths(path)) assert.ok(!(await isIncluded(hash, index, size, wrong, root)));
      for (let other = 0; other <= size; other++) {
        if (other !== index)
          assert.ok(!(await isIncluded(hash, other, size, path, root)), `${index} as ${other} of ${size}`);
      }
      assert.ok(!(await isIncluded(await logLeafHash(utf8("other")), index, size, path, root)));
    }
  }
});

test("a log begins with each of its former sizes, and with nothing else", async () => {
  for (let size = 1; size <= SIZE_MAX; size++) {
    const leaves = LEAVES.slice(0, size);
    const root = hex(await logRoot(leaves));
    for (let old = 1; old <= size; old++) {
      const oldRoot = hex(await logRoot(leaves.slice(0, old)));
      const path = await consistencyPath(old, leaves);
      assert.ok(await isConsistent(old, oldRoot, size, root, path), `${old} of ${size}`);
      for (const wrong of wrongPaths(path)) assert.ok(!(await isConsistent(old, oldRoot, size, root, wrong)));
      const other = hex(await logRoot([...leaves.slice(0, old - 1), utf8("other")]));
      assert.ok(!(await isConsistent(old, other, size, root, path)), `another log of ${old} before ${size}`);
      assert.ok(!(await isConsistent(old, oldRoot, size, other, path)));
      // A deeper tree needs a longer path. (One as deep may share it: only the checkpoint ties a root to its size.)
      for (const wrong of [2 * size, 4 * size]) {
        assert.ok(!(await isConsistent(old, oldRoot, wrong, root, path)), `${old} of ${size} as ${wrong}`);
      }
      if (old < size) assert.ok(!(await isConsistent(size, root, old, oldRoot, path)), "backwards");
    }
    assert.ok(!(await isConsistent(0, hex(await logRoot([])), size, root, [])));
  }
});

test("sizes near 2^53 are no hurdle", async () => {
  const size = Number.MAX_SAFE_INTEGER;
  assert.equal(
    await isIncluded(new Uint8Array(32), size - 1, size, Array(60).fill(new Uint8Array(32)), "00".repeat(32)),
    false,
  );
  assert.equal(
    await isConsistent(2 ** 40, "00".repeat(32), size, "00".repeat(32), Array(60).fill(new Uint8Array(32))),
    false,
  );
});
