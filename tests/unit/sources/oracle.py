"""Read telemetry records by `docs/definitions.md` alone: slow, plain, and without a line of the package.

It says what a text holds, so that a test can ask the reader for the same. It was written from the documentation before
its author had seen the reader, and follows "Which records are found, and what they say" rule by rule.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

Value = int | str | bool | None
Values = dict[str, Value]
Kind = Literal["sample", "legacy", "budget", "unusable", "mention"]


class Record(NamedTuple):
    """One record: where its tag or name stands (a line from 1 on), what it is, and what it says."""

    line: int
    kind: Kind
    values: Values


def records(text: bytes) -> list[Record]:
    """All records of one file, in the order of their tags and names."""
    plain = without_codes(text)
    names = [(m.start(), m.end()) for m in _NAME.finditer(plain)]
    found = [*_log_records(plain, names), *_own_records(plain, names), *_begun(plain)]
    return [
        Record(plain.count("\n", 0, at) + 1, kind, values) for at, kind, values in sorted(found, key=lambda f: f[0])
    ]


class _Found(NamedTuple):
    at: int
    kind: Kind
    values: Values


class _UnusableError(Exception):
    """A record that cannot be used."""


# What is left out of any text

_ESC = r"(?:\x1b|\\+u001[bB])"
_CODES = re.compile(rf"{_ESC}\[[0-?]*[ -/]*[@-~]|{_ESC}\][^\x07\x1b\n\\]*(?:\x07|\\+u0007|{_ESC}\\+)")
_ENCODINGS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def without_codes(text: bytes) -> str:
    """A file's text, without NUL bytes and the codes of a terminal."""
    return _CODES.sub("", decoded(text))


def decoded(text: bytes) -> str:
    """A file's text, without NUL bytes."""
    for mark, encoding in _ENCODINGS:
        if text.startswith(mark):
            text = text.decode(encoding, "replace").encode()
            break
    return text.replace(b"\0", b"").decode("utf-8", "replace")


def _text(word: str) -> str:
    """A text as far as it is looked at, without half characters."""
    return word[:256].encode("utf-8", "replace").decode()


# Log lines

_TAG = re.compile(r"\[(?:TokenEstimationV2|TokenEstimation|TOKEN_BUDGET)\]")
_WORD = re.compile(r'(?<![\w.])([A-Za-z_][\w.]*)="?([^\s"]*)')
_DATE = r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})"
_GLUED = re.compile(rf"(?<![=_:/.@-])(?<!=[\"']){_DATE}")
_TIME = re.compile(rf"{_DATE}(?:[.,](\d+))?(Z|[+-]\d\d:?\d\d)?")
_IN_JSON = re.compile(r'[{,]\s*\\*"[^"\\]{1,64}\\*"\s*:\s*(\\*)"')
_IN_DOCKER = re.compile(r'\A\{"log":\s*"')
_CRI_PART = re.compile(r"\A\S+ std(?:out|err) P ")
_LEGACY = re.compile(r"\s*Predicted:\s*(\d+)\s+output tokens,\s*Actual:\s*(\d+)\s+output tokens")
_OUTPUT_OF_CAP = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")
_ENDINGS = "',;}]\\"
_MOST = 1_000_000_000
_LONGEST = 16_384
_NUMBERS = {
    "predicted_output",
    "actual_output",
    "selected_budget",
    "actual_max_tokens",
    "max_tokens",
    "deliverables",
}
_KNOWN = {
    *_NUMBERS,
    "smape",
    "category",
    "complexity",
    "success",
    "stop_reason",
    "truncated",
    "model",
    "actual_total",
    "phase",
    "task_id",
}


class _Body(NamedTuple):
    """What follows a tag, up to where its record ends."""

    text: str
    has_line_end: bool
    in_docker: bool


def _log_records(plain: str, names: list[tuple[int, int]]) -> list[_Found]:
    found = []
    tags = [(*tag.span(), tag.group()) for tag in _TAG.finditer(plain)]
    for start, end, tag in tags:
        line_start = plain.rfind("\n", 0, start) + 1
        before = plain[line_start:start]
        others = [*((first, last) for first, last, _ in tags), *names]
        next_tag = min((first for first, _ in others if first > start), default=len(plain))
        behind = max(
            line_start, start - len(_last_bytes(before, 1024)), *(last for _, last in others if last <= start), 0
        )
        first_tag = min(first for first, _ in others if first >= line_start)
        string = _string_of_json(plain[behind:start])
        string = _string_of_json(_first_bytes(plain[line_start:first_tag], 1024)) if string is None else string
        body = _body(plain, end, next_tag, before, string)
        try:
            kind, values = _log_record(tag, body)
        except _UnusableError:
            kind, values = "unusable", {}
        if kind in ("sample", "legacy", "budget"):
            values["time"] = _last_time(_without_escapes(plain[behind:start], string))
        found.append(_Found(start, kind, values))
    return found


