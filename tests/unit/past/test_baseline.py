"""The baseline: what it keeps, which samples are new to it, and its file, read as it was written or refused."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections import Counter
from dataclasses import fields, replace
from datetime import datetime
from fractions import Fraction
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.analysis.drift import Summary, drift, summaries
from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.analysis.populations import judged
from pytest_token_telemetry.analysis.strata import labels
from pytest_token_telemetry.analysis.stratified import LogRatios
from pytest_token_telemetry.past import PastError
from pytest_token_telemetry.past.baseline import (
    FINGERPRINT_BYTES,
    Baseline,
    baseline_of,
    differences,
    new_rows,
    read,
    render,
    terms,
    write,
)
from pytest_token_telemetry.sample import FIELDS, Sample
from pytest_token_telemetry.settings import DEFAULT_ALIASES
from tests.unit.gate.cases import call, columns, cut_off, reading, ready, settings
from tests.unit.test_samples import BARE, FULL

NOON = datetime(2026, 1, 2, 12)

flags = st.sampled_from([True, False, None])
names = st.none() | st.sampled_from(["docs", "DOCS", "documentation", "tests", "値", "\ud800", ""])

samples = st.builds(
    Sample,
    predicted_output_tokens=st.none() | st.integers(0, 4) | st.integers(1, 10**9),
    output_tokens=st.integers(0, 4) | st.integers(1, 10**9),
    budget_tokens=st.none() | st.integers(1, 3),
    truncated=flags,
    success=flags,
    legacy=st.booleans(),
    category=names,
    complexity=names,
    deliverable_count=st.none() | st.integers(1, 3),
    task_id=names,
    time=st.none() | st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 3)),
)


def kept(rows, **written):
    return baseline_of(reading(list(rows)), settings(**written))


def new(rows, known):
    return new_rows(columns(list(rows)), known).tolist()


# What is kept


def test_the_figures_of_every_category_are_kept():
    # docs: 3 judged, 2 of them underestimated (1200 > 1000, and one cut off); 3 attempts, 1 truncated
    rows = [
        call(1000, 500, category="docs"),
        call(1000, 1200, category="docs"),
        cut_off(1000, 8192, category="docs"),
        call(1000, 1000, category="tests"),
        call(1000, 1000),
    ]
    found = kept(rows).strata
    assert set(found) == {"docs", "tests", "implementation"}
    assert found["docs"] == Summary(
        Share(2, 3),
        Share(1, 3),
        # ln(0.5) = -0.6931, ln(1.2) = 0.1823, ln(8.192) = 2.1032
        LogRatios((-69, 18, 210), (1, 1, 1)),
    )
    assert found["tests"] == Summary(Share(0, 1), Share(0, 1), LogRatios((0,), (1,)))


def test_calls_that_name_no_category_are_a_stratum_of_their_own():
    assert set(kept([call(category=None), call(category="docs")]).strata) == {None, "docs"}


def test_spellings_of_one_category_are_one_stratum():
    rows = [call(category=name) for name in ("docs", "Documentation", "DOCS")]
    found = kept(rows).strata
    assert {name: summary.underestimation.n for name, summary in found.items()} == {"docs": 3}


def test_nothing_is_kept_of_nothing():
    found = kept([])
    assert (found.strata, found.fingerprints, found.newest, found.samples) == ({}, (), None, 0)


def test_the_newest_time_is_kept_and_no_other():
    rows = [call(time=NOON.replace(hour=hour)) for hour in (3, 9, 6)]
    assert kept([*rows, call()]).newest == "2026-01-02T09:00:00.000000"


def test_no_newest_time_is_kept_where_no_call_has_one():
    assert kept([call()]).newest is None


def test_the_terms_are_those_of_the_settings():
    found = terms(settings(population="success", under_multiplier="1.1", alias=["z=docs", "a=docs"]))
    assert (found.population, found.under_multiplier) == ("success", "1.1")
    assert found.quantile_method == "hyndman-fan-6"
    assert list(found.alias.items()) == sorted({**dict(DEFAULT_ALIASES), "z": "docs", "a": "docs"}.items())


def counted(rows, population):
    """The same by plain counting, as the vocabulary has it."""
    found = {}
    for row in rows:
        cut = row.truncated is True
        predicts = row.predicted_output_tokens is not None
        exceeds = predicts and row.output_tokens > row.predicted_output_tokens
        if population == "risk":
            at_risk = predicts and ((row.success is True and row.output_tokens > 0) or cut)
            under = at_risk and (cut or exceeds)
            attempt = not row.legacy and row.truncated is not None
        else:
            at_risk = predicts and (row.success is True if population == "success" else True)
            under = at_risk and exceeds
            attempt = at_risk and not row.legacy
        name = row.category and {"documentation": "docs"}.get(row.category.lower(), row.category.lower())
        events = found.setdefault(name, [0, 0, 0, 0, Counter()])
        events[0] += under
        events[1] += at_risk
        events[2] += attempt and cut
        events[3] += attempt
        if at_risk and row.predicted_output_tokens > 0 and row.output_tokens > 0:
            ratio = round(100 * log(row.output_tokens / row.predicted_output_tokens))
            events[4][max(-2100, min(2100, ratio))] += 1
    return {
        name: Summary(
            Share(under, at_risk),
            Share(cut, attempts),
            LogRatios(tuple(sorted(ratios)), tuple(ratios[bin_] for bin_ in sorted(ratios))),
        )
        for name, (under, at_risk, cut, attempts, ratios) in found.items()
    }


@pytest.mark.parametrize("population", ["risk", "success", "all"])
@limits(max_examples=60)
@given(rows=st.lists(samples, max_size=12))
def test_the_figures_are_those_of_plain_counting(population, rows):
    assert kept(rows, population=population).strata == counted(rows, population)


@given(st.lists(samples, max_size=8), st.data())
def test_only_the_rows_that_are_asked_for_are_summed_up(rows, data):
    chosen = data.draw(st.sets(st.sampled_from(range(len(rows)))) if rows else st.just(set()))
    made = columns(rows)
    named = labels(made, settings().alias)
    found = summaries(made, judged(made, "risk", Fraction(1)), named, np.array(sorted(chosen), dtype=int))
    assert found == kept([rows[row] for row in sorted(chosen)]).strata


def test_every_call_that_is_judged_is_in_some_stratum():
    rows = [call(category=name) for name in ("a", "b", None)] * 3
    assert sum(summary.underestimation.n for summary in kept(rows).strata.values()) == 9


# The same samples, the same bytes


@limits(max_examples=60)
@given(st.lists(samples, max_size=8).flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_the_same_samples_in_any_order_give_the_same_bytes(orders):
    one, other = orders
    assert render(kept(one)) == render(kept(other))


def test_a_place_or_a_feature_of_a_sample_leaves_no_trace():
    one = [call(run="run-1", features={"language": "python"})]
    other = [call(run="run-2", smape=3.0)]
    assert render(kept(one)) == render(kept(other))


def test_the_fingerprints_are_sorted_and_one_a_sample():
    fingerprints = kept([call(output=output) for output in range(50)] + [call(output=0)]).fingerprints
    assert list(fingerprints) == sorted(fingerprints)
    assert (len(fingerprints), len(set(fingerprints))) == (51, 50)
    assert {len(each) for each in fingerprints} == {FINGERPRINT_BYTES}


# Which samples are new

OTHER = {
    "predicted_output_tokens": 1001,
    "output_tokens": 901,
    "budget_tokens": 4096,
    "max_tokens": 4096,
    "finish_reason_raw": "end_turn",
    "truncated": True,
    "success": False,
    "category": "docs",
    "complexity": "high",
    "deliverable_count": 4,
    "task_id": "phase-7",
    "time": NOON,
    "model": "some-model",
}
"""Another value of every field that tells one sample from another."""


@pytest.mark.parametrize("name", OTHER)
def test_a_sample_that_differs_in_one_field_is_new(name):
    assert new([replace(call(), **{name: OTHER[name]})], kept([call()])) == [0]


@pytest.mark.parametrize("name", OTHER)
def test_a_field_that_nobody_said_differs_from_one_that_somebody_did(name):
    told = replace(call(), **{name: OTHER[name]})
    if OTHER[name] is not True and name != "output_tokens":
        assert new([replace(told, **{name: None})], kept([told])) == [0]


def test_the_fields_that_tell_samples_apart_are_all_but_the_places_and_what_follows_from_others():
    assert {name for name, field in FIELDS.items() if field.tells_apart} == set(OTHER)


def test_the_fingerprints_are_those_of_saved_baselines():
    """They are taken from version 0.1.0: with others, no saved baseline would know a sample again."""
    for operation in (None, "summarise"):  # which those do not know
        full = replace(FULL, deliverable_count=5, operation=operation)
        found = [fingerprint.hex() for fingerprint in kept([full, BARE]).fingerprints]
        assert found == ["4594d109c371044b", "b7182dc076b86897"]


def test_samples_that_are_in_the_baseline_are_not_new_wherever_they_stand():
    rows = [call(output=output) for output in range(9)]
    assert new(rows[::-1], kept(rows)) == []


def test_a_sample_among_those_of_the_baseline_is_new():
    assert new([call(output=1), call(output=2), call(output=3)], kept([call(output=3), call(output=1)])) == [1]


def test_of_equal_samples_as_many_are_new_as_there_are_more():
    assert new([call()] * 5, kept([call()] * 3)) == [3, 4]
    assert new([call()] * 2, kept([call()] * 3)) == []


def test_names_that_would_run_into_one_another_tell_samples_apart():
    one = call(category="a", complexity="b', 'c")
    assert new([call(category="a', 'b", complexity="c")], kept([one])) == [0]


def test_all_is_new_to_a_baseline_of_nothing():
    assert new([call()] * 3, kept([])) == [0, 1, 2]


@limits(max_examples=60)
@given(st.lists(samples, max_size=6), st.lists(samples, max_size=6))
def test_what_is_new_and_what_was_known_are_all_there_is(old, added):
    found = new([*added, *old], kept(old))
    both = Counter(kept([*added, *old]).fingerprints)
    assert Counter(kept([[*added, *old][row] for row in found]).fingerprints) == both - Counter(kept(old).fingerprints)
    assert len(found) == len(added)


# Its file, as it is written


@pytest.fixture
def saved(tmp_path):
    """Write samples as a baseline under settings, and return its path."""

    def save(samples, **written):
        path = tmp_path / "out" / "baseline.json"
        write(baseline_of(reading(samples), settings(**written)), path)
        return path

    return save


def strata(path):
    return {stratum["name"]: stratum for stratum in json.loads(path.read_text())["strata"]}


def test_a_file_reads_as_a_table():
    rows = [call(1000, 1000, category="docs"), call(1000, 2000, category=None), cut_off(category="a")]
    lines = render(replace(kept(rows), terms=TERMS)).splitlines()
    assert lines[0] == "{"
    assert lines[1] == '  "schema": "token-telemetry-baseline/1",'
    assert lines[2] == (
        '  "terms": {"alias": {"documentation": "docs"}, "one_per_task": false, "population": "risk",'
        ' "quantile_method": "hyndman-fan-6", "under_multiplier": "1"},'
    )
    assert lines[3:6] == ['  "newest": null,', '  "samples": 3,', '  "strata": [']
    # ln 2 = 0.693, ln 8.192 = 2.103
    assert lines[6:9] == [
        '    {"name": null, "underestimation": [1, 1], "truncation": [0, 1],'
        ' "log_ratios": {"ticks": [69], "counts": [1]}},',
        '    {"name": "a", "underestimation": [1, 1], "truncation": [1, 1],'
        ' "log_ratios": {"ticks": [210], "counts": [1]}},',
        '    {"name": "docs", "underestimation": [0, 1], "truncation": [0, 1],'
        ' "log_ratios": {"ticks": [0], "counts": [1]}}',
    ]
    assert lines[9] == "  ],"
    assert lines[10].startswith('  "marks": "')
    assert lines[11:] == ["}"]


def test_a_stratum_is_a_line_whatever_its_name():
    names = ["a\nb", "\u2028", '"', "値", "\ud800", "x" * 300]
    text = render(kept([call(category=name) for name in names]))
    assert len([line for line in text.split("\n") if line.startswith("    {")]) == 6
    assert text.isascii()
    assert {each["name"] for each in json.loads(text)["strata"]} == set(names)


def test_a_new_call_changes_the_line_of_its_stratum_and_the_fingerprints():
    rows = [call(category=name) for name in ("a", "b", "c")]
    before, after = (render(kept(each)).splitlines() for each in (rows, [*rows, call(1, 9, category="b")]))
    changed = [one for one, other in zip(before, after, strict=True) if one != other]
    assert [line.split(":")[0].strip() for line in changed] == ['"samples"', '{"name"', '"marks"']


def test_no_strata_are_an_empty_list():
    assert '  "strata": [],' in render(kept([])).splitlines()


def test_no_path_no_task_and_no_model_stand_in_the_file():
    text = render(kept([call(task_id="ZQX-1", model="ZQX-2", run="ZQX-3", complexity="ZQX-4", features={"ZQX": "5"})]))
    assert "ZQX" not in text


def test_what_was_judged_is_saved(saved):
    assert strata(saved([*ready(27), cut_off(category="docs")]))["docs"]["truncation"] == [1, 10]  # 9 of 27, and 1


def test_a_saved_file_is_a_baseline(saved):
    assert read(saved(ready(60)), baseline_of(reading([]), settings()).terms).samples == 60


@pytest.mark.parametrize(
    ("population", "truncation", "underestimation"),
    [("risk", [1, 3], [2, 3]), ("success", [0, 2], [1, 2]), ("all", [1, 3], [2, 4])],
)
def test_the_population_is_the_one_that_is_judged(saved, population, truncation, underestimation):
    legacy = call(1000, 900, legacy=True, success=None, truncated=None)
    path = saved([call(), call(1000, 1200), cut_off(), legacy], population=population)
    assert strata(path)["implementation"]["truncation"] == truncation
    assert strata(path)["implementation"]["underestimation"] == underestimation


def test_spellings_are_folded(saved):
    assert set(strata(saved([call(category="documentation"), call(category="manual")], alias=("manual=docs",)))) == {
        "docs"
    }


def test_one_sample_a_task_is_saved_where_one_is_judged(saved):
    path = saved([call(task_id="a"), call(task_id="a"), call(task_id="b")], one_per_task="true")
    document = json.loads(path.read_text())
    assert (document["samples"], document["terms"]["one_per_task"]) == (2, True)


def test_the_same_samples_leave_the_file_as_it_was(saved):
    before = saved(ready(60)).read_bytes()
    assert saved(ready(60)[::-1]).read_bytes() == before


def test_a_baseline_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "occupied").write_text("")
    with pytest.raises(PastError, match=r"^could not be written: File exists$"):
        write(kept(ready(60)), tmp_path / "occupied" / "baseline.json")


def test_a_directory_is_no_place_for_a_baseline(tmp_path):
    with pytest.raises(PastError, match=r"^could not be written: Is a directory$"):
        write(kept(ready(60)), tmp_path)


# Its file, as it is read

ALIAS = {"documentation": "docs"}
TERMS = replace(terms(settings()), alias=ALIAS)
KNOWN = replace(
    kept([call(category="docs"), call(1000, 1200, category="docs"), cut_off(category="tests"), call(category=None)]),
    terms=TERMS,
)
TEXT = render(KNOWN)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("baseline")


def read_text(directory, text: str | bytes):
    path = directory / "baseline.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, TERMS)


def refusal(directory, text: str | bytes) -> str:
    with pytest.raises(PastError) as error:
        read_text(directory, text)
    return str(error.value)


def edited(**parts) -> str:
    return json.dumps({**json.loads(TEXT), **parts})


def with_stratum(**parts) -> str:
    document = json.loads(TEXT)
    document["strata"][1] |= parts
    return json.dumps(document)


def test_what_is_written_is_read_back(directory):
    assert read_text(directory, TEXT) == KNOWN


@limits(max_examples=60, deadline=None)
@given(rows=st.lists(samples, max_size=10))
def test_any_samples_come_back_as_they_went(directory, rows):
    made = replace(kept(rows), terms=TERMS)
    assert read_text(directory, render(made)) == made
    assert render(read_text(directory, render(made))) == render(made)


def test_a_file_that_was_laid_out_anew_is_the_same_baseline(directory):
    assert read_text(directory, json.dumps(json.loads(TEXT), indent=8)) == KNOWN


def test_no_file_is_no_baseline_and_no_error(tmp_path):
    assert read(tmp_path / "nowhere.json", TERMS) is None
    assert read(tmp_path / "nowhere" / "baseline.json", TERMS) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is not JSON"),
        ("hello", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        (TEXT[:-20], "is not JSON"),
        (f"<<<<<<< HEAD\n{TEXT}", "is not JSON"),
        ("9" * 5000, "is not JSON"),
        ("null", "is not a token-telemetry-baseline/1 file"),
        ("[]", "is not a token-telemetry-baseline/1 file"),
        ("{}", "is not a token-telemetry-baseline/1 file"),
        ('"token-telemetry-baseline/1"', "is not a token-telemetry-baseline/1 file"),
        (edited(schema="token-telemetry-baseline/2"), "is not a token-telemetry-baseline/1 file"),
        (edited(schema="token-telemetry-report/1"), "is not a token-telemetry-baseline/1 file"),
        (edited(schema=["token-telemetry-baseline/1"]), "is not a token-telemetry-baseline/1 file"),
    ],
    ids=range(14),
)
def test_what_is_no_baseline_is_refused(directory, text, sentence):
    assert refusal(directory, text) == sentence


@pytest.mark.parametrize(
    "text",
    [
        edited(terms=None),
        edited(terms={}),
        edited(terms={**json.loads(TEXT)["terms"], "population": 5}),
        edited(terms={**json.loads(TEXT)["terms"], "alias": []}),
        edited(terms={**json.loads(TEXT)["terms"], "alias": {"a": None}}),
        edited(terms={**json.loads(TEXT)["terms"], "one_per_task": "no"}),
        edited(newest=5),
        edited(samples=None),
        edited(samples=3),  # there are four fingerprints
        edited(samples=True),
        edited(strata=None),
        edited(strata={}),
        edited(strata=["docs"]),
        edited(strata=json.loads(TEXT)["strata"] * 2),
        edited(marks=None),
        edited(marks=json.loads(TEXT)["marks"][:-4]),
        edited(marks=json.loads(TEXT)["marks"] + "\n"),
        edited(marks="ä" * 44),
        edited(marks=b64encode(b"bbbbbbbbaaaaaaaaccccccccdddddddd").decode()),
        with_stratum(name=5),
        with_stratum(name=None),  # there is another one
        with_stratum(underestimation=[3, 2]),
        with_stratum(underestimation=[-1, 2]),
        with_stratum(underestimation=[1, 2, 3]),
        with_stratum(underestimation=[1]),
        with_stratum(underestimation=[1.0, 2]),
        with_stratum(underestimation=[True, 2]),
        with_stratum(underestimation=["1", 2]),
        with_stratum(underestimation=[0, 10**13]),
        with_stratum(underestimation=[1, 4]),  # the others have one each: five samples with four fingerprints
        with_stratum(truncation=[0, 4]),
        with_stratum(truncation=None),
        with_stratum(log_ratios=None),
        with_stratum(log_ratios={"ticks": [1], "counts": []}),
        with_stratum(log_ratios={"ticks": [2, 1], "counts": [1, 1]}),
        with_stratum(log_ratios={"ticks": [1, 1], "counts": [1, 1]}),
        with_stratum(log_ratios={"ticks": [1], "counts": [0]}),
        with_stratum(log_ratios={"ticks": [1], "counts": [-1]}),
        with_stratum(log_ratios={"ticks": [1.5], "counts": [1]}),
        with_stratum(log_ratios={"ticks": [10**6], "counts": [1]}),  # e to the 10,000th
        with_stratum(log_ratios={"ticks": [-2101], "counts": [1]}),
        with_stratum(log_ratios={"ticks": [1], "counts": [4]}),
    ],
    ids=range(42),
)
def test_a_baseline_that_contradicts_itself_is_refused(directory, text):
    assert refusal(directory, text) == "is damaged"


@pytest.mark.parametrize("key", ["terms", "newest", "samples", "strata", "marks"])
def test_a_baseline_without_one_of_its_parts_is_refused(directory, key):
    document = json.loads(TEXT)
    del document[key]
    assert refusal(directory, json.dumps(document)) == "is damaged"


@pytest.mark.parametrize("key", ["name", "underestimation", "truncation", "log_ratios"])
def test_a_stratum_without_one_of_its_parts_is_refused(directory, key):
    document = json.loads(TEXT)
    del document["strata"][0][key]
    assert refusal(directory, json.dumps(document)) == "is damaged"


def test_constants_that_json_does_not_have_are_refused(directory):
    for constant in ("NaN", "Infinity", "-Infinity"):
        text = TEXT.replace('"samples": 4', f'"samples": {constant}')
        assert refusal(directory, text) == "is damaged"


def test_a_directory_is_no_baseline(tmp_path):
    with pytest.raises(PastError, match=r"^cannot be read: Is a directory$"):
        read(tmp_path, TERMS)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_must_not_be_read_is_refused(tmp_path):
    path = tmp_path / "baseline.json"
    path.write_text(TEXT)
    path.chmod(0)
    with pytest.raises(PastError, match=r"^cannot be read: Permission denied$"):
        read(path, TERMS)


def test_a_file_that_is_far_too_large_is_refused_unread(tmp_path):
    path = tmp_path / "baseline.json"
    with path.open("wb") as file:
        file.truncate((1 << 28) + 1)
    with pytest.raises(PastError, match=r"^is too large to be a baseline$"):
        read(path, TERMS)


def use(found: Baseline | None) -> None:
    """All that is done with a baseline that was read."""
    assert found is not None
    drift(found.strata, KNOWN.strata)
    drift(found.strata, found.strata)
    new_rows(columns([call()]), found)
    differences(found.terms, TERMS)
    render(found)


def usable_or_refused(directory, text: bytes) -> None:
    try:
        found = read_text(directory, text)
    except PastError:
        return
    use(found)


@limits(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_file_with_bytes_lost_added_or_changed_is_refused_or_usable(directory, data):
    raw = bytearray(TEXT.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw)))
        if data.draw(st.booleans()):
            del raw[at : at + data.draw(st.integers(1, 40))]
        else:
            raw[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3) | st.sampled_from(ODD))
    usable_or_refused(directory, bytes(raw))


ODD = [b"9", b"-", b"0", b"null", b'"', b"[", b"}", b",", b"1e9", b"NaN", b"99999999999"]

values = (
    st.none() | st.booleans() | st.integers(-3, 300) | st.integers() | st.floats() | st.text(max_size=3)
    | st.lists(st.integers(-3, 3000), max_size=3) | st.dictionaries(st.text(max_size=2), st.integers(), max_size=2)
)  # fmt: skip


def places(value, path=()):
    """Every place in a document."""
    yield path
    for key, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(each, (*path, key))


@limits(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_file_with_other_values_is_refused_or_usable(directory, data):
    document = json.loads(TEXT)
    for _ in range(data.draw(st.integers(1, 3))):
        *above, last = data.draw(st.sampled_from([place for place in places(document) if place]))
        part = document
        for key in above:
            part = part[key]
        part[last] = data.draw(values)
    usable_or_refused(directory, json.dumps(document).encode())


@pytest.mark.parametrize("length", range(0, len(TEXT), 7))
def test_a_file_that_was_cut_off_anywhere_is_refused(directory, length):
    assert refusal(directory, TEXT[:length]) == "is not JSON"


# Settings that differ


def test_the_same_settings_differ_in_nothing():
    assert differences(TERMS, replace(TERMS)) == ""


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (replace(TERMS, population="all"), "with population=risk (now all)"),
        (replace(TERMS, under_multiplier="1.1"), "with under_multiplier=1 (now 1.1)"),
        (replace(TERMS, quantile_method="hyndman-fan-7"), "with quantile_method=hyndman-fan-6 (now hyndman-fan-7)"),
        (replace(TERMS, one_per_task=True), "with one_per_task=false (now true)"),
        (replace(TERMS, alias={}), "with other aliases (documentation=docs)"),
        (
            replace(TERMS, alias={"documentation": "papers"}),
            "with other aliases (documentation=docs, documentation=papers)",
        ),
        (
            replace(TERMS, alias={f"alias-{n}": "docs" for n in range(9)}),
            "with other aliases (alias-0=docs, alias-1=docs, alias-2=docs and others)",
        ),
        (
            replace(TERMS, population="success", under_multiplier="2"),
            "with population=risk (now success) and with under_multiplier=1 (now 2)",
        ),
    ],
)
def test_every_setting_that_differs_is_named(new, words):
    assert differences(TERMS, new) == words


def test_what_stands_in_the_file_is_shown_inert_and_short():
    hostile = replace(TERMS, population="\x1b[31m\n" * 50, alias={"\x1b[2J\n": "x" * 500})
    said = differences(hostile, TERMS)
    assert said.isprintable()
    assert len(said) < 300


def test_a_baseline_on_other_terms_is_refused(directory):
    read_text(directory, TEXT)
    with pytest.raises(PastError, match=r"^was made with population=risk \(now all\)$"):
        read(directory / "baseline.json", replace(TERMS, population="all"))


def test_every_term_is_compared():
    other = {"population": "all", "under_multiplier": "2", "quantile_method": "x", "alias": {}, "one_per_task": True}
    assert {field.name for field in fields(TERMS)} == set(other)
    for name, value in other.items():
        assert differences(TERMS, replace(TERMS, **{name: value}))


def test_strata_of_a_baseline_that_was_read_can_be_compared_with_new_samples(directory):
    found = drift(read_text(directory, TEXT).strata, KNOWN.strata)
    assert found.underestimation.difference == 0
    assert np.isfinite(found.ratio.shift)
