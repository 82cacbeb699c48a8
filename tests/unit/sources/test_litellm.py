"""LiteLLM's records of calls: whole payloads, rows of spend logs, and reasons that it translates."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_token_telemetry.samples import SamplesBuilder
from pytest_token_telemetry.sources.documents import PLAIN_TEXT
from pytest_token_telemetry.sources.litellm import LOG_LINE, LiteLLMSource
from pytest_token_telemetry.sources.places import UnusedColumn
from pytest_token_telemetry.sources.provider_calls import NO_GENERATION
from pytest_token_telemetry.sources.rows import Rows
from tests.answers import chat, message, responses
from tests.conftest import SHARED
from tests.unit.sources.builders import samples_of
from tests.unit.sources.json_files import read, reasons, write


def payload(reason: str = "stop", tokens: object = 16, cap: object = 64, **fields: object) -> dict[str, Any]:
    """A standard logging payload, as far as it matters."""
    return {
        "id": "chatcmpl-1",
        "litellm_call_id": "914838fa",
        "call_type": "acompletion",
        "cache_hit": None,
        "status": "success",
        "startTime": 1795410703.873744,
        "endTime": 1795410705.720428,
        "model": "gpt-x",
        "metadata": {"spend_logs_metadata": None, "usage_object": {"completion_tokens": tokens}},
        "completion_tokens": tokens,
        "request_tags": [],
        "messages": [{"role": "user", "content": "x"}],
        "response": chat(reason, tokens=tokens),
        "model_parameters": {"max_tokens": cap},
        **fields,
    }


def test_payloads_of_older_versions_are_not_taken_for_langfuse(tmp_path: Path) -> None:
    """LiteLLM 1.80 has no ``litellm_call_id``, and its trace, start and parameters are names of Langfuse too."""
    old = payload("length", cap=None, trace_id="323d3b4f")
    del old["litellm_call_id"]
    write(tmp_path / "calls.jsonl", [dict(sorted(old.items(), key=lambda item: item[0] != "trace_id"))])
    [sample] = samples_of(read(tmp_path))
    assert (sample.truncated, sample.finish_reason) == (True, "length")


def spend_log(**fields: object) -> dict[str, Any]:
    """A row of the proxy's database: what is JSON there is a text here."""
    return {
        "request_id": "chatcmpl-2",
        "call_type": "acompletion",
        "api_key": "88dc",
        "spend": 0.1,
        "total_tokens": 24,
        "completion_tokens": 16,
        "startTime": "2026-11-23T05:11:43Z",
        "endTime": "2026-11-23T05:11:45Z",
        "model": "openai/gpt-x",
        "metadata": json.dumps({"status": "success", "spend_logs_metadata": {"category": "docs"}}),
        "cache_hit": "False",
        "request_tags": '["token_telemetry.predicted_output_tokens=12", "User-Agent: x"]',
        "response": json.dumps(chat("length", tokens=16)),
        "proxy_server_request": json.dumps({"model": "gpt-x", "max_tokens": 16, "messages": []}),
        **fields,
    }


def one(tmp_path: Path, record: object) -> Any:
    reading = read(write(tmp_path / "calls.jsonl", [record]).parent)
    assert (len(reading.samples), reading.unusable, reading.skipped) == (1, {}, {})
    return samples_of(reading)[0]


def test_a_payload_has_the_facts_of_its_call(tmp_path: Path) -> None:
    found = one(tmp_path, payload(metadata={"spend_logs_metadata": {"predicted_output_tokens": 12, "task_id": "t-1"}}))
    assert (found.predicted_output_tokens, found.output_tokens, found.max_tokens) == (12, 16, 64)
    assert (found.model, found.task_id, found.success) == ("gpt-x", "t-1", None)
    assert (found.finish_reason, found.truncated, found.truncation_source) == ("stop", False, None)
    assert str(found.time) == "2026-11-23 05:11:45.720428"


def test_a_row_of_spend_logs_has_them_too(tmp_path: Path) -> None:
    found = one(tmp_path, spend_log())
    assert (found.predicted_output_tokens, found.output_tokens, found.max_tokens) == (12, 16, 16)
    assert (found.model, found.category, found.finish_reason) == ("openai/gpt-x", "docs", "length")
    assert (found.truncated, str(found.time)) == (True, "2026-11-23 05:11:45")


