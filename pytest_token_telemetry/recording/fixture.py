"""The fixture with which tests record their model calls."""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, cast

from pytest_token_telemetry import sample
from pytest_token_telemetry.recording.marker import Marker
from pytest_token_telemetry.recording.predicted import Block, Predicted, is_known_before, refuse_outcomes
from pytest_token_telemetry.recording.so_far import SoFar
from pytest_token_telemetry.sample import FIELDS
from pytest_token_telemetry.sources import own_format, responses
from pytest_token_telemetry.text import listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager
    from types import TracebackType

    import pytest

    from pytest_token_telemetry.analysis.metrics import Metrics
    from pytest_token_telemetry.analysis.populations import Population
    from pytest_token_telemetry.recording.capture import Capture
    from pytest_token_telemetry.recording.tape import Tape
    from pytest_token_telemetry.sample import Sample

_P = ParamSpec("_P")
_T = TypeVar("_T")

_GIVEN = [name for name in own_format.WRITTEN if name != "features"]
"""The keywords that are fields. All others are features."""


class TokenTelemetry:
    """Records the model calls that a test makes. The ``token_telemetry`` fixture, of session scope, is one."""

    def __init__(
        self,
        tape: Tape,
        capture: Capture,
        running: Callable[[], pytest.Item | None],
        judge: Callable[..., Metrics],
        predicted: Predicted | None = None,
    ) -> None:
        self._tape = tape
        self._capture = capture
        self._running = running
        self._judge = judge
        self._so_far = SoFar(tape, capture.samples)
        self._predicted = predicted or Predicted()

    def record(
        self,
        *,
        output_tokens: object,
        predicted_output_tokens: object = None,
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
        operation: object = None,
        id: object = None,
        time: object = None,
        **features: object,
    ) -> None:
        """Record one call. What is not given comes from the test's marker, or is not known.

        The call was truncated if the reason says so, *or* the output reached ``max_tokens`` and the reason does not
        say that it ended by itself.

        Args:
            output_tokens: what the provider billed as output, reasoning included.
            predicted_output_tokens: the estimator's prediction, made before the call, if there is one.
            max_tokens: the cap that was sent.
            budget_tokens: the cap that the budget selector chose.
            finish_reason: the provider's own word for why the output ended.
            truncated: whether the output was truncated; it holds against the cap, but not against the reason.
            success: whether the task succeeded, not just the request.
            category: of the task.
            complexity: of the task.
            deliverable_count: how many files the call should produce.
            task_id: the unit of work, which attempts at it share.
            model: the model's name.
            operation: what the system itself calls this kind of call.
            id: the call's own id.
            time: a ``datetime`` with a time zone: when the call ended; now, if there is none.
            features: what the estimator predicted from, as plain values; never the prompt.

        Raises:
            TypeError: a value is of a kind that the field cannot hold, or a feature is called almost like a field.
            ValueError: a value is out of range.
        """
        __tracebackhide__ = True
        given = {name: value for name, value in locals().items() if name in _GIVEN}
        self._add({**given, **features})

    def observe(self, response: object, *, predicted_output_tokens: object = None, **fields: object) -> None:
        """Record one call by the provider's response: its output tokens, model, id and finish reason.

        Args:
            response: of OpenAI (chat or Responses), Anthropic, Gemini, LiteLLM or LangChain, as an object or as decoded
                JSON; of a stream, the final event, or a list of all events; or the exception that holds it.
            predicted_output_tokens: as in `record`.
            fields: as in `record`. They win over what the response says.

        Raises:
            TypeError: it is no such response, or a value is of a kind that the field cannot hold.
            ValueError: the response is not finished or tells no token count, the call failed, or a value is out of
                range.
        """
        __tracebackhide__ = True
        self._observe(response, {"predicted_output_tokens": predicted_output_tokens, **fields})

    def _observe(self, response: object, fields: dict[str, object], went_well: bool | None = None) -> None:
        __tracebackhide__ = True
        known = _here(responses.read, response)
        said = {each.name: getattr(known, each.name) for each in dataclasses.fields(known) if each.name in _GIVEN}
        given = {name: value for name, value in fields.items() if value is not None or name not in _GIVEN}
        defaults = _here(Marker.of, self._running()).defaults
        defaults = {"max_tokens": known.max_tokens, **defaults, **self._predicted.fields}
        cap = given.get("max_tokens", defaults["max_tokens"])
        cap = _here(own_format.count, "max_tokens", cap)
        sent = None if cap is None else cap * known.choices
        remapped = known.remapped and given.get("finish_reason") is None
        self._add({**said, **given, "max_tokens": sent}, went_well, remapped=remapped)
        if isinstance(response, BaseException):
            self._capture.held()

    def call(self, *, predicted_output_tokens: object = None, **fields: object) -> Call:
        """A block that makes one call: ``with token_telemetry.call(...) as call: call.response = client.create(...)``.

        Its sample has ``success=True``, or ``False`` if the block raises, and the exception goes on, or if the response
        says that the call failed. The ``fields`` are as in `record`.
        """
        __tracebackhide__ = True
        _refuse_names(fields)
        return Call(self, {"predicted_output_tokens": predicted_output_tokens, **fields})

    def predict(self, predicted_output_tokens: object = None, **fields: object) -> AbstractContextManager[None]:
        """A block whose calls have this prediction: ``with token_telemetry.predict(900, category="docs"):``.

        It holds for what `record`, `observe` and `call` record within, in this thread or task and in tasks that begin
        there. What they are given themselves wins, what the response says too, but for the cap; the test's marker does
        not.

        Args:
            predicted_output_tokens: as in `record`.
            fields: the labels and caps that a test's marker may say, and features.

        Raises:
            TypeError: nobody knows a field before the call, or a value is of a kind that the field cannot hold.
            ValueError: a value is out of range.
        """
        __tracebackhide__ = True
        given = {"predicted_output_tokens": predicted_output_tokens, **fields}
        _refuse_names(given, before_the_call=True)
        _here(refuse_outcomes, given)
        features = {name: value for name, value in fields.items() if name not in _GIVEN}
        for name, value in given.items():
            if name in _GIVEN:
                _here(own_format.checked, name, value)
        _here(own_format.checked, "features", features)
        return self._predicted.block(given)

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
        return self._so_far.samples

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
        return self._judge(self._so_far.columns, population)

    def _add(self, given: dict[str, object], went_well: bool | None = None, *, remapped: bool = False) -> None:
        """Record what is ``given``. Where that does not say whether it was a success, ``went_well`` does.

        ``remapped``: see `sample.is_truncated`.
        """
        __tracebackhide__ = True
        _refuse_names(given)
        predicted = self._predicted.fields
        features = {name: value for name, value in {**predicted, **given}.items() if name not in _GIVEN}
        said = {name: value for name, value in given.items() if name in _GIVEN and value is not None}
        before = {name: value for name, value in predicted.items() if name in _GIVEN}
        call = {**dict.fromkeys(_GIVEN), **_here(Marker.of, self._running()).defaults, **before, **said}
        if "success" not in said and _reason(call) == "error":
            call["success"] = False
        elif "success" not in said and went_well is not None:
            call["success"] = went_well
        line = _here(own_format.line, features=features, **{**call, **_truncation(call, remapped=remapped)})
        self._capture.know(line, self._tape.add(line))


