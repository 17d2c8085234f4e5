// Tests that signatures are checked as strictly as the document demands, whatever the runtime thinks of them.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import test, { mock } from "node:test";
import { concat, hex, unhex, utf8 } from "../bytes.js";
import { BASE, IDENTITY, ORDER, P, add, combine, decodePoint, isSame, isSmallOrder, littleEndian } from "../curve.js";
import { PublicKey } from "../ed25519.js";
import { sha512 } from "../hash.js";
import { forgeKey } from "./forge.js";

const RFC_8032 = [
  [
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "",
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  ],
  [
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "72",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  ],
  [
    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    "af82",
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
  ],
];

/** Whether a signature holds, which must not depend on how lenient the runtime is. */
async function holds(key, message, signature) {
  const verdict = await key.verify(message, signature);
  const lenient = mock.method(crypto.subtle, "verify", async () => true);
  assert.equal(await key.verify(message, signature), verdict, "our own checks are not enough");
  lenient.mock.restore();
  return verdict;
}

const keyOfBytes = (bytes) => PublicKey.parse(`ed25519:${hex(bytes)}`);
const scalar = async (name) => littleEndian(await sha512(utf8(name))) % ORDER;
const times = (n, point) =>
  n < 2n ** 253n ? combine(n, point, 0n, IDENTITY) : add(times(n >> 1n, point), times(n - (n >> 1n), point));

function toBytes(number) {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((number >> BigInt(8 * i)) & 255n));
}

function inverse(number) {
  let [result, base] = [1n, ((number % P) + P) % P];
  for (let rest = P - 2n; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * base) % P;
    base = (base * base) % P;
  }
  return result;
}

function affine({ X, Y, Z }) {
  const z = inverse(Z);
  return { x: (X * z) % P, y: (Y * z) % P };
}

function encodePoint(point) {
  const { x, y } = affine(point);
  return toBytes(y | ((x & 1n) << 255n));
}

/** The eight points whose order divides eight, found as any point times the group's order. */
function torsionPoints() {
  for (let y = 2n; ; y++) {
    const point = decodePoint(toBytes(y));
    if (!point) continue;
    const generator = times(ORDER, point);
    const points = Array.from({ length: 8 }, (_, i) => times(BigInt(i), generator));
    if (new Set(points.map((torsion) => hex(encodePoint(torsion)))).size === 8) return points;
  }
}

const TORSION = torsionPoints();

/** `{A, k, signature}` under the secret scalar `a`, with torsion added to key and nonce point as asked. */
async function craft(a, keyTorsion, nonceTorsion, nonce, message) {
  const A = encodePoint(add(times(a, BASE), keyTorsion));
  const R = encodePoint(add(times(nonce, BASE), nonceTorsion));
  const k = littleEndian(await sha512(R, A, message)) % ORDER;
  return { A, k, signature: concat(R, toBytes((nonce + k * a) % ORDER)) };
}

test("the signatures of RFC 8032 hold, and no bit of them may change", async () => {
  for (const [key, message, signature] of RFC_8032) {
    assert.equal(await holds(keyOfBytes(unhex(key)), unhex(message), unhex(signature)), true);
  }
  const [key, message, signature] = RFC_8032[1].map(unhex);
  for (let bit = 0; bit < 512; bit++) {
    const flipped = Uint8Array.from(signature);
    flipped[bit >> 3] ^= 1 << (bit & 7);
    assert.equal(await holds(keyOfBytes(key), message, flipped), false, `bit ${bit}`);
  }
  assert.equal(await holds(keyOfBytes(key), unhex("73"), signature), false);
  for (const length of [0, 32, 63, 65, 128]) {
    assert.equal(await holds(keyOfBytes(key), message, concat(signature, signature).subarray(0, length)), false);
  }
});

test("our arithmetic agrees with the runtime's", async () => {
  const key = await forgeKey("arithmetic");
  const point = decodePoint(key.bytes);
  assert.deepEqual(encodePoint(point), key.bytes);
  assert.ok(isSame(times(ORDER, BASE), IDENTITY) && isSame(times(ORDER, point), IDENTITY));
  assert.ok(isSame(add(times(5n, BASE), times(7n, BASE)), times(12n, BASE)));
  for (let i = 0; i < 20; i++) {
    const { text, sign } = await forgeKey(`arithmetic ${i}`);
    const message = utf8(`message ${i}`);
    assert.equal(await holds(PublicKey.parse(text), message, await sign(message)), true);
  }
});

test("the eight points of small order are no keys, in any encoding", () => {
  const encodings = new Set();
  for (const point of TORSION) {
    assert.ok(isSmallOrder(point));
    const { x, y } = affine(point);
    // Every 256-bit number that some decoder takes for this point: y or y + p, with the sign or, where x is 0, either.
    for (const number of [y, y + P]) {
      if (number >= 2n ** 255n) continue;
      const signs = x === 0n ? [0n, 1n] : [x & 1n];
      for (const sign of signs) encodings.add(hex(toBytes(number | (sign << 255n))));
    }
  }
  assert.equal(encodings.size, 14);
  for (const encoding of encodings) assert.equal(PublicKey.parse(`ed25519:${encoding}`), null, encoding);
});

