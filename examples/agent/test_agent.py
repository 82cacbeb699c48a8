"""The agent does its tasks, and each call that it makes is recorded."""

from __future__ import annotations

from itertools import product

import pytest
from agent import Client, Task, pick_max_tokens, predict_output_tokens

from pytest_token_telemetry import TokenTelemetry

TASKS = [
    Task(category, complexity, count, name=f"{category}-{complexity}-{count}")
    for category, complexity, count in product(
        ("implementation", "tests", "docs"), ("low", "medium", "high"), (1, 3, 5, 8)
    )
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_agent_writes_every_file(task: Task, client: Client, token_telemetry: TokenTelemetry) -> None:
    predicted = predict_output_tokens(task.category, task.complexity, task.deliverable_count)
    cap = pick_max_tokens(predicted)
    with token_telemetry.call(
        predicted_output_tokens=predicted,
        max_tokens=cap,
        category=task.category,
        complexity=task.complexity,
        deliverable_count=task.deliverable_count,
        task_id=task.name,
    ) as call:
        call.response = message = client.message(task.prompt, cap)
        files = message["content"][0]["text"].splitlines()
        assert len(files) == task.deliverable_count  # in the block: if this fails, the call is one without success


@pytest.mark.token_telemetry(category="tests", complexity="low", deliverable_count=1, max_truncation="0%")
def test_no_test_of_a_small_function_is_cut_off(client: Client, token_telemetry: TokenTelemetry) -> None:
    predicted = predict_output_tokens("tests", "low", 1)
    cap = pick_max_tokens(predicted)
    for name in ("slugify", "is_prime", "chunk"):
        completion = client.chat(Task("tests", "low", 1, name).prompt, cap)
        written = completion["choices"][0]["message"]["content"]
        token_telemetry.observe(
            completion,
            predicted_output_tokens=predicted,
            max_tokens=cap,
            success=written == "# file 1 of 1",
            task_id=name,
        )
