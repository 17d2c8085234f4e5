// Forges keys, ledgers and proofs, right and wrong, with code that shares nothing with the verifier but hashing and bytes.

import { webcrypto } from "node:crypto";
import { concat, hex, unhex, utf8 } from "../bytes.js";
import { sha256, taggedHash } from "../hash.js";

/** Canonical JSON of values that need no care. */
export function canonical(value) {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  return `{${Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`)
    .join(",")}}`;
}

export const base64 = (bytes) => Buffer.from(bytes).toString("base64");
export const plain = async (value) => hex(await sha256(utf8(typeof value === "string" ? value : canonical(value))));

/** A key made from its name: `{text, bytes, sign}`. */
export async function forgeKey(name) {
  return keyOf(await sha256(utf8(`seed of ${name}`)));
}

export async function keyOf(seed) {
  const pkcs8 = concat(unhex("302e020100300506032b657004220420"), seed);
  const secret = await webcrypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
  const { x } = await webcrypto.subtle.exportKey("jwk", secret);
  const bytes = new Uint8Array(Buffer.from(x, "base64url"));
  const sign = async (message) => new Uint8Array(await webcrypto.subtle.sign("Ed25519", secret, message));
  return { text: `ed25519:${hex(bytes)}`, bytes, sign };
}

/** `{organisation, node, cosign, log, proposal, tls, governance}` of an organisation with one node. */
export async function forgeVoter(organisation, node = "1", suffix = "") {
  const voter = { organisation, node };
  for (const use of ["cosign", "log", "proposal", "tls", "governance"]) {
    voter[use] = await forgeKey(`${organisation}/${node}/${use}${suffix}`);
  }
  return voter;
}

export const forgeVoters = (names) => Promise.all(names.map((name) => forgeVoter(name)));

export function forgeGenesis(voters, ledger = "forged.example") {
  const organisations = {};
  for (const { organisation, node, cosign, log, proposal, tls, governance } of voters) {
    const keys = { cosign: cosign.text, log: log.text, proposal: proposal.text, tls: tls.text };
    organisations[organisation] = { governance: governance.text, nodes: { [node]: { address: "host:1", ...keys } } };
  }
  return {
    accounts: {},
    collections: {},
    ledger,
    limits: { document_bytes: 1024, proposal_bytes: 1024, transaction_bytes: 1024 },
    organisations,
    quorum: "(n+f+1)/2",
    rules: 1,
    time: 0,
    v: 1,
  };
}

export function forgeMembers(voters, epoch, previous, revoked = {}) {
  const organisations = {};
  for (const { organisation, node, cosign, log, proposal } of voters) {
    organisations[organisation] = {
      nodes: { [node]: { cosign: cosign.text, log: log.text, proposal: proposal.text } },
    };
  }
  return { epoch, organisations, previous, quorum: "(n+f+1)/2", revoked, v: 1 };
}

// RFC 6962, 2.1, as it is defined and not as it is verified.

const split = (length) => 2 ** Math.ceil(Math.log2(length) - 1);

export async function logRoot(leaves) {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return sha256(Uint8Array.of(0), leaves[0]);
  const k = split(leaves.length);
  return sha256(Uint8Array.of(1), await logRoot(leaves.slice(0, k)), await logRoot(leaves.slice(k)));
}

export async function inclusionPath(index, leaves) {
  if (leaves.length <= 1) return [];
  const k = split(leaves.length);
  return index < k
    ? [...(await inclusionPath(index, leaves.slice(0, k))), await logRoot(leaves.slice(k))]
    : [...(await inclusionPath(index - k, leaves.slice(k))), await logRoot(leaves.slice(0, k))];
}

export async function consistencyPath(old, leaves, complete = true) {
  if (old === leaves.length) return complete ? [] : [await logRoot(leaves)];
  const k = split(leaves.length);
  return old <= k
    ? [...(await consistencyPath(old, leaves.slice(0, k), complete)), await logRoot(leaves.slice(k))]
    : [...(await consistencyPath(old - k, leaves.slice(k), false)), await logRoot(leaves.slice(0, k))];
}

/** The state's root and, for a key, `{siblings, end}`: the way leaf to root, and the pair or null where it ends. */
export async function stateTree(pairs, key = null, depth = 0) {
  if (pairs.length === 0) return { root: utf8("SPARSE_MERKLE_PLACEHOLDER_HASH__"), siblings: [], end: null };
  if (pairs.length === 1) {
    const [[leaf, record]] = pairs;
    return { root: await sha256(utf8("JMT::LeafNode"), unhex(leaf), unhex(record)), siblings: [], end: pairs[0] };
  }
  const goesRight = (other) => (BigInt(`0x${other}`) >> BigInt(255 - depth)) & 1n;
  const sides = [pairs.filter(([k]) => !goesRight(k)), pairs.filter(([k]) => goesRight(k))];
  const way = key && goesRight(key) ? 1 : 0;
  const trees = [await stateTree(sides[0], key, depth + 1), await stateTree(sides[1], key, depth + 1)];
  return {
    root: await sha256(utf8("JMT::IntrnalNode"), trees[0].root, trees[1].root),
    siblings: [...trees[way].siblings, trees[1 - way].root],
    end: trees[way].end,
  };
}

async function line(name, type, key, signature) {
  const id = (await sha256(utf8(`${name}\n`), Uint8Array.of(type), key.bytes)).subarray(0, 4);
  return `\u2014 ${name} ${base64(concat(id, signature))}\n`;
}

export async function cosignatureLine(text, { organisation, node, cosign }, time = 1763892000) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(time));
  const signature = await cosign.sign(utf8(`cosignature/v1\ntime ${BigInt(time)}\n${text}`));
  return line(`${organisation}/${node}`, 4, cosign, concat(bytes, signature));
}

export async function logLine(text, { log }, name = text.split("\n")[0]) {
  return line(name, 1, log, await log.sign(utf8(text)));
}

/** A note by the nodes of `cosigners`, with the log signature of `logger` or none. */
export async function forgeNote(origin, size, root, cosigners, logger = cosigners[0]) {
  const text = `${origin}\n${size}\n${base64(root)}\n`;
  const lines = await Promise.all(cosigners.map((voter) => cosignatureLine(text, voter)));
  return `${text}\n${logger ? await logLine(text, logger) : ""}${lines.join("")}`;
}

/** A ledger that grows by blocks, whose seals are as right as they are not asked to be wrong. */
export class ForgedLedger {
  static async create(voters, name) {
    const ledger = new ForgedLedger();
    ledger.voters = voters;
    ledger.genesis = forgeGenesis(voters, name);
    ledger.genesisHash = await plain(ledger.genesis);
    ledger.origin = `${ledger.genesis.ledger}/${ledger.genesisHash}`;
    ledger.members = forgeMembers(voters, 0, ledger.genesisHash);
    ledger.leaves = [utf8(canonical({ genesis: ledger.genesisHash, kind: "genesis", v: 1 }))];
    ledger.height = 0;
    ledger.states = [];
    ledger.pairs = new Map();
    await ledger.seal({});
    return ledger;
  }

  /** Adds a block of one transaction and its seal, changed as given; returns the seal's index. */
  async block(changes = {}) {
    this.height += 1;
    const { height } = this;
    const id = await plain(`transaction ${height}`);
    this.leaves.push(
      utf8(
        canonical({
          body: id,
          by: "a.example/ops",
          height,
          id,
          kind: "transaction",
          outcome: "applied",
          signatures: id,
          v: 1,
          writes: id,
        }),
      ),
    );
    return this.seal(changes);
  }

  async seal(changes) {
    const leaves = 2;
    const members = await plain(this.members);
    const { root } = await stateTree([...this.pairs]);
    this.states[this.height] = new Map(this.pairs);
    const filler = await plain(`block ${this.height}`);
    const seal = {
      first: this.leaves.length - 1,
      height: this.height,
      kind: "seal",
      leaves,
      members,
      next_members: members,
      previous: filler,
      proposal: filler,
      proposer: this.height === 0 ? null : "a.example/1",
      rules: 1,
      state: hex(root),
      term: this.height,
      time: this.height,
      v: 1,
      ...changes,
    };
    this.leaves.push(utf8(canonical(seal)));
    return this.leaves.length - 1;
  }

  root(size = this.leaves.length) {
    return logRoot(this.leaves.slice(0, size));
  }

  async note(cosigners = this.voters, size = this.leaves.length, logger = cosigners[0]) {
    return forgeNote(this.origin, size, await this.root(size), cosigners, logger);
  }

  /** The receipt of a leaf under a note, or under a fresh one by all. */
  async receipt(index, note = null, size = this.leaves.length) {
    const leaves = this.leaves.slice(0, size);
    const path = await inclusionPath(index, leaves);
    const lines = ["c2sp.org/tlog-proof@v1", `extra ${base64(leaves[index])}`, `index ${index}`, ...path.map(base64)];
    return `${lines.join("\n")}\n\n${note ?? (await this.note(this.voters, size))}`;
  }

  /** Writes a version of a document: `{record, salt, value}`; it is in the state from the next seal on. */
  async write(collection, id, value, previous = null, changes = {}) {
    const salt = value === null ? null : await plain(`salt of ${collection}/${id} ${previous?.record.version}`);
    const record = {
      collection,
      height: this.height + 1,
      id,
      previous: previous && (await taggedHash("version", utf8(canonical(previous.record)))),
      transaction: await plain(`transaction ${this.height + 1}`),
      v: 1,
      value: value === null ? null : await taggedHash("value", unhex(salt), utf8(canonical(value))),
      version: (previous?.record.version ?? 0) + 1,
      ...changes,
    };
    const key = await taggedHash("state-key", utf8(canonical([collection, id])));
    this.pairs.set(key, await taggedHash("version", utf8(canonical(record))));
    return { record, salt, value };
  }

  /** The state proof of a document at the newest seal, as an object; `version` is its newest, or null. */
  async stateProof(collection, id, version) {
    const key = await taggedHash("state-key", utf8(canonical([collection, id])));
    const { siblings, end } = await stateTree([...this.states[this.height]], key);
    return {
      kind: "state-proof",
      neighbour: version ? null : end,
      record: version?.record ?? null,
      salt: version?.salt ?? null,
      seal: await this.receipt(this.leaves.length - 1),
      siblings: siblings.map(hex),
      v: 1,
      value: version?.value ?? null,
    };
  }

  /** A history proof of versions, newest first. */
  async historyProof(collection, id, [newest, ...earlier], from, to) {
    const state = await this.stateProof(collection, id, newest ?? null);
    return { earlier, from, kind: "history-proof", state, to, v: 1 };
  }

  async consistencyProof(oldSize, newSize = this.leaves.length) {
    const path = await consistencyPath(oldSize, this.leaves.slice(0, newSize));
    const [older, newer] = [await this.note(this.voters, oldSize), await this.note(this.voters, newSize)];
    return { kind: "consistency-proof", new: newer, old: older, path: path.map(hex), v: 1 };
  }
}
