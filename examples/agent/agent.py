"""A small agent: it predicts how long an answer will be, picks a cap from that, and asks a model over HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

TOKENS_PER_FILE = {"implementation": 640, "tests": 480, "docs": 300}
COMPLEXITY_FACTOR = {"low": 0.7, "medium": 1.0, "high": 1.5}
CAPS = (512, 1024, 2048, 4096, 8192, 16384)
ROOM = 1.5
MODEL = "small-model-1"


def predict_output_tokens(category: str, complexity: str, deliverable_count: int) -> int:
    """The estimator: how many tokens the answer to a task will take. This is what the gate judges."""
    return round(TOKENS_PER_FILE[category] * COMPLEXITY_FACTOR[complexity] * deliverable_count)


def pick_max_tokens(predicted_output_tokens: int) -> int:
    """The smallest cap that leaves room above the prediction."""
    return next((cap for cap in CAPS if cap >= ROOM * predicted_output_tokens), CAPS[-1])


@dataclass(frozen=True)
class Task:
    """What the agent is asked to do."""

    category: str
    complexity: str
    deliverable_count: int
    name: str

    @property
    def prompt(self) -> str:
        """The task in the words that the model gets."""
        return f"Write {self.deliverable_count} {self.category} file(s) of {self.complexity} complexity: {self.name}"


class Client:
    """Asks a model behind ``base_url``."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    def message(self, prompt: str, max_tokens: int) -> dict[str, Any]:
        """The answer in the shape of Anthropic's messages."""
        return self._post("/v1/messages", {"max_tokens": max_tokens, **_asking(prompt)})

    def chat(self, prompt: str, max_tokens: int) -> dict[str, Any]:
        """The answer in the shape of OpenAI's chat completions."""
        return self._post("/v1/chat/completions", {"max_completion_tokens": max_tokens, **_asking(prompt)})

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        with urlopen(Request(self._base_url + path, json.dumps(body).encode(), headers), timeout=10) as answer:
            decoded: dict[str, Any] = json.load(answer)
            return decoded


def _asking(prompt: str) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": prompt}]}
