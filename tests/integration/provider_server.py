"""A model behind the interfaces of OpenAI, Anthropic and Gemini, on the loopback: whole answers and streams.

It would like to say ``NATURAL_TOKENS``, of which ``REASONING_TOKENS`` are thoughts, and is truncated at a lower cap.
The model ``OVERLOADED`` answers with an error, ``FLAKY`` with one to every other request, ``OWN_IDS`` gives each chunk
an id of its own, and ``WITHIN`` counts its thoughts among the candidates, as some of Gemini's do. Gemini's asks for the
function ``FUNCTION`` first, if there are any.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Thread
from typing import Any

NATURAL_TOKENS = 40
REASONING_TOKENS = 8
PROMPT_TOKENS = 11
OVERLOADED = "overloaded"
FLAKY = "flaky"
OWN_IDS = "own-ids"
WITHIN = "within"
FUNCTION = "look_up"
TEXT = "an answer that nobody copies"

Json = dict[str, Any]


@contextmanager
def serving() -> Iterator[str]:
    """The address of the server, as long as it runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    flaky = count()

    def do_POST(self) -> None:
        request: Json = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.partition("?")[0]
        model = request.get("model") or path.rpartition("/")[2].partition(":")[0]
        if model == OVERLOADED or (model == FLAKY and next(self.flaky) % 2 == 0):
            error = {"type": "overloaded_error", "code": 503, "status": "UNAVAILABLE", "message": TEXT}
            self._answer("application/json", json.dumps({"type": "error", "error": error}), 503)
            return
        if path.endswith("/chat/completions"):
            answer: Json | list[Json] = _chat_chunks(request) if request.get("stream") else _chat(request)
        elif path.endswith("/responses"):
            answer = _response_events(request) if request.get("stream") else _response(request)
        elif path.endswith("/messages"):
            answer = _message_events(request) if request.get("stream") else _message(request)
        elif path.endswith(":streamGenerateContent"):
            answer = _gemini_chunks(request)
        elif path.endswith(":generateContent"):
            answer = _gemini_chunks(request)[-1]
            if WITHIN in path:
                usage = answer["usageMetadata"]
                usage["candidatesTokenCount"] = usage["totalTokenCount"] - usage["promptTokenCount"]
        else:
            self.send_error(404)
            return
        if isinstance(answer, list):
            self._answer("text/event-stream", "".join(map(_server_sent, answer)) + _end(path))
        else:
            self._answer("application/json", json.dumps(answer))

    def _answer(self, kind: str, body: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_request(self, *_: object) -> None:
        """Say nothing."""


def _server_sent(event: Json) -> str:
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n"


def _end(path: str) -> str:
    return "data: [DONE]\n\n" if path.endswith("/chat/completions") else ""


def _spoken(cap: int | None) -> tuple[int, bool]:
    """How many tokens are said below ``cap``, and whether that is the end of it."""
    return (NATURAL_TOKENS, False) if cap is None or cap >= NATURAL_TOKENS else (cap, True)


def _chat_facts(request: Json) -> tuple[str, Json]:
    tokens, cut_off = _spoken(request.get("max_completion_tokens") or request.get("max_tokens"))
    tokens *= request.get("n", 1)
    usage = {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": tokens,
        "total_tokens": PROMPT_TOKENS + tokens,
        "completion_tokens_details": {"reasoning_tokens": REASONING_TOKENS},
    }
    return "length" if cut_off else "stop", usage


def _chat(request: Json) -> Json:
    reason, usage = _chat_facts(request)
    choices = [
        {"index": index, "finish_reason": reason, "message": {"role": "assistant", "content": TEXT}}
        for index in range(request.get("n", 1))
    ]
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": request["model"]}
    return {**head, "choices": choices, "usage": usage}


def _chat_chunks(request: Json) -> list[Json]:
    reason, usage = _chat_facts(request)
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": request["model"]}
    answers = range(request.get("n", 1))
    said = {"role": "assistant", "content": TEXT}
    chunks = [
        *({**head, "choices": [{"index": index, "delta": said, "finish_reason": None}]} for index in answers),
        *({**head, "choices": [{"index": index, "delta": {}, "finish_reason": reason}]} for index in answers),
    ]
    if request.get("stream_options", {}).get("include_usage"):
        chunks.append({**head, "choices": [], "usage": usage})
    if request["model"] == OWN_IDS:
        chunks = [{**chunk, "id": f"chatcmpl-{number}"} for number, chunk in enumerate(chunks, 1)]
    return chunks


def _response(request: Json) -> Json:
    tokens, cut_off = _spoken(request.get("max_output_tokens"))
    status = "incomplete" if cut_off else "completed"
    text = {"type": "output_text", "text": TEXT, "annotations": []}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": request["model"],
        "status": status,
        "incomplete_details": {"reason": "max_output_tokens"} if cut_off else None,
        "max_output_tokens": request.get("max_output_tokens"),
        "output": [{"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": [text]}],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": PROMPT_TOKENS,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": tokens,
            "output_tokens_details": {"reasoning_tokens": REASONING_TOKENS},
            "total_tokens": PROMPT_TOKENS + tokens,
        },
    }


