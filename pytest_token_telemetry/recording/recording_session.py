"""The recording in one process that runs tests: each test's markers, spans, log lines, output and limits."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from contextlib import ExitStack
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from pytest_token_telemetry import settings
from pytest_token_telemetry.option import GATE, ROOT, flag
from pytest_token_telemetry.recording.capture import Capture
from pytest_token_telemetry.recording.fixture import TokenTelemetry
from pytest_token_telemetry.recording.limits import exceeding
from pytest_token_telemetry.recording.marker import LIMITS, Marker
from pytest_token_telemetry.recording.predicted import Predicted
from pytest_token_telemetry.recording.span_watch import SpanWatch
from pytest_token_telemetry.recording.tape import ATTRIBUTE, RUNNING, UNUSABLE, Rest, Tape, told_by
from pytest_token_telemetry.recording.writer import TokenTelemetryWriter
from pytest_token_telemetry.text import percent, plural
from pytest_token_telemetry.writing import reason

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from pytest_token_telemetry.analysis.metrics import Metrics, Share
    from pytest_token_telemetry.analysis.populations import Judged, Population
    from pytest_token_telemetry.recording.spans import Told
    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.samples import Samples

RECORDING_SESSION = pytest.StashKey["RecordingSession"]()


def start(config: pytest.Config) -> RecordingSession:
    """The recording of this process, begun if it has not been.

    Raises:
        pytest.UsageError: a setting is malformed, or the file to record to cannot be written.
    """
    recording = config.stash.get(RECORDING_SESSION, None)
    if recording is None:
        recording = config.stash[RECORDING_SESSION] = RecordingSession(config)
        config.pluginmanager.register(recording, "token-telemetry-recording")
    return recording


class RecordingSession:
    """Hooks around each test."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._level: int = settings.read_one(config, "capture_level")
        self._levels = ExitStack()
        self._captures: bool | None = settings.read_one(config, "capture_logs")
        self._deselected = 0
        self._unwritten: Counter[str] = Counter()
        self._refused: dict[str, str] = {}
        self._marker = Marker()
        self._shown_of = ""
        self._shown: list[str] = []
        self._is_in_test = False
        predicted = Predicted()
        self._spans = SpanWatch(settings.read_one(config, "spans"), lambda: predicted.fields)
        writer = _writer(config)
        self._keeps = writer is not None
        self.tape = Tape(writer, lambda: self._spans.is_watching)
        self._capture = Capture(self.tape)
        self.fixture = TokenTelemetry(
            self.tape, self._capture, lambda: config.stash.get(RUNNING, None), self._metrics, predicted
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectstart(self, collector: object) -> None:
        """Wait for providers' clients before a test module can import one, and keep a method of it for later."""
        if isinstance(collector, pytest.File) and not self._config.option.collectonly:
            self._spans.begin(is_asked_for=self._is_asked_for)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Count the tests that do not run."""
        self._deselected += sum(not _is_check(item) for item in items)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Begin with a test, or with another attempt at it."""
        self.tape.begin_test()
        self._capture.begin_test()
        refused = ""
        try:
            self._marker = Marker() if settings.is_off(self._config) else Marker.of(item)
        except (TypeError, ValueError) as error:
            self._marker, refused = Marker(), str(error)
        if self._is_capturing:
            self._lower_level()
        else:
            self._capture.stop_listening()
        if not _is_check(item):
            self._spans.begin_test(is_asked_for=self._is_asked_for)
        self._listen()
        result = yield
        if refused:  # only now, so that every other plugin has begun what it will end in the teardown
            pytest.fail(refused, pytrace=False)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Generator[None, object, object]:
        """Catch what the test logs."""
        self._is_in_test = True
        self._spans.look()
        self._listen()
        try:
            return (yield)
        finally:
            self._is_in_test = False

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, object, object]:
        """Catch what its fixtures log at their end."""
        self._listen()
        try:
            return (yield)
        finally:
            self._levels.close()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, object, object]:
        """Fail the test on its own limits, and let its report carry what was recorded."""
        report = yield
        if not isinstance(report, pytest.TestReport):  # another plugin's own: the next one carries what was recorded
            return report
        if report.when != "setup" or not report.passed:
            # What was told in the setup waits for the call: the test may record that call by itself.
            self._take_spans()
            if self._is_capturing:
                self._capture.take_logged()
                self._take_printed(report)
            self._capture.settle()
        is_whole = report.when == "call" and not self._is_in_test  # not of a subtest
        if is_whole and report.passed and self._marker.limits and not hasattr(report, "wasxfail"):
            exceeded = self._exceeded()
            if exceeded:
                report.outcome, report.longrepr = "failed", exceeded
        self.tape.attach(report)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Know that what ``report`` carries is on its way."""
        self.tape.told(report)
        if (
            self._is_in_test and self._is_capturing and isinstance(report, pytest.TestReport)
        ):  # it is of a subtest, and alone has what that printed
            self._take_printed(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401 - a class of xdist
        """Learn what a worker could not write, and what it could not switch on."""
        rest: Rest | None = told_by(node).get(ATTRIBUTE)
        if rest is not None:
            self._unwritten.update(rest["unwritten"])
            self._refused |= rest["refused"]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """On a worker, send what no report has carried; elsewhere, let no session succeed that lost a call."""
        output: dict[str, Any] | None = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[ATTRIBUTE] = self.rest()
            return
        rest = self.rest()["cut"]  # nothing, if the gate has taken it
        self.tape.write_unusable([*self._config.stash.get(UNUSABLE, []), *([] if rest is None else [rest])])
        self._unwritten.update(self.tape.unwritten)
        if self._unwritten and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        if self._unwritten and not self._config.pluginmanager.hasplugin("terminalreporter"):
            sys.stderr.write(f"{self._not_written()}\n")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which calls are not in the file, and which clients nobody watched."""
        if self._unwritten:
            terminalreporter.write_line(self._not_written(), red=True, bold=True)
        for extra, why in {**self._refused, **self._spans.refused}.items():
            terminalreporter.write_line(f"token telemetry: the instrumentation of [{extra}] is not on: {why}")

    def pytest_unconfigure(self) -> None:
        """Leave the root logger, and the clients of providers, as they were."""
        self._capture.stop_listening()
        self._spans.end()

    def rest(self) -> Rest:
        """What no report has carried: of a thread that goes on after the last test, for one."""
        self._record_spans(self._spans.take_rest(self._marker.defaults))
        self._capture.take_logged()
        self._capture.settle()
        return Rest(
            cut=self.tape.rest(),
            deselected=self._deselected,
            unwritten=self.tape.unwritten,
            refused={**self._spans.refused},
        )

    def _not_written(self) -> str:
        path, reasons = settings.read_one(self._config, "record"), " and ".join(self._unwritten)
        calls = plural(self._unwritten.total(), "call")
        return f"ERROR: {flag('record')}: '{path}': {calls} could not be written: {reasons}"

    @property
    def _is_asked_for(self) -> bool:
        """Whether something judges what the running test records, or keeps it to be judged."""
        return settings.is_on(self._config, GATE) or self._keeps or bool(self._marker.limits)

    @property
    def _is_capturing(self) -> bool:
        return self._is_asked_for if self._captures is None else self._captures

    def _take_spans(self) -> None:
        self._record_spans(self._spans.take(self._marker.defaults))

    def _record_spans(self, told: Told | None) -> None:
        if told is not None:
            self._capture.take_spans(told)

    def _listen(self) -> None:
        if self._is_capturing:
            self._capture.listen()  # again, as the phase before may have replaced the root logger's handlers

    def _lower_level(self) -> None:
        """Have the root logger pass what is captured, until the test ends or sets its level to something else."""
        root = logging.getLogger()
        before, lowered = root.level, min(root.level, self._level)
        root.setLevel(lowered)
        self._levels.callback(lambda: root.setLevel(before) if root.level == lowered else None)

    def _take_printed(self, report: pytest.TestReport) -> None:
        """Record what no report has shown before: that of another attempt repeats what those before it printed."""
        shown = self._shown if self._shown_of == report.nodeid else []
        for stream in ("stdout", "stderr"):
            for title, text in report.sections:
                if title.startswith(f"Captured {stream} ") and not any(text is each for each in shown):
                    self._capture.take_printed(stream, text)
        self._shown_of, self._shown = report.nodeid, [text for _, text in report.sections]

    def _metrics(self, columns: Samples, population: Population | None) -> Metrics:
        from pytest_token_telemetry.analysis.metrics import metrics

        return metrics(columns, self._judged(columns, population))

    def _judged(self, columns: Samples, population: Population | None = None) -> Judged:
        from pytest_token_telemetry.analysis.populations import judged

        chosen = population or settings.read_one(self._config, "population")
        return judged(columns, chosen, settings.read_one(self._config, "under_multiplier"))

    def _exceeded(self) -> str:
        """What the test's samples say against its limits, in one sentence each."""
        figures = self.fixture.report()
        sentences = []
        for name, limit in self._marker.limits.items():
            share: Share = getattr(figures, name.removeprefix("max_"))
            if not share.n:
                sentences.append(f"token_telemetry: {name}: the test recorded {_lacking(name, self.fixture.samples)}")
            elif (rate := Fraction(share.events, share.n)) > limit:
                found = f"{share.events:,}/{share.n:,} = {percent(rate, limit)} {LIMITS[name]}"
                sentences.append(f"token_telemetry: {found} ({name} {percent(limit, limit)}): {self._calls(name)}")
        return "\n".join(sentences)

    def _calls(self, limit: str) -> str:
        from pytest_token_telemetry.samples import columns_of

        samples = self.fixture.samples
        return exceeding(limit, samples, self._judged(columns_of(samples)))


def _lacking(limit: str, samples: Sequence[Sample]) -> str:
    """What a test did not record that ``limit`` could judge, and what to do about it."""
    if limit == "max_truncation":
        way_out = " that says whether it was truncated (give max_tokens or finish_reason)" if samples else " to judge"
        return f"nothing{way_out}"
    if all(each.predicted_output_tokens is None for each in samples):
        return "nothing with a prediction to judge"
    return "no call with a prediction that succeeded or was truncated (give success=True where the task was done)"


def _is_check(item: object) -> bool:
    """Whether it is of the gate. Some plugins pass stand-ins without an id."""
    return str(getattr(item, "nodeid", "")).startswith(f"{ROOT}::")


def _writer(config: pytest.Config) -> TokenTelemetryWriter | None:
    path = settings.read_one(config, "record")
    if path is None:
        return None
    try:
        return TokenTelemetryWriter(path)
    except OSError as error:
        raise pytest.UsageError(
            f"{flag('record')}: '{path}': {reason(error)} (name a file that can be written)"
        ) from None
