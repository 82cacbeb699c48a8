"""What stands in the first records of some files, and which of our fields its names and values fit."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping  # noqa: TC003 - `Seen` is a dataclass with these
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pytest_token_telemetry.sample import FIELDS, finish_reason, letters
from pytest_token_telemetry.sources.call_records import ALSO, plain_time
from pytest_token_telemetry.sources.exports.export_records import inner
from pytest_token_telemetry.sources.field_map import may_be
from pytest_token_telemetry.sources.field_names import (
    ALIASES,
    CAP,
    NAMES,
    PREDICTED,
    REASON,
    is_end_time,
    is_no_output,
    likely,
    may_be_output,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pytest_token_telemetry.sources.field_map import Scalar, Steps

OUTPUT = "output_tokens"

_Record: TypeAlias = "dict[Steps, Scalar]"
"""The plain values of one, by their paths."""

_DEEPEST = 8
_LEAVES = 500
"""Of one record."""

_LOOKED_AT = 4 * _LEAVES
"""Values of one record that are looked at: objects in a list have many at the same path."""

_ITEMS = 20
"""Objects of a list that are looked at."""

_LONGEST_JSON = 1 << 17
"""Characters of a string that is looked into."""

_TOTAL = "mlflow.trace.tokenUsage"
"""What MLflow calls the tokens of all calls of a trace: the spans have those of each."""

_LLAMAS_OUTPUT, _LLAMAS_PROMPT = "tokens_predicted", "tokens_evaluated"
"""What llama.cpp calls the tokens of the answer, and beside them those of the prompt."""

_FALLBACKS = 3
"""Paths that are proposed for a field."""

_NAMES: Mapping[str, str] = {
    **{letters(each): name for name, also in ALSO.items() for each in also},
    **dict.fromkeys(("tokensout", "outtokens", "evalcount", "candidatestokencount"), OUTPUT),
    **dict.fromkeys(("generatedtokens", "responsetokens", "answertokens", "outputtokencount"), OUTPUT),
    "npredict": CAP,
    **dict.fromkeys(("ok", "succeeded"), "success"),
    **dict.fromkeys(("modelname", "modelid", "llm"), "model"),
    **dict.fromkeys(("reqid", "callid"), "id"),
    **ALIASES,
    **NAMES,
}
"""Our fields by the letters of what systems call them."""


class KindOfCalls(NamedTuple):
    """What tells the records of calls from others."""

    steps: Steps
    values: list[str]
    """The texts there."""
    without_output: int
    """Records of this kind that have no output."""


@dataclass(slots=True)
class Seen:
    """The first records."""

    records: int = 0
    paths: Counter[Steps] = field(default_factory=Counter)
    examples: dict[Steps, list[Scalar]] = field(default_factory=lambda: defaultdict(list))
    _whole: list[_Record] = field(default_factory=list)
    """The first of them, whole."""

    def add(self, record: object) -> None:
        """Look at one more."""
        self.records += 1
        leaves: _Record = {}
        for steps, value in islice(_leaves(record, ()), _LOOKED_AT):
            if len(leaves) < _LEAVES:
                leaves.setdefault(steps, value)
        if len(self._whole) < _WHOLE:
            self._whole.append(leaves)
        for steps, value in leaves.items():
            self.paths[steps] += 1
            examples = self.examples[steps]
            if len(examples) < _EXAMPLES and value not in examples:
                examples.append(value)

    def add_all(self, other: Seen) -> None:
        """Have seen what another one saw too."""
        self.records += other.records
        self.paths += other.paths
        self._whole += other._whole[: _WHOLE - len(self._whole)]
        for steps, values in other.examples.items():
            examples = self.examples[steps]
            examples += [each for each in values if each not in examples][: _EXAMPLES - len(examples)]

    def kind_of_calls(self, outputs: Sequence[Steps]) -> KindOfCalls | None:
        """The text that tells the records with one of ``outputs`` from all others, and its values there, if one does.

        Calls that failed may have no output. They have something else that calls alone have.
        """
        calls = self._with(outputs)
        others = [record for record in self._whole if record.keys().isdisjoint(outputs)]
        candidates: list[KindOfCalls] = []
        for steps in calls[0] if calls and others else ():
            values, kinds = ({record.get(steps) for record in each} for each in (calls, others))
            if (
                words(steps[-1])[-1:] == ["id"]
                or len(values) > _KINDS
                or not all(isinstance(value, str) and len(value) < _LONGEST for value in values | kinds)
            ):
                continue
            failed = [record for record in others if record[steps] in values]
            if not failed or (
                kinds - values and _are_failed(failed, calls, [each for each in others if each not in failed])
            ):
                candidates.append(KindOfCalls(steps, sorted(map(str, values)), len(failed)))
        return min(candidates, key=lambda each: (each.without_output > 0, _is_name(each.steps)), default=None)

    def output_elsewhere(self, outputs: Sequence[Steps]) -> tuple[list[Steps], int]:
        """Other paths of the output in records that have it at none of ``outputs``, and how many records these are.

        The most frequent path comes first.
        """
        records = [record for record in self._whole if record.keys().isdisjoint(outputs)]
        found = Counter(steps for record in records for steps in record)
        paths = [steps for steps, _ in found.most_common() if self._field_at(steps)[0] == OUTPUT]
        return paths, sum(not record.keys().isdisjoint(paths) for record in records)

    def fields(self) -> tuple[dict[str, list[Steps]], dict[str, list[Steps]]]:
        """The fields that names and values fit, each with its paths, and those that several other paths may be.

        The short and frequent paths come first.
        """
        known: dict[str, list[Steps]] = defaultdict(list)
        guessed: dict[str, list[Steps]] = defaultdict(list)
        for steps in sorted(self.paths, key=lambda steps: (_TOTAL in steps, len(steps), -self.paths[steps])):
            name, is_known = self._field_at(steps)
            if name is not None:
                (known if is_known else guessed)[name].append(steps)
        if OUTPUT in known and OUTPUT in guessed:
            known[OUTPUT] = self._of_most_calls(known[OUTPUT], guessed[OUTPUT])
        guessed = {name: found for name, found in guessed.items() if name not in known}
        outputs = known.get(OUTPUT) or guessed.get(OUTPUT)
        doubtful = {name: found for name, found in guessed.items() if name in (PREDICTED, CAP, REASON) and found[1:]}
        if outputs is None:
            outputs, possible = self._output_by_its_being_alone({each for found in guessed.values() for each in found})
            doubtful |= {OUTPUT: possible} if possible else {}
        if outputs and CAP in guessed and self.above(outputs[0], guessed[CAP][0]):
            doubtful[CAP] = guessed[CAP]
        found = {**guessed, **({OUTPUT: outputs} if outputs else {}), **known}
        if "truncated" in found and self._denies(found["truncated"][0], found.get(REASON, [])):
            doubtful["truncated"] = found["truncated"]
        sure = {name: found[name][:_FALLBACKS] for name in FIELDS if name in found and name not in doubtful}
        return sure, {name: doubtful[name][:_CANDIDATES] for name in FIELDS if name in doubtful}

    def counts(self, taken: Sequence[Steps] | set[Steps]) -> list[Steps]:
        """The paths of counts, without those that are ``taken`` and those that are surely no tokens."""
        return [
            steps
            for steps in self.paths
            if steps not in taken and not is_no_output(steps[-1]) and self._may_be(OUTPUT, steps)
        ][:_CANDIDATES]

    def flags(self) -> list[Steps]:
        """The paths where it is true or false."""
        flags = [steps for steps in self.paths if all(str(each) in _FLAGS for each in self.examples[steps])]
        return flags[:_CANDIDATES]

    def outcomes(self) -> dict[Steps, dict[str, bool | None]]:
        """The paths of texts of which some mean success and some failure, with what each means, if that is known."""
        found: dict[Steps, dict[str, bool | None]] = {}
        for steps in self.paths:
            meanings = {text: _OUTCOMES.get(text.lower()) for text in self.reasons(steps)}
            if {True, False} <= {*meanings.values()}:
                found[steps] = meanings
        return dict(islice(found.items(), _CANDIDATES))

    def labels(self, outputs: Sequence[Steps]) -> dict[Steps, list[str]]:
        """The paths of short texts that come again in the records with one of ``outputs``, with their texts."""
        calls = self._with(outputs)
        found: dict[Steps, list[str]] = {}
        for steps in self.paths:
            values = [record[steps] for record in calls if steps in record]
            texts = sorted({value for value in values if isinstance(value, str) and _is_word(value)})
            is_text = all(isinstance(value, str) and _is_word(value) for value in values)
            if is_text and 1 < len(texts) <= _LABELS and 2 * len(texts) <= len(values):
                found[steps] = texts
        return dict(islice(found.items(), _CANDIDATES))

    def above(self, output: Steps, cap: Steps) -> int:
        """The records whose output is above their cap."""
        pairs = ((_count(record.get(output)), _count(record.get(cap))) for record in self._whole)
        return sum(out is not None and most is not None and out > most for out, most in pairs)

    def reasons(self, path: Steps) -> Counter[str]:
        """The values of a reason, with how many records have each; none if they are no words, or too many."""
        found = Counter(record[path] for record in self._whole if path in record)
        if len(found) > _REASONS or not all(isinstance(value, str) and _is_word(value) for value in found):
            return Counter()
        return Counter({str(value): count for value, count in sorted(found.items())})

    def endings(self, outputs: Sequence[Steps]) -> dict[Steps, bool]:
        """The paths of texts that may say how calls with one of ``outputs`` ended, each with whether it surely does.

        Most of its texts mean an end. Some calls, and not all, were cut off, or else no text means anything but an end.
        """
        outcomes = self.outcomes()
        calls = self._with(outputs)
        found: dict[Steps, bool] = {}
        for steps in self.paths if calls else ():
            texts = {str(record[steps]) for record in calls if steps in record} if self.reasons(steps) else set()
            known = Counter(map(_meaning, texts))
            unknown = known.pop("unknown", 0)
            if known["length"]:
                is_ending = 2 * unknown < len(texts) and known["length"] < len(texts)
            else:
                is_said = len(texts) > 1 or any(finish_reason(each) == "stop" for each in texts)
                is_ending = bool(known["stop"]) and not unknown and is_said and steps not in outcomes
            if is_ending:
                found[steps] = bool(known["length"]) and steps not in outcomes
        return dict(islice(found.items(), _CANDIDATES))

    def meanings(self, path: Steps, output: Steps, caps: Sequence[Steps]) -> tuple[dict[str, str], bool]:
        """What the values of a reason that are none of our words may mean, and whether caps prove it."""
        others = [value for value in self.reasons(path) if finish_reason(value) == "unknown"]
        found = {value: _agreed(_by_words(value), self._by_cap(path, value, output, caps)) for value in others}
        return {value: meaning for value, (meaning, _) in found.items()}, all(proven for _, proven in found.values())

    def _by_cap(self, path: Steps, value: str, output: Steps, caps: Sequence[Steps]) -> str | None:
        at_cap = {
            out >= most
            for record in self._whole
            if record.get(path) == value
            for out, most in [(_count(record.get(output)), _count(record.get(caps[0])) if caps else None)]
            if out is not None and most is not None
        }
        return None if len(at_cap) != 1 else "length" if at_cap == {True} else "stop"

    def _of_most_calls(self, known: list[Steps], likely: list[Steps]) -> list[Steps]:
        """The outputs by a ``known`` name; those by a ``likely`` one if other records have them, and more do.

        If a text tells the records with the known ones, the others are of another kind.
        """
        calls, others = self._with(known), self._with(likely)
        is_apart = all(record.keys().isdisjoint(known) for record in others)
        return likely if is_apart and len(others) > len(calls) and self.kind_of_calls(known) is None else known

    def _denies(self, flag: Steps, reasons: Sequence[Steps]) -> bool:
        """Whether a ``flag`` is false where a reason says that the output was cut off: llama.cpp's is of the prompt."""
        return any(
            record.get(flag) in (False, "false", "False") and _meaning(str(record[each])) == "length"
            for record in self._whole
            for each in reasons[:1]
            if each in record
        )

    def _with(self, paths: Sequence[Steps]) -> list[_Record]:
        return [record for record in self._whole if not record.keys().isdisjoint(paths)]

    def _output_by_its_being_alone(self, taken: set[Steps]) -> tuple[list[Steps] | None, list[Steps]]:
        """The one count that may be the output, or else all that may be."""
        counts = self.counts(taken)
        named = [steps for steps in counts if may_be_output(steps[-1])]
        return (named, []) if len(counts) == len(named) == 1 else (None, [*dict.fromkeys([*named, *counts])])

    def _field_at(self, steps: Steps) -> tuple[str | None, bool]:
        """The field that a path is by its name, if the values there fit it, and whether that name is known."""
        name = _NAMES.get(letters(steps[-1]))
        if steps[-1] == _LLAMAS_OUTPUT and (*steps[:-1], _LLAMAS_PROMPT) in self.paths:
            name = OUTPUT
        if name == "id" and len(steps) > 1:  # of a user, or of a session
            return None, False
        if name is not None and FIELDS[name].kind != "features" and self._may_be(name, steps):
            return name, True
        guess = "id" if self._is_id_of_span(steps) else likely(steps)
        return (guess if guess is not None and self._fits(guess, steps) else None), False

    def _is_id_of_span(self, steps: Steps) -> bool:
        """Whether a span id is the record's own, which has an end. A line of a log has that of the span around it."""
        if letters(steps[-1]) != "spanid" or steps[:-1] not in ((), ("context",)):
            return False
        return any(len(each) == 1 and is_end_time(each[0]) and self._fits("time", each) for each in self.paths)

    def _may_be(self, name: str, steps: Steps) -> bool:
        return all(may_be(name, value) for value in self.examples[steps])

    def _fits(self, name: str, steps: Steps) -> bool:
        """Whether the values at ``steps`` are such as the field has, where its name alone is no proof."""
        if name == "time":
            return all(map(_is_time, self.examples[steps]))
        return bool(self.reasons(steps)) if name == REASON else self._may_be(name, steps)


