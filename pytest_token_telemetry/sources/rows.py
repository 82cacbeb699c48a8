"""The samples of some files on their way into columns, and by what copies of them are known."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_token_telemetry.samples import SamplesBuilder, narrowest, stored
from pytest_token_telemetry.sources.tagged.digests import digests_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.samples import Integers, Mask, Samples
    from pytest_token_telemetry.sources.tagged.digests import Digests

PLACES_KEPT = 3
"""How many lines of each kind of unusable line are kept, by file."""

MOST_BEGUN = 1000
"""Of how many lines of each kind, by file, it is kept what they say before they are cut off."""

_AT_ONCE = 1 << 20
"""Bytes of identities that are hashed at once."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """By what copies of samples are known, one entry a row."""

    digest: Digests
    """That of the identity, of shape ``(rows, 2)``; 0 if there is none."""
    known: Mask
    """Whether there is one."""
    own: Mask
    """Whether the line is of our own format."""
    id: npt.NDArray[np.uint64]
    """The hash of the call's own id; 0 without one, and without an identity."""
    timed: Digests
    """Of those rows alone that have an id, in their order: the digest of their identity and their time."""
    ids: dict[int, str]
    """By row: the id itself, if it is to be kept."""

    def take(self, rows: Integers) -> Identities:
        """Those of ``rows``, in that order."""
        id = self.id[rows]
        timed = self.timed
        if len(timed):
            timed = timed[(np.cumsum(self.id != 0) - 1)[rows[id != 0]]]
        new = {old: at for at, old in enumerate(rows.tolist())} if self.ids else {}
        return Identities(
            digest=self.digest[rows],
            known=stored(self.known[rows]),
            own=stored(self.own[rows]),
            id=stored(id),
            timed=timed,
            ids={new[row]: id for row, id in self.ids.items() if row in new},
        )

    @staticmethod
    def joined(parts: Sequence[Identities]) -> Identities:
        """Those of all ``parts``, one after the other."""
        begins = np.cumsum([0, *(len(part.known) for part in parts)]).tolist()
        return Identities(
            digest=np.concatenate([digests_of([]), *(part.digest for part in parts)]),
            known=np.concatenate([np.empty(0, np.bool_), *(part.known for part in parts)]),
            own=np.concatenate([np.empty(0, np.bool_), *(part.own for part in parts)]),
            id=np.concatenate([np.empty(0, np.uint64), *(part.id for part in parts)]),
            timed=np.concatenate([digests_of([]), *(part.timed for part in parts)]),
            ids={
                begin + row: each for begin, part in zip(begins, parts, strict=False) for row, each in part.ids.items()
            },
        )


