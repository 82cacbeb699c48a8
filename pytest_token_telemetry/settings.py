"""Every setting once: its name, how it is read, its default and its help.

Command line, ini file, report and documentation are made from the options of `Settings`: a field ``max_truncation`` is
``--token-telemetry-max-truncation`` on the command line and ``token_telemetry_max_truncation`` in an ini file. The
command line wins over the ini file, and the ini file over the default.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_token_telemetry import option_types
from pytest_token_telemetry.option import GATE, Option, default_of, flag, ini_key, kept_in_ini, setting_in_force

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from fractions import Fraction

    from pytest_token_telemetry.importing import Location
    from pytest_token_telemetry.option_types import DatabaseUrl, RemoteUrl

DEFAULT_ALIASES = (
    ("impl", "implementation"),
    ("implement", "implementation"),
    ("implement_feature", "implementation"),
    ("feature", "implementation"),
    ("test", "tests"),
    ("testing", "tests"),
    ("doc", "docs"),
    ("documentation", "docs"),
)
"""Spellings that real systems use for the three categories of the specification."""

RECORDING = ("record", "capture_logs", "capture_level", "spans")
"""The settings that have an effect where nothing is judged."""

REQUIRABLE = ("predictions", "caps", "reasons")
"""What samples can be required to carry."""

OUTPUTS = ("json", "junit", "code_quality", "markdown", "markdown_append", "html", "tuning")
"""The settings that name a report to write."""

GROUPS = {
    "gate": "what to judge",
    "min_samples": "readiness",
    "max_underestimation": "risk (Tier 1)",
    "max_waste_p90": "cost (Tier 2)",
    "estimator": "comparing",
    "json": "reports",
    "pattern": "reading",
    "record": "recording",
}
"""The groups of settings, each by the one that it begins with."""

OFF = "--no-token-telemetry"
"""What turns everything off, whatever the settings say."""


def _setting(
    read: Callable[[str], Any],
    default: str | tuple[str, ...] | None,
    metavar: str,
    help: str,
) -> Any:  # noqa: ANN401 - like dataclasses.field, it stands for any type
    return Option(read, default, metavar, help)


def _choice(default: str, other: str, *, help: str) -> Any:  # noqa: ANN401 - as above
    return _setting(option_types.one_of(default, other), default, f"{default}|{other}", help)


def _switch(help: str, default: str | None = "false") -> Any:  # noqa: ANN401 - as above
    return _setting(option_types.switch, default, "", help)


def _file(help: str) -> Any:  # noqa: ANN401 - as above
    return _setting(option_types.path, None, "PATH", help)


class Settings:
    """The settings in force, read and checked. Paths are absolute."""

    gate: bool = _switch("Judge what the tests record, alone or together with --token-telemetry-dir.")
    dir: tuple[Path | RemoteUrl, ...] = _setting(
        option_types.directory,
        (),
        "DIR",
        "Judge the logs below DIR, or below s3://BUCKET/PREFIX (repeatable; extra [remote]). Write it with '='.",
    )
    db: tuple[DatabaseUrl, ...] = _setting(
        option_types.database,
        (),
        "URL",
        "Judge the calls in the database at URL, or at the URL in a variable: env:NAME (repeatable; extra [sql]).",
    )
    db_table: tuple[str, ...] = _setting(
        option_types.table,
        (),
        "NAME",
        "Read this table or view of the databases (repeatable). Without it: token_estimation_v2_events, else"
        " llm_usage_events.",
    )
    db_query: str | None = _setting(
        option_types.query,
        None,
        "SELECT",
        "Read the rows of this query, and only the tables that --token-telemetry-db-table names.",
    )
    db_field: tuple[tuple[str, str], ...] = _setting(
        option_types.column,
        (),
        "FIELD=COLUMN",
        "Read FIELD from COLUMN, as output_tokens=completion_tokens (repeatable).",
    )
    population: Literal["risk", "success", "all"] = _setting(
        option_types.one_of("risk", "success", "all"),
        "risk",
        "NAME",
        "Judge these samples: risk (successful or truncated), or as the V3 analyzer: success or all.",
    )
    one_per_task: bool = _switch("Judge only one sample of each task: its last truncated attempt, else its last.")
    under_multiplier: Fraction = _setting(
        option_types.multiplier,
        "1.0",
        "M",
        "Count a call as underestimated if its output exceeds M times its prediction.",
    )
    unjudged: str | None = _setting(
        option_types.one_of("fail", "pass"),
        None,
        "fail|pass",
        "Fail or pass if nothing was judged. Default: fail if the command line asks for the gate.",
    )
    min_samples: int = _setting(option_types.count(1), "20", "N", "Require N successful samples.")
    require_categories: tuple[str, ...] = _setting(
        option_types.names,
        "implementation,tests,docs",
        "NAMES",
        "Require a successful sample of each category; any: of any one; none: require nothing.",
    )
    require_complexities: tuple[str, ...] = _setting(
        option_types.names,
        "low,medium,high",
        "NAMES",
        "Require a successful sample of each complexity; or any, or none, as for categories.",
    )
    require_deliverables: tuple[str, ...] = _setting(
        option_types.buckets,
        "1,2-5,6+",
        "BUCKETS",
        "Require a successful sample of each number of deliverables, as 1,2-9,10+; or any, or none.",
    )
    require: tuple[str, ...] | None = _setting(
        option_types.some_of(*REQUIRABLE),
        None,
        "FIELDS",
        "Require at least one sample with each: predictions,caps,reasons. Default: the data decides.",
    )
    alias: Mapping[str, str] = _setting(
        option_types.alias,
        (),
        "SPELLING=CATEGORY",
        "Count SPELLING as CATEGORY (repeatable; added to the built-in aliases).",
    )
    max_unusable: int | None = _setting(
        option_types.count(0),
        None,
        "N",
        "Allow at most N unusable telemetry lines. Default: no limit.",
    )
    not_ready: str = _choice("fail", "skip", help="Fail or skip a readiness check that is not met.")
    max_underestimation: Fraction = _setting(
        option_types.rate, "5%", "RATE", "Allow at most this underestimation rate, as 5% or 0.05."
    )
    max_truncation: Fraction = _setting(
        option_types.rate, "2%", "RATE", "Allow at most this truncation rate, as 2% or 0.02."
    )
    confidence: Fraction | None = _setting(
        option_types.confidence,
        None,
        "C",
        "Pass or fail only if proven with confidence C, as 0.95. Default: the rate alone decides.",
    )
    inconclusive: str = _choice(
        "warn",
        "fail",
        help="Warn or fail if a Tier 1 check is inconclusive: unproven with a confidence, or by a replay.",
    )
    sequential: bool = _switch("Keep --token-telemetry-confidence valid when you judge growing logs again and again.")
    max_waste_p90: Fraction = _setting(
        option_types.ratio, "3", "RATIO", "Keep 90% of the predictions below RATIO times the output."
    )
    tier2: str = _choice("warn", "fail", help="Warn or fail if the waste target is exceeded.")
    max_cap_use_p90: Fraction = _setting(
        option_types.ratio, "3", "RATIO", "Keep 90% of the caps below RATIO times the output."
    )
    cap_use: str = _choice("warn", "fail", help="Warn or fail if the cap use target is exceeded.")
    estimator: Location | None = _setting(
        option_types.estimator,
        None,
        "MODULE:CALLABLE",
        "Judge this estimator's predictions for the recorded calls instead of the recorded ones.",
    )
    base_estimator: Location | None = _setting(
        option_types.estimator,
        None,
        "PATH::MODULE:CALLABLE",
        "Compare --token-telemetry-estimator with this one, such as main's, run in its own process.",
    )
    estimator_errors: str = _choice("fail", "skip", help="Fail on invalid predictions, or skip their calls.")
    estimator_timeout: float = _setting(
        option_types.seconds,
        "60",
        "SECONDS",
        "End the session if an estimator takes longer than this for one call, or for its import.",
    )
    min_replayed: Fraction = _setting(
        option_types.rate,
        "90%",
        "RATE",
        "Require that the estimator can replay this share of the recorded calls.",
    )
    baseline: Path | None = _file("Compare new calls with the baseline at PATH.")
    save_baseline: Path | None = _file("Write the judged calls as a baseline to PATH, to keep in git.")
    drift: str = _choice("warn", "fail", help="Warn or fail if the calls got worse than the baseline.")
    history: Path | None = _file("Append the verdict to PATH, one line per session, and show the last ten.")
    json: Path | None = _file("Write the report as JSON, for other programs.")
    junit: Path | None = _file("Write the checks as JUnit XML, for CI servers.")
    junit_family: str = _choice(
        "xunit1", "xunit2", help="Write this JUnit dialect: xunit1 has file and line, xunit2 fits Jenkins' schema."
    )
    code_quality: Path | None = _file("Write the findings as a Code Quality report, for GitLab.")
    markdown: Path | None = _file("Write the summary as markdown, for reviewers.")
    markdown_append: Path | None = _file("Append the same summary to PATH, such as $GITHUB_STEP_SUMMARY.")
    markdown_flavour: str = _choice(
        "github",
        "plain",
        help="Write the summary for GitHub, or plain (no HTML) for GitLab, Bitbucket and e-mail.",
    )
    html: Path | None = _file("Write a page of charts and tables for a browser (extra [html]).")
    github: bool = _switch("In a GitHub Actions job: annotate failures, append to the step's summary, set its outputs.")
    tuning: Path | None = _file("Write the tuning advice as JSON, whatever the verdict.")
    pattern: tuple[str, ...] = _setting(
        option_types.glob,
        ("*.log", "*.log.*", "*.log-*", "*.json*", "*.ndjson*", "*.csv*", "*.eval"),
        "GLOB",
        "Read files whose name matches GLOB, or whose path below DIR if GLOB has a '/' (repeatable).",
    )
    format: str = _setting(
        option_types.format_name,
        "auto",
        "NAME",
        "Read every file as this format, such as otlp or logs. auto: recognise each by its beginning.",
    )
    requests: tuple[Path, ...] = _setting(
        option_types.path,
        (),
        "FILE",
        "Join batch results with the requests in FILE, before those in their own directory (repeatable).",
    )
    predictions: tuple[Path, ...] = _setting(
        option_types.path,
        (),
        "FILE",
        "Join the calls, by id, with the predictions and labels in FILE, JSON lines or CSV (repeatable).",
    )
    map: tuple[Path, ...] = _setting(
        option_types.path,
        (),
        "FILE",
        "Read your own formats by the field maps in FILE, and those in pyproject.toml (repeatable).",
    )
    propose_map: bool = _switch("Print field maps for files of unknown format, and judge nothing.")
    jobs: int | None = _setting(
        option_types.jobs,
        "auto",
        "N",
        "Read the logs with N processes, including pytest's. auto: several if reading takes about a second.",
    )
    executor: str | Location | None = _setting(
        option_types.executor,
        None,
        "SPEC",
        "Read the logs on dask://HOST:PORT, or with the concurrent.futures.Executor from MODULE:CALLABLE.",
    )
    record: Path | None = _file(
        "Append each call that a test records to PATH, as a JSON line; name it *.jsonl to read it back."
    )
    capture_logs: bool | None = _switch(
        "Record telemetry lines that tests log or print. Default: if the gate judges the calls, or a file keeps them.",
        default=None,
    )
    capture_level: int = _setting(
        option_types.log_level,
        "INFO",
        "LEVEL",
        "Lower the root logger to LEVEL for each test whose log lines are recorded.",
    )
    spans: str = _setting(
        option_types.one_of("auto", "on", "off"),
        "auto",
        "auto|on|off",
        "Record calls from the tests' OpenTelemetry spans. auto: if the gate judges them, or a file keeps them.",
    )
    texts: Mapping[str, str | list[str]]
    """Each setting in force as its user wrote it."""
    chosen: frozenset[str]
    """The settings that their user wrote: the others are defaults."""

    def __init__(
        self,
        *,
        texts: Mapping[str, str | list[str]],
        chosen: Iterable[str] = (),
        **read: Any,  # noqa: ANN401 - see the fields
    ) -> None:
        """All settings, as users wrote them and as they were ``read``; those that are ``chosen`` are no defaults.

        Raises:
            TypeError: one is missing, or is none.
        """
        if differing := read.keys() ^ dict(options()).keys():
            raise TypeError(f"missing, or no settings: {', '.join(sorted(differing))}")
        vars(self).update(read, texts=texts, chosen=frozenset(chosen))

    @property
    def local_directories(self) -> tuple[Path, ...]:
        """Those of ``dir`` that are paths."""
        return tuple(each for each in self.dir if isinstance(each, Path))

    @property
    def remote_directories(self) -> tuple[RemoteUrl, ...]:
        """Those of ``dir`` that are URLs, each once."""
        return tuple(dict.fromkeys(each for each in self.dir if not isinstance(each, Path)))

    def __setattr__(self, name: str, value: object) -> None:
        """Settings never change.

        Raises:
            AttributeError: always.
        """
        raise AttributeError(f"{name} cannot be set: settings do not change")

    @classmethod
    def load(cls, config: pytest.Config) -> Settings:
        """Read every setting from the command line, else the ini file, else its default.

        Raises:
            pytest.UsageError: a value is malformed or out of range.
        """
        written = {name: setting_in_force(config, name, option) for name, option in options()}
        read = {name: written[name].read(option) for name, option in options()}
        texts = {
            name: list(written[name].texts or ()) if option.repeatable else (written[name].texts or ("",))[0]
            for name, option in options()
            if written[name].texts is not None
        }
        texts["db"] = [each.shown for each in read["db"]]
        texts["dir"] = [
            option_types.without_password(each) if isinstance(each, str) else each.shown
            for each in map(option_types.directory, texts["dir"])
        ]
        if isinstance(query := texts.get("db_query"), str):
            texts["db_query"] = option_types.without_password(query)
        read["alias"] = _fold(read["alias"], written["alias"].label)
        if read["require_categories"] != (option_types.ANY,):
            read["require_categories"] = tuple(
                dict.fromkeys(read["alias"].get(name, name) for name in read["require_categories"])
            )
        return cls(texts=texts, chosen=(name for name, each in written.items() if each.is_chosen), **read)


def options() -> Iterator[tuple[str, Option]]:
    """Every setting's name and `Option`, in the order of the documentation."""
    for name, value in vars(Settings).items():
        if isinstance(value, Option):
            yield name, value


