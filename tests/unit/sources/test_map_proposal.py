"""Maps that are proposed for files that nobody knows."""

from __future__ import annotations

import gzip
import tomllib
from pathlib import Path

import pytest

from pytest_token_telemetry.sources.field_map import maps_in
from pytest_token_telemetry.sources.map_proposal import proposal
from pytest_token_telemetry.sources.mapped import MappedSource
from pytest_token_telemetry.sources.parallel import Scan
from pytest_token_telemetry.sources.reading import Directory, read_directories
from tests.unit.sources.exports.readings import lines, outputs


def proposed(tmp_path: Path, content: bytes, name: str = "calls.jsonl") -> str:
    """What is proposed for one file."""
    (tmp_path / name).write_bytes(content)
    return proposal([str(tmp_path / name)])


def table(text: str) -> dict[str, object]:
    """The one map in a proposal."""
    [found] = tomllib.loads(text)["tool"]["token-telemetry"]["sources"].values()
    return dict(found)


CALL = {
    "call": {"retries": 9, "max_new_tokens": 64, "user": {"id": 7}, "modelName": "small"},
    "res": {"tokens.in": 1, "usage": {"completion_tokens": 40, "outputTokens": 41}},
    "why": [{"done_reason": "stop", "note": "a secret " * 9}],
    "success": "maybe",
}


def test_names_and_values_say_which_field_a_path_is(tmp_path: Path) -> None:
    text = proposed(tmp_path, lines(CALL, CALL, {"ping": 1}))
    assert table(text) == {
        "files": ["*.jsonl"],
        "fields": {
            "output_tokens": ["res.usage.completion_tokens", "res.usage.outputTokens"],
            "max_tokens": "call.max_new_tokens",
            "model": "call.modelName",
            "finish_reason": "why.0.done_reason",
        },
    }
    assert "# in 2 of 3, such as 40" in text
    assert "secret" not in text


BEGIN, END = {"event": "begin", "model": "m"}, {"event": "end", "model": "m", "used": {"output_tokens": 7}, "most": 9}


@pytest.mark.parametrize(
    ("records", "where"),
    [
        ([BEGIN, END, BEGIN, END], {"event": ["end"]}),
        ([BEGIN, END, {**END, "event": "again"}], {"event": ["again", "end"]}),
        ([END, END], None),
        ([BEGIN, {**END, "event": "begin"}], None),
        ([{"model": "m"}, END], None),
        ([BEGIN, *({**END, "event": f"end-{n}"} for n in range(4))], None),
    ],
)
def test_a_text_that_tells_calls_from_other_records_is_a_where(
    tmp_path: Path, records: list[object], where: object
) -> None:
    assert table(proposed(tmp_path, lines(*records))).get("where") == where


def test_counts_that_no_field_takes_are_named_where_what_is_judged_is_missing(tmp_path: Path) -> None:
    text = proposed(tmp_path, lines(END))
    assert "# predicted_output_tokens and max_tokens: nothing is called so; other counts are most" in text
    assert "# predicted_output_tokens: nothing is called so; there is no other count" in proposed(
        tmp_path, lines({"cap": 9, "output_tokens": 7})
    )


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (lines(CALL, CALL), "calls.jsonl", [40, 40]),
        (gzip.compress(lines(CALL)), "calls.jsonl.gz", [40]),
        (lines({"data": {"calls": [CALL, CALL]}}), "calls.json", [40, 40]),
        (b"who;Tokens Out\na;12\nb;13\n", "calls.csv", [12, 13]),
        (lines({'a"b': 1, "sum of\u202e": 2, "our usage": {"completion_tokens": 5}}), "calls [1]", [5]),
    ],
    ids=["lines", "packed", "document", "table", "odd names"],
)
def test_a_proposal_can_be_pasted(tmp_path: Path, content: bytes, name: str, expected: list[int]) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    (tmp_path / "maps.toml").write_text(proposed(runs, content, name), encoding="utf-8")
    [found] = maps_in(tmp_path / "maps.toml", "maps.toml")
    read = read_directories([Directory(runs, "d")], ["*"], scan=Scan(mapped=(MappedSource(found.name, found),)))
    assert outputs(read) == expected
    assert read.unusable == {}


def test_where_nothing_is_called_output_the_counts_are_named(tmp_path: Path) -> None:
    text = proposed(tmp_path, b"who,spent,rest\na,12,x\nb,13,y\n", "calls.csv")
    assert '# output_tokens = "PATH"  is needed, and nothing is called so; counts are spent' in text.splitlines()[-1]


def test_files_that_need_no_map_or_cannot_have_one_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("one line\n")
    (tmp_path / "b.csv").write_text("time,output_tokens\n1,2\n")
    text = proposal([str(tmp_path / name) for name in ("a.log", "b.csv", "missing")])
    assert text.splitlines() == [
        "# 1 file of format csv: read without a map",
        "# 1 file of text: an expression for its lines is yours to write",
        "# 1 file cannot be read",
    ]
    assert proposal([]) == "# there are no files"
