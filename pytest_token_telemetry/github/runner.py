"""How to speak to the runner of a GitHub Actions job: commands in what is printed, and files that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pytest_token_telemetry.wording import inert

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import TextIO

TITLE = "token-telemetry"

LONGEST = 1000
"""Characters of a sentence."""

Level = Literal["error", "warning"]


def annotation(level: Level, sentence: str, *, title: str = TITLE, file: str | None = None, line: int = 1) -> str:
    """The command that shows ``sentence`` with the run, and beside the line of a file of the repository.

    Nothing in ``sentence`` or ``file`` ends the command or begins another, whoever wrote it.
    """
    places = {} if file is None else {"file": file, "line": str(line)}
    properties = ",".join(f"{name}={_property(value)}" for name, value in {**places, "title": title}.items())
    return f"::{level} {properties}::{_data(sentence)}"


def write_line(out: TextIO, text: str) -> None:
    """Write ``text`` to ``out``, whatever its encoding, and have it read at once."""
    encoding = getattr(out, "encoding", None) or "utf-8"
    out.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    out.flush()


def write_outputs(path: Path, outputs: Mapping[str, str]) -> None:
    """Add to the step's outputs, each on one line.

    Raises:
        OSError: ``path`` cannot be written.
    """
    with path.open("ab") as file:
        lines = (f"{name}={inert(value, LONGEST)}\n" for name, value in outputs.items())
        file.write("".join(lines).encode("utf-8", "backslashreplace"))


def _data(text: str) -> str:
    return inert(text, LONGEST).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
