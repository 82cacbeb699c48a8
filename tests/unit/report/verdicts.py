"""Verdicts of all kinds, with the worst texts that logs may hold."""

from __future__ import annotations

import itertools
from datetime import datetime

from hypothesis import strategies as st

from pytest_token_telemetry import CannotReplay
from pytest_token_telemetry.gate.findings import Past
from pytest_token_telemetry.past.history import PastVerdict
from pytest_token_telemetry.report.model import Report
from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.sources.places import Unfound, UnusedColumn
from pytest_token_telemetry.sources.reading import File, UnusableLines
from tests.unit.gate.cases import ALL_CHECK_IDS, Estimator, baseline_of, judge, reading, ready, replay_of, settings

MARK = "ZQX"
"""Stands in every untrusted text, so that it can be found again."""

HOSTILE = [
    "a|b|c",
    "`x` ``y`` ```z",
    f"<b>{'`' * 90}",
    "</code><script>alert(1)</script>",
    "</td></tr></table></details><h1>x",
    "<!-- <img src=x onerror=alert(1)> -->",
    "@octocat and @org/team",
    "#1 GH-1 octocat/repo#1",
    "https://evil.example www.evil.example a@b.example",
    "[x](http://evil.example) ![x](http://evil.example)",
    "**bold** _em_ ~~del~~ :tada:",
    "a\n\nb\r\n# heading\n| x | y |",
    "\x1b[31mred\x1b[0m \x07 \x00",
    "\u202eright to left\u2066 \u200b\ufeff",
    "&lt;b&gt; &#64;octocat &amp;",
    "::error file=x::y",
    "##vso[task.setvariable variable=PATH]x ##[error]y",
    "値が大きい 🚀 한국어",
    "e\u0301\u0301\u0301",
    "\"quoted\" 'single'",
    "C:\\temp\\x $(id) ${HOME} {{ x }}",
    "x" * 5000,
    '"' * 500,
    "値" * 500,
    "   ",
]

names = st.sampled_from(HOSTILE).map(lambda text: f"{MARK}{text}") | st.text(max_size=30).map(
    lambda text: f"{MARK}{text}"
)
optional_names = st.none() | names | st.sampled_from(["docs", "tests", "implementation"])
counts = st.integers(0, 20_000) | st.sampled_from([0, 1, 10**9])

unfound = st.builds(Unfound, names, st.sampled_from(["success", "output_tokens"]) | names, names, counts)
unused = st.builds(
    UnusedColumn,
    names,
    st.sampled_from(["", "max_tokens"]) | names,
    counts,
    st.sampled_from(["csv", "table", "side", "metadata", "line"]),
)

samples = st.builds(
    Sample,
    predicted_output_tokens=st.none() | counts,
    output_tokens=counts,
    max_tokens=st.none() | counts,
    truncated=st.sampled_from([True, False, None]),
    success=st.sampled_from([True, False, None]),
    legacy=st.sampled_from([False, False, False, True]),
    category=optional_names,
    complexity=optional_names,
    deliverable_count=st.none() | st.integers(1, 9),
    task_id=optional_names,
    smape=st.none() | st.floats(0, 10**9),
    time=st.none() | st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 9)),
)


@st.composite
def estimators(draw: st.DrawFn) -> Estimator:
    """An estimator that answers all kinds of things, one after the other."""
    answers = st.integers(0, 20_000) | st.tuples(st.integers(0, 20_000), st.integers(0, 20_000))
    faults = st.just(CannotReplay()) | st.none() | names.map(ValueError) | st.text(max_size=3)
    mostly = [draw(answers)] * draw(st.sampled_from([0, 5, 20])) + draw(
        st.lists(answers | faults, min_size=1, max_size=4)
    )
    following = itertools.cycle(mostly)

    def estimator(request: object) -> object:
        answer = next(following)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return estimator


pasts = st.builds(
    PastVerdict,
    names.map(lambda text: text[:32]),
    st.sampled_from(["pass", "tune", "not-ready", "inconclusive"]),
    st.integers(0, 10**12),
    st.none() | st.floats(0, 1),
    st.none() | st.floats(0, 1),
    st.none() | names.map(lambda text: text[:64]),
)


