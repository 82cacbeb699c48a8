"""Read directories that a driver of fsspec knows, such as ``s3://bucket/prefix``.

Objects are copied to a temporary directory, some at a time, and read there as files are, under their own names. While
some are read, the next ones are on their way.
"""

from __future__ import annotations

import tempfile
import warnings
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING

from pytest_token_telemetry.option_types import matches
from pytest_token_telemetry.sources.batches import ENDING
from pytest_token_telemetry.sources.look_like import looks_of, pattern_of
from pytest_token_telemetry.sources.parallel import ScanError
from pytest_token_telemetry.sources.recognition import AUTO
from pytest_token_telemetry.sources.remote.calls import Calls
from pytest_token_telemetry.sources.remote.copying import Copying, groups
from pytest_token_telemetry.sources.remote.drivers import kind_of
from pytest_token_telemetry.sources.remote.found import RemoteReading
from pytest_token_telemetry.sources.remote.listing import directory_at, objects_below

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_token_telemetry.option_types import RemoteUrl
    from pytest_token_telemetry.sources.parallel import Scan
    from pytest_token_telemetry.sources.remote.listing import RemoteObject


def refuse_unreadable(urls: Iterable[RemoteUrl]) -> None:
    """Refuse a URL that no driver here reads, before anything is asked of a server.

    Raises:
        ScanError: in one sentence that begins with the URL as it may be shown.
    """
    for url in urls:
        kind_of(url)


def read_remote(urls: Sequence[RemoteUrl], patterns: Sequence[str], scan: Scan, **kept: bool) -> RemoteReading:
    """Read the objects below ``urls`` that match one of ``patterns``, each once.

    An object that cannot be read, or was changed meanwhile, is unreadable, with the reason. ``kept``: what samples
    keep beside their fields, see `Scan.read`.

    Raises:
        ScanError: a directory is not there or cannot be listed, or a server no longer answers.
    """
    found = RemoteReading()
    with warnings.catch_warnings(), closing(Calls()) as calls:
        warnings.simplefilter("ignore")  # of a driver: users can do nothing about them
        objects: dict[tuple[str, ...], RemoteObject] = {}
        beside: dict[str, list[RemoteObject]] = defaultdict(list)
        for url in urls:
            listing = objects_below(directory_at(url, calls), calls)
            found.unreadable |= listing.unreadable
            found.special |= listing.special
            for each in listing.objects:
                name = each.path.rpartition("/")[2]
                if ENDING.search(name):
                    beside[each.above].append(each)
                if matches(each.relative, patterns):
                    key = *each.directory.server, each.path
                    objects[key] = min(each, objects.get(key, each), key=lambda one: one.origin)
                else:
                    found.others[pattern_of(name)] += 1
        found.matched = len(objects)
        scan.expect(len(objects), sum(each.size for each in objects.values()))
        try:
            with tempfile.TemporaryDirectory(prefix="token-telemetry-", ignore_cleanup_errors=True) as folder:
                ordered = sorted(objects.values(), key=lambda one: one.origin)
                _read(groups(ordered), Copying(folder, calls, beside), scan, found, **kept)
        except OSError as error:
            raise ScanError(f"objects cannot be copied to {tempfile.gettempdir()}: {error.strerror or error}") from None
    return found


def _read(
    groups: Iterator[list[RemoteObject]], copying: Copying, scan: Scan, found: RemoteReading, **kept: bool
) -> None:
    """Read group after group, each while the next one is copied."""
    copies = copying.begin(next(groups, ()))
    while copies:
        copying.wait_for(copies)
        following = copying.begin(next(groups, ()))
        found.unreadable |= {each.object.origin.shown: each.error for each in copies if each.error is not None}
        whole = [each for each in copies if each.error is None]
        requests = copying.requests_beside(whole) if scan.format in (AUTO, "batches") else {}
        found.origins += (each.object.origin for each in whole)
        listed = (each.listed(requests.get(each.object.above, "")) for each in whole)
        found.extracts += scan.read(listed, **kept)
        if not any(len(each.samples) for each in found.extracts):
            found.look_like.update(looks_of(each.path for each in whole))
        copying.remove(copies, requests.values())
        copies = following
