"""The verdict as markdown: what a reviewer reads in five seconds, then the details.

The order and the words are the same for everybody; how they are written is up to a `Flavour`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry import __version__
from pytest_token_telemetry.reporters import tuning_words
from pytest_token_telemetry.reporters.flavours import GITHUB
from pytest_token_telemetry.verdict import Untrusted
from pytest_token_telemetry.wording import listing, percent, plural, size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_token_telemetry.analysis.strata import Stratum
    from pytest_token_telemetry.analysis.tuning import Tuning
    from pytest_token_telemetry.reporters.flavours import Flavour
    from pytest_token_telemetry.verdict import Cell, Check, Section, Verdict, WorstSample

LONGEST = 60_000
"""Characters. GitHub takes 65,536 in a comment, and whoever posts it adds some."""

ROWS_SHOWN = (50, 20, 10, 5, 2)
"""Rows of a table: as many as fit into `LONGEST`."""

STRATA_SHOWN = 20
"""Strata of a kind at most."""

_SYMBOLS = {"pass": "✅", "tune": "❌", "not-ready": "❌", "inconclusive": "⚪"}
_TITLES = {
    "pass": "no tuning needed",
    "tune": "tuning needed",
    "not-ready": "not ready",
    "inconclusive": "inconclusive",
}
_ALERTS = {"tune": "CAUTION", "not-ready": "WARNING", "inconclusive": "NOTE"}
_OUTCOMES = {"pass": "✅ pass", "fail": "❌ fail", "skip": "⚪ skipped", "warn": "⚠️ warning"}


def render(verdict: Verdict, write: Flavour = GITHUB) -> str:
    """``verdict`` as markdown, below the 65,536 characters of a comment."""
    for rows in ROWS_SHOWN:
        text = _document(write, verdict, rows)
        if len(text) <= LONGEST:
            break
    return text


def _document(write: Flavour, verdict: Verdict, rows: int) -> str:
    blocks = [
        f"## {_SYMBOLS[verdict.conclusion]} Token telemetry: {_TITLES[verdict.conclusion]}",
        write.lead(write.own(verdict.headline), _ALERTS.get(verdict.conclusion)),
        _bullets(write, verdict.advice),
        _checks(write, verdict),
        _bullets(write, verdict.notes),
        *(_section(write, section, rows) for section in verdict.sections),
        write.part("Most output for its prediction", _worst(write, verdict.worst[:rows])),
        write.part(
            "By category, complexity and number of deliverables", _strata(write, verdict, min(rows, STRATA_SHOWN))
        ),
        write.part("Tuning advice", _tuning(write, verdict.tuning, rows)),
        write.part("What to collect", _bullets(write, verdict.plan.sentences)),
        write.part("Sources", _sources(write, verdict, rows)),
        write.part("Settings", _settings(write, verdict, rows)),
        write.last_line(f"{_counts(verdict)} · pytest-token-telemetry {__version__}"),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _bullets(write: Flavour, sentences: Iterable[str]) -> str:
    return "\n".join(f"- {write.own(sentence)}" for sentence in sentences)


def _checks(write: Flavour, verdict: Verdict) -> str:
    rows = [(_outcome(check), check.id.replace("::", " "), write.own(check.message)) for check in verdict.checks]
    return write.figures(("Outcome", "Check", "Figure"), rows) if rows else ""


def _outcome(check: Check) -> str:
    if check.inconclusive:
        return "❌ inconclusive" if check.outcome == "fail" else "⚪ inconclusive"
    return _OUTCOMES[check.outcome]


def _section(write: Flavour, section: Section, most: int) -> str:
    """A part that was asked for."""
    return write.section(section.title, _bullets(write, section.sentences), _section_table(write, section, most))


def _section_table(write: Flavour, section: Section, most: int) -> str:
    if not section.columns:
        return ""
    return write.table(
        tuple(map(write.own, section.columns)),
        (tuple(_cell(write, cell) for cell in row) for row in section.rows[:most]),
        len(section.rows) - most,
    )


def _cell(write: Flavour, cell: Cell) -> str:
    return write.code(cell.text) if isinstance(cell, Untrusted) else write.own(cell)


def _worst(write: Flavour, samples: Sequence[WorstSample]) -> str:
    if not samples:
        return ""
    return write.table(
        ("output / prediction", "predicted", "output", "cut off", "category", "task", "where"),
        (
            (
                "none" if sample.ratio is None else f"{sample.ratio:.2f}",
                f"{sample.predicted_output_tokens:,}",
                f"{sample.output_tokens:,}",
                {True: "yes", False: "no", None: "not said"}[sample.truncated],
                write.code(sample.category),
                write.code(sample.task_id),
                write.code(sample.source),
            )
            for sample in samples
        ),
    )


def _strata(write: Flavour, verdict: Verdict, most: int) -> str:
    return write.stacked(
        _stratum_table(write, kind, strata, most)
        for kind, strata in (
            ("category", verdict.strata.category),
            ("complexity", verdict.strata.complexity),
            ("deliverables", verdict.strata.deliverables),
        )
        if strata
    )


def _stratum_table(write: Flavour, kind: str, strata: Sequence[Stratum], most: int) -> str:
    return write.table(
        (kind, "attempts", "successful", "truncated", "judged", "underestimated", "waste P50", "waste P90"),
        (
            (
                write.code(stratum.name),
                f"{stratum.attempts:,}",
                f"{stratum.successes:,}",
                _marked(write, stratum.truncated, proven=stratum.truncation_proven),
                f"{stratum.risk:,}",
                _marked(write, stratum.underestimated, proven=stratum.underestimation_proven),
                "" if stratum.waste_p50 is None else f"{stratum.waste_p50:.2f}",
                "" if stratum.waste_p90 is None else f"{stratum.waste_p90:.2f}",
            )
            for stratum in strata[:most]
        ),
        len(strata) - most,
    )


def _marked(write: Flavour, events: int, *, proven: bool) -> str:
    """In bold and with a word where the rate is proven to be above its target."""
    return write.strong(f"{events:,} (proven)") if proven else f"{events:,}"


def _tuning(write: Flavour, tuning: Tuning | None, most: int) -> str:
    if tuning is None:
        return ""
    advice = [*tuning.categories, *tuning.cells]
    tables = [
        write.table(
            (
                "category",
                "judged",
                "truncated",
                "underestimated",
                "multiply by",
                "then underestimated",
                "waste P50",
                "waste P90",
                "waste P90 at best",
            ),
            (
                (
                    write.code(each.name) + (f" {write.code(each.complexity)}" if each.complexity else ""),
                    f"{each.n:,}",
                    f"{each.truncated:,}",
                    f"{each.underestimated:,}",
                    tuning_words.multiplier(each),
                    tuning_words.expectation(each),
                    write.own(tuning_words.waste(each.waste_p50)),
                    write.own(tuning_words.waste(each.waste_p90)),
                    tuning_words.spread_floor(each),
                )
                for each in advice[:most]
            ),
            len(advice) - most,
        ),
        write.table(
            ("suggested max_tokens", "judged", *(f"at {percent(cap.risk)} risk" for cap in tuning.max_tokens[0].caps)),
            (
                (write.code(each.name), f"{each.n:,}", *(tuning_words.cap(cap) for cap in each.caps))
                for each in tuning.max_tokens[:most]
            ),
            len(tuning.max_tokens) - most,
        )
        if tuning.max_tokens
        else "",
    ]
    tables.append(write.remark(tuning_words.LEGEND))
    if tuning.forward is not None:
        tables.append(write.remark(write.own(tuning_words.forward(tuning.forward))))
    return write.stacked(tables)


def _sources(write: Flavour, verdict: Verdict, most: int) -> str:
    sources = verdict.sources
    by_samples = sorted(sources.files, key=lambda file: -file.samples)
    tables = [
        write.table(
            ("file or test" if verdict.counts.tests else "file", "samples"),
            ((write.code(file.path), f"{file.samples:,}") for file in by_samples[:most]),
            len(by_samples) - most,
        )
    ]
    if sources.unreadable:
        unreadable = list(sources.unreadable.items())
        tables.append(
            write.table(
                ("could not be read", "because"),
                ((write.code(path), write.own(reason)) for path, reason in unreadable[:most]),
                len(unreadable) - most,
            )
        )
    if sources.unusable:
        unusable = list(sources.unusable.items())
        tables.append(
            write.table(
                ("unusable because", "lines", "such as"),
                (
                    (write.own(reason), f"{lines.count:,}", " ".join(write.code(place) for place in lines.places))
                    for reason, lines in unusable[:most]
                ),
                len(unusable) - most,
            )
        )
    return write.stacked(tables)


def _settings(write: Flavour, verdict: Verdict, most: int) -> str:
    return write.table(
        ("setting", "in force"),
        ((write.code(name), _setting(write, value, most)) for name, value in verdict.settings.items()),
    )


def _setting(write: Flavour, value: str | list[str], most: int) -> str:
    if isinstance(value, str):
        return write.code(value)
    more = f" and {len(value) - most:,} more" if len(value) > most else ""
    return " ".join(write.code(each) for each in value[:most]) + more


def _counts(verdict: Verdict) -> str:
    counts = verdict.counts
    places = [
        plural(counts.files, "file") if counts.files or not counts.tests else "",
        plural(counts.tests, "test") if counts.tests else "",
    ]
    where = listing(filter(None, places))
    return f"{verdict.population} population · {plural(counts.samples, 'sample')} in {where}{_scanned(verdict)}"


def _scanned(verdict: Verdict) -> str:
    """What the reading of files took."""
    scanned = verdict.sources.scanned
    if scanned is None or not scanned.files:
        return ""
    processes = f" by {scanned.processes} processes" if scanned.processes > 1 else ""
    return f" · {size(scanned.size)} read in {scanned.seconds:.1f} s ({size(scanned.rate)}/s){processes}"
