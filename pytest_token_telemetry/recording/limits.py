"""Which calls of a test exceed the limits of its marker, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.text import inert, listing, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_token_telemetry.analysis.populations import Judged
    from pytest_token_telemetry.sample import Sample

_SHOWN = 3
"""Calls that a sentence names."""


def exceeding(limit: str, samples: Sequence[Sample], counts: Judged) -> str:
    """``#2 (task letter-4, 900 of 900 tokens) and #3 (8,192 tokens)``: the calls that count against a ``limit``.

    Truncated calls come in their order, underestimated ones by how far their outputs are above the predictions.
    """
    rows: list[int]
    if limit == "max_truncation":
        rows = counts.truncated.nonzero()[0].tolist()
    else:
        rows = sorted(counts.underestimated.nonzero()[0].tolist(), key=lambda row: -_overrun(samples[row]))
    told = [f"#{row + 1} ({_described(samples[row], limit)})" for row in rows[:_SHOWN]]
    if others := len(rows) - len(told):
        told.append(plural(others, "other"))
    return listing(told)


def _overrun(sample: Sample) -> float:
    """The output by its prediction."""
    return sample.output_tokens / (sample.predicted_output_tokens or 1)


def _described(sample: Sample, limit: str) -> str:
    tokens = f"{sample.output_tokens:,} tokens"
    told = [] if sample.task_id is None else [f"task {inert(sample.task_id)}"]
    if limit != "max_truncation":
        told.append(f"predicted {sample.predicted_output_tokens:,}")
    elif sample.max_tokens is not None:
        tokens = f"{sample.output_tokens:,} of {sample.max_tokens:,} tokens"
    return ", ".join((*told, tokens))
