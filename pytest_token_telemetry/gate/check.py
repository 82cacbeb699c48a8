"""What a check is: the one object from which its id, order, selection, report and words follow.

To add one: write a module in ``gate/checks`` with a subclass, and put an instance into `CHECKS` there. Another plugin
gives an instance to the hook ``pytest_token_telemetry_checks``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeVar

from pytest_token_telemetry.gate.results import Result

if TYPE_CHECKING:
    from pytest_token_telemetry.analysis.carried import Carried
    from pytest_token_telemetry.analysis.drift import Drift
    from pytest_token_telemetry.analysis.evidence import Certainty
    from pytest_token_telemetry.analysis.populations import Population
    from pytest_token_telemetry.gate.findings import Counts, Findings
    from pytest_token_telemetry.gate.replay_report import ReplayReport
    from pytest_token_telemetry.past.baseline import DriftReport
    from pytest_token_telemetry.settings import Settings
    from pytest_token_telemetry.text import Sentence

R = TypeVar("R", bound=Result)

Needs = Literal["replay", "baseline", "require"]


@dataclass(frozen=True, slots=True)
class Case:
    """What a check decides on."""

    findings: Findings
    replay: ReplayReport | None
    """What the replay comes to, if an estimator is judged."""
    drift: DriftReport | None
    """New calls against the baseline, if one is named."""
    certainty: Certainty
    """How sure a proof must be."""
    ready: bool = False
    """True if every readiness check is met. Without that, no other looks at its target."""

    @property
    def settings(self) -> Settings:
        """Targets and requirements."""
        return self.findings.settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the words of a check mention beside its own figure."""

    population: Population
    """What rates are shares of."""
    counts: Counts
    reads_files: bool
    reads_tables: bool
    patterns: tuple[str, ...]
    """Those that files must match. Untrusted."""
    reads_tests: bool
    read_in_part: int
    """How many of the files that could not be read have samples that count."""
    replay: ReplayReport | None
    refuses_wrong_answers: bool
    drift: Drift | None


class Check(ABC, Generic[R]):
    """One check of the gate."""

    kind: ClassVar[type[Result]]
    """What it decides."""

    needs: ClassVar[Needs | None] = None
    """What a session must have for it to take part: an estimator to replay, a baseline, a requirement, or nothing."""

    decides: ClassVar[bool] = False
    """True if there is no PASS where it was left out. Others advise unless they are asked to fail."""

    judges_estimator: ClassVar[bool] = False
    """True if its figure is the estimator's, where one is replayed."""

    def __init__(self, id: str, subject: str, about: Literal["prediction", "cap"] | None = None) -> None:
        self.id = id
        """``tier::name``, as on the command line."""
        self.subject = subject
        """What it is about, in a word or two."""
        self.about = about
        """What the data must carry for it to be asked."""

    def is_asked(self, carried: Carried) -> bool:
        """True if ``carried`` has what it is about. Of no samples at all, predictions are asked for."""
        if self.about == "prediction":
            return carried.question == "predictions"
        return self.about is None or carried.caps > 0

    @property
    def tier(self) -> str:
        """``readiness``, ``tier1``, ``tier2`` or ``drift``."""
        return self.id.partition("::")[0]

    @property
    def unasked(self) -> str:
        """Why it was not asked."""
        return f"no {self.about} in the data"

    @abstractmethod
    def decide(self, case: Case) -> R:
        """The figure and the outcome."""

    @abstractmethod
    def words(self, result: R, context: Context) -> Sentence:
        """All that the figure says, on one line."""

    def in_headline(self, result: R) -> str:  # noqa: ARG002 - for those whose figure says more
        """What the headline says if the target is exceeded."""
        return f"{self.subject} above its target"
