"""Telemetry lines that the code under test logs or prints: what they say, and which are the same call."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import fields as fields_of
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pytest_token_telemetry.recording import record
from pytest_token_telemetry.recording.writer import ATTRIBUTE
from pytest_token_telemetry.sources.budgets import Budgets
from pytest_token_telemetry.sources.formats import parse, telemetry_scanner
from pytest_token_telemetry.sources.recorded import KnownCalls
from pytest_token_telemetry.sources.records import Budget, Unusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_token_telemetry.recording.tape import Tape
    from pytest_token_telemetry.sample import Sample


@dataclass(frozen=True, slots=True)
class _Sighting:
    """One telemetry line, seen in one way: logged, or printed to one of the streams."""

    key: object
    """The same however the line is seen: a formatter may have put something before it and behind it."""
    said: Sample | Unusable


class Capture:
    """Records the telemetry lines of one test after another.

    A line that is seen in several ways, as where a handler prints what is logged, is as many calls as the way that saw
    it most often has seen. A line of a call that the test recorded by itself is left out.
    """

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._scanner = telemetry_scanner()
        self._handler = _Handler()
        self.begin_test()

    def begin_test(self) -> None:
        """Forget what was seen in the test before."""
        self._known = KnownCalls()
        self._unread: list[str] = []
        self._seen: dict[str, Counter[object]] = defaultdict(Counter)
        self._taken: Counter[object] = Counter()
        self._budgets: dict[str, Budgets] = defaultdict(Budgets)

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Catch what reaches the root logger."""
        root = logging.getLogger()
        root.addHandler(self._handler)
        try:
            yield
        finally:
            root.removeHandler(self._handler)

    def take_logged(self) -> None:
        """Record what was logged since the last time."""
        messages, self._handler.messages = self._handler.messages, []
        for time, message, fields in messages:
            if fields is not None:
                self._take_fields(fields, message)
            self._take("logging", message, datetime.fromtimestamp(time, UTC))

    def take_printed(self, stream: str, text: str) -> None:
        """Record what was printed to ``stream``."""
        self._take(stream, text, datetime.now(UTC))

    def read(self, text: str) -> None:
        """Record the lines of ``text``, each of which is a call of its own unless the test has recorded it already."""
        now = datetime.now(UTC)
        for sighting in self._sightings(text, Budgets()):
            self._record(sighting, now)

    def know(self, line: str) -> None:
        """A call that the test has recorded by itself, as its ``line``."""
        self._unread.append(line)

    def samples(self, lines: Iterable[str]) -> tuple[Sample, ...]:
        """What ``lines`` of ours say."""
        text = "".join(f"{line}\n" for line in lines)
        return tuple(each.said for each in self._sightings(text, Budgets()) if not isinstance(each.said, Unusable))

    def _take(self, way: str, text: str, now: datetime) -> None:
        for sighting in self._sightings(text, self._budgets[way]):
            seen = self._seen[way]
            seen[sighting.key] += 1
            if seen[sighting.key] > self._taken[sighting.key]:
                self._taken[sighting.key] += 1
                self._record(sighting, now)
            else:
                self._tape.add_repeated()

    def _record(self, sighting: _Sighting, now: datetime) -> None:
        for sample in self.samples(self._unread):
            self._known.add(sample)
        self._unread.clear()
        if isinstance(sighting.said, Unusable):
            self._tape.add_unusable(sighting.said.reason)
        elif self._known.claim(sighting.said) is not None:
            self._tape.add_repeated()
        else:
            self._tape.add(_line(sighting.said, now))

    def _take_fields(self, fields: object, message: str) -> None:
        """Record what was logged with ``extra={"token_telemetry": {...}}``. Its ``message`` may tell it too."""
        try:
            line = record.line(**fields)  # type: ignore[arg-type] # refused there
        except (TypeError, ValueError):
            self._tape.add_unusable("a logged call has a field that cannot be")
        else:
            self._record(_Sighting(line, self.samples([line])[0]), datetime.now(UTC))
            if _may_tell(message):
                self.know(line)

    def _sightings(self, text: str, budgets: Budgets) -> Iterator[_Sighting]:
        raw = text if text.endswith("\n") else f"{text}\n"
        for fragment in self._scanner.fragments_of(iter((raw.encode("utf-8", "replace"),))):
            said = parse(fragment)
            if isinstance(said, Budget):
                budgets.add(said, fragment.line)
            elif said is not None:
                if isinstance(said, Unusable):
                    yield _Sighting((fragment.tag + fragment.after).rstrip(), said)
                else:
                    yield _Sighting(_key(said.sample), budgets.join(said.sample, fragment.line))


class _Handler(logging.Handler):
    """Keeps the messages that may hold telemetry."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[tuple[float, str, object]] = []

    def emit(self, log_record: logging.LogRecord) -> None:
        fields = getattr(log_record, ATTRIBUTE, None)
        try:
            message = log_record.getMessage()
        except Exception:  # arguments that do not fit: the program's own handlers tell about it
            message = ""
        if fields is not None or _may_tell(message):
            self.messages.append((log_record.created, message, fields))


_MARKS = ("[TokenEstimation", "[TOKEN_BUDGET]", record.SCHEMA)


def _may_tell(message: str) -> bool:
    """True if ``message`` may hold telemetry."""
    return any(mark in message for mark in _MARKS)


def _key(sample: Sample) -> tuple[object, ...]:
    """What ``sample`` says by fields of ours. Other words may come from a formatter."""
    return tuple(getattr(sample, each.name) for each in fields_of(sample) if each.name not in ("time", "features"))


def _line(sample: Sample, now: datetime) -> str:
    """``sample`` as a line of ours. Its time is when it was seen: log lines do not tell their time zone."""
    names = record.FIELDS - {"id", "time", "finish_reason"}
    fields = {name: getattr(sample, name) for name in names}
    if not sample.legacy:
        del fields["legacy"]
    return record.line(time=now, finish_reason=sample.finish_reason_raw, features=sample.features, **fields)
