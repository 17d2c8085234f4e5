// Reads membership documents, and knows how many of an epoch's organisations are a quorum.

import { encode } from "./canonical.js";
import { PublicKey } from "./ed25519.js";
import { hasExactly, isCount, isHash, isName, isObject } from "./form.js";
import { plainHash } from "./hash.js";
import { ORGANISATIONS_MAX, REVOKED_KEYS_MAX } from "./limits.js";
import { COSIGNATURE, LOG_SIGNATURE, keyId } from "./note.js";
import { demand } from "./refusal.js";

export const QUORUM_FORMULA = "(n+f+1)/2";

/** The members of one epoch, by a document whose form and keys were checked. */
export class Membership {
  /**
   * Reads a document. Points are decoded here, which costs a third of a millisecond a key: whoever reads many documents
   * of a stranger checks first that members signed for them.
   */
  static async read(document, check = "epochs") {
    checkForm(document, check);
    const voters = [];
    const seen = new Set();
    for (const [organisation, { nodes }] of Object.entries(document.organisations)) {
      const [[node, texts]] = Object.entries(nodes);
      const voter = { organisation, node };
      for (const use of ["cosign", "log", "proposal"]) {
        const key = PublicKey.parse(texts[use]);
        demand(key, check, `the ${use} key of ${organisation}/${node} is not a key`);
        demand(!seen.has(key.text), check, `the key ${key.text} stands twice`);
        seen.add(key.text);
        voter[use] = key;
      }
      voters.push(voter);
    }
    for (const key of Object.keys(document.revoked)) demand(PublicKey.parse(key), check, `the key ${key} is not a key`);
    return new Membership(document, await plainHash(encode(document)), voters);
  }

  constructor(document, hash, voters) {
    this.document = document;
    this.hash = hash;
    this.voters = voters;
    this.epoch = document.epoch;
    this.previous = document.previous;
    this.revoked = document.revoked;
  }

  get quorum() {
    const n = this.voters.length;
    const f = Math.floor((n - 1) / 3);
    return Math.ceil((n + f + 1) / 2);
  }

  /** What the lines of this ledger's notes may be signed with: `[{name, id, type, key, organisation, node}]`. */
  async noteKeys(origin) {
    const keys = [];
    for (const { organisation, node, cosign, log } of this.voters) {
      const named = [
        [`${organisation}/${node}`, COSIGNATURE, cosign],
        [origin, LOG_SIGNATURE, log],
      ];
      for (const [name, type, key] of named) {
        keys.push({ name, id: await keyId(name, type, key), type, key, organisation, node });
      }
    }
    return keys;
  }
}

/** The document's members and names, without its keys' points. */
export function checkForm(document, check) {
  demand(hasExactly(document, "epoch organisations previous quorum revoked v"), check, "not a membership document");
  const { epoch, organisations, previous, quorum, revoked, v } = document;
  demand(v === 1 && quorum === QUORUM_FORMULA, check, "a membership of another version or quorum");
  demand(isCount(epoch) && isHash(previous), check, "a membership without its epoch or previous");
  demand(isObject(organisations), check, "a membership without organisations");
  const names = Object.keys(organisations);
  demand(names.length >= 1 && names.length <= ORGANISATIONS_MAX, check, "too few or too many organisations");
  for (const name of names) {
    const organisation = organisations[name];
    demand(isName(name) && hasExactly(organisation, "nodes"), check, `the organisation ${name} is malformed`);
    demand(isObject(organisation.nodes), check, `the nodes of ${name} are malformed`);
    const nodes = Object.entries(organisation.nodes);
    demand(nodes.length === 1, check, `${name} has not exactly one voter`);
    const [[node, keys]] = nodes;
    demand(isName(node) && hasExactly(keys, "cosign log proposal"), check, `the node ${name}/${node} is malformed`);
  }
  demand(isObject(revoked), check, "a membership without its revocations");
  demand(Object.keys(revoked).length <= REVOKED_KEYS_MAX, check, `more than ${REVOKED_KEYS_MAX} revocations`);
  for (const [key, size] of Object.entries(revoked)) {
    demand(PublicKey.KEY.test(key) && isCount(size), check, `the revocation of ${key} is malformed`);
  }
  demand(epoch > 0 || Object.keys(revoked).length === 0, check, "epoch 0 revokes a key");
}
