// Reads a genesis, and derives from it the origin and the membership of epoch 0.

import { hex, utf8, unhex } from "./bytes.js";
import { encode, nestingOf, parse } from "./canonical.js";
import { PublicKey } from "./ed25519.js";
import { hasExactly, isCollection, isCount, isName, isNode, isObject } from "./form.js";
import { plainHash } from "./hash.js";
import {
  ACCESS_FIELD_BYTES_MAX,
  ACCESS_FIELDS_MAX,
  ACCESS_POLICIES_MAX,
  ACCESS_POLICY_BYTES_MAX,
  ACCOUNT_KEYS_MAX,
  ADDRESS_BYTES_MAX,
  DEFINITION_DEPTH_MAX,
  FOUNDERS_BYTES_MAX,
  GENESIS_BYTES_MAX,
  ORGANISATIONS_MAX,
} from "./limits.js";
import { Membership, QUORUM_FORMULA } from "./membership.js";
import { demand } from "./refusal.js";

/**
 * `{hash, origin, founders, members}` of a genesis file. Without `expectedHash` whoever gave the file is believed.
 */
export async function readGenesis(file, expectedHash) {
  return readParsedGenesis(parse(file, { bytes: GENESIS_BYTES_MAX, nesting: DEFINITION_DEPTH_MAX }), expectedHash);
}

/** As `readGenesis`, of the value that stands in a bundle. */
export async function readParsedGenesis(genesis, expectedHash) {
  demand(nestingOf(genesis) <= DEFINITION_DEPTH_MAX, "file", `a genesis nested deeper than ${DEFINITION_DEPTH_MAX}`);
  const text = encode(genesis);
  demand(utf8(text).length <= GENESIS_BYTES_MAX, "file", "a genesis that is too large");
  const hash = await plainHash(text);
  // First of all: what is not the trusted genesis costs one hash, whatever it contains.
  demand(expectedHash === undefined || hash === expectedHash, "genesis", `the genesis is ${hash}, not ${expectedHash}`);
  checkGenesis(genesis);
  const document = membershipDocument(genesis, hash);
  return {
    hash,
    origin: `${genesis.ledger}/${hash}`,
    founders: founders(genesis),
    members: await Membership.read(document, "genesis"),
  };
}

/** Checks the file beside the genesis: that exactly the founders signed it. */
export async function checkFounders({ hash, founders }, file) {
  const signatures = parse(file, { bytes: FOUNDERS_BYTES_MAX, nesting: 1 });
  demand(hasExactly(signatures, [...founders.keys()].join(" ")), "genesis", "the signers are not exactly the founders");
  const message = new Uint8Array([...utf8("countersign/genesis/v1\n"), ...unhex(hash)]);
  for (const [organisation, key] of founders) {
    const signature = signatures[organisation];
    const formed = typeof signature === "string" && /^[0-9a-f]{128}$/.test(signature);
    const holds = formed && (await key.verify(message, unhex(signature)));
    demand(holds, "genesis", `the signature of ${organisation} on the genesis is false`);
  }
}

function checkGenesis(genesis) {
  const names = "accounts collections ledger limits organisations quorum rules time v";
  demand(hasExactly(genesis, names), "genesis", "not a genesis");
  const { accounts, collections, ledger, limits, organisations, quorum, rules, time, v } = genesis;
  demand(v === 1 && rules === 1 && quorum === QUORUM_FORMULA, "genesis", "a genesis of other rules");
  demand(isName(ledger) && isCount(time), "genesis", "a genesis without its ledger's name or time");
  demand(areLimits(limits), "genesis", "malformed limits");
  const keys = new Set();
  checkOrganisations(organisations, keys);
  checkAccounts(accounts, organisations, keys);
  checkCollections(collections, organisations);
}

// Each admits the smaller thing inside of it, and none is above what a node accepts.
function areLimits(limits) {
  if (!hasExactly(limits, "document_bytes proposal_bytes transaction_bytes")) return false;
  const { document_bytes: document, proposal_bytes: proposal, transaction_bytes: transaction } = limits;
  if (![document, proposal, transaction].every(isCount)) return false;
  const ascending = 1024 <= document && document <= transaction && transaction <= proposal;
  return ascending && document <= 1 << 20 && transaction <= 2 << 20 && proposal <= 4 << 20;
}

