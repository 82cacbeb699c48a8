"""Find the tagged records in a file of any size, encoding and content, in bounded memory.

A record begins at a tag and ends at the next tag, at the end of its line, or after `RECORD_LIMIT` bytes, whichever
comes first. What is found depends on the file's bytes alone, never on how they were split into blocks.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

RECORD_LIMIT = 1 << 14
"""Bytes of a record that are looked at. Real ones have about 250."""

LOOK_BACK = 1 << 10
"""Bytes before a tag, on the same line, in which its timestamp is looked for."""

_LEAST_HEAD = 3
"""Bytes of a head that are recognised as one: any text may end in a brace."""

_WIDE_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

WIDE_BEGINS = frozenset(mark[0] for mark, _ in _WIDE_MARKS)
"""The first bytes of texts in wide encodings, and of few others."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """One tagged record as it stands in a file."""

    line: int
    """The line of the tag, from 1."""
    tag: bytes
    before: bytes
    """The text before the tag, on the same line and after any earlier tag, at most `LOOK_BACK` bytes."""
    after: bytes
    """The text after the tag, at most `RECORD_LIMIT` bytes."""
    ended: bool
    """True if a line end follows ``after``: the record is not cut off."""


class Scanner:
    """Finds the records that begin with one of some tags: simply, and so the definition of what is found."""

    def __init__(
        self,
        tags: Iterable[bytes],
        head: bytes = b"",
        *,
        limit: int = RECORD_LIMIT,
        look_back: int = LOOK_BACK,
    ) -> None:
        """A scanner for records that begin with one of ``tags``, of which none is the beginning of another.

        ``head`` is how lines of a format of ours begin, up to and with their tag: a last line that is cut off within it
        is a record. ``limit`` and ``look_back`` are the bytes behind a tag and before it that are looked at.
        """
        tags = tuple(tags)
        self._head = head
        self._tag_of_head = next((tag for tag in tags if head.endswith(tag)), b"")
        self.tag = re.compile(b"|".join(map(re.escape, tags)))
        self._longest = max(map(len, tags))
        self._limit = limit
        self._look_back = look_back

    def fragments_of(self, raw: Iterator[bytes], *, line: int = 1, plain: bool = False) -> Iterator[Fragment]:
        """The records in ``raw``, a text that comes in blocks, in their order.

        The first line has the number ``line``. With ``plain`` it is no text in a wide encoding, whatever it begins
        with.

        Raises:
            OSError: the text mixes encodings in a way that would lose records.
        """
        look_back = self._look_back
        text = b""
        lines = line  # the line that text[counted] stands on
        counted = 0
        searched = 0  # no undecided tag begins before text[searched]
        previous = 0  # where the text after the previous tag begins
        source = _Text(raw, self.tag, self._longest, plain=plain)
        blocks = source.blocks()
        at_end = False
        while not at_end:
            block = next(blocks, None)
            if block is None:
                at_end = True
            else:
                keep = max(0, searched - look_back)
                lines += text.count(b"\n", counted, keep) if keep > counted else 0
                counted = max(counted, keep) - keep
                text = text[keep:] + block
                searched -= keep
                previous = max(0, previous - keep)
            while match := self.tag.search(text, searched):
                start, begin = match.span()
                limit = begin + self._limit
                if not at_end and len(text) < limit + self._longest:
                    searched = start
                    break
                end = text.find(b"\n", begin, limit)
                ended = end >= 0
                following = self.tag.search(text, begin, end if ended else limit + self._longest)
                if following and following.start() < limit:
                    end, ended = following.start(), False
                elif not ended:
                    end = min(limit, len(text))
                lines += text.count(b"\n", counted, start)
                counted = start
                left = max(previous, text.rfind(b"\n", max(0, start - look_back), start) + 1, start - look_back, 0)
                yield Fragment(lines, match[0], text[left:start], text[begin:end], ended)
                searched = previous = begin
            else:
                searched = max(searched, len(text) - self._longest + 1)
        last = text[text.rfind(b"\n") + 1 :]
        if len(last) >= _LEAST_HEAD and len(last) < len(self._head) and self._head.startswith(last):
            yield Fragment(lines + text.count(b"\n", counted), self._tag_of_head, last, b"", ended=False)
        if source.mixed:
            raise OSError(None, "text of another encoding was appended to its UTF-16 or UTF-32 text")

    def fragments_of_line(self, text: bytes, line: int) -> Iterator[Fragment]:
        """What `fragments_of` finds in one whole line, which is plain text without NUL and ends with its line end."""
        spans = [match.span() for match in self.tag.finditer(text)]
        previous = 0
        line_end = len(text) - 1
        for (start, begin), (following, _) in pairwise([*spans, (line_end, len(text))]):
            end = min(following, begin + self._limit)
            ended = end == line_end < begin + self._limit
            before = text[max(previous, start - self._look_back) : start]
            yield Fragment(line, text[start:begin], before, text[begin:end], ended)
            previous = begin


class _Text:
    """A file's text as UTF-8: wide encodings decoded, and NUL bytes left out.

    Without its NUL bytes, the ASCII part of UTF-16 text that has no byte order mark (an append to a file of another
    encoding) reads as plain ASCII.
    """

    def __init__(self, raw: Iterator[bytes], tag: re.Pattern[bytes], longest: int, *, plain: bool) -> None:
        self._raw = raw
        self._plain = plain
        self._tag = tag
        self._longest = longest
        self.mixed = False
        """True once tags stood as plain bytes in a wide encoding's text, where decoding loses them."""

    def blocks(self) -> Iterator[bytes]:
        """The text, in blocks of any size."""
        first = b""
        for block in self._raw:
            first += block
            if len(first) >= 4:
                break
        encoding = None if self._plain else _wide_encoding(first)
        if encoding is None:
            for block in chain((first,), self._raw):
                yield block.replace(b"\0", b"") if b"\0" in block else block
            return
        decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        plain = b""
        for block in chain((first,), self._raw, (b"",)):
            plain = plain[1 - self._longest :] + block
            self.mixed = self.mixed or self._tag.search(plain) is not None
            yield decoder.decode(block, final=not block).encode("utf-8", "replace").replace(b"\0", b"")


def is_wide(first: bytes) -> bool:
    """True if a text whose first four bytes these are is in a wide encoding."""
    return _wide_encoding(first) is not None


def _wide_encoding(first: bytes) -> str | None:
    return next((name for mark, name in _WIDE_MARKS if first.startswith(mark)), None)
