"""Put together what tests recorded and what files hold, without the copies."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import accumulate, chain, compress
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from pytest_token_telemetry.samples import UNKNOWN, NameColumn, Samples, SamplesBuilder, blocks, narrowest
from pytest_token_telemetry.sources.copies import RecordedCalls, copies_left_out, find_suspects
from pytest_token_telemetry.sources.cut_off import CutOff, copies_of_whole
from pytest_token_telemetry.sources.emitted import Emitted, OfRecords, told_in_other_traces
from pytest_token_telemetry.sources.keys import KeyColumn, Keys
from pytest_token_telemetry.sources.outcomes import NO_RESULT, Outcomes, without_result
from pytest_token_telemetry.sources.places import unfound, unused_columns
from pytest_token_telemetry.sources.recorded import Span
from pytest_token_telemetry.sources.rows import AbsorbedRecords
from pytest_token_telemetry.sources.tagged import own_parsing
from pytest_token_telemetry.sources.tagged.formats import telemetry_scanner
from pytest_token_telemetry.sources.tagged.records import Read, Unusable
from pytest_token_telemetry.sources.tagged.tagged_source import TaggedSource
from pytest_token_telemetry.sources.uncounted import NONE_UNCOUNTED, Uncounted, no_ends, uncounted
from pytest_token_telemetry.sources.unread import EVEN_BESIDE_RECORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.samples import Integers, Mask
    from pytest_token_telemetry.sources.extract import Extract
    from pytest_token_telemetry.sources.places import Place, Unfound, UnusedColumn
    from pytest_token_telemetry.sources.recorded import Phase, Recorded
    from pytest_token_telemetry.sources.rows import Complaint, Identities, Remark
    from pytest_token_telemetry.sources.side_files import SideRows
    from pytest_token_telemetry.sources.uncounted import Ends

PLACES_SHOWN = 3
"""How many places of each kind of unusable line are kept."""

_OUR_OUTPUT = "our-output"
"""The name of the source of what is written here: such files are not counted, unless something else stands in them."""


Kind: TypeAlias = Literal["file", "test", "table"]


class File(NamedTuple):
    """A file or a table that was read, or a test that recorded."""

    path: str
    """As shown, with '/', or the test's node id. It may hold any character: a reporter makes it inert."""
    samples: int
    kind: Kind = "file"
    format: str = ""
    """The name of the source that read a file."""
    duplicates: int = 0
    """Copies of a sample that were left out there."""
    unusable: int = 0
    """Lines there that should be samples and cannot be."""
    skipped: Mapping[str, int] = MappingProxyType({})
    """Records there that are no sample, and should be none, by reason."""
    dropped: int = 0
    """Samples there that a plugin dropped."""


@dataclass(slots=True)
class UnusableLines:
    """Lines that should be samples and cannot be, for one reason."""

    count: int = 0
    places: list[str] = field(default_factory=list)
    """The first `PLACES_SHOWN`, as ``file:line``."""

    def add(self, count: int, places: Iterable[str]) -> None:
        """Count more of them."""
        self.count += count
        self.places = [*self.places, *places][:PLACES_SHOWN]


class Origin(NamedTuple):
    """A file or a table to read. They are read in their order."""

    shown: str
    """Its path as users see it."""
    real: str
    """The path to open; of a table nothing."""
    run: str
    """The run that it belongs to, where its samples do not name another."""
    kind: Literal["file", "table"] = "file"


