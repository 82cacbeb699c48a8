"""The tuning advice: as JSON, and in the tables of reports."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as limits

from pytest_token_telemetry.reporters import json as report
from pytest_token_telemetry.reporters import markdown, terminal, tuning
from tests.unit.analysis.test_tuning import RATIOS, calls
from tests.unit.gate.cases import cut_off, ready, settings, verdict
from tests.unit.reporters.test_markdown import page, table
from tests.unit.reporters.verdicts import verdicts

NOON = datetime(2026, 1, 2, 12)
ROWS = [
    *ready(60),
    *calls(RATIOS, "refactoring"),
    *calls([1.34, 1.40, 6.23], "bugfix"),
    *calls([1.5], "rare"),
    *[cut_off(category="capped")] * 5,
]
TUNE = verdict(ROWS)
PASS = verdict(ready(27))


def document(found):
    return json.loads(report.render(found))["tuning"]


def category(found, name):
    return next(each for each in document(found)["categories"] if each["name"] == name)


def test_the_document_has_every_key_of_its_schema():
    found = document(TUNE)
    assert found["schema"] == "token-telemetry-tuning/1"
    assert found["alpha"] == 0.05
    assert set(found) >= {"schema", "alpha", "categories", "max_tokens"}
    for each in found["categories"]:
        assert set(each) >= {
            *("name", "n", "truncated", "multiplier", "basis", "expected_underestimation", "expected_range"),
            *("waste_p50", "waste_p90", "spread_floor"),
        }
        assert len(each["waste_p50"]) == len(each["waste_p90"]) == 2
    for each in found["max_tokens"]:
        assert set(each) >= {"name", "n", "caps"}
        assert [set(cap) for cap in each["caps"]] == [{"risk", "max_tokens", "samples_needed"}] * 3


def test_each_basis_has_its_word():
    assert {each["name"]: each["basis"] for each in document(TUNE)["categories"]} == {
        "implementation": "category",
        "refactoring": "category",
        "tests": "borrowed",
        "docs": "borrowed",
        "bugfix": "borrowed",
        "rare": "collect",
        "capped": "raise-cap",
    }


def test_figures_are_not_rounded():
    found = category(TUNE, "refactoring")
    assert (found["n"], found["truncated"]) == (20, 0)
    assert found["multiplier"] == pytest.approx(1.12, abs=1e-12)
    assert found["expected_underestimation"] == 1 / 21
    assert found["spread_floor"] == pytest.approx(1.1005 / 0.221)


def test_the_file_and_the_report_hold_the_same_object():
    assert json.loads(tuning.render(TUNE.tuning)) == document(TUNE)


def test_without_advice_the_report_has_null():
    assert document(PASS) is None


@limits(deadline=None, max_examples=100)
@given(verdicts())
def test_any_advice_is_strict_json(found):
    needed = found.conclusion == "tune" or "tuning" in found.settings
    assert (found.tuning is not None) == needed
    if found.tuning is not None:
        assert json.loads(tuning.render(found.tuning)) == document(found)


def test_advice_is_written_to_its_file(tmp_path):
    from pytest_token_telemetry.reporters.files import write_reports

    path = tmp_path / "tuning.json"
    found = verdict(ready(27), tuning=str(path))
    assert write_reports(found, settings(tuning=str(path))) == []
    assert json.loads(path.read_text(encoding="utf-8"))["schema"] == "token-telemetry-tuning/1"


def rows_of(found, header):
    """The rows of the first table with this header, by their first cell."""
    for each in page(found).iter("table"):
        rows = [[cell.text_content() for cell in row if cell.tag in ("th", "td")] for row in each.iter("tr")]
        if header in rows[0]:
            return {row[0]: row[1:] for row in rows[1:]}
    raise AssertionError(header)


def test_markdown_has_a_table_of_multipliers():
    # the waste before is that of the example by hand, 2.8219 and 4.5257, and the waste after 1.12 times that
    found = rows_of(TUNE, "multiply by")
    assert found["refactoring"] == [
        *("20", "0", "1", "1.12", "4.8 % (0.3 to 13.9)"),
        *("2.82x -> 3.16x", "4.53x -> 5.07x", "4.98x"),
    ]
    assert found["bugfix"][3:5] == ["~6.23", "25.0 % (0.0 to 63.2)"]
    assert found["rare"][3:5] == ["collect", ""]
    assert found["capped"][:5] == ["5", "5", "5", "raise-cap", ""]
    # well predicted: 900 of 1000, so that a lower prediction would do, which is no advice for risk
    assert found["implementation"][3] == "(0.90)"


def test_markdown_has_a_table_of_caps():
    assert table(page(TUNE), "suggested max_tokens")[0] == [
        *("suggested max_tokens", "judged", "at 1.0 % risk", "at 2.0 % risk", "at 5.0 % risk"),
    ]
    found = rows_of(TUNE, "suggested max_tokens")
    assert found["refactoring"] == ["20", "needs 99", "needs 49", "11200"]
    assert found["capped"] == ["5", "needs 99", "needs 49", "needs 19"]
    assert rows_of(verdict([*ready(60), *[cut_off(category="capped")] * 19]), "suggested max_tokens")["capped"] == [
        *("19", "needs 99", "needs 49", "hidden by the cap"),
    ]


def test_without_advice_markdown_has_no_table_of_it():
    assert "Tuning advice" not in markdown.render(PASS)


def in_time(rows):
    from dataclasses import replace

    return [replace(each, time=NOON + timedelta(minutes=minute)) for minute, each in enumerate(rows)]


FORWARD = verdict(
    in_time(calls([1.5] * 90 + [2.0] * 10)), require_categories="", require_complexities="", require_deliverables=""
)
SAID = (
    # scipy: beta.ppf(.05, 10, 21) = 0.1931, beta.ppf(.95, 11, 20) = 0.4992
    "forward check: tuned on the first 70, 10/30 = 33.3 % of the rest underestimated, true rate 19.3 % to 49.9 % (95 %"
    " each)"
)


def verbose(found):
    return [text for text, _ in terminal.screen(found, 80, verbose=True)]


def test_the_forward_check_is_said():
    assert SAID in markdown.render(FORWARD)
    assert SAID in verbose(FORWARD)


def test_the_verbose_screen_has_the_advice():
    lines = verbose(TUNE)
    (refactoring,) = [line for line in lines if "1.12" in line and line.endswith("  refactoring")]
    assert refactoring.split() == [
        *("20", "0", "1", "1.12", "4.8", "%", "(0.3", "to", "13.9)"),
        *("4.53x", "->", "5.07x", "4.98x", "refactoring"),
    ]
    assert any(line.endswith("  refactoring") and "11200" in line and "needs 99" in line for line in lines)
    assert any(line.endswith("  implementation, low") for line in verbose(FORWARD))


def test_the_verbose_screen_has_the_plan():
    text = " ".join(line.strip() for line in verbose(PASS))
    for sentence in PASS.plan.sentences:
        assert sentence.replace(" ", "") in text.replace(" ", "")


def test_the_usual_screen_has_neither():
    lines = [text for text, _ in terminal.screen(TUNE, 80, verbose=False)]
    assert not any("needs 99" in line or "To prove" in line for line in lines)


def test_marks_of_strata_are_explained():
    rows = [*ready(81), *[cut_off(category="capped")] * 9]
    lines = verbose(verdict(rows))
    (capped,) = [line for line in lines if line.endswith("  capped") and "*" in line]
    assert capped.split()[:5] == ["9", "0", "9*", "9", "9*"]
    assert "* above its target, proven with all strata looked at together (Holm, 95 %)" in lines
    assert table(page(verdict(rows)), "category")[-1][:6] == ["capped", "9", "0", "9 (proven)", "9", "9 (proven)"]
