"""The verdict in sentences."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from itertools import cycle

import numpy as np
import pytest

from pytest_token_telemetry.gate.checks import TRUNCATION, UNDERESTIMATION
from pytest_token_telemetry.report import notes as report_notes
from pytest_token_telemetry.report import sections, terminal, words
from pytest_token_telemetry.report.advice import first_steps, next_steps
from pytest_token_telemetry.report.collecting import to_collect
from pytest_token_telemetry.report.words import headline
from pytest_token_telemetry.sources.look_like import OUTSIDE
from pytest_token_telemetry.sources.outcomes import NO_RESULT
from pytest_token_telemetry.sources.places import MEANINGLESS, Unfound, UnusedColumn
from pytest_token_telemetry.sources.reading import File, UnusableLines
from pytest_token_telemetry.sources.recorded import Recorded
from pytest_token_telemetry.text import Untrusted, pieces, plain
from tests.unit.gate.cases import (
    ALL_CHECK_IDS,
    advice,
    baseline_of,
    call,
    compared,
    cut_off,
    judge,
    notes,
    reading,
    ready,
    settings,
    verdict,
)
from tests.unit.gate.test_drift_checks import later


def test_a_pass_says_that_nothing_needs_tuning():
    found = verdict(ready(60))
    assert headline(found) == "No tuning needed: 0.0% underestimated, 0.0% truncated."
    assert advice(found) == ["Nothing to tune: go on collecting, and watch for drift."]


def test_a_rate_at_its_target_is_shown_as_the_target():
    found = verdict([*ready(19), call(1000, 1200)])
    assert headline(found) == "No tuning needed: 5.0% underestimated, 0.0% truncated."


def test_tuning_names_what_is_exceeded_and_where():
    rows = [*ready(60), *[call(1000, 1200, category="docs")] * 6, *[cut_off(category="tests")] * 2]
    found = verdict(rows)
    # underestimated: 6 + 2 of 68; truncated: 2 of 68; of the 60, 24 are implementation, 18 tests and 18 docs
    assert headline(found) == ("Tuning needed: 11.8% underestimated, 2.9% truncated.")
    assert advice(found) == [
        # of 24 docs, the 24th smallest ratio counts: 1.2; in tests, 2 of 20 were truncated
        "Multiply the predictions in docs by 1.20 (24 samples).",
        # 1000 / 900, and 1.2 times that
        "Cost: docs x1.20: waste P90 1.11x -> 1.33x.",
        "Raise the cap (max_tokens) where calls were truncated: tests 2 of 20. How far is unknown: double it for"
        " some calls, then collect and tune again.",
    ]


def test_what_no_multiplier_mends_comes_first_where_most_calls_were_underestimated_and_no_other_is_raised():
    """Of 49 bad calls, 20 were underestimated; 4 of 151 good ones are 2.6%, below the target."""
    bad = [*[call(1000, 1500, category="docs")] * 17, *[call(1000, 900, category="docs")] * 29]
    cut = [cut_off(category="docs")] * 3
    good = [*ready(18), *[call(1000, 1200, category="tests")] * 4, *[call(1000, 900, category="tests")] * 129]
    found = verdict([*good, *bad, *cut])
    assert advice(found)[0].startswith(
        "Raise max_tokens (double it for some calls) and collect, then tune: docs (20 of"
    )
    assert [step for step in advice(found) if step.startswith("Multiply")] == []


def test_labels_that_may_mean_what_is_missing_are_named():
    kinds = [(name, level) for name in ("implementation", "tests", "docs") for level in ("low", "medium", "hard") * 4]
    rows = [call(1000, 900, category=name, complexity=level) for name, level in kinds]
    assert "Or relabel hard (12 samples) if it is high." in advice(verdict(rows))
    assert not any("relabel" in step for step in advice(verdict([row for row in rows if row.complexity != "hard"])))


def test_only_what_is_exceeded_is_named():
    found = verdict([*ready(60), *[call(1000, 1200, category="docs")] * 6])
    assert headline(found) == "Tuning needed: 9.1% underestimated."  # 6 of 66
    assert [step.partition(" ")[0] for step in advice(found)] == ["Multiply", "Cost:"]


def test_waste_alone_is_lowered():
    found = verdict(ready(60, 5000, 1000), tier2="fail")
    assert headline(found) == "Tuning needed: waste above its target."
    assert advice(found) == [
        "Lower the predictions of implementation (P90 5.00x), docs (P90 5.00x), tests (P90 5.00x), as far as Tier 1"
        " stays within its targets."
    ]


def test_three_categories_are_named_and_the_rest_is_others():
    rows = [*ready(60), *(call(1, 9, budget_tokens=None, category=name) for name in "aabbbccccd")]
    assert advice(verdict(rows)) == [
        # the categories that were predicted well and c and b, of three samples at least, lend their spread: none
        "Multiply the predictions in c by 9.00 (4 samples, with the spread of the others), b by 9.00 (3"
        " samples, with the spread of the others).",
        "Cost: c x9.00: waste P90 0.11x -> 1.00x; b x9.00: waste P90 0.11x -> 1.00x.",
        "Collect samples to tune on: a (2 of 19), d (1 of 19).",
    ]


def test_three_categories_are_multiplied_and_the_rest_is_others():
    rows = [*ready(60), *(call(1, 9, budget_tokens=None, category=name) for name in "abcde" * 5)]
    assert advice(verdict(rows)) == [
        "Multiply the predictions in a by 9.00 (5 samples, with the spread of the others), b by 9.00 (5"
        " samples, with the spread of the others), c by 9.00 (5 samples, with the spread of the others) and others.",
        "Cost: a x9.00: waste P90 0.11x -> 1.00x; b x9.00: waste P90 0.11x -> 1.00x; c x9.00: waste P90"
        " 0.11x -> 1.00x and others.",
    ]


def test_the_only_other_category_is_named():
    rows = [*ready(60), *(call(1, 9, budget_tokens=None, category=name) for name in "abcd" * 5)]
    assert advice(verdict(rows))[0].endswith("d by 9.00 (5 samples, with the spread of the others).")


def predicted_and_selected(*pairs, over=0):
    """Sixty calls that have the ``pairs`` of prediction and budget in turn, of which ``over`` are underestimated."""
    rows = [*ready(60 - over), *ready(over, output=5000)]
    return [
        replace(each, predicted_output_tokens=predicted, budget_tokens=budget)
        for each, (predicted, budget) in zip(rows, cycle(pairs), strict=False)
    ]


BOTH = [(1000, 8192), (2000, 8192)]


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (
            [*BOTH, *BOTH, *BOTH, (1000, 12288), (2000, 12288), (1000, 16384), (2000, 16384)],
            "60 of 60 budgets are one of 3 constants: tuning the estimator changes no cap. Lower or raise the floor:"
            " 8,192 (36 calls), 12,288 (12 calls), 16,384 (12 calls).",
        ),
        (
            [(1000, 1500), (2000, 1500)],
            "60 of 60 budgets are a constant: tuning the estimator changes no cap. Lower or raise these budgets:"
            " 1,500 (60 calls).",
        ),
        (
            [*BOTH, (8000, 9600)],
            "40 of 60 budgets are a constant: tuning the estimator changes few caps. Lower or raise the floor: 8,192"
            " (40 calls).",
        ),
    ],
)
def test_that_most_budgets_are_constants_is_said_before_how_to_tune(pairs, said):
    found = verdict(predicted_and_selected(*pairs, over=6))
    assert advice(found)[0] == said
    assert advice(found)[1].startswith("Multiply the predictions in ")


def test_of_a_pass_what_decided_the_budget_is_a_detail():
    found = verdict(predicted_and_selected(*BOTH))
    (section,) = (each for each in sections.details(found) if each.title == "Who decided the budget")
    assert advice(found) == ["Nothing to tune: go on collecting, and watch for drift."]
    assert section.remarks[0].startswith("60 of 60 budgets are a constant: ")
    assert section.tables[0].rows[0] == ("60", "0", "constant: 8,192")


def test_only_what_exceeds_the_target_is_multiplied_where_something_does():
    """3 of the docs are underestimated, within 5%, and 9 of the tests, which are not."""
    docs = [*[call(category="docs")] * 80, *[call(1000, 1500, category="docs")] * 3]
    tests = [*[call(category="tests")] * 60, *[call(1000, 1500, category="tests")] * 9]
    assert advice(verdict([*ready(27), *docs, *tests]))[0] == "Multiply the predictions in tests by 1.50 (78 samples)."


def test_a_multiplier_is_rounded_up_and_a_plain_one_stays():
    # 1.12 * 100 is 112.00000000000001
    for output, shown in ((1120, "1.12"), (1121, "1.13"), (2000, "2.00")):
        rows = [*ready(60), *[call(1000, output, category="docs")] * 6]
        found = advice(verdict(rows))
        assert found[0] == f"Multiply the predictions in docs by {shown} (24 samples)."
        assert found[1].startswith(f"Cost: docs x{shown}: waste P90 1.11x -> ")


@pytest.mark.parametrize(
    ("output", "selected", "price"),
    [
        # of the 24 docs, 18 have half of what was predicted: their ratio is the P90
        (2000, ALL_CHECK_IDS, "x2.00: waste P90 2.00x -> 4.00x, above the target"),
        (1499, ALL_CHECK_IDS, "x1.50: waste P90 2.00x -> 2.998x"),
        (1500, ALL_CHECK_IDS, "x1.50: waste P90 2.00x -> 3.00x, not below the target"),
        (1499, {UNDERESTIMATION.id, TRUNCATION.id}, "x1.50: waste P90 2.00x -> 3.00x"),  # without a target
    ],
)
def test_advice_shows_its_price_and_the_table_the_same(output, selected, price):
    rows = [*ready(60, output=500), *[call(1000, output, category="docs")] * 6]
    found = judge(reading(rows), settings(), selected)
    assert f"Cost: docs {price}." in advice(found)
    (section,) = (each for each in sections.details(found) if each.title == "Tuning advice")
    docs = next(row for row in section.tables[0].rows if row[-2] == Untrusted("docs"))
    price = price.removesuffix(", above the target").removesuffix(", not below the target")
    multiplier, _, waste = price.partition(": waste P90 ")
    assert (f"x{docs[3]}", docs[6]) == (multiplier, waste)


def test_predictions_of_nothing_cannot_be_multiplied():
    assert advice(verdict(ready(60, predicted=0))) == [
        "Raise the predictions where calls were underestimated: implementation 24 of 24, docs 18 of 18, tests 18 of 18."
    ]


def test_the_shortest_reports_name_a_step_for_each_risk_that_is_exceeded():
    docs = [call(1000, 1500, category="docs")] * 6
    tests = [call(1000, 900, max_tokens=900, truncated=True, success=False, category="tests")] * 6
    for rows, raised in (([*ready(60), *docs, *tests], True), ([*ready(60), *docs], False)):
        first, others = first_steps(found := verdict(rows))
        assert [plain(each).partition(" in docs")[0].partition(" where")[0] for each in first] == [
            "Multiply the predictions",
            *(["Raise the cap (max_tokens)"] if raised else []),
        ]
        assert sorted([*map(plain, first), *map(plain, others)]) == sorted(advice(found))
        told = "\n".join(line for line, _ in terminal.brief(found, 80))
        assert (told.count("-> "), "Raise the cap" in told) == (1 + raised, raised)


def test_the_step_that_mends_what_failed_has_room_on_the_screen_before_those_that_only_save():
    old = [*ready(60), *[call(max_tokens=60_000, category="mail")] * 20]  # 60,000 / 900: far above the target of 3x
    new = [*old, *[call(1000, 1300, category="docs")] * 40]
    new += [cut_off(output=900, max_tokens=900, category=name) for name in ("tests", "implementation") * 3]
    found = compared([*old, *later(new)], baseline_of(old), max_waste_p90="1.2")
    steps = ["Find out what changed", "Multiply the predictions in docs by", "Raise the cap (max_tokens) where"]
    for lines in (terminal.screen(found, 60), terminal.brief(found, 60)):
        told = [line for line, _ in lines if line.startswith("-> ") and not line.endswith(" more steps with -v")]
        assert [line.startswith(f"-> {step}") for line, step in zip(told, steps, strict=True)] == [True] * 3, told


@pytest.mark.parametrize(
    ("rows", "asked", "step"),
    [
        ([*ready(60, 5000, 1000), *ready(60, 20_000, 4000)], {"tier2": "fail"}, "Lower the predictions"),
        (
            [*ready(60, max_tokens=60_000), *ready(60, 4000, 3600, max_tokens=60_000)],
            {"cap_use": "fail"},
            "Lower the caps (max_tokens)",
        ),
    ],
)
def test_the_shortest_reports_say_what_mends_a_cost_that_failed_whatever_comes_first(rows, asked, step):
    found = verdict(rows, **asked)
    assert found.verdict == "tune"
    first, _ = first_steps(found)
    assert [plain(each).partition(" of ")[0].partition(" where")[0] for each in first][1:] == [step]
    assert plain(first[0]).startswith("120 of 120 budgets are a constant: ")


def test_more_truncated_calls_than_are_listed_are_counted():
    cut = [call(output=2000, max_tokens=2000, truncated=True, success=False, operation="sum") for _ in range(9)]
    titles = {each.title: each for each in sections.single_calls(verdict([*ready(60), *cut]))}
    assert [*titles] == ["Largest overruns"]  # all that are listed are there
    over = [call(output=9000) for _ in range(5)]
    titles = {each.title: each for each in sections.single_calls(verdict([*ready(60), *cut, *over]))}
    [table] = titles["Calls that were truncated (5 of 9)"].tables
    assert table.columns == (*("actual / predicted", "predicted", "output", "cap", "category", "operation", "where"),)


def test_truncated_calls_are_listed_though_others_stand_on_their_line():
    """A line of spans, or of a list, may have hundreds of calls."""
    rows = [*ready(60), *[call(output=9000)] * 5, *[cut_off(output=8000, operation="sum")] * 5]
    found = reading(rows)
    found = replace(found, samples=replace(found.samples, line=np.ones(len(rows), np.int64)))
    titles = [each.title for each in sections.single_calls(judge(found, settings()))]
    assert titles == ["Largest overruns", "Calls that were truncated"]


def test_waste_that_no_multiplier_lowers_without_new_risk_is_not_to_be_lowered():
    """Of 60 outputs of 500 and 40 of 2,000, the lower tenth wastes 4 times, if the upper twentieth is to fit."""
    wide = [*[call(2000, 500, category="docs")] * 60, *[call(2000, 1990, category="docs")] * 40]
    found = verdict([*ready(60), *wide])
    assert found.verdict == "pass"
    assert advice(found)[0] == (
        "Risk is within its targets. To save cost, give the estimator more information: no single multiplier is"
        " expected to meet both risk and cost in docs (P90 4.00x)."
    )


def test_retries_that_a_larger_cap_helped_say_how_long_they_became():
    cut = [call(task_id=f"t{n}", max_tokens=1000, output=1000, truncated=True, success=False) for n in range(6)]
    again = [call(task_id=f"t{n}", max_tokens=4000, output=1500 + n) for n in range(6)]
    told = advice(verdict([*ready(60), *cut, *again]))
    assert any(" 6 of 36. Retries with a larger cap took up to 1,505 tokens. Then collect" in each for each in told)


def test_calls_without_a_kind_are_multiplied_without_naming_one():
    none = {"category": None, "complexity": None, "deliverable_count": None}
    found = verdict([*ready(40, **none), *[call(1000, 1500, **none)] * 6])
    assert advice(found)[0] == "Multiply the predictions by 1.50 (46 samples)."


def test_predictions_wait_for_caps_where_truncated_calls_hide_how_much_was_needed():
    """4 of 60 calls were truncated above their prediction, and none else was underestimated."""
    rows = [*ready(56), *[call(1000, 1500, max_tokens=1500, truncated=True, success=False, category="docs")] * 4]
    found = verdict(rows)
    assert [each.basis for each in found.tuning.categories if each.underestimated] == ["raise-cap"]
    assert {each.id for each in found.checks if each.exceeded} == {UNDERESTIMATION.id, TRUNCATION.id}
    assert advice(found)[0].startswith("Raise the cap (max_tokens) where calls were truncated: docs 4 of ")
    assert not any("Raise the predictions" in each for each in advice(found))


def test_a_spread_is_said_of_every_category_whose_advice_says_so():
    """12 docs borrow their multiplier; 2 tests have none, and are to be collected first."""
    spread = (100, 10_000)
    lending = [call(1000, output) for output in range(900, 1100, 5)]
    few = [call(1000, output, category="tests") for output in spread]
    docs = [call(1000, output, category="docs") for output in spread * 6]
    none = dict.fromkeys(("require_categories", "require_complexities", "require_deliverables"), "none")
    found = verdict([*lending, *docs, *few], **none)
    assert [(each.name, each.basis, each.meets_both) for each in found.tuning.categories] == [
        ("implementation", "category", True),
        ("docs", "borrowed", False),
        ("tests", "collect", False),
    ]
    spread = "No single multiplier is expected to meet both risk and cost in docs:"
    assert sum(spread in step for step in advice(found)) == 1


def test_records_of_which_none_can_be_used_are_to_be_repaired_first():
    found = verdict(
        [], {"unusable": {"schema is misspelt": UnusableLines(60, ["a.jsonl:1"])}, "files": (File("a", 0),)}
    )
    assert headline(found) == "No record could be used: repair what writes them, do not tune."


def test_nothing_is_multiplied_by_one():
    """1 of 100 docs is underestimated, and the 99th smallest ratio is 1; 3 of 20 tests are underestimated."""
    docs = [call(1000, output, category="docs") for output in [1000] * 99 + [2000]]
    found = verdict([*ready(20), *docs, *[call(1000, 1300, category="tests")] * 10])
    assert next(each for each in found.tuning.categories if each.name == "docs").multiplier == 1.0
    assert advice(found)[0].startswith("Multiply the predictions in tests by 1.30 (")
    assert "docs" not in "".join(advice(found)[:2])


def test_a_spread_that_no_multiplier_meets_is_said():
    # half take a tenth of their prediction, half ten times it: 95% within costs the P10 a factor of 100
    rows = [*ready(40), *[call(1000, output, category="docs") for output in (100, 10_000) * 20]]
    assert advice(verdict(rows))[-1] == (
        "No single multiplier is expected to meet both risk and cost in docs: the estimator lacks information there"
        " (split the category or add a feature)."
    )


def test_not_ready_says_what_to_collect():
    found = verdict(ready(9, category="implementation", complexity="low", deliverable_count=3))
    assert headline(found) == "Not enough representative data: collect more, do not tune."
    assert advice(found) == [
        "Collect 11 more successful samples. These would do:"
        " 6 in tests of medium complexity with 1 deliverable and 5 in docs of high complexity with 6+"
        " deliverables.",
    ]


def test_one_missing_sample_is_one():
    # of 19, docs, medium and high complexity and 2-5 and 6+ deliverables have one less than the others
    assert advice(verdict(ready(19))) == [
        "Collect 1 more successful sample. These would do: 1 in docs of medium complexity with 2-5 deliverables.",
    ]


def test_missing_kinds_are_collected_even_if_there_are_samples_enough():
    rows = [each for each in ready(81) if each.category != "docs" and each.deliverable_count != 1]
    assert advice(verdict(rows)) == [
        "Collect 1 more successful sample. These would do: 1 in docs of low complexity with 1 deliverable.",
        "Or set --token-telemetry-require-categories=implementation,tests, if your work has no others.",
        "Or set --token-telemetry-require-deliverables=2-5,6+, if your work has no others.",
    ]


def test_where_nothing_is_required_any_kind_will_do():
    found = verdict(ready(5), require_categories="none", require_complexities="none", require_deliverables="none")
    assert advice(found) == ["Collect 15 more successful samples."]


def test_four_kinds_are_named_and_the_rest_is_others():
    found = verdict(ready(1, category="a"), require_categories="a,b,c,d,e,f,g", min_samples="7")
    assert advice(found)[0].startswith(
        "Collect 6 more successful samples. These would do: 1 in b of medium complexity with 2-5 deliverables, 1 in c "
    )
    assert advice(found)[0].endswith(" and 2 of other kinds.")


def test_where_other_work_is_required_than_the_data_has_only_the_number_is_to_be_collected():
    found = advice(verdict(ready(9, category="mail")))
    assert found[0] == "Set --token-telemetry-require-categories=mail (or =any) if that is how your calls are labelled."
    assert found[1:] == ["Collect 11 more successful samples."]


def test_samples_that_do_not_say_whether_they_were_cut_off_are_to_be_logged():
    assert advice(verdict(ready(27, truncated=None))) == [
        "Log 'truncated' with every sample: too few say whether they were truncated."
    ]


def advice_on(found, samples=(), **written):
    return advice(verdict(list(samples), found, **written))


def test_no_matching_file_is_looked_for_first():
    assert advice_on({"files": ()}) == ["Check the directory logs: no file there matches the pattern."]


def test_files_of_other_names_are_named_by_an_option_or_by_a_map():
    found = {"files": (), "near_misses": {"*.txt": 3, "*.out": 1}}
    assert advice_on(found) == [
        "Check the directory logs, or name its files (--token-telemetry-pattern='*.txt', or the files of a map): no"
        " file there matches."
    ]


def test_tests_that_were_deselected_are_to_be_selected():
    found = {"files": (), "recorded": Recorded(deselected=2)}
    assert advice_on(found, gate="true") == [
        "Select the tests that record calls as well as the checks: 2 tests deselected, and no other recorded one."
    ]


def test_tests_that_record_nothing_are_looked_into_first():
    assert advice_on({"files": (), "recorded": Recorded()}, gate="true") == [
        "Let tests record their model calls, with the token_telemetry fixture, in log lines, or in spans (extras"
        " [openai], [anthropic], [google] and [spans]; docs/from-your-tests.md): none did.",
    ]


def test_what_a_dead_worker_took_with_it_is_recorded_again():
    lost = {"tests/test_a.py::test_b": "worker gw1 died while it ran"}
    found = {"files": (), "unreadable": lost, "recorded": Recorded(lost=lost)}
    assert advice_on(found, gate="true") == ["Run the tests again: a worker died, and what it recorded last is lost."]


@pytest.mark.parametrize(
    ("found", "written", "step"),
    [
        ({}, {}, "Name files that hold model calls: these hold none."),
        (
            {"unusable": {"the JSON line is malformed or truncated": UnusableLines(1, ["a.jsonl:1"])}},
            {},
            "Repair what writes these records: none of them can be used, and -v says why.",
        ),
        (
            {
                "unusable": {
                    "output_tokens is negative": UnusableLines(1, ["a.jsonl:1"]),
                    f"success is not true, false or null: {MEANINGLESS}outcome (values in map a)": UnusableLines(2, []),
                }
            },
            {},
            "Say in the field map what its values mean: success is not true, false or null: give a meaning to each"
            " value at outcome (values in map a).",
        ),
        (
            {"nothing_known": 1, "look_like": {"JSON": 1}, "unusable": {NO_RESULT: UnusableLines(2, ["in.jsonl:1"])}},
            {},
            "Keep the results of each batch beside its requests (docs/batches.md): 2 requests without a result, and"
            " there is no other call.",
        ),
        (
            {"nothing_known": 1, "look_like": {"OTLP JSON": 1}},
            {"format": "litellm"},
            "Check --token-telemetry-format=litellm: read as this format, the files hold no usable call.",
        ),
        (
            {"nothing_known": 1, "look_like": {"plain text": 1, "OTLP JSON": 1}},
            {},
            "Let the system leave one token-telemetry/1 line a call (docs/own-system.md), or name other files:"
            " these hold no model call that is read.",
        ),
        (
            {"nothing_known": 1, "look_like": {"plain text": 1, "JSON": 1}},
            {},
            "Map these files to our fields (--token-telemetry-propose-map proposes how, docs/field-map.md), or let the"
            " system leave one token-telemetry/1 line a call (docs/own-system.md): they hold no model call that is"
            " read.",
        ),
        (
            {"nothing_known": 1, "look_like": {"JSON": 1}, "skipped": {f"{OUTSIDE}a": 2, f"{OUTSIDE}b": 3}},
            {},
            "Correct the where of map a and the where of map b, or narrow their files: no record matches.",
        ),
        ({"skipped": {f"{OUTSIDE}a": 2}}, {}, "Name files that hold model calls: these hold none."),
        (
            {"nothing_known": 1, "look_like": {"JSON": 1}, "unfound": (Unfound("a", "files", "cals*.jsonl or x", 0),)},
            {},
            "Correct the files of map a: no file matches cals*.jsonl or x.",
        ),
        (
            {
                "nothing_known": 1,
                "look_like": {"CSV": 1},
                "unfound": (Unfound("a", "files", "x", 0), Unfound("b", "files", "y", 0)),
            },
            {},
            "Correct the files of map a and of map b: no file matches x, and none matches y.",
        ),
        (
            {"nothing_known": 1, "look_like": {"UTF-16": 1}},
            {},
            "Save these files as UTF-8: in other encodings only log lines are read, and these files hold none.",
        ),
        (
            {"nothing_known": 1, "look_like": {"Claude Code transcripts": 1}},
            {},
            "Add --token-telemetry-format=claude-code to judge these files: they hold no other call.",
        ),
        (
            {"nothing_known": 1, "look_like": {"empty files": 1}},
            {},
            "Find out why nothing was written, or name other files: each is empty.",
        ),
        (
            {"nothing_known": 1, "look_like": {"plain text": 1, "empty files": 1}},
            {},
            "Check that the system logs [TokenEstimationV2] or token-telemetry/1 lines: the files hold none. Other log"
            " lines need a field map (docs/field-map.md).",
        ),
    ],
)
def test_files_without_a_sample_are_looked_into_first(found, written, step):
    assert advice_on(found, **written)[0] == step


def test_files_that_hold_nothing_are_looked_into_beside_tests_that_recorded_enough():
    recorded = [File("tests/test_a.py::test_b", 60, kind="test"), File("logs/a.jsonl", 0)]
    found = {"files": tuple(recorded), "recorded": Recorded(), "nothing_known": 1, "skipped": {f"{OUTSIDE}a": 2}}
    assert advice_on(found, ready(60), gate="true", dir=["logs"]) == [
        "Correct the where of map a, or narrow its files: no record matches."
    ]


def test_there_is_always_a_next_step():
    recorded = [File("tests/test_a.py::test_b", 60, kind="test"), File("db:calls", 0, kind="table")]
    found = {"files": tuple(recorded), "recorded": Recorded(), "empty_tables": 1}
    said = "Repair what fails: no row in 1 table."
    assert advice_on(found, ready(60), gate="true", db=["sqlite:///a.db"]) == [said]


def test_reasons_that_are_not_known_are_named_where_nothing_else_says_how_calls_ended():
    rows = [
        *ready(60),
        *ready(3, truncated=None, finish_reason="unknown", finish_reason_raw="MAX"),
        call(truncated=None, finish_reason="unknown", finish_reason_raw="DONE"),
        call(truncated=False, finish_reason="unknown", finish_reason_raw="told otherwise"),
    ]
    found = verdict(rows)
    said = "4 samples ended for reasons that are not known: MAX (3 samples), DONE (1 sample)."
    assert (found.counts.unknown_reasons, notes(found)[0]) == ({"MAX": 3, "DONE": 1}, said)
    only = verdict(ready(27, truncated=None, finish_reason="unknown", finish_reason_raw="MAX"))
    assert advice(only) == [
        "Say in a known word why outputs end (finish_reason: stop, length, ...): not known are MAX (27 samples)."
    ]


def test_reasons_that_are_not_known_are_named_where_the_cap_says_how_calls_ended():
    rows = [
        *ready(60, finish_reason="stop", finish_reason_raw="end_turn"),
        *ready(2, truncated=False, max_tokens=2000, finish_reason="unknown", finish_reason_raw="cut_off"),
        call(truncated=True, max_tokens=100, finish_reason="unknown", finish_reason_raw="cut_off"),
        call(truncated=False, finish_reason="unknown", finish_reason_raw="finito"),
        call(truncated=False, max_tokens=2000, finish_reason="unknown", finish_reason_raw="unknown"),
    ]
    found = verdict(rows)
    said = (
        "4 samples ended for reasons that are not known: cut_off (3 samples), finito (1 sample)."
        " The gate ignores such words: the cap, or truncated where it is given, decided."
    )
    assert found.counts.settled_reasons == {"cut_off": 3, "finito": 1}
    assert (found.counts.unknown_reasons, said in notes(found)) == ({}, True)
    open_too = verdict([*rows, *ready(2, truncated=None, finish_reason="unknown", finish_reason_raw="MAX")])
    assert notes(open_too)[:2] == [
        "2 samples ended for reasons that are not known: MAX (2 samples).",
        said.replace("4 samples", "4 other samples"),
    ]


def test_outputs_above_their_cap_are_told():
    found = verdict([*ready(60), *ready(2, max_tokens=100), *ready(1, max_tokens=100, truncated=True)])
    told = "2 samples above max_tokens without being truncated: that is not the cap that was sent."
    assert (found.counts.over_cap, notes(found)[0]) == (2, told)


def test_links_out_of_the_directory_are_named_with_the_way_to_have_them_read():
    one = (
        "the link logs/a leads out of the directory and is not followed: name the directory that it leads to with"
        " --token-telemetry-dir."
    )
    others = (
        "the link logs/a and 2 other links lead out of the directory and are not followed: name the directories that"
        " they lead to with --token-telemetry-dir."
    )
    found = verdict(ready(60), {"outside": ("logs/a",)})
    assert (found.verdict, words.texts(report_notes.losses(found))) == ("pass", [one])
    assert one in " ".join(" ".join(text for text, _ in terminal.screen(found, 80)).split())
    assert notes(verdict(ready(60), {"outside": ("logs/a", "logs/b", "logs/c")})) == [others]


def test_files_of_records_that_no_reader_knows_are_told_beside_others():
    propose = " (--token-telemetry-propose-map proposes how, docs/field-map.md)."
    told = f"no record of runs/a.jsonl is read: map it if it holds calls{propose}"
    found = verdict(ready(60), {"unknown": ("runs/a.jsonl",)})
    assert (found.verdict, notes(found)[0]) == ("pass", told)
    of_two = "no record of a.csv and of 1 other file is read: map them if they hold calls"
    assert notes(verdict(ready(60), {"unknown": ("a.csv", "b.csv")}))[0] == f"{of_two}{propose}"
    assert notes(verdict([], {"unknown": ("a.csv",), "nothing_known": 1, "look_like": {"CSV": 1}})) == []


def test_files_that_are_read_if_asked_for_are_told_beside_others():
    how = "(--token-telemetry-format=claude-code reads them)"
    found = verdict(ready(60), {"look_like": {"Claude Code transcripts": 2}})
    assert notes(found)[0] == f"not judged: 2 files look like Claude Code transcripts {how}."


def test_predictions_that_are_the_cap_are_told():
    told = (
        "59 of 60 predictions are the cap (max_tokens), which no output can exceed: underestimation cannot show there."
        " Record what the estimator predicted."
    )
    found = verdict([*ready(59, 1000, max_tokens=1000), *ready(1, 1000, max_tokens=2000)])
    assert (found.counts.predicted_caps, notes(found)[0]) == (59, told)
    assert told not in notes(verdict([*ready(50, 1000, max_tokens=1000), *ready(10, 1000, max_tokens=2000)]))
    assert not any("Record what" in each for each in notes(verdict(ready(9, 1000, max_tokens=1000))))


ONE_AS_ANOTHER = "--token-telemetry-alias=SPELLING=CATEGORY counts one as another."


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (
            {"write-code": 30, "WriteCode": 9, "docs": 9},
            "Categories that differ only in blanks, - or _: write-code and writecode."
            " --token-telemetry-alias=writecode=write-code counts them as one.",
        ),
        (
            {"write code": 30, "write-code": 9},
            f"Categories that differ only in blanks, - or _: write code and write-code. {ONE_AS_ANOTHER}",
        ),
        (
            {"a-b": 30, "a_b": 9, "a b": 8, "ab": 7, "a--b": 6, "c-d": 5, "cd": 4},
            f"Categories that differ only in blanks, - or _: a-b, a_b, a b and 2 others; c-d and cd. {ONE_AS_ANOTHER}",
        ),
        (
            {name: 9 for letter in "abcd" for name in (f"{letter}-z", f"{letter}z")},
            "Categories that differ only in blanks, - or _: a-z and az; b-z and bz; c-z and cz; 1 other group."
            f" {ONE_AS_ANOTHER}",
        ),
        (
            {"`rm -r`": 30, "`rmr`": 9},
            f"Categories that differ only in blanks, - or _: `rm -r` and `rmr`. {ONE_AS_ANOTHER}",
        ),
    ],
)
def test_categories_of_nearly_the_same_name_are_told(names, told):
    rows = [call(category=name) for name, count in names.items() for _ in range(count)]
    assert told in notes(verdict(rows, require_categories="any"))


@pytest.mark.parametrize(
    "names",
    [
        ["write-code", "write-codes"],
        ["v1", "v2"],
        ["-", "_", "--"],
        ["docs", "Docs", "documentation"],
        ["a.b", "ab"],
        [],
    ],
)
def test_other_categories_are_not_taken_for_the_same(names):
    found = verdict([call(category=name) for name in [*names, None]] * 30, require_categories="any")
    assert not any("differ only in" in each for each in notes(found))


def test_spellings_that_are_one_are_not_told():
    rows = [call(category=name) for name in ["write-code", "writecode"] * 30]
    found = verdict(rows, require_categories="any", alias=["writecode=write-code"])
    assert not any("differ only in" in each for each in notes(found))


TO_REPAIR = "Repair what cannot be read, as it is not judged: logs/x.log (Permission denied)"


def test_unreadable_files_are_repaired():
    assert advice_on({"unreadable": {"logs/x.log": "Permission denied"}}, ready(27)) == [f"{TO_REPAIR}."]
    others = {"logs/x.log": "Permission denied", "logs/y.log": "It is gone", "logs/z.log": "It is gone"}
    assert advice_on({"unreadable": others}, ready(27)) == [f"{TO_REPAIR} and 2 others."]


CUT_OFF = "its gzip data is cut off"


@pytest.mark.parametrize(
    ("unreadable", "told"),
    [
        (
            {"logs/x.log": "Input/output error"},
            "Repair what can be read only in part: logs/x.log (Input/output error; 27 samples of it count).",
        ),
        (
            {"logs/x.log": CUT_OFF, "logs/y.log": "It is gone"},
            "Copy again what is cut off, or wait until it is written: logs/x.log (its gzip data is cut off; 27 samples"
            " of it count) and 1 other.",
        ),
        (
            {"logs/y.gz": CUT_OFF},
            "Copy again what is cut off, or wait until it is written: logs/y.gz (its gzip data is cut off).",
        ),
    ],
)
def test_files_that_are_read_in_part_are_told_with_what_counts(unreadable, told):
    assert advice_on({"unreadable": unreadable, "files": (File("logs/x.log", 27),)}, ready(27)) == [told]


@pytest.mark.parametrize("files", [{}, {"files": ()}])
def test_files_that_cannot_be_read_are_neither_missing_nor_empty(files):
    assert advice_on({"unreadable": {"logs/x.log": "Permission denied"}, **files}) == [f"{TO_REPAIR}."]


@pytest.mark.parametrize("rows", [ready(60), ready(6)], ids=["pass", "not-ready"])
def test_lines_that_cannot_be_used_are_to_be_repaired_first_where_they_are_many(rows):
    few, many = ({"unusable": {"success is missing": UnusableLines(n, ["logs/a.log:1"])}} for n in (0, len(rows)))
    n = len(rows)
    step = f"Repair what writes the unusable lines: {n} of {2 * n} telemetry lines count in no figure."
    assert advice_on(many, rows)[0] == step
    assert step not in advice_on(few, rows)


def test_too_many_unusable_lines_are_repaired():
    unusable = {"unusable": {"success is missing": UnusableLines(2, ["logs/a.log:1"])}}
    assert advice_on(unusable, ready(27), max_unusable="1") == [
        "Repair what writes the unusable lines, or raise the limit (--token-telemetry-max-unusable).",
    ]


@pytest.mark.parametrize(
    ("samples", "found", "note"),
    [
        (ready(27), {"duplicates": 1}, "1 duplicate left out: the same call in another place."),
        (ready(27), {"recorded": Recorded(deselected=3)}, "3 tests deselected: what they would record is not judged."),
        (
            ready(27),
            {"recorded": Recorded(copies=2)},
            "Each test ran on 2 workers (--dist=each): its samples count once a run.",
        ),
        (
            [*ready(27), cut_off(truncation_source="cap"), cut_off(truncation_source="reason")],
            {},
            "1 truncation known by the cap alone: no reason said so.",
        ),
        (ready(27), {"duplicates": 2}, "2 duplicates left out: the same call in another place."),
        (
            ready(27),
            {"doubled": ("logs/a.log",)},
            "1 file with every record several times in a row, as if a handler were attached twice: each counts once.",
        ),
        (
            ready(27),
            {"remarks": {"rows_without_id": 7}},
            "7 rows of databases without an id: a call in both a log and a database counts twice then. Read only one of"
            " them.",
        ),
        (
            ready(27),
            {"remarks": {"outputs_differ": 7}},
            "7 calls with records of one id that differ in output tokens: each record counts (docs/definitions.md).",
        ),
        ([*ready(27), call(0, 5), call(5, 0)], {}, "2 samples with a prediction or an output of 0, excluded."),
        (
            [*ready(27), call(legacy=True, success=None, truncated=None)],
            {},
            "1 legacy sample (V1 lines) listed, not judged.",
        ),
        (
            ready(27),
            {"remarks": {"without_request": 2}},
            "2 batch results without a request: the cap is unknown (--token-telemetry-requests=FILE names it,"
            " docs/batches.md).",
        ),
        (
            ready(27),
            {"remarks": {"without_call": 12}},
            "12 rows of side files without a call: no usable call has the id that they name (docs/side-files.md).",
        ),
        (
            ready(27),
            {"remarks": {"several_calls": 1}},
            "1 prediction of side files with the id of several calls: left out (docs/side-files.md).",
        ),
        (
            ready(27),
            {"remarks": {"maps_without_file": 1}},
            "1 field map without a file: no name matches its patterns (docs/field-map.md).",
        ),
        (ready(27), {"special": ("logs/a.log",)}, "1 path not opened: pipes, sockets or devices."),
        (
            ready(27),
            {"unusable": {"a is missing": UnusableLines(2), "b is too large": UnusableLines(1)}},
            "3 telemetry lines could not be used: 2 because a is missing; 1 because b is too large.",
        ),
    ],
)
def test_what_changes_how_figures_read_is_noted(samples, found, note):
    assert notes(verdict(samples, found)) == [note]


def test_a_column_that_may_be_a_field_is_noted_and_any_other_shown_with_the_sources():
    columns = (UnusedColumn("guess", "predicted_output_tokens", 2), UnusedColumn("limit", "max_tokens", 1))
    other, forecast = UnusedColumn("a note", "", 2), UnusedColumn("forecast", "predicted_output_tokens", 1)
    found = verdict(ready(27), {"unused_columns": (other, *columns, forecast)})
    assert notes(found) == [
        "not read: guess or forecast may be predicted_output_tokens: rename one, or map the CSV files"
        " (docs/field-map.md).",
        "not read: limit may be max_tokens: rename it, or map the CSV files (docs/field-map.md).",
    ]
    [sources] = [each for each in sections.details(found) if each.title == "Sources"]
    rows = [("2 files", "guess"), ("1 file", "limit"), ("1 file", "forecast"), ("2 files", "a note")]
    assert [tuple(plain(cell) for cell in row) for row in sources.tables[-1].rows] == rows


def test_a_name_that_may_be_a_field_is_noted_with_the_way_to_have_it_read():
    columns = (
        UnusedColumn("tok_limit", "max_tokens", 1, "table"),
        UnusedColumn("guess", "predicted_output_tokens", 1, "table"),
        UnusedColumn("estimate", "predicted_output_tokens", 1, "table"),
        UnusedColumn("prediction", "predicted_output_tokens", 1, "side"),
        UnusedColumn("sucess", "success", 1200, "metadata"),
        UnusedColumn("max_token", "max_tokens", 200, "line"),
        UnusedColumn("kind", "", 1, "side"),
    )
    found = verdict(ready(27), {"unused_columns": columns})
    assert notes(found) == [
        "not read: tok_limit may be max_tokens: map it (--token-telemetry-db-field=max_tokens=tok_limit).",
        "not read: guess or estimate may be predicted_output_tokens: map one"
        " (--token-telemetry-db-field=predicted_output_tokens=COLUMN).",
        "not read: prediction in side files may be predicted_output_tokens: rename it (docs/side-files.md).",
        "not read: sucess in metadata may be success: rename it (docs/batches.md).",
        "not read: max_token in lines of token-telemetry/1 may be max_tokens: rename it (docs/own-system.md).",
    ]
    [sources] = [each for each in sections.details(found) if each.title == "Sources"]
    assert [plain(row[0]) for row in sources.tables[-1].rows] == [
        *("1 table", "1 table", "1 table", "1 side file", "metadata of 1,200 calls", "200 lines", "1 side file"),
    ]


def test_a_side_file_without_a_prediction_is_told_where_no_call_has_one():
    found = {
        "remarks": {"without_prediction": 1},
        "unused_columns": (UnusedColumn("kind", "", 1, "side"), UnusedColumn("pk", "", 1, "table")),
    }
    said = (
        "1 side file without a prediction, and no call has one: no field takes its columns kind (docs/side-files.md)."
    )
    silent = [call(None, max_tokens=4000)] * 30
    assert notes(verdict(silent, found))[0] == said.replace("columns", "column")
    assert notes(verdict(ready(27), found)) == []
    two = {"remarks": {"without_prediction": 2}}
    assert (
        notes(verdict(silent, two))[0] == "2 side files without a prediction, and no call has one (docs/side-files.md)."
    )


WRONG = Unfound("ours", "predicted_output_tokens", "limits.gues", 60)


def test_a_where_or_a_pattern_that_nothing_fits_is_noted_with_its_map():
    found = {
        "unfound": (
            Unfound("ours", "where", "event", 60),
            Unfound("b", "files", "cals*.jsonl or x", 0),
            Unfound("c", "outside where", "usage.out", 2),
        ),
        "remarks": {"maps_without_file": 1},
        "duplicates": 3,
    }
    told = notes(verdict(ready(27), found))
    assert told[:3] == [
        "map ours: its where (event) matched none of 60 records.",
        "map b: no file matches cals*.jsonl or x (docs/field-map.md).",
        "map c: its where leaves out 2 records with an output at usage.out (add them to the where if they are calls).",
    ]
    assert not any("field map without" in each for each in told)


def test_a_path_that_leads_nowhere_is_noted_with_its_map_and_field():
    found = {
        "unfound": (
            WRONG,
            Unfound("ours", "time", "why", 60),
            Unfound("ours", "output_tokens", "out", 60),
            Unfound("b", "features.a b", "x.y z", 1),
        ),
        "duplicates": 3,
    }
    assert notes(verdict(ready(27), found))[:3] == [
        "map ours: predicted_output_tokens: no record has limits.gues (60 records).",
        "map ours: time: no record has a time at why (60 records).",
        "map b: features.a b: no record has x.y z (1 record).",
    ]


@pytest.mark.parametrize(
    ("unfound", "samples", "written", "step"),
    [
        ((Unfound("ours", "output_tokens", "tok_ou", 60),), [], {}, "no record has tok_ou (output_tokens)"),
        (
            (Unfound("ours", "output_tokens", "tok_ou", 60), WRONG),
            [],
            {"format": "ours"},
            "no record has tok_ou (output_tokens)",
        ),
        (
            (Unfound("ours", "success", "result.oke", 60), WRONG),
            [call(success=None)] * 60,
            {},
            "no record has result.oke (success)",
        ),
        (
            (WRONG,),
            [call(predicted=None)] * 60,
            {"require": "predictions"},
            "no record has limits.gues (predicted_output_tokens)",
        ),
    ],
)
def test_where_a_map_hides_what_is_missing_the_map_is_to_correct(unfound, samples, written, step):
    lines = {"unusable": {"output_tokens is missing": UnusableLines(60)}} if not samples else {}
    first, *others = advice_on({"unfound": unfound, **lines}, samples, **written)
    assert first == f"Correct map ours: {step}."
    assert not any(each.startswith(("Repair", "Record", "Check")) for each in others)


@pytest.mark.parametrize("rows", [ready(60), ready(60, output=2000), ready(60, truncated=None)])
def test_a_map_that_finds_no_output_is_corrected_first_whatever_other_files_hold(rows):
    found = {"unfound": (Unfound("ours", "output_tokens", "out", 60),)}
    said = verdict(rows, found, require_categories="none")
    assert said.verdict in ("pass", "tune", "not-ready")
    assert advice(said)[0] == "Correct map ours: no record has out (output_tokens)."


def test_what_could_not_be_used_is_noted_first():
    """A screen has room for few notes, and ids of a side file that no call has are a user's mistake."""
    found = {"unusable": {"a is missing": UnusableLines(2)}, "remarks": {"without_call": 12}, "duplicates": 3}
    told = notes(verdict([*ready(27), call(predicted=None)], found))
    assert [note.partition(" ")[0] for note in told] == ["2", "12", "3", "1"]


