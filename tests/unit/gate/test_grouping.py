"""What advice is grouped by, where calls name no category."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_token_telemetry.report import sections
from pytest_token_telemetry.report.words import headline
from pytest_token_telemetry.sample import Sample
from tests.unit.gate.cases import advice, ready, verdict

NO_REQUIREMENT = {f"require_{each}": "none" for each in ("categories", "complexities", "deliverables")}


def calls(n: int, output: int = 800, **fields: Any) -> list[Sample]:
    """Calls without a prediction or a label, each a token longer than the one before."""
    known = {"truncated": False, "max_tokens": 1000, **fields}
    return [Sample(output_tokens=output + place, **known) for place in range(n)]


@pytest.mark.parametrize(
    ("rows", "grouped_by", "names"),
    [
        (calls(30, model="m", operation="chat", category="docs"), "category", ["docs"]),
        (
            [*calls(30, model="m", operation="chat"), *calls(20, model="m", operation="embed")],
            "operation",
            ["chat", "embed"],
        ),
        ([*calls(30, model="m"), *calls(20, model="M"), *calls(19)], "model", ["m", "M", None]),
        (calls(30), "category", [None]),
        # one that names its category is enough
        ([*calls(30, model="m"), *calls(20, model="m", category="docs")], "category", [None, "docs"]),
    ],
)
def test_caps_are_grouped_by_what_calls_name(rows: list[Sample], grouped_by: str, names: list[str | None]) -> None:
    tuning = verdict(rows, **NO_REQUIREMENT).tuning
    assert tuning is not None
    assert (tuning.grouped_by, [each.name for each in tuning.max_tokens]) == (grouped_by, names)


def test_calls_of_a_v2_tree_are_grouped_by_category_though_they_name_none() -> None:
    rows = [
        Sample(
            predicted_output_tokens=1000, output_tokens=900, success=True, truncated=False, model="m", complexity="low"
        )
    ] * 30
    found = verdict(
        rows, tuning="tuning.json", require_categories="none", require_complexities="none", require_deliverables="none"
    )
    assert found.tuning is not None
    assert (found.tuning.grouped_by, [each.name for each in found.tuning.categories]) == ("category", [None])


def test_unlabelled_predictions_are_multiplied_by_model() -> None:
    rows = [
        Sample(predicted_output_tokens=1000, output_tokens=output, success=True, truncated=False, model=model)
        for model, output in (("small", 900), ("large", 1200))
        for _ in range(40)
    ]
    assert advice(verdict(rows))[0].startswith("Multiply the predictions in large by 1.20 (40 samples)")


def test_the_first_lines_and_titles_say_it() -> None:
    # the 20th of 20 calls has 819 tokens, the 29th of 30 at 5% risk: 31 - floor(31 / 20) = 30th, 829
    found = verdict([*calls(30, model="m"), *calls(20, model="n")])
    assert headline(found).endswith(
        " No prediction in the data: the caps were judged. The data names no kind of work, so no mix"
        " is required (20 samples to judge by and 149 to prove the target of truncation); advice is grouped by model."
    )
    assert advice(found)[-1] == (
        "No cap (max_tokens) to suggest yet: m: needs 49 calls, has 30; n: needs 49 calls, has 20."
    )
    loose = verdict([*calls(30, model="m"), *calls(20, model="n")], max_truncation="5%")  # what the gate passes
    assert advice(loose)[-1] == "Caps (max_tokens) by risk of truncation: m: 830 at 5%; n: 820 at 5%."
    (section,) = (each for each in sections.details(found) if each.title == "Tuning advice")
    assert section.tables[-1].columns[-1] == "model"


def test_calls_that_name_a_complexity_alone_are_grouped_by_model_too() -> None:
    rows = [*calls(30, model="m", complexity="low"), *calls(20, model="n", complexity="low")]
    found = verdict(rows, **NO_REQUIREMENT)
    assert headline(found).endswith(" No category is named; advice is grouped by model.")


def test_what_was_cut_off_is_named_by_model() -> None:
    rows = [*calls(60, model="m"), *calls(6, 1000, model="n", truncated=True)]
    where = "Raise the cap (max_tokens) where calls were truncated: n 6 of 6."
    how_far = "How far is unknown: double it for some calls, then collect and tune again."
    assert f"{where} {how_far}" in advice(verdict(rows))


def test_data_with_categories_says_nothing_of_groups() -> None:
    assert "grouped" not in headline(verdict(ready(27)))
