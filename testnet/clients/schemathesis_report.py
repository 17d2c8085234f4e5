"""Read what schemathesis did: a run in which an operation never succeeded has shown nothing of it."""

import json
import sys
from pathlib import Path

from checks import Checks


def main(file):
    report, must = json.loads(Path(file).read_text()), Checks("schemathesis")
    accepted = {name: sum(phase["accepted"] for phase in phases.values()) for name, phases in report["valid_rates"].items()}
    must.equal("every operation has succeeded", [name for name, count in accepted.items() if count == 0], [])
    tested, requests = report["operations"]["tested"], report["test_cases"]["generated"]
    must.equal(f"{requests} requests to {tested} operations were answered as described", report["failures"], [])


main(sys.argv[1])
