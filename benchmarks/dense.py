"""What reading plain lines at once costs, held against reading them one by one: 40,000 lines of 250 bytes, in blocks.

One by one means what the reading does with each record: find it, say what it says, hash its identity, and put the
sample into columns. Run ``python benchmarks/dense.py``; read the ratio, which should stay above 15, the first figure on
an idle machine below 2 microseconds. The hash alone, which both ways share, is the last figure.
"""

from __future__ import annotations

import random
import statistics
import time
from hashlib import blake2b
from typing import TYPE_CHECKING

from pytest_token_telemetry.samples import SamplesBuilder
from pytest_token_telemetry.sources.tagged.fast_lane import regular
from pytest_token_telemetry.sources.tagged.formats import parse, telemetry_scanner
from pytest_token_telemetry.sources.tagged.records import Read

if TYPE_CHECKING:
    from collections.abc import Callable

LINES = 40_000
BLOCK = 1 << 20
ROUNDS = 5


def line(number: int, choice: random.Random) -> str:
    """A line as the origin writes it."""
    output, category = choice.randrange(20_000), choice.choice(["implementation", "tests", "docs"])
    ended = choice.choice(["success=True stop_reason=end_turn truncated=False"] * 9 + [CUT_OFF])
    return (
        f"[2026-01-02 {number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}] INFO: [TokenEstimationV2]"
        f" predicted_output={choice.randrange(20_000)} actual_output={output} smape={choice.randrange(2000) / 10}%"
        f" selected_budget={choice.choice([8192, 12288, 16384])} category={category}"
        f" complexity={choice.choice(['low', 'medium', 'high'])} deliverables={choice.randrange(12)}"
        f" {ended} model=claude-sonnet-4-5\n"
    )


CUT_OFF = "success=False stop_reason=max_tokens truncated=True"


def blocks() -> list[bytes]:
    """The lines, in blocks of about a mebibyte."""
    choice = random.Random(20261123)  # noqa: S311 - not for secrets
    text = "".join(line(number, choice) for number in range(LINES)).encode()
    found, begin = [], 0
    while begin < len(text):
        end = text.rfind(b"\n", begin, begin + BLOCK) + 1
        found.append(text[begin:end])
        begin = end
    return found


def one_by_one(text: list[bytes]) -> int:
    """Read each record alone, and return the number of samples."""
    columns = SamplesBuilder()
    digests = set()
    for fragment in telemetry_scanner().fragments_of(iter(text)):
        record = parse(fragment)
        if isinstance(record, Read) and record.identity is not None:
            digests.add(blake2b(record.identity.encode(), digest_size=16).digest())
            columns.add(record.sample, 0, fragment.line)
    return len(columns)


def at_once(text: list[bytes]) -> int:
    """Read the regular lines of each block, and return the number of samples."""
    return sum(len(regular(block).samples) for block in text)


def hashes(text: list[bytes]) -> int:
    """Hash each line."""
    return sum(len({blake2b(each, digest_size=16).digest() for each in block.splitlines()}) for block in text)


def microseconds(work: Callable[[list[bytes]], int], text: list[bytes]) -> float:
    """How much processor time ``work`` takes for each line: others may use the machine, too."""
    begin = time.process_time()
    if work(text) != LINES:
        raise SystemExit(f"{work.__name__} did not read every line")
    return (time.process_time() - begin) / LINES * 1e6


def main() -> None:
    """Print the time of each way, of the medians of alternating rounds, and the ratio."""
    text = blocks()
    at_once(text)  # the first call asks once what each distinct text means
    rounds = [[microseconds(work, text) for work in (at_once, one_by_one, hashes)] for _ in range(ROUNDS)]
    dense, single, hashing = (statistics.median(each) for each in zip(*rounds, strict=True))
    ratio = single / dense
    print(
        f"{dense:.2f} microseconds a line at once, {single:.1f} one by one: {ratio:.0f} times as fast (processor time)"
    )
    print(f"{hashing:.2f} microseconds a line for the hash alone")


if __name__ == "__main__":
    main()
