"""The verdict on one screen."""

from __future__ import annotations

import itertools
import re
import unicodedata
from dataclasses import replace
from types import SimpleNamespace

import lxml.html
import pytest
from _pytest._io.wcwidth import wcswidth
from hypothesis import given
from hypothesis import settings as limits

from pytest_token_telemetry.gate.findings import Past
from pytest_token_telemetry.past.history import PastVerdict
from pytest_token_telemetry.report import markdown
from pytest_token_telemetry.report.terminal import brief, screen, show
from pytest_token_telemetry.report.terminal_lines import wrapped
from pytest_token_telemetry.sources.places import Unfound
from pytest_token_telemetry.sources.reading import File, UnusableLines
from tests.unit.gate.cases import (
    advice,
    baseline_of,
    call,
    compared,
    cut_off,
    judge,
    message,
    notes,
    plan,
    reading,
    ready,
    replay_of,
    replayed,
    settings,
    verdict,
)
from tests.unit.gate.test_drift_checks import later
from tests.unit.report.test_sections import TUNE
from tests.unit.report.verdicts import HOSTILE, full, verdicts


def lines_of(found, width=80, *, verbose=False):
    return [text for text, _ in screen(found, width, verbosity=verbose)]


def fits(lines, width=80):
    return len(lines) <= 24 and all(wcswidth(line) <= width for line in lines)


def test_a_pass_is_told_from_the_verdict_to_the_details():
    lines = lines_of(verdict(ready(27)))
    assert lines[:2] == [
        "PASS: No tuning needed: 0.0% underestimated, 0.0% truncated.",
        "-> Nothing to tune: go on collecting, and watch for drift.",
    ]
    assert lines[2] == "pass readiness: 27 successful samples (20 needed), 1 file read"
    assert len(lines) <= 17
    assert CLOSEST not in lines
    verbose = lines_of(verdict(ready(27)), verbose=True)
    assert CLOSEST in verbose
    assert "Closest to their predictions" not in verbose  # once is enough


CLOSEST = "closest to their predictions (actual / predicted):"


@pytest.mark.parametrize(
    ("found", "colour"),
    [
        (verdict(ready(27)), "green"),
        (verdict([*ready(27), cut_off()]), "red"),
        (verdict([]), "red"),
        (verdict([], not_ready="skip"), "red"),
    ],
    ids=["pass", "tune", "not ready", "not ready, skipped"],
)
def test_the_headline_has_the_colour_of_its_conclusion(found, colour):
    assert screen(found, 80, verbosity=0)[0][1] == {colour: True, "bold": True}


def test_each_check_has_the_colour_of_its_outcome():
    found = verdict([*ready(60, 5000, 1000), *[cut_off()] * 9])
    colours = {
        text.split(":")[0]: marks
        for text, marks in screen(found, 80, verbosity=0)
        if text.split(" ")[0] in ("pass", "fail", "warn", "skip")
    }
    assert colours["pass readiness"] == {"green": True}
    assert colours["fail tier1"] == {"red": True}
    assert colours["warn tier2"] == {"yellow": True}


def test_a_figure_stays_with_its_percent_sign():
    for width in range(40, 120):
        assert not any(line.strip().startswith("%") for line in lines_of(verdict(ready(27)), width))


def test_no_verdict_says_that_nothing_was_judged():
    assert lines_of("the session ended early") == ["not judged: the session ended early"]
    [(text, _)] = brief("the session ended early", 80)
    assert text == "token telemetry: not judged: the session ended early"


@pytest.mark.parametrize("found", [verdict(ready(27)), verdict([]), verdict([*ready(27), cut_off()]), "why not"])
def test_brief_is_the_verdict_and_the_next_step(found):
    (text, marks), *steps = brief(found, 200)
    assert text.startswith("token telemetry")
    assert len(marks) == 1
    assert [step for step, _ in steps] == ([] if found == "why not" else [f"-> {advice(found)[0]}"])
    assert not any("\n" in line for line, _ in brief(found, 200))


def test_brief_tells_what_could_not_be_used():
    lost = {"unusable": {"the end is missing": UnusableLines(4)}}
    told = [line for line, _ in brief(verdict(ready(60), lost), 200)]
    assert told[0].startswith("token telemetry: PASS: ")
    assert told[-1] == "note: 4 telemetry lines could not be used: the end is missing."


def test_brief_has_the_verdict_and_its_headline():
    assert brief(verdict([]), 200)[0][0] == (
        "token telemetry: NOT READY: Not enough representative data: collect more, do not tune."
    )