_SET_IN_BLOCK = ("response", "output_tokens", "finish_reason", "success")
"""The attributes of a `Call`."""


class Call(Block):
    """One model call in a ``with`` block. Set ``response``, or ``output_tokens`` where there is no response object."""

    _made_by = "call"
    _is_over = False

    def __init__(self, telemetry: TokenTelemetry, fields: dict[str, object]) -> None:
        self._telemetry = telemetry
        self._fields = fields
        self.response: object = None
        """What the provider answered: see `TokenTelemetry.observe`."""
        self.output_tokens: object = None
        """What the provider billed as output, where `response` does not say it."""
        self.finish_reason: object = None
        """Why the output ended, where `response` does not say it."""
        self.success: bool | None = None
        """Whether the task succeeded; else whether the block ends without an exception."""

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute, of those that a call has, as long as it is recorded with it.

        Raises:
            AttributeError: there is no such attribute.
            RuntimeError: the block has ended.
        """
        __tracebackhide__ = True
        if not name.startswith("_"):
            if name not in _SET_IN_BLOCK:
                raise AttributeError(f"{name}: a call has no such attribute (set {listing(_SET_IN_BLOCK, last='or')})")
            if self._is_over:
                raise RuntimeError(f"{name}: the call is recorded already (set it within the block)")
        super().__setattr__(name, value)

    def __enter__(self) -> Self:
        self._is_entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        self._is_over = True
        said = self._fields.get("success") if self.success is None else self.success
        set_here = {"output_tokens": self.output_tokens, "finish_reason": self.finish_reason}
        fields: dict[str, Any] = {
            **self._fields,
            **{name: value for name, value in set_here.items() if value is not None},
            "success": said if error is None else False,
        }
        try:
            response = self.response
            if response is None and error is not None:
                response = None if responses.held_by(error) is None else error
            if response is not None:
                self._telemetry._observe(response, fields, went_well=True)
            elif fields.get("output_tokens") is not None:
                self._telemetry._add(fields, went_well=True)
            else:
                raise ValueError("call: neither response nor output_tokens was set in the block")
        except Exception as refusal:
            if error is None:
                raise
            self._telemetry._capture.lose(_loss(error, refusal))  # the block's own exception goes on


def _loss(error: BaseException, refusal: Exception) -> str:
    """Why the call of a block is not a sample: the block raised ``error``, and recording it raised ``refusal``."""
    if isinstance(refusal, responses.JointCountError):
        return own_format.SEVERAL_ATTEMPTS
    if isinstance(refusal, responses.FailedCallError) or responses.is_failure(error):
        return own_format.FAILED
    return own_format.NO_RESPONSE


def _here(check: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``check`` returns. What it refuses is raised from here, so that pytest shows the test's own line."""
    __tracebackhide__ = True
    try:
        return check(*args, **kwargs)
    except (TypeError, ValueError) as error:
        raise error.with_traceback(None) from None


