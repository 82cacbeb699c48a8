"""The verdict: computed once by the gate, and only rendered from then on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_token_telemetry.analysis.drift import Drift
    from pytest_token_telemetry.analysis.evidence import Bounds
    from pytest_token_telemetry.analysis.metrics import Metrics, Share
    from pytest_token_telemetry.analysis.paired import Paired, PredictionRatio
    from pytest_token_telemetry.analysis.planning import PlannedRun, Thinnest
    from pytest_token_telemetry.analysis.strata import Strata
    from pytest_token_telemetry.analysis.tuning import Tuning
    from pytest_token_telemetry.sources.reading import File, Scanned, UnusableLines

Outcome = Literal["pass", "fail", "skip", "warn"]
Conclusion = Literal["pass", "tune", "not-ready", "inconclusive"]
Change = Literal["newly underestimated", "newly safe"]
"""What becomes of a call with another estimator."""
DriftFinding = Literal["drift", "steady", "too-few", "no-baseline"]


def source_of(file: str, line: int, kind: Literal["file", "test"]) -> str:
    """Where a sample stands, or which sample of which test it is."""
    return f"{file}:{line}" if kind == "file" else f"{file} #{line}"


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


@dataclass(frozen=True, slots=True)
class DriftFigure:
    """How likely as much change is by chance."""

    p: float | None
    adjusted_p: float | None
    """Adjusted for the other drift checks (Holm)."""
    finding: DriftFinding


Figure = RateFigure | RatioFigure | CountFigure | CoverageFigure | DriftFigure


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
    underestimated: bool
    """True if the underestimation rate counts it."""
    kind: Literal["file", "test"] = "file"

    @property
    def source(self) -> str:
        """Where it stands, or which sample of which test it is."""
        return source_of(self.file, self.line, self.kind)


@dataclass(frozen=True, slots=True)
class Sources:
    """What was read and what was not. All its paths are untrusted."""

    files: tuple[File, ...]
    unreadable: Mapping[str, str]
    unusable: Mapping[str, UnusableLines]
    outside: tuple[str, ...]
    special: tuple[str, ...]
    scanned: Scanned | None = None
    """What the reading of files took, if any were read."""


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


@dataclass(frozen=True, slots=True)
class EstimatorFigures:
    """What one estimator's predictions come to."""

    underestimation: Share
    truncation: Share
    waste_p50: float | None
    waste_p90: float | None


@dataclass(frozen=True, slots=True)
class WrongAnswer:
    """An answer of the estimator that is no prediction. Both texts are untrusted."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class ChangedSample:
    """A sample for which two estimators differ much. Its texts are untrusted."""

    source: str
    category: str | None
    base_predicted: int
    head_predicted: int
    output_tokens: int
    change: Change | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseComparison:
    """The estimator beside the one that it is to replace, on the calls that both can replay."""

    estimator: str
    calls: int
    cannot: int
    """Calls that the base said it cannot replay."""
    wrong: int
    """Answers of the base that were no prediction."""
    errors: tuple[WrongAnswer, ...]
    """The first of those."""
    base: EstimatorFigures
    head: EstimatorFigures
    underestimated: Paired
    difference: float | None
    """Of the two rates; above 0, the new estimator is worse."""
    bounds: Bounds | None
    """On that difference."""
    p: float
    """How likely as uneven a change is if both underestimate as often (McNemar's exact test, mid-p)."""
    predictions: PredictionRatio
    changed: tuple[ChangedSample, ...]
    """Those that changed most: first those that are newly underestimated or newly safe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """What an estimator would have predicted for the recorded calls."""

    estimator: str
    source: str | None
    """Where it is defined, as ``file:line``, if Python knows."""
    calls: int
    replayed: int
    cannot: int
    """Calls that the estimator said it cannot replay."""
    wrong: int
    """Answers that were no prediction."""
    errors: tuple[WrongAnswer, ...]
    """The first of those."""
    recorded: EstimatorFigures
    """Of the same calls with the predictions of their time."""
    figures: EstimatorFigures
    """With the estimator's."""
    with_budget: int
    """Calls for which the estimator picked a budget."""
    would_truncate: int
    """Of those: the output would not have fitted into it."""
    unknown: int
    """Of those: the call was cut off, and would have had more room."""
    base: BaseComparison | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """New calls against the baseline."""

    missing: str | None
    """Why there is no comparison."""
    baseline_samples: int
    new_samples: int
    drift: Drift | None


@dataclass(frozen=True, slots=True)
class PastVerdict:
    """An earlier session, as the history keeps it."""

    time: str
    verdict: str
    samples: int
    underestimation: float | None
    truncation: float | None
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class Untrusted:
    """A text that is not ours: each reporter makes it inert."""

    text: str | None


Cell = str | Untrusted


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report that is there only if it was asked for: sentences, then a table."""

    title: str
    sentences: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate found, and all that reports need to show it."""

    conclusion: Conclusion
    fails: bool
    """True if it fails the session."""
    ready: bool
    """True if every readiness check is met, deselected or not."""
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
    replay: ReplayReport | None = None
    drift: DriftReport | None = None
    history: tuple[PastVerdict, ...] | None = None
    """Earlier sessions, the oldest first."""
    sections: tuple[Section, ...] = ()
    """The three above in words."""
    worst: tuple[WorstSample, ...]
    """Of all that are judged."""
    cut_off: tuple[WorstSample, ...]
    """Of those that the truncation rate counts."""
    sources: Sources
    settings: Mapping[str, str | list[str]]

    @property
    def title(self) -> str:
        """The conclusion in capitals, as reports begin with it."""
        return self.conclusion.replace("-", " ").upper()
