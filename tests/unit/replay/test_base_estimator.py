"""An estimator asked about many calls, in a process of its own that imports nothing of the head's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from pytest_token_telemetry.importing import location
from pytest_token_telemetry.replay.base_estimator import Head, replay_base
from pytest_token_telemetry.replay.run import Estimates, replay
from pytest_token_telemetry.samples import UNKNOWN
from tests.unit.gate.cases import call, columns
from tests.unit.replay.test_run import SIX, every, shown

IMPORTS = "import os, sys, signal\nfrom pytest_token_telemetry import CannotReplay\n"


def checkout(path: Path, text: str, name: str = "far_estimator") -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / f"{name}.py").write_text(IMPORTS + text)
    return path


def ask_base(directory: Path, samples=SIX, rows=None, name: str = "far_estimator:predict", search=None) -> Estimates:
    where = location(f"{directory}::{name}")
    return replay_base(samples, every(samples) if rows is None else rows, where, head(directory, search), 60)


def head(directory: Path, search=None) -> Head:
    """A session in a directory beside ``directory``, whose estimator is this test's."""
    beside = directory.parent / "session"
    beside.mkdir(exist_ok=True)
    where = location(f"{beside}::far_estimator:predict")
    return Head(every, where, (beside,), tuple(sys.path if search is None else search))


def refusal(directory: Path, **how) -> str:
    with pytest.raises(LookupError) as error:
        ask_base(directory, **how)
    said = str(error.value)
    assert "\n" not in said
    assert "Traceback" not in said
    return said


def test_the_other_process_answers_as_this_one_does(tmp_path):
    text = """
def predict(request):
    row = int(request.features["row"])
    if row == 2:
        raise CannotReplay
    if row == 3:
        return None
    return (row, 4096) if row == 1 else row / 2
"""
    found = ask_base(checkout(tmp_path, text))
    assert shown(found) == {
        "predicted": [0, 1, UNKNOWN, UNKNOWN, 2, 2],
        "budgets": [UNKNOWN, 4096, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN],
        "cannot": 1,
        "wrong": 1,
        "errors": ((3, "the prediction is NoneType, not a number"),),
    }


def test_the_other_process_is_asked_about_the_rows_alone(tmp_path):
    found = ask_base(checkout(tmp_path, "def predict(request): return 7"), rows=np.array([1, 4]))
    assert found.predicted_output_tokens.tolist() == [UNKNOWN, 7, UNKNOWN, UNKNOWN, 7, UNKNOWN]


def test_the_other_process_may_be_asked_about_nothing(tmp_path):
    found = ask_base(checkout(tmp_path, "def predict(request): return 7"), rows=np.array([], dtype=np.int64))
    assert found.predicted_output_tokens.tolist() == [UNKNOWN] * 6


def test_two_versions_of_one_module_stand_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    new = checkout(tmp_path / "head", "from far_table import FACTOR\ndef predict(request): return FACTOR")
    base = checkout(tmp_path / "base", "from far_table import FACTOR\ndef predict(request): return FACTOR")
    checkout(new, "FACTOR = 1", "far_table")
    checkout(base, "FACTOR = 2", "far_table")
    search = list(sys.path)
    try:
        of_head = replay(SIX, every(SIX), location(f"{new}::far_estimator:predict").load())
    finally:
        for name in ("far_estimator", "far_table"):
            sys.modules.pop(name, None)
    of_base = ask_base(base, search=search)
    assert of_head.predicted_output_tokens.tolist() == [1] * 6
    assert of_base.predicted_output_tokens.tolist() == [2] * 6


def test_a_module_without_a_directory_may_lie_where_it_is_written(tmp_path):
    home = checkout(tmp_path / "home", "def predict(request): return 7")
    where = location("far_estimator:predict").below(home)
    assert replay_base(SIX, every(SIX), where, head(tmp_path), 60).predicted_output_tokens.tolist() == [7] * 6


def test_a_module_that_is_named_as_one_of_pythons_own_takes_not_its_place(tmp_path):
    checkout(tmp_path, "raise RuntimeError('not mine')", "json")
    home = checkout(tmp_path, "def predict(request): return 7")
    where = location("far_estimator:predict").below(home)
    assert replay_base(SIX, every(SIX), where, head(tmp_path), 60).predicted_output_tokens.tolist() == [7] * 6


def test_a_relative_path_of_the_base_is_its_own(tmp_path):
    checkout(tmp_path / "base", "def predict(request): return int(open('factor.txt').read())")
    (tmp_path / "base" / "factor.txt").write_text("7")
    where = location(f"{tmp_path}/base::far_estimator:predict")
    assert replay_base(SIX, every(SIX), where, head(tmp_path), 60).predicted_output_tokens.tolist() == [7] * 6


@pytest.mark.parametrize(
    "noise",
    [
        "print('{\"refused\": null}')",
        "sys.stdout.write('garbage'); sys.stdout.flush()",
        "os.write(1, b'garbage\\n{}\\n\\xff\\n')",
        "os.system('echo garbage')",
        "print('x' * 1_000_000)",
        "print('x' * 1_000_000, file=sys.stderr)",
        "os.write(2, b'\\xff\\xfe')",
    ],
)
@pytest.mark.parametrize("when", ["on import", "in the call"])
def test_what_an_estimator_prints_is_no_answer(tmp_path, capfd, noise, when):
    text = f"{noise}\ndef predict(request): return 7"
    if when == "in the call":
        text = f"def predict(request):\n    {noise}\n    return 7"
    found = ask_base(checkout(tmp_path, text))
    assert (found.predicted_output_tokens.tolist(), found.wrong) == ([7] * 6, 0)
    assert capfd.readouterr() == ("", "")


