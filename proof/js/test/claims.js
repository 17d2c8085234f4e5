// Judges mutants: none may be believed for a claim other than its original's, but by a clause of the document.

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

export class Tally {
  refused = new Map();
  same = 0;
  byClause = new Map();

  /** Judges one mutant; `claims` are those that it may make, by default its original's. */
  async judge(subject, mutant, what, claims = [subject.claim]) {
    let is;
    try {
      is = await subject.verify(mutant);
    } catch (error) {
      if (error.name !== "Refusal") throw new Error(`${subject.name}, ${what}: not a refusal`, { cause: error });
      this.refused.set(error.check, (this.refused.get(error.check) ?? 0) + 1);
      return;
    }
    if (claims.some((claim) => textOf(claim) === textOf(is))) {
      this.same += 1;
      return;
    }
    const clauses = Object.entries(CLAUSES).filter(([, allows]) => claims.some((claim) => allows(claim, is, subject)));
    assert.ok(
      clauses.length > 0,
      `${subject.name}, ${what}: accepted for another claim\n${canonical(is)}\n${canonical(claims[0])}`,
    );
    this.byClause.set(clauses[0][0], (this.byClause.get(clauses[0][0]) ?? 0) + 1);
  }

  report(t, what) {
    const refused = [...this.refused.values()].reduce((sum, count) => sum + count, 0);
    const accepted = [...this.byClause.values()].reduce((sum, count) => sum + count, 0);
    t.diagnostic(
      `${what}: ${refused + this.same + accepted} mutants, ${refused} refused, ${this.same} with the same claim, ${accepted} by a clause`,
    );
    t.diagnostic(`  refused by ${[...this.refused].map(([check, count]) => `${check} ${count}`).join(", ")}`);
    for (const [clause, count] of this.byClause) t.diagnostic(`  ${count} accepted by ${clause}`);
    assert.ok(refused > 0);
  }
}
