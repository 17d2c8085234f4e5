"""Write a transaction and a token to the byte, from docs/formats.md and proof/transaction.proto alone."""

import base64
import hashlib
import json
import secrets
import time
from pathlib import Path

from nacl.signing import SigningKey

# The fields of proof/transaction.proto that are used here.
TRANSACTION_BODY, TRANSACTION_SIGNATURES = 1, 2
BODY_GENESIS, BODY_NONCE, BODY_EXPIRES_MS, BODY_OPERATIONS, BODY_SIGNERS = 1, 2, 3, 5, 6
SIGNER_ACCOUNT, SIGNER_PUBLIC_KEY = 1, 2
OPERATION_COLLECTION, OPERATION_ID, OPERATION_PRECONDITION = 1, 2, 3
CHANGES = {"create": 4, "replace": 5, "patch": 6, "delete": 7}
PRECONDITION_VERSION = 2

EXPIRES_AFTER_MS = 60_000
TOKEN_SECONDS = 600


def canonical(value):
    """RFC 8785, as far as the values of these checks go: no fractions, and names in ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def tagged(what, *parts):
    """Section 1: H(what, parts)."""
    return hashlib.sha256(f"countersign/{what}/v1\n".encode() + b"".join(parts)).digest()


class Account:
    """An account with its key file (section 15), on the ledger of this genesis."""

    def __init__(self, name, key_file, genesis_file):
        self.name = name
        self.key = SigningKey(bytes.fromhex(Path(key_file).read_text().strip().removeprefix("ed25519-seed:")))
        self.public_key = bytes(self.key.verify_key)
        genesis = Path(genesis_file).read_bytes()
        self.genesis_hash = hashlib.sha256(genesis).digest()
        self.origin = f"{json.loads(genesis)['ledger']}/{self.genesis_hash.hex()}"

    def transaction(self, *operations):
        """Section 3: a transaction of these operations, with this one signer."""
        return Transaction(self, operations)

    def token(self):
        """Section 14."""
        now = int(time.time())
        header = {"alg": "EdDSA", "kid": f"ed25519:{self.public_key.hex()}", "typ": "JWT"}
        claims = {"aud": self.origin, "exp": now + TOKEN_SECONDS, "iat": now, "sub": self.name}
        said = b".".join(base64url(canonical(part)) for part in (header, claims))
        return (said + b"." + base64url(self.key.sign(said).signature)).decode()


class Transaction:
    """The signed bytes, with what of them stands in the ledger's records."""

    def __init__(self, account, operations):
        self.nonce = secrets.token_bytes(16)
        signer = text(SIGNER_ACCOUNT, account.name) + field(SIGNER_PUBLIC_KEY, account.public_key)
        body = field(BODY_GENESIS, account.genesis_hash) + field(BODY_NONCE, self.nonce)
        body += number(BODY_EXPIRES_MS, int(time.time() * 1000) + EXPIRES_AFTER_MS)
        body += b"".join(field(BODY_OPERATIONS, operation) for operation in operations)
        body += field(BODY_SIGNERS, signer)
        signature = account.key.sign(b"countersign/transaction/v1\n" + body).signature
        self.bytes = field(TRANSACTION_BODY, body) + field(TRANSACTION_SIGNATURES, signature)
        self.id = tagged("transaction-id", account.public_key, self.nonce)

    def salt(self, collection, document):
        """Section 4: of a document that this transaction wrote."""
        return tagged("salt", self.nonce, canonical([collection, document]))


def operation(collection, document, change, value=None, version=None):
    """One operation on one document, if it is in this version."""
    condition = b"" if version is None else field(OPERATION_PRECONDITION, number(PRECONDITION_VERSION, version))
    # The message of `delete` is empty, and there all the same.
    changed = field(CHANGES[change], b"" if value is None else canonical(value))
    return text(OPERATION_COLLECTION, collection) + text(OPERATION_ID, document) + condition + changed


def base64url(given):
    return base64.urlsafe_b64encode(given).rstrip(b"=")


# Protobuf's wire format, of the three kinds of field there are here.


def varint(value):
    """Seven bits a byte, the lowest first."""
    low, high = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


def number(tag, value):
    return varint(tag << 3) + varint(value)


def field(tag, given):
    return varint(tag << 3 | 2) + varint(len(given)) + given


def text(tag, value):
    return field(tag, value.encode())