test("a point is decoded only from its canonical encoding", () => {
  // p to p + 18 are the numbers that 255 bits hold beside their smaller equals.
  for (let y = P; y < 2n ** 255n; y++) {
    for (const sign of [0n, 1n]) assert.equal(decodePoint(toBytes(y | (sign << 255n))), null);
  }
  assert.equal(decodePoint(toBytes(1n | (1n << 255n))), null, "x is 0 and its sign is set");
  assert.equal(decodePoint(toBytes((P - 1n) | (1n << 255n))), null, "x is 0 and its sign is set");
  assert.equal(decodePoint(toBytes(2n)), null, "no point has this y");
  for (const text of [
    "",
    "ed25519:",
    `ed25519:${"0".repeat(63)}`,
    `ED25519:${hex(toBytes(9n))}`,
    `ed25519:${RFC_8032[0][0].toUpperCase()}`,
    5,
    null,
  ]) {
    assert.equal(PublicKey.parse(text), null);
  }
});

test("S is below the group's order", async () => {
  const { text, sign } = await forgeKey("malleable");
  const message = utf8("message");
  const signature = await sign(message);
  const s = littleEndian(signature.subarray(32));
  for (let n = 1n; s + n * ORDER < 2n ** 256n; n++) {
    const other = concat(signature.subarray(0, 32), toBytes(s + n * ORDER));
    assert.equal(await holds(PublicKey.parse(text), message, other), false);
  }
});

test("a nonce point of small order is refused, though the equation may hold", async () => {
  const a = await scalar("a");
  const message = utf8("message");
  for (const torsion of TORSION) {
    const { A, k } = await craft(a, IDENTITY, torsion, 0n, message);
    const R = encodePoint(torsion);
    const S = (k * a) % ORDER;
    const satisfied = isSame(times(S, BASE), add(torsion, times(k, times(a, BASE))));
    assert.equal(satisfied, isSame(torsion, IDENTITY), "without cofactor only the identity satisfies it");
    assert.equal(await holds(keyOfBytes(A), message, concat(R, toBytes(S))), false);
  }
});

test("a nonce point in another encoding is refused", async () => {
  // The identity as R, written as y = 1 with the sign of x = 0 set, and as y = 1 + p.
  const a = await scalar("a");
  const message = utf8("message");
  const A = encodePoint(times(a, BASE));
  for (const R of [toBytes(1n | (1n << 255n)), toBytes(1n + P), toBytes((1n + P) | (1n << 255n))]) {
    const k = littleEndian(await sha512(R, A, message)) % ORDER;
    assert.equal(await holds(keyOfBytes(A), message, concat(R, toBytes((k * a) % ORDER))), false);
  }
});

test("the equation has no cofactor: torsion in the key or the nonce point is refused where it does not cancel", async () => {
  const a = await scalar("a");
  let [cancelled, open] = [0, 0];
  for (const [i, torsion] of TORSION.entries()) {
    if (i === 0) continue;
    for (let n = 0; n < 24; n++) {
      const message = utf8(`message ${i} ${n}`);
      const nonce = await scalar(`nonce ${i} ${n}`);
      const inNonce = await craft(a, IDENTITY, torsion, nonce, message);
      assert.equal(await holds(keyOfBytes(inNonce.A), message, inNonce.signature), false);
      const inKey = await craft(a, torsion, IDENTITY, nonce, message);
      const cancels = isSame(times(inKey.k, torsion), IDENTITY);
      // A key with torsion is still a key: where k cancels it, the equation holds as it stands.
      assert.equal(await holds(keyOfBytes(inKey.A), message, inKey.signature), cancels);
      if (cancels) cancelled += 1;
      else open += 1;
    }
  }
  assert.ok(cancelled > 10 && open > 10, `${cancelled} cancelled, ${open} did not`);
});

test("torsion in key and nonce point together holds where it cancels", async () => {
  const a = await scalar("a");
  const torsion = TORSION[1];
  let found = 0;
  for (let n = 0; n < 64 && found < 3; n++) {
    const message = utf8(`both ${n}`);
    const nonce = await scalar(`both ${n}`);
    const { A, k, signature } = await craft(a, torsion, torsion, nonce, message);
    const cancels = isSame(add(torsion, times(k, torsion)), IDENTITY);
    assert.equal(await holds(keyOfBytes(A), message, signature), cancels);
    if (cancels) found += 1;
  }
  assert.ok(found > 0);
});

test("a runtime without Ed25519, or with a wrong one, is refused and never passed over", () => {
  const stubs = [
    'crypto.subtle.importKey = async () => { throw new DOMException("", "NotSupportedError") };',
    "crypto.subtle.verify = async () => true;",
    "crypto.subtle.verify = async () => false;",
    'Object.defineProperty(globalThis, "crypto", { value: undefined });',
  ];
  const [key, message, signature] = RFC_8032[1];
  const ask = `
    const { PublicKey } = await import(${JSON.stringify(new URL("../ed25519.js", import.meta.url).href)});
    const bytes = (hex) => new Uint8Array(Buffer.from(hex, "hex"));
    try { console.log(await PublicKey.parse("ed25519:${key}").verify(bytes("${message}"), bytes("${signature}"))); }
    catch (error) { console.log(error.name, error.message); }`;
  const answers = stubs.map((stub) =>
    execFileSync(process.execPath, ["--input-type=module", "-e", stub + ask], { encoding: "utf8" }),
  );
  assert.match(answers[0], /^Refusal .* has no Ed25519/);
  assert.match(answers[1], /^Refusal .* Ed25519 is wrong/);
  assert.match(answers[2], /^Refusal .* Ed25519 is wrong/);
  assert.match(answers[3], /^Refusal .* no WebCrypto/);
});
