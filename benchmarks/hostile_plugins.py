"""Hostile plugins at each hook: what a session says that must not pass, when a plugin does not want to hear it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import hostile
from scenarios import Scenario
from untruths import Excuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attacked import Stage
    from untruths import Aftermath, Judgement

Place = Literal["-p", "conftest"]

SCENARIOS = (Scenario("worse"), Scenario("tune"), Scenario("tune", logs="missing"), Scenario("tune", logs="empty"))

_CHANGE_NO_CALL = ("passed", "delete", "good-status", "reverse", "stand-ins", "embellish", "exit-0")
"""The deeds that leave the tests to run as they are, so that no call may be lost."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One hostile plugin, and what it does in which session."""

    scenario: Scenario
    place: str
    hook: str
    order: str
    deed: str

    def __str__(self) -> str:
        return f"{self.scenario}:{self.place}:{self.hook}:{self.order}:{self.deed}"

    @classmethod
    def of(cls, name: str) -> Plugin:
        """The plugin of that name."""
        scenario, *rest = name.split(":")
        return cls(Scenario.of(scenario), *rest)

    @property
    def kind(self) -> str:
        """Under which name it is counted."""
        return self.deed


class Hostility:
    """Runs sessions on a ``stage`` with hostile plugins."""

    def __init__(self, stage: Stage) -> None:
        """What the plugin does is noted in a file beside the stage."""
        self._stage = stage
        self._notes = stage.work / "notes"

    def plugins(self) -> Iterator[Plugin]:
        """Each deed at each hook that is called at all."""
        for scenario in SCENARIOS:
            for place in ("-p", "conftest"):
                yield Plugin(scenario, place, "none", "first", "nothing")
                self._run(scenario, place, "*")
                reached = {line.split()[0] for line in self._noted()}
                deeds = (*hostile.DEEDS, *hostile.ANSWERS, *hostile.WRAPPERS)
                chosen = _CHANGE_NO_CALL if scenario == Scenario("tune") else deeds
                for hook, deed in product(sorted(reached), chosen):
                    for order in hostile.ORDERS[: 1 if deed in hostile.WRAPPERS else None]:
                        yield Plugin(scenario, place, hook, order, deed)

    def play(self, plugin: Plugin) -> tuple[Aftermath, Judgement]:
        """Run the session with ``plugin``, and judge what it leaves."""
        found = self._run(plugin.scenario, plugin.place, f"{plugin.hook}:{plugin.order}:{plugin.deed}")
        before = any(line.endswith("not loaded") for line in self._noted())
        return found, self._stage.judge(found, plugin.scenario, Excuse(foreign=True, stuck=lambda _: before))

    def _run(self, scenario: Scenario, place: str, told: str) -> Aftermath:
        self._stage.learn(scenario)
        self._stage.set(scenario)
        self._notes.unlink(missing_ok=True)
        directory = self._stage.directory
        (directory / "hostile.py").write_bytes(Path(hostile.__file__).read_bytes())
        if place == "conftest":
            (directory / "conftest.py").write_text("from hostile import *\n", encoding="utf-8")
        arguments = (*(("-phostile",) if place == "-p" else ()), *scenario.arguments)
        return self._stage.play(arguments, {"HOSTILE": told, "HOSTILE_NOTES": str(self._notes)})

    def _noted(self) -> list[str]:
        return self._notes.read_text(encoding="utf-8").splitlines() if self._notes.exists() else []
