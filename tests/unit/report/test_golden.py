"""Report files of an earlier version: every key and figure of theirs is in the reports of this one.

What the files in ``golden`` do not have may be added. They have no sentences, which may be worded anew.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent
OLD_PATTERNS = ("--token-telemetry-pattern=*.log", "--token-telemetry-pattern=*.jsonl")
"""The default of that version."""
PASSES = "--token-telemetry-dir=examples/passes"
ADDED = (".tuning",)
"""Keys that were null: a cap use above its target brings advice."""
BASELINE = "--token-telemetry-baseline=examples/baseline/token-telemetry-baseline.json"


CHANGED = re.compile(r"\.tuning\.max_tokens\[\d+\]\.caps\[\d+\]\.(?:max_tokens|samples_needed)")
"""Caps are one above the output that they were, and truncated calls count for how many are needed."""


def written(directory, *options):
    """The report file of a session in the repository, and of no test."""
    path = directory / "report.json"
    quiet = ["-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:hypothesispytest"]
    command = [sys.executable, "-m", "pytest", *quiet, "token-telemetry"]
    command += [f"--token-telemetry-json={path}", *OLD_PATTERNS, *options]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    return path.read_text(encoding="utf-8")


def lost(before, now, place=""):
    """The places below which ``now`` does not say what ``before`` says."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key, value in before.items():
            if key in now:
                yield from lost(value, now[key], f"{place}.{key}")
            else:
                yield f"{place}.{key} is gone"
    elif isinstance(before, list) and isinstance(now, list):
        left = [*now]
        for n, value in enumerate(before):
            other = next((each for each in left if is_about_the_same(value, each)), None)
            del left[: left.index(other) + 1 if other in left else 0]
            yield from lost(value, other, f"{place}[{n}]")
    elif before != now and (before is not None or place not in ADDED) and not CHANGED.fullmatch(place):
        yield f"{place} was {before!r} and is {now!r}"


def is_about_the_same(before, now):
    """Whether ``now`` is what became of ``before``: of a check or a row that of its name, of a sentence itself."""
    key = next((key for key in ("id", "name") if isinstance(before, dict) and key in before), None)
    if key is not None:
        return before[key] == now[key]
    return not isinstance(before, str) or before == now


def golden(name):
    return json.loads((HERE / "golden" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("passes", [PASSES]),
        ("passes-with-confidence", [PASSES, "--token-telemetry-confidence=95%"]),
        ("not-ready", ["--token-telemetry-dir=examples/not-ready"]),
        (
            "estimator",
            [
                PASSES,
                "--token-telemetry-estimator=examples/estimator::replay:replay",
                "--token-telemetry-base-estimator=examples/estimator/main::replay:replay",
            ],
        ),
    ],
)
def test_the_shipped_examples_have_the_same_report(name, options, tmp_path):
    assert list(lost(golden(name), json.loads(written(tmp_path, *options)))) == []


def test_the_shipped_baseline_has_the_same_report(tmp_path):
    found = written(tmp_path, PASSES, BASELINE, f"--token-telemetry-tuning={tmp_path}/tuning.json")
    assert list(lost(golden("baseline"), json.loads(found))) == []


def test_the_shipped_history_has_the_same_report(tmp_path):
    history = tmp_path / "history.jsonl"
    history.write_bytes((ROOT / "examples/baseline/token-telemetry-history.jsonl").read_bytes())
    saved = f"--token-telemetry-save-baseline={tmp_path}/baseline.json"
    found = written(tmp_path, PASSES, BASELINE, saved, f"--token-telemetry-history={history}")
    assert list(lost(golden("history"), json.loads(found))) == []


READY = [
    "--token-telemetry-min-samples=5",
    "--token-telemetry-require-categories=implementation",
    "--token-telemetry-require-deliverables=2-5",
    "--token-telemetry-require-complexities=low",
]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("autopack", []),
        ("autopack-success", ["--token-telemetry-population=success"]),
        ("autopack-all", ["--token-telemetry-population=all"]),
        ("autopack-with-confidence", [*READY, "--token-telemetry-confidence=90%"]),
    ],
)
def test_the_origins_logs_have_the_same_report(name, options, real_logs, tmp_path):
    found = written(tmp_path, f"--token-telemetry-dir={real_logs}", *options)
    assert list(lost(golden(name), json.loads(found.replace(str(real_logs), "autopack_logs")))) == []
