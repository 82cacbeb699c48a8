"""Is it true? Exit code 0, and every PASS that a session leaves, held against the session that nothing disturbed."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from scenarios import (
    APPENDED,
    APPENDED_MARKDOWN,
    BASELINE,
    HISTORY,
    KEPT,
    PYTEST_XML,
    RECORD,
    REPORTS,
    STEP_OUTPUT,
    STEP_SUMMARY,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from scenarios import Scenario

TERMINAL = "the terminal"


@dataclass(slots=True)
class Aftermath:
    """What a session left."""

    status: int
    """Its exit code, or the number of the signal that ended it, below zero. What hung was ended."""
    output: str
    hung: bool
    left_running: tuple[str, ...]
    files: Mapping[str, bytes]
    """By their paths below ``data``, without the logs."""
    old: frozenset[str]
    """Those that the session has not touched."""


@dataclass(slots=True)
class Judgement:
    """Whether what a session left is true."""

    wrong: list[str] = field(default_factory=list)
    """What is untrue: a PASS, an exit code, an old or a broken file."""
    untidy: list[str] = field(default_factory=list)
    """What is true and should not look like that."""


@dataclass(frozen=True, slots=True)
class Excuse:
    """What a session could not help."""

    torn: bool = False
    """It was killed, so the last line of a file that is appended to may be torn."""
    litter: bool = False
    """It was killed at once, so a file that it was about to write may lie beside its place."""
    foreign: bool = False
    """A plugin may have changed what pytest itself reports and says."""
    deselected: bool = False
    """A plugin may have left out checks aloud, as ``-k`` does: what the others say is INCONCLUSIVE, and no failure."""
    stuck: Callable[[str], bool] = lambda _: False
    """Whether it could not remove the earlier report of that name. No excuse for exit code 0."""


NONE = Excuse()


def judge(
    found: Aftermath,
    undisturbed: Aftermath,
    earlier: Mapping[str, bytes],
    scenario: Scenario,
    excuse: Excuse = NONE,
) -> Judgement:
    """Whether what a session left is true, with an ``excuse`` for what nobody could help.

    Args:
        found: what the session left.
        undisturbed: what it leaves if nothing disturbs it.
        earlier: the files that stood there before it.
        scenario: what it was about.
        excuse: what it could not help.
    """
    judgement = Judgement()
    expected = dict(_claims(undisturbed, earlier))
    claims = dict(_claims(found, earlier))
    if excuse.foreign:
        claims.pop(PYTEST_XML, None)
    passes = sorted(name for name, claim in claims.items() if claim == "pass")
    if scenario.truth != "pass" and passes:
        judgement.wrong.append(f"PASS in {', '.join(passes)}")
    if scenario.truth == "pass" and passes:
        judgement.wrong += _other_figures(found, undisturbed)
    for name, claim in claims.items():
        if claim == "broken" and not (excuse.torn and name in (*APPENDED, HISTORY)):
            judgement.wrong.append(f"broken: {name}")
    for name in sorted(found.old - {*KEPT, *APPENDED}):
        if found.status == 0 or not excuse.stuck(name):
            judgement.wrong.append(f"old: {name}")
    is_told = excuse.deselected and re.search(r"^INCONCLUSIVE\b.* deselected", found.output, re.MULTILINE) is not None
    if found.status == 0 and scenario.status != 0 and not is_told:
        judgement.wrong.append("exit 0")
    if found.status == 0 and scenario.status == 0:
        others = sorted(name for name, claim in expected.items() if claims.get(name) != claim)
        judgement.wrong += [f"exit 0 and not what was to be written: {', '.join(others)}"] if others else []
    if found.hung:
        judgement.wrong.append("hangs")
    if found.left_running:
        judgement.wrong.append(f"still running: {', '.join(found.left_running)}")
    judgement.wrong += _lost(found, earlier, torn_allowed=excuse.torn)
    litter = sorted(found.files.keys() - {*REPORTS.values(), PYTEST_XML, *APPENDED, *KEPT})
    if litter:
        (judgement.untidy if excuse.litter else judgement.wrong).append(f"litter: {', '.join(litter)}")
    if not (excuse.foreign or excuse.torn) and _has_traceback(found.output):
        judgement.untidy.append("traceback")
    return judgement


def _has_traceback(output: str) -> bool:
    """Of ours: pytest shows one if it cannot write its own XML."""
    return bool(re.search("Traceback [(]most recent call last[)]|INTERNALERROR", output)) and not re.search(
        r"_pytest/junitxml.py", output
    )


def _claims(found: Aftermath, earlier: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """What each thing that a session leaves says: ``pass``, ``fail`` or ``broken``, by its name."""
    verdict = re.search(r"^(PASS|TUNE|NOT READY|INCONCLUSIVE|FAIL\w*)\b", found.output, re.MULTILINE)
    if verdict is not None:
        yield TERMINAL, "pass" if verdict[1] == "PASS" else "fail"
    for name, content in found.files.items():
        if name in found.old:
            continue
        if name in (*APPENDED, HISTORY):
            content = content[len(earlier.get(name, b"")) :]
        read = _READERS.get(name)
        if read is not None and content:
            try:
                yield name, read(content.decode())
            except (ValueError, KeyError, TypeError, ElementTree.ParseError):
                yield name, "broken"


def _read_json(text: str) -> str:
    verdict = json.loads(text)["verdict"]
    return "pass" if verdict == "pass" else "fail"


def _read_junit(text: str) -> str:
    """That a check passed is said by a case without a child; a case that a session never came to is not there."""
    root = ElementTree.fromstring(text)  # noqa: S314 - our own
    told = any(each.get("name") == "verdict" and each.get("value") == "pass" for each in root.iter("property"))
    deciding = (case for case in root.iter("testcase") if case.get("name", "").endswith("underestimation"))
    tier1 = [case for case in deciding if "tier1" in f"{case.get('classname')} {case.get('name')}"]
    good = [case for case in tier1 if all(case.find(bad) is None for bad in ("failure", "error", "skipped"))]
    return "pass" if told or good else "fail"


def _read_markdown(text: str) -> str:
    if text.count("<details>") != text.count("</details>") or not text.endswith("\n"):
        raise ValueError
    return "pass" if re.search(r"\bPASS\b", text.split("\n\n", 1)[0]) else "fail"


def _read_code_quality(text: str) -> str:
    return "pass" if json.loads(text) == [] else "fail"


def _read_whole(text: str) -> str:
    json.loads(text)
    return "fail"


def _read_history(text: str) -> str:
    return "pass" if any(json.loads(line)["verdict"] == "pass" for line in text.splitlines()) else "fail"


def _read_step_output(text: str) -> str:
    return "pass" if re.search(r"=pass$", text, re.MULTILINE) else "fail"


def _read_record(text: str) -> str:
    return f"{len(text.splitlines())} calls"


_READERS: Mapping[str, Callable[[str], str]] = {
    REPORTS["json"]: _read_json,
    REPORTS["junit"]: _read_junit,
    REPORTS["markdown"]: _read_markdown,
    REPORTS["code-quality"]: _read_code_quality,
    REPORTS["tuning"]: _read_whole,
    PYTEST_XML: _read_junit,
    RECORD: _read_record,
    APPENDED_MARKDOWN: _read_markdown,
    STEP_SUMMARY: _read_markdown,
    STEP_OUTPUT: _read_step_output,
    BASELINE: _read_whole,
    HISTORY: _read_history,
}


def _other_figures(found: Aftermath, undisturbed: Aftermath) -> Iterator[str]:
    """Where a PASS is one about other calls than there are."""
    name = REPORTS["json"]
    if name in found.files and name not in found.old:
        with suppress(ValueError):
            ours, theirs = (json.loads(each.files[name]) for each in (found, undisturbed))
            for key in ("verdict", "counts", "checks", "metrics") if ours["verdict"] is not None else ():
                if ours.get(key) != theirs[key]:
                    yield f"{name}: other {key} than undisturbed"
    rate = re.compile(r"\d+/\d+ = \S+ % of the risk population")
    told, whole = (rate.search(each.output) for each in (found, undisturbed))
    if told is not None and whole is not None and told[0] != whole[0]:
        yield f"{TERMINAL}: {told[0]}"


def _lost(found: Aftermath, earlier: Mapping[str, bytes], *, torn_allowed: bool) -> Iterator[str]:
    """Where a file that is kept or appended to has lost what stood there, or has half a line."""
    for name in (*APPENDED, HISTORY):
        before, after = earlier[name], found.files.get(name)
        if after is None or not after.startswith(before):
            yield f"lost what stood in {name}"
        elif name.endswith(".jsonl"):
            *lines, last = after[len(before) :].split(b"\n")
            if any(not _is_json(line) for line in lines):
                yield f"a line in the middle of {name} is torn"
            if last and not torn_allowed:
                yield f"the last line of {name} is torn"
        elif not torn_allowed and not after.endswith(b"\n"):
            yield f"the end of {name} is torn"
    if BASELINE not in found.files:
        yield f"lost {BASELINE}"


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
