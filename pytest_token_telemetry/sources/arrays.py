"""Columns of numbers and texts as one block of bytes, from which nothing but these can come back.

A header in JSON, then the bytes of each array, then a hash of all of it: any damage is seen. What was not damaged but
made up is for the reader to find, with the checks of `Stored`.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from pytest_token_telemetry.columns import Floats, Integers, Mask

    AnyArray = npt.NDArray[Any]

MAGIC = b"token-telemetry-arrays/1\n"

_KINDS = {"i1": 1, "i2": 2, "i4": 4, "i8": 8, "u8": 8, "f8": 8}
"""Types of numbers, all little-endian, and their bytes."""

_HASH = 16
_LENGTH = 8


class DamagedError(Exception):
    """The bytes are not those that were written, or not from here."""


class Store:
    """Arrays on their way into bytes."""

    def __init__(self) -> None:
        self._arrays: dict[str, AnyArray] = {}

    def integers(self, name: str, values: AnyArray | Iterable[int]) -> None:
        """Add whole numbers of up to 64 bits, with a sign."""
        array = np.asarray(values if isinstance(values, np.ndarray) else list(values))
        self._arrays[name] = _narrowed(array.astype(np.int64))

    def exact(self, name: str, array: npt.NDArray[np.uint64] | Floats) -> None:
        """Add floats, or numbers without a sign, as they are."""
        self._arrays[name] = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))

    def texts(self, name: str, texts: Iterable[str]) -> None:
        """Add texts of any characters."""
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        self.integers(f"{name} lengths", map(len, encoded))
        self._arrays[f"{name} bytes"] = np.frombuffer(b"".join(encoded), np.int8)

    def packed(self, header: dict[str, object]) -> bytes:
        """All of it, with ``header``, which JSON must be able to hold."""
        layout = [[name, array.dtype.str[1:], len(array)] for name, array in self._arrays.items()]
        head = json.dumps({"header": header, "arrays": layout}).encode()
        body = b"".join(
            [MAGIC, len(head).to_bytes(_LENGTH, "little"), head, *(each.tobytes() for each in self._arrays.values())]
        )
        return body + blake2b(body, digest_size=_HASH).digest()


class Stored:
    """Arrays that come back from bytes. Each is asked for with what it may hold."""

    def __init__(self, data: bytes) -> None:
        """Those in ``data``.

        Raises:
            DamagedError: it is not as it was written.
        """
        begin = len(MAGIC) + _LENGTH
        if not data.startswith(MAGIC) or blake2b(data[:-_HASH], digest_size=_HASH).digest() != data[-_HASH:]:
            raise DamagedError
        end = begin + int.from_bytes(data[len(MAGIC) : begin], "little")
        try:
            document = json.loads(data[begin:end])
            self.header: dict[str, Any] = document["header"]
            layout = [(str(name), str(kind), _KINDS[kind], whole(n)) for name, kind, n in document["arrays"]]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise DamagedError from None
        self._arrays: dict[str, AnyArray] = {}
        for name, kind, size, n in layout:
            if n < 0 or end + n * size > len(data) - _HASH:
                raise DamagedError
            self._arrays[name] = np.frombuffer(data, f"<{kind}", n, end)
            end += n * size
        if end != len(data) - _HASH:
            raise DamagedError

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def integers(self, name: str, n: int | None, low: int, high: int) -> Integers:
        """The ``n`` whole numbers with this name, from ``low`` to ``high``. ``None``: any number of them.

        Raises:
            DamagedError: they are none, or others. This goes for all that follows.
        """
        found = self._array(name, n, "i").astype(np.int64)
        if len(found) and not (low <= np.min(found) and np.max(found) <= high):
            raise DamagedError
        return found

    def ascending(self, name: str, n: int | None, low: int, high: int, *, strictly: bool = False) -> Integers:
        """The same, where none is below the one before it."""
        found = self.integers(name, n, low, high)
        if (np.diff(found) < strictly).any():
            raise DamagedError
        return found

    def mask(self, name: str, n: int) -> Mask:
        """``n`` times yes or no."""
        return self.integers(name, n, 0, 1).astype(np.bool_)

    def hashes(self, name: str, n: int) -> npt.NDArray[np.uint64]:
        """``n`` numbers without a sign."""
        return self._array(name, n, "u").astype(np.uint64)

    def floats(self, name: str, n: int) -> Floats:
        """``n`` floats."""
        return self._array(name, n, "f").astype(np.float64)

    def texts(self, name: str, n: int | None) -> list[str]:
        """``n`` texts."""
        encoded = self._array(f"{name} bytes", None, "i").tobytes()
        ends = np.cumsum(self.integers(f"{name} lengths", n, 0, len(encoded)))
        if (ends[-1] if len(ends) else 0) != len(encoded):
            raise DamagedError
        try:
            return [encoded[begin:end].decode("utf-8", "surrogatepass") for begin, end in pairwise([0, *ends.tolist()])]
        except UnicodeDecodeError:
            raise DamagedError from None

    def _array(self, name: str, n: int | None, kind: str) -> AnyArray:
        found = self._arrays.get(name)
        if found is None or found.dtype.kind != kind or n not in (None, len(found)):
            raise DamagedError
        return found


def whole(value: object) -> int:
    """``value``, if JSON wrote a whole number of up to 62 bits.

    Raises:
        TypeError: it is none.
    """
    if type(value) is not int or abs(value) >> 62:
        raise TypeError
    return value


def _narrowed(array: Integers) -> AnyArray:
    """``array`` in as few bytes as hold its numbers."""
    low, high = (int(np.min(array)), int(np.max(array))) if len(array) else (0, 0)
    for kind in ("<i1", "<i2", "<i4"):
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max:
            return array.astype(kind)
    return array.astype("<i8")
