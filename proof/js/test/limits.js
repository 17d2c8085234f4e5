// Holds limits.js to the table of maxima in docs/formats.md.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import * as limits from "../limits.js";

const UNITS = { "": 1n, KiB: 1n << 10n, MiB: 1n << 20n };

function number(text) {
  if (text === "2^63-1") return 2n ** 63n - 1n;
  const [digits, unit = ""] = text.split(" ");
  return BigInt(digits) * UNITS[unit];
}

test("the table of the document is what the code has, and what a verifier reads is in it", () => {
  const document = readFileSync(new URL("../../../docs/formats.md", import.meta.url), "utf8");
  // The first table is a verifier's; the second is of what this one does not read.
  const section = document.slice(document.indexOf("\n## 16. Maxima\n"));
  const first = section.slice(0, section.indexOf("\nOf transactions"));
  const rows = [...first.matchAll(/^\| `([A-Z_]+_MAX)` \| ([^|]+) \| /gm)].map(([, name, text]) => [name, number(text)]);
  assert.ok(rows.length > 30);
  const own = Object.entries(limits).map(([name, value]) => [name, BigInt(value)]);
  assert.deepEqual(Object.fromEntries(rows.sort()), Object.fromEntries(own.sort()));
});