MANY_NAMES = ",".join(f"category-number-{n}" for n in range(200))
EVERYTHING_WRONG = {
    "files": (File("x" * 300, 27),),
    "unreadable": {f"logs/{n}.log": "Permission denied" for n in range(99)},
    "unusable": {f"a rather long reason number {n} is missing": UnusableLines(9, ["logs/x.log:1"]) for n in range(30)},
    "duplicates": 12345,
    "doubled": ("logs/x.log",) * 99,
    "outside": ("a",) * 99,
    "special": ("b",) * 99,
}
EXTREMES = {
    "nothing": verdict([]),
    "nothing and everything required": verdict(
        [], EVERYTHING_WRONG, require_categories=MANY_NAMES, require_complexities=MANY_NAMES, max_unusable="1"
    ),
    "one of everything": verdict(
        [call(0, 10**9, category="値" * 300, task_id="한" * 300, truncated=True)] * 9,
        EVERYTHING_WRONG,
        require_categories=MANY_NAMES,
        require_complexities=MANY_NAMES,
        max_unusable="1",
    ),
    "long figures on data that is not ready": verdict(
        [*[call(1, 10**9)] * 15, *[cut_off(5, 7)] * 3, *[call(success=None)] * 9],
        EVERYTHING_WRONG,
        require_categories=MANY_NAMES,
        require_complexities=MANY_NAMES,
        max_unusable="1",
        max_underestimation="55.55555555555555%",
        max_truncation="11.11111111111111%",
    ),
    "all exceeded": verdict(
        [*ready(60, 9999, 1), *(cut_off(1, 10**9, category=name, task_id=name) for name in HOSTILE)],
        {**EVERYTHING_WRONG, "unreadable": {}},
        tier2="fail",
    ),
    "all that can be asked for": full(),
    "all that can be asked for, and exceeded": full(*[cut_off()] * 9, *[call(1, 10**9)] * 9),
    "long numbers": verdict(
        [*ready(60, 9999, 1), cut_off(1, 10**9)],
        max_underestimation="1.639344262295082%",
        max_waste_p90="9998.999999999999999",
    ),
}


@pytest.mark.parametrize("name", EXTREMES)
def test_the_worst_verdict_fits_on_one_screen(name):
    lines = lines_of(EXTREMES[name])
    assert fits(lines), "\n".join(lines)
    assert lines[0].startswith(EXTREMES[name].title)
    told = [check for check in EXTREMES[name].checks if check.outcome in ("fail", "warn")]
    assert all(any(f"{check.outcome} {check.id}:" in line for line in lines) for check in told)
    assert re.fullmatch(r"-v shows \d+ more lines", lines[-1])


@limits(deadline=None, max_examples=100)
@given(verdicts())
def test_any_verdict_fits_on_one_screen(found):
    lines = lines_of(found)
    assert fits(lines), "\n".join(lines)
    assert not_judged(found) in (0, not_judged(found, verbose=True)), "\n".join(lines)


NOT_JUDGED = "; not judged, data not ready"


def not_judged(found, *, verbose=False):
    """How many checks say so."""
    return sum(each.endswith(NOT_JUDGED) for each in sentences(lines_of(found, verbose=verbose)))


@pytest.mark.parametrize("others", [0, 6, 12, 24])
def test_that_figures_were_not_judged_is_told_of_all_or_of_none(others):
    unusable = {f"reason {n} of a few words is missing": UnusableLines(1, ["x.log:1"]) for n in range(others)}
    found = verdict(
        [*ready(5), *(call(category=f"kind-{n}", complexity=f"level-{n}") for n in range(others))],
        {"unusable": unusable},
    )
    assert not_judged(found, verbose=True) > 2
    assert not_judged(found) in (0, not_judged(found, verbose=True)), "\n".join(lines_of(found))


@limits(deadline=None, max_examples=100)
@given(verdicts())
def test_no_text_of_the_logs_controls_the_terminal_or_the_server(found):
    for verbose in (False, True):
        for line in lines_of(found, verbose=verbose):
            assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in line)
            assert not re.search(r"##\w*\[", line)


@pytest.mark.parametrize("name", EXTREMES)
def test_the_last_line_counts_what_verbose_shows_more(name):
    lines, every = lines_of(EXTREMES[name]), lines_of(EXTREMES[name], verbose=True)
    more = len(every) - (len(lines) - 1)
    assert lines[-1] == f"-v shows {more} more lines"
    assert not any(line.startswith("-v shows") for line in every)


