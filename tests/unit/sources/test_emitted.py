"""A call that two programs tell of, each in its own trace, is one sample; a stand-in's calls are all counted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_token_telemetry.sources.dividing import TaskSizes
from pytest_token_telemetry.sources.keys import SideFile
from pytest_token_telemetry.sources.own_format import line as own_line
from pytest_token_telemetry.sources.parallel import Scan
from pytest_token_telemetry.sources.reading import Directory, Reading, read_directories
from tests import answers
from tests.lines import write
from tests.spans import NOW, chat, span, spans, write_spans
from tests.unit.sources.builders import samples_of
from tests.unit.sources.test_litellm import payload

CLIENT, GATEWAY = "agent", "gateway"


def read(directory: Path, *side: SideFile) -> Reading:
    return read_directories([Directory(directory, "d")], ["*.jsonl"], side_files=side)


def by(service: str, *given: dict[str, Any], scope: str = "openai") -> dict[str, Any]:
    """A document of a service's spans."""
    document = spans(*given, resource={"service.name": service, "host.name": f"{len(given)}"})
    document["resourceSpans"][0]["scopeSpans"][0]["scope"] = {"name": scope}
    return document


def call(
    trace: str, *, response: str = "chatcmpl-9", at: float = 0, lasts: float = 1, output: int = 16, **said: object
) -> dict[str, Any]:
    named = {key.replace("__", "."): value for key, value in said.items()}
    return span(chat(output, **{"gen_ai.response.id": response, **named}), trace=trace, id=trace, at=at, lasts=lasts)


PAIRS = {
    "gateway": (by(CLIENT, call("a")), by(GATEWAY, call("b", at=0.1, lasts=0.8))),
    "another-instrumentation": (by(CLIENT, call("a")), by(CLIENT, call("b", at=0.1), scope="anthropic")),
    "an-alias": (by(CLIENT, call("a")), by(GATEWAY, call("b", gen_ai__request__model="our-model"))),
    "a-prefix": (by(CLIENT, call("a")), by(GATEWAY, call("b", output=17, gen_ai__request__model="openai/gpt-5.2"))),
    "clocks": (by(CLIENT, call("a", lasts=0.2)), by(GATEWAY, call("b", at=1, lasts=0.1))),
    "three": (
        by(CLIENT, call("a")),
        by(GATEWAY, call("b", at=0.1), scope="x"),
        by("proxy", call("c", at=0.2, lasts=0.3)),
    ),
    "exported-twice": (by(CLIENT, call("a"), call("a")), by(GATEWAY, call("b", at=0.1)), by(CLIENT, call("a"))),
}


