// Loads the golden vectors, which lie beside the Rust tests.

import { existsSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const folder = process.env.COUNTERSIGN_VECTORS
  ? pathToFileURL(`${process.env.COUNTERSIGN_VECTORS}/`)
  : new URL("../../tests/vectors/", import.meta.url);

function load(name) {
  const path = new URL(name, folder);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : null;
}

export const ledger = load("ledger.json");
export const c2sp = load("c2sp.json");
export const proofs = load("proofs.json");

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