def test_a_file_that_was_read_in_part_is_not_said_to_be_unread():
    found = verdict(ready(60), {"files": (File("logs/a.gz", 60),), "unreadable": {"logs/a.gz": "I/O", "b.gz": "I/O"}})
    assert {"read only in part: logs/a.gz: I/O", "could not be read: b.gz: I/O"} <= {*lines_of(found)}


def test_what_fits_is_told_whole():
    lines = lines_of(judge(reading(ready(27)), settings(), {"tier1::truncation"}))
    assert lines[-11].startswith("actual / predicted by category")  # with 3 categories
    assert lines[-7] == CLOSEST  # with 5 samples


def test_a_path_that_leads_nowhere_is_told_however_full_the_screen_is():
    rows = [call(predicted=None, max_tokens=2000, category="chat", finish_reason="stop")] * 60
    unfound = tuple(Unfound("ours", field, f"limits.{field}", 60) for field in ("predicted_output_tokens", "success"))
    lines = lines_of(verdict(rows, {"unfound": unfound, "duplicates": 3}))
    assert fits(lines)
    told = [line for line in lines if line.startswith("note: ")]
    assert told[0] == "note: map ours: predicted_output_tokens: no record has"
    assert told[1] == "note: map ours: success: no record has limits.success (60 records)."


def unwrapped(lines):
    return re.sub(r"\s", "", "".join(lines))


@pytest.mark.parametrize("name", EXTREMES)
def test_no_sentence_is_cut(name):
    found = EXTREMES[name]
    checks = {check.id: message(found, check.id) for check in found.checks}
    whole = {
        *(f"-> {each}" for each in advice(found)),
        *(f"note: {each}" for each in notes(found)),
        *(f"{check.outcome} {check.id}: {checks[check.id]}" for check in found.checks),
    }
    every = unwrapped(lines_of(found, verbose=True))
    assert all(unwrapped(each) in every for each in whole)
    whole |= {each.removesuffix(NOT_JUDGED) for each in whole}
    allowed = {unwrapped(each) for each in whole} | {unwrapped(each.split(";")[0]) for each in whole}
    told = [each for each in sentences(lines_of(found)) if re.match(r"->|note:|(pass|fail|warn|skip) \S+::", each)]
    assert len(told) > 2
    told = [each for each in told if not re.fullmatch(r"-> \d+ more steps? with -v", each)]
    assert {unwrapped(each) for each in told} <= allowed


def sentences(lines):
    """The lines put together again: those that are indented belong to the one before."""
    found = []
    for line in lines:
        if line.startswith("     ") and found:
            found[-1] += f" {line.strip()}"
        else:
            found.append(line)
    return found


def test_readiness_that_passes_is_one_line_and_else_each_of_its_checks():
    lines = lines_of(verdict(ready(27)))
    assert [line for line in lines if "readiness" in line] == [
        "pass readiness: 27 successful samples (20 needed), 1 file read"
    ]
    assert len([line for line in lines_of(verdict(ready(9))) if " readiness::" in line]) == 5
    assert len([line for line in lines_of(verdict(ready(27)), verbose=True) if " readiness::" in line]) == 5


def test_a_narrow_terminal_shows_all_that_must_be_seen():
    lines = lines_of(EXTREMES["all exceeded"], 30)
    assert unwrapped(lines).startswith("TUNE:Tuningneeded:29.4%underestimated,29.4%truncated,wasteaboveitstarget.")
    assert sum(line.startswith("fail ") for line in lines) == 3
    assert all(wcswidth(line) <= 30 for line in lines)


def test_verbose_shows_strata_and_sources():
    found = verdict(
        [*ready(27), call(category=None)],
        {
            "files": (File("logs/a.log", 20), File("logs/b.log", 8)),
            "unreadable": {"logs/c.log": "Permission denied"},
            "unusable": {"success is missing": UnusableLines(3, ["logs/a.log:7", "logs/a.log:9"])},
        },
    )
    lines = lines_of(found, verbose=True)
    assert [line.split() for line in lines if line.endswith("  docs") and "calls" not in line] == [
        ["9", "9", "0", "9", "0", "1.11x", "1.11x", "docs"]
    ]
    strata = [line.rsplit("  ", 1)[1] for line in lines if "1.11x  1.11x  " in line]
    assert strata == ["docs", "implementation", "tests", "(not given)", "low", "high", "medium", "1", "2-5", "6+"]
    at = lines.index("Sources")
    assert lines[at + 1 : at + 10] == [
        "samples  file",
        "     20  logs/a.log",
        "      8  logs/b.log",
        "",
        "not read, because  file",
        "Permission denied  logs/c.log",
        "",
        "lines  unusable because    such as",
        "    3  success is missing  logs/a.log:7 logs/a.log:9",
    ]


