"""What the runner of a GitHub Actions job makes of what is printed.

Written after the runner's own rules: a command is a line that begins with ``::``, blanks aside; its properties end at
the next ``::``; ``%0D``, ``%0A`` and ``%25`` stand for characters in both, ``%3A`` and ``%2C`` in properties only.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    name: str
    properties: dict[str, str]
    data: str


def commands(printed: str) -> list[Command]:
    """The commands in what was printed. The runner ends a line at either kind of line break."""
    found = []
    stop = None
    for line in printed.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        text = line.lstrip()
        if stop is not None:
            if text == f"::{stop}::":
                stop = None
            continue
        if not text.startswith("::"):
            continue
        head, separator, data = text[2:].partition("::")
        if not separator:
            continue
        name, _, rest = head.partition(" ")
        pairs = (pair.partition("=") for pair in rest.split(",") if "=" in pair)
        properties = {key.strip(): _unescaped(value, ":", ",") for key, _, value in pairs}
        if name == "stop-commands":
            stop = data
        found.append(Command(name, properties, _unescaped(data)))
    return found


def _unescaped(text: str, *more: str) -> str:
    for char in ("\r", "\n", *more, "%"):
        text = text.replace(f"%{ord(char):02X}", char)
    return text
