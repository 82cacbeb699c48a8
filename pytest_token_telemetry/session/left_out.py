"""The checks that a session leaves out, aloud or without a word, and whether it fails because of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.option import ROOT, flag
from pytest_token_telemetry.session.command_line import asked_with, is_picked
from pytest_token_telemetry.session.items import CheckItem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

    from pytest_token_telemetry.report.model import Report
    from pytest_token_telemetry.settings import Settings


class LeftOut:
    """What is known of the checks that are not judged."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._told: set[str] = set()
        self._dropped = 0
        """How many another plugin made vanish without a word."""
        self._checks = 0
        self.is_all = False
        """True if no check is left to judge."""

    def tell(self, items: Sequence[object]) -> None:
        """Know that ``items`` are left out aloud: the others that are not there were dropped."""
        self._told.update(item.check for item in items if isinstance(item, CheckItem))

    def find(self, checks: Sequence[str], items: Sequence[CheckItem]) -> None:
        """Know which of ``checks`` are left out, where ``items`` are those that are there."""
        there = self._told.union(item.check for item in items)
        self._dropped = sum(is_picked(self._config, check) and check not in there for check in checks)
        self._checks = len(checks)
        self.is_all = not items

    @property
    def fails(self) -> bool:
        """True if all checks were left out, or some without a word, and that is not what the user wants."""
        return bool(self.is_all or self._dropped) and self._must_judge

    @property
    def _must_judge(self) -> bool:
        """True if the user wants a session that judges nothing to fail."""
        return (self._settings.unjudged or ("fail" if asked_with(self._config) else "pass")) == "fail"

    def nothing_judged(self, report: Report | None) -> str:
        """Why there was nothing to judge in the data; empty if there was, or if that is what the user wants."""
        return "" if report is None or self._dropped or not self._must_judge else report.nothing_judged

    def _wider_keyword(self) -> str:
        """The keyword that picks the checks too, if it is the typed one alone that leaves them out."""
        option = self._config.option
        if not option.keyword or option.markexpr or ROOT in option.keyword:
            return ""
        return f'write -k "{option.keyword} or {ROOT}" to judge, or '

    def errors(self, report: Report | None) -> Iterator[str]:
        """That checks were not judged although that was asked for: a sentence or none."""
        asked, way_out = asked_with(self._config) or flag("unjudged"), f"add {flag('unjudged')}=pass if that is meant"
        if why := self.nothing_judged(report):
            yield f"{asked}: nothing is judged, as {why} ({way_out})"
        elif self.fails:
            what = "nothing is judged, because every check was left out of the session"
            if self.is_all:
                way_out = f"{self._wider_keyword()}{way_out}"
            else:
                what = f"another plugin dropped {self._dropped} of {self._checks} checks without a word"
            yield f"{asked}: {what} ({way_out})"
