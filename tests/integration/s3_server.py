"""An S3 server on the loopback: moto's, and before it what happens to some keys, by words in their names.

``denied`` is not given out, ``vanished`` is listed and gone, of ``ends-early`` half is sent, ``changed`` has a new ETag
each time, and nothing ever comes of ``hangs``.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

SECRET = "AKIASECRETSECRET"


@contextmanager
def serving() -> Iterator[str]:
    """The address of the server, as long as it runs."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.integration.s3_server"]
    root = Path(__file__).parent.parent.parent
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=root, env=environment
    ) as server:
        try:
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            assert port, "moto did not start"
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


def put(address: str, path: str, content: bytes = b"") -> None:
    """Make a bucket, or an object with a key."""
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request",  # moto asks for no more
        "Content-Type": "application/octet-stream",
    }
    urlopen(Request(f"{address}/{quote(path)}", content, headers, method="PUT"), timeout=30).close()


def main() -> None:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, _Faults(app), threaded=True)
    print(server.server_port, flush=True)
    server.serve_forever()


class _Faults:
    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self._numbers = itertools.count()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return self._app(environ, start)
        if "hangs" in path:
            threading.Event().wait()
        if "denied" in path or "vanished" in path:
            code, status = ("InvalidAccessKeyId", 403) if "denied" in path else ("NoSuchKey", 404)
            start(f"{status} {code}", [("Content-Type", "application/xml")])
            return [f"<Error><Code>{code}</Code><Message>The key {code} is not known.</Message></Error>".encode()]

        def begin(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            if "changed" in path:
                headers = [each for each in headers if each[0].lower() != "etag"]
                headers.append(("ETag", f'"{next(self._numbers)}"'))
            return start(status, headers, *more)

        answer = self._app(environ, begin)
        if "ends-early" in path:
            text = b"".join(answer)
            return [text[: len(text) // 2]]
        return answer


if __name__ == "__main__":
    main()
