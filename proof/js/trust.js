// Knows the members of each epoch, from a genesis, bundle or pinned epoch, and says which checkpoints they certified.

import { parse } from "./canonical.js";
import { checkLines, parseCheckpoint } from "./checkpoint.js";
import { hasExactly, isCount, isHash, isOrigin } from "./form.js";
import { readGenesis, readParsedGenesis } from "./genesis.js";
import { checkPlace } from "./leaf.js";
import { BUNDLE_DEPTH_MAX, EPOCHS_MAX, EPOCH_BYTES_MAX, JSON_DEPTH_MAX, TRUST_BYTES_MAX } from "./limits.js";
import { Membership, checkForm } from "./membership.js";
import { COSIGNATURE, LOG_SIGNATURE } from "./note.js";
import { demand } from "./refusal.js";
import { parseTlogProof, provenLeaf } from "./tlog_proof.js";

const BUNDLE_LIMITS = { bytes: TRUST_BYTES_MAX, nesting: BUNDLE_DEPTH_MAX };

export class Trust {
  /** Trusts a genesis file; without `expectedHash` only because the caller gave it. */
  static async fromGenesis(file, expectedHash) {
    const { origin, members } = await readGenesis(file, expectedHash);
    return new Trust(origin, [await newEpoch(members, 0, origin)]);
  }

  /** Follows a bundle from the genesis of which the caller knows the hash. */
  static async fromBundle(file, genesisHash) {
    return Trust.fromParsedBundle(parse(file, BUNDLE_LIMITS), genesisHash);
  }

  static async fromParsedBundle(bundle, genesisHash) {
    const formed = hasExactly(bundle, "changes genesis kind v") && bundle.kind === "trust-bundle" && bundle.v === 1;
    demand(formed && Array.isArray(bundle.changes), "file", "not a trust bundle");
    demand(bundle.changes.length < EPOCHS_MAX, "epochs", `more than ${EPOCHS_MAX} epochs`);
    demand(isHash(genesisHash), "genesis", "a bundle is believed only under a genesis hash");
    const { origin, members } = await readParsedGenesis(bundle.genesis, genesisHash);
    const epochs = [await newEpoch(members, 0, origin)];
    for (const change of bundle.changes) epochs.push(await nextEpoch(epochs.at(-1), change, origin));
    return new Trust(origin, epochs);
  }

  /** Trusts one membership document; nothing is believed at or below the size after which it is said to begin. */
  static async fromPinnedEpoch(file) {
    const pinned = parse(file, { bytes: EPOCH_BYTES_MAX, nesting: JSON_DEPTH_MAX });
    const formed = hasExactly(pinned, "after kind members origin v") && pinned.kind === "epoch" && pinned.v === 1;
    demand(formed && isCount(pinned.after) && isOrigin(pinned.origin), "file", "not a pinned epoch");
    const members = await Membership.read(pinned.members, "file");
    const fromGenesis = pinned.origin.endsWith(`/${members.previous}`);
    demand(members.epoch > 0 || fromGenesis, "file", "an epoch 0 that does not follow from its genesis");
    return new Trust(pinned.origin, [await newEpoch(members, pinned.after, pinned.origin)]);
  }

  constructor(origin, epochs) {
    this.origin = origin;
    this.epochs = epochs;
  }

  get genesisHash() {
    return this.origin.split("/")[1];
  }

  get newest() {
    return this.epochs.at(-1).members;
  }

  /** The epoch that covers a size; where it ends there the next one too, for both must certify that size. */
  covering(size) {
    const first = this.epochs.findLastIndex(({ after }) => after < size);
    if (first < 0) return [];
    const next = this.epochs[first + 1];
    return next?.after === size ? [this.epochs[first], next] : [this.epochs[first]];
  }

  /** `{origin, size, root, epoch, epochs, signers, cosignatures, log_signatures}` of a certified note. */
  async certify(note) {
    return this.certifyCheckpoint(parseCheckpoint(note));
  }

  async certifyCheckpoint(checkpoint) {
    const { origin, size } = checkpoint;
    demand(origin === this.origin, "genesis", `a checkpoint of ${origin}, not of ${this.origin}`);
    const epochs = this.covering(size);
    demand(epochs.length > 0, "epochs", `no epoch known covers size ${size}`);
    return certifyUnder(checkpoint, epochs, this.newest.revoked);
  }

  /** Every key that may sign notes in any epoch known, each once. */
  noteKeys() {
    return eachOnce(this.epochs.flatMap((epoch) => epoch.keys));
  }

  /** Every voter of any epoch known: `[{organisation, node, cosign, log, proposal}]`. */
  voters() {
    return this.epochs.flatMap(({ members }) => members.voters);
  }

  isRevoked(key, size) {
    return isRevoked(this.newest.revoked, key, size);
  }

