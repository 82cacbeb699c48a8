"""A command is measured with all its processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.corpora import Shape, write

MEASURING = """
import sys
from pathlib import Path
sys.path.insert(0, {benchmarks!r})
from measuring import MeasuringError, clean_environment, run
try:
    cost = run([sys.executable, "-c", {code!r}], directory=Path.cwd(), environment=clean_environment())
    print(cost.cpu, cost.peak)
except MeasuringError as error:
    print(error)
"""

WORK = "import time; block = b'x' * 100_000_000\nwhile time.process_time() < 0.2: pass"
ORPHAN = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {WORK!r}])"

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def measured(code: str, directory: Path) -> str:
    """What the costs of ``code`` are: in a process of its own, which becomes the parent of all that is left."""
    script = MEASURING.format(benchmarks=str(BENCHMARKS), code=code)
    return subprocess.run(
        [sys.executable, "-c", script], cwd=directory, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process cannot adopt others")
@pytest.mark.parametrize("code", [WORK, ORPHAN], ids=["its own", "an orphan"])
def test_the_costs_are_those_of_all_processes_even_if_they_outlive_their_parent(code: str, tmp_path: Path) -> None:
    cpu, peak = measured(code, tmp_path).split()
    assert float(cpu) >= 0.1
    assert int(peak) >= 100_000_000


def test_an_exit_code_that_is_not_expected_is_an_error_with_what_was_said(tmp_path: Path) -> None:
    said = measured("import sys; sys.exit('no such thing')", tmp_path)
    assert "exit code 1" in said
    assert "no such thing" in said


def test_a_benchmark_fails_if_a_record_was_not_found(tmp_path: Path) -> None:
    directory = tmp_path / "dense-0.001"
    write(Shape("dense", 0.001), directory)
    (directory / "part-1" / "run-00" / "calls.log").write_text("", encoding="utf-8")
    command = [BENCHMARKS / "scanning.py", "--only=dense", "--scale=0.001", "--rounds=1", f"--corpora={tmp_path}"]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the report's counts: {'files': 12, " in done.stderr
