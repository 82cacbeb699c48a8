"""What the predictions cost: the ratio that nine of ten calls stay below."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_token_telemetry.gate.check import Check
from pytest_token_telemetry.gate.checks.rates import NOT_JUDGED, POPULATIONS, confidence_in_words, more_needed
from pytest_token_telemetry.gate.results import RatioResult
from pytest_token_telemetry.text import exact, percent, times

if TYPE_CHECKING:
    from pytest_token_telemetry.gate.check import Case, Context
    from pytest_token_telemetry.gate.results import Outcome

_TENTH = Fraction(1, 10)
"""The share of calls that a P90 leaves above itself."""


class WasteCheck(Check[RatioResult]):
    """The waste ratio's P90 stays below its target."""

    kind = RatioResult
    decides = False
    judges_estimator = True

    def decide(self, case: Case) -> RatioResult:
        """Compare the P90 with its target, and say what the calls at or above the target prove."""
        from pytest_token_telemetry.analysis.evidence import bounds
        from pytest_token_telemetry.analysis.metrics import wasteful

        settings, certainty, ready = case.settings, case.certainty, case.ready
        waste = case.findings.metrics.waste
        target = float(settings.max_waste_p90)
        if waste.p90 is None:
            return RatioResult(id=self.id, outcome="warn" if ready else "skip", n=0, value=None, target=target)
        within = waste.p90 < target  # 29/10 is not below 2.9, though as a floating point number it is
        above = wasteful(case.findings.samples, case.findings.judged, target)
        prove = certainty.proves_within if within else certainty.proves_above
        proven = prove(above.events, above.n, float(_TENTH))
        exceeded: Outcome = "fail" if settings.tier2 == "fail" else "warn"
        return RatioResult(
            id=self.id,
            outcome=("pass" if within else exceeded) if ready else "skip",
            n=waste.n,
            value=waste.p90,
            target=target,
            upper_limit=waste.upper_limit,
            events=above.events,
            bounds=bounds(above.events, above.n, certainty.confidence),
            proven=proven,
            samples_to_prove=certainty.samples_to_prove(above.events, float(_TENTH)) if within and not proven else None,
        )

    def words(self, result: RatioResult, context: Context) -> str:
        """The P90, what it is one of, and what it proves."""
        limit = f"(target < {exact(result.limit)}x)"
        if result.value is None:
            return f"no data: no ratio {limit}"
        size = f"{times(result.value, result.limit)}{' (upper limit)' if result.upper_limit else ''}"
        judgement = {"pass": " PASS", "fail": " FAIL", "warn": " above target", "skip": ""}[result.outcome]
        return (
            f"P90 = {size} of {POPULATIONS[context.population]['underestimation']} {limit}"
            f"{'' if result.unjudged else judgement}, {_evidence(result)}{NOT_JUDGED if result.unjudged else ''}"
        )


def _evidence(result: RatioResult) -> str:
    proven = "proven" if result.proven else "unproven"
    if result.bounds is None:  # a report file of another program
        return proven
    within = result.is_within
    bound, word = (result.bounds.upper, "at most") if within else (result.bounds.lower, "at least")
    return (
        f"{proven}: {result.events} of {result.n} at {exact(result.limit)}x or more,"
        f" truly {word} {percent(bound, _TENTH)} ({confidence_in_words(result.bounds.confidence)})"
        f"{more_needed(result.samples_to_prove, result.events)}"
    )


WASTE = WasteCheck("tier2::waste-p90", "waste")
