// Makes mutants of proofs: of members, of lines, and of parts of two proofs.

import { canonical } from "./forge.js";
import { random } from "./random.js";

const pick = random(4);

/** Every file in which one member, at whatever depth, is gone, renamed, new or altered, with what was done. */
export function* memberMutants(value, rebuild = (part) => part, path = "") {
  for (const [how, other] of alterations(value)) yield [rebuild(other), `${path} ${how}`];
  if (typeof value !== "object" || value === null) return;
  for (const name of Object.keys(value)) {
    const isList = Array.isArray(value);
    const others = Object.entries(value).filter(([other]) => other !== name);
    const rest = isList ? others.map(([, item]) => item) : Object.fromEntries(others);
    yield [rebuild(rest), `${path}/${name} removed`];
    if (!isList) {
      yield [rebuild({ ...rest, [`${name}x`]: value[name] }), `${path}/${name} renamed`];
      yield [rebuild({ ...value, [`${name}x`]: value[name] }), `${path}/${name} added again`];
    } else {
      yield [rebuild([...value, value[name]]), `${path}/${name} twice`];
      yield [rebuild([value[name], ...rest]), `${path}/${name} first`];
    }
    const rebuilt = (part) =>
      rebuild(isList ? value.map((item, i) => (String(i) === name ? part : item)) : { ...value, [name]: part });
    yield* memberMutants(value[name], rebuilt, `${path}/${name}`);
  }
}

function* alterations(value) {
  if (value !== null) yield ["null", null];
  if (typeof value === "number")
    yield* [
      ["one more", value + 1],
      ["one less", value - 1],
      ["as text", String(value)],
    ];
  if (typeof value === "string") {
    const at = pick(value.length || 1);
    const digit = "0123456789abcdef"[pick(16)];
    yield* [
      ["emptied", ""],
      ["longer", `${value}0`],
      ["shorter", value.slice(1)],
      ["one character other", value.slice(0, at) + digit + value.slice(at + 1)],
      ["upper case", value.toUpperCase()],
    ];
  }
  if (Array.isArray(value))
    yield* [
      ["emptied", []],
      ["reversed", [...value].reverse()],
      ["as object", { ...value }],
    ];
  else if (typeof value === "object" && value !== null)
    yield* [
      ["emptied", {}],
      ["more", { ...value, unknown: 0 }],
    ];
  if (value === null)
    yield* [
      ["zero", 0],
      ["text", ""],
      ["a hash", "ab".repeat(32)],
      ["list", []],
      ["object", {}],
    ];
}

/** Every file in which one line of a note or tlog-proof is gone, doubled, moved, or taken from another file. */
export function* lineMutants(text, foreign) {
  const lines = text.split("\n");
  for (const i of lines.keys()) {
    yield [lines.filter((_, j) => j !== i).join("\n"), `line ${i} removed`];
    yield [lines.flatMap((line, j) => (i === j ? [line, line] : [line])).join("\n"), `line ${i} twice`];
    for (const j of lines.keys())
      if (i < j)
        yield [
          lines.map((line, k) => (k === i ? lines[j] : k === j ? lines[i] : line)).join("\n"),
          `lines ${i} and ${j} exchanged`,
        ];
    yield [lines.map((line, j) => (i === j ? `${line} ` : line)).join("\n"), `line ${i} with a space`];
    for (const line of foreign) {
      yield [lines.map((own, j) => (i === j ? line : own)).join("\n"), `line ${i} replaced`];
      yield [[...lines.slice(0, i), line, ...lines.slice(i)].join("\n"), `a line before line ${i}`];
    }
  }
}

/** Applies `mutate` to each text of more than one line inside of a file. */
export function* insideTexts(file, mutate) {
  if (!file.startsWith("{")) return yield* mutate(file);
  const inner = function* (value, rebuild) {
    if (typeof value === "string" && value.includes("\n"))
      for (const [text, what] of mutate(value)) yield [canonical(rebuild(text)), what];
    if (typeof value !== "object" || value === null) return;
    for (const name of Object.keys(value)) {
      yield* inner(value[name], (part) =>
        rebuild(
          Array.isArray(value)
            ? value.map((item, i) => (String(i) === name ? part : item))
            : { ...value, [name]: part },
        ),
      );
    }
  };
  yield* inner(JSON.parse(file), (part) => part);
}

/** Leaf, index, path and note of two receipts, in every mixture. */
export function* spliced(one, other) {
  const parts = [one, other].map((file) => {
    const end = file.indexOf("\n\n");
    const [version, extra, index, ...path] = file.slice(0, end).split("\n");
    return { version, extra, index, path, note: file.slice(end + 2) };
  });
  for (let mixture = 0; mixture < 16; mixture++) {
    const part = (name, bit) => parts[(mixture >> bit) & 1][name];
    yield [parts[0].version, part("extra", 0), part("index", 1), ...part("path", 2), "", part("note", 3)].join("\n");
  }
}

/** One proof with every set of up to three members, and with the members of its inner state proof, from another. */
export function* exchanged(one, other) {
  const names = Object.keys(one);
  for (const [i, first] of names.entries()) {
    yield { ...one, [first]: other[first] };
    for (const [j, second] of names.entries()) {
      if (j <= i) continue;
      yield { ...one, [first]: other[first], [second]: other[second] };
      for (const third of names.slice(j + 1))
        yield { ...one, [first]: other[first], [second]: other[second], [third]: other[third] };
    }
  }
  if (one.state) for (const state of exchanged(one.state, other.state)) yield { ...one, state };
}
