"""What tests are given to record their model calls with."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from pytest_token_telemetry.recording import record, responses
from pytest_token_telemetry.recording.marker import Marker

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    import pytest

    from pytest_token_telemetry.analysis.metrics import Metrics
    from pytest_token_telemetry.analysis.populations import Population
    from pytest_token_telemetry.recording.capture import Capture
    from pytest_token_telemetry.recording.tape import Tape
    from pytest_token_telemetry.sample import Sample

_P = ParamSpec("_P")
_T = TypeVar("_T")

_OTHER_NAMES = {
    "predicted_output": "predicted_output_tokens",
    "predicted_tokens": "predicted_output_tokens",
    "actual_output": "output_tokens",
    "actual_output_tokens": "output_tokens",
    "completion_tokens": "output_tokens",
    "selected_budget": "budget_tokens",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "stop_reason": "finish_reason",
    "deliverables": "deliverable_count",
    "features": "each feature as a keyword of its own",
}
"""What other systems call our fields. As features, they would be lost to the verdict."""


class TokenTelemetry:
    """Records the model calls that a test makes. The ``token_telemetry`` fixture, of session scope, is one."""

    def __init__(
        self, tape: Tape, capture: Capture, running: Callable[[], pytest.Item | None], judge: Callable[..., Metrics]
    ) -> None:
        self._tape = tape
        self._capture = capture
        self._running = running
        self._judge = judge

    def record(
        self,
        *,
        predicted_output_tokens: object,
        output_tokens: object,
        max_tokens: object = None,
        budget_tokens: object = None,
        finish_reason: object = None,
        truncated: object = None,
        success: object = None,
        category: object = None,
        complexity: object = None,
        deliverable_count: object = None,
        task_id: object = None,
        model: object = None,
        id: object = None,
        time: object = None,
        **features: object,
    ) -> None:
        """Record one call. What is not given comes from the test's marker, or is not known.

        The call was truncated if the reason says so *or* the output reached ``max_tokens``: gateways lose reasons.

        Args:
            predicted_output_tokens: the estimator's prediction, made before the call.
            output_tokens: what the provider billed as output, reasoning included.
            max_tokens: the cap that was sent.
            budget_tokens: the cap that the budget selector chose.
            finish_reason: the provider's own word for why the output ended.
            truncated: whether the output was cut off; it holds against the cap, but not against the reason.
            success: whether the task succeeded, not just the request.
            category: of the task.
            complexity: of the task.
            deliverable_count: how many files the call should produce.
            task_id: the unit of work, which attempts at it share.
            model: the model's name.
            id: the call's own id.
            time: a ``datetime`` with a time zone: when the call ended; now, if there is none.
            features: what the estimator predicted from, as plain values; never the prompt.

        Raises:
            TypeError: a value is of a kind that the field cannot hold.
            ValueError: a value is out of range.
        """
        __tracebackhide__ = True
        self._add(
            {
                "predicted_output_tokens": predicted_output_tokens,
                "output_tokens": output_tokens,
                "max_tokens": max_tokens,
                "budget_tokens": budget_tokens,
                "finish_reason": finish_reason,
                "truncated": truncated,
                "success": success,
                "category": category,
                "complexity": complexity,
                "deliverable_count": deliverable_count,
                "task_id": task_id,
                "model": model,
                "id": id,
                "time": time,
            },
            features,
        )

    def observe(self, response: object, *, predicted_output_tokens: object, **fields: object) -> None:
        """Record one call by the provider's response: its output tokens, model, id and finish reason.

        Args:
            response: of OpenAI (chat or Responses), Anthropic, Gemini or LiteLLM, as an object or as decoded JSON; of a
                stream, the final event, or a list of all events.
            predicted_output_tokens: the estimator's prediction, made before the call.
            fields: as in `record`. They win over what the response says.

        Raises:
            TypeError: it is no such response, or a value is of a kind that the field cannot hold.
            ValueError: the response is not finished or tells no token count, or a value is out of range.
        """
        __tracebackhide__ = True
        known = _here(responses.read, response)
        given = {name: value for name, value in fields.items() if name in record.FIELDS and value is not None}
        defaults = _here(Marker.of, self._running()).defaults
        cap = _here(record.count, "max_tokens", given.get("max_tokens", defaults.get("max_tokens", known.max_tokens)))
        call = {
            "output_tokens": known.output_tokens,
            "finish_reason": known.finish_reason,
            "model": known.model,
            "id": known.id,
            **given,
            "predicted_output_tokens": predicted_output_tokens,
            "max_tokens": None if cap is None else cap * known.choices,
        }
        features = {name: value for name, value in fields.items() if name not in record.FIELDS}
        self._add(call, features)

    def call(self, *, predicted_output_tokens: object, **fields: object) -> Call:
        """A block that makes one call: ``with token_telemetry.call(...) as call: call.response = client.create(...)``.

        Its sample has ``success=True``, or ``False`` if the block raises; the exception goes on.

        Args:
            predicted_output_tokens: the estimator's prediction, made before the call.
            fields: as in `record`.
        """
        return Call(self, {"predicted_output_tokens": predicted_output_tokens, **fields})

    def read(self, text: str) -> None:
        """Record the telemetry lines in ``text``, such as the output of a program that the test has run itself."""
        __tracebackhide__ = True
        if not isinstance(text, str):
            raise TypeError(f"read: {type(text).__name__} is not a text (decode it first)")
        self._capture.read(text)

    @property
    def samples(self) -> tuple[Sample, ...]:
        """What the running test has recorded so far, in the order in which it came.

        What it logs or prints is read when it has run.
        """
        return self._capture.samples(self._tape.test)

    def report(self, population: Population | None = None) -> Metrics:
        """The figures of what the running test has recorded so far.

        Args:
            population: which samples are judged: ``risk``, ``success`` or ``all``; else as set for the gate.

        Raises:
            ValueError: there is no such population.
        """
        __tracebackhide__ = True
        if population not in (None, "risk", "success", "all"):
            raise ValueError(f"report: {population!r} is not one of risk, success, all")
        return self._judge(self.samples, population)

    def _add(self, fields: dict[str, object], features: dict[str, object]) -> None:
        __tracebackhide__ = True
        for name in ("legacy", "truncation_source"):
            if name in features or name in fields:
                raise TypeError(f"{name}: it follows from the rest (leave it out)")
        for name in features:
            if name in _OTHER_NAMES:
                raise TypeError(f"{name}: there is no such field (write {_OTHER_NAMES[name]})")
        defaults = _here(Marker.of, self._running()).defaults
        unsaid = {name: value for name, value in defaults.items() if fields.get(name) is None}
        call = {**fields, **unsaid}
        line = _here(record.line, features=features, **{**call, **_truncation(call)})
        self._capture.know(line, self._tape.add(line))

    def _end_without_response(self) -> None:
        self._tape.add_unusable("a call ended without a response")


class Call:
    """One model call in a ``with`` block. Set ``response``, or ``output_tokens`` where there is no response object."""

    def __init__(self, telemetry: TokenTelemetry, fields: dict[str, object]) -> None:
        self._telemetry = telemetry
        self._fields = fields
        self.response: object = None
        """What the provider answered: see `TokenTelemetry.observe`."""
        self.output_tokens: object = None
        """What the provider billed as output, where `response` does not say it."""
        self.success: bool | None = None
        """Whether the task succeeded; else whether the block ends without an exception."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        response = self.response
        if response is None:
            response = getattr(error, "completion", None)  # in what OpenAI's parse() raises for a call that was cut off
        said = self._fields.get("success") if self.success is None else self.success
        fields: dict[str, Any] = {
            **self._fields,
            "success": error is None if said is None or error is not None else said,
            "output_tokens": self._fields.get("output_tokens") if self.output_tokens is None else self.output_tokens,
        }
        try:
            if response is not None:
                self._telemetry.observe(response, **fields)
            elif fields["output_tokens"] is not None:
                self._telemetry.record(**fields)
            else:
                raise ValueError("call: neither response nor output_tokens was set in the block")
        except Exception:
            if error is None:
                raise
            self._telemetry._end_without_response()  # the block's own exception goes on


def _here(check: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``check`` returns. What it refuses is raised from here, so that pytest shows the test's own line."""
    __tracebackhide__ = True
    try:
        return check(*args, **kwargs)
    except (TypeError, ValueError) as error:
        raise type(error)(*error.args) from None


def _truncation(call: dict[str, Any]) -> dict[str, object]:
    """Whether the output of ``call`` was cut off, and what says so; nothing if nobody can tell."""
    __tracebackhide__ = True
    raw, cap, said = call["finish_reason"], call["max_tokens"], call.get("truncated")
    reason = None if raw is None else record.finish_reason(str(raw.value if isinstance(raw, Enum) else raw))
    if reason in ("length", "context"):
        return {"truncated": True, "truncation_source": "reason"}
    if said is not None:
        return {"truncation_source": "reported" if _here(record.flag, "truncated", said) else None}
    if cap and (_here(record.count, "output_tokens", call["output_tokens"]) or 0) >= cap:
        return {"truncated": True, "truncation_source": "cap"}
    can_tell = reason in ("stop", "tool_call", "content_filter") or (cap is not None and reason != "error")
    return {"truncated": False if can_tell else None}
