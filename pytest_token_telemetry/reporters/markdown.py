"""The verdict as GitHub markdown: what a reviewer reads in five seconds, then the details, folded.

Names and paths come from logs that anybody may have written. They stand in HTML ``<code>`` in HTML tables only, escaped
and on one line: there GitHub makes no mention, reference, link or emoji of them, and no pipe or back-tick ends a cell.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from tabulate import tabulate

from pytest_token_telemetry import __version__
from pytest_token_telemetry.reporters import tuning_words
from pytest_token_telemetry.verdict import Untrusted
from pytest_token_telemetry.wording import inert, listing, percent, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_token_telemetry.analysis.strata import Stratum
    from pytest_token_telemetry.analysis.tuning import Tuning
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


def render(verdict: Verdict) -> str:
    """``verdict`` as markdown, below the 65,536 characters of a comment."""
    for rows in ROWS_SHOWN:
        text = _document(verdict, rows)
        if len(text) <= LONGEST:
            break
    return text


def _document(verdict: Verdict, rows: int) -> str:
    blocks = [
        f"## {_SYMBOLS[verdict.conclusion]} Token telemetry: {_TITLES[verdict.conclusion]}",
        _lead(verdict),
        "\n".join(f"- {_own(step)}" for step in verdict.advice),
        _checks(verdict),
        "\n".join(f"- {_own(note)}" for note in verdict.notes),
        *(_section(section, rows) for section in verdict.sections),
        _folded("Most output for its prediction", _worst(verdict.worst[:rows])) if verdict.worst else "",
        _folded("By category, complexity and number of deliverables", _strata(verdict, min(rows, STRATA_SHOWN))),
        _folded("Tuning advice", _tuning(verdict.tuning, rows)) if verdict.tuning is not None else "",
        _folded("What to collect", "\n".join(f"- {_own(sentence)}" for sentence in verdict.plan.sentences)),
        _folded("Sources", _sources(verdict, rows)),
        _folded("Settings", _settings(verdict, rows)),
        f"<sub>{_counts(verdict)} · pytest-token-telemetry {__version__}</sub>",
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _lead(verdict: Verdict) -> str:
    headline = f"**{_own(verdict.headline)}**"
    alert = _ALERTS.get(verdict.conclusion)
    return f"> [!{alert}]\n> {headline}" if alert else headline


def _checks(verdict: Verdict) -> str:
    rows = [(_outcome(check), check.id.replace("::", " "), _own(check.message)) for check in verdict.checks]
    if not rows:
        return ""
    return tabulate(rows, ("Outcome", "Check", "Figure"), tablefmt="github", disable_numparse=True)


def _outcome(check: Check) -> str:
    if check.inconclusive:
        return "❌ inconclusive" if check.outcome == "fail" else "⚪ inconclusive"
    return _OUTCOMES[check.outcome]


def _section(section: Section, most: int) -> str:
    """A part that was asked for: its sentences in sight, its table folded."""
    sentences = "\n".join(f"- {_own(sentence)}" for sentence in section.sentences)
    if not section.columns:
        return f"**{section.title}**\n\n{sentences}"
    table = _table(
        tuple(map(_own, section.columns)),
        (tuple(map(_cell, row)) for row in section.rows[:most]),
        len(section.rows) - most,
    )
    folded = _folded(section.title, table)
    return f"{sentences}\n\n{folded}" if sentences else folded


def _cell(cell: Cell) -> str:
    return _code(cell.text) if isinstance(cell, Untrusted) else _own(cell)


def _worst(samples: Iterable[WorstSample]) -> str:
    return _table(
        ("output / prediction", "predicted", "output", "cut off", "category", "task", "where"),
        (
            (
                "none" if sample.ratio is None else f"{sample.ratio:.2f}",
                f"{sample.predicted_output_tokens:,}",
                f"{sample.output_tokens:,}",
                {True: "yes", False: "no", None: "not said"}[sample.truncated],
                _code(sample.category),
                _code(sample.task_id),
                _code(sample.source),
            )
            for sample in samples
        ),
    )


def _strata(verdict: Verdict, most: int) -> str:
    return "\n".join(
        _stratum_table(kind, strata, most)
        for kind, strata in (
            ("category", verdict.strata.category),
            ("complexity", verdict.strata.complexity),
            ("deliverables", verdict.strata.deliverables),
        )
        if strata
    )


def _stratum_table(kind: str, strata: Sequence[Stratum], most: int) -> str:
    return _table(
        (kind, "attempts", "successful", "truncated", "judged", "underestimated", "waste P50", "waste P90"),
        (
            (
                _code(stratum.name),
                f"{stratum.attempts:,}",
                f"{stratum.successes:,}",
                _marked(stratum.truncated, proven=stratum.truncation_proven),
                f"{stratum.risk:,}",
                _marked(stratum.underestimated, proven=stratum.underestimation_proven),
                "" if stratum.waste_p50 is None else f"{stratum.waste_p50:.2f}",
                "" if stratum.waste_p90 is None else f"{stratum.waste_p90:.2f}",
            )
            for stratum in strata[:most]
        ),
        len(strata) - most,
    )


def _marked(events: int, *, proven: bool) -> str:
    """In bold and with a word where the rate is proven to be above its target."""
    return f"<b>{events:,} (proven)</b>" if proven else f"{events:,}"


def _tuning(tuning: Tuning, most: int) -> str:
    advice = [*tuning.categories, *tuning.cells]
    tables = [
        _table(
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
                    _code(each.name) + (f" {_code(each.complexity)}" if each.complexity else ""),
                    f"{each.n:,}",
                    f"{each.truncated:,}",
                    f"{each.underestimated:,}",
                    tuning_words.multiplier(each),
                    tuning_words.expectation(each),
                    _own(tuning_words.waste(each.waste_p50)),
                    _own(tuning_words.waste(each.waste_p90)),
                    tuning_words.spread_floor(each),
                )
                for each in advice[:most]
            ),
            len(advice) - most,
        ),
        _table(
            ("suggested max_tokens", "judged", *(f"at {percent(cap.risk)} risk" for cap in tuning.max_tokens[0].caps)),
            (
                (_code(each.name), f"{each.n:,}", *(tuning_words.cap(cap) for cap in each.caps))
                for each in tuning.max_tokens[:most]
            ),
            len(tuning.max_tokens) - most,
        )
        if tuning.max_tokens
        else "",
    ]
    tables.append(f"<p>{tuning_words.LEGEND}</p>")
    if tuning.forward is not None:
        tables.append(f"<p>{_own(tuning_words.forward(tuning.forward))}</p>")
    return "\n".join(filter(None, tables))


def _sources(verdict: Verdict, most: int) -> str:
    sources = verdict.sources
    by_samples = sorted(sources.files, key=lambda file: -file.samples)
    tables = [
        _table(
            ("file or test" if verdict.counts.tests else "file", "samples"),
            ((_code(file.path), f"{file.samples:,}") for file in by_samples[:most]),
            len(by_samples) - most,
        )
    ]
    if sources.unreadable:
        unreadable = list(sources.unreadable.items())
        tables.append(
            _table(
                ("could not be read", "because"),
                ((_code(path), _own(reason)) for path, reason in unreadable[:most]),
                len(unreadable) - most,
            )
        )
    if sources.unusable:
        unusable = list(sources.unusable.items())
        tables.append(
            _table(
                ("unusable because", "lines", "such as"),
                (
                    (_own(reason), f"{lines.count:,}", " ".join(_code(place) for place in lines.places))
                    for reason, lines in unusable[:most]
                ),
                len(unusable) - most,
            )
        )
    return "\n".join(tables)


def _settings(verdict: Verdict, most: int) -> str:
    return _table(
        ("setting", "in force"),
        ((_code(name), _setting(value, most)) for name, value in verdict.settings.items()),
    )


def _setting(value: str | list[str], most: int) -> str:
    if isinstance(value, str):
        return _code(value)
    more = f" and {len(value) - most:,} more" if len(value) > most else ""
    return " ".join(_code(each) for each in value[:most]) + more


def _counts(verdict: Verdict) -> str:
    counts = verdict.counts
    places = [
        plural(counts.files, "file") if counts.files or not counts.tests else "",
        plural(counts.tests, "test") if counts.tests else "",
    ]
    where = listing(filter(None, places))
    return f"{verdict.population} population · {plural(counts.samples, 'sample')} in {where}"


def _folded(summary: str, body: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>" if body else ""


def _table(header: Iterable[str], rows: Iterable[Sequence[str]], more: int = 0) -> str:
    """An HTML table without a blank line, which would end it. Its cells are HTML already."""
    lines = [f"<tr>{''.join(f'<th>{cell}</th>' for cell in header)}</tr>"]
    lines += (f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    if more > 0:
        lines.append(f"<tr><td>and {more:,} more</td></tr>")
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _code(untrusted: str | None) -> str:
    return "not said" if untrusted is None else f"<code>{html.escape(inert(untrusted)) or '&nbsp;'}</code>"


def _own(text: str) -> str:
    """Our own words, and settings within them."""
    return html.escape(text, quote=False).replace("|", "&#124;")