def test_the_origins_default_judges_legacy_samples():
    rows = [*ready(27), call(legacy=True, success=None, truncated=None)]
    assert notes(verdict(rows, population="all")) == ["1 legacy sample (V1 lines) judged."]


def test_nothing_remarkable_is_not_noted():
    assert notes(verdict(ready(27))) == []


HOSTILE = [
    "@everyone",
    "<script>alert(1)</script>",
    "[click](http://evil)",
    "http://evil",
    "evil/repo#1",
    "`code`",
    "a|b",
    "**bold**",
    "::error::x",
    "line\nbreak",
    "\x1b[31mred",
    "\u202eleft",
    "x" * 33,
    "",
    "1st",
    "a.b",
    "$(reboot)",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("count", [5, 60], ids=["not ready", "tune"])
def test_names_from_the_logs_stand_in_no_sentence_unless_they_are_plain_words(name, count):
    rows = [
        *ready(count),
        *[call(1, 100, category=name, complexity=name, model=name, task_id=name, run=name, finish_reason_raw=name)] * 9,
        *[cut_off(category=name, task_id=name)] * 9,
    ]
    odd = {
        "unusable": {"x": UnusableLines(1, [name])},
        "unreadable": {name: "y"},
        "outside": (name,),
        "special": (name,),
    }
    for found in (verdict(rows), verdict(rows, odd), judge(reading(rows), settings(), ("tier1::truncation",))):
        said = [words.headline(found), *next_steps(found), *report_notes.notes(found), *to_collect(found)]
        said += [words.message(found, each) for each in found.checks]
        assert len(said) > 2
        for own in (part for sentence in said for part in pieces(sentence) if isinstance(part, str)):
            assert name not in own or not name.strip()
            assert re.fullmatch(r"[\w .,:;()\[\]%/<=+'-]*", own, re.ASCII)


def test_a_category_that_is_no_plain_word_stays_untrusted():
    rows = [*ready(60), *[call(1, 9, budget_tokens=None, category="@everyone")] * 9]
    step, price = next_steps(verdict(rows))
    assert Untrusted("@everyone") in price
    assert [part for part in step if part] == [
        "Multiply the predictions in ",
        Untrusted("@everyone"),
        " by 9.00 (9 samples, with the spread of the others)",
        ".",
    ]


def test_samples_without_a_category_are_told_as_such():
    rows = [*ready(60), *[call(1, 9, budget_tokens=None, category=None)] * 9]
    assert advice(verdict(rows))[0].startswith("Multiply the predictions in calls without a category by 9.00 (")


NOT_SAVED = "No baseline was saved: the data is not ready, and nothing should be compared with it."


@pytest.mark.parametrize(
    ("rows", "selected", "told"),
    [
        (ready(60), ALL_CHECK_IDS, False),
        ([*ready(60), *[cut_off()] * 9], ALL_CHECK_IDS, False),
        (ready(60), (), False),
        (ready(5), ALL_CHECK_IDS, True),
        (ready(5), (), True),
        ([], ALL_CHECK_IDS, True),
    ],
    ids=["pass", "tune", "nothing selected", "not ready", "not ready, nothing selected", "nothing"],
)
def test_a_baseline_that_is_not_saved_is_told(rows, selected, told):
    found = judge(reading(rows), settings(save_baseline="baseline.json"), selected)
    assert (NOT_SAVED in notes(found), bool(found.unmet)) == (told, told)


def test_no_baseline_is_told_of_where_none_was_asked_for():
    assert NOT_SAVED not in notes(verdict(ready(5)))


def test_an_output_that_may_be_a_cap_is_asked_about():
    rows = [*ready(27), *(call(output=output) for output in [*range(100, 900, 40), *[1000] * 11])]
    assert "11 outputs are exactly 1,000: is that the cap?" in notes(verdict(rows))


def bare_figures(texts: list[str]) -> list[str]:
    """Figures of 1,000 or more without separators. Years, and numbers of lines, are none."""
    return [found for text in texts for found in re.findall(r"(?<![\w:,.#/-])[1-9]\d{3,}(?![\w,-])", text)]


@pytest.mark.parametrize("one_per_task", ["true", "false"])
def test_figures_of_1000_and_more_have_separators(one_per_task):
    """In every check, note, step and remark of reports that have many of everything."""
    silent = [call(1000, 900, truncated=None, finish_reason=None, task_id=f"t{n % 1200}") for n in range(3500)]
    cut = cut_off(time=datetime(2026, 1, 2), max_tokens=8192)
    retried = [cut, call(1000, 1000, time=datetime(2026, 1, 3), max_tokens=9000)]
    rows = [*silent, *(replace(each, task_id=f"r{n}") for n in range(1100) for each in retried)]
    unreadable = {f"{n}.log": "Permission denied" for n in range(1100)}
    files = (File("a.log", len(rows)), *(File(f"{n}.log", 0) for n in range(1100)))
    lost = {"output_tokens is missing": UnusableLines(2200, ["a.log:1"])}
    more = {"files": files, "nothing_known": 1100, "duplicates": 1300, "unusable": lost}
    for found in (
        verdict(rows, more, one_per_task=one_per_task),
        verdict(rows, {**more, "unreadable": unreadable}, one_per_task=one_per_task),
        verdict(rows, more, require_categories=",".join(f"c{n}" for n in range(1200)), min_samples="9000"),
    ):
        said = [plain(words.message(found, result)) for result in found.checks]
        for section in (*sections.compared(found), *sections.details(found)):
            said += [plain(each) for each in (*section.sentences, *section.remarks)]
        said += [headline(found), *notes(found), *advice(found), *map(plain, to_collect(found))]
        assert bare_figures(said) == []
