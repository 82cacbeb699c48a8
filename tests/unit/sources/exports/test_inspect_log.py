"""Inspect's logs: one call a model event, in a ZIP or in JSON, and a reason for each event that is none."""

from __future__ import annotations

import gzip
import io
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.sources.compressed import Bounds
from pytest_token_telemetry.sources.documents import CUT_OFF, OTHER_SHAPE
from pytest_token_telemetry.sources.exports import zip_members
from pytest_token_telemetry.sources.exports.zip_members import ZipMembers
from pytest_token_telemetry.sources.litellm import FROM_CACHE
from pytest_token_telemetry.sources.own_format import NO_OUTPUT, NO_OUTPUT_FAILED

if sys.version_info >= (3, 14):
    import zipfile
else:
    from backports.zstd import zipfile  # the same, and zstd

from tests.unit.sources.exports.readings import only, outputs, reading, reading_of, real, reasons, samples_of


def model(output_tokens: int | None = 900, stop: str = "stop", **more: object) -> dict[str, Any]:
    """A model event, with a prompt and an answer."""
    usage = None if output_tokens is None else {"input_tokens": 64, "output_tokens": output_tokens, "total_tokens": 964}
    choice = {"message": {"id": "4CzH", "role": "assistant", "content": "An answer"}, "stop_reason": stop}
    return {
        "event": "model",
        "timestamp": "2026-05-12T20:28:13.301227-04:00",
        "completed": "2026-05-12T20:28:15.957978-04:00",
        "model": "openai/gpt-5-mini",
        "input": [{"role": "user", "content": "A prompt"}],
        "config": {"max_tokens": 1024},
        "output": {"model": "gpt-5-mini-2026", "choices": [choice], "usage": usage},
        "call": {"request": {"messages": []}, "response": {"id": "chatcmpl-1", "choices": []}},
        **more,
    }


def sample(*events: object, id: object = 7, **more: object) -> dict[str, Any]:
    return {"id": id, "epoch": 1, "input": "A prompt", "metadata": {}, **more, "events": [{"event": "state"}, *events]}


def log(*samples: object) -> dict[str, Any]:
    return {
        "version": 2,
        "status": "success",
        "eval": {"eval_id": "Vn", "run_id": "7K", "task": "popularity", "model": "openai/gpt-5-mini"},
        "samples": samples,
    }


