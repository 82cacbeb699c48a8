"""The report: one model, typed to the last value, that every form renders and that a report file holds.

It has figures and names, and no sentence: `words` makes those, so that a file from elsewhere brings none of its own.
Every text in it is untrusted.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct, field

from pytest_token_telemetry.analysis.attempts import Attempts
from pytest_token_telemetry.analysis.budgets import Budgets
from pytest_token_telemetry.analysis.caps import CapUse, RepeatedOutput
from pytest_token_telemetry.analysis.distributions import Distributions
from pytest_token_telemetry.analysis.metrics import Share, Smape, Tokens, Waste
from pytest_token_telemetry.analysis.number_ranges import FILES, Count, LoggedTokens, Names, Quantity, Rate
from pytest_token_telemetry.analysis.populations import Population
from pytest_token_telemetry.analysis.strata import Strata
from pytest_token_telemetry.analysis.tuning import Tuning
from pytest_token_telemetry.gate.check import Context
from pytest_token_telemetry.gate.findings import Counts
from pytest_token_telemetry.gate.replay_report import Commit, ReplayReport
from pytest_token_telemetry.gate.results import AnyResult, CheckId, Result
from pytest_token_telemetry.gate.verdict import Plan
from pytest_token_telemetry.past.baseline import DriftReport
from pytest_token_telemetry.past.history import Conclusion, PastVerdict

REPORT_SCHEMA = "token-telemetry-report/1"

MOST_CALLS = 5000
"""Calls that a picture shows one by one."""

Time: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]

_NO_SHARE = Share(0, 0)


def now() -> str:
    """When a report is made."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class NoVerdict(Struct, frozen=True, kw_only=True):
    """What stands in the place of a `Report` while there is none: the session may end at any time."""

    schema: Literal["token-telemetry-report/1"] = REPORT_SCHEMA  # type: ignore[assignment]
    version: str
    created: Time
    verdict: None
    reason: str | None = None
    """Why: the sentence that the session ended with. Untrusted; ``None`` in an older report."""


class Figures(Struct, frozen=True, kw_only=True):
    """All figures of the judged samples."""

    success_rate: Rate | None
    """Among the samples that say whether they succeeded."""
    waste: Waste
    smape: Smape
    predicted_output_tokens: Tokens
    output_tokens: Tokens
    underestimation: Share = _NO_SHARE
    uncertain: Count = 0
    """Of the underestimated: truncated at or below the prediction."""
    truncation: Share = _NO_SHARE
    cap_use: CapUse | None = None
    """``None`` in an older report."""
    repeated_output: RepeatedOutput | None = None
    """What may be a cap that nobody logged; it changes no other figure."""


class WorstSample(Struct, frozen=True, kw_only=True):
    """A sample with much output for its prediction."""

    source: str
    """Where it stands, as ``file:line``, or which sample of which test it is."""
    task_id: str | None
    category: str | None
    predicted_output_tokens: LoggedTokens | None
    """``None``: the call has none."""
    output_tokens: Count
    truncated: bool | None
    ratio: Quantity | None
    """Output over prediction; ``None`` without one above 0."""
    max_tokens: Count | None = None
    """The cap that was sent. ``None``: not known, or the report is older; the next one likewise."""
    operation: str | None = None
    underestimated: bool = False
    """True if the underestimation rate counts it."""