def grouped() -> Mapping[str, Mapping[str, Option]]:
    """The settings of each group, by its title."""
    found: dict[str, dict[str, Option]] = {}
    for name, option in options():
        if name in GROUPS:
            members = found[GROUPS[name]] = {}
        members[name] = option
    return found


def add_to(parser: pytest.Parser) -> None:
    """Offer every setting on the command line and in ini files."""
    for title, members in grouped().items():
        group = parser.getgroup(f"token telemetry: {title}")
        for name, option in members.items():
            help = option.help.replace("%", "%%")
            if option.is_switch:
                group.addoption(flag(name), action="store_const", const="true", default=None, help=help)
            else:
                action = "append" if option.repeatable else "store"
                group.addoption(flag(name), action=action, default=None, metavar=option.metavar, help=help)
            kind: Literal["linelist", "bool", "string"] = (
                "linelist" if option.repeatable else "bool" if option.is_switch else "string"
            )
            parser.addini(ini_key(name), option.help, type=kind, default=None)
    first = parser.getgroup(f"token telemetry: {GROUPS[GATE]}")
    first.addoption(
        OFF, action="store_true", dest=ini_key("off"), help="Judge and record nothing, whatever the settings say."
    )


def is_off(config: pytest.Config) -> bool:
    """True if the command line turns everything off."""
    return bool(config.getoption(ini_key("off"), default=False))