  /**
   * What is known when another chain of the same ledger is believed too: the longer of both, from where this one begins.
   * Two members' documents for one epoch are a fork of the members, and neither is then believed.
   */
  joinedWith(other) {
    demand(other.origin === this.origin, "genesis", `members of ${other.origin}, not of ${this.origin}`);
    for (const { members, after } of this.epochs) {
      const same = other.epochs.find((epoch) => epoch.members.epoch === members.epoch);
      const agrees = !same || (same.members.hash === members.hash && same.after === after);
      demand(agrees, "epochs", `two different memberships for epoch ${members.epoch}`);
    }
    if (other.newest.epoch <= this.newest.epoch) return this;
    const begin = this.epochs[0].members.epoch;
    return new Trust(
      this.origin,
      other.epochs.filter(({ members }) => members.epoch >= begin),
    );
  }
}

async function newEpoch(members, after, origin) {
  return { members, after, keys: await members.noteKeys(origin) };
}

/** The epoch to which one change of a bundle leads. */
async function nextEpoch(current, change, origin) {
  demand(hasExactly(change, "members seal") && typeof change.seal === "string", "file", "not a change of members");
  const document = change.members;
  checkForm(document, "epochs");
  const old = current.members;
  demand(document.epoch === old.epoch + 1, "epochs", `epoch ${document.epoch} does not follow epoch ${old.epoch}`);
  demand(document.previous === old.hash, "epochs", `epoch ${document.epoch} follows other members`);
  const receipt = parseTlogProof(change.seal);
  const { checkpoint } = receipt;
  const { size } = checkpoint;
  demand(checkpoint.origin === origin, "genesis", `a checkpoint of ${checkpoint.origin}, not of ${origin}`);
  demand(size > current.after, "epochs", `epoch ${old.epoch} ends at size ${size}, before it begins`);
  // The old members first: until they signed, nothing of a stranger's document costs more than its form. A line that is
  // false under their keys may hold under another with the same id, which is then one of the next members'.
  const signatures = await checkLines(checkpoint, current.keys, { falseLines: false });
  demandQuorum(current.members, counted(signatures, document.revoked, size));
  const next = await newEpoch(await Membership.read(document, "epochs"), size, origin);
  await certifyUnder(checkpoint, [current, next], document.revoked);
  const { leaf } = await provenLeaf(receipt);
  demand(leaf.kind === "seal", "epochs", `the leaf that ends epoch ${old.epoch} is not a seal`);
  checkPlace(leaf, receipt.index, origin);
  demand(leaf.members === old.hash, "epochs", `the seal that ends epoch ${old.epoch} is of other members`);
  demand(
    leaf.next_members === next.members.hash,
    "epochs",
    `the seal that ends epoch ${old.epoch} names other members next`,
  );
  demand(size === leaf.first + leaf.leaves, "epochs", `the checkpoint that ends epoch ${old.epoch} is not the seal's`);
  return next;
}

/** The certificate that the members of every one of `epochs` made, each by their own quorum, and a log of either. */
async function certifyUnder(checkpoint, epochs, revoked) {
  const { origin, size, root } = checkpoint;
  const made = counted(await checkLines(checkpoint, eachOnce(epochs.flatMap(({ keys }) => keys))), revoked, size);
  for (const { members } of epochs) demandQuorum(members, made);
  const logged = made.some(({ type }) => type === LOG_SIGNATURE);
  demand(logged, "log-signature", "no member's node signed as the log");
  const cosignatures = made.filter(({ type }) => type === COSIGNATURE);
  return {
    origin,
    size,
    root,
    epoch: epochs[0].members.epoch,
    epochs: epochs.map(({ members }) => members.epoch),
    signers: [...new Set(cosignatures.map(({ organisation }) => organisation))].sort(),
    cosignatures: cosignatures.map(({ organisation, node, time }) => ({ organisation, node, time })),
    log_signatures: made
      .filter(({ type }) => type === LOG_SIGNATURE)
      .map(({ organisation, node }) => ({ organisation, node })),
  };
}

/** Of keys or signatures, the last of each name and key. */
function eachOnce(known) {
  return [...new Map(known.map((one) => [`${one.type} ${one.name} ${one.key.text}`, one])).values()];
}

function counted(signatures, revoked, size) {
  return eachOnce(signatures.filter(({ key }) => !isRevoked(revoked, key, size)));
}

/** An organisation counts once, and only with the key that these members give its node. */
function demandQuorum({ epoch, quorum, voters }, made) {
  const cosigned = made.filter(({ type }) => type === COSIGNATURE);
  // By name as well: the other set may know the same key under another node's.
  const signed = voters.filter(({ organisation, node, cosign }) =>
    cosigned.some(({ name, key }) => name === `${organisation}/${node}` && key.text === cosign.text),
  );
  demand(
    signed.length >= quorum,
    "quorum",
    `${signed.length} of ${voters.length} organisations of epoch ${epoch} signed, and ${quorum} must`,
  );
}

function isRevoked(revoked, key, size) {
  return Object.hasOwn(revoked, key.text) && revoked[key.text] < size;
}
