"""The samples of some files on their way into columns, and by what copies of them are known."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from pytest_token_telemetry.sample import FIELDS, MOST_TOKENS
from pytest_token_telemetry.samples import SamplesBuilder, narrowest, stored
from pytest_token_telemetry.sources.emitted import Emitted
from pytest_token_telemetry.sources.keys import KeyColumn, Keys
from pytest_token_telemetry.sources.outcomes import OutcomesBuilder
from pytest_token_telemetry.sources.places import Place
from pytest_token_telemetry.sources.tagged.digests import DigestColumn, digests, digests_of, encoded, one_text
from pytest_token_telemetry.sources.uncounted import no_ends, packed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.samples import Integers, Mask, Narrow, Samples
    from pytest_token_telemetry.sources.emitted import Emission
    from pytest_token_telemetry.sources.places import Within
    from pytest_token_telemetry.sources.tagged.byte_words import Text
    from pytest_token_telemetry.sources.tagged.digests import Digests
    from pytest_token_telemetry.sources.tagged.records import Ended, RecordError
    from pytest_token_telemetry.sources.uncounted import Ends

PLACES_KEPT = 3
"""How many lines of each kind of unusable line are kept, by file."""

_NOT_EMITTED = Emitted()

MOST_PLACES = 1000
"""Names that no field takes which are kept."""

MOST_BEGUN = 1000
"""Cut-off lines of each kind, by file, whose beginnings are kept."""


Remark: TypeAlias = Literal[
    "without_request",
    "requests_differ",
    "without_call",
    "several_calls",
    "without_prediction",
    "maps_without_file",
    "rows_without_id",
    "outputs_differ",
]
"""What could not be joined: a result of a batch without a request, or with several that differ, so that its cap is
unknown; a row of a side file without a call, a prediction of one that names several calls, or a side file without any
prediction; a row of a database without an id, which a log may tell of too; an id that records of two formats have, with
different counts of output tokens, so that they are two calls."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """Lines of one file that should be samples and cannot be, for one reason."""

    file: int
    reason: str
    count: int
    lines: tuple[int, ...]
    """The first `PLACES_KEPT`."""
    begun: tuple[tuple[int, Sample], ...] = ()
    """What the first `MOST_BEGUN` say that are cut off, each with its line."""
    ends: Ends = field(default_factory=no_ends)
    """How the calls ended that say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """By what copies of samples are known, one entry a row."""

    digest: Digests
    """That of the identity, of shape ``(rows, 2)``; 0 if there is none."""
    known: Mask
    """Whether there is one."""
    own: Mask
    """Whether the line is of our own format."""
    among_others: Mask
    """Whether it is one in a file of another format."""
    id: npt.NDArray[np.uint64]
    """The hash of the call's own id; 0 without one, and without an identity."""
    ids: dict[int, str]
    """By row: the id itself, if it is to be kept."""
    keys: Keys = field(default_factory=Keys)
    """By what side files name the calls, if they are to be joined."""
    emitted: Emitted = field(default_factory=Emitted)
    """By what other traces tell of the calls."""

    def take(self, rows: Integers) -> Identities:
        """Those of ``rows``, in that order."""
        new = {old: at for at, old in enumerate(rows.tolist())} if self.ids else {}
        return Identities(
            digest=self.digest[rows],
            known=stored(self.known[rows]),
            own=stored(self.own[rows]),
            among_others=stored(self.among_others[rows]),
            id=stored(self.id[rows]),
            ids={new[row]: id for row, id in self.ids.items() if row in new},
            keys=self.keys.take(rows, len(self.known)),
            emitted=self.emitted.take(rows, len(self.known)),
        )

    @staticmethod
    def joined(parts: Sequence[Identities]) -> Identities:
        """Those of all ``parts``, one after the other."""
        begins = np.cumsum([0, *(len(part.known) for part in parts)]).tolist()
        return Identities(
            digest=np.concatenate([digests_of([]), *(part.digest for part in parts)]),
            known=np.concatenate([np.empty(0, np.bool_), *(part.known for part in parts)]),
            own=np.concatenate([np.empty(0, np.bool_), *(part.own for part in parts)]),
            among_others=np.concatenate([np.empty(0, np.bool_), *(part.among_others for part in parts)]),
            id=np.concatenate([np.empty(0, np.uint64), *(part.id for part in parts)]),
            ids={
                begin + row: each for begin, part in zip(begins, parts, strict=False) for row, each in part.ids.items()
            },
            keys=Keys.joined([part.keys for part in parts], begins),
            emitted=Emitted.joined([part.emitted for part in parts], begins),
        )


