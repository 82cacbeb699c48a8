"""Samples that a plugin relabels or drops."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from pytest_token_telemetry import Drop, Sample
from pytest_token_telemetry.gate.findings import MOST_DROPS
from pytest_token_telemetry.report import json_file, untrusted_file
from pytest_token_telemetry.report import notes as report_notes
from pytest_token_telemetry.session.changed_samples import changed_samples
from pytest_token_telemetry.sources.changed import changed, relabelled
from pytest_token_telemetry.text import plain
from tests.unit.gate.cases import call, judge, notes, reading, ready, settings


def by_category(found):
    return {each.name: each.attempts for each in found.strata.category}


def test_dropped_samples_are_in_no_figure_and_are_counted_by_reason():
    """20 of 60 take no part: 15 cut-off ones, which alone would fail the truncation check, and 5 others."""
    read = reading([*ready(40), *(call(truncated=True, model="fake") for _ in range(15)), *ready(5, model="slow")])
    assert judge(read, settings()).verdict == "tune"
    why = {"fake": Drop("no real model"), "slow": Drop("## odd\n::error")}
    found = judge(changed(read, lambda sample, _: why.get(sample.model, sample)), settings())
    assert (found.verdict, found.counts.samples, found.metrics.truncation.events) == ("pass", 40, 0)
    assert found.counts.dropped == {"no real model": 15, "## odd\\u000a::error": 5}
    assert sum(file.samples for file in found.sources) == 40
    assert sum(each.dropped for each in found.sources) == 20
    (note,) = [each for each in notes(found) if "dropped" in each]
    assert note.startswith("20 samples dropped by a plugin and not judged: 15 as no real model; 5 as ")


def test_relabelled_samples_are_judged_by_their_new_labels():
    read = reading([*ready(30, category="documentation"), *ready(30, category="tests")])
    names = {"documentation": "docs", "tests": None}
    found = judge(
        changed(read, lambda sample, _: replace(sample, category=names[sample.category], deliverable_count=300)),
        settings(),
    )
    assert by_category(found) == {"docs": 30, None: 30}
    assert found.counts.relabelled == 60
    assert "60 samples judged by labels that a plugin gave." in notes(found)


def test_what_stays_is_the_same_sample_in_every_field():
    read = reading([*ready(9), call(time=None, features={"a": "b"}, budget_tokens=7), *ready(3)])
    seen = []
    same = changed(read, lambda sample, place: seen.append(place) or sample)
    assert judge(same, settings()).checks == judge(read, settings()).checks
    assert same.samples.features == read.samples.features
    assert (same.files, same.relabelled, same.dropped) == (read.files, 0, {})
    assert seen == [read.place(read.samples, row) for row in range(13)]


def test_without_a_plugin_no_sample_is_looked_at(pytestconfig):
    read = reading(ready(3))
    assert changed_samples(pytestconfig, read) is read


def test_the_poster_takes_a_report_of_dropped_samples_of_many_reasons():
    read = reading(ready(60 + 70))
    numbers = iter(range(130))
    found = judge(
        changed(read, lambda sample, _: Drop(f"reason {n}") if (n := next(numbers)) >= 60 else sample), settings()
    )
    assert len(found.counts.dropped) == MOST_DROPS
    assert found.counts.dropped["21 other reasons"] == 21  # 49 are listed, and 70 - 49 are not
    again = untrusted_file.from_json(json_file.render(found).encode())
    assert [plain(each) for each in report_notes.notes(again)] == notes(found)


BEFORE = Sample(predicted_output_tokens=900, output_tokens=850, category="docs")


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (True, TypeError, 'bool is not an answer (give the Sample, Drop("why") or None)'),
        (Drop, TypeError, 'Drop is not an answer (give the Sample, Drop("why") or None)'),
        (Drop(None), TypeError, 'Drop is not an answer (give the Sample, Drop("why") or None)'),
        (replace(BEFORE, output_tokens=1), ValueError, "output_tokens cannot be changed, as it was measured"),
        (replace(BEFORE, truncated=False), ValueError, "truncated cannot be changed, as it was measured"),
        (replace(BEFORE, category=5), TypeError, "category: 5 is not a text"),
        (replace(BEFORE, deliverable_count=-1), ValueError, "deliverable_count: -1 is not between 0 and"),
        (replace(BEFORE, success=1), TypeError, "success: 1 is not True, False or None"),
    ],
)
def test_an_answer_that_is_none_is_refused(answer, error, said):
    with pytest.raises(error, match=re.escape(said)):
        relabelled(BEFORE, answer)


def test_an_answer_is_as_a_line_would_have_it():
    answer = relabelled(BEFORE, replace(BEFORE, category="\ud800", success=True))
    assert json.loads(json.dumps(answer.category)) == "\\ud800"
    assert answer.success is True
    assert relabelled(BEFORE, None) is BEFORE
