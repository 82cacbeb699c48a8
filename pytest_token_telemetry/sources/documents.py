"""Take JSON apart into its documents: one a line, one a file, or several over many lines, one after the other.

A line that is a document is decoded at once. Only where that fails, brackets are counted to find where documents end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Generic, NamedTuple, TypeAlias, TypeVar

from msgspec import DecodeError, ValidationError
from msgspec.json import Decoder

from pytest_token_telemetry.sources.own_format import is_line_of_ours
from pytest_token_telemetry.sources.tagged.formats import has_telemetry
from pytest_token_telemetry.sources.unread import COUNT_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_token_telemetry.sources.rows import Rows

T = TypeVar("T")

MOST = 1 << 26
"""Bytes of one document: it is held whole. A file may have any number of them."""

DEEPEST = 500
"""Objects and lists within each other. No decoder takes many more."""

BOM = b"\xef\xbb\xbf"

CUT_OFF = "a JSON document is malformed or cut off"
OTHER_SHAPE = "a JSON document has a field of another type than its format says"
TOO_LONG = f"a JSON document has more than {MOST >> 20} MiB"
NO_JSON = "a line is not JSON"
TAGGED = "a telemetry line stands among records of another format (give them files of their own)"

PLAIN_TEXT = "lines of plain text among records"
"""Why such lines are skipped: logs have them, and they say nothing of calls."""


class Document(NamedTuple, Generic[T]):
    """A JSON value of a file."""

    value: T
    line: int
    """The line in which it begins, from 1."""


class Broken(NamedTuple):
    """Text of a file that is no document."""

    reason: str
    line: int


Read: TypeAlias = "Document[T] | Broken"


def documents(file: BinaryIO, decode: Callable[[bytes], T], most: int = MOST) -> Iterator[Read[T]]:
    """Give the documents of ``file`` in their order, and what is none.

    Args:
        file: read to its end, a line at a time.
        decode: gives the value of one document; what `msgspec.json.Decoder.decode` raises says that it is none.
        most: bytes of the longest document. A longer one is `Broken`.

    Raises:
        OSError: not all of the file can be read.
    """
    held = _Held(decode, most)
    for line, text in numbered_lines(file, most):
        if text is None:
            yield from held.finish()
            yield Broken(TOO_LONG, line)
        elif held.lines:
            yield from held.add(text, line)
        elif not text.isspace():
            try:
                value = decode(text)
            except _NO_DOCUMENT as error:
                read = _of_mended(decode, text, line, error)
            else:
                yield Document(value, line)
                continue
            if isinstance(read, Document):
                yield read
            elif _is_text(text):
                yield _no_document(text, line)
            else:
                cut_off, last = _last_of_line(decode, text, line)
                yield from held.add(cut_off, line)
                if last is not None:
                    yield from held.finish()
                    yield last
    yield from held.finish()


def whole_documents(
    file: BinaryIO, decode: Callable[[bytes], T], into: Rows, *, reads_ours: bool = True
) -> Iterator[Document[T]]:
    """Give the documents of ``file``, and count lines that are none ``into`` the rows.

    Lines of our own format among them are samples: a program may log into a file that its gateway writes too.

    Args:
        file: as for `documents`.
        decode: as for `documents`.
        into: what is given those lines, and what is counted.
        reads_ours: whether lines of our own format are those, and not documents.

    Raises:
        OSError: as of `documents`; or none of it is a document: one may have had all of its calls.
    """
    first: Broken | None = None
    found = False
    latest = 0
    for each in documents(file, _or_ours(decode) if reads_ours else decode):
        if isinstance(each, Broken):
            if each.reason == PLAIN_TEXT:
                into.skip(PLAIN_TEXT)
            elif each.line != latest:  # of one line, however many pieces of it are none
                into.complain(each.reason, each.line)
                latest = each.line
            first = first or each
        elif isinstance(each.value, _Ours):
            found = True
            _add_ours(each.value, each.line, into)
        else:
            found = True
            yield each  # type: ignore[misc] # it is none of ours
    if first is not None and not found:
        raise OSError(None, NO_JSON if first.reason == PLAIN_TEXT else first.reason)


class _Ours(NamedTuple):
    """The text of a line of our own format."""

    text: bytes


def _or_ours(decode: Callable[[bytes], T]) -> Callable[[bytes], T | _Ours]:
    return lambda text: _Ours(text) if is_line_of_ours(text) else decode(text)


def _add_ours(line: _Ours, number: int, into: Rows) -> None:
    from pytest_token_telemetry.sources.tagged.own_parsing import read_line  # few files have any
    from pytest_token_telemetry.sources.tagged.records import Unusable

    said = read_line(line.text.decode("utf-8", "replace"))
    into.note_in_line(said.slips, number)
    if isinstance(said, Unusable):
        into.complain(said.reason, number, ended=said.ended)
    else:
        into.add(said.sample, said.identity, number, own=True, among_others=True)


def numbered_lines(file: BinaryIO, most: int) -> Iterator[tuple[int, bytes | None]]:
    """Number the lines of ``file``; ``None`` stands for one that is too long."""
    line = 0
    while text := file.readline(most + 1):
        line += 1
        if len(text) <= most:
            yield line, text.removeprefix(BOM) or b"\n"
            continue
        while text and not text.endswith(b"\n"):
            text = file.readline(most)
        yield line, None


def _decoded(decode: Callable[[bytes], T], text: bytes, line: int) -> Read[T]:
    try:
        return Document(decode(text), line)
    except _NO_DOCUMENT as error:
        return _of_mended(decode, text, line, error)


def _of_mended(decode: Callable[[bytes], T], text: bytes, line: int, error: Exception) -> Read[T]:
    """What is in ``text``, for which ``decode`` raises an ``error``, once it is mended."""
    if isinstance(error, ValidationError):
        return Broken(OTHER_SHAPE, line)
    whole = mended(text)
    return Broken(CUT_OFF, line) if whole == text else _decoded(decode, whole, line)


_NO_DOCUMENT = (DecodeError, ValueError, RecursionError)
"""What decoders raise."""


def _last_of_line(decode: Callable[[bytes], T], text: bytes, line: int) -> tuple[bytes, Document[T] | None]:
    """Part a line in which documents were cut off and the next ones written behind them: what is before the last one.

    The last one is known by its first key, which it has in common with the first one. It must be whole, or the line is
    not parted.
    """
    begin = text[: text.find(b":") + 1]
    at = 0
    for _ in range(_MOST_KEYS) if _FIRST_KEY.fullmatch(begin) else ():
        at = text.find(begin, at + 1)
        if at < 0:
            break
        last = _decoded(decode, text[at:], line)  # it fails at once where an object within the cut-off one begins
        if isinstance(last, Document):
            return text[:at], last
    return text, None


def _is_text(text: bytes) -> bool:
    """Whether a line is text of a log, and no part of a document."""
    if _TEXT.match(text) is None:
        return False
    try:
        _ANY.decode(text)
    except _NO_DOCUMENT:
        return True
    return False


def _no_document(text: bytes, line: int) -> Broken:
    """Why a line is none that is no part of one: text alone is no fault, if it cannot be a piece of a record."""
    if has_telemetry(text):
        return Broken(TAGGED, line)
    is_piece = text.rstrip().endswith((b"}", b"}]", b'"]')) or any(each in text for each in COUNT_NAMES)
    return Broken(NO_JSON if is_piece or not _is_text(text) else PLAIN_TEXT, line)


_ANY: Decoder[object] = Decoder()
_TEXT = re.compile(rb"[ \t]*(?:\x1b\[[0-9;]*m)*[\[(<]?(?:[\w#*=>|/~+.:-]|[\xc2-\xf4][\x80-\xbf])")
"""How lines of text begin, coloured or not; none that is a part of a document does."""


_MOST_KEYS = 100
"""Places in a line at which the last document may begin."""


def mended(text: bytes) -> bytes:
    """The JSON ``text`` with a mark instead of each half of a character."""
    return _HALF.sub(rb"\\ufffd", text.decode("utf-8", "replace").encode())


_HALF = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
"""Half a character: JavaScript writes it where a text was cut within an emoji."""

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+("?)|[][{}]', re.DOTALL)
"""A string, whose group is empty if the line ends within it, or a bracket."""

_FIRST_KEY = re.compile(rb'\{\s*"[^"\\]*"\s*:')
"""How an object begins."""

_OF_DOCUMENTS = b' \t\r\n{}[]",'
"""How the lines of a document begin that is written over several."""

_BETWEEN = b" \t\r\n,\x1e"
"""What may stand between documents."""


@dataclass(slots=True)
class _Held(Generic[T]):
    """The beginning of a document that goes on over several lines."""

    decode: Callable[[bytes], T]
    most: int
    lines: list[bytes] = field(default_factory=list)
    first: int = 0
    """The line in which it begins."""
    depth: int = 0
    size: int = 0
    is_counted: bool = False
    """Whether the brackets of all lines are counted. Those of an indented document are not: it ends at the margin."""

    def add(self, text: bytes, line: int) -> Iterator[Read[T]]:
        """Go on with the next line, and give what ends in it."""
        if not self.lines or self.is_counted:
            if self.lines and text[0] == _BRACE and self.lines[-1].rstrip().endswith(b"}"):  # no comma between
                yield from self.give_up()
            yield from self._count(text, line)
        elif text[0] in b" \t\r\n" and self.size + len(text) <= self.most:
            self.lines.append(text)
            self.size += len(text)
        elif len(self.lines) == 1:
            self.is_counted = True
            yield from self._count(text, line)
        elif text[0] in b"{[":  # another one begins
            yield from self.give_up()
            yield from self._count(text, line)
        else:
            self.lines.append(text)
            read = _decoded(self.decode, b"".join(self.lines), self.first) if text[0] in b"}]" else None
            if isinstance(read, Document):
                self._taken()
                yield read
            else:
                found = [*self._count_all()]
                is_one_broken = not self.lines and all(isinstance(each, Broken) for each in found)
                yield from found[:1] if is_one_broken else found

    def finish(self) -> Iterator[Read[T]]:
        """Give what is left when no line follows."""
        if self.lines and not self.is_counted:
            yield from self._count_all()
        yield from self.give_up()

    def _count_all(self) -> Iterator[Read[T]]:
        """Find by their brackets what the indented lines hold; of those that begin on one line, the last one."""
        lines, first = self._taken()
        *cut_off, begin = _begins(lines)
        for at in cut_off:
            yield Broken(CUT_OFF, first + at)
        if begin:
            first += begin
            lines = [lines[begin].rstrip()[-1:] + b"\n", *lines[begin + 1 :]]
        self.is_counted = True
        for line, text in enumerate(lines, first):
            yield from self._count(text, line)

    def _count(self, text: bytes, line: int) -> Iterator[Read[T]]:
        """Go on with the next line, and find by its brackets what ends in it."""
        begin = 0
        for token in _TOKEN.finditer(text):
            bracket = text[token.start()]
            if bracket == _QUOTE:
                if self.depth and not token[1]:  # no string goes on over the end of a line
                    yield from self._give_up_with(text[begin:], line)
                    return
            elif bracket in b"[{":
                if not self.depth:
                    if text[begin : token.start()].strip(_BETWEEN):
                        break
                    self.first, begin = line, token.start()
                self.depth += 1
                if self.depth > DEEPEST:
                    yield from self._give_up_with(text[begin:], line)
                    return
            elif self.depth:
                self.depth -= 1
                if not self.depth:
                    self.lines.append(text[begin : token.end()])
                    begin = token.end()
                    yield from self._end()
        rest = text[begin:]
        if self.depth:
            self.lines.append(rest)
            self.size += len(rest)
            if self.size > self.most:
                yield from self.give_up(TOO_LONG)
        elif rest.strip(_BETWEEN):
            yield Broken(NO_JSON, line)

    def give_up(self, reason: str = CUT_OFF) -> Iterator[Read[T]]:
        """Give what can be had where the document does not end: lines that are documents by themselves."""
        if self.lines:
            lines, first = self._taken()
            yield Broken(reason, first)
            yield from self._whole_lines(lines[1:], first + 1)

    def _give_up_with(self, text: bytes, line: int) -> Iterator[Read[T]]:
        self.lines.append(text)
        if self.first == line:
            self._taken()
            yield Broken(CUT_OFF, line)
        else:
            yield from self.give_up()

    def _end(self) -> Iterator[Read[T]]:
        lines, first = self._taken()
        read = _decoded(self.decode, b"".join(lines), first)
        yield read
        if isinstance(read, Broken):
            yield from self._whole_lines(lines[1:], first + 1)

    def _taken(self) -> tuple[list[bytes], int]:
        lines, self.lines = self.lines, []
        self.depth = self.size = 0
        self.is_counted = False
        return lines, self.first

    def _whole_lines(self, lines: Iterable[bytes], first: int) -> Iterator[Read[T]]:
        """What else the text of a broken document holds: documents, whole or not, and lines that are no part of any."""
        indented: list[bytes] = []
        begin = 0
        for line, text in enumerate(lines, first):
            if text[0] == _BRACE and text.strip() == b"{":
                indented, begin = [text], line
            elif text[0] == _BRACE:
                yield _decoded(self.decode, text, line)
            elif text[0] not in _OF_DOCUMENTS:
                yield _no_document(text, line)
            elif indented:
                indented.append(text)
                if text.strip() == b"}" == text[:1]:
                    whole = _decoded(self.decode, b"".join(indented), begin)
                    if isinstance(whole, Document):
                        yield whole
                    indented = []


def _begins(lines: list[bytes]) -> list[int]:
    """Where documents begin in the ``lines`` of an indented one. Each but the last is cut off by the one that follows.

    Such a line ends with a bracket, and the next one is indented as the first line within a document is.
    """
    first = lines[1] if len(lines) > 1 else b""
    margin = first[: len(first) - len(first.lstrip(b" \t"))]
    return [0] + [
        at
        for at in range(1, len(lines) - 1)
        if lines[at].rstrip().endswith((b"{", b"["))
        and lines[at + 1].startswith(margin)
        and lines[at + 1][len(margin) : len(margin) + 1].strip()
    ]


_QUOTE, _BRACE = b'"{'