function checkOrganisations(organisations, keys) {
  const count = isObject(organisations) ? Object.keys(organisations).length : 0;
  demand(count >= 1 && count <= ORGANISATIONS_MAX, "genesis", "too few or too many founders");
  for (const [name, organisation] of Object.entries(organisations)) {
    demand(isName(name) && hasExactly(organisation, "governance nodes"), "genesis", `the founder ${name} is malformed`);
    addKey(organisation.governance, keys);
    const nodes = isObject(organisation.nodes) ? Object.entries(organisation.nodes) : [];
    demand(nodes.length === 1, "genesis", `${name} has not exactly one node`);
    const [[node, entry]] = nodes;
    const formed = isName(node) && hasExactly(entry, "address cosign log proposal tls");
    const placed = formed && typeof entry.address === "string" && utf8(entry.address).length <= ADDRESS_BYTES_MAX;
    demand(placed, "genesis", `the node ${name}/${node} is malformed`);
    for (const use of ["cosign", "log", "proposal", "tls"]) addKey(entry[use], keys);
  }
}

function checkAccounts(accounts, organisations, keys) {
  demand(isObject(accounts), "genesis", "malformed accounts");
  for (const [account, list] of Object.entries(accounts)) {
    const known = isNode(account) && Object.hasOwn(organisations, account.split("/")[0]);
    const formed = known && Array.isArray(list) && list.length >= 1 && list.length <= ACCOUNT_KEYS_MAX;
    demand(formed, "genesis", `the account ${account} is malformed`);
    for (const key of list) addKey(key, keys);
  }
}

function checkCollections(collections, organisations) {
  demand(isObject(collections), "genesis", "malformed collections");
  for (const [name, definition] of Object.entries(collections)) {
    demand(isCollection(name) && hasExactly(definition, "access schema"), "genesis", `the collection ${name} is malformed`);
    const { access, schema } = definition;
    const formed = isWriters(access) || isCedar(access);
    demand(formed && isObject(schema), "genesis", `the collection ${name} is malformed`);
    const isFounder = (writer) => typeof writer === "string" && Object.hasOwn(organisations, writer);
    const ascending = (access.write ?? []).every((writer, i, all) => isFounder(writer) && (i === 0 || all[i - 1] < writer));
    demand(ascending, "genesis", `the writers of ${name} are not founders in ascending order`);
  }
}

function isWriters(access) {
  return hasExactly(access, "engine write") && access.engine === "writers/v1" && Array.isArray(access.write);
}

/** The form of Cedar's rules; what they decide is no verifier's to say. */
function isCedar(access) {
  if (!hasExactly(access, "engine fields named policies") || access.engine !== "cedar/v1") return false;
  const { fields, named, policies } = access;
  if (!Array.isArray(fields) || fields.length > ACCESS_FIELDS_MAX || !isObject(policies)) return false;
  const isField = (field) => typeof field === "string" && utf8(field).length <= ACCESS_FIELD_BYTES_MAX;
  if (!fields.every((field, i) => isField(field) && (i === 0 || isBefore(fields[i - 1], field)))) return false;
  const texts = Object.entries(policies);
  const isPolicy = ([name, text]) =>
    isCollection(name) && typeof text === "string" && utf8(text).length <= ACCESS_POLICY_BYTES_MAX;
  return ["none", "optional", "required"].includes(named) && texts.length <= ACCESS_POLICIES_MAX && texts.every(isPolicy);
}

/** By their bytes in UTF-8, which is not the order of JavaScript's strings. */
function isBefore(a, b) {
  return hex(utf8(a)) < hex(utf8(b));
}

function addKey(text, keys) {
  demand(PublicKey.parse(text), "genesis", `${text} is not a key`);
  demand(!keys.has(text), "genesis", `the key ${text} stands twice`);
  keys.add(text);
}

function founders(genesis) {
  return new Map(
    Object.entries(genesis.organisations).map(([name, { governance }]) => [name, PublicKey.parse(governance)]),
  );
}

function membershipDocument(genesis, hash) {
  const organisations = {};
  for (const [name, { nodes }] of Object.entries(genesis.organisations)) {
    const [[node, { cosign, log, proposal }]] = Object.entries(nodes);
    organisations[name] = { nodes: { [node]: { cosign, log, proposal } } };
  }
  return { epoch: 0, organisations, previous: hash, quorum: QUORUM_FORMULA, revoked: {}, v: 1 };
}
