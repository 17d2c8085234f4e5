// Speak GraphQL over a WebSocket with the stock client graphql-ws.
import assert from "node:assert/strict";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const DOCUMENT = "stock-graphql";
const WRITTEN = "transaction { outcome level } document { version value { number grams status } }";

const client = (http, key) =>
  createClient({
    url: `${http.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${key}` },
    retryAttempts: 0,
  });

// One query or mutation: its one answer.
const ask = async (asked, query, variables = {}) => {
  for await (const answer of asked.iterate({ query, variables: { id: DOCUMENT, ...variables } })) return answer;
  throw new Error(`no answer to ${query}`);
};

const check = (what, given, wanted) => {
  try {
    // Through JSON: the library's objects have no prototype.
    assert.deepEqual(JSON.parse(JSON.stringify(given)), wanted);
  } catch (error) {
    throw new Error(`graphql: ${what}: NOT AS IT MUST BE: ${JSON.stringify(given)} is not ${JSON.stringify(wanted)}`);
  }
  console.log(`graphql: ${what}: ok`);
};

const code = (answer) => [answer.data, answer.errors?.map((error) => error.extensions.code)];

const ours = client(process.env.COUNTERSIGN_HTTP, process.env.API_KEY);
const others = client(process.env.COUNTERSIGN_HTTP_OTHER, process.env.API_KEY_OTHER);
const first = { number: "GRAPHQL1", grams: 700, status: "HANDED_IN" };
const second = { ...first, status: "ON_ITS_WAY" };

// From the first change of the ledger: what is heard does not hang on who is faster.
const heard = others.iterate({
  query: 'subscription { parcelsChanged(cursor: "") { kind id before { version } after { version value { status } } } }',
});

const create = `mutation ($id: ID!, $value: JSON!) { done: createParcels(id: $id, value: $value) { ${WRITTEN} } }`;
const put = `mutation ($id: ID!, $value: JSON!, $version: Int53) {
  done: putParcels(id: $id, value: $value, ifVersion: $version) { ${WRITTEN} } }`;
const remove = `mutation ($id: ID!, $version: Int53) {
  done: deleteParcels(id: $id, ifVersion: $version) { transaction { outcome } document { version } } }`;
const read = "query ($id: ID!) { parcels(id: $id) { version certified value { number grams status } } }";
const certified = { outcome: "APPLIED", level: "CERTIFIED" };

const made = await ask(ours, create, { value: first });
check("create", made, { data: { done: { transaction: certified, document: { version: 1, value: first } } } });
check("conflict: created twice", code(await ask(ours, create, { value: first })), [{ done: null }, ["ALREADY_EXISTS"]]);
check("read", await ask(ours, read), { data: { parcels: { version: 1, certified: true, value: first } } });
const updated = await ask(ours, put, { value: second, version: 1 });
check("update", updated, { data: { done: { transaction: certified, document: { version: 2, value: second } } } });
const stale = await ask(ours, put, { value: first, version: 1 });
check("conflict: a stale version", code(stale), [{ done: null }, ["VERSION_CONFLICT"]]);
const wrong = await ask(ours, put, { value: { ...second, grams: "heavy" } });
check("a bad document", code(wrong), [{ done: null }, ["SCHEMA_VIOLATION"]]);
check("the path that is wrong", wrong.errors[0].extensions.violations, [{ pointer: "/grams", keyword: "type" }]);
const gone = await ask(ours, remove, { version: 2 });
check("delete", gone, { data: { done: { transaction: { outcome: "APPLIED" }, document: null } } });
check("a deleted document is null", await ask(ours, read), { data: { parcels: null } });

const changes = [];
for await (const { data, errors } of heard) {
  assert.equal(errors, undefined);
  const { id, kind, before, after } = data.parcelsChanged;
  if (id === DOCUMENT) changes.push([kind, before?.version ?? null, after?.value?.status ?? null]);
  if (changes.length === 3) break;
}
check("another organisation hears of it", changes, [
  ["CREATED", null, "HANDED_IN"],
  ["UPDATED", 1, "ON_ITS_WAY"],
  ["DELETED", 2, null],
]);
await ours.dispose();
await others.dispose();
