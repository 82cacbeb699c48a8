"""``token-telemetry page``: make a page of pictures from report files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_token_telemetry.page.page import MissingError, render
from pytest_token_telemetry.report.consistency import RefusedError
from pytest_token_telemetry.report.github_job import LONGEST_SENTENCE, TITLE, write_line
from pytest_token_telemetry.report.untrusted_file import read
from pytest_token_telemetry.text import inert, size
from pytest_token_telemetry.writing import reason, replace_file

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from typing import TextIO, TypeAlias

    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]

USAGE = 2
"""Exit code of a call that is wrong, as argparse's."""


def add_to(commands: Commands) -> None:
    """Offer the command and its options."""
    page = commands.add_parser(
        "page",
        help="make a page of pictures and tables from report files",
        description="Make one page, which needs no network, from report files. It shows the last of them; of several,"
        " in the order of the sessions, the rates are shown as a history. The exit code is 0 whatever the verdict is.",
    )
    page.add_argument(
        "report", nargs="+", type=Path, metavar="REPORT", help="report file that --token-telemetry-json wrote"
    )
    page.add_argument("--out", required=True, type=Path, metavar="PATH", help="where the page is written")
    page.set_defaults(run=run)


def run(options: argparse.Namespace, variables: Mapping[str, str], out: TextIO, clock: object) -> int:  # noqa: ARG001
    """Make the page, and return the exit code."""
    reports = []
    try:
        for path in options.report:
            try:
                reports.append(read(path))
            except RefusedError as error:
                return _refuse(out, f"{path} is not used: {error}")
        page = render(*reports)
        replace_file(options.out, page)
    except MissingError as error:
        return _refuse(out, str(error))
    except OSError as error:
        return _refuse(out, f"--out: {options.out} could not be written: {reason(error)}")
    _say(out, f"{options.out}: {size(len(page.encode()))}")
    return 0


def _refuse(out: TextIO, sentence: str) -> int:
    _say(out, f"error: {sentence}")
    return USAGE


def _say(out: TextIO, sentence: str) -> None:
    write_line(out, f"{TITLE}: {inert(sentence, LONGEST_SENTENCE)}")