@pytest.mark.parametrize("documents", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("in_one_file", [True, False], ids=["one-file", "files"])
def test_a_call_in_traces_of_several_emitters_is_one_sample(
    tmp_path: Path, documents: tuple[dict[str, Any], ...], in_one_file: bool
) -> None:
    for n, each in enumerate([documents] if in_one_file else [(each,) for each in documents]):
        write_spans(tmp_path / f"{n}.jsonl", *each)
    reading = read(tmp_path)
    assert len(reading.samples) == 1
    assert reading.duplicates == len(documents) - 1 or len(documents) > 2


APART = {
    "one-emitter": (by(CLIENT, call("a")), by(CLIENT, call("b", at=0.1))),
    "one-emitter-of-two": (by(CLIENT, call("a"), call("b")), by(GATEWAY, call("c"), call("d"))),
    "other-outputs": (by(CLIENT, call("a")), by(GATEWAY, call("b", output=900))),
    "other-models": (by(CLIENT, call("a")), by(GATEWAY, call("b", output=17, gen_ai__request__model="other"))),
    "other-times": (by(CLIENT, call("a")), by(GATEWAY, call("b", at=60))),
    "no-id": (by(CLIENT, call("a", response="")), by(GATEWAY, call("b", response=""))),
    "other-ids": (by(CLIENT, call("a")), by(GATEWAY, call("b", response="chatcmpl-8"))),
    "one-more-at-another-time": (
        by(CLIENT, call("a"), call("c", at=60)),
        by(GATEWAY, call("b", at=0.1)),
    ),
}
"""Calls of a server that gives all answers one id, and other calls."""


@pytest.mark.parametrize("documents", APART.values(), ids=APART)
@pytest.mark.parametrize("in_one_file", [True, False], ids=["one-file", "files"])
def test_calls_of_a_stand_in_for_a_provider_are_as_many_as_they_are(
    tmp_path: Path, documents: tuple[dict[str, Any], ...], in_one_file: bool
) -> None:
    for n, each in enumerate([documents] if in_one_file else [(each,) for each in documents]):
        write_spans(tmp_path / f"{n}.jsonl", *each)
    reading = read(tmp_path)
    n = sum(len(each["resourceSpans"][0]["scopeSpans"][0]["spans"]) for each in documents)
    assert (len(reading.samples), reading.duplicates) == (n, 0)


# Spans and records of other formats -----------------------------------------------------------------------------------


def logged(response: str = "chatcmpl-9", *, at: float = 0, output: int = 16, **more: Any) -> dict[str, Any]:
    """LiteLLM's record of the call."""
    began = NOW / 1e9 + at
    said = {"startTime": began, "endTime": began + 1, "model": "gpt-5.2", **more}
    return payload(tokens=output, id=response, **said)


def received() -> dict[str, Any]:
    """The provider's response, which tells the second in which it began."""
    return answers.chat("stop", tokens=16, id="chatcmpl-9", created=NOW // 10**9 - 1, model="gpt-5.2-2026-01-01")


ENDED = datetime.fromtimestamp(NOW / 1e9 + 1, UTC)

WITH_RECORDS = {
    "gateway": [logged()],
    "clocks": [logged(at=0.9)],
    "version": [logged(model="openai/gpt-5.2-2026-01-01")],
    "response": [received()],
    "our-own": [json.loads(own_line(id="chatcmpl-9", output_tokens=16, predicted_output_tokens=12, time=ENDED))],
}


@pytest.mark.parametrize("records", WITH_RECORDS.values(), ids=WITH_RECORDS)
@pytest.mark.parametrize("name", ["a", "z"])
def test_a_span_and_a_record_of_another_format_are_one_sample(
    tmp_path: Path, records: list[dict[str, Any]], name: str
) -> None:
    write_spans(tmp_path / "c.jsonl", by(CLIENT, call("a")))
    write_spans(tmp_path / f"{name}.jsonl", *records)
    reading = read(tmp_path)
    assert (len(reading.samples), reading.duplicates) == (1, 1)


def test_a_call_of_two_spans_and_records_of_two_formats_is_one_sample(tmp_path: Path) -> None:
    write_spans(tmp_path / "c.jsonl", by(CLIENT, call("a")), by(GATEWAY, call("b", at=0.1, lasts=0.5)))
    write_spans(tmp_path / "d.jsonl", logged())
    write_spans(tmp_path / "e.jsonl", received())
    assert len(read(tmp_path).samples) == 1


RECORDS_APART = {
    "two-of-one-format": [logged(), logged(at=0.5)],
    "other-output": [logged(output=17)],
    "other-model": [logged(model="gpt-4")],
    "earlier": [logged(at=-9)],
    "later": [logged(at=9)],
    "other-id": [logged("chatcmpl-8")],
    "no-id": [logged("", litellm_call_id="other")],
}


@pytest.mark.parametrize("records", RECORDS_APART.values(), ids=RECORDS_APART)
def test_spans_and_records_of_several_calls_stay_as_many_as_they_are(
    tmp_path: Path, records: list[dict[str, Any]]
) -> None:
    write_spans(tmp_path / "c.jsonl", by(CLIENT, call("a")))
    write_spans(tmp_path / "d.jsonl", *records)
    assert (len(read(tmp_path).samples), read(tmp_path).duplicates) == (1 + len(records), 0)


@pytest.mark.parametrize("more", [{}, {"model_parameters": None}], ids=["plain", "read-one-by-one"])
@pytest.mark.parametrize("files", [("c", "d"), ("d", "c"), ("c", "c")], ids=["ours-first", "theirs-first", "one-file"])
def test_the_programs_line_may_have_the_id_that_litellm_gives_to_the_call(
    tmp_path: Path, files: tuple[str, str], more: dict[str, Any]
) -> None:
    """A program knows it before the response has an id."""
    line = {**ours(900), "id": "call-7"}
    record = logged(litellm_call_id="call-7", **more)
    for name, each in zip(files, (line, record), strict=True):
        with (tmp_path / f"{name}.jsonl").open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(each)}\n")
    reading = read(tmp_path)
    assert (len(reading.samples), reading.duplicates) == (1, 1)
    assert reading.samples.predicted_output_tokens.tolist() == [900]


@pytest.mark.parametrize("predicted", [None, 900])
@pytest.mark.parametrize("files", [("c", "d"), ("d", "c")], ids=["ours-first", "theirs-first"])
def test_a_call_has_the_time_that_one_of_its_records_knows(
    tmp_path: Path, files: tuple[str, str], predicted: int | None
) -> None:
    line = {name: value for name, value in ours(predicted).items() if name != "time"}
    for name, each in zip(files, (line, logged()), strict=True):
        write_spans(tmp_path / f"{name}.jsonl", each)
    reading = read(tmp_path)
    assert (len(reading.samples), reading.duplicates) == (1, 1)
    assert reading.samples.time.tolist() == [datetime.fromtimestamp(NOW / 1e9 + 1, UTC).replace(tzinfo=None)]


def test_records_of_one_id_with_different_outputs_stay_apart_and_are_told(tmp_path: Path) -> None:
    write_spans(tmp_path / "c.jsonl", ours(900, output=19))
    write_spans(tmp_path / "d.jsonl", logged(), logged("chatcmpl-8"))
    reading = read(tmp_path)
    assert (len(reading.samples), reading.remarks) == (3, {"outputs_differ": 1})


def test_attempts_of_one_call_of_litellm_stay_as_many_as_they_are(tmp_path: Path) -> None:
    records = [logged("chatcmpl-1", litellm_call_id="call-7"), logged("chatcmpl-2", at=2, litellm_call_id="call-7")]
    write_spans(tmp_path / "d.jsonl", *records, {**ours(900), "id": "call-7"})
    assert len(read(tmp_path).samples) == 3


def test_calls_of_a_stand_in_that_a_gateway_logs_are_as_many_as_they_are(tmp_path: Path) -> None:
    write_spans(tmp_path / "c.jsonl", by(CLIENT, *[call(f"a{n}", at=n) for n in range(3)]))
    write_spans(tmp_path / "d.jsonl", logged(), logged(at=1), logged(at=2))
    assert len(read(tmp_path).samples) == 6


def ours(predicted: int | None = None, output: int = 16) -> dict[str, Any]:
    """The program's own line of the call, which it writes when it has used the answer."""
    line: dict[str, Any] = json.loads(
        own_line(
            id="chatcmpl-9", output_tokens=output, predicted_output_tokens=predicted, time=ENDED + timedelta(hours=1)
        )
    )
    return line


@pytest.mark.parametrize("name", ["a", "z"])
@pytest.mark.parametrize(
    "others", [[logged()], [received()], [logged(), received()]], ids=["gateway", "response", "both"]
)
def test_records_of_several_formats_of_which_one_knows_the_prediction_are_one_sample(
    tmp_path: Path, name: str, others: list[dict[str, Any]]
) -> None:
    write_spans(tmp_path / f"{name}.jsonl", ours(12))
    for at, record in enumerate(others):
        write_spans(tmp_path / f"c{at}.jsonl", record)
    reading = read(tmp_path)
    assert [(each.predicted_output_tokens, each.output_tokens) for each in samples_of(reading)] == [(12, 16)]
    assert reading.duplicates == len(others)


@pytest.mark.parametrize(
    "records",
    [
        [[ours(12, output=17)], [logged()]],
        [[logged(), logged(at=1)], [ours(12)]],
        [[ours(12), ours(13)], [logged()]],
        [[ours(12)], [logged(metadata={"spend_logs_metadata": {"predicted_output_tokens": 13}})]],
        [[logged(model="gpt-4")], [ours(12) | {"model": "gpt-5.2"}]],
        [[ours(12)], [logged("chatcmpl-8")]],
    ],
    ids=["output", "twice-in-a-format", "twice-in-another", "predictions", "models", "ids"],
)
def test_records_of_several_formats_of_several_calls_stay_as_many_as_they_are(
    tmp_path: Path, records: list[list[dict[str, Any]]]
) -> None:
    for at, of_one in enumerate(records):
        write_spans(tmp_path / f"{at}.jsonl", *of_one)
    assert (len(read(tmp_path).samples), read(tmp_path).duplicates) == (sum(map(len, records)), 0)


@pytest.mark.parametrize("name", ["a", "z"])
def test_what_the_span_and_the_record_know_is_known_of_the_call(tmp_path: Path, name: str) -> None:
    """The span knows the prediction and that the answer was cut off, LiteLLM the cap and the category."""
    ours = {"token_telemetry__predicted__output_tokens": 12, "gen_ai__request__max_tokens": None}
    write_spans(tmp_path / "c.jsonl", by(CLIENT, call("a", **ours, gen_ai__response__finish_reasons=["length"])))
    theirs = {"model_parameters": {"max_tokens": 64}, "metadata": {"spend_logs_metadata": {"category": "docs"}}}
    write_spans(tmp_path / f"{name}.jsonl", logged(**theirs))
    (sample,) = samples_of(read(tmp_path))
    assert (sample.predicted_output_tokens, sample.max_tokens, sample.category) == (12, 64, "docs")
    assert (sample.truncated, sample.finish_reason, sample.truncation_source) == (True, "length", "reason")


@pytest.mark.parametrize("backwards", [False, True])
def test_the_innermost_of_two_spans_counts_the_output(tmp_path: Path, backwards: bool) -> None:
    """OpenLLMetry counts the first tokens of Anthropic's streams twice, in a trace of its own."""
    outer = by(CLIENT, call("a", output=17, lasts=2, token_telemetry__category="docs"), scope="openllmetry")
    inner = by(CLIENT, call("b", output=16, at=0.1), scope="anthropic")
    write_spans(tmp_path / "s.jsonl", *((inner, outer) if backwards else (outer, inner)))
    reading = read(tmp_path)
    assert [(each.output_tokens, each.category) for each in samples_of(reading)] == [(16, "docs")]
    assert reading.duplicates == 1


@pytest.mark.parametrize(("outer", "inner", "truncated"), [(16, 15, False), (15, 16, True)])
def test_the_output_that_counts_decides_whether_it_reached_the_cap(
    tmp_path: Path, outer: int, inner: int, truncated: bool
) -> None:
    said = {"gen_ai__response__finish_reasons": None, "gen_ai__request__max_tokens": 16}
    write_spans(tmp_path / "a.jsonl", by(CLIENT, call("a", output=outer, **said)))
    write_spans(tmp_path / "b.jsonl", by(GATEWAY, call("b", output=inner, at=0.1, lasts=0.5, **said)))
    (sample,) = samples_of(read(tmp_path))
    assert (sample.output_tokens, sample.truncated) == (inner, truncated)
    assert sample.truncation_source == ("cap" if truncated else None)


def test_what_each_span_knows_is_known_of_the_call(tmp_path: Path) -> None:
    """The client knows the prediction, the gateway the cap and that the answer was cut off."""
    ours = {"token_telemetry__predicted__output_tokens": 12, "gen_ai__request__max_tokens": None}
    ours["gen_ai__response__finish_reasons"] = None
    theirs = {"gen_ai__request__max_tokens": 16, "gen_ai__response__finish_reasons": ["length"]}
    write_spans(tmp_path / "client.jsonl", by(CLIENT, call("a", **ours)))
    write_spans(tmp_path / "gateway.jsonl", by(GATEWAY, call("b", at=0.1, lasts=0.5, **theirs)))
    (sample,) = samples_of(read(tmp_path))
    assert (sample.predicted_output_tokens, sample.max_tokens, sample.truncated) == (12, 16, True)


@pytest.mark.parametrize("trace", ["a", "b"])
def test_a_side_file_may_name_either_trace(tmp_path: Path, trace: str) -> None:
    write_spans(tmp_path / "client.jsonl", by(CLIENT, call("a")))
    write_spans(tmp_path / "gateway.jsonl", by(GATEWAY, call("b", at=0.1)))
    write(tmp_path, [f'{{"trace_id": "{trace}", "predicted_output_tokens": 12}}'], "side.json")
    reading = read(tmp_path, SideFile(str(tmp_path / "side.json"), "side.json", "--predictions: side.json"))
    assert [each.predicted_output_tokens for each in samples_of(reading)] == [12]
    assert reading.remarks == {}


@pytest.mark.parametrize("jobs", [1, 2])
def test_many_calls_are_folded_one_by_one(tmp_path: Path, jobs: int) -> None:
    """As many as are put into columns at once, also by several processes."""
    write_spans(tmp_path / "c.jsonl", by(CLIENT, *[call(f"a{n}", response=f"r{n}", at=n) for n in range(50)]))
    write_spans(tmp_path / "g.jsonl", by(GATEWAY, *[call(f"b{n}", response=f"r{n}", at=n) for n in range(0, 50, 2)]))
    scan = Scan(jobs=jobs, bounds=TaskSizes(3000, 10, 1000))
    reading = read_directories([Directory(tmp_path, "d")], ["*"], scan=scan)
    assert (len(reading.samples), reading.duplicates) == (50, 25)
