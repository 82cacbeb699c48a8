"""What is run on a corpus: the gate, what it is compared with, and how each is known to have found everything."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from corpora import PARTS, has_parts
from measuring import MeasuringError, clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from corpora import Written

GATE = "the gate"
FAST = "the gate [fast]"
ALONE = "pytest alone"
PLAIN = "the plain script"
LOADS = "a loop of json.loads"
GUNZIP = "gzip -dc and grep -c"
RIPGREP = "ripgrep"
GROUPS = "ripgrep, 11 groups"
GREP = "grep"
READ = "find and cat"

TAG = "[TokenEstimation"
FIELDS = (
    r"\[TokenEstimationV2\]\s+predicted_output=(\d+)\s+actual_output=(\d+)\s+smape=([\d.]+)%\s+selected_budget=(\d+)"
    r"\s+category=(\S+)\s+complexity=(\S+)\s+deliverables=(\d+)\s+success=(\S+)\s+stop_reason=(\S+)"
    r"\s+truncated=(\S+)\s+model=(\S+)"
)

_PYTEST = (sys.executable, "-m", "pytest")
_NO_TESTS = 5
_CHECK = re.compile(r"^(?:pass|fail|skip|warn) \w+::.*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Contender:
    """A command to be measured."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=clean_environment)
    accept: tuple[int, ...] = (0,)
    verify: Callable[[Path], None] | None = None
    """Raises a `MeasuringError` unless the file that has its output, or its report, has all that was to be found."""
    more: tuple[str, ...] = ()
    """What the command is told besides when it is verified."""
    result: Callable[[str], object] | None = None
    """What of its output must be the same each time. Without it the output goes nowhere when times are taken."""


