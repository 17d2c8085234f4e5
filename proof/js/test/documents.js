// Tests what state proofs and history proofs show of documents, and that they show nothing else.

import assert from "node:assert/strict";
import test from "node:test";
import { unhex, utf8 } from "../bytes.js";
import { stateLeafHash, taggedHash } from "../hash.js";
import { stateRoot } from "../merkle.js";
import { Trust, verifyHistory, verifyState } from "../verify.js";
import { refused } from "./assert.js";
import { ForgedLedger, canonical, forgeVoters, stateTree } from "./forge.js";

const VOTERS = await forgeVoters(["a.example"]);
const nested = (depth) => JSON.parse("[".repeat(depth) + "]".repeat(depth));

async function trustOf(ledger) {
  return Trust.fromGenesis(canonical(ledger.genesis), ledger.genesisHash);
}

/** A ledger with 24 documents, of which every third is deleted. */
async function documents() {
  const ledger = await ForgedLedger.create(VOTERS);
  const newest = new Map();
  for (let i = 0; i < 24; i++) newest.set(`D-${i}`, await ledger.write("things", `D-${i}`, { n: i, text: "é" }));
  await ledger.block();
  for (let i = 0; i < 24; i += 3)
    newest.set(`D-${i}`, await ledger.write("things", `D-${i}`, null, newest.get(`D-${i}`)));
  await ledger.block();
  const trust = await trustOf(ledger);
  const ask = (proof, id, collection = "things") => verifyState(trust, canonical(proof), collection, id);
  return { ledger, newest, trust, ask };
}

test("every document of a state is present or deleted, and every other absent", async () => {
  const { ledger, newest, ask } = await documents();
  let [neighbours, empties] = [0, 0];
  for (const [id, version] of newest) {
    const proved = await ask(await ledger.stateProof("things", id, version), id);
    assert.equal(proved.answer, version.value === null ? "deleted" : "present");
    assert.deepEqual([proved.newest.value, proved.newest.version], [version.value, version.record.version]);
  }
  for (let i = 0; i < 48; i++) {
    const proof = await ledger.stateProof("things", `X-${i}`, null);
    if (proof.neighbour) neighbours += 1;
    else empties += 1;
    assert.equal((await ask(proof, `X-${i}`)).answer, "absent");
  }
  assert.ok(neighbours > 0 && empties > 0);
});

test("an empty state holds nothing", async () => {
  const ledger = await ForgedLedger.create(VOTERS);
  const proof = await ledger.stateProof("things", "D-0", null);
  assert.deepEqual(proof.siblings, []);
  assert.equal((await verifyState(await trustOf(ledger), canonical(proof), "things", "D-0")).answer, "absent");
});

test("no document is passed off as absent, deleted, or another", async () => {
  const { ledger, newest, ask } = await documents();
  const present = await ledger.stateProof("things", "D-1", newest.get("D-1"));
  const gone = { record: null, salt: null, value: null };
  const { end } = await endOf(ledger, "D-1");
  await refused("state", () => ask({ ...present, ...gone }, "D-1"));
  await refused("state", () => ask({ ...present, ...gone, neighbour: end }, "D-1"));
  for (let cut = 1; cut <= present.siblings.length; cut++) {
    await refused("state", () => ask({ ...present, ...gone, siblings: present.siblings.slice(cut) }, "D-1"));
    await refused("state", () => ask({ ...present, ...gone, siblings: present.siblings.slice(0, -cut) }, "D-1"));
  }
  for (const [id, version] of newest) {
    if (id === "D-1") continue;
    const other = await ledger.stateProof("things", id, version);
    await refused("claim", () => ask(other, "D-1"));
    const { end: elsewhere } = await endOf(ledger, id);
    await refused("state", () => ask({ ...other, ...gone, neighbour: elsewhere }, "D-1"));
    await refused("state", () =>
      ask({ ...other, record: { ...version.record, id: "D-1" }, salt: null, value: null }, "D-1"),
    );
  }
  const record = { ...newest.get("D-1").record, value: null };
  await refused("state", () => ask({ ...present, record, salt: null, value: null }, "D-1"));
});

async function endOf(ledger, id) {
  return stateTree([...ledger.pairs], await taggedHash("state-key", utf8(canonical(["things", id]))));
}

