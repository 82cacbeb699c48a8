"""Links from the calls that a comment names to their lines in the repository."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from pytest_token_telemetry.report.locations import place
from pytest_token_telemetry.report.markdown_flavours import Flavour

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_PATH = 300
"""Characters of a path that is linked to."""


class Linking(Flavour):
    """As for GitHub, with a link on each call whose file is in git.

    Which file that is comes from the report, which anybody may have written: it stays below the one commit of the one
    repository, and every character in it that is more than a letter or a digit is encoded.
    """

    def __init__(self, tracked: Mapping[str, str], commit_url: str) -> None:
        """Link to the ``tracked`` files below ``commit_url``; an empty one links to none."""
        self._tracked = tracked
        self._commit_url = commit_url

    def located(self, source: str | None) -> str:
        """The place, and a link on it if it can be one."""
        code = self.code(source)
        found = place(source)
        path = None if found is None else self._tracked.get(found.file)
        if not self._commit_url or found is None or path is None or not _is_safe(path):
            return code
        return f'<a href="{self._commit_url}/{quote(path)}#L{found.line}">{code}</a>'


def _is_safe(path: str) -> bool:
    """True for a path that leads down from the root of the repository, and to no other page."""
    if len(path) > LONGEST_PATH or not path.isprintable() or "\\" in path:
        return False
    return not {"", ".", ".."} & set(path.split("/"))
