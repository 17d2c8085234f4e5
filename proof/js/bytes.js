// Turns bytes into text, hexadecimal and base64, and back, each in its one form.

import { demand } from "./refusal.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function utf8(text) {
  return encoder.encode(text);
}

export function isWellFormed(text) {
  // In Unicode mode a pair of surrogates is one character, so that only a lone one matches.
  return !/\p{Surrogate}/u.test(text);
}

/** The text of a file given as bytes or as a string, at most `bytesMax` bytes of UTF-8. */
export function textOf(file, bytesMax, check = "file") {
  if (typeof file === "string") {
    demand(file.length <= bytesMax, check, `more than ${bytesMax} bytes`);
    demand(isWellFormed(file), check, "a lone surrogate");
    demand(utf8(file).length <= bytesMax, check, `more than ${bytesMax} bytes`);
    return file;
  }
  const bytes = file instanceof ArrayBuffer ? new Uint8Array(file) : file;
  if (!(bytes instanceof Uint8Array)) throw new TypeError("a file is a string, an ArrayBuffer or a Uint8Array");
  demand(bytes.length <= bytesMax, check, `more than ${bytesMax} bytes`);
  try {
    return decoder.decode(bytes);
  } catch {
    demand(false, check, "not UTF-8");
  }
}

export function concat(...parts) {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function hex(bytes) {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** The bytes of lower-case hexadecimal text that was checked before. */
export function unhex(text) {
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** The bytes of padded standard base64, or null unless `text` is the one encoding of them. */
export function unbase64(text) {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null;
  const binary = atob(text);
  // Stray bits below the last byte decode to the same bytes: only the re-encoding tells.
  if (btoa(binary) !== text) return null;
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