def full(*more: Sample) -> Report:
    """A verdict with every part that can be asked for, hostile texts in all of them."""
    name = f"{MARK}</code>|@octocat\x1b[31m\n# x"
    rows = [*ready(60, category=name, max_tokens=2048), *more]
    read = reading(rows, files=(File(name, len(rows)),))
    written = settings(
        baseline="baseline.json",
        estimator=f"{name}::new:predict",
        estimator_errors="skip",
        require_categories="none",
        require="predictions",
    )
    answers = itertools.cycle([*[(1000, 4096)] * 30, ValueError(name)])

    def head(request: object) -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    history = tuple(PastVerdict(f"{MARK}|<b>{n}", "pass", 60 + n, n / 100, None, f"{MARK}`{n}") for n in range(10))
    replay = replay_of(read.samples, written, head, lambda request: 1100)
    known = baseline_of(ready(60, 1000, 500, category=name))
    return judge(read, written, past=Past(replay=replay, baseline=known, history=history))


@st.composite
def verdicts(draw: st.DrawFn) -> Report:
    """Any verdict, on data that is ready or not, with a replay, a baseline and a history or without."""
    made = draw(st.lists(samples, max_size=12)) + ready(draw(st.sampled_from([0, 5, 27, 60])))
    path = draw(names)
    unusable = {
        f"reason {n} is missing": UnusableLines(n + 1, draw(st.lists(names, max_size=3)))
        for n in range(draw(st.integers(0, 4)))
    }
    found = reading(
        made,
        files=(File(path, len(made)),) if made or draw(st.booleans()) else (),
        duplicates=draw(st.integers(0, 2)),
        unusable=unusable,
        unreadable=draw(st.dictionaries(names, st.just("Permission denied"), max_size=2)),
        outside=tuple(draw(st.lists(names, max_size=2))),
        special=tuple(draw(st.lists(names, max_size=2))),
        unfound=tuple(draw(st.lists(unfound, max_size=4))),
        unused_columns=tuple(draw(st.lists(unused, max_size=4))),
    )
    written = settings(
        dir=[draw(names).replace("\0", "").replace(":", "")],  # a URL has rules of its own
        population=draw(st.sampled_from(["risk", "success", "all"])),
        tier2=draw(st.sampled_from(["warn", "fail"])),
        not_ready=draw(st.sampled_from(["fail", "skip"])),
        max_unusable=draw(st.sampled_from([None, "0", "3"])),
        require_categories=draw(st.sampled_from(["implementation,tests,docs", "any", "none", "a,implementation"])),
        require_deliverables=draw(st.sampled_from(["1,2-5,6+", "any", "none", "2-3,7+"])),
        require=draw(st.sampled_from([None, None, "caps", "reasons,predictions"])),
        confidence=(confidence := draw(st.sampled_from([None, None, "0.95", "0.5", "99.9999%"]))),
        inconclusive=draw(st.sampled_from(["warn", "fail"])),
        sequential=draw(st.sampled_from(["false", "true"])) if confidence else "false",
        one_per_task=draw(st.sampled_from(["false", "true"])),
        max_truncation=draw(st.sampled_from(["2%", "0%", "40%"])),
        tuning=draw(st.sampled_from([None, "tuning.json"])),
        estimator=f"{draw(names)}::new:predict" if (replays := draw(st.booleans())) else None,
        estimator_errors=draw(st.sampled_from(["fail", "skip"])),
        min_replayed=draw(st.sampled_from(["90%", "0%"])),
        baseline=draw(st.sampled_from([None, None, "baseline.json"])),
        save_baseline=draw(st.sampled_from([None, "baseline.json"])),
        drift=draw(st.sampled_from(["warn", "fail"])),
    )
    known = baseline_of(draw(st.lists(samples, max_size=9)) + ready(draw(st.sampled_from([0, 27, 60])), 1000, 500))
    past = Past(
        replay=replay_of(found.samples, written, draw(estimators()), draw(st.none() | estimators()))
        if replays
        else None,
        baseline=known if written.baseline is not None and draw(st.booleans()) else None,
        history=draw(st.none() | st.lists(pasts, max_size=10).map(tuple)),
    )
    selected = draw(st.just(set(ALL_CHECK_IDS)) | st.sets(st.sampled_from(ALL_CHECK_IDS)))
    return judge(found, written, selected, past)
