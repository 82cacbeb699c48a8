"""Which commit, run and attempt a report is made for, by what the CI server says in the environment."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_token_telemetry.gate.replay_report import COMMIT
from pytest_token_telemetry.past.history import commit_under_test
from pytest_token_telemetry.report.model import MadeFor

if TYPE_CHECKING:
    from collections.abc import Mapping

_OF_PULL_REQUESTS = ("pull_request", "pull_request_target")
"""Events in which the runner's own commit is not that of the pull request, but a merge or the target branch."""

_RUN = re.compile(r"\d{1,18}", re.ASCII)


def made_for(variables: Mapping[str, str]) -> MadeFor | None:
    """What a report of this process is made for; ``None`` if no server says anything."""
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
    """That of the pull request of the event at this path, as the poster knows it; ``None`` if it does not say."""
    try:
        commit = json.loads(Path(event).read_text(encoding="utf-8"))["pull_request"]["head"]["sha"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, IndexError):
        return None
    return commit if isinstance(commit, str) else None


def _number(text: str | None) -> int:
    return int(text) if text and _RUN.fullmatch(text) else 0