class Rows:
    """What a source gives the samples of its files to. It may give them in any order of files and lines."""

    def __init__(self) -> None:
        self.file = -1
        """The index of the file that is read."""
        self._before = 0
        self._blocks: list[_Block] = []
        self._single = SamplesBuilder()
        self._digests = _DigestColumn()
        self._timed = _DigestColumn()
        self._known: list[bool] = []
        self._places: list[int] = []
        self._own: list[bool] = []
        self._ids: dict[int, str] = {}
        self._complaints: dict[tuple[int, str], _Lines] = defaultdict(_Lines)
        self.mentions: Counter[int] = Counter()
        """How many tags without a record each file has; 0 for one with records that say something about samples."""

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
    ) -> None:
        """Add a sample.

        Args:
            sample: what the record says.
            identity: what is the same in every copy of the record; ``None``: it is never taken for a copy.
            line: the record's line in its file, from 1.
            place: which record of its line it is, from 0.
            file: the index of the file, if it is not the one that is read.
            own: whether it is a line of our own format.
        """
        row = self._single.add(sample, self.file if file is None else file, line)
        self._digests.add(identity or "")
        self._known.append(identity is not None)
        self._places.append(place)
        self._own.append(own)
        if own and identity is not None and sample.id is not None:
            self._ids[row] = sample.id
            self._timed.add(timed(identity, sample))

    def add_block(self, samples: Samples, digests: Digests) -> None:
        """Add the samples of many lines, which know their files and lines, each with the digest of its identity."""
        n = len(samples)
        self._blocks.append(_Block(samples, digests, np.broadcast_to(True, n), False, {}, digests_of([])))

    def add_own_block(self, samples: Samples, digests: Digests, known: Mask, ids: Sequence[str | None]) -> None:
        """Add the samples of many lines of our own format.

        Args:
            samples: they know their files and lines.
            digests: that of the identity of each, of shape ``(samples, 2)``; 0 without one.
            known: which have an identity.
            ids: the call's own id of each.
        """
        kept = {row: id for row, id in enumerate(ids) if id is not None}
        rows = list(kept)
        counts = (samples.predicted_output_tokens[rows].tolist(), samples.output_tokens[rows].tolist())
        calls = zip(*counts, kept.values(), samples.time[rows].tolist(), strict=True)
        texts = [f"id {predicted} {output} {id} at {time}".encode() for predicted, output, id, time in calls]
        self._blocks.append(_Block(samples, digests, known, True, kept, digests_of(texts)))

    def complain(self, reason: str, line: int, *, file: int | None = None, begun: Sample | None = None) -> None:
        """Count a ``line`` that should be a sample and cannot be, and keep what it has ``begun`` to say."""
        if line > self._before:
            self._complaints[self.file if file is None else file, reason].add(line - self._before, begun)

    def mention(self, line: int, *, file: int) -> None:
        """Count a tag in a ``line`` that only talks about it."""
        if line > self._before:
            self.mentions[file] += 1

    def know(self, files: Iterable[int]) -> None:
        """Keep that ``files`` have something known, even where it is no sample."""
        for file in files:
            self.mentions[file] += 0

    def complaints(self) -> tuple[Complaint, ...]:
        """The complaints, in the order of their files."""
        return tuple(
            Complaint(file, reason, each.count, tuple(each.first()), each.begun())
            for (file, reason), each in sorted(self._complaints.items(), key=lambda item: item[0])
        )

    def build(
        self, *, complete: Iterable[Callable[[SamplesBuilder, Integers, Integers], None]], keep_ids: bool
    ) -> tuple[Samples, Identities]:
        """All samples in the order of files, lines and places, and their identities.

        Args:
            complete: each adds what records say about other samples. It is given the samples, their rows in order, and
                of each of these the place in its line.
            keep_ids: whether to keep the calls' own ids.
        """
        single = self._single.build()
        n = len(single)
        last = _Block(
            single, self._digests.build(), np.array(self._known, np.bool_), False, self._ids, self._timed.build()
        )
        parts = [*self._blocks, last]
        begins = np.cumsum([0, *(len(part.samples) for part in parts)]).tolist()
        samples = SamplesBuilder([part.samples for part in parts])
        places = np.zeros(len(samples), np.int64)
        places[len(samples) - n :] = self._places
        known = np.concatenate([part.known for part in parts])
        own = np.concatenate(
            [*(np.full(len(part.samples), part.own) for part in self._blocks), np.array(self._own, np.bool_)]
        )
        ids = {begin + row: id for begin, part in zip(begins, parts, strict=False) for row, id in part.ids.items()}
        id = np.zeros(len(samples), np.uint64)
        id[list(ids)] = [_hash_of_id(text) for text in ids.values()]
        digest = np.concatenate([part.digest for part in parts])
        digest[~known] = 0
        timed = np.concatenate([part.timed for part in parts])
        order = np.lexsort((places, samples.column("line"), samples.column("file")))
        for add in complete:
            add(samples, order, places[order])
        new = np.empty(len(order), np.int64)
        new[order] = np.arange(len(order))
        at = new[list(ids)]
        identities = Identities(
            digest=digest[order],
            known=stored(known[order]),
            own=stored(own[order]),
            id=stored(id[order]),
            timed=timed[np.argsort(at)],
            ids=dict(zip(at.tolist(), ids.values(), strict=True)) if keep_ids else {},
        )
        if not self._before:
            return samples.build(order), identities
        rows = np.flatnonzero(samples.column("line")[order] > self._before)
        built = samples.build(order[rows])
        lines = built.line.astype(np.int64) - self._before
        return replace(built, line=narrowest(lines)), identities.take(rows)


def encoded(identity: str) -> bytes:
    """What is hashed of an identity."""
    return identity.encode("utf-8", "surrogatepass")


def timed(identity: str, sample: Sample) -> str:
    """The identity of a call to a stand-in, which gives every call the same id: the line with the call's time."""
    return f"{identity} at {sample.time}"


@dataclass(slots=True)
class _Lines:
    """How many lines there are, and the first of them, in whatever order they come."""

    count: int = 0
    _kept: list[int] = field(default_factory=list)
    _begun: list[tuple[int, Sample]] = field(default_factory=list)

    def add(self, line: int, begun: Sample | None) -> None:
        self.count += 1
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
    ids: dict[int, str]
    timed: Digests


class _DigestColumn:
    """The digests of texts that come one by one."""

    def __init__(self) -> None:
        self._built = [digests_of([])]
        self._texts: list[bytes] = []
        self._size = 0

    def add(self, text: str) -> None:
        """Add that of ``text``."""
        self._texts.append(encoded(text))
        self._size += len(self._texts[-1])
        if self._size > _AT_ONCE:
            self._take()

    def build(self) -> Digests:
        """Those of all texts."""
        self._take()
        return np.concatenate(self._built)

    def _take(self) -> None:
        self._built.append(digests_of(self._texts))
        self._texts, self._size = [], 0


def _hash_of_id(id: str) -> int:
    """A number that stands for a call's own id. Not 0."""
    digest = blake2b(encoded(id), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1
