"""Speak gRPC with a stock client that knows of our messages what the server's reflection tells, and nothing else."""

import hashlib
import json
import os
import queue
import threading
from pathlib import Path

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from checks import Checks
from ledger_bytes import Account, canonical, operation, tagged

CALL_SECONDS = 30
COLLECTION = "parcels"
DOCUMENT = "stock-grpc"


class Node:
    """One organisation's node, asked by an account of that organisation."""

    def __init__(self, network, which):
        record = json.loads((network / "network.json").read_text())["nodes"][which]
        name = f"{record['organisation']}/ops"
        key = network / "accounts" / record["organisation"] / "ops.key"
        self.account = Account(name, key, network / "genesis.json")
        trusted = grpc.ssl_channel_credentials((Path(record["folder"]) / "api.pem").read_bytes())
        self.channel = grpc.secure_channel(f"127.0.0.1:{record['api_port']}", trusted)
        described = ProtoReflectionDescriptorDatabase(self.channel)
        self.services = set(described.get_services())
        self.pool = DescriptorPool(described)
        self.service = self.pool.FindServiceByName("countersign.v1.Ledger")

    def call(self, method, **fields):
        """One request; an answer, or a stream of them."""
        described = self.service.methods_by_name[method]
        asked, answered = GetMessageClass(described.input_type), GetMessageClass(described.output_type)
        kind = self.channel.unary_stream if described.server_streaming else self.channel.unary_unary
        made = kind(f"/{self.service.full_name}/{method}", asked.SerializeToString, answered.FromString)
        within = None if described.server_streaming else CALL_SECONDS
        return made(asked(**fields), timeout=within, metadata=[("authorization", f"Bearer {self.account.token()}")])

    def named(self, enum, value):
        """The name of a value of an enum."""
        return self.pool.FindEnumTypeByName(f"countersign.v1.{enum}").values_by_number[value].name

    def submit(self, transaction):
        """What became of it, in words."""
        answer = self.call("Submit", transaction=transaction.bytes)
        return self.named("Outcome", answer.outcome), answer.code, answer

    def refusal(self, method, **fields):
        """How a call fails: the status, and the code in its details."""
        try:
            return self.call(method, **fields)
        except grpc.RpcError as error:
            info = ErrorInfo()
            rpc_status.from_call(error).details[0].Unpack(info)
            return error.code().name, info.domain, info.reason

    def follow(self):
        """The changes of the document, as they come, from the beginning of the ledger."""
        changes = queue.Queue()
        stream = self.call("Subscribe", cursor="", collections=[COLLECTION])

        def read():
            try:
                for event in stream:
                    if event.WhichOneof("what") == "change" and event.change.document.id == DOCUMENT:
                        changes.put(event.change.document)
            except grpc.RpcError as error:
                changes.put(error)

        threading.Thread(target=read, daemon=True).start()
        return changes


def word(document):
    if document.deleted:
        return "deleted"
    return "created" if document.version == 1 else "updated"


def main():
    network, must = Path(os.environ["COUNTERSIGN_TESTNET"]), Checks("grpc")
    ours, others = Node(network, 0), Node(network, 2)
    must.equal("reflection", "countersign.v1.Ledger" in ours.services, True)
    changes = others.follow()
    first = {"grams": 900, "number": "GRPC0001", "status": "HANDED_IN"}
    second = {**first, "status": "DELIVERED"}

    def write(change, value=None, version=None):
        return ours.account.transaction(operation(COLLECTION, DOCUMENT, change, value, version))

    def read(node):
        return node.call("GetDocument", collection=COLLECTION, id=DOCUMENT).document

    create = write("create", first)
    outcome, _, answer = ours.submit(create)
    must.equal("create", outcome, "APPLIED")
    must.equal("the transaction's id is the one we computed", answer.transaction_id, create.id)
    must.equal("the level is certified when none is asked for", ours.named("Level", answer.level), "CERTIFIED")
    outcome, _, answer = ours.submit(create)
    must.equal("the same bytes again are the same transaction", (outcome, answer.transaction_id), ("APPLIED", create.id))

    document = read(ours)
    must.equal("read", (json.loads(document.value), document.version), (first, 1))
    must.equal("the salt is the one we computed", document.salt, create.salt(COLLECTION, DOCUMENT))
    value_hash = tagged("value", document.salt, canonical(first))
    must.equal("the record holds the value's hash", json.loads(document.record)["value"], value_hash.hex())

    must.equal("update", ours.submit(write("replace", second, version=1))[:2], ("APPLIED", ""))
    conflict = ours.submit(write("replace", first, version=1))
    must.equal("conflict: a stale version", conflict[:2], ("REJECTED", "VERSION_CONFLICT"))
    conflict = ours.submit(write("create", first))
    must.equal("conflict: created twice", conflict[:2], ("REJECTED", "ALREADY_EXISTS"))
    wrong = ours.submit(write("replace", {**second, "grams": "heavy"}))
    must.equal("a bad document", wrong[:2], ("REJECTED", "SCHEMA_VIOLATION"))
    violations = [(violation.pointer, violation.keyword) for violation in wrong[2].violations]
    must.equal("the path that is wrong", violations, [("/grams", "type")])

    must.equal("delete", ours.submit(write("delete", version=2))[:2], ("APPLIED", ""))
    document = read(ours)
    must.equal("a deleted document has no value", (document.deleted, document.version, document.value), (True, 3, b""))

    seen = [changes.get(timeout=CALL_SECONDS) for _ in range(3)]
    must.equal("another organisation hears of it", [word(d) for d in seen], ["created", "updated", "deleted"])
    must.equal("with the values", [d.value for d in seen], [canonical(first), canonical(second), b""])
    records = [json.loads(d.record) for d in seen]
    previous = [None] + [tagged("version", d.record).hex() for d in seen[:-1]]
    must.equal("each record names the one before", [r["previous"] for r in records], previous)

    forged = write("create", first)
    forged.bytes = forged.bytes[:-1] + bytes([forged.bytes[-1] ^ 1])
    refused = ours.refusal("Submit", transaction=forged.bytes)
    must.equal("a false signature", refused, ("UNAUTHENTICATED", "countersign", "FALSE_SIGNATURE"))
    refused = ours.refusal("GetDocument", collection=COLLECTION, id="nowhere")
    must.equal("no such document", refused, ("NOT_FOUND", "countersign", "NOT_FOUND"))
    ours.channel.close()
    others.channel.close()


main()
