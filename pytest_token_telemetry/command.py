"""The program ``token-telemetry``: a command each for what is done with report files outside of pytest."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING

from pytest_token_telemetry.comment import command as comment
from pytest_token_telemetry.page import command as page
from pytest_token_telemetry.text import meant

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
    if (command := commands.choices.get(arguments[0] if arguments else "")) is not None:
        _refuse_slips(command, arguments[1:])
    options = parser.parse_args(arguments)
    code: int = options.run(options, variables, out, clock)
    return code


def _refuse_slips(command: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """End the program if an option is none and like one of the ``command``: argparse names no other."""
    known = [each for action in command._actions for each in action.option_strings if each.startswith("--")]
    for argument in arguments:
        name = argument.partition("=")[0]
        is_one = not name.startswith("--") or any(each.startswith(name) for each in known)
        if not is_one and (hint := meant(name, known)):
            command.error(f"{name}: there is no such option ({hint})")
