// Verifies evidence: that a node's key made two statements of which no honest node makes both.

import { unhex, utf8 } from "./bytes.js";
import { parse } from "./canonical.js";
import { checkLines, parseCheckpoint } from "./checkpoint.js";
import { checkPath } from "./consistency_proof.js";
import { hasExactly, isCount, isHash, isNode } from "./form.js";
import { checkPlace } from "./leaf.js";
import { JSON_DEPTH_MAX, PROOF_BYTES_MAX } from "./limits.js";
import { isConsistent } from "./merkle.js";
import { COSIGNATURE } from "./note.js";
import { demand } from "./refusal.js";
import { parseTlogProof, provenLeaf } from "./tlog_proof.js";

const KINDS = {
  "two-proposals": { members: "first second", may: "seal", verify: verifyTwoProposals },
  "two-cosignatures": { members: "first second", verify: verifyTwoCosignatures },
  fork: { members: "new old path root", verify: verifyFork },
  "against-certificate": { members: "certificate note path root", verify: verifyAgainstCertificate },
  "false-seal": { members: "seal", verify: verifyFalseSeal },
};

/**
 * `{kind: "evidence", origin, what, accused: [{organisation, node}], ...}` with the sizes, roots, heights in question.
 * A false seal is only attributed, not shown to be false: `shown` is false then.
 */
export async function verifyEvidence(trust, file) {
  const evidence = parse(file, { bytes: PROOF_BYTES_MAX, nesting: JSON_DEPTH_MAX });
  const known = typeof evidence?.what === "string" && Object.hasOwn(KINDS, evidence.what);
  demand(known, "file", "not evidence, or of no known kind");
  const { members, may, verify } = KINDS[evidence.what];
  const names = may && Object.hasOwn(evidence, may) ? `${members} ${may}` : members;
  const formed = hasExactly(evidence, `kind v what ${names}`) && evidence.kind === "evidence" && evidence.v === 1;
  demand(formed, "file", "malformed evidence");
  const { keys, ...found } = await verify(trust, evidence);
  demand(keys.length > 0, "evidence", "no key that counts made these statements");
  const nodes = [...new Set(keys.map(({ organisation, node }) => `${organisation}/${node}`))].sort();
  const accused = nodes.map((name) => ({ organisation: name.split("/")[0], node: name.split("/")[1] }));
  return {
    kind: "evidence",
    origin: trust.origin,
    what: evidence.what,
    accused,
    shown: evidence.what !== "false-seal",
    ...found,
  };
}

/**
 * A header names a height and no tree size. So a key that is revoked at a size accuses only by a height that the receipt of
 * a certified seal shows to lie at or below it; who stole the key later can name any height.
 */
async function verifyTwoProposals(trust, { first, second, seal }) {
  const [one, other] = [parseProposal(trust, first), parseProposal(trust, second)];
  for (const name of ["proposer", "term", "height"]) {
    demand(one[name] === other[name], "evidence", `two proposals of different ${name}`);
  }
  demand(first.header < second.header, "evidence", "the two headers are one, or not in order");
  const size = seal === undefined ? Infinity : await sizeOfHeight(trust, seal, one.height);
  const voters = trust.voters().filter(({ organisation, node }) => `${organisation}/${node}` === one.proposer);
  const keys = [];
  for (const voter of new Map(voters.map((each) => [each.proposal.text, each])).values()) {
    if (trust.isRevoked(voter.proposal, size)) continue;
    if ((await signed(voter.proposal, first)) && (await signed(voter.proposal, second))) keys.push(voter);
  }
  return { keys, height: one.height, term: one.term };
}

/** The tree size after the block of this height, by the receipt of its certified seal. */
async function sizeOfHeight(trust, file, height) {
  const receipt = parseTlogProof(file);
  await trust.certifyCheckpoint(receipt.checkpoint);
  const { leaf } = await provenLeaf(receipt);
  checkPlace(leaf, receipt.index, trust.origin);
  demand(leaf.kind === "seal" && leaf.height === height, "evidence", `the seal is not of height ${height}`);
  return leaf.first + leaf.leaves;
}

