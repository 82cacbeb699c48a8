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
                loaded = {hook: said == "loaded" for hook, said in self._first_calls()}
                deeds = (*hostile.DEEDS, *hostile.ANSWERS, *hostile.WRAPPERS)
                chosen = _CHANGE_NO_CALL if scenario == Scenario("tune") else deeds
                for hook, deed in product(sorted(loaded), chosen):
                    if _is_out_of_reach(place, hook, deed, loaded=loaded[hook]) or _loses_calls(scenario, hook, deed):
                        continue
                    for order in hostile.ORDERS[: 1 if deed in hostile.WRAPPERS else None]:
                        yield Plugin(scenario, place, hook, order, deed)

    def play(self, plugin: Plugin) -> tuple[Aftermath, Judgement]:
        """Run the session with ``plugin``, and judge what it leaves."""
        found = self._run(plugin.scenario, plugin.place, f"{plugin.hook}:{plugin.order}:{plugin.deed}")
        before = any(line.endswith("not loaded") for line in self._noted())
        excuse = Excuse(foreign=True, deselected=plugin.deed == "deselect", stuck=lambda _: before)
        return found, self._stage.judge(found, plugin.scenario, excuse)

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

    def _first_calls(self) -> Iterator[tuple[str, str]]:
        """Each hook that was called, and whether the gate's plugin was ``loaded`` when it was first."""
        seen: set[str] = set()
        for line in self._noted():
            hook, _, said = line.partition(" ")
            if hook not in seen:
                seen.add(hook)
                yield hook, said

    def _noted(self) -> list[str]:
        return self._notes.read_text(encoding="utf-8").splitlines() if self._notes.exists() else []


def _is_out_of_reach(place: str, hook: str, deed: str, *, loaded: bool) -> bool:
    """True if nothing that the gate's plugin does can help against it, or pytest itself refuses it."""
    if deed in hostile.WRAPPERS:
        is_historic = getattr(hostile.HOOKS[hook], "pytest_spec", {}).get("historic", False)
        has_last_word = place == "conftest" and hook == "pytest_cmdline_main"  # it wraps all wrappers before it
        return is_historic or has_last_word
    return deed == "system-exit-0" and not loaded


def _loses_calls(scenario: Scenario, hook: str, deed: str) -> bool:
    """True if one of the deeds that should change no call does: a list reversed while it is run leaves out tests."""
    return scenario.truth == "tune" and deed == "reverse" and not hook.startswith("pytest_collect")
