"""Telemetry lines that the code under test logs or prints: what they say, and which are the same call."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import takewhile
from typing import TYPE_CHECKING

from pytest_token_telemetry.recording.wrapped import WholeLines
from pytest_token_telemetry.recording.writer import ATTRIBUTE
from pytest_token_telemetry.sample import FIELDS
from pytest_token_telemetry.sources import own_format
from pytest_token_telemetry.sources.recorded import KnownCalls
from pytest_token_telemetry.sources.tagged.begun import begun
from pytest_token_telemetry.sources.tagged.budgets import Budgets
from pytest_token_telemetry.sources.tagged.formats import NEEDLES, is_own, parse, telemetry_scanner
from pytest_token_telemetry.sources.tagged.records import Budget, Unusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_token_telemetry.recording.tape import Tape
    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.sources.tagged.simple_search import Fragment


@dataclass(frozen=True, slots=True)
class _Sighting:
    """One telemetry line, seen in one way: logged, or printed to one of the streams."""

    key: object
    """The same however the line is seen: a formatter may have put something before it and behind it."""
    said: Sample | Unusable
    time: datetime | None = None
    """When the call was, where the line tells it with its time zone."""
    wrapped: bool = False
    """Whether a line that was seen whole was broken, or cut off, in this way."""


class Capture:
    """Records the telemetry lines of one test after another.

    A line that is seen in several ways, as where a handler prints what is logged, is as many calls as the way that saw
    it most often has seen. So is one that a handler has broken to fit a width, if it was seen whole before. A line of a
    call that the test recorded by itself is left out.
    """

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._scanner = telemetry_scanner()
        self._handler = _Handler()
        self.begin_test()

    def begin_test(self) -> None:
        """Forget what was seen in the test before."""
        self._known = KnownCalls()
        self._unread: list[tuple[int, str]] = []
        self._own: dict[int, tuple[str, Sample]] = {}
        self._seen: dict[str, Counter[object]] = defaultdict(Counter)
        self._taken: Counter[object] = Counter()
        self._whole: WholeLines[_Sighting] = WholeLines()
        self._budgets: dict[str, Budgets] = defaultdict(Budgets)

    def listen(self) -> None:
        """Catch what reaches the root logger from now on, also from threads between two tests."""
        logging.getLogger().addHandler(self._handler)

    def stop_listening(self) -> None:
        """Undo that."""
        logging.getLogger().removeHandler(self._handler)

    def take_logged(self) -> None:
        """Record what was logged since the last time."""
        messages, self._handler.messages = self._handler.messages, []
        for time, message, line in messages:
            if line is not None:
                self._take_fields(line, message)
            self._take("logging", message, datetime.fromtimestamp(time, UTC))

    def take_printed(self, stream: str, text: str) -> None:
        """Record what was printed to ``stream``."""
        self._take(stream, text, datetime.now(UTC))

    def read(self, text: str) -> None:
        """Record the lines of ``text``, which the test may also have printed. Its budget lines are its own."""
        self._budgets["read"] = Budgets()
        self._take("read", text, datetime.now(UTC))

    def know(self, line: str, number: int) -> None:
        """A call that the test has recorded by itself, as its ``line``, which has this ``number`` on the tape."""
        self._unread.append((number, line))

    def samples(self, lines: Iterable[str]) -> tuple[Sample, ...]:
        """What ``lines`` of ours say."""
        text = "".join(f"{line}\n" for line in lines)
        said = (sighting.said for _, sighting in self._sightings(text, Budgets()))
        return tuple(each for each in said if not isinstance(each, Unusable))

    def _take(self, way: str, text: str, now: datetime) -> None:
        lines = text.split("\n")
        for fragment, found in self._sightings(text, self._budgets[way]):
            sighting = found
            if found.key not in self._taken:
                sighting = self._seen_whole(found, fragment, lines, way) or found
            if sighting is found and not _is_cut_off(found):
                self._whole.add(_shown(fragment), found)
            seen = self._seen[f"{way}, wrapped" if sighting.wrapped else way]
            seen[sighting.key] += 1
            if seen[sighting.key] > self._taken[sighting.key]:
                self._taken[sighting.key] += 1
                self._record(sighting, now)
            else:
                self._tape.add_repeated()

    def _seen_whole(self, found: _Sighting, fragment: Fragment, lines: Sequence[str], way: str) -> _Sighting | None:
        """What was seen whole before and is broken in ``fragment``, the following ``lines`` being its rest.

        Without its rest, it must be cut off behind both counts, and not have been seen in this way; and no line that
        follows may look like the rest of another call.
        """
        if not fragment.ended:
            return None
        shown = _shown(fragment)
        following = lines[fragment.line : fragment.line + _MOST_LINES]
        whole = self._whole.continued(shown, following)
        if whole is None and _is_cut_off(found) and begun(fragment) is not None and not _may_go_on(following):
            ways = (self._seen[way], self._seen[f"{way}, wrapped"])
            candidates = self._whole.begun_by(shown)
            whole = next(
                (each for each in candidates if sum(seen[each.key] for seen in ways) < self._taken[each.key]), None
            )
        return None if whole is None else replace(whole, wrapped=True)

    def _record(self, sighting: _Sighting, now: datetime) -> None:
        if isinstance(sighting.said, Unusable):
            self._tape.add_unusable(sighting.said.reason)
        elif self._claimed(sighting.said) is not None:
            self._tape.add_repeated()
        else:
            self._tape.add(_line(sighting.said, sighting.time or now))

    def _claimed(self, sample: Sample) -> int | None:
        """The number of the call that the test has recorded by itself and that ``sample`` tells of.

        Each is told of once. What ``sample`` knows and the test did not say is added to it.
        """
        for number, line in self._unread:
            for each in self.samples([line]):
                self._own.setdefault(number, (line, each))
                self._known.add(each, number)
        self._unread.clear()
        claimed = self._known.claim(sample, lambda number: self._can_add(number, sample))
        if claimed is not None:
            line, known = self._own[claimed]
            if new := _more(known, sample):
                line = own_format.completed(line, new)
                self._own[claimed] = line, known
                self._tape.replace(claimed, line)
        return claimed

    def _can_add(self, number: int, sample: Sample) -> bool:
        """True if nothing is lost where ``sample`` is left out for the call with ``number``."""
        line, known = self._own[number]
        return not _more(known, sample) or self._tape.replace(number, line)

    def _take_fields(self, line: str, message: str) -> None:
        """Record what was logged with ``extra={"token_telemetry": {...}}``. Its ``message`` may tell it too."""
        if not line:
            self._tape.add_unusable("a logged call has a field that cannot be")
            return
        number = self._claimed(self.samples([line])[0])
        if number is None:
            number = self._tape.add(line)
        else:
            self._tape.add_repeated()
        if _may_tell(message):
            self.know(line, number)

    def _sightings(self, text: str, budgets: Budgets) -> Iterator[tuple[Fragment, _Sighting]]:
        raw = text if text.endswith("\n") else f"{text}\n"
        for fragment in self._scanner.fragments_of(iter((raw.encode("utf-8", "replace"),))):
            said = parse(fragment)
            if isinstance(said, Budget):
                budgets.add(said, fragment.line)
            elif isinstance(said, Unusable):
                yield fragment, _Sighting(_shown(fragment).rstrip(), said)
            elif said is not None:
                time = said.sample.time if is_own(fragment) else None
                sample = budgets.join(said.sample, fragment.line)
                yield fragment, _Sighting(_key(said.sample), sample, time and time.replace(tzinfo=UTC))


class _Handler(logging.Handler):
    """Keeps the messages that may hold telemetry."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[tuple[float, str, str | None]] = []

    def emit(self, log_record: logging.LogRecord) -> None:
        fields = getattr(log_record, ATTRIBUTE, None)
        try:
            message = log_record.getMessage()
        except Exception:  # arguments that do not fit: the program's own handlers tell about it
            message = ""
        if fields is not None or _may_tell(message):
            self.messages.append((log_record.created, message, None if fields is None else _line_of(fields)))


