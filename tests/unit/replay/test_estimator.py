"""What an estimator is told and what it may answer: nothing of how the call ended, and tokens or an error."""

from __future__ import annotations

import json
from collections import namedtuple
from dataclasses import FrozenInstanceError, fields
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_token_telemetry import CannotReplay
from pytest_token_telemetry.replay.estimator import OUTCOMES, Answer, Request, ask, read, tells_outcome
from pytest_token_telemetry.replay.run import requests
from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.text import LONGEST_REASON, raised
from tests.unit.gate.cases import call, columns

BEFORE = {
    "predicted_output_tokens",
    "category",
    "complexity",
    "deliverable_count",
    "task_id",
    "model",
    "operation",
    "features",
}
"""What is known before a call is made, by the names of `Sample`."""

OUTCOME_FIELDS = {
    *("output_tokens", "success", "truncated", "truncation_source", "finish_reason", "finish_reason_raw", "smape"),
}

PROVIDERS = [
    "completion_tokens",  # OpenAI, LiteLLM
    "completionTokens",
    "output_tokens",  # Anthropic, OpenAI's Responses
    "outputTokens",  # Bedrock
    "gen_ai.usage.output_tokens",  # OpenTelemetry
    "gen_ai.response.finish_reasons",
    "candidates_token_count",  # Gemini
    "candidatesTokenCount",
    "thoughts_token_count",
    "eval_count",  # Ollama
    "done_reason",
    "stop_reason",  # Anthropic
    "stopReason",
    "finish_reason",
    "total_tokens",
    "reasoning_tokens",
]

ORIGIN = ["actual_output", "actual_output_tokens", "actual_total", "utilization", "total", "waste_ratio", "smape"]


def request_of(sample: Sample) -> Request:
    (made,) = requests(columns([sample]), np.array([0]))
    return made


def test_everything_that_was_known_before_the_call_is_told():
    sample = call(
        1000,
        900,
        category="docs",
        complexity="high",
        deliverable_count=3,
        task_id="phase-7",
        model="some-model",
        operation="summarise",
        features={"language": "python"},
    )
    assert request_of(sample) == Request(
        predicted_output_tokens=1000,
        category="docs",
        complexity="high",
        deliverable_count=3,
        task_id="phase-7",
        model="some-model",
        operation="summarise",
        features={"language": "python"},
    )


def test_what_nobody_said_is_none():
    made = request_of(call(None, category=None, complexity=None, deliverable_count=None))
    assert (made.category, made.complexity, made.deliverable_count, made.task_id, made.model) == (None,) * 5
    assert (made.predicted_output_tokens, made.operation) == (None, None)
    assert (made.features, made.deliverables) == ({}, ())


def test_a_request_has_no_field_that_was_not_known_before_the_call():
    assert {field.name for field in fields(Request)} == BEFORE


@pytest.mark.parametrize("name", sorted(({field.name for field in fields(Sample)} - BEFORE) | OUTCOMES))
def test_nothing_else_of_a_sample_is_an_attribute_of_its_request(name):
    assert not hasattr(request_of(call()), name)


def test_no_attribute_holds_an_outcome():
    sample = call(
        1000,
        777_777,
        finish_reason="length",
        finish_reason_raw="ZQX",
        truncation_source="ZQX",
        run="ZQX",
        features={"output_tokens": "777777", "hint": "kept"},
    )
    made = request_of(sample)
    shown = repr({name: getattr(made, name) for name in dir(made) if not name.startswith("__")})
    assert "kept" in shown
    assert not any(outcome in shown for outcome in ("777777", "ZQX", "length"))


def test_an_estimator_cannot_hang_anything_on_a_request():
    made = request_of(call())
    with pytest.raises(FrozenInstanceError):
        made.predicted_output_tokens = 5
    with pytest.raises((AttributeError, TypeError)):
        object.__setattr__(made, "output_tokens", 900)


@pytest.mark.parametrize("name", sorted(OUTCOME_FIELDS | OUTCOMES) + PROVIDERS + ORIGIN)
def test_a_feature_that_tells_the_outcome_is_dropped_however_it_is_spelled(name):
    camel = "".join(part.title() for part in name.split("_"))
    spellings = [name, name.upper(), name.title(), camel, name.replace("_", "-"), f"usage.{name}"]
    assert all(map(tells_outcome, [*spellings, f"{name}."]))
    assert request_of(call(features=dict.fromkeys([*spellings, "kept"], "900"))).features == {"kept": "900"}


@pytest.mark.parametrize(
    "name",
    [
        *("language", "input_tokens", "prompt_tokens", "context_files", "deliverables", "deliverable_count", "retries"),
        *("max_tokens", "budget", "temperature", "predicted_output", "outputs_wanted", "error_handling", "totals", ""),
        *("gen_ai.request.model", "."),
    ],
)
def test_a_feature_that_was_known_before_the_call_stays(name):
    assert request_of(call(features={name: "x"})).features == {name: "x"}


