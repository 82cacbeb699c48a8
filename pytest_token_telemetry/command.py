"""The program ``token-telemetry``: a command each for what is done with report files outside of pytest."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING

from pytest_token_telemetry.comment import command as comment
from pytest_token_telemetry.page import command as page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

    from pytest_token_telemetry.comment.github import Clock


def main() -> int:
    """Run the command that the command line names."""
    return run(sys.argv[1:], os.environ, sys.stdout, time)


def run(arguments: Sequence[str], variables: Mapping[str, str], out: TextIO, clock: Clock) -> int:
    """Run a command, in an environment of ``variables``, and return its exit code."""
    parser = argparse.ArgumentParser(prog="token-telemetry", description="Tools around the token telemetry gate.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    comment.add_to(commands)
    page.add_to(commands)
    options = parser.parse_args(arguments)
    code: int = options.run(options, variables, out, clock)
    return code
