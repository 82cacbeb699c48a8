"""Is there a sample that counts of every kind of work that is required?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pytest_token_telemetry.gate.check import Check
from pytest_token_telemetry.gate.results import CoverageResult
from pytest_token_telemetry.text import joined, named

if TYPE_CHECKING:
    from pytest_token_telemetry.analysis.readiness import Coverage
    from pytest_token_telemetry.gate.check import Case, Context
    from pytest_token_telemetry.text import Sentence


class CoverageCheck(Check[CoverageResult]):
    """Each required value of one stratum has a sample that counts: to judge predictions, a successful one."""

    kind = CoverageResult

    def __init__(self, stratum: Literal["categories", "complexities", "deliverables"], where: str) -> None:
        super().__init__(f"readiness::{stratum}", stratum)
        self._stratum = stratum
        self._where = where

    def decide(self, case: Case) -> CoverageResult:
        """Which required values occur, and which do not."""
        found: Coverage = getattr(case.findings.readiness, self._stratum)
        present = tuple(value for value in found.required if value not in found.missing)
        return CoverageResult(
            id=self.id,
            outcome="fail" if found.missing else "pass",
            value=present,
            target=found.required,
            missing=found.missing,
            counts=tuple(found.present[value] for value in present),
        )

    def words(self, result: CoverageResult, context: Context) -> Sentence:
        """The missing values, else how often each occurs."""
        successful = "successful " if context.counts.question == "predictions" else ""
        if result.missing:
            missing = joined(map(named, result.missing), last="or")
            return (f"no {successful}sample ", self._where, " ", *missing)
        if not result.value:
            return "nothing is required"
        if not result.counts:
            return (*joined(map(named, result.value), last="and"), " covered")
        counted = ((named(value), f": {n}") for value, n in zip(result.value, result.counts, strict=True))
        return (*joined(counted), " successful" if successful else " samples")


CATEGORIES = CoverageCheck("categories", "in")
COMPLEXITIES = CoverageCheck("complexities", "of complexity")
DELIVERABLES = CoverageCheck("deliverables", "with deliverables")
