"""Trees of logs to measure with, made of our own words from fixed seeds: ``python benchmarks/corpora.py KIND DIR``.

They follow the run logs of the system whose format they have: how big the files are, how seldom a line is telemetry,
that the others have 115 bytes and 1.4 brackets on average, that 2.6% of them are not ASCII, and that one in forty has
a tag: budget lines, warnings of truncation and lines about the context. No line of those logs is in them. Each
telemetry line has a time of its own, so that none is a copy of another, and some lines only mention the tag.

``DIR/corpus.about`` says what was written, and is written last: what is there and fits is not written again.
"""

from __future__ import annotations

import argparse
import json
import sys
from bisect import bisect_left
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from gzip import GzipFile
from itertools import accumulate
from math import exp, log
from pathlib import Path
from random import Random
from typing import IO, TYPE_CHECKING, Literal, NamedTuple, get_args

from pytest_token_telemetry.sources import own_format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

Kind = Literal["small", "many", "sparse", "packed", "dense", "own", "one"]

EDITION = 2
"""To be raised when the same seed comes to write something else."""

PARTS = {"part-1": 0.25, "part-2": 0.25, "part-3": 0.5}
"""The directories of the corpora that are measured in three sizes, with their shares."""

ALL_TELEMETRY = 1.0
"""The density of a file that has no other lines."""

_NOISE_LINES = 20_000
_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Shape:
    """What is told of a corpus before it is written."""

    kind: Kind
    scale: float
    edition: int = EDITION


@dataclass(frozen=True, slots=True)
class Written:
    """What a corpus holds. Lines and telemetry are those of the logs."""

    shape: Shape
    logs: int
    others: int
    """Files that are no logs."""
    bytes: int
    """Of the text of the logs."""
    stored: int
    """Bytes of the files that hold the logs: fewer where these are compressed."""
    lines: int
    v2: int
    """``[TokenEstimationV2]`` records."""
    v1: int
    """Records of the older form."""
    own: int
    """Lines of our own."""
    mentions: int
    """Lines that have the tag of a record and no record."""
    budgets: int
    """``[TOKEN_BUDGET]`` records."""
    budget_mentions: int
    """Lines that have ``[TOKEN_BUDGET]`` and no record."""

    @property
    def records(self) -> int:
        """All calls that should be found."""
        return self.v2 + self.v1 + self.own

    @property
    def tagged_lines(self) -> int:
        """All that a search for ``[TokenEstimation`` should print."""
        return self.v2 + self.v1 + self.mentions


@dataclass(frozen=True, slots=True)
class _Log:
    path: str
    size: int
    density: float
    """The share of lines that are telemetry."""


@dataclass(frozen=True, slots=True)
class _Recipe:
    bytes: int
    """At full size, of all files."""
    logs: Callable[[float], Iterator[_Log]]
    legacy: float
    """The share of V1 lines among the records."""
    mentions: float
    """The share of lines that only mention the tag among those that have it."""
    has_parts: bool
    others_every: int = 0
    """After how many logs one other file follows, if any."""


def write(shape: Shape, directory: Path) -> Written:
    """Write a corpus into ``directory``, which it has for itself."""
    recipe = _RECIPES[shape.kind]
    author = _Author(Random(f"{shape.kind}, edition {shape.edition}"), recipe.legacy, recipe.mentions)  # noqa: S311
    logs = others = size = stored = 0
    for log_ in recipe.logs(shape.scale):
        path = directory / log_.path
        path.parent.mkdir(parents=True, exist_ok=True)
        size += _write(path, author.lines(log_))
        stored += path.stat().st_size
        logs += 1
        if recipe.others_every and logs % recipe.others_every == 0:
            path.with_suffix(".txt").write_bytes(author.other(log_.size))
            others += 1
    written = Written(shape, logs, others, size, stored, **author.counts)
    (directory / "corpus.about").write_text(json.dumps(asdict(written), indent=2), encoding="utf-8")
    return written


def _write(path: Path, pieces: Iterable[bytes]) -> int:
    """Write the ``pieces`` of a text, compressed if the name of the file says so, and return the size of the text."""
    size = 0
    with path.open("wb") as file, _written_into(file, path) as into:
        for piece in pieces:
            size += into.write(piece)
    return size