@dataclass(frozen=True, slots=True)
class Scanned:
    """What the reading of files took."""

    files: int
    size: int
    """Bytes."""
    seconds: float
    processes: int

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.size / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that some directories hold and some tests recorded."""

    samples: Samples
    files: tuple[File, ...]
    """The tests that recorded, in the order in which they ran, then the files by their paths, then the tables."""
    recorded: Recorded | None = None
    """What tests recorded, if that was asked for."""
    duplicates: int = 0
    """Copies of a sample that were left out."""
    doubled: tuple[str, ...] = ()
    """Files in which every record stands several times in a row, as where a handler is attached twice."""
    unusable: dict[str, UnusableLines] = field(default_factory=dict)
    """By reason."""
    uncounted: Uncounted = NONE_UNCOUNTED
    """Those of them that are calls which say how they ended."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Files and directories that could not be read, with the reason."""
    outside: tuple[str, ...] = ()
    """Links out of a directory, not followed."""
    special: tuple[str, ...] = ()
    """Pipes, sockets and devices, not opened."""
    unknown: tuple[str, ...] = ()
    """Files of records, by their names, in which nothing is known, but not those in ``look_like``."""
    mentions: int = 0
    """Tags in files that no record follows."""
    remarks: Mapping[Remark, int] = field(default_factory=dict)
    """How many could not be joined, by why."""
    skipped: dict[str, int] = field(default_factory=dict)
    """By reason: records in files that are no sample, and should be none."""
    unfound: tuple[Unfound, ...] = ()
    """Fields of maps whose paths lead to a value in no record."""
    unused_columns: tuple[UnusedColumn, ...] = ()
    """Columns of what is read without a map, and keys of metadata, that no field takes."""
    dropped: dict[str, int] = field(default_factory=dict)
    """By reason: samples that a plugin dropped, the most frequent reason first."""
    relabelled: int = 0
    """Samples that a plugin gave other labels."""
    nothing_known: int = 0
    """Files that were read and have no sample, no unusable line and no tag."""
    empty_tables: int = 0
    """Tables that were read and have no row."""
    look_like: dict[str, int] = field(default_factory=dict)
    """What these look like, where there are no others; else what those do that are read if they are asked for."""
    near_misses: dict[str, int] = field(default_factory=dict)
    """Where no file matches: what files are there, by the ending of their names, with how many these are."""
    scanned: Scanned | None = field(default=None, compare=False)
    """What the reading took."""

    def count(self, kind: Kind) -> int:
        """How many files or tables were read, or how many tests recorded."""
        return sum(file.kind == kind and (kind != "test" or file.samples + file.dropped > 0) for file in self.files)

    def place(self, samples: Samples, row: int) -> str:
        """Where the sample in this row of ``samples`` stands: a line of a file, or a test and which of its samples."""
        file, line = self.files[samples.file[row]], int(samples.line[row])
        return f"{file.path} #{line}" if file.kind == "test" else f"{file.path}:{line}"


def merge(
    extracts: Iterable[Extract], origins: Sequence[Origin], recorded: Recorded | None, side: SideRows | None = None
) -> Reading:
    """Merge what tests ``recorded`` and the ``extracts`` of all files, whose ``origins`` are in the same order.

    The calls that are left get what ``side`` files say of them.

    If nobody else holds the extracts, there is never much more of them at a time than all their samples once.
    """
    tests = _Tests(recorded)
    files = _Files(len(tests.names), tests.unreadable)
    begin = 0
    for extract in extracts:
        files.add(extract, origins[begin : begin + len(extract.files)])
        begin += len(extract.files)
    suspects = find_suspects(files.parts, tests.calls, AbsorbedRecords.joined(files.absorbed))
    without_id = files.rows_without_id()
    begins = files.begins(len(tests.columns))
    emitted = Emitted.repeated([*files.emitted()], begins, [*files.with_ids()])
    keys = Keys()
    if side is not None:
        keys = Keys.joined([tests.keys(), *files.keys()], [0, *begins])
    table = SamplesBuilder(chain([tests.columns.build()], files.samples()))
    left_out = copies_left_out(table, suspects, tests.calls)
    cut_off = copies_of_whole(table, len(tests.calls.calls), left_out.again, files.cut_off)
    unusable = files.unusable(tests.unusable, cut_off)
    files.add_without_result(unusable)
    unread = files.unread if files.nothing_known < files.kinds.count("file") else []
    for file, why, _ in unread:
        unusable.setdefault(why, UnusableLines()).add(1, (f"{files.names[file - len(tests.names)]}:1",))
    told = told_in_other_traces(table, emitted, _all_but(left_out.rows, len(table)))
    stays = _all_but(np.concatenate([left_out.rows, told.rows]), len(table))
    remarks: Counter[Remark] = Counter(files.remarks)
    if without_id:
        remarks["rows_without_id"] = without_id
    if told.differing:
        remarks["outputs_differ"] = told.differing
    if side is not None:
        from pytest_token_telemetry.sources.side_files import join  # few have any

        joined = join(table, keys.moved(told.rows, told.by), stays, side, files.unusable_keys())
        remarks.update(joined.remarks)
        for each in joined.complaints:
            places = (f"{side.shown[each.file]}:{line}" for line in each.lines)
            unusable.setdefault(each.reason, UnusableLines()).add(each.count, places)
    of_rows: list[int] = table.column("file")[np.concatenate([left_out.rows, told.rows])].tolist()
    whole_elsewhere = Counter(each.file for each in compress(files.cut_off, cut_off))
    duplicates = tests.repeated + Counter(of_rows) + whole_elsewhere
    lines = tests.lines + files.lines + Counter(file for file, *_ in unread) - whole_elsewhere
    samples = table.build(stays)
    names, kinds = [*tests.names, *files.names], [*["test"] * len(tests.names), *files.kinds]
    formats = [*[""] * len(tests.names), *files.formats]
    counts = _counts(samples, len(names))
    return Reading(
        samples=samples,
        files=tuple(
            File(
                *said,  # type: ignore[arg-type] # a closed set
                duplicates=duplicates[number],
                unusable=lines[number],
                skipped=files.skipped_in.get(number, {}),
            )
            for number, said in enumerate(zip(names, counts, kinds, formats, strict=True))
        ),
        recorded=recorded,
        duplicates=duplicates.total(),
        doubled=tuple(names[file] for file in left_out.doubled.tolist()),
        unusable=dict(sorted(unusable.items())),
        uncounted=uncounted([*files.ends(), tests.ends]),
        unreadable=files.unreadable,
        unknown=tuple(files.unknown),
        mentions=files.mentions,
        remarks=dict(sorted(remarks.items())),
        skipped=dict(sorted(files.skipped.items())),
        unfound=unfound(files.places),
        unused_columns=unused_columns({**files.places, **(side.places if side is not None else {})}),
        nothing_known=files.nothing_known - sum(is_unknown for *_, is_unknown in unread),
        empty_tables=files.empty_tables,
    )


