"""``--token-telemetry-cache``: what was read before is not read again, and no report shows it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.lines import ready_lines, stamp, v2, write

NOISE = ["a line that tells nothing of any call"] * 4000
"""Enough for a file to be remembered."""

DIRECTORY = "--token-telemetry-dir=runs"
JSON = "--token-telemetry-json=report.json"


@pytest.fixture(autouse=True)
def large(pytester: pytest.Pytester) -> Path:
    """Logs that end in PASS, with one that is remembered."""
    return write(pytester.path / "runs", [*ready_lines(60), *NOISE]) / "run-1/agent.log"


@pytest.fixture
def rested(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All sessions take place in an hour, by the clock that they look at."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3600 * 10**9)


def judge(pytester: pytest.Pytester, *arguments: str) -> tuple[dict[str, Any], str]:
    """The report, without what it cost, and what the terminal shows."""
    result = pytester.runpytest_inprocess("-p", "no:randomly", DIRECTORY, JSON, *arguments)
    assert result.ret == 0, result.stdout.str()
    return json.loads((pytester.path / "report.json").read_text()), result.stdout.str()


def without_cost(report: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in report.items() if name not in ("created", "scan")}


@pytest.mark.parametrize("option", ["--token-telemetry-cache", "--token-telemetry-cache=kept/here"])
def test_what_was_read_is_not_read_again(pytester: pytest.Pytester, rested: None, large: Path, option: str) -> None:
    expected, _ = judge(pytester)
    size = large.stat().st_size
    first, second = (judge(pytester, option)[0] for _ in range(2))
    assert without_cost(first) == without_cost(second) == without_cost(expected)
    assert [each["scan"]["size"] for each in (expected, first, second)] == [size, size, 0]
    assert [each["scan"]["known"] for each in (expected, first, second)] == [0, 0, 1]
    with large.open("a") as file:
        file.write(line := f"{v2(time=stamp(9000))}\n")
    assert judge(pytester, option)[0]["scan"]["size"] == len(line)


@pytest.mark.parametrize(
    ("arguments", "place"),
    [(["--token-telemetry-cache"], ".pytest_cache/d/token-telemetry"), (["--token-telemetry-cache=kept"], "kept")],
)
def test_it_is_kept_where_it_is_told(pytester: pytest.Pytester, arguments: list[str], place: str) -> None:
    judge(pytester, *arguments)
    [kept] = (pytester.path / place).iterdir()
    assert kept.suffix == ".cache"
    assert [path.name for path in pytester.path.rglob("*.cache")] == [kept.name]


@pytest.mark.parametrize(("value", "place"), [("auto", ".pytest_cache/d/token-telemetry"), ("kept", "below/kept")])
def test_an_ini_file_can_ask_for_it(pytester: pytest.Pytester, value: str, place: str) -> None:
    ini = write(pytester.path / "below", ["[pytest]", f"token_telemetry_cache = {value}"], "pytest.ini") / "pytest.ini"
    judge(pytester, "-c", str(ini))
    root = ini.parent if value == "auto" else pytester.path
    assert len(list((root / place).iterdir())) == 1


def test_the_command_line_can_turn_it_off(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntoken_telemetry_cache = kept\n")
    judge(pytester, "--token-telemetry-cache=")
    assert not (pytester.path / "kept").exists()


def test_without_it_nothing_is_kept(pytester: pytest.Pytester) -> None:
    judge(pytester)
    assert list(pytester.path.rglob("*.cache")) == []


def test_nothing_is_kept_of_small_files(pytester: pytest.Pytester, large: Path) -> None:
    write(pytester.path / "runs", ready_lines(60))
    judge(pytester, "--token-telemetry-cache=kept")
    assert not (pytester.path / "kept").exists()


def test_clearing_the_cache_of_pytest_clears_it(pytester: pytest.Pytester, rested: None, large: Path) -> None:
    for arguments, expected in (((), large.stat().st_size), ((), 0), (("--cache-clear",), large.stat().st_size)):
        assert judge(pytester, "--token-telemetry-cache", *arguments)[0]["scan"]["size"] == expected


@pytest.mark.parametrize("arguments", [[], ["-q"]])
def test_damage_costs_one_line(pytester: pytest.Pytester, rested: None, arguments: list[str]) -> None:
    expected, text = judge(pytester, "--token-telemetry-cache=kept")
    assert "ignored" not in text
    [kept] = (pytester.path / "kept").iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    found, text = judge(pytester, "--token-telemetry-cache=kept", *arguments)
    assert without_cost(found) == without_cost(expected)
    assert text.count("note: 1 file of the cache ignored, damaged or of another version: the logs were read again") == 1


def test_damage_is_no_warning(pytester: pytest.Pytester, rested: None) -> None:
    """Where warnings are errors, they fail."""
    judge(pytester, "--token-telemetry-cache=kept")
    [kept] = (pytester.path / "kept").iterdir()
    kept.write_bytes(b"")
    _, text = judge(pytester, "-W", "error", "--token-telemetry-cache=kept")
    assert "PASS" in text


def test_it_works_with_processes(pytester: pytest.Pytester, rested: None) -> None:
    expected, _ = judge(pytester)
    for _ in range(2):
        found, _ = judge(pytester, "--token-telemetry-cache=kept", "--token-telemetry-jobs=2")
        assert without_cost(found) | {"settings": None} == without_cost(expected) | {"settings": None}
    assert found["scan"]["size"] == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["-p", "no:cacheprovider", "--token-telemetry-cache"],
            "pytest's cache is turned off (name a directory: --tok",
        ),
        (["--token-telemetry-cache=true"], "'true' is not a directory (write auto for that of pytest's cache, or name"),
        (["--token-telemetry-cache=runs/run-1/agent.log"], "'runs/run-1/agent.log' is a file, not a directory"),
        (
            ["--token-telemetry-cache=runs/kept", "--token-telemetry-pattern=*"],
            "what is kept in 'runs/kept' would be read as logs (name another directory)",
        ),
        (
            ["--token-telemetry-cache", "token-telemetry"],
            "is 'token-telemetry' its value? (write --token-telemetry-cache=token-telemetry if it is, and"
            " --token-telemetry-cache=auto if it is not)",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(pytester: pytest.Pytester, arguments: list[str], sentence: str) -> None:
    result = pytester.runpytest_inprocess("-p", "no:randomly", DIRECTORY, *arguments)
    assert result.ret == 4
    assert f"ERROR: --token-telemetry-cache: {sentence}" in result.stderr.str()
