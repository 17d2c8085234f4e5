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
