"""Which source reads a file, by how it begins, and what it may hold that is not read."""

from __future__ import annotations

from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_LE
from typing import TYPE_CHECKING, NamedTuple, cast

from pytest_token_telemetry.sources.deferred import ONE_A_LINE, TABLE, ZIP, Deferred, signs_of
from pytest_token_telemetry.sources.own_format import HEAD as OWN
from pytest_token_telemetry.sources.own_format import SCHEMA, begins_as_ours, has_ours_within_lines
from pytest_token_telemetry.sources.source import HEAD
from pytest_token_telemetry.sources.tagged.formats import has_tagged_line
from pytest_token_telemetry.sources.tagged.tagged_source import TaggedSource
from pytest_token_telemetry.sources.unread import (
    BESIDE,
    FOR_A_MAP,
    NO_SCHEMA,
    UNREAD,
    WIDE,
    counts_beside_ours,
    counts_in_json,
    first_others,
    has_other_lines,
    has_others,
    lacks_schema,
    object_below,
    records_with_counts,
    tells_of_calls,
)
from pytest_token_telemetry.writing import OWN_OUTPUT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_token_telemetry.sources.source import MapSource, Source

_OTLP = (
    *("resource", "resourceSpans", "resourceLogs", "resourceMetrics", "resourceProfiles"),
    *("scopeSpans", "scopeLogs", "instrumentationLibrarySpans"),
)
_GEMINI = ("candidates", "usageMetadata")

SOURCES: list[Source] = [
    Deferred("otlp", "otlp.otlp_source:OtlpSource", *_OTLP),
    Deferred("batches", "batches:BatchSource", "custom_id", "key", "contents", "generationConfig", *_GEMINI),
    Deferred("litellm", "litellm:LiteLLMSource", "call_type", "standard_logging_object"),
    Deferred("inspect", "exports.inspect_log:InspectSource", ZIP, "task"),
    Deferred("openhands", "exports.openhands:OpenHandsSource", "source", "instance_id", "context_window"),
    Deferred("langsmith", "exports.langsmith:LangSmithSource", "run_type", "dotted_order"),
    Deferred("langfuse", "exports.langfuse:LangfuseSource", TABLE, "traceId"),
    Deferred("promptfoo", "exports.promptfoo:PromptfooSource", "evalId", "promptIdx", "gradingResult"),
    Deferred("csv", "exports.lengths:LengthsSource", TABLE),
    Deferred("claude-code", "exports.claude_code:ClaudeCodeSource"),
    Deferred("responses", "response_lines:ResponseSource", "object", "choices", "created_at", "content", *_GEMINI),
    Deferred("autopack-export", "origin_export:OriginExport", "predicted_output_tokens", "run_id"),
    TaggedSource(),
]
"""In the order in which they are asked. The last one claims every file."""

_LINES = 20
"""Lines that are looked at for records of a known kind."""

_ONE_A_LINE = [each for each in SOURCES if isinstance(each, Deferred) and each.name in ONE_A_LINE]

_SIGNS_OF_LINES = frozenset().union(*(each.signs for each in _ONE_A_LINE))

_OURS = (b"[T", SCHEMA.encode())
"""What telemetry of our own begins with, a tag or the schema of a line."""

_OWN_LINE = OWN.encode()

_OUR_OUTPUT = Deferred("our-output", "our_output:OurOutput")

AUTO = "auto"
"""The format of a file that is not named: the source knows that claims it."""


class Choice(NamedTuple):
    """What a user chose of the sources that read files."""

    format: str = AUTO
    """The name of the source that reads every file, if it is known."""
    mapped: tuple[Source, ...] = ()
    """Sources that are made of the user's maps, asked first."""
    added: tuple[Source, ...] = ()
    """Sources of other plugins, asked before ours."""


class Recognised(NamedTuple):
    """What the beginning of a file tells."""

    source: Source
    unread: str = ""
    has_counts: bool = False
    """These two as of `FileRead`."""