@dataclass(frozen=True, slots=True)
class AbsorbedRecords:
    """The records that samples of their files tell of as well: they are no calls of their own."""

    file: Narrow
    """The index of the file of each, of shape ``(records,)``; those without an identity aside."""
    head: npt.NDArray[np.uint64]
    """The first half of the digest of each one's identity."""
    above: tuple[tuple[int, int], ...] = ()
    """Those that stand above the part of the file that was read: each one's line, 0 or less, and its output tokens."""

    @staticmethod
    def joined(parts: Sequence[AbsorbedRecords]) -> AbsorbedRecords:
        """Those of all ``parts``."""
        files = np.concatenate([np.empty(0, np.int8), *(part.file for part in parts)])
        return AbsorbedRecords(stored(files), np.concatenate([np.empty(0, np.uint64), *(part.head for part in parts)]))


class Absorptions(NamedTuple):
    """Which rows tell of the same calls as which others."""

    absorbed: Integers
    by: Integers
    """The row that stays, for each of those."""


class Ids(NamedTuple):
    """The calls' own ids, of those rows that have one."""

    rows: Integers
    hashes: npt.NDArray[np.uint64]
    """Of the ids, never 0."""
    text: bytes
    """The text in which they stand."""
    begins: Integers
    ends: Integers

    @staticmethod
    def within(text: Text, begins: Integers, ends: Integers, rows: Integers) -> Ids:
        """The ids of ``rows`` that stand in ``text``."""
        return Ids(rows, digests(text, begins, ends)[:, 0] | np.uint64(1), text.text, begins, ends)

    def texts(self) -> Iterator[tuple[int, str]]:
        """The rows, each with its id."""
        columns = (self.rows.tolist(), self.begins.tolist(), self.ends.tolist())
        return ((row, self.text[begin:end].decode()) for row, begin, end in zip(*columns, strict=True))


