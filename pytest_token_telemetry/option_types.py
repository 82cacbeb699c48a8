"""What a user wrote for a setting, read into a value or refused with one sentence.

Every reader takes the text as written and raises ``ValueError`` with the rest of a sentence that begins with the
setting's name. Rates and limits become exact fractions, because ``7 / 100 * 100 <= 7.0`` is false in floating point.
"""

from __future__ import annotations

import os
import re
from fnmatch import translate
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from fractions import Fraction

    from pytest_token_telemetry.importing import Location

_DECIMAL = r"\d{1,9}(?:\.\d{1,15})?|\.\d{1,15}"
"""Few enough digits that every value can be shown exactly."""

_NAME = r"\w[\w .+/-]*"
"""A name that may stand in any report as it is: nothing in it is markup anywhere."""


def _decimal(text: str) -> Fraction | None:
    from fractions import Fraction

    return Fraction(text) if re.fullmatch(_DECIMAL, text, re.ASCII) else None


def rate(text: str) -> Fraction:
    """``5%`` or ``0.05``: a rate from 0 to 1."""
    body, percent = text.strip(), False
    if body.endswith("%"):
        body, percent = body[:-1].rstrip(), True
    number = _decimal(body)
    if number is None:
        raise ValueError(f"{text!r} is not a rate (write 0.025 or 2.5%)")
    value = number / 100 if percent else number
    if value > 1:
        meant = f"{body}%" if not percent and value <= 100 else "0.05 or 5%"
        raise ValueError(f"{text!r} is more than 100% (write {meant})")
    if value == 1 and not percent:
        raise ValueError(f"{text!r} is ambiguous (write 1% or 100%)")
    return value


def ratio(text: str) -> Fraction:
    """``3`` or ``3x``: a limit above 0."""
    number = _decimal(text.strip().removesuffix("x").rstrip())
    if number is None or number == 0:
        raise ValueError(f"{text!r} is not a ratio above 0 (write 3 or 3x)")
    return number


def confidence(text: str) -> Fraction:
    """``0.95`` or ``95%``: from 0.5 up to but not including 1."""
    try:
        value = rate(text)
    except ValueError:
        value = None
    if value is None or value < 0.5 or float(value) >= 1.0:
        raise ValueError(f"{text!r} is not a confidence from 0.5 to below 1 (write 0.95 or 95%)")
    return value


def switch(text: str) -> bool:
    """``true`` or ``false``."""
    try:
        return {"true": True, "false": False}[text.strip().lower()]
    except KeyError:
        raise ValueError(f"{text!r} is neither true nor false") from None


def multiplier(text: str) -> Fraction:
    """``1.1``: from 1 to 10, with at most six decimals, so that products stay exact in 64 bits."""
    number = _decimal(text.strip())
    if number is None or not 1 <= number <= 10:
        why = ": below 1, outputs within their prediction would count as underestimated"
        raise ValueError(
            f"{text!r} is not a multiplier from 1 to 10{'' if number is None or number > 10 else why} (write 1.1)"
        )
    if 10**6 % number.denominator:
        raise ValueError(f"{text!r} has more than six decimals (write 1.1)")
    return number


def count(at_least: int) -> Callable[[str], int]:
    """A reader of whole numbers that are not below ``at_least``."""

    def read(text: str) -> int:
        digits = text.strip()
        if not re.fullmatch(r"\d{1,9}", digits, re.ASCII) or int(digits) < at_least:
            raise ValueError(f"{text!r} is not a whole number from {at_least} to 999999999")
        return int(digits)

    return read


def seconds(text: str) -> float:
    """``60`` or ``0.5``: above 0, at most a day."""
    number = _decimal(text.strip())
    if number is None or not 0 < number <= 86400:
        raise ValueError(f"{text!r} is not a number of seconds above 0 and up to 86400 (write 60)")
    return float(number)


