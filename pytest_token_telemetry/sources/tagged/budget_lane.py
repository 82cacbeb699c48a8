"""Read many plain ``[TOKEN_BUDGET]`` lines at once, each as `formats.parse` reads it alone."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_token_telemetry.samples import UNKNOWN, SamplesBuilder, unknown
from pytest_token_telemetry.sources.tagged.byte_words import stamps
from pytest_token_telemetry.sources.tagged.digests import digests
from pytest_token_telemetry.sources.tagged.formats import parse
from pytest_token_telemetry.sources.tagged.parsing import BUDGET
from pytest_token_telemetry.sources.tagged.records import Budget
from pytest_token_telemetry.sources.tagged.simple_search import Fragment
from pytest_token_telemetry.sources.tagged.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.samples import Integers, Samples
    from pytest_token_telemetry.sources.tagged.byte_words import Text
    from pytest_token_telemetry.sources.tagged.digests import Digests

PLAIN_VALUE = rb"([!#-<>-~]+)"
"""A value of printable ASCII characters, but no quotes and no equals sign."""


class Equals(NamedTuple):
    """Where equals signs stand behind tags."""

    places: Integers
    """Of all equals signs of a text, in order."""
    first: Integers
    """Of each tag: the index of the first one behind it."""
    counts: Integers
    """Of each tag: how many stand behind it on its line."""


class PlainBudgets(NamedTuple):
    """What plain ``[TOKEN_BUDGET]`` lines say, a row each."""

    rows: Integers
    """Which of the records these are."""
    samples: Samples
    """Calls without a prediction; `Samples.line` is the number of each line in the block, from 1, once it is known."""
    digest: Digests
    """The digest of each row's `Budget.identity`, of shape ``(rows, 2)``."""


def plain_budgets(
    text: Text, equals: Equals, tags: Integers, begins: Integers, ends: Integers, heading: Callable[[bytes], object]
) -> PlainBudgets:
    """Read the plain ones of some ``[TOKEN_BUDGET]`` records, which have no other tag on their lines.

    Args:
        text: `normal` text.
        equals: where equals signs stand.
        tags: offsets of the records' tags.
        begins: offsets of their lines.
        ends: offsets of the ends of these.
        heading: what a text between timestamp and tag means; ``None`` makes a line irregular.
    """
    if not len(tags):
        return PlainBudgets(tags, unknown(0), digests(text, begins, ends))
    places, first, counts = equals
    ends = ends - (text.bytes[ends - 1] == ord("\r"))
    slashes = np.append(text.places(b"/"), len(text.text))
    stamp = begins + (text.bytes[begins] == ord("["))
    times, headings, ok = stamps(text, stamp)
    which, meant = text.meanings(headings, tags, heading)
    ok &= np.array([each is not None for each in meant])[which]
    found = []
    for size in range(_NEEDED_BUDGET_KEYS, len(_BUDGET_KEYS) + 1):
        rows = np.flatnonzero(ok & (counts == size + 1))
        if len(rows):  # most logs have lines of one kind
            values = places[first[rows] + np.arange(size + 1)[:, np.newaxis]] + 1
            found.append(_budgets_with(_BUDGET_KEYS[:size], text, slashes, rows, tags[rows], values, ends[rows]))
    if len(found) == 1:
        rows, samples = found[0]
    else:
        rows = np.concatenate([rows[:0], *(each for each, _ in found)])
        order = np.argsort(rows)
        rows, samples = rows[order], SamplesBuilder(each for _, each in found).build(order)
    return PlainBudgets(rows, replace(samples, time=times[rows]), digests(text, stamp[rows], ends[rows]))


_BUDGET_KEYS = (b" complexity=", b" input=", b" output=", b" total=", b" utilization=", b" model=")
_NEEDED_BUDGET_KEYS = 4


def _budgets_with(
    keys: Sequence[bytes],
    text: Text,
    slashes: Integers,
    rows: Integers,
    tags: Integers,
    begins: Integers,
    ends: Integers,
) -> tuple[Integers, Samples]:
    """Read those records whose values begin at ``begins`` and have ``keys`` before them, but for the first."""
    head = BUDGET + b" phase="
    ok = text.ends_with(head, begins[0]) & (begins[0] - len(head) == tags)
    for key, value in zip(keys, begins[1:], strict=True):
        ok &= text.ends_with(key, value)
    stops = [*(value - len(key) for key, value in zip(keys, begins[1:], strict=True)), ends]
    _, _, input_tokens, output, total = range(_NEEDED_BUDGET_KEYS + 1)
    slash = slashes[np.searchsorted(slashes, begins[output])]
    outputs, are_outputs = text.numbers(begins[output], slash)
    caps, are_caps = text.numbers(slash + 1, stops[output])
    ok &= are_outputs & are_caps
    for name in (input_tokens, total):
        ok &= text.numbers(begins[name], stops[name])[1]
    texts = [(begins[0], stops[1], _task)]
    texts += zip(begins[total + 1 :], stops[total + 1 :], (_share, _model), strict=False)
    said = [Texts(*text.meanings(*each)) for each in texts]
    for each in said:
        ok &= np.array([meaning is not None for meaning in each.samples])[each.which]
    kept = np.flatnonzero(ok)
    tasks, last = said[0].take(kept), said[-1].take(kept)
    budgets = unknown(len(kept))
    outputs, caps = outputs[kept], np.where(caps[kept] > 0, caps[kept], UNKNOWN)
    truncated = np.where(outputs >= caps, 1, np.where(outputs > 0, 0, UNKNOWN))
    truncated[caps == UNKNOWN] = UNKNOWN
    return rows[kept], replace(
        budgets,
        output_tokens=outputs.astype(np.int32),
        max_tokens=caps.astype(np.int32),
        truncated=truncated.astype(np.int8),
        task_id=tasks.names("task_id"),
        complexity=tasks.names("complexity"),
        model=last.names("model") if len(keys) == len(_BUDGET_KEYS) else budgets.model,
    )


_TASK = re.compile(rb"[\w./+-]{1,120} complexity=\w+")
_SHARE = re.compile(rb"[\d.]{1,9}%")
_MODEL = re.compile(PLAIN_VALUE)


@lru_cache(1 << 10)
def _task(text: bytes) -> Sample | None:
    return _meaning(b"phase=%b input=1 output=1/2" % text) if _TASK.fullmatch(text) else None


@lru_cache(1 << 10)
def _share(text: bytes) -> Sample | None:
    return _meaning(b"phase=p output=1/2 utilization=" + text) if _SHARE.fullmatch(text) else None


@lru_cache(1 << 10)
def _model(text: bytes) -> Sample | None:
    return _meaning(b"phase=p output=1/2 model=" + text) if _MODEL.fullmatch(text) and b"\\" not in text else None


def _meaning(record: bytes) -> Sample | None:
    """Read a line with this ``record``; ``None`` if that is not all of it."""
    before, after = b"2026-01-02 03:04:05 ", b" " + record
    match parse(Fragment(line=1, tag=BUDGET, before=before, after=after, ended=True)):
        case Budget(sample, identity) if identity == (before + BUDGET + after).decode():
            return sample
    return None
