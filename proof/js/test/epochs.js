// Tests changes of members: bundles, both quorums at a boundary, revocations, pinned epochs, exhibits and memories.

import assert from "node:assert/strict";
import test from "node:test";
import { Trust, checkMemory, openExhibit, verifyConsistency, verifyReceipt } from "../verify.js";
import { refused } from "./assert.js";
import { ForgedLedger, canonical, forgeMembers, forgeVoter, forgeVoters, plain } from "./forge.js";

const FOUNDERS = await forgeVoters(["a.example", "b.example", "c.example", "d.example"]);
const [A, B, C, D] = FOUNDERS;
const E = await forgeVoter("e.example");
const NEXT = [A, B, C, E];

/** A ledger of sizes 4 and 6 under the founders, 6 ending epoch 0, and 8 and 10 under the next members. */
async function changing({
  voters = NEXT,
  revoked = {},
  document = {},
  seal = {},
  noteOf = null,
  sealIndex = null,
} = {}) {
  const ledger = await ForgedLedger.create(FOUNDERS);
  await ledger.block();
  const members = { ...forgeMembers(voters, 1, await plain(ledger.members), revoked), ...document };
  const index = await ledger.block({ next_members: await plain(members), ...seal });
  const note = noteOf ? await noteOf(ledger) : await ledger.note([A, B, C]);
  const change = { members, seal: await ledger.receipt(sealIndex ?? index, note) };
  ledger.members = members;
  await ledger.block();
  await ledger.block();
  const bundle = { changes: [change], genesis: ledger.genesis, kind: "trust-bundle", v: 1 };
  const trusted = () => Trust.fromBundle(canonical(bundle), ledger.genesisHash);
  return { ledger, bundle, trusted, pinned: { after: 6, kind: "epoch", members, origin: ledger.origin, v: 1 } };
}

test("a bundle leads to the next epoch, which covers the sizes above the seal's", async () => {
  const { ledger, trusted } = await changing();
  const trust = await trusted();
  const certify = async (voters, size) => trust.certify(await ledger.note(voters, size, A));
  assert.deepEqual((await certify([B, C, D], 4)).epochs, [0]);
  assert.deepEqual((await certify([A, B, C], 6)).epochs, [0, 1]);
  assert.deepEqual((await certify([B, C, E], 7)).epochs, [1]);
  await refused("quorum", () => certify([B, C, E], 4));
  await refused("quorum", () => certify([B, C, D], 7));
});

test("at the boundary both memberships need their quorum, and one log signature", async () => {
  const { ledger, trusted } = await changing();
  const trust = await trusted();
  const certify = async (voters, logger) => trust.certify(await ledger.note(voters, 6, logger));
  await refused("quorum", () => certify([B, C, D], A));
  await refused("quorum", () => certify([B, C, E], A));
  assert.deepEqual((await certify([B, C, D, E], A)).signers, ["b.example", "c.example", "d.example", "e.example"]);
  for (const logger of [A, D, E]) assert.ok(await certify([A, B, C], logger));
  await refused("log-signature", () => certify([A, B, C], null));
  await refused("log-signature", async () => certify([A, B, C], await forgeVoter("stranger.example")));
});

test("a change is certified by both memberships", async () => {
  for (const voters of [
    [A, B, C],
    [B, C, D, E],
  ]) {
    await (await changing({ noteOf: (ledger) => ledger.note(voters, 6, A) })).trusted();
  }
  for (const voters of [
    [B, C, D],
    [B, C, E],
    [A, B],
  ]) {
    const { trusted } = await changing({ noteOf: (ledger) => ledger.note(voters, 6, A) });
    await refused("quorum", trusted);
  }
});

