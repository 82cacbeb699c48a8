"""Leave telemetry in your own system: a writer, and a handler for those who log it."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_token_telemetry.sources import own_format
from pytest_token_telemetry.writing import append, append_file, appending

if TYPE_CHECKING:
    from collections.abc import Mapping

ATTRIBUTE = "token_telemetry"
"""The key of ``extra`` that the handler looks for."""

_HEAD = own_format.HEAD.encode()


class TokenTelemetryWriter:
    """Appends one line a call to a file that ``--token-telemetry-dir`` reads.

    Several processes and threads may write to the same file: each line is one append, and nothing is held back.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """A writer to ``path``, which should end in ``.jsonl``. Missing directories are made."""
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._may_be_cut_off = False
        self._end_last_line()

    def write(self, *, output_tokens: object, predicted_output_tokens: object = None, **fields: object) -> None:
        """Append one call: see `pytest_token_telemetry.sources.own_format.line` for its fields and what it refuses.

        Raises:
            OSError: the line could not be written, as on a full disk; it is not in the file.
        """
        counts = {"predicted_output_tokens": predicted_output_tokens, "output_tokens": output_tokens}
        self.append(own_format.line(**counts, **fields))

    def append(self, line: str) -> None:
        """Append a ``line`` of `pytest_token_telemetry.sources.own_format.line`.

        Raises:
            OSError: see `write`.
        """
        if self._may_be_cut_off:
            self._end_last_line()
        try:
            append_file(self.path, f"{line}\n")
        except BaseException:
            self._may_be_cut_off = True
            raise

    def _end_last_line(self) -> None:
        """End a line that was cut off, so that it takes no other with it, and so that it is still seen to be one.

        Another process may have ended it by now, or be about to: what is appended is no record of itself.
        """
        with appending(self.path, "a+b") as file:
            file.seek(-min(file.tell(), len(_HEAD)), os.SEEK_CUR)
            tail = file.read()
            if tail and not tail.endswith(b"\n"):
                begin = tail.rpartition(b"\n")[2]
                append(file, (_HEAD[len(begin) :] if _HEAD.startswith(begin) else b"") + b"\n")
        self._may_be_cut_off = False


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
