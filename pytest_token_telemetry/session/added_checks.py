"""Checks that other plugins add."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_token_telemetry.session.hooks import CHECKS as HOOK
from pytest_token_telemetry.session.hooks import callers, refused
from pytest_token_telemetry.text import Untrusted, pieces, plain

if TYPE_CHECKING:
    from pytest_token_telemetry.gate.check import Check
    from pytest_token_telemetry.report.model import Report

_ID = re.compile(r"(?!readiness::|drift::)[a-z0-9]{1,20}::[a-z0-9-]{1,40}")
"""What is ready, and what drifts, our own checks say alone: the verdict and its words rest on them."""

MOST = 30
"""Checks that may be added: a report holds 50."""


def added_checks(config: pytest.Config) -> tuple[Check[Any], ...]:
    """The checks that other plugins add, in the order in which pytest calls them.

    Raises:
        pytest.UsageError: a plugin raises, or adds what is no check or has an id that it cannot have.
    """
    asked = [*callers(config, HOOK)]
    if not asked:
        return ()
    from pytest_token_telemetry.gate.check import Check
    from pytest_token_telemetry.gate.checks import CHECKS

    added: list[Check[Any]] = []
    for name, call in asked:
        with refused(name):
            answers = call(config=config)
        for given in answers if isinstance(answers, list) else [answers]:
            for check in given if isinstance(given, Sequence) and not isinstance(given, str) else (given,):
                if not isinstance(check, Check):
                    kind = (check if isinstance(check, type) else type(check)).__name__
                    raise pytest.UsageError(f"{name}: {kind} is not a check (give an instance of a Check)")
                if not (isinstance(check.id, str) and _ID.fullmatch(check.id)):
                    way_out = "write it as tier1::name, tier2::name or ours::name, in small letters, digits and dashes"
                    raise pytest.UsageError(f"{name}: {check.id!r} is not the id of a check ({way_out})")
                if any(check.id == each.id for each in (*CHECKS, *added)):
                    raise pytest.UsageError(f"{name}: there is a check {check.id} already (choose another name)")
                added.append(check)
    if len(added) > MOST:
        raise pytest.UsageError(f"{HOOK}: {len(added)} checks are too many (up to {MOST})")
    return tuple(added)


def refuse_wordless(report: Report, added: Sequence[Check[Any]]) -> None:
    """Refuse added checks that have no words for what they decided, before any form of ``report`` needs these.

    Raises:
        pytest.UsageError: naming the check.
    """
    for check in added:
        result = report.result(check.id)
        if result is None:
            continue
        with refused(f"{HOOK}: {check.id}"):
            words = check.words(result, report.context)
            if not all(isinstance(piece, (str, Untrusted)) for piece in pieces(words)):
                raise TypeError(f"{type(words).__name__} is not a text (give its words on one line)")
            for said in (plain(words), check.in_headline(result)):
                if not (said.strip() and said.isprintable()):
                    raise ValueError("its words are not one line of text")