@pytest.mark.parametrize(
    ("parameters", "cap"),
    [
        ({"max_tokens": 64}, 64),
        ({"max_completion_tokens": 64}, 64),
        ({"max_output_tokens": "64"}, 64),
        ({"temperature": 1}, None),
        (None, None),
    ],
)
def test_the_cap_has_several_names(tmp_path: Path, parameters: object, cap: int | None) -> None:
    assert one(tmp_path, payload(model_parameters=parameters)).max_tokens == cap


@pytest.mark.parametrize(
    ("response", "tokens", "truncated", "source"),
    [
        (chat("stop"), 16, False, None),
        (chat("length"), 16, True, "reason"),
        (chat("stop"), 64, True, "cap"),
        (chat("tool_calls"), 64, True, "cap"),
        ({"choices": [{"finish_reason": "stop", "native_finish_reason": "STOP"}]}, 64, False, None),
        (
            {"choices": [{"finish_reason": "stop", "native_finish_reason": "STOP"}, {"finish_reason": "stop"}]},
            128,
            True,
            "cap",
        ),
        ("redacted-by-litellm", 64, True, "cap"),
        (None, 63, False, None),
        (
            {
                "choices": [
                    {"finish_reason": "stop", "provider_specific_fields": {"native_finish_reason": "model_length"}}
                ]
            },
            9,
            True,
            "reason",
        ),
        ({"choices": [{"finish_reason": "stop", "native_finish_reason": "error"}]}, 9, None, None),
        (responses("incomplete", incomplete_details={"reason": "max_output_tokens"}), 64, True, "reason"),
        (message("max_tokens"), 64, True, "reason"),
        (json.dumps(chat("length")), 16, True, "reason"),
    ],
)
def test_reasons_that_were_translated_or_lost_hide_no_truncation(
    tmp_path: Path, response: object, tokens: int, truncated: bool | None, source: str | None
) -> None:
    """The provider's own word counts where it is kept, and an output of all 64 tokens was cut off whatever is said."""
    found = one(tmp_path, payload(tokens=tokens, response=response))
    assert (found.truncated, found.truncation_source) == (truncated, source)


def test_what_is_no_finished_call_is_counted(tmp_path: Path) -> None:
    records: list[object] = [
        payload(),
        payload(status="failure", tokens=0, error_information={"error_class": "RateLimitError"}),
        payload(cache_hit=True),
        spend_log(cache_hit="True"),
        payload(call_type="aembedding"),
        payload(tokens=None),
        payload(tokens=-3),
        payload(tokens="16 tokens"),
        {"call_type": "acompletion"},
        "text",
    ]
    reading = read(write(tmp_path / "calls.jsonl", records).parent)
    assert len(reading.samples) == 1
    assert reading.skipped == {"answers from a cache": 2, "calls that generate no text": 1}
    assert reasons(reading) == {
        "a line is not JSON": (1, ["d/calls.jsonl:10"]),
        "a call failed": (1, ["d/calls.jsonl:2"]),
        "output_tokens is missing": (2, ["d/calls.jsonl:6", "d/calls.jsonl:9"]),
        "output_tokens is negative": (1, ["d/calls.jsonl:7"]),
        "output_tokens is not a whole number": (1, ["d/calls.jsonl:8"]),
    }


@pytest.mark.parametrize("kind", ["pass_through_endpoint", "allm_passthrough_route", "_aresponses_websocket"])
def test_a_call_that_the_proxy_passed_through_counts_if_it_generated_text(tmp_path: Path, kind: str) -> None:
    """The proxy gives what is passed through to a provider one type, whatever it does."""
    passed = {"call_type": kind, "model_parameters": {}, "litellm_call_id": "1"}
    silent = payload(tokens=0, **{**passed, "response": {"response": "{}"}, "id": "2"})
    lost = payload("length", tokens=None, **passed, id="3")
    write(tmp_path / "calls.jsonl", [payload("length", **passed), silent, lost])
    found = read(tmp_path)
    [sample] = samples_of(found)
    assert (sample.output_tokens, sample.truncated) == (16, True)
    assert (found.skipped, found.uncounted) == ({NO_GENERATION: 1}, (1, 1))


def test_a_file_of_calls_that_generate_nothing_is_known(tmp_path: Path) -> None:
    reading = read(write(tmp_path / "calls.jsonl", [payload(call_type="aembedding")]).parent)
    assert (len(reading.samples), reading.nothing_known, [*reading.skipped.values()]) == (0, 0, [1])


