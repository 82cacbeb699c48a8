"""Where the data has nothing for what was asked, nothing passes, and the reason is said."""

from __future__ import annotations

import pytest

from pytest_token_telemetry.report.words import headline
from pytest_token_telemetry.sample import Sample
from tests.unit.gate.cases import advice, judge, message, notes, outcomes, reading, ready, settings, verdict

TRUNCATION = "tier1::truncation"


def capped(n: int) -> list[Sample]:
    """Calls of which only output and cap are known."""
    return [Sample(output_tokens=400, max_tokens=1000, truncated=False, success=True) for _ in range(n)]


@pytest.mark.parametrize("population", ["success", "all"])
def test_a_population_of_predictions_judges_nothing_without_them(population: str) -> None:
    found = verdict(capped(40), population=population)
    why = f"no sample has a prediction, and the population {population} takes no others"
    assert (found.verdict, found.fails, found.nothing_judged) == ("inconclusive", False, why)
    assert headline(found).startswith(f"Nothing to judge: {why}. The data names no kind of work")
    assert advice(found) == [
        "Judge the population risk (--token-telemetry-population=risk): truncation needs no prediction there."
    ]
    assert outcomes(found)[TRUNCATION] == "skip"
    assert verdict(capped(40), population=population, inconclusive="fail").fails


@pytest.mark.parametrize("selected", [("tier1::underestimation",), ("tier1::underestimation", "tier2::waste-p90")])
def test_a_selection_of_what_the_data_has_nothing_for_judges_nothing(selected: tuple[str, ...]) -> None:
    found = judge(reading(capped(40)), settings(), selected)
    assert found.nothing_judged == "the data has nothing that the selected checks are about"
    assert headline(found).startswith(f"Nothing to judge: {found.nothing_judged}.")
    assert judge(reading(capped(40)), settings(), (*selected, TRUNCATION)).nothing_judged == ""


@pytest.mark.parametrize(("silent", "verb"), [(0, ""), (1, "1 of 41 samples does"), (980, "980 of 1,020 samples do")])
def test_samples_that_do_not_say_how_they_ended_are_told(silent: int, verb: str) -> None:
    found = verdict([*capped(40), *[Sample(output_tokens=400)] * silent])
    told = [each for each in notes(found) if "the truncation rate leaves" in each]
    they, them = ("it", "it") if silent == 1 else ("they", "them")
    assert told == [f"{verb} not say how {they} ended: the truncation rate leaves {them} out."] * (silent > 0)
    assert message(found, TRUNCATION).startswith("0/40 = 0.0% of attempts")
    assert [each for each in notes(verdict(ready(40))) if "not say how" in each] == []


@pytest.mark.parametrize(("failed", "silent"), [(1, 0), (3, 0), (1, 1), (3, 2)])
def test_calls_that_ended_with_an_error_are_not_said_to_be_silent(failed: int, silent: int) -> None:
    broke_off = Sample(output_tokens=400, max_tokens=1000, finish_reason="error", success=False)
    found = verdict([*capped(40), *[broke_off] * failed, *[Sample(output_tokens=400)] * silent])
    total = 40 + failed + silent
    them = "it" if failed == 1 else "them"
    told = [f"{failed} of {total} samples ended with an error: the truncation rate leaves {them} out."]
    if silent == 1:
        told.append(f"1 of {total} samples does not say how it ended: the truncation rate leaves it out.")
    elif silent:
        told.append(f"{silent} of {total} samples do not say how they ended: the truncation rate leaves them out.")
    assert [each for each in notes(found) if "the truncation rate leaves" in each] == told
    assert message(found, TRUNCATION).startswith("0/40 = 0.0% of attempts")
    reached = Sample(output_tokens=1000, max_tokens=1000, finish_reason="error", truncated=True)
    assert not any("with an error" in each for each in notes(verdict([*capped(40), reached])))


def test_a_mixture_with_silent_samples_does_not_claim_to_judge_them() -> None:
    found = verdict([*ready(60), *capped(3), *[Sample(output_tokens=400)] * 2])
    assert notes(found)[:2] == [
        "5 of 65 samples have no prediction: those that say how they ended count for truncation alone.",
        "2 of 65 samples do not say how they ended: the truncation rate leaves them out.",
    ]


@pytest.mark.parametrize(("needed", "words"), [("1", "1 sample to judge by"), ("2", "2 samples to judge by")])
def test_one_sample_that_is_enough_is_no_plural(needed: str, words: str) -> None:
    assert words in headline(verdict(capped(2), min_samples=needed))