def _string_of_json(text: str) -> int | None:
    """How many backslashes the quotes of the string of JSON have that ``text`` ends in; ``None`` if it ends in none."""
    for opening in reversed(list(_IN_JSON.finditer(text))):
        if not re.search(rf'(?<!\\)\\{{{len(opening[1])}}}"', text[opening.end() :]):
            return len(opening[1])
    return None


def _without_escapes(text: str, string: int | None) -> str:
    """``text`` without the escapes of the strings of JSON around it, whose quotes have so many backslashes."""
    depth = {None: 0, 0: 1, 1: 2, 3: 3, 7: 4}.get(string, 0)
    simple = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
    for _ in range(depth):
        text = re.sub(
            r"\\(?:u([0-9a-fA-F]{4})|(.))",
            lambda escape: chr(int(escape[1], 16)) if escape[1] else simple.get(escape[2], escape[2]),
            text,
            flags=re.DOTALL,
        )
    return text


def _body(plain: str, start: int, next_tag: int, before: str, string: int | None) -> _Body:
    line_end = plain.find("\n", start)
    ends = [(start + len(_first_bytes(plain[start:], _LONGEST)), False), (next_tag, False)]
    in_docker, of_runtime = _IN_DOCKER.search(before) is not None, _CRI_PART.search(before) is not None
    is_part = in_docker or of_runtime
    ends.append((line_end, not is_part) if line_end >= 0 else (len(plain), False))
    end, has_line_end = min(ends, key=lambda end: (end[0], not end[1]))
    text = plain[start:end]
    if string is not None:
        unit = string + 1
        escaped = re.search(rf"(?<!\\)(?:\\{{{2 * unit}}})*\\{{{unit}}}(?:n|r|u000[aAdD])", text)
        quote = re.search(rf'(?<!\\)(?:\\{{{2 * unit}}})*\\{{{string}}}"', text)
        first = min((found for found in (escaped, quote) if found), key=lambda found: found.start(), default=None)
        if first is not None:
            text, has_line_end = text[: first.start()], has_line_end or first is escaped
    text = _without_escapes(text, string)
    if glued := _GLUED.search(text):
        text, has_line_end = text[: glued.start()].removesuffix("["), False
    return _Body(text, has_line_end, in_docker)


def _first_bytes(text: str, count: int) -> str:
    return text[:count].encode()[:count].decode("utf-8", "ignore")


def _last_bytes(text: str, count: int) -> str:
    return text[-count:].encode()[-count:].decode("utf-8", "ignore")


def _log_record(tag: str, body: _Body) -> tuple[Kind, Values]:
    if tag == "[TOKEN_BUDGET]":
        return _budget(body)
    if not _WORD.search(body.text) and "Predicted:" not in body.text:
        return "mention", {}
    if tag == "[TokenEstimation]":
        counts = _LEGACY.match(body.text)
        if counts is None:
            raise _UnusableError
        return "legacy", _values(_count(counts[1]), _count(counts[2]))
    return "sample", _second_version(body)


def _words(text: str) -> dict[str, str]:
    """The known keys of a record with their values."""
    words: dict[str, str] = {}
    for word in _WORD.finditer(text):
        if word[1] in _KNOWN and words.setdefault(word[1], _without_end(word[2])) != _without_end(word[2]):
            raise _UnusableError
    return words


def _without_end(value: str) -> str:
    return value.rstrip(_ENDINGS) or value


def _budget(body: _Body) -> tuple[Kind, Values]:
    words = {word[1]: word[2].rstrip(_ENDINGS) for word in _WORD.finditer(body.text)}
    output = _OUTPUT_OF_CAP.fullmatch(words.get("output", ""))
    task = _name(words.get("phase"))
    if output is None or task is None:
        return "mention", {}
    if _ends_in(body, {"output"}):
        raise _UnusableError
    cap = int(output[2]) or None
    return "budget", {
        "task_id": task,
        "output_tokens": int(output[1]),
        "max_tokens": cap,
        "truncated": _truncated(int(output[1]), cap, None, None),
        "complexity": folded_name(_name(words.get("complexity"))),
        "model": _name(words.get("model")),
    }


