"""Which files of a report's calls git tracks, so that a comment can link to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_token_telemetry.replay.commits import ask_git
from pytest_token_telemetry.report.locations import place

if TYPE_CHECKING:
    from collections.abc import Iterable


def tracked_files(sources: Iterable[str], directory: Path) -> dict[str, str]:
    """The files that ``sources`` name and that git tracks, as shown, each with its path in the repository.

    Args:
        sources: places as a report shows them, below ``directory`` if they are relative.
        directory: where the session was called.
    """
    shown = dict.fromkeys(found.file for source in sources if (found := place(source)) is not None)
    said = ask_git(directory, "rev-parse", "--show-toplevel") if shown else None
    if not said:
        return {}
    root = Path(said.rstrip("\n"))
    paths: dict[str, str] = {}
    for each in shown:
        try:
            paths[each] = (directory / each).resolve().relative_to(root.resolve()).as_posix()
        except (OSError, ValueError):  # outside, or no path at all
            continue
    known = set((ask_git(root, "--literal-pathspecs", "ls-files", "-z", "--", *paths.values()) or "").split("\0"))
    return {each: path for each, path in paths.items() if path in known}
