"""Each readiness check, and what its failing means."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pytest_token_telemetry.gate.checks import CATEGORIES
from pytest_token_telemetry.report.words import headline
from pytest_token_telemetry.sources.look_like import OUTSIDE
from pytest_token_telemetry.sources.places import UnusedColumn
from pytest_token_telemetry.sources.reading import File, UnusableLines
from pytest_token_telemetry.sources.recorded import Recorded
from pytest_token_telemetry.text import plain
from tests.unit.gate.cases import (
    CHECK_IDS,
    advice,
    call,
    cut_off,
    judge,
    message,
    outcomes,
    plan,
    reading,
    ready,
    result,
    settings,
    verdict,
)

TIERS = ("tier1::underestimation", "tier1::truncation", "tier2::waste-p90")


def counted(found, id):
    """What the check counts, what is needed, and what is missing."""
    figure = result(found, id)
    return figure.value, figure.target, figure.missing


def test_ready_data_passes_every_check():
    found = verdict(ready(60))
    assert outcomes(found) == dict.fromkeys(CHECK_IDS, "pass")
    assert (found.verdict, found.fails, found.title) == ("pass", False, "PASS")


WITHOUT = {
    "readiness::samples": ready(19),
    "readiness::categories": ready(27, category="other"),
    "readiness::complexities": ready(27, complexity="low"),
    "readiness::deliverables": ready(27, deliverable_count=None),
}


@pytest.mark.parametrize("failing", WITHOUT)
def test_each_readiness_check_fails_alone_and_nothing_is_judged(failing):
    found = verdict(WITHOUT[failing])
    readiness = {check_id: outcome for check_id, outcome in outcomes(found).items() if check_id not in TIERS}
    assert [check_id for check_id, outcome in readiness.items() if outcome != "pass"] == [failing]
    assert [outcomes(found)[each] for each in TIERS] == ["skip", "skip", "skip"]
    assert (found.verdict, found.fails, found.title) == ("not-ready", True, "NOT READY")


@pytest.mark.parametrize("failing", WITHOUT)
def test_not_ready_may_skip_instead_of_failing(failing):
    found = verdict(WITHOUT[failing], not_ready="skip")
    skipped = {failing, *TIERS}
    assert outcomes(found) == {each: "skip" if each in skipped else "pass" for each in CHECK_IDS}
    assert (found.verdict, found.fails) == ("not-ready", False)


NOTHING_READ = {"files": ()}
PATTERNS = "*.log, *.log.*, *.log-*, *.json*, *.ndjson*, *.csv* or *.eval"
ONE_UNREADABLE = {"unreadable": {"logs/secret.log": "Permission denied"}}
ALL_UNREADABLE = {**NOTHING_READ, **ONE_UNREADABLE}
FILE = File("logs/run-1/agent.log", 1)
HALF_READ = {"files": (FILE,), "unreadable": {FILE.path: "Input/output error"}}
"""A file that was opened and could not be read to its end."""
TESTS = tuple(File(f"tests/test_a.py::test_{n}", 1, "test") for n in range(2))
THREE_UNUSABLE = {
    "unusable": {
        "actual_output is missing": UnusableLines(2, ["logs/a.log:1", "logs/a.log:2"]),
        "success is missing": UnusableLines(1, ["logs/a.log:3"]),
    }
}


@pytest.mark.parametrize(
    ("found", "said", "figure"),
    [
        (ONE_UNREADABLE, "1 of 2 paths could not be read", (1, 2, 1)),
        (ALL_UNREADABLE, "1 of 1 path could not be read", (0, 1, 1)),
        (HALF_READ, "1 of 1 path could be read only in part", (0, 1, 1)),
        ({**HALF_READ, "files": (FILE._replace(samples=0),)}, "1 of 1 path could not be read", (0, 1, 1)),
        ({**HALF_READ, "files": (FILE, File("b.log", 1))}, "1 of 2 paths could be read only in part", (1, 2, 1)),
        (
            {"files": (FILE,), "unreadable": {**HALF_READ["unreadable"], **ONE_UNREADABLE["unreadable"]}},
            "1 of 2 paths could not be read, and 1 only in part",
            (0, 2, 2),
        ),
        (NOTHING_READ, "no file matches", (0, 1, 1)),
        (
            {**NOTHING_READ, "near_misses": {"*.txt": 3, "*.csv": 1}},
            f"no file matches {PATTERNS}; 3 files *.txt and 1 file *.csv are there",
            (0, 1, 1),
        ),
        (
            {**NOTHING_READ, "near_misses": {"sys\nlog": 1}},
            f"no file matches {PATTERNS}; 1 file sys\\u000alog is there",
            (0, 1, 1),
        ),
        ({"nothing_known": 1}, "no telemetry in 1 file", (1, 1, 1)),
        ({"nothing_known": 1, "look_like": {"CSV": 1}}, "no telemetry found: 1 file looks like CSV", (1, 1, 1)),
        (
            {"nothing_known": 1, "look_like": {"Claude Code transcripts": 1}},
            "no telemetry found: 1 file looks like Claude Code transcripts (--token-telemetry-format=claude-code reads"
            " it)",
            (1, 1, 1),
        ),
        (
            {
                "files": (File("a", 0), File("b", 0), File("c", 0)),
                "nothing_known": 3,
                "look_like": {"OTLP JSON": 2, "empty files": 1},
            },
            "no telemetry found: 2 files look like OTLP JSON, 1 file is empty",
            (3, 3, 1),
        ),
        (
            {
                "nothing_known": 1,
                "look_like": {"JSON": 1},
                "skipped": {f"{OUTSIDE}ga\nte": 40, "calls that generate no text": 2},
            },
            "no telemetry found: 1 file looks like JSON, the where of map ga\\u000ate matched none of 40 records",
            (1, 1, 1),
        ),
        ({"nothing_known": 1, **ONE_UNREADABLE}, "1 of 2 paths could not be read", (1, 2, 1)),
    ],
)
def test_sources_must_hold_telemetry_and_be_readable(found, said, figure):
    judged = verdict([], found)
    assert result(judged, "readiness::sources").outcome == "fail"
    assert message(judged, "readiness::sources") == said
    assert counted(judged, "readiness::sources") == figure
    assert judged.verdict == "not-ready"


TABLE = File("sqlite:///a.db: calls", 0, "table")


@pytest.mark.parametrize(
    ("found", "outcome", "said", "figure"),
    [
        ({"files": (TABLE,), "empty_tables": 1}, "fail", "no row in 1 table", (1, 1, 1)),
        ({"files": (TABLE, TABLE), "empty_tables": 1}, "pass", "2 tables read", (2, 2, 0)),
        ({"files": ()}, "fail", "no table read", (0, 1, 1)),
        ({"files": (), "unreadable": {"sqlite:///a.db": "why"}}, "fail", "1 of 1 path could not be read", (0, 1, 1)),
        ({"files": (TABLE,), "unreadable": {TABLE.path: "why"}}, "fail", "1 of 1 path could not be read", (0, 1, 1)),
    ],
)
def test_tables_must_have_rows_and_be_readable(found, outcome, said, figure):
    judged = verdict([], found, db=["sqlite:///a.db"])
    assert result(judged, "readiness::sources").outcome == outcome
    assert message(judged, "readiness::sources") == said
    assert counted(judged, "readiness::sources") == figure


def test_a_table_does_not_stand_for_a_directory_without_files():
    judged = verdict(ready(60), {"files": (TABLE._replace(samples=60),)}, dir=["logs"], db=["sqlite:///a.db"])
    assert message(judged, "readiness::sources") == "no file matches"
    assert judged.verdict == "not-ready"


def test_files_without_telemetry_among_others_are_no_failure():
    found = verdict(ready(60), {"files": (File("a.log", 60), File("b.log", 0)), "nothing_known": 1, "mentions": 2})
    assert outcomes(found) == dict.fromkeys(CHECK_IDS, "pass")
    assert (found.counts.nothing_known, found.counts.mentions) == (1, 2)


@pytest.mark.parametrize(
    ("found", "outcome", "said", "figure"),
    [
        ({"files": TESTS}, "fail", "no file matches", (2, 2, 1)),
        ({"files": (FILE,)}, "fail", "no test recorded a sample", (1, 1, 1)),
        (NOTHING_READ, "fail", "no file matches and no test recorded a sample", (0, 1, 2)),
        ({"files": (*TESTS, FILE), **ONE_UNREADABLE}, "fail", "1 of 4 files and tests could not be read", (3, 4, 1)),
        (
            {"files": (*TESTS, FILE), "unreadable": {TESTS[0].path: "its worker died"}},
            "fail",
            "1 of 3 files and tests could be read only in part",
            (2, 3, 1),
        ),
        (
            {
                "files": (File("test_a.py::test_dead", 0, "test"), *TESTS),
                "unreadable": {"test_a.py::test_dead": "died"},
            },
            "fail",
            "1 of 3 files and tests could not be read",
            (2, 3, 1),
        ),
        ({"files": (*TESTS, FILE)}, "pass", "1 file read and 2 tests recorded", (3, 3, 0)),
    ],
)
def test_files_and_tests_must_both_be_there_where_both_are_asked_for(found, outcome, said, figure):
    judged = verdict([], {"recorded": Recorded(), **found}, gate="true", dir=["logs"])
    assert result(judged, "readiness::sources").outcome == outcome
    assert message(judged, "readiness::sources") == said
    assert counted(judged, "readiness::sources") == figure


def test_tests_alone_are_a_source():
    judged = verdict([], {"recorded": Recorded(), "files": TESTS}, gate="true", dir=[])
    assert message(judged, "readiness::sources") == "2 tests recorded"
    assert counted(judged, "readiness::sources") == (2, 2, 0)


def test_a_missing_source_is_counted_in_whole_numbers():
    assert type(result(verdict([], NOTHING_READ), "readiness::sources").missing) is int


def test_an_unreadable_file_fails_data_that_is_ready_otherwise():
    found = verdict(ready(60), ONE_UNREADABLE)
    assert [check_id for check_id, outcome in outcomes(found).items() if outcome == "fail"] == ["readiness::sources"]
    assert found.fails


@pytest.mark.parametrize(
    ("limit", "outcome", "said"),
    [
        (None, "pass", "1 file read"),
        ("3", "pass", "1 file read"),
        ("2", "fail", "3 telemetry lines could not be used (limit 2)"),
        ("0", "fail", "3 telemetry lines could not be used (limit 0)"),
    ],
)
def test_unusable_lines_fail_above_their_limit_only(limit, outcome, said):
    found = verdict(ready(), THREE_UNUSABLE, max_unusable=limit)
    assert result(found, "readiness::sources").outcome == outcome
    assert message(found, "readiness::sources") == said


def test_unusable_lines_above_their_limit_are_the_figure():
    found = verdict(ready(), THREE_UNUSABLE, max_unusable="2")
    assert counted(found, "readiness::sources") == (3, 2, 1)


@pytest.mark.parametrize("unreadable", [ONE_UNREADABLE, {}])
def test_the_headline_blames_the_logs_where_nothing_else_is_missing(unreadable):
    unusable = {"max_unusable": "2"}
    found = verdict(ready(60), {**THREE_UNUSABLE, **unreadable}, **unusable)
    assert headline(found) == "Not all logs can be used: fix that first, do not tune."


def test_the_headline_asks_for_no_more_data_where_what_is_there_cannot_be_read():
    unusable = {"max_unusable": "2"}
    assert headline(verdict(ready(10), {**THREE_UNUSABLE, **ONE_UNREADABLE}, **unusable)) == (
        "Not all logs can be used: fix that first, do not tune."
    )
    assert headline(verdict(ready(10), THREE_UNUSABLE, **unusable)) == (
        "Not enough representative data: collect more, do not tune."
    )


@pytest.mark.parametrize("found", [{"unreadable": {"logs/x.log": "Permission denied"}}, {"files": ()}])
def test_more_data_is_not_asked_for_where_no_call_was_read(found):
    assert headline(verdict([], found)) == "No call could be read: fix that first, do not tune."


def test_the_headline_blames_the_tests_where_none_recorded_a_call_beside_good_logs():
    found = verdict(ready(60), {"recorded": Recorded(), "files": (FILE,)}, gate="true", dir=["logs"])
    assert headline(found) == "No test recorded a call: run those that do, do not tune."


def test_a_success_without_an_output_counts_as_one_nowhere():
    found = verdict([*ready(27), call(output=0)])
    assert found.counts.successes == 27
    assert found.metrics.success_rate == 27 / 28
    assert sum(stratum.successes for stratum in found.strata.category) == 27


def test_no_unusable_line_is_within_a_limit_of_none():
    assert result(verdict(ready(), max_unusable="0"), "readiness::sources").outcome == "pass"


def test_files_are_counted():
    files = tuple(File(f"logs/{n}.log", 0) for n in range(3))
    assert message(verdict([], {"files": files}), "readiness::sources") == "3 files read"


def test_too_few_successes_say_how_many_are_missing():
    found = verdict(ready(19))
    assert message(found, "readiness::samples") == "19 of 20 successful samples"
    assert counted(found, "readiness::samples") == (19, 20, 1)


def test_enough_successes_say_how_many_were_needed():
    found = verdict(ready(20))
    assert message(found, "readiness::samples") == "20 successful samples (20 needed)"
    assert counted(found, "readiness::samples") == (20, 20, 0)


def test_failed_calls_do_not_count_as_samples():
    found = verdict([*ready(19), *[call(success=False)] * 50])
    assert message(found, "readiness::samples") == "19 of 20 successful samples (50 samples did not succeed)"


def test_a_success_without_output_does_not_count_as_a_sample():
    assert result(verdict([*ready(19), call(output=0)]), "readiness::samples").outcome == "fail"


def test_samples_that_do_not_say_whether_they_succeeded_are_told():
    found = verdict([*ready(19), call(success=None)])
    assert message(found, "readiness::samples") == "19 of 20 successful samples (1 sample has no success value)"


@pytest.mark.parametrize(("silent", "told"), [(20, 0), (27, 0), (1, 19), (8, 19)])
def test_successes_that_do_not_say_whether_they_were_cut_off_are_not_enough(silent, told):
    found = verdict([*ready(silent, truncated=None), *ready(told)])
    assert message(found, "readiness::samples") == f"only {told} of 20 samples say whether they were truncated"
    assert result(found, "readiness::samples").outcome == "fail"
    assert counted(found, "readiness::samples") == (told, 20, 20 - told)
    assert found.verdict == "not-ready"


@pytest.mark.parametrize(("needed", "outcome"), [("1", "pass"), ("27", "pass"), ("28", "fail")])
def test_how_many_samples_are_needed_can_be_set(needed, outcome):
    assert result(verdict(ready(27), min_samples=needed), "readiness::samples").outcome == outcome


def test_a_missing_category_is_named():
    rows = [each for each in ready(81) if each.category != "docs"]
    found = verdict(rows)
    assert message(found, "readiness::categories") == "no successful sample in docs"
    assert counted(found, "readiness::categories") == (
        *(("implementation", "tests"), ("implementation", "tests", "docs"), ("docs",)),
    )


def test_several_missing_values_are_listed():
    found = verdict(ready(27, complexity="low", category="tests", deliverable_count=3))
    assert message(found, "readiness::categories") == "no successful sample in implementation or docs"
    assert message(found, "readiness::complexities") == "no successful sample of complexity medium or high"
    assert message(found, "readiness::deliverables") == "no successful sample with deliverables 1 or 6+"


def test_a_misspelt_name_is_asked_about():
    rows = [*ready(30, complexity="low"), *ready(15, complexity="high")]
    found = verdict(rows, require_complexities="low,hihg")
    said = "no successful sample of complexity hihg (did you mean high?)"
    assert message(found, "readiness::complexities") == said
    assert advice(found) == [
        "hihg: did you mean high? Then correct --token-telemetry-require-complexities, or the labels."
    ]
    assert headline(found).startswith("The calls carry other labels than those required: ")
    unlike = verdict(rows, require_complexities="low,hard")
    assert message(unlike, "readiness::complexities") == "no successful sample of complexity hard"
    assert advice(unlike)[0].startswith("Collect 1 more successful sample. ")


def test_what_is_there_is_counted():
    found = verdict(ready(27))
    assert message(found, "readiness::categories") == "implementation: 9, tests: 9, docs: 9 successful"
    of_another_program = replace(result(found, "readiness::categories"), counts=())
    assert plain(CATEGORIES.words(of_another_program, found.context)) == "implementation, tests and docs covered"


def test_a_category_that_only_cut_off_calls_have_is_missing():
    rows = [each for each in ready(81) if each.category != "docs"]
    assert result(verdict([*rows, cut_off(category="docs")]), "readiness::categories").outcome == "fail"


REQUIRED = {
    "require_categories": "readiness::categories",
    "require_complexities": "readiness::complexities",
    "require_deliverables": "readiness::deliverables",
}
OTHER = {"category": "x", "complexity": "x", "deliverable_count": None}


@pytest.mark.parametrize("name", REQUIRED)
def test_nothing_may_be_required(name):
    found = verdict(ready(27, **OTHER), **{name: "none"})
    assert (result(found, REQUIRED[name]).outcome, message(found, REQUIRED[name])) == ("pass", "nothing is required")


@pytest.mark.parametrize(
    ("name", "rows", "said"),
    [
        ("require_categories", ready(27), "27 successful samples have a category"),
        ("require_complexities", ready(27), "27 successful samples have a complexity"),
        ("require_deliverables", ready(27), "27 successful samples have a number of deliverables"),
        ("require_categories", [*ready(26, category=None), call(category="any")], "1 successful sample has a category"),
    ],
)
def test_any_value_may_be_required(name, rows, said):
    found = verdict(rows, **{name: "any"})
    assert (result(found, REQUIRED[name]).outcome, message(found, REQUIRED[name])) == ("pass", said)


@pytest.mark.parametrize("name", REQUIRED)
def test_any_value_is_missing_where_no_sample_that_counts_names_one(name):
    nothing = {"category": None, "complexity": None, "deliverable_count": None}
    one = {"require_categories": "category", "require_complexities": "complexity"}.get(name, "deliverable_count")
    rows = [*ready(27, **{one: None}), cut_off()]
    for found in (verdict(rows, **{name: "any"}), verdict(ready(27, **nothing), **{name: "any"})):
        assert result(found, REQUIRED[name]).outcome == "fail"
        assert message(found, REQUIRED[name]) == (
            f"no successful sample has a {'number of deliverables' if one == 'deliverable_count' else one}:"
            f" set --token-telemetry-{name.replace('_', '-')}=none if that is meant"
        )


def in_categories(**counts):
    """Successful calls of each category."""
    return [call(category=name.replace("_", " ")) for name, count in counts.items() for _ in range(count)]


SET = "set --token-telemetry-require-categories="


@pytest.mark.parametrize(
    ("counts", "what_fits"),
    [
        (
            {"translate": 22, "summarise": 40},
            f"; found summarise: 40, translate: 22: {SET}summarise,translate (or =any)",
        ),
        # 9 of those that are required, and 10 others
        ({"tests": 9, "chat": 10}, f"; found chat: 10, tests: 9: {SET}chat,tests (or =any)"),
        # as many as others: that data is about what is required, and there is too little of it
        ({"tests": 10, "chat": 10}, ""),
        (
            {"a": 7, "b": 6, "c": 5, "d": 4, "e": 3, "f": 2, "g": 1},
            f"; found a: 7, b: 6, c: 5, d: 4, e: 3 and 3 of others: {SET}a,b,c,d,e (or =any)",
        ),
        (
            {"bug_fix": 7, "chat": 6},
            '; found bug fix: 7, chat: 6: set "--token-telemetry-require-categories=bug fix,chat" (or =any)',
        ),
        (
            {"a,b": 9, "chat": 6, "any": 2},
            f"; found a,b: 9, chat: 6, any: 2: {SET}chat (or =any); it takes no other of these names",
        ),
        ({"<b>": 3}, f"; found <b>: 3: {SET}any (no setting takes such names)"),
        ({"x" * 61: 3}, f"; found {'x' * 59}…: 3: {SET}any (no setting takes such names)"),
    ],
)
def test_data_of_other_categories_says_which_setting_fits(counts, what_fits):
    found = verdict(in_categories(**counts))
    missing = [name for name in ("implementation", "tests", "docs") if name not in counts]
    said = f"{', '.join(missing[:-1])} or {missing[-1]}"
    assert message(found, "readiness::categories") == f"no successful sample in {said}{what_fits}"


def test_the_advice_begins_with_the_settings_that_fit():
    rows = [call(None, category=name, complexity=None) for name in ["summarise"] * 12 + ["translate"] * 10]
    assert advice(verdict(rows)) == [
        f"S{SET[1:]}summarise,translate (or =any) if that is how your calls are labelled.",
    ]


def test_data_of_other_work_than_required_is_not_to_be_more():
    found = verdict(ready(27, category="summarise"))
    said = "The calls carry other labels than those required: check the labels or the settings, do not tune."
    assert (found.verdict, headline(found)) == ("not-ready", said)
    assert "collect more" in headline(verdict(ready(27, category="docs")))  # that is of what is required


UNLABELLED = {"category": None, "complexity": None, "deliverable_count": None}
OWN = {"require_categories": "summarise,translate", "require_complexities": "easy", "require_deliverables": "none"}


def test_calls_without_any_label_that_is_required_do_not_carry_others():
    found = verdict(ready(27, **UNLABELLED), **OWN)
    assert headline(found).startswith(
        "The calls carry no category and no complexity, which are required: record them, do not tune."
    )
    assert advice(found) == [
        "Record category and complexity with the calls, or in a side file (--token-telemetry-predictions=FILE,"
        " docs/side-files.md).",
        "Set --token-telemetry-require-categories=none if your calls have no category.",
        "Set --token-telemetry-require-complexities=none if your calls have no complexity.",
    ]
    of_one = verdict(ready(27, category=None, complexity="easy"), **OWN)
    assert headline(of_one) == "The calls carry no category, which is required: record it, do not tune."
    assert advice(of_one)[0].startswith("Record category with the calls, ")
    failed = verdict([*ready(27, category=None, complexity="easy"), call(success=False)], **OWN)
    assert headline(failed) == "The calls that count carry no category, which is required: record it, do not tune."
    both = verdict(ready(27, category=None, complexity="low"), **OWN)
    assert headline(both).startswith("The calls carry other labels than those required, or none: ")
    assert advice(both)[0].startswith("Record category with the calls, ")


def test_batch_results_without_their_requests_lack_labels():
    found = verdict(ready(27, **UNLABELLED), {"remarks": {"without_request": 27}}, **OWN)
    assert headline(found).startswith("The calls carry no category and no complexity")
    assert advice(found)[0] == (
        "Keep the file of requests beside the results, or name it with --token-telemetry-requests=FILE: 27 batch"
        " results have no request, and it says their caps and labels."
    )
    few = verdict(ready(27, **UNLABELLED), {"remarks": {"without_request": 2}}, **OWN)
    assert advice(few)[0].startswith("Record category and complexity in the metadata")


def test_batches_in_one_directory_come_before_more_samples():
    """7 of 20 samples have a prediction; the requests of the others differ."""
    rows = [*ready(7), *[call(None)] * 30]
    found = verdict(rows, {"remarks": {"requests_differ": 30}})
    assert headline(found).startswith("Batch results have several requests that differ: keep each batch apart, do not")
    assert advice(found)[0] == (
        "Keep each batch in a directory of its own: 30 batch results have several requests that differ, so that their"
        " caps and labels are unknown."
    )
    assert advice(found)[1].startswith("Collect 13 more successful samples.")
    assert advice(verdict(ready(7), {"remarks": {"requests_differ": 1}}))[0].startswith("Collect 13 more")


def test_columns_of_a_table_are_to_be_mapped():
    columns = tuple(UnusedColumn(name, "", 1, "table") for name in ("kind", "hard", *"abcdefg"))
    columns += (UnusedColumn("why", "finish_reason", 1, "table"),)
    found = verdict(ready(27, **UNLABELLED), {"unused_columns": columns}, db=["sqlite:///x.db"], dir=[], **OWN)
    assert advice(found)[0] == (
        "Map the columns that hold category and complexity (--token-telemetry-db-field=category=COLUMN): no field takes"
        " kind, hard, a, b, c, d, e, f and 1 other."
    )


@pytest.mark.parametrize(
    ("rows", "column", "step"),
    [
        (
            [call(success=None)] * 27,
            UnusedColumn("sucess", "success", 27, "metadata"),
            "Rename sucess in metadata if it is success: no call has that.",
        ),
        (
            [call(None, truncated=None)] * 27,
            UnusedColumn("tok_limit", "max_tokens", 1, "table"),
            "Map tok_limit (--token-telemetry-db-field=max_tokens=tok_limit) if it is max_tokens: no call has that.",
        ),
        (
            [call(None, max_tokens=4000)] * 27,
            UnusedColumn("prediction", "predicted_output_tokens", 1, "side"),
            "Rename prediction in side files if it is predicted_output_tokens: no call has that.",
        ),
        (
            [call(category=None)] * 27,
            UnusedColumn("categry", "category", 9, "metadata"),
            "Rename categry in metadata if it is category: no call has that.",
        ),
        (
            [call(None)] * 27,
            UnusedColumn("predicted_output_token", "predicted_output_tokens", 27, "line"),
            "Rename predicted_output_token in lines of token-telemetry/1 if it is predicted_output_tokens: no call has"
            " that.",
        ),
    ],
)
def test_a_name_that_may_be_a_field_that_no_call_has_is_the_first_step(rows, column, step):
    assert advice(verdict(rows, {"unused_columns": (column,)}))[0] == step


def test_a_name_that_may_be_a_field_that_calls_have_is_no_step():
    found = {"unused_columns": (UnusedColumn("sucess", "success", 1, "metadata"),)}
    assert not any("sucess" in each for each in advice(verdict(ready(60), found)))


def test_samples_that_did_not_succeed_are_told_where_successful_ones_lack():
    found = verdict([call(success=False)] * 60)
    assert message(found, "readiness::samples") == "0 of 20 successful samples (60 samples did not succeed)"
    assert advice(found)[0] == "Find out why tasks fail: 60 of 60 samples did not succeed."
    assert not any("Find out" in each for each in advice(verdict([*ready(15), call(success=False)])))


def test_the_setting_that_is_advised_makes_the_data_ready():
    rows = in_categories(summarise=40, translate=22)
    written = {"require_categories": "summarise,translate", "require_complexities": "low"}
    found = verdict(rows, **written, require_deliverables="2-5")
    assert message(found, "readiness::categories") == "summarise: 40, translate: 22 successful"
    assert found.verdict == "pass"


def test_other_complexities_and_deliverables_say_which_setting_fits():
    rows = [call(complexity="trivial")] * 3 + [call(complexity="hard", deliverable_count=12)] * 2
    found = verdict(rows, require_deliverables="20+")
    assert message(found, "readiness::complexities") == (
        "no successful sample of complexity low, medium or high; found trivial: 3, hard: 2:"
        " set --token-telemetry-require-complexities=trivial,hard (or =any)"
    )
    found = verdict(rows, require_deliverables="1")
    assert message(found, "readiness::deliverables") == (
        "no successful sample with deliverables 1; found 2-5: 3, 6+: 2:"
        " set --token-telemetry-require-deliverables=2-5,6+ (or =any)"
    )


def test_a_kind_of_work_that_no_sample_names_need_not_be_required():
    found = verdict(ready(27, deliverable_count=None))
    assert message(found, "readiness::deliverables") == (
        "no successful sample with deliverables 1, 2-5 or 6+, and none has a number of deliverables:"
        " set --token-telemetry-require-deliverables=none if that is meant"
    )


def test_no_kind_of_work_is_to_be_collected_that_no_call_is_of_while_none_counts():
    silent = [call(success=None, category="mail")] * 9
    assert advice(verdict(silent))[-1] == "Collect 20 more successful samples."
    assert "These would do: " in advice(verdict([call(success=None, category="docs")] * 9))[-1]


def test_no_run_is_scheduled_of_work_that_the_data_has_by_other_names():
    found = verdict(ready(27, category="mail"))
    assert not any(said.startswith("Schedule ") for said in plan(found))
    assert any(said.startswith("Schedule ") for said in plan(verdict(ready(9))))


def test_no_setting_is_proposed_by_the_names_of_few_samples_where_others_do_not_count():
    silent = [call(success=None, category=each, complexity="low") for each in ("title", "review", "mail")]
    found = verdict([*ready(4, category="review", complexity=None), *silent])
    assert message(found, "readiness::complexities") == "no successful sample of complexity low, medium or high"
    assert message(found, "readiness::categories") == "no successful sample in implementation, tests or docs"
    assert not any("Set --token-telemetry-require" in each for each in advice(found))


@pytest.mark.parametrize("rows", [[], [call(success=False)] * 3])
def test_a_mix_is_not_looked_for_in_no_successful_sample(rows):
    found = verdict(rows)
    assert [id for id, outcome in outcomes(found).items() if outcome == "fail" and "sources" not in id] == [
        "readiness::samples"
    ]
    for id in ("readiness::categories", "readiness::complexities", "readiness::deliverables"):
        assert (result(found, id).outcome, message(found, id)) == ("skip", "no data: no successful sample")
        [alone] = judge(reading(rows), settings(), {id}).checks
        assert (alone.outcome, alone.for_unready) == ("fail", True)


def test_buckets_of_deliverables_can_be_set():
    rows = [call(deliverable_count=count) for count in (1, 1, 2, 9, 9)]
    found = verdict([*rows, call(deliverable_count=0)], require_deliverables="1,2-9,10+")
    assert message(found, "readiness::deliverables") == "no successful sample with deliverables 10+"
    assert [(each.name, each.successes) for each in found.strata.deliverables] == [(None, 1), ("1", 2), ("2-9", 3)]
    assert {run.deliverables for run in found.plan.runs} >= {"10+"}
    assert found.plan.thinnest.deliverables == ("1", 2)
    assert any("with 10+ deliverables" in said for said in plan(found))
    assert message(verdict(rows, require_deliverables="1,2-9"), "readiness::deliverables") == "1: 2, 2-9: 3 successful"


# What samples carry


def without_prediction(n, **fields):
    """Calls with the cap that was sent, and no prediction."""
    return [call(None, 900, **{"max_tokens": 4096, **fields}) for _ in range(n)]


@pytest.mark.parametrize(
    ("required", "outcome", "said"),
    [
        (None, None, None),
        ("caps", "pass", "caps in 7 of 28 samples"),
        ("predictions,caps", "pass", "predictions in 21, caps in 7 of 28 samples"),
        ("reasons,caps", "fail", "no reasons: reasons in 0, caps in 7 of 28 samples"),
    ],
)
def test_what_samples_carry_can_be_required(required, outcome, said):
    rows = [*ready(21, truncated=None), *without_prediction(7)]
    found = verdict(rows, **({} if required is None else {"require": required}))
    assert outcomes(found).get("readiness::carried") == outcome
    assert said is None or message(found, "readiness::carried") == said


def test_a_gate_does_not_shrink_where_predictions_are_required():
    rows = without_prediction(60)
    assert (
        verdict(rows, require_categories="any", require_complexities="any", require_deliverables="any").fails is False
    )
    found = verdict(rows, require="predictions")
    assert (found.verdict, found.fails) == ("not-ready", True)
    assert message(found, "readiness::carried") == "no predictions: predictions in 0 of 60 samples"
    asked = "Record predictions with the calls: --token-telemetry-require asks for them."
    assert asked in advice(found)
    assert message(verdict([], require="caps,reasons"), "readiness::carried") == (
        "no caps or reasons: caps in 0, reasons in 0 of 0 samples"
    )


def test_the_headline_names_what_is_lacking_where_that_is_all():
    found = verdict(ready(60), require="caps")
    assert headline(found) == "The samples lack required fields: record them, do not tune."


def test_mixed_data_counts_those_with_a_prediction():
    found = verdict([*ready(3), *without_prediction(1000)])
    said = "3 of 20 successful samples (1,000 samples have no prediction)"
    assert message(found, "readiness::samples") == said
    found = verdict([*ready(27), *without_prediction(1)])
    assert message(found, "readiness::samples") == "27 successful samples (20 needed)"
    found = verdict([*ready(3), *without_prediction(1)])
    assert message(found, "readiness::samples") == "3 of 20 successful samples (1 sample has no prediction)"


def test_runs_to_schedule_need_not_succeed_where_caps_are_judged():
    found = verdict(without_prediction(5), require_categories="any", require_complexities="none")
    assert message(found, "readiness::samples") == "5 of 20 samples"
    # the bucket of the five, which have three deliverables each, gets the least of the fifteen: 20 are 7, 7 and 6
    assert plan(found)[:3] == [
        "Schedule runs: 7 with 1 deliverable.",
        "Schedule runs: 6 with 6+ deliverables.",
        "Schedule runs: 2 with 2-5 deliverables.",
    ]
    assert plan(found)[3] == "The thinnest evidence is that of 2-5 deliverables (5 samples)."


def test_other_categories_can_be_required():
    found = verdict(ready(27, category="refactoring"), require_categories="Refactoring")
    assert message(found, "readiness::categories") == "refactoring: 27 successful"