@pytest.mark.parametrize(
    "wrap",
    [
        lambda call: {"standard_logging_object": call},
        lambda call: {"message": "LiteLLM", "level": "INFO", "standard_logging_object": call},
        lambda call: {"kwargs": {"model": "gpt-x", "standard_logging_object": call}},
        lambda call: {"time": 1, "message": {"standard_logging_object": call}},
        lambda call: {"time": 1, "message": {"kwargs": {"standard_logging_object": call}}},
        lambda call: {"message": json.dumps(call), "level": "INFO", "timestamp": "2026-01-05T10:00:00"},
        lambda call: {"level": "INFO", "message": json.dumps({"standard_logging_object": call})},
        lambda call: {"message": call, "level": "INFO"},
    ],
    ids=[
        *("payload", "beside a message", "kwargs", "message", "kwargs in a message"),
        *("text of a message", "text of a wrapped one", "object of a message"),
    ],
)
def test_payloads_are_read_within_what_loggers_wrap_them_in(
    tmp_path: Path, wrap: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    calls = [payload("length", id="1"), payload(id="2"), payload(status="failure", tokens=0, id="3")]
    write(tmp_path / "calls.jsonl", [*map(wrap, calls), {"message": "server started"}])
    found = read(tmp_path)
    assert [each.truncated for each in samples_of(found)] == [True, False]
    assert reasons(found) == {
        "a call failed": (1, ["d/calls.jsonl:3"]),
        "output_tokens is missing": (1, ["d/calls.jsonl:4"]),
    }
    write(tmp_path / "calls.jsonl", [[*map(wrap, calls)]])
    assert len(read(tmp_path).samples) == 2


def logged(message: object) -> dict[str, Any]:
    """A line of LiteLLM's proxy with ``json_logs``."""
    text = message if isinstance(message, str) else json.dumps(message)
    return {"message": text, "level": "INFO", "timestamp": "2026-01-05T10:00:00.1"}


@pytest.mark.parametrize("above", [1, 30, 200])
def test_payloads_in_json_logs_are_found_below_other_lines_of_the_log(tmp_path: Path, above: int) -> None:
    """A line without a payload says nothing of a call; one that begins like it and is none may have been one."""
    calls = [payload("length", id="1", note='a "quoted" word'), payload(id="2")]
    others = [logged({"model": "gpt-x", "usage": 5}), logged("{'call_type': 'acompletion', 'completion_tokens': 5}")]
    write(tmp_path / "proxy.jsonl", [*[logged("LiteLLM: started")] * above, *map(logged, calls), *others])
    found = read(tmp_path)
    assert [(each.output_tokens, each.truncated) for each in samples_of(found)] == [(16, True), (16, False)]
    assert found.skipped == {LOG_LINE: above}
    assert reasons(found) == {
        "output_tokens is missing": (2, [f"d/proxy.jsonl:{above + 3}", f"d/proxy.jsonl:{above + 4}"])
    }


@pytest.mark.parametrize(
    "lines",
    [
        [logged("{'call_type': 'acompletion', 'litellm_call_id': 'x', 'completion_tokens': 5}")],
        [logged({"call_type": "acompletion", "model": "gpt-x"})],
        [logged({"model": "gpt-x", "usage": {"completion_tokens": 5}})],
    ],
    ids=["as Python writes it", "too little", "another record"],
)
def test_logs_whose_messages_are_no_payloads_are_not_claimed(tmp_path: Path, lines: list[object]) -> None:
    write(tmp_path / "proxy.jsonl", lines)
    found = read(tmp_path)
    assert (len(found.samples), found.unusable, found.nothing_known) == (0, {}, 1)


@pytest.mark.parametrize(
    "form",
    ["{0}\n{1}\n", "[{0}, {1}]", "\ufeff{0}\r\n{1}", "{0}\n\nproxy started\n{1}\n"],
    ids=["lines", "list", "BOM", "log"],
)
@pytest.mark.parametrize("indent", [None, 4])
def test_payloads_are_read_however_they_are_printed(tmp_path: Path, form: str, indent: int | None) -> None:
    texts = (json.dumps(payload(id=id), indent=indent) for id in "ab")
    (tmp_path / "calls.json").write_text(form.format(*texts), encoding="utf-8")
    reading = read(tmp_path)
    assert len(reading.samples) == 2
    assert (reading.unusable, [*reading.skipped]) == ({}, [PLAIN_TEXT] if "proxy" in form else [])


def test_a_copy_is_no_other_call_and_a_stand_in_has_one_id_for_many(tmp_path: Path) -> None:
    """A stand-in for a model gives every answer the same id: the times tell its calls apart."""
    records = [payload(), payload(endTime=1795410706.5), payload(id="chatcmpl-3"), spend_log()]
    write(tmp_path / "a.jsonl", [*records, payload(id="chatcmpl-3")])
    write(tmp_path / "copy" / "a.jsonl", records)
    reading = read(tmp_path)
    assert (len(reading.samples), reading.duplicates) == (4, 5)


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.integers(), max_size=2)
)


