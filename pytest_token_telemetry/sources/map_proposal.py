"""Proposes field maps for files that no source knows, by the names and values in their first records."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING

from pytest_token_telemetry.sample import FIELDS
from pytest_token_telemetry.sources.exports.csv_rows import csv_rows, header_of
from pytest_token_telemetry.sources.exports.export_records import documents_of
from pytest_token_telemetry.sources.exports.lengths import LengthsSource, columns_by
from pytest_token_telemetry.sources.field_map import SECTION, dotted
from pytest_token_telemetry.sources.field_names import CAP, PREDICTED, REASON
from pytest_token_telemetry.sources.file_patterns import Parted, below, is_apart, parted, whole_pattern, whole_patterns
from pytest_token_telemetry.sources.file_shapes import RECORDS, looked_at, seen_in, shapes_of
from pytest_token_telemetry.sources.mapped import ANY_JSON, MappedSource, is_claimed, record_lists
from pytest_token_telemetry.sources.own_format import SCHEMA
from pytest_token_telemetry.sources.recognition import SOURCES, Choice, source_of
from pytest_token_telemetry.sources.rows import Rows
from pytest_token_telemetry.sources.sampled_records import OUTPUT
from pytest_token_telemetry.sources.source import HEAD, opened
from pytest_token_telemetry.text import listing, plural

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from typing import BinaryIO

    from pytest_token_telemetry.sources.field_map import Format, Scalar, Steps
    from pytest_token_telemetry.sources.file_patterns import Below
    from pytest_token_telemetry.sources.file_shapes import Shape
    from pytest_token_telemetry.sources.sampled_records import KindOfCalls, Seen
    from pytest_token_telemetry.sources.source import Source

_OURS = (b"[TokenEstimation", SCHEMA.encode())
"""What lines have that are read from any file."""


def proposal(
    files: Iterable[str], mapped: Sequence[MappedSource] = (), directories: Iterable[str | os.PathLike[str]] = ()
) -> str:
    """Maps for ``files``, as TOML to paste, and in comments what they rest on and what is left to do.

    Args:
        files: their real paths.
        mapped: the maps that there are. What they read needs no other.
        directories: those that the files are in.
    """
    known: Counter[str] = Counter()
    texts = unreadable = 0
    kinds: dict[tuple[Format, str], list[str]] = defaultdict(list)
    others: list[str] = []
    """Files that no proposed map is for, and none may match by chance."""
    taken: set[str] = set()
    """Those that are read without a proposed map."""
    for path in files:
        try:
            with opened(path) as file, file.stream() as stream:
                head = stream.read(HEAD)
        except OSError:
            unreadable += 1
            continue
        source = source_of(path, head, Choice(mapped=tuple(mapped)))
        format = _format(head)  # noqa: A001 - as in a map
        is_ours = source is SOURCES[-1] and any(each in head for each in _OURS)
        if source is not SOURCES[-1] or is_ours:
            taken.add(path)
            has_more = source.name == LengthsSource.name and _has_more(path)
            known[f"{_how_read(source)}{', but not all columns: the map may read more' if has_more else ''}"] += 1
            if has_more:
                kinds["csv", whole_pattern(path)].append(path)
            else:
                others.append(path)
        elif format == "text":
            texts += 1
            others += [path] if head.strip() else []  # a map reads an empty file too
        else:
            kinds[format, whole_pattern(path)].append(path)
    notes = [f"# {plural(n, 'file')} {how}" for how, n in known.items()]
    if texts:
        notes.append(f"# {plural(texts, 'file')} of text: an expression for its lines is yours to write")
    if unreadable:
        notes.append(f"# {plural(unreadable, 'file')} cannot be read")
    every = below([*others, *(path for paths in kinds.values() for path in paths)], directories)
    maps = _Maps(every, taken, {each.name for each in mapped})
    proposed = [text for (kind, pattern), paths in sorted(kinds.items()) for text in maps.of(kind, pattern, paths)]
    return "\n\n".join([*proposed, "\n".join(notes)] if notes else proposed) or "# there are no files"


def _how_read(source: Source) -> str:
    if isinstance(source, MappedSource):
        return f"read by map {_text(source.name)}"
    return f"of format {source.name}: read without a map"


def _has_more(path: str) -> bool:
    """True if a CSV file that is read without a map has columns that may be fields of ours, and are not read."""
    try:
        with opened(path) as file, file.stream() as stream:
            rows = [row for row in islice(_records("csv", stream), RECORDS) if isinstance(row, dict)]
    except OSError:
        return False
    return any(columns_by(rows)[1].values())


def _format(head: bytes) -> Format:
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        return "json"
    return "csv" if header_of(head) else "text"


@dataclass(frozen=True, slots=True)
class _Maps:
    """The proposed maps of all files."""

    every: Below
    """All that can be read."""
    taken: set[str]
    """Those that are read without a proposed map."""
    names: set[str]
    """Those that maps have."""

    def of(self, kind: Format, whole: str, paths: Sequence[str]) -> Iterator[str]:
        """The maps of all files of a kind and an ending, one for each shape, and what is left of them."""
        looked = looked_at(paths)
        unknown = {*paths}.difference(looked)
        wholes = whole_patterns(whole, paths)
        shapes = shapes_of(looked, lambda path: _records_at(kind, path))
        seen = f"{len(looked):,} of {plural(len(paths), 'file')} {whole}"
        notes = [f"# {seen} were looked at: the rest may be of other shapes"] if unknown else []
        for shape in shapes[:_SHAPES]:
            own = {*shape.files}
            others = [path for path in self.every if path not in own and path not in unknown]
            files = {path: self.every[path] for path in shape.files}
            is_whole = self.taken.isdisjoint(own) and is_apart(wholes, files, others)
            found = Parted(wholes) if is_whole else parted(files, others)
            if not found.patterns:
                notes.append(f"# {plural(found.left, 'file')} {whole}: other files have the same names (rename some)")
            elif shape.has_output or not shapes[0].has_output:
                of_all = len(paths) if len(shapes) == 1 else len(own)
                why = "" if is_whole else f"  # {self._why_not(wholes, others)}"
                name = self._name(whole if len(shapes) == 1 or found.patterns[1:] else found.patterns[0])
                yield _map(kind, name, of_all, shape, found, why)
            else:
                notes.append(_without_output(shape, whole, found))
        if more := shapes[_SHAPES:]:
            n = plural(sum(len(shape.files) for shape in more), "file")
            notes.append(f"# {n} {whole} of {plural(len(more), 'more shape')}: no map (for some: {_PATTERN}=NAME)")
        if notes:
            yield "\n".join(map(_printable, notes))

    def _name(self, pattern: str) -> str:
        """A name that no other map has."""
        base = f"our-{re.sub('[^a-z0-9]+', '-', pattern.lower()).strip('-') or 'files'}"[:40].rstrip("-")
        names = (base if n == 1 else f"{base}-{n}" for n in count(1))
        name = next(each for each in names if each not in self.names)
        self.names.add(name)
        return name

    def _why_not(self, wholes: Sequence[str], others: Sequence[str]) -> str:
        """Why a map has not the patterns of all files of its ending."""
        shown = _printable(listing(wholes))
        if any(is_claimed(path, wholes) for path in others if path not in self.taken):
            return f"{shown} would match files of another shape"
        return f"{shown} would take over files that are read without a map"


_SHAPES = 10
"""Shapes of files with the same ending that get a map."""

_PATTERN = "--token-telemetry-pattern"


def _without_output(shape: Shape, whole: str, found: Parted) -> str:
    """Files beside those of calls, which may be none."""
    told = f"{plural(len(shape.files), 'file')} {whole} of another shape"
    one = f". For one: {_PATTERN}={found.patterns[0]}" if len(found.patterns) == 1 else ""
    names = ", ".join(map(_text, found.patterns))
    return f"# {told}: no map, as no name says which count is the output ({names}){one}"


def _map(kind: Format, name: str, files: int, shape: Shape, parted: Parted, why: str) -> str:
    """One map, of so many ``files``. ``why``: a comment behind their patterns."""
    seen = shape.seen
    fields, doubtful = seen.fields()
    first = fields.get(OUTPUT, [()])[0]
    records = first[: first.index("0")] if "0" in first[:-1] else ()
    if records:  # the calls are a list within the document
        seen = seen_in(shape.files, lambda path: _records_at(kind, path, records))
        fields, doubtful = seen.fields()
    left = [f"# {plural(parted.left, 'file')} of them not named: add them, or rename them alike"] if parted.left else []
    lines = [
        f"# {plural(files, 'file')}, {plural(seen.records, 'record')} looked at",
        *left,
        f"[{SECTION}.{name}]",
        f"files = [{', '.join(map(_text, parted.patterns))}]{why}",
        *(['format = "csv"'] if kind == "csv" else []),
        *([f"records = {_text(dotted(records))}"] if records else []),
    ]
    outputs = [fields[OUTPUT]] if OUTPUT in fields else [[each] for each in doubtful.get(OUTPUT, [])]
    if kinds := _kind_of_calls(seen, outputs):
        key, n = _key(_written(kind, kinds.steps)), kinds.without_output
        told = f"{n:,} of these records {'has' if n == 1 else 'have'} no output: as of calls that failed"
        told = told if n else "of the records looked at, only these have an output"
        lines.append(f"where = {{ {key} = [{', '.join(map(_text, kinds.values))}] }}  # {told}")
    lines += ["", f"[{SECTION}.{name}.fields]"]
    return "\n".join([*lines, *_Fields(kind, seen, fields, doubtful, kinds).lines()])


def _kind_of_calls(seen: Seen, outputs: Sequence[Sequence[Steps]]) -> KindOfCalls | None:
    """What tells calls from other records, if it is the same whichever of ``outputs`` are the output."""
    first, *others = [seen.kind_of_calls(each) for each in outputs] or [None]
    return first if all(each == first for each in others) else None


@dataclass(frozen=True, slots=True)
class _Fields:
    """The table of fields in a map of this kind."""

    kind: Format
    seen: Seen
    fields: dict[str, list[Steps]]
    doubtful: dict[str, list[Steps]]
    kinds: KindOfCalls | None
    """What tells the calls from other records."""

    def lines(self) -> Iterator[str]:
        if OUTPUT not in self.fields:
            yield from self._without_output()
        for name, found in self.fields.items():
            if name == REASON:
                yield self._reason(found, live=True)
            else:
                yield f"{name} = {self._paths(found)}  # {self._found_in(name, found[0])}"
            if name == OUTPUT:
                yield from self._elsewhere(found)
        for name, found in self.doubtful.items():
            for steps in found if name != OUTPUT else ():
                yield self._reason([steps], live=False) if name == REASON else self._doubt(name, steps)
        if self._outputs():
            yield from self._missing()

    def _outputs(self) -> list[Steps]:
        """The paths of the output, or else those that may be it."""
        return self.fields.get(OUTPUT) or self.doubtful.get(OUTPUT, [])

    def _output(self) -> Steps:
        """The path of the output, or else the only one that may be it."""
        outputs = self._outputs()
        return outputs[0] if OUTPUT in self.fields or len(outputs) == 1 else ()

    def _without_output(self) -> Iterator[str]:
        candidates = self.doubtful.get(OUTPUT, [])
        if not candidates:
            yield '# output_tokens = "PATH"  # required, and no count may be it'
            return
        which = "one" if candidates[1:] else "this one if it is"
        yield f"# output_tokens is required, and no name says which count it is. Uncomment {which}:"
        for steps in candidates:
            yield self._doubt(OUTPUT, steps)

    def _elsewhere(self, outputs: list[Steps]) -> Iterator[str]:
        """Records that have their output at another path, and are not read."""
        elsewhere, n = self.seen.output_elsewhere(outputs)
        if elsewhere:
            shown = listing(map(self._shown, elsewhere[:_OTHERS]))
            where = f", and their {self._shown(self.kinds.steps)} in where" if self.kinds else ""
            yield (
                f"# not read: {plural(n, 'record')} with an output at {shown} instead"
                f" (if they are calls: output_tokens = {self._paths([*outputs, *elsewhere[:_OTHERS]])}{where})"
            )

    def _doubt(self, name: str, steps: Steps) -> str:
        """A line to uncomment."""
        line = f"# {name} = {self._paths([steps])}  # {self._found_in(name, steps)}"
        above = self.seen.above(self.fields[OUTPUT][0], steps) if name == CAP and OUTPUT in self.fields else 0
        return f"{line}; {plural(above, 'output')} {'is' if above == 1 else 'are'} above it" if above else line

    def _reason(self, found: list[Steps], *, live: bool) -> str:
        """The line of a reason, with what its values mean where they are none of our words."""
        path, output = found[0], self._output()
        meanings, proven = self.seen.meanings(path, output, self.fields.get(CAP, []))
        plain = f"{REASON} = {self._paths(found)}  # {self._found_in(REASON, path)}"
        if not meanings:
            return plain if live else f"# {plain}"
        often = ", ".join(f"{count:,} {_text(value)}" for value, count in self.seen.reasons(path).items())
        values = ", ".join(f"{_key(value)} = {_text(meaning)}" for value, meaning in meanings.items())
        line = f"{REASON} = {{ path = {self._paths(found)}, values = {{ {values} }} }}"
        in_all = f"in {self.seen.paths[path]:,} of {self.seen.records:,}: {often}"
        if live and proven:
            return f"{line}  # {in_all}: by whether outputs are at the cap"
        return f"# {line}  # {in_all}: check what each means"

    def _missing(self) -> Iterator[str]:
        """What the gate judges the output by, and no name tells."""
        taken = {steps for found in (self.fields | self.doubtful).values() for steps in found}
        is_told = not {REASON, "truncated"}.isdisjoint(self.fields | self.doubtful)
        endings = {} if is_told else self._endings(taken)
        is_sure = [*endings.values()] == [True]
        for steps in endings:
            line = self._reason([steps], live=is_sure)
            is_told = is_told or not line.startswith("#")
            yield line
        yield from self._success(taken)
        yield from self._labels(taken.union(endings))
        if missing := [each for each in (PREDICTED, CAP) if each not in self.fields and each not in self.doubtful]:
            counts = self.seen.counts({self._output(), *(steps for found in self.fields.values() for steps in found)})
            others = [self._shown(steps) for steps in counts]
            told = f"other counts: {listing(others)}" if others else "no other count"
            yield f"# not found by name: {listing(missing)} ({told})"
        known = {*self.fields, *([REASON] if is_told else [])}
        if missing := [f"{name} ({use})" for name, use in _USES.items() if name not in known]:
            yield f"# not found by name: {listing(missing)}"

    def _endings(self, taken: Collection[Steps]) -> dict[Steps, bool]:
        """What may say how a call ended, and whether it surely does."""
        known = {*taken, self.kinds.steps} if self.kinds else taken
        found = self.seen.endings(self._outputs())
        return {steps: is_sure for steps, is_sure in found.items() if steps not in known}

    def _success(self, taken: Collection[Steps]) -> Iterator[str]:
        """What may say whether a task succeeded."""
        if "success" in self.fields:
            return
        taken = {*taken}.difference(self.fields.get(REASON, ()), self.doubtful.get(REASON, ()))
        outcomes = {steps: meanings for steps, meanings in self.seen.outcomes().items() if steps not in taken}
        for steps, meanings in outcomes.items():
            values = ", ".join(f"{_key(text)} = {_text(meaning or False)}" for text, meaning in meanings.items())
            often = ", ".join(f"{count:,} {_text(text)}" for text, count in self.seen.reasons(steps).items())
            told = f"in {self.seen.paths[steps]:,} of {self.seen.records:,}: {often}"
            unsure = ", and check what each means" if None in meanings.values() else ""
            path = f"{{ path = {self._paths([steps])}, values = {{ {values} }} }}"
            yield f"# success = {path}  # {told}: if it says whether the task succeeded{unsure}"
        if PREDICTED not in self.fields:
            return
        for steps in (flags := [steps for steps in self.seen.flags() if steps not in taken]):
            told = self._found_in("success", steps)
            yield f"# success = {self._paths([steps])}  # {told}: if it says that the task succeeded"
        if not flags and not outcomes:
            yield "# success = { value = true }  # if each task succeeded: predictions need it to be judged"

    def _labels(self, taken: Collection[Steps]) -> Iterator[str]:
        """What may be the kind of work, or how hard it is."""
        known = {*taken, *self.seen.outcomes(), *self.seen.flags()}
        for steps, texts in self.seen.labels(self._outputs()).items():
            name = "complexity" if _GRADES.issuperset(each.lower() for each in texts) else "category"
            if steps not in known and name not in self.fields:
                told = f"in {self.seen.paths[steps]:,} of {self.seen.records:,}"
                examples = ", ".join(map(_text, texts[:_TEXTS]))
                yield f"# {name} = {self._paths([steps])}  # {told}, such as {examples}: if it is {_MEANT[name]}"

    def _paths(self, found: list[Steps]) -> str:
        written = [_path(self.kind, steps) for steps in found]
        return written[0] if len(written) == 1 else f"[{', '.join(written)}]"

    def _shown(self, steps: Steps) -> str:
        return _written(self.kind, steps)

    def _found_in(self, name: str, steps: Steps) -> str:
        """How often a path is there, and, of a count or reason, what stands there: never a text that may be long."""
        often = f"in {self.seen.paths[steps]:,} of {self.seen.records:,}"
        if FIELDS[name].kind not in ("count", "flag", "reason", "raw reason"):
            return often
        shown = str if FIELDS[name].kind == "count" else _text
        return f"{often}, such as {', '.join(map(shown, self.seen.examples[steps][:3]))}"


_USES = {
    "success": "whether the task succeeded: without it no prediction is judged",
    REASON: "how a call ended: without it only max_tokens tells truncation",
    "category": "kind of work",
    "complexity": "how hard the work is",
    "id": "the call's own: copies count once",
}
"""Fields beside the counts, with what they are for."""

_MEANT = {"category": "the kind of work", "complexity": "how hard the work is"}

_GRADES = frozenset(
    (
        *("trivial", "easy", "simple", "low", "small", "short", "medium", "moderate", "normal"),
        *("high", "hard", "complex", "large", "big", "long", "s", "m", "l", "xs", "xl"),
    )
)
"""Words for how hard the work is."""

_OTHERS = 3
"""Other paths of the output that are shown."""

_TEXTS = 3
"""Texts of a label that are shown."""


def _path(kind: Format, steps: Steps) -> str:
    return _text(_written(kind, steps))


def _written(kind: Format, steps: Steps) -> str:
    return steps[0] if kind == "csv" else dotted(steps)


def _records_at(kind: Format, path: str, within: Steps = ()) -> Iterator[object]:
    with opened(path) as file, file.stream() as stream:
        yield from _records(kind, stream, within)


def _records(kind: Format, file: BinaryIO, within: Steps = ()) -> Iterator[object]:
    """The records of a file; ``within``: where a document has its list of them."""
    into = Rows()
    into.begin_file()
    if kind == "csv":
        yield from (row for _, row in csv_rows(file, into))
        return
    for each in documents_of(file, ANY_JSON, into):
        for records in record_lists(each.value, within):
            yield from records or ()


def _key(text: str) -> str:
    return text if _BARE_KEY.fullmatch(text) else _text(text)


_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def _text(value: Scalar) -> str:
    """``value`` as TOML writes it, without what a terminal would not show as it is."""
    if not isinstance(value, str):
        return str(value).lower()
    shown = _printable(value)
    return f"'{shown}'" if '"' in shown and "'" not in shown else json.dumps(shown, ensure_ascii=False)


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)