test("a membership document has its form and its place", async () => {
  const { organisations } = forgeMembers(NEXT, 1, "");
  const { "a.example": a, ...others } = organisations;
  const nodes = (changes) => ({ organisations: { ...others, "a.example": { nodes: changes } } });
  const wrong = [
    { epoch: 2 },
    { epoch: 0 },
    { previous: "0".repeat(64) },
    { v: 2 },
    { quorum: "n" },
    { revoked: [] },
    { revoked: { x: 1 } },
    { revoked: { [A.log.text]: -1 } },
    { revoked: { [A.log.text]: "6" } },
    { organisations: {} },
    { organisations: [] },
    { more: 1 },
    nodes({}),
    nodes({ 1: a.nodes[1], 2: { cosign: D.cosign.text, log: D.log.text, proposal: D.proposal.text } }),
    nodes({ "1/2": a.nodes[1] }),
    nodes([]),
    nodes({ 1: { ...a.nodes[1], cosign: a.nodes[1].log } }),
    nodes({ 1: { ...a.nodes[1], cosign: E.log.text } }),
    nodes({ 1: { ...a.nodes[1], proposal: `ed25519:01${"0".repeat(62)}` } }),
    nodes({ 1: { ...a.nodes[1], tls: A.tls.text } }),
    { organisations: { ...others, "A.EXAMPLE": a } },
    { organisations: { ...others, "a.example": { ...a, governance: A.governance.text } } },
  ];
  for (const document of wrong) {
    const { trusted } = await changing({ document });
    await refused("epochs", trusted, canonical(document));
  }
});

test("the seal of a change names both memberships, and the note is the seal's own", async () => {
  const other = "ab".repeat(32);
  for (const seal of [{ members: other }, { next_members: other }])
    await refused("epochs", (await changing({ seal })).trusted);
  await refused("epochs", (await changing({ sealIndex: 4 })).trusted);
  // A leaf that says of itself to be another block's end.
  await refused("leaf", (await changing({ seal: { first: 5 } })).trusted);
  const { ledger, bundle } = await changing();
  const later = { ...bundle.changes[0], seal: await ledger.receipt(5, await ledger.note([A, B, C], 8), 8) };
  await refused("epochs", () => Trust.fromBundle(canonical({ ...bundle, changes: [later] }), ledger.genesisHash));
  const seal = bundle.changes[0].seal.replace(/\nindex 5\n/, "\nindex 4\n");
  await refused("inclusion", () =>
    Trust.fromBundle(canonical({ ...bundle, changes: [{ ...bundle.changes[0], seal }] }), ledger.genesisHash),
  );
});

test("a bundle has its form, and no change twice", async () => {
  const { ledger, bundle } = await changing();
  const [change] = bundle.changes;
  const read = (changes) => Trust.fromBundle(canonical({ ...bundle, ...changes }), ledger.genesisHash);
  assert.equal((await read({ changes: [] })).epochs.length, 1);
  await refused("epochs", () => read({ changes: [change, change] }));
  for (const changes of [
    { v: 2 },
    { kind: "epoch" },
    { changes: {} },
    { changes: [null] },
    { changes: [{ ...change, more: 1 }] },
    { changes: [{ ...change, seal: 1 }] },
  ]) {
    await refused("file", () => read(changes));
  }
  await refused("genesis", () => read({ genesis: { ...ledger.genesis, time: 1 } }));
  await refused("genesis", () => Trust.fromBundle(canonical(bundle), undefined));
});

test("two changes follow each other", async () => {
  const { ledger, bundle } = await changing();
  const second = forgeMembers([A, B, E], 2, await plain(ledger.members));
  const index = await ledger.block({ next_members: await plain(second) });
  const change = { members: second, seal: await ledger.receipt(index, await ledger.note([A, B, E])) };
  const read = (changes) => Trust.fromBundle(canonical({ ...bundle, changes }), ledger.genesisHash);
  const trust = await read([bundle.changes[0], change]);
  assert.deepEqual(
    trust.epochs.map(({ after, members }) => [after, members.quorum]),
    [
      [0, 3],
      [6, 3],
      [12, 2],
    ],
  );
  await refused("epochs", () => read([change]));
  await refused("epochs", () => read([change, bundle.changes[0]]));
});

test("an epoch ends above where it begins", async () => {
  const { ledger, bundle } = await changing();
  const first = bundle.changes[0].members;
  const second = forgeMembers([A, B, E], 2, await plain(first));
  // Members of both epochs conspire: a log that forks at size 4 and has there the seal that ends epoch 1.
  const fork = await ForgedLedger.create(FOUNDERS);
  const index = await fork.block({ members: await plain(first), next_members: await plain(second) });
  assert.equal(index, 3);
  const change = { members: second, seal: await fork.receipt(index, await fork.note([A, B, C, E])) };
  const changes = [...bundle.changes, change];
  await refused("epochs", () => Trust.fromBundle(canonical({ ...bundle, changes }), ledger.genesisHash));
});

