"""Find the tagged records in a file of any size, encoding and content, in bounded memory.

A record begins at a tag and ends at the next tag, at the end of its line, or after `RECORD_LIMIT` bytes, whichever
comes first. A record of JSON stands around its name. What is found depends on the file's bytes alone, never on how
they were split into blocks.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

from pytest_token_telemetry.sources.tagged.normal import CODE, LONGEST_CODE, normal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

RECORD_LIMIT = 1 << 14
"""Bytes of a record that are looked at. Real ones have about 250."""

LOOK_BACK = 1 << 10
"""Bytes before a tag, on the same line, in which its timestamp is looked for."""

NAME_REACH = 1 << 20
"""Bytes before and behind the name in a record of JSON that are looked at: the longest record."""

LONGEST_NAME = 1 << 9
"""Bytes of a name in any spelling, and more."""

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
    before: bytes | memoryview
    """The text before the tag, on the same line and after any earlier tag, at most `LOOK_BACK` bytes.

    Of a name: all of its line, if a brace stands before it there, and as many braces close as open. Else the record may
    have several lines, and it is `NAME_REACH` bytes of the text. So it is in a line that is longer than any of ours.
    """
    after: bytes | memoryview
    """The text after the tag, at most `RECORD_LIMIT` bytes; of a name as before it."""
    ended: bool
    """True if a line end follows ``after``: the record is not cut off."""
    lead: bytes = field(default=b"", compare=False)
    """How the line begins, up to its first tag, at most `LOOK_BACK` bytes: it says what the line was put into."""


class Scanner:
    """Finds the records that begin with one of some tags: simply, and so the definition of what is found."""

    def __init__(
        self,
        tags: Iterable[bytes],
        name: bytes = rb"(?!)",
        head: bytes = b"",
        *,
        limit: int = RECORD_LIMIT,
        look_back: int = LOOK_BACK,
        reach: int = NAME_REACH,
    ) -> None:
        """A scanner for records that begin with one of ``tags``, of which none is the beginning of another.

        Args:
            tags: what records of one line begin with.
            name: a pattern for what stands anywhere within a record of JSON, which may have several lines.
            head: how lines of our own begin, up to and with their name: a last line that is cut off within it is a
                record.
            limit: bytes behind a tag that are looked at.
            look_back: bytes before a tag that are looked at.
            reach: bytes before and behind a name.
        """
        self._head = head
        self._tags = frozenset(tags)
        self.tag = re.compile(b"|".join([*map(re.escape, self._tags), name]))
        self._longest = LONGEST_NAME if head else max(map(len, self._tags))
        self._limit = limit
        self._look_back = look_back
        self._reach = reach

    def fragments_of(self, raw: Iterator[bytes], *, line: int = 1, plain: bool = False) -> Iterator[Fragment]:
        """The records in ``raw``, a text that comes in blocks, in their order.

        The first line has the number ``line``. With ``plain`` it is not a text in a wide encoding, whatever it begins
        with.

        Raises:
            OSError: the text mixes encodings in a way that would lose records.
        """
        kept = max(self._look_back, self._reach if self._head else 0)
        text = b""
        lines = line  # the line that text[counted] stands on
        counted = 0
        searched = 0  # no undecided tag begins before text[searched]
        previous = 0  # where the text after the previous tag begins
        lead, lead_of = b"", 0  # how the line with that number begins
        source = _Text(raw, self.tag, self._longest, plain=plain)
        blocks = source.blocks()
        at_end = False
        while not at_end:
            block = next(blocks, None)
            if block is None:
                at_end = True
            else:
                keep = max(0, searched - kept)
                lines += text.count(b"\n", counted, keep) if keep > counted else 0
                counted = max(counted, keep) - keep
                text = text[keep:] + block
                searched -= keep
                previous = max(0, previous - keep)
            while match := self.tag.search(text, searched):
                start, begin = match.span()
                is_tag = match[0] in self._tags
                needed = self._limit + self._longest if is_tag else self._reach
                if not at_end and len(text) < begin + needed:
                    searched = start
                    break
                lines += text.count(b"\n", counted, start)
                counted = start
                if lead_of != lines:
                    lead, lead_of = self._lead(text, text.rfind(b"\n", 0, start) + 1, start), lines
                yield self._fragment(lines, text, match, previous, lead)
                searched = previous = begin
            else:
                searched = max(searched, len(text) - self._longest + 1)
        last = text[text.rfind(b"\n") + 1 :]
        if len(last) >= _LEAST_HEAD and len(last) < len(self._head) and self._head.startswith(last):
            yield Fragment(lines + text.count(b"\n", counted), b"", last, b"", ended=False)
        if source.mixed:
            raise OSError(None, "text of another encoding was appended to its UTF-16 or UTF-32 text")

    def fragments_within(self, text: bytes, begin: int, end: int, line: int) -> Iterator[Fragment]:
        """What `fragments_of` finds in the line from ``begin`` to ``end``, with its line end, of a `normal` text."""
        previous = begin
        lead = None
        for match in self.tag.finditer(text, begin, end):
            lead = self._lead(text, begin, match.start()) if lead is None else lead
            yield self._fragment(line, text, match, previous, lead)
            previous = match.end()

    def _lead(self, text: bytes, begin: int, start: int) -> bytes:
        return text[begin : min(start, begin + self._look_back)]

    def _fragment(self, line: int, text: bytes, match: re.Match[bytes], previous: int, lead: bytes) -> Fragment:
        start, begin = match.span()
        if match[0] in self._tags:
            return replace(self._record(line, text, start, begin, previous), lead=lead)
        left = text.rfind(b"\n", max(0, start - RECORD_LIMIT - 1), start) + 1 or max(0, start - RECORD_LIMIT - 1)
        right = text.find(b"\n", begin, begin + RECORD_LIMIT + 1)
        ended = right >= 0
        right = right if ended else min(len(text), begin + RECORD_LIMIT + 1)
        line_is_whole = text.find(b"{", left, start) >= 0 and text.count(b"{", left, right) == text.count(
            b"}", left, right
        )
        if right - left <= RECORD_LIMIT and line_is_whole:
            return Fragment(line, match[0], text[left:start], text[begin:right], ended)
        view = memoryview(text)
        before, after = view[max(0, start - self._reach) : start], view[begin : begin + self._reach]
        return Fragment(line, match[0], before, after, ended)

    def _record(self, line: int, text: bytes, start: int, begin: int, previous: int) -> Fragment:
        limit = begin + self._limit
        end = text.find(b"\n", begin, limit)
        ended = end >= 0
        following = self.tag.search(text, begin, end if ended else limit + self._longest)
        if following and following.start() < limit:
            end, ended = following.start(), False
        elif not ended:
            end = min(limit, len(text))
        left = max(previous, text.rfind(b"\n", max(0, start - self._look_back), start) + 1, start - self._look_back, 0)
        return Fragment(line, text[start:begin], text[left:start], text[begin:end], ended)


class _Text:
    """A file's text as UTF-8: wide encodings decoded, and `normal`."""

    def __init__(self, raw: Iterator[bytes], tag: re.Pattern[bytes], longest: int, *, plain: bool) -> None:
        self._raw = raw
        self._plain = plain
        self._tag = tag
        self._longest = longest
        self.mixed = False
        """True once tags stood as plain bytes in a wide encoding's text, where decoding loses them."""

    def blocks(self) -> Iterator[bytes]:
        """The text, in blocks of any size."""
        kept = b""
        for block in self._decoded():
            text = kept + block.replace(b"\0", b"")
            end = max(0, len(text) - LONGEST_CODE)  # a code may go on in the next block
            for code in CODE.finditer(text, max(0, end - LONGEST_CODE)):
                if code.start() < end < code.end():
                    end = code.start()
            yield normal(text[:end])
            kept = text[end:]
        yield normal(kept)

    def _decoded(self) -> Iterator[bytes]:
        first = b""
        for block in self._raw:
            first += block
            if len(first) >= 4:
                break
        encoding = None if self._plain else _wide_encoding(first)
        if encoding is None:
            yield from chain((first,), self._raw)
            return
        decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        plain = b""
        for block in chain((first,), self._raw, (b"",)):
            plain = plain[1 - self._longest :] + block
            self.mixed = self.mixed or self._tag.search(plain) is not None
            yield decoder.decode(block, final=not block).encode("utf-8", "replace")


def is_wide(first: bytes) -> bool:
    """True if a text whose first four bytes these are is in a wide encoding."""
    return _wide_encoding(first) is not None


def _wide_encoding(first: bytes) -> str | None:
    return next((name for mark, name in _WIDE_MARKS if first.startswith(mark)), None)
