"""A report as the poster knows it: only what it shows, each value checked, each text still untrusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from pytest_token_telemetry.verdict import Conclusion, Outcome

Basis = Literal["category", "borrowed", "collect", "raise-cap"]
Tier = Literal["risk", "cost"]
Population = Literal["risk", "success", "all"]


@dataclass(frozen=True, slots=True)
class Rate:
    """How many events of how many, against a target."""

    events: int
    n: int
    target: float
    bounds: tuple[float, float, float] | None
    """Confidence, lower and upper."""
    proven: bool
    samples_to_prove: int | None


@dataclass(frozen=True, slots=True)
class Ratio:
    """A P90 against a target that it must stay below."""

    n: int
    value: float | None
    target: float
    upper_limit: bool
    proven: bool


@dataclass(frozen=True, slots=True)
class Count:
    """A count against a target."""

    value: int
    target: int
    missing: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Names that are required, and those that are missing. Untrusted."""

    required: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One check. Its message is untrusted."""

    id: str
    outcome: Outcome
    inconclusive: bool
    message: str
    figure: Rate | Ratio | Count | Coverage | None
    """``None`` for a kind of check that is newer than this program."""


@dataclass(frozen=True, slots=True)
class Worst:
    """A sample with much output for its prediction. Its texts are untrusted."""

    source: str
    task_id: str | None
    category: str | None
    predicted_output_tokens: int
    output_tokens: int
    truncated: bool | None
    ratio: float | None


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do with the predictions of one category. Its names are untrusted."""

    name: str | None
    n: int
    truncated: int
    underestimated: int
    basis: Basis
    multiplier: float | None
    tier: Tier | None
    expected_underestimation: float | None
    waste_p90: tuple[float | None, ...]
    """Before and after."""


@dataclass(frozen=True, slots=True)
class Caps:
    """The ``max_tokens`` suggested for one category, by risk; ``None`` where the samples do not tell."""

    name: str | None
    n: int
    caps: tuple[tuple[float, int | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the poster shows of a report file."""

    verdict: Conclusion
    created: datetime
    population: Population
    samples: int
    files: int
    tests: int
    checks: tuple[Check, ...]
    deselected: tuple[str, ...]
    advice: tuple[str, ...]
    notes: tuple[str, ...]
    worst: tuple[Worst, ...]
    tuning: tuple[Advice, ...]
    caps: tuple[Caps, ...]