def test_an_estimator_that_exits_is_a_wrong_answer(tmp_path):
    found = ask_base(checkout(tmp_path, "def predict(request): sys.exit(0)"))
    assert (found.wrong, found.errors[0]) == (6, (0, "far_estimator.py:3: SystemExit: 0"))


@pytest.mark.parametrize(
    ("death", "code"), [("os._exit(0)", 0), ("os._exit(3)", 3), ("os.kill(os.getpid(), signal.SIGKILL)", -9)]
)
def test_an_estimator_that_ends_its_process_early_is_refused(tmp_path, death, code):
    text = f"def predict(request):\n    if request.features['row'] == '4': {death}\n    return 7"
    said = refusal(checkout(tmp_path, text))
    assert said.startswith(f"its process ended with {code} after ")
    assert said.endswith(" of 6 answers")


def test_a_process_that_dies_among_many_answers_is_refused(tmp_path):
    samples = columns([call(row) for row in range(5000)])
    text = "def predict(request):\n    if request.predicted_output_tokens == 4999: os._exit(0)\n    return 7"
    assert refusal(checkout(tmp_path, text), samples=samples).endswith(" of 5,000 answers")


def test_a_module_that_ends_its_process_on_import_is_refused(tmp_path):
    assert refusal(checkout(tmp_path, "os._exit(0)")) == "its process ended with 0 after 0 of 6 answers"


def test_an_estimator_that_takes_questions_away_is_refused(tmp_path):
    text = "def predict(request):\n    sys.stdin.read()\n    return 7"
    assert refusal(checkout(tmp_path, text)) == "its process ended with 0 after 1 of 6 answers"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("raise ValueError('two\\nlines \\x1b[31m\\ud800')", "ValueError: two lines \\u001b[31m\\ud800"),
        ("sys.exit(0)", "SystemExit: 0"),
        ("def predict(:", "SyntaxError: "),
    ],
)
def test_a_module_that_does_not_import_is_refused_with_its_reason(tmp_path, text, said):
    assert f"'far_estimator' cannot be imported: {said}" in refusal(checkout(tmp_path, text))


def test_a_name_that_is_not_there_is_refused(tmp_path):
    said = refusal(checkout(tmp_path, ""), name="far_estimator:estimate")
    assert said == "'far_estimator' has no 'estimate'"


def test_what_else_python_writes_at_its_start_is_no_answer(tmp_path):
    checkout(tmp_path / "start", "print('hello')", "sitecustomize")
    checkout(tmp_path / "base", "def predict(request): return 7")
    said = refusal(tmp_path / "base", search=[str(tmp_path / "start"), *sys.path])
    assert said == "its process wrote something else than its answers"


def test_five_thousand_calls_with_names_in_any_language_come_through(tmp_path):
    names = ["größe", "値\u2028\u0085", "\ud800 alone", "🚀\x00\x1b", '"quoted"\\\r\n']
    samples = columns(
        [
            call(row, category=names[row % 5], task_id=f"{names[row % 5]}{row}", features={names[row % 5]: names[-1]})
            for row in range(5000)
        ]
    )
    text = f"""
NAMES = {names!a}
def predict(request):
    row = request.predicted_output_tokens
    name = NAMES[row % 5]
    assert request.category == name and request.task_id == f"{{name}}{{row}}"
    assert request.features == {{name: NAMES[-1]}}
    return row * 2, row + 1
"""
    found = ask_base(checkout(tmp_path, text), samples=samples)
    assert found.errors == ()
    assert found.predicted_output_tokens.tolist() == [row * 2 for row in range(5000)]
    assert found.budget_tokens.tolist() == list(range(1, 5001))


def test_the_other_process_is_told_no_more_than_this_one(tmp_path):
    text = """
def predict(request):
    assert "output_tokens" not in request.features
    assert not hasattr(request, "output_tokens")
    return len(request.features)
"""
    samples = columns([call(features={"Output_Tokens": "900", "kept": "x"})])
    assert ask_base(checkout(tmp_path, text), samples=samples).predicted_output_tokens.tolist() == [1]


def test_the_other_process_leaves_the_environment_of_this_one(tmp_path):
    before = dict(os.environ), list(sys.path), set(sys.modules)
    ask_base(checkout(tmp_path, "os.environ['X_BASE'] = '1'\ndef predict(request): return 7"))
    assert (dict(os.environ), list(sys.path)) == before[:2]
    assert "far_estimator" not in sys.modules


@pytest.mark.parametrize("number", [2**31, 2**40, -(2**31) - 1])
def test_a_number_that_no_answer_can_be_is_refused_and_not_wrapped(tmp_path, number):
    lines = ['{"refused": null}', *[f'{{"predicted_output_tokens": {number}}}'] * len(SIX)]
    start = "import os, sys\nsys.stdout.write({!r})\nsys.stdout.flush()\nos._exit(0)".format("\n".join(lines) + "\n")
    checkout(tmp_path / "start", start, "sitecustomize")
    checkout(tmp_path / "base", "def predict(request): return 7")
    said = refusal(tmp_path / "base", search=[str(tmp_path / "start"), *sys.path])
    assert said == "its process wrote something else than its answers"