def _is_name(steps: Steps) -> bool:
    """Whether a text is a name: those of calls to come may be others, which their kind is not."""
    return words(steps[-1])[-1:] == ["name"]


def are_read_together(name: str, paths: Collection[Steps]) -> bool:
    """Whether a map has all these ``paths`` of the field ``name``, one after the other: their names are known."""
    return len(paths) <= _FALLBACKS and all(_NAMES.get(letters(steps[-1])) == name for steps in paths)


def _are_failed(failed: Sequence[_Record], calls: Sequence[_Record], others: Sequence[_Record]) -> bool:
    """Whether the ``failed`` are few, and each has something that ``calls`` have and ``others`` never."""
    of_calls = set.intersection(*map(set, calls)).difference(*others)
    return 2 * len(failed) <= len(calls) and not any(of_calls.isdisjoint(record) for record in failed)


_WHOLE = 400
"""Records that are kept whole."""

_KINDS = 3
"""Values of a text by which calls are told from other records."""

_EXAMPLES = 5
"""Values of a path that are kept."""

_CANDIDATES = 8
"""Paths that may be a field."""

_LABELS = 20
"""Texts of a label."""

_REASONS = 8
"""Values of a reason."""


def _count(value: Scalar | None) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _DIGITS else None


_DIGITS = 12

