"""Write the generated parts of the documentation: ``python scripts/docs.py``, with ``--check`` to see if they are true.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end of NAME -->``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_token_telemetry.settings import Option, flag, ini_key, options

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent

PAGES = ("README.md", "docs/getting-started.md", "docs/options.md", "docs/tuning.md")

_PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` only say which are out of date: 1 if any is."""
    stale = []
    for name in PAGES:
        path = ROOT / name
        page = path.read_text(encoding="utf-8")
        fresh = generated(page)
        if fresh != page:
            stale.append(name)
            if "--check" not in arguments:
                path.write_text(fresh, encoding="utf-8")
    if stale and "--check" in arguments:
        sys.stderr.write(f"out of date: {', '.join(stale)} (run python scripts/docs.py)\n")
        return 1
    return 0


def generated(page: str) -> str:
    """``page`` with its generated parts made anew."""

    def part(match: re.Match[str]) -> str:
        begin, name, end = match.groups()
        return f"{begin}{_PARTS[name]()}\n{end}"

    return _PART.sub(part, page)


def option_table() -> str:
    """Every setting, as a markdown table."""
    lines = ["| option | ini key | default | meaning |", "|:--|:--|:--|:--|"]
    for name, option in options():
        cells = (
            f"`{flag(name)}`" if option.is_switch else f"`{flag(name)}={option.metavar}`",
            f"`{ini_key(name)}`",
            _default(option),
            option.help,
        )
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)


def _default(option: Option) -> str:
    default = option.default
    written = default if isinstance(default, str) else ", ".join(default or ())
    return f"`{written}`" if written else "none"


def example(name: str) -> str:
    """What the gate says of the example tree ``name``."""
    command = f"python -m pytest token-telemetry --token-telemetry-dir=examples/{name}"
    return _console(command, _section(command))


def tuning_example() -> str:
    """The tuning advice on the example that is not ready."""
    command = "python -m pytest token-telemetry -v --token-telemetry-dir=examples/not-ready"
    with tempfile.TemporaryDirectory() as directory:
        lines = _section(f"{command} --token-telemetry-tuning={directory}/tuning.json")
    begin = next(i for i, line in enumerate(lines) if line.startswith("judged trunc."))
    end = next(i for i, line in enumerate(lines) if line.endswith("  file"))
    return _console(f"{command} --token-telemetry-tuning=tuning.json", ["...", *lines[begin : end - 1], "..."])


def _console(command: str, lines: list[str]) -> str:
    return "\n".join(("```console", f"$ {command}", *lines, "```"))


def _section(command: str) -> list[str]:
    """What the gate says in a real run of ``command``, at 80 columns."""
    quiet = ["-p", "no:randomly", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [sys.executable, *command.split()[1:], *quiet],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80", "PYTEST_ADDOPTS": "", "PY_COLORS": "0"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    lines = run.stdout.splitlines()
    begin = next(i for i, line in enumerate(lines) if " token telemetry =" in line)
    end = next(i for i in range(begin + 1, len(lines)) if lines[i].startswith("==="))
    return lines[begin:end]


_PARTS: dict[str, Callable[[], str]] = {
    "options": option_table,
    "passes": partial(example, "passes"),
    "not-ready": partial(example, "not-ready"),
    "tuning": tuning_example,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