function parseProposal(trust, proposal) {
  const formed = hasExactly(proposal, "header signature") && typeof proposal.header === "string";
  demand(formed && /^[0-9a-f]{128}$/.test(proposal.signature), "file", "a malformed proposal");
  const header = parse(proposal.header, { bytes: PROOF_BYTES_MAX, nesting: JSON_DEPTH_MAX });
  const names = "count height origin previous proposer term time transactions v";
  demand(hasExactly(header, names) && header.v === 1, "file", "not a proposal's header");
  const { count, height, origin, previous, proposer, term, time, transactions } = header;
  const counts = [count, height, term, time].every(isCount);
  demand(counts && [previous, transactions].every(isHash) && isNode(proposer), "file", "a malformed header");
  demand(origin === trust.origin, "genesis", `a proposal of ${origin}, not of ${trust.origin}`);
  return header;
}

function signed(key, { header, signature }) {
  return key.verify(utf8(`countersign/proposal/v1\n${header}`), unhex(signature));
}

async function verifyTwoCosignatures(trust, { first, second }) {
  const [one, other] = [parseStatement(trust, first), parseStatement(trust, second)];
  demand(one.size === other.size, "evidence", "two notes of different sizes");
  demand(one.root !== other.root, "evidence", "two notes of one root");
  demand(one.text < other.text, "evidence", "the two notes are not in order");
  const keys = inBoth(await cosigners(trust, one), await cosigners(trust, other));
  return { keys, size: one.size, roots: [one.root, other.root] };
}

async function verifyFork(trust, { old, new: newNote, root, path }) {
  const [older, newer] = [parseStatement(trust, old), parseStatement(trust, newNote)];
  await checkFork(older, newer, root, path);
  const keys = inBoth(await cosigners(trust, older), await cosigners(trust, newer));
  return { keys, sizes: [older.size, newer.size], roots: [older.root, newer.root] };
}

async function verifyAgainstCertificate(trust, { note, certificate, root, path }) {
  const [statement, certified] = [parseStatement(trust, note), await trust.certify(certificate)];
  await checkFork(statement, certified, root, path);
  const keys = await cosigners(trust, statement);
  return { keys, size: statement.size, root: statement.root, certificate: certified };
}

async function verifyFalseSeal(trust, { seal }) {
  const receipt = parseTlogProof(seal);
  demandOrigin(trust, receipt.checkpoint);
  const { leaf } = await provenLeaf(receipt);
  demand(leaf.kind === "seal", "evidence", "the receipt is not a seal's");
  const { size, root } = receipt.checkpoint;
  return {
    keys: await cosigners(trust, receipt.checkpoint),
    size,
    root,
    index: receipt.index,
    height: leaf.height,
    seal: leaf,
  };
}

/** Checks that the newer log began otherwise than the older: with `root`, which is not the older one's. */
async function checkFork(older, newer, root, path) {
  checkPath(path);
  demand(isHash(root), "file", "a malformed root");
  demand(root !== older.root, "evidence", "the newer log begins with the older one");
  const joined = await isConsistent(older.size, root, newer.size, newer.root, path.map(unhex));
  demand(joined, "consistency", `the path does not join size ${older.size} to size ${newer.size}`);
}

function parseStatement(trust, note) {
  const checkpoint = parseCheckpoint(note);
  demandOrigin(trust, checkpoint);
  return checkpoint;
}

function demandOrigin(trust, { origin }) {
  demand(origin === trust.origin, "genesis", `a checkpoint of ${origin}, not of ${trust.origin}`);
}

/** Who cosigned a checkpoint, certified or not, with a key that was not revoked below its size. */
async function cosigners(trust, checkpoint) {
  const signatures = await checkLines(checkpoint, trust.noteKeys());
  return signatures.filter(({ type, key }) => type === COSIGNATURE && !trust.isRevoked(key, checkpoint.size));
}

function inBoth(some, others) {
  return some.filter(({ name, key }) => others.some((other) => other.name === name && other.key.text === key.text));
}
