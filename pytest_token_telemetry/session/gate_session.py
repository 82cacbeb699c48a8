"""The gate in one pytest session: its checks are collected with the tests, judged after the last test, and told."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from importlib import import_module
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_token_telemetry.option import flag
from pytest_token_telemetry.recording.tape import told_by
from pytest_token_telemetry.session.added_checks import added_checks, refuse_wordless
from pytest_token_telemetry.session.added_sources import added_sources, mapped_sources
from pytest_token_telemetry.session.changed_samples import changed_samples
from pytest_token_telemetry.session.command_line import refuse_absent, runs_nothing
from pytest_token_telemetry.session.comparisons import HeldAgainst
from pytest_token_telemetry.session.hooks import ESTIMATE, implementations, late_hook, tell
from pytest_token_telemetry.session.items import (
    CHECK_IDS,
    GATE_MARKER,
    REPORT,
    CheckItem,
    WarnedStatus,
    root_collector,
    warned_status,
)
from pytest_token_telemetry.session.left_out import LeftOut
from pytest_token_telemetry.session.no_verdict import explained, tell_github
from pytest_token_telemetry.settings import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from pytest_token_telemetry.gate.check import Check
    from pytest_token_telemetry.recording.tape import Arrivals
    from pytest_token_telemetry.report.model import Report
    from pytest_token_telemetry.session.scan_progress import ScanProgress
    from pytest_token_telemetry.settings import Settings
    from pytest_token_telemetry.sources.database import Database
    from pytest_token_telemetry.sources.keys import SideFile
    from pytest_token_telemetry.sources.mapped import MappedSource
    from pytest_token_telemetry.sources.parallel import Scan
    from pytest_token_telemetry.sources.recorded import Recorded
    from pytest_token_telemetry.sources.source import Source

_RERUNNERS = ("rerunfailures", "flaky")
"""Plugins that run a failed item again. The verdict does not change by asking twice."""

_GOOD = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
"""The exit codes behind which no failure stands."""

_ENDED_EARLY = "the session ended before the checks"

_IMPLEMENTATIONS = "token_telemetry_hooks"
"""By which key a worker tells the controller how many implement each of our hooks."""


class WorkerSession:
    """Hooks of the gate in a worker of xdist: it collects the tests, and with them their ``conftest.py`` files."""

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Tell the controller of hooks that it does not see."""
        session.config.workeroutput[_IMPLEMENTATIONS] = implementations(session.config)  # type: ignore[attr-defined]