def test_deliverables_come_from_the_feature_that_lists_them():
    made = request_of(call(features={"deliverables": "src/a.py, src/b.py,,README.md "}))
    assert made.deliverables == ("src/a.py", "src/b.py", "README.md")


def test_requests_are_those_of_the_rows_in_their_order():
    samples = columns([call(1000 + row, features={"row": str(row)}) for row in range(4)])
    made = list(requests(samples, np.array([3, 1])))
    assert [(each.predicted_output_tokens, each.features["row"]) for each in made] == [(1003, "3"), (1001, "1")]


def test_what_an_estimator_does_to_the_features_stays_with_it():
    samples = columns([call(features={"language": "python"})])
    next(requests(samples, np.array([0]))).features.clear()
    assert samples.features == {0: {"language": "python"}}


# Answers

REQUEST = Request(predicted_output_tokens=1000)
MOST = 10**9


def raising(error):
    def estimator(request):
        raise error

    return estimator


@pytest.mark.parametrize(
    ("answer", "tokens"),
    [
        (900, 900),
        (0, 0),
        (900.0, 900),
        (900.999, 900),
        (0.5, 0),
        (-0.0, 0),
        (MOST, MOST),
        (np.int8(7), 7),
        (np.int64(900), 900),
        (np.uint16(65535), 65535),
        (np.float16(900.0), 900),
        (np.float32(900.75), 900),
        (np.float64(900.75), 900),
        (np.array(900), 900),
        (np.array([900.5]), 900),
    ],
)
def test_a_number_is_a_prediction_without_its_fraction(answer, tokens):
    assert read(answer) == Answer(tokens)


def test_a_prediction_is_a_plain_integer_whatever_it_came_as():
    for answer in (True + 899, 900.0, np.int64(900), np.float64(900.0)):
        assert type(read(answer).predicted_output_tokens) is int


@pytest.mark.parametrize(
    "pair", [(900, 4096), [900, 4096], (900.7, 4096.7), (np.float64(900.5), np.int64(4096)), np.array([900, 4096])]
)
def test_a_pair_is_a_prediction_and_a_budget(pair):
    assert read(tuple(pair) if isinstance(pair, np.ndarray) else pair) == Answer(900, 4096)


def test_a_named_pair_is_a_pair():
    assert read(namedtuple("Estimate", "tokens budget")(900, 4096)) == Answer(900, 4096)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "the prediction is NoneType, not a number"),
        (True, "the prediction is bool, not a number"),
        (np.True_, "the prediction is bool, not a number"),
        ("900", "the prediction is str, not a number"),
        (b"900", "the prediction is bytes, not a number"),
        (np.str_("900"), "the prediction is str, not a number"),
        (900 + 0j, "the prediction is complex, not a number"),
        (Decimal(900), "the prediction is Decimal, not a number"),
        ({"tokens": 900}, "the prediction is dict, not a number"),
        ({900}, "the prediction is set, not a number"),
        (CannotReplay, "the prediction is type, not a number"),
        (float("nan"), "the prediction is nan"),
        (np.float32("nan"), "the prediction is nan"),
        (float("inf"), "the prediction is inf"),
        (float("-inf"), "the prediction is -inf"),
        (-1, "the prediction is negative: -1"),
        (-0.5, "the prediction is negative: -0.5"),
        (np.int64(-3), "the prediction is negative: -3"),
        (MOST + 1, "the prediction is too large: 1000000001"),
        (1e30, "the prediction is too large: 1e+30"),
        pytest.param(10**5000, "the prediction is too large", id="too large to be written"),
        pytest.param(-(10**5000), "the prediction is negative", id="too low to be written"),
        ((None, 4096), "the prediction is NoneType, not a number"),
        ((900, "4096"), "the budget is str, not a number"),
        ((900, True), "the budget is bool, not a number"),
        ((900, -1), "the budget is negative: -1"),
        ((900, 0), "the budget is 0, and no call fits into it"),
        ((900, 0.055), "the budget is 0.055, and no call fits into it"),
        ((900, float("inf")), "the budget is inf"),
        ((), "0 values instead of a prediction, or a prediction and a budget"),
        ((900,), "1 value instead of a prediction, or a prediction and a budget"),
        ([900, 4096, 8192], "3 values instead of a prediction, or a prediction and a budget"),
        (((900, 4096), 8192), "the prediction is tuple, not a number"),
    ],
)
def test_what_is_no_number_of_tokens_is_an_error(answer, reason):
    assert read(answer) == Answer(error=reason)


