"""The baseline file, ``token-telemetry-baseline/1``: JSON with one stratum a line, to be kept in git.

Nothing in it is taken on trust: what is not as we write it is refused.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from pytest_token_telemetry.analysis.baseline import MARK_BYTES, Baseline, Terms
from pytest_token_telemetry.analysis.drift import Summary
from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.analysis.stratified import LARGEST_TICK, LogRatios
from pytest_token_telemetry.wording import inert

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCHEMA = "token-telemetry-baseline/1"

LARGEST = 1 << 28
"""Bytes of a file that is read."""


class BaselineError(Exception):
    """Why a file is no baseline: the rest of a sentence that begins with its name."""


def read(path: Path) -> Baseline | None:
    """The baseline at ``path``; ``None`` if there is no file.

    Raises:
        BaselineError: there is one, and it cannot be used.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise BaselineError("is too large to be a baseline")
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BaselineError(f"cannot be read: {error.strerror or type(error).__name__}") from None
    except (ValueError, RecursionError):
        raise BaselineError("is not JSON") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise BaselineError(f"is not a {SCHEMA} file")
    try:
        return _baseline(document)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BaselineError("is damaged") from None


def differences(old: Terms, new: Terms) -> str:
    """In which settings ``old`` differs from ``new``, in words; empty if in none."""
    different = [
        f"with {name}={inert(_written(was), _SHOWN)} (now {_written(now)})"
        for name in ("population", "under_multiplier", "quantile_method", "one_per_task")
        if (was := getattr(old, name)) != (now := getattr(new, name))
    ]
    if old.alias != new.alias:
        spellings = sorted(set(old.alias.items()) ^ set(new.alias.items()))
        shown = ", ".join(inert(f"{one}={other}", _SHOWN) for one, other in spellings[:3])
        different.append(f"with other aliases ({shown}{' and others' if len(spellings) > 3 else ''})")
    return " and ".join(different)


def _written(value: str | bool) -> str:
    """``value`` as a user writes it."""
    return str(value).lower() if isinstance(value, bool) else value


_SHOWN = 60
"""Characters of a setting in the file that are shown: it may hold anything."""


def _baseline(document: dict[str, Any]) -> Baseline:
    terms = document["terms"]
    raw = base64.b64decode(document["marks"], validate=True)
    if len(raw) % MARK_BYTES:
        raise ValueError("a mark is cut off")
    marks = tuple(raw[at : at + MARK_BYTES] for at in range(0, len(raw), MARK_BYTES))
    if _integer(document["samples"]) != len(marks) or list(marks) != sorted(marks):
        raise ValueError("a mark is missing, or not in its place")
    strata = {_name(each["name"]): _summary(each) for each in document["strata"]}
    if not isinstance(document["strata"], list) or len(strata) != len(document["strata"]):
        raise ValueError("a stratum is there twice")
    if any(sum(count(each) for each in strata.values()) > len(marks) for count in _COUNTS):
        raise ValueError("there are more samples than marks")
    return Baseline(
        terms=Terms(
            population=_text(terms["population"]),
            under_multiplier=_text(terms["under_multiplier"]),
            quantile_method=_text(terms["quantile_method"]),
            alias={_text(spelling): _text(category) for spelling, category in terms["alias"].items()},
            one_per_task=_flag(terms.get("one_per_task", False)),
        ),
        strata=strata,
        marks=marks,
        newest=_name(document["newest"]),
    )


_COUNTS: tuple[Callable[[Summary], int], ...] = (
    lambda summary: summary.underestimation.n,
    lambda summary: summary.truncation.n,
    lambda summary: summary.log_ratios.n,
)
"""How many samples stand behind each figure of a stratum: each sample is in one stratum."""


def _summary(stratum: dict[str, Any]) -> Summary:
    ticks, counts = ([_integer(each) for each in stratum["log_ratios"][name]] for name in ("ticks", "counts"))
    if len(ticks) != len(counts) or sorted(set(ticks)) != ticks or any(count <= 0 for count in counts):
        raise ValueError("the ratios are no histogram")
    if any(abs(tick) > LARGEST_TICK for tick in ticks):
        raise ValueError("a ratio is out of range")
    return Summary(
        _share(stratum["underestimation"]), _share(stratum["truncation"]), LogRatios(tuple(ticks), tuple(counts))
    )


def _share(pair: list[Any]) -> Share:
    events, n = map(_integer, pair)
    if not 0 <= events <= n:
        raise ValueError("there are more events than samples")
    return Share(events, n)


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 10**12:
        raise ValueError("it is no count")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("it is neither true nor false")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("it is no text")
    return value


def _name(value: object) -> str | None:
    return None if value is None else _text(value)