def _ends_in(body: _Body, keys: set[str]) -> bool:
    """Whether the last word is one of these keys and may go on: nothing follows it, not even the end of the line."""
    *_, last = _WORD.finditer(body.text)
    behind = body.text[last.end() :]
    return last[1] in keys and not body.has_line_end and (not behind or (body.in_docker and behind[0] == '"'))


def _second_version(body: _Body) -> Values:
    words = _words(body.text)
    success = _boolean(words.get("success"))
    truncated = _boolean(words.get("truncated"))
    if _ends_in(body, _NUMBERS):
        raise _UnusableError
    return _values(
        _count(words.get("predicted_output")),
        _count(words.get("actual_output")),
        budget_tokens=_number(words.get("selected_budget")),
        max_tokens=_number(words.get("actual_max_tokens")) or _number(words.get("max_tokens")),
        says_truncated=truncated,
        success=success,
        category=_name(words.get("category")),
        complexity=_name(words.get("complexity")),
        deliverable_count=_number(words.get("deliverables")),
        task_id=_name(words.get("task_id")) or _name(words.get("phase")),
        model=_name(words.get("model")),
        finish_reason=_spoken_reason(words, body.text),
    )


def _spoken_reason(words: dict[str, str], text: str) -> str | None:
    """The reason, which may have several words if they say that the output was cut off."""
    if (word := _name(words.get("stop_reason"))) is None:
        return None
    spoken = re.search(r"(?<![\w.])stop_reason=(.*?)(?:\s[A-Za-z_][\w.]*=|\s*$)", text)
    several = _reason(spoken[1].strip("\"' ,;}]\\")) if spoken else None
    return several if several in ("length", "context") else _reason(word)


def _count(word: str | None) -> int:
    if word is None or not re.fullmatch(r"-?[0-9]{1,11}", word) or not 0 <= int(word) <= _MOST:
        raise _UnusableError
    return int(word)


def _number(word: str | None) -> int | None:
    """A number that is not needed: nobody knows it if it is 0 or none."""
    try:
        return _count(word) or None
    except _UnusableError:
        return None


def _boolean(word: str | None) -> bool | None:
    words = {"true": True, "false": False, "none": None, "null": None}
    if word is None or word.lower() not in words:
        raise _UnusableError
    return words[word.lower()]


def _name(word: str | None) -> str | None:
    return None if word is None or word.lower() in ("", "none", "null") else _text(word)


def _last_time(text: str) -> str | None:
    times = list(_TIME.finditer(text))
    return _time(times[-1]) if times else None


def _time(match: re.Match[str]) -> str | None:
    day, clock, fraction, zone = match.groups()
    try:
        time = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0')[:6]:0<6}{zone or ''}")
        return (time.astimezone(UTC).replace(tzinfo=None) if zone else time).isoformat()
    except (ValueError, OverflowError):
        return None


# Whether an output was cut off

_SPELLINGS = {
    **dict.fromkeys(("documentation", "doc"), "docs"),
    **dict.fromkeys(("testing", "test"), "tests"),
    **dict.fromkeys(("implement_feature", "implement", "impl", "feature"), "implementation"),
}


FIELDS = (
    "predicted_output_tokens",
    "output_tokens",
    "budget_tokens",
    "max_tokens",
    "truncated",
    "success",
    "category",
    "complexity",
    "deliverable_count",
    "task_id",
    "model",
    "operation",
    "finish_reason",
    "time",
)
"""What is known of a sample."""


def folded_name(name: Value) -> Value:
    """A category or complexity in the spelling in which it is compared."""
    return _SPELLINGS.get(name.lower(), name.lower()) if isinstance(name, str) and name else None


def _values(
    predicted: int | None,
    output: int,
    *,
    budget_tokens: int | None = None,
    max_tokens: int | None = None,
    says_truncated: bool | None = None,
    success: bool | None = None,
    category: str | None = None,
    complexity: str | None = None,
    deliverable_count: int | None = None,
    task_id: str | None = None,
    model: str | None = None,
    operation: str | None = None,
    finish_reason: str | None = None,
    time: str | None = None,
) -> Values:
    return {
        "predicted_output_tokens": predicted,
        "output_tokens": output,
        "budget_tokens": budget_tokens,
        "max_tokens": max_tokens,
        "truncated": _truncated(output, max_tokens, says_truncated, finish_reason),
        "success": success,
        "category": folded_name(category),
        "complexity": folded_name(complexity),
        "deliverable_count": deliverable_count,
        "task_id": task_id,
        "model": model,
        "operation": operation,
        "finish_reason": finish_reason,
        "time": time,
    }