def zipped(*samples: object, method: int = zipfile.ZIP_DEFLATED, more: dict[str, bytes] | None = None) -> bytes:
    """The same as an ``.eval`` file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("_journal/start.json", json.dumps({"version": 2, "eval": log()["eval"]}))
        for number, each in enumerate(samples):
            archive.writestr(f"samples/{number}_epoch_1.json", each if isinstance(each, bytes) else json.dumps(each))
        for name, content in (more or {}).items():
            archive.writestr(name, content)
        archive.writestr("summaries.json", "[]")
        archive.writestr("header.json", json.dumps({key: log()[key] for key in ("version", "status", "eval")}))
    return file.getvalue()


WHOLE = Sample(
    output_tokens=900,
    max_tokens=1024,
    truncated=False,
    finish_reason="stop",
    finish_reason_raw="stop",
    model="gpt-5-mini-2026",
    operation="popularity",
    task_id="popularity/7",
    category="algebra",
    time=datetime(2026, 5, 13, 0, 28, 15, 957978),
    run="d",
)
OF_ALGEBRA = sample(model(), metadata={"category": "algebra", "deliverables": "an answer", "x": {"y": 1}})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.eval", zipped(OF_ALGEBRA), id="zip"),
        pytest.param("a.zip", zipped(OF_ALGEBRA, method=zipfile.ZIP_STORED), id="zip-by-content"),
        pytest.param("a.eval", zipped(OF_ALGEBRA, method=zipfile.ZIP_ZSTANDARD), id="zstd"),
        pytest.param("a.json", json.dumps(log(OF_ALGEBRA)).encode(), id="json"),
        pytest.param("a.json", b"\xef\xbb\xbf" + json.dumps(log(OF_ALGEBRA), indent=2).encode(), id="pretty-with-bom"),
        pytest.param("a.json.gz", gzip.compress(json.dumps(log(OF_ALGEBRA)).encode()), id="packed"),
        pytest.param(
            "a.json",
            json.dumps(log(OF_ALGEBRA)).replace("A prompt", "\\ud83d").encode().replace(b"An answer", b"\xff\xfe"),
            id="half-characters",
        ),
    ],
)
def test_a_model_event_is_a_call_however_the_log_is_written(tmp_path: Path, name: str, content: bytes) -> None:
    assert only(reading(tmp_path, content, name)) == WHOLE


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"token_telemetry.predicted.output_tokens": 800, "success": True, "deliverables": "2"}, (800, True, 2)),
        ({"predicted_tokens": "many", "success": "perhaps", "deliverables": [1]}, (None, None, None)),
        ([{"success": True}], (None, None, None)),
    ],
)
def test_metadata_says_what_our_fields_can_hold(
    tmp_path: Path, metadata: object, said: tuple[int | None, bool | None, int | None]
) -> None:
    found = only(reading(tmp_path, log(sample(model(), metadata=metadata))))
    assert (found.predicted_output_tokens, found.success, found.deliverable_count) == said


def test_a_name_of_ours_must_hold_what_it_says(tmp_path: Path) -> None:
    metadata = {"token_telemetry.predicted.output_tokens": "many"}
    found = reading(tmp_path, log(sample(model(), metadata=metadata)))
    assert reasons(found) == {"predicted_output_tokens is not a whole number": 1}


def test_a_log_and_its_copy_in_json_are_the_same_calls(tmp_path: Path) -> None:
    calls = [sample(model(900 + n, call={"response": {"id": f"chatcmpl-{n}"}})) for n in range(3)]
    (tmp_path / "a.eval").write_bytes(zipped(*calls))
    found = reading(tmp_path, log(*calls), "b.json")
    assert (outputs(found), found.duplicates) == ([900, 901, 902], 3)


def test_a_call_without_usage_is_counted_and_a_cached_answer_is_no_call(tmp_path: Path) -> None:
    events = (model(), model(None), model(None, error="timeout"), model(cache="read"), model(901, cache="write"))
    found = reading(tmp_path, log(sample(*events)))
    assert (outputs(found), found.skipped) == ([900, 901], {FROM_CACHE: 1})
    assert reasons(found) == {NO_OUTPUT: 1, NO_OUTPUT_FAILED: 1}


@pytest.mark.parametrize(
    ("event", "uncounted"),
    [
        pytest.param(model(None, error="RuntimeError('503 overloaded')"), (0, 0), id="failed"),
        pytest.param(model(None, pending=True), (0, 0), id="killed"),
        pytest.param(model(None, "max_tokens", error="broke off"), (1, 1), id="cut-off"),
        pytest.param(model(None), (1, 0), id="without-usage"),
    ],
)
def test_the_output_of_a_failed_call_does_not_say_how_it_ended(
    tmp_path: Path, event: dict[str, Any], uncounted: tuple[int, int]
) -> None:
    """Inspect puts an empty output there that ends with ``stop``."""
    assert reading(tmp_path, log(sample(model(), event))).uncounted == uncounted


@pytest.mark.parametrize(
    ("event", "reason", "truncated"),
    [
        (model(1024, "max_tokens"), "length", True),
        (model(1000, "model_length"), "context", True),
        (model(1024, "tool_calls"), "tool_call", True),  # the cap says so
        (model(900, "tool_calls"), "tool_call", False),
        (
            model(700, "tool_calls", call={"response": {"id": "r", "choices": [{"finish_reason": "length"}]}}),
            "length",
            True,
        ),
        (
            model(
                700,
                "tool_calls",
                call={
                    "response": {
                        "object": "response",
                        "status": "incomplete",
                        "incomplete_details": {"reason": "max_output_tokens"},
                    }
                },
            ),
            "length",
            True,
        ),
        (model(900, "unknown", config={}), None, None),
        (model(900, "unknown", call="attachment://1"), None, False),
    ],
)
def test_the_reason_is_the_providers_where_inspect_lost_it(
    tmp_path: Path, event: dict[str, Any], reason: str | None, truncated: bool | None
) -> None:
    found = only(reading(tmp_path, log(sample(event))))
    assert (found.finish_reason, found.truncated) == (reason, truncated)


@pytest.mark.parametrize(
    ("usage", "output"),
    [
        ({"input_tokens": 64, "output_tokens": 100, "total_tokens": 464, "reasoning_tokens": 300}, 400),  # beside it
        ({"input_tokens": 64, "output_tokens": 400, "total_tokens": 464, "reasoning_tokens": 300}, 400),  # within it
        (
            {
                "input_tokens": 4,
                "input_tokens_cache_read": 60,
                "output_tokens": 100,
                "total_tokens": 464,
                "reasoning_tokens": 300,
            },
            400,
        ),
    ],
)
def test_reasoning_counts_once(tmp_path: Path, usage: dict[str, int], output: int) -> None:
    event = model()
    event["output"]["usage"] = usage
    assert only(reading(tmp_path, log(sample(event)))).output_tokens == output


def test_roles_name_the_operation_and_several_answers_share_a_cap(tmp_path: Path) -> None:
    grader, several = model(role="grader"), model(1500)
    several["output"]["choices"] *= 2
    found = samples_of(reading(tmp_path, log(sample(grader, several))))
    assert [(each.operation, each.max_tokens, each.truncated) for each in found] == [
        ("grader", 1024, False),
        ("popularity", 2048, False),
    ]


def test_calls_within_tools_and_subtasks_count(tmp_path: Path) -> None:
    tool = {"event": "tool", "events": [model(901), {"event": "subtask", "events": [model(902)]}]}
    assert outputs(reading(tmp_path, log(sample(model(), tool)))) == [900, 901, 902]


def test_calls_of_failed_attempts_that_were_repeated_count(tmp_path: Path) -> None:
    # Inspect keeps what led to the error, from the last call on, in `error_retries`; older versions keep no events
    cut_off = {"message": "no JSON", "traceback": "", "events": [model(1024, "max_tokens"), {"event": "error"}]}
    found = samples_of(reading(tmp_path, log(sample(model(), error_retries=[{"message": "timeout"}, cut_off]))))
    assert [(each.output_tokens, each.truncated, each.task_id) for each in found] == [
        (1024, True, "popularity/7"),
        (900, False, "popularity/7"),
    ]


def test_an_event_of_another_shape_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    events = (model(), model(output=[1]), model(901, output={"choices": 3}), model(902, config=[1], call=5))
    found = reading(tmp_path, log(sample(*events)))
    assert (outputs(found), reasons(found)) == ([900, 902], {OTHER_SHAPE: 2})


@pytest.mark.parametrize(
    "text", [json.dumps(log(sample(model())))[:-9], '{"version":2,"eval":{"eval_id":"", "task":""},[']
)
def test_a_log_that_is_cut_off_is_unreadable(tmp_path: Path, text: str) -> None:
    found = reading(tmp_path, text.encode())
    assert (found.unreadable, reasons(found)) == ({"d/a.json": CUT_OFF}, {CUT_OFF: 1})


def test_nesting_without_end_is_no_traceback(tmp_path: Path) -> None:
    text = json.dumps(log(sample(model()))).replace('"A prompt"', "[" * 100_000)
    assert reading(tmp_path, text.encode()).unreadable == {"d/a.json": CUT_OFF}


DAMAGED = "its ZIP data is damaged"


def altered(content: bytes, old: bytes, new: bytes) -> bytes:
    assert content.count(old) == 1
    return content.replace(old, new)


def encrypted(content: bytes) -> bytes:
    """With the flag of the second member set, as the list of members says."""
    at = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 4)
    return content[: at + 8] + b"\x01" + content[at + 9 :]


def wrong_data(content: bytes) -> bytes:
    """With something else in the middle of the second member."""
    at = content.index(b"PK\x03\x04", 4) + 60
    return content[:at] + b"\xff" * 20 + content[at + 20 :]


def wrong_checksum(content: bytes) -> bytes:
    """Of the second member, as the list of members says."""
    at = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 4) + 16
    return content[:at] + b"\0\0\0\0" + content[at + 4 :]


@pytest.mark.parametrize(
    ("content", "kept", "reason"),
    [
        pytest.param(
            altered(zipped(sample(model()), sample(model(901)), method=zipfile.ZIP_STORED), b"901", b"902"),
            [900],
            f"1 of 2 samples cannot be read: {DAMAGED}",
            id="wrong-checksum",
        ),
        pytest.param(
            altered(zipped(sample(model()), method=zipfile.ZIP_STORED), b'"success"', b'"SUCCESS"'),
            [900],
            f"its header.json cannot be read: {DAMAGED}",
            id="damaged-header",
        ),
        pytest.param(
            encrypted(zipped(sample(model()), sample(model(901)))),
            [901],
            "1 of 2 samples cannot be read: it is encrypted",
            id="encrypted",
        ),
        pytest.param(
            zipped(b"{]", sample(model(901))), [901], f"1 of 2 samples cannot be read: {CUT_OFF}", id="malformed"
        ),
        pytest.param(zipped(b"", sample(model(901))), [901], "1 of 2 samples cannot be read: it is empty", id="empty"),
        pytest.param(
            zipped(sample(model()), method=zipfile.ZIP_BZIP2),
            [],
            "1 of 1 sample cannot be read: it is compressed by a method that is not read here (number 12)",
            id="other-method",
        ),
        pytest.param(
            wrong_data(zipped(sample(model()), sample(model(901)), method=zipfile.ZIP_ZSTANDARD)),
            [901],
            f"1 of 2 samples cannot be read: {DAMAGED}",
            id="wrong-zstd-data",
        ),
        pytest.param(
            wrong_checksum(zipped(sample(model()), sample(model(901)), method=zipfile.ZIP_ZSTANDARD)),
            [901],
            f"1 of 2 samples cannot be read: {DAMAGED}",
            id="wrong-zstd-checksum",
        ),
        pytest.param(
            zipped(sample(model()))[:-30],
            [],
            "its ZIP data is cut off or damaged, or is still being written",
            id="cut-off",
        ),
        pytest.param(
            gzip.compress(zipped(sample(model()))),
            [],
            "it is a ZIP file within another compression: unpack it",
            id="gz",
        ),
    ],
)
def test_a_damaged_zip_is_unreadable_and_what_is_whole_in_it_counts(
    tmp_path: Path, content: bytes, kept: list[int], reason: str
) -> None:
    found = reading(tmp_path, content, "a.eval")
    assert (outputs(found), found.unreadable) == (kept, {"d/a.eval": reason})


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_ZSTANDARD])
def test_what_a_zip_expands_to_is_bounded(tmp_path: Path, method: int) -> None:
    bomb = b'{"events":[],"x":"' + b"a" * (70 << 20) + b'"}'
    found = reading(tmp_path, zipped(sample(model()), bomb, sample(model(901)), method=method), "a.eval")
    assert outputs(found) == [900]
    (reason,) = found.unreadable.values()
    assert (
        reason
        == "1 of 3 samples cannot be read: it expands to more than 500 times its size: unpack it if that is right"
    )


def test_the_bound_is_of_all_members_together() -> None:
    archive = ZipMembers(io.BytesIO(zipped(*(b"[" + b"1," * 50_000 + b"1]" for _ in range(5)))), Bounds(300_000, 1))
    read = 0
    with pytest.raises(OSError, match="it expands to more than 1 times its size"):  # noqa: PT012 - which one is found
        for name in archive.names:
            with archive.open(name) as member:
                read += len(member.read())
    assert 200_000 <= read <= 300_000


def test_a_list_of_members_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_members, "_MOST_LISTED", 300)
    with pytest.raises(OSError, match="its list of members has more than 0 MiB"):
        ZipMembers(io.BytesIO(zipped(*({} for _ in range(9)))))


def test_names_do_not_matter_but_those_of_samples(tmp_path: Path) -> None:
    content = json.dumps(sample(model(7))).encode()
    more = dict.fromkeys(("../samples/1.json", "samples/x/1.json", "samples/1.txt", "/samples/1.json"), content)
    assert outputs(reading(tmp_path, zipped(sample(model()), more=more), "a.eval")) == [900]


def test_a_sample_that_was_written_again_counts_once(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = zipped(sample(model()), more={"samples/0_epoch_1.json": json.dumps(sample(model(901))).encode()})
    assert outputs(reading(tmp_path, content, "a.eval")) == [901]


def test_no_prompt_or_answer_is_kept(tmp_path: Path) -> None:
    found = reading(tmp_path, log(sample(model(call={"response": {"choices": [{"message": "An answer"}]}}))))
    assert not any(text in repr(samples_of(found)) for text in ("A prompt", "An answer"))


def test_real_logs_have_one_call_a_model_event() -> None:
    found = reading_of(real("inspect"))
    assert [(each.output_tokens, each.finish_reason, each.max_tokens) for each in samples_of(found)] == [
        *[(2, "stop", None)] * 3,
        (3, "stop", None),
    ]
    assert (found.unusable, found.unreadable) == ({}, {})
