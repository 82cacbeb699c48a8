"""From the gate's judgement to the report."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry import __version__
from pytest_token_telemetry.analysis.distributions import axis_of, distributions, pictured
from pytest_token_telemetry.analysis.listed import listed
from pytest_token_telemetry.analysis.metrics import worst as worst_of
from pytest_token_telemetry.report.made_for import made_for
from pytest_token_telemetry.report.model import (
    MOST_CALLS,
    Call,
    Figures,
    NotRead,
    Report,
    ScanFigures,
    SourceFile,
    Unreadable,
    WorstSample,
    now,
)
from pytest_token_telemetry.report.tracked import tracked_files
from pytest_token_telemetry.samples import UNKNOWN
from pytest_token_telemetry.text import LONGEST_SHOWN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from pytest_token_telemetry.gate.findings import Findings
    from pytest_token_telemetry.gate.verdict import Judgement
    from pytest_token_telemetry.samples import Mask
    from pytest_token_telemetry.sources.reading import File, Reading

WORST_SHOWN = 5


def report_of(judgement: Judgement) -> Report:
    """Everything that reports show of ``judgement``."""
    case = judgement.case
    findings = case.findings
    reading, scanned = findings.reading, findings.reading.scanned
    made, base = made_for(os.environ), None if case.replay is None else case.replay.base
    worst, cut_off = _worst(findings, findings.judged.at_risk), _worst(findings, findings.judged.truncated)
    named = [each.source for each in (*worst, *cut_off)]
    named += [] if base is None else [each.source for each in base.changed]
    return Report(
        version=__version__,
        created=now(),
        verdict=judgement.conclusion,
        population=findings.settings.population,
        counts=findings.counts,
        checks=judgement.results,
        deselected=judgement.deselected,
        unready=judgement.unready,
        metrics=_figures(findings),
        attempts=findings.attempts,
        budgets=findings.budgets,
        strata=findings.strata,
        plan=judgement.plan,
        tuning=judgement.tuning,
        estimator=case.replay,
        drift=case.drift,
        history=judgement.history,
        worst=worst,
        cut_off=cut_off,
        distributions=distributions(
            findings.samples,
            findings.judged,
            findings.labels,
            findings.carried,
            findings.counts.uncounted.events,
        ),
        calls=None if findings.settings.html is None else _calls(findings),
        sources=_sources(reading.files, findings.counts.skipped),
        not_read=_not_read(reading),
        scan=None
        if scanned is None
        else ScanFigures(
            files=scanned.files,
            size=scanned.size,
            seconds=scanned.seconds,
            processes=scanned.processes,
            rate=scanned.rate,
        ),
        settings={
            name: text if isinstance(text, str) else tuple(text) for name, text in findings.settings.texts.items()
        },
        made_for=made,
        tracked={} if made is None else tracked_files(named, Path.cwd()),
    )


def _skipped(files: Iterable[File], reasons: Collection[str]) -> dict[str, int]:
    """How many records of ``files`` are skipped for each of the ``reasons`` that are told."""
    found = sum((Counter(file.skipped) for file in files), Counter[str]())
    return {reason: found[reason] for reason in reasons if found[reason]}


def _sources(files: Sequence[File], skipped: Collection[str]) -> tuple[SourceFile, ...]:
    """The ``files`` in their order. Of too many, those with the most samples, and one row for all others.

    Args:
        files: what was read.
        skipped: for which reasons records were skipped.
    """
    largest = sorted(range(len(files)), key=lambda place: -files[place].samples)
    shown = sorted(largest[: listed(files[place].path for place in largest)])
    found = [
        SourceFile(
            files[place].path,
            files[place].samples,
            files[place].kind,
            format=files[place].format,
            duplicates=files[place].duplicates,
            unusable=files[place].unusable,
            skipped=_skipped([files[place]], skipped),
            dropped=files[place].dropped,
        )
        for place in shown
    ]
    if others := [files[place] for place in largest[len(found) :]]:
        found.append(
            SourceFile(
                "",
                sum(file.samples for file in others),
                folded=len(others),
                duplicates=sum(file.duplicates for file in others),
                unusable=sum(file.unusable for file in others),
                skipped=_skipped(others, skipped),
                dropped=sum(file.dropped for file in others),
            )
        )
    return tuple(found)


def _not_read(reading: Reading) -> NotRead:
    unreadable = [*reading.unreadable.items()]
    kept = listed(f"{path}{reason}" for path, reason in unreadable)
    outside, special, unknown = map(listed, (reading.outside, reading.special, reading.unknown))
    return NotRead(
        unreadable=tuple(Unreadable(*each) for each in unreadable[:kept]),
        outside=reading.outside[:outside],
        special=reading.special[:special],
        unknown=reading.unknown[:unknown],
        unreadable_folded=len(unreadable) - kept,
        outside_folded=len(reading.outside) - outside,
        special_folded=len(reading.special) - special,
        unknown_folded=len(reading.unknown) - unknown,
    )


def _figures(findings: Findings) -> Figures:
    metrics = findings.metrics
    return Figures(
        success_rate=metrics.success.value,
        waste=metrics.waste,
        smape=metrics.smape,
        predicted_output_tokens=metrics.predicted_output_tokens,
        output_tokens=metrics.output_tokens,
        underestimation=metrics.underestimation,
        uncertain=metrics.uncertain,
        truncation=metrics.truncation,
        cap_use=findings.cap_use,
        repeated_output=findings.repeated_output,
    )


def _calls(findings: Findings) -> tuple[Call, ...] | None:
    """The calls that pictures show; ``None`` if they are too many for a dot each."""
    samples = findings.samples
    rows = np.flatnonzero(pictured(samples, findings.judged, axis_of(findings.carried)))
    if len(rows) > MOST_CALLS:
        return None
    codes, names = findings.labels.category
    predicted, caps, underestimated = (
        samples.predicted_output_tokens,
        samples.max_tokens,
        findings.judged.underestimated,
    )
    return tuple(
        Call(
            source=findings.place(samples, row)[-LONGEST_SHOWN:],
            task_id=_cut(samples.task_id.name(row)),
            category=None if codes[row] == UNKNOWN else _cut(names[codes[row]]),
            predicted_output_tokens=None if predicted[row] == UNKNOWN else int(predicted[row]),
            max_tokens=int(caps[row]) if caps[row] > 0 else None,
            output_tokens=int(samples.output_tokens[row]),
            truncated=None if samples.truncated[row] == UNKNOWN else bool(samples.truncated[row]),
            underestimated=bool(underestimated[row]),
        )
        for row in rows.tolist()
    )


def _cut(name: str | None) -> str | None:
    return None if name is None else name[:LONGEST_SHOWN]


def _worst(findings: Findings, among: Mask) -> tuple[WorstSample, ...]:
    samples = findings.samples
    codes, names = findings.labels.category
    predicted = samples.predicted_output_tokens
    return tuple(
        WorstSample(
            source=findings.place(samples, row),
            task_id=samples.task_id.name(row),
            category=None if codes[row] == UNKNOWN else names[codes[row]],
            predicted_output_tokens=None if predicted[row] == UNKNOWN else int(predicted[row]),
            output_tokens=int(samples.output_tokens[row]),
            max_tokens=int(samples.max_tokens[row]) if samples.max_tokens[row] > 0 else None,
            operation=samples.operation.name(row),
            truncated=None if samples.truncated[row] == UNKNOWN else bool(samples.truncated[row]),
            ratio=ratio,
            underestimated=bool(findings.judged.underestimated[row]),
        )
        for row, ratio in worst_of(samples, among, WORST_SHOWN)
    )