def one_of(*choices: str) -> Callable[[str], str]:
    """A reader that takes one of ``choices``."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(_not_one_of(text, choices))
        return text

    return read


ANY = "any"
"""Stands for every name: at least one sample must have one."""

NONE = "none"
"""As a user writes that no name is required."""

MOST_BUCKETS = 100


def names(text: str) -> tuple[str, ...]:
    """``implementation,tests,docs``: distinct names in lower case. ``any`` stands alone, and ``none`` means no name."""
    found = _required(text, "NAME,NAME")
    for name in found:
        if not re.fullmatch(_NAME, name):
            raise ValueError(f"{name!r} is not a plain name (write letters, digits, blanks and any of _ . + / -)")
    return found


def is_name(text: str) -> bool:
    """True if `names` takes ``text`` as one name that is no word of ours."""
    try:
        return text != ANY and names(text) == (text,)
    except ValueError:
        return False


def buckets(text: str) -> tuple[str, ...]:
    """``1,2-9,10+``: ranges of deliverables, ascending and disjoint, or some of the default ones; as for `names`."""
    from pytest_token_telemetry.sample import BUCKETS, bucket

    found = _required(text, "1,2-5,6+")
    if found == (ANY,) or set(found) <= BUCKETS.keys():
        return found
    if len(found) > MOST_BUCKETS:
        raise ValueError(f"{text!r} has more than {MOST_BUCKETS} buckets of deliverables")
    last = 0
    for name in found:
        least, most = bucket(name) or (0, 0)
        if not least:
            raise ValueError(f"{name!r} is not a bucket of deliverables (write 1,2-9,10+)")
        if least <= last:
            raise ValueError(f"{text!r} has buckets that overlap or descend (write 1,2-9,10+)")
        last = most
    return found


def some_of(*choices: str) -> Callable[[str], tuple[str, ...]]:
    """A reader that takes one or more of ``choices``."""

    def read(text: str) -> tuple[str, ...]:
        if not text.strip():
            raise ValueError(f"{text!r} names nothing (write one or more of {','.join(choices)})")
        found = _distinct(text)
        for name in found:
            if name not in choices:
                raise ValueError(_not_one_of(name, choices))
        return found

    return read


def _not_one_of(text: str, choices: Sequence[str]) -> str:
    from pytest_token_telemetry.text import meant  # idle sessions do without

    near = meant(text, choices)
    return f"{text!r} is not one of {', '.join(choices)}{f' ({near})' if near else ''}"


def _required(text: str, example: str) -> tuple[str, ...]:
    """The names of ``text``; none for `NONE`, and `ANY` alone."""
    if not text.strip():
        raise ValueError(
            f"{text!r} names nothing (write {example}, {ANY} for at least one, whichever it is, or {NONE} to require"
            " nothing)"
        )
    found = _distinct(text)
    if len(found) > 1 and (word := next((name for name in found if name in (ANY, NONE)), None)):
        raise ValueError(f"{text!r} has {word!r} among names (write it alone)")
    return () if found == (NONE,) else found


def _distinct(text: str) -> tuple[str, ...]:
    found = [name.strip().lower() for name in text.split(",")]
    if "" in found:
        raise ValueError(f"{text!r} has an empty name (write a,b,c)")
    if len(set(found)) < len(found):
        raise ValueError(f"{text!r} names one twice")
    return tuple(found)


def alias(text: str) -> tuple[str, str]:
    """``documentation=docs``: a spelling and the category that it is folded into, both in lower case."""
    spelling, equals, category = (part.strip().lower() for part in text.partition("="))
    if not (spelling and equals and category) or "=" in category:
        raise ValueError(f"{text!r} is not an alias (write documentation=docs)")
    return spelling, category


def glob(text: str) -> str:
    """``*.log`` (a file's name) or ``logs/*.txt`` (its path below the directory)."""
    pattern = text.strip()
    if not pattern or pattern.startswith("/"):
        raise ValueError(f"{text!r} is not a pattern for paths below the directory (write *.log)")
    return pattern


def matches(path: str, patterns: Iterable[str]) -> bool:
    """True if ``path``, relative with '/', matches one of ``patterns``: by its name, unless a pattern has a '/'."""
    of_name, of_path = matchers(tuple(patterns))
    return of_name(path.rpartition("/")[2]) is not None or of_path(path) is not None


_Match: TypeAlias = "Callable[[str], re.Match[str] | None]"


@lru_cache
def matchers(patterns: tuple[str, ...]) -> tuple[_Match, _Match]:
    """What matches names by those of ``patterns`` without a '/', and what matches whole paths by the others."""
    of_names = [translate(pattern) for pattern in patterns if "/" not in pattern]
    of_paths = [translate(pattern) for pattern in patterns if "/" in pattern]
    return tuple(re.compile("|".join(found) or "(?!)").match for found in (of_names, of_paths))  # type: ignore[return-value] # two


def estimator(text: str) -> Location:
    """``package.module:callable``, or ``path/to/checkout::package.module:callable``."""
    from pytest_token_telemetry.importing import location

    return location(text)


def log_level(text: str) -> int:
    """``INFO`` or ``20``."""
    import logging

    name = text.strip().upper()
    levels = logging.getLevelNamesMapping()
    if name in levels:
        return levels[name]
    if re.fullmatch(r"\d{1,3}", name, re.ASCII):
        return int(name)
    raise ValueError(f"{text!r} is not a log level (write INFO or 20)")


def path(text: str) -> str:
    """A path, not yet resolved."""
    if not text.strip() or "\0" in text:
        raise ValueError(f"{text!r} is not a path")
    return text


def jobs(text: str) -> int | None:
    """How many processes; ``None`` for as many as are worth it.

    Raises:
        ValueError: as above.
    """
    if text.strip() == "auto":
        return None
    try:
        return count(1)(text)
    except ValueError as error:
        raise ValueError(f"{error}, and not auto") from None


def format_name(text: str) -> str:
    """The name of a format, or ``auto``."""
    name = text.strip().lower()
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", name):
        raise ValueError(f"{text!r} is not the name of a format (write auto, otlp or litellm)")
    return name


def executor(text: str) -> str | Location:
    """``dask://host:port``, as ``host:port``, or the place of what makes an executor.

    Raises:
        ValueError: as above.
    """
    if text.startswith("dask://"):
        address = text.removeprefix("dask://")
        if not re.fullmatch(r"[A-Za-z0-9.-]+:\d{1,5}|\[[0-9A-Fa-f:.]+\]:\d{1,5}", address, re.ASCII):
            raise ValueError(f"{text!r} is not the address of a scheduler (write dask://host:8786)")
        return address
    try:
        return estimator(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an executor (write dask://host:8786, or package.module:callable)") from None


def without_password(text: str) -> str:
    """``text`` as it may be shown: of a URL in it, neither what stands before an ``@`` nor the parameters.

    A URL that was taken for a path may have lost a slash: ``s3:/user:password@bucket``.
    """
    match = _URL.search(text)
    if match is None:
        return text
    place, mark, parameters = match[2].partition("?")
    _, at, server = place.rpartition("@")
    shown = f"{at and '***@'}{server}{mark}{'***' if '=' in parameters else parameters}"
    return f"{text[: match.start()]}{match[1]}{'***' if '@' in parameters else shown}"


_URL = re.compile(r"([a-z][a-z0-9+.-]+:/+)(.*)", re.DOTALL | re.IGNORECASE)


class Url:
    """Where something is. Nothing but ``shown`` may be written anywhere: the URL may hold a password."""

    __slots__ = ("shown", "url")

    def __init__(self, url: str, shown: str) -> None:
        """What is at ``url``, written as ``shown``."""
        self.url = url
        self.shown = shown

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.shown!r})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Url) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)