def test_what_was_asked_for_is_told_below_the_checks():
    # each of the 60 is predicted higher than recorded, with 1100 for 900
    lines = lines_of(replayed(ready(60), lambda request: 1100))
    told = lines.index("Replayed estimator: The verdict is on the predictions of new:predict for 60 of")
    assert lines[told + 1] == "     60 recorded calls, not on those made at the time."
    assert told > max(n for n, line in enumerate(lines) if line.startswith("pass "))


def test_verbose_shows_the_tables_of_what_was_asked_for():
    lines = lines_of(replayed(ready(60), lambda request: 1100), verbose=True)
    at = lines.index("Replayed estimator")
    assert lines[at + 1 : at + 5] == [
        "                                       waste  waste",
        "          underestimated    truncated    P50    P90",
        "recorded     0/60 = 0.0%  0/60 = 0.0%  1.11x  1.11x",
        "replayed     0/60 = 0.0%  0/60 = 0.0%  1.22x  1.22x",
    ]


def test_what_has_no_table_has_no_title_of_one():
    found = compared(ready(60), None)
    assert "Drift: Not compared: there is no baseline at " in " ".join(lines_of(found, verbose=True))
    assert "Drift" not in lines_of(found, verbose=True)


def test_verbose_shows_the_tuning_advice():
    lines = lines_of(TUNE, verbose=True)
    rows = [line for line in lines[lines.index("Tuning advice") :] if line.endswith("  refactoring")]
    said = " ".join(" ".join(row.split()) for row in rows)
    assert said.startswith("20 0 1 1.12 ")
    for figure in ("4.8% (0.3 to 13.9) ", "2.82x -> 3.16x ", "4.53x -> 5.07x ", "4.98x "):
        assert said.count(f" {figure}") == 1
    assert any(line.endswith("  refactoring") and "11,201" in line and "needs 99" in line for line in lines)


def test_verbose_shows_the_plan():
    found = verdict(ready(27))
    text = " ".join(line.strip() for line in lines_of(found, verbose=True))
    for sentence in plan(found):
        assert sentence.replace(" ", "") in text.replace(" ", "")


def test_the_usual_screen_has_neither():
    assert not any("needs 99" in line or "To prove" in line for line in lines_of(TUNE))


def test_names_in_a_table_are_inert_and_cut():
    lines = [line for line, _ in screen(full(), 80, verbosity=2)]
    rows = [line for line in lines if "ValueError" in line]
    assert len(rows) == 1
    assert ": ValueError: ZQX</code>|@octocat\\u001b[31m # x  " in rows[0]
    long = verdict([call(category="x" * 300)])
    bars, row, *_ = [line for line, _ in screen(long, 80, verbosity=2) if "  xxx" in line]
    assert bars == f"  ········█|·········  1 call  {'x' * 47}…"
    assert f"  {'x' * 199}…" in row
    bars, row, *_ = [line for line in lines_of(long, verbose=True) if "  xxx" in line]
    assert row.endswith("  xxxxx…xxxxxxx…")  # 80 columns, of which the figures take 64


VERDICTS = {
    **EXTREMES,
    "pass": verdict(ready(200)),
    "pass, unproven": verdict(ready(27)),
    "pass, with warnings": verdict(ready(60, 9999, 1)),
    "inconclusive": judge(reading(ready(60)), settings(), {"tier1::truncation"}),
    "replayed": replayed(ready(60), lambda request: 1100),
    "drift": compared(ready(60), baseline_of(ready(27))),
    "not judged": f"--token-telemetry-estimator: {'a reason of many words, ' * 9}",
}


AN_OPTION = re.compile(r" *--token-telemetry\S*")
"""A line of its own for an option that is longer than lines are: to paste it, it must be whole."""


def labelled(names):
    """The screen of calls with categories of these ``names``, which are not those required."""
    return lines_of(verdict([each for name in names for each in ready(9, category=name)]))


def test_an_option_is_never_broken():
    names = [f"category-{n}" for n in range(3)]
    lines = labelled(names)
    at = next(n for n, line in enumerate(lines) if f"--token-telemetry-require-categories={','.join(names)}" in line)
    assert not lines[at + 1].startswith(6 * " ")


