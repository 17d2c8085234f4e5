// Tests whom evidence accuses, and that it accuses nobody who did not sign both statements.

import assert from "node:assert/strict";
import test from "node:test";
import { hex, utf8 } from "../bytes.js";
import { Trust, verifyEvidence } from "../verify.js";
import { refused } from "./assert.js";
import {
  ForgedLedger,
  base64,
  canonical,
  consistencyPath,
  cosignatureLine,
  forgeMembers,
  forgeNote,
  forgeVoter,
  forgeVoters,
  inclusionPath,
  logRoot,
  plain,
} from "./forge.js";

const VOTERS = await forgeVoters(["a.example", "b.example", "c.example", "d.example"]);
const [A, B, C, D] = VOTERS;
const E = await forgeVoter("e.example");

const ledger = await ForgedLedger.create(VOTERS);
for (let i = 0; i < 3; i++) await ledger.block();
const trust = await Trust.fromGenesis(canonical(ledger.genesis), ledger.genesisHash);
const OTHER_LEAVES = ledger.leaves.map((leaf, i) => (i === 3 ? utf8("another leaf") : leaf));
const right = (size, voters) => forgeNote(ledger.origin, size, rightRoots[size], voters, null);
const wrong = (size, voters) => forgeNote(ledger.origin, size, wrongRoots[size], voters, null);
const rightRoots = await Promise.all(Array.from({ length: 9 }, (_, size) => logRoot(ledger.leaves.slice(0, size))));
const wrongRoots = await Promise.all(Array.from({ length: 9 }, (_, size) => logRoot(OTHER_LEAVES.slice(0, size))));

const evidence = (what, members) => ({ kind: "evidence", v: 1, what, ...members });
const judge = async (found, under = trust) => {
  const { accused } = await verifyEvidence(under, canonical(found));
  return accused.map(({ organisation, node }) => `${organisation}/${node}`);
};

/** A trust of the same ledger that knows another epoch's members, with E instead of D, and revocations. */
async function laterTrust(revoked) {
  const members = forgeMembers([A, B, C, E], 1, await plain(ledger.members), revoked);
  const forked = Object.assign(Object.create(ForgedLedger.prototype), ledger, { leaves: [...ledger.leaves] });
  const index = await forked.block({ next_members: await plain(members) });
  const change = { members, seal: await forked.receipt(index, await forked.note([A, B, C], 10)) };
  return Trust.fromBundle(
    canonical({ changes: [change], genesis: ledger.genesis, kind: "trust-bundle", v: 1 }),
    ledger.genesisHash,
  );
}

async function twoCosignatures(size, some, others) {
  const [first, second] = [await right(size, some), await wrong(size, others)].sort();
  return evidence("two-cosignatures", { first, second });
}

test("two cosignatures of one size accuse who made both", async () => {
  assert.deepEqual(await judge(await twoCosignatures(4, [A, B], [B, C])), ["b.example/1"]);
  assert.deepEqual(await judge(await twoCosignatures(4, [C, A, B], [B, C])), ["b.example/1", "c.example/1"]);
  await refused("evidence", async () => judge(await twoCosignatures(4, [A, B], [C, D])));
  const found = await twoCosignatures(4, [A], [A]);
  await refused("evidence", () => judge({ ...found, first: found.second, second: found.first }));
  await refused("evidence", () => judge({ ...found, second: found.first }));
  await refused("evidence", async () =>
    judge(evidence("two-cosignatures", { first: await right(4, [A]), second: await right(5, [A]) })),
  );
  await refused("evidence", async () => judge(await twoCosignatures(4, [E], [E])));
});

test("log signatures alone accuse nobody", async () => {
  const signed = (roots) => forgeNote(ledger.origin, 4, roots[4], [], A);
  const [first, second] = [await signed(rightRoots), await signed(wrongRoots)].sort();
  await refused("evidence", () => judge(evidence("two-cosignatures", { first, second })));
});

test("a false line makes the file false, a stranger's is skipped", async () => {
  const found = await twoCosignatures(4, [A], [A]);
  const stranger = await cosignatureLine("anything", E);
  assert.deepEqual(await judge({ ...found, first: found.first + stranger }), ["a.example/1"]);
  await refused("quorum", async () => judge({ ...found, first: found.first + (await cosignatureLine("anything", B)) }));
});

