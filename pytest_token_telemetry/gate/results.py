"""What a check decides: its outcome with its figure. A report file holds it by these keys, ``kind`` among them."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct, field

from pytest_token_telemetry.analysis.drift import Trend
from pytest_token_telemetry.analysis.evidence import Bounds
from pytest_token_telemetry.analysis.number_ranges import ROUNDING, ROWS, Count, Names, Quantity, Rate
from pytest_token_telemetry.analysis.readiness import MOST_FOUND

Outcome = Literal["pass", "fail", "skip", "warn"]

CheckId: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z0-9]{1,20}::[a-z0-9-]{1,40}$(?!\n)")]
"""Python's ``$`` alone would let a line end after it."""


class Result(Struct, frozen=True, kw_only=True, tag_field="kind", tag="other"):
    """How a check ended. As ``other`` it is that of a check that this version does not know."""

    id: CheckId
    outcome: Outcome
    inconclusive: bool = False
    """True if it is neither passed nor failed, because a proof was asked for and there is none."""
    for_unready: bool = False
    """True if it fails only because the data is not ready, and the checks that say so do not take part."""

    unasked: bool = False
    """True if it is skipped because the data has nothing that it is about: then it takes no part in the verdict."""

    @property
    def exceeded(self) -> bool:
        """True if the figure is on the wrong side of its target, and not just unproven."""
        return self.outcome == "fail" and not self.inconclusive

    @property
    def unjudged(self) -> bool:
        """True if there was no looking at the target, as the data is not ready or says too little."""
        return self.for_unready or (self.outcome == "skip" and not self.inconclusive)


class RateResult(Result, frozen=True, kw_only=True, tag="rate"):
    """A rate against its target, and what it proves."""

    events: Count
    n: Count
    value: Rate | None
    target: Rate
    bounds: Bounds | None
    proven: bool
    """True if there is no doubt, at the stated confidence, on which side of the target the true rate is."""
    samples_to_prove: Count | None
    """How many samples with as many events would prove an unproven rate to be within its target."""
    uncertain: Count = 0
    """Events that may be none: calls that were truncated before their prediction was reached."""
    uncounted: Count = 0
    """Calls among them whose records cannot be used but for how they ended."""
    open: Count = 0
    """Truncated calls beside them that a replayed estimator would give more room: whether enough is not known. The
    upper bound, and a proof that the rate is within its target, count them as events."""
    sequential: bool = False
    """True if the proof holds at every look at a file that grows."""

    def __post_init__(self) -> None:
        if self.events > self.n:
            raise ValueError("events is more than n")
        if (self.value is None) != (self.n == 0) or abs((self.value or 0) - self.events / (self.n or 1)) > ROUNDING:
            raise ValueError("value is not events of n")
        if self.uncertain > self.events:
            raise ValueError("uncertain is more than events")
        if self.uncounted > self.n:
            raise ValueError("uncounted is more than n")

    @property
    def limit(self) -> Fraction:
        """The target, as the decimal number that it was written as."""
        return Fraction(str(self.target))

    @property
    def is_within(self) -> bool:
        """True if the rate is at most its target, compared exactly."""
        return Fraction(self.events, self.n) <= self.limit

    @property
    def is_open(self) -> bool:
        """True if the rate is above its target only should those that are ``open`` be events."""
        most = Fraction(self.events + self.open, max(self.n + self.open, 1))
        return most > self.limit and (not self.n or self.is_within)


class RatioResult(Result, frozen=True, kw_only=True, tag="ratio"):
    """A ratio's P90 against its target, and what the calls at or above the target prove about it."""

    n: Count
    value: Quantity | None
    target: Quantity
    upper_limit: bool = False
    """True if the value rests on calls that were truncated, whose real ratio is lower."""
    events: Count = 0
    """Calls at or above the target: at most every tenth may be."""
    bounds: Bounds | None = None
    """On the share of such calls."""
    proven: bool = False
    samples_to_prove: Count | None = None

    def __post_init__(self) -> None:
        if self.events > self.n:
            raise ValueError("events is more than n")

    @property
    def limit(self) -> Fraction:
        """The target, as the decimal number that it was written as."""
        return Fraction(str(self.target))

    @property
    def is_within(self) -> bool:
        """True if the value is below its target."""
        return self.value is not None and self.value < self.target


class CountResult(Result, frozen=True, kw_only=True, tag="count"):
    """A count against its target."""

    value: Count
    target: Count
    missing: Count


class CoverageResult(Result, frozen=True, kw_only=True, tag="coverage"):
    """The required values that occur, all that are required, and those that do not occur. Untrusted."""

    value: Names
    target: Names
    missing: Names
    counts: Annotated[tuple[Count, ...], ROWS] = ()
    """Samples of each value, in its order: those that count, or of what samples carry, all."""
    found: Annotated[dict[str, Count], Meta(max_length=MOST_FOUND)] = field(default_factory=dict)
    """If one is missing: the names that the samples have, required or not, the most frequent ones. Untrusted."""
    named: Count | None = None
    """If one is missing: samples that count and have a name. ``None`` in an older report."""
    unreplayed: Names = ()
    """Those missing that were recorded, and that the replayed estimator has no prediction for."""

    def __post_init__(self) -> None:
        if not set(self.missing) <= set(self.target):
            raise ValueError("missing is not part of target")
        if set(self.value) != set(self.target) - set(self.missing):
            raise ValueError("value is not target without missing")
        if self.counts and len(self.counts) != len(self.value):
            raise ValueError("counts is not of value")
        if set(self.found) & set(self.missing) or not all(self.found.values()):
            raise ValueError("found is missing")
        if sum(self.found.values()) > (self.named or 0):
            raise ValueError("found is more than named")
        if any(self.found.get(name, n) != n for name, n in zip(self.value, self.counts, strict=False)):
            raise ValueError("found is not counts")
        if not set(self.unreplayed) <= set(self.missing):
            raise ValueError("unreplayed is not part of missing")


class DriftResult(Result, frozen=True, kw_only=True, tag="drift"):
    """How likely as much change is by chance."""

    p: Rate | None
    adjusted_p: Rate | None
    """Adjusted for the other drift checks (Holm)."""
    finding: Trend | Literal["no-baseline"]


AnyResult: TypeAlias = RateResult | RatioResult | CountResult | CoverageResult | DriftResult | Result
