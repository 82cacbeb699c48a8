"""How much of their caps calls use, outputs that may be a cap, and suggested caps on other calls than they are from."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from scipy.stats import beta, geom, kstest, lognorm

from pytest_token_telemetry.analysis.caps import (
    CapUse,
    CapUseOf,
    RepeatedOutput,
    cap_use,
    cap_use_of_each,
    oversized,
    repeated_output,
)
from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.analysis.populations import judged
from pytest_token_telemetry.analysis.strata import labels
from pytest_token_telemetry.analysis.tuning import RISKS, tune
from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.samples import NameColumn, Samples, unknown
from tests.unit.gate.cases import call, columns

if TYPE_CHECKING:
    from scipy.stats._distn_infrastructure import rv_frozen

# How much of their caps calls use


def sent(n: int, output: int, *, success: bool | None = True, **fields: object) -> list[Sample]:
    """``n`` calls with a cap of 2,000."""
    return [call(output=output, max_tokens=2000, success=success, **fields)] * n


GOOD = [*sent(17, 1000), *sent(2, 800)]
"""Caps of 2x and 2.5x. The P90 is 0.9 * (19 + 1) = the 18th of 19, which is 2.5x; the P50 the 10th."""

SHORT = {"output": 100, "category": "docs"}
"""20x. With 8 of them, the P90 is between the 25th and the 26th of 27, as 0.9 * (27 + 1) = 25.2; both are 20x."""


def test_calls_that_failed_say_nothing_about_their_caps_but_reserve_quota() -> None:
    """27 calls reserve 54,000 tokens and leave 17 * 1000 + 2 * 1200 + 8 * 1900 of them."""
    found = cap_use(columns([*GOOD, *sent(8, success=False, **SHORT)]))
    assert found == CapUse(n=19, p50=2.0, p90=2.5, calls=27, reserved=54_000, unused=34_600)


def test_calls_that_do_not_say_whether_they_failed_count() -> None:
    found = cap_use(columns([*GOOD, *sent(8, success=None, **SHORT)]))
    ratios = np.repeat([2.0, 2.5, 20.0], [17, 2, 8])
    assert (found.n, found.p90) == (27, np.quantile(ratios, 0.9, method="weibull")) == (27, 20.0)
    silent = replace(columns(GOOD), success=np.full(19, -1, dtype=np.int8))
    assert cap_use(silent) == cap_use(columns(GOOD))


def test_calls_that_were_truncated_are_left_out_whether_they_failed_or_not() -> None:
    cut = [each for success in (True, False, None) for each in sent(3, 2000, truncated=True, success=success)]
    found = cap_use(columns([*GOOD, *cut]))
    assert (found.n, found.p90, found.calls) == (19, 2.5, 28)


def test_where_every_call_failed_there_is_no_cap_use() -> None:
    found = cap_use(columns(sent(8, success=False, **SHORT)))
    assert found == CapUse(n=0, p50=None, p90=None, calls=8, reserved=16_000, unused=15_200)


def test_the_cap_use_of_a_category_is_that_of_calls_that_did_not_fail() -> None:
    longer = [call(output=1000, max_tokens=9000, success=False)] * 4
    samples = columns([*GOOD, *longer, *sent(10, 500, category="docs"), *sent(8, 100, category="tests", success=False)])
    assert cap_use_of_each(samples, labels(samples, {}).category) == (
        CapUseOf("implementation", 19, 2.5, mean_cap=2000.0),
        CapUseOf("docs", 10, 4.0, mean_cap=2000.0),
    )


def test_the_share_of_large_caps_is_of_calls_that_did_not_fail() -> None:
    samples = columns([*GOOD, *sent(8, success=False, **SHORT), *sent(1, success=None, **SHORT)])
    assert oversized(samples, 2.5) == Share(3, 20)


# Outputs that may be a cap

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
