// Believes what a C2SP tlog-policy of the caller's choice asks for, instead of the members that a genesis leads to.

import { hex, unbase64, utf8 } from "./bytes.js";
import { checkLines, parseCheckpoint } from "./checkpoint.js";
import { PublicKey } from "./ed25519.js";
import { isOrigin } from "./form.js";
import { POLICY_BYTES_MAX, POLICY_ITEMS_MAX, VKEY_BYTES_MAX } from "./limits.js";
import { COSIGNATURE, LOG_SIGNATURE, keyId } from "./note.js";
import { demand } from "./refusal.js";

/** A policy as an anchor: it covers every size, knows no epochs, follows no changes of members and accuses nobody. */
export class PolicyTrust {
  /** Reads a policy file for the ledger of one origin. */
  static async read(file, origin) {
    demand(isOrigin(origin), "genesis", "a policy is believed only for a ledger's origin");
    const policy = new PolicyTrust(origin);
    for (const line of linesOf(file)) await policy.#define(line);
    demand(policy.#quorum !== null, "file", "a policy without a quorum");
    return policy;
  }

  #keys = [];
  // What each name defined so far asks for: the key of a witness, or a number of members of a group.
  #asks = new Map();
  #members = new Set();
  #quorum = null;

  constructor(origin) {
    this.origin = origin;
  }

  get genesisHash() {
    return this.origin.split("/")[1];
  }

  async certify(note) {
    return this.certifyCheckpoint(parseCheckpoint(note));
  }

  async certifyCheckpoint(checkpoint) {
    const { origin, size, root } = checkpoint;
    demand(origin === this.origin, "genesis", `a checkpoint of ${origin}, not of ${this.origin}`);
    const signatures = await checkLines(checkpoint, this.#keys);
    const made = [...new Map(signatures.map((one) => [`${one.type} ${one.key.text}`, one])).values()];
    const cosigned = made.filter(({ type }) => type === COSIGNATURE);
    demand(this.#isQuorum(cosigned), "quorum", "the cosignatures are not the quorum that the policy asks for");
    const logged = made.some(({ type, name }) => type === LOG_SIGNATURE && name === origin);
    demand(logged, "log-signature", "no log of the policy signed");
    return {
      origin,
      size,
      root,
      epoch: null,
      epochs: [],
      signers: cosigned.map(({ name }) => name).sort(),
      cosignatures: cosigned.map(({ name, time }) => ({ organisation: name, node: null, time })),
      log_signatures: [],
    };
  }

  // Evidence accuses members, of which a policy knows none.
  noteKeys() {
    return [];
  }

  voters() {
    return [];
  }

  joinedWith(other) {
    demand(other.origin === this.origin, "genesis", `members of ${other.origin}, not of ${this.origin}`);
    return this;
  }

  #isQuorum(cosigned) {
    const witnessed = new Map();
    const texts = new Set(cosigned.map(({ key }) => key.text));
    // Members are defined before their groups, so that one pass is enough.
    for (const [name, { key, needed, members }] of this.#asks) {
      const count = members?.filter((member) => witnessed.get(member)).length;
      witnessed.set(name, key ? texts.has(key.text) : count >= needed);
    }
    return witnessed.get(this.#quorum);
  }

  async #define([word, ...items]) {
    if (word === "log" && items.length >= 1 && items.length <= 2) await this.#addKey(items[0], LOG_SIGNATURE);
    else if (word === "witness" && items.length >= 2 && items.length <= 3) await this.#addWitness(items[0], items[1]);
    else if (word === "group" && items.length >= 3) this.#addGroup(items);
    else if (word === "quorum" && items.length === 1) this.#setQuorum(items[0]);
    else demand(false, "file", "a line of no known form in a policy");
  }

  async #addWitness(name, vkey) {
    this.#demandNew(name);
    this.#asks.set(name, { key: await this.#addKey(vkey, COSIGNATURE) });
  }

  #addGroup([name, count, ...members]) {
    this.#demandNew(name);
    const needed = count === "any" ? 1 : count === "all" ? members.length : Number(count);
    const decimal = count === "any" || count === "all" || /^[1-9][0-9]{0,8}$/.test(count);
    demand(decimal && needed <= members.length, "file", "a group that asks for no or too many of its members");
    for (const member of members) {
      demand(this.#asks.has(member), "file", "a group's member is not defined before");
      demand(!this.#members.has(member), "file", "a name is a member twice");
      this.#members.add(member);
    }
    this.#asks.set(name, { needed, members });
    const groups = [...this.#asks.values()].filter((asked) => asked.members).length;
    demand(groups <= POLICY_ITEMS_MAX, "file", `more than ${POLICY_ITEMS_MAX} groups`);
  }

  #setQuorum(name) {
    demand(this.#quorum === null, "file", "a policy with two quorums");
    demand(name !== "none", "file", "a policy that asks for nobody's cosignature");
    demand(this.#asks.has(name), "file", "the quorum is not defined before");
    this.#quorum = name;
  }

  #demandNew(name) {
    demand(name !== "none" && !this.#asks.has(name), "file", "a name is defined twice");
  }

  async #addKey(vkey, type) {
    const parsed = await parseVkey(vkey, type);
    const twice = this.#keys.some((known) => known.type === type && known.key.text === parsed.key.text);
    demand(!twice, "file", "a key stands twice in a policy");
    this.#keys.push({ ...parsed, organisation: parsed.name, node: null });
    const alike = this.#keys.filter((known) => known.type === type).length;
    demand(alike <= POLICY_ITEMS_MAX, "file", `more than ${POLICY_ITEMS_MAX} logs or witnesses`);
    return parsed.key;
  }
}

/** The words of each line that says something. Octets above 0x7f are opaque, and each is one character here. */
function linesOf(file) {
  const bytes = typeof file === "string" ? utf8(file) : new Uint8Array(file);
  demand(bytes.length <= POLICY_BYTES_MAX, "file", `more than ${POLICY_BYTES_MAX} bytes`);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  demand(!/[^\t\n\u0020-\u007e\u0080-\u00ff]/.test(text), "file", "a control character in a policy");
  demand(text.endsWith("\n"), "file", "a policy of which the last line is not ended");
  const lines = text.split("\n").map((line) => line.split(/[ \t]+/).filter((word) => word !== ""));
  return lines.filter(([word]) => word !== undefined && !word.startsWith("#"));
}

/** `{name, id, type, key}` of the C2SP text of a key, which must be of one type. */
async function parseVkey(vkey, type) {
  demand(vkey.length <= VKEY_BYTES_MAX, "file", `a key of more than ${VKEY_BYTES_MAX} bytes`);
  const [octets, id, encoded, ...rest] = vkey.split("+");
  // Base64 may hold a plus as well.
  const bytes = unbase64([encoded, ...rest].join("+"));
  demand(
    octets !== "" && bytes?.length === 33 && bytes[0] === type,
    "file",
    "not an Ed25519 key for its use in a policy",
  );
  const key = PublicKey.parse(`ed25519:${hex(bytes.subarray(1))}`);
  demand(key, "file", "a key that is not a key in a policy");
  const name = nameOf(octets);
  demand(id === (await keyId(name, type, key)), "file", "a key id that is not its key's in a policy");
  return { name, id, type, key };
}

function nameOf(octets) {
  const bytes = Uint8Array.from(octets, (octet) => octet.charCodeAt(0));
  let name;
  try {
    name = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    demand(false, "file", "a key name that is not UTF-8");
  }
  demand(!/\p{White_Space}/u.test(name), "file", "a space in a key name");
  return name;
}