test("a value is the record's, or withheld with its salt", async () => {
  const { ledger, newest, ask } = await documents();
  const proof = await ledger.stateProof("things", "D-1", newest.get("D-1"));
  assert.equal((await ask({ ...proof, salt: null, value: null }, "D-1")).newest.withheld, true);
  await refused("state", () => ask({ ...proof, value: { n: 2, text: "é" } }, "D-1"));
  await refused("state", () => ask({ ...proof, salt: "0".repeat(64) }, "D-1"));
  await refused("file", () => ask({ ...proof, salt: null }, "D-1"));
  await refused("file", () => ask({ ...proof, value: null }, "D-1"));
  await refused("file", () => ask({ ...proof, salt: 5 }, "D-1"));
  const deleted = await ledger.stateProof("things", "D-0", newest.get("D-0"));
  await refused("state", () => ask({ ...deleted, salt: proof.salt, value: proof.value }, "D-0"));
  const absent = await ledger.stateProof("things", "X", null);
  await refused("state", () => ask({ ...absent, salt: proof.salt, value: proof.value }, "X"));
});

test("a state proof stands under a seal, and under the seal of its own state", async () => {
  const { ledger, newest, ask } = await documents();
  const proof = await ledger.stateProof("things", "D-1", newest.get("D-1"));
  await refused("state", async () => ask({ ...proof, seal: await ledger.receipt(2) }, "D-1"));
  await refused("state", async () => ask({ ...proof, seal: await ledger.receipt(1) }, "D-1"));
  await refused("file", async () => ask({ ...proof, seal: null }, "D-1"));
  // A receipt as JSON is a file of its own and no seal inside of another.
  const json = canonical({
    kind: "receipt",
    leaf: JSON.parse(Buffer.from(ledger.leaves.at(-1))),
    proof: proof.seal,
    v: 1,
  });
  await refused("file", async () => ask({ ...proof, seal: json }, "D-1"));
});

test("a state proof stands under a certified seal", async () => {
  const { ledger, newest, ask } = await documents();
  const proof = await ledger.stateProof("things", "D-1", newest.get("D-1"));
  const strangers = await forgeVoters(["z.example"]);
  const seal = await ledger.receipt(ledger.leaves.length - 1, await ledger.note(strangers, 6, VOTERS[0]));
  await refused("quorum", () => ask({ ...proof, seal }, "D-1"));
});

test("a leaf of the state that is not on the way shows no absence, though its hash stands there", async () => {
  const { ledger, trust } = await documents();
  const key = await taggedHash("state-key", utf8(canonical(["things", "X"])));
  const sibling = "ab".repeat(32);
  const misplaced = [(key[0] < "8" ? "f" : "0") + key.slice(1), sibling];
  const root = await stateRoot(await stateLeafHash(...misplaced), key, [unhex(sibling)]);
  await ledger.block({ state: root });
  const seal = await ledger.receipt(ledger.leaves.length - 1);
  const proof = {
    kind: "state-proof",
    neighbour: misplaced,
    record: null,
    salt: null,
    seal,
    siblings: [sibling],
    v: 1,
    value: null,
  };
  await refused("state", () => verifyState(trust, canonical(proof), "things", "X"));
});

test("a state proof has its form", async () => {
  const { ledger, newest, ask } = await documents();
  const proof = await ledger.stateProof("things", "D-1", newest.get("D-1"));
  const pair = ["00".repeat(32), "11".repeat(32)];
  const changes = [
    { v: 2 },
    { kind: "receipt" },
    { more: 1 },
    { siblings: null },
    { siblings: ["00"] },
    { siblings: [null] },
    { neighbour: pair },
    { siblings: Array(257).fill(pair[0]) },
    { record: null, salt: null, value: null, neighbour: [pair[0]] },
    { record: null, salt: null, value: null, neighbour: {} },
    { record: [] },
    { record: 0 },
    { record: "" },
  ];
  for (const change of changes) await refused("file", () => ask({ ...proof, ...change }, "D-1"), canonical(change));
  const { record } = proof;
  const records = [
    { v: 2 },
    { version: 0 },
    { version: 2 },
    { version: 1.5 },
    { height: -1 },
    { previous: record.value },
    { transaction: null },
    { value: "x" },
    { more: 1 },
    { collection: "Things" },
    { collection: "" },
    { collection: "$" },
    { id: "" },
    { id: "a\u0007" },
    { id: "\u0085" },
    { id: "x".repeat(257) },
    { id: 5 },
  ];
  for (const change of records)
    await refused("file", () => ask({ ...proof, record: { ...record, ...change } }, "D-1"), canonical(change));
  await refused("state", () => ask({ ...proof, siblings: Array(256).fill(pair[0]) }, "D-1"));
});

