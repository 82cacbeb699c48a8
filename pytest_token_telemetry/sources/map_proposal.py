"""Proposes field maps for files that no source knows, by the names and values in their first records."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from glob import escape
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING

from pytest_token_telemetry.sample import FIELDS
from pytest_token_telemetry.sources.exports.csv_rows import csv_rows, header_of
from pytest_token_telemetry.sources.exports.export_records import documents_of
from pytest_token_telemetry.sources.exports.lengths import LengthsSource, columns_by
from pytest_token_telemetry.sources.extract import SOURCES, Task, source_of
from pytest_token_telemetry.sources.field_map import SECTION, dotted
from pytest_token_telemetry.sources.field_names import CAP, PREDICTED, REASON
from pytest_token_telemetry.sources.mapped import ANY_JSON, MappedSource
from pytest_token_telemetry.sources.own_format import SCHEMA
from pytest_token_telemetry.sources.rows import Rows
from pytest_token_telemetry.sources.sampled_records import OUTPUT, KindOfCalls, Seen
from pytest_token_telemetry.sources.source import HEAD, opened
from pytest_token_telemetry.text import listing, plural

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from typing import BinaryIO

    from pytest_token_telemetry.sources.field_map import Format, Scalar, Steps
    from pytest_token_telemetry.sources.source import Source

RECORDS = 200
"""Records of a file that are looked at."""

FILES = 20
"""Files of a kind that are looked at."""

_OURS = (b"[TokenEstimation", SCHEMA.encode())
"""What lines have that are read from any file."""


def proposal(files: Iterable[str], mapped: Sequence[MappedSource] = ()) -> str:
    """Maps for ``files``, as TOML to paste, and in comments what they rest on and what is left to do.

    Args:
        files: their paths.
        mapped: the maps that there are. What they read needs no other.
    """
    known: Counter[str] = Counter()
    texts = unreadable = 0
    kinds: dict[tuple[Format, str], list[str]] = defaultdict(list)
    taken: set[str] = set()
    """The patterns of files that are read without a map, which one with such a pattern would take over."""
    for path in files:
        try:
            with opened(path) as file, file.stream() as stream:
                head = stream.read(HEAD)
        except OSError:
            unreadable += 1
            continue
        source = source_of(path, head, Task((), mapped=tuple(mapped)))
        format = _format(head)  # noqa: A001 - as in a map
        is_ours = source is SOURCES[-1] and any(each in head for each in _OURS)
        if source is not SOURCES[-1] or is_ours:
            taken.add(_pattern(path))
            has_more = source.name == LengthsSource.name and _has_more(path)
            known[f"{_how_read(source)}{', but not all columns: the map may read more' if has_more else ''}"] += 1
            if has_more:
                kinds["csv", _pattern(path)].append(path)
        elif format == "text":
            texts += 1
        else:
            kinds[format, _pattern(path)].append(path)
    notes = [f"# {plural(n, 'file')} {how}" for how, n in known.items()]
    if texts:
        notes.append(f"# {plural(texts, 'file')} of text: an expression for its lines is yours to write")
    if unreadable:
        notes.append(f"# {plural(unreadable, 'file')} cannot be read")
    maps = [_map(kind, pattern, paths, whole=pattern not in taken) for (kind, pattern), paths in sorted(kinds.items())]
    return "\n\n".join([*maps, "\n".join(notes)] if notes else maps) or "# there are no files"


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


def _pattern(path: str) -> str:
    name = PurePath(path)
    ending = "".join(name.suffixes[-2:] if name.suffix in _COMPRESSED else name.suffixes[-1:])
    return f"*{escape(ending)}" if ending else escape(name.name)


def _names(paths: Iterable[str]) -> list[str]:
    """The names of some files as patterns, each once."""
    return [*dict.fromkeys(escape(PurePath(path).name) for path in paths)][:_NAMED]


_NAMED = 20
"""Files that a map names."""

_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")


def _map(kind: Format, pattern: str, paths: list[str], *, whole: bool) -> str:
    """One map. Not ``whole``: it names its files, as the pattern matches others too."""
    seen = Seen()
    for path in paths[:FILES]:
        try:
            with opened(path) as file, file.stream() as stream:
                for record in islice(_records(kind, stream), RECORDS):
                    seen.add(record)
        except OSError:
            continue
    name = f"our-{re.sub('[^a-z0-9]+', '-', pattern.lower()).strip('-') or 'files'}"[:40].rstrip("-")
    lines = [
        f"# {plural(len(paths), 'file')}, {plural(seen.records, 'record')} looked at",
        f"[{SECTION}.{name}]",
        f"files = [{', '.join(map(_text, [pattern] if whole else _names(paths)))}]"
        f"{'' if whole else f'  # by name: {pattern} would take over files that are read without a map'}",
        *(['format = "csv"'] if kind == "csv" else []),
    ]
    fields, doubtful = seen.fields()
    first = fields.get(OUTPUT, [()])[0]
    if "0" in first[:-1]:  # the calls are a list within the document
        records = first[: first.index("0")]
        seen = seen.below(records)
        fields, doubtful = seen.fields()
        lines += [f"records = {_text(dotted(records))}"] if records else []
    elif kinds := _kind_of_calls(seen, [first] if first else doubtful.get(OUTPUT, [])):
        path, n = _path(kind, kinds.steps), kinds.without_output
        told = f"{n:,} of these records {'has' if n == 1 else 'have'} no output: as of calls that failed"
        told = told if n else "only these records have an output"
        lines.append(f"where = {{ {path} = [{', '.join(map(_text, kinds.values))}] }}  # {told}")
    lines += ["", f"[{SECTION}.{name}.fields]"]
    return "\n".join([*lines, *_Fields(kind, seen, fields, doubtful).lines()])


def _kind_of_calls(seen: Seen, outputs: Sequence[Steps]) -> KindOfCalls | None:
    """What tells calls from other records, if it is the same whichever of ``outputs`` is the output."""
    first, *others = [seen.kind_of_calls(each) for each in outputs] or [None]
    return first if all(each == first for each in others) else None


@dataclass(frozen=True, slots=True)
class _Fields:
    """The table of fields in a map of this kind."""

    kind: Format
    seen: Seen
    fields: dict[str, list[Steps]]
    doubtful: dict[str, list[Steps]]

    def lines(self) -> Iterator[str]:
        if OUTPUT not in self.fields:
            yield from self._without_output()
        for name, found in self.fields.items():
            if name == REASON:
                yield from self._reason(found, live=True)
            else:
                yield f"{name} = {self._paths(found)}  # {self._found_in(name, found[0])}"
        for name, found in self.doubtful.items():
            for steps in found if name != OUTPUT else ():
                yield from self._reason([steps], live=False) if name == REASON else [self._doubt(name, steps)]
        if OUTPUT in self.fields:
            yield from self._missing()

    def _without_output(self) -> Iterator[str]:
        candidates = self.doubtful.get(OUTPUT, [])
        if not candidates:
            yield '# output_tokens = "PATH"  # required, and no count may be it'
            return
        cap = ", and max_tokens may be another" if candidates[1:] and CAP not in self.fields | self.doubtful else ""
        yield f"# output_tokens is required, and no name says which count it is. Uncomment one{cap}:"
        for steps in candidates:
            yield self._doubt(OUTPUT, steps)

    def _doubt(self, name: str, steps: Steps) -> str:
        """A line to uncomment."""
        line = f"# {name} = {self._paths([steps])}  # {self._found_in(name, steps)}"
        above = self.seen.above(self.fields[OUTPUT][0], steps) if name == CAP and OUTPUT in self.fields else 0
        return f"{line}; {plural(above, 'output')} {'is' if above == 1 else 'are'} above it" if above else line

    def _reason(self, found: list[Steps], *, live: bool) -> Iterator[str]:
        """The line of a reason, with what its values mean where they are none of our words."""
        path, output = found[0], self.fields.get(OUTPUT, [()])[0]
        meanings, proven = self.seen.meanings(path, output, self.fields.get(CAP, []))
        plain = f"{REASON} = {self._paths(found)}  # {self._found_in(REASON, path)}"
        if not meanings:
            yield plain if live else f"# {plain}"
            return
        often = ", ".join(f"{count:,} {_text(value)}" for value, count in self.seen.reasons(path).items())
        values = ", ".join(f"{_key(value)} = {_text(meaning)}" for value, meaning in meanings.items())
        line = f"{REASON} = {{ path = {self._paths(found)}, values = {{ {values} }} }}"
        in_all = f"in {self.seen.paths[path]:,} of {self.seen.records:,}: {often}"
        if live and proven:
            yield f"{line}  # {in_all}: by whether outputs are at the cap"
        else:
            yield f"# {line}  # {in_all}: check what each means"

    def _missing(self) -> Iterator[str]:
        """What the gate judges the output by, and no name tells."""
        taken = {steps for found in (self.fields | self.doubtful).values() for steps in found}
        yield from self._success(taken)
        yield from self._labels(taken)
        if missing := [each for each in (PREDICTED, CAP) if each not in self.fields and each not in self.doubtful]:
            counts = self.seen.counts({steps for found in self.fields.values() for steps in found})
            others = [self._shown(steps) for steps in counts]
            told = f"other counts: {listing(others)}" if others else "no other count"
            yield f"# not found by name: {listing(missing)} ({told})"
        if missing := [f"{name} ({use})" for name, use in _USES.items() if name not in self.fields]:
            yield f"# not found by name: {listing(missing)}"

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
        for steps in (flags := self.seen.flags()):
            told = self._found_in("success", steps)
            yield f"# success = {self._paths([steps])}  # {told}: if it says that the task succeeded"
        if not flags and not outcomes:
            yield "# success = { value = true }  # if each task succeeded: predictions need it to be judged"

    def _labels(self, taken: Collection[Steps]) -> Iterator[str]:
        """What may be the kind of work, or how hard it is."""
        known = {*taken, *self.seen.outcomes(), *self.seen.flags()}
        for steps, texts in self.seen.labels(self.fields[OUTPUT][0]).items():
            name = "complexity" if _GRADES.issuperset(each.lower() for each in texts) else "category"
            if steps not in known and name not in self.fields:
                told = f"in {self.seen.paths[steps]:,} of {self.seen.records:,}"
                examples = ", ".join(map(_text, texts[:_TEXTS]))
                yield f"# {name} = {self._paths([steps])}  # {told}, such as {examples}: if it is {_MEANT[name]}"

    def _paths(self, found: list[Steps]) -> str:
        written = [_path(self.kind, steps) for steps in found]
        return written[0] if len(written) == 1 else f"[{', '.join(written)}]"

    def _shown(self, steps: Steps) -> str:
        return steps[0] if self.kind == "csv" else dotted(steps)

    def _found_in(self, name: str, steps: Steps) -> str:
        """How often a path is there, and, of a count or reason, what stands there: never a text that may be long."""
        often = f"in {self.seen.paths[steps]:,} of {self.seen.records:,}"
        if FIELDS[name].kind not in ("count", "flag", "reason", "raw reason"):
            return often
        shown = str if FIELDS[name].kind == "count" else _text
        return f"{often}, such as {', '.join(map(shown, self.seen.examples[steps][:3]))}"


_USES = {
    "success": "whether the task succeeded: without it no prediction is judged",
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

_TEXTS = 3
"""Texts of a label that are shown."""


def _path(kind: Format, steps: Steps) -> str:
    return _text(steps[0] if kind == "csv" else dotted(steps))


def _records(kind: Format, file: BinaryIO) -> Iterator[object]:
    into = Rows()
    into.begin_file()
    if kind == "csv":
        yield from (row for _, row in csv_rows(file, into))
        return
    for each in documents_of(file, ANY_JSON, into):
        yield from each.value if isinstance(each.value, list) else [each.value]


def _key(text: str) -> str:
    return text if _BARE_KEY.fullmatch(text) else _text(text)


_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def _text(value: Scalar) -> str:
    """``value`` as TOML writes it, without what a terminal would not show as it is."""
    if not isinstance(value, str):
        return str(value).lower()
    return json.dumps("".join(each if each.isprintable() else "?" for each in value), ensure_ascii=False)
