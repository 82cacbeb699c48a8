"""The log lines of the origin: ``[TokenEstimationV2]``, its predecessor, and ``[TOKEN_BUDGET]``.

    [TokenEstimationV2] predicted_output=5200 actual_output=3860 smape=29.6% selected_budget=8192 category=docs
        complexity=low deliverables=5 success=True stop_reason=end_turn truncated=False model=some-model
    [TokenEstimation] Predicted: 300 output tokens, Actual: 128 output tokens, Error: 57.3%
    [TOKEN_BUDGET] phase=phase-7 complexity=low input=1158 output=3860/16384 total=5018 utilization=23.6%

Keys come in any order, and keys that are not known here are kept as features. Only ``key=value`` words are read, never
the text around them.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_token_telemetry.sample import (
    LONGEST_TEXT,
    MOST_FEATURES,
    MOST_TOKENS,
    Sample,
    finish_reason,
    is_truncated,
    telling_reason,
)
from pytest_token_telemetry.sources.json_objects import unescaped
from pytest_token_telemetry.sources.tagged.records import Budget, CutOffError, Read, RecordError, Unusable, ended_as
from pytest_token_telemetry.text import listing

if TYPE_CHECKING:
    from pytest_token_telemetry.sample import FinishReason
    from pytest_token_telemetry.sources.tagged.records import Ended
    from pytest_token_telemetry.sources.tagged.simple_search import Fragment

V2 = b"[TokenEstimationV2]"
V1 = b"[TokenEstimation]"
BUDGET = b"[TOKEN_BUDGET]"
TAGS = (V2, V1, BUDGET)

_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6})\d*)?(Z|[+-]\d\d:?\d\d)?", re.ASCII
)
_NEXT_LINE = re.compile(rf"(?<![=_:/.@-])(?<!=[\"'])(?:{_TIMESTAMP.pattern})", re.ASCII)
"""A timestamp that is no part of a value, as in ``started=2026-01-02T03:04:05`` or ``task_id=nightly-2026-01-...``."""
_WORD = re.compile(r"(?<![\w.])([A-Za-z_][\w.]*+)=\"?([^\s\"]*)")
"""A key begins and ends where a word does: else the time to search a long word would be quadratic."""
_LEGACY = re.compile(
    r"\s*Predicted:\s*(\d+)\s+output tokens,\s*Actual:\s*(\d+)\s+output tokens(?:,\s*Error:\s*(\d+(?:\.\d+)?)%)?"
)
_SPOKEN_REASON = re.compile(r"(?<![\w.])stop_reason=(.{,99}?)(?:\s[A-Za-z_][\w.]*=|\s*$)")
_COUNT = re.compile(r"-?\d+", re.ASCII)
_PERCENT = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)%?", re.ASCII)
_USED = re.compile(r"(\d{1,9})/(\d{1,9})", re.ASCII)
_CLOSING = "',;}]\\"
"""What else may stand behind a line's last value where the line itself is quoted, as in JSON."""

_IN_JSON = re.compile(r'[{,]\s*\\*"[^"\\]{1,64}\\*"\s*:\s*(\\*)"')
"""What stands before a line that was put into JSON: a key, and the quote of its value."""
_PARTIAL = re.compile(r'^\{"log":\s*"|^\S+ (?:stdout|stderr) P ')
"""How a line begins of which the runtime of a container may have written a part only."""

NO_NAMES = ("none", "null")
"""What stands where there is no name, in lower case."""

_IN_ORDER = (
    "predicted_output",
    "actual_output",
    "smape",
    "selected_budget",
    "category",
    "complexity",
    "deliverables",
    "success",
    "stop_reason",
    "truncated",
    "model",
)
"""The origin's keys: a line that was wrapped or cut off lacks the last of them."""

_KNOWN = frozenset({*_IN_ORDER, "actual_total", "actual_max_tokens", "max_tokens", "phase", "task_id"})
_NEEDED = ("predicted_output", "actual_output", "success", "truncated")
_NUMBERS = frozenset(
    {"predicted_output", "actual_output", "selected_budget", "actual_max_tokens", "max_tokens", "deliverables"}
)


def parse(fragment: Fragment) -> Read | Unusable | Budget | None:
    """What ``fragment`` says; ``None`` if it only mentions a tag."""
    pieces = (fragment.lead, fragment.before, fragment.after)
    lead, before, after = (bytes(piece).decode("utf-8", "replace") for piece in pieces)
    before, after, ended = _own_part(lead, before, after, fragment.ended)
    stamps = list(_TIMESTAMP.finditer(before))
    time = _time(stamps[-1]) if stamps else None
    identity = f"{before[stamps[-1].start() :]}{fragment.tag.decode()}{after.rstrip()}" if stamps else None
    try:
        if fragment.tag == BUDGET:
            sample = _budget(after, ended, time)
        else:
            sample = _legacy(after, time) if fragment.tag == V1 else _estimation(after, ended, time)
    except RecordError as error:
        known = error.ended and error.ended._replace(identity=identity)
        return Unusable(str(error), isinstance(error, CutOffError), known)
    if sample is None:
        return None
    return (Budget if fragment.tag == BUDGET else Read)(sample, identity)


