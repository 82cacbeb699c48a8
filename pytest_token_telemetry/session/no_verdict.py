"""Where a session ends without a verdict, the report file and the GitHub job say why.

Most of these sessions end before there is a gate: a value is refused, a directory is missing, an estimator cannot be
imported, a ``conftest.py`` crashes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_token_telemetry import settings
from pytest_token_telemetry.session.refusals import REFUSED, would_be_read
from pytest_token_telemetry.text import raised

if TYPE_CHECKING:
    from pytest_token_telemetry.report.model import Report


def explained(error: BaseException) -> str:
    """What ``error`` says: the sentences of a wrong call, else its kind too."""
    if isinstance(error, pytest.UsageError):
        return "; ".join(map(str, error.args))
    return raised(error)


def tell_no_verdict(config: pytest.Config, why: str) -> None:
    """Say ``why`` there is no verdict, in the places that the settings name and that can be written."""
    from pytest_token_telemetry.report.files import remove_report, reports_of, write_no_verdict

    files = dict(reports_of(config))
    if "json" in files:
        remove_report("json", files["json"])
    # What is there still was named by mistake.
    if "json" in files and not files["json"].exists() and not _is_refused(config, files["json"]):
        write_no_verdict(files["json"], why)
    if settings.is_on(config, "github"):
        for error in tell_github(config, why, files.get("json"), files.get("markdown_append")):
            sys.stderr.write(f"ERROR: {error}\n")


def _is_refused(config: pytest.Config, path: Path) -> bool:
    """True if a report at ``path`` would be read as a log, also where the session ended before it was refused."""
    if "json" in config.stash.get(REFUSED, ()):
        return True
    try:
        directories, patterns = (settings.read_one(config, name) for name in ("dir", "pattern"))
    except pytest.UsageError:  # that is why there is no verdict; where logs are is not known
        return False
    local = [each for each in directories or () if isinstance(each, Path)]
    return would_be_read("json", path, local, patterns or ())


def tell_github(config: pytest.Config, report: Report | str, file: Path | None, appended: Path | None) -> list[str]:
    """Tell the GitHub Actions job of this session, if it is part of one; return what could not be told."""
    from pytest_token_telemetry.report.github_job import job_of, tell

    job = job_of(os.environ)
    if job is None:
        return []
    return tell(report, job, sys.stderr, (config.invocation_params.dir, config.rootpath), file, appended)
