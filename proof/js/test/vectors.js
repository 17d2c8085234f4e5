// Loads the golden vectors, which lie beside the Rust tests, and what is trusted and asked for each of their proofs.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { Trust } from "../verify.js";

const folder = process.env.COUNTERSIGN_VECTORS
  ? pathToFileURL(`${process.env.COUNTERSIGN_VECTORS}/`)
  : new URL("../../tests/vectors/", import.meta.url);

function load(name) {
  return JSON.parse(readFileSync(new URL(name, folder), "utf8"));
}

export const ledger = load("ledger.json");
export const c2sp = load("c2sp.json");
export const proofs = load("proofs.json");

/** What is trusted of the ledger of ledger.json: its founders. */
export const trustedOfLedger = () => Trust.fromGenesis(ledger.genesis, ledger.genesis_hash);

/** What is trusted of the ledger of proofs.json: two epochs. */
export const trustedOfProofs = () => Trust.fromBundle(proofs.trust_bundle, proofs.genesis_hash);

/** Every proof of ledger.json that is a file of its own: `{name, kind, file, collection, id}`. */
export function filesOfLedger() {
  const found = [];
  for (const checkpoint of ["checkpoint_1", "checkpoint_2"]) {
    for (const [name, file] of Object.entries(ledger[checkpoint]))
      if (name.startsWith("receipt_")) found.push({ name: `ledger ${checkpoint} ${name}`, kind: "receipt", file });
  }
  const { checkpoint_1: one, checkpoint_2: two } = ledger;
  for (const [name, file, collection, id] of [
    ["present", one.state_present, "shipments", "S-1"],
    ["withheld", one.state_present_value_withheld, "shipments", "S-1"],
    ["account", one.state_account, "$accounts", "acme.example/ops"],
    ["neighbour", one.state_absent_neighbour, "shipments", "S-3"],
    ["empty", one.state_absent_empty, "shipments", "S-4"],
    ["deleted", two.state_deleted, "shipments", "S-2"],
  ])
    found.push({ name: `ledger state ${name}`, kind: "state", file, collection, id });
  return found;
}

/** Every proof of proofs.json, with all that is said of it there: `{name, kind, file, ...}`. */
export function filesOfProofs() {
  const kinds = {
    receipt: proofs.receipts,
    state: proofs.states,
    history: proofs.histories,
    consistency: proofs.consistencies,
    evidence: proofs.evidence,
  };
  return Object.entries(kinds).flatMap(([kind, files]) =>
    Object.entries(files).map(([name, entry]) => ({ ...entry, name: `${kind} ${name}`, kind })),
  );
}

/** The policy of the ledger of ledger.json, in the lines that section 12 of the document gives it. */
export function ledgerPolicy() {
  const named = ledger.cosign_vkeys.map((vkey) => [vkey.split("+")[0], vkey]);
  const groups = named.map(([name]) => [`org:${name.split("/")[0]}`, name]);
  return [
    ...ledger.log_vkeys.map((vkey) => `log ${vkey}`),
    ...named.map(([name, vkey]) => `witness ${name} ${vkey}`),
    ...groups.map(([group, name]) => `group ${group} any ${name}`),
    `group quorum-of-organisations ${ledger.quorum} ${groups.map(([group]) => group).join(" ")}`,
    "quorum quorum-of-organisations\n",
  ].join("\n");
}
