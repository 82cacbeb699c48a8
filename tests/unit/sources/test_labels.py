"""The prediction and the labels of a call, as a request's metadata carries them."""

from __future__ import annotations

import pytest

from pytest_token_telemetry.sources.labels import labels_of


@pytest.mark.parametrize(
    ("metadata", "labels"),
    [
        ({"predicted_output_tokens": 12, "category": "docs"}, {"predicted_output_tokens": 12, "category": "docs"}),
        ({"token_telemetry.predicted.output_tokens": "12"}, {"predicted_output_tokens": "12"}),
        ({"token_telemetry.budget.output_tokens": 9, "selected_budget": 8}, {"budget_tokens": 8}),
        ({"token_telemetry.max_tokens": 64, "max_tokens": 5, "model": "x", "id": "y"}, {"max_tokens": 64}),
        ({"task_id": 7, "token_telemetry.success": "True"}, {"task_id": "7", "success": True}),
        ({"success": False, "deliverables": 3}, {"success": False, "deliverable_count": 3}),
        ({"token_telemetry.feature.files": 3, "feature.x": 1}, {"features": {"files": 3}}),
        (["category=docs", "token_telemetry.task_id=a=b", "User-Agent: x", 3], {"category": "docs", "task_id": "a=b"}),
        ({"category": ["docs"], "complexity": None, "task_id": "", 3: 4}, {}),
        ({"category": "d" * 300}, {"category": "d" * 256}),
        ("category=docs", {}),
        (None, {}),
    ],
)
def test_labels_have_the_names_of_our_fields(metadata: object, labels: dict[str, object]) -> None:
    assert labels_of(metadata) == labels