def _line_of(fields: object) -> str:
    """``fields`` as a line of ours, made at once: a program may use them again. Empty if they cannot be one."""
    try:
        return own_format.line(**fields)  # type: ignore[arg-type] # refused there
    except Exception:  # logging's own contract: a handler never breaks the program
        return ""


def _may_tell(message: str) -> bool:
    """True if ``message`` may hold telemetry."""
    return any(needle in message for needle in _NEEDLES)


_NEEDLES = [*(needle.decode() for needle in NEEDLES), "\x1b", "\\u00"]
"""What a message with a record has, in any spelling and colour."""


_MOST_LINES = 300
"""Lines that a broken record can take: more than it has letters."""


def _is_cut_off(sighting: _Sighting) -> bool:
    return isinstance(sighting.said, Unusable) and sighting.said.cut_off


def _may_go_on(following: Sequence[str]) -> bool:
    """True if the first lines ``following`` a record may hold its rest, however narrow they are."""
    rest = takewhile(lambda line: not _may_tell(line), following[:3])
    return any("=" in line for line in rest)


def _shown(fragment: Fragment) -> str:
    """The text of ``fragment``, from its tag on, on its line."""
    return (fragment.tag + bytes(fragment.after).partition(b"\n")[0]).decode("utf-8", "replace")


def _key(sample: Sample) -> tuple[object, ...]:
    """What ``sample`` says by fields of ours. Other words may come from a formatter."""
    return tuple(getattr(sample, name) for name, field in FIELDS.items() if field.kind not in ("time", "features"))


def _more(known: Sample, sample: Sample) -> dict[str, object]:
    """What ``sample`` says of a call that ``known``, a record of the same call, does not."""
    return {
        name: value for name in _ADDED if getattr(known, name) is None and (value := getattr(sample, name)) is not None
    }


_ADDED = [
    name
    for name, field in FIELDS.items()
    if field.in_line and field.kind in ("count", "flag", "name", "word") and not field.needed and field.unknown is None
]
"""What is added to a call. Why it ended is not: all that follows from that is ``truncated``."""


def _line(sample: Sample, time: datetime) -> str:
    """``sample`` as a line of ours. Log lines do not tell their time zone: their ``time`` is when they were seen."""
    known = {name: value for name in own_format.WRITTEN if (value := getattr(sample, name)) != FIELDS[name].unknown}
    call = {**known, "time": time, "finish_reason": sample.finish_reason_raw}
    try:
        return own_format.line(**call)
    except ValueError:  # JSON may need more room for features than the log did: the call counts without them
        return own_format.line(**{**call, "features": None})
