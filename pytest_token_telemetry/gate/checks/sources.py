"""Is there something to read, could it all be read and used, and is it telemetry?"""

from __future__ import annotations

from itertools import starmap
from typing import TYPE_CHECKING

from pytest_token_telemetry.gate.check import Check
from pytest_token_telemetry.gate.results import CountResult
from pytest_token_telemetry.sources.look_like import EMPTY, LOOKS, OUTSIDE, READ_WITH
from pytest_token_telemetry.text import Untrusted, joined, listing, plural

if TYPE_CHECKING:
    from pytest_token_telemetry.gate.check import Case, Context
    from pytest_token_telemetry.gate.findings import Counts
    from pytest_token_telemetry.text import Sentence


class SourcesCheck(Check[CountResult]):
    """Telemetry was found, all could be read, and no more lines than allowed are unusable."""

    kind = CountResult
    decides = True

    def decide(self, case: Case) -> CountResult:
        """Count what was read, or, where that is all, the unusable lines against their limit."""
        reading, settings = case.findings.reading, case.settings
        files, tests, tables = reading.count("file"), reading.count("test"), reading.count("table")
        read, unreadable = files + tests + tables, len(reading.unreadable)
        nothing = (
            (bool(settings.dir) and reading.nothing_known == files)
            + (bool(settings.db) and reading.empty_tables == tables)
            + (reading.recorded is not None and not tests)
        )
        in_part = sum(
            file.path in reading.unreadable and (file.kind != "test" or file.samples > 0) for file in reading.files
        )
        missing, limit, unusable = max(unreadable, nothing), settings.max_unusable, case.findings.unusable
        if not missing and limit is not None and unusable > limit:
            return CountResult(id=self.id, outcome="fail", value=unusable, target=limit, missing=unusable - limit)
        return CountResult(
            id=self.id,
            outcome="fail" if missing else "pass",
            value=read - in_part,
            target=max(read + unreadable - in_part, 1),
            missing=missing,
        )

    def words(self, result: CountResult, context: Context) -> Sentence:
        """What could not be read, else what was."""
        counts = context.counts
        if result.value > result.target:
            return f"{plural(result.value, 'telemetry line')} could not be used (limit {result.target:,})"
        if counts.unreadable_files:
            what = plural(result.target, "path")
            if context.reads_tests:
                what = "1 file or test" if result.target == 1 else f"{result.target:,} files and tests"
            part, not_at_all = context.read_in_part, counts.unreadable_files - context.read_in_part
            if not_at_all <= 0:
                return f"{part:,} of {what} could be read only in part"
            return f"{not_at_all:,} of {what} could not be read{f', and {part:,} only in part' if part else ''}"
        nothing: list[Sentence] = []
        if context.reads_files and counts.nothing_known == counts.files:
            nothing.append(_no_telemetry(counts) if counts.files else _no_file(context))
        if context.reads_tables and counts.empty_tables == counts.tables:
            nothing.append(f"no row in {plural(counts.tables, 'table')}" if counts.tables else "no table read")
        if context.reads_tests and not counts.tests:
            nothing.append("no test recorded a sample")
        if nothing:
            return joined(nothing, last="and")
        some = f"{counts.with_task:,} of " if counts.with_task < counts.samples else ""
        samples = f"{some}{plural(counts.samples, 'sample')}"
        tasks = f", {samples} of {plural(counts.tasks, 'task')}" if counts.with_task else ""
        return f"{what_was_read(counts)}{tasks}"


def what_was_read(counts: Counts) -> str:
    """``3 files read``, and what was recorded."""
    found = (
        f"{plural(counts.files, 'file')} read" if counts.files else "",
        f"{plural(counts.tables, 'table')} read" if counts.tables else "",
        f"{plural(counts.tests, 'test')} recorded" if counts.tests else "",
    )
    return listing(filter(None, found)) if any(found) else "nothing read"


def _no_telemetry(counts: Counts) -> Sentence:
    """What the files look like that hold none, and which maps let no record through."""
    found = [*starmap(looks, counts.look_like.items()), *starmap(_lets_nothing_through, outside_maps(counts))]
    return ("no telemetry found: ", *joined(found)) if found else f"no telemetry in {plural(counts.files, 'file')}"


def outside_maps(counts: Counts) -> list[tuple[str, int]]:
    """The maps whose ``where`` leaves records out, each with how many, where no file has any other record."""
    if counts.nothing_known < counts.files:
        return []
    return [(reason.removeprefix(OUTSIDE), n) for reason, n in counts.skipped.items() if reason.startswith(OUTSIDE)]


def _lets_nothing_through(name: str, records: int) -> Sentence:
    return "the where of map ", Untrusted(name), f" matched none of {plural(records, 'record')}"


def looks(look: str, count: int) -> Sentence:
    """What so many files look like, and how they are read if that is to be asked for."""
    files = plural(count, "file")
    if look == EMPTY:
        return f"{files} {'is' if count == 1 else 'are'} empty"
    how = f" ({READ_WITH[look]} reads {'it' if count == 1 else 'them'})" if look in READ_WITH else ""
    return f"{files} {'looks' if count == 1 else 'look'} like ", look if look in LOOKS else Untrusted(look), how


def _no_file(context: Context) -> Sentence:
    """What is there instead of files that match."""
    there = context.counts.near_misses
    if not there:
        return "no file matches"
    patterns = joined(map(Untrusted, context.patterns), last="or")
    found = joined(((f"{plural(count, 'file')} ", Untrusted(ending)) for ending, count in there.items()), last="and")
    return ("no file matches ", *patterns, "; ", *found, " is there" if [*there.values()] == [1] else " are there")


ALL_READ = SourcesCheck("readiness::sources", "sources")
