"""The verdict: computed once by the gate, and only rendered from then on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_token_telemetry.analysis.evidence import Bounds
    from pytest_token_telemetry.analysis.metrics import Metrics
    from pytest_token_telemetry.analysis.planning import PlannedRun, Thinnest
    from pytest_token_telemetry.analysis.strata import Strata
    from pytest_token_telemetry.analysis.tuning import Tuning
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
    """True if there is no doubt, at the stated confidence, on which side of the target the true rate is."""
    samples_to_prove: int | None
    """How many samples with as many events would prove an unproven rate to be within its target."""
    uncertain: int = 0
    """Events that may be none: calls that were cut off before their prediction was reached."""


@dataclass(frozen=True, slots=True)
class RatioFigure:
    """A ratio's P90 against its target, and what the calls at or above the target prove about it."""

    n: int
    value: float | None
    target: float
    upper_limit: bool = False
    """True if the value rests on calls that were cut off, whose real ratio is lower."""
    events: int = 0
    """Calls at or above the target: at most every tenth may be."""
    bounds: Bounds | None = None
    """On the share of such calls."""
    proven: bool = False
    samples_to_prove: int | None = None


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
    inconclusive: bool = False
    """True if it is neither passed nor failed, because a proof was asked for and there is none."""


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
    tests: int
    """That recorded."""
    unreadable_files: int
    runs: int
    tasks: int


@dataclass(frozen=True, slots=True)
class WorstSample:
    """A sample with much output for its prediction. All its texts are untrusted."""

    file: str
    """Or the test's node id."""
    line: int
    """Or which of the test's samples it is."""
    task_id: str | None
    category: str | None
    predicted_output_tokens: int
    output_tokens: int
    truncated: bool | None
    ratio: float | None
    """Output over prediction; ``None`` if the prediction is not above 0."""
    kind: Literal["file", "test"] = "file"

    @property
    def source(self) -> str:
        """Where it stands, or which sample of which test it is."""
        return f"{self.file}:{self.line}" if self.kind == "file" else f"{self.file} #{self.line}"


@dataclass(frozen=True, slots=True)
class Sources:
    """What was read and what was not. All its paths are untrusted."""

    files: tuple[File, ...]
    unreadable: Mapping[str, str]
    unusable: Mapping[str, UnusableLines]
    outside: tuple[str, ...]
    special: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProofPlan:
    """How many samples would prove a Tier 1 target."""

    id: str
    n: int
    events: int
    without_more_events: int | None
    """In all, if no event comes with them. ``None``: nothing proves a target of 0, or one so little above it."""
    at_present_rate: int | None
    """In all, if events come as often as until now. ``None``: at this rate nothing does."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to collect."""

    runs: tuple[PlannedRun, ...]
    """Successful samples that would make the data ready."""
    thinnest: Thinnest
    proofs: tuple[ProofPlan, ...]
    sentences: tuple[str, ...]
    """All of it in words, in the order of use."""


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
    plan: Plan
    tuning: Tuning | None
    """Advice, if the verdict is TUNE or it was asked for."""
    worst: tuple[WorstSample, ...]
    sources: Sources
    settings: Mapping[str, str | list[str]]

    @property
    def title(self) -> str:
        """The conclusion in capitals, as reports begin with it."""
        return self.conclusion.replace("-", " ").upper()
