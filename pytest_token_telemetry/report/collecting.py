"""What to do where the data is not ready, in sentences: what to repair, record and collect."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_token_telemetry.gate.checks import (
    CARRIED,
    CATEGORIES,
    CHECK_BY_ID,
    COMPLEXITIES,
    DELIVERABLES,
    REPLAY,
    SAMPLES,
)
from pytest_token_telemetry.gate.checks.samples import lacks_attempts, without_success
from pytest_token_telemetry.gate.checks.sources import outside_maps
from pytest_token_telemetry.gate.results import CountResult, CoverageResult
from pytest_token_telemetry.option import flag
from pytest_token_telemetry.option_types import ANY
from pytest_token_telemetry.report.notes import unknown_reasons
from pytest_token_telemetry.report.unread import to_map, to_read
from pytest_token_telemetry.report.words import (
    UNJOINED,
    blamed,
    invalid,
    message,
    most_frequent,
    unjoined,
)
from pytest_token_telemetry.sources.compressed import CUT_OFF
from pytest_token_telemetry.sources.look_like import EMPTY, MAPPABLE, READ_WITH, UNSTRUCTURED, UTF16
from pytest_token_telemetry.sources.outcomes import NO_RESULT
from pytest_token_telemetry.sources.places import FILES, MEANINGLESS
from pytest_token_telemetry.text import Reason, Untrusted, joined, listing, named, plural

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pytest_token_telemetry.analysis.readiness import PlannedRun
    from pytest_token_telemetry.gate.checks.coverage import CoverageCheck
    from pytest_token_telemetry.gate.replay_report import ReplayReport
    from pytest_token_telemetry.gate.verdict import ProofPlan
    from pytest_token_telemetry.report.model import Report
    from pytest_token_telemetry.text import Piece, Sentence


def reasons_to_name(report: Report) -> Iterator[Sentence]:
    """Why outputs end in words that are not known, where the truncation rate does without these calls."""
    if report.counts.unknown_reasons:
        unknown = unknown_reasons(report.counts)
        yield ("Say in a known word why outputs end (finish_reason: stop, length, ...): not known are ", *unknown, ".")


def lines_to_repair(report: Report) -> Iterator[Sentence]:
    """Lines that cannot be used, where they are so many that the calls of which they tell may decide."""
    lost = report.counts.unusable.total
    every = report.counts.samples + lost
    if report.counts.samples and lost > every * _HARDLY_ANY:
        yield f"Repair what writes the unusable lines: {lost:,} of {every:,} telemetry lines count in no figure."


_HARDLY_ANY = Fraction(1, 20)
"""Of the telemetry lines."""


def what_to_collect(report: Report) -> list[Sentence]:
    """What to do next, where the data is not ready to be judged: always something."""
    steps = [*_steps(report)]
    return steps or [joined(("Repair what fails: ", message(report, each), "."), "") for each in report.unmet[:1]]


def _steps(report: Report) -> Iterator[Sentence]:
    counts, context = report.counts, report.context
    if counts.unreadable_files > counts.lost_tests:
        yield _to_repair(report)
    elif context.reads_files and not counts.files:
        yield ("Check the directory", *_shown_directories(report), *_to_name_files(report))
    if counts.lost_tests:
        yield "Run the tests again: a worker died, and what it recorded last is lost."
    elif context.reads_tests and not counts.tests and counts.deselected_tests:
        left_out = f"{plural(counts.deselected_tests, 'test')} deselected"
        yield f"Select the tests that record calls as well as the checks: {left_out}, and no other recorded one."
    elif context.reads_tests and not counts.tests:
        yield (
            "Let tests record their model calls, with the token_telemetry fixture, in log lines, or in spans (extras"
            " [openai], [anthropic], [google] and [spans]; docs/from-your-tests.md): none did."
        )
    if not report.sources:
        return
    if (replay := blamed(report)) is not None:
        yield from _to_replay(report, replay)
        return
    wrong = _wrong_paths(report)
    blames_map = "output_tokens" in wrong
    none_found = [*maps_to_correct(report, wrong), *(() if blames_map else _no_call_found(report))]
    yield from none_found
    yield from _to_join(report)
    mix = _mix(report)
    fitting = [(check, result, setting) for check, result in mix if (setting := check.setting(result, context))]
    yield from _to_label(report, [check for check, result, _ in fitting if not result.named])
    yield from to_read(report)
    samples, limit = report.result(SAMPLES.id), report.settings.get("max_unusable")
    too_many = isinstance(limit, str) and limit.isdecimal() and counts.unusable.total > int(limit[:20])
    if too_many and not blames_map:
        yield "Repair what writes the unusable lines, or raise the limit (--token-telemetry-max-unusable)."
    elif not blames_map:
        yield from lines_to_repair(report)
    if isinstance(samples, CountResult) and lacks_attempts(samples, context):
        unknown = [*reasons_to_name(report)]
        yield from unknown or ["Log 'truncated' with every sample: too few say whether they were truncated."]
    yield from _what_to_record(report, wrong)
    failed = without_success(context)
    if isinstance(samples, CountResult) and samples.missing and failed >= samples.target:
        yield f"Find out why tasks fail: {failed:,} of {plural(counts.samples, 'sample')} did not succeed."
    for check, result, setting in fitting:
        meant = "that is how your calls are labelled" if result.named else f"your calls have no {check.one}"
        yield ("Set ", *setting, f" if {meant}.")
    unreplayed = dict.fromkeys(name for _, result in mix for name in result.unreplayed)
    if unreplayed:
        those = joined(map(named, unreplayed), last="and")
        yield ("Let the estimator answer for ", *those, ": such calls were recorded, and it could replay none of them.")
    for check, result in mix:
        for required, found in check.slips(result, context):
            option = flag(f"require_{check.stratum}")
            yield (named(required), ": did you mean ", named(found), f"? Then correct {option}, or the labels.")
    is_explained = none_found or counts.unreadable_files or (context.reads_files and not counts.files)
    lacking = samples.missing if isinstance(samples, CountResult) else 0
    is_labelled = fitting or all(
        check.is_labelled_otherwise(result, context) or set(result.missing) == set(result.unreplayed)
        for check, result in mix
        if result.missing
    )
    is_there = (is_labelled and not lacking) or 0 < lacking <= counts.silent_on_success  # it only says too little
    if report.plan.runs and not is_there and (counts.samples or not is_explained):
        kind = "more successful sample" if counts.question == "predictions" else "more sample"
        n = lacking if fitting else sum(run.count for run in report.plan.runs)
        collect = f"Collect {plural(n, kind)}."
        is_any = not any(run.category or run.complexity or run.deliverables for run in report.plan.runs)
        is_any = is_any or bool(fitting) or (not counts.counted and _names_other_work(report))
        yield collect if is_any else joined((collect, _these_would_do(report.plan.runs)), " ")
        if isinstance(samples, CountResult) and not samples.missing:  # what is missing will not come by waiting
            for check, result in mix:
                if others := check.others(result, context):
                    yield joined(("Or relabel ", others, "."), "")
                if setting := check.without_missing(result, context):
                    yield ("Or set ", *setting, ", if your work has no others.")


def _to_join(report: Report) -> Iterator[Sentence]:
    """What keeps the results of batches apart from their requests, where these may say what is missing."""
    match unjoined(report):
        case "without_request", int(results):
            yield (
                "Keep the file of requests beside the results, or name it with --token-telemetry-requests=FILE:"
                f" {plural(results, 'batch result')} {'has' if results == 1 else 'have'} no request, and it says their"
                " caps and labels."
            )
        case "requests_differ", int(results):
            yield (
                f"Keep each batch in a directory of its own: {plural(results, 'batch result')}"
                f" {'has' if results == 1 else 'have'} several requests that differ, so that their caps and labels are"
                " unknown."
            )


def _to_label(report: Report, lacking: Sequence[CoverageCheck]) -> Iterator[Sentence]:
    """How calls get labels of which none is there."""
    misspelt = {each.field for each in report.counts.unused_columns}  # the next step tells of these
    fields = [field for check in lacking if (field := _LABELS[check.stratum]) not in misspelt]
    if not fields or unjoined(report):
        return
    some = listing(fields)
    columns = f"columns that hold {some}" if len(fields) > 1 else f"column that holds {some}"
    if mapped := [*to_map(report, f"Map the {columns}", fields)]:
        yield from mapped
        return
    is_of_batches = report.counts.remarks.keys() & UNJOINED or any(each.format == "batches" for each in report.sources)
    where = "in the metadata of the requests (docs/batches.md)" if is_of_batches else "with the calls"
    yield f"Record {some} {where}, or in a side file ({flag('predictions')}=FILE, docs/side-files.md)."


_LABELS = {"categories": "category", "complexities": "complexity", "deliverables": "deliverable_count"}


def _mix(report: Report) -> list[tuple[CoverageCheck, CoverageResult]]:
    """The checks of the mix of work, with what they found."""
    every = ((check, report.result(check.id)) for check in (CATEGORIES, COMPLEXITIES, DELIVERABLES))
    return [(check, result) for check, result in every if isinstance(result, CoverageResult)]


def _names_other_work(report: Report) -> bool:
    """True if the samples name categories, and none that is required."""
    result = report.result(CATEGORIES.id)
    required = result.target if isinstance(result, CoverageResult) else ()
    names = {each.name for each in report.strata.category if each.name is not None}
    return bool(names) and names.isdisjoint(required)


_FIELDS: Mapping[str, str] = {
    "predictions": "predicted_output_tokens",
    "caps": "max_tokens",
    "reasons": "finish_reason",
}
"""The fields of what can be required."""


def _wrong_paths(report: Report) -> list[str]:
    """The fields of maps that no record has, where the data cannot be judged without them."""
    carried = report.result(CARRIED.id)
    required = carried.missing if isinstance(carried, CoverageResult) else ()
    needed = {"output_tokens", *(_FIELDS[each] for each in required if each in _FIELDS)}
    if report.counts.silent_on_success:
        needed.add("success")
    return [each.field for each in report.counts.unfound if each.field in needed]


def _what_to_record(report: Report, wrong: Collection[str]) -> Iterator[Sentence]:
    """What calls do not say. Fields whose paths are ``wrong`` may be recorded."""
    silent, samples = report.counts.silent_on_success, report.result(SAMPLES.id)
    if silent and "success" not in wrong and isinstance(samples, CountResult) and samples.missing:
        those = plural(silent, "sample")
        yield f"Record whether each task succeeded (success): {those} with a prediction cannot be judged without it."
        yield from to_map(report, "Or map the column that holds it", ("success",))
    carried = report.result(CARRIED.id)
    missing = carried.missing if isinstance(carried, CoverageResult) else ()
    if lacking := [each for each in missing if _FIELDS.get(each) not in wrong]:
        yield (
            "Record ",
            *joined(map(named, lacking), last="and"),
            " with the calls: --token-telemetry-require asks for them.",
        )


def maps_to_correct(report: Report, fields: Collection[str]) -> Iterator[Sentence]:
    """Give the maps that say of these ``fields`` that they stand where no record has anything."""
    unfound = [each for each in report.counts.unfound if each.field in fields]
    for name in dict.fromkeys(each.map for each in unfound):
        paths = [(Untrusted(each.path), " (", Untrusted(each.field), ")") for each in unfound if each.map == name]
        yield ("Correct map ", Untrusted(name), ": no record has ", *joined(paths, last="and"), ".")


def _shown_directories(report: Report) -> Iterator[Piece]:
    """The first directory in the settings, behind a blank."""
    directories = report.settings.get("dir") or ()
    first = directories if isinstance(directories, str) else next(iter(directories), None)
    yield from (" ", Untrusted(first)) if first is not None else ()


def _to_name_files(report: Report) -> Iterator[Piece]:
    """How files of other names than the patterns are read, where there are some."""
    other = next(iter(report.counts.near_misses), None)
    if other is None:
        yield ": no file there matches the pattern."
    else:
        option = flag("pattern")
        yield from (f", or name its files ({option}='", Untrusted(other), "', or the files of a map): no file there")
        yield " matches."


def _to_repair(report: Report) -> Sentence:
    """What could not be read, by the first of it."""
    unreadable, others = report.not_read.unreadable, report.counts.unreadable_files - 1
    if not unreadable:
        return "Make every file readable: what cannot be read is not judged."
    first = unreadable[0]
    count = report.read_in_part.get(first.path, 0)
    repair = "Repair what can be read only in part" if count else "Repair what cannot be read, as it is not judged"
    if first.reason.endswith(CUT_OFF):
        repair = "Copy again what is cut off, or wait until it is written"
    some = f"; {plural(count, 'sample')} of it count{'s' if count == 1 else ''}" if count else ""
    more = f" and {plural(others, 'other')}" if others else ""
    return (f"{repair}: ", Untrusted(first.path), " (", Reason(first.reason), f"{some}){more}.")


def _to_replay(report: Report, replay: ReplayReport) -> Iterator[Sentence]:
    """What the estimator must do to be judged."""
    result = report.result(REPLAY.id)
    if replay.wrong:
        said = f"Repair the estimator, as {invalid(replay.wrong, replay.calls)}"
        yield joined((said, most_frequent(replay.reasons, replay.wrong), "."), "")
    if replay.cannot and isinstance(result, CountResult) and (result.missing or not replay.replayed):
        asked = plural(replay.calls, "recorded call")
        yield (
            f"Let the estimator answer for more of {asked}: it could not replay {replay.cannot:,}, and"
            f" {result.target:,} must be replayed."
        )


def _no_call_found(report: Report) -> Iterator[Sentence]:
    """What to look at where files hold no call, or are of a kind that is not read."""
    counts, chosen = report.counts, report.settings.get("format")
    ways = [READ_WITH[look] for look in counts.look_like if look in READ_WITH]
    is_nothing = 0 < counts.files == counts.nothing_known  # whatever tests or tables have
    if counts.files <= counts.unreadable_files or (counts.samples and not is_nothing):
        return
    if isinstance(chosen, str) and chosen != "auto":
        yield (
            "Check --token-telemetry-format=",
            named(chosen),
            ": read as this format, the files hold no usable call.",
        )
    elif NO_RESULT in counts.unusable.reasons:
        requests = plural(counts.unusable.reasons[NO_RESULT].count, "request")
        yield (
            f"Keep the results of each batch beside its requests (docs/batches.md): {requests} without a result, and"
            " there is no other call."
        )
    elif wheres := outside_maps(counts):
        yield (
            "Correct ",
            *joined((("the where of map ", named(name)) for name, _ in wheres), last="and"),
            f", or narrow {'its' if len(wheres) == 1 else 'their'} files: no record matches.",
        )
    elif idle := [each for each in counts.unfound if each.field == FILES]:
        yield (
            "Correct the files of ",
            *joined((("map ", named(each.map)) for each in idle), last="and of"),
            ": no file matches ",
            *joined((Untrusted(each.path) for each in idle), ", and none matches "),
            ".",
        )
    elif UTF16 in counts.look_like:
        yield "Save these files as UTF-8: in other encodings only log lines are read, and these files hold none."
    elif ways:
        yield f"Add {listing(ways, last='or')} to judge these files: they hold no other call."
    elif any(look in MAPPABLE for look in counts.look_like):
        yield (
            "Map these files to our fields (--token-telemetry-propose-map proposes how, docs/field-map.md), or let the"
            " system leave one token-telemetry/1 line a call (docs/own-system.md): they hold no model call that is"
            " read."
        )
    elif any(look not in UNSTRUCTURED for look in counts.look_like):
        yield (
            "Let the system leave one token-telemetry/1 line a call (docs/own-system.md), or name other files:"
            " these hold no model call that is read."
        )
    elif counts.look_like.keys() == {EMPTY}:
        yield "Find out why nothing was written, or name other files: each is empty."
    elif counts.nothing_known:
        yield (
            "Check that the system logs [TokenEstimationV2] or token-telemetry/1 lines: the files hold none. Other log"
            " lines need a field map (docs/field-map.md)."
        )
    elif meaningless := [each for each in counts.unusable.reasons if MEANINGLESS in each]:
        yield "Say in the field map what its values mean: ", Reason(meaningless[0]), "."
    elif counts.unusable.total:
        yield "Repair what writes these records: none of them can be used, and -v says why."
    elif counts.dropped:
        yield "Let the plugin keep what is to be judged: it dropped all samples."
    else:
        yield "Name files that hold model calls: these hold none."


_RUNS_SHOWN = 4
"""Kinds of runs that the advice names."""

_RUNS_LISTED = 20
"""Kinds of runs that the plan lists; the report has all."""


def _these_would_do(runs: Sequence[PlannedRun]) -> Sentence:
    kinds: list[Sentence] = [_run(run) for run in runs[:_RUNS_SHOWN]]
    if others := sum(run.count for run in runs[_RUNS_SHOWN:]):
        kinds.append(f"{others:,} of other kinds")
    return ("These would do: ", *joined(kinds, last="and"), ".")


def _run(run: PlannedRun) -> Sentence:
    kind: list[Sentence] = []
    if run.category:
        kind.append(("in ", named(run.category), " category" if run.category == ANY else ""))
    if run.complexity:
        kind.append(("of ", named(run.complexity), " complexity"))
    if run.deliverables:
        kind.append(("with ", *_deliverables(run.deliverables)))
    return joined((f"{run.count:,}", *(kind or ["of any kind"])), " ")


def _deliverables(bucket: str) -> tuple[Piece, ...]:
    if bucket == ANY:
        return ("any number of deliverables",)
    return (named(bucket), " deliverable" if bucket == "1" else " deliverables")


def to_collect(report: Report) -> list[Sentence]:
    """What to collect, for someone who schedules runs."""
    is_labelled_otherwise = any(check.setting(result, report.context) for check, result in _mix(report))
    runs, thinnest = () if is_labelled_otherwise else report.plan.runs, report.plan.thinnest
    successful = "successful " if report.counts.question == "predictions" else ""
    schedule = f"Schedule {successful}runs: "

    def of(samples: int) -> str:
        return f" ({plural(samples, f'{successful}sample')})"

    sentences: list[Sentence] = [joined((schedule, _run(run), "."), "") for run in runs[:_RUNS_LISTED]]
    if others := sum(run.count for run in runs[_RUNS_LISTED:]):
        sentences.append(f"{schedule}{others:,} of other kinds.")
    cells: list[Sentence] = []
    if thinnest.category:
        cells.append((named(thinnest.category[0]), of(thinnest.category[1])))
    if thinnest.complexity:
        cells.append((named(thinnest.complexity[0]), " complexity", of(thinnest.complexity[1])))
    if thinnest.deliverables:
        cells.append((*_deliverables(thinnest.deliverables[0]), of(thinnest.deliverables[1])))
    if cells:
        sentences.append(("The thinnest evidence is that of ", *joined(cells, last="and"), "."))
    return sentences + [_proof(proof) for proof in report.plan.proofs]


def _proof(proof: ProofPlan) -> str:
    check = CHECK_BY_ID.get(proof.id)
    target = "the target" if check is None else f"{check.subject} within its target"
    now = f"{proof.events:,} of {proof.n:,} now" if proof.n else "no data yet"
    subject = f"To prove {target} ({now}):"
    if proof.without_more_events is None:
        return f"{subject} no number of samples proves so low a target."
    if proof.without_more_events <= proof.n:
        return f"{subject} done."
    if not proof.n:
        return f"{subject} {proof.without_more_events:,} samples without an event."
    words = f"{subject} {proof.without_more_events:,} samples in all if there are no more events"
    if proof.at_present_rate is None:
        return f"{words}; at the present rate, no number would."
    return f"{words}, {proof.at_present_rate:,} at the present rate."
