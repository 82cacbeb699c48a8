"""The two rates of Tier 1: by their own value, or by what they prove if a confidence is set."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_token_telemetry.analysis.evidence import Bounds, bounds
from pytest_token_telemetry.gate.check import Check
from pytest_token_telemetry.gate.results import RateResult
from pytest_token_telemetry.text import exact, percent, plural

if TYPE_CHECKING:
    from pytest_token_telemetry.analysis.metrics import Share
    from pytest_token_telemetry.gate.check import Case, Context
    from pytest_token_telemetry.gate.results import Outcome

POPULATIONS = {
    "risk": {"underestimation": "the risk population", "truncation": "attempts"},
    "success": {"underestimation": "successful samples", "truncation": "successful samples"},
    "all": {"underestimation": "all samples", "truncation": "all V2 samples"},
}
"""What the two rates are shares of, in words."""

NOT_JUDGED = "; not judged, data not ready"


class RateCheck(Check[RateResult]):
    """A rate that must not be above its target."""

    kind = RateResult
    decides = True
    judges_estimator = True

    def __init__(self, rate: Literal["underestimation", "truncation"], past_tense: str) -> None:
        super().__init__(f"tier1::{rate}", rate, "prediction" if rate == "underestimation" else None)
        self._rate = rate
        self._past_tense = past_tense

    def decide(self, case: Case) -> RateResult:
        """Compare the rate with its target, exactly; with a confidence, only what is proven passes or fails.

        It neither passes nor fails if that depends on calls of which nobody knows how they would end.
        """
        settings, certainty, ready = case.settings, case.certainty, case.ready
        share: Share = getattr(case.findings.metrics, self._rate)
        judged = case.findings.judged
        open_ = int(np.count_nonzero(judged.open_at_risk if self._rate == "underestimation" else judged.open))
        target: Fraction = getattr(settings, f"max_{self._rate}")
        if not share.n:
            return self._without_samples(case, target, open_)
        certified = settings.confidence is not None
        most, of = share.events + open_, share.n + open_
        within = Fraction(share.events, share.n) <= target
        if within:
            proven = certainty.proves_within(most, of, float(target))
        else:
            proven = certainty.proves_above(share.events, share.n, float(target))
        depends = within and Fraction(most, of) > target
        inconclusive = ready and ((certified and not proven) or depends)
        outcome: Outcome = "pass" if within else "fail"
        if inconclusive:
            outcome = "fail" if settings.inconclusive == "fail" else "skip"
        unproven = not proven and (within or certified)
        return RateResult(
            id=self.id,
            outcome=outcome if ready else "skip",
            inconclusive=inconclusive,
            events=share.events,
            n=share.n,
            value=share.value,
            target=float(target),
            bounds=_bounds(share, open_, certainty.confidence),
            proven=proven,
            samples_to_prove=certainty.samples_to_prove(most, float(target)) if unproven and not depends else None,
            uncertain=case.findings.metrics.uncertain if self._rate == "underestimation" else 0,
            uncounted=case.findings.counts.uncounted.n if self._rate == "truncation" else 0,
            open=open_,
            sequential=certainty.sequential,
        )

    def _without_samples(self, case: Case, target: Fraction, open_: int) -> RateResult:
        """It is not asked, or has nothing to rest on: lengths prove nothing, and a population may take others alone."""
        carried, ready = case.findings.carried, case.ready
        asked = self.is_asked(carried)
        judges_none = carried.question == "lengths" or (
            carried.question != "predictions" and case.settings.population != "risk"
        )
        inconclusive = ready and asked and judges_none
        fails = ready and asked and not (inconclusive and case.settings.inconclusive != "fail")
        return RateResult(
            id=self.id,
            outcome="fail" if fails else "skip",
            inconclusive=inconclusive,
            unasked=not asked,
            events=0,
            n=0,
            value=None,
            target=float(target),
            bounds=None,
            proven=False,
            samples_to_prove=None,
            open=open_,
        )

    def words(self, result: RateResult, context: Context) -> str:
        """The rate, what it is a share of, and what it proves."""
        if result.unasked:
            return self.unasked
        population = POPULATIONS[context.population][self._rate]
        limit = f"(target <= {exact(result.limit * 100)}%)"
        if not result.n:
            return f"no data: nothing in {population} {limit}{_open(result)}"
        rate = percent(Fraction(result.events, result.n), result.limit)
        share = f"{result.events:,}/{result.n:,} = {rate} of {population} {limit}"
        judgement = f" {'INCONCLUSIVE' if result.inconclusive else result.outcome.upper()}"
        if result.unjudged:
            judgement = ""
        doubts = f"{_uncertainty(result)}{_open(result)}{_of_unusable(result)}{NOT_JUDGED if result.unjudged else ''}"
        return f"{share}{judgement}, {_evidence(result)}{doubts}"

    def in_headline(self, result: RateResult) -> str:
        """``82.6% underestimated``."""
        return self.as_share(result.events, result.n, result.limit)

    def as_share(self, events: int, n: int, limit: Fraction | None = None) -> str:
        """The same of ``events`` among ``n`` samples, on the right side of ``limit`` if there is one."""
        return f"{percent(Fraction(events, n), limit) if n else 'no data'} {self._past_tense}"


def _evidence(result: RateResult) -> str:
    """What a rate proves, in words."""
    proven = "proven" if result.proven else "unproven"
    if result.bounds is None:  # a report file of another program
        return proven
    sure = confidence_in_words(result.bounds.confidence)
    upper, lower = (percent(bound, result.limit) for bound in (result.bounds.upper, result.bounds.lower))
    if result.sequential:
        words = f"{proven} ({sure}, at every look)"
    elif result.is_within:
        words = f"{proven}: true rate {'at most' if result.proven else 'may be up to'} {upper} ({sure})"
    else:
        words = f"{proven}: true rate {'at least' if result.proven else 'may be as low as'} {lower} ({sure})"
    events = result.events + result.open if result.is_within else result.events
    return words + more_needed(result.samples_to_prove, events, "it" if result.is_within else "the target met")


def confidence_in_words(confidence: float) -> str:
    """``95% confidence``."""
    return f"{exact(Fraction(str(confidence)) * 100)}% confidence"


def more_needed(samples: int | None, events: int, claim: str = "it") -> str:
    """How many samples would prove the ``claim``; nothing if none are needed, or none would do."""
    if samples is None:
        return ""
    return f"; {plural(samples, 'sample')} with {plural(events, 'event')} would prove {claim}"


def _uncertainty(result: RateResult) -> str:
    if not result.uncertain:
        return ""
    were = "was" if result.uncertain == 1 else "were"
    return f"; {result.uncertain:,} of these {were} truncated within the prediction"


def _open(result: RateResult) -> str:
    if not result.open:
        return ""
    beside = "beside these, " if result.n else ""
    return (
        f"; {beside}{plural(result.open, 'truncated call')} would have had more room, and whether enough is not known"
    )


def _bounds(share: Share, open_: int, confidence: float) -> Bounds:
    """On the rate of ``share``, whatever comes of those that are ``open_``."""
    lower, upper = (bounds(share.events + more, share.n + more, confidence) for more in (0, open_))
    return Bounds(confidence, lower.lower, upper.upper)


def _of_unusable(result: RateResult) -> str:
    if not result.uncounted:
        return ""
    are = "is of an unusable line" if result.uncounted == 1 else "are of unusable lines"
    return f"; {result.uncounted:,} of the {result.n:,} attempts {are}"


UNDERESTIMATION = RateCheck("underestimation", "underestimated")
TRUNCATION = RateCheck("truncation", "truncated")
