"""What judging costs at size: seconds and peak memory of a verdict on generated columns, ten million samples.

Each size is judged in a process of its own, as memory that was once used is never given back. Memory is the most that
the process ever held, above what it held before the first sample was made: it includes the columns and the names.
Seconds are the processor's, so that what else the machine does counts little. Run ``python benchmarks/judging.py``;
``--samples`` makes it smaller, ``--categories`` and ``--tasks`` make it harder. It ends with an error if ten million
samples take more than 60 bytes each, or if twice as many take much more than twice as long.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from tabulate import tabulate

from pytest_token_telemetry.analysis.metrics import metrics
from pytest_token_telemetry.analysis.populations import judged, rows_of_one_per_task
from pytest_token_telemetry.analysis.strata import labels, strata
from pytest_token_telemetry.analysis.tuning import tune
from pytest_token_telemetry.gate.findings import Past
from pytest_token_telemetry.gate.verdict import judge
from pytest_token_telemetry.report.build import report_of
from pytest_token_telemetry.samples import NameColumn, Samples, Tenths, blocks, narrowest, stored
from pytest_token_telemetry.settings import Settings, options
from pytest_token_telemetry.sources.reading import File, Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Column: TypeAlias = npt.NDArray[Any]

SAMPLES = 10_000_000
MOST_BYTES = 60
MOST_GROWTH = 2.6
"""Of the time, where the samples are twice as many; processor time is not free of noise."""
NAMES = ("implementation", "tests", "docs")
SIGMA = 0.6
BUDGET = 32_768
FILES = 1000

KINDS = {
    "origin": "as the origin's systems log it: no model, no finish reason; error as logged",
    "native": "as TokenTelemetryWriter writes it: every field; no error, which is computed",
}


class Generator:
    """Samples in columns, made a block at a time so that making them takes no more room than they do."""

    def __init__(self, samples: int, categories: int, tasks: int, kind: str) -> None:
        self._random = np.random.default_rng(20_260_123)
        self._samples = samples
        self._categories = categories
        self._tasks = tasks
        self._kind = kind

    def reading(self) -> Reading:
        """All of it, as if it had been read from files."""
        samples = self._made()
        return Reading(samples=samples, files=tuple(File(f"run/{n}.log", 1) for n in range(FILES)))

    def _column(self, kind: npt.DTypeLike, make: Callable[[slice], Column | bool | float]) -> Column:
        column = np.empty(self._samples, dtype=kind)
        for part in blocks(self._samples):
            column[part] = make(part)
        return stored(column)

    def _whole(self, low: int, high: int, kind: npt.DTypeLike) -> Column:
        return self._column(kind, lambda part: self._random.integers(low, high, part.stop - part.start))

    def _names(self, names: tuple[str, ...], *, known: bool = True) -> NameColumn:
        if not known:
            return NameColumn(np.broadcast_to(np.int8(-1), self._samples), ())
        kind = narrowest(np.array([len(names)])).dtype
        return NameColumn(self._whole(0, len(names), kind), names)

    def _made(self) -> Samples:
        whole, native = self._whole, self._kind == "native"
        predicted = whole(200, 20_000, np.int32)
        # The median output is 0.3 times the prediction, so that 2.2% are underestimated.
        output = self._column(np.int32, lambda part: self._outputs(predicted[part]))
        truncated = self._column(np.int8, lambda part: self._random.random(part.stop - part.start) < 0.01)
        success = self._column(np.int8, lambda part: (truncated[part] == 0) & (output[part] % 20 > 0))
        begin = np.datetime64("2026-01-01", "us")
        return Samples(
            predicted_output_tokens=predicted,
            output_tokens=output,
            budget_tokens=self._column(np.int32, lambda part: np.where(output[part] % 2, BUDGET, BUDGET // 2)),
            max_tokens=self._column(np.int32, lambda part: np.where(output[part] % 3, BUDGET, BUDGET * 2)),
            truncated=truncated,
            success=success,
            legacy=self._column(np.bool_, lambda _: False),
            deliverable_count=whole(1, 12, np.int8),
            smape=self._smape(),
            category=self._names((*NAMES, *(f"category-{n}" for n in range(len(NAMES), self._categories)))),
            complexity=self._names(("low", "medium", "high")),
            task_id=self._names(tuple(f"task-{n}" for n in range(self._tasks)), known=self._tasks > 0),
            run=self._names(tuple(f"run-{n}" for n in range(100))),
            model=self._names(("one-model", "another-model"), known=native),
            operation=self._names((), known=False),
            finish_reason=self._names(("stop", "length"), known=native),
            finish_reason_raw=self._names(("end_turn", "max_tokens"), known=native),
            truncation_source=self._names(("reason", "cap"), known=native),
            time=self._column(
                "datetime64[us]", lambda part: begin + self._random.integers(0, 10**13, part.stop - part.start)
            ),
            features={},
            file=self._column(np.int16, lambda part: np.arange(part.start, part.stop) % FILES),
            line=self._column(np.int32, lambda part: np.arange(part.start, part.stop) // FILES * 40),
        )

    def _smape(self) -> Column | Tenths:
        if self._kind == "native":
            return self._column(np.float64, lambda _: np.nan)
        return Tenths(self._whole(0, 2000, np.int16))

    def _outputs(self, predicted: Column) -> Column:
        ratios = 0.3 * np.exp(SIGMA * self._random.standard_normal(len(predicted)))
        return np.maximum(np.rint(predicted * ratios), 1)


def settings(**written: str) -> Settings:
    """The default settings, except what is ``written``."""
    read: dict[str, Any] = {}
    for name, option in options():
        text = written.get(name, option.default)
        if isinstance(text, tuple):
            read[name] = tuple(map(option.read, text))
        else:
            read[name] = None if text is None else option.read(text)
    return Settings(texts={}, **{**read, "alias": dict(read["alias"])})


def peak() -> int:
    """The most bytes that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def size_of(samples: Samples) -> int:
    """The bytes of all columns."""
    columns = [getattr(samples, each.name) for each in fields(samples) if each.name != "features"]
    arrays = [getattr(column, "codes", getattr(column, "whole", column)) for column in columns]
    return sum(0 if array.strides == (0,) else array.nbytes for array in arrays)


