"""Does the data carry what it is required to? Without it, the gate would judge less, and say so in its first line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.gate.check import Check
from pytest_token_telemetry.gate.results import CoverageResult
from pytest_token_telemetry.text import joined, named, plural

if TYPE_CHECKING:
    from pytest_token_telemetry.gate.check import Case, Context
    from pytest_token_telemetry.text import Sentence


class CarriedCheck(Check[CoverageResult]):
    """At least one sample carries each of what is required: predictions, caps, reasons."""

    kind = CoverageResult
    decides = True
    needs = "require"

    def decide(self, case: Case) -> CoverageResult:
        """Which of it occurs, and how often."""
        required = case.settings.require or ()
        counts = {name: getattr(case.findings.carried, name) for name in required}
        present = tuple(name for name in required if counts[name])
        missing = tuple(name for name in required if not counts[name])
        return CoverageResult(
            id=self.id,
            outcome="fail" if missing else "pass",
            value=present,
            target=required,
            missing=missing,
            counts=tuple(counts[name] for name in present),
        )

    def words(self, result: CoverageResult, context: Context) -> Sentence:
        """How many samples carry each."""
        carried = context.counts.carried
        of = f" of {plural(carried.samples, 'sample')}" if carried is not None else ""
        counts = dict(zip(result.value, result.counts, strict=False))
        each = joined((named(name), f" in {counts.get(name, 0)}") for name in result.target)
        if result.missing:
            return ("no ", *joined(map(named, result.missing), last="or"), ": ", *each, of)
        return (*each, of)


CARRIED = CarriedCheck("readiness::carried", "what the samples carry")