test("a question names a document", async () => {
  const { ledger, newest, ask } = await documents();
  const proof = await ledger.stateProof("things", "D-1", newest.get("D-1"));
  for (const id of ["", "a\nb", "x".repeat(257), "é".repeat(129), null, undefined, 5])
    await refused("claim", () => ask(proof, id));
  for (const collection of ["", "T", "$", "a/b", "x".repeat(65), null])
    await refused("claim", () => ask(proof, "D-1", collection));
});

test("a value is nested as deeply as a definition may be", async () => {
  const ledger = await ForgedLedger.create(VOTERS);
  const cases = [
    ["things", 64, true],
    ["things", 96, true],
    ["things", 97, false],
    ["$schemas", 96, true],
    ["$schemas", 97, false],
  ];
  const written = [];
  for (const [collection, depth] of cases) written.push(await ledger.write(collection, `d${depth}`, nested(depth)));
  await ledger.block();
  for (const [i, [collection, depth, allowed]] of cases.entries()) {
    const version = written[i];
    const file = canonical(await ledger.stateProof(collection, `d${depth}`, version));
    const ask = async () => verifyState(await trustOf(ledger), file, collection, `d${depth}`);
    if (allowed) assert.deepEqual((await ask()).newest.value, nested(depth));
    else await refused("file", ask);
  }
});

test("a state proof has at most 4 MiB", async () => {
  const ledger = await ForgedLedger.create(VOTERS);
  const MIB4 = 4 * 1024 * 1024;
  const versions = [];
  for (const [i, length] of [MIB4 - 5000, MIB4].entries())
    versions.push(await ledger.write("things", `D-${i}`, "x".repeat(length)));
  await ledger.block();
  const trust = await trustOf(ledger);
  const [small, large] = [
    await ledger.stateProof("things", "D-0", versions[0]),
    await ledger.stateProof("things", "D-1", versions[1]),
  ];
  assert.equal((await verifyState(trust, canonical(small), "things", "D-0")).answer, "present");
  await refused("file", () => verifyState(trust, canonical(large), "things", "D-1"));
  const history = { earlier: [], from: 0, kind: "history-proof", state: large, to: 1, v: 1 };
  await refused("file", () => verifyHistory(trust, canonical(history), "things", "D-1"));
});

/** A ledger with versions of one document at heights 1, 1, 3, 4 (deleted), 6, newest first, and a last seal of height 7. */
async function versions() {
  const ledger = await ForgedLedger.create(VOTERS);
  const written = [];
  const heights = new Map([
    [1, [{ n: 1 }, { n: 2 }]],
    [3, [{ n: 3 }]],
    [4, [null]],
    [6, [{ n: 5 }]],
  ]);
  for (let height = 1; height <= 7; height++) {
    for (const value of heights.get(height) ?? [])
      written.unshift(await ledger.write("things", "D", value, written[0] ?? null));
    await ledger.block();
  }
  const trust = await trustOf(ledger);
  const ask = (proof) => verifyHistory(trust, canonical(proof), "things", "D");
  return { ledger, written, trust, ask };
}

/** What a history from a height on must show, newest first. */
function needed(written, from) {
  const end = written.findIndex(({ record }) => record.height < from);
  return end < 0 ? written : written.slice(0, end + 1);
}

test("a history is complete between any two heights, and needs every version", async () => {
  const { ledger, written, ask } = await versions();
  for (let from = 0; from <= 7; from++) {
    const shown = needed(written, from);
    for (let to = from; to <= 7; to++) {
      const proof = await ledger.historyProof("things", "D", shown, from, to);
      const proved = await ask(proof);
      const expected = [...written].reverse().filter(({ record }) => from <= record.height && record.height <= to);
      assert.deepEqual(
        proved.versions.map(({ version, value }) => [version, value]),
        expected.map(({ record, value }) => [record.version, value]),
      );
      const { earlier } = proof;
      for (const i of earlier.keys()) {
        await refused("history", () => ask({ ...proof, earlier: earlier.filter((_, j) => j !== i) }));
        await refused("history", () =>
          ask({ ...proof, earlier: [...earlier.slice(0, i), earlier[i], ...earlier.slice(i)] }),
        );
      }
      const beyond = written[shown.length];
      if (beyond) await refused("history", () => ask({ ...proof, earlier: [...earlier, beyond] }));
    }
    await refused("history", async () => ask(await ledger.historyProof("things", "D", shown, from, 8)));
    if (from > 0)
      await refused("history", async () => ask(await ledger.historyProof("things", "D", shown, from, from - 1)));
  }
});

