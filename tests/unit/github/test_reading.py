"""Report files as hostile input."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import example, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.gate import judge
from pytest_token_telemetry.gate.past import Past
from pytest_token_telemetry.github.fields import LARGEST_COUNT, RefusedError
from pytest_token_telemetry.github.reading import LARGEST, from_json, read
from pytest_token_telemetry.ids import ALL_CHECK_IDS
from pytest_token_telemetry.reporters.json import render
from tests.unit.gate.cases import baseline_of, reading, ready, settings
from tests.unit.github.reports import NAMES, VERDICTS, check, document, report
from tests.unit.reporters.verdicts import verdicts


def refusal(content):
    with pytest.raises(RefusedError) as refused:
        from_json(content)
    return str(refused.value)


def outcome(content):
    """Why it is refused; empty if it is not."""
    try:
        from_json(content)
    except RefusedError as refused:
        return str(refused)
    return ""


def changed(base="pass", /, **keys):
    return report(base, lambda found: found.update(keys))


@pytest.mark.parametrize("verdict", VERDICTS)
def test_what_the_gate_writes_is_read(verdict):
    assert from_json(report(verdict)).verdict == verdict


@pytest.mark.parametrize("name", NAMES)
def test_whatever_samples_are_held_against_the_report_is_read(name):
    verdicts = {"compared": "pass", "replayed": "pass", "unanswered": "not-ready", "drifted": "tune"}
    assert from_json(report(name)).verdict == verdicts.get(name, name)


@given(verdicts())
@limits(max_examples=60, deadline=None)
def test_every_report_of_the_gate_is_read(found):
    assert from_json(render(found).encode("utf-8", "backslashreplace")).verdict == found.conclusion


def test_the_figures_are_those_of_the_file():
    found = {each.id: each for each in from_json(report("tune")).checks}
    rate = found["tier1::truncation"].figure
    assert (rate.events, rate.n, rate.target) == (6, 60, 0.02)
    assert found["readiness::samples"].figure.value == 54
    assert found["readiness::categories"].figure.missing == ()


def test_later_keys_are_ignored():
    later = {"weather": {"path": "/x"}, "moon": [[1], [2]], "stars": {"a": {"b": {"c": [1]}}}}
    assert from_json(changed(**later)) == from_json(report())


def test_a_report_of_an_older_version_is_read():
    older = document()
    for key in ("estimator", "drift", "history"):
        assert older.pop(key) is None
    assert from_json(json.dumps(older).encode()) == from_json(report())


def test_a_check_of_a_later_kind_has_its_message():
    drift = {"id": "drift::length", "outcome": "warn", "message": "it drifts", "shape": [1, 2]}
    found = from_json(report("pass", lambda document: document["checks"].append({**drift, "outcome": "pass"})))
    assert found.checks[-1].outcome == "pass"
    found = from_json(report("pass", lambda document: document["checks"].append(drift)))
    assert (found.checks[-1].message, found.checks[-1].figure) == ("it drifts", None)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is not JSON"),
        (b"\xff\xfe", "it is not UTF-8"),
        (b"PK\x03\x04", "it is not JSON"),
        (b"[]", "the report is not an object"),
        (b"null", "the report is not an object"),
        (b"{}", "its schema is not token-telemetry-report/1"),
        (b'{"schema": 1}', "schema is not a text"),
        (b'{"schema": "token-telemetry-report/2"}', "its schema is not token-telemetry-report/1"),
        (b'{"schema": "a", "schema": "token-telemetry-report/1"}', "it has a key twice"),
        (b'{"a": NaN}', "it has a number that JSON does not know"),
        (b'{"a": -Infinity}', "it has a number that JSON does not know"),
        (b'{"a": ' + b"9" * 5000 + b"}", "it has a number of too many digits"),
        (b'{"a": 0.' + b"9" * 5000 + b"}", "it has a number of too many digits"),
        (b"[" * 100_000, "it is nested deeper than 20"),
        (b'{"a":' * 50 + b"1" + b"}" * 50, "it is nested deeper than 20"),
    ],
    ids=range(15),
)
def test_what_is_no_report_is_refused(content, why):
    assert refusal(content) == why


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"verdict": "PASS"}, "verdict is none of pass, tune, not-ready, inconclusive"),
        ({"verdict": ["pass"]}, "verdict is none of pass, tune, not-ready, inconclusive"),
        ({"verdict": None}, "verdict is none of pass, tune, not-ready, inconclusive"),
        ({"population": "<b>"}, "population is none of risk, success, all"),
        ({"created": "yesterday"}, "created is not a time in UTC"),
        ({"created": "2026-13-45T99:99:99Z"}, "created is not a time in UTC"),
        ({"created": "٢٠٢٦-11-23T05:00:00Z"}, "created is not a time in UTC"),
        ({"checks": {}}, "checks is not a list"),
        ({"checks": [1]}, "checks[0] is not an object"),
        ({"checks": [{}] * 51}, "checks has more than 50 entries"),
        ({"advice": "do it"}, "advice is not a list"),
        ({"advice": [1]}, "advice is not a list of texts"),
        ({"notes": ["x"] * 101}, "notes has more than 100 entries"),
        ({"counts": {"samples": 1.5, "files": 1}}, f"counts.samples is not a whole number from 0 to {LARGEST_COUNT}"),
        ({"counts": {"samples": True, "files": 1}}, f"counts.samples is not a whole number from 0 to {LARGEST_COUNT}"),
        ({"counts": {"samples": -1, "files": 1}}, f"counts.samples is not a whole number from 0 to {LARGEST_COUNT}"),
        (
            {"counts": {"samples": 10**30, "files": 1}},
            f"counts.samples is not a whole number from 0 to {LARGEST_COUNT}",
        ),
        ({"tuning": []}, "tuning is not an object"),
        ({"worst": [{"source": 5}]}, "worst[0].source is not a text"),
    ],
)
def test_a_value_of_another_kind_is_refused_and_not_shown(keys, why):
    assert refusal(changed(**keys)) == why


@pytest.mark.parametrize(
    ("id", "keys", "why"),
    [
        ("tier1::truncation", {"id": "tier1::<b>"}, "checks[6].id is not the id of a check"),
        ("tier1::truncation", {"outcome": "passed"}, "checks[6].outcome is none of pass, fail, skip, warn"),
        ("tier1::truncation", {"events": 61}, "checks[6].events is more than n"),
        ("tier1::truncation", {"value": 0.5}, "checks[6].value is not events of n"),
        ("tier1::truncation", {"value": None}, "checks[6].value is not events of n"),
        ("tier1::truncation", {"value": 1e999}, "it has a number that JSON does not know"),
        ("tier1::truncation", {"target": 1.5}, "checks[6].target is not a number from 0 to 1"),
        ("tier1::truncation", {"target": "5%"}, "checks[6].target is not a number from 0 to 1"),
        ("tier1::truncation", {"proven": "yes"}, "checks[6].proven is neither true nor false"),
        (
            "tier1::truncation",
            {"bounds": {"confidence": 0.95, "lower": 0.6, "upper": 0.5}},
            "checks[6].bounds.lower is more than upper",
        ),
        ("readiness::categories", {"missing": ["docs\0"]}, "checks[2].missing is not part of target"),
        ("tier1::truncation", {"id": "tier1::underestimation"}, "it has a check twice"),
    ],
)
def test_a_check_of_another_kind_is_refused(id, keys, why):
    assert refusal(report("pass", lambda found: check(found, id).update(keys))) == why


def test_a_float_that_is_endless_is_refused():
    content = report().replace(b'"target": 3.0', b'"target": 1e999')
    assert refusal(content) == "checks[7].target is not a number from 0 to 1e+30"


@pytest.mark.parametrize(
    ("verdict", "says", "why"),
    [
        ("tune", "pass", "it says pass, and tier1::underestimation failed"),
        ("not-ready", "pass", "it says pass, and readiness::samples failed"),
        ("inconclusive", "pass", "it says pass, and a check is inconclusive"),
        ("pass", "tune", "it says tune, and its checks do not"),
        ("not-ready", "tune", "it says tune, and its checks do not"),
        ("pass", "not-ready", "it says not-ready, and its checks do not"),
        ("tune", "inconclusive", "it says inconclusive, and a check failed"),
    ],
)
def test_a_verdict_that_its_checks_do_not_give_is_refused(verdict, says, why):
    assert refusal(changed(verdict, verdict=says)) == why


@pytest.mark.parametrize("id", ["readiness::samples", "tier1::truncation"])
def test_a_pass_without_a_check_that_decides_is_refused(id):
    without = [each for each in document()["checks"] if each["id"] != id]
    assert refusal(changed(checks=without)) == "it says pass, and not all checks that decide passed"
    assert refusal(changed(checks=[])) == "it says pass, and not all checks that decide passed"
    assert refusal(changed(deselected=[id])) == "it says pass, and not all checks that decide passed"


def test_a_pass_without_the_check_of_waste_is_one():
    without = [each for each in document()["checks"] if each["id"] != "tier2::waste-p90"]
    assert from_json(changed(checks=without, deselected=["tier2::waste-p90"])).verdict == "pass"


def test_a_pass_of_the_gate_without_a_check_of_drift_is_one():
    read, under = reading(ready(60)), settings(baseline="baseline.json")
    found = judge(read, under, set(ALL_CHECK_IDS) - {"drift::ratio"}, Past(baseline=baseline_of(ready(60, 1000, 500))))
    assert found.deselected == ("drift::ratio",)
    assert from_json(render(found).encode()).verdict == "pass"


@pytest.mark.parametrize(
    ("id", "keys"),
    [
        ("tier1::truncation", {"events": 6, "value": 0.1}),
        ("tier1::truncation", {"events": 0, "n": 0, "value": None}),
        ("tier1::truncation", {"inconclusive": True}),
        ("tier2::waste-p90", {"value": 3.0}),
        ("tier2::waste-p90", {"value": None}),
        ("readiness::samples", {"missing": 1}),
        ("readiness::samples", {"value": 19}),
        ("readiness::sources", {"value": 12, "target": 3}),
        ("readiness::categories", {"missing": ["docs"]}),
    ],
)
def test_a_check_that_passes_with_a_figure_that_fails_is_refused(id, keys):
    why = refusal(report("pass", lambda found: check(found, id).update(keys)))
    assert why == f"{id} says pass, and its figure says otherwise"


def test_caps_of_other_risks_in_each_row_are_refused():
    rows = [{"name": "a", "n": 1, "caps": [{"risk": risk, "max_tokens": 1}]} for risk in (0.01, 0.05)]
    content = changed("tune", tuning={"categories": [], "max_tokens": rows})
    assert refusal(content) == "tuning.max_tokens has other risks in each row"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=4),
    max_leaves=12,
)


def places(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(child, (*path, key))


PLACES = {name: [path for path in places(document(name)) if path] for name in ("pass", "tune", "compared")}


@given(st.data())
@limits(max_examples=300, deadline=None)
def test_whatever_stands_anywhere_a_report_is_read_or_refused(data):
    name = data.draw(st.sampled_from(list(PLACES)))
    found = document(name)
    *above, key = data.draw(st.sampled_from(PLACES[name]))
    place = found
    for each in above:
        place = place[each]
    place[key] = data.draw(json_values)
    why = outcome(json.dumps(found).encode("utf-8", "backslashreplace"))
    assert why.isprintable()
    assert why.isascii()


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b'{"schema": "\\ud800"}')
@limits(max_examples=200, deadline=None)
def test_whatever_a_file_holds_it_is_read_or_refused(content):
    refusal(content)


def test_a_file_is_read(tmp_path):
    path = tmp_path / "report.json"
    path.write_bytes(report("tune"))
    assert read(path).verdict == "tune"


def refused_file(path):
    with pytest.raises(RefusedError) as refused:
        read(path)
    return str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    assert refused_file(tmp_path / "report.json") == "there is no such file"
    assert refused_file(tmp_path / "a\0b") == "it cannot be read (a link is not followed)"


def test_a_file_that_is_too_large_is_refused(tmp_path):
    path = tmp_path / "report.json"
    path.write_bytes(report() + b" " * LARGEST)
    assert refused_file(path) == "it has more than 4,194,304 bytes"


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "secret.json").write_bytes(report())
    (tmp_path / "report.json").symlink_to("secret.json")
    assert refused_file(tmp_path / "report.json") == "it cannot be read (a link is not followed)"


def test_a_directory_or_a_pipe_is_no_file(tmp_path):
    why = "it is neither a file nor a directory with files report*.json"
    assert refused_file(tmp_path) == why
    os.mkfifo(tmp_path / "pipe")
    assert refused_file(tmp_path / "pipe") == why