def _all_but(left_out: Integers, rows: int) -> Mask | None:
    """Which of the rows stay; ``None`` if all do."""
    if not len(left_out):
        return None
    kept = np.ones(rows, np.bool_)
    kept[left_out] = False
    return kept


def _counts(samples: Samples, files: int) -> list[int]:
    """How many samples each file has."""
    counts = np.zeros(files, np.int64)
    for part in blocks(len(samples)):
        counts += np.bincount(samples.file[part], minlength=files)
    return counts.tolist()


def _runs(samples: Samples, origins: Sequence[Origin]) -> NameColumn:
    """The run of each sample: the one that it names itself, or else that of its file."""
    runs = {run: code for code, run in enumerate(dict.fromkeys(each.run for each in origins))}
    codes = np.array([runs[each.run] for each in origins], np.int64)[samples.file]
    own = samples.run
    if own.names:
        codes = np.where(own.codes == UNKNOWN, codes, own.codes.astype(np.int64) + len(runs))
    return NameColumn(narrowest(codes), (*runs, *own.names))


class _Tests:
    """What tests recorded."""

    def __init__(self, recorded: Recorded | None) -> None:
        self._scanner = telemetry_scanner()
        self.columns = SamplesBuilder()
        self.names: list[str] = []
        self.repeated: Counter[int] = Counter()
        """By the number of the test, as the next."""
        self.lines: Counter[int] = Counter()
        """How many cannot be used."""
        self.unusable: dict[str, UnusableLines] = {}
        self.ends = no_ends()
        """How calls ended whose records cannot be used."""
        self.unreadable = dict(recorded.lost) if recorded is not None else {}
        self.calls = RecordedCalls(recorded.span if recorded is not None else Span(0, 0))
        numbers: dict[str, int] = {}
        lines: Counter[str] = Counter()
        for phase in recorded.phases if recorded is not None else ():
            if phase.test not in numbers:
                numbers[phase.test] = len(self.names)
                self.names.append(phase.test)
            self.repeated[numbers[phase.test]] += phase.repeated
            for reason, count in phase.unusable.items():
                self._complain(reason, numbers[phase.test], count)
            self.ends.extend(map(int, phase.ends))
            for line in phase.lines:
                self._take(line, phase, numbers[phase.test], lines)

    def keys(self) -> Keys:
        """By what side files name the calls."""
        keys = KeyColumn()
        for row, (sample, _) in self.calls.calls.items():
            keys.add(row, (sample.id or "",))
        return keys.build()

    def _take(self, line: str, phase: Phase, number: int, lines: Counter[str]) -> None:
        """Take one recorded call."""
        text = f"{line}\n".encode()
        for fragment in self._scanner.fragments_within(text, 0, len(text), 1):
            match own_parsing.parse(fragment):
                case Read(sample, identity):
                    lines[phase.test] += 1
                    row = self.columns.add(sample, number, lines[phase.test])
                    self.calls.add(row, sample, identity, phase)
                case Unusable(reason):
                    self._complain(reason, number, 1)

    def _complain(self, reason: str, number: int, count: int) -> None:
        self.unusable.setdefault(reason, UnusableLines()).add(count, [self.names[number]])
        self.lines[number] += count


