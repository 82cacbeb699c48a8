"""Kills at random moments: a signal to the session, to a process that reads for it, or to a worker of pytest-xdist."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from attacked import members
from faulty_calls import FaultyCalls
from scenarios import Scenario
from untruths import Excuse

if TYPE_CHECKING:
    from attacked import Stage
    from untruths import Aftermath, Judgement

_SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")

_SCENARIOS = {
    "main": (
        Scenario("pass"),
        Scenario("tune"),
        Scenario("pass", 2),
        Scenario("tune", 2),
        Scenario("pass", 1, 2),
        Scenario("tune", 1, 2),
    ),
    "reader": (Scenario("pass", 2), Scenario("tune", 2)),
    "xdist worker": (Scenario("pass", 1, 2), Scenario("tune", 1, 2)),
}
"""By who is killed there."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill. The same seed and number make the same one, but for the moment's place in the session."""

    seed: int
    number: int
    scenario: Scenario
    target: str
    signal: str
    moment: float
    """As a share of the time for which the undisturbed session, or its worker, is there."""

    def __str__(self) -> str:
        return f"{self.seed}:{self.number}"

    @classmethod
    def of(cls, name: str) -> Kill:
        """The kill of that name."""
        seed, number = name.split(":")
        return cls.drawn(int(seed), int(number))

    @classmethod
    def drawn(cls, seed: int, number: int) -> Kill:
        """Kill ``number`` of those that follow from ``seed``."""
        random = Random(f"kill {number} of {seed}")  # noqa: S311
        target = random.choice(("main", "main", "reader", "xdist worker"))
        scenario = random.choice(_SCENARIOS[target])
        return cls(seed, number, scenario, target, random.choice(_SIGNALS), random.uniform(0, 1.05))

    @property
    def kind(self) -> str:
        """Under which name it is counted."""
        return f"{self.signal} to {self.target}"


class Killer:
    """Runs sessions on a ``stage`` and kills."""

    def __init__(self, stage: Stage) -> None:
        """It learns how long sessions take."""
        self._stage = stage
        self._calls = FaultyCalls(stage)
        self._seconds: dict[Scenario, tuple[float, float]] = {}
        """For how long a session is there, and its workers."""

    def play(self, kill: Kill) -> tuple[Aftermath, Judgement]:
        """Run a session, kill what is to be killed, and judge what it leaves."""
        whole, of_workers = self._learn(kill.scenario)

        def shoot(session: int) -> None:
            if kill.target == "main":
                time.sleep(kill.moment * whole)
                victim: int | None = session
            else:
                while not (workers := _workers(session)) and _runs(session):
                    time.sleep(0.005)
                time.sleep(kill.moment * of_workers if workers else 0)
                workers = _workers(session)
                victim = Random(str(kill)).choice(workers) if workers else None  # noqa: S311
            if victim is not None:
                with suppress(ProcessLookupError):
                    os.kill(victim, getattr(signal, kill.signal))

        found = self._calls.run(kill.scenario, shoot)
        is_main = kill.target == "main"
        early = is_main and self._calls.too_early(found)
        excuse = Excuse(torn=True, litter=is_main and kill.signal != "SIGINT", stuck=lambda _: early)
        return found, self._stage.judge(found, kill.scenario, excuse)

    def _learn(self, scenario: Scenario) -> tuple[float, float]:
        if scenario not in self._seconds:

            def watch(session: int) -> None:
                began = time.monotonic()
                seen = [began]
                while _runs(session):
                    if _workers(session):
                        seen.append(time.monotonic())
                    time.sleep(0.005)
                self._seconds[scenario] = time.monotonic() - began, seen[-1] - seen[1 if len(seen) > 1 else 0]

            self._calls.run(scenario, watch)
        return self._seconds[scenario]


def _workers(session: int) -> list[int]:
    return sorted(number for number, _ in members(session) if number != session)


def _runs(session: int) -> bool:
    return any(True for _ in members(session))
