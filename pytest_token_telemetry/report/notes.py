"""What to know besides the verdict, in sentences: what it does not rest on, and what may surprise."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import starmap
from typing import TYPE_CHECKING

from pytest_token_telemetry.gate.checks.sources import looks
from pytest_token_telemetry.option import flag
from pytest_token_telemetry.report.unread import columns_of_side_files, not_read
from pytest_token_telemetry.report.words import deselected, known_id
from pytest_token_telemetry.sources.places import FILES, LEFT_OUT, WHERE
from pytest_token_telemetry.text import Reason, Untrusted, joined, named, percent, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_token_telemetry.gate.findings import Counts, UnfoundField
    from pytest_token_telemetry.report.model import NotRead, Report
    from pytest_token_telemetry.text import Piece, Sentence


NOTE = "note"
"""What a text that titles its sentences calls a note."""


def unusable_lines(report: Report) -> list[Sentence]:
    """How many lines could not be used and why, in one sentence; none if there are no such lines."""
    counts = report.counts
    if not counts.unusable.total:
        return []
    return [(f"{plural(counts.unusable.total, 'telemetry line')} could not be used: ", *_unusable(counts), ".")]


def losses(report: Report) -> list[Sentence]:
    """What the verdict does not rest on although it was asked for, one sentence each."""
    counts = report.counts
    found: list[Sentence] = []
    if report.deselected:
        found.append((f"{deselected(report)} deselected: ", *joined(map(known_id, report.deselected)), "."))
    if report.settings.get("save_baseline") is not None and report.unmet:
        found.append("No baseline was saved: the data is not ready, and nothing should be compared with it.")
    found += [*unusable_lines(report), *_without_prediction(report), *misread(report)]
    if counts.copies_of_tests > 1:
        found.append(f"Each test ran on {counts.copies_of_tests} workers (--dist=each): its samples count once a run.")
    if report.not_read.unknown and counts.samples:  # where there are none, the next step tells
        found.append(_unknown_files(report.not_read))
    if report.not_read.outside:
        found.append(_links_out(report.not_read))
    if counts.samples and counts.look_like:
        found.append(("not judged: ", *joined(starmap(looks, counts.look_like.items())), "."))
    found += _unknown_words(counts)
    if counts.dropped:
        why = joined(((f"{count:,} as ", named(reason)) for reason, count in counts.dropped.items()), "; ")
        dropped = plural(sum(counts.dropped.values()), "sample")
        found.append((f"{dropped} dropped by a plugin and not judged: ", *why, "."))
    if counts.over_cap:
        over = plural(counts.over_cap, "sample")
        found.append(f"{over} above max_tokens without being truncated: that is not the cap that was sent.")
    predictions = 0 if counts.carried is None or report.estimator is not None else counts.carried.predictions
    if counts.predicted_caps >= _LEAST_PREDICTED_CAPS and 10 * counts.predicted_caps >= 9 * predictions > 0:
        found.append(
            f"{counts.predicted_caps:,} of {plural(predictions, 'prediction')} are the cap (max_tokens), which no"
            " output can exceed: underestimation cannot show there. Record what the estimator predicted."
        )
    return found


def _unknown_words(counts: Counts) -> Iterator[Sentence]:
    """Words that are not known for why outputs ended: where nothing else tells that, and where something does."""
    if counts.unknown_reasons:
        samples = plural(sum(counts.unknown_reasons.values()), "sample")
        yield f"{samples} ended for reasons that are not known: ", *unknown_reasons(counts), "."
    if counts.settled_reasons:
        other = "other sample" if counts.unknown_reasons else "sample"
        samples = plural(sum(counts.settled_reasons.values()), other)
        decided = "The gate ignores such words: the cap, or truncated where it is given, decided."
        words = _words(counts.settled_reasons)
        yield f"{samples} ended for reasons that are not known: ", *words, f". {decided}"


_LEAST_PREDICTED_CAPS = 10
"""Predictions that are caps, without which it may be chance."""


def _unknown_files(unread: NotRead) -> Sentence:
    """Which files of records hold nothing that is read."""
    others = len(unread.unknown) + unread.unknown_folded - 1
    more = f" and of {plural(others, 'other file')}" if others else ""
    maps = "them if they hold" if others else "it if it holds"
    how = f"{flag('propose_map')} proposes how, docs/field-map.md"
    return "no record of ", Untrusted(unread.unknown[0]), f"{more} is read: map {maps} calls ({how})."


def _links_out(unread: NotRead) -> Sentence:
    """Which links lead out of the directory, and how to have read what they lead to."""
    others = len(unread.outside) + unread.outside_folded - 1
    what, they = "leads out of the directory and is not followed", "directory that it leads"
    if others:
        what = f"and {plural(others, 'other link')} lead out of the directory and are not followed"
        they = "directories that they lead"
    return "the link ", Untrusted(unread.outside[0]), f" {what}: name the {they} to with {flag('dir')}."


def _unusable(counts: Counts) -> tuple[Piece, ...]:
    """Why lines are unusable, each with how many; without the number where that is all."""
    reasons = [*counts.unusable.reasons.items()]
    if len(reasons) == 1:
        return (Reason(reasons[0][0]),)
    found: list[Sentence] = [(f"{lines.count:,} because ", Reason(reason)) for reason, lines in reasons[:_WORDS_SHOWN]]
    if others := sum(lines.count for _, lines in reasons[_WORDS_SHOWN:]):
        found.append(f"{others:,} for other reasons")
    return joined(found, "; ")


def notes(report: Report) -> list[Sentence]:
    """What a reader must know to read the figures rightly, one sentence each: first the `losses`."""
    counts, unread = report.counts, report.not_read
    found = losses(report)
    names_maps = any(each.field == FILES for each in counts.unfound)
    for remark, count in counts.remarks.items():
        if remark in _REMARKS and not (remark == "maps_without_file" and names_maps):
            noun, rest = _REMARKS[remark]
            found.append(f"{plural(count, noun)} {rest}")
    if counts.duplicates:
        found.append(f"{plural(counts.duplicates, 'duplicate')} left out: the same call in another place.")
    if counts.doubled_files:
        files = plural(counts.doubled_files, "file")
        found.append(
            f"{files} with every record several times in a row, as if a handler were attached twice: each counts once."
        )
    if counts.relabelled:
        found.append(f"{plural(counts.relabelled, 'sample')} judged by labels that a plugin gave.")
    found += _near_names(report)
    found += _carried(report)
    if counts.no_ratio:
        found.append(f"{plural(counts.no_ratio, 'sample')} with a prediction or an output of 0, excluded.")
    if counts.legacy:
        fate = "judged" if report.population == "all" else "listed, not judged"
        found.append(f"{plural(counts.legacy, 'legacy sample')} (V1 lines) {fate}.")
    found += _recording(report)
    found += _dependence(report)
    if counts.over_budget:
        over = plural(counts.over_budget, "sample")
        found.append(f"{over} above the budget without being truncated: the budget is not the cap that was sent.")
    if unread.special:
        found.append(
            f"{plural(len(unread.special) + unread.special_folded, 'path')} not opened: pipes, sockets or devices."
        )
    return found


def _without_prediction(report: Report) -> Iterator[Sentence]:
    """Side files that bring no prediction where no call has one."""
    counts = report.counts
    if (files := counts.remarks.get("without_prediction")) and counts.carried and not counts.carried.predictions:
        begin = f"{plural(files, 'side file')} without a prediction, and no call has one"
        yield joined((begin, columns_of_side_files(report), " (docs/side-files.md)."), "")


def unknown_reasons(counts: Counts) -> tuple[Piece, ...]:
    """``MAX (12 samples), DONE (3 samples)``: why outputs ended, in words that are not known."""
    return _words(counts.unknown_reasons)


def _words(reasons: Mapping[str, int]) -> tuple[Piece, ...]:
    shown = [*reasons.items()][:_WORDS_SHOWN]
    return joined((named(word), f" ({plural(n, 'sample')})") for word, n in shown)


_WORDS_SHOWN = 5
"""Reasons that a sentence names."""


def misread(report: Report) -> list[Sentence]:
    """Notes on what a user's map or columns may hide: the fields of maps that no record has, and likely columns.

    The reason of unusable lines names the path of their output.
    """
    return [*_wrong_paths(report), *not_read(report)]


def _wrong_paths(report: Report) -> list[Sentence]:
    counts = report.counts
    told = {"output_tokens", WHERE} if counts.nothing_known == counts.files else {"output_tokens"}
    return [_in_vain(each) for each in counts.unfound if each.field not in told]


def _in_vain(unfound: UnfoundField) -> Sentence:
    name, path, records = Untrusted(unfound.map), Untrusted(unfound.path), plural(unfound.records, "record")
    if unfound.field == FILES:
        return "map ", name, ": no file matches ", path, " (docs/field-map.md)."
    if unfound.field == WHERE:
        return "map ", name, ": its where (", path, f") matched none of {records}."
    if unfound.field == LEFT_OUT:
        them = "it" if unfound.records == 1 else "them"
        left_out = f": its where leaves out {records} with an output at "
        return "map ", name, left_out, path, f" (add {them} to the where if they are calls)."
    what = "a time at " if unfound.field == "time" else ""
    return "map ", name, ": ", Untrusted(unfound.field), f": no record has {what}", path, f" ({records})."


def _near_names(report: Report) -> Iterator[Sentence]:
    """Categories that are probably one: their names have the same letters, the largest first."""
    alike: dict[str, list[str]] = {}
    for each in report.strata.category:
        if each.name is not None and (key := _SEPARATORS.sub("", each.name).casefold()):
            alike.setdefault(key, []).append(each.name)
    groups = [names for names in alike.values() if len(names) > 1]
    if not groups:
        return
    told: list[Sentence] = [*map(_listed, groups[:_NEAR_SHOWN])]
    if others := len(groups) - len(told):
        told.append(plural(others, "other group"))
    same, *spellings = groups[0]
    way_out = "SPELLING=CATEGORY counts one as another"
    if len(groups) == len(spellings) == 1 and isinstance(named(same), str) and isinstance(named(spellings[0]), str):
        way_out = f"{spellings[0]}={same} counts them as one"
    option = flag("alias")
    yield "Categories that differ only in blanks, - or _: ", *joined(told, "; "), f". {option}={way_out}."


def _listed(names: Sequence[str]) -> tuple[Piece, ...]:
    shown: list[Sentence] = [*map(named, names[:_NEAR_SHOWN])]
    if others := len(names) - len(shown):
        shown.append(plural(others, "other"))
    return joined(shown, last="and")


_SEPARATORS = re.compile(r"[\s_-]+")

_NEAR_SHOWN = 3
"""Groups of categories with nearly the same name that a note shows, and names of each."""


def _carried(report: Report) -> Iterator[str]:
    """What some samples lack, and what caps reserve or may be."""
    carried, use = report.counts.carried, report.metrics.cap_use
    without_end = _without_end(report)
    if carried is not None and 0 < carried.predictions < carried.samples:
        without = carried.samples - carried.predictions
        samples = plural(carried.samples, "sample")
        all_count = "it counts" if without == 1 else "they count"
        those = "those that say how they ended count" if without_end else all_count
        told = f": {those} for truncation alone" if report.counts.attempts else ""
        yield f"{without:,} of {samples} {'has' if without == 1 else 'have'} no prediction{told}."
    if carried is not None and without_end:
        broke_off = min(report.counts.broke_off, without_end)
        of_samples = f"of {plural(carried.samples, 'sample')}"
        if broke_off:
            them = "it" if broke_off == 1 else "them"
            yield f"{broke_off:,} {of_samples} ended with an error: the truncation rate leaves {them} out."
        if silent := without_end - broke_off:
            does, they, them = ("does", "it", "it") if silent == 1 else ("do", "they", "them")
            yield f"{silent:,} {of_samples} {does} not say how {they} ended: the truncation rate leaves {them} out."
    if (repeated := report.metrics.repeated_output) is not None:
        yield f"{repeated.calls:,} outputs are exactly {repeated.output_tokens:,}: is that the cap?"
    if use is not None and use.reserved:
        share = percent(Fraction(use.unused, use.reserved))
        calls = plural(use.calls, "call")
        yield f"{calls} with a cap reserved {use.reserved:,} tokens of quota, and {share} went unused."


def _without_end(report: Report) -> int:
    """Samples that ended with an error or do not say how, where others do and the truncation rate is of those."""
    counts, replay = report.counts, report.estimator
    if counts.carried is None or not counts.attempts or report.population != "risk":
        return 0
    unanswered = 0 if replay is None else replay.calls - replay.replayed
    return max(counts.carried.samples - counts.carried.legacy - counts.attempts - unanswered, 0)


_REMARKS: Mapping[str, tuple[str, str]] = {
    "without_request": (
        "batch result",
        f"without a request: the cap is unknown ({flag('requests')}=FILE names it, docs/batches.md).",
    ),
    "requests_differ": ("batch result", "with several requests that differ: the cap is unknown (docs/batches.md)."),
    "without_call": (
        "row",
        "of side files without a call: no usable call has the id that they name (docs/side-files.md).",
    ),
    "several_calls": (
        "prediction",
        "of side files with the id of several calls: left out (docs/side-files.md).",
    ),
    "rows_without_id": (
        "row",
        "of databases without an id: a call in both a log and a database counts twice then. Read only one of them.",
    ),
    "outputs_differ": (
        "call",
        "with records of one id that differ in output tokens: each record counts (docs/definitions.md).",
    ),
    "maps_without_file": ("field map", "without a file: no name matches its patterns (docs/field-map.md)."),
}


def _recording(report: Report) -> Iterator[str]:
    """What tests did not record, and what they recorded more than once."""
    counts = report.counts
    if counts.by_cap:
        yield f"{plural(counts.by_cap, 'truncation')} known by the cap alone: no reason said so."
    if counts.deselected_tests:
        yield f"{plural(counts.deselected_tests, 'test')} deselected: what they would record is not judged."


def _dependence(report: Report) -> Iterator[str]:
    samples, tasks = report.counts.with_task, report.counts.tasks
    if report.is_on("one_per_task"):
        if not tasks:
            yield "One sample a task was asked for, but no sample names its task: all are judged."
        elif samples:
            yield f"One sample a task is judged: {samples - tasks:,} of {samples:,} left out."
    elif samples > 2 * tasks:
        yield (
            f"{samples:,} samples come from only {plural(tasks, 'task')}, and attempts at one task are alike: proofs"
            " are weaker than they say (--token-telemetry-one-per-task judges one a task)."
        )
