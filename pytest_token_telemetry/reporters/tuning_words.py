"""The tuning advice in the words of its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.wording import percent, times, upwards

if TYPE_CHECKING:
    from pytest_token_telemetry.analysis.tuning import Advice, BeforeAfter, Cap, ForwardCheck

LEGEND = "( ) lowers the predictions: that saves cost, and is no advice for risk; ~ is borrowed from other categories"


def multiplier(advice: Advice) -> str:
    """``1.81``, rounded up so that it does what is promised; in brackets if it lowers; else why there is none."""
    if advice.multiplier is None:
        return advice.basis
    shown = f"{'~' if advice.basis == 'borrowed' else ''}{upwards(advice.multiplier)}"
    return f"({shown})" if advice.tier == "cost" else shown


def expectation(advice: Advice) -> str:
    """``4.0 % (0.2 to 11.3)``: the rate to expect after, and where it will be in nine of ten cases."""
    if advice.expected_underestimation is None or advice.expected_range is None:
        return ""
    low, high = (f"{100 * bound:.1f}" for bound in advice.expected_range)
    return f"{percent(advice.expected_underestimation)} ({low} to {high})"


def waste(change: BeforeAfter) -> str:
    """``1.66x -> 3.00x``: before and after."""
    before, after = change
    if before is None:
        return ""
    return times(before) if after is None else f"{times(before)} -> {times(after)}"


def spread_floor(advice: Advice) -> str:
    """``4.98x``: the best waste P90 within reach of any multiplier."""
    return "endless" if advice.spread_floor is None else times(advice.spread_floor)


def cap(suggested: Cap) -> str:
    """``8192``, or what it takes to suggest one."""
    if suggested.max_tokens is not None:
        return str(suggested.max_tokens)
    return "hidden by the cap" if suggested.samples_needed is None else f"needs {suggested.samples_needed}"


def forward(check: ForwardCheck) -> str:
    """What the advice of the earlier calls would have done to the later ones."""
    left_out = f", {check.uncovered} without advice left out" if check.uncovered else ""
    if check.scored.value is None or check.bounds is None:
        return f"forward check: tuned on the first {check.tuned_on}, no later call to score{left_out}"
    rate = f"{check.scored.events}/{check.scored.n} = {percent(check.scored.value)}"
    sure = f"true rate {percent(check.bounds.lower)} to {percent(check.bounds.upper)} (95 % each)"
    return f"forward check: tuned on the first {check.tuned_on}, {rate} of the rest underestimated, {sure}{left_out}"