_RECORDS = re.compile(r"\.(?:jsonl|ndjson|csv)(?:\.(?:gz|zst|bz2|xz))?\Z", re.IGNORECASE)
"""How files of one record a line are named. Of JSON documents and logs, most are of other things than calls."""


_OF_TABLE = "autopack-export"
"""The format of files with the rows of a table, which are known again without an id."""


class _Files:
    """What files hold."""

    def __init__(self, first: int, unreadable: dict[str, str]) -> None:
        """Files are numbered from ``first`` on."""
        self.names: list[str] = []
        self.kinds: list[Literal["file", "table"]] = []
        self.formats: list[str] = []
        self.parts: list[tuple[Samples, Identities]] = []
        self.absorbed: list[AbsorbedRecords] = []
        self.complaints: list[tuple[str, Complaint, list[CutOff]]] = []
        """Each with its file as shown, and its records that are cut off."""
        self.lines: Counter[int] = Counter()
        """By the number of the file: how many cannot be used."""
        self.unreadable = unreadable
        self.unknown: list[str] = []
        self.mentions = self.nothing_known = self.empty_tables = 0
        self.unread: list[tuple[int, str, bool]] = []
        """Files that may have calls which are not read, each with why, and whether nothing is known of it."""
        self.remarks: Counter[Remark] = Counter()
        self.skipped: Counter[str] = Counter()
        """By reason."""
        self.skipped_in: dict[int, Counter[str]] = {}
        """By the number of the file, then by reason."""
        self.places: Counter[Place] = Counter()
        self.outcomes: list[Outcomes] = []
        self._unusable_keys: list[npt.NDArray[np.uint64]] = [np.empty(0, np.uint64)]
        self._first = first

    def add(self, extract: Extract, origins: Sequence[Origin]) -> None:
        """Add some files, with their ``origins``."""
        shown, begin = [origin.shown for origin in origins], self._first + len(self.names)
        for file, path in zip(extract.files, shown, strict=True):
            if file.error is not None:
                self.unreadable[path] = file.error
        complained = {complaint.file for complaint in extract.complaints}
        opened = np.array(
            [file.opened and (file.format != _OUR_OUTPUT or at in complained) for at, file in enumerate(extract.files)],
            np.bool_,
        )
        numbers = np.where(opened, begin + np.cumsum(opened) - 1, UNKNOWN)
        self.names += compress(shown, opened)
        self.kinds += compress((origin.kind for origin in origins), opened)
        self.formats += compress((file.format for file in extract.files), opened)
        for complaint in extract.complaints:
            cut_off = [CutOff(int(numbers[complaint.file]), begun) for _, begun in complaint.begun]
            self.complaints.append((shown[complaint.file], complaint, cut_off))
            self.lines[int(numbers[complaint.file])] += complaint.count
        files = extract.samples.file
        known = np.bincount(files, minlength=len(extract.files)) > 0
        known[[*complained]] = True
        unread = np.array([bool(file.unread) for file in extract.files], np.bool_) & opened
        unread &= ~known | np.array([file.unread in EVEN_BESIDE_RECORDS for file in extract.files], np.bool_)
        known[[*extract.mentions]] = True
        nothing_known = np.flatnonzero(~known & opened).tolist()
        unknown = Counter(origins[at].kind for at in nothing_known)
        unclaimed = [at for at in nothing_known if extract.files[at].format == TaggedSource.name and not unread[at]]
        self.unknown += [
            shown[at] for at in unclaimed if extract.files[at].has_counts or _RECORDS.search(shown[at]) is not None
        ]
        self.unread += [
            (int(numbers[at]), extract.files[at].unread, not known[at]) for at in np.flatnonzero(unread).tolist()
        ]
        self.nothing_known += unknown["file"]
        self.empty_tables += unknown["table"]
        self.mentions += sum(extract.mentions.values())
        self.remarks.update(extract.remarks)
        for (at, reason), count in extract.skipped.items():
            self.skipped[reason] += count
            self.skipped_in.setdefault(int(numbers[at]), Counter())[reason] += count
        self.places.update(extract.places)
        self.outcomes.append(extract.outcomes._replace(file=numbers[extract.outcomes.file]))
        self._unusable_keys.append(extract.unusable_keys)
        samples = replace(extract.samples, file=narrowest(numbers[files]), run=_runs(extract.samples, origins))
        self.parts.append((samples, extract.identities))
        absorbed = extract.absorbed
        self.absorbed.append(replace(absorbed, file=narrowest(numbers[absorbed.file])))

    @property
    def cut_off(self) -> list[CutOff]:
        """The records that are cut off, in their order."""
        return [each for *_, cut_off in self.complaints for each in cut_off]

    def unusable(self, found: dict[str, UnusableLines], copies: Sequence[bool]) -> dict[str, UnusableLines]:
        """Add to those ``found`` all complaints, but not the cut-off records that are ``copies``, in their order."""
        is_copy = iter(copies)
        for shown, complaint, _ in self.complaints:
            begun = [(line, next(is_copy)) for line, _ in complaint.begun]
            copied = {line for line, copy in begun if copy}
            count = complaint.count - sum(copy for _, copy in begun)
            lines = sorted({*complaint.lines, *(line for line, _ in begun)} - copied) if copied else complaint.lines
            if count:
                found.setdefault(complaint.reason, UnusableLines()).add(count, (f"{shown}:{line}" for line in lines))
        return found

    def add_without_result(self, found: dict[str, UnusableLines]) -> None:
        """Add to those ``found`` the requests that no file answers."""
        for file, lines in without_result(Outcomes.joined(self.outcomes)):
            shown = self.names[file - self._first]
            found.setdefault(NO_RESULT, UnusableLines()).add(len(lines), (f"{shown}:{line}" for line in lines))
            self.lines[file] += len(lines)

    def ends(self) -> Iterable[Ends]:
        """Give how calls of each file ended that cannot be used, whatever for."""
        of_files: dict[str, Ends] = {}
        for shown, complaint, _ in self.complaints:
            of_files.setdefault(shown, no_ends()).extend(complaint.ends)
        return of_files.values()

    def keys(self) -> Iterator[Keys]:
        """Give by what side files name the samples of each part."""
        return (identities.keys for _, identities in self.parts)

    def unusable_keys(self) -> npt.NDArray[np.uint64]:
        """Give the hashes of the keys of calls that cannot be used."""
        return np.concatenate(self._unusable_keys)

    def emitted(self) -> Iterator[Emitted]:
        """Give by what other traces tell of the samples of each part."""
        return (identities.emitted for _, identities in self.parts)

    def with_ids(self) -> Iterator[OfRecords]:
        """Give by what records of each part may tell of calls of which spans tell too."""
        numbers = {name: number for number, name in enumerate(dict.fromkeys([*self.formats, TaggedSource.name]))}
        formats = np.array([0] * self._first + [numbers[name] for name in self.formats], np.uint32)
        ours = np.uint32(numbers[TaggedSource.name])
        for samples, identities in self.parts:
            of_rows = formats[samples.file]
            if identities.among_others.any():
                of_rows[identities.among_others] = ours
            yield OfRecords(identities.id, of_rows)

    def rows_without_id(self) -> int:
        """Give how many rows of tables have no id, if files have such calls too; 0 if no call can be in both."""
        if "table" not in self.kinds:
            return 0
        counts = np.zeros(self._first + len(self.names), np.int64)
        for samples, identities in self.parts:
            has_id = identities.id != 0
            has_id[identities.emitted.row] = True
            counts += np.bincount(samples.file[~has_id], minlength=len(counts))
        of_kinds = {"file": 0, "table": 0}
        for kind, name, count in zip(self.kinds, self.formats, counts[self._first :].tolist(), strict=True):
            of_kinds[kind] += 0 if name == _OF_TABLE else count
        return of_kinds["table"] if of_kinds["file"] else 0

    def begins(self, first: int) -> Sequence[int]:
        """Give the row of the first sample of each part, from row ``first`` on."""
        return [*accumulate((len(samples) for samples, _ in self.parts), initial=first)]

    def samples(self) -> Iterator[Samples]:
        """Give the samples of each part, and forget the part."""
        self.parts.reverse()
        while self.parts:
            yield self.parts.pop()[0]
