"""Report files as hostile input."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.gate.checks import CHECK_BY_ID, CHECKS
from pytest_token_telemetry.gate.findings import Past
from pytest_token_telemetry.gate.results import Result
from pytest_token_telemetry.report import advice, words
from pytest_token_telemetry.report.consistency import RefusedError
from pytest_token_telemetry.report.json_file import render, render_no_verdict
from pytest_token_telemetry.report.model import Report
from pytest_token_telemetry.report.untrusted_file import LARGEST_REPORT, UnjudgedError, from_json, read
from pytest_token_telemetry.text import plain
from tests.unit.gate.cases import ALL_CHECK_IDS, baseline_of, judge, reading, ready, settings
from tests.unit.report.documents import NAMES, VERDICTS, check, document, report
from tests.unit.report.verdicts import HOSTILE, MARK, verdicts


def refusal(content):
    with pytest.raises(RefusedError) as refused:
        from_json(content)
    return str(refused.value)


NO_VERDICT = "it has no verdict: the session that began it ended before its checks"


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
    ready = {"compared": "pass", "replayed": "pass", "required": "pass", "capped": "pass", "drifted": "tune"}
    verdicts = {**ready, "unanswered": "not-ready", "lacking": "not-ready"}
    assert from_json(report(name)).verdict == verdicts.get(name, name)


@given(verdicts())
@limits(max_examples=60, deadline=None)
def test_every_report_of_the_gate_is_read(found):
    assert from_json(render(found).encode("utf-8", "backslashreplace")).verdict == found.verdict


def test_the_figures_are_those_of_the_file():
    found = {each.id: each for each in from_json(report("tune")).checks}
    rate = found["tier1::truncation"]
    assert (rate.events, rate.n, rate.target) == (6, 60, 0.02)
    assert found["readiness::samples"].value == 54
    assert found["readiness::categories"].missing == ()


def test_later_keys_are_ignored():
    later = {"weather": {"path": "/x"}, "moon": [[1], [2]], "stars": {"a": {"b": {"c": [1]}}}}
    assert from_json(changed(**later)) == from_json(report())


def test_a_report_without_what_is_newer_is_read():
    older = document()
    for key in ("estimator", "drift", "history"):
        assert older.pop(key) is None
    assert from_json(json.dumps(older).encode()) == from_json(report())


@pytest.mark.parametrize("kind", ["weather", "rate", "drift", "", None])
def test_a_check_of_a_newer_version_has_its_outcome_and_no_message(kind):
    newer = {"id": "drift::length", "outcome": "warn", "message": "it drifts", "shape": [1, 2], "kind": kind}
    found = from_json(report("pass", lambda document: document["checks"].append(newer)))
    assert found.checks[-1] == Result(id="drift::length", outcome="warn")
    assert words.message(found, found.checks[-1]) == "a check from a plugin or a newer version: warn"


@pytest.mark.parametrize("kind", ["weather", "", None, 7, ["rate"]])
def test_a_check_that_is_known_keeps_its_kind(kind):
    why = refusal(report("pass", lambda found: check(found, "tier1::truncation").update(kind=kind)))
    assert why.startswith("checks[6].kind: ")


@pytest.mark.parametrize("kind", ["rate", "ratio", "count", "coverage", "drift", "other"])
@pytest.mark.parametrize("id", [check.id for check in CHECKS])
def test_the_kind_of_a_check_that_does_not_belong_to_its_id_is_refused(kind, id):
    if kind == CHECK_BY_ID[id].kind.__struct_config__.tag:
        return
    name = {"readiness::carried": "required", "tier2::cap-use": "capped"}.get(id, "compared")
    why = refusal(report(name, lambda found: check(found, id).update(kind=kind)))
    assert why.startswith("checks[") or why == f"{id} has a figure of another kind"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is not JSON"),
        (b"\xff\xfe", "it is not UTF-8"),
        (b"PK\x03\x04", "it is not JSON"),
        (b"[]", "its schema is not token-telemetry-report/1"),
        (b"null", "its schema is not token-telemetry-report/1"),
        (b"{}", "its schema is not token-telemetry-report/1"),
        (b'{"schema": 1}', "its schema is not token-telemetry-report/1"),
        (b'{"schema": "token-telemetry-report/2"}', "its schema is not token-telemetry-report/1"),
        (b'{"schema": "a", "schema": "token-telemetry-report/1"}', "it has a key twice"),
        (b'{"a": NaN}', "it has a number that JSON does not know"),
        (b'{"a": -Infinity}', "it has a number that JSON does not know"),
        (b'{"a": ' + b"9" * 5000 + b"}", "it has a number of too many digits"),
        (b'{"a": 0.' + b"9" * 5000 + b"}", "it has a number of too many digits"),
        (b"[" * 100_000, "it is nested deeper than 20"),
        (b'{"a":' * 50 + b"1" + b"}" * 50, "it is nested deeper than 20"),
        (b'{"a": [' + b"0," * 300_000 + b"0]}", "it has more than 300,000 values"),
        (b'"token-telemetry-report/1"', "its schema is not token-telemetry-report/1"),
        (b'{"schema": ["token-telemetry-report/1"]}', "its schema is not token-telemetry-report/1"),
    ],
    ids=range(18),
)
def test_what_is_no_report_is_refused(content, why):
    assert refusal(content) == why


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"verdict": "PASS"}, "verdict: not one of the words that may stand there"),
        ({"verdict": ["pass"]}, "verdict: expected `str`, got `array`"),
        ({"verdict": None}, NO_VERDICT),
        ({"population": "<b>"}, "population: not one of the words that may stand there"),
        ({"created": "yesterday"}, "created: expected `str` of another form"),
        ({"created": "2026-13-45T99:99:99Z"}, "created is not a time in UTC"),
        ({"created": "2026-11-23T05:00:00Z\n"}, "created is not a time in UTC"),
        ({"created": "٢٠٢٦-11-23T05:00:00Z"}, "created: expected `str` of another form"),
        ({"checks": {}}, "checks: expected `array`, got `object`"),
        ({"checks": [1]}, "checks[0]: expected `object`, got `int`"),
        ({"checks": [{}] * 51}, "checks: expected `array` of length <= 50"),
        ({"counts": {"samples": 1.5}}, "counts.samples: expected `int`, got `float`"),
        ({"counts": {"samples": True}}, "counts.samples: expected `int`, got `bool`"),
        ({"counts": {"samples": -1}}, "counts.samples: expected `int` >= 0"),
        (
            {"counts": {"samples": 2**63}},
            "counts.samples: expected `int` <= 9223372036854775807",
        ),
        ({"counts": {"samples": 10**300}}, "counts.samples: expected `int` <= 9223372036854775807"),
        ({"counts": {"samples": "60"}}, "counts.samples: expected `int`, got `str`"),
        ({"counts": {}}, "counts: object missing required field `samples`"),
        (
            {"sources": [{"path": "a", "samples": -1}]},
            "sources[0].samples: expected `int` >= 0",
        ),
        ({"tuning": []}, "tuning: expected `object | null`, got `array`"),
        ({"worst": [{"source": 5}]}, "worst[0].source: expected `str`, got `int`"),
    ],
)
def test_a_value_of_another_kind_is_refused_and_not_shown(keys, why):
    assert refusal(changed(**keys)) == why


@pytest.mark.parametrize(
    ("id", "keys", "why"),
    [
        ("tier1::truncation", {"id": "tier1::<b>"}, "checks[6].id: expected `str` of another form"),
        ("tier1::truncation", {"outcome": "passed"}, "checks[6].outcome: not one of the words that may stand there"),
        ("tier1::truncation", {"events": 61}, "checks[6]: events is more than n"),
        ("tier1::truncation", {"value": 0.5}, "checks[6]: value is not events of n"),
        ("tier1::truncation", {"value": None}, "checks[6]: value is not events of n"),
        ("tier1::truncation", {"value": 1e999}, "it has a number that JSON does not know"),
        ("tier1::truncation", {"target": 1.5}, "checks[6].target: expected `float` <= 1.000000001"),
        ("tier1::truncation", {"target": "5%"}, "checks[6].target: expected `float`, got `str`"),
        ("tier1::truncation", {"proven": "yes"}, "checks[6].proven: expected `bool`, got `str`"),
        (
            "tier1::truncation",
            {"bounds": {"confidence": 0.95, "lower": 0.6, "upper": 0.5}},
            "checks[6].bounds: lower is more than upper",
        ),
        ("readiness::categories", {"missing": ["docs\0"]}, "checks[2]: missing is not part of target"),
        ("tier1::truncation", {"id": "tier1::underestimation"}, "it has a check twice"),
        ("tier1::truncation", {"id": "tier1::truncation\n"}, "checks[6].id: expected `str` of another form"),
        ("tier1::truncation", {"id": ["tier1::truncation"]}, "checks[6].id: expected `str`, got `array`"),
        ("tier1::truncation", {"uncertain": 1}, "checks[6]: uncertain is more than events"),
        ("tier1::truncation", {"bounds": [0.95, 0, 1]}, "checks[6].bounds: expected `object | null`, got `array`"),
        ("tier2::waste-p90", {"events": 61}, "checks[7]: events is more than n"),
        ("readiness::categories", {"counts": [1]}, "checks[2]: counts is not of value"),
        ("readiness::samples", {"value": [60]}, "checks[1].value: expected `int`, got `array`"),
    ],
)
def test_a_check_of_another_kind_is_refused(id, keys, why):
    assert refusal(report("pass", lambda found: check(found, id).update(keys))) == why


def test_a_float_that_is_endless_is_refused():
    content = report().replace(b'"target": 3.0', b'"target": 1e999')
    assert refusal(content) == "checks[7].target: expected `float` <= 1e+30"


@pytest.mark.parametrize(
    ("verdict", "says", "why"),
    [
        ("tune", "pass", "it says pass, and tier1::underestimation failed"),
        ("not-ready", "pass", "it says pass, and readiness::samples failed"),
        ("inconclusive", "pass", "it says pass, and a check is inconclusive or not met"),
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
    assert refusal(changed(checks=without, deselected=[id])) == "it says pass, and not all checks that decide passed"
    assert refusal(changed(checks=[])) == "it says pass, and not all checks that decide passed"
    assert refusal(changed(deselected=[id])) == "it has a check twice"


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
        ("readiness::categories", {"missing": ["docs"], "value": ["implementation", "tests"], "counts": []}),
    ],
)
def test_a_check_that_passes_with_a_figure_that_fails_is_refused(id, keys):
    why = refusal(report("pass", lambda found: check(found, id).update(keys)))
    assert why == f"{id} says pass, and its figure says otherwise"


def test_caps_of_other_risks_in_each_row_are_refused():
    cap = {"max_tokens": 1, "samples_needed": None}
    rows = [{"name": "a", "n": 1, "caps": [{"risk": risk, **cap}]} for risk in (0.01, 0.05)]
    content = changed("tune", tuning={**document("tune")["tuning"], "max_tokens": rows})
    assert refusal(content) == "tuning.max_tokens has other risks in each row"


texts = st.text().map(lambda text: f"{MARK}{text}")
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63 - 1, 2**63, -(2**63), 10**300])
    | st.floats()
    | texts
    | st.sampled_from(HOSTILE).map(lambda text: f"{MARK}{text}")
    | st.just(f"{MARK}\ud800"),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(texts, values, max_size=4),
    max_leaves=12,
)


def places(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(child, (*path, key))


PLACES = {name: [path for path in places(document(name)) if path] for name in NAMES}


def put(found, path, value):
    """``found`` with ``value`` at ``path``."""
    *above, key = path
    place = found
    for each in above:
        place = place[each]
    place[key] = value
    return found


@given(st.data())
@limits(max_examples=300, deadline=None)
def test_whatever_stands_anywhere_a_report_is_read_or_refused_and_the_refusal_does_not_show_it(data):
    name = data.draw(st.sampled_from(list(PLACES)))
    found = put(document(name), data.draw(st.sampled_from(PLACES[name])), data.draw(json_values))
    why = outcome(json.dumps(found).encode("utf-8", "backslashreplace"))
    assert MARK not in why
    assert why.isprintable()
    assert why.isascii()


@pytest.mark.parametrize("name", ["tune", "compared", "unanswered"])
def test_a_key_of_any_text_is_ignored_or_a_name_wherever_it_stands(name):
    for path in [(), *PLACES[name]]:
        found = document(name)
        place = found
        for each in path:
            place = place[each]
        if isinstance(place, dict):
            place[f"{MARK}\ud800'`$"] = f"{MARK}\udfff"
            assert MARK not in outcome(json.dumps(found).encode())


OLDER = sorted(Path(__file__).with_name("older").glob("*.json"))


@pytest.mark.parametrize("path", OLDER, ids=[path.stem for path in OLDER])
def test_a_report_that_version_0_1_0_wrote_is_read_and_judged_the_same(path):
    document = json.loads(path.read_text(encoding="utf-8"))
    found = read(path)
    assert found.verdict == document["verdict"]
    assert [(each.id, each.outcome) for each in found.checks] == [
        (each["id"], each["outcome"]) for each in document["checks"]
    ]
    said = (words.headline(found), *words.texts(advice.next_steps(found)), *checks_in_words(found))
    figures = re.findall(r"\d+(?:/| of )\d+|P90 = \S+", " ".join(each["message"] for each in document["checks"]))
    assert figures
    assert all(figure in " ".join(said) for figure in figures if figure != "0/0")  # it is in words now


def checks_in_words(found):
    return [plain(words.message(found, result)) for result in found.checks]


def test_bytes_of_a_path_that_are_no_text_are_spelled_out():
    """The gate writes what Python makes of such bytes, which no encoder takes."""
    content = report("pass", lambda found: found["sources"][0].update(path="\udcff.log"))
    assert from_json(content).sources[0].path == "\\udcff.log"


def nodes(value, path="$"):
    if isinstance(value, dict):
        yield path, value
        for key, child in value.items():
            yield from nodes(child, f"{path}.{key}")
    elif isinstance(value, list):
        for i, child in enumerate(value):
            yield from nodes(child, f"{path}[{i}]")


def test_every_number_has_a_range_and_every_list_and_map_a_greatest_length():
    found = dict(nodes(msgspec.json.schema(Report)))
    assert len(found) > 500
    unbounded = [
        path
        for path, node in found.items()
        if (node.get("type") in ("integer", "number") and not {"minimum", "maximum"} <= set(node))
        or (node.get("type") == "array" and "maxItems" not in node)
        or (node.get("type") == "object" and not {"properties", "maxProperties"} & set(node))
    ]
    assert unbounded == []


def lists(*names):
    """The lists that have an entry to repeat: a document that has it, and where; one of each kind."""
    found = {
        tuple(key for key in path if isinstance(key, str)): (name, path)
        for name in names
        for path, value in nodes_of_document(document(name))
        if isinstance(value, list) and value
    }
    return list(found.values())


def nodes_of_document(value, path=()):
    for each in places(value):
        found = value
        for key in each:
            found = found[key]
        yield each, found


@pytest.mark.large
@pytest.mark.parametrize(("name", "path"), lists("compared", "tune"))
def test_a_list_of_4_mb_is_read_or_refused(name, path):
    """In quadratic time, one of them would take minutes."""
    found = document(name)
    [first, *_] = dict(nodes_of_document(found))[path]
    content = json.dumps(put(found, path, [first] * (LARGEST_REPORT // (len(json.dumps(first)) + 2)))).encode()
    assert "\n" not in outcome(content)


@pytest.mark.parametrize("path", [("version",), ("sources", 0, "path"), ("settings", "json"), ("worst", 0, "source")])
@pytest.mark.parametrize("text", ["|", "\\", '"', "\ud800", "\u202e", "値"])
def test_a_text_of_1_mb_is_no_matter(path, text):
    found = put(document("tune"), path, text * (10**6 // len(json.dumps(text))))
    assert from_json(json.dumps(found).encode()).verdict == "tune"


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
    path.write_bytes(report() + b" " * LARGEST_REPORT)
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


def test_the_report_of_a_session_without_a_verdict_is_refused_in_so_many_words():
    assert refusal(render_no_verdict("not yet").encode()) == NO_VERDICT


@pytest.mark.parametrize(
    ("reason", "kept"),
    [("'x' does not exist", "'x' does not exist"), ("a\nb", r"a\u000ab"), ("x" * 500, "x" * 399 + "…")],
)
def test_why_there_is_no_verdict_is_kept_on_one_line(reason, kept):
    with pytest.raises(UnjudgedError) as caught:
        from_json(render_no_verdict(reason).encode())
    assert caught.value.reason == kept


@pytest.mark.parametrize("reason", [None, 7, ["x"]])
def test_a_reason_that_is_no_text_is_none(reason):
    found = json.loads(render_no_verdict("x"))
    with pytest.raises(UnjudgedError) as caught:
        from_json(json.dumps({**found, "reason": reason}).encode())
    assert caught.value.reason is None