_FLAGS = ("True", "False", "true", "false")
"""In JSON, and in a cell."""


def _is_time(value: Scalar) -> bool:
    if isinstance(value, str):
        if isinstance(plain_time(value), datetime):
            return True
        try:
            return len(value) >= len("2026-01-01") and datetime.fromisoformat(value) is not None
        except ValueError:
            return False
    return not isinstance(value, bool) and value > _EARLIEST


_EARLIEST = 10**9
"""Seconds since 1970: 2001."""


def _is_word(value: str) -> bool:
    return _WORDS.fullmatch(value) is not None and not value.isdecimal() and not _is_time(value)


_WORDS = re.compile(r"(?=.{1,24}\Z)[\w.:/-]+(?: [\w.:/-]+)?")


def _meaning(value: str) -> str:
    """What a text means as a reason: by our words, or else by what it is made of."""
    known = finish_reason(value)
    return _by_words(value) if known == "unknown" else known


def _agreed(by_words: str, by_cap: str | None) -> tuple[str, bool]:
    """What a reason means by its words and by whether outputs are at the cap, and whether these prove it."""
    if by_words == "error" or by_cap is None:
        return by_words, by_words == "error"
    return (by_cap, True) if by_words in ("unknown", by_cap) else ("length", False)


def _by_words(value: str) -> str:
    found = frozenset(words(value))
    return next((reason for reason, those in _MEANINGS.items() if found & those), "unknown")