def _truncated(output: int, cap: int | None, says: bool | None, reason: str | None) -> bool | None:
    if says or reason in ("length", "context"):
        return True
    if says is False or reason in ("stop", "content_filter"):
        return False
    if cap and output >= cap:
        return True
    if cap and output > 0 and reason != "error":
        return False
    return False if reason == "tool_call" else None


def _reason_table() -> dict[str, str]:
    """The table of the definitions: a provider's word, as it is compared, to ours."""
    definitions = (Path(__file__).parents[3] / "docs" / "definitions.md").read_text("utf-8")
    rows = definitions.partition("<!-- generated: reasons -->")[2].partition("<!-- end of reasons -->")[0]
    table = {}
    for row in re.finditer(r"^\| `(\w+)` \| (.+) \|$", rows, re.MULTILINE):
        table.update({_folded(word): row[1] for word in re.findall(r"`(\w+)`", row[2])})
    return table


def _folded(word: str) -> str:
    return "".join(filter(str.isalnum, word.rpartition(".")[2] or word)).lower()


_REASONS = _reason_table()


def _reason(word: str | None) -> str | None:
    return _REASONS.get(_folded(word), "unknown") if word else None


# Lines of our own


def _escapable(text: str) -> str:
    """A pattern of a text, any character of which may be escaped as JSON allows."""
    return "".join(map(_escapable_character, text))


def _escapable_character(character: str) -> str:
    code = "".join(f"[{digit}{digit.upper()}]" for digit in f"{ord(character):04x}")
    backslashes = r"\\*" if character in '/"' else ""
    return rf"(?:{backslashes}{re.escape(character)}|\\+u{code})"


_QUOTE = r'\\*(?:"|u0022)'
_NAME = re.compile(_QUOTE + _escapable("token-telemetry/") + r"[0-9][0-9.]{0,9}" + _QUOTE)
_HEAD = '{"schema":"token-telemetry/1"'
_KEY_BEFORE = re.compile(r'"schema"\s*:\s*\Z')
_FEATURES_BEFORE = re.compile(r'"features"\s*:\s*\Z')
_NEAR = 1 << 20
_STRINGS_DEEP = 4


class _Object(NamedTuple):
    start: int
    end: int
    pairs: _Pairs


def _own_records(plain: str, names: list[tuple[int, int]]) -> list[_Found]:
    objects = [(start, found) for start, end in names for found in _objects_around(plain, start, end)]
    spans = {(found.start, found.end) for _, found in objects if found}
    records: list[_Found] = []
    seen = set()
    for at, found in objects:
        span = (found.start, found.end) if found else (at, at)
        within = any(first <= span[0] and span[1] <= last and (first, last) != span for first, last in spans)
        if within or (found and span in seen):
            continue
        seen.add(span)
        try:
            records.append(_Found(at, *_own_record(found)))
        except _UnusableError:
            records.append(_Found(at, "unusable", {}))
    return records


def _objects_around(plain: str, start: int, end: int) -> list[_Object | None]:
    """The record that a name is of: none, or one, or one that is malformed or cut off."""
    first, last = _window(plain, start)
    depth = _depth(plain[start:end])
    if depth:
        first = max(first, plain.rfind("\n", 0, start) + 1)
        last = min(last, (plain + "\n").index("\n", end))
    text, at = plain[first:last], list(range(first, last + 1))
    for _ in range(depth):
        text, at = _unescaped(text, at)
    name = next(i for i, place in enumerate(at) if place >= start)
    if depth > _STRINGS_DEEP or not _KEY_BEFORE.search(_spelled_out(text[:name])):
        return []
    found = _innermost(text, name)
    if found is None:
        return [None]
    if _FEATURES_BEFORE.search(text[: found[0]]):
        return []
    return [_Object(at[found[0]], at[found[1]], found[2])]


def _begun(plain: str) -> list[_Found]:
    """A last line of which only the head was written."""
    last = plain.rfind("\n") + 1
    is_head = len(plain) - last >= 3 and plain[last:] != _HEAD and _HEAD.startswith(plain[last:])
    return [_Found(last, "unusable", {})] if is_head else []


def _depth(name: str) -> int:
    """How many strings a name stands in, by its first quote."""
    depth = 0
    while not name.startswith('"'):
        name, _ = _unescaped(name, list(range(len(name) + 1)))
        depth += 1
    return depth


def _spelled_out(text: str) -> str:
    return re.sub(r"\\u00([2-7][0-9a-fA-F])", lambda match: chr(int(match[1], 16)), text)


