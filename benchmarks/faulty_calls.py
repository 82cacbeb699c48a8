"""Faults at each system call: what a session says when one of them fails, falls short, or is its last.

``faulty_calls.c`` stands between the session and the C library. A session that nothing disturbs tells how many calls of
each kind there are that concern its logs and reports; then each of them goes wrong in each way that it can.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios import RECORD, Scenario
from untruths import Excuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from attacked import Stage
    from untruths import Aftermath, Judgement

CALLS = (
    *("open", "read", "write", "stat", "fstat", "lseek", "rename", "unlink", "fsync"),
    *("mkdir", "opendir", "readdir", "mmap", "close", "truncate", "lock"),
)
"""In the order of `faulty_calls.c`."""

MANNERS = ("once", "from-then-on", "short", "short-then-error", "kill")

ERRORS = {
    "open": ("EIO", "EACCES", "EMFILE", "ENOENT", "EINTR", "ENOSPC"),
    "read": ("EIO", "EINTR"),
    "write": ("EIO", "ENOSPC", "EINTR"),
    "stat": ("EIO", "EACCES", "ENOENT"),
    "fstat": ("EIO",),
    "lseek": ("EIO",),
    "rename": ("EIO", "EACCES", "ENOSPC", "ENOENT"),
    "unlink": ("EIO", "EACCES"),
    "fsync": ("EIO", "ENOSPC"),
    "mkdir": ("EIO", "EACCES", "ENOSPC"),
    "opendir": ("EIO", "EACCES", "EMFILE", "ENOENT"),
    "readdir": ("EIO",),
    "mmap": ("ENOMEM", "EACCES"),
    "close": ("EIO", "ENOSPC", "EINTR"),
    "truncate": ("EIO",),
    "lock": ("ENOLCK", "EINTR"),
}

_LASTING = {"EIO", "EACCES", "EMFILE", "ENOSPC", "ENOENT"}
"""What does not go away by itself."""

SLOW = 150_000
"""Microseconds that the opening of a file takes where several processes read, so that each of them reads some."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One call that goes wrong, in one scenario."""

    scenario: Scenario
    call: str
    manner: str
    error: str
    at: int

    def __str__(self) -> str:
        return f"{self.scenario}:{self.call}:{self.manner}:{self.error}:{self.at}"

    @classmethod
    def of(cls, name: str) -> Fault:
        """The fault of that name."""
        scenario, call, manner, error, at = name.split(":")
        return cls(Scenario.of(scenario), call, manner, error, int(at))

    @property
    def kind(self) -> str:
        """Under which name it is counted."""
        return "killed at a call" if self.manner == "kill" else self.call


class Orders(ctypes.Structure):
    """``struct orders`` of ``faulty_calls.c``."""

    _fields_ = (
        *((name, ctypes.c_long) for name in ("call", "manner", "error", "at", "slow", "hits")),
        ("count", ctypes.c_long * len(CALLS)),
        ("path", ctypes.c_char * 512),
        ("root", ctypes.c_char * 512),
    )


class FaultyCalls:
    """Gives orders to the library that is loaded into the sessions of a ``stage``."""

    def __init__(self, stage: Stage) -> None:
        """The orders stand in a file beside the stage."""
        self._stage = stage
        self._file = stage.work / "orders"
        self._file.write_bytes(bytes(ctypes.sizeof(Orders)))
        with self._file.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)

    def count(self, scenario: Scenario) -> dict[str, int]:
        """How many calls of each kind an undisturbed session makes."""
        self.run(scenario)
        return dict(zip(CALLS, self.orders.count, strict=True))

    @property
    def orders(self) -> Orders:
        """As they stand now, with what has been counted."""
        return Orders.from_buffer_copy(self._memory)

    def play(self, fault: Fault) -> tuple[Aftermath, Judgement]:
        """Run the session in which ``fault`` happens, and judge what it leaves."""
        found = self._play(
            fault.scenario,
            Orders(
                call=CALLS.index(fault.call),
                manner=MANNERS.index(fault.manner),
                error=getattr(errno, fault.error, 0),
                at=fault.at,
            ),
        )
        return found, self._stage.judge(found, fault.scenario, self._excuse(fault, found))

    def run(self, scenario: Scenario, meanwhile: Callable[[int], None] | None = None) -> Aftermath:
        """Run a session in which no call goes wrong, and ``meanwhile`` what is given, with its number."""
        return self._play(scenario, Orders(call=-1), meanwhile)

    def _play(self, scenario: Scenario, orders: Orders, meanwhile: Callable[[int], None] | None = None) -> Aftermath:
        self._stage.learn(scenario)
        self._stage.set(scenario)
        orders.root = str(self._stage.directory / "data").encode()
        orders.slow = SLOW if scenario.jobs > 1 else 0
        self._memory[:] = bytes(orders)
        return self._stage.play(scenario.arguments, {"FAULTY_CALLS": str(self._file)}, meanwhile)

    def where(self) -> str:
        """The file that the fault met, from the stage on."""
        return str(self.orders.path.decode()).removeprefix(f"{self._stage.directory}/")

    def _excuse(self, fault: Fault, found: Aftermath) -> Excuse:
        if fault.manner == "kill":
            early = self.too_early(found)
            return Excuse(torn=True, litter=True, stuck=lambda _: early)
        where = self.where()
        lasts = fault.manner == "from-then-on" and where.startswith("data/out")
        return Excuse(stuck=lambda name: (lasts or where.endswith(name)) and name in found.output)

    def too_early(self, found: Aftermath) -> bool:
        """Whether the session ended before any test ran or any log was looked for."""
        return self.orders.count[CALLS.index("opendir")] == 0 and RECORD in found.old


def faults(scenario: Scenario, counts: dict[str, int]) -> Iterator[Fault]:
    """Each call, with each way in which it can go wrong."""
    for call, count in counts.items():
        for at in range(1, count + 1):
            for error in ERRORS[call]:
                yield Fault(scenario, call, "once", error, at)
                if error in _LASTING:
                    yield Fault(scenario, call, "from-then-on", error, at)
            if call in ("read", "write"):
                yield Fault(scenario, call, "short", "-", at)
            if call == "write":
                yield Fault(scenario, call, "short-then-error", "ENOSPC", at)
            yield Fault(scenario, call, "kill", "-", at)


def library(directory: Path) -> Path:
    """The compiled library.

    Raises:
        FileNotFoundError: there is no C compiler.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise FileNotFoundError("faults.py needs a C compiler, cc")
    made = directory / "faulty_calls.so"
    source = Path(__file__).with_name("faulty_calls.c")
    subprocess.run((compiler, "-shared", "-fPIC", "-O1", "-o", made, source, "-ldl"), check=True)  # noqa: S603
    return made