def _written_into(file: IO[bytes], path: Path) -> AbstractContextManager[IO[bytes]]:
    if path.suffix != ".gz":
        return nullcontext(file)
    return GzipFile(
        "", "wb", compresslevel=6, fileobj=file, mtime=0
    )  # as gzip itself compresses, and the same each time


def read_written(directory: Path) -> Written | None:
    """What ``directory`` holds, if a corpus of this edition was written there to its end."""
    try:
        told = json.loads((directory / "corpus.about").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    shape = Shape(**told["shape"])
    return Written(**{**told, "shape": shape}) if shape.edition == EDITION else None


def has_parts(kind: Kind) -> bool:
    """True if the corpus stands in `PARTS`."""
    return _RECIPES[kind].has_parts


def bytes_needed(shape: Shape) -> int:
    """About how much disk space a corpus takes. Small files take whole blocks of it."""
    recipe = _RECIPES[shape.kind]
    size = recipe.bytes * (1 if shape.kind == "small" else shape.scale)
    return round(size * (2.2 if recipe.others_every else 1.01)) + 10 * _MB


def _small(_: float) -> Iterator[_Log]:
    for n in range(139):
        yield _Log(f"run-{n // 10:02}/agent-{n % 10}.log", 110_000, 1 / 1_200)


def _many(scale: float) -> Iterator[_Log]:
    sizes = Random("sizes of small files")  # noqa: S311
    for n in range(4 * max(1, round(625 * scale))):
        directory = f"{_part(n)}/run-{n // 40:03}/phase-{n:04}"
        for k in range(20):
            size = round(sizes.lognormvariate(log(4_000) - 0.5, 1))  # their mean is 4,000
            yield _Log(f"{directory}/agent-{k:02}.log", size, 1 / 300)


def _sparse(scale: float) -> Iterator[_Log]:
    size = round(min(10, 500 * scale) * _MB)  # there are four files at least
    for n in range(4 * max(1, round(50 * scale))):
        yield _Log(f"{_part(n)}/run-{n:03}/agent.log", size, _density(n // 4))


def _packed(scale: float) -> Iterator[_Log]:
    for log_ in _sparse(scale / 10):
        yield _Log(f"{log_.path}.gz", log_.size, log_.density)


def _dense(scale: float) -> Iterator[_Log]:
    for n in range(12):
        yield _Log(f"{_part(n)}/run-{n:02}/calls.log", round(25 * _MB * scale), ALL_TELEMETRY)


def _own(scale: float) -> Iterator[_Log]:
    for log_ in _dense(scale):
        yield _Log(f"{log_.path}".replace(".log", _OWN), log_.size, ALL_TELEMETRY)


def _one(scale: float) -> Iterator[_Log]:
    yield _Log("run-1/agent.log", round(2_000 * _MB * scale), 1 / 500)


def _part(n: int) -> str:
    """The part of the ``n``-th file or directory: one, one and two of each four."""
    return ("part-1", "part-2", "part-3", "part-3")[n % 4]


def _density(n: int) -> float:
    """The ``n``-th of densities that are spread evenly, on a logarithmic scale, from 1/5,000 to 1/50.

    The first is about their mean, so that a few files are like many.
    """
    golden = 0.618_033_988_749_895
    return exp(log(1 / 5_000) + ((0.67 + n * golden) % 1) * log(100))


_RECIPES: dict[Kind, _Recipe] = {
    "small": _Recipe(15 * _MB, _small, legacy=0.05, mentions=0.04, has_parts=False),
    "many": _Recipe(200 * _MB, _many, legacy=0.05, mentions=0.04, has_parts=True, others_every=4),
    "sparse": _Recipe(2_000 * _MB, _sparse, legacy=0.05, mentions=0.04, has_parts=True),
    "packed": _Recipe(25 * _MB, _packed, legacy=0.05, mentions=0.04, has_parts=True),
    "dense": _Recipe(300 * _MB, _dense, legacy=0.01, mentions=0.0, has_parts=True),
    "own": _Recipe(300 * _MB, _own, legacy=0.0, mentions=0.0, has_parts=True),
    "one": _Recipe(2_000 * _MB, _one, legacy=0.05, mentions=0.04, has_parts=False),
}

_STEPS = (
    "reading the plan of phase {n}",
    "opened {n} files of the workspace, none has changed since the last look",
    "the tests of module_{n} passed in {n} ms, going on with the next one",
    "waiting for an answer to request {n}, which is at place {n} of the queue",
    "wrote {n} lines into the draft and kept a copy of what was there before",
    "the reviewer asks for a shorter text: round {n} begins with what is there",
    "✓ step {n} is done: what was written passed the tests, and was kept",
)
_USUAL = (*[1.0] * (len(_STEPS) - 1), 0.16)
_LOGGERS = ("runner", "workspace", "model_client", "review")
_LEVELS = ("INFO", "INFO", "INFO", "DEBUG", "WARNING")

_NOISE = {"budget": 40, "truncation": 6, "context": 17, "selection": 50, "step": 2_254}
"""How many lines of each form 2,367 lines of real logs have."""

_TAG = b"[TOKEN_BUDGET]"
_BUDGET = _TAG + b" phase="
_CAPS = (4_096, 8_192, 16_384, 32_768, 65_536)
_CATEGORIES = ("implementation", "implementation", "tests", "docs", "refactoring")
_COMPLEXITIES = ("low", "medium", "high")
_OWN = ".jsonl"


class _Call(NamedTuple):
    predicted: int
    output: int
    budget: int
    category: str
    complexity: str
    deliverables: int
    success: bool

    @property
    def truncated(self) -> bool:
        return self.output >= self.budget

    @property
    def reason(self) -> str:
        return "max_tokens" if self.truncated else "end_turn"

    @property
    def smape(self) -> float:
        return 200 * abs(self.predicted - self.output) / (self.predicted + self.output)


class _Author:
    """Writes lines, and counts what it wrote."""

    def __init__(self, random: Random, legacy: float, mentions: float) -> None:
        self.counts = dict.fromkeys(("lines", "v2", "v1", "own", "mentions", "budgets", "budget_mentions"), 0)
        self._random = random
        self._legacy = legacy
        self._mentions = mentions
        self._time = datetime(2026, 1, 1)
        lines = [self._noise_line() for _ in range(_NOISE_LINES)]
        self._noise = b"".join(lines)
        self._ends = [0, *accumulate(map(len, lines))]
        self._budgets = [0, *accumulate(_BUDGET in line for line in lines)]
        self._tagged = [0, *accumulate(_TAG in line for line in lines)]

    def lines(self, log_: _Log) -> Iterator[bytes]:
        """The text of a log, in pieces of whole lines."""
        left = log_.size
        while left > 0:
            if log_.density < ALL_TELEMETRY:
                # Gaps between lines that come up independently of each other are distributed like this
                for piece in self._gap(int(self._random.expovariate(log_.density)), left):
                    left -= len(piece)
                    yield piece
            if left > 0:
                line = (self._own_line() if log_.path.endswith(_OWN) else self._tagged_line()).encode()
                self.counts["lines"] += 1
                left -= len(line)
                yield line

    def other(self, size: int) -> bytes:
        """The text of a file that is no log, of about ``size`` bytes."""
        return json.dumps({"note": self._noise[:size].decode("utf-8", "ignore")}).encode()

    def _gap(self, count: int, size: int) -> Iterator[bytes]:
        """``count`` lines that are no telemetry, or as many as it takes to fill ``size`` bytes."""
        while count > 0 and size > 0:
            first = self._random.randrange(_NOISE_LINES)
            last = min(first + count, _NOISE_LINES, bisect_left(self._ends, self._ends[first] + size))
            piece = self._noise[self._ends[first] : self._ends[last]]
            self.counts["lines"] += last - first
            budgets, tagged = (until[last] - until[first] for until in (self._budgets, self._tagged))
            self.counts["budgets"] += budgets
            self.counts["budget_mentions"] += tagged - budgets
            count -= last - first
            size -= len(piece)
            yield piece

    def _noise_line(self) -> bytes:
        random = self._random
        form = random.choices(tuple(_NOISE), tuple(_NOISE.values()))[0]
        if form == "step":
            level, text = random.choice(_LEVELS), random.choices(_STEPS, _USUAL)[0].format(n=random.randrange(1, 9_999))
        else:
            level, text = "WARNING" if form == "truncation" else "INFO", self._tagged_noise(form)
        logger = random.choice(_LOGGERS)
        if random.random() >= 0.7:
            return f"{self._now()} - agent.{logger} - {level} - {text}\n".encode()
        head = f"[{self._now()}] {level}: [{logger}]" if form == "step" else f"[{self._now()[:-4]}] {level}:"
        return f"{head} {text}\n".encode()

    def _tagged_noise(self, form: str) -> str:
        random, call, task = self._random, self._call(), f"phase-{self._random.randrange(1, 9_999)}"
        if form == "budget":
            read = random.randrange(800, 40_000)
            return (
                f"[TOKEN_BUDGET] phase={task} complexity={call.complexity} input={read}"
                f" output={call.output}/{call.budget} total={read + call.output}"
                f" utilization={100 * call.output / call.budget:.1f}% model=a-model"
            )
        if form == "truncation":
            return (
                f"[TOKEN_BUDGET] TRUNCATION: phase={task} used {call.budget}/{call.budget} tokens"
                " (100% utilization) - give phases of this complexity more max_tokens"
            )
        if form == "context":
            return f"[TOKEN_BUDGET] Context loading: ~{random.randrange(19_900, 20_001)} tokens (99% of 20000 allowed)"
        return (
            f"[TokenEstimator] Budget selection: base={call.budget}, estimated={call.predicted},"
            f" with_buffer={call.predicted * 6 // 5}, selected={call.budget}, confidence=80.0%"
        )

    def _call(self) -> _Call:
        random = self._random
        predicted = max(50, round(random.lognormvariate(7.5, 0.8)))
        output = max(1, round(predicted * random.lognormvariate(-0.6, 0.5)))
        budget = next((cap for cap in _CAPS if cap >= predicted), _CAPS[-1])
        return _Call(
            predicted,
            min(output, budget),
            budget,
            random.choice(_CATEGORIES),
            random.choice(_COMPLEXITIES),
            random.randrange(1, 12),
            success=output < budget and random.random() < 0.9,
        )

    def _tagged_line(self) -> str:
        random = self._random
        head = f"{self._now()} - agent.model_client - INFO - "
        if random.random() < self._mentions:
            self.counts["mentions"] += 1
            return f"{head}Objective: collect the [TokenEstimation] telemetry of this phase before the next one\n"
        call = self._call()
        if random.random() < self._legacy:
            self.counts["v1"] += 1
            counts = f"Predicted: {call.predicted} output tokens, Actual: {call.output} output tokens"
            return f"{head}[TokenEstimation] {counts}, Error: {call.smape:.1f}%\n"
        self.counts["v2"] += 1
        return (
            f"{head}[TokenEstimationV2] predicted_output={call.predicted} actual_output={call.output}"
            f" smape={call.smape:.1f}% selected_budget={call.budget} category={call.category}"
            f" complexity={call.complexity} deliverables={call.deliverables} success={call.success}"
            f" stop_reason={call.reason} truncated={call.truncated} model=a-model\n"
        )

    def _own_line(self) -> str:
        call = self._call()
        self._now()
        self.counts["own"] += 1
        line = own_format.line(
            time=self._time.replace(tzinfo=UTC),
            predicted_output_tokens=call.predicted,
            output_tokens=call.output,
            budget_tokens=call.budget,
            max_tokens=call.budget,
            category=call.category,
            complexity=call.complexity,
            deliverable_count=call.deliverables,
            success=call.success,
            finish_reason=call.reason,
            task_id=f"phase-{self._random.randrange(1, 9_999)}",
            model="a-model",
            id=f"msg-{self._random.getrandbits(96):024x}",
        )
        return f"{line}\n"

    def _now(self) -> str:
        self._time += timedelta(milliseconds=37)
        return self._time.isoformat(" ", "milliseconds").replace(".", ",")


def main() -> int:
    """Write a corpus, unless it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=get_args(Kind))
    parser.add_argument("directory", type=Path, help="is made, or is empty, or has the same corpus")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size (default 1)")
    options = parser.parse_args()
    shape = Shape(options.kind, options.scale)
    directory: Path = options.directory
    written = read_written(directory)
    if written is None or written.shape != shape:
        if directory.is_dir() and next(directory.iterdir(), None):
            parser.error(f"{directory} has something else in it")
        directory.mkdir(parents=True, exist_ok=True)
        written = write(shape, directory)
    print(json.dumps(asdict(written), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