class Rows:
    """What a source gives the samples of its files to. It may give them in any order of files and lines."""

    def __init__(self, *, keeps_keys: bool = False) -> None:
        self.keeps_keys = keeps_keys
        """Whether side files are to be joined."""
        self.file = -1
        """The index of the file that is read."""
        self._before = 0
        self._blocks: list[_Block] = []
        self._single = SamplesBuilder()
        self._digests = DigestColumn()
        self._known: list[bool] = []
        self._places: list[int] = []
        self._own: list[bool] = []
        self._among_others: list[int] = []
        self._waits: list[bool] = []
        self._ids: dict[int, str] = {}
        self._keys = KeyColumn()
        self._unusable = KeyColumn()
        self._emissions: list[Emission | None] = []
        self._complaints: dict[tuple[int, str], _Lines] = defaultdict(_Lines)
        self.mentions: Counter[int] = Counter()
        """How many tags without a record each file has; 0 for one with records that say something about samples."""
        self.skipped: Counter[tuple[int, str]] = Counter()
        """By file and reason: how many records are no sample, and should be none."""

        self.remarks: Counter[Remark] = Counter()
        """How many could not be joined, by why."""

        self.outcomes = OutcomesBuilder()
        """Requests, and which of them were answered, where these stand in files of their own."""

        self.places: Counter[Place] = Counter()
        """Where maps looked for fields in vain, by records; and what stands where no field is looked for, by files."""

    def begin_file(self, before: int = 0) -> None:
        """Go on with the next file. Its first lines, so many as ``before``, are read for what they tell of the rest."""
        self.file += 1
        self._before = before

    def add(
        self,
        sample: Sample,
        identity: str | None,
        line: int,
        *,
        place: int = 0,
        file: int | None = None,
        own: bool = False,
        among_others: bool = False,
        waits: bool = False,
        keys: Sequence[str] = (),
        emission: Emission | None = None,
    ) -> None:
        """Add a sample.

        Args:
            sample: what the record says.
            identity: what is the same in every copy of the record; ``None``: it is never taken for a copy.
            line: the record's line in its file, from 1.
            place: which record of its line it is, from 0.
            file: the index of the file, if it is not the one that is read.
            own: whether it is a line of our own format.
            among_others: whether it is one in a file of another format.
            waits: whether it is none if another one absorbs it: see `build`.
            keys: by what side files may name the call beside its own id, the nearest first: see `keys`.
            emission: by what another trace may tell of the call.

        Raises:
            ValueError: one of its counts is none.
        """
        for name in _COUNTS:
            count = getattr(sample, name)
            if count is not None and not 0 <= count <= MOST_TOKENS:
                raise ValueError(f"{name} of a sample is {count}")
        row = self._single.add(sample, self.file if file is None else file, line)
        self._digests.add(encoded(identity or ""))
        self._known.append(identity is not None)
        self._places.append(place)
        self._own.append(own)
        if among_others:
            self._among_others.append(row)
        self._waits.append(waits)
        self._emissions.append(emission)
        if own and identity is not None and sample.id is not None:
            self._ids[row] = sample.id
        if self.keeps_keys:
            self._keys.add(row, (sample.id or "", *keys))

    def add_block(
        self,
        samples: Samples,
        digests: Digests,
        *,
        known: Mask | None = None,
        places: Integers | None = None,
        waits: bool = False,
        emitted: Emitted = _NOT_EMITTED,
    ) -> None:
        """Add the samples of many records, which know their files and lines, each with the digest of its identity.

        Args:
            samples: what the records say.
            digests: of shape ``(samples, 2)``.
            known: which have an identity, of shape ``(samples,)``; ``None``: all.
            places: which record of its line each is, from 0, of that shape; ``None``: the only one.
            waits: as for `add`, of all of them.
            emitted: by what other traces may tell of them.
        """
        if known is None:
            known = np.broadcast_to(True, len(samples))
        self._blocks.append(_Block(samples, digests, known, False, _ids({}), waits, places, emitted))

    def add_own_block(
        self,
        samples: Samples,
        digests: Digests,
        known: Mask,
        ids: Ids,
        *,
        places: Integers | None = None,
        emitted: Emitted = _NOT_EMITTED,
    ) -> None:
        """Add the samples of many lines of our own format, or of others that are known by the calls' own ids alike.

        Args:
            samples: they know their files and lines.
            digests: that of the identity of each, of shape ``(samples, 2)``; 0 without one.
            known: which have an identity.
            ids: the calls' own ids.
            places: as for `add_block`.
            emitted: as for `add_block`.
        """
        self._blocks.append(_Block(samples, digests, known, True, ids, places=places, emitted=emitted))

    def complain(
        self,
        reason: str,
        line: int,
        *,
        file: int | None = None,
        begun: Sample | None = None,
        ended: Ended | None = None,
        keys: Sequence[str] = (),
    ) -> None:
        """Count a ``line`` that should be a sample and cannot be.

        What it has ``begun`` to say is kept, and how its call ``ended`` if it says that.
        ``keys``: by what side files may name its call.
        """
        if self.keeps_keys:
            self._unusable.add(0, (*keys, "" if ended is None else ended.identity or ""))
        if line > self._before:
            self._complaints[self.file if file is None else file, reason].add(line - self._before, begun, ended)

    def expect(self, key: str) -> None:
        """Remember by what side files may name a call that was asked for, and may have no outcome."""
        if self.keeps_keys:
            self._unusable.add(0, (key,))

    def refuse(self, error: RecordError, line: int, keys: Sequence[str] = ()) -> None:
        """Count a ``line`` for which there is this ``error``: see `complain`."""
        self.complain(str(error), line, ended=error.ended, keys=keys)

    def mention(self, line: int, *, file: int) -> None:
        """Count a tag in a ``line`` that only talks about it."""
        if line > self._before:
            self.mentions[file] += 1

    def know(self, files: Iterable[int]) -> None:
        """Remember that ``files`` hold something known, even if it is not a sample."""
        for file in files:
            self.mentions[file] += 0

    def note(self, slips: Iterable[tuple[str, str]]) -> None:
        """Count keys of the metadata of one call that no field takes, each with the field that it may be or nothing."""
        self._note(slips, "metadata")

    def note_in_line(self, slips: Iterable[tuple[str, str]], line: int) -> None:
        """Count keys of a ``line`` of our own format that no field takes, each with the field that it may be."""
        if line > self._before:
            self._note(slips, "line")

    def _note(self, slips: Iterable[tuple[str, str]], within: Within) -> None:
        for key, field_meant in slips:
            place = Place("column", "", field_meant, key, within)
            if place in self.places or len(self.places) < MOST_PLACES:
                self.places[place] += 1

    def skip(self, reason: str, count: int = 1) -> None:
        """Count records that should be no sample. A file of nothing else is one that holds nothing known."""
        self.skipped[self.file, reason] += count

    def complaints(self) -> tuple[Complaint, ...]:
        """The complaints, in the order of their files."""
        return tuple(
            Complaint(file, reason, each.count, tuple(each.first()), each.begun(), each.ends)
            for (file, reason), each in sorted(self._complaints.items(), key=lambda item: item[0])
        )

    def unusable_keys(self) -> npt.NDArray[np.uint64]:
        """Give the hashes of the keys of calls that cannot be used, if side files are to be joined."""
        return self._unusable.build().hash

    def build(
        self, *, complete: Iterable[Callable[[SamplesBuilder, Integers, Mask], Absorptions | None]], keep_ids: bool
    ) -> tuple[Samples, Identities, AbsorbedRecords]:
        """All samples in the order of files, lines and places, their identities, and what was absorbed.

        Args:
            complete: each adds what records that wait say about other samples, and names those that these absorb. It is
                given the samples, their rows in order, and which of these wait.
            keep_ids: whether to keep the calls' own ids.
        """
        single = self._single.build()
        n = len(single)
        last = _Block(single, self._digests.build(), np.array(self._known, np.bool_), False, _ids(self._ids))
        last = last._replace(emitted=Emitted.of(self._emissions))
        parts = [*self._blocks, last]
        begins = np.cumsum([0, *(len(part.samples) for part in parts)]).tolist()
        samples = SamplesBuilder([part.samples for part in parts])
        places = np.zeros(len(samples), np.int64)
        for begin, part in zip(begins, self._blocks, strict=False):
            if part.places is not None:
                places[begin : begin + len(part.places)] = part.places
        places[len(samples) - n :] = self._places
        known = np.concatenate([part.known for part in parts])
        own = np.concatenate(
            [*(np.full(len(part.samples), part.own) for part in self._blocks), np.array(self._own, np.bool_)]
        )
        among_others = np.zeros(len(samples), np.bool_)
        among_others[len(samples) - n + np.array(self._among_others, np.int64)] = True
        waits = np.concatenate(
            [*(np.full(len(part.samples), part.waits) for part in self._blocks), np.array(self._waits, np.bool_)]
        )
        id = np.zeros(len(samples), np.uint64)
        for begin, part in zip(begins, parts, strict=False):
            id[begin + part.ids.rows] = part.ids.hashes
        digest = np.concatenate([part.digest for part in parts])
        digest[~known] = 0
        order = np.lexsort((places, samples.column("line"), samples.column("file")))
        found = [absorptions for add in complete if waits.any() and (absorptions := add(samples, order, waits[order]))]
        absorbed = self._absorbed(samples, digest, found)
        if found:
            stays = np.ones(len(samples), np.bool_)
            for absorptions in found:
                stays[absorptions.absorbed] = False
            order = order[stays[order]]
        ids = {}
        if keep_ids:
            new = np.empty(len(samples), np.int64)
            new[order] = np.arange(len(order))
            for begin, part in zip(begins, parts, strict=False):
                ids.update({int(new[begin + row]): text for row, text in part.ids.texts()})
        identities = Identities(
            digest=digest[order],
            known=stored(known[order]),
            own=stored(own[order]),
            among_others=stored(among_others[order]),
            id=stored(id[order]),
            ids=ids,
            keys=self._built_keys(begins).take(order, len(samples)),
            emitted=Emitted.joined([part.emitted for part in parts], begins).take(order, len(samples)),
        )
        if not self._before:
            return samples.build(order), identities, absorbed
        rows = np.flatnonzero(samples.column("line")[order] > self._before)
        built = samples.build(order[rows])
        lines = built.line.astype(np.int64) - self._before
        return replace(built, line=narrowest(lines)), identities.take(rows), absorbed

    def _built_keys(self, begins: Sequence[int]) -> Keys:
        """The keys of all rows, in any order, by the rows at which blocks begin."""
        if not self.keeps_keys:
            return Keys()
        ids = (part.ids for part in self._blocks)
        of_blocks = (Keys(each.rows, each.hashes, np.zeros(len(each.rows), np.int8)) for each in ids)
        return Keys.joined([*of_blocks, self._keys.build()], begins)

    def _absorbed(self, samples: SamplesBuilder, digest: Digests, found: Sequence[Absorptions]) -> AbsorbedRecords:
        """The records that samples below the lines read ``before`` absorb."""
        rows, by = (
            np.concatenate([np.empty(0, np.int64), *each])
            for each in ([absorptions.absorbed for absorptions in found], [absorptions.by for absorptions in found])
        )
        lines, outputs = samples.column("line"), samples.column("output_tokens")
        rows = rows[lines[by] > self._before]
        said = ((lines.item(row) - self._before, outputs.item(row)) for row in rows[lines[rows] <= self._before])
        rows = rows[digest[rows, 0] != 0]
        return AbsorbedRecords(stored(narrowest(samples.column("file")[rows])), digest[rows, 0], tuple(said))


