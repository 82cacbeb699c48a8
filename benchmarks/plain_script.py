"""What people write to look at their telemetry, and what the gate is measured against: one file, the standard library.

It reads text line by line, searches each line for the two forms of a record, makes a dictionary a record, and asks the
``statistics`` module. It prints the gate's figures: how many calls there are of each kind, the rates, waste, and the
worst calls with their places; but it leaves out no copies, proves nothing, and misses what is written in another order
or encoding. ``python benchmarks/plain_script.py DIR [PATTERN]``
"""

from __future__ import annotations

import gzip
import heapq
import re
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import TypedDict

V2 = re.compile(
    r"\[TokenEstimationV2\]\s+predicted_output=(\d+)\s+actual_output=(\d+)\s+smape=([\d.]+)%"
    r"\s+selected_budget=(\S+)\s+category=(\S+)\s+complexity=(\S+)\s+deliverables=(\d+)"
    r"\s+success=(\S+)\s+stop_reason=(\S+)\s+truncated=(\S+)\s+model=(\S+)"
)
V1 = re.compile(r"\[TokenEstimation\]\s+Predicted:\s+(\d+)\s+output tokens,\s+Actual:\s+(\d+)")


class Record(TypedDict):
    """One call."""

    file: str
    line: int
    predicted: int
    actual: int
    smape: float
    category: str
    complexity: str
    deliverables: str
    success: bool
    truncated: bool


def records_of(directory: Path, pattern: str = "*.log") -> list[Record]:
    """The records in the logs below ``directory``, which may be compressed."""
    records: list[Record] = []
    for path in directory.rglob(pattern):
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8", errors="ignore") as file:
            name = path.name
            for n, line in enumerate(file, 1):
                m = V2.search(line)
                if m:
                    records.append(
                        {
                            "file": name,
                            "line": n,
                            "predicted": int(m[1]),
                            "actual": int(m[2]),
                            "smape": float(m[3]),
                            "category": m[5],
                            "complexity": m[6],
                            "deliverables": bucket(int(m[7])),
                            "success": m[8] == "True",
                            "truncated": m[10] == "True",
                        }
                    )
                    continue
                m = V1.search(line)
                if m:
                    predicted, actual = int(m[1]), int(m[2])
                    records.append(
                        {
                            "file": name,
                            "line": n,
                            "predicted": predicted,
                            "actual": actual,
                            "smape": 200 * abs(predicted - actual) / (predicted + actual),
                            "category": "unknown",
                            "complexity": "unknown",
                            "deliverables": "1",
                            "success": True,
                            "truncated": False,
                        }
                    )
    return records


def bucket(deliverables: int) -> str:
    """How many deliverables the call had, about."""
    if deliverables <= 1:
        return "1"
    return "2-5" if deliverables <= 5 else "6+"


def report(records: list[Record]) -> list[str]:
    """What is printed of them."""
    successful = [record for record in records if record["success"]]
    waste = [record["predicted"] / record["actual"] for record in successful if record["actual"]]
    lines = [f"records: {len(records)}", f"successful: {len(successful)}"]
    if len(waste) > 1:
        under = sum([record["actual"] > record["predicted"] for record in successful])
        truncated = sum([record["truncated"] for record in records])
        smape = [record["smape"] for record in records]
        lines += [
            f"underestimated: {under / len(successful):.1%}",
            f"truncated: {truncated / len(records):.1%}",
            f"waste: median {statistics.median(waste):.2f}x, P90 {statistics.quantiles(waste, n=10)[8]:.2f}x",
            f"smape: mean {statistics.fmean(smape):.1f}%, median {statistics.median(smape):.1f}%",
            f"predicted: mean {statistics.fmean([record['predicted'] for record in records]):.0f}",
            f"actual: mean {statistics.fmean([record['actual'] for record in records]):.0f}",
        ]
    groups = defaultdict(list)
    for record in successful:
        ratio = record["actual"] / record["predicted"]
        groups["category", record["category"]].append(ratio)
        groups["complexity", record["complexity"]].append(ratio)
        groups["deliverables", record["deliverables"]].append(ratio)
    for (name, member), ratios in sorted(groups.items()):
        lines.append(f"{name} {member}: {len(ratios)} successful, median ratio {statistics.median(ratios):.2f}")
    worst = heapq.nlargest(5, records, key=lambda record: record["actual"] / record["predicted"])
    lines += [f"{each['file']}:{each['line']}: {each['predicted']} -> {each['actual']}" for each in worst]
    return lines


if __name__ == "__main__":
    print("\n".join(report(records_of(Path(sys.argv[1]), *sys.argv[2:]))))
