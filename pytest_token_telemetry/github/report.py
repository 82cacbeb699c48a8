"""A report as the poster knows it: only what it shows, each value checked, each text still untrusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_token_telemetry.analysis.drift import Finding

if TYPE_CHECKING:
    from datetime import datetime

    from pytest_token_telemetry.analysis.evidence import Bounds
    from pytest_token_telemetry.analysis.metrics import Share
    from pytest_token_telemetry.analysis.paired import Paired
    from pytest_token_telemetry.verdict import ChangedSample, Conclusion, DriftFigure, EstimatorFigures, Outcome

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
    figure: Rate | Ratio | Count | Coverage | DriftFigure | None
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
class Comparison:
    """The estimator beside the one that it is to replace, on the calls that both can replay."""

    estimator: str
    """The base's name. Untrusted."""
    calls: int
    cannot: int
    wrong: int
    """Calls that the base cannot replay, and its answers that are no prediction."""
    base: EstimatorFigures
    head: EstimatorFigures
    underestimated: Paired
    bounds: Bounds | None
    """On the difference of the two underestimation rates."""
    p: float
    raised: int
    lowered: int
    factor: float | None
    """Head's prediction over base's, in the middle."""
    changed: tuple[ChangedSample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What an estimator would have predicted for the recorded calls."""

    estimator: str
    """Its name. Untrusted."""
    calls: int
    replayed: int
    cannot: int
    wrong: int
    recorded: EstimatorFigures
    figures: EstimatorFigures
    with_budget: int
    would_truncate: int
    unknown: int
    base: Comparison | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateChange(Finding):
    """Whether a rate has risen since the baseline."""

    base: Share
    head: Share
    standardised: float | None
    difference: float | None
    """Within the categories, as ``bounds``."""
    bounds: Bounds | None
    mix_shift: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioChange(Finding):
    """Whether output over prediction has moved since the baseline."""

    base_n: int
    head_n: int
    base_median: float | None
    head_median: float | None
    shift: float | None
    """Within the categories, as ``bounds``."""
    bounds: Bounds | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """New calls against those of the baseline."""

    baseline_samples: int
    new_samples: int
    underestimation: RateChange
    truncation: RateChange
    ratio: RatioChange


@dataclass(frozen=True, slots=True)
class NotCompared:
    """Why there is no comparison with a baseline. Untrusted."""

    why: str


@dataclass(frozen=True, slots=True)
class Session:
    """An earlier session of the history."""

    verdict: Conclusion
    underestimation: float | None
    truncation: float | None


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
    replay: Replay | None
    drift: Changes | NotCompared | None
    history: tuple[Session, ...] | None
    """The oldest first. ``None``, as for the two above: it was not asked for, or the report is of an older version."""
