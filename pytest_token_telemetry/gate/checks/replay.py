"""Does the estimator answer for enough of the recorded calls to be judged by them?"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from pytest_token_telemetry.gate.check import Check
from pytest_token_telemetry.gate.results import CountResult
from pytest_token_telemetry.text import listing, plural

if TYPE_CHECKING:
    from pytest_token_telemetry.gate.check import Case, Context


class ReplayCheck(Check[CountResult]):
    """Enough calls are replayed, and every answer is a prediction unless wrong ones may be left out."""

    kind = CountResult
    decides = True
    needs = "replay"
    judges_estimator = True

    def decide(self, case: Case) -> CountResult:
        """Count the calls with a prediction."""
        report, settings = case.replay, case.settings
        assert report is not None  # noqa: S101 - what it needs
        needed = ceil(settings.min_replayed * report.calls) if report.calls else 1
        missing = max(needed - report.replayed, 0)
        refused = report.wrong > 0 and settings.estimator_errors == "fail"
        fails = missing or not report.replayed or refused
        return CountResult(
            id=self.id, outcome="fail" if fails else "pass", value=report.replayed, target=needed, missing=missing
        )

    def words(self, result: CountResult, context: Context) -> str:
        """How many calls are replayed, and what became of the others."""
        replay = context.replay
        if replay is None:
            return f"{plural(result.value, 'call')} replayed"
        if not replay.calls:
            return "there is no recorded call to replay"
        said = f"{replay.replayed:,} of {plural(replay.calls, 'call')} replayed"
        if replay.wrong and context.refuses_wrong_answers:
            return f"{said}: {plural(replay.wrong, 'invalid prediction')}"
        details = [
            *([f"{replay.cannot:,} could not be replayed"] if replay.cannot else []),
            *([f"{plural(replay.wrong, 'invalid prediction')} left out"] if replay.wrong else []),
        ]
        said += f" ({listing(details)})" if details else ""
        return f"{said}; {result.target:,} must be" if result.missing or not result.value else said


REPLAY = ReplayCheck("readiness::replay", "replay")
