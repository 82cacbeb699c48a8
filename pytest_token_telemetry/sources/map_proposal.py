"""Proposes field maps for files that no source knows, by the names and values in their first records."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping  # noqa: TC003 - `_Seen` is a dataclass with these
from dataclasses import dataclass, field
from glob import escape
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING

from pytest_token_telemetry.sample import FIELDS
from pytest_token_telemetry.sources.call_records import ALSO
from pytest_token_telemetry.sources.exports.csv_rows import csv_rows, header_of
from pytest_token_telemetry.sources.exports.export_records import documents_of
from pytest_token_telemetry.sources.extract import SOURCES, Task, source_of
from pytest_token_telemetry.sources.field_map import SECTION, dotted, may_be
from pytest_token_telemetry.sources.field_names import ALIASES, NAMES, letters
from pytest_token_telemetry.sources.mapped import ANY_JSON
from pytest_token_telemetry.sources.rows import Rows
from pytest_token_telemetry.sources.source import HEAD, opened
from pytest_token_telemetry.text import listing, plural

if TYPE_CHECKING:
    from typing import BinaryIO

    from pytest_token_telemetry.sources.field_map import Format, Scalar, Steps

RECORDS = 200
"""Records of a file that are looked at."""

FILES = 20
"""Files of a kind that are looked at."""

_DEEPEST = 8
_LEAVES = 500
"""Of one record."""

_FALLBACKS = 3
"""Paths that are proposed for a field."""

_NAMES: Mapping[str, str] = {
    **{letters(each): name for name, also in ALSO.items() for each in also},
    **dict.fromkeys(("tokensout", "outtokens", "evalcount", "candidatestokencount"), "output_tokens"),
    **dict.fromkeys(("generatedtokens", "responsetokens", "answertokens", "outputtokencount"), "output_tokens"),
    **dict.fromkeys(("ok", "succeeded"), "success"),
    **dict.fromkeys(("modelname", "modelid"), "model"),
    **ALIASES,
    **NAMES,
}
"""Our fields by the letters of what systems call them."""


def proposal(files: Iterable[str]) -> str:
    """Maps for ``files``, as TOML to paste, and in comments what they rest on and what is left to do."""
    known: Counter[str] = Counter()
    texts = unreadable = 0
    kinds: dict[tuple[Format, str], list[str]] = defaultdict(list)
    for path in files:
        try:
            with opened(path) as file, file.stream() as stream:
                head = stream.read(HEAD)
        except OSError:
            unreadable += 1
            continue
        source = source_of(path, head, Task(()))
        format = _format(head)  # noqa: A001 - as in a map
        if source is not SOURCES[-1]:
            known[source.name] += 1
        elif format == "text":
            texts += 1
        else:
            kinds[format, _pattern(path)].append(path)
    notes = [f"# {plural(n, 'file')} of format {name}: read without a map" for name, n in known.items()]
    if texts:
        notes.append(f"# {plural(texts, 'file')} of text: an expression for its lines is yours to write")
    if unreadable:
        notes.append(f"# {plural(unreadable, 'file')} cannot be read")
    maps = [_map(kind, pattern, paths) for (kind, pattern), paths in sorted(kinds.items())]
    return "\n\n".join([*maps, "\n".join(notes)] if notes else maps) or "# there are no files"


def _format(head: bytes) -> Format:
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        return "json"
    return "csv" if header_of(head) else "text"


def _pattern(path: str) -> str:
    name = PurePath(path)
    ending = "".join(name.suffixes[-2:] if name.suffix in _COMPRESSED else name.suffixes[-1:])
    return f"*{escape(ending)}" if ending else escape(name.name)


_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")


@dataclass(slots=True)
class _Seen:
    """What stands in the first records of some files."""

    records: int = 0
    paths: Counter[Steps] = field(default_factory=Counter)
    examples: dict[Steps, list[Scalar]] = field(default_factory=lambda: defaultdict(list))
    _whole: list[dict[Steps, Scalar]] = field(default_factory=list)
    """The first records, whole."""

    def add(self, record: object) -> None:
        self.records += 1
        leaves = dict(islice(_leaves(record, ()), _LEAVES))
        if len(self._whole) < _WHOLE:
            self._whole.append(leaves)
        for steps, value in leaves.items():
            self.paths[steps] += 1
            examples = self.examples[steps]
            if len(examples) < _EXAMPLES and value not in examples:
                examples.append(value)

    def below(self, steps: Steps) -> _Seen:
        """What the records of the lists at ``steps`` hold."""
        n = len(steps) + 1
        of = [path for path in self.paths if path[:n] == (*steps, "0") and len(path) > n]
        found = _Seen(self.records, Counter({path[n:]: self.paths[path] for path in of}))
        found.examples.update({path[n:]: self.examples[path] for path in of})
        return found

    def kind_of_calls(self, output: Steps) -> tuple[Steps, list[str]] | None:
        """The text that tells the records with an ``output`` from all others, and its values there, if one does."""
        calls = [record for record in self._whole if output in record]
        others = [record for record in self._whole if output not in record]
        for steps in calls[0] if calls and others else ():
            values, kinds = ({record.get(steps) for record in each} for each in (calls, others))
            if (
                len(values) <= _KINDS
                and all(isinstance(value, str) and len(value) < _LONGEST for value in values | kinds)
                and values.isdisjoint(kinds)
            ):
                return steps, sorted(map(str, values))
        return None

    def fields(self) -> dict[str, list[Steps]]:
        """The fields that the names and values fit, each with its paths: the short and frequent ones first."""
        found: dict[str, list[Steps]] = defaultdict(list)
        for steps in sorted(self.paths, key=lambda steps: (len(steps), -self.paths[steps])):
            name = _NAMES.get(letters(steps[-1]))
            if name == "id" and len(steps) > 1:  # of a user, or of a session
                continue
            if (
                name is not None
                and FIELDS[name].kind != "features"
                and all(may_be(name, value) for value in self.examples[steps])
            ):
                found[name].append(steps)
        return {name: found[name][:_FALLBACKS] for name in FIELDS if name in found}


_WHOLE = 400
"""Records that are kept whole, to see which of them are calls."""

_KINDS = 3
"""Values of a text by which calls are told from other records."""

_EXAMPLES = 5
"""Values of a path that are kept."""


def _map(kind: Format, pattern: str, paths: list[str]) -> str:
    seen = _Seen()
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
        f"files = [{_text(pattern)}]",
        *(['format = "csv"'] if kind == "csv" else []),
    ]
    fields = seen.fields()
    first = fields.get("output_tokens", [()])[0]
    if "0" in first[:-1]:  # the calls are a list within the document
        records = first[: first.index("0")]
        seen = seen.below(records)
        fields = seen.fields()
        lines += [f"records = {_text(dotted(records))}"] if records else []
    elif kinds := seen.kind_of_calls(first):
        steps, values = kinds
        path = _text(steps[0] if kind == "csv" else dotted(steps))
        lines.append(f"where = {{ {path} = [{', '.join(map(_text, values))}] }}  # only these records have an output")
    lines += ["", f"[{SECTION}.{name}.fields]"]
    if "output_tokens" not in fields:
        lines.append(f'# output_tokens = "PATH"  is needed, and nothing is called so; {_candidates(kind, seen)}')
    for each, found in fields.items():
        written = [_text(steps[0] if kind == "csv" else dotted(steps)) for steps in found]
        value = written[0] if len(written) == 1 else f"[{', '.join(written)}]"
        lines.append(f"{each} = {value}  # {_found_in(each, seen, found[0])}")
    if "output_tokens" in fields and (missing := [each for each in _JUDGED if each not in fields]):
        lines.append(f"# {listing(missing)}: nothing is called so; {_candidates(kind, seen, fields)}")
    return "\n".join(lines)


_JUDGED = ("predicted_output_tokens", "max_tokens")
"""What the gate judges the output by."""


def _candidates(kind: Format, seen: _Seen, fields: Mapping[str, list[Steps]] = {}) -> str:
    taken = {steps for found in fields.values() for steps in found}
    counts = [
        steps[0] if kind == "csv" else dotted(steps)
        for steps in seen.paths
        if steps not in taken and all(may_be("output_tokens", value) for value in seen.examples[steps])
    ]
    if not counts:
        return f"there is no {'other ' if taken else ''}count"
    return f"{'other ' if taken else ''}counts are {listing(counts[:_CANDIDATES])}"


_CANDIDATES = 8
"""Paths that a comment names."""


def _found_in(name: str, seen: _Seen, steps: Steps) -> str:
    """How often a path is there, and, of a count or reason, what stands there: never a text that may be long."""
    often = f"in {seen.paths[steps]} of {seen.records}"
    if FIELDS[name].kind not in ("count", "flag", "reason", "raw reason"):
        return often
    return f"{often}, such as {', '.join(_text(each) for each in seen.examples[steps][:3])}"


def _records(kind: Format, file: BinaryIO) -> Iterator[object]:
    into = Rows()
    into.begin_file()
    if kind == "csv":
        yield from (row for _, row in csv_rows(file, into))
        return
    for each in documents_of(file, ANY_JSON, into):
        yield from each.value if isinstance(each.value, list) else [each.value]


def _leaves(value: object, steps: Steps) -> Iterator[tuple[Steps, Scalar]]:
    """The plain values within ``value``; of a list those of its first item."""
    if len(steps) > _DEEPEST:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            if key and key.isprintable() and '"' not in key:
                yield from _leaves(inner, (*steps, key))
    elif isinstance(value, list):
        for inner in value[:1]:
            yield from _leaves(inner, (*steps, "0"))
    elif isinstance(value, (str, int, float)) and value != "" and steps:
        yield steps, value[:_LONGEST] if isinstance(value, str) else value


_LONGEST = 40
"""Characters of a text that are looked at."""


def _text(value: Scalar) -> str:
    """``value`` as TOML writes it, without what a terminal would not show as it is."""
    if not isinstance(value, str):
        return str(value).lower()
    return json.dumps("".join(each if each.isprintable() else "?" for each in value), ensure_ascii=False)
