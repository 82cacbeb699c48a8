"""The verdict: computed once by the gate, and only rendered from then on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_token_telemetry.analysis.evidence import Bounds
    from pytest_token_telemetry.analysis.metrics import Metrics
    from pytest_token_telemetry.analysis.strata import Strata
    from pytest_token_telemetry.sources.reading import File, UnusableLines

ROOT = "token-telemetry"
"""Where the ids of all checks begin, as pytest shows them."""

SOURCES = "readiness::sources"
SAMPLES = "readiness::samples"
CATEGORIES = "readiness::categories"
COMPLEXITIES = "readiness::complexities"
DELIVERABLES = "readiness::deliverables"
UNDERESTIMATION = "tier1::underestimation"
TRUNCATION = "tier1::truncation"
WASTE = "tier2::waste-p90"

CHECK_IDS = (
    SOURCES,
    SAMPLES,
    CATEGORIES,
    COMPLEXITIES,
    DELIVERABLES,
    UNDERESTIMATION,
    TRUNCATION,
    WASTE,
)
"""Every check, in the order in which they run and are shown."""


def node_id(check: str) -> str:
    """The check's id as pytest shows it."""
    return f"{ROOT}::{check}"


Outcome = Literal["pass", "fail", "skip", "warn"]
Conclusion = Literal["pass", "tune", "not-ready", "inconclusive"]


@dataclass(frozen=True, slots=True)
class RateFigure:
    """A rate against its target, and what it proves."""

    events: int
    n: int
    value: float | None
    target: float
    bounds: Bounds | None
    proven: bool
    """True if the bounds leave no doubt on which side of the target the true rate is."""
    samples_to_prove: int | None
    """How many samples with as many events would prove a rate that is within its target and unproven."""


@dataclass(frozen=True, slots=True)
class RatioFigure:
    """A ratio against its target."""

    n: int
    value: float | None
    target: float


@dataclass(frozen=True, slots=True)
class CountFigure:
    """A count against its target."""

    value: int
    target: int
    missing: int


@dataclass(frozen=True, slots=True)
class CoverageFigure:
    """The required values that occur, all that are required, and those that do not occur."""

    value: tuple[str, ...]
    target: tuple[str, ...]
    missing: tuple[str, ...]


Figure = RateFigure | RatioFigure | CountFigure | CoverageFigure


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the gate."""

    id: str
    outcome: Outcome
    message: str
    """One line that says all, in our own words: safe to show anywhere."""
    figure: Figure


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are of everything."""

    samples: int
    attempts: int
    successes: int
    risk: int
    legacy: int
    no_ratio: int
    """Samples whose prediction or output is not above 0."""
    duplicates: int
    unusable: int
    files: int
    unreadable_files: int
    runs: int
    tasks: int


@dataclass(frozen=True, slots=True)
class WorstSample:
    """A sample with much output for its prediction. All its texts are untrusted."""

    source: str
    task_id: str | None
    category: str | None
    predicted_output_tokens: int
    output_tokens: int
    truncated: bool | None
    ratio: float | None
    """Output over prediction; ``None`` if the prediction is not above 0."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What was read and what was not. All its paths are untrusted."""

    files: tuple[File, ...]
    unreadable: Mapping[str, str]
    unusable: Mapping[str, UnusableLines]
    outside: tuple[str, ...]
    special: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate found, and all that reports need to show it."""

    conclusion: Conclusion
    fails: bool
    """True if it fails the session."""
    headline: str
    """One plain sentence."""
    advice: tuple[str, ...]
    """What to do next, one sentence each."""
    notes: tuple[str, ...]
    """What a reader must know to read the figures rightly, one sentence each."""
    population: str
    counts: Counts
    checks: tuple[Check, ...]
    """Those that were not deselected."""
    deselected: tuple[str, ...]
    """The ids of those that were."""
    metrics: Metrics
    strata: Strata
    worst: tuple[WorstSample, ...]
    sources: Sources
    settings: Mapping[str, str | list[str]]

    @property
    def title(self) -> str:
        """The conclusion in capitals, as reports begin with it."""
        return self.conclusion.replace("-", " ").upper()
