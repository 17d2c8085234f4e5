// Reads and writes canonical JSON (RFC 8785) of I-JSON (RFC 7493), and refuses whatever else.

import { isWellFormed, textOf } from "./bytes.js";
import { TRUST_BYTES_MAX } from "./limits.js";
import { Refusal, demand } from "./refusal.js";

// Each byte outside of strings may become a value of many bytes in memory. The largest bundle or history proof, and the
// frame of an exhibit around it, is all that any file may have of it.
const UNQUOTED_BYTES_MAX = TRUST_BYTES_MAX + 1024;

/**
 * The value of a canonical text. `limits` is `{bytes, nesting}`.
 *
 * A text is accepted when it is what `encode` makes of its value. This refuses at once duplicate names (only the last
 * would be written again), numbers in any other form, needless escapes, white space and a wrong order of names.
 */
export function parse(file, { bytes, nesting }, check = "file") {
  const text = textOf(file, bytes, check);
  checkShape(text, nesting, check);
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    demand(false, check, "not JSON");
  }
  // Compared piece by piece: a second copy of a hostile file would double what it costs.
  let at = 0;
  write(value, check, (piece) => {
    demand(text.startsWith(piece, at), check, "not canonical JSON");
    at += piece.length;
  });
  demand(at === text.length, check, "not canonical JSON");
  return value;
}

/** The canonical text of a value. */
export function encode(value, check = "file") {
  const pieces = [];
  write(value, check, (piece) => pieces.push(piece));
  return pieces.join("");
}

export function nestingOf(value) {
  if (typeof value !== "object" || value === null) return 0;
  let deepest = 0;
  for (const name in value) deepest = Math.max(deepest, nestingOf(value[name]));
  return deepest + 1;
}

function write(value, check, emit) {
  if (typeof value === "number") {
    demand(Math.abs(value) <= Number.MAX_SAFE_INTEGER, check, "a number above 2^53-1");
    emit(JSON.stringify(value));
  } else if (typeof value === "string") {
    demand(isWellFormed(value), check, "a lone surrogate");
    emit(JSON.stringify(value));
  } else if (Array.isArray(value)) {
    emit("[");
    for (let i = 0; i < value.length; i++) {
      if (i > 0) emit(",");
      write(value[i], check, emit);
    }
    emit("]");
  } else if (typeof value === "object" && value !== null) {
    writeObject(value, check, emit);
  } else {
    emit(String(value));
  }
}

function writeObject(value, check, emit) {
  emit("{");
  // Array.prototype.sort compares UTF-16 code units, as RFC 8785 demands.
  for (const [i, name] of Object.keys(value).sort().entries()) {
    if (i > 0) emit(",");
    write(name, check, emit);
    emit(":");
    write(value[name], check, emit);
  }
  emit("}");
}

// Done before JSON.parse so that nothing hostile reaches a recursion or fills the memory.
function checkShape(text, nesting, check) {
  let depth = 0;
  let quoted = false;
  let unquoted = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text.charCodeAt(i);
    if (quoted) {
      if (character === 0x5c) i++;
      else if (character === 0x22) quoted = false;
      continue;
    }
    unquoted++;
    if (character === 0x22) quoted = true;
    else if (character === 0x7b || character === 0x5b) {
      if (++depth > nesting) throw new Refusal(check, `more than ${nesting} nested arrays and objects`);
    } else if (character === 0x7d || character === 0x5d) depth--;
  }
  demand(unquoted <= UNQUOTED_BYTES_MAX, check, `more than ${UNQUOTED_BYTES_MAX} bytes outside of strings`);
}
