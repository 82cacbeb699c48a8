"""Read JSON that anybody may have written: every value has its type and its range, or the document is refused.

Messages name the place of a value and never show it. Keys that nobody asks for are ignored.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_COUNT = 2**63
DEEPEST = 20
_LONGEST_NUMBER = 400
"""Characters: the smallest float, written out, has some 330."""

Word = TypeVar("Word", bound=str)
Value = TypeVar("Value")


class RefusedError(Exception):
    """Why a report is not used: one clause in our own words that shows nothing of the report."""


def parse(content: bytes) -> Fields:
    """The JSON object that ``content`` is, in UTF-8, without duplicate keys and not nested too deep."""
    try:
        document = json.loads(
            content.decode("utf-8"),
            parse_int=_number(int),
            parse_float=_number(float),
            parse_constant=_refuse_constant,
            object_pairs_hook=_without_duplicates,
        )
    except UnicodeDecodeError:
        raise RefusedError("it is not UTF-8") from None
    except RecursionError:
        raise RefusedError(f"it is nested deeper than {DEEPEST}") from None
    except ValueError:
        raise RefusedError("it is not JSON") from None
    _check_depth(document)
    return Fields(document, "the report")


def _number(read: Callable[[str], Value]) -> Callable[[str], Value]:
    def reader(text: str) -> Value:
        if len(text) > _LONGEST_NUMBER:
            raise RefusedError("it has a number of too many digits")
        return read(text)

    return reader


def _refuse_constant(_: str) -> NoReturn:
    raise RefusedError("it has a number that JSON does not know")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RefusedError("it has a key twice")  # and two readers might not mean the same one
    return found


def _check_depth(document: object) -> None:
    level: list[object] = [document]
    for _ in range(DEEPEST):
        below = [each for each in level if isinstance(each, dict | list)]
        level = [child for each in below for child in (each.values() if isinstance(each, dict) else each)]
        if not level:
            return
    raise RefusedError(f"it is nested deeper than {DEEPEST}")


class Fields:
    """A JSON object, and where it stands in the document."""

    def __init__(self, value: object, place: str) -> None:
        if not isinstance(value, dict):
            raise RefusedError(f"{place} is not an object")
        self._values = value
        self._place = place

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def is_null(self, key: str) -> bool:
        """True if the key is missing too."""
        return self._values.get(key) is None

    def holds(self, key: str, kind: type) -> bool:
        """True if the value is of this kind."""
        return isinstance(self._values.get(key), kind)

    def refuse(self, key: str, why: str) -> NoReturn:
        """Refuse the document for the value of ``key``, which ``why`` says, as in ``is not a text``."""
        raise RefusedError(f"{self._named(key)} {why}")

    def text(self, key: str) -> str:
        """Any text. It is untrusted from here to the reader's eyes."""
        value = self._values.get(key)
        if not isinstance(value, str):
            self.refuse(key, "is not a text")
        return value

    def choice(self, key: str, allowed: tuple[Word, ...]) -> Word:
        """One of a closed set of words, ours and not the document's."""
        value = self._values.get(key)
        found = [word for word in allowed if word == value]
        if not found:
            self.refuse(key, f"is none of {', '.join(allowed)}")
        return found[0]

    def flag(self, key: str, default: bool | None = None) -> bool:
        """``true`` or ``false``."""
        value = self._values.get(key, default)
        if not isinstance(value, bool):
            self.refuse(key, "is neither true nor false")
        return value

    def count(self, key: str, lowest: int = 0, highest: int = LARGEST_COUNT) -> int:
        """A whole number within a range."""
        value = self._values.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            self.refuse(key, f"is not a whole number from {lowest} to {highest}")
        return value

    def number(self, key: str, lowest: float = 0.0, highest: float = 1e30) -> float:
        """A number within a range."""
        value = self._values.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or not lowest <= value <= highest:
            self.refuse(key, f"is not a number from {lowest:g} to {highest:g}")
        return float(value)

    def rate(self, key: str) -> float:
        """A fraction of 1."""
        return self.number(key, 0, 1)

    def optional(self, key: str, read: Callable[[str], Value]) -> Value | None:
        """What ``read`` makes of the value; ``None`` for ``null`` and if there is none."""
        return None if self.is_null(key) else read(key)

    def object(self, key: str) -> Fields:
        """An object within this one."""
        return Fields(self._values.get(key), self._named(key))

    def objects(self, key: str, most: int) -> list[Fields]:
        """A list of objects; a missing one is empty."""
        return [Fields(each, f"{self._named(key)}[{i}]") for i, each in enumerate(self._list(key, most))]

    def texts(self, key: str, most: int) -> tuple[str, ...]:
        """A list of texts; a missing one is empty."""
        found = self._list(key, most)
        if not all(isinstance(each, str) for each in found):
            self.refuse(key, "is not a list of texts")
        return tuple(found)

    def numbers(self, key: str, n: int) -> tuple[float | None, ...]:
        """A list of ``n`` numbers of 0 or more, or ``null``."""
        found = Fields({str(i): each for i, each in enumerate(self._list(key, n))}, self._named(key))
        return tuple(found.optional(str(i), found.number) for i in range(n))

    def _list(self, key: str, most: int) -> list[Any]:
        found = self._values.get(key, [])
        if not isinstance(found, list):
            self.refuse(key, "is not a list")
        if len(found) > most:
            self.refuse(key, f"has more than {most} entries")
        return found

    def _named(self, key: str) -> str:
        return key if self._place == "the report" else f"{self._place}.{key}"