def _response_events(request: Json) -> list[Json]:
    response = _response(request)
    begun = {**response, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    item = response["output"][0]
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    empty = {**item, "status": "in_progress", "content": []}
    events = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": empty},
        {"type": "response.content_part.added", **place, "part": {**item["content"][0], "text": ""}},
        {"type": "response.output_text.delta", **place, "delta": TEXT, "logprobs": []},
        {"type": "response.output_text.done", **place, "text": TEXT, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": item["content"][0]},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": f"response.{response['status']}", "response": response},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def _message(request: Json) -> Json:
    tokens, cut_off = _spoken(request.get("max_tokens"))
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": [{"type": "text", "text": TEXT}],
        "stop_reason": "max_tokens" if cut_off else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": PROMPT_TOKENS, "output_tokens": tokens},
    }


def _message_events(request: Json) -> list[Json]:
    message = _message(request)
    begun = {**message, "content": [], "stop_reason": None}
    return [
        {"type": "message_start", "message": {**begun, "usage": {"input_tokens": PROMPT_TOKENS, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None},
            "usage": {"output_tokens": message["usage"]["output_tokens"]},
        },
        {"type": "message_stop"},
    ]


def _gemini_chunks(request: Json) -> list[Json]:
    config = request.get("generationConfig", {})
    tokens, cut_off = _spoken(config.get("maxOutputTokens") or config.get("max_output_tokens"))
    tokens *= config.get("candidateCount") or 1
    said = {"content": {"role": "model", "parts": [{"text": TEXT}]}}
    ended = {**said, "finishReason": "MAX_TOKENS" if cut_off else "STOP"}
    thinking = {"promptTokenCount": PROMPT_TOKENS, "thoughtsTokenCount": REASONING_TOKENS}
    usage = {**thinking, "candidatesTokenCount": tokens - REASONING_TOKENS, "totalTokenCount": PROMPT_TOKENS + tokens}
    head = {"responseId": "gem-1", "modelVersion": "gemini-x"}
    further = [{**ended, "index": index} for index in range(1, config.get("candidateCount") or 1)]
    parts = [part for each in request["contents"] for part in each["parts"]]
    if request.get("tools") and not any("functionResponse" in part for part in parts):
        ended["content"] = {"role": "model", "parts": [{"functionCall": {"name": FUNCTION, "args": {}}}]}
        return [{**head, "candidates": [ended], "usageMetadata": usage}]
    return [
        {**head, "candidates": [said], "usageMetadata": thinking},
        {**head, "candidates": [ended, *further], "usageMetadata": usage},
    ]
