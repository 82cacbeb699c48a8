"""``token-telemetry comment``: post the verdict of report files on the pull request that they belong to.

It ends in 0 whatever the verdict is and whether it could be posted, which is the business of the gate, and in 2 if it
was called wrongly.
"""

from __future__ import annotations

import argparse
import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_token_telemetry.comment.body import JOB_RESULTS, Frame, Leg, render
from pytest_token_telemetry.comment.event import InvocationError, find_number, occasion_of, read_environment
from pytest_token_telemetry.comment.hidden_lines import NAME, Stamp, told_of
from pytest_token_telemetry.comment.origin import doubts_of_origin
from pytest_token_telemetry.comment.upsert import HostError, newest, next_move, upsert
from pytest_token_telemetry.report.consistency import RefusedError
from pytest_token_telemetry.report.github_job import LONGEST_SENTENCE, TITLE, annotation, write_line, write_outputs
from pytest_token_telemetry.report.untrusted_file import UnjudgedError, read
from pytest_token_telemetry.text import inert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO, TypeAlias

    from pytest_token_telemetry.comment.event import Environment, Occasion, Token
    from pytest_token_telemetry.comment.github import Clock
    from pytest_token_telemetry.comment.upsert import Host
    from pytest_token_telemetry.report.github_job import Level

    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]

USAGE = 2
"""Exit code of a call that is wrong, as argparse's."""

MOST_REPORTS = 50


def run(options: argparse.Namespace, variables: Mapping[str, str], out: TextIO, clock: Clock) -> int:
    """Post the comment, in an environment of ``variables``, and return the exit code."""
    console = Console(out, actions=variables.get("GITHUB_ACTIONS") == "true")
    try:
        environment = read_environment(variables)
        console = Console(out, actions=environment.actions, token=environment.token)
        return _comment(options, environment, console, clock)
    except InvocationError as error:
        console.tell("error", str(error))
        return USAGE


class Console:
    """Standard output, where GitHub Actions reads commands. It never shows the token."""

    def __init__(self, out: TextIO, *, actions: bool, token: Token | None = None) -> None:
        self._out = out
        self._actions = actions
        self._secret = token.reveal() if token is not None else None

    def say(self, sentence: str) -> None:
        """Write one line."""
        write_line(self._out, f"{TITLE}: {inert(self._clean(sentence), LONGEST_SENTENCE)}")

    def tell(self, level: Level, sentence: str) -> None:
        """Write one line that GitHub shows with the run."""
        clean = self._clean(sentence)
        told = annotation(level, clean) if self._actions else f"{TITLE}: {level}: {inert(clean, LONGEST_SENTENCE)}"
        write_line(self._out, told)

    def show(self, body: str) -> None:
        """Write a document, in which GitHub Actions reads no commands."""
        shown = self._clean(body)
        if self._actions:
            word = secrets.token_hex(16)
            shown = f"::stop-commands::{word}\n{shown}\n::{word}::"
        write_line(self._out, shown)

    def _clean(self, text: str) -> str:
        return text.replace(self._secret, "***") if self._secret else text


def add_to(commands: Commands) -> None:
    """Offer the command and its options."""
    comment = commands.add_parser(
        "comment",
        help="post the gate's verdict on a pull request",
        description="Post the verdict of report files as one comment on the pull request of this workflow run, and keep"
        " it up to date. The exit code is 0 whatever the verdict is and whether it could be posted; it is 2 for a wrong"
        " call.",
    )
    comment.add_argument(
        "--report",
        action="append",
        required=True,
        type=Path,
        metavar="PATH",
        help="report file that --token-telemetry-json wrote, or a directory of files report*.json; can be repeated",
    )
    comment.add_argument(
        "--expect",
        type=_number,
        metavar="N",
        help="how many reports there must be: with fewer there is no verdict (a job of a matrix may leave none)",
    )
    comment.add_argument(
        "--name",
        default="default",
        type=_name,
        help="what tells this comment from that of another gate on the same pull request (default: %(default)s)",
    )
    comment.add_argument(
        "--pull-request", type=_number, metavar="N", help="the pull request, where the event does not say which"
    )
    comment.add_argument(
        "--unverified",
        action="store_true",
        help="call the figures unverified, as those from a fork always are",
    )
    comment.add_argument(
        "--job-result",
        default="",
        choices=list(JOB_RESULTS),
        help="how the job of the gate ended, as needs.JOB.result has it: if it failed for another reason, no PASS is"
        " green",
    )
    comment.add_argument(
        "--author", metavar="LOGIN", help="the account that the token writes with, if the server does not say"
    )
    comment.add_argument(
        "--dry-run", action="store_true", help="say what would be done, show the comment, write nothing"
    )
    comment.set_defaults(run=run)


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a name (write 1 to 64 letters, digits, '.', '_' or '-')")
    return text


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:20]) < 10**18):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _comment(options: argparse.Namespace, environment: Environment, console: Console, clock: Clock) -> int:
    """The story of one run."""
    if not environment.repository and not options.dry_run:
        raise InvocationError("GITHUB_REPOSITORY is not set: run this in GitHub Actions, or with --dry-run")
    occasion = occasion_of(environment)
    legs = _legs(options, console, _origins(environment, occasion))
    frame = _frame(options, environment, occasion)
    try:
        host = _host(environment, clock, options.author)
        number = options.pull_request or (occasion.number if host is None else find_number(occasion, host))
        if host is not None and isinstance(number, int) and any(leg.report is None for leg in legs):
            replaced = newest(host.list_comments(number), options.name)
            frame = replace(frame, before=None if replaced is None else told_of(replaced.body))
        body = render(legs, frame)
        if options.dry_run:
            _rehearse(host, number, options.name, body, console)
        elif host is None:
            console.tell(
                "warning", "nothing posted: GITHUB_TOKEN is not set (add 'env: GITHUB_TOKEN: ${{ github.token }}')"
            )
        elif isinstance(number, int):
            posted = upsert(host, number, options.name, body, clock.sleep)
            url = f"{environment.server}/{environment.repository}/pull/{number}#issuecomment-{posted.comment}"
            console.say(f"{posted.action}: {url}")
            _write_outputs(environment, console, posted.action, url)
        else:
            console.say(f"nothing posted: {number}")
            _write_outputs(environment, console, "skipped")
    except HostError as error:
        console.tell("warning", f"nothing posted: {error}")
        _write_outputs(environment, console, "skipped")
    return 0


