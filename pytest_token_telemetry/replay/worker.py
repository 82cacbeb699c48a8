"""An estimator in a process of its own: requests come in as lines of JSON, answers go out as such.

Two versions of one module cannot be imported side by side in one process, and what the base estimator prints or leaves
behind must not touch the session.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from pytest_token_telemetry.replay.answer import ask
from pytest_token_telemetry.replay.locate import location
from pytest_token_telemetry.replay.request import Request


def main(spec: str, home: str) -> int:
    """Answer the requests on standard input until it ends. What the estimator prints goes to standard error.

    Args:
        spec: where the estimator is.
        home: where a module without a directory may lie.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        estimator = location(spec).below(Path(home)).load()
    except LookupError as error:
        answers.write(json.dumps({"refused": str(error)}) + "\n")
        return 1
    answers.write(json.dumps({"refused": None}) + "\n")
    for line in sys.stdin:
        answers.write(json.dumps(ask(estimator, Request(**json.loads(line)))._asdict()) + "\n")
    answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
