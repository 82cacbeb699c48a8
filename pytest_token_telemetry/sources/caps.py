"""The cap that was sent with a call, by the names that providers and frameworks have for it."""

from __future__ import annotations

from pytest_token_telemetry.sources.response_shapes import get

_NAMES = ("max_completion_tokens", "max_output_tokens", "max_tokens")
"""Those of OpenAI and Anthropic."""

_OTHER_NAMES = ("maxOutputTokens", "maxTokens", "max_tokens_to_sample", "num_predict")

_WITHIN = ("generationConfig", "inferenceConfig", "options")
"""Where else among parameters they may stand: with Gemini, Bedrock and Ollama."""


def cap_of(parameters: object) -> object:
    """The cap among the ``parameters`` of OpenAI's or Anthropic's form, as it was written."""
    return get(parameters, *_NAMES)


def cap_of_body(body: object) -> object:
    """The cap in the ``body`` of a provider's request, as it was written; Gemini's has it in its settings."""
    settings = get(body, "generationConfig", "generation_config", "config")
    return cap_of(body) or get(settings, "maxOutputTokens", "max_output_tokens")


def cap_in(parameters: object) -> int | None:
    """The cap among ``parameters``, by whichever name. Frameworks write what means none in many ways."""
    if not isinstance(parameters, dict):
        return None
    for name in (*_NAMES, *_OTHER_NAMES):
        value = parameters.get(name)
        if isinstance(value, str) and value.isascii() and value.isdecimal():
            value = int(value[:12])
        if type(value) is int and value > 0:
            return value
    return next((cap for key in _WITHIN if (cap := cap_in(parameters.get(key)))), None)
