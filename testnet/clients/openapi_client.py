"""Use a collection with the client that openapi-python-client generated from a node's description of itself."""

import os
import sys

sys.path.insert(0, os.environ["GENERATED"])

from generated import AuthenticatedClient
from generated.api.parcels import create_parcels, delete_parcels, get_parcels, list_parcels, put_parcels
from generated.models import Parcels, ParcelsDocument, ParcelsWritten, Problem

from checks import Checks

DOCUMENT = "stock-openapi"


def main():
    must = Checks("openapi")
    client = AuthenticatedClient(base_url=os.environ["COUNTERSIGN_HTTP"], token=os.environ["API_KEY"])
    value = {"number": "OPENAPI1", "grams": 1200, "status": "HANDED_IN", "sender": {"name": "Ada"}}
    value["stops"] = [{"place": "Omaha", "hours": 2.5}]
    parcel = Parcels.from_dict(value)

    made = create_parcels.sync_detailed(DOCUMENT, client=client, body=parcel)
    must.equal("create", (made.status_code, type(made.parsed)), (201, ParcelsWritten))
    must.equal("the answer tells what was written", made.parsed.document.value.to_dict(), value)
    again = create_parcels.sync_detailed(DOCUMENT, client=client, body=parcel)
    must.equal("conflict: created twice", (again.status_code, code(again)), (409, "ALREADY_EXISTS"))

    read = get_parcels.sync_detailed(DOCUMENT, client=client)
    must.equal("read", (read.status_code, type(read.parsed)), (200, ParcelsDocument))
    must.equal("the answer is certified", (read.parsed.certified, read.parsed.value.to_dict()), (True, value))
    tag = read.headers["ETag"]
    must.equal("the tag is the version", tag, '"1"')

    parcel.status = type(parcel.status)("ON_ITS_WAY")
    updated = put_parcels.sync_detailed(DOCUMENT, client=client, body=parcel, if_match=tag)
    must.equal("update", (updated.status_code, updated.headers["ETag"]), (200, '"2"'))
    stale = put_parcels.sync_detailed(DOCUMENT, client=client, body=parcel, if_match=tag)
    must.equal("conflict: a stale tag", (stale.status_code, code(stale)), (412, "VERSION_CONFLICT"))

    parcel.grams = 0
    wrong = put_parcels.sync_detailed(DOCUMENT, client=client, body=parcel)
    must.equal("a bad document", (wrong.status_code, code(wrong)), (422, "SCHEMA_VIOLATION"))
    pointers = [(pointer.pointer, pointer.keyword) for pointer in wrong.parsed.pointers]
    must.equal("the path that is wrong", pointers, [("/grams", "minimum")])

    page = list_parcels.sync_detailed(client=client, filter_='{"/number":{"eq":"OPENAPI1"}}')
    must.equal("list", [(d.id, d.version) for d in page.parsed.documents], [(DOCUMENT, 2)])
    gone = delete_parcels.sync_detailed(DOCUMENT, client=client, if_match='"2"')
    must.equal("delete", (gone.status_code, gone.parsed.transaction.outcome), (200, "applied"))
    absent = get_parcels.sync_detailed(DOCUMENT, client=client)
    must.equal("a deleted document is not found", (absent.status_code, code(absent)), (404, "NOT_FOUND"))


def code(response):
    return response.parsed.code if isinstance(response.parsed, Problem) else response.content


main()
