"""Drivers of fsspec: which one reads a URL, and what it says when it does not. fsspec is imported only then."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias
from urllib.parse import unquote

from pytest_token_telemetry.sources.parallel import ScanError
from pytest_token_telemetry.text import inert

if TYPE_CHECKING:
    from pytest_token_telemetry.option_types import RemoteUrl

_PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "az": "adlfs",
}
"""Which package has the driver; for the others fsspec says it."""

_ARCHIVES = ("zip", "tar", "libarchive")
_WITHIN_OTHERS = (
    *("dir", "simplecache", "filecache", "blockcache", "cached", "reference", "generic"),
    *("asyncwrapper", "dask"),
)
"""Protocols that read what another one holds, which a URL alone does not name."""

PAGES = ("http", "https")
"""Protocols without directories: a page of links is taken for one, which has other links too."""

Info: TypeAlias = Mapping[str, object]


class Driver(Protocol):
    """What fsspec's file systems agree on."""

    async_impl: bool
    """Whether it takes several calls at a time."""
    storage_options: Mapping[str, object]
    """What the URL says besides a path, and settings of the user."""

    def _strip_protocol(self, path: str) -> str: ...
    def ls(self, path: str, detail: bool) -> Sequence[Info]: ...  # noqa: D102
    def info(self, path: str) -> Info: ...  # noqa: D102
    def cat_file(self, path: str, start: int, end: int) -> bytes: ...  # noqa: D102
    def invalidate_cache(self) -> None: ...  # noqa: D102


class Kind(Protocol):
    """The class of a driver."""

    def __call__(self, **options: object) -> Driver: ...  # noqa: D102
    def _get_kwargs_from_urls(self, url: str) -> Mapping[str, object]: ...


class CopyError(Exception):
    """Why a copy is not whole, in our own words."""


def kind_of(url: RemoteUrl) -> Kind:
    """What reads ``url`` once it is called, maybe with a connection.

    Raises:
        ScanError: nothing here can.
    """
    if url.protocol in _ARCHIVES:
        raise ScanError(f"{url.shown}: it reads the files within an archive (unpack it, and name the directory)")
    if url.protocol in _WITHIN_OTHERS:
        raise ScanError(
            f"{url.shown}: it reads what another protocol holds "
            "(name that one alone: s3://BUCKET/PREFIX, or a local directory)"
        )
    if url.protocol in PAGES and "?" in url.url:
        raise ScanError(f"{url.shown}: a page with parameters is no directory (name one without, or copy the run logs)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from fsspec import get_filesystem_class

            kind: Kind = get_filesystem_class(url.protocol)
        except ImportError as error:
            raise ScanError(f"{url.shown}: {_missing(url.protocol, error)}") from None
        except ValueError:
            raise ScanError(
                f"{url.shown}: fsspec knows no protocol {url.protocol}:// (write s3://, or another that it knows)"
            ) from None
    return kind


def root_reason(error: Exception, url: RemoteUrl) -> str:
    """Why a directory cannot be listed, with the way out."""
    match error:
        case NotADirectoryError():
            return "it is an object, not a directory (name the prefix of run logs)"
        case FileNotFoundError():
            said = _said(error, url)
            what = said if " " in said else "there is nothing"
            return f"{what} ({_NAME_A_PREFIX})"
    return reason(error, url)


def reason(error: Exception, url: RemoteUrl) -> str:
    """What ``error`` says, without what ``url`` may keep secret."""
    said = _said(error, url)
    match error:
        case CopyError():
            return str(error)
        case FileNotFoundError():
            return "it is gone since it was listed"
        case IsADirectoryError():
            return f"{said} ({_NAME_A_PREFIX})"
        case ImportError():
            return f"its driver is not installed: {said} (install it)"
        case NotImplementedError():
            return f"its driver lists no directories ({_COPY})"
        case TypeError() if (missing := _MISSING.search(said)) is not None:
            names = [f"FSSPEC_{url.protocol}_{name}".upper() for name in re.findall(r"'(\w+)'", missing[1])]
            return f"its driver needs more than the address (set {' and '.join(names)})"
        case TypeError() | AttributeError() | LookupError() | RecursionError():
            return f"its driver failed: {said} (check the address, or {_COPY})"
        case PermissionError():
            return f"access is denied: {said} ({_CREDENTIALS})"
    return f"{said} ({_CREDENTIALS if _DENIED.search(said) else ADDRESS})"


_NAME_A_PREFIX = "name a bucket and a prefix that hold run logs"
_COPY = "copy the run logs, and name their directory"
_DENIED = re.compile(r"credential|authenticat|authoriz", re.IGNORECASE)
_MISSING = re.compile(r"missing [0-9]+ required (?:positional|keyword-only) arguments?: (.*)")
ADDRESS = "check the address, and whether its server can be reached"
_CREDENTIALS = "check the credentials that its driver finds in the environment"


def _said(error: Exception, url: RemoteUrl) -> str:
    """The words of ``error`` on one line, without passwords and the parameters of URLs."""
    said = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    authority, _, parameters = url.url.partition("://")[2].partition("?")
    user = authority.rpartition("@")[0]
    secrets = [user.partition(":")[2], *(each.partition("=")[2] for each in parameters.split("&"))]
    for secret in sorted({*secrets, *map(unquote, secrets)} - {""}, key=len, reverse=True):
        said = said.replace(secret, "***")
    said = re.sub(r"(://[^\s?\"'>]*)\?[^\s\"'>]*", r"\1", re.sub(r"://[^\s/@]*@", "://", said))
    return inert(" ".join(said.split()), _LONGEST).rstrip(".")


_LONGEST = 300
"""Characters of what a driver says."""


def _missing(protocol: str, error: ImportError) -> str:
    package = _PACKAGES.get(protocol, "")
    if not package and error.name != "fsspec":
        return f"its driver is not installed: {error}"
    what = "'pytest-token-telemetry[remote]'" if package in ("", "s3fs") else package
    return f"{protocol}:// needs {package or 'fsspec'} (run pip install {what})"