class Call(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A judged call with a place in the pictures; in a file an array of its fields."""

    source: str
    """Where it stands, as in `WorstSample`; of a long one its end."""
    task_id: str | None
    category: str | None
    predicted_output_tokens: Count | None
    max_tokens: Count | None
    output_tokens: Count
    truncated: bool | None
    underestimated: bool


class SourceFile(Struct, frozen=True):
    """A file that was read, or a test that recorded."""

    path: str
    """As shown, or the test's node id; empty for the others."""
    samples: Count
    kind: Literal["file", "test", "table"] = "file"
    folded: Count = 0
    """How many files and tests it sums up, beyond those that are listed. 0: it is one."""
    format: str = ""
    """As what a file was read: the name of a format, or of a field map."""
    duplicates: Count = 0
    """Copies of a sample that were left out there."""
    unusable: Count = 0
    """Lines there that should be samples and cannot be."""
    skipped: Annotated[dict[str, Count], Meta(max_length=50)] = field(default_factory=dict)
    """Records there that are no sample, and should be none, by reason."""
    dropped: Count = 0
    """Samples there that a plugin dropped."""

    def __post_init__(self) -> None:
        if self.folded and self.path:
            raise ValueError("the others have a path")


class Unreadable(Struct, frozen=True):
    """A file or directory that could not be read."""

    path: str
    reason: str


class NotRead(Struct, frozen=True, kw_only=True):
    """What was found and not read: as many of each as are listed, and the number of the others."""

    unreadable: Annotated[tuple[Unreadable, ...], FILES] = ()
    outside: Annotated[tuple[str, ...], FILES] = ()
    """Links out of a directory, not followed."""
    unknown: Annotated[tuple[str, ...], FILES] = ()
    """JSON lines and CSV files, by their names, and others with counts in JSON, of which no record is known."""
    special: Annotated[tuple[str, ...], FILES] = ()
    """Pipes, sockets and devices, not opened."""
    unreadable_folded: Count = 0
    outside_folded: Count = 0
    special_folded: Count = 0
    unknown_folded: Count = 0


class ScanFigures(Struct, frozen=True, kw_only=True):
    """What the reading of files took."""

    files: Count
    size: Count
    """Bytes."""
    seconds: Quantity
    processes: Count
    rate: Quantity = 0.0
    """Bytes a second."""


class MadeFor(Struct, frozen=True, kw_only=True):
    """The commit and the run of a CI server that a report is about, as far as the environment says."""

    commit: Commit | None = None
    """Of a pull request on GitHub its newest one, not the merge that is checked out."""
    run: Count = 0
    """The id of GitHub's workflow run; 0: not given."""
    attempt: Count = 0


class SessionResult(Struct, frozen=True, kw_only=True):
    """How the pytest session ended, beside the verdict."""

    exit_status: Annotated[int, Meta(ge=0, le=255)]
    """That of pytest, as the gate left it."""
    tests_failed: Count
    """Failures and errors, those of the checks aside."""


class Report(Struct, frozen=True, kw_only=True):
    """What the gate found."""

    schema: Literal["token-telemetry-report/1"] = REPORT_SCHEMA  # type: ignore[assignment]
    version: str
    """Of the program that wrote it."""
    created: Time
    verdict: Conclusion
    population: Population
    """What rates are shares of."""
    counts: Counts
    checks: Annotated[tuple[AnyResult, ...], Meta(max_length=50)]
    """How those ended that were not deselected."""
    deselected: Annotated[tuple[CheckId, ...], Meta(max_length=50)] = ()
    unready: Annotated[tuple[AnyResult, ...], Meta(max_length=50)] | None = None
    """The readiness checks that are not met, deselected or not. ``None`` in an older report."""
    metrics: Figures
    attempts: Attempts | None = None
    """How attempts at tasks end, of all that was read. ``None`` in an older report."""
    budgets: Budgets | None = None
    """What decided the budgets of the time. ``None`` in an older report."""
    strata: Strata
    plan: Plan
    tuning: Tuning | None = None
    """Advice, if the verdict is TUNE, the data has caps or no predictions, or it was asked for."""
    estimator: ReplayReport | None = None
    """What another estimator would have predicted, if one was named."""
    drift: DriftReport | None = None
    history: Annotated[tuple[PastVerdict, ...], Meta(max_length=100)] | None = None
    """Earlier sessions, the oldest first."""
    worst: Annotated[tuple[WorstSample, ...], Meta(max_length=100)]
    """Of all that are judged."""
    cut_off: Annotated[tuple[WorstSample, ...], Meta(max_length=100)] = ()
    """Of those that the truncation rate counts."""
    distributions: Distributions | None = None
    """What pictures are made of. ``None`` in an older report."""
    calls: Annotated[tuple[Call, ...], Meta(max_length=MOST_CALLS)] | None = None
    """All that `Distributions.density` counts, if they are not too many and a page was asked for."""
    sources: Annotated[tuple[SourceFile, ...], FILES]
    not_read: NotRead = field(default_factory=NotRead)
    scan: ScanFigures | None = None
    settings: Annotated[dict[str, str | Names], Meta(max_length=200)]
    """Every setting in force, as its user wrote it."""
    made_for: MadeFor | None = None
    """``None`` in an older report, and outside of CI servers."""
    tracked: Annotated[dict[str, str], Meta(max_length=200)] = field(default_factory=dict)
    """Of the files that calls are named of, those that git tracks: as shown, and their paths in the repository."""
    session: SessionResult | None = None
    """``None`` in an older report."""

    @property
    def title(self) -> str:
        """The verdict in capitals, as reports begin with it."""
        return self.verdict.replace("-", " ").upper()

    @property
    def fails(self) -> bool:
        """True if it fails the session."""
        return any(result.outcome == "fail" for result in self.checks)

    @property
    def nothing_judged(self) -> str:
        """Why nothing was judged though the data was ready; empty if something was."""
        question = self.counts.question
        if self.verdict != "inconclusive":
            return ""
        if question == "lengths":
            return "the samples have neither predictions nor caps nor reasons"
        if question != "predictions" and self.population != "risk":
            return f"no sample has a prediction, and the population {self.population} takes no others"
        if self.checks and all(result.unasked for result in self.checks):
            return "the data has nothing that the selected checks are about"
        return ""

    @property
    def session_failed(self) -> bool:
        """True if the session failed for another reason than the verdict."""
        session = self.session
        return session is not None and (session.tests_failed > 0 or session.exit_status not in (0, int(self.fails)))

    @property
    def unmet(self) -> tuple[Result, ...]:
        """The readiness checks that are not met."""
        if self.unready is not None:
            return self.unready
        return tuple(each for each in self.checks if each.id.startswith("readiness::") and each.outcome != "pass")

    @property
    def context(self) -> Context:
        """What the words of the checks mention."""
        return Context(
            population=self.population,
            counts=self.counts,
            reads_files=bool(self.settings.get("dir")),
            reads_tables=bool(self.settings.get("db")),
            patterns=(patterns,) if isinstance(patterns := self.settings.get("pattern", ()), str) else patterns,
            reads_tests=self.is_on("gate"),
            read_in_part=len(self.read_in_part),
            replay=self.estimator,
            refuses_wrong_answers=self.settings.get("estimator_errors") == "fail",
            drift=None if self.drift is None else self.drift.drift,
        )

    @property
    def read_in_part(self) -> dict[str, int]:
        """The samples that count of files which could not be read to their end, by their paths."""
        unreadable = {each.path for each in self.not_read.unreadable}
        return {each.path: each.samples for each in self.sources if each.samples and each.path in unreadable}

    def is_on(self, setting: str) -> bool:
        """True if the switch ``setting`` is on."""
        return self.settings.get(setting) == "true"

    def result(self, id: str) -> Result | None:
        """How the check with this id ended, deselected or not, as far as the report says."""
        return next((each for each in (*self.checks, *self.unmet) if each.id == id), None)