def _window(plain: str, name: int) -> tuple[int, int]:
    """Where the object around a name is looked for: its line, or a megabyte on either side."""
    first = plain.rfind("\n", 0, name) + 1
    last = plain.find("\n", name)
    last = len(plain) if last < 0 else last
    line = plain[first:last]
    if line.count("{") == line.count("}") and "{" in plain[first:name] and len(line.encode()) <= _LONGEST:
        return first, last
    return max(0, name - _NEAR), min(len(plain), name + _NEAR)


def _innermost(text: str, name: int) -> tuple[int, int, _Pairs] | None:
    """The innermost object around a name that has a `schema` of ours, and from where to where it goes."""
    for brace in (i for i in range(name - 1, -1, -1) if text[i] == "{"):
        try:
            pairs, end = _DECODER.raw_decode(text, brace)
        except (ValueError, RecursionError):
            continue
        if end > name and any(_is_ours(pair) for pair in pairs):
            return brace, end, pairs
    return None


def _is_ours(pair: tuple[str, object]) -> bool:
    return pair[0] == "schema" and isinstance(pair[1], str) and pair[1].startswith("token-telemetry/")


def _unescaped(text: str, at: list[int]) -> tuple[str, list[int]]:
    """What the body of a JSON string says, and where each character of that stands."""
    characters, places = [], []
    for match in re.finditer(r"\\u([0-9a-fA-F]{4})|\\(.)|(.)", text, re.DOTALL):
        code, escape, character = match.groups()
        if code:
            character = chr(int(code, 16))
        elif escape:
            character = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}.get(escape, escape)
        characters.append(character)
        places.append(at[match.start()])
    return "".join(characters), [*places, at[len(text)]]


class _Pairs(list[tuple[str, object]]):
    """An object as it was written, with a key that stands twice."""


_DECODER = json.JSONDecoder(object_pairs_hook=_Pairs)
_OPTIONAL_COUNTS = ("budget_tokens", "max_tokens", "deliverable_count")
_TEXTS = (
    "truncation_source",
    "category",
    "complexity",
    "task_id",
    "model",
    "operation",
    "finish_reason",
    "finish_reason_raw",
)


def _own_record(found: _Object | None) -> tuple[Kind, Values]:
    if found is None or found.end - found.start > _LONGEST:
        raise _UnusableError
    fields = _without_repeats(found.pairs)
    if fields["schema"] != "token-telemetry/1":
        raise _UnusableError
    counts = {key: _own_count(fields[key], -_MOST) for key in _OPTIONAL_COUNTS if fields.get(key) is not None}
    counts = {key: count for key, count in counts.items() if count > 0}
    texts = {key: _own_text(fields.get(key)) for key in _TEXTS}
    flags = {key: _own_flag(fields.get(key)) for key in ("truncated", "success", "legacy")}
    prediction = fields.get("predicted_output_tokens")
    values = _values(
        None if prediction is None else _own_count(prediction),
        _own_count(fields.get("output_tokens")),
        budget_tokens=counts.get("budget_tokens"),
        max_tokens=counts.get("max_tokens"),
        says_truncated=flags["truncated"],
        success=flags["success"],
        category=texts["category"],
        complexity=texts["complexity"],
        deliverable_count=counts.get("deliverable_count"),
        task_id=texts["task_id"],
        model=texts["model"],
        operation=texts["operation"],
        finish_reason=_own_reason(texts["finish_reason"], texts["finish_reason_raw"]),
        time=_own_time(fields.get("time")),
    )
    return ("legacy" if flags["legacy"] else "sample"), values


def _without_repeats(pairs: _Pairs) -> dict[str, object]:
    """An object whose keys stand once, or with one value; objects in it as well."""
    fields: dict[str, object] = {}
    for key, given in pairs:
        plain: object = _without_repeats(given) if isinstance(given, _Pairs) else given
        if key in fields and (fields[key] != plain or isinstance(fields[key], bool) != isinstance(plain, bool)):
            raise _UnusableError
        fields[key] = plain
    return fields


def _own_count(value: object, least: int = 0) -> int:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,11}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= _MOST or value % 1:
        raise _UnusableError
    return int(value)


def _own_text(value: object) -> str | None:
    if not isinstance(value, str | None):
        raise _UnusableError
    return _text(value) if value else None


def _own_time(value: object) -> str | None:
    try:
        time = datetime.fromisoformat(value.upper()) if isinstance(value, str) else None
        return (time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time).isoformat() if time else None
    except (ValueError, OverflowError):
        return None


def _own_flag(value: object) -> bool | None:
    if not isinstance(value, bool | None):
        raise _UnusableError
    return value


def _own_reason(ours: str | None, raw: str | None) -> str | None:
    said = [_reason(raw), _reason(ours)]
    for reason in said:
        if reason in ("length", "context"):
            return reason
    return said[0] or said[1]