def _own_part(lead: str, before: str, after: str, ended: bool) -> tuple[str, str, bool]:
    """The text ``before`` a record, the part of ``after`` that is the record's, and whether it ended there.

    In JSON, an escaped line end is its end, or else the end of the string. A timestamp begins another line that was
    glued to it.
    """
    if _PARTIAL.match(lead):
        ended = False
    backslashes = _string_of_json(before)
    if backslashes is None:
        backslashes = _string_of_json(lead)
    if backslashes is not None:
        end = _end_in_json(backslashes).search(after)
        if end is not None:
            after, ended = after[: end.start()], ended or end[1] is not None
        for _ in range(backslashes.bit_length() + 1):  # 0, 1, 3 or 7: each string doubles them, and adds one
            before, after = unescaped(before), unescaped(after)
    glued = _NEXT_LINE.search(after)
    if glued is None:
        return before, after, ended
    return before, after[: glued.start()].removesuffix("["), False


def _string_of_json(text: str) -> int | None:
    """How many backslashes the quotes of the string of JSON have that ``text`` ends in; ``None`` if it ends in none."""
    for opening in reversed([*_IN_JSON.finditer(text)]):
        backslashes = len(opening[1])
        if not re.search(rf'(?<!\\)\\{{{backslashes}}}"', text[opening.end() :]):
            return backslashes
    return None


@lru_cache
def _end_in_json(escaped: int) -> re.Pattern[str]:
    """A line end, or else the end of a string of JSON, whose quote has so many backslashes before it.

    In a string within strings, each backslash of the text is twice as many as that quote has, and one for itself.
    """
    unit = escaped + 1
    before = rf"(?<!\\)(?:\\{{{2 * unit}}}){{0,8}}"
    return re.compile(rf'{before}(?:\\{{{unit}}}([nr]|u000[aAdD])|\\{{{escaped}}}")')


def _words(after: str, ended: bool) -> dict[str, str]:
    """The ``key=value`` words of a record: the known ones anywhere, others as long as nothing else is between.

    Raises:
        RecordError: the record is cut off, or gives one field two values.
    """
    words: dict[str, str] = {}
    features = 0
    unbroken = True
    key, last_end = "", 0
    for match in _WORD.finditer(after):
        unbroken = unbroken and (not words or not after[last_end : match.start()].replace('"', " ").strip())
        last_end = match.end()
        key, value = match[1], match[2].rstrip(_CLOSING) or match[2]
        if key in _KNOWN:
            if words.setdefault(key, value) != value:
                raise RecordError(f"{key} is given twice, with different values")
        elif unbroken and features < MOST_FEATURES:
            features += key not in words
            words.setdefault(key, value)
    if key in _NUMBERS and not ended and last_end == len(after):
        raise CutOffError(f"the line is cut off after {key}")
    if key in _IN_ORDER and not after[last_end:].strip(f'{_CLOSING}" \r'):
        missing = [each for each in _NEEDED if each not in words]
        if missing and _IN_ORDER.index(key) < min(map(_IN_ORDER.index, missing)):
            raise CutOffError(f"the line is cut off after {key}, or lacks {listing(missing)}")
    return words


def _estimation(after: str, ended: bool, time: datetime | None) -> Sample | None:
    words = _words(after, ended)
    if not words and "Predicted:" not in after:
        return None
    if "actual_output" not in words and "actual_total" in words:
        raise RecordError("actual_total counts input and output together: there is no output count")
    raw_reason = _reason(words, after)
    reason = finish_reason(raw_reason) if raw_reason else None
    try:
        return _sample_of(words, raw_reason, reason, time)
    except RecordError as error:
        is_cut_off = isinstance(error, CutOffError)
        if not is_cut_off or "predicted_output" in words:
            error.ended = _ended(words, reason, is_cut_off=is_cut_off)
        raise


def _ended(words: dict[str, str], reason: FinishReason | None, *, is_cut_off: bool) -> Ended | None:
    """How the call of a record ended that cannot be used, by each word of it that can be read.

    Of one that is cut off, the flag must be there: the same record may stand whole elsewhere.
    """
    truncated = output = cap = None
    is_flag = True
    with suppress(RecordError):
        output = _count(words, "actual_output")
    with suppress(RecordError):
        cap = _cap(words)
    try:
        truncated = _flag(words, "truncated")
    except RecordError:
        is_flag = False
    ended = ended_as(truncated, reason, None, output, cap)
    return ended if ended is None or is_flag or (ended.truncated and not is_cut_off) else None


