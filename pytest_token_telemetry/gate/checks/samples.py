"""Are there enough samples to judge by: successful ones, or of caps and reasons, such that say how they ended?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.gate.check import Check
from pytest_token_telemetry.gate.results import CountResult
from pytest_token_telemetry.text import listing, plural

if TYPE_CHECKING:
    from pytest_token_telemetry.gate.check import Case, Context


class SamplesCheck(Check[CountResult]):
    """As many samples that count as asked for; to judge predictions, as many attempts too."""

    kind = CountResult
    decides = True

    def decide(self, case: Case) -> CountResult:
        """Count the samples that count, or, where there are enough of them, the attempts if these are too few."""
        found, needed = case.findings.readiness, case.settings.min_samples
        too_few_attempts = case.findings.carried.question == "predictions" and found.attempts < needed <= found.counted
        count = found.attempts if too_few_attempts else found.counted
        missing = max(needed - count, 0)
        return CountResult(
            id=self.id, outcome="fail" if missing else "pass", value=count, target=needed, missing=missing
        )

    def words(self, result: CountResult, context: Context) -> str:
        """How many there are of how many."""
        counts = context.counts
        if lacks_attempts(result, context):
            return f"only {result.value:,} of {result.target:,} samples say whether they were truncated"
        if counts.question == "predictions":
            one = "successful sample"
            lacking = {"success value": counts.silent_on_success, "prediction": _without_prediction(context)}
        else:
            one, lacking = "sample", {"known end": counts.samples - result.value if context.replay is None else 0}
        if not result.missing:
            return f"{plural(result.value, one)} ({result.target:,} needed)"
        said = [
            f"1 sample has no {what}" if n == 1 else f"{n:,} samples have no {what}"
            for what, n in lacking.items()
            if n > 0
        ]
        if failed := without_success(context):
            said.append(f"{plural(failed, 'sample')} did not succeed")
        return f"{result.value:,} of {result.target:,} {one}s{f' ({listing(said)})' if said else ''}"


def _without_prediction(context: Context) -> int:
    """Samples that have no prediction where others do."""
    carried = context.counts.carried
    return carried.samples - carried.predictions if carried is not None and carried.predictions else 0


def without_success(context: Context) -> int:
    """Samples with a prediction that did not succeed, where each of all samples has one and says whether it did.

    If an estimator cannot replay some, it is not known: these are not among the successful ones.
    """
    counts, replay = context.counts, context.replay
    in_part = replay is not None and replay.replayed < replay.calls
    if counts.question != "predictions" or counts.silent_on_success or in_part or _without_prediction(context):
        return 0
    return max(counts.samples - counts.legacy - counts.successes, 0)


def lacks_attempts(result: CountResult, context: Context) -> bool:
    """True if enough samples succeeded, and too few say whether they were truncated."""
    counts = context.counts
    return result.missing > 0 and counts.question == "predictions" and counts.counted >= result.target


SAMPLES = SamplesCheck("readiness::samples", "samples")