def _origins(environment: Environment, occasion: Occasion) -> list[Stamp]:
    """The runs that a report can be made for: the one that the comment is for, and the one that posts it."""
    own = environment.commit if environment.run == occasion.run else ""  # after a workflow_run it is the main branch's
    return [Stamp(occasion.run, occasion.commit), Stamp(environment.run, own)]


def _legs(options: argparse.Namespace, console: Console, origins: Sequence[Stamp]) -> list[Leg]:
    expected: int | None = options.expect
    files = [file for path in options.report for file in _files(path)]
    if len(files) > MOST_REPORTS:
        raise InvocationError(f"--report: {len(files)} files are more than {MOST_REPORTS}")
    legs = []
    for file, label in zip(files, _labels(files), strict=True):
        try:
            report = read(file)
            doubts = doubts_of_origin(report, origins, knows_commit=options.pull_request is None)
            legs.append(Leg(label, report, origin_doubts=doubts))
        except UnjudgedError as error:
            console.tell("warning", f"{label} has no verdict: {error.reason}" if error.reason else f"{label}: {error}")
            legs.append(Leg(label, None, str(error), unjudged=error.reason))
        except RefusedError as reason:
            console.tell("warning", f"{label} is not used: {reason}")
            legs.append(Leg(label, None, str(reason)))
        else:
            for doubt in legs[-1].doubts:
                console.tell("warning", f"{label}: {doubt.sentence}")
    if expected is not None and len(legs) < expected:
        why = f"only {len(legs)} of {expected} reports are there"
        console.tell("warning", why)
        legs.append(Leg("the others", None, why))
    return legs


def _files(path: Path) -> list[Path]:
    """``path`` itself, or the reports below it."""
    if path.is_symlink() or not path.is_dir():
        return [path]
    found = sorted(Path(directory, name) for directory, _, names in os.walk(path) for name in names)
    return [file for file in found if file.name.startswith("report") and file.suffix == ".json"] or [path]


def _labels(files: list[Path]) -> list[str]:
    """The paths of ``files`` below the directory that they have in common."""
    if len(files) == 1:
        return [files[0].name]
    absolute = [Path(os.path.abspath(file)) for file in files]  # noqa: PTH100 - as written, no link followed
    common = os.path.commonpath([file.parent for file in absolute])
    return [file.relative_to(common).as_posix() for file in absolute]


def _frame(options: argparse.Namespace, environment: Environment, occasion: Occasion) -> Frame:
    return Frame(
        name=options.name,
        stamp=Stamp(occasion.run, occasion.commit),
        run_number=occasion.run_number,
        repository_url=f"{environment.server}/{environment.repository}" if environment.repository else "",
        unverified=occasion.unverified or options.unverified,
        job_result=options.job_result,
    )


def _host(environment: Environment, clock: Clock, author: str | None) -> Host | None:
    """The server; ``None`` without a token to talk to it."""
    if environment.token is None or not environment.repository:
        return None
    try:
        from pytest_token_telemetry.comment.github import GitHub
    except ModuleNotFoundError:
        raise InvocationError(
            "PyGithub is not installed: install the extra that posts, 'pytest-token-telemetry[github]'"
        ) from None
    return GitHub(environment, environment.token, clock, author)


def _rehearse(host: Host | None, number: int | str | None, name: str, body: str, console: Console) -> None:
    """Say what would be done; without a token, as much of it as is known."""
    if not isinstance(number, int):
        console.say(f"would post nothing: {number or 'the pull request is not known without a token'}")
    elif host is None:
        console.say(f"would post on pull request #{number}; without a token, what is there is not known")
    else:
        move = next_move(host.list_comments(number), name, body)
        if move.comment is None:
            found = "find no comment of ours and create one"
        elif move.body is not None:
            found = f"find comment {move.comment} and update it"
        else:
            left = "leave it, as it is a newer run's" if move.superseded else "leave it as it is"
            found = f"find comment {move.comment} and {left}"
        more = f", and delete {len(move.duplicates)} duplicates" if move.duplicates else ""
        console.say(f"would {found} on pull request #{number}{more}")
    console.show(body)


def _write_outputs(environment: Environment, console: Console, action: str, url: str = "") -> None:
    if environment.output is None:
        return
    for problem in write_outputs(environment.output, {"comment-action": action, "comment-url": url}):
        console.tell("warning", problem)
