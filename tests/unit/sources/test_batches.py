"""Batches of providers: results are joined with their requests, and what has none is counted."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_token_telemetry.sources.batch_lines import Request
from pytest_token_telemetry.sources.batches import BatchSource, Requests
from pytest_token_telemetry.sources.dividing import TaskSizes
from pytest_token_telemetry.sources.merge import UnusableLines
from pytest_token_telemetry.sources.outcomes import NO_RESULT
from pytest_token_telemetry.sources.parallel import Scan
from pytest_token_telemetry.sources.places import UnusedColumn
from pytest_token_telemetry.sources.provider_calls import NO_GENERATION
from pytest_token_telemetry.sources.reading import Directory, read_directories
from pytest_token_telemetry.sources.rows import Rows
from pytest_token_telemetry.sources.source import Opened, Sizes
from tests.answers import chat, gemini, message, responses
from tests.conftest import SHARED
from tests.unit.sources.builders import everything, samples_of
from tests.unit.sources.json_files import read, reasons, write

NO_REQUEST = "there is none (name the file that was sent)"


def asked(key: str, **body: object) -> dict[str, Any]:
    return {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": {"model": "gpt-x", **body}}


def answered(key: str, body: object, status: int = 200) -> dict[str, Any]:
    response = {"status_code": status, "request_id": f"req-{key}", "body": body}
    return {"id": f"batch_req_{key}", "custom_id": key, "response": response, "error": None}


def completion(key: str, reason: str = "stop", tokens: int = 96) -> dict[str, Any]:
    return answered(key, chat(reason, tokens=tokens, id=f"chatcmpl-{key}", created=1795410705))


def failed(key: str, code: str) -> dict[str, Any]:
    return {"id": f"batch_req_{key}", "custom_id": key, "response": None, "error": {"code": code, "message": "no"}}


NO_TEXT = [
    {
        "object": "list",
        "data": [{"object": "embedding", "embedding": [0.1], "index": 0}],
        "usage": {"prompt_tokens": 5},
    },
    {"id": "modr-1", "model": "omni-moderation", "results": [{"flagged": False, "categories": {}}]},
    {"created": 1795410705, "data": [{"b64_json": "aGk="}], "usage": {"output_tokens": 4160}},
    {"embedding": {"values": [0.1]}, "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5}},
]


@pytest.mark.parametrize("body", NO_TEXT)
def test_calls_that_generate_no_text_are_skipped(tmp_path: Path, body: dict[str, Any]) -> None:
    """Nor is a request of one that has no result, which is no call that was lost."""
    requests = [{**asked(key), "url": "/v1/embeddings"} for key in "ab"]
    write(tmp_path / "in.jsonl", requests)
    write(tmp_path / "out.jsonl", [answered("a", body), completion("c")])
    reading = read(tmp_path)
    assert (len(reading.samples), reading.unusable, reading.skipped) == (1, {}, {NO_GENERATION: 1})


def test_results_have_the_caps_and_labels_of_their_requests(tmp_path: Path) -> None:
    """Results come in any order. ``a`` reached its cap, ``b`` did not, and ``c`` says so by its reason."""
    labels = {"predicted_output_tokens": "80", "token_telemetry.category": "docs", "max_tokens": "1", "model": "x"}
    write(
        tmp_path / "requests.jsonl",
        [
            asked("a", max_tokens=96, metadata=labels),
            asked("b", max_completion_tokens=200, metadata={"token_telemetry.predicted.output_tokens": "70"}),
            asked("c", max_completion_tokens=50),
        ],
    )
    write(tmp_path / "results.jsonl", [completion("c", "length", 50), completion("a", "tool_calls"), completion("b")])
    reading = read(tmp_path)
    found = samples_of(reading)
    assert [
        (each.max_tokens, each.predicted_output_tokens, each.category, each.truncated, each.truncation_source)
        for each in found
    ] == [
        (50, None, None, True, "reason"),
        (96, 80, "docs", True, "cap"),
        (200, 70, None, False, None),
    ]
    assert {(each.model, each.finish_reason_raw, each.output_tokens) for each in found} == {
        ("gpt-x", "length", 50),
        ("gpt-x", "tool_calls", 96),
        ("gpt-x", "stop", 96),
    }
    assert str(found[0].time) == "2026-11-23 05:11:45"
    assert [(file.path, file.samples) for file in reading.files] == [("d/requests.jsonl", 0), ("d/results.jsonl", 3)]
    assert (reading.unusable, reading.remarks, reading.nothing_known, reading.duplicates) == ({}, {}, 0, 0)


def test_a_result_without_a_request_has_an_unknown_cap_and_is_counted(tmp_path: Path) -> None:
    """A third of nine results has no request beside it. Their reasons count all the same."""
    keys = [f"r-{n}" for n in range(9)]
    write(tmp_path / "in.jsonl", [asked(key, max_tokens=100) for key in keys[:6]])
    write(tmp_path / "out.jsonl", [completion(key) for key in keys])
    reading = read(tmp_path)
    assert reading.samples.max_tokens.tolist() == [100] * 6 + [-1] * 3
    assert reading.samples.truncated.tolist() == [0] * 9
    assert reading.remarks == {"without_request": 3}


def test_a_request_without_a_cap_is_no_missing_request(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", [asked("a")])
    write(tmp_path / "out.jsonl", [completion("a")])
    reading = read(tmp_path)
    assert (reading.samples.max_tokens.tolist(), reading.remarks) == ([-1], {})


@pytest.mark.parametrize(
    "body",
    [
        {"max_tokens": {}},
        {"max_tokens": None, "metadata": ["category"]},
        {"metadata": {"category": ["docs"], "task_id": "", "predicted_output_tokens": None}},
    ],
)
def test_what_a_request_cannot_say_is_not_known(tmp_path: Path, body: dict[str, Any]) -> None:
    write(tmp_path / "in.jsonl", [asked("a", **body)])
    write(tmp_path / "out.jsonl", [completion("a")])
    (found,) = samples_of(read(tmp_path))
    assert (found.max_tokens, found.category, found.task_id, found.predicted_output_tokens) == (None,) * 4


def test_a_prediction_that_is_no_count_makes_its_call_unusable(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", [asked("a", metadata={"predicted_output_tokens": "many"})])
    write(tmp_path / "out.jsonl", [completion("a")])
    assert reasons(read(tmp_path)) == {"predicted_output_tokens is not a whole number": (1, ["d/out.jsonl:1"])}


def test_requests_that_differ_are_not_chosen_from(tmp_path: Path) -> None:
    """Many people number the requests of each batch from 1."""
    write(tmp_path / "in-1.jsonl", [asked("1", max_tokens=100), asked("2", max_tokens=100)])
    write(tmp_path / "in-2.jsonl", [asked("1", max_tokens=200), asked("2", max_tokens=100)])
    write(tmp_path / "out.jsonl", [completion("1"), completion("2")])
    reading = read(tmp_path)
    assert (reading.samples.max_tokens.tolist(), reading.remarks) == ([-1, 100], {"requests_differ": 1})
    named = read(tmp_path, tmp_path / "in-2.jsonl")
    assert (named.samples.max_tokens.tolist(), named.remarks) == ([200, 100], {})


def test_requests_are_looked_for_beside_their_results_only(tmp_path: Path) -> None:
    for run, cap in (("a", 100), ("b", 200)):
        write(tmp_path / run / "in.jsonl", [asked("1", max_tokens=cap)])
        write(tmp_path / run / "out.jsonl", [completion("1", tokens=cap)])
    outside = write(tmp_path.parent / "elsewhere" / "in.jsonl", [asked("1", max_tokens=300)])
    write(tmp_path / "c" / "out.jsonl", [completion("1", tokens=90)])
    (tmp_path / "c" / "link.jsonl").symlink_to(outside)
    reading = read(tmp_path)
    assert (reading.samples.max_tokens.tolist(), reading.remarks) == ([100, 200, -1], {"without_request": 1})


def test_requests_without_a_result_are_counted(tmp_path: Path) -> None:
    """Each batch numbers its requests from 1. A failed call is a result, and a result elsewhere is one of no batch."""
    for run, keys in (("a", "123"), ("b", "1234")):
        write(tmp_path / run / "in.jsonl", [asked(key, max_tokens=100) for key in keys])
    write(tmp_path / "a" / "out.jsonl", [completion("3"), failed("1", "invalid"), failed("2", "batch_expired")])
    write(tmp_path / "b" / "out.jsonl", [completion("2")])
    write(tmp_path / "b" / "in-again.jsonl", [asked("3", max_tokens=100)])
    reading = read(tmp_path)
    assert reading.unusable[NO_RESULT] == UnusableLines(3, ["d/b/in-again.jsonl:1", "d/b/in.jsonl:1", "d/b/in.jsonl:4"])
    assert [(each.path, each.unusable) for each in reading.files] == [
        *(("d/a/in.jsonl", 0), ("d/a/out.jsonl", 2)),
        *(("d/b/in-again.jsonl", 1), ("d/b/in.jsonl", 2), ("d/b/out.jsonl", 0)),
    ]


def test_results_in_another_directory_answer_requests_that_no_other_does(tmp_path: Path) -> None:
    requests = write(tmp_path / "sent" / "in.jsonl", [asked(key, max_tokens=100) for key in "123"])
    write(tmp_path / "received" / "out.jsonl", [completion("1"), completion("2")])
    for named in ((), (requests,)):
        assert read(tmp_path, *named).unusable == {NO_RESULT: UnusableLines(1, ["d/sent/in.jsonl:3"])}


@pytest.mark.parametrize("where", ["named", "beside", "both"])
def test_requests_in_files_that_are_not_judged_are_counted_too(tmp_path: Path, where: str) -> None:
    """At their results, as the first line: their own file is none that is read for calls."""
    asks = [asked(key, max_tokens=100) for key in "1234"]
    named = write(tmp_path / "elsewhere" / "in.jsonl", asks)
    if where != "named":
        write(tmp_path / "d" / "in.json", asks)
    for name, key in (("out.jsonl", "1"), ("out-2.jsonl", "2")):
        write(tmp_path / "d" / name, [completion(key)])
    scan = Scan(requests=() if where == "beside" else (str(named),))
    reading = read_directories([Directory(tmp_path / "d", "d")], ["*.jsonl"], scan=scan)
    assert len(reading.samples) == 2
    assert reading.unusable == {NO_RESULT: UnusableLines(2, ["d/out-2.jsonl:1", "d/out-2.jsonl:1"])}


@pytest.mark.parametrize("content", [b"", b"<html>502 Bad Gateway</html>\n", b"\0" * 512, None])
def test_a_batch_whose_results_are_lost_is_counted_call_by_call(tmp_path: Path, content: bytes | None) -> None:
    write(tmp_path / "good" / "in.jsonl", [asked("1", max_tokens=100)])
    write(tmp_path / "good" / "out.jsonl", [completion("1")])
    write(tmp_path / "lost" / "in.jsonl", [asked(key, max_tokens=100) for key in "12"])
    if content is not None:
        (tmp_path / "lost" / "out.jsonl").write_bytes(content)
    reading = read(tmp_path)
    assert (len(reading.samples), reading.unusable[NO_RESULT].count) == (1, 2)


@pytest.mark.parametrize("name", ["in.json", "in.ndjson", "in.jsonl.gz"])
def test_requests_beside_need_not_match_a_pattern(tmp_path: Path, name: str) -> None:
    text = write(tmp_path / name, [asked("a", max_tokens=100)]).read_bytes()
    if name.endswith(".gz"):
        (tmp_path / name).write_bytes(gzip.compress(text))
    write(tmp_path / "out.jsonl", [completion("a")])
    assert read(tmp_path, patterns=("out.*",)).samples.max_tokens.tolist() == [100]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "No such file or directory"),
        (b"", NO_REQUEST),
        (b"# Requests\n", NO_REQUEST),
        (json.dumps(completion("a")).encode(), NO_REQUEST),
        (json.dumps(asked("a", max_tokens=100)).encode()[:-1], NO_REQUEST),
    ],
)
def test_a_named_file_without_requests_is_told(tmp_path: Path, text: bytes | None, why: str) -> None:
    write(tmp_path / "out.jsonl", [completion("a")])
    named = tmp_path / "named" / "in.jsonl"
    named.parent.mkdir()
    if text is not None:
        named.write_bytes(text)
    reading = read(tmp_path, named, patterns=("out.*",))
    assert (len(reading.samples), reading.unreadable) == (0, {"d/out.jsonl": f"requests in {named}: {why}"})


def test_failed_calls_are_no_samples_and_counted_by_reason(tmp_path: Path) -> None:
    write(
        tmp_path / "out.jsonl",
        [
            completion("a"),
            answered("b", {"detail": "no"}, status=400),
            failed("c", "batch_expired"),
            failed("d", "batch_expired"),
            failed("e", "batch_cancelled"),
            answered("f", {"error": {"message": "no", "type": "server_error"}}),
            answered("g", {"object": "list", "data": [{"object": "embedding"}], "usage": {"prompt_tokens": 8}}),
            answered("h", chat("stop", usage=None)),
            {"custom_id": "i", "method": "POST"},
            ["j"],
        ],
    )
    reading = read(tmp_path)
    assert len(reading.samples) == 1
    assert reasons(reading) == {
        "a call expired": (2, ["d/out.jsonl:3", "d/out.jsonl:4"]),
        "a call failed": (2, ["d/out.jsonl:2", "d/out.jsonl:6"]),
        "a call was canceled": (1, ["d/out.jsonl:5"]),
        "a record is neither a request nor a result of a batch": (2, ["d/out.jsonl:9", "d/out.jsonl:10"]),
        "a record is not the response of a model": (1, ["d/out.jsonl:7"]),
        "a response is not a sample: it has no count of its output tokens": (1, ["d/out.jsonl:8"]),
    }


def test_responses_echo_their_caps_and_labels(tmp_path: Path) -> None:
    """No request is needed for the cap: 128 of 128 tokens, and the reason says so too."""
    cut = responses("incomplete", incomplete_details={"reason": "max_output_tokens"}, metadata={"category": "docs"})
    write(tmp_path / "out.jsonl", [answered("a", cut)])
    reading = read(tmp_path)
    (found,) = samples_of(reading)
    assert (found.output_tokens, found.max_tokens, found.finish_reason_raw) == (128, 128, "max_output_tokens")
    assert (found.truncated, found.truncation_source, found.category) == (True, "reason", "docs")
    assert reading.remarks == {}


def test_answers_of_one_call_share_its_count_and_have_a_cap_each(tmp_path: Path) -> None:
    """Three answers of at most 50 tokens took 140: none says that it was cut off, and 140 is below 150."""
    write(tmp_path / "in.jsonl", [asked("a", max_tokens=50, n=3)])
    write(tmp_path / "out.jsonl", [answered("a", chat("stop", "stop", "tool_calls", tokens=140))])
    (found,) = samples_of(read(tmp_path))
    assert (found.max_tokens, found.truncated) == (150, False)


def test_a_cap_that_no_call_has_makes_its_call_unusable(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", [asked("a", max_tokens=10**9), asked("b", max_tokens=10**10)])
    write(tmp_path / "out.jsonl", [answered("a", chat("stop", "stop")), completion("b")])
    assert reasons(read(tmp_path)) == {"max_tokens is too large": (2, ["d/out.jsonl:1", "d/out.jsonl:2"])}


def test_batches_of_anthropic(tmp_path: Path) -> None:
    """Requests stand a line each, or all in the body of the call that created the batch."""
    call = {"requests": [{"custom_id": "c", "params": {"max_tokens": 41, "messages": []}}]}
    requests = [{"custom_id": key, "params": {"max_tokens": 100}, "metadata": {"task_id": 7}} for key in "ab"]
    write(tmp_path / "in.jsonl", requests)
    (tmp_path / "call.jsonl").write_text(json.dumps(call, indent=2), encoding="utf-8")
    results: list[dict[str, Any]] = [
        {"custom_id": "a", "result": {"type": "succeeded", "message": message(id="msg_a")}},
        {"custom_id": "b", "result": {"type": "succeeded", "message": message("max_tokens", 100, id="msg_b")}},
        {"custom_id": "c", "result": {"type": "succeeded", "message": message("tool_use", id="msg_c")}},
        {"custom_id": "d", "result": {"type": "errored", "error": {"type": "error", "error": {}}}},
        {"custom_id": "e", "result": {"type": "expired"}},
        {"custom_id": "f", "result": {"type": "canceled"}},
    ]
    write(tmp_path / "out.jsonl", results)
    reading = read(tmp_path)
    assert [
        (each.output_tokens, each.max_tokens, each.finish_reason, each.truncated, each.task_id)
        for each in samples_of(reading)
    ] == [(41, 100, "stop", False, "7"), (100, 100, "length", True, "7"), (41, 41, "tool_call", True, None)]
    assert {reason: count for reason, (count, _) in reasons(reading).items()} == {
        "a call expired": 1,
        "a call failed": 1,
        "a call was canceled": 1,
    }


def test_batches_of_gemini(tmp_path: Path) -> None:
    """Thoughts are billed and use the cap: 30 and 70 tokens of 100."""
    request = {"contents": [], "generationConfig": {"maxOutputTokens": 100}, "labels": {"category": "docs"}}
    config = {"max_output_tokens": 500}
    write(
        tmp_path / "in.jsonl",
        [{"key": "a", "request": request}, {"key": "b", "request": {"contents": [], "generation_config": config}}],
    )
    write(
        tmp_path / "out.jsonl",
        [
            {"response": gemini("STOP", candidatesTokenCount=20), "key": "b"},
            {"key": "a", "response": gemini("MAX_TOKENS", candidatesTokenCount=30, thoughtsTokenCount=70)},
            {"key": "c", "error": {"code": 13, "message": "no"}},
        ],
    )
    reading = read(tmp_path)
    assert [
        (each.output_tokens, each.max_tokens, each.finish_reason, each.category) for each in samples_of(reading)
    ] == [(20, 500, "stop", None), (100, 100, "length", "docs")]
    assert reasons(reading) == {"a call failed": (1, ["d/out.jsonl:3"])}


def test_batches_of_vertex_have_each_request_beside_its_response(tmp_path: Path) -> None:
    request = {"contents": [{"parts": [{"text": "x" * 5000}]}], "generationConfig": {"maxOutputTokens": 60}}
    results = [
        {
            "status": "",
            "processed_time": "2026",
            "request": request,
            "response": gemini("STOP", candidatesTokenCount=9),
        },
        {"status": "Bad Request: no", "processed_time": "2026", "request": request, "response": {}},
        {"status": "Bad Request: no", "processed_time": "2026", "request": request},
    ]
    reading = read(write(tmp_path / "out.jsonl", results).parent)
    assert [(each.output_tokens, each.max_tokens) for each in samples_of(reading)] == [(9, 60)]
    assert reasons(reading) == {"a call failed": (2, ["d/out.jsonl:2", "d/out.jsonl:3"])}
    assert reading.remarks == {}


def test_a_copy_of_the_results_is_no_more_calls(tmp_path: Path) -> None:
    write(tmp_path / "out.jsonl", [completion("a"), completion("b")])
    write(tmp_path / "copy" / "out.jsonl", [completion("a"), completion("b"), completion("a")])
    reading = read(tmp_path)
    assert (len(reading.samples), reading.duplicates) == (2, 3)


def test_other_processes_find_the_same(tmp_path: Path) -> None:
    for run in "abc":
        write(tmp_path / run / "in.jsonl", [asked(f"{run}-{n}", max_tokens=100) for n in (*range(20), 30)])
        write(tmp_path / run / "out.jsonl", [completion(f"{run}-{n}") for n in range(30)])
    named = write(tmp_path / "named.jsonl", [asked("a-25", max_tokens=50)])
    scan = Scan(jobs=2, requests=(str(named),), bounds=TaskSizes(10, 1, 10))
    reading = read_directories([Directory(tmp_path, "d")], ["*.jsonl"], scan=scan)
    assert everything(reading) == everything(read(tmp_path, named))
    assert (reading.remarks, reading.unusable[NO_RESULT].count) == ({"without_request": 29}, 3)


def test_results_may_be_one_list(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text(json.dumps([completion("a"), completion("b")], indent=1), encoding="utf-8")
    assert len(read(tmp_path).samples) == 2


NAN = '{"custom_id": "a", "response": {"body": {"choices": [], "usage": {"completion_tokens": NaN}}}}'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\xff\xfe not UTF-8", "a line is not JSON"),
        (b'{"custom_id": "\xff", "response": {}}', "a record is not the response of a model"),
        (b'{"custom_id": "a", "response": {"body": ' + b"[" * 9000, "a JSON document is malformed or cut off"),
        (json.dumps(completion("b", tokens=10**10)).encode(), "output_tokens is too large"),
        (json.dumps(completion("b", tokens=10**40)).encode(), "output_tokens is too large"),
        (json.dumps(completion("b", tokens=-1)).encode(), "a count of tokens is none"),
        (NAN.encode(), "a count of tokens is none"),
        (json.dumps(completion("b"))[:-9].encode(), "a JSON document is malformed or cut off"),
        (b'{"custom_id": "a", "response": {"body": {"choices": 3}}}', "a record is not the response of a model"),
    ],
)
def test_hostile_lines_are_counted_and_nothing_else_is_lost(tmp_path: Path, line: bytes, reason: str) -> None:
    text = json.dumps(completion("a")).encode()
    (tmp_path / "out.jsonl").write_bytes(b"\xef\xbb\xbf" + text + b"\n" + line + b"\n" + text.replace(b"-a", b"-c"))
    reading = read(tmp_path)
    assert len(reading.samples) == 2
    assert reason in reading.unusable


@pytest.mark.parametrize("logprobs", ["a\ud800", float("-inf")])
def test_what_python_writes_and_json_has_not_loses_nothing(tmp_path: Path, logprobs: object) -> None:
    write(tmp_path / "in.jsonl", [asked("a\ud800", logprobs=logprobs, metadata={"category": "d\ud800"})])
    write(tmp_path / "out.jsonl", [answered("a\ud800", chat("stop", logprobs=logprobs, id="c\ud800"))])
    reading = read(tmp_path)
    assert [each.category for each in samples_of(reading)] in (["d?"], ["d\ufffd"])
    assert (reading.unusable, reading.remarks) == ({}, {})


@pytest.mark.parametrize(
    "record",
    [
        {"key": "k", "error": None, "message": "[TokenEstimationV2] predicted_output=1"},
        {"key": "k", "request": "GET /", "response": {"status": 200}},
        {"id": "i", "custom_id": "c"},
        {"messages": [{"custom_id": 1, "body": 2}]},
        {"schema": "token-telemetry/1", "output_tokens": 3},
    ],
)
def test_other_json_is_left_to_others(record: object) -> None:
    assert not BatchSource().claims("a.jsonl", json.dumps(record).encode())


NAMES = ("custom_id", "response", "body", "error", "result", "message", "usage", "completion_tokens", "choices")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(NAMES), JSON))
def test_any_record_is_a_sample_or_is_counted(record: dict[str, object]) -> None:
    rows = Rows()
    reader = BatchSource().reader(rows, Sizes(), None)
    text = json.dumps([completion("a"), record]).encode("utf-8", "replace")
    reader.read(Opened("nowhere/out.jsonl", -1, 0, len(text), len(text), text))
    samples, *_ = rows.build(complete=(), keep_ids=False)
    assert len(samples) + sum(each.count for each in rows.complaints()) in (1, 2)


def test_many_requests_take_few_bytes_each() -> None:
    requests = Requests()
    for n in range(10_000):
        requests.add(Request(f"r-{n}", {"max_tokens": 100 + n % 3}))
    found = [requests.find(f"r-{n}") for n in (0, 1, 2, 9_999)]
    assert [[asked for asked, _ in each] for each in found] == [
        [{"max_tokens": 100}],
        [{"max_tokens": 101}],
        [{"max_tokens": 102}],
        [{"max_tokens": 100}],
    ]
    assert requests.find("r-10000") == []


def test_real_batches_are_joined_with_their_requests() -> None:
    """Three requests that set no cap, all answered."""
    if not (SHARED / "data" / "openai-batch").is_dir():
        pytest.skip("the files of other systems are not at hand")
    reading = read(SHARED / "data" / "openai-batch")
    assert [(each.output_tokens, each.finish_reason_raw, each.max_tokens) for each in samples_of(reading)] == [
        (76, "stop", None),
        (2003, "stop", None),
        (12, "stop", None),
    ]
    assert (reading.unusable, reading.remarks, reading.nothing_known) == ({}, {}, 0)


def test_misspelt_keys_of_metadata_are_told_by_calls(tmp_path: Path) -> None:
    """Close misses of our names alone, and all that begins as ours do: other people's metadata is no noise."""
    theirs = {"user": "u", "team": "x", "task": "t", "reason": "r", "limit": 3, "prediction": "a label", "ok": True}
    slips = {"sucess": "true", "Predicted_Output_Tokens": 12, "complexty": "low", "token_telemetry.guess": 3}
    write(
        tmp_path / "requests.jsonl",
        [
            asked("a", metadata={**theirs, **slips}),
            asked("b", metadata={"sucess": "true", "success": "true", "prediction": "90"}),
            {**asked("c"), "metadata": {"sucess": "no"}},
            asked("d", metadata={"sucess": "no"}),
        ],
    )
    write(tmp_path / "results.jsonl", [completion("a"), completion("b"), completion("c")])
    expected = (
        UnusedColumn("Predicted_Output_Tokens", "predicted_output_tokens", 1, "metadata"),
        UnusedColumn("complexty", "complexity", 1, "metadata"),
        UnusedColumn("prediction", "predicted_output_tokens", 1, "metadata"),
        UnusedColumn("sucess", "success", 2, "metadata"),
        UnusedColumn("token_telemetry.guess", "", 1, "metadata"),
    )
    assert read(tmp_path).unused_columns == expected
    write(tmp_path / "answers.jsonl", [chat("stop", id="r", metadata={"sucess": "true"})])
    assert read(tmp_path).unused_columns[3] == UnusedColumn("sucess", "success", 3, "metadata")


def test_requests_that_differ_in_keys_that_nothing_reads_do_not_differ(tmp_path: Path) -> None:
    write(tmp_path / "requests.jsonl", [asked("a", max_tokens=9, metadata={key: "1"}) for key in ("sucess", "x")])
    write(tmp_path / "results.jsonl", [completion("a")])
    reading = read(tmp_path)
    assert (reading.samples.max_tokens.tolist(), reading.remarks) == ([9], {})
