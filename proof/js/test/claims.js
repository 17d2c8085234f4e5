// Judges mutants: none may be believed but by a clause of the document, and none for a claim that is not true.

import assert from "node:assert/strict";
import { canonical } from "./forge.js";

/** The clauses that oblige us to accept a mutant of which the claim is another. */
const CLAUSES = {
  // Section 7: "a line by an unknown key, that is another name or key id, is skipped, as C2SP asks", and so is one that is
  // gone: fewer signers are claimed, while they are a quorum still.
  "7: a line that is skipped or gone": (was, is) =>
    differOnlyIn(was, is, SIGNED) && SIGNED.every((part) => isPartOf(was, is, part)),
  // Sections 8 and 9: "Value and salt are null together ... for a reader without access"; "Values may be withheld".
  "8 and 9: a value withheld": (was, is) =>
    differOnlyIn(was, is, ["newest", "versions"]) &&
    isWithheld(was.newest, is.newest) &&
    areWithheld(was.versions, is.versions),
  // Section 9: `from` and `to` are the file's own, and what it shows may be complete for other heights as well.
  "9: other heights for which the versions are complete": (was, is, subject) =>
    differOnlyIn(was, is, ["from", "to", "versions"]) && isTrueHistory(is, subject),
  // Section 10: a line that is skipped or gone accuses nobody; who is left is accused still. The same lines certify.
  "10: fewer are accused": (was, is) => differOnlyIn(was, is, ["accused"]) && isPartOf(was, is, "accused"),
  // Section 11: a bundle leads as far as its changes; one with fewer of them is a bundle too.
  "11: a bundle that leads less far": (was, is) =>
    differOnlyIn(was, is, ["epochs"]) && was.kind === "trust" && isBeginning(was.epochs, is.epochs),
};
const SIGNED = ["signers", "cosignatures", "log_signatures", "old", "new", "certificate"];

function differOnlyIn(was, is, names) {
  const rest = (claim) =>
    canonical(Object.fromEntries(Object.entries(claim).filter(([name]) => !names.includes(name))));
  return rest(was) === rest(is);
}

/** Whether a list lost members but gained none, or a certificate inside did so. */
function isPartOf(was, is, name) {
  const [before, now] = [was[name], is[name]];
  if (Array.isArray(before)) {
    const known = before.map(canonical);
    return now.length > 0 && now.every((item) => known.includes(canonical(item)));
  }
  if (typeof before === "object" && before !== null)
    return differOnlyIn(before, now, SIGNED) && SIGNED.every((part) => isPartOf(before, now, part));
  return canonical(before ?? null) === canonical(now ?? null);
}

function isBeginning(was, is) {
  return is.length > 0 && is.length < was.length && canonical(was.slice(0, is.length)) === canonical(is);
}

function isWithheld(was, is) {
  if (canonical(was ?? null) === canonical(is ?? null)) return true;
  return is?.withheld === true && canonical({ ...was, value: null, withheld: true }) === canonical(is);
}

function areWithheld(was = [], is = []) {
  return was.length === is.length && was.every((version, i) => isWithheld(version, is[i]));
}

/** Whether the versions claimed are those that the document had between the heights claimed, by the history of all. */
function isTrueHistory(is, { all }) {
  const known = all.filter(({ height }) => is.from <= height && height <= is.to);
  return is.to <= is.height && areWithheld(known, is.versions);
}

// Claims are compared with thousands of others.
const texts = new WeakMap();

function textOf(claim) {
  if (!texts.has(claim)) texts.set(claim, canonical(claim));
  return texts.get(claim);
}

/** A file without its signature lines, however deep they stand in it. */
function withoutLines(file) {
  const strip = (value) => {
    if (typeof value === "string") {
      if (value.startsWith("{")) return withoutLines(value);
      return value
        .split("\n")
        .filter((line) => !line.startsWith("\u2014 "))
        .join("\n");
    }
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map(strip);
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, strip(part)]));
  };
  return canonical(file.startsWith("{") ? strip(JSON.parse(file)) : strip(file));
}

export class Tally {
  refused = new Map();
  accepted = new Map();

  /**
   * Judges one mutant of a subject. `recomposed` are claims of other true proofs: where parts of them are put together, the
   * whole may claim what one of them does.
   */
  async judge(subject, mutant, what, recomposed = []) {
    const file = typeof mutant === "string" ? mutant : null;
    if (file === subject.file) return;
    let is;
    try {
      is = await subject.verify(mutant);
    } catch (error) {
      if (error.name !== "Refusal") throw new Error(`${subject.name}, ${what}: not a refusal`, { cause: error });
      count(this.refused, error.check);
      return;
    }
    const clause = clauseOf(subject, file, is, recomposed);
    assert.ok(clause, `${subject.name}, ${what}: accepted\n${canonical(is)}\nfor ${canonical(subject.claim)}`);
    count(this.accepted, clause);
  }

  report(t, what) {
    const total = (counts) => [...counts.values()].reduce((sum, count) => sum + count, 0);
    const [refused, accepted] = [total(this.refused), total(this.accepted)];
    t.diagnostic(`${what}: ${refused + accepted} mutants, ${refused} refused, ${accepted} accepted by a clause`);
    t.diagnostic(`  refused by ${[...this.refused].map(([check, count]) => `${check} ${count}`).join(", ")}`);
    for (const [clause, count] of this.accepted) t.diagnostic(`  ${count} accepted by ${clause}`);
    assert.ok(refused > 0);
  }
}

function count(counts, name) {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** The clause that obliges us to accept a mutant of this claim, or undefined. */
function clauseOf(subject, file, is, recomposed) {
  const same = (claim) => textOf(claim) === textOf(is);
  // Section 7: a line by an unknown key is skipped, an organisation counts once, and lines have no order.
  if (same(subject.claim) && file !== null && withoutLines(file) === withoutLines(subject.file)) {
    return "7: a line doubled, moved, or by an unknown key, for the same claim";
  }
  if (recomposed.some(same)) return "a true proof put together from parts of true proofs";
  const claims = [subject.claim, ...recomposed];
  const allowed = Object.entries(CLAUSES).find(([, allows]) =>
    claims.some((claim) => !same(claim) && allows(claim, is, subject)),
  );
  return allowed?.[0];
}