def _truncation(call: dict[str, Any], *, remapped: bool) -> dict[str, object]:
    """Whether the output of ``call`` was cut off, and what says so; nothing if nobody can tell."""
    __tracebackhide__ = True
    reason, stated = _reason(call), cast("bool | None", _here(own_format.checked, "truncated", call.get("truncated")))
    output = _here(own_format.count, "output_tokens", call["output_tokens"]) or 0
    cap = _here(own_format.count, "max_tokens", call["max_tokens"])
    truncated = sample.is_truncated(stated, reason, output, cap, remapped=remapped)
    return {"truncated": truncated, "truncation_source": sample.truncation_source(truncated, stated, reason)}


def _reason(call: Mapping[str, object]) -> sample.FinishReason | None:
    """Why the output of ``call`` ended, in our words."""
    raw = call["finish_reason"]
    return None if raw is None else sample.finish_reason(str(raw.value if isinstance(raw, Enum) else raw))


def _refuse_names(given: Iterable[str], *, before_the_call: bool = False) -> None:
    """Refuse keywords that were meant for a field: the verdict would miss them among the features.

    ``before_the_call``: they are given when the output is not known yet.

    Raises:
        TypeError: with the name of the field.
    """
    __tracebackhide__ = True
    for name in given:
        if name in FIELDS and FIELDS[name].follows:
            raise TypeError(f"{name}: it follows from the rest (leave it out)")
        if name == "features":
            raise TypeError("features: there is no such field (write each feature as a keyword of its own)")
        if name not in _GIVEN and (meant := own_format.field_meant(name)) is not None:
            is_early = before_the_call and not is_known_before(meant)
            way_out = (
                f"{meant} is not known before the call"
                if is_early
                else f"write {meant}, or give the feature another name"
            )
            raise TypeError(f"{name}: there is no such field ({way_out})")
