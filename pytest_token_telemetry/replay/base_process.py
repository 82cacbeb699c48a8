"""The process of the base estimator: requests come in as lines of JSON, answers go out as such.

It looks for no module in the head's checkout, and checks afterwards what it has imported.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pytest_token_telemetry.importing import location, plain_function
from pytest_token_telemetry.replay.estimator import Request, ask
from pytest_token_telemetry.replay.trees import Trees, paths_of
from pytest_token_telemetry.text import inert

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.machinery import ModuleSpec
    from typing import Any

_WAY_OUT = "(name the directory that holds the base's own, or add it to pythonpath in the base's pytest settings)"

_PYTHONS_OWN = (BuiltinImporter, FrozenImporter, PathFinder)


def main() -> int:
    """Answer the requests on standard input until it ends. The first line says which estimator, and where it is.

    What the estimator prints goes to standard error.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(answer: dict[str, object]) -> None:
        answers.write(json.dumps(answer) + "\n")

    setup = json.loads(sys.stdin.readline())
    imported = None if setup["trees"] is None else Imported(Trees(*map(tuple, setup["trees"])))
    if imported is not None:
        imported.leave_out_head()
    sys.path[:0] = setup["search"]
    try:
        estimator = location(setup["estimator"]).below(Path(setup["home"])).load()
        if imported is not None:
            imported.refuse_heads()
    except LookupError as error:
        is_lost = imported is not None and isinstance(error.__cause__, ModuleNotFoundError)
        is_named = " (write " in str(error)  # the directory that holds it
        say({"refused": f"{error} {_WAY_OUT}" if is_lost and not is_named else str(error)})
        return 1
    say({"refused": None, "begins": plain_function(estimator)})
    for line in sys.stdin:
        say(ask(estimator, Request(**json.loads(line)))._asdict())
    try:
        if imported is not None:
            imported.refuse_heads()  # it may have imported more by now
        say({"refused": None})
    except LookupError as error:
        say({"refused": str(error)})
    return 0


class Imported:
    """Keeps this process from importing the head's modules, and finds those that it has imported all the same."""

    def __init__(self, trees: Trees) -> None:
        self._trees = trees
        self._opened: dict[str, None] = {}
        sys.addaudithook(self._note)

    def leave_out_head(self) -> None:
        """Look for no module in the head's checkout: not by its path, nor by the finder of an editable install."""
        sys.path[:] = [each for each in sys.path if os.path.exists(each) and not self._trees.is_heads(each)]  # noqa: PTH110
        sys.meta_path[:] = [each if each in _PYTHONS_OWN else _WithoutHead(each, self._trees) for each in sys.meta_path]

    def refuse_heads(self) -> None:
        """Look at all that was imported.

        Raises:
            LookupError: with one sentence, if a module is the head's.
        """
        found = next(self._of_head(), None)
        if found is not None:
            name, path = found
            raise LookupError(f"it imports the head's {inert(name, 100)}, {inert(path, 300)} {_WAY_OUT}")

    def _of_head(self) -> Iterator[tuple[str, str]]:
        copies: set[str] | None = None
        others = {
            name: each for name, each in sys.modules.items() if name.partition(".")[0] != __name__.partition(".")[0]
        }
        for name, module in others.items():
            for path in paths_of(module):
                if self._trees.is_heads(path):
                    yield name, path
                elif "-packages" in path:
                    copies = self._copies() if copies is None else copies
                    if os.path.realpath(path) in copies:
                        yield name, path
        yield from ((Path(path).name, path) for path in list(self._opened) if self._trees.is_heads(path))

    def _copies(self) -> set[str]:
        """The files of packages that were installed from the head's checkout, as real paths."""
        found: set[str] = set()
        for package in distributions():
            try:
                origin: dict[str, Any] = json.loads(package.read_text("direct_url.json") or "{}")
                address = urlsplit(origin.get("url", ""))
                is_editable = origin.get("dir_info", {}).get("editable", False)
            except (ValueError, AttributeError, OSError):
                continue
            if address.scheme == "file" and not is_editable and self._trees.is_heads(url2pathname(address.path)):
                found |= {os.path.realpath(str(package.locate_file(file))) for file in package.files or ()}
        return found

    def _note(self, event: str, arguments: tuple[object, ...]) -> None:
        """Remember the sources that are opened: code can be run without being a module."""
        if event == "open" and isinstance(arguments[0], str) and arguments[0].endswith(".py"):
            self._opened[os.path.abspath(arguments[0])] = None  # noqa: PTH100 - as it is written


class _WithoutHead:
    """A finder, kept from finding what is the head's."""

    def __init__(self, finder: object, trees: Trees) -> None:
        self._finder = finder
        self._trees = trees

    def __getattr__(self, name: str) -> object:
        return getattr(self._finder, name)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """What the finder finds, unless it is the head's."""
        find = getattr(self._finder, "find_spec", None)
        spec: ModuleSpec | None = None if find is None else find(name, path, target)
        if spec is None:
            return None
        places = [spec.origin, *(spec.submodule_search_locations or ())]
        return None if any(self._trees.is_heads(place) for place in places if place) else spec
