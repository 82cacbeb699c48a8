"""Matches lines with a regular expression, in a process that can be ended: nothing else stops one that backtracks.

It is started as a file of its own and imports the standard library alone. A line of JSON in is a list of lines, and the
line out has the named groups of each, or null where the expression matches nothing.
"""

from __future__ import annotations

import json
import re
import sys
import warnings


def main(expression: str) -> None:
    """Answer until there is no more question."""
    warnings.simplefilter("ignore")
    search = re.compile(expression).search
    for question in sys.stdin.buffer:
        found = (search(line) for line in json.loads(question))
        answer = [None if match is None else match.groupdict() for match in found]
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1])
