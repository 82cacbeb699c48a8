"""Are there enough samples that succeeded, and enough that say whether they were truncated?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.gate.check import Check
from pytest_token_telemetry.gate.results import CountResult
from pytest_token_telemetry.text import plural

if TYPE_CHECKING:
    from pytest_token_telemetry.gate.check import Case, Context


class SamplesCheck(Check[CountResult]):
    """As many successful samples as asked for, and as many attempts."""

    kind = CountResult

    def decide(self, case: Case) -> CountResult:
        """Count the successful samples, or, where there are enough of them, the attempts if these are too few."""
        found, needed = case.findings.readiness, case.settings.min_samples
        count = found.attempts if found.attempts < needed <= found.successes else found.successes
        missing = max(needed - count, 0)
        return CountResult(
            id=self.id, outcome="fail" if missing else "pass", value=count, target=needed, missing=missing
        )

    def words(self, result: CountResult, context: Context) -> str:
        """How many there are of how many."""
        counts = context.counts
        if not result.missing:
            return f"{plural(result.value, 'successful sample')} ({result.target} needed)"
        if lacks_attempts(result, context):
            return f"only {result.value} of {result.target} samples say whether they were truncated"
        silent = counts.silent_on_success
        return f"{result.value} of {result.target} successful samples" + (
            f" ({plural(silent, 'sample')} did not say)" if silent else ""
        )


def lacks_attempts(result: CountResult, context: Context) -> bool:
    """True if enough samples succeeded, and too few say whether they were truncated."""
    return result.missing > 0 and context.counts.successes >= result.target


SAMPLES = SamplesCheck("readiness::samples", "samples")