def is_on(config: pytest.Config, name: str) -> bool:
    """True if the command line or the ini file sets a path, or turns a switch on, and not everything is off."""
    return not is_off(config) and bool(
        config.getoption(ini_key(name), None) or kept_in_ini(config, name, getattr(Settings, name))
    )


def is_wanted(config: pytest.Config) -> bool:
    """True if there is something to judge."""
    return any(is_on(config, name) for name in ("dir", "db", GATE))


def is_recording(config: pytest.Config) -> bool:
    """True if what tests record was asked for, whether or not a test uses the fixture."""
    return any(is_on(config, name) for name in (GATE, "record", "capture_logs")) or (
        is_on(config, "spans") and read_one(config, "spans") == "on"
    )


def refuse_malformed_recording(config: pytest.Config) -> None:
    """Read the settings of recordings that are set: a test may begin one later, where nothing can be refused.

    Raises:
        pytest.UsageError: one is malformed, or asks for spans where no SDK can make one.
    """
    for name in RECORDING:
        value = read_one(config, name) if is_on(config, name) else None
        if name == "spans" and value == "on" and not _has_sdk():
            raise pytest.UsageError(
                f"{label_of(config, name)}: OpenTelemetry's SDK is not installed, so there are no spans"
                ' (run pip install "pytest-token-telemetry[spans]")'
            )