def contenders(written: Written, corpus: Path, work: Path) -> list[Contender]:
    """All that can be run on ``corpus``. ``work`` is a directory for what they need."""
    return [
        Contender(ALONE, _PYTEST, clean_environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"), accept=(_NO_TESTS,)),
        *_gates(written, corpus, work),
        *_others(written, corpus),
    ]


def missing() -> list[str]:
    """Why some are left out."""
    return [
        *([f"{RIPGREP}: no program rg (its PyPI package has one: ripgrep)"] if _ripgrep() is None else []),
        *([f"{GREP}: no program grep"] if shutil.which("grep") is None else []),
        *([f"{GUNZIP}: no program gzip"] if shutil.which("gzip") is None else []),
        *([f"{FAST}: stringzilla is not installed"] if find_spec("stringzilla") is None else []),
    ]


def programs() -> list[str]:
    """The programs that take part, as they call themselves."""
    found = [program for program in (_ripgrep(), shutil.which("grep")) if program is not None]
    told = [subprocess.run([each, "--version"], capture_output=True, text=True, check=True) for each in found]  # noqa: S603
    return [each.stdout.splitlines()[0] for each in told]


def _gates(written: Written, corpus: Path, work: Path) -> Iterator[Contender]:
    report = work / "report.json"
    environment = clean_environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    if find_spec("stringzilla") is None:
        plain = environment
    else:
        yield _gate(FAST, [corpus], environment, report, written)
        plain = environment | {"PYTHONPATH": str(_without_stringzilla(work))}
    yield _gate(GATE, [corpus], plain, report, written)
    if has_parts(written.shape.kind):
        quarter, other, _ = (corpus / part for part in PARTS)
        yield _gate(part_name("a quarter"), [quarter], plain, report)
        yield _gate(part_name("a half"), [quarter, other], plain, report)


def part_name(part: str) -> str:
    """The name of the gate that reads only a part of a corpus."""
    return f"{GATE}, {part}"


def _gate(
    name: str, directories: list[Path], environment: dict[str, str], report: Path, written: Written | None = None
) -> Contender:
    return Contender(
        name,
        (
            *_PYTEST,
            "-p",
            "token_telemetry",
            "token-telemetry",
            *(f"--token-telemetry-dir={each}" for each in directories),
        ),
        environment,
        accept=(0, 1),  # whatever the verdict is
        verify=None if written is None else lambda _: _verify_report(report, written),
        more=(f"--token-telemetry-json={report}",),
        result=_CHECK.findall,
    )


def _without_stringzilla(work: Path) -> Path:
    """A directory that hides the package of the extra, also from the gate's own processes."""
    hiding = work / "without-stringzilla"
    hiding.mkdir(exist_ok=True)
    (hiding / "stringzilla.py").write_text('raise ImportError("left out of this measurement")\n', encoding="utf-8")
    return hiding


def _verify_report(report: Path, written: Written) -> None:
    counts = json.loads(report.read_text(encoding="utf-8"))["counts"]
    found = {name: counts[name] for name in ("files", "samples", "legacy", "duplicates", "mentions")}
    _compare("the report's counts", found | {"unusable": counts["unusable"]["total"]}, _expected(written))


def _expected(written: Written) -> dict[str, int]:
    return {
        "files": written.logs,
        "samples": written.records,
        "legacy": written.v1,
        "duplicates": 0,
        "mentions": written.mentions + written.budget_mentions,
        "unusable": 0,
    }


def _others(written: Written, corpus: Path) -> Iterator[Contender]:
    directory = str(corpus)
    match written.shape.kind:
        case "own":
            yield _script(LOADS, "json_script.py", directory, written)
            yield _reader("*.jsonl", directory)
        case "packed":
            yield _script(PLAIN, "plain_script.py", directory, written, "*.log.gz")
            yield from _gunzip(written, directory)
            yield _reader("*.log.gz", directory)
        case _:
            yield _script(PLAIN, "plain_script.py", directory, written)
            yield from _searches(written, directory)
            yield _reader("*.log", directory)


def _script(name: str, file: str, directory: str, written: Written, *more: str) -> Contender:
    return Contender(
        name,
        (sys.executable, str(Path(__file__).parent / file), directory, *more),
        verify=lambda output: _compare("records", _first_line(output), f"records: {written.records}"),
        result=str,
    )


def _reader(pattern: str, directory: str) -> Contender:
    return Contender(READ, ("find", directory, "-name", pattern, "-exec", "cat", "{}", "+"))


def _gunzip(written: Written, directory: str) -> Iterator[Contender]:
    if shutil.which("gzip") and shutil.which("grep"):
        command = f"""find "$1" -name '*.log.gz' -exec gzip -dc {{}} + | grep -Fac '{TAG}'"""
        yield Contender(
            GUNZIP,
            ("sh", "-c", command, "sh", directory),
            clean_environment(LC_ALL="C"),
            verify=lambda output: _compare("lines", _first_line(output), str(written.tagged_lines)),
        )


def _searches(written: Written, directory: str) -> Iterator[Contender]:
    if ripgrep := _ripgrep():
        all_logs = ("--no-config", "-uuu", "--no-filename", "--no-line-number", "--color=never", "--glob=*.log")
        yield Contender(
            RIPGREP,
            (ripgrep, *all_logs, "--fixed-strings", TAG, directory),
            verify=lambda output: _compare("lines", _lines(output), written.tagged_lines),
        )
        if written.shape.kind == "dense":
            groups = " ".join(f"${n}" for n in range(1, 12))
            yield Contender(
                GROUPS,
                (ripgrep, *all_logs, "--only-matching", f"--replace={groups}", FIELDS, directory),
                verify=lambda output: _compare("lines", _lines(output), written.v2),
            )
    if grep := shutil.which("grep"):
        yield Contender(
            GREP,
            (grep, "-rFha", "--include=*.log", TAG, directory),
            clean_environment(LC_ALL="C"),
            verify=lambda output: _compare("lines", _lines(output), written.tagged_lines),
        )


def _ripgrep() -> str | None:
    beside = Path(sys.executable).parent / "rg"
    return str(beside) if beside.is_file() else shutil.which("rg")


def _first_line(output: Path) -> str:
    with output.open(encoding="utf-8") as file:
        return file.readline().strip()


def _lines(output: Path) -> int:
    with output.open("rb") as file:
        return sum(1 for _ in file)


def _compare(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise MeasuringError(f"{what}: {found} were found, {expected} were written")
