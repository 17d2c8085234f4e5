// Says in sentences what a verified proof proves, and what it does not.

/** `{proved, not_proved}` of what one of the `verify` functions or `describeTrust` returned. */
export function report(result) {
  const { proved, not_proved } = SENTENCES[result.kind](result);
  return { proved, not_proved };
}

/** A plain object of a `Trust`, to be shown. */
export function describeTrust(trust) {
  const epochs = trust.epochs.map(({ members, after }) => ({
    epoch: members.epoch,
    members: members.hash,
    after,
    quorum: members.quorum,
    organisations: members.voters.map(({ organisation }) => organisation),
    revoked: members.revoked,
  }));
  return { kind: "trust", origin: trust.origin, epochs };
}

const SENTENCES = { receipt, state, history, consistency, evidence, trust };

const EXECUTION = "that the operations were executed rightly: a quorum says so, and only re-execution shows it";
const CONTENTS = "what the transaction's documents contain: a state proof shows it";
const LATER = "anything about what the log says after this checkpoint";

function receipt({ leaf, index, ...certificate }) {
  const what = {
    genesis: () => "the leaf of the genesis",
    seal: () => `the seal of block ${leaf.height}, with state ${leaf.state}`,
    transaction: () =>
      `transaction ${leaf.id} of ${leaf.by}, ${leaf.outcome}${leaf.code ? ` (${leaf.code})` : ""} in block ${leaf.height}`,
  }[leaf.kind]();
  return {
    proved: [certified(certificate), `leaf ${index} of that log is ${what}`],
    not_proved: leaf.kind === "transaction" ? [EXECUTION, CONTENTS, LATER] : [EXECUTION, LATER],
  };
}

function state({ collection, id, answer, newest, height, ...certificate }) {
  const name = `${collection}/${id}`;
  const answers = {
    absent: () => `after block ${height} the state held no version of ${name}`,
    deleted: () =>
      `after block ${height} ${name} was deleted, by its version ${newest.version} of block ${newest.height}`,
    present: () =>
      `after block ${height} ${name} was in version ${newest.version} of block ${newest.height}${valueOf(newest)}`,
  };
  return {
    proved: [certified(certificate), answers[answer]()],
    not_proved: [...withheld([newest]), EXECUTION, LATER],
  };
}

function history({ collection, id, from, to, versions, ...certificate }) {
  const shown = versions.map(
    (version) =>
      `version ${version.version} of block ${version.height}${version.deleted ? ": deleted" : valueOf(version)}`,
  );
  return {
    proved: [
      certified(certificate),
      `from block ${from} to block ${to} ${collection}/${id} had ${versions.length} versions, and no other`,
      ...shown,
    ],
    not_proved: [...withheld(versions), "anything about blocks outside of these two heights", EXECUTION],
  };
}

function consistency({ old, new: newer }) {
  return {
    proved: [certified(old), certified(newer), `the log of size ${newer.size} begins with the log of size ${old.size}`],
    not_proved: [EXECUTION, LATER],
  };
}

function evidence({ what, accused, ...found }) {
  const who = accused.map(({ organisation, node }) => `${organisation}/${node}`).join(", ");
  const statements = {
    "two-proposals": () => `${who} signed two proposals for height ${found.height} of term ${found.term}`,
    "two-cosignatures": () => `${who} cosigned two different logs of size ${found.size}`,
    fork: () =>
      `${who} cosigned a log of size ${found.sizes[0]} and one of size ${found.sizes[1]} that does not begin with it`,
    "against-certificate": () =>
      `${who} cosigned a log of size ${found.size} that is not the one which ${found.certificate.signers.length} organisations certified`,
    "false-seal": () => `${who} cosigned a log of size ${found.size} with this seal of block ${found.height}`,
  };
  const open = what === "false-seal" ? ["that the seal is false: only re-execution shows it"] : [];
  return {
    proved: [statements[what]()],
    not_proved: [...open, "who held the key: its organisation answers for it until it is revoked"],
  };
}

function trust({ origin, epochs }) {
  return {
    proved: [
      `the ledger is ${origin}`,
      ...epochs.map(
        ({ epoch, members, after, quorum, organisations }) =>
          `above size ${after} counts epoch ${epoch}: ${quorum} of ${organisations.join(", ")} (${members})`,
      ),
    ],
    not_proved: ["that no later epoch exists", "that the genesis hash or pinned epoch is the right one: it was given"],
  };
}

function certified({ size, root, epochs, signers }) {
  const quorum = epochs.length === 0 ? "the quorum of the policy" : `a quorum of epoch ${epochs.join(" and of ")}`;
  return `${signers.join(", ")} certified the log of size ${size} with root ${root}, ${quorum}`;
}

function valueOf({ withheld, value }) {
  return withheld ? ", with its value withheld" : `: ${JSON.stringify(value)}`;
}

function withheld(versions) {
  return versions.some((version) => version?.withheld) ? ["the values that were withheld"] : [];
}
