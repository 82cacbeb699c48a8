"""What an estimator is told: everything that was known before the call, and nothing of how it ended."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from pytest_token_telemetry.replay.request import OUTCOMES, Request, tells_outcome
from pytest_token_telemetry.replay.run import requests
from pytest_token_telemetry.sample import Sample
from tests.unit.gate.cases import call, columns

BEFORE = {"predicted_output_tokens", "category", "complexity", "deliverable_count", "task_id", "model", "features"}
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
        features={"language": "python"},
    )
    assert request_of(sample) == Request(
        predicted_output_tokens=1000,
        category="docs",
        complexity="high",
        deliverable_count=3,
        task_id="phase-7",
        model="some-model",
        features={"language": "python"},
    )


def test_what_nobody_said_is_none():
    made = request_of(call(category=None, complexity=None, deliverable_count=None))
    assert (made.category, made.complexity, made.deliverable_count, made.task_id, made.model) == (None,) * 5
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