@pytest.mark.parametrize("name", ["category-number-{}", "category number {}"])
def test_a_setting_that_fits_no_line_is_short_on_the_screen_and_whole_elsewhere(name):
    names = [name.format(n) for n in range(4)]
    quote = '"' if " " in name else ""
    found = verdict([each for name in names for each in ready(9, category=name)])
    whole = f"{quote}--token-telemetry-require-categories={','.join(names)}{quote} (or =any)"
    assert f"Set {whole} if that is how your calls are labelled." in advice(found)
    assert message(found, "readiness::categories").endswith(f": set {whole}")
    assert f"-> Set {whole} if that is how your calls are labelled." in sentences(lines_of(found, verbose=True))
    assert whole.partition(" (or")[0] in lxml.html.fromstring(markdown.render(found)).text_content()
    lines = lines_of(found)
    step = "-> Set --token-telemetry-require-categories=any (or =NAME,NAME,...) if that is how your calls are labelled."
    assert step in sentences(lines)
    assert fits(lines)


def test_what_follows_an_option_that_is_longer_than_a_line_is_indented_like_the_rest():
    option = f"--token-telemetry-require-categories={'x' * 90}"
    lines = [line for line, _ in wrapped(f"-> Set {option} (or =any) if you want.", 80, {})]
    assert lines == ["-> Set", f"     {option}", "     (or =any) if you want."]


def test_the_figures_come_before_single_calls_where_the_screen_is_full():
    rows = ready(60, 1500, category="mail", complexity="odd", deliverable_count=None, max_tokens=9000)
    lines = lines_of(verdict(rows, require="reasons", min_samples="99"))
    assert any(line.startswith("skip tier1::underestimation: ") for line in lines)
    assert not any("agent.log" in line for line in lines)


def told_whole(lines):
    """Each sentence on one line, as far as `sentences` can put it together."""
    return "\n".join(sentences(lines))


def crowded(base=None, max_truncation="2%", head=lambda request: 1200, **found):
    """TUNE with more to say than a screen holds."""
    names = ("implementation", "docs", "tests", "mail", "chat")
    rows = [each for name in names for each in (*ready(30, category=name), *[call(1000, 4000, category=name)] * 9)]
    rows += [cut_off(category=name) for name in names[:2] for _ in range(3)]
    read, under = reading(rows, **found), settings(tier2="fail", max_truncation=max_truncation)
    replay = None if base is None else replay_of(read.samples, under, head, base)
    return judge(read, under, past=Past(replay=replay, baseline=baseline_of(ready(60)) if base is None else None))


LOST = {"unusable": {"a call expired": UnusableLines(5), "a call failed": UnusableLines(4)}}
CHANGE = (
    "Base against head: The underestimation rate changes by 0.0 points (p = 1.000, McNemar's mid-p test): of 201 calls"
    " that both can replay, 0 newly underestimated and 0 newly safe."
)
UNUSABLE = "note: 9 telemetry lines could not be used: 5 because a call expired; 4 because a call failed."


def test_how_the_rate_changed_and_what_was_lost_are_told_however_full_the_screen_is():
    found = crowded(lambda request: 1100, **LOST)
    lines = lines_of(found)
    assert found.verdict == "tune"
    assert fits(lines)
    assert {CHANGE, UNUSABLE} <= set(told_whole(lines).splitlines())
    assert [line for line, _ in brief(found, 400)][-2:] == [CHANGE, UNUSABLE]


def test_what_is_said_of_base_against_head_begins_with_the_change_of_the_rate():
    told = told_whole(lines_of(crowded(lambda request: 1100), verbose=True)).splitlines()
    assert next(line for line in told if line.startswith("Base against head: ")) == CHANGE


@pytest.mark.parametrize(
    ("base", "head", "said"),
    [  # 150 calls of 900 tokens, 45 of 4,000, and 6 that were truncated at 8,192
        ((1200, 8192), (1200, 8192), "6/201 = 3.0% with base, 6/201 = 3.0% with head."),
        ((1200, 1000), 1200, "51/201 = 25.4% with base, 6/201 = 3.0% with head."),
        (
            (1200, 8192),
            (1200, 8193),
            "6/201 = 3.0% with base, 0/195 = 0.0% with head; of 6 truncated calls to which head gives more room, the"
            " outcome is unknown.",
        ),
    ],
)
def test_how_budgets_change_truncation_is_told_however_full_the_screen_is(base, head, said):
    found = crowded(lambda request: base, head=lambda request: head, **LOST)
    told = f"Base against head: Truncated: {said}"
    assert told in told_whole(lines_of(found)).splitlines()
    assert told in [line for line, _ in brief(found, 400)]


