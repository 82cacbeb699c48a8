"""The recording in one process that runs tests: each test's markers, log lines, output and limits."""

from __future__ import annotations

import logging
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from pytest_token_telemetry import settings
from pytest_token_telemetry.ids import ROOT
from pytest_token_telemetry.recording.arrivals import ATTRIBUTE
from pytest_token_telemetry.recording.capture import Capture
from pytest_token_telemetry.recording.cuts import Cut, Rest
from pytest_token_telemetry.recording.fixture import TokenTelemetry
from pytest_token_telemetry.recording.marker import Marker
from pytest_token_telemetry.recording.running import RUNNING
from pytest_token_telemetry.recording.tape import Tape
from pytest_token_telemetry.recording.writer import TokenTelemetryWriter
from pytest_token_telemetry.wording import percent

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_token_telemetry.analysis.metrics import Metrics
    from pytest_token_telemetry.analysis.populations import Population
    from pytest_token_telemetry.sample import Sample

RECORDING = pytest.StashKey["RecordingSession"]()


def start(config: pytest.Config) -> RecordingSession:
    """The recording of this process, begun if it has not been.

    Raises:
        pytest.UsageError: a setting is malformed, or the file to record to cannot be written.
    """
    recording = config.stash.get(RECORDING, None)
    if recording is None:
        recording = config.stash[RECORDING] = RecordingSession(config)
        config.pluginmanager.register(recording, "token-telemetry-recording")
    return recording


class RecordingSession:
    """Hooks around each test."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._level = _RootLevel(settings.read_one(config, "capture_level"))
        captures: bool | None = settings.read_one(config, "capture_logs")
        self._captures = settings.is_on(config, settings.GATE) if captures is None else captures
        self._may_capture = captures is not False
        self._deselected = 0
        self._marker = Marker()
        self._printed = _Printed()
        self._is_in_test = False
        self.tape = Tape(_writer(config))
        self._capture = Capture(self.tape)
        self.fixture = TokenTelemetry(self.tape, self._capture, self._running, self._metrics)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Count the tests that do not run."""
        self._deselected += sum(not item.nodeid.startswith(f"{ROOT}::") for item in items)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Begin with a test, or with another attempt at it."""
        self.tape.begin_test()
        self._capture.begin_test()
        self._marker, refused = _marker(item)
        if self._is_capturing:
            self._level.lower()
        else:
            self._capture.stop_listening()
        result = yield from self._phase()
        if refused is not None:  # only now, so that every other plugin has begun what it will end in the teardown
            pytest.fail(refused, pytrace=False)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Generator[None, object, object]:
        """Catch what the test logs."""
        self._is_in_test = True
        try:
            return (yield from self._phase())
        finally:
            self._is_in_test = False

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, object, object]:
        """Catch what its fixtures log at their end."""
        try:
            return (yield from self._phase())
        finally:
            self._level.put_back()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Fail the test on its own limits, and let its report carry what was recorded."""
        report = yield
        if self._is_capturing and (report.when != "setup" or not report.passed):
            # What was logged in the setup waits for the call: the test may record that call by itself.
            self._capture.take_logged()
            self._take_printed(report)
        is_whole = report.when == "call" and not self._is_in_test  # not of a subtest
        if is_whole and report.passed and self._marker.has_limits and not hasattr(report, "wasxfail"):
            exceeded = self._exceeded()
            if exceeded:
                report.outcome = "failed"
                report.longrepr = exceeded
        self.tape.attach(report, ATTRIBUTE)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Know that what ``report`` carries is on its way."""
        self.tape.told(report)
        if self._is_in_test and self._is_capturing:  # it is of a subtest, and alone has what that printed
            self._take_printed(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """On a worker, send what no report has carried."""
        output: dict[str, Any] | None = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[ATTRIBUTE] = Rest(cut=self.rest(), deselected=self._deselected)

    def pytest_unconfigure(self) -> None:
        """Leave the root logger as it was."""
        self._capture.stop_listening()

    def rest(self) -> Cut | None:
        """What no report has carried: of a thread that goes on after the last test, for one."""
        self._capture.take_logged()
        return self.tape.rest()

    @property
    def _is_capturing(self) -> bool:
        return self._captures or (self._may_capture and self._marker.has_limits)

    def _phase(self) -> Generator[None, object, object]:
        if self._is_capturing:
            self._capture.listen()  # again, as the phase before may have replaced the root logger's handlers
        return (yield)

    def _take_printed(self, report: pytest.TestReport) -> None:
        for stream in ("stdout", "stderr"):
            for text in self._printed.new(report, stream):
                self._capture.take_printed(stream, text)

    def _running(self) -> pytest.Item | None:
        return self._config.stash.get(RUNNING, None)

    def _metrics(self, samples: tuple[Sample, ...], population: Population | None) -> Metrics:
        from pytest_token_telemetry.analysis.metrics import metrics
        from pytest_token_telemetry.analysis.populations import judged
        from pytest_token_telemetry.columns import columns_of

        columns = columns_of(samples)
        chosen = population or settings.read_one(self._config, "population")
        return metrics(columns, judged(columns, chosen, settings.read_one(self._config, "under_multiplier")))

    def _exceeded(self) -> str | None:
        """What the test's samples say against its limits, in one sentence each."""
        figures = self._metrics(self.fixture.samples, None)
        sentences = []
        for name, share, what in (
            ("max_underestimation", figures.underestimation, "underestimated"),
            ("max_truncation", figures.truncation, "truncated"),
        ):
            limit: Fraction | None = getattr(self._marker, name)
            if limit is None:
                continue
            if not share.n:
                sentences.append(f"token_telemetry: {name}: the test recorded nothing to judge")
            elif Fraction(share.events, share.n) > limit:
                rate = percent(Fraction(share.events, share.n), limit)
                sentences.append(
                    f"token_telemetry: {share.events}/{share.n} = {rate} {what} ({name} {percent(limit, limit)})"
                )
        return "\n".join(sentences) or None