def timed(digests: Digests, times: npt.NDArray[np.datetime64]) -> Digests:
    """Mix ``times`` into ``digests``: a stand-in for a model gives every call the same id."""
    mixed: Digests = digests + times.astype("datetime64[us]").view(np.uint64)[:, np.newaxis] * _MIX
    return mixed


_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(slots=True)
class _Lines:
    """How many lines there are, and the first of them, in whatever order they come."""

    count: int = 0
    _kept: list[int] = field(default_factory=list)
    _begun: list[tuple[int, Sample]] = field(default_factory=list)
    ends: Ends = field(default_factory=no_ends)

    def add(self, line: int, begun: Sample | None, ended: Ended | None) -> None:
        self.count += 1
        if ended is not None:
            self.ends.append(packed(ended))
        if begun is not None:
            self._begun.append((line, begun))
            if len(self._begun) > 2 * MOST_BEGUN:
                self._begun = list(self.begun())
        self._kept.append(line)
        if len(self._kept) > 100 * PLACES_KEPT:
            self._kept = self.first()

    def begun(self) -> tuple[tuple[int, Sample], ...]:
        return tuple(sorted(self._begun, key=lambda each: each[0])[:MOST_BEGUN])

    def first(self) -> list[int]:
        return sorted(self._kept)[:PLACES_KEPT]


class _Block(NamedTuple):
    """Samples that came together, with the fields of `Identities`."""

    samples: Samples
    digest: Digests
    known: Mask
    own: bool
    """Whether all of them are of our own format."""
    ids: Ids
    waits: bool = False
    """Whether each is none if another one absorbs it."""
    places: Integers | None = None
    """Which record of its line each is; ``None``: the only one."""
    emitted: Emitted = _NOT_EMITTED
    """By what other traces may tell of them."""


def _ids(ids: dict[int, str]) -> Ids:
    """The ``ids`` of some rows."""
    text, bounds = one_text([*ids.values()])
    return Ids.within(text, bounds[:-1], bounds[1:], np.array([*ids], np.int64))


_COUNTS = [name for name, field in FIELDS.items() if field.kind == "count"]
