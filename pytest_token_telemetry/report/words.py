"""The report in sentences: the headline, and each check in a line.

All of them are made here from the report's figures, whether the gate built it or a file holds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_token_telemetry.gate.checks import (
    ALL_READ,
    CAP_USE,
    CARRIED,
    CATEGORIES,
    CHECK_BY_ID,
    COMPLEXITIES,
    DELIVERABLES,
    REPLAY,
    SAMPLES,
    TRUNCATION,
    UNDERESTIMATION,
    WASTE,
)
from pytest_token_telemetry.gate.checks.coverage import CoverageCheck
from pytest_token_telemetry.gate.checks.sources import what_was_read
from pytest_token_telemetry.gate.results import CountResult, CoverageResult, RateResult, RatioResult
from pytest_token_telemetry.option_types import NONE
from pytest_token_telemetry.text import Reason, Untrusted, joined, listing, plain, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_token_telemetry.analysis.carried import Kind
    from pytest_token_telemetry.analysis.metrics import Share
    from pytest_token_telemetry.gate.check import Check
    from pytest_token_telemetry.gate.checks.rates import RateCheck
    from pytest_token_telemetry.gate.replay_report import ReplayReport, WrongReason
    from pytest_token_telemetry.gate.results import Result
    from pytest_token_telemetry.report.model import Report
    from pytest_token_telemetry.text import Piece, Sentence


def message(report: Report, result: Result) -> Sentence:
    """All that ``result`` says, on one line."""
    check = CHECK_BY_ID.get(result.id)
    said: Sentence = f"{_NEWER}: {result.outcome}" if check is None else check.words(result, report.context)
    if result.for_unready and report.unmet:
        return joined((message(report, report.unmet[0]), said), "; ")
    return said


def known_id(id: str) -> Piece:
    """The id of a check, as our own word if it is one of ours."""
    return id if id in CHECK_BY_ID else Untrusted(id)


def headline(report: Report) -> str:
    """The verdict in a plain sentence, and which question it answers. All words and figures are our own."""
    return " ".join((_verdict(report), *question(report), *waivers(report)))


def question(report: Report) -> Iterator[str]:
    """What was judged where it is not predictions: a sentence or none."""
    counts = report.counts
    judged = "would be judged" if report.verdict == "not-ready" else "were judged"
    match "" if report.nothing_judged else counts.question:
        case "caps":
            yield f"No prediction in the data: the caps {judged}."
        case "reasons":
            only = judged.replace("were", "was")
            yield f"No prediction in the data, caps unknown: only truncation {only}."
        case "lengths":
            yield "No predictions, caps or reasons in the data: it can only say which caps to set."


def waivers(report: Report) -> Iterator[str]:
    """That no mix of work was asked for: a sentence for each thing that follows."""
    waived = _waived(report)
    if len(waived) == len(_KINDS):
        yield f"The data names no kind of work, so no mix is required{_enough(report)}{_grouped(report)}."
        return
    if waived:
        yield f"No {listing(waived, last='or')} is named, so none is required."
    if grouped := _grouped(report):
        yield f"No category is named{grouped}."


_KINDS: Mapping[Kind, tuple[CoverageCheck, str]] = {
    "categories": (CATEGORIES, "category"),
    "complexities": (COMPLEXITIES, "complexity"),
    "deliverables": (DELIVERABLES, "number of deliverables"),
}


def _waived(report: Report) -> list[str]:
    """The kinds of labels of which no mix is asked for, as the data names none."""
    carried = report.counts.carried
    if carried is not None and carried.question == "lengths" and carried.labels:
        return []  # it is asked of no lengths, whatever they name
    unset = ((kind, each) for kind, each in _KINDS.items() if report.settings.get(f"require_{kind}") != NONE)
    results = ((kind, word, report.result(check.id)) for kind, (check, word) in unset)
    return [
        word
        for kind, word, result in results
        if carried is not None and not carried.owes(kind) and isinstance(result, CoverageResult) and not result.target
    ]


def _enough(report: Report) -> str:
    """How many samples are enough, to judge by and to prove each target, where no mix of work is asked for."""
    needed = report.result(SAMPLES.id)
    if not isinstance(needed, CountResult) or report.counts.question == "lengths":
        return ""
    proven = [
        f"{proof.without_more_events:,} to prove the target of {CHECK_BY_ID[proof.id].subject}"
        for proof in report.plan.proofs
        if proof.without_more_events is not None and proof.id in CHECK_BY_ID and not _is_exceeded(report, proof.id)
    ]
    enough = f"{plural(needed.target, 'sample')} to judge by"
    return f" ({listing([enough, *proven])})"


def _is_exceeded(report: Report, id: str) -> bool:
    result = report.result(id)
    return result is not None and result.exceeded


def _grouped(report: Report) -> str:
    """By what the advice is grouped, where it is not the category."""
    tuning = report.tuning
    return "" if tuning is None or tuning.grouped_by == "category" else f"; advice is grouped by {tuning.grouped_by}"


def _verdict(report: Report) -> str:
    begins = {"pass": "No tuning needed: ", "tune": "Tuning needed: "}.get(report.verdict, "")
    return f"{begins}{decisive(report)}."


def decisive(report: Report) -> str:
    """The figures that the verdict rests on, or why it rests on none: a clause."""
    match report.verdict:
        case "not-ready":
            return _why_not_ready(report)
        case "inconclusive":
            return _why_inconclusive(report)
        case "pass":
            waste = ", waste above its target" if is_above(report, WASTE.id) else ""
            judges_caps = report.counts.question == "caps"
            caps = ", cap use above its target" if judges_caps and is_above(report, CAP_USE.id) else ""
            drift = ", drift since the baseline" if warns(report, "drift::") else ""
            return f"{_rates(report)}{waste}{caps}{drift}"
    worse = [_in_headline(each) for each in report.checks if each.exceeded]
    return ", ".join([*worse, *(["drift since the baseline"] if warns(report, "drift::") else [])])


def readiness(report: Report) -> Sentence | None:
    """All checks of the readiness in one short sentence; ``None`` if one did not pass."""
    results = [result for result in report.checks if result.id.startswith("readiness::")]
    if not results or any(result.outcome != "pass" for result in results):
        return None
    samples = report.result(SAMPLES.id)
    enough = [] if samples is None else [message(report, samples)]
    return joined([*enough, what_was_read(report.counts)])


def session_result(report: Report) -> str:
    """Why the session fails whatever the verdict; empty if it does not."""
    if report.session is None or not report.session_failed:
        return ""
    if failed := report.session.tests_failed:
        return (
            f"Tests of the same session failed ({plural(failed, 'failure')}): the session fails whatever the verdict."
        )
    return f"pytest ended in {report.session.exit_status} for another reason than the verdict: the session fails."


def _in_headline(result: Result) -> str:
    check = CHECK_BY_ID.get(result.id)
    return f"{_NEWER} failed" if check is None else check.in_headline(result)


_NEWER = "a check from a plugin or a newer version"


def _why_not_ready(report: Report) -> str:
    unmet = {result.id for result in report.unmet}
    if (replay := blamed(report)) is not None:
        return f"The estimator cannot be judged: {_lacks(replay, refuses=report.context.refuses_wrong_answers)}"
    if unmet == {CARRIED.id}:
        return "The samples lack required fields: record them, do not tune"
    if unmet == {ALL_READ.id} and report.counts.lost_tests:
        return "What a dead worker recorded is missing: run the tests again"
    counts = report.counts
    if unmet == {ALL_READ.id} and report.context.reads_tests and not (counts.tests or counts.unreadable_files):
        return "No test recorded a call: run those that do, do not tune"
    if unmet == {ALL_READ.id} and report.sources:
        return "Not all logs can be used: fix that first, do not tune"
    if ALL_READ.id in unmet and not counts.samples and (report.context.reads_files or report.context.reads_tables):
        return "No call could be read: fix that first, do not tune"
    if ALL_READ.id in unmet and counts.unreadable_files > counts.lost_tests:
        return "Not all logs can be used: fix that first, do not tune"
    if all(isinstance(result, CoverageResult) and result.missing == result.unreplayed for result in report.unmet):
        return "The estimator leaves out work that is required: let it answer for that, do not tune"
    if all(_is_labelled_otherwise(result, report) for result in report.unmet):
        return _labelled_otherwise(report)
    match unjoined(report):
        case "without_request", _:
            return "Batch results lack their requests: name these first, do not tune"
        case "requests_differ", _:
            return "Batch results have several requests that differ: keep each batch apart, do not tune"
    if not counts.samples and counts.unusable.total:
        return "No record could be used: repair what writes them, do not tune"
    return "Not enough representative data: collect more, do not tune"


def _is_labelled_otherwise(result: Result, report: Report) -> bool:
    """True if a setting would fit what the calls are named by."""
    check = CHECK_BY_ID.get(result.id)
    return (
        isinstance(check, CoverageCheck)
        and isinstance(result, CoverageResult)
        and check.is_labelled_otherwise(result, report.context)
    )


def _labelled_otherwise(report: Report) -> str:
    """Which labels the calls carry instead, or none."""
    kinds = {check.id: (kind, check) for kind, (check, _) in _KINDS.items()}
    lacking = [kinds[each.id] for each in report.unmet if isinstance(each, CoverageResult) and each.named == 0]
    if len(lacking) < len(report.unmet):
        or_none = ", or none" if lacking else ""
        return (
            f"The calls carry other labels than those required{or_none}: check the labels or the settings, do not tune"
        )
    carried = report.counts.carried
    some = any(getattr(carried, kind, 0) for kind, _ in lacking)
    labels = listing(f"no {check.one}" for _, check in lacking)
    is_one = len(lacking) == 1
    return (
        f"The calls{' that count' if some else ''} carry {labels}, which {'is' if is_one else 'are'} required:"
        f" record {'it' if is_one else 'them'}, do not tune"
    )


UNJOINED = ("requests_differ", "without_request")
"""Remarks on results of batches whose requests are not known."""


def unjoined(report: Report) -> tuple[str, int] | None:
    """The remark on results of batches whose requests may say what is missing, with how many these are."""
    counts, samples = report.counts, report.result(SAMPLES.id)
    lacking = samples.missing if isinstance(samples, CountResult) else 0
    without = any(
        isinstance(each, CoverageResult) and each.missing and (each.named is None or each.named < counts.counted)
        for each in report.unmet
    )
    for remark in UNJOINED:
        results = counts.remarks.get(remark, 0)
        may_count = 0 < lacking <= min(results, counts.samples - counts.counted)
        if results and (may_count or (without and not lacking and 2 * results >= counts.samples)):
            return remark, results
    return None


def blamed(report: Report) -> ReplayReport | None:
    """What was replayed, if there are calls to replay, and the estimator does not."""
    replay = report.estimator
    fails = replay is not None and replay.calls > 0 and any(result.id == REPLAY.id for result in report.unmet)
    return replay if fails else None


def _lacks(replay: ReplayReport, *, refuses: bool) -> str:
    """Why the estimator is not judged. ``refuses``: a single invalid prediction is one too many."""
    if not replay.replayed:
        return f"none of {plural(replay.calls, 'recorded call')} could be replayed"
    if replay.wrong and refuses:
        return invalid(replay.wrong, replay.calls)
    return f"it replays {replay.replayed:,} of {plural(replay.calls, 'recorded call')}"


def invalid(wrong: int, calls: int | None = None) -> str:
    """``12 of 66 predictions are invalid``; without the number of ``calls``, ``12 predictions are invalid``."""
    said = plural(wrong, "prediction") if calls is None else f"{wrong:,} of {plural(calls, 'prediction')}"
    return f"{said} {'is' if wrong == 1 else 'are'} invalid"


def most_frequent(reasons: Sequence[WrongReason], wrong: int) -> Sentence:
    """``: TypeError (12 calls)``: why most of ``wrong`` predictions are invalid, and that there are other reasons."""
    if not reasons:
        return ""
    first, *others = reasons
    is_all = first.calls == wrong
    counted = sum(each.calls for each in reasons) == wrong
    rest = f", and for {plural(len(others), 'other reason') if counted else 'other reasons'}"
    return (
        ": " if is_all else ", most often: ",
        Reason(first.reason),
        f" ({plural(first.calls, 'call')}){'' if is_all else rest}",
    )


def _why_inconclusive(report: Report) -> str:
    if not report.checks:
        return "No verdict: every check was deselected"
    if report.nothing_judged:
        return f"Nothing to judge: {report.nothing_judged}"
    if any(isinstance(each, RateResult) and each.inconclusive and each.is_open for each in report.checks):
        return "A replay cannot tell whether the new caps are large enough for calls that the old ones truncated"
    match [subject_of(each) for each in report.checks if each.inconclusive]:
        case [subject]:
            return f"{subject.capitalize()} is not proven either way: {_rates(report)}"
        case [_, *_]:
            return f"Nothing is proven either way: {_rates(report)}"
    return f"No verdict: what was checked passes, but {deselected(report)} were deselected"


def subject_of(result: Result) -> str:
    """What the check of ``result`` is about, in a word or two."""
    check = CHECK_BY_ID.get(result.id)
    return _NEWER if check is None else check.subject


def deselected(report: Report) -> str:
    """``2 of 12 checks``: how many were deselected."""
    return f"{len(report.deselected)} of {len(report.checks) + len(report.deselected)} checks"


def _rates(report: Report) -> str:
    """The Tier 1 rates, also of deselected checks."""
    shares = ((UNDERESTIMATION, report.metrics.underestimation), (TRUNCATION, report.metrics.truncation))
    asked = [(check, share) for check, share in shares if _is_asked(check, report)]
    return ", ".join(_rate(check, report.result(check.id), share) for check, share in asked)


def _is_asked(check: Check[Any], report: Report) -> bool:
    """True if the data has what ``check`` is about."""
    return report.counts.carried is None or check.is_asked(report.counts.carried)


def _rate(check: RateCheck, result: Result | None, share: Share) -> str:
    if isinstance(result, RateResult):
        return check.in_headline(result)
    return check.as_share(share.events, share.n)  # deselected: there is no target to stand on the right side of


def warns(report: Report, id: str) -> bool:
    """True if a check warns whose id begins with ``id``."""
    return any(result.outcome == "warn" for result in report.checks if result.id.startswith(id))


def is_above(report: Report, id: str) -> bool:
    """True if a ratio is above a target that only advises."""
    result = report.result(id)
    return isinstance(result, RatioResult) and result.outcome == "warn" and result.value is not None


def texts(sentences: Iterable[Sentence]) -> list[str]:
    """``sentences`` as plain text."""
    return [plain(sentence) for sentence in sentences]
