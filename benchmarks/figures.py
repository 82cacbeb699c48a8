"""What was measured, in words: ratios within each round, their median, and the lowest and the highest."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING

from tabulate import tabulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"

_RESAMPLES = 2_000


def ratios(of: Sequence[float], to: Sequence[float]) -> list[float]:
    """Round by round, how many times ``to`` is ``of``."""
    return [each / base for each, base in zip(of, to, strict=True)]


def differences(of: Sequence[float], to: Sequence[float]) -> list[float]:
    """Round by round, how much more ``of`` is than ``to``."""
    return [each - base for each, base in zip(of, to, strict=True)]


def spread(values: Sequence[float], form: str = "{:.2f}") -> str:
    """The median, and behind it the lowest and the highest: ``1.20 (1.10 to 1.40)``."""
    low, middle, high = (form.format(value) for value in (min(values), median(values), max(values)))
    return f"{middle} ({low} to {high})"


def seconds(values: Sequence[float]) -> str:
    """The spread of times, with as many digits as they have a use for."""
    return spread(values, "{:.3f}" if median(values) < 0.1 else "{:.2f}")


def compared(times: Sequence[float]) -> str:
    """How much faster than a peer the gate is, if the peer takes so many ``times`` what the gate takes."""
    if median(times) >= 1:
        return f"{spread(times, '{:.1f}')} times faster"
    return f"{spread([1 / each for each in times], '{:.1f}')} times slower"


def interval(of: Sequence[float], to: Sequence[float]) -> tuple[float, float, float]:
    """The ratio of the medians, and between what it lies in 95 of 100 draws of as many rounds from those there are."""
    random = Random("bootstrap")  # noqa: S311
    rounds = list(zip(of, to, strict=True))

    def ratio(drawn: Sequence[tuple[float, float]]) -> float:
        above, below = zip(*drawn, strict=True)
        return median(above) / median(below)

    drawn = sorted(ratio(random.choices(rounds, k=len(rounds))) for _ in range(_RESAMPLES))
    return ratio(rounds), drawn[round(0.025 * _RESAMPLES)], drawn[round(0.975 * _RESAMPLES) - 1]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A markdown table, its first column to the left and the others to the right."""
    align = ("left", *["right"] * (len(header) - 1))
    return tabulate(list(rows), header, tablefmt="github", disable_numparse=True, colalign=align)


def machine(*programs: str) -> str:
    """What it was measured on, in one sentence, with ``programs`` as they call themselves."""
    parts = (
        f"{platform.system()} {platform.machine()}, {_cores()} cores ({_processor()})",
        f"{platform.python_implementation()} {platform.python_version()}",
        *(f"{name} {version(name)}" for name in ("pytest", "numpy")),
        *programs,
    )
    return f"Measured on {', '.join(parts)}."


def _cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or "unknown"
    name = re.search(r"^model name\s*: (.*)$", told, re.MULTILINE)
    return name[1].strip() if name else "unknown"


def write_docs(name: str, text: str, page: Path = PAGE) -> None:
    """Put ``text`` between the marks of ``name`` in ``page``.

    Raises:
        ValueError: the page has no such marks.
    """
    begin, end = f"<!-- figures: {name} -->\n", f"<!-- end of {name} -->"
    old = page.read_text(encoding="utf-8")
    replaced: Callable[[re.Match[str]], str] = lambda _: f"{begin}{text.strip()}\n{end}"  # noqa: E731
    new, count = re.subn(f"{re.escape(begin)}.*?{re.escape(end)}", replaced, old, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"{page.name} has no figures of {name}")
    page.write_text(new, encoding="utf-8")