test("a revoked key counts up to the size at which it is revoked, in every epoch", async () => {
  const { ledger, trusted } = await changing({ revoked: { [D.cosign.text]: 3, [A.log.text]: 4, [B.cosign.text]: 8 } });
  const trust = await trusted().then(assert.fail, () => null);
  assert.equal(trust, null, "A's log key is revoked below the boundary, so that it cannot sign there");
  const other = await changing({ revoked: { [D.cosign.text]: 4, [B.cosign.text]: 7 } });
  const known = await other.trusted();
  const certify = async (voters, size) => known.certify(await other.ledger.note(voters, size, A));
  assert.ok(await certify([B, C, D], 4));
  await refused("quorum", () => certify([B, C, D], 5));
  assert.ok(await certify([A, B, C], 5));
  assert.ok(await certify([B, C, E], 7));
  await refused("quorum", () => certify([B, C, E], 8));
  assert.ok(await certify([A, C, E], 8));
  // Revoked or not, a false line is false.
  const note = await other.ledger.note([A, C, E], 8);
  const falseLine = (await other.ledger.note([B], 7, null)).split("\n\n")[1];
  await refused("quorum", () => known.certify(note + falseLine));
  assert.ok(ledger);
});

test("a change is checked under the revocations that it brings", async () => {
  await refused("quorum", (await changing({ revoked: { [B.cosign.text]: 5 } })).trusted);
  await (await changing({ revoked: { [B.cosign.text]: 6 } })).trusted();
  const noteOf = (ledger) => ledger.note([B, C, D, E], 6, A);
  await (await changing({ noteOf, revoked: { [E.cosign.text]: 6 } })).trusted();
  await refused("quorum", (await changing({ noteOf, revoked: { [E.cosign.text]: 5 } })).trusted);
});

test("a pinned epoch believes nothing at or below its size", async () => {
  const { ledger, pinned } = await changing();
  const trust = await Trust.fromPinnedEpoch(canonical(pinned));
  const certify = async (size) => trust.certify(await ledger.note(NEXT, size, A));
  for (const size of [4, 6]) await refused("epochs", () => certify(size));
  assert.equal((await certify(7)).epoch, 1);
  assert.equal((await verifyReceipt(trust, await ledger.receipt(2, await ledger.note(NEXT)))).epoch, 1);
  const wrong = [
    { after: -1 },
    { after: "6" },
    { v: 2 },
    { kind: "memory" },
    { origin: "x" },
    { origin: `${ledger.origin}/a` },
    { origin: null },
    { members: null },
    { more: 1 },
    { members: { ...pinned.members, epoch: 0 } },
  ];
  for (const changes of wrong)
    await refused("file", () => Trust.fromPinnedEpoch(canonical({ ...pinned, ...changes })), canonical(changes));
  const zero = await Trust.fromPinnedEpoch(
    canonical({ ...pinned, after: 0, members: forgeMembers(FOUNDERS, 0, ledger.genesisHash) }),
  );
  assert.ok(await zero.certify(await ledger.note(FOUNDERS, 4)));
});

test("an exhibit brings its epochs, and cannot take the caller's back", async () => {
  const { ledger, bundle, trusted, pinned } = await changing();
  const proof = await ledger.receipt(2, await ledger.note([B, C, E], 10, A));
  const exhibit = (trust, changes = {}) => canonical({ kind: "exhibit", proof, trust, v: 1, ...changes });
  const open = async (file, own) => {
    const opened = await openExhibit(file, ledger.genesisHash, own);
    return verifyReceipt(opened.trust, opened.proof);
  };
  assert.equal((await open(exhibit(bundle))).epoch, 1);
  const genesis = await Trust.fromGenesis(canonical(ledger.genesis));
  assert.equal((await open(exhibit(bundle), genesis)).epoch, 1);
  assert.equal((await open(exhibit({ ...bundle, changes: [] }), await trusted())).epoch, 1);
  await refused("quorum", () => open(exhibit({ ...bundle, changes: [] }), genesis));
  assert.equal((await open(exhibit(bundle), await Trust.fromPinnedEpoch(canonical(pinned)))).epoch, 1);
  const other = await changing({ voters: [A, B, C] });
  await refused("epochs", async () => open(exhibit(bundle), await other.trusted()));
  await refused("epochs", async () =>
    open(exhibit(bundle), await Trust.fromPinnedEpoch(canonical({ ...pinned, after: 7 }))),
  );
  for (const changes of [
    { v: 2 },
    { proof: 1 },
    { proof: exhibit(bundle) },
    { trust: null },
    { trust: pinned },
    { more: 1 },
  ]) {
    await refused("file", () => open(exhibit(bundle, changes)));
  }
  await refused("genesis", () => openExhibit(exhibit(bundle), "0".repeat(64)));
});

