"""Outputs that may be a cap, and suggested caps on calls that they were not computed from."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from scipy.stats import beta, geom, kstest, lognorm

from pytest_token_telemetry.analysis.caps import RepeatedOutput, repeated_output
from pytest_token_telemetry.analysis.populations import judged
from pytest_token_telemetry.analysis.strata import labels
from pytest_token_telemetry.analysis.tuning import RISKS, tune
from pytest_token_telemetry.samples import NameColumn, Samples, unknown
from tests.unit.gate.cases import call, columns

if TYPE_CHECKING:
    from scipy.stats._distn_infrastructure import rv_frozen

VARIED = [*range(100, 900, 8)]
"""A hundred different outputs up to 892, 11 of them in the tenth below 900."""


def outputs(*many: int, **fields: object) -> Samples:
    return columns([call(output=output, **{"truncated": None, **fields}) for output in many])


@pytest.mark.parametrize(
    ("value", "calls"),
    [(1000, 11), (1024, 5), (1500, 50), (12288, 6)],
)
def test_a_round_output_that_many_have_and_none_exceeds_may_be_the_cap(value: int, calls: int) -> None:
    assert repeated_output(outputs(*VARIED, *[value] * calls)) == RepeatedOutput(value, calls)


def test_one_in_a_hundred_may_have_more() -> None:
    assert repeated_output(outputs(*VARIED, *[1000] * 11, 1001)) == RepeatedOutput(1000, 11)
    assert repeated_output(outputs(*VARIED, *[1000] * 11, 1001, 1002)) is None


@pytest.mark.parametrize(
    "many",
    [
        pytest.param([*VARIED, *[1000] * 4], id="four"),
        pytest.param([*VARIED, *[1001] * 11], id="no round number"),
        pytest.param([*range(1, 31), *[32] * 20], id="short outputs repeat by chance"),
        pytest.param([*VARIED[:9], *[1000] * 50], id="few others"),
        pytest.param([1000] * 50, id="one call again and again"),
        # 100 numbers from 900 to 999, once each: ten times as many as one are ten
        pytest.param([*range(100, 1000), *[1000] * 9], id="as many as below it"),
        pytest.param([], id="none"),
    ],
)
def test_what_chance_or_one_call_explains_is_no_hint(many: list[int]) -> None:
    assert repeated_output(outputs(*many)) is None


def test_ten_times_as_many_as_below_it_are_enough() -> None:
    assert repeated_output(outputs(*range(100, 1000), *[1000] * 10)) == RepeatedOutput(1000, 10)


@pytest.mark.parametrize("fields", [{"max_tokens": 1000}, {"truncated": True}])
def test_calls_whose_cap_is_known_or_that_were_cut_off_need_no_hint(fields: dict[str, object]) -> None:
    assert repeated_output(outputs(*VARIED, *[1000] * 11, **fields)) is None


@pytest.mark.parametrize("seed", range(20))
def test_uncapped_outputs_give_no_hint(seed: int) -> None:
    drawn = np.random.default_rng(seed).lognormal(6, 1, 3000)
    assert repeated_output(outputs(*np.ceil(drawn).astype(int).tolist())) is None
    assert repeated_output(outputs(*np.minimum(np.ceil(drawn), 2000).astype(int).tolist())) is not None


# Suggested caps, on fresh data

SETS = 800
"""Sets of calls that caps are suggested for, each a category of one report: of more, some are not listed."""


class Outputs(NamedTuple):
    """How long outputs are."""

    distribution: rv_frozen
    scale: int
    """Output tokens of 1, which makes many of a continuous distribution different."""


CONTINUOUS = Outputs(lognorm(1.0), 100_000)
DISCRETE = Outputs(geom(0.05), 1)
"""Twenty tokens on average: many calls have the same."""


def suggested(outputs: Outputs, n: int, seed: int) -> dict[Fraction, np.ndarray]:
    """The caps at each risk of `SETS` sets of ``n`` calls without a prediction; none where the calls do not tell."""
    drawn = outputs.distribution.rvs((SETS, n), random_state=np.random.default_rng(seed))
    samples = replace(
        unknown(SETS * n),
        output_tokens=np.minimum(np.ceil(drawn * outputs.scale), 2**31 - 1).astype(np.int32).ravel(),
        truncated=np.zeros(SETS * n, dtype=np.int8),
        category=NameColumn(np.repeat(np.arange(SETS, dtype=np.int16), n), tuple(map(str, range(SETS)))),
    )
    tuning = tune(
        samples,
        judged(samples, "risk", Fraction(1)),
        labels(samples, {}),
        under_multiplier=Fraction(1),
        max_waste_p90=Fraction(3),
    )
    assert len(tuning.max_tokens) == SETS
    found = zip(*(each.caps for each in tuning.max_tokens), strict=True)
    return {
        risk: np.array([cap.max_tokens for cap in caps if cap.max_tokens is not None])
        for risk, caps in zip(RISKS, found, strict=True)
    }


@pytest.mark.parametrize("n", [20, 49, 100, 350, 1000])
@pytest.mark.parametrize("outputs", [CONTINUOUS, DISCRETE], ids=["lognormal", "geometric"])
def test_new_calls_exceed_a_suggested_cap_no_more_often_than_its_risk(outputs: Outputs, n: int) -> None:
    """The cap is the call of rank K, so that new calls exceed it as Beta(n + 1 - K, K), of which the mean is known.

    Where calls have the same output, they exceed it less often.
    """
    for risk, caps in suggested(outputs, n, seed=n).items():
        if n < 1 / risk - 1:
            assert len(caps) == 0
            continue
        assert len(caps) == SETS
        exceeding = outputs.distribution.sf(caps / outputs.scale)
        above = floor((n + 1) * risk)
        theory = beta(above, n + 1 - above)
        assert Fraction(above, n + 1) <= risk  # the mean
        error = theory.std() / SETS**0.5
        if outputs is CONTINUOUS:
            assert abs(exceeding.mean() - theory.mean()) < 4 * error
            assert kstest(exceeding, theory.cdf).pvalue > 1e-4
        else:
            assert exceeding.mean() < theory.mean() + 4 * error
