// Computes on edwards25519 (RFC 8032, 5.1) with BigInt; everything it sees is public, so that time may tell.

import { unhex } from "./bytes.js";

export const P = 2n ** 255n - 19n;
export const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = mod(-121665n * power(121666n, P - 2n));
const SQRT_MINUS_ONE = power(2n, (P - 1n) / 4n);

// Extended coordinates: x = X/Z, y = Y/Z, T = XY/Z.
export const IDENTITY = { X: 0n, Y: 1n, Z: 1n, T: 0n };
export const BASE = decodePoint(unhex("58" + "66".repeat(31)));

/** The point, or null unless these 32 bytes are its one canonical encoding (RFC 8032, 5.1.3). */
export function decodePoint(bytes) {
  const encoded = littleEndian(bytes);
  const y = encoded & (2n ** 255n - 1n);
  const sign = encoded >> 255n;
  if (y >= P) return null;
  const u = mod(y * y - 1n);
  const v = mod(D * y * y + 1n);
  let x = mod(u * v ** 3n * power(u * v ** 7n, (P - 5n) / 8n));
  if (mod(v * x * x - u) !== 0n) x = mod(x * SQRT_MINUS_ONE);
  if (mod(v * x * x - u) !== 0n) return null;
  if (x === 0n && sign === 1n) return null;
  if ((x & 1n) !== sign) x = P - x;
  return { X: x, Y: y, Z: 1n, T: mod(x * y) };
}

/** Whether its order divides 8: such a key holds for signatures nobody made with it. */
export function isSmallOrder(point) {
  return isSame(double(double(double(point))), IDENTITY);
}

/** [a]P + [b]Q of scalars below 2^253, in one pass over the bits (Straus). */
export function combine(a, p, b, q) {
  const both = add(p, q);
  let sum = IDENTITY;
  for (let i = 252n; i >= 0n; i--) {
    sum = double(sum);
    const bits = 2n * ((a >> i) & 1n) + ((b >> i) & 1n);
    if (bits !== 0n) sum = add(sum, bits === 3n ? both : bits === 2n ? p : q);
  }
  return sum;
}

export function add(p, q) {
  const a = mod((p.Y - p.X) * (q.Y - q.X));
  const b = mod((p.Y + p.X) * (q.Y + q.X));
  const c = mod(2n * D * p.T * q.T);
  const d = mod(2n * p.Z * q.Z);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return { X: mod(e * f), Y: mod(g * h), Z: mod(f * g), T: mod(e * h) };
}

export function negate(p) {
  return { X: mod(-p.X), Y: p.Y, Z: p.Z, T: mod(-p.T) };
}

export function isSame(p, q) {
  return mod(p.X * q.Z - q.X * p.Z) === 0n && mod(p.Y * q.Z - q.Y * p.Z) === 0n;
}

export function littleEndian(bytes) {
  let number = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) number = (number << 8n) | BigInt(bytes[i]);
  return number;
}

function double(p) {
  const a = p.X * p.X;
  const b = p.Y * p.Y;
  const h = mod(a + b);
  const e = mod(h - (p.X + p.Y) ** 2n);
  const g = mod(a - b);
  const f = mod(2n * p.Z * p.Z + g);
  return { X: mod(e * f), Y: mod(g * h), Z: mod(f * g), T: mod(e * h) };
}

function power(base, exponent) {
  let result = 1n;
  let square = mod(base);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = mod(result * square);
    square = mod(square * square);
  }
  return result;
}

function mod(number) {
  const rest = number % P;
  return rest < 0n ? rest + P : rest;
}