def test_a_baseline_that_is_not_there_is_told_however_full_the_screen_is():
    missing = "Drift: Not compared: there is no baseline at nope.json yet (--token-telemetry-save-baseline writes one)."
    rows = [*ready(60), *[call(1000, 4000)] * 9, *[cut_off(category=name) for name in ("mail", "chat", "docs")]]
    found = judge(reading(rows, **LOST), settings(baseline="nope.json"), past=Past())
    assert missing in told_whole(lines_of(found)).splitlines()
    assert missing in [line for line, _ in brief(found, 400)]


def test_that_drift_could_not_be_judged_is_told_behind_the_figures_of_risk():
    found = compared([*ready(60), *later(ready(9))], baseline_of(ready(60)))
    lines = told_whole(lines_of(found)).splitlines()
    few = "Drift: Not enough data to judge drift: 9 new calls against 60 in the baseline."
    assert found.verdict == "pass"
    assert few in lines
    assert few in [line for line, _ in brief(found, 400)]
    assert not any("would be" in line for line in lines)
    tier1 = [line for line in lines if line.startswith("pass tier1::")]
    assert len(tier1) == 2


def test_the_figures_of_risk_come_before_other_steps_and_bars():
    for base in (None, lambda request: 1100):
        lines = lines_of(crowded(base, max_truncation="50%", **LOST))
        assert [line.split(":")[2] for line in lines if " tier1::" in line] == ["underestimation", "truncation"]
        assert any(line.startswith("pass tier1::truncation: 6/201 = 3.0%") for line in lines)


@pytest.mark.parametrize("found", [crowded(), crowded(lambda request: 1100, **LOST)])
def test_next_steps_stand_in_one_order_on_every_screen(found):
    whole = [line for line in told_whole(lines_of(found, verbose=True)).splitlines() if line.startswith("-> ")]
    assert whole == [f"-> {each}" for each in advice(found)]
    assert whole[0].startswith("-> Multiply the predictions ")
    assert whole[2].startswith("-> Raise the cap (max_tokens) ")
    for lines in (lines_of(found), [line for line, _ in brief(found, 80)]):
        shown = [each for each in told_whole(lines).splitlines() if each.startswith("-> ")]
        kept = [each for each in shown if not re.fullmatch(r"-> \d+ more steps? with -v", each)]
        assert kept == [each for each in whole if each in kept]
        assert len(kept) > 1


def test_the_files_that_were_written_are_named():
    for verbosity in (0, 1):
        lines = [line for line, _ in screen(crowded(**LOST), 80, verbosity=verbosity, written=["t.json", "a\nb"])]
        assert "wrote t.json and a\\u000ab" in lines
        assert verbosity or fits(lines)
    assert not any(line.startswith("wrote") for line in lines_of(crowded()))


def test_an_option_with_blanks_in_its_value_is_not_broken():
    for name in ("mail", "mails", "email", "e-mail", "letters"):
        whole = f'"--token-telemetry-require-categories=code review,{name},sums"'
        assert any(whole in line for line in labelled(["code review", name, "sums"]))


def test_a_history_without_commits_shows_its_dates_whole():
    past = tuple(PastVerdict(f"2026-11-27T17:13:4{n}Z", "inconclusive", 100, 1.0, 0.5, None) for n in range(3))
    lines = lines_of(judge(reading(ready(27)), settings(), past=Past(history=past)), verbose=True)
    at = lines.index("History")
    assert lines[at + 3].endswith("  2026-11-27T17:13:40Z")
    assert "commit" not in " ".join(lines[at : at + 6])
    past = tuple(replace(each, commit="0123456789abcdef") for each in past)
    lines = lines_of(judge(reading(ready(27)), settings(), past=Past(history=past)), verbose=True)
    assert any(line.endswith("  2026-11-27T17:13:40Z  0123456789ab") for line in lines)


def test_truncated_calls_are_one_table():
    rows = [*ready(60), *[call(1000, 3000)] * 5]
    rows += [call(1000, 1000, max_tokens=1000, truncated=True, task_id=f"summarise-{n}") for n in range(9)]
    lines = lines_of(verdict(rows), verbose=True)
    at = next(n for n, line in enumerate(lines) if line.startswith("Calls that were truncated"))
    table = lines[at + 1 : lines.index("By category, complexity and number of deliverables") - 1]
    assert table[1].split() == ["predicted", "predicted", "output", "cap", "category", "task", "where"]
    assert len(table) == 7  # two lines of titles, five calls


