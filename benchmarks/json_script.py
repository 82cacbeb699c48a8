"""What people write to read lines of JSON, and what the gate is measured against: each line through ``json.loads``.

It prints how many there are, and judges nothing. ``python benchmarks/json_script.py DIR``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def count(directory: Path) -> int:
    """How many lines the files ``*.jsonl`` below ``directory`` have, each of which must be JSON."""
    found = 0
    for path in sorted(directory.rglob("*.jsonl")):
        with path.open(encoding="utf-8") as file:
            for line in file:
                json.loads(line)
                found += 1
    return found


if __name__ == "__main__":
    print(f"records: {count(Path(sys.argv[1]))}")