def _sample_of(
    words: dict[str, str], raw_reason: str | None, reason: FinishReason | None, time: datetime | None
) -> Sample:
    predicted, output, cap = _count(words, "predicted_output"), _count(words, "actual_output"), _cap(words)
    deliverables = _optional_count(words, "deliverables")
    return Sample(
        predicted_output_tokens=predicted,
        output_tokens=output,
        time=time,
        budget_tokens=_optional_count(words, "selected_budget"),
        max_tokens=cap,
        finish_reason=reason,
        finish_reason_raw=raw_reason,
        truncated=is_truncated(_flag(words, "truncated"), reason, output, cap),
        success=_flag(words, "success"),
        category=_name(words.get("category")),
        complexity=_name(words.get("complexity")),
        deliverable_count=deliverables if deliverables and deliverables > 0 else None,
        task_id=_name(words.get("task_id") or words.get("phase")),
        model=_name(words.get("model")),
        smape=_percent(words.get("smape")),
        features={key[:LONGEST_TEXT]: value[:LONGEST_TEXT] for key, value in words.items() if key not in _KNOWN},
    )


def _cap(words: dict[str, str]) -> int | None:
    return _optional_count(words, "actual_max_tokens") or _optional_count(words, "max_tokens")


def _reason(words: dict[str, str], after: str) -> str | None:
    """The word for why the output ended, or all up to the next key if that says *cut off*: ``max tokens``."""
    word, spoken = _name(words.get("stop_reason")), _SPOKEN_REASON.search(after)
    return telling_reason([word, spoken and spoken[1].strip(f'" {_CLOSING}')]) if word else None


def _legacy(after: str, time: datetime | None) -> Sample | None:
    match = _LEGACY.match(after)
    if match is None:
        if "Predicted:" in after or _WORD.search(after):
            raise RecordError("the legacy line is not 'Predicted: N output tokens, Actual: M output tokens'")
        return None
    counts = {"Predicted": match[1], "Actual": match[2]}
    return Sample(
        predicted_output_tokens=_count(counts, "Predicted"),
        output_tokens=_count(counts, "Actual"),
        time=time,
        smape=_percent(match[3]),
        legacy=True,
    )


def _budget(after: str, ended: bool, time: datetime | None) -> Sample | None:
    found = list(_WORD.finditer(after))
    words = {word[1]: word[2].rstrip(_CLOSING) for word in found}
    used = _USED.fullmatch(words.get("output", ""))
    task = _name(words.get("phase"))
    if used is None or task is None:
        return None
    if found[-1][1] == "output" and not ended and found[-1].end() == len(after):
        raise CutOffError("the line is cut off after output")
    output, cap = int(used[1]), int(used[2]) or None
    return Sample(
        output_tokens=output,
        max_tokens=cap,
        truncated=is_truncated(None, None, output, cap),
        time=time,
        task_id=task,
        complexity=_name(words.get("complexity")),
        model=_name(words.get("model")),
    )


def _count(words: dict[str, str], key: str) -> int:
    value = words.get(key)
    if not value:
        raise (RecordError if key in words else CutOffError)(f"{key} is missing")
    if not _COUNT.fullmatch(value):
        raise RecordError(f"{key} is not a whole number")
    if len(value) > 11 or abs(int(value)) > MOST_TOKENS:
        raise RecordError(f"{key} is too large")
    if int(value) < 0:
        raise RecordError(f"{key} is negative")
    return int(value)


def _optional_count(words: dict[str, str], key: str) -> int | None:
    value = words.get(key)
    if value is None or not _COUNT.fullmatch(value) or len(value) > 11:
        return None
    return int(value) if 0 <= int(value) <= MOST_TOKENS else None


def _flag(words: dict[str, str], key: str) -> bool | None:
    value = words.get(key)
    if not value:
        raise (RecordError if key in words else CutOffError)(f"{key} is missing")
    try:
        return {"true": True, "false": False, "none": None, "null": None}[value.lower()]
    except KeyError:
        raise RecordError(f"{key} is not True, False or None") from None


def _name(value: str | None) -> str | None:
    return None if not value or value.lower() in NO_NAMES else value[:LONGEST_TEXT]


def _percent(value: str | None) -> float | None:
    match = _PERCENT.fullmatch(value or "")
    return float(match[1]) if match else None


def _time(stamp: re.Match[str]) -> datetime | None:
    *date, fraction, zone = stamp.groups()
    try:
        time = datetime.fromisoformat(f"{'-'.join(date[:3])}T{':'.join(date[3:])}")
        if fraction:
            time = time.replace(microsecond=int(fraction.ljust(6, "0")))
        if zone:
            time = datetime.fromisoformat(f"{time.isoformat()}{zone}").astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    return time
