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
from pytest_token_telemetry.analysis.stratified import LogRatios

if TYPE_CHECKING:
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
        f"with {name}={was} (now {now})"
        for name in ("population", "under_multiplier", "quantile_method")
        if (was := getattr(old, name)) != (now := getattr(new, name))
    ]
    if old.alias != new.alias:
        spellings = sorted(set(old.alias.items()) ^ set(new.alias.items()))
        different.append(f"with other aliases ({', '.join(f'{one}={other}' for one, other in spellings[:3])})")
    return " and ".join(different)


def _baseline(document: dict[str, Any]) -> Baseline:
    terms = document["terms"]
    raw = base64.b64decode(document["marks"], validate=True)
    if len(raw) % MARK_BYTES:
        raise ValueError("a mark is cut off")
    strata = {_name(each["name"]): _summary(each) for each in document["strata"]}
    if len(strata) != len(document["strata"]):
        raise ValueError("a stratum is there twice")
    return Baseline(
        terms=Terms(
            population=_text(terms["population"]),
            under_multiplier=_text(terms["under_multiplier"]),
            quantile_method=_text(terms["quantile_method"]),
            alias={_text(spelling): _text(category) for spelling, category in terms["alias"].items()},
        ),
        strata=strata,
        marks=tuple(raw[at : at + MARK_BYTES] for at in range(0, len(raw), MARK_BYTES)),
        newest=_name(document["newest"]),
    )


def _summary(stratum: dict[str, Any]) -> Summary:
    ticks, counts = ([_integer(each) for each in stratum["log_ratios"][name]] for name in ("ticks", "counts"))
    if len(ticks) != len(counts) or sorted(set(ticks)) != ticks or any(count <= 0 for count in counts):
        raise ValueError("the ratios are no histogram")
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


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("it is no text")
    return value


def _name(value: object) -> str | None:
    return None if value is None else _text(value)