@pytest.mark.parametrize("width", [100, 80, 70, 60, 40])
@pytest.mark.parametrize("name", VERDICTS)
def test_no_line_is_wider_than_the_terminal_and_no_table_is_empty(name, width):
    found = VERDICTS[name]
    lines = lines_of(found, width, verbose=True)
    quiet = [line for line, _ in brief(found, width)]
    every = [*lines, *lines_of(found, width), *quiet]
    assert [line for line in every if wcswidth(line) > width and not AN_OPTION.fullmatch(line)] == []
    assert name == "not judged" or any(line.startswith("-> ") for line in quiet)
    titles = ("Tuning advice", "Sources", "Settings", "Drift", "Base against head", "Replayed estimator")
    tables = [lines[at + 1 : at + 3] for at, line in enumerate(lines) if line in titles]
    assert all(len(rows) == 2 and all(rows) for rows in tables)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("verbosity", [-1, 0, 1])
@pytest.mark.parametrize("name", ["one of everything", "all exceeded", "long figures on data that is not ready"])
def test_a_terminal_without_the_letters_of_a_name_shows_their_escapes_on_lines_that_fit(name, verbosity, encoding):
    written = shown(EXTREMES[name], verbosity=verbosity, encoding=encoding)
    assert [line for line in written if len(line.encode(encoding)) > 80] == []
    assert "\\u2026" not in "\n".join(written)


def test_a_table_without_rows_and_a_sign_that_does_not_stand_are_not_explained():
    text = "\n".join(lines_of(verdict(ready(27)), verbose=True))
    assert "Holm" not in text
    assert "lowers the predictions" not in text
    starred = "\n".join(lines_of(verdict([*ready(27), *[cut_off(category="docs")] * 20]), verbose=True))
    assert "* above its target, proven" in starred


PREDICTED = [
    *[call(1000, output) for output in (100, 250, 1000, 2000, 4000, 4000)],
    *[call(1000, 900)] * 7,
    cut_off(1000, 1000, category="implementation"),
    call(1000, 840, category="a\x1b[31m\nb"),
]
"""0.1x, 0.25x, 1x, 2x and twice 4x; a bar is a quarter of an octave, so that 0.84x (0.841) is the second before 1x."""


@pytest.mark.parametrize(
    ("encoding", "bars", "one"),
    [
        # 7 calls are the highest of eight bars, so that n calls are bar n + 1.
        ("utf-8", "▂▂······█|▂···▂···▃", "·······█·|·········"),
        (None, "▂▂······█|▂···▂···▃", "·······█·|·········"),
        ("ascii", "--......@|-...-...=", ".......@.|........."),
        ("cp1252", "--......@|-...-...=", ".......@.|........."),
    ],
)
def test_ratios_are_bars_a_category(encoding, bars, one):
    lines = shown(verdict(PREDICTED), verbosity=1, encoding=encoding)
    at = lines.index("actual / predicted by category, 0.25x to 4x (| = 1x; at the ends: all beyond):")
    assert lines[at + 1 : at + 4] == [
        f"  {bars}  14 calls, 1 truncated  implementation",
        f"  {one}  1 call                 a\\u001b[31m\\u000ab",
        "largest overruns (actual / predicted):",
    ]


@pytest.mark.parametrize(
    ("encoding", "underestimation", "none"),
    [("utf-8", "▁▂▃▃▄▅▆▆▇█", "·" * 10), ("ascii", ":-==+*%%#@", "." * 10)],
)
def test_a_history_is_drawn_with_what_the_terminal_can_write(encoding, underestimation, none):
    # 0 to 9%, of which each bar is 9 / 7 points higher than the one before; no truncation is known
    told = "".join(line.strip() for line in shown(full(), verbosity=1, encoding=encoding))
    assert f"The last 10 sessions: underestimation {underestimation} 9.0%, truncation{none}." in told


def test_where_caps_are_judged_their_ratios_are_bars():
    # 2x, 4x and 40x; a bar is half an octave, and 40x is 10.6 of them
    found = verdict([call(None, output, max_tokens=4000) for output in (2000, 2000, 1000, 100)])
    lines = lines_of(found, verbose=True)
    at = lines.index("cap / actual by category, 1x to 256x (| = 1x; at the ends: all beyond):")
    assert lines[at + 1] == "  ·|··█·▅·····▅······  4 calls  implementation"


def test_truncated_calls_are_counted_beside_the_bars_of_caps():
    rows = [call(None, 2000, max_tokens=4000)] * 9 + [call(None, 4000, max_tokens=4000, truncated=True)] * 3
    full = [call(None, 4000, max_tokens=4000, truncated=True, category="docs")] * 2
    lines = lines_of(verdict([*rows, *full]), verbose=True)
    at = lines.index("cap / actual by category, 1x to 256x (| = 1x; at the ends: all beyond):")
    assert lines[at + 1 : at + 3] == [
        "  ·|··█··············  12 calls, 3 truncated  implementation",
        "  ·|·················  2 calls, 2 truncated   docs",
    ]


