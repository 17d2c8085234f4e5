"""Check one claim after the other: a line for each that holds, an end with the answer for the first that does not."""

import sys


class Checks:
    """The checks of one client, by its name."""

    def __init__(self, client):
        self.client = client

    def equal(self, what, given, wanted):
        """`given` is what the network answered."""
        if given != wanted:
            sys.exit(f"{self.client}: {what}: NOT AS IT MUST BE: {given!r} is not {wanted!r}")
        print(f"{self.client}: {what}: ok", flush=True)
