"""What lies below a remote directory, as its driver lists it."""

from __future__ import annotations

import re
import threading
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pytest_token_telemetry.sources.merge import Origin
from pytest_token_telemetry.sources.parallel import ScanError
from pytest_token_telemetry.sources.remote.drivers import PAGES, kind_of, reason, root_reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_token_telemetry.option_types import RemoteUrl
    from pytest_token_telemetry.sources.remote.calls import Calls
    from pytest_token_telemetry.sources.remote.drivers import Driver, Info, Kind

LISTING = 300.0
"""Seconds without any answer while directories are listed: one of a million objects comes in a thousand pages."""


DEEPEST = 100
"""Directories within each other: links may go around in a circle."""


@dataclass(frozen=True, slots=True)
class RemoteDirectory:
    """A directory to list, and what lists it."""

    url: RemoteUrl
    driver: Driver
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def server(self) -> tuple[str, str]:
        """What is the same where two directories are of one server and one driver."""
        return type(self.driver).__qualname__, repr(self.driver.storage_options)

    @property
    def root(self) -> str:
        """How the driver names it."""
        return str(self.driver._strip_protocol(self.url.url)).rstrip("/")

    def show(self, path: str) -> str:
        """``path``, relative to the directory, as users see it."""
        return f"{self.url.shown}/{path}" if path else self.url.shown

    def alone(self) -> threading.Lock | nullcontext[None]:
        """What to hold while the driver is called."""
        return nullcontext() if self.driver.async_impl else self.lock


class RemoteObject(NamedTuple):
    """Something to read."""

    origin: Origin
    """Its real path is its URL as shown."""
    directory: RemoteDirectory
    path: str
    """As the driver names it."""
    relative: str
    """Its path below the directory."""
    size: int

    @property
    def above(self) -> str:
        """The directory that it is in, of whatever driver."""
        return self.origin.real.rpartition("/")[0]


@dataclass(slots=True)
class Listing:
    """What was found."""

    objects: list[RemoteObject] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    """What cannot be listed, with the reason."""
    special: set[str] = field(default_factory=set)
    """What is neither an object nor a directory."""


def directory_at(url: RemoteUrl, calls: Calls) -> RemoteDirectory:
    """The directory at ``url``, with a driver that remembers nothing of earlier calls.

    Raises:
        ScanError: it has none, or that finds no connection.
    """
    answer = calls.answer(url.shown, partial(_driver, kind_of(url), url))
    if isinstance(answer, Exception):
        raise ScanError(f"{url.shown}: {reason(answer, url)}")
    return RemoteDirectory(url, answer)


def objects_below(directory: RemoteDirectory, calls: Calls) -> Listing:
    """List the objects below ``directory``.

    Raises:
        ScanError: the directory itself cannot be listed.
    """
    found = Listing()
    seen = {directory.root}
    pending = 0

    def ask(path: str) -> None:
        nonlocal pending
        pending += 1
        calls.ask(directory.show(path), partial(_entries, directory, path), partial(take, path))

    def take(path: str, answer: Sequence[Info] | Exception) -> None:
        nonlocal pending
        pending -= 1
        if not isinstance(answer, Exception):
            for info in answer:
                enter(info)
        elif path:
            found.unreadable[directory.show(path)] = reason(answer, directory.url)
        else:
            raise ScanError(f"{directory.url.shown}: {root_reason(answer, directory.url)}") from None

    def enter(info: Info) -> None:
        name, kind = str(info["name"]), info.get("type")
        if directory.url.protocol in PAGES and not _is_below(directory, name):
            return
        path = name.removeprefix(directory.root).removeprefix("/")
        if kind == "directory":
            stripped = name.rstrip("/")
            if stripped in seen:
                found.unreadable[directory.show(path)] = (
                    "a part of its name is empty, so that its driver cannot list it"
                )
            elif path.count("/") > DEEPEST:
                found.unreadable[directory.show(path)] = f"it is more than {DEEPEST} directories deep"
            else:
                seen.add(stripped)
                ask(path.rstrip("/"))
        elif name.endswith("/"):
            pass  # it stands for a directory
        elif kind != "file":
            found.special.add(directory.show(path))
        elif isinstance(size := info.get("size"), int):
            add(name, path, size)
        else:  # a list of links has no sizes
            ask_for_size(name, path)

    def ask_for_size(name: str, path: str) -> None:
        nonlocal pending
        pending += 1
        calls.ask(directory.show(path), partial(_info, directory, name), partial(take_size, name, path))

    def take_size(name: str, path: str, answer: Info | Exception) -> None:
        nonlocal pending
        pending -= 1
        if isinstance(answer, Exception):
            found.unreadable[directory.show(path)] = reason(answer, directory.url)
        elif isinstance(size := answer.get("size"), int):
            add(name, path, size)
        else:
            found.unreadable[directory.show(path)] = "its server does not say how long it is"

    def add(name: str, path: str, size: int) -> None:
        found.objects.append(RemoteObject(_origin(directory, path), directory, name, path, size))

    ask("")
    calls.work_until(lambda: not pending, LISTING)
    return found


def _entries(directory: RemoteDirectory, path: str) -> Sequence[Info]:
    """What lies in ``path`` below ``directory``.

    Raises:
        NotADirectoryError: it is an object.
    """
    place = f"{directory.root}/{path}" if path else directory.root
    with directory.alone():
        found = directory.driver.ls(place, detail=True)
        directory.driver.invalidate_cache()
    if [str(each["name"]) for each in found] == [place] and found[0].get("type") != "directory":
        raise NotADirectoryError
    return found


def _is_below(directory: RemoteDirectory, link: str) -> bool:
    """Whether a ``link`` is to something below the directory, and no other view of it, as in another order."""
    below = link.removeprefix(f"{directory.root}/")
    return below not in (link, "") and _OTHER_PLACE.search(below) is None


_OTHER_PLACE = re.compile(r"[?#]|(?:^|/)\.\.(?:/|$)")


def _info(directory: RemoteDirectory, name: str) -> Info:
    """What the server says of an object."""
    with directory.alone():
        return directory.driver.info(name)


def _origin(directory: RemoteDirectory, path: str) -> Origin:
    """Where an object comes from: its run is the first directory on the way to it, as for files."""
    first, slash, _ = path.partition("/")
    name = _printable(directory.show(path))
    return Origin(name, name, _printable(directory.show(first if slash else "")))


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _driver(kind: Kind, url: RemoteUrl) -> Driver:
    return kind(**kind._get_kwargs_from_urls(url.url), skip_instance_cache=True)
