"""The rows of a CSV file with a header, bounded: a quote that is never closed makes a cell of the whole rest."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

from pytest_token_telemetry.sources.documents import BOM

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from pytest_token_telemetry.sources.rows import Rows

MOST = 1 << 24
"""Bytes of a line, and characters of a cell: an export has whole prompts in cells."""

OTHER_CELLS = "a row has another number of cells than the header"

_END = "\0end of the file\0"
"""A last line of ours: where it ends a longer row, a quote is still open."""

_HEADER = re.compile(rb'[\w"][\w" ./()-]*([,;\t])(?:[\w" ./()-]+\1)*[\w" ./()-]+\r?(?:\n|\Z)')
"""A first line of names alone."""


def header_of(head: bytes) -> list[str]:
    """The names in the first line of a file that begins with ``head``; none if it is no CSV with a header."""
    match = _HEADER.match(head.removeprefix(BOM))
    if match is None:
        return []
    line = match[0].decode("utf-8", "replace")
    return next(csv.reader([line], delimiter=match[1].decode()), [])


def looks_like_csv(head: bytes) -> bool:
    """Whether a file that begins with ``head`` has a header, and below it a row with as many cells, and no JSON."""
    match = _HEADER.match(head.removeprefix(BOM))
    if match is None:
        return False
    below = [line for line in head.split(b"\n")[1:] if not line.isspace() and line]
    enough = match[0].count(match[1])
    return not any(map(looks_like_json, below)) and (not below or below[0].count(match[1]) >= enough)


def looks_like_json(text: bytes) -> bool:
    """Whether ``text`` begins as an object or a list of JSON does."""
    return text.removeprefix(BOM).lstrip()[:1] in (b"{", b"[")


def csv_rows(file: BinaryIO, into: Rows) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows behind the header by its names, each with the line in which it ends. One of another length is counted.

    Of a name that stands there twice, a row says something if its cells agree.

    Raises:
        OSError: not all of the file can be read, or it is malformed.
    """
    begin = file.readline(MOST + 1)
    header = header_of(begin)
    if not header:
        raise OSError(None, "its first line is not a header of a CSV file in UTF-8" if begin else "it is empty")
    match = _HEADER.match(begin.removeprefix(BOM))
    delimiter = "," if match is None else match[1].decode()
    limit = csv.field_size_limit(MOST)
    try:
        reader = csv.reader(_lines(file), delimiter=delimiter)
        line = 1
        for cells in reader:
            before, line = line, reader.line_num + 1
            if cells and cells[-1].endswith(_END):
                if cells != [_END]:
                    raise OSError(None, f"the quote in the row of line {before + 1} is never closed")
            elif len(cells) == len(header):
                row = dict(zip(header, cells, strict=True))
                if len(row) < len(header):
                    row |= {name: "" for name, cell in zip(header, cells, strict=True) if row[name] != cell}
                yield line, row
            elif cells:
                into.complain(OTHER_CELLS, line)
    except csv.Error as error:
        raise OSError(None, f"its CSV is malformed: {error}") from error
    finally:
        csv.field_size_limit(limit)


def _lines(file: BinaryIO) -> Iterator[str]:
    while line := file.readline(MOST + 1):
        if len(line) > MOST:
            raise OSError(None, f"a line of its CSV has more than {MOST >> 20} MiB")
        yield line.decode("utf-8", "replace")
    yield _END
