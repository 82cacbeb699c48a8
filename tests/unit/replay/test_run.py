"""An estimator asked about many calls, in this process."""

from __future__ import annotations

import numpy as np

from pytest_token_telemetry import CannotReplay
from pytest_token_telemetry.replay.run import ERRORS_KEPT, Estimates, replay
from pytest_token_telemetry.samples import UNKNOWN
from tests.unit.gate.cases import call, columns

SIX = columns([call(1000 + row, features={"row": str(row)}) for row in range(6)])


def every(samples):
    return np.arange(len(samples))


def double(request):
    return request.predicted_output_tokens * 2


def shown(estimates: Estimates) -> dict[str, object]:
    return {
        "predicted": estimates.predicted_output_tokens.tolist(),
        "budgets": estimates.budget_tokens.tolist(),
        "cannot": estimates.cannot,
        "wrong": estimates.wrong,
        "errors": estimates.errors,
    }


def test_every_call_has_its_prediction_in_its_row():
    assert shown(replay(SIX, every(SIX), double)) == {
        "predicted": [2000, 2002, 2004, 2006, 2008, 2010],
        "budgets": [UNKNOWN] * 6,
        "cannot": 0,
        "wrong": 0,
        "errors": (),
    }


def test_a_call_that_was_not_asked_about_has_no_prediction():
    asked = []

    def estimator(request):
        asked.append(request.features["row"])
        return 1, 2

    found = replay(SIX, np.array([1, 4]), estimator)
    assert asked == ["1", "4"]
    assert found.predicted_output_tokens.tolist() == [UNKNOWN, 1, UNKNOWN, UNKNOWN, 1, UNKNOWN]
    assert found.budget_tokens.tolist() == [UNKNOWN, 2, UNKNOWN, UNKNOWN, 2, UNKNOWN]


def test_answers_of_every_kind_are_told_apart():
    answers = iter([900, (900, 4096), None, -1, CannotReplay(), ValueError("no")])

    def estimator(request):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert shown(replay(SIX, every(SIX), estimator)) == {
        "predicted": [900, 900, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN],
        "budgets": [UNKNOWN, 4096, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN],
        "cannot": 1,
        "wrong": 3,
        "errors": (
            (2, "the prediction is NoneType, not a number"),
            (3, "the prediction is negative: -1"),
            (5, f"test_run.py:{estimator.__code__.co_firstlineno + 3}: ValueError: no"),
        ),
    }


def test_all_wrong_answers_are_counted_and_the_first_ten_kept():
    samples = columns([call()] * 25)
    found = replay(samples, every(samples), lambda request: None)
    assert (found.wrong, [row for row, _ in found.errors]) == (25, list(range(10)))
    assert ERRORS_KEPT == 10


def test_a_replay_of_nothing_is_nothing():
    nothing = columns([])
    assert shown(replay(nothing, every(nothing), double)) == {
        "predicted": [],
        "budgets": [],
        "cannot": 0,
        "wrong": 0,
        "errors": (),
    }


def test_a_feature_that_is_a_flag_is_one_and_all_else_is_text():
    asked = []

    def estimator(request):
        asked.append(dict(request.features))
        return 1

    samples = columns([call(features={"big": "False", "deep": "true", "n": "5", "word": "falsely"})])
    replay(samples, np.arange(1), estimator)
    assert asked == [{"big": False, "deep": True, "n": "5", "word": "falsely"}]
