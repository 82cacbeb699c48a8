"""A stand-in for a model, on this machine: it speaks the shapes of Anthropic and OpenAI, and needs no key.

How long an answer is depends on the prompt alone, so every run is the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4
from zlib import crc32

TOKENS_PER_FILE = {"implementation": 500, "tests": 400, "docs": 250}
COMPLEXITY_FACTOR = {"low": 0.7, "medium": 1.0, "high": 1.5}
PROMPT = re.compile(r"Write (\d+) (\w+) file\(s\) of (\w+) complexity")


@contextmanager
def serving() -> Iterator[str]:
    """The base URL of the server, which stops when the block ends."""
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close() waits until every socket is closed


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Answer in the shape of the path."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        shape = {"/v1/messages": _message, "/v1/chat/completions": _chat}.get(self.path)
        if shape is None:
            self.send_error(404)
            return
        body = json.dumps(shape(request)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _message(request: dict[str, Any]) -> dict[str, Any]:
    text, tokens, cut_off = _answer(request, request["max_tokens"])
    return {
        "id": f"msg_{uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": [{"type": "text", "text": text}],
        "stop_reason": "max_tokens" if cut_off else "end_turn",
        "usage": {"input_tokens": 40, "output_tokens": tokens},
    }


def _chat(request: dict[str, Any]) -> dict[str, Any]:
    text, tokens, cut_off = _answer(request, request["max_completion_tokens"])
    message = {"role": "assistant", "content": text}
    return {
        "id": f"chatcmpl-{uuid4().hex}",
        "object": "chat.completion",
        "model": request["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "length" if cut_off else "stop"}],
        "usage": {"prompt_tokens": 40, "completion_tokens": tokens, "total_tokens": 40 + tokens},
    }


def _answer(request: dict[str, Any], cap: int) -> tuple[str, int, bool]:
    """The text, the tokens that are billed for it, and whether it was cut off at ``cap``."""
    prompt: str = request["messages"][-1]["content"]
    asked = PROMPT.match(prompt)
    if asked is None:
        return "Hello.", min(cap, 3), cap < 3
    files, category, complexity = int(asked[1]), asked[2], asked[3]
    spread = 0.75 + crc32(prompt.encode()) % 1000 / 2000  # 0.75 to 1.25, as if by chance
    tokens = round(TOKENS_PER_FILE[category] * COMPLEXITY_FACTOR[complexity] * files * spread)
    finished = files if tokens <= cap else files * cap // tokens
    text = "\n".join(f"# file {number} of {files}" for number in range(1, finished + 1))
    return text, min(tokens, cap), tokens > cap
