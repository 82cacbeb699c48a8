"""Executors of other engines, to read files on many machines."""

from __future__ import annotations

import logging
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pytest_token_telemetry.sources.parallel import ScanError
from pytest_token_telemetry.text import inert, raised

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

    from pytest_token_telemetry.importing import Location

CONNECTING = 10.0
"""Seconds in which a scheduler has to answer."""

WORKERS = 60.0
"""Seconds in which a scheduler has to have a worker: they may have been asked for a moment ago."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A scheduler of Dask."""

    address: str
    """``host:port``."""

    @contextmanager
    def open(self) -> Iterator[Executor]:
        """The executor of the scheduler, as long as the block runs.

        Raises:
            ScanError: there is none, or no worker, or the package that talks to it is missing.
        """
        try:
            from distributed import Client
        except ModuleNotFoundError:
            raise ScanError("distributed is not installed: install the extra 'pytest-token-telemetry[dask]'") from None
        with _silent("distributed"):  # what it logs about a broken connection is said in the error
            try:
                _refuse_others(self.address)
                client = Client(f"tcp://{self.address}", timeout=CONNECTING, set_as_default=False)
            except (OSError, ValueError) as error:
                raise ScanError(f"no scheduler answers at dask://{self.address}: {inert(raised(error), 300)}") from None
            with client:
                try:
                    client.wait_for_workers(1, timeout=WORKERS)
                except TimeoutError:
                    raise ScanError(f"the scheduler at dask://{self.address} has no workers") from None
                with _closed(client.get_executor(pure=False)) as executor:  # each task once, whatever was read before
                    yield executor


@dataclass(frozen=True, slots=True)
class Factory:
    """Something that makes an executor."""

    location: Location

    @contextmanager
    def open(self) -> Iterator[Executor]:
        """The executor that it makes, as long as the block runs.

        Raises:
            ScanError: it cannot be imported, or makes none.
        """
        try:
            made = self.location.load()()
        except LookupError as error:
            raise ScanError(str(error)) from None
        except Exception as error:  # whatever it raises
            raise ScanError(f"{self.location} cannot be called: {inert(raised(error), 300)}") from error
        if not callable(getattr(made, "submit", None)) or not callable(getattr(made, "shutdown", None)):
            raise ScanError(f"{self.location} makes {type(made).__name__}, which is not an executor")
        with _closed(cast("Executor", made)) as executor:
            yield executor


@contextmanager
def _closed(executor: Executor) -> Iterator[Executor]:
    """Shut ``executor`` down at the end; after an error, without waiting for its work."""
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False)
        raise
    executor.shutdown(wait=True)


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """Let the loggers below ``name`` write nothing."""
    loggers = [logging.getLogger(each) for each in (name, *logging.root.manager.loggerDict) if _is_below(each, name)]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _is_below(logger: str, name: str) -> bool:
    return logger == name or logger.startswith(f"{name}.")


def _refuse_others(address: str) -> None:
    """See whether a scheduler may be at ``address``: it begins with a small number of eight bytes.

    A client would go on asking where nobody listens, and wait forever for one who does not answer.

    Raises:
        OSError: there is none.
    """
    host, _, port = address.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECTING) as connection:
        greeting = connection.recv(8)
    if len(greeting) < 8 or int.from_bytes(greeting, "little") > 1 << 32:
        raise OSError("what answers there is something else")
