"""Ask git which commits two checkouts are of."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = r"[0-9a-f]{40}|[0-9a-f]{64}"
"""The whole hash of a commit in git."""


def commits(base: Path, head: Path) -> tuple[str, str] | None:
    """The commits of ``base`` and ``head``; ``None`` where git knows none, or one checkout has both."""
    of_base, of_head = _checkout(base), _checkout(head)
    if of_base is None or of_head is None or of_base[0] == of_head[0]:
        return None
    return of_base[1], of_head[1]


def _checkout(directory: Path) -> tuple[str, str] | None:
    """The root of the checkout around ``directory``, and its commit; ``None`` if git knows neither."""
    said = (ask_git(directory, "rev-parse", "--show-toplevel", "HEAD") or "").splitlines()
    return (said[0], said[1]) if len(said) == 2 and re.fullmatch(COMMIT, said[1]) else None


def ask_git(directory: Path, *arguments: str) -> str | None:
    """What git says in ``directory``; ``None`` if it cannot."""
    # A hook of git sets variables that name another repository than the directory's.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        return subprocess.run(  # noqa: S603 - no shell
            ["git", *arguments],  # noqa: S607 - the user's git
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