@pytest.mark.parametrize("more", [{}, {"model_parameters": None}], ids=["lane", "one-by-one"])
@pytest.mark.parametrize("spend", [None, {}, {"category": "tests"}])
def test_what_a_client_sends_to_the_proxy_as_metadata_counts_where_spend_logs_say_nothing(
    tmp_path: Path, spend: dict[str, str] | None, more: dict[str, Any]
) -> None:
    client = {"predicted_output_tokens": 12, "category": "docs", "user": "u"}
    found = one(tmp_path, payload(metadata={"requester_metadata": client, "spend_logs_metadata": spend}, **more))
    assert (found.predicted_output_tokens, found.category) == (12, "tests" if spend else "docs")


INNER = VALUES | st.dictionaries(st.sampled_from(["choices", "max_tokens", "spend_logs_metadata", "category"]), VALUES)


@given(st.dictionaries(st.sampled_from([*payload()]), INNER))
def test_any_record_is_a_sample_or_is_counted(record: dict[str, object]) -> None:
    rows = Rows()
    rows.begin_file()
    text = json.dumps({"call_type": "completion", **record}).encode("utf-8", "replace")
    LiteLLMSource().read(io.BytesIO(text), rows)
    samples, *_ = rows.build(complete=(), keep_ids=False)
    assert len(samples) + sum(each.count for each in rows.complaints()) + sum(rows.skipped.values()) == 1


COUNTS = st.sampled_from([0, 1, 64, 10**9, 10**9 + 1, 10**30, -1, 16.0, 1.5, "16", "٣", "", True, None])
TIMES = st.floats(-1, 3e11) | st.sampled_from(
    [1795410705.0000005, 1795410705.0000015, 0, 1e300, "2026-11-23T05:11:45Z"]
)
WORDS = st.sampled_from(["stop", "length", "model_length", "new", "", "x" * 300, None, 3])
LABELS = st.dictionaries(
    st.sampled_from(["predicted_output_tokens", "category", "success", "token_telemetry.max_tokens", "user"])
    | st.just("token_telemetry.feature.size"),
    COUNTS | WORDS | st.lists(st.integers(), max_size=1),
    max_size=3,
)
CHOICE = st.fixed_dictionaries(
    {"finish_reason": WORDS},
    optional={
        "index": st.sampled_from([0, 7, None, "0"]),
        "native_finish_reason": WORDS,
        "provider_specific_fields": st.fixed_dictionaries({}, optional={"native_finish_reason": WORDS}) | WORDS,
    },
)
WRITTEN = {
    "id": st.sampled_from(["chatcmpl-1", "chatcmpl-ä", "", "x" * 300, 7, None]),
    "request_id": st.just("other"),
    "call_type": st.sampled_from(["acompletion", "aembedding", None, 1]),
    "cache_hit": st.sampled_from([True, False, "True", "False"]),
    "status": st.sampled_from(["failure", "success", None, "other"]),
    "endTime": TIMES,
    "model": WORDS,
    "completion_tokens": COUNTS,
    "metadata": st.fixed_dictionaries({"spend_logs_metadata": LABELS | WORDS}) | WORDS,
    "request_tags": st.lists(st.sampled_from(["category=docs", "budget_tokens=70", "User-Agent: x"]), max_size=2)
    | WORDS,
    "response": st.fixed_dictionaries(
        {"choices": st.lists(CHOICE, max_size=2)},
        optional={"type": st.sampled_from(["message", "ai"]), "response_metadata": st.just({"stop_reason": "length"})},
    )
    | st.sampled_from(
        [
            None,
            "redacted",
            message("max_tokens"),
            responses("incomplete", incomplete_details={"reason": "max_output_tokens"}),
            responses("in_progress"),
            {"candidates": [{"finishReason": "MAX_TOKENS"}]},
            {"promptFeedback": {"blockReason": "SAFETY"}},
            {"type": "ai", "response_metadata": {"stop_reason": "length"}},
        ]
    ),
    "model_parameters": st.fixed_dictionaries({}, optional={"max_tokens": COUNTS, "max_completion_tokens": COUNTS})
    | WORDS,
    "proxy_server_request": st.just({"max_tokens": 9}),
}
USUAL = payload(metadata={"spend_logs_metadata": {"predicted_output_tokens": 12, "category": "docs"}})


