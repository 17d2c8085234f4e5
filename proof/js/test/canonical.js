// Tests that only canonical I-JSON is read, and that RFC 8785's own examples are written as it says.

import assert from "node:assert/strict";
import test from "node:test";
import { utf8 } from "../bytes.js";
import { encode, nestingOf, parse } from "../canonical.js";
import { refused } from "./assert.js";

const LIMITS = { bytes: 10_000, nesting: 32 };
const read = (file) => parse(file, LIMITS);

test("canonical text is read and written again as it was", () => {
  const texts = [
    "null",
    "true",
    "0",
    "-1",
    "0.5",
    "1e-7",
    "9007199254740991",
    "-9007199254740991",
    '""',
    '"\\u0000\\n\\"\\\\é😀"',
    "[]",
    "{}",
    '[1,[2,{"a":[]}]]',
    '{"__proto__":{"constructor":1},"a":{"hasOwnProperty":null}}',
    '{"1":0,"10":0,"2":0}',
  ];
  for (const text of texts) assert.equal(encode(read(text)), text);
  for (const text of texts) assert.equal(encode(read(utf8(text))), text);
});

test("names are sorted as in RFC 8785, 3.2.3", () => {
  const value = { "\u20ac": 0, "\r": 0, "\ufb33": 0, 1: 0, "\ud83d\ude00": 0, "\u0080": 0, "\u00f6": 0 };
  assert.equal(encode(value), '{"\\r":0,"1":0,"\u0080":0,"ö":0,"€":0,"😀":0,"\ufb33":0}');
});

test("text that is not canonical I-JSON is refused", async () => {
  const texts = [
    "",
    " 1",
    "1 ",
    "1\n",
    "\ufeff1",
    "[1, 2]",
    "[1,]",
    "{'a':1}",
    "nul",
    "NaN",
    "Infinity",
    "+1",
    "01",
    "1.",
    ".5",
    "0x1",
    "1.0",
    "5e0",
    "1E1",
    "-0",
    "0.10",
    "1e400",
    "9007199254740992",
    "-9007199254740992",
    "1e16",
    "0.1000000000000000055511151231257827",
    '"\\u0041"',
    '"\\/"',
    '"\\u000A"',
    '"\\u00e9"',
    '"\\u001F"',
    '"\t"',
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '{"\\ud800":1}',
    '"\\ud83d\\ude00"',
    '{"a":1,"a":1}',
    '{"a":1,"a":2}',
    '{"b":1,"a":1}',
    '{"\\u0061":1}',
    '{"a":1,"__proto__":2}',
    "[1]]",
    '{"a":1}{}',
    '"',
    '"\\',
  ];
  for (const text of texts) await refused("file", async () => read(text), JSON.stringify(text));
});

test("bytes that are not UTF-8 are refused, and text with a lone surrogate", async () => {
  for (const bytes of [
    [0x22, 0xff, 0x22],
    [0x22, 0xed, 0xa0, 0x80, 0x22],
    [0x22, 0xc0, 0x80, 0x22],
    [0xef, 0xbb, 0xbf, 0x31],
    [0x22, 0xe2, 0x82],
  ]) {
    await refused("file", async () => read(Uint8Array.from(bytes)), bytes.join());
  }
  await refused("file", async () => read('"\ud800"'));
});

test("nesting is counted, and refused before anything can overflow", async () => {
  const nested = (depth) => "[".repeat(depth) + "]".repeat(depth);
  assert.equal(nestingOf(read(nested(32))), 32);
  await refused("file", async () => read(nested(33)));
  await refused("file", async () => parse("[".repeat(5_000_000), { bytes: 10_000_000, nesting: 96 }));
  assert.equal(read(JSON.stringify("[".repeat(100))), "[".repeat(100));
  assert.deepEqual(read('["\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[","\\\\"]'), [
    '"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[',
    "\\",
  ]);
});

test("what is longer than its limit is refused, in bytes and not in characters", async () => {
  await refused("file", async () => parse('"ééé"', { bytes: 7, nesting: 1 }));
  assert.equal(parse('"ééé"', { bytes: 8, nesting: 1 }), "ééé");
});