class _Printed:
    """What a test has printed. The report of another attempt at it repeats what the attempts before have printed."""

    def __init__(self) -> None:
        self._test = ""
        self._told: dict[str, list[str]] = {}

    def new(self, report: pytest.TestReport, stream: str) -> list[str]:
        """What was printed to ``stream`` and was in no report before."""
        if report.nodeid != self._test:
            self._test, self._told = report.nodeid, {}
        texts = [text for title, text in report.sections if title.startswith(f"Captured {stream} ")]
        told = self._told.get(stream, [])
        self._told[stream] = texts
        return [text for text in texts if not any(text is each for each in told)]


class _RootLevel:
    """The level of the root logger, lowered for the time of a test.

    Of one that the test or a fixture has set to something else, it stays clear.
    """

    def __init__(self, level: int) -> None:
        self._level = level
        self._before: int | None = None
        self._lowered = level

    def lower(self) -> None:
        """Let pass what is of the level or above it."""
        root = logging.getLogger()
        self._before, self._lowered = root.level, min(root.level, self._level)
        root.setLevel(self._lowered)

    def put_back(self) -> None:
        """Undo that."""
        root = logging.getLogger()
        if self._before is not None and root.level == self._lowered:
            root.setLevel(self._before)
        self._before = None


def _marker(item: pytest.Item) -> tuple[Marker, str | None]:
    """The marker of ``item``, and why it cannot be used, if it cannot."""
    try:
        return Marker.of(item), None
    except (TypeError, ValueError) as error:
        return Marker(), str(error)


def _writer(config: pytest.Config) -> TokenTelemetryWriter | None:
    path = settings.read_one(config, "record")
    if path is None:
        return None
    try:
        return TokenTelemetryWriter(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise pytest.UsageError(
            f"{settings.flag('record')}: '{path}': {reason} (name a file that can be written)"
        ) from None
