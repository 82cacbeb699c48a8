"""Whether a report belongs to the run that the comment is for, or was left over from another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.report.consistency import RefusedError
from pytest_token_telemetry.report.markdown import Doubt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_token_telemetry.comment.hidden_lines import Stamp
    from pytest_token_telemetry.report.model import MadeFor, Report

OTHER_RUN = Doubt("another run", "This report is made for another run than this comment.")


def doubts_of_origin(report: Report, runs: Sequence[Stamp], *, knows_commit: bool = True) -> tuple[Doubt, ...]:
    """Why ``report`` may be of something else than the comment; nothing if it is of one of ``runs``, or names none.

    A run has one commit, so the commit is compared only if the run differs. A verdict on other code is refused; one of
    another run or attempt on the same code is shown with a warning.

    Args:
        report: its commit, run and attempt are untrusted, and only numbers of them are shown.
        runs: the run that the comment is for, and the one that posts it.
        knows_commit: false if the pull request was chosen by its number, and may be another than the event's.

    Raises:
        RefusedError: it is made for another commit.
    """
    made = report.made_for
    if made is None:
        return ()
    if made.run and (same := [each.run for each in runs if each.run.id == made.run]):
        attempts = [each.attempt for each in same]
        if not made.attempt or made.attempt in attempts or not all(attempts):
            return ()
        said = f"This report is of attempt {made.attempt} of the run, and this comment is for attempt {attempts[0]}."
        return (Doubt(f"attempt {made.attempt}", said),)
    if knows_commit and _is_of_other_commit(made, runs):
        raise RefusedError("it is made for another commit than this comment (let the run that made it post it)")
    return (OTHER_RUN,) if made.run and any(each.run.id for each in runs) else ()


def _is_of_other_commit(made: MadeFor, runs: Sequence[Stamp]) -> bool:
    known = {each.commit for each in runs if each.commit}
    return made.commit is not None and bool(known) and made.commit not in known