def recognised(path: str, beginning: bytes, choice: Choice, *, is_part: bool = False) -> Recognised:
    """Find the source of a file with this ``beginning``, and whether it may have calls though no line is a record.

    Records of a known kind are read wherever they begin, but beside tagged lines: these may tell of the same calls.

    ``is_part``: whether only a part of the file is read, which tells of its lines alone.
    """
    source = source_of(path, beginning, choice)
    if not isinstance(source, TaggedSource) or (beginning.startswith(_OWN_LINE) and not _is_mixed(beginning, choice)):
        return Recognised(source)
    if beginning.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) and not beginning.startswith(BOM_UTF32_LE):
        narrow = beginning.decode("utf-16", "ignore").encode()
        other = recognised("", narrow, Choice())
        return Recognised(source, WIDE if other.unread or not isinstance(other.source, TaggedSource) else "")
    behind = source_behind(beginning) if choice.format == AUTO else None
    if behind is None:
        return Recognised(source, _unread(path, beginning, choice), counts_in_json(beginning))
    return Recognised(source, BESIDE) if is_part or _has_tags(beginning) else Recognised(behind)


def source_of(path: str, beginning: bytes, choice: Choice) -> Source:
    """The source that reads the file at ``path``, whose text has this ``beginning``."""
    head = beginning[:HEAD]
    if OWN_OUTPUT.match(head):
        return _OUR_OUTPUT
    mapped = choice.mapped
    if mapped and choice.format == AUTO and begins_as_ours(head):
        mapped = _maps_of_json(mapped) if has_others(beginning) else ()
    sources = [*mapped, *choice.added, *SOURCES] if mapped or choice.added else SOURCES
    if choice.format != AUTO:
        return next(each for each in sources if each.name == choice.format)
    shown = signs_of(head)
    for each in sources:
        may_be = not isinstance(each, Deferred) or (shown and not each.signs.isdisjoint(shown))
        if may_be and each.claims(path, head):
            return source_below(head, shown) or each if isinstance(each, TaggedSource) else each
    raise AssertionError("the last source claims every file")


def _maps_of_json(mapped: Iterable[Source]) -> tuple[Source, ...]:
    """Those of the ``mapped`` sources that read JSON, and with it lines of our own format."""
    return tuple(each for each in mapped if cast("MapSource", each).reads_json)


def source_below(head: bytes, shown: frozenset[bytes]) -> Source | None:
    """The source of the lines below the first one, where that is text or of no kind that is known.

    Only formats with one record a line are looked for, and text with telemetry of our own is left to who reads that. A
    prompt in a record of others may quote anything.

    ``shown``: the signs of the ``head``.
    """
    if not shown and (below := object_below(head)):
        shown = signs_of(head[below:])
    if _SIGNS_OF_LINES.isdisjoint(shown):
        return None
    found = None
    for number, line in enumerate(head.split(b"\n")):
        has_ours = any(ours in line for ours in _OURS)
        source = _source_of_line(line) if number and (number < _LINES or has_ours) else None
        if has_ours and source is None:
            return None
        found = found or source
    return found


def source_behind(text: bytes) -> Source | None:
    """The source of one of the records of ``text``, however many lines stand before it."""
    return next(filter(None, (_source_of_line(record[:HEAD]) for record in records_with_counts(text))), None)


def _source_of_line(line: bytes) -> Source | None:
    shown = signs_of(line)
    return next((each for each in _ONE_A_LINE if not each.signs.isdisjoint(shown) and each.claims("", line)), None)


def _is_mixed(text: bytes, choice: Choice) -> bool:
    """Whether below a first line of our own lines of others may stand."""
    return has_others(text) or (bool(choice.mapped) and has_other_lines(text))


def _unread(path: str, text: bytes, choice: Choice) -> str:
    """Why a file that begins with ``text`` may have calls beside its tagged lines; empty: nothing says so."""
    if tells_of_calls(text):
        return UNREAD
    if lacks_schema(text):
        return NO_SCHEMA
    if choice.mapped and choice.format == AUTO and begins_as_ours(text) and has_other_lines(text):
        of_json = _maps_of_json(choice.mapped)
        if any(each.claims(path, text) for each in choice.mapped if each not in of_json):
            return FOR_A_MAP
    is_known = any(each.claims("", line[:HEAD]) for line in first_others(text) for each in _shown_by(line))
    return BESIDE if is_known or counts_beside_ours(text) else ""


def _shown_by(line: bytes) -> list[Deferred]:
    """The formats of which a ``line`` may be."""
    shown = signs_of(line[:HEAD])
    return [each for each in SOURCES if isinstance(each, Deferred) and not each.signs.isdisjoint(shown)]


def _has_tags(text: bytes) -> bool:
    """Whether lines stand in ``text`` that only who reads tagged lines finds: our own ones behind other text too."""
    return has_tagged_line(text) or has_ours_within_lines(text)
