"""Whether there are spans to look at, test by test: nothing of OpenTelemetry is imported before there can be."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_token_telemetry.recording.instrumentations import Instrumentations
    from pytest_token_telemetry.recording.spans import SpanKeeper, Told


class SpanWatch:
    """The spans of one process that runs tests."""

    def __init__(self, setting: str, predicted: Callable[[], Mapping[str, object]]) -> None:
        """Watch as the ``setting`` says. ``predicted``: see `SpanKeeper`."""
        self._setting = setting
        self._predicted = predicted
        self._keeper: SpanKeeper | None = None
        self._instrumentations: Instrumentations | None = None
        self._is_begun = False
        self._is_on = False
        self._listens = False

    def begin(self, *, is_asked_for: bool) -> None:
        """Wait for the clients that extras brought instrumentations for, if the tests to come are watched."""
        self._is_on = is_asked_for if self._setting == "auto" else self._setting == "on"
        if self._is_on and not self._is_begun:
            self._is_begun = True
            from pytest_token_telemetry.recording import instrumentations

            self._instrumentations = instrumentations.Instrumentations(self._kept)
            self._instrumentations.wait()

    def begin_test(self, *, is_asked_for: bool) -> None:
        """Watch during the next test, if the setting says so, or leaves it to whether its calls are asked for."""
        self.begin(is_asked_for=is_asked_for)
        self._listen(self._is_on)
        self.look()

    def look(self) -> None:
        """Look again for what a program may have set up by now."""
        if not self._is_on or "opentelemetry.sdk.trace" not in sys.modules:
            return
        self._kept().look_for_provider()

    def take(self, defaults: Mapping[str, object]) -> Told | None:
        """What spans told since the last time, with ``defaults`` for what they do not say; ``None`` without spans."""
        self.look()
        return None if self._keeper is None else self._keeper.take(defaults)

    def take_rest(self, defaults: Mapping[str, object]) -> Told | None:
        """The same when the tests are over: see `SpanKeeper.take_rest`."""
        self.look()
        return None if self._keeper is None else self._keeper.take_rest(defaults)

    def end(self) -> None:
        """Leave everything as it was."""
        self._listen(False)
        if self._instrumentations is not None:
            self._instrumentations.switch_off()

    @property
    def is_watching(self) -> bool:
        """Whether spans may tell of the calls of the running test."""
        return self._listens and self._keeper is not None

    @property
    def refused(self) -> Mapping[str, str]:
        """By their extras, why instrumentations are not on that are there."""
        return {} if self._instrumentations is None else self._instrumentations.refused

    def _listen(self, listens: bool) -> None:
        self._listens = listens
        if self._keeper is not None:
            self._keeper.listens = listens

    def _kept(self) -> SpanKeeper:
        if self._keeper is None:
            from pytest_token_telemetry.recording.spans import SpanKeeper

            self._keeper = SpanKeeper(self._predicted)
            self._keeper.listens = self._listens
        return self._keeper
