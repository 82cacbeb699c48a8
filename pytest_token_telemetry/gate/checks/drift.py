"""Have the calls become worse since the baseline?"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from pytest_token_telemetry.analysis.drift import LEAST_SAMPLES, RateDrift
from pytest_token_telemetry.gate.check import Check
from pytest_token_telemetry.gate.checks.rates import NOT_JUDGED
from pytest_token_telemetry.gate.results import DriftResult
from pytest_token_telemetry.text import chance, percent, plural, times

if TYPE_CHECKING:
    from pytest_token_telemetry.analysis.drift import Drift, RatioDrift
    from pytest_token_telemetry.gate.check import Case, Context
    from pytest_token_telemetry.gate.results import Outcome

NO_BASELINE = "there is no baseline yet (--token-telemetry-save-baseline writes one)"


class DriftCheck(Check[DriftResult]):
    """A figure of the new calls is like that of the baseline."""

    kind = DriftResult
    needs = "baseline"

    def __init__(self, figure: Literal["underestimation", "truncation", "ratio"], worse: str) -> None:
        super().__init__(f"drift::{figure}", figure)
        self._figure = figure
        self._worse = worse

    def finding(self, drift: Drift) -> RateDrift | RatioDrift:
        """The figure of ``drift`` that the check is about."""
        found: RateDrift | RatioDrift = getattr(drift, self._figure)
        return found

    def decide(self, case: Case) -> DriftResult:
        """Whether there is drift; that of too few calls, or without a baseline, is not judged."""
        report = case.drift
        if report is None or report.drift is None:
            return DriftResult(id=self.id, outcome="skip", p=None, adjusted_p=None, finding="no-baseline")
        found = self.finding(report.drift)
        seen: Outcome = "fail" if case.settings.drift == "fail" else "warn"
        outcomes: dict[str, Outcome] = {"too-few": "skip", "steady": "pass", "drift": seen if case.ready else "skip"}
        return DriftResult(
            id=self.id,
            outcome=outcomes[found.outcome],
            p=found.p,
            adjusted_p=found.adjusted_p,
            finding=found.outcome,
        )

    def words(self, result: DriftResult, context: Context) -> str:
        """The figure on both sides, and how likely as much change is by chance."""
        if context.drift is None:
            return NO_BASELINE
        found = self.finding(context.drift)
        figures = _rate(found) if isinstance(found, RateDrift) else _ratio(found)
        if result.finding == "too-few":
            return f"{figures}: {'not enough data to judge drift' + _least(found) if has_both(found) else _ONE_SIDE}"
        p = chance(result.adjusted_p or 0)
        if result.finding == "steady":
            return f"{figures}: no drift seen ({p})"
        return f"{figures}: drift ({p}){NOT_JUDGED if result.unjudged else ''}"

    def in_headline(self, result: DriftResult) -> str:  # noqa: ARG002 - the rates are in the check's own line
        """``more truncated than in the baseline``."""
        return self._worse


_ONE_SIDE = "nothing to compare"


def has_both(found: RateDrift | RatioDrift) -> bool:
    """True if there are calls on both sides."""
    if isinstance(found, RateDrift):
        return bool(found.base.n and found.head.n)
    return None not in (found.base_median, found.head_median)


def _least(found: RateDrift | RatioDrift) -> str:
    """How much it would take."""
    if isinstance(found, RateDrift) and min(found.compared_base.n, found.compared_head.n) >= LEAST_SAMPLES:
        visible = found.least_visible
        return "" if visible is None else f" (smallest visible rise: {plural(visible, 'event')})"
    return f" ({LEAST_SAMPLES} calls needed on each side, in categories that both have)"


def _rate(found: RateDrift) -> str:
    base, head = (
        f"{share.events:,}/{share.n:,} = {percent(Fraction(share.events, share.n))}" if share.n else "none"
        for share in (found.base, found.head)
    )
    words = f"{base} in the baseline, {head} new"
    if found.standardised is not None and found.mix_shift:
        words += f" ({percent(found.standardised)} with the baseline's mix of categories)"
    return words


def _ratio(found: RatioDrift) -> str:
    base, head = ("none" if median is None else times(median) for median in (found.base_median, found.head_median))
    words = f"median output over prediction {base} in the baseline, {head} new"
    return words if found.shift is None else f"{words}, {times(found.shift)} as much within categories"


DRIFT_OF_UNDERESTIMATION = DriftCheck("underestimation", "more underestimated than in the baseline")
DRIFT_OF_TRUNCATION = DriftCheck("truncation", "more truncated than in the baseline")
DRIFT_OF_RATIO = DriftCheck("ratio", "outputs changed against their predictions since the baseline")
