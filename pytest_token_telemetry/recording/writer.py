"""Leave telemetry in your own system: a writer, and a handler for those who log it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_token_telemetry.recording import record

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

ATTRIBUTE = "token_telemetry"
"""The key of ``extra`` that the handler looks for."""


class TokenTelemetryWriter:
    """Appends one line a call to a file that ``--token-telemetry-dir`` reads.

    Several processes and threads may write to the same file: each line is one append, and nothing is held back.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """A writer to ``path``, which should end in ``.jsonl``. Missing directories are made."""
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, *, predicted_output_tokens: object, output_tokens: object, **fields: object) -> None:
        """Append one call: see `pytest_token_telemetry.recording.record.line` for its fields and what it refuses."""
        features = fields.pop("features", None)
        text = record.line(
            predicted_output_tokens=predicted_output_tokens,
            output_tokens=output_tokens,
            features=features,  # type: ignore[arg-type] # checked there
            **fields,
        )
        with self.path.open("ab", buffering=0) as file:
            file.write(f"{text}\n".encode())


class TokenTelemetryHandler(logging.Handler):
    """Writes what is logged with ``extra={"token_telemetry": {...}}``, and passes over all else.

    ``logger.info("called the model", extra={"token_telemetry": {"predicted_output_tokens": 900, ...}})``
    """

    def __init__(self, path: str | os.PathLike[str], level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self._writer = TokenTelemetryWriter(path)

    def emit(self, log_record: logging.LogRecord) -> None:
        """Append the call that ``log_record`` carries, if it does."""
        fields: Mapping[str, object] | None = getattr(log_record, ATTRIBUTE, None)
        if fields is None:
            return
        try:
            self._writer.write(**fields)
        except Exception:  # logging's own contract: a handler never breaks the program
            self.handleError(log_record)