def _has_sdk() -> bool:
    try:
        return find_spec("opentelemetry.sdk") is not None
    except ModuleNotFoundError:  # there is no opentelemetry at all
        return False


def label_of(config: pytest.Config, name: str) -> str:
    """Where the setting in force was written, as sentences about it begin."""
    return setting_in_force(config, name, dict(options())[name]).label


def read_one(config: pytest.Config, name: str) -> Any:  # noqa: ANN401 - each option has a type of its own
    """One setting alone; its default where everything is off.

    Raises:
        pytest.UsageError: its value is malformed or out of range.
    """
    option = dict(options())[name]
    written = default_of(name, option) if is_off(config) else setting_in_force(config, name, option)
    return written.read(option)


def _fold(aliases: tuple[tuple[str, str], ...], label: str) -> Mapping[str, str]:
    """The built-in aliases and the user's in one table that needs one look-up.

    Raises:
        pytest.UsageError: a spelling has two meanings, or is folded into one that is folded itself.
    """
    own: dict[str, str] = {}
    for spelling, category in aliases:
        if own.setdefault(spelling, category) != category:
            raise pytest.UsageError(f"{label}: {spelling!r} is given two meanings")
    table = {**dict(DEFAULT_ALIASES), **own}
    table = {spelling: category for spelling, category in table.items() if spelling != category}
    for spelling, category in own.items():
        if spelling != category and category in table:
            raise pytest.UsageError(
                f"{label}: '{spelling}={category}' ends in {category!r}, which is itself folded into"
                f" {table[category]!r} (to keep {category!r}, add '{category}={category}')"
            )
    return table
