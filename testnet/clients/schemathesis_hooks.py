"""Tell schemathesis what the description cannot: bodies of two media types, and which parameters exclude each other."""

import json
import os

import schemathesis
from hypothesis import strategies as some
from ledger_bytes import Account, operation
from schemathesis.core.parameters import ParameterLocation

ops = Account(os.environ["COUNTERSIGN_ACCOUNT"], os.environ["COUNTERSIGN_KEY"], os.environ["COUNTERSIGN_GENESIS"])

parcels = some.builds(
    lambda number, grams, status: {"number": f"LINE{number:04}", "grams": grams, "status": status},
    some.integers(0, 9999),
    some.integers(0, 50_000),
    some.sampled_from(["HANDED_IN", "ON_ITS_WAY", "DELIVERED", "LOST"]),
)
lines = some.lists(parcels.map(json.dumps) | some.text(max_size=20), max_size=5)


def signed(id, value, change):
    return ops.transaction(operation("parcels", f"L{id}", change, None if change == "delete" else value)).bytes


changes = some.sampled_from(["create", "create", "create", "replace", "patch", "delete"])
transactions = some.builds(signed, some.integers(0, 200), parcels, changes)

schemathesis.openapi.media_type("application/x-ndjson", lines.map(lambda all: "\n".join(all).encode()))
# Mostly transactions: bytes by chance have only one answer.
schemathesis.openapi.media_type(
    "application/vnd.countersign.transaction",
    some.one_of(transactions, transactions, transactions, some.binary(max_size=200)),
)


# Both of a pair are refused, whatever else is asked for, and nearly all requests have both: neither, then.
@schemathesis.hook
def before_call(context, case, kwargs):
    without(case, ParameterLocation.HEADER, case.headers, {"If-Match", "If-None-Match"})
    without(case, ParameterLocation.QUERY, case.query, {"height", "time"})


def without(case, where, parameters, pair):
    if parameters and pair <= set(parameters) and not case.meta.is_negative_at(where):
        for name in pair:
            del parameters[name]
