"""Sources of other plugins: what one raises is why a file cannot be read, and never a traceback."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_token_telemetry.text import raised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_token_telemetry.samples import Integers, Mask, SamplesBuilder
    from pytest_token_telemetry.sources.rows import Absorptions, Rows
    from pytest_token_telemetry.sources.source import Found, Opened, Reader, Sizes, Source


class AddedSource:
    """A ``source`` that another plugin adds."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.in_parts = source.in_parts
        self._source = source

    def claims(self, path: str, head: bytes) -> bool:
        """See `Source.claims`.

        Raises:
            OSError: the source does not know.
        """
        with _as_reason(self.name, "claims"):
            return self._source.claims(path, head)

    def reader(self, into: Rows, sizes: Sizes, on_read: Callable[[int], None] | None) -> Reader:
        """See `Source.reader`."""
        with _as_reason(self.name, "reader"):
            return _AddedReader(self.name, self._source.reader(into, sizes, on_read))


@dataclass(frozen=True, slots=True)
class _AddedReader:
    name: str
    reader: Reader

    def read(self, file: Opened) -> Found:
        with _as_reason(self.name, "read"):
            return self.reader.read(file)

    def finish(self) -> None:
        with _as_end(self.name, "finish"):
            self.reader.finish()

    def complete(self, samples: SamplesBuilder, rows: Integers, waits: Mask) -> Absorptions | None:
        with _as_end(self.name, "complete"):
            return self.reader.complete(samples, rows, waits)


@contextmanager
def _as_reason(name: str, what: str) -> Iterator[None]:
    """Have what a plugin raises be why the file cannot be read."""
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise OSError(None, f"{what} of source {name}: {raised(error)}") from error


@contextmanager
def _as_end(name: str, what: str) -> Iterator[None]:
    """Have what a plugin raises for all of its files end the reading."""
    from pytest_token_telemetry.sources.parallel import ScanError  # it imports what reads files

    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        raise ScanError(f"{what} of source {name}: {raised(error)}") from error