test("evidence of another ledger accuses nobody", async () => {
  const other = `${ledger.origin.slice(0, -1)}${ledger.origin.endsWith("0") ? "1" : "0"}`;
  const notes = await Promise.all([rightRoots[4], wrongRoots[4]].map((root) => forgeNote(other, 4, root, [A], null)));
  const [first, second] = notes.sort();
  await refused("genesis", () => judge(evidence("two-cosignatures", { first, second })));
  const found = await falseSeal();
  await refused("genesis", () => judge({ ...found, seal: found.seal.replaceAll(ledger.origin, other) }));
});

test("a fork accuses who cosigned both branches", async () => {
  const path = (await consistencyPath(4, OTHER_LEAVES.slice(0, 8))).map(hex);
  const fork = async (some, others, changes = {}) =>
    judge(
      evidence("fork", {
        old: await right(4, some),
        new: await wrong(8, others),
        root: hex(wrongRoots[4]),
        path,
        ...changes,
      }),
    );
  assert.deepEqual(await fork([A, D], [D, C]), ["d.example/1"]);
  await refused("evidence", () => fork([A], [B]));
  await refused("evidence", () => fork([A], [A], { root: hex(rightRoots[4]) }));
  await refused("consistency", () => fork([A], [A], { root: hex(rightRoots[3]) }));
  await refused("consistency", () => fork([A], [A], { path: path.slice(1) }));
  // The very same log grown on is no fork, whatever root is named.
  const grown = (await consistencyPath(4, ledger.leaves.slice(0, 8))).map(hex);
  const honest = { new: await right(8, [A]), path: grown };
  await refused("evidence", () => fork([A], [], { ...honest, root: hex(rightRoots[4]) }));
  await refused("consistency", () => fork([A], [], { ...honest, root: hex(wrongRoots[4]) }));
  await refused("consistency", async () => fork([A], [A], { old: await wrong(8, [A]), new: await right(4, [A]) }));
  await refused("file", () => fork([A], [A], { root: null }));
  await refused("file", () => fork([A], [A], { path: "x" }));
});

test("a cosignature against a certificate accuses, below its size and at it", async () => {
  const certificate = await ledger.note([A, B, C], 6);
  const against = async (size, voters, root, leaves, changes = {}) => {
    const [old, grown] = [Math.min(size, 6), Math.max(size, 6)];
    const path = (await consistencyPath(old, leaves.slice(0, grown))).map(hex);
    return judge(
      evidence("against-certificate", {
        note: await wrong(size, voters),
        certificate,
        root: hex(root),
        path,
        ...changes,
      }),
    );
  };
  assert.deepEqual(await against(4, [D], rightRoots[4], ledger.leaves), ["d.example/1"]);
  assert.deepEqual(await against(6, [D, A], rightRoots[6], ledger.leaves), ["a.example/1", "d.example/1"]);
  // Above it there will be a larger certificate, if the log goes on.
  await refused("consistency", () => against(8, [D], wrongRoots[6], OTHER_LEAVES));
  await refused("evidence", () => against(4, [E], rightRoots[4], ledger.leaves));
  await refused("evidence", async () => against(4, [D], rightRoots[4], ledger.leaves, { note: await right(4, [D]) }));
  await refused("quorum", async () =>
    against(4, [D], rightRoots[4], ledger.leaves, { certificate: await ledger.note([A, B], 6) }),
  );
});

async function falseSeal(index = 5, voters = [B]) {
  const leaves = ledger.leaves.slice(0, 6);
  const lines = [
    "c2sp.org/tlog-proof@v1",
    `extra ${base64(leaves[index])}`,
    `index ${index}`,
    ...(await inclusionPath(index, leaves)).map(base64),
  ];
  return evidence("false-seal", { seal: `${lines.join("\n")}\n\n${await right(6, voters)}` });
}

test("a false seal is attributed and not shown to be false", async () => {
  const found = await falseSeal();
  assert.deepEqual(await judge(found), ["b.example/1"]);
  assert.equal((await verifyEvidence(trust, canonical(found))).shown, false);
  await refused("evidence", async () => judge(await falseSeal(4)));
  await refused("evidence", async () => judge(await falseSeal(5, [E])));
  await refused("inclusion", () => judge({ ...found, seal: found.seal.replace("\nindex 5\n", "\nindex 4\n") }));
});

async function twoProposals({ one = {}, other = {}, key = B.proposal, otherKey = key } = {}) {
  const filler = "ab".repeat(32);
  const header = {
    count: 1,
    height: 2,
    origin: ledger.origin,
    previous: filler,
    proposer: "b.example/1",
    term: 3,
    time: 4,
    transactions: filler,
    v: 1,
  };
  const sign = async (changes, by) => {
    const text = canonical({ ...header, ...changes });
    return { header: text, signature: hex(await by.sign(utf8(`countersign/proposal/v1\n${text}`))) };
  };
  const proposals = [await sign(one, key), await sign({ time: 5, ...other }, otherKey)];
  const [first, second] = proposals.sort((x, y) => (x.header < y.header ? -1 : 1));
  return evidence("two-proposals", { first, second });
}

