"""Read a report file as hostile input: a fork's own run may have written it."""

from __future__ import annotations

import os
import re
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

from pytest_token_telemetry.github.consistency import check_consistency
from pytest_token_telemetry.github.fields import Fields, RefusedError, parse
from pytest_token_telemetry.github.reading_past import read_drift, read_history, read_replay
from pytest_token_telemetry.github.report import (
    Advice,
    Basis,
    Caps,
    Check,
    Count,
    Coverage,
    Population,
    Rate,
    Ratio,
    Report,
    Tier,
    Worst,
)
from pytest_token_telemetry.ids import DRIFT, REPLAY, SAMPLES, SOURCES
from pytest_token_telemetry.verdict import Conclusion, DriftFigure, DriftFinding, Outcome

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "token-telemetry-report/1"

LARGEST = 4 * 1024 * 1024
"""Bytes of a report. That of 10,000 log files has about 1,000,000."""

MOST_CHECKS = 50
MOST_SENTENCES = 100
MOST_WORST = 100
MOST_NAMES = 1000
MOST_ADVICE = 5000

_ID = re.compile(r"[a-z0-9]{1,20}::[a-z0-9-]{1,40}")
_CREATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


def read(path: Path) -> Report:
    """The report at ``path``.

    Raises:
        RefusedError: it is no regular file, too large, no report, or says what does not fit together.
    """
    return from_json(_content(path))