def found_in(text: bytes, *, keeps_keys: bool = False) -> tuple[list[tuple[Any, ...]], Counter[str], Counter[str]]:
    """What a file that holds ``text`` gives: samples with their identities, reasons of unusable lines, and skipped."""
    rows = Rows(keeps_keys=keeps_keys)
    rows.begin_file()
    LiteLLMSource().read(io.BytesIO(text), rows)
    samples, known, _ = rows.build(complete=(), keep_ids=True)
    table = SamplesBuilder([samples])
    columns = zip(*(each.tolist() for each in (known.digest, known.known, known.own, known.id)), strict=True)
    found = [(table.sample(row), *each, known.ids.get(row)) for row, each in enumerate(columns)]
    return found, Counter({each.reason: each.count for each in rows.complaints()}), rows.skipped


@settings(max_examples=100)
@example([{"completion_tokens": 64}] * 3, {}, "\n")
@example([{"response": {"choices": [{"finish_reason": "stop"}] * 2}}], {"cache_hit": True}, "")
@given(
    st.sets(st.sampled_from([*WRITTEN]), max_size=2).flatmap(
        lambda odd: st.lists(st.fixed_dictionaries({key: WRITTEN[key] for key in odd}), min_size=1, max_size=3)
    ),
    st.fixed_dictionaries({}, optional=WRITTEN),
    st.sampled_from(["\n", "\n\n", ""]),
)
def test_many_calls_are_what_each_is_in_a_file_of_its_own(
    odd: list[dict[str, object]], more: dict[str, object], between: str
) -> None:
    """Payloads are read many at once where there are many of them, and one by one where one says anything odd.

    Where side files are to be joined, and so the keys are kept, each is read by itself.
    """
    others = [{**USUAL, "id": f"chatcmpl-{n}", "completion_tokens": n} for n in range(20)]
    others[7] |= more
    texts = [json.dumps(each).encode() for each in [*(USUAL | each for each in odd), *others]]
    alone = [found_in(text, keeps_keys=True) for text in texts]
    samples, reasons, skipped = found_in(between.encode().join(texts))
    assert samples == [each for found, *_ in alone for each in found]
    assert reasons == sum((each for _, each, _ in alone), Counter())
    assert skipped == sum((each for *_, each in alone), Counter())
    assert len(samples) >= 19


def test_a_real_payload_is_its_call() -> None:
    if not (SHARED / "data" / "litellm").is_dir():
        pytest.skip("the files of other systems are not at hand")
    (found,) = samples_of(read(SHARED / "data" / "litellm"))
    assert (found.predicted_output_tokens, found.output_tokens, found.max_tokens) == (12, 16, 16)
    assert (found.finish_reason_raw, found.truncated, found.model) == ("length", True, "gpt-5.2")


def test_misspelt_keys_of_metadata_are_told_by_calls(tmp_path: Path) -> None:
    metadata = {"sucess": "true", "team": "x"}
    plain = [payload(id=f"c-{n}", metadata={"spend_logs_metadata": metadata}) for n in range(40)]
    tagged = payload(id="t", request_tags=["categry=docs", "x"])
    write(tmp_path / "calls.jsonl", [*plain, tagged])
    assert read(tmp_path).unused_columns == (
        UnusedColumn("categry", "category", 1, "metadata"),
        UnusedColumn("sucess", "success", 40, "metadata"),
    )


def test_misspelt_keys_of_our_own_lines_among_payloads_are_told_by_lines(tmp_path: Path) -> None:
    ours = {"schema": "token-telemetry/1", "output_tokens": 9, "max_token": 10}
    lines = [payload(id="1"), ours, ours, {**ours, "output_tokens": None}]
    write(tmp_path / "calls.jsonl", lines)
    found = read(tmp_path)
    assert len(found.samples) == 3
    assert found.unused_columns == (UnusedColumn("max_token", "max_tokens", 3, "line"),)
