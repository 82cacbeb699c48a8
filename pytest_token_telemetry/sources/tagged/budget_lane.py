"""Read many plain ``[TOKEN_BUDGET]`` lines at once, each as `formats.parse` reads it alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_token_telemetry.sources.tagged.parsing import BUDGET, NO_NAMES
from pytest_token_telemetry.sources.tagged.records import Budget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_token_telemetry.samples import Integers
    from pytest_token_telemetry.sources.tagged.byte_words import Text

PLAIN_VALUE = rb"([!#-<>-~]+)"
"""A value of printable ASCII characters, but no quotes and no equals sign."""


class PlainBudgets(NamedTuple):
    """What plain ``[TOKEN_BUDGET]`` lines say, a row each."""

    line: Integers
    """Number of each line in the block, from 1; its index among the records as long as that is not known."""
    task: Integers
    """Index of the task's name."""
    names: tuple[str, ...]
    output_tokens: Integers
    max_tokens: Integers

    @staticmethod
    def joined(parts: Sequence[PlainBudgets]) -> PlainBudgets:
        """Those of all ``parts``, one after the other."""
        shifts = np.cumsum([0, *(len(part.names) for part in parts)])
        return PlainBudgets(
            np.concatenate([part.line for part in parts]),
            np.concatenate([part.task + shift for part, shift in zip(parts, shifts.tolist(), strict=False)]),
            tuple(name for part in parts for name in part.names),
            np.concatenate([part.output_tokens for part in parts]),
            np.concatenate([part.max_tokens for part in parts]),
        )

    def rows(self, rows: Integers) -> list[Budget]:
        """What some ``rows`` say."""
        columns = (self.task[rows].tolist(), self.output_tokens[rows].tolist(), self.max_tokens[rows].tolist())
        return [Budget(self.names[task], output, cap) for task, output, cap in zip(*columns, strict=True)]


_BUDGET_KEYS = (b" complexity=", b" input=", b" output=", b" total=", b" utilization=", b" model=")
_NEEDED_BUDGET_KEYS = 4


def plain_budgets(text: Text, equals: Integers, tags: Integers, ends: Integers) -> PlainBudgets:
    """Read the plain ones of some ``[TOKEN_BUDGET]`` records, which have no other tag on their lines."""
    if not len(tags):
        return PlainBudgets(tags, tags, (), tags, tags)
    first = np.searchsorted(equals, tags)
    counts = np.searchsorted(equals, ends) - first
    ends = ends - (text.bytes[ends - 1] == ord("\r"))
    slashes = np.append(text.places(b"/"), len(text.text))
    found = []
    for size in range(_NEEDED_BUDGET_KEYS, len(_BUDGET_KEYS) + 1):
        rows = np.flatnonzero(counts == size + 1)
        begins = equals[first[rows] + np.arange(size + 1)[:, np.newaxis]] + 1
        found.append(_budgets_with(_BUDGET_KEYS[:size], text, slashes, rows, tags[rows], begins, ends[rows]))
    return PlainBudgets.joined(found)


def _budgets_with(
    keys: Sequence[bytes],
    text: Text,
    slashes: Integers,
    rows: Integers,
    tags: Integers,
    begins: Integers,
    ends: Integers,
) -> PlainBudgets:
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
    which, tasks = text.meanings(begins[0], stops[1], _task)
    ok &= np.array([task is not None for task in tasks])[which]
    for name, pattern in zip(range(total + 1, len(begins)), (_SHARE, _MODEL), strict=False):
        index, meant = text.meanings(begins[name], stops[name], pattern.fullmatch)
        ok &= np.array([each is not None for each in meant])[index]
    kept = np.flatnonzero(ok)
    return PlainBudgets(rows[kept], which[kept], tuple(task or "" for task in tasks), outputs[kept], caps[kept])


def _task(text: bytes) -> str | None:
    found = _TASK.fullmatch(text)
    return None if found is None or (task := found[1].decode()).lower() in NO_NAMES else task


_TASK = re.compile(rb"([\w./+-]{1,120}) complexity=\w+")
_SHARE = re.compile(rb"[\d.]{1,9}%")
_MODEL = re.compile(PLAIN_VALUE)
"""No value of a budget line is in quotes, or continues behind one, or holds a timestamp: that needs a colon."""
