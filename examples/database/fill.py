"""Write 24 calls to a SQLite database: ``python examples/database/fill.py``."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

DATABASE = Path(__file__).parent / "calls.db"

OUTPUTS = (412, 388, 455, 501, 367, 429, 398, 476, 440, 415, 382, 463, 450, 395, 421, 407, 489, 434, 376, 468, 403, 447)


def main() -> None:
    """Write the table anew: two of its calls reached their cap."""
    DATABASE.unlink(missing_ok=True)
    with closing(sqlite3.connect(DATABASE)) as database, database:
        database.execute(
            "CREATE TABLE calls (id INTEGER PRIMARY KEY, made_at TEXT, model TEXT, operation TEXT,"
            " completion_tokens INTEGER, max_tokens INTEGER, stop_reason TEXT)"
        )
        database.executemany(
            "INSERT INTO calls (made_at, model, operation, completion_tokens, max_tokens, stop_reason)"
            " VALUES (?, 'small-model-1', 'summarise', ?, 600, ?)",
            [
                *((f"2026-01-05T09:{minute:02}:00Z", output, "end_turn") for minute, output in enumerate(OUTPUTS)),
                *((f"2026-01-05T10:0{minute}:00Z", 600, "max_tokens") for minute in range(2)),
            ],
        )


if __name__ == "__main__":
    main()
