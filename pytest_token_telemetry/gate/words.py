"""The verdict in sentences: the headline, what to do next, and what to know when reading the figures."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_token_telemetry.verdict import CHECK_IDS, TRUNCATION, UNDERESTIMATION, WASTE, Check, Conclusion
from pytest_token_telemetry.wording import listing, percent, plural

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_token_telemetry.analysis.metrics import Share
    from pytest_token_telemetry.analysis.strata import Stratum
    from pytest_token_telemetry.gate.findings import Findings

_SUBJECTS = {UNDERESTIMATION: "underestimation", TRUNCATION: "truncation", WASTE: "waste"}

_OWN_WORD = re.compile(r"[a-z][a-z_-]{0,31}")
"""A category that may stand in a sentence of ours: no mention, reference, link or markup can be made of it."""


def headline(conclusion: Conclusion, findings: Findings, kept: list[Check], deselected: tuple[str, ...]) -> str:
    """One plain sentence."""
    if conclusion == "not-ready":
        return "Not enough representative data: collect more, do not tune."
    if conclusion == "inconclusive":
        if not kept:
            return "No verdict: every check was deselected."
        return f"No verdict: what was checked passes, but {_of_all(deselected)} were deselected."
    if conclusion == "pass":
        return f"No tuning needed: {_rate_in_words(findings)}."
    exceeded = [_SUBJECTS[check.id] for check in kept if check.outcome == "fail"]
    return f"Tuning needed: {listing(exceeded)} above target ({_rate_in_words(findings)})."


def _rate_in_words(findings: Findings) -> str:
    figures, settings = findings.metrics, findings.settings

    def rate(share: Share, target: Fraction) -> str:
        return percent(Fraction(share.events, share.n), target) if share.n else "no data"

    under = rate(figures.underestimation, settings.max_underestimation)
    cut = rate(figures.truncation, settings.max_truncation)
    return f"{under} underestimated, {cut} truncated"


def advice(conclusion: Conclusion, findings: Findings, deselected: tuple[str, ...]) -> list[str]:
    """What to do next, one sentence each."""
    match conclusion:
        case "not-ready":
            return _what_to_collect(findings)
        case "tune":
            return _what_to_tune(findings)
        case "inconclusive":
            return [f"Run all checks for a verdict: {_of_all(deselected)} were deselected."]
        case "pass":
            return ["Nothing to tune: go on collecting, and watch for drift."]


def _what_to_collect(findings: Findings) -> list[str]:
    found, settings, reading = findings.readiness, findings.settings, findings.reading
    steps = []
    if reading.unreadable:
        steps.append("Make every file readable: what could not be read was not judged.")
    elif not reading.files:
        steps.append("Check the directory and the pattern: no file matches, so there is nothing to judge.")
    if reading.files and not len(reading.samples):
        steps.append("Check that the system logs [TokenEstimationV2] lines: the files hold none that can be used.")
    if settings.max_unusable is not None and findings.unusable > settings.max_unusable:
        steps.append("Repair what writes the unusable lines, or raise the limit.")
    missing = settings.min_samples - found.successes
    if missing > 0:
        steps.append(f"Collect {plural(missing, 'more successful sample')}.")
    elif found.attempts < settings.min_samples:
        steps.append("Log 'truncated' with every sample: too few say whether they were cut off.")
    wanted = [
        *(f"in {name}" for name in found.categories.missing),
        *(f"of {name} complexity" for name in found.complexities.missing),
        *(f"with {name} {'deliverable' if name == '1' else 'deliverables'}" for name in found.deliverables.missing),
    ]
    if wanted:
        steps.append(f"Collect at least one successful sample {listing(wanted)}.")
    return steps


def _what_to_tune(findings: Findings) -> list[str]:
    figures, settings = findings.metrics, findings.settings
    categories = findings.strata.category
    steps = []
    if _exceeds(figures.underestimation, settings.max_underestimation):
        where = _most(categories, lambda each: (each.underestimated, each.risk))
        steps.append(f"Raise the predictions where runs were underestimated: {where}.")
    if _exceeds(figures.truncation, settings.max_truncation):
        where = _most(categories, lambda each: (each.truncated, each.attempts))
        steps.append(f"Raise the budget (max_tokens) where runs were cut off: {where}.")
    if not steps:
        steps.append("Lower the predictions where waste is high, as far as Tier 1 stays within its targets.")
    return steps


def _exceeds(share: Share, target: Fraction) -> bool:
    return share.n > 0 and Fraction(share.events, share.n) > target


def _most(categories: tuple[Stratum, ...], figure: Callable[[Stratum], tuple[int, int]]) -> str:
    """The three categories with the most events, as ``docs 5 of 12``."""
    hit = sorted((each for each in categories if figure(each)[0]), key=figure, reverse=True)
    shown = []
    for each in hit[:3]:
        known = each.name is not None and _OWN_WORD.fullmatch(each.name)
        events, n = figure(each)
        shown.append(f"{each.name if known else 'another category'} {events} of {n}")
    return ", ".join(shown) + (", and others" if len(hit) > 3 else "")


def notes(findings: Findings, deselected: tuple[str, ...]) -> list[str]:
    """What a reader must know to read the figures rightly, one sentence each."""
    reading = findings.reading
    unusable, legacy = findings.unusable, findings.legacy
    found = []
    if deselected:
        found.append(f"{_of_all(deselected)} deselected: {', '.join(deselected)}.")
    if unusable:
        reasons = "; ".join(f"{lines.count} because {reason}" for reason, lines in reading.unusable.items())
        found.append(f"{plural(unusable, 'telemetry line')} could not be used: {reasons}.")
    if reading.duplicates:
        found.append(f"{plural(reading.duplicates, 'duplicate')} left out: the same line in another place.")
    if findings.no_ratio:
        found.append(f"{plural(findings.no_ratio, 'sample')} with a prediction or an output of 0, set apart.")
    if legacy:
        fate = "judged" if findings.settings.population == "all" else "listed, not judged"
        found.append(f"{plural(legacy, 'legacy sample')} (V1 lines) {fate}.")
    if reading.outside:
        found.append(f"{plural(len(reading.outside), 'link')} out of the directory not followed.")
    if reading.special:
        found.append(f"{plural(len(reading.special), 'path')} not opened: pipes, sockets or devices.")
    return found


def _of_all(deselected: tuple[str, ...]) -> str:
    return f"{len(deselected)} of {len(CHECK_IDS)} checks"