test("an exhibit does not widen what a pinned epoch believes", async () => {
  const { ledger, bundle, pinned } = await changing();
  const second = forgeMembers([A, B, E], 2, await plain(ledger.members));
  const index = await ledger.block({ next_members: await plain(second) });
  const changes = [
    ...bundle.changes,
    { members: second, seal: await ledger.receipt(index, await ledger.note([A, B, E])) },
  ];
  const old = await ledger.receipt(2, await ledger.note([A, B, C], 4), 4);
  const file = canonical({ kind: "exhibit", proof: old, trust: { ...bundle, changes }, v: 1 });
  const { trust, proof } = await openExhibit(file, ledger.genesisHash, await Trust.fromPinnedEpoch(canonical(pinned)));
  assert.deepEqual(
    trust.epochs.map(({ members }) => members.epoch),
    [1, 2],
  );
  await refused("epochs", () => verifyReceipt(trust, proof));
  assert.equal((await verifyReceipt((await openExhibit(file, ledger.genesisHash)).trust, proof)).epoch, 0);
});

test("consistency joins two certificates, each under its own epoch", async () => {
  const { ledger, trusted } = await changing();
  const trust = await trusted();
  const path = (await ledger.consistencyProof(4)).path;
  const proof = {
    kind: "consistency-proof",
    new: await ledger.note([B, C, E], 10),
    old: await ledger.note([B, C, D], 4),
    path,
    v: 1,
  };
  const verify = (changes) => verifyConsistency(trust, canonical({ ...proof, ...changes }));
  const { old, new: newer } = await verify({});
  assert.deepEqual([old.size, old.epoch, newer.size, newer.epoch], [4, 0, 10, 1]);
  await refused("quorum", async () => verify({ new: await ledger.note([B, C, D], 10) }));
  await refused("consistency", () => verify({ old: proof.new, new: proof.old }));
  await refused("consistency", async () => verify({ old: await ledger.note([B, C, D], 5) }));
  await refused("consistency", () => verify({ path: path.slice(1) }));
  await refused("consistency", () => verify({ path: [...path, path[0]] }));
  for (const changes of [
    { v: 2 },
    { kind: "x" },
    { path: null },
    { path: [1] },
    { path: Array(65).fill(path[0]) },
    { old: null },
    { more: 1 },
  ]) {
    await refused("file", () => verify(changes));
  }
});

test("a memory refuses another log, and an older one unless it is joined", async () => {
  const { ledger, trusted, pinned } = await changing();
  const trust = await trusted();
  const memory = canonical({ kind: "memory", note: await ledger.note([B, C, E], 8, A), v: 1 });
  const at = async (size) => trust.certify(await ledger.note([A, B, C], size));
  await checkMemory(trust, memory, await at(8));
  await checkMemory(trust, memory, await at(10));
  const later = await Trust.fromPinnedEpoch(canonical({ ...pinned, after: 9 }));
  assert.equal((await checkMemory(later, memory, await at(10))).size, 8);
  const other = await Trust.fromGenesis(canonical({ ...ledger.genesis, time: 1 }));
  await refused("memory", async () => checkMemory(other, memory, await at(10)));
  await refused("memory", async () => checkMemory(trust, memory, { ...(await at(8)), root: "0".repeat(64) }));
  await refused("memory", async () => checkMemory(trust, memory, await at(4)));
  const proof = async (old, newer) =>
    canonical({
      ...(await ledger.consistencyProof(old, newer)),
      old: await ledger.note([A, B, C], old),
      new: await ledger.note([A, B, C], newer),
    });
  await checkMemory(trust, memory, await at(4), await proof(4, 8));
  await refused("memory", async () => checkMemory(trust, memory, await at(4), await proof(5, 8)));
  await refused("memory", async () => checkMemory(trust, memory, await at(4), await proof(4, 7)));
  for (const wrong of [{ kind: "memory", note: 1, v: 1 }, { kind: "x", note: "", v: 1 }, [], null]) {
    await refused("file", async () => checkMemory(trust, canonical(wrong), await at(8)));
  }
});
