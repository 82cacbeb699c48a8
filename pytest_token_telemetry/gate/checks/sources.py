"""Is there something to read, and could it all be read and used?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.gate.check import Check
from pytest_token_telemetry.gate.results import CountResult
from pytest_token_telemetry.text import listing, plural

if TYPE_CHECKING:
    from pytest_token_telemetry.gate.check import Case, Context


class SourcesCheck(Check[CountResult]):
    """Something was found to read, all of it could be read, and no more lines than allowed are unusable."""

    kind = CountResult

    def decide(self, case: Case) -> CountResult:
        """Count what was read, or, where that is all, the unusable lines against their limit."""
        reading, settings = case.findings.reading, case.settings
        files, tests, unreadable = reading.count("file"), reading.count("test"), len(reading.unreadable)
        nothing = (bool(settings.dir) and not files) + (reading.recorded is not None and not tests)
        missing, limit, unusable = max(unreadable, nothing), settings.max_unusable, case.findings.unusable
        if not missing and limit is not None and unusable > limit:
            return CountResult(id=self.id, outcome="fail", value=unusable, target=limit, missing=unusable - limit)
        return CountResult(
            id=self.id,
            outcome="fail" if missing else "pass",
            value=files + tests,
            target=max(files + tests + unreadable, 1),
            missing=missing,
        )

    def words(self, result: CountResult, context: Context) -> str:
        """What could not be read, else what was."""
        counts = context.counts
        if result.value > result.target:
            return f"{plural(result.value, 'telemetry line')} could not be used (limit {result.target})"
        if counts.unreadable_files:
            what = "files and tests" if context.reads_tests else "paths"
            every = counts.files + counts.tests + counts.unreadable_files
            return f"{counts.unreadable_files} of {every} {what} could not be read"
        nothing = (
            "no file matches" if context.reads_files and not counts.files else "",
            "no test recorded a sample" if context.reads_tests and not counts.tests else "",
        )
        if any(nothing):
            return listing(filter(None, nothing))
        found = (
            f"{plural(counts.files, 'file')} read" if counts.files else "",
            f"{plural(counts.tests, 'test')} recorded" if counts.tests else "",
        )
        tasks = f", {plural(counts.with_task, 'sample')} of {plural(counts.tasks, 'task')}" if counts.with_task else ""
        return (listing(filter(None, found)) if any(found) else "nothing read") + tasks


ALL_READ = SourcesCheck("readiness::sources", "sources")