_MEANINGS = {
    "error": frozenset({"error", "err", "fail", "failed", "timeout", "abort", "aborted", "cancel", "cancelled"}),
    "length": frozenset({"cut", "cutoff", "max", "maxed", "limit", "len", "length", "trunc", "truncated", "cap"}),
    "stop": frozenset({"fin", "finish", "finished", "done", "ok", "end", "ended", "eos", "complete", "completed"}),
}


_OUTCOME_WORDS = {
    True: "done ok okay success succeeded successful pass passed yes y true t good complete completed resolved solved"
    " accepted correct",
    False: "failed fail failure error err errored no n false f bad incomplete unresolved unsolved rejected incorrect"
    " wrong aborted",
}

_OUTCOMES = {word: meaning for meaning, those in _OUTCOME_WORDS.items() for word in those.split()}
"""Whether a task succeeded, by the words for it."""


def _leaves(value: object, steps: Steps) -> Iterator[tuple[Steps, Scalar]]:
    """The plain values within ``value``, and within JSON objects in its strings, as a map finds them.

    The first objects of a list are as one: only some of them may be calls. Of another list the first value counts.
    """
    if len(steps) > _DEEPEST:
        return
    if isinstance(value, str) and steps and value[:1] == "{" and len(value) <= _LONGEST_JSON:
        value = inner(value) or value
    if isinstance(value, dict):
        for key, below in value.items():
            if key and key.isprintable() and '"' not in key:
                yield from _leaves(below, (*steps, key))
    elif isinstance(value, list):
        for place, below in enumerate(value[:_ITEMS]):
            if not place or isinstance(below, dict):
                yield from _leaves(below, (*steps, "0"))
    elif isinstance(value, (str, int, float)) and value != "" and steps:
        yield steps, value[:_LONGEST] if isinstance(value, str) else value


_LONGEST = 40
"""Characters of a text that are looked at."""
