"""Files are written whole or not at all, in UTF-8."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def replace_file(path: Path, text: str) -> None:
    """Write beside ``path``, then rename: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file():
        path.write_bytes(encoded(text))  # a device or a pipe; a directory says that it is one
        return
    target = path.resolve()
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(encoded(text))
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def append_file(path: Path, text: str, most: int | None = None) -> None:
    """Write to the end of ``path`` at once, as other programs append to the same file.

    Raises:
        OSError: it cannot be written, or would get more than ``most`` bytes.
    """
    data = encoded(text)
    with path.open("ab", buffering=0) as file:
        if most is not None and file.tell() + len(data) > most:
            raise OSError(0, f"it would be larger than {most:,} bytes")
        file.write(data)


def encoded(text: str) -> bytes:
    """In UTF-8. Bytes of the command line that are none became surrogates; they are shown as JSON escapes them."""
    return text.encode("utf-8", "backslashreplace")


def reason(error: OSError) -> str:
    """Why the system refused: ``Permission denied``."""
    return error.strerror or type(error).__name__
