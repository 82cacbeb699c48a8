"""Is there a sample that counts of every kind of work that is required?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pytest_token_telemetry.gate.check import Check
from pytest_token_telemetry.gate.results import CoverageResult
from pytest_token_telemetry.option import flag
from pytest_token_telemetry.option_types import ANY, NONE, is_name
from pytest_token_telemetry.text import LONGEST_IN_SENTENCE, joined, named, plain, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_token_telemetry.analysis.readiness import Coverage
    from pytest_token_telemetry.gate.check import Case, Context
    from pytest_token_telemetry.text import Piece, Sentence

_SHOWN = 5
"""Names that a sentence shows, of the data or of what is required."""


OR_ANY = f" (or ={ANY})"
"""What follows a setting that fits the data."""

LONGEST_TYPED = 74
"""Characters of an option with its value that stand on one line of a terminal, so that it can be pasted."""


class CoverageCheck(Check[CoverageResult]):
    """Each required value of one stratum has a sample that counts: to judge predictions, a successful one."""

    kind = CoverageResult
    decides = True

    def __init__(self, stratum: Literal["categories", "complexities", "deliverables"], where: str, one: str) -> None:
        super().__init__(f"readiness::{stratum}", stratum)
        self.stratum = stratum
        self._where = where
        self.one = one
        """What a sample has of it, in words."""

    def decide(self, case: Case) -> CoverageResult:
        """Which required values occur, and which do not. Of no sample that counts, there is nothing to say."""
        found: Coverage = getattr(case.findings.readiness, self.stratum)
        present = tuple(value for value in found.required if value not in found.missing)
        recorded: Coverage = getattr(case.findings.readiness_recorded, self.stratum)
        return CoverageResult(
            id=self.id,
            outcome="pass" if not found.missing else "fail" if case.findings.readiness.counted else "skip",
            value=present,
            target=found.required,
            missing=found.missing,
            counts=tuple(found.present[value] for value in present),
            found=found.found if found.missing else {},
            named=found.named if found.missing else None,
            unreplayed=tuple(value for value in found.missing if value not in recorded.missing),
        )

    def words(self, result: CoverageResult, context: Context) -> Sentence:
        """The missing values and what fits the data instead, else how often each occurs."""
        successful = "successful " if context.counts.question == "predictions" else ""
        if result.missing and not context.counts.counted:
            return f"no data: no {successful}sample"
        if result.missing:
            missing = (
                (f"no {successful}sample has a {self.one}",)
                if result.target == (ANY,)
                else (f"no {successful}sample ", self._where, " ", *_few(map(named, result.missing), last="or"))
            )
            if result.unreplayed:
                are_all = result.unreplayed == result.missing
                some = "" if are_all else joined((" ", self._where, " ", *_few(map(named, result.unreplayed))), "")
                return joined((*missing, ": the estimator could replay none of those recorded", some), "")
            slips = joined([named(found) for _, found in self.slips(result, context)], last="or")
            return (*missing, *((" (did you mean ", *slips, "?)") if slips else self._what_fits(result, context)))
        if not result.value:
            return "nothing is required"
        if not result.counts:
            return (*_few(map(named, result.value), last="and"), " covered")
        if result.target == (ANY,):
            n = result.counts[0]
            return f"{plural(n, f'{successful}sample')} {'has' if n == 1 else 'have'} a {self.one}"
        counted = ((named(value), f": {n}") for value, n in zip(result.value, result.counts, strict=True))
        return (*_few(counted), " successful" if successful else " samples")

    def setting(self, result: CoverageResult, context: Context) -> tuple[Piece, ...]:
        """The setting that fits the data, where most samples name nothing that is required; empty elsewhere.

        It is empty too where many that have a name do not count yet: they may once they say how they ended.
        """
        counts = context.counts
        if result.named is None or not counts.counted or _is_about_what_is_required(result):
            return ()
        others = 0 if counts.carried is None else getattr(counts.carried, self.stratum) - result.named
        if counts.question == "predictions":
            others = min(others, counts.silent_on_success)
        if 2 * others > counts.counted:
            return ()
        option = flag(f"require_{self.stratum}")
        if not result.named:
            return (f"{option}={NONE}",)
        if not (fits := _fitting(result)):
            return (f"{option}={ANY}",)
        return (*_typed(option, fits), OR_ANY)

    def slips(self, result: CoverageResult, context: Context) -> tuple[tuple[str, str], ...]:
        """What is missing and seems to be misspelt, each with the name of the data that it may be.

        Empty where a setting fits all names of the data.
        """
        from difflib import get_close_matches  # slow to import

        if not result.missing or not context.counts.counted or self.setting(result, context) or result.unreplayed:
            return ()
        others = [name for name in result.found if name not in result.target]
        near = ((name, get_close_matches(name, others, 1, _LIKENESS)) for name in result.missing)
        return tuple((name, found[0]) for name, found in near if found)

    def others(self, result: CoverageResult, context: Context) -> Sentence:
        """``hard (18 samples) if it is high``: names of the data that may mean what is missing; empty if none do."""
        if not result.missing or result.unreplayed or self.setting(result, context) or self.slips(result, context):
            return ""
        names = [name for name in _shown(result) if name not in result.target]
        shown = [joined((named(name), f" ({plural(result.found[name], 'sample')})"), "") for name in names]
        is_one = "if it is " if len(names) == 1 else "if they are "
        missing = _few(map(named, result.missing), last="or")
        return joined((*_few(shown, last="and"), f" {is_one}", *missing), "") if names else ""

    def is_labelled_otherwise(self, result: CoverageResult, context: Context) -> bool:
        """True if nothing is missing but names that fit each other."""
        return bool(self.setting(result, context)) or len(self.slips(result, context)) == len(result.missing) > 0

    def without_missing(self, result: CoverageResult, context: Context) -> tuple[Piece, ...]:
        """The setting for work that has nothing of what is missing, where most samples name what is required."""
        if not result.missing or not context.counts.counted or not _is_about_what_is_required(result):
            return ()
        if result.unreplayed:
            return ()
        option = flag(f"require_{self.stratum}")
        typed = _typed(option, result.value)
        return typed if _fits(typed) else (f"{option} without ", *_few(map(named, result.missing), last="and"))

    def _what_fits(self, result: CoverageResult, context: Context) -> Iterator[Piece]:
        """The names of the data and the setting that fits them."""
        if not (setting := self.setting(result, context)):
            return
        if not result.named:
            none = "" if result.target == (ANY,) else f", and none has a {self.one}"
            yield from (f"{none}: set ", *setting, " if that is meant")
            return
        shown, fits = _shown(result), _fitting(result)
        others = (result.named or 0) - sum(result.found[name] for name in shown)
        yield "; found "
        yield from joined((named(name), f": {result.found[name]:,}") for name in shown)
        yield f" and {others:,} of others" if others else ""
        yield from (": set ", *setting)
        if len(fits) < len(shown):
            yield "; it takes no other of these names" if fits else " (no setting takes such names)"


_LIKENESS = 0.7
"""How like a name of the data has to be to be asked about, from 0 to 1 for the same one."""


def _is_about_what_is_required(result: CoverageResult) -> bool:
    """True if as many samples are of what is required as of other names: then that is missing, and not wrong."""
    required = sum(result.counts)
    return required > 0 and (result.named or 0) <= 2 * required


def _typed(option: str, names: Sequence[str]) -> tuple[Piece, ...]:
    """``option`` with ``names`` for its value, as a shell takes it."""
    quote = '"' if any(" " in name for name in names) else ""
    return (f"{quote}{option}=", *joined(map(named, names), ","), quote)


def _fits(typed: Sentence) -> bool:
    """True if an option with its value stands on one line of a terminal, so that it can be pasted."""
    return len(plain(typed)) <= LONGEST_TYPED


def _few(names: Iterable[Sentence], last: str | None = None) -> tuple[Piece, ...]:
    """The first of ``names``, and how many more there are."""
    every = list(names)
    if len(every) <= _SHOWN:
        return joined(every, last=last)
    return joined([*every[: _SHOWN - 1], f"{len(every) - _SHOWN + 1:,} others"], last=last)


def _shown(result: CoverageResult) -> list[str]:
    """The most frequent names of the data."""
    return sorted(result.found, key=lambda name: -result.found[name])[:_SHOWN]


def _fitting(result: CoverageResult) -> list[str]:
    """Those of them that a setting takes, and that stand whole in a sentence."""
    return [name for name in _shown(result) if is_name(name) and len(name) <= LONGEST_IN_SENTENCE]


CATEGORIES = CoverageCheck("categories", "in", "category")
COMPLEXITIES = CoverageCheck("complexities", "of complexity", "complexity")
DELIVERABLES = CoverageCheck("deliverables", "with deliverables", "number of deliverables")