test("a history's values may be withheld, and none be altered", async () => {
  const { ledger, written, ask } = await versions();
  const proof = await ledger.historyProof("things", "D", written, 0, 7);
  for (const i of proof.earlier.keys()) {
    const change = (changes) =>
      ask({ ...proof, earlier: proof.earlier.map((entry, j) => (j === i ? { ...entry, ...changes } : entry)) });
    const shown = (await change({ salt: null, value: null })).versions.at(-2 - i);
    assert.deepEqual([shown.value, shown.withheld], [null, !shown.deleted]);
    if (!shown.deleted) {
      await refused("history", () => change({ value: { n: 9 } }));
      await refused("file", () => change({ value: null }));
    }
    await refused("file", () => change({ more: 1 }));
    await refused("history", () => change({ record: { ...written[i + 1].record, height: 0 } }));
    await refused("file", () => change({ record: null }));
  }
});

test("a history's chain is of one document, one version apart, and never later than what follows", async () => {
  const wrongs = [{ id: "E" }, { collection: "others" }, { version: 1, previous: null }, { version: 4 }, { height: 3 }];
  for (const wrong of wrongs) {
    const ledger = await ForgedLedger.create(VOTERS);
    const first = await ledger.write("things", "D", { n: 1 });
    const second = await ledger.write("things", "D", { n: 2 }, first, wrong);
    const third = await ledger.write("things", "D", { n: 3 }, second, { version: 3, height: 2 });
    await ledger.block();
    const proof = await ledger.historyProof("things", "D", [third, second, first], 0, 1);
    await refused(
      "history",
      async () => verifyHistory(await trustOf(ledger), canonical(proof), "things", "D"),
      canonical(wrong),
    );
  }
});

test("the history of what never was is empty", async () => {
  const { ledger, written, trust } = await versions();
  const proof = await ledger.historyProof("things", "X", [], 0, 7);
  const ask = (changes) => verifyHistory(trust, canonical({ ...proof, ...changes }), "things", "X");
  assert.deepEqual((await ask({})).versions, []);
  await refused("history", () => ask({ earlier: [written[0]] }));
});

test("a history proof has its form", async () => {
  const { ledger, written, ask } = await versions();
  const proof = await ledger.historyProof("things", "D", written, 0, 7);
  const changes = [
    { v: 2 },
    { kind: "state-proof" },
    { from: -1 },
    { from: null },
    { to: "7" },
    { earlier: {} },
    { earlier: null },
    { earlier: [null] },
    { state: null },
    { more: 1 },
  ];
  for (const change of changes) await refused("file", () => ask({ ...proof, ...change }), canonical(change));
});

test("a history of 10,000 versions before the newest is read, and one more is refused", async () => {
  const ledger = await ForgedLedger.create(VOTERS);
  const written = [];
  for (let i = 0; i < 10_002; i++) written.unshift(await ledger.write("things", "D", { i }, written[0] ?? null));
  await ledger.block();
  const trust = await trustOf(ledger);
  const whole = await ledger.historyProof("things", "D", written, 0, 1);
  await refused("file", () => verifyHistory(trust, canonical(whole), "things", "D"));
  // The same versions but the newest, at the seal that knew nothing of it.
  ledger.pairs.set(
    await taggedHash("state-key", utf8(canonical(["things", "D"]))),
    await taggedHash("version", utf8(canonical(written[1].record))),
  );
  await ledger.block();
  const begun = performance.now();
  const proved = await verifyHistory(
    trust,
    canonical(await ledger.historyProof("things", "D", written.slice(1), 0, 2)),
    "things",
    "D",
  );
  assert.equal(proved.versions.length, 10_001);
  assert.ok(performance.now() - begun < 30_000);
});
