"""What a session is held against, besides its targets: it is read before the tests and kept after the verdict."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pytest_token_telemetry.settings import flag

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_token_telemetry.analysis.baseline import Baseline
    from pytest_token_telemetry.columns import Integers, Samples
    from pytest_token_telemetry.gate.past import Past
    from pytest_token_telemetry.replay.locate import Location
    from pytest_token_telemetry.replay.run import Estimates, Replay
    from pytest_token_telemetry.settings import Settings
    from pytest_token_telemetry.sources.reading import Reading
    from pytest_token_telemetry.verdict import PastVerdict, Verdict


def has_hook(config: pytest.Config) -> bool:
    """True if something answers for an estimator."""
    return bool(config.hook.pytest_token_telemetry_estimate.get_hookimpls())


def _hook(config: pytest.Config) -> Callable[..., object]:
    """The function that is asked first."""
    function: Callable[..., object] = config.hook.pytest_token_telemetry_estimate.get_hookimpls()[-1].function
    return function


class PastOfSession:
    """The estimators, the baseline and the history of one session."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        """Import and read what the settings name.

        Raises:
            pytest.UsageError: an estimator cannot be imported, or a file is there and is not what it should be.
        """
        self._config = config
        self._settings = settings
        self._search = tuple(sys.path)
        """Where the base estimator's process looks for modules: not where the estimator was found."""
        self._estimator = self._load(settings.estimator)
        self._refuse_missing_base(settings.base_estimator)
        self._baseline: Baseline | None = None
        self._history: tuple[PastVerdict, ...] | None = None
        self.reading: Reading | None = None
        """What was judged."""
        if settings.baseline is not None:
            self._baseline = self._read_baseline(settings.baseline)
        if settings.history is not None:
            self._history = self._read_history(settings.history)

    @property
    def replays(self) -> bool:
        """True if there is an estimator to judge."""
        return self._estimator is not None or has_hook(self._config)

    def past(self, samples: Samples) -> Past:
        """What ``samples`` are held against.

        Raises:
            pytest.UsageError: the base estimator cannot be imported, or its process ends early.
        """
        from pytest_token_telemetry.gate.past import Past

        replay = self._replay(samples) if self.replays else None
        return Past(replay=replay, baseline=self._baseline, history=self._history)

    def keep(self, verdict: Verdict) -> list[str]:
        """Write the baseline and the line of the history that were asked for; one sentence for each that failed.

        Data that is not ready makes no baseline: what it says of the calls is chance.
        """
        from pytest_token_telemetry.gate.drifting import baseline_of
        from pytest_token_telemetry.reporters import baseline, history

        errors = []
        path = self._settings.save_baseline
        if path is not None and self.reading is not None and verdict.ready:
            kept = baseline_of(self.reading, self._settings)
            errors += baseline.write(kept, path, str(self._settings.texts["save_baseline"]))
        if self._settings.history is not None:
            errors += history.append(verdict, self._settings.history)
        return errors

    def _load(self, where: Location | None) -> Callable[..., object] | None:
        try:
            return None if where is None else where.load()
        except LookupError as error:
            raise pytest.UsageError(f"{flag('estimator')}: {error}") from None

    def _refuse_missing_base(self, where: Location | None) -> None:
        """It is imported after the tests: a wrong path is said before them."""
        if where is not None and not self.replays:
            raise pytest.UsageError(f"{flag('base_estimator')} needs one to compare with (add {flag('estimator')})")
        try:
            if where is not None:
                where.refuse_missing_directory()
        except LookupError as error:
            raise pytest.UsageError(f"{flag('base_estimator')}: {error}") from None

    def _replay(self, samples: Samples) -> Replay:
        from pytest_token_telemetry.analysis.replayed import rows_to_ask
        from pytest_token_telemetry.replay.locate import defined_at
        from pytest_token_telemetry.replay.run import Replay, replay

        def ask_hook(request: object) -> object:
            return self._config.hook.pytest_token_telemetry_estimate(request=request)

        settings = self._settings
        rows = rows_to_ask(samples, judges_legacy=settings.population == "all", one_per_task=settings.one_per_task)
        head = replay(samples, rows, self._estimator or ask_hook)
        name = str(settings.texts.get("estimator", "pytest_token_telemetry_estimate"))
        source = defined_at(self._estimator or _hook(self._config), self._config.invocation_params.dir)
        if settings.base_estimator is None:
            return Replay(name, head, source=source)
        base = self._replay_base(samples, rows, settings.base_estimator)
        return Replay(name, head, str(settings.texts["base_estimator"]), base, source)

    def _replay_base(self, samples: Samples, rows: Integers, base: Location) -> Estimates:
        from pytest_token_telemetry.replay.run import replay_apart

        try:
            return replay_apart(samples, rows, base, self._config.invocation_params.dir, self._search)
        except LookupError as error:
            raise pytest.UsageError(f"{flag('base_estimator')}: {error}") from None

    def _read_baseline(self, path: Path) -> Baseline | None:
        from pytest_token_telemetry.analysis.baseline import terms
        from pytest_token_telemetry.sources.baseline import BaselineError, differences, read

        settings = self._settings
        name = f"{flag('baseline')}: {settings.texts['baseline']!r}"
        try:
            found = read(path)
        except BaselineError as error:
            raise pytest.UsageError(f"{name} {error} (write it anew with {flag('save_baseline')})") from None
        if found is None:
            return None
        now = terms(settings.population, settings.under_multiplier, settings.alias, one_per_task=settings.one_per_task)
        different = differences(found.terms, now)
        if different:
            raise pytest.UsageError(f"{name} was made {different} (write it anew with {flag('save_baseline')})")
        return found

    def _read_history(self, path: Path) -> tuple[PastVerdict, ...]:
        from pytest_token_telemetry.sources.history import HistoryError, read

        try:
            return read(path)
        except HistoryError as error:
            raise pytest.UsageError(f"{flag('history')}: {self._settings.texts['history']!r} {error}") from None
