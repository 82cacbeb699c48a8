"""What people write to look at their telemetry, and what the gate is measured against: one file, the standard library.

It reads text line by line, searches each line for the two forms of a record, makes an object a record, and asks the
``statistics`` module. It prints the gate's figures: how many calls there are of each kind, the rates, waste, and the
worst calls with their places; but it leaves out no copies, proves nothing, and misses what is written in another order
or encoding. ``python benchmarks/plain_script.py DIR``
"""

from __future__ import annotations

import re
import statistics
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

V2 = re.compile(
    r"\[TokenEstimationV2\]\s+predicted_output=(\d+)\s+actual_output=(\d+)\s+smape=([\d.]+)%"
    r"\s+selected_budget=(\d+)\s+category=(\S+)\s+complexity=(\S+)\s+deliverables=(\d+)"
    r"\s+success=(\S+)\s+stop_reason=(\S+)\s+truncated=(\S+)\s+model=(\S+)"
)
V1 = re.compile(r"\[TokenEstimation\]\s+Predicted:\s+(\d+)\s+output tokens,\s+Actual:\s+(\d+)\s+output tokens")


@dataclass
class Record:
    """One call."""

    path: Path
    line: int
    predicted: int
    actual: int
    smape: float
    budget: int | None = None
    category: str = "unknown"
    complexity: str = "unknown"
    deliverables: int = 0
    success: bool = True
    stop_reason: str = "unknown"
    truncated: bool = False
    model: str = "unknown"


def records_of(directory: Path) -> list[Record]:
    """The records in the logs below ``directory``."""
    records = []
    for path in sorted(directory.rglob("*.log")):
        with path.open(encoding="utf-8", errors="ignore") as file:
            for number, line in enumerate(file, 1):
                match = V2.search(line)
                if match:
                    records.append(
                        Record(
                            path=path,
                            line=number,
                            predicted=int(match.group(1)),
                            actual=int(match.group(2)),
                            smape=float(match.group(3)),
                            budget=int(match.group(4)),
                            category=match.group(5),
                            complexity=match.group(6),
                            deliverables=int(match.group(7)),
                            success=match.group(8) == "True",
                            stop_reason=match.group(9),
                            truncated=match.group(10) == "True",
                            model=match.group(11),
                        )
                    )
                    continue
                match = V1.search(line)
                if match:
                    predicted, actual = int(match.group(1)), int(match.group(2))
                    smape = 200 * abs(predicted - actual) / (predicted + actual)
                    records.append(Record(path, number, predicted, actual, smape))
    return records


def bucket(record: Record) -> str:
    """How many deliverables the call had, about."""
    if record.deliverables <= 1:
        return "1"
    return "2-5" if record.deliverables <= 5 else "6+"


def report(records: list[Record]) -> list[str]:
    """What is printed of them."""
    successful = [record for record in records if record.success]
    waste = [record.predicted / record.actual for record in successful if record.actual]
    smape = [record.smape for record in records]
    lines = [f"records: {len(records)}", f"successful: {len(successful)}"]
    if len(waste) > 1:
        under = sum(record.actual > record.predicted for record in successful)
        truncated = sum(record.truncated for record in records)
        lines += [
            f"underestimated: {under / len(successful):.1%}",
            f"truncated: {truncated / len(records):.1%}",
            f"waste: median {statistics.median(waste):.2f}x, P90 {statistics.quantiles(waste, n=10)[8]:.2f}x",
            f"smape: mean {statistics.mean(smape):.1f}%, median {statistics.median(smape):.1f}%",
            f"predicted: mean {statistics.mean(record.predicted for record in records):.0f}",
            f"actual: mean {statistics.mean(record.actual for record in records):.0f}",
        ]
    groups = defaultdict(list)
    for record in successful:
        groups[f"category {record.category}"].append(record)
        groups[f"complexity {record.complexity}"].append(record)
        groups[f"deliverables {bucket(record)}"].append(record)
    for name, members in sorted(groups.items()):
        ratio = statistics.median(member.actual / member.predicted for member in members)
        lines.append(f"{name}: {len(members)} successful, median ratio {ratio:.2f}")
    worst = sorted(records, key=lambda record: record.actual / record.predicted, reverse=True)
    lines += [f"{each.path.name}:{each.line}: {each.predicted} -> {each.actual}" for each in worst[:5]]
    return lines


if __name__ == "__main__":
    print("\n".join(report(records_of(Path(sys.argv[1])))))