def _content(path: Path) -> bytes:
    """The bytes of a regular file: no link is followed, and no pipe is waited for."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise RefusedError("it is neither a file nor a directory with files report*.json")
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(LARGEST + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise RefusedError("there is no such file") from None
    except (OSError, ValueError):
        raise RefusedError("it cannot be read (a link is not followed)") from None
    if len(content) > LARGEST:
        raise RefusedError(f"it has more than {LARGEST:,} bytes")
    return content


def from_json(content: bytes) -> Report:
    """The report that ``content`` is.

    Raises:
        RefusedError: it is none, or says what does not fit together.
    """
    fields = parse(content)
    if fields.is_null("schema") or fields.text("schema") != SCHEMA:
        raise RefusedError(f"its schema is not {SCHEMA}")
    counts = fields.object("counts")
    tuning, estimator, drift = (fields.optional(key, fields.object) for key in ("tuning", "estimator", "drift"))
    caps = tuple(_caps(each) for each in tuning.objects("max_tokens", MOST_ADVICE)) if tuning else ()
    if len({tuple(risk for risk, _ in each.caps) for each in caps}) > 1:
        raise RefusedError("tuning.max_tokens has other risks in each row")
    found = Report(
        verdict=fields.choice("verdict", get_args(Conclusion)),
        created=_created(fields),
        population=fields.choice("population", get_args(Population)),
        samples=counts.count("samples"),
        files=counts.count("files"),
        tests=counts.count("tests") if "tests" in counts else 0,
        checks=tuple(_check(each) for each in fields.objects("checks", MOST_CHECKS)),
        deselected=fields.texts("deselected", MOST_CHECKS),
        advice=fields.texts("advice", MOST_SENTENCES),
        notes=fields.texts("notes", MOST_SENTENCES),
        worst=tuple(_worst(each) for each in fields.objects("worst", MOST_WORST)),
        tuning=tuple(_advice(each) for each in tuning.objects("categories", MOST_ADVICE)) if tuning else (),
        caps=caps,
        replay=None if estimator is None else read_replay(estimator),
        drift=None if drift is None else read_drift(drift),
        history=read_history(fields),
    )
    check_consistency(found)
    return found


def _created(fields: Fields) -> datetime:
    text = fields.text("created")
    if not _CREATED.fullmatch(text):
        fields.refuse("created", "is not a time in UTC")
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        fields.refuse("created", "is not a time in UTC")


def _check(fields: Fields) -> Check:
    id = fields.text("id")
    if not _ID.fullmatch(id):
        fields.refuse("id", "is not the id of a check")
    return Check(
        id=id,
        outcome=fields.choice("outcome", get_args(Outcome)),
        inconclusive=fields.flag("inconclusive", False),
        message=fields.text("message"),
        figure=_figure(id, fields),
    )


def _figure(id: str, fields: Fields) -> Rate | Ratio | Count | Coverage | DriftFigure | None:
    """The figure by the kind of check; of a check that is not known by the keys it has."""
    tier, _, _ = id.partition("::")
    if id in _COUNTED:
        return _count(fields)
    if tier == "readiness":
        return _coverage(fields) if fields.holds("target", list) else _count(fields)
    if tier == "tier1":
        return _rate(fields)
    if tier == "tier2":
        return _ratio(fields)
    return _drift_figure(fields) if id in DRIFT else None


_COUNTED = (SOURCES, SAMPLES, REPLAY)
"""A list in their place would be a figure that nothing misses."""


def _rate(fields: Fields) -> Rate:
    events, n = fields.count("events"), fields.count("n")
    if events > n:
        fields.refuse("events", "is more than n")
    value = fields.optional("value", fields.rate)
    if (value is None) != (n == 0) or (value is not None and abs(value - events / n) > _ROUNDING):
        fields.refuse("value", "is not events of n")
    return Rate(
        events=events,
        n=n,
        target=fields.rate("target"),
        bounds=_bounds(fields),
        proven=fields.flag("proven", False),
        samples_to_prove=fields.optional("samples_to_prove", fields.count),
    )


_ROUNDING = 1e-9
"""Two ways to divide whole numbers differ by less."""


def _bounds(fields: Fields) -> tuple[float, float, float] | None:
    if fields.is_null("bounds"):
        return None
    bounds = fields.object("bounds")
    confidence, lower, upper = (bounds.rate(key) for key in ("confidence", "lower", "upper"))
    if lower > upper:
        bounds.refuse("lower", "is more than upper")
    return confidence, lower, upper


def _ratio(fields: Fields) -> Ratio:
    return Ratio(
        n=fields.count("n"),
        value=fields.optional("value", fields.number),
        target=fields.number("target"),
        upper_limit=fields.flag("upper_limit", False),
        proven=fields.flag("proven", False),
    )


def _count(fields: Fields) -> Count:
    return Count(fields.count("value"), fields.count("target"), fields.count("missing"))


def _coverage(fields: Fields) -> Coverage:
    required, missing = fields.texts("target", MOST_NAMES), fields.texts("missing", MOST_NAMES)
    if not set(missing) <= set(required):
        fields.refuse("missing", "is not part of target")
    return Coverage(required, missing)


def _drift_figure(fields: Fields) -> DriftFigure:
    return DriftFigure(
        p=fields.optional("p", fields.rate),
        adjusted_p=fields.optional("adjusted_p", fields.rate),
        finding=fields.choice("finding", get_args(DriftFinding)),
    )


def _worst(fields: Fields) -> Worst:
    return Worst(
        source=fields.text("source"),
        task_id=fields.optional("task_id", fields.text),
        category=fields.optional("category", fields.text),
        predicted_output_tokens=fields.count("predicted_output_tokens", -(2**63)),
        output_tokens=fields.count("output_tokens"),
        truncated=fields.optional("truncated", fields.flag),
        ratio=fields.optional("ratio", fields.number),
    )


def _advice(fields: Fields) -> Advice:
    return Advice(
        name=fields.optional("name", fields.text),
        n=fields.count("n"),
        truncated=fields.count("truncated"),
        underestimated=fields.count("underestimated"),
        basis=fields.choice("basis", get_args(Basis)),
        multiplier=fields.optional("multiplier", fields.number),
        tier=fields.optional("tier", lambda key: fields.choice(key, get_args(Tier))),
        expected_underestimation=fields.optional("expected_underestimation", fields.rate),
        waste_p90=fields.numbers("waste_p90", 2),
    )


def _caps(fields: Fields) -> Caps:
    caps = fields.objects("caps", 10)
    return Caps(
        name=fields.optional("name", fields.text),
        n=fields.count("n"),
        caps=tuple((cap.rate("risk"), cap.optional("max_tokens", cap.count)) for cap in caps),
    )
