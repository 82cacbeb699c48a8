"""Samples as other plugins relabel and drop them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.session.hooks import SAMPLE, callers, refused
from pytest_token_telemetry.text import inert

if TYPE_CHECKING:
    import pytest

    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.sources.changed import Drop
    from pytest_token_telemetry.sources.reading import Reading


def changed_samples(config: pytest.Config, reading: Reading) -> Reading:
    """``reading`` as the plugins change its samples. Without such a plugin, no sample is looked at.

    Raises:
        pytest.UsageError: a plugin raises, or its answer is none.
    """
    asked = [*callers(config, SAMPLE)]
    if not asked:
        return reading
    from pytest_token_telemetry.sources.changed import Drop, changed, relabelled

    def change(sample: Sample, place: str) -> Sample | Drop:
        for name, call in asked:
            with refused(f"{name}: {inert(place)}"):
                answer = relabelled(sample, call(sample=sample, place=place))
            if isinstance(answer, Drop):
                return answer
            sample = answer
        return sample

    return changed(reading, change)