def size_of_names(samples: Samples) -> int:
    """The bytes of all distinct names."""
    columns = [getattr(samples, each.name) for each in fields(samples)]
    names = [column.names for column in columns if isinstance(column, NameColumn)]
    return sum(sys.getsizeof(each) + sum(map(sys.getsizeof, each)) for each in names)


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """How long ``work`` takes, and what it gives."""
    begin = time.process_time()
    found = work()
    return time.process_time() - begin, found


def measured(samples: int, categories: int, tasks: int, kind: str) -> dict[str, float]:
    """Seconds and bytes of one size."""
    empty = peak()
    reading = Generator(samples, categories, tasks, kind).reading()
    found: dict[str, float] = {
        "columns": size_of(reading.samples) / samples,
        "names": size_of_names(reading.samples) / samples,
    }
    found["verdict"], _ = seconds(lambda: report_of(judge(reading, settings(), Past())))
    found["peak"] = (peak() - empty) / samples
    found["with tuning"], _ = seconds(lambda: report_of(judge(reading, settings(tuning="tuning.json"), Past())))
    found["peak with tuning"] = (peak() - empty) / samples
    return found | parts(reading.samples)


def parts(samples: Samples) -> dict[str, float]:
    """The seconds of each part of a verdict, one by one."""
    found: dict[str, float] = {}
    found["who counts"], which = seconds(lambda: judged(samples, "risk", Fraction(1)))
    found["labels"], named = seconds(lambda: labels(samples, {}))
    found["metrics"], _ = seconds(lambda: metrics(samples, which))
    found["strata"], _ = seconds(lambda: strata(samples, which, named, max_underestimation=0.05, max_truncation=0.02))
    found["one a task"], _ = seconds(lambda: rows_of_one_per_task(samples))
    three = Fraction(3)
    found["tuning"], _ = seconds(lambda: tune(samples, which, named, under_multiplier=Fraction(1), max_waste_p90=three))
    return found


def measured_apart(*what: int | str) -> dict[str, float]:
    """The same in a process of its own."""
    command = [sys.executable, str(Path(__file__)), "--measure", *map(str, what)]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)  # noqa: S603 - this file
    found: dict[str, float] = json.loads(run.stdout)
    return found


def main() -> int:
    """Print the tables: 1 if a verdict takes too many bytes a sample, or more time a sample the more there are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=SAMPLES, help=f"of the largest size (default {SAMPLES:,})")
    parser.add_argument("--categories", type=int, default=9, help="distinct categories (default 9)")
    parser.add_argument("--tasks", type=int, default=100_000, help="distinct task ids, 0 for none (default 100,000)")
    parser.add_argument("--measure", nargs=4, metavar="N", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        *numbers, kind = options.measure
        print(json.dumps(measured(*map(int, numbers), kind)))
        return 0
    sizes = [options.samples // 4, options.samples // 2, options.samples]
    found = {
        (size, kind): measured_apart(size, options.categories, options.tasks, kind)
        for size, kind in [*((size, "origin") for size in sizes), (options.samples, "native")]
    }
    style = {"tablefmt": "github", "disable_numparse": True}
    print(
        f"{options.categories:,} categories, {options.tasks:,} tasks.",
        *(f"{kind}: {of}." for kind, of in KINDS.items()),
        sep="\n",
    )
    print("\nBytes a sample:\n")
    header = ("columns", "names", "peak", "peak with tuning")
    rows = [(f"{size:,}", kind, *(f"{each[name]:.1f}" for name in header)) for (size, kind), each in found.items()]
    print(tabulate(rows, ("samples", "kind", *header), **style))
    print("\nSeconds:\n")
    header = ("verdict", "with tuning", "who counts", "labels", "metrics", "strata", "one a task", "tuning")
    rows = [(f"{size:,}", kind, *(f"{each[name]:.2f}" for name in header)) for (size, kind), each in found.items()]
    print(tabulate(rows, ("samples", "kind", *header), **style))
    return int(_is_too_much(options.samples, found))


def _is_too_much(largest: int, found: dict[tuple[int, str], dict[str, float]]) -> bool:
    of_largest, of_half = found[largest, "origin"], found[largest // 2, "origin"]
    too_large = (
        largest >= SAMPLES and max(each["peak"] for (size, _), each in found.items() if size == largest) > MOST_BYTES
    )
    return too_large or of_largest["verdict"] > MOST_GROWTH * of_half["verdict"]


if __name__ == "__main__":
    sys.exit(main())
