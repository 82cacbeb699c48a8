"""What the tests of one process record, from one report to the next."""

from __future__ import annotations

import os
from collections import Counter
from time import time
from typing import TYPE_CHECKING

from pytest_token_telemetry.recording.cuts import Cut

if TYPE_CHECKING:
    import pytest

    from pytest_token_telemetry.recording.writer import TokenTelemetryWriter


class Tape:
    """Takes lines in, and is cut at the end of each phase of a test, so that a report can carry the piece away."""

    def __init__(self, writer: TokenTelemetryWriter | None) -> None:
        """A tape whose lines are also appended to the file of ``writer``, each as it comes."""
        self._writer = writer
        self._cut = _nothing(time())
        self._attached: list[tuple[str, Cut]] = []
        self._numbers = 0
        self._process = os.getpid()
        self.test: list[str] = []
        """The lines of the test that is running."""

    def begin_test(self) -> None:
        """Begin with a test, or with another attempt at it.

        A piece whose report was made but never told (some plugins that run tests again do that) is taken back.
        """
        self.test = []
        self._process = os.getpid()
        self._cut["began"] = time()
        for _, cut in reversed(self._attached):
            self._take_back(cut)
        self._attached = []

    def add(self, line: str) -> int:
        """Take in a line of `pytest_token_telemetry.recording.record.line`, and return its number.

        Raises:
            RuntimeError: this is another process than the one that runs the test, and nobody would see the line.
        """
        if os.getpid() != self._process:
            raise RuntimeError(
                "token_telemetry: record in the process that runs the test (in others, use TokenTelemetryWriter)"
            )
        self.test.append(line)
        self._cut["lines"].append(line)
        if self._writer is not None:
            self._writer.append(line)
        self._numbers += 1
        return self._numbers - 1

    def replace(self, number: int, line: str) -> bool:
        """Put ``line`` in the place of the one with ``number``, if it is still on the tape."""
        at = number - self._numbers  # from the end
        if -at > len(self._cut["lines"]) or -at > len(self.test):
            return False
        self._cut["lines"][at] = self.test[at] = line
        return True

    def add_unusable(self, reason: str) -> None:
        """Count a record of a call that cannot be used."""
        self._cut["unusable"][reason] = self._cut["unusable"].get(reason, 0) + 1

    def add_repeated(self) -> None:
        """Count a record of a call that was recorded already."""
        self._cut["repeated"] += 1

    def attach(self, report: pytest.TestReport, attribute: str) -> None:
        """Cut the tape, and let ``report`` carry the piece, if there is anything on it."""
        cut = self.cut()
        if cut is not None:
            setattr(report, attribute, cut)
            self._attached.append((attribute, cut))

    def told(self, report: pytest.TestReport) -> None:
        """The ``report``, or a copy of it as pytest makes for a subtest, is on its way."""
        self._attached = [(name, cut) for name, cut in self._attached if getattr(report, name, None) is not cut]

    def cut(self) -> Cut | None:
        """All since the last cut; ``None`` if there is nothing."""
        cut, self._cut = self._cut, _nothing(self._cut["began"])
        return cut if cut["lines"] or cut["unusable"] or cut["repeated"] else None

    def rest(self) -> Cut | None:
        """All that no report has carried away."""
        self.begin_test()
        return self.cut()

    def _take_back(self, cut: Cut) -> None:
        self._cut["lines"][:0] = cut["lines"]
        self._cut["unusable"] = dict(Counter(self._cut["unusable"]) + Counter(cut["unusable"]))
        self._cut["repeated"] += cut["repeated"]
        self._cut["began"] = min(self._cut["began"], cut["began"])


def _nothing(began: float) -> Cut:
    return Cut(lines=[], unusable={}, repeated=0, began=began)