def spread(found):
    """The figures and names that the usual screen has beside bars."""
    return [re.split(r"  +", line[21:].strip()) for line in lines_of(found, 120) if re.match(r"  \S{9}\|", line)]


def test_categories_beyond_the_fifth_line_are_one():
    # 7, 6, ... 1 calls: those of the last three, 3 + 2 + 1, are in one line
    rows = [call(category=f"c{n}") for n in range(7) for _ in range(7 - n)]
    found = judge(reading(rows), settings(), {"tier1::truncation"})
    assert spread(found) == [
        *([f"{7 - n} calls", f"c{n}"] for n in range(4)),
        ["6 calls", "3 others"],
    ]
    assert spread(judge(reading(rows[:25]), settings(), {"tier1::truncation"}))[-1] == ["3 calls", "c4"]


def test_ratios_take_what_room_the_worst_sample_leaves():
    seen = set()
    for unreadable, unusable in itertools.product(range(4), range(4)):
        found = {
            "unreadable": {f"{n}.log": "Permission denied" for n in range(unreadable)},
            "unusable": {f"reason {n} is missing": UnusableLines(9, ["logs/x.log:1"]) for n in range(unusable)},
        }
        for more in (0, 9):
            rows = [*ready(60), *[call(category=name) for name in "abc"], *[cut_off()] * more]
            report = judge(reading(rows, **found), settings())
            lines = lines_of(report)
            bars = sum(bool(re.match(r"  \S{9}\|", line)) for line in lines)
            titles = sum(line.startswith("actual / predicted by") for line in lines)
            assert titles == bool(bars)
            assert not bars or report.verdict == "pass" or any(" logs/run-1/agent.log:" in line for line in lines)
            seen.add(bars)
    assert seen == {0, 2, 3, 4, 5}


def test_ratios_are_not_told_where_nothing_is_held_against_outputs():
    assert not any("by category, " in line for line in lines_of(verdict([call(None)]), verbose=True))


def worst_line(source="logs/run/agent.log", **fields):
    found = verdict([call(**fields)], {"files": (File(source, 1),)})
    return lines_of(found)[-2]


def test_a_worst_sample_has_its_figures_place_and_task():
    assert worst_line(predicted=471, output=5267, task_id="phase-7") == (
        "  11.18x  471 -> 5267  logs/run/agent.log:1  phase-7"
    )


def test_a_worst_sample_may_have_been_cut_off_and_have_no_ratio():
    assert worst_line(predicted=0, output=9, truncated=True) == "no ratio  0 -> 9 truncated  logs/run/agent.log:1"


def test_the_end_of_a_long_place_is_shown():
    line = worst_line(f"{'long/' * 50}the-end.log", task_id="t" * 300)
    assert "/the-end.log:1" in line
    assert line.endswith("…")
    assert len(line) <= 80


@pytest.mark.parametrize("letter", ["値", "한", "🚀", "x", "\n", "\U000e0041"])
def test_a_place_of_wide_letters_stays_within_the_line(letter):
    assert wcswidth(worst_line(letter * 200, task_id=letter * 200)) <= 80


class Terminal:
    """What pytest's terminal reporter offers, as far as it is used."""

    def __init__(self, verbosity=0, encoding="utf-8"):
        self.config = SimpleNamespace(get_verbosity=lambda: verbosity)
        self._tw = SimpleNamespace(fullwidth=80, _file=SimpleNamespace(encoding=encoding))
        self.written = []

    def write_sep(self, sep, title):
        self.written.append(f"{sep * 2} {title}")

    def write_line(self, text, **marks):
        self.written.append(text)


def shown(found, errors=(), verbosity=0, encoding="utf-8"):
    terminal = Terminal(verbosity, encoding)
    show(terminal, found, list(errors))
    return terminal.written


def test_the_screen_has_a_heading_and_fits_with_it():
    written = shown(EXTREMES["all exceeded"])
    assert written[0] == "== token telemetry"
    assert len(written) <= 25


def test_quiet_is_the_verdict_and_the_next_step():
    assert shown(verdict(ready(27)), verbosity=-1) == [
        "token telemetry: PASS: No tuning needed: 0.0% underestimated, 0.0% truncated.",
        "-> Nothing to tune: go on collecting, and watch for drift.",
    ]


def test_reports_that_could_not_be_written_come_last():
    assert shown("why not", ["--token-telemetry-json: no"]) == [
        "== token telemetry",
        "not judged: why not",
        "ERROR: --token-telemetry-json: no",
    ]
