"""What others tell of a test's calls: telemetry lines that are logged or printed, and spans; and which are one call."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import takewhile
from typing import TYPE_CHECKING

from pytest_token_telemetry.recording.wrapped import WholeLines
from pytest_token_telemetry.recording.writer import ATTRIBUTE
from pytest_token_telemetry.sample import FIELDS, are_one_model
from pytest_token_telemetry.sources import own_format
from pytest_token_telemetry.sources.recorded import KnownCalls
from pytest_token_telemetry.sources.tagged.begun import begun
from pytest_token_telemetry.sources.tagged.budgets import Budgets
from pytest_token_telemetry.sources.tagged.formats import NEEDLES, is_own, parse, telemetry_scanner
from pytest_token_telemetry.sources.tagged.records import Budget, Unusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_token_telemetry.recording.spans import Told, Uncounted
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


class _Witness:
    """Calls on the tape that lines, or spans, may tell of once more: each once."""

    def __init__(self) -> None:
        self.unread: list[tuple[int, str]] = []
        self.calls = KnownCalls()
        self.of_id: dict[tuple[str, int | None], dict[int, None]] = defaultdict(dict)
        """The numbers of calls that were not told of yet, by their ids, with their outputs and with any output."""
        self.ids: Counter[str] = Counter()
        """How many calls have this id."""
        self.told: Counter[str] = Counter()
        """How many records of it have this id."""

    def add(self, number: int, sample: Sample) -> None:
        """Add a call."""
        self.calls.add(sample, number)
        if sample.id is not None:
            self.ids[sample.id] += 1
            for output in (sample.output_tokens, None):
                self.of_id[sample.id, output][number] = None

    def tell(self, number: int, sample: Sample) -> None:
        """Know that a call was told of."""
        if sample.id is not None:
            for output in (sample.output_tokens, None):
                self.of_id[sample.id, output].pop(number, None)


class Capture:
    """Records the telemetry lines, and spans, of one test after another.

    A line that is seen in several ways, as where a handler prints what is logged, is as many calls as the way that saw
    it most often has seen. So is one that a handler has broken to fit a width, if it was seen whole before. A line of a
    call that the test recorded by itself is left out; so is a span of it, and a line of a call that a span told of.
    """

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._scanner = telemetry_scanner()
        self._handler = _Handler()
        self.begin_test()

    def begin_test(self) -> None:
        """Forget what was seen in the test before."""
        self._lines, self._spans = _Witness(), _Witness()
        self._lost = 0
        self._held: list[int] = []
        self._uncounted: list[Uncounted] = []
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
        self._lines.unread.append((number, line))
        self._spans.unread.append((number, line))

    def lose(self, reason: str) -> None:
        """Count a call that the test would have recorded, had it not failed for this ``reason``."""
        self._tape.add_unusable(reason)
        self._lost += 1

    def held(self) -> None:
        """Know that an exception held the call that was recorded last: its span may know no more than a failure."""
        self._held += [number for number, _ in self._spans.unread[-1:]]

    def take_spans(self, told: Told) -> None:
        """Record what was ``told`` by spans. What they did not count waits for `settle`."""
        self._catch_up(self._spans)
        self._spans.told.update(each.id for each in told.samples if each.id is not None)
        others = [each for each in told.samples if self._claimed(each, self._spans) is None]
        again = told.again + len(told.samples)
        for sample in others:
            if self._claimed_by_id(sample) is None:
                again -= 1
                line = _line(sample, (sample.time or datetime.now(UTC)).replace(tzinfo=UTC))
                self._lines.unread.append((self._tape.add(line), line))
        self._uncounted += told.unusable
        self._repeat(again)

    def settle(self) -> None:
        """Count the calls of which spans have no count, and that the test neither recorded, nor lost, nor logged."""
        self._catch_up(self._spans)
        uncounted, self._uncounted = self._uncounted, []
        for each in uncounted:
            if (number := self._failed(each.id)) is not None or (number := self._counted(each)) is not None:
                self._spans.tell(number, self._own[number][1])
                self._repeat(1)
            elif self._lost:
                self._lost -= 1
                self._repeat(1)
            else:
                self._tape.add_unusable(each.reason, each.ended)

    def _repeat(self, count: int) -> None:
        for _ in range(count):
            self._tape.add_repeated()

    def _failed(self, id: str | None) -> int | None:
        """The number of the recorded call that is the failed one with this ``id``, or that an exception held."""
        if id is not None and (numbers := self._spans.of_id[id, None]):
            return next(iter(numbers))
        while self._held:
            number = self._held.pop(0)
            own = self._own[number][1].id
            if own is None or number in self._spans.of_id[own, None]:
                return number
        return None

    def _counted(self, call: Uncounted) -> int | None:
        """The number of the recorded call that may be this one, of which its span has no count, as of a stream."""
        if call.reason != own_format.NO_OUTPUT:
            return None
        return self._spans.calls.claim_first(lambda known: _may_be(known, call))

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
            self._tape.add_unusable(sighting.said.reason, sighting.said.ended)
        elif self._claimed(sighting.said, self._lines) is not None:
            self._tape.add_repeated()
        else:
            line = _line(sighting.said, sighting.time or now)
            self._spans.unread.append((self._tape.add(line), line))

    def _claimed(self, sample: Sample, witness: _Witness) -> int | None:
        """The number of the call on the tape that ``sample``, which comes from ``witness``, tells of once more.

        Each is told of once. What ``sample`` knows and the tape does not say is added to it.
        """
        self._catch_up(witness)
        claimed = witness.calls.claim(sample, lambda number: self._can_add(number, sample))
        if claimed is not None:
            witness.tell(claimed, self._own[claimed][1])
            self._add_to(claimed, sample)
        return claimed

    def _catch_up(self, witness: _Witness) -> None:
        """Read the calls that ``witness`` may tell of."""
        for number, line in witness.unread:
            for each in self.samples([line]):
                self._own.setdefault(number, (line, each))
                witness.add(number, each)
        witness.unread.clear()

    def _claimed_by_id(self, sample: Sample) -> int | None:
        """The number of the call that a span tells of with other words than the tape, known by its response's id.

        The count must be the same too, unless nothing else has that id: a stand-in for a provider gives all the same.
        """
        spans, id = self._spans, sample.id
        if id is None:
            return None
        for number in spans.of_id[id, None if spans.ids[id] == spans.told[id] == 1 else sample.output_tokens]:
            known = self._own[number][1]
            if not (sample.truncated and known.truncated is False) and self._can_add(number, sample):
                spans.tell(number, known)
                self._add_to(number, sample)
                return number
        return None

    def _add_to(self, number: int, sample: Sample) -> None:
        """Add what ``sample`` knows to the call with ``number``."""
        line, known = self._own[number]
        if new := _more(known, sample):
            line = own_format.completed(line, new)
            self._own[number] = line, known
            self._tape.replace(number, line)

    def _can_add(self, number: int, sample: Sample) -> bool:
        """True if nothing is lost where ``sample`` is left out for the call with ``number``."""
        line, known = self._own[number]
        return not _more(known, sample) or self._tape.replace(number, line)

    def _take_fields(self, line: str, message: str) -> None:
        """Record what was logged with ``extra={"token_telemetry": {...}}``. Its ``message`` may tell it too."""
        if not line:
            self._tape.add_unusable(own_format.BAD_FIELD)
            return
        number = self._claimed(self.samples([line])[0], self._lines)
        if number is None:
            number = self._tape.add(line)
            self._spans.unread.append((number, line))
        else:
            self._tape.add_repeated()
        if _may_tell(message):
            self._lines.unread.append((number, line))

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


def _may_be(known: Sample, call: Uncounted) -> bool:
    """Whether a recorded call may be one without a count: nothing contradicts, and it is not less truncated."""
    if known.truncated not in _AS_TRUNCATED[call.ended and call.ended.truncated]:
        return False
    models = [name for name in (known.model, call.model) if name is not None]
    pairs = (known.id, call.id), (known.max_tokens, call.max_tokens)
    return are_one_model(models) and all(one is None or other is None or one == other for one, other in pairs)


_AS_TRUNCATED = {None: (True, False, None), False: (False, None), True: (True,)}
"""By what a span says of whether its call was truncated: what a record of it may say, so that no truncation is lost."""


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