def test_an_estimator_may_pick_no_budget_for_a_call():
    assert read((900, None)) == Answer(900)


def test_an_array_of_several_predictions_is_an_error():
    found = ask(lambda request: np.array([900, 4096]), REQUEST)
    assert found.predicted_output_tokens is None
    assert found.error is not None


@given(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.complex_numbers() | st.decimals()
    | st.lists(st.integers() | st.floats() | st.none(), max_size=4)
    | st.dictionaries(st.text(), st.integers(), max_size=2)
)  # fmt: skip
def test_whatever_is_returned_is_tokens_or_an_error(value):
    found = ask(lambda request: value, REQUEST)
    tokens = [each for each in (found.predicted_output_tokens, found.budget_tokens) if each is not None]
    assert all(type(each) is int and 0 <= each <= MOST for each in tokens)
    assert (found.error is None) == bool(tokens)
    assert not found.cannot


def test_an_estimator_is_asked_with_the_request():
    assert ask(lambda request: request.predicted_output_tokens * 2, REQUEST) == Answer(2000)


@pytest.mark.parametrize("error", [CannotReplay, CannotReplay("no deliverables"), type("Mine", (CannotReplay,), {})])
def test_an_estimator_may_say_that_it_cannot_replay_a_call(error):
    assert ask(raising(error), REQUEST) == Answer(cannot=True)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("docs"), "KeyError: 'docs'"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (ValueError("two\nlines\tof  it"), "ValueError: two lines of it"),
        (NotImplementedError(), "NotImplementedError"),
        (RecursionError("deep"), "RecursionError: deep"),
        (SystemExit(0), "SystemExit: 0"),
        (SystemExit(), "SystemExit"),
        (GeneratorExit(), "GeneratorExit"),
        (pytest.skip.Exception("not today"), "Skipped: not today"),
        (pytest.exit.Exception("enough"), "Exit: enough"),
        (BaseExceptionGroup("both", [SystemExit(0), ValueError("x")]), "BaseExceptionGroup: both (2 sub-exceptions)"),
    ],
)
def test_an_exception_is_an_error_in_one_line(error, reason):
    line = raising.__code__.co_firstlineno + 2
    assert ask(raising(error), REQUEST) == Answer(error=f"test_estimator.py:{line}: {reason}")


def test_the_place_is_the_last_line_outside_of_libraries():
    def estimator(request):
        return json.loads("{")

    line = estimator.__code__.co_firstlineno + 1
    assert ask(estimator, REQUEST).error.startswith(f"test_estimator.py:{line}: JSONDecodeError: ")


def test_a_call_that_python_refuses_has_no_place():
    assert ask(lambda: 1, REQUEST).error.startswith("TypeError: ")


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (lambda request: request.predicted_output_tokens, "it answered None"),
        (
            lambda request: round(request.predicted_output_tokens * 1.2),
            "PLACE: TypeError: unsupported operand type(s) for *: ",
        ),
        (
            lambda request: max(request.predicted_output_tokens, 9),
            "PLACE: TypeError: '>' not supported between instances of ",
        ),
    ],
)
def test_an_estimator_that_starts_from_the_recorded_prediction_is_told_that_there_is_none(estimator, reason):
    answer = ask(estimator, request_of(call(None)))
    assert answer.predicted_output_tokens is None
    reason = reason.replace("PLACE", f"test_estimator.py:{estimator.__code__.co_firstlineno}")
    assert f"{answer.error}\n".startswith(f"the recorded call has no prediction to start from: {reason}")
    assert ask(estimator, request_of(call(100))).error is None


def test_an_estimator_that_fails_for_another_reason_is_told_that_reason():
    def estimator(request):
        raise ValueError("docs is no category")

    place = f"test_estimator.py:{estimator.__code__.co_firstlineno + 1}"
    assert ask(estimator, request_of(call(None))) == Answer(error=f"{place}: ValueError: docs is no category")


def test_ctrl_c_stops_the_replay():
    with pytest.raises(KeyboardInterrupt):
        ask(raising(KeyboardInterrupt()), REQUEST)


def test_a_long_text_of_an_exception_is_cut():
    assert raised(ValueError("x" * 10_000)) == f"ValueError: {'x' * (LONGEST_REASON - 12)}"


def test_an_exception_without_a_readable_text_is_named():
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError

    assert ask(raising(MuteError()), REQUEST).error.endswith(": MuteError")


def test_an_answer_that_breaks_when_it_is_read_is_an_error():
    class Broken:
        def item(self):
            raise RuntimeError("a tensor of two elements")

    place = f"test_estimator.py:{Broken.item.__code__.co_firstlineno + 1}"
    assert ask(lambda request: Broken(), REQUEST) == Answer(error=f"{place}: RuntimeError: a tensor of two elements")