class RemoteUrl(Url):
    """A directory that a driver of fsspec reads."""

    __slots__ = ()

    @property
    def protocol(self) -> str:
        """What stands before ``://``, in lower case."""
        return self.url.partition("://")[0]


def directory(text: str) -> str | RemoteUrl:
    """A path, not yet resolved, or a URL: ``s3://bucket/prefix``. One with ``file://`` is a path.

    What is shown has neither password nor parameters, and no error repeats a URL.

    Raises:
        ValueError: as above.
    """
    match = re.fullmatch(r"([a-z][a-z0-9+.-]+)://(.*)", text.strip(), re.DOTALL | re.IGNORECASE)
    if match is None and re.match(r"[a-z][a-z0-9+.-]*::.*://", text.strip(), re.DOTALL | re.IGNORECASE):
        raise ValueError("a chain of protocols is not read (unpack it, and name s3://BUCKET/PREFIX or a directory)")
    if match is None:
        return path(text)
    protocol, place = match[1].lower(), match[2]
    if protocol in ("file", "local"):
        return path(place)
    if not place.strip("/"):
        raise ValueError(f"{protocol}:// names nothing (write {protocol}://BUCKET/PREFIX)")
    server, slash, below = place.partition("?")[0].rstrip("/").partition("/")
    user, at, host = server.rpartition("@")
    shown = f"{user.partition(':')[0]}{at}{host}{slash}{below}"
    if not at and ":" in server and "@" in place:  # a password with a '/' or a '?'
        shown = "***"
    return RemoteUrl(f"{protocol}://{place}", f"{protocol}://{shown}")


