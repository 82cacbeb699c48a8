"""What predictions and caps cost: the ratio to the output that nine of ten calls stay below."""

from __future__ import annotations

from abc import abstractmethod
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from pytest_token_telemetry.gate.check import Check
from pytest_token_telemetry.gate.checks.rates import NOT_JUDGED, POPULATIONS, confidence_in_words, more_needed
from pytest_token_telemetry.gate.results import RatioResult
from pytest_token_telemetry.text import exact, percent, times

if TYPE_CHECKING:
    from pytest_token_telemetry.analysis.metrics import Share
    from pytest_token_telemetry.gate.check import Case, Context
    from pytest_token_telemetry.gate.findings import Findings
    from pytest_token_telemetry.gate.results import Outcome

_TENTH = Fraction(1, 10)
"""The share of calls that a P90 leaves above itself."""


class RatioCheck(Check[RatioResult]):
    """A ratio's P90 stays below its target."""

    kind = RatioResult

    policy: Literal["tier2", "cap_use"]
    """The setting that says what becomes of a ratio above its target."""
    target: Literal["max_waste_p90", "max_cap_use_p90"]
    """The setting that has the target."""
    is_owed: bool
    """Whether calls that carry what it is about should have the ratio."""

    @abstractmethod
    def figure(self, findings: Findings) -> tuple[int, float | None, bool]:
        """How many calls have the ratio, its P90, and whether that is an upper limit only."""

    @abstractmethod
    def above(self, findings: Findings, target: float) -> Share:
        """The share of these calls at or above ``target``."""

    def may_fail(self, case: Case) -> bool:  # noqa: ARG002 - for those that look at something else than what is judged
        """True if what is judged is what the figure is of."""
        return True

    @abstractmethod
    def calls(self, result: RatioResult, context: Context) -> str:
        """What calls have the ratio, in words."""

    def without_ratio(self) -> str:
        """Why no call has the ratio, where none has, in words."""
        return "no ratio"

    def decide(self, case: Case) -> RatioResult:
        """Compare the P90 with its target, and say what the calls at or above the target prove."""
        from pytest_token_telemetry.analysis.evidence import bounds

        settings, certainty, ready = case.settings, case.certainty, case.ready
        n, value, upper_limit = self.figure(case.findings)
        target = float(getattr(settings, self.target))
        if value is None:
            asked = self.is_asked(case.findings.carried)
            outcome: Outcome = "warn" if ready and asked and self.is_owed else "skip"
            return RatioResult(id=self.id, outcome=outcome, unasked=not asked, n=0, value=None, target=target)
        within = value < target  # 29/10 is not below 2.9, though as a floating point number it is
        above = self.above(case.findings, target)
        prove = certainty.proves_within if within else certainty.proves_above
        proven = prove(above.events, above.n, float(_TENTH))
        exceeded: Outcome = "fail" if getattr(settings, self.policy) == "fail" and self.may_fail(case) else "warn"
        return RatioResult(
            id=self.id,
            outcome=("pass" if within else exceeded) if ready else "skip",
            n=n,
            value=value,
            target=target,
            upper_limit=upper_limit,
            events=above.events,
            bounds=bounds(above.events, above.n, certainty.confidence),
            proven=proven,
            samples_to_prove=certainty.samples_to_prove(above.events, float(_TENTH)) if within and not proven else None,
        )

    def words(self, result: RatioResult, context: Context) -> str:
        """The P90, what it is one of, and what it proves."""
        if result.unasked:
            return self.unasked
        limit = f"(target < {exact(result.limit)}x)"
        if result.value is None:
            return f"no data: {self.without_ratio()} {limit}"
        size = f"{times(result.value, result.limit)}{' (upper limit)' if result.upper_limit else ''}"
        judgement = {"pass": " PASS", "fail": " FAIL", "warn": " above target", "skip": ""}[result.outcome]
        return (
            f"P90 = {size} of {self.calls(result, context)} {limit}"
            f"{'' if result.unjudged else judgement}, {_evidence(result)}{NOT_JUDGED if result.unjudged else ''}"
        )


class WasteCheck(RatioCheck):
    """Prediction over output."""

    judges_estimator = True
    policy = "tier2"
    target = "max_waste_p90"
    is_owed = True

    def figure(self, findings: Findings) -> tuple[int, float | None, bool]:
        """See `RatioCheck.figure`."""
        waste = findings.metrics.waste
        return waste.n, waste.p90, waste.upper_limit

    def above(self, findings: Findings, target: float) -> Share:
        """See `RatioCheck.above`."""
        from pytest_token_telemetry.analysis.metrics import wasteful

        return wasteful(findings.samples, findings.judged, target)

    def calls(self, result: RatioResult, context: Context) -> str:  # noqa: ARG002 - not of its figure
        """See `RatioCheck.calls`."""
        return POPULATIONS[context.population]["underestimation"]


class CapUseCheck(RatioCheck):
    """The cap that was sent over output."""

    policy = "cap_use"
    target = "max_cap_use_p90"
    is_owed = False

    def figure(self, findings: Findings) -> tuple[int, float | None, bool]:
        """See `RatioCheck.figure`."""
        return findings.cap_use.n, findings.cap_use.p90, False

    def above(self, findings: Findings, target: float) -> Share:
        """See `RatioCheck.above`."""
        from pytest_token_telemetry.analysis.caps import oversized

        return oversized(findings.recorded, target)

    def without_ratio(self) -> str:
        """See `RatioCheck.without_ratio`."""
        from pytest_token_telemetry.analysis.caps import LEAST_OUTPUT

        return f"every call with a cap is truncated, failed or below {LEAST_OUTPUT} tokens"

    def calls(self, result: RatioResult, context: Context) -> str:
        """See `RatioCheck.calls`."""
        from pytest_token_telemetry.analysis.caps import LEAST_OUTPUT

        carried = context.counts.carried
        others = 0 if carried is None else carried.caps - result.n
        left_out = f", {others:,} truncated, failed or below {LEAST_OUTPUT} tokens left out" if others > 0 else ""
        sent = " as it was sent" if context.replay is not None and context.replay.with_budget else ""
        return f"calls with a cap{sent}{left_out}"

    def may_fail(self, case: Case) -> bool:
        """See `RatioCheck.may_fail`. Caps that were sent are not the budgets of an estimator under review."""
        return case.replay is None or not case.replay.with_budget


def _evidence(result: RatioResult) -> str:
    proven = "proven" if result.proven else "unproven"
    if result.bounds is None:  # a report file of another program
        return proven
    within = result.is_within
    bound, word = (result.bounds.upper, "at most") if within else (result.bounds.lower, "at least")
    return (
        f"{proven}: {result.events:,} of {result.n:,} at {exact(result.limit)}x or more,"
        f" {word} {percent(bound, _TENTH)} ({confidence_in_words(result.bounds.confidence)})"
        f"{more_needed(result.samples_to_prove, result.events)}"
    )


WASTE = WasteCheck("tier2::waste-p90", "waste", "prediction")
CAP_USE = CapUseCheck("tier2::cap-use", "cap use", "cap")