class _NothingRuns:
    """Hooks that end a session without collecting or running a test, as `pytest.exit` does, but without its banner."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> bool:
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> bool:
        return True


class GateSession:
    """Hooks of the gate. Registered on the main or controller process only, and only if there is something to judge."""

    def __init__(self, config: pytest.Config, settings: Settings, arrivals: Arrivals) -> None:
        import_module("numpy")  # now: where a test runs pytest in this process, what that imports is forgotten after it
        config.addinivalue_line(
            "markers", f"{GATE_MARKER}: the checks of the token telemetry gate (set by the plugin)."
        )
        self._config = config
        self._settings = settings
        self._arrivals = arrivals
        self._held_against = HeldAgainst(config, settings)
        self._databases = _databases(settings)
        self._checks: tuple[str, ...] = ()
        self._items: list[CheckItem] = []
        self._hooks: dict[str, int] = {}
        """How many implemented each of our hooks when the checks were collected."""
        self._hooks_in_workers: list[dict[str, int]] = []
        self._added_sources: tuple[Source, ...] = ()
        self._added_checks: tuple[Check[Any], ...] = ()
        self._mapped_sources = mapped_sources(config, settings)
        self._aborted = False
        self._checks_failed = 0
        self._written: list[str] = []
        """The settings of the files that were written."""
        self._write_errors: list[str] = []
        self.not_judged = _ENDED_EARLY
        """Why there is no verdict, if there is none."""
        self._left_out = LeftOut(config, settings)
        if settings.propose_map:
            config.pluginmanager.register(_NothingRuns(), "token-telemetry-nothing-runs")
        self.exit_code: int | None = None
        """What the session has to exit with where pytest knows of no failure; ``None`` until that is known."""
        if not runs_nothing(config):
            self._say_no_verdict("the session has not ended, or its process was killed before the checks")

    @property
    def has_judged(self) -> bool:
        """True if there is a verdict."""
        return self._report is not None

    @property
    def _report(self) -> Report | None:
        return self._config.stash.get(REPORT, None)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        """Say which checks there are. Whoever answers for an estimator is registered by now."""
        try:
            self._find_checks()
            return (yield)
        except pytest.UsageError as error:
            self.not_judged = explained(error)
            raise

    def _find_checks(self) -> None:
        from pytest_token_telemetry.gate.checks import checks_of, forget, know

        self._hooks = implementations(self._config)
        self._added_sources = added_sources(self._config, self._settings, self._mapped_sources)
        self._added_checks = added_checks(self._config)
        known_before = know(self._added_checks)
        self._config.add_cleanup(partial(forget, known_before))
        if self._settings.propose_map:
            self._propose_maps()
            return
        checks = checks_of(
            replay=self._held_against.replays,
            baseline=self._settings.baseline is not None,
            require=self._settings.require is not None,
        )
        self._checks = tuple(check.id for check in checks)
        self._config.stash[CHECK_IDS] = self._checks
        refuse_absent(self._config, self._checks)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Let the session collect the checks too, as if they were one more file."""
        report = yield
        if isinstance(collector, pytest.Session) and report.passed:
            report.result.append(root_collector(collector))
        return report

    def pytest_deselected(self, items: Sequence[object]) -> None:
        """Know which checks are left out aloud."""
        self._left_out.tell(items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Remember that the session is broken, and why: then nothing can be judged."""
        self._aborted = True
        self.not_judged = f"{_ENDED_EARLY}: {explained(excinfo.value)}"

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Run the tests first, then the checks. An exception (``-x``, Ctrl-C) passes by, and nothing is judged."""
        self._refuse_late_hooks()
        on_controller = self._config.pluginmanager.hasplugin("dsession")
        if not on_controller:
            self._items = [item for item in session.items if isinstance(item, CheckItem)]
            session.items[:] = [item for item in session.items if not isinstance(item, CheckItem)]
        try:
            result = yield
        except (session.Failed, session.Interrupted, pytest.exit.Exception) as error:
            self.not_judged = ": ".join(filter(None, (_ENDED_EARLY, str(error))))
            raise
        if runs_nothing(self._config) or self._settings.propose_map:
            return result
        if self._aborted:
            session.testsfailed += 1
            return result
        if on_controller:
            self._refuse_late_hooks()
            self._collect_on_controller(session)
        self._items.sort(key=lambda item: self._checks.index(item.check))  # whatever another plugin made of the order
        self._left_out.find(self._checks, self._items)
        if self._items or self._is_report_wanted():
            self._config.stash[REPORT] = self._judge()
            self._leave_out_unasked(session)
            self._run_items(session)
        else:
            self.not_judged = "all checks were deselected"
        return result

    def _leave_out_unasked(self, session: pytest.Session) -> None:
        """Leave out the checks that the data carries nothing for, now that it was read."""
        judged = {result.id for result in self._report.checks} if self._report is not None else set()
        asked = [item for item in self._items if item.check in judged]
        session.testscollected -= len(self._items) - len(asked)
        self._items = asked

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> WarnedStatus | None:
        """Show a check that warns as a warning: it is a skip only because pytest knows nothing in between."""
        if self._report is None or not report.skipped or report.when != "call":
            return None
        return warned_status(report.nodeid, self._report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401 - a class of xdist
        """Learn which hooks a worker sees."""
        self._hooks_in_workers.append(told_by(node).get(_IMPLEMENTATIONS, {}))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the reports, and leave no way to exit 0 with a check that was not judged."""
        if runs_nothing(self._config):
            return
        report = self._report
        if report is None:
            self._say_no_verdict(self.not_judged)
        else:
            from pytest_token_telemetry.report.files import write_reports

            report = self._with_result(report, session)
            tell_written = self._written.append
            self._write_errors = write_reports(report, self._settings, more=self._pages(), tell=tell_written)
            self._write_errors += self._held_against.keep(report, tell_written)
        if self._settings.github:
            self._write_errors += self._tell_github()
        if report is not None:
            self._write_errors += tell(self._config, report)
        self.exit_code = self._exit_code(session.exitstatus)
        if self.exit_code and session.exitstatus in _GOOD:
            session.exitstatus = self.exit_code
        if report is not None and self._write_errors and self._is_json_a_file():
            from pytest_token_telemetry.report.files import write_reports

            write_reports(self._with_result(report, session), self._settings, ("json",))  # it says how all ended
        if not self._config.pluginmanager.hasplugin("terminalreporter"):
            sys.stderr.write("".join(f"ERROR: {error}\n" for error in self._errors))

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, exitstatus: int | pytest.ExitCode
    ) -> None:
        """Show the verdict, or why there is none. What was refused, pytest shows below."""
        from pytest_token_telemetry.report.terminal import show

        is_refused = exitstatus == pytest.ExitCode.USAGE_ERROR and not self.not_judged.startswith(_ENDED_EARLY)
        if self._report is None and is_refused and not self._errors:
            return
        if not runs_nothing(self._config):
            show(terminalreporter, self._report or self.not_judged, self._errors, self._files_written)

    @property
    def _files_written(self) -> list[str]:
        """As the user named them."""
        return [str(self._settings.texts[name]) for name in self._written]

    @property
    def _errors(self) -> list[str]:
        """One sentence each: what could not be written, and that checks were not judged although that was asked for."""
        return [*self._write_errors, *self._left_out.errors(self._report)]

    def _exit_code(self, status: int) -> pytest.ExitCode:
        """What the session has to exit with, where ``status`` is what pytest knows."""
        report = self._report
        if self._write_errors:
            return pytest.ExitCode.USAGE_ERROR
        if self._aborted or self._left_out.nothing_judged(report) or (report is not None and report.fails):
            return pytest.ExitCode.TESTS_FAILED
        if self._left_out.fails and status == pytest.ExitCode.NO_TESTS_COLLECTED:
            return pytest.ExitCode.NO_TESTS_COLLECTED
        if self._left_out.fails or (report is None and not self._left_out.is_all):
            return pytest.ExitCode.INTERRUPTED
        return pytest.ExitCode.OK

    def _say_no_verdict(self, why: str) -> None:
        """Let the report file say that it has no verdict: the process can end at any time."""
        if self._settings.json is not None:
            from pytest_token_telemetry.report.files import write_no_verdict

            write_no_verdict(self._settings.json, why)

    def _with_result(self, report: Report, session: pytest.Session) -> Report:
        """The report, for all that show it from now on, with how the session ended."""
        from msgspec.structs import replace

        from pytest_token_telemetry.report.model import SessionResult

        status, failed = int(session.exitstatus) & 0xFF, max(session.testsfailed - self._checks_failed, 0)
        report = replace(report, session=SessionResult(exit_status=status, tests_failed=failed))
        self._config.stash[REPORT] = report
        return report

    def _tell_github(self) -> list[str]:
        """Tell the GitHub Actions job of this session, if it is part of one."""
        return tell_github(
            self._config, self._report or self.not_judged, self._settings.json, self._settings.markdown_append
        )

    def _refuse_late_hooks(self) -> None:
        """A hook that this process did not see when it collected would be passed over in silence.

        Raises:
            pytest.UsageError: there is one.
        """
        late = late_hook(self._hooks, [implementations(self._config), *self._hooks_in_workers])
        if late == ESTIMATE and self._settings.estimator is not None:  # then no hook is asked
            late = None
        if late is not None:
            self.not_judged = (
                f"{late} is answered too late, in the conftest.py of a directory of tests (move it to that of the root"
                " directory)"
            )
            raise pytest.UsageError(self.not_judged)

    def _collect_on_controller(self, session: pytest.Session) -> None:
        """Under xdist the workers collect the tests; the checks are collected here, and selected as tests are."""
        items: list[pytest.Item] = list(session.genitems(root_collector(session)))
        self._config.hook.pytest_collection_modifyitems(session=session, config=self._config, items=items)
        self._items = [item for item in items if isinstance(item, CheckItem)]
        session.testscollected += len(self._items)

    def _judge(self) -> Report:
        from pytest_token_telemetry.gate.verdict import CheckError, judge
        from pytest_token_telemetry.report.build import report_of
        from pytest_token_telemetry.session.scan_progress import ScanProgress
        from pytest_token_telemetry.sources.keys import SideFileError
        from pytest_token_telemetry.sources.parallel import ScanError
        from pytest_token_telemetry.sources.reading import Directory, read_directories

        directories = [
            Directory(path, os.path.normpath(text))
            for path, text in zip(self._settings.dir, self._settings.texts["dir"], strict=True)
            if isinstance(path, Path)
        ]
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        recorded = self._recorded() if self._settings.gate else None
        try:
            with ScanProgress(terminal, time.monotonic) as progress:
                scan = self._scan(progress)
                reading = read_directories(
                    directories,
                    self._patterns(),
                    recorded=recorded,
                    scan=scan,
                    remotes=self._settings.remote_directories,
                    databases=self._databases,
                    side_files=self._side_files(),
                )
            reading = changed_samples(self._config, reading)
            past = self._held_against.past(reading)
            report = report_of(judge(reading, self._settings, past, {item.check for item in self._items}))
            refuse_wordless(report, self._added_checks)
        except (CheckError, ScanError, SideFileError) as error:
            self.not_judged = str(error)
            raise pytest.UsageError(str(error)) from error
        except pytest.UsageError as error:
            self.not_judged = str(error)
            raise
        return report

    def _scan(self, progress: ScanProgress) -> Scan:
        """How the settings want the files to be read."""
        from pytest_token_telemetry.sources.parallel import Progress, Scan

        settings, where, told = self._settings, self._settings.executor, Progress(progress)
        requests = tuple(map(os.path.realpath, settings.requests))
        if where is None:
            return Scan(
                jobs=settings.jobs,
                requests=requests,
                progress=told,
                format=settings.format,
                mapped=self._mapped_sources,
                added=self._added_sources,
            )
        from pytest_token_telemetry.sources.other_engines import Cluster, Factory

        elsewhere = Cluster(where) if isinstance(where, str) else Factory(where)
        return Scan(
            executor=elsewhere.open,
            requests=requests,
            progress=told,
            format=settings.format,
            mapped=self._mapped_sources,
        )

    def _propose_maps(self) -> None:
        """Print maps for the files. The session judges nothing, so it does not exit with 0."""
        from pytest_token_telemetry.sources.map_proposal import proposal
        from pytest_token_telemetry.sources.walk import walk

        directories = self._settings.local_directories
        files = (file for path in directories for file in walk(path, self._patterns()).files.values())
        text = proposal(sorted(files), self._mapped_sources, directories)
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        (print if terminal is None else terminal.write_line)(text)
        next_step = f": paste its maps into pyproject.toml, or into the file of {flag('map')}" if "\n[" in text else ""
        self.not_judged = f"{flag('propose_map')} judges nothing{next_step}"

    def _patterns(self) -> Sequence[str]:
        """Which files are read: those of the user's patterns, and those of each map in use."""
        return [*self._settings.pattern, *(pattern for each in self._maps_in_use() for pattern in each.map.files)]

    def _maps_in_use(self) -> Sequence[MappedSource]:
        """The sources of maps that may read a file."""
        from pytest_token_telemetry.sources.recognition import AUTO

        return [each for each in self._mapped_sources if self._settings.format in (AUTO, each.name)]

    def _side_files(self) -> Sequence[SideFile]:
        """The side files that the user named, and those that maps in use join."""
        from pytest_token_telemetry.sources.keys import SideFile

        named = zip(self._settings.predictions, self._settings.texts["predictions"], strict=True)
        joins = ((each.name, each.map.join) for each in self._maps_in_use())
        return [
            *(SideFile(os.path.realpath(path), text, f"{flag('predictions')}: {text!r}") for path, text in named),
            *(SideFile(join.path, join.shown, join.label, name, join.key) for name, join in joins if join is not None),
        ]

    def _recorded(self) -> Recorded:
        """What the tests recorded, with what was recorded in this process after the last of them."""
        from pytest_token_telemetry.recording import recording_session

        self._arrivals.add_rest("after the tests", recording_session.start(self._config).rest())
        return self._arrivals.recorded()

    def _run_items(self, session: pytest.Session) -> None:
        failed_before = session.testsfailed
        plugins = self._config.pluginmanager
        run = plugins.subset_hook_caller(
            "pytest_runtest_protocol", [plugin for name in _RERUNNERS if (plugin := plugins.get_plugin(name))]
        )
        try:
            for item, following in zip_longest(self._items, self._items[1:]):
                run(item=item, nextitem=following)
                if session.shouldfail:
                    raise session.Failed(session.shouldfail)
                if session.shouldstop:
                    raise session.Interrupted(session.shouldstop)
            if self._report is not None and self._report.fails and session.testsfailed == failed_before:
                session.testsfailed += 1  # a mark from elsewhere made the failing checks skip, or expected them to fail
        finally:
            self._checks_failed = session.testsfailed - failed_before

    def _pages(self) -> Mapping[str, Callable[[Report], str]]:
        """The page that was asked for, as a form of report."""
        if self._settings.html is None:
            return {}
        from pytest_token_telemetry.page.page import render

        return {"html": render}

    def _is_report_wanted(self) -> bool:
        return any(getattr(self._settings, name) is not None for name in OUTPUTS)

    def _is_json_a_file(self) -> bool:
        """True if the JSON report can be written again; what hinders it was told with the first time."""
        try:
            return self._settings.json is not None and self._settings.json.is_file()
        except OSError:
            return False


def _databases(settings: Settings) -> Sequence[Database]:
    """The databases to read.

    Raises:
        pytest.UsageError: SQLAlchemy or a driver is missing, or there is no such kind of database.
    """
    if not settings.db:
        return ()
    try:
        from pytest_token_telemetry.sources.database import Database, DatabaseError, refuse_unusable
    except ModuleNotFoundError:
        what = 'SQLAlchemy is not installed (run pip install "pytest-token-telemetry[sql]")'
        raise pytest.UsageError(f"{flag('db')}: {what}") from None
    urls = dict.fromkeys(settings.db)
    databases = [Database(url, settings.db_table, settings.db_query, settings.db_field) for url in urls]
    try:
        refuse_unusable(databases)
    except DatabaseError as error:
        raise pytest.UsageError(f"{flag('db')}: {error}") from None
    return databases
