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
from pytest_token_telemetry.sources import native
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
    time: datetime | None = None
    """When the call was, where the line tells it with its time zone."""


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
        if isinstance(sighting.said, Unusable):
            self._tape.add_unusable(sighting.said.reason)
        elif self._is_known(sighting.said):
            self._tape.add_repeated()
        else:
            self._tape.add(_line(sighting.said, sighting.time or now))

    def _is_known(self, sample: Sample) -> bool:
        """True if ``sample`` tells of a call that the test has recorded by itself, each of which is told of once."""
        for each in self.samples(self._unread):
            self._known.add(each)
        self._unread.clear()
        return self._known.claim(sample) is not None

    def _take_fields(self, line: str, message: str) -> None:
        """Record what was logged with ``extra={"token_telemetry": {...}}``. Its ``message`` may tell it too."""
        if not line:
            self._tape.add_unusable("a logged call has a field that cannot be")
            return
        if any(self._is_known(sample) for sample in self.samples([line])):
            self._tape.add_repeated()
        else:
            self._tape.add(line)
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
                    time = said.sample.time if fragment.tag == native.TAG else None
                    sample = budgets.join(said.sample, fragment.line)
                    yield _Sighting(_key(said.sample), sample, time and time.replace(tzinfo=UTC))


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
        return record.line(**fields)  # type: ignore[arg-type] # refused there
    except Exception:  # logging's own contract: a handler never breaks the program
        return ""


_MARKS = ("[TokenEstimation", "[TOKEN_BUDGET]", record.SCHEMA)


def _may_tell(message: str) -> bool:
    """True if ``message`` may hold telemetry."""
    return any(mark in message for mark in _MARKS)


def _key(sample: Sample) -> tuple[object, ...]:
    """What ``sample`` says by fields of ours. Other words may come from a formatter."""
    return tuple(getattr(sample, each.name) for each in fields_of(sample) if each.name not in ("time", "features"))


def _line(sample: Sample, time: datetime) -> str:
    """``sample`` as a line of ours. Log lines do not tell their time zone: their ``time`` is when they were seen."""
    fields = {name: getattr(sample, name) for name in sorted(record.FIELDS - {"time", "finish_reason"})}
    if not sample.legacy:
        del fields["legacy"]
    try:
        return record.line(time=time, finish_reason=sample.finish_reason_raw, features=sample.features, **fields)
    except ValueError:  # JSON may need more room for features than the log did: the call counts without them
        return record.line(time=time, finish_reason=sample.finish_reason_raw, **fields)
