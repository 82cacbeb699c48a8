"""Reports of another commit, run or attempt than the comment's."""

from __future__ import annotations

import json

import pytest

from pytest_token_telemetry.comment.hidden_lines import NO_RUN, Run, Stamp
from pytest_token_telemetry.comment.origin import doubts_of_origin
from pytest_token_telemetry.report.consistency import RefusedError
from pytest_token_telemetry.report.untrusted_file import from_json
from tests.unit.report.documents import document

COMMIT, OTHER = "9" * 40, "8" * 40
HERE = [Stamp(Run(7000, 2), COMMIT)]
AFTER = [Stamp(Run(7000, 2), COMMIT), Stamp(Run(7001, 1), "")]
"""The run that ended, and the one that it started."""
NOWHERE = [Stamp(NO_RUN, "")]
REFUSED = "it is made for another commit than this comment (let the run that made it post it)"


def made(**keys):
    return from_json(json.dumps({**document(), "made_for": keys or None}).encode())


@pytest.mark.parametrize(
    ("keys", "occasions", "brief"),
    [
        ({}, HERE, []),
        ({"commit": COMMIT, "run": 7000, "attempt": 2}, HERE, []),
        ({"commit": COMMIT}, HERE, []),
        ({"run": 7000}, HERE, []),
        ({"commit": OTHER, "run": 7000, "attempt": 2}, HERE, []),  # the merge, by a run that is not told its event
        ({"commit": OTHER, "run": 7001, "attempt": 1}, AFTER, []),
        ({"commit": OTHER, "run": 6999, "attempt": 1}, NOWHERE, []),
        ({"commit": COMMIT, "run": 7000, "attempt": 1}, HERE, ["attempt 1"]),
        ({"commit": COMMIT, "run": 7000, "attempt": 1}, AFTER, ["attempt 1"]),
        ({"commit": COMMIT, "run": 7000, "attempt": 3}, HERE, ["attempt 3"]),
        ({"commit": COMMIT, "run": 6999, "attempt": 2}, HERE, ["another run"]),
        ({"run": 6999}, AFTER, ["another run"]),
    ],
)
def test_another_run_or_attempt_of_the_same_code_is_said(keys, occasions, brief):
    assert [doubt.brief for doubt in doubts_of_origin(made(**keys), occasions)] == brief


def test_the_sentence_names_both_attempts():
    (doubt,) = doubts_of_origin(made(run=7000, attempt=1), HERE)
    assert doubt.sentence == "This report is of attempt 1 of the run, and this comment is for attempt 2."


@pytest.mark.parametrize(
    ("keys", "occasions"),
    [
        ({"commit": OTHER}, HERE),
        ({"commit": OTHER, "run": 6999, "attempt": 2}, HERE),
        ({"commit": OTHER, "run": 6999}, AFTER),
    ],
)
def test_a_verdict_on_other_code_is_refused(keys, occasions):
    with pytest.raises(RefusedError) as refused:
        doubts_of_origin(made(**keys), occasions)
    assert str(refused.value) == REFUSED
    chosen = doubts_of_origin(made(**keys), occasions, knows_commit=False)
    assert [doubt.brief for doubt in chosen] == (["another run"] if "run" in keys else [])


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"commit": "main"}, "made_for.commit: expected `str` of another form"),
        ({"commit": COMMIT + "\n"}, "made_for.commit: expected `str` of another form"),
        ({"commit": COMMIT[:39]}, "made_for.commit: expected `str` of another form"),
        ({"commit": 7}, "made_for.commit: expected `str | null`, got `int`"),
        ({"run": -1}, "made_for.run: expected `int` >= 0"),
        ({"attempt": "2"}, "made_for.attempt: expected `int`, got `str`"),
    ],
)
def test_what_no_server_says_is_refused(keys, why):
    with pytest.raises(RefusedError) as refused:
        made(**keys)
    assert str(refused.value) == why