test("two proposals accuse their proposer, for one height and term", async () => {
  const found = await twoProposals();
  assert.deepEqual(await judge(found), ["b.example/1"]);
  await refused("evidence", () => judge({ ...found, first: found.second, second: found.first }));
  await refused("evidence", () => judge({ ...found, second: found.first }));
  for (const other of [{ term: 4 }, { height: 3 }, { proposer: "a.example/1" }]) {
    await refused("evidence", async () => judge(await twoProposals({ other })));
  }
  await refused("evidence", async () => judge(await twoProposals({ key: A.proposal })));
  await refused("evidence", async () => judge(await twoProposals({ key: B.cosign })));
  await refused("evidence", async () => judge(await twoProposals({ otherKey: A.proposal })));
  const stranger = { proposer: "z.example/1" };
  await refused("evidence", async () => judge(await twoProposals({ one: stranger, other: stranger })));
  const origin = { origin: `x.example/${"0".repeat(64)}` };
  await refused("genesis", async () => judge(await twoProposals({ one: origin, other: origin })));
  for (const other of [{ v: 2 }, { more: 1 }, { time: -1 }, { proposer: "b.example" }, { previous: null }]) {
    await refused("file", async () => judge(await twoProposals({ other })));
  }
  await refused("file", () => judge({ ...found, first: { ...found.first, header: ` ${found.first.header}` } }));
  await refused("file", () =>
    judge({ ...found, first: { ...found.first, signature: found.first.signature.toUpperCase() } }),
  );
});

test("keys of any epoch known accuse, and a revoked key accuses nobody above its size", async () => {
  const known = await laterTrust({});
  assert.deepEqual(await judge(await twoCosignatures(4, [D, E], [D, E]), known), ["d.example/1", "e.example/1"]);
  const later = await laterTrust({ [D.cosign.text]: 4, [B.proposal.text]: 3 });
  assert.deepEqual(await judge(await twoCosignatures(4, [D], [D]), later), ["d.example/1"]);
  await refused("evidence", async () => judge(await twoCosignatures(5, [D], [D]), later));
  const path = (await consistencyPath(4, OTHER_LEAVES.slice(0, 8))).map(hex);
  const fork = evidence("fork", { old: await right(4, [D]), new: await wrong(8, [D]), root: hex(wrongRoots[4]), path });
  assert.deepEqual(await judge(fork, known), ["d.example/1"]);
  await refused("evidence", () => judge(fork, later));
  await refused("evidence", async () => judge(await twoProposals(), later));
  // Height 2 ends at size 6, which a certified seal shows.
  const seal = await ledger.receipt(5, await ledger.note([A, B, C], 6), 6);
  await refused("evidence", async () => judge({ ...(await twoProposals()), seal }, later));
  const after = await laterTrust({ [B.proposal.text]: 6 });
  await refused("evidence", async () => judge(await twoProposals(), after));
  assert.deepEqual(await judge({ ...(await twoProposals()), seal }, after), ["b.example/1"]);
  assert.deepEqual(await judge({ ...(await twoProposals()), seal }, known), ["b.example/1"]);
  const other = await ledger.receipt(3, await ledger.note([A, B, C], 4), 4);
  await refused("evidence", async () => judge({ ...(await twoProposals()), seal: other }, after));
  const few = await ledger.receipt(5, await ledger.note([A, B], 6), 6);
  await refused("quorum", async () => judge({ ...(await twoProposals()), seal: few }, after));
  for (const wrong of [null, 5, {}, ""])
    await refused("file", async () => judge({ ...(await twoProposals()), seal: wrong }, after));
});

test("evidence has its form", async () => {
  const found = await twoCosignatures(4, [A], [A]);
  for (const changes of [
    { v: 2 },
    { kind: "exhibit" },
    { what: "two-faces" },
    { what: "__proto__" },
    { what: null },
    { more: 1 },
    { first: 5 },
    { second: null },
    { what: "fork" },
  ]) {
    await refused("file", () => judge({ ...found, ...changes }), canonical(changes));
  }
  for (const file of ["null", "[]", "1", "{}"]) await refused("file", () => verifyEvidence(trust, file));
});
