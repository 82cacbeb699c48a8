"""Ask the base estimator about every recorded call, in a process of its own.

Two versions of one module cannot be imported side by side in one process, and what the base estimator prints, leaves
behind or never ends must not touch the session.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_token_telemetry.importing import plain_function
from pytest_token_telemetry.replay.estimator import Answer
from pytest_token_telemetry.replay.run import estimates, requests
from pytest_token_telemetry.replay.trees import imported_from, trees
from pytest_token_telemetry.replay.watch import Overdue, Watch
from pytest_token_telemetry.text import inert, raised

if TYPE_CHECKING:
    from pytest_token_telemetry.importing import Location
    from pytest_token_telemetry.replay.run import Estimates
    from pytest_token_telemetry.replay.trees import Trees
    from pytest_token_telemetry.samples import Integers, Samples

_START = (
    "import sys; sys.path.insert(0, sys.argv[1])\n"
    "from pytest_token_telemetry.replay.base_process import main\n"
    "del sys.path[0]; sys.exit(main())"
)
"""Not ``-m``: this package may lie in the head's checkout, so its directory is on the path for its own import alone."""


@dataclass(frozen=True, slots=True)
class Head:
    """The estimator that the base is compared with, and where it comes from."""

    estimator: object
    where: Location | None
    """``None``: it is a hook."""
    session: tuple[Path, ...]
    """The directories of the session: first the one in which pytest was called."""
    search: tuple[str, ...]
    """Where the session looked for modules before it imported the estimator."""

    def trees(self, base: Path) -> Trees:
        """The checkouts, if the base's estimator is in ``base``."""
        named = self.where is not None and self.where.directory is not None
        return trees(base, self.directory(), self.session, named=named)

    def directory(self) -> Path:
        """The directory from which the estimator is imported."""
        if self.where is not None and self.where.directory is not None:
            return self.where.directory
        name = self.where.module if self.where is not None else getattr(self.estimator, "__module__", None)
        file = getattr(sys.modules.get(str(name)), "__file__", None)
        if name is None or file is None:
            return self.session[0]
        steps = name.count(".") + (Path(file).stem == "__init__")
        return Path(file).resolve().parents[steps]


def replay_base(samples: Samples, rows: Integers, where: Location, head: Head, seconds: float) -> Estimates:
    """Ask the estimator at ``where`` about the samples in ``rows``, in a process of its own.

    With a directory, that process starts in the checkout there, looks for modules there first, and imports none of the
    head's. Without one, the estimator is another one of the same checkout.

    Args:
        samples: calls.
        rows: ascending indices into ``samples``.
        where: the estimator.
        head: what it is compared with.
        seconds: how long its import and each call may take.

    Raises:
        LookupError: with one sentence, if the estimator cannot be loaded, is the head's, or its process ends early.
        Overdue: its import or a call takes longer than ``seconds``.
    """
    here = head.session[0]
    found = None if where.directory is None else head.trees(where.directory)
    path = [os.path.normpath(here / entry) for entry in head.search if entry]
    setup = {
        "estimator": str(where),
        "home": str(where.home or here),
        "trees": found and (found.head, found.base),
        "search": found.search(dict.fromkeys([*path, *imported_from(sys.modules)])) if found else [],
    }
    with tempfile.TemporaryFile("w+", encoding="utf-8") as questions:
        questions.write(json.dumps(setup) + "\n")
        questions.writelines(json.dumps(asdict(request)) + "\n" for request in requests(samples, rows))
        questions.seek(0)
        # -P: a module of the user's that is named as one of Python's own must not take its place.
        try:
            process = subprocess.Popen(  # noqa: S603 - the interpreter that runs this, with arguments of ours
                [sys.executable, "-P", "-c", _START, str(Path(__file__).parents[2])],
                stdin=questions,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                errors="replace",
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(each for each in path if not (found and found.is_heads(each))),
                },
                cwd=next(found.in_base(str(here)), found.base[-1]) if found else here,
                start_new_session=True,
            )
        except OSError as error:
            raise LookupError(f"its process cannot be started: {inert(raised(error), 300)}") from error
    lines, code = _read(process, len(rows) + 2, seconds)
    answers = [line for line in lines[1:] if not line.startswith('{"refused"')]
    try:
        begins = _loaded(lines[0])["begins"] if lines else None
        if len(answers) != len(rows) or len(lines) != len(rows) + 2 or code != 0:
            raise LookupError(f"its process ended with {code} after {len(answers):,} of {len(rows):,} answers")
        _loaded(lines[-1])
        _refuse_same(begins, where, head)
        return estimates((Answer(**json.loads(line)) for line in answers), rows, len(samples))
    except (ValueError, TypeError, KeyError, OverflowError):
        raise LookupError("its process wrote something else than its answers") from None


def _read(process: subprocess.Popen[str], most: int, seconds: float) -> tuple[list[str], int]:
    """Read up to ``most`` lines from the process, and return them with its exit code. It has ended by then.

    Raises:
        Overdue: a line takes longer than ``seconds``.
    """
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    is_overdue = False
    lines: list[str] = []

    def end() -> None:
        nonlocal is_overdue
        is_overdue = True
        _kill(process)

    try:
        with process.stdout, Watch(seconds, end) as watch:
            for line in process.stdout:
                lines.append(line)
                watch.begin()
                if len(lines) == most:
                    break
            code = process.wait()
    finally:
        if process.poll() is None:
            _kill(process)
            process.wait()
    if is_overdue:
        call = min(len(lines), most - 2) - 1
        raise Overdue(call if call >= 0 else None)
    return lines, code


def _kill(process: subprocess.Popen[str]) -> None:
    """End the process, and where it leads a group, all that it has started."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _loaded(line: str) -> dict[str, object]:
    """What the other process says of itself.

    Raises:
        LookupError: it refuses.
    """
    said: dict[str, object] = json.loads(line)
    if said["refused"] is not None:
        raise LookupError(str(said["refused"]))
    return said


def _refuse_same(begins: object, where: Location, head: Head) -> None:
    """Refuse to compare an estimator with itself: it would change nothing, whatever was changed.

    Raises:
        LookupError: both are one function, or the base's checkout is named and both are in one file.
    """
    own = plain_function(head.estimator)
    if own is None or not isinstance(begins, str):
        return
    parts = slice(1) if where.directory is not None else slice(2)
    if own.rpartition(":")[::2][parts] == begins.rpartition(":")[::2][parts]:
        raise LookupError(
            f"it is the estimator that it is compared with, {inert(own, 300)} (name the directory that holds the base's"
            f" own, as PATH::{where.module}:{where.name})"
        )
