"""What people write to look at their telemetry, and what the gate is measured against: one file, the standard library.

It reads text line by line, searches each line for the two forms of a record, makes an object a record, and asks the
``statistics`` module. ``python benchmarks/plain_script.py DIR``
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

    predicted: int
    actual: int
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
            for line in file:
                match = V2.search(line)
                if match:
                    records.append(
                        Record(
                            predicted=int(match[1]),
                            actual=int(match[2]),
                            budget=int(match[4]),
                            category=match[5],
                            complexity=match[6],
                            deliverables=int(match[7]),
                            success=match[8] == "True",
                            stop_reason=match[9],
                            truncated=match[10] == "True",
                            model=match[11],
                        )
                    )
                    continue
                match = V1.search(line)
                if match:
                    records.append(Record(predicted=int(match[1]), actual=int(match[2])))
    return records


def report(records: list[Record]) -> list[str]:
    """What is printed of them."""
    successful = [record for record in records if record.success]
    waste = [record.predicted / record.actual for record in successful if record.actual]
    smape = [200 * abs(each.predicted - each.actual) / (each.predicted + each.actual) for each in records]
    under = sum(record.actual > record.predicted for record in successful)
    truncated = sum(record.truncated for record in records)
    lines = [f"records: {len(records)}", f"successful: {len(successful)}"]
    if len(waste) > 1:
        lines += [
            f"underestimated: {under / len(successful):.1%}",
            f"truncated: {truncated / len(records):.1%}",
            f"waste: median {statistics.median(waste):.2f}x, P90 {statistics.quantiles(waste, n=10)[8]:.2f}x",
            f"smape: mean {statistics.mean(smape):.1f}%, median {statistics.median(smape):.1f}%",
        ]
    groups = defaultdict(list)
    for record in successful:
        groups[record.category].append(record)
    for category, members in sorted(groups.items()):
        ratio = statistics.median(member.actual / member.predicted for member in members)
        lines.append(f"{category}: {len(members)} successful, median ratio {ratio:.2f}")
    return lines


if __name__ == "__main__":
    print("\n".join(report(records_of(Path(sys.argv[1])))))