class DatabaseUrl(Url):
    """A database that SQLAlchemy reads."""

    __slots__ = ()

    def below(self, base: os.PathLike[str]) -> DatabaseUrl:
        """The same, with the path of an SQLite file from ``base`` on."""
        scheme, _, path = self.url.partition(":///")
        if not path or scheme.partition("+")[0] != "sqlite" or path.startswith(("file:", ":memory:")):
            return self
        return DatabaseUrl(f"{scheme}:///{os.path.join(base, path)}", self.shown)  # noqa: PTH118 - it may have a query


_DATABASE = r"([a-z][a-z0-9]*(?:\+[a-z0-9_]+)?)://([^?]*)(?:\?(.*))?"
_SERVER = r"(?:[^/:@\[\]]*|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:/[^@]*)?"


def database(text: str) -> DatabaseUrl:
    """``sqlite:///calls.db``, as SQLAlchemy writes URLs, or ``env:NAME`` for the variable that holds it.

    What is shown has neither password nor parameters. No error repeats the text: a password may stand anywhere in it.

    Raises:
        ValueError: as above.
    """
    url = text.strip()
    if url.startswith("env:"):
        name = url.removeprefix("env:")
        if not re.fullmatch(r"\w+", name):
            raise ValueError("env: names a variable (write env:NAME, or a URL without env:)")
        url = os.environ.get(name, "").strip()
        if not url:
            raise ValueError(f"the environment has no {name}, or it is empty")
    if url.startswith("postgres://"):  # as hosting services write it, and SQLAlchemy does not read it
        url = f"postgresql{url.removeprefix('postgres')}"
    match = re.fullmatch(_DATABASE, url, re.DOTALL)
    if match is None:
        raise ValueError(_NO_URL)
    scheme, place, parameters = match.groups()
    if "@" in (parameters or ""):  # a password with a '?', or a parameter with an '@'
        return DatabaseUrl(url, f"{scheme}://***")
    user, at, server = ("", "", place) if place.startswith("/") else place.rpartition("@")
    if scheme.partition("+")[0] != "sqlite" and not place.startswith("/") and not re.fullmatch(_SERVER, server):
        raise ValueError(_NO_URL)
    return DatabaseUrl(url, f"{scheme}://{user.partition(':')[0]}{at}{server}")


_NO_URL = (
    "this is not the URL of a database (write sqlite:///calls.db or postgresql+psycopg://USER:PASSWORD@HOST/NAME,"
    " with %40 for an @ in the password)"
)


def query(text: str) -> str:
    """A statement that only reads: it begins with SELECT or WITH.

    Raises:
        ValueError: as above.
    """
    statement = text.strip().rstrip(";").rstrip()
    if not re.match(r"(?:select|with)\b", statement, re.IGNORECASE):
        raise ValueError(f"{without_password(text)!r} is not a query (it begins with SELECT or WITH)")
    return statement


def table(text: str) -> str:
    """The name of a table or view, with its schema or without.

    Raises:
        ValueError: as above.
    """
    name = text.strip()
    if not all(name.split(".")):
        raise ValueError(f"{text!r} is not the name of a table (write llm_calls or reports.llm_calls)")
    return name


def column(text: str) -> tuple[str, str]:
    """``output_tokens=completion_tokens``: a field of ours and the column that holds it.

    Raises:
        ValueError: as above.
    """
    from pytest_token_telemetry.sample import FIELDS

    field, _, name = (part.strip() for part in text.partition("="))
    known = [each for each in FIELDS if not FIELDS[each].follows]
    if not name or field not in known:
        raise ValueError(f"{text!r} is not FIELD=COLUMN with one of the fields {', '.join(known)}")
    return field, name
