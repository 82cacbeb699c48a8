"""What providers answer, as decoded JSON."""

from __future__ import annotations

from typing import Any

SECRET = "what the model said"


def chat(*reasons: str | None, tokens: object = 96, **fields: object) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-x",
        "choices": [
            {"index": index, "finish_reason": reason, "message": {"role": "assistant", "content": SECRET}}
            for index, reason in enumerate(reasons)
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": tokens, "total_tokens": 107},
        **fields,
    }


def chunk(*reasons: str | None, usage: object = None, **fields: object) -> dict[str, Any]:
    """A part of a stream of OpenAI's chat. The last has the ``usage``, and no choices."""
    choices = [
        {"index": index, "delta": {"content": SECRET}, "finish_reason": reason} for index, reason in enumerate(reasons)
    ]
    return chat(**{"object": "chat.completion.chunk", "choices": choices, "usage": usage, **fields})


def responses(status: str | None = "completed", **fields: object) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "model": "gpt-x",
        "status": status,
        "incomplete_details": None,
        "max_output_tokens": 128,
        "output": [{"type": "message", "content": [{"type": "output_text", "text": SECRET}]}],
        "usage": {"output_tokens": 128, "output_tokens_details": {"reasoning_tokens": 64}},
        **fields,
    }


def message(stop_reason: str | None = "end_turn", tokens: object = 41, **fields: object) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "model": "claude-x",
        "stop_reason": stop_reason,
        "content": [{"type": "text", "text": SECRET}],
        "usage": {"input_tokens": 9, "output_tokens": tokens},
        **fields,
    }


def gemini(*reasons: str | None, **usage: object) -> dict[str, Any]:
    return {
        "responseId": "gem-1",
        "modelVersion": "gemini-x",
        "candidates": [{"finishReason": reason, "content": {"parts": [{"text": SECRET}]}} for reason in reasons],
        "usageMetadata": {"promptTokenCount": 8, **usage},
    }


def gemini_object(*reasons: str | None, **usage: object) -> dict[str, Any]:
    return {
        "response_id": "gem-1",
        "model_version": "gemini-x",
        "candidates": [{"finish_reason": reason, "index": None} for reason in reasons],
        "usage_metadata": {"prompt_token_count": 8, "candidates_token_count": None, **usage},
    }
