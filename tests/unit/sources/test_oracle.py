"""The reader finds in any text what the documentation alone, read by `oracle`, says is there.

Each case is some lines, real-looking ones, that are damaged, wrapped, escaped, coloured and glued at random. The number
of lines is about 3,000; `TOKEN_TELEMETRY_ORACLE_LINES=100000` asks for more.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable, Iterable

import pytest

from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.sources.tagged import formats
from pytest_token_telemetry.sources.tagged.records import Budget, Unusable
from tests.lines import v2
from tests.unit.sources import builders, oracle
from tests.unit.sources.oracle import Record

SEEDS = 30
LINES = int(os.environ.get("TOKEN_TELEMETRY_ORACLE_LINES", "3000"))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_reader_finds_what_the_documentation_says(seed: int) -> None:
    random_ = random.Random(seed)
    lines = 0
    while lines < LINES / SEEDS:
        text, count = _text(random_)
        if _has_defect(text):
            continue
        lines += count
        assert _read(text) == _said(text), text


_V2 = b"[TokenEstimationV2] predicted_output=900 actual_output=900 success=True truncated=False"
_OWN = b'{"schema":"token-telemetry/1","predicted_output_tokens":900,"output_tokens":900'
_QUOTE = rb'(?<!\\)(\\*)("|u0022)'
_ANY_QUOTE = rb'\\*(?:"|u0022)'
_NAME = rb"token-telemetry\\*/[0-9.]+"
_TAG = rb"\[(?:TokenEstimation(?:V2)?|TOKEN_BUDGET)\]"
_BEGIN = rb"(?:" + _TAG + rb"|" + _NAME + rb"|\\u00[267])"
_NUMBER = rb"(?:predicted_output|actual_output|selected_budget|(?:actual_)?max_tokens|deliverables)"
_DEFECTS = {
    "a record in a text of a record over several lines": (
        re.compile(rb'schema": *\\+"(?s:.*)\n|\n(?s:.*)schema": *\\+"'),
        _OWN + b',\n"task_id":"' + _OWN.replace(b'"', b'\\"') + b'}"}\n',
    ),
    "features of which the record is cut off, with another version": (
        re.compile(rb"(?s)features.*telemetry\\*/2|features[^{}]*\{[^{}]*schema[^{}]*schema"),
        b'"features":{"schema":"token-telemetry/2"}}\n',
    ),
    "a key that stands twice beside NaN": (re.compile(rb"NaN"), _OWN + b',"output_tokens":900,"other":NaN}\n'),
    "a line end behind exactly 16 KiB": (
        re.compile(rb"[^\n]{16384}"),
        _V2 + b" " * (16384 - len(_V2) + len("[TokenEstimationV2]") - 15) + b" max_tokens=900\n",
    ),
    "small letters in a time": (re.compile(rb"\dt\d|\dz"), _OWN + b',"time":"2026-01-02t03:04:05z"}\n'),
    "a budget or cap of 0": (re.compile(rb"(?:budget|max_tokens)=\"?0+\b"), _V2 + b" selected_budget=0\n"),
}
"""Texts that the reader does not read as the documentation says: how they are known, and a small one."""


@pytest.mark.parametrize("more", range(-40, 40, 3))
@pytest.mark.parametrize("fill", [b"x", "ü".encode()])
def test_reader_looks_as_far_as_the_documentation_says(more: int, fill: bytes) -> None:
    own = _OWN + b',"other":"'
    texts = [
        *(_V2 + b" " + _filled(fill, 16384 - len(_V2) + more) + tail for tail in _TAILS),
        b"2026-01-02T03:04:05+02:00 " + _filled(fill, 1000 + more) + _V2 + b"\n",
        _filled(fill, 16384 - len(own) - 100 + more) + own + b'"}\n',
        b'{"a":\n{}' + _filled(b" ", 16384 - len(own) + more) + own + b'"}}\n',
        b'{"' + _filled(fill, 64 + more) + b'":"' + _V2 + b'\\nmore"}\n',
    ]
    for text in texts:
        assert _read(text) == _said(text), text


def _filled(fill: bytes, length: int) -> bytes:
    return fill * (length // len(fill))


_TAILS = (
    b" max_tokens=16384",
    b" truncated=False\n",
    b" [TOKEN_BUDGET] phase=p output=900/16384\n",
    b" 2026-01-02 03:04:05 more\n",
    b" stop_reason=max tokens retries=1\n",
)


def _has_defect(text: bytes) -> bool:
    texts = [oracle.decoded(text).encode(), oracle.without_codes(text).encode()]
    return any(known.search(each) for known, _ in _DEFECTS.values() for each in texts)


@pytest.mark.parametrize(
    "text", [pytest.param(text, id=name, marks=pytest.mark.xfail(reason=name)) for name, (_, text) in _DEFECTS.items()]
)
def test_reader_finds_what_it_does_not_find_yet(text: bytes) -> None:
    assert _read(text) == _said(text)


def _read(text: bytes) -> list[Record]:
    found = []
    for fragment in formats.telemetry_scanner().fragments_of(iter([text])):
        match formats.parse(fragment):
            case Unusable():
                found.append(Record(fragment.line, "unusable", {}))
            case Budget(sample):
                values = _values(sample, ("task_id", "output_tokens", "max_tokens", "truncated", "complexity", "model"))
                found.append(Record(fragment.line, "budget", values))
            case None:
                if not formats.is_own(fragment):
                    found.append(Record(fragment.line, "mention", {}))
            case read:
                values = _values(read.sample, oracle.FIELDS)
                found.append(Record(fragment.line, "legacy" if read.sample.legacy else "sample", values))
    return found


def _values(sample: Sample, names: Iterable[str]) -> oracle.Values:
    values = {name: getattr(sample, name) for name in names}
    return _folded(values | {"time": sample.time.isoformat() if sample.time else None})


def _said(text: bytes) -> list[Record]:
    return [record._replace(values=_folded(record.values)) for record in oracle.records(text)]


def _folded(values: oracle.Values) -> oracle.Values:
    """Values with names as they are compared: the reader folds them later."""
    names = {name: oracle.folded_name(values[name]) for name in ("category", "complexity") if name in values}
    return values | names


# Lines ----------------------------------------------------------------------------------------------------------------

_PREFIXES = (
    "",
    "2026-01-02 03:04:05,678 - autopack.clients - INFO - ",
    "[2026-01-02 03:04:06] INFO: ",
    "2026-01-02T03:04:05.123456789Z ",
    "2026-01-02T03:04:05+02:00 INFO ",
    "2026-01-02T03:04:05.123456789Z stdout F ",
    "2026-01-02T03:04:05.123456789Z stdout P ",
    "2026-01-02T03:04:05.123456789Z stderr P [2026-01-02 03:04:06] INFO: ",
    "agent-1  | ",
    "##[group] ",
)
_BAD_COUNTS = ("1000000001", "None", "-7", "1.5", "1e3", "", "9,000")
_COUNTS = ("0", "1", "900", "16384", "1000000000", "007") * 8 + _BAD_COUNTS
_BUDGETS = tuple(count for count in _COUNTS if count != "0")
_FLAGS = ("True", "False", "False", "None", "true", "null") * 4 + ("maybe",)
_REASONS = ("end_turn", "max_tokens", "tool_use", "FinishReason.MAX_TOKENS", "refusal", "error", "odd", "None", "stop")
_CATEGORIES = ("docs", "documentation", "IMPLEMENT_FEATURE", "Tests", "refactoring", "None")
_DEEPLY = {"a": [{"b": "{"}], "c": None}


def _line(random_: random.Random) -> str:
    return random_.choice(_KINDS)(random_)


def _second_version(random_: random.Random) -> str:
    pick = random_.choice
    return pick(_PREFIXES) + v2(
        pick(_COUNTS),
        pick(_COUNTS),
        time=None,
        budget=pick(_BUDGETS),
        category=pick(_CATEGORIES),
        deliverables=pick(("0", "1", "3", "None")),
        success=pick(_FLAGS),
        reason=pick(_REASONS),
        truncated=pick(_FLAGS),
        more=pick(("", "", " actual_max_tokens=8192", " max_tokens=900 retries=2", " max_tokens=16384", " phase=p-1")),
    )


def _words_in_any_order(random_: random.Random) -> str:
    pick = random_.choice
    words = [
        f"predicted_output={pick(_COUNTS)}",
        f"actual_output={pick(_COUNTS)}",
        f"success={pick(_FLAGS)}",
        f"truncated={pick(_FLAGS)}",
        pick(("actual_total=900", 'category="docs"', "complexity=HIGH,", "task_id=t-1", "phase=p;", "")),
        pick(("stop_reason=length", "stop_reason='max tokens'", "max_tokens=900", "actual_max_tokens=None", "")),
        pick(("retries=1", "files=3 retries=2", "model=m", "")),
    ]
    random_.shuffle(words)
    return f"{pick(_PREFIXES)}[TokenEstimationV2] {pick((' ', ' ', '  ', ', ')).join(words)}"


def _first_version(random_: random.Random) -> str:
    pick = random_.choice
    error = pick((", Error: 57.3%", ""))
    counts = f"Predicted: {pick(_COUNTS)} output tokens, Actual: {pick(_COUNTS)} output tokens"
    return f"{pick(_PREFIXES)}[TokenEstimation] {counts}{error}"


def _budget(random_: random.Random) -> str:
    pick = random_.choice
    return pick(_PREFIXES) + pick(
        (
            builders.budget("phase-7", int(pick(("0", "900", "16384"))), int(pick(("900", "16384"))), "2026-01-02"),
            "[TOKEN_BUDGET] Context loading: ~19999 tokens (99% of 20000 budget)",
            "[TOKEN_BUDGET] TRUNCATION: phase=p used 16384/16384 tokens (100% utilization)",
            "[TOKEN_BUDGET] phase=None output=900/16384",
            "[TOKEN_BUDGET] output=900/16384 total=1",
            "[TOKEN_BUDGET] phase=p output=900/1000000001",
            "[TOKEN_BUDGET] phase=p output=900/900 model=m, complexity=HIGH",
            "[TOKEN_BUDGET] phase=p output=0/0 output=900/16384",
        )
    )


def _own(random_: random.Random) -> str:
    pick = random_.choice
    fields: dict[str, object] = {
        "schema": pick(("token-telemetry/1",) * 9 + ("token-telemetry/2",)),
        "predicted_output_tokens": pick((0, 900, 900, 900, 900, 1000000001, None, "900", -1, 1.5)),
        "output_tokens": pick((0, 900, 900, 900, 16384, True, None)),
    }
    if not random_.randrange(5):
        del fields["predicted_output_tokens"]
    others: dict[str, tuple[object, ...]] = {
        "max_tokens": (900, 16384, 0, None),
        "budget_tokens": (900, 0, None),
        "truncated": (True, False, None),
        "success": (True, False, None),
        "category": _CATEGORIES,
        "complexity": ("low", "HIGH", None),
        "deliverable_count": (0, 3, None),
        "task_id": ("t-1", "a {b} c", 'say "token-telemetry/1"', "ü", "[TokenEstimationV2]"),
        "model": ("claude-sonnet-4-5", "x" * 300, "\U0001f600", "", None),
        "operation": ("summarise", "summarise", "Sum up", "", None, 7),
        "finish_reason": (*_REASONS, "length", "unknown"),
        "finish_reason_raw": _REASONS,
        "time": ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678+02:00", "2026-01-02 03:04:05", None, "yesterday"),
        "features": ({}, {"retries": 2}, {"schema": "token-telemetry/1"}, None),
        "other": (1, _DEEPLY, float("nan")),
    }
    for key in random_.sample(list(others), random_.randrange(5)):
        fields[key] = pick(others[key])
    pairs = list(fields.items())
    if random_.random() < 0.3:
        random_.shuffle(pairs)
    record = dict(pairs)
    holder = pick((record,) * 9 + ({"event": record, "n": 1}, [record, record], {"log": {"a": [{}, record]}}))
    indent = pick((None, None, None, 2))
    return pick((*_PREFIXES, "", "")) + json.dumps(holder, indent=indent, ensure_ascii=random_.random() < 0.5)


def _other(random_: random.Random) -> str:
    return random_.choice(
        (
            "",
            "nothing to see",
            "key=value predicted_output=5",
            "see the [TokenEstimation] and [TokenEstimationV2] tags",
            "lines of token-telemetry/1 are read",
            'C:\\new\\runs [TokenEstimationV2] in C:\\new "quoted"',
            '{"level":"info","msg":"nothing"}',
            '{"schema":"other/1","output_tokens":5}',
        )
    )


_KINDS: tuple[Callable[[random.Random], str], ...] = (
    _second_version,
    _words_in_any_order,
    _first_version,
    _budget,
    _own,
    _own,
    _other,
)


# Damage ---------------------------------------------------------------------------------------------------------------


def _text(random_: random.Random) -> tuple[bytes, int]:
    """A text, and of how many lines it was made."""
    lines = [_line(random_) for _ in range(random_.choice((1, 1, 2, 3)))]
    for _ in range(random_.choice((0, 1, 1, 2, 3))):
        which = random_.randrange(len(lines))
        lines[which] = random_.choice(_DAMAGES)(lines[which], random_)
    count = len(lines)
    if random_.random() < 0.1:
        lines = _wrap_lines(lines, random_)
    glue = random_.choice(("\n", "\n", "\n", "\n", "\r\n", "", " "))
    text = glue.join([*lines, ""] if random_.random() < 0.7 else lines)
    encoded = text.encode(random_.choice(("utf-8",) * 8 + ("utf-8-sig", "utf-16", "utf-32")))
    return (_with_other_bytes(encoded, random_) if random_.random() < 0.1 else encoded), count


def _with_other_bytes(text: bytes, random_: random.Random) -> bytes:
    """A text that is no UTF-8, or ends within a character."""
    at = random_.randint(4, max(4, len(text)))
    return text[:at] + random_.choice((b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xe2\x82", b"\x85", b"\x1c")) + text[at:]


def _delete(line: str, random_: random.Random) -> str:
    first, last = _span(line, random_)
    return line[:first] + line[last:]


def _duplicate(line: str, random_: random.Random) -> str:
    first, last = _span(line, random_)
    return line[:last] + line[first:]


def _insert(line: str, random_: random.Random) -> str:
    at = random_.randint(0, len(line))
    return line[:at] + random_.choice(_INSERTED) + line[at:]


def _replace(line: str, random_: random.Random) -> str:
    at = random_.randrange(len(line) or 1)
    return line[:at] + random_.choice("\"'\\{}[]=,: \t\0x0-") + line[at + 1 :]


def _swap_words(line: str, random_: random.Random) -> str:
    words = line.split(" ")
    one, other = random_.randrange(len(words)), random_.randrange(len(words))
    words[one], words[other] = words[other], words[one]
    return " ".join(words)


def _delete_word(line: str, random_: random.Random) -> str:
    words = line.split(" ")
    del words[random_.randrange(len(words))]
    return " ".join(words)


def _duplicate_word(line: str, random_: random.Random) -> str:
    words = line.split(" ")
    words.insert(random_.randint(0, len(words)), random_.choice(words))
    return " ".join(words)


def _cut(line: str, random_: random.Random) -> str:
    at = random_.randint(0, len(line))
    return random_.choice((line[:at], line[:at], line[at:]))


def _wrap_in_json(line: str, random_: random.Random) -> str:
    key = random_.choice(("log", "message", "msg"))
    behind = random_.choice(("", "\n", "\n"))
    fields = {"time": "2026-01-02T03:04:07Z", key: line + behind, "stream": "stdout"}
    keys = random_.choice(((key,), (key, "stream", "time"), ("time", key)))
    return json.dumps({k: fields[k] for k in keys}, separators=random_.choice(((",", ":"), (", ", ": "))))


def _wrap_twice(line: str, random_: random.Random) -> str:
    return _wrap_in_json(_wrap_in_json(line, random_), random_)


def _wrap_lines(lines: list[str], random_: random.Random) -> list[str]:
    """All lines as one text in a line of JSON, as where a program logs what another one wrote."""
    return [_wrap_in_json("\n".join(lines), random_)]


def _pretty(line: str, random_: random.Random) -> str:
    try:
        return json.dumps(json.loads(line), indent=random_.choice((0, 1, 4)))
    except ValueError:
        return line


def _break_at_width(line: str, random_: random.Random) -> str:
    width = random_.choice((40, 80, 120))
    end = random_.choice(("\n", "\r\n", "\n    "))
    return end.join(line[at : at + width] for at in range(0, len(line), width))


def _colour(line: str, random_: random.Random) -> str:
    start, end = random_.choice(_COLOURS)
    first, last = _span(line, random_)
    return line[:first] + start + line[first:last] + end + line[last:]


def _escape(line: str, random_: random.Random) -> str:
    which = random_.choice('/-{:"t0 ,ez[=')
    to = random_.choice(("\\" + which, f"\\u{ord(which):04x}", f"\\u{ord(which):04X}"))
    times = random_.choice((1, 2, 99))
    return line.replace(which, to, times)


def _prefix(line: str, random_: random.Random) -> str:
    return random_.choice(_PREFIXES) + line


def _span(line: str, random_: random.Random) -> tuple[int, int]:
    first = random_.randint(0, len(line))
    return first, min(len(line), first + random_.choice((1, 1, 1, 2, 5, 20, 100)))


_INSERTED: tuple[str, ...] = (
    *"\"'\\{}[]=,:; \t\0\n\r.-",
    "\\n",
    "\\\\n",
    "\\r",
    "\\u000a",
    "\\u000A",
    "\\t",
    '"schema":',
    '{"schema":"token-telemetry/1"',
    "token-telemetry/1",
    "[TokenEstimationV2]",
    "[TOKEN_BUDGET] ",
    " 2026-01-02 03:04:08 ",
    "[2026-01-02T03:04:08] ",
    " model=x ",
    " success=True ",
    " é",
    "\u2028",
    '{"a":"',
    "\\ud800",
    "\\x",
    "NaN",
    "\x85",
    "\xa0",
    " max tokens",
    " actual_max_tokens=900",
    " phase=p-2 ",
    " max_tokens=900",
    " output=900/16384",
    '"features":{"schema":"token-telemetry/1"},',
)
_COLOURS = (
    ("\x1b[1m", "\x1b[0m"),
    ("\x1b[38;5;12m", "\x1b[m"),
    ("\\u001b[1m", "\\u001B[0m"),
    ("\x1b]8;;https://example.com/a\x1b\\", "\x1b]8;;\x1b\\"),
    ("\x1b]8;;https://example.com/a\x07", "\x1b]8;;\x07"),
    ("\\u001b]8;;https://example.com/a\\u0007", "\\u001b]8;;\\u0007"),
    ("\\\\u001b[1m", "\\\\u001b[0m"),
)
_DAMAGES: tuple[Callable[[str, random.Random], str], ...] = (
    _delete,
    _duplicate,
    _insert,
    _insert,
    _replace,
    _swap_words,
    _delete_word,
    _duplicate_word,
    _cut,
    _wrap_in_json,
    _wrap_in_json,
    _wrap_twice,
    _pretty,
    _break_at_width,
    _colour,
    _escape,
    _escape,
    _prefix,
)
