"""What replaying an estimator costs: 100,000 calls through a callable that multiplies two numbers.

Held against the loop that one would write by hand: an immutable object a call, made from the same columns, given to the
same callable, the answer made a whole number. Run ``python benchmarks/replay.py``; read the ratio, which should stay
below 3. The second figure is the same against the bare callable, to which making the object is most of the cost.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.replay.estimator import Request
from pytest_token_telemetry.replay.run import replay
from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.samples import columns_of

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = 100_000
ROUNDS = 5


@dataclass(frozen=True)
class Call:
    """What a loop written by hand would give to the estimator."""

    predicted_output_tokens: int
    category: str
    complexity: str
    deliverable_count: int
    task_id: str | None
    model: str | None
    features: dict[str, str]


def estimator(request: Request | Call) -> float:
    """Multiplies two numbers."""
    return request.predicted_output_tokens * 1.1


def by_hand(predicted: list[int]) -> list[int]:
    """The loop."""
    return [int(estimator(Call(tokens, "docs", "low", 3, None, None, {}))) for tokens in predicted]


def bare(request: Request) -> None:
    """The callable alone."""
    for _ in range(CALLS):
        estimator(request)


def seconds(work: Callable[[], object]) -> float:
    """How long ``work`` takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main() -> None:
    """Print the ratios, of the medians of alternating rounds."""
    predicted = [1000 + n % 997 for n in range(CALLS)]
    samples = columns_of(
        Sample(
            predicted_output_tokens=tokens, output_tokens=900, category="docs", complexity="low", deliverable_count=3
        )
        for tokens in predicted
    )
    rows = np.arange(CALLS)
    request = Request(predicted_output_tokens=1000)
    rounds = [
        (
            seconds(lambda: replay(samples, rows, estimator)),
            seconds(lambda: by_hand(predicted)),
            seconds(lambda: bare(request)),
        )
        for _ in range(ROUNDS)
    ]
    ours, hand, alone = (statistics.median(each) for each in zip(*rounds, strict=True))
    ratios = f"{ours / hand:.1f} times the loop by hand, {ours / alone:.0f} times the call alone"
    print(f"{CALLS:,} calls in {ours:.2f} s: {ratios}")


if __name__ == "__main__":
    main()
