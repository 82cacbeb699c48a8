"""Samples, readings and settings made by hand, for all tests that need something to judge."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from fractions import Fraction
from pathlib import Path
from typing import Any

from pytest_token_telemetry.analysis.metrics import Metrics, metrics
from pytest_token_telemetry.analysis.populations import Population, judged
from pytest_token_telemetry.analysis.replayed import rows_to_ask
from pytest_token_telemetry.gate.checks import CAP_USE, CHECKS, checks_of
from pytest_token_telemetry.gate.findings import Past
from pytest_token_telemetry.gate.results import Result
from pytest_token_telemetry.gate.verdict import judge as judged_by
from pytest_token_telemetry.past.baseline import Baseline
from pytest_token_telemetry.past.baseline import baseline_of as baseline_of_reading
from pytest_token_telemetry.replay.estimator import Request
from pytest_token_telemetry.replay.run import Replay, replay
from pytest_token_telemetry.report import advice as steps
from pytest_token_telemetry.report import collecting, words
from pytest_token_telemetry.report import notes as report_notes
from pytest_token_telemetry.report.build import report_of
from pytest_token_telemetry.report.model import Report
from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.samples import Samples, SamplesBuilder
from pytest_token_telemetry.settings import DEFAULT_ALIASES, Settings, options
from pytest_token_telemetry.sources.reading import File, Reading
from pytest_token_telemetry.text import plain
from tests.lines import MIX

CHECK_IDS = tuple(check.id for check in checks_of(replay=False, baseline=False) if check != CAP_USE)
"""The checks that are asked of calls without a cap, as `call` makes them."""
ALL_CHECK_IDS = tuple(check.id for check in CHECKS)
DRIFT = tuple(check.id for check in CHECKS if check.tier == "drift")


def settings(chosen: Collection[str] = (), **written: str | list[str] | None) -> Settings:
    """The default settings, except what is ``written``, in a user's words, and those ``chosen`` as they are."""
    chosen = {*chosen, *written}
    texts: dict[str, str | list[str]] = {}
    read: dict[str, Any] = {}
    for name, option in options():
        text = written.pop(name, option.default)
        if text is None:
            read[name] = None
        elif isinstance(text, str):
            texts[name], read[name] = text, option.read(text)
        else:
            texts[name], read[name] = list(text), tuple(option.read(each) for each in text)
        if option.is_path and text:
            found = read[name] if option.repeatable else [read[name]]
            paths = [Path(each) if isinstance(each, str) else each for each in found]  # the others are URLs
            read[name] = tuple(paths) if option.repeatable else paths[0]
    assert not written
    if not read["gate"] and not read["db"]:
        texts["dir"], read["dir"] = texts["dir"] or ["logs"], read["dir"] or (Path("logs"),)
    read["alias"] = {**dict(DEFAULT_ALIASES), **dict(read["alias"])}
    return Settings(texts=texts, chosen=chosen, **read)


def call(predicted: int | None = 1000, output: int = 900, **fields: Any) -> Sample:
    """A successful call that was predicted well."""
    known = {
        "budget_tokens": 8192,
        "truncated": False,
        "success": True,
        "category": "implementation",
        "complexity": "low",
        "deliverable_count": 3,
    }
    return Sample(predicted_output_tokens=predicted, output_tokens=output, **{**known, **fields})


def cut_off(predicted: int | None = 1000, output: int = 8192, **fields: Any) -> Sample:
    """A call that the cap truncated, and that failed for it."""
    return call(predicted, output, **{"truncated": True, "success": False, **fields})


def ready(n: int = 27, predicted: int | None = 1000, output: int = 900, **fields: Any) -> list[Sample]:
    """``n`` successful calls of every kind that readiness asks for."""
    return [
        call(
            predicted, output, **{"category": category, "complexity": complexity, "deliverable_count": count, **fields}
        )
        for category, complexity, count in itertools.islice(itertools.cycle(MIX), n)
    ]


def columns(samples: list[Sample]) -> Samples:
    """``samples`` as the lines 1, 2, 3... of one file."""
    made = SamplesBuilder()
    for line, sample in enumerate(samples, start=1):
        made.add(sample, 0, line)
    return made.build()


def figures(rows: list[Sample], population: Population = "risk", multiplier: str = "1") -> Metrics:
    """What ``rows`` come to in ``population``."""
    samples = columns(rows)
    return metrics(samples, judged(samples, population, Fraction(multiplier)))


def reading(samples: list[Sample], **found: Any) -> Reading:
    """``samples`` as they would come from one file, and what else was ``found``."""
    return Reading(samples=columns(samples), **{"files": (File("logs/run-1/agent.log", len(samples)),), **found})


def judge(
    reading: Reading, settings: Settings, selected: Collection[str] = ALL_CHECK_IDS, past: Past | None = None
) -> Report:
    """The report on ``reading``."""
    return report_of(judged_by(reading, settings, past or Past(), selected))


def verdict(samples: list[Sample], found: dict[str, Any] | None = None, **written: str | list[str]) -> Report:
    """The verdict on ``samples`` and on what else was ``found``, under the ``written`` settings."""
    return judge(reading(samples, **(found or {})), settings(**written))


Estimator = Callable[[Request], object]


def replay_of(
    samples: Samples,
    settings: Settings,
    estimator: Estimator,
    base: Estimator | None = None,
    source: str | None = None,
) -> Replay:
    """What ``estimator`` and ``base`` answer for ``samples`` under ``settings``."""
    rows = rows_to_ask(samples, judges_legacy=settings.population == "all", one_per_task=settings.one_per_task)
    head = replay(samples, rows, estimator)
    return (
        Replay("new:predict", head, source=source)
        if base is None
        else Replay("new:predict", head, "old:predict", replay(samples, rows, base), source)
    )


def replayed(
    samples: list[Sample],
    estimator: Estimator,
    base: Estimator | None = None,
    source: str | None = None,
    **written: str | list[str],
) -> Report:
    """The verdict on what ``estimator`` predicts for ``samples``."""
    read, under = reading(samples), settings(**written)
    return judge(read, under, past=Past(replay=replay_of(read.samples, under, estimator, base, source)))


def baseline_of(samples: list[Sample], **written: str | list[str]) -> Baseline:
    """The baseline of ``samples`` under the ``written`` settings."""
    return baseline_of_reading(reading(samples), settings(**written))


def compared(samples: list[Sample], known: Baseline | None, **written: str | list[str]) -> Report:
    """The verdict on ``samples``, which are compared with the baseline ``known``; ``None`` if there is none yet."""
    return judge(reading(samples), settings(baseline="baseline.json", **written), past=Past(baseline=known))


def result(report: Report, id: str) -> Result:
    """How the check with this id ended."""
    return next(each for each in report.checks if each.id == id)


def message(report: Report, id: str) -> str:
    """What the check with this id says."""
    return plain(words.message(report, result(report, id)))


def advice(report: Report) -> list[str]:
    """What to do next."""
    return words.texts(steps.next_steps(report))


def notes(report: Report) -> list[str]:
    """What a reader must know."""
    return words.texts(report_notes.notes(report))


def plan(report: Report) -> list[str]:
    """What to collect."""
    return words.texts(collecting.to_collect(report))


def outcomes(report: Report) -> dict[str, str]:
    """How each check ended that was asked."""
    return {each.id: each.outcome for each in report.checks if not each.unasked}
