"""The baseline file: read as it was written, or refused with one sentence."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.analysis.baseline import Baseline, baseline, new_rows, terms
from pytest_token_telemetry.analysis.drift import drift
from pytest_token_telemetry.analysis.populations import judged
from pytest_token_telemetry.analysis.strata import labels
from pytest_token_telemetry.reporters.baseline import render
from pytest_token_telemetry.sources.baseline import BaselineError, differences, read
from tests.unit.analysis.test_baseline import samples
from tests.unit.gate.cases import call, columns, cut_off

TERMS = terms("risk", Fraction(1), {"documentation": "docs"})


def of(rows) -> Baseline:
    made = columns(list(rows))
    return baseline(made, judged(made, "risk", Fraction(1)), labels(made, {}), TERMS)


KNOWN = of([call(category="docs"), call(1000, 1200, category="docs"), cut_off(category="tests"), call(category=None)])
TEXT = render(KNOWN)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("baseline")


def read_text(directory, text: str | bytes):
    path = directory / "baseline.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path)


def refusal(directory, text: str | bytes) -> str:
    with pytest.raises(BaselineError) as error:
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
    made = of(rows)
    assert read_text(directory, render(made)) == made
    assert render(read_text(directory, render(made))) == render(made)


def test_a_file_that_was_laid_out_anew_is_the_same_baseline(directory):
    assert read_text(directory, json.dumps(json.loads(TEXT), indent=8)) == KNOWN


def test_no_file_is_no_baseline_and_no_error(tmp_path):
    assert read(tmp_path / "nowhere.json") is None
    assert read(tmp_path / "nowhere" / "baseline.json") is None


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
        edited(samples=3),  # there are four marks
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
        with_stratum(underestimation=[1, 4]),  # the others have one each: five samples with four marks
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
    with pytest.raises(BaselineError, match=r"^cannot be read: Is a directory$"):
        read(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_must_not_be_read_is_refused(tmp_path):
    path = tmp_path / "baseline.json"
    path.write_text(TEXT)
    path.chmod(0)
    with pytest.raises(BaselineError, match=r"^cannot be read: Permission denied$"):
        read(path)


def test_a_file_that_is_far_too_large_is_refused_unread(tmp_path):
    path = tmp_path / "baseline.json"
    with path.open("wb") as file:
        file.truncate((1 << 28) + 1)
    with pytest.raises(BaselineError, match=r"^is too large to be a baseline$"):
        read(path)


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
    except BaselineError:
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
    assert differences(TERMS, terms("risk", Fraction(1), {"documentation": "docs"})) == ""


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (terms("all", Fraction(1), TERMS.alias), "with population=risk (now all)"),
        (terms("risk", Fraction("1.1"), TERMS.alias), "with under_multiplier=1 (now 1.1)"),
        (replace(TERMS, quantile_method="hyndman-fan-7"), "with quantile_method=hyndman-fan-6 (now hyndman-fan-7)"),
        (replace(TERMS, one_per_task=True), "with one_per_task=false (now true)"),
        (terms("risk", Fraction(1), {}), "with other aliases (documentation=docs)"),
        (
            terms("risk", Fraction(1), {"documentation": "papers"}),
            "with other aliases (documentation=docs, documentation=papers)",
        ),
        (
            terms("risk", Fraction(1), {f"alias-{n}": "docs" for n in range(9)}),
            "with other aliases (alias-0=docs, alias-1=docs, alias-2=docs and others)",
        ),
        (
            terms("success", Fraction(2), TERMS.alias),
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


def test_every_term_is_compared():
    from dataclasses import fields

    other = {"population": "all", "under_multiplier": "2", "quantile_method": "x", "alias": {}, "one_per_task": True}
    assert {field.name for field in fields(TERMS)} == set(other)
    for name, value in other.items():
        assert differences(TERMS, replace(TERMS, **{name: value}))


def test_strata_of_a_baseline_that_was_read_can_be_compared_with_new_samples(directory):
    found = drift(read_text(directory, TEXT).strata, KNOWN.strata)
    assert found.underestimation.difference == 0
    assert np.isfinite(found.ratio.shift)
