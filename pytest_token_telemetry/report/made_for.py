"""Which commit, run and attempt a report is made for: the CI server's variables say so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_token_telemetry.past.history import commit_under_test
from pytest_token_telemetry.replay.commits import COMMIT
from pytest_token_telemetry.report.model import MadeFor

if TYPE_CHECKING:
    from collections.abc import Mapping

_OF_PULL_REQUESTS = ("pull_request", "pull_request_target")
"""Events whose ``GITHUB_SHA`` is not the pull request's commit, but a merge or the target branch."""

_RUN = re.compile(r"\d{1,18}", re.ASCII)


def made_for(variables: Mapping[str, str]) -> MadeFor | None:
    """The commit and run that ``variables`` name; ``None`` if they name neither."""
    if variables.get("GITHUB_EVENT_NAME") in _OF_PULL_REQUESTS:
        commit = _newest_commit(variables.get("GITHUB_EVENT_PATH", ""))
    else:
        commit = commit_under_test(variables)
    found = MadeFor(
        commit=commit if commit and re.fullmatch(COMMIT, commit) else None,
        run=_number(variables.get("GITHUB_RUN_ID")),
        attempt=_number(variables.get("GITHUB_RUN_ATTEMPT")),
    )
    return None if found == MadeFor() else found


def _newest_commit(event: str) -> str | None:
    """The pull request's newest commit, as the ``event`` file has it for the poster too; ``None`` if it has none."""
    try:
        commit = json.loads(Path(event).read_text(encoding="utf-8"))["pull_request"]["head"]["sha"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, IndexError):
        return None
    return commit if isinstance(commit, str) else None


def _number(text: str | None) -> int:
    return int(text) if text and _RUN.fullmatch(text) else 0
