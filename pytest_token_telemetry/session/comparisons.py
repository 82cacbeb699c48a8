"""What one session's calls are held against besides the targets: loaded before the tests, kept after the verdict."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pytest_token_telemetry.option import flag
from pytest_token_telemetry.past import PastError
from pytest_token_telemetry.replay.watch import Overdue, end_process, in_this_process
from pytest_token_telemetry.settings import OUTPUTS, label_of
from pytest_token_telemetry.text import inert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_token_telemetry.gate.findings import Past
    from pytest_token_telemetry.importing import Location
    from pytest_token_telemetry.past.baseline import Baseline
    from pytest_token_telemetry.past.history import PastVerdict
    from pytest_token_telemetry.replay.run import Replay
    from pytest_token_telemetry.replay.watch import Watch
    from pytest_token_telemetry.report.model import Report
    from pytest_token_telemetry.settings import Settings
    from pytest_token_telemetry.sources.reading import Reading


def has_hook(config: pytest.Config) -> bool:
    """True if something answers for an estimator."""
    return bool(config.hook.pytest_token_telemetry_estimate.get_hookimpls())


class HeldAgainst:
    """The estimators, the baseline and the history that the settings of one session name."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        """Import and read them.

        Raises:
            pytest.UsageError: an estimator cannot be imported, or a file is there and is not what it should be.
        """
        self._config = config
        self._settings = settings
        self._search = tuple(sys.path)
        """Where the base estimator's process looks for modules: not where the estimator was found."""
        self._reading: Reading | None = None
        self._estimator = settings.estimator and self._load(settings.estimator)
        self._refuse_missing_base()
        self._baseline = self._read_baseline()
        self._history = self._read_history()

    @property
    def replays(self) -> bool:
        """True if there is an estimator to judge."""
        return self._estimator is not None or has_hook(self._config)

    def past(self, reading: Reading) -> Past:
        """What the samples of ``reading`` are held against.

        Raises:
            pytest.UsageError: the base estimator cannot be imported, or its process ends early.
        """
        from pytest_token_telemetry.gate.findings import Past

        self._reading = reading
        replay = self._replay(reading) if self.replays else None
        return Past(replay=replay, baseline=self._baseline, history=self._history)

    def keep(self, report: Report, tell: Callable[[str], object]) -> list[str]:
        """Write the baseline and the line of the history that were asked for; one sentence for each that failed.

        ``tell`` is called with the setting of each that was written.

        Data that is not ready makes no baseline: what it says of the calls is chance.
        """
        from pytest_token_telemetry.past import baseline, history

        settings, metrics, errors = self._settings, report.metrics, []
        if settings.save_baseline is not None and self._reading is not None and not report.unmet:
            try:
                baseline.write(baseline.baseline_of(self._reading, settings), settings.save_baseline)
            except PastError as error:
                errors.append(f"{self._named('save_baseline')} {error}")
            else:
                tell("save_baseline")
        if settings.history is not None:
            figures = (report.counts.samples, metrics.underestimation, metrics.truncation)
            try:
                history.append(settings.history, report.verdict, *figures)
            except PastError as error:
                errors.append(f"{self._named('history')} {error}")
            else:
                tell("history")
        return errors

    def _load(self, where: Location) -> Callable[..., object]:
        with self._named_in_errors("estimator"), self._in_time("estimator"):
            try:
                return where.load()
            except LookupError as error:
                if (removed := self._removed(error.__cause__)) is None:
                    raise
                way_out = (
                    f"let {flag(removed)} name another file: an earlier one there was removed when this session began"
                )
                raise LookupError(f"{error} ({way_out})") from None

    def _removed(self, error: BaseException | None) -> str | None:
        """Which setting has the path of the file that ``error`` misses, so that the session has removed it."""
        if not isinstance(error, FileNotFoundError) or error.filename is None:
            return None
        missing = os.path.realpath(error.filename)
        paths = ((name, getattr(self._settings, name)) for name in OUTPUTS)
        return next((name for name, path in paths if path is not None and os.path.realpath(path) == missing), None)

    def _refuse_missing_base(self) -> None:
        """Refuse a wrong path before the tests, as the base is imported only after them."""
        where = self._settings.base_estimator
        if where is not None and not self.replays:
            raise pytest.UsageError(f"{flag('base_estimator')} needs one to compare with (add {flag('estimator')})")
        with self._named_in_errors("base_estimator"):
            if where is not None:
                where.refuse_missing_directory()

    def _replay(self, reading: Reading) -> Replay:
        from pytest_token_telemetry.analysis.replayed import rows_to_ask
        from pytest_token_telemetry.importing import defined_at
        from pytest_token_telemetry.replay.base_estimator import Head, replay_base
        from pytest_token_telemetry.replay.commits import commits
        from pytest_token_telemetry.replay.run import Replay, replay

        settings, here, samples = self._settings, self._config.invocation_params.dir, reading.samples
        hook = self._config.hook.pytest_token_telemetry_estimate
        rows = rows_to_ask(samples, judges_legacy=settings.population == "all", one_per_task=settings.one_per_task)
        estimator = self._estimator or hook.get_hookimpls()[-1].function

        def place(call: int) -> str:
            return reading.place(samples, int(rows[call]))

        with self._in_time("estimator", place) as watch:
            head = replay(samples, rows, self._estimator or (lambda request: hook(request=request)), watch)
        name = str(settings.texts.get("estimator", "pytest_token_telemetry_estimate"))
        source = defined_at(estimator, here)
        where = settings.base_estimator
        if where is None:
            return Replay(name, head, source=source)
        other = Head(estimator, settings.estimator, (here, self._config.rootpath), self._search)
        try:
            with self._named_in_errors("base_estimator"):
                base = replay_base(samples, rows, where, other, settings.estimator_timeout)
        except Overdue as error:
            raise pytest.UsageError(self._overdue("base_estimator", error.call, place)) from None
        found = None if where.directory is None else commits(where.directory, other.directory())
        return Replay(name, head, str(settings.texts["base_estimator"]), base, source, found)

    @contextmanager
    def _in_time(self, name: str, place: Callable[[int], str] | None = None) -> Iterator[Watch]:
        """Watch the estimator that the setting ``name`` names, in this process.

        Raises:
            pytest.UsageError: it takes longer than it may.
        """

        def give_up(call: int | None) -> None:
            end_process(pytest.ExitCode.USAGE_ERROR, self._overdue(name, call, place))

        try:
            with in_this_process(self._settings.estimator_timeout, give_up) as watch:
                yield watch
        except Overdue as error:
            raise pytest.UsageError(self._overdue(name, error.call, place)) from None

    def _overdue(self, name: str, call: int | None, place: Callable[[int], str] | None) -> str:
        label = flag(name) if name in self._settings.texts else "pytest_token_telemetry_estimate"
        what = "its import" if call is None or place is None else f"the call {inert(place(call), 300)}"
        most = self._settings.texts["estimator_timeout"]
        return f"{label}: {what} takes longer than {most} s (if it has to, raise {flag('estimator_timeout')})"

    def _read_baseline(self) -> Baseline | None:
        settings = self._settings
        if settings.baseline is None:
            return None
        from pytest_token_telemetry.past.baseline import read, terms

        try:
            found = read(settings.baseline, terms(settings))
        except PastError as error:
            way_out = f"(write it anew with {flag('save_baseline')})"
            raise pytest.UsageError(f"{self._named('baseline')} {error} {way_out}") from None
        if found is None and settings.drift == "fail" and settings.save_baseline is None:
            way_out = f"(save one with {flag('save_baseline')}, or leave out {flag('drift')}=fail)"
            raise pytest.UsageError(f"{self._named('baseline')} does not exist {way_out}")
        return found

    def _read_history(self) -> tuple[PastVerdict, ...] | None:
        if self._settings.history is None:
            return None
        from pytest_token_telemetry.past.history import read

        try:
            return read(self._settings.history)
        except PastError as error:
            raise pytest.UsageError(f"{self._named('history')} {error}") from None

    @contextmanager
    def _named_in_errors(self, name: str) -> Iterator[None]:
        """Begin what is wrong with an estimator with the setting that names it."""
        try:
            yield
        except LookupError as error:
            raise pytest.UsageError(f"{label_of(self._config, name)}: {error}") from None

    def _named(self, name: str) -> str:
        """The setting, and its value as the user wrote it."""
        return f"{flag(name)}: {self._settings.texts[name]!r}"
