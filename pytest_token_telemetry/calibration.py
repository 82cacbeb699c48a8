"""Apply the tuning advice of the gate in the program that predicts. Needs the standard library alone.

The file is what ``--token-telemetry-tuning`` writes. Advice on predictions that were multiplied already comes on top of
what multiplied them: load all files, the oldest first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import ceil, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

SCHEMA = "token-telemetry-tuning/1"

_ROUNDING = 1 - 1e-12
"""A multiplier is a ratio of counts. In floating point it gives a count back with a smaller error than this."""

_GROUPINGS = ("category", "operation", "model")
"""What the names of a file can be. An older one does not say, and has categories."""

_Key: TypeAlias = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class _Advice:
    """What one file says."""

    aliases: Mapping[str, str]
    multipliers: Mapping[_Key, float]
    """By category, and by category and complexity where a cell has advice of its own."""
    caps: Mapping[str | None, Mapping[float, int | None]]
    """By category and risk; ``None`` where the samples did not tell."""
    grouped_by: str
    """What stands in for the category, if it is not that."""

    def key(self, names: Mapping[str, str | None], complexity: str | None = None) -> _Key:
        """The name that the file goes by, as the gate folds it. Only categories are folded."""
        name = names[self.grouped_by]
        if name is not None and self.grouped_by == "category":
            name = self.aliases.get(name.lower(), name.lower())
        return name, complexity.lower() if complexity else None


class Calibration:
    """Multiplies predictions by what the gate advised, and knows the caps that it suggested.

    Categories are spelled as in the logs: the gate's aliases are in the file. One that the file does not know, and one
    that the gate gave no multiplier for (it says *collect* or *raise-cap*), leaves the prediction as it is.

    Where no call named a category, the gate groups calls by operation or model (``grouped_by`` in the file). Then that
    name counts, spelled exactly as in the logs, and the category is not looked at. So a caller may always pass all
    that it knows. Without the name that counts, the answer is that for calls that did not give it, if there were any.
    """

    def __init__(self, advice: Sequence[_Advice] = ()) -> None:
        self._advice = tuple(advice)

    @classmethod
    def load(cls, *paths: str | PathLike[str]) -> Calibration:
        """Load the advice of files, the oldest first: each is about predictions that those before it had multiplied.

        Without a path, predictions stay as they are.

        Raises:
            OSError: a file cannot be read.
            ValueError: a file holds no tuning advice.
        """
        return cls([_read(Path(path)) for path in paths])

    def multiplier(
        self,
        *,
        category: str | None = None,
        complexity: str | None = None,
        operation: str | None = None,
        model: str | None = None,
        lower: bool = False,
    ) -> float:
        """What a prediction is multiplied by: advice for the complexity within the category, or for the category.

        It is 1.0 where there is no advice, and where the advice would lower a prediction, which saves cost and adds
        risk, unless ``lower`` allows it.
        """
        product = 1.0
        for advice in self._advice:
            name, level = advice.key({"category": category, "operation": operation, "model": model}, complexity)
            found = advice.multipliers.get((name, level), advice.multipliers.get((name, None), 1.0))
            product *= found if lower else max(found, 1.0)
        return product

    def predict(
        self,
        raw: float,
        *,
        category: str | None = None,
        complexity: str | None = None,
        operation: str | None = None,
        model: str | None = None,
        lower: bool = False,
    ) -> int:
        """The output tokens to expect, rounded up, from what the estimator says without advice: see `multiplier`.

        Raises:
            ValueError: ``raw`` is negative or no number.
        """
        if not isfinite(raw) or raw < 0:
            raise ValueError(f"a prediction of {raw} is not a number of tokens")
        factor = self.multiplier(
            category=category, complexity=complexity, operation=operation, model=model, lower=lower
        )
        return ceil(raw * factor * _ROUNDING)

    def max_tokens(
        self,
        *,
        category: str | None = None,
        operation: str | None = None,
        model: str | None = None,
        risk: float = 0.02,
    ) -> int | None:
        """The cap that such a call exceeds with this ``risk``, by the newest file. It needs no prediction.

        Returns:
            ``None`` where the file does not know the name, or had too few calls or too many that were cut off.

        Raises:
            ValueError: no cap was computed for that risk.
        """
        if not self._advice:
            return None
        advice = self._advice[-1]
        caps = advice.caps.get(advice.key({"category": category, "operation": operation, "model": model})[0])
        if caps is not None and risk not in caps:
            known = ", ".join(map(str, caps))
            raise ValueError(f"there is no cap at a risk of {risk} (ask for one of {known})")
        return None if caps is None else caps[risk]


def _read(path: Path) -> _Advice:
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error} (write it with --token-telemetry-tuning)") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ValueError(f"{path} is no {SCHEMA} file (write one with --token-telemetry-tuning)")
    try:
        return _advice(document)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError(f"{path} says {SCHEMA}, and its advice is damaged (write it again)") from None


def _advice(document: Mapping[str, Any]) -> _Advice:
    multipliers: dict[_Key, float] = {}
    for each in (*document["categories"], *document["cells"]):
        if each["multiplier"] is not None and not each.get("folded"):  # that row is of many names, and has none
            multipliers[_name(each["name"]), _name(each["complexity"])] = _multiplier(each["multiplier"])
    caps = {
        _name(each["name"]): {float(cap["risk"]): _cap(cap["max_tokens"]) for cap in each["caps"]}
        for each in document["max_tokens"]
        if not each.get("folded")
    }
    aliases = {str(_name(name)): str(_name(category)) for name, category in document.get("aliases", {}).items()}
    grouped_by = document.get("grouped_by", "category")
    if grouped_by not in _GROUPINGS:
        raise ValueError
    return _Advice(aliases, multipliers, caps, grouped_by)


def _name(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError
    return value


def _multiplier(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise ValueError
    return float(value)


def _cap(value: object) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError
    return value
