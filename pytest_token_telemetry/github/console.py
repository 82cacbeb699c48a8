"""What the command says, and where; the token is in none of it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from pytest_token_telemetry.github.runner import LONGEST, TITLE, annotation, write_line
from pytest_token_telemetry.wording import inert

if TYPE_CHECKING:
    from typing import TextIO

    from pytest_token_telemetry.github.environment import Token
    from pytest_token_telemetry.github.runner import Level


class Console:
    """Standard output, where GitHub Actions reads commands."""

    def __init__(self, out: TextIO, *, actions: bool = False, token: Token | None = None) -> None:
        self._out = out
        self._actions = actions
        self._secret = token.reveal() if token is not None else None

    def say(self, sentence: str) -> None:
        """One line."""
        self._write(f"{TITLE}: {inert(self._clean(sentence), LONGEST)}")

    def warn(self, sentence: str) -> None:
        """One line that GitHub shows with the run."""
        self._annotate("warning", sentence)

    def fail(self, sentence: str) -> None:
        """The last line of a wrong call."""
        self._annotate("error", sentence)

    def show(self, body: str) -> None:
        """A document, in which GitHub Actions reads no commands."""
        shown = self._clean(body)
        if self._actions:
            word = secrets.token_hex(16)
            shown = f"::stop-commands::{word}\n{shown}\n::{word}::"
        self._write(shown)

    def _annotate(self, level: Level, sentence: str) -> None:
        clean = self._clean(sentence)
        self._write(annotation(level, clean) if self._actions else f"{TITLE}: {level}: {inert(clean, LONGEST)}")

    def _clean(self, text: str) -> str:
        return text.replace(self._secret, "***") if self._secret else text

    def _write(self, text: str) -> None:
        write_line(self._out, text)
