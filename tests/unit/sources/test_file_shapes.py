"""Maps that are proposed for files of several shapes, pasted and read."""

from __future__ import annotations

import gzip
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_token_telemetry.option_types import matches
from pytest_token_telemetry.sources import file_shapes
from pytest_token_telemetry.sources.field_map import maps_in
from pytest_token_telemetry.sources.map_proposal import proposal
from pytest_token_telemetry.sources.mapped import MappedSource
from pytest_token_telemetry.sources.merge import Reading
from pytest_token_telemetry.sources.parallel import Scan
from pytest_token_telemetry.sources.reading import Directory, read_directories
from tests.unit.sources.exports.readings import lines, outputs, samples_of


def proposed(runs: Path, files: Mapping[str, bytes]) -> str:
    """What is proposed for ``files``, written below ``runs``."""
    for name, content in files.items():
        (runs / name).parent.mkdir(parents=True, exist_ok=True)
        (runs / name).write_bytes(content)
    return proposal([str(runs / name) for name in sorted(files)], directories=[runs])


def patterns(text: str) -> dict[str, list[str]]:
    """The files of each map in a proposal."""
    return {name: each["files"] for name, each in tomllib.loads(text)["tool"]["token-telemetry"]["sources"].items()}


def pasted(runs: Path, text: str) -> Reading:
    """What is read by the proposed maps alone: their patterns choose the files."""
    maps = runs.parent / "maps.toml"
    maps.write_text(text, encoding="utf-8")
    found = [MappedSource(each.name, each) for each in maps_in(maps, "maps.toml")]
    chosen = [pattern for each in found for pattern in each.map.files]
    return read_directories([Directory(runs, "d")], chosen, scan=Scan(mapped=tuple(found)))


def usage(*counts: int, **more: object) -> bytes:
    """Calls whose name of the output is likely."""
    return lines(*({"usage": {"out": count}, "finish": "stop", **more} for count in counts))


def flat(*counts: int) -> bytes:
    """Calls whose name of the output is known."""
    return lines(*({"tokens_out": count, "model": "x"} for count in counts))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a.jsonl": usage(5, 6), "b.jsonl": flat(7)}, {"our-a-jsonl": ["a.jsonl"], "our-b-jsonl": ["b.jsonl"]}),
        (
            {"gateway-1.jsonl": usage(5), "gateway-2.jsonl": usage(6), "worker-2026-01-01.jsonl": flat(7)},
            {"our-gateway-jsonl": ["gateway*.jsonl"], "our-worker-jsonl": ["worker*.jsonl"]},
        ),
        (
            {"1-chat.jsonl": usage(5), "2-chat.jsonl": usage(6), "1-batch.jsonl": flat(7)},
            {"our-chat-jsonl": ["*chat.jsonl"], "our-batch-jsonl": ["*batch.jsonl"]},
        ),
        (
            {"r1/calls.jsonl": usage(5), "r2/calls.jsonl": usage(6), "r1/jobs.jsonl": flat(7)},
            {"our-calls-jsonl": ["calls.jsonl"], "our-jobs-jsonl": ["jobs.jsonl"]},
        ),
        (
            {"gateway/1.jsonl": usage(5), "gateway/2.jsonl": usage(6), "worker/1.jsonl": flat(7)},
            {"our-gateway-jsonl": ["gateway/*.jsonl"], "our-worker-jsonl": ["worker/*.jsonl"]},
        ),
        (
            {"r1/gateway/1.jsonl": usage(5), "r2/gateway/1.jsonl": usage(6), "r1/worker/1.jsonl": flat(7)},
            {"our-gateway-jsonl": ["*/gateway/*.jsonl"], "our-r1-worker-jsonl": ["r1/worker/*.jsonl"]},
        ),
        (
            {"r1/x.jsonl": usage(5), "r2/y.jsonl": usage(6), "r1/y.jsonl": flat(7)},
            {"our-jsonl": ["x.jsonl", "r2/y.jsonl"], "our-r1-y-jsonl": ["r1/y.jsonl"]},
        ),
        (
            {"[1].jsonl": usage(5), "b.jsonl": usage(6), "c.jsonl": flat(7)},
            {"our-jsonl": ["[[]1].jsonl", "b.jsonl"], "our-c-jsonl": ["c.jsonl"]},
        ),
        (
            {
                "a.csv": b"who;Tokens Out\na;5\n",
                "b.csv": b"kind;answer_tokens;n\nb;7;1\n",
                "c.csv": b"who;Tokens Out\na;6\n",
            },
            {"our-csv": ["a.csv", "c.csv"], "our-b-csv": ["b.csv"]},
        ),
    ],
    ids=[
        "names",
        "beginnings",
        "ends",
        "one name",
        "directories",
        "directories within",
        "paths",
        "lists",
        "a table apart",
    ],
)
def test_each_shape_has_a_map_that_reads_its_files_and_no_others(
    tmp_path: Path, files: Mapping[str, bytes], expected: Mapping[str, list[str]]
) -> None:
    text = proposed(tmp_path / "runs", files)
    assert patterns(text) == expected
    read = pasted(tmp_path / "runs", text)
    assert sorted(outputs(read)) == [5, 6, 7]
    assert (read.unusable, read.unreadable) == ({}, {})


ROTATED = {"g.jsonl": usage(5), "g.jsonl.1.gz": gzip.compress(usage(6)), "g.jsonl.2": usage(7)}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (ROTATED, {"our-jsonl": ["*.jsonl*"]}),
        ({**ROTATED, "w.jsonl": flat(8)}, {"our-g-jsonl": ["g.jsonl*"], "our-w-jsonl": ["w.jsonl"]}),
        ({**ROTATED, "w.jsonl.1": flat(8)}, {"our-g-jsonl": ["g.jsonl*"], "our-w-jsonl": ["w.jsonl*"]}),
        (
            {
                "g-a.jsonl.2026-11-27": usage(5),
                "g-b.jsonl-20261127.gz": gzip.compress(usage(6)),
                "g-a.jsonl.2026-11-27_10-30-00": usage(7),
                "w.jsonl.2026-11-27.1": flat(8),
            },
            {"our-g-jsonl": ["g*.jsonl*"], "our-w-jsonl": ["w.jsonl*"]},
        ),
        ({"g.jsonl.gz": gzip.compress(usage(5, 6, 7))}, {"our-jsonl": ["*.jsonl*"]}),
        (
            {"r1/a.jsonl.1": usage(5), "b.jsonl.1": usage(6), "b.jsonl.2": usage(7), "c.jsonl": flat(8)},
            {"our-jsonl": ["b.jsonl*", "a.jsonl*"], "our-c-jsonl": ["c.jsonl"]},
        ),
        (
            {"g": usage(5), "g.1": usage(6), "g.2.gz": gzip.compress(usage(7)), "w.1": flat(8)},
            {"our-g": ["g", "g[.-]*"]},
        ),
        (
            {"g.json": usage(5), "g.json.1": usage(6), "h.json": usage(7)},
            {"our-json": ["*.json", "*.json[.-]*"]},
        ),
    ],
    ids=["alone", "beside another", "beside a rotated one", "by dates", "packed", "named", "no ending", "json"],
)
def test_rotated_files_have_one_map_that_reads_the_next_rotation_too(
    tmp_path: Path, files: Mapping[str, bytes], expected: Mapping[str, list[str]]
) -> None:
    runs = tmp_path / "runs"
    text = proposed(runs, files)
    found = patterns(text)
    assert {name: found[name] for name in expected} == expected
    assert all(not matches(each, found[name]) for name in found for each in ("agent.log.1.gz", "agent.log.2", "x.csv"))
    assert sorted(outputs(pasted(runs, text))) == [5, 6, 7, *([8] if flat(8) in files.values() else [])]
    first = min(files)
    following = f"{first.partition('.jsonl')[0]}.jsonl.3" if ".jsonl" in first else f"{first.removesuffix('.1')}.3"
    assert matches(following, found[next(iter(expected))])


@pytest.mark.parametrize(
    "files",
    [
        {"a.jsonl": usage(5), "b.jsonl": usage(6, cap=9), "c.jsonl": usage(7, why="x")},
        {"a.jsonl": usage(5), "b.jsonl": lines({"usage": {"out": None}, "finish": "error"}), "c.jsonl": usage(6, 7)},
        {"a.jsonl": usage(5, note="x"), "b.jsonl": usage(6, 7), "c.jsonl": b"", "d.jsonl": lines({})},
        {f"{n:02}.jsonl": usage(n) for n in range(30)},
    ],
    ids=["with more", "calls that failed", "empty", "many"],
)
def test_files_of_one_shape_have_one_map_for_all_of_their_ending(tmp_path: Path, files: Mapping[str, bytes]) -> None:
    text = proposed(tmp_path / "runs", files)
    assert patterns(text) == {"our-jsonl": ["*.jsonl"]}
    assert text.startswith(f"# {sum(map(bool, files.values()))} files, ")
    read = pasted(tmp_path / "runs", text)
    assert sorted(outputs(read)) == ([5, 6, 7] if len(files) < 30 else [*range(30)])


def test_fields_in_other_places_are_another_shape_unless_one_map_reads_both(tmp_path: Path) -> None:
    """``why`` is likely to be a reason, and given up where a known name is one; two known names are read in turn."""
    known, likely = lines({"tokens_out": 5, "finish_reason": "length"}), lines({"tokens_out": 6, "why": "length"})
    also = lines({"tokens_out": 7, "stop_reason": "length"})
    text = proposed(tmp_path / "runs", {"a.jsonl": known, "b.jsonl": likely, "c.jsonl": also})
    assert patterns(text) == {"our-jsonl": ["a.jsonl", "c.jsonl"], "our-b-jsonl": ["b.jsonl"]}
    read = pasted(tmp_path / "runs", text)
    assert (sorted(outputs(read)), [each.finish_reason for each in samples_of(read)]) == ([5, 6, 7], ["length"] * 3)


def test_files_without_an_output_beside_those_of_calls_get_no_map_but_a_word(tmp_path: Path) -> None:
    files = {"r1/calls.json": flat(5), "r2/calls.json": flat(6), "r1/config.json": lines({"seed": 4, "port": 80})}
    text = proposed(tmp_path / "runs", files)
    assert patterns(text) == {"our-calls-json": ["calls.json"]}
    assert 'files = ["calls.json"]  # *.json would match files of another shape\n' in text
    assert text.endswith(
        "\n\n# 1 file *.json of another shape: no map, as no name says which count is the output"
        ' ("config.json"). For one: --token-telemetry-pattern=config.json'
    )
    alone = proposed(tmp_path / "runs", {"r1/config.json": files["r1/config.json"]})
    assert '# output_tokens = "seed"' in alone


def test_a_text_or_a_table_with_the_same_ending_is_not_matched(tmp_path: Path) -> None:
    files = {"calls.log": usage(5), "server.log": b"one line\n", "table.log": b"who;Tokens Out\na;6\n"}
    text = proposed(tmp_path / "runs", files)
    assert patterns(text) == {"our-log": ["table.log"], "our-log-2": ["calls.log"]}
    assert sorted(outputs(pasted(tmp_path / "runs", text))) == [5, 6]


def test_the_names_of_many_files_have_a_limit_that_is_told(tmp_path: Path) -> None:
    words = [f"{one}{two}" for one in "abcde" for two in "uvwxy"]
    text = proposed(tmp_path / "runs", {**{f"{each}.jsonl": usage(5) for each in words}, "zz.jsonl": flat(7)})
    assert patterns(text) == {"our-jsonl": [f"{each}.jsonl" for each in words[:20]], "our-zz-jsonl": ["zz.jsonl"]}
    assert "# 5 files of them not named: add them, or rename them alike\n" in text


def test_files_that_have_the_names_of_others_are_told(tmp_path: Path) -> None:
    text = proposed(tmp_path / "runs", {"a.jsonl": usage(5), "r1/a.jsonl": flat(6)})
    assert patterns(text) == {"our-r1-jsonl": ["r1/*.jsonl"]}
    assert "# 1 file *.jsonl: other files have the same names (rename some)" in text


def test_only_so_many_files_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_shapes, "LOOKED_AT", 4)
    text = proposed(tmp_path / "runs", {f"{n}.jsonl": usage(n) for n in range(8)})
    assert patterns(text) == {"our-jsonl": ["*.jsonl"]}
    assert text.startswith("# 8 files, 4 records looked at")
    assert text.endswith("\n\n# 4 of 8 files *.jsonl were looked at: the rest may be of other shapes")
    monkeypatch.setattr(file_shapes, "LOOKED_AT", 500)
    monkeypatch.setattr(file_shapes, "FILES", 2)
    monkeypatch.setattr(file_shapes, "_BYTES", 1)
    assert proposed(tmp_path / "runs", {f"{n}.jsonl": usage(n) for n in range(8)}).endswith(
        "# 2 of 8 files *.jsonl were looked at: the rest may be of other shapes"
    )


def test_a_map_has_a_name_that_no_other_has(tmp_path: Path) -> None:
    maps = tmp_path / "maps.toml"
    maps.write_text("[tool.token-telemetry.sources.our-jsonl]\nfiles = ['old.jsonl']\nfields = {output_tokens = 'tok'}")
    [found] = maps_in(maps, "maps.toml")
    (tmp_path / "calls.jsonl").write_bytes(usage(5))
    text = proposal([str(tmp_path / "calls.jsonl")], [MappedSource(found.name, found)])
    assert patterns(text) == {"our-jsonl-2": ["*.jsonl"]}


def test_of_two_shapes_in_one_file_the_one_with_most_records_is_read_and_the_rest_told(tmp_path: Path) -> None:
    text = proposed(tmp_path / "runs", {"a.jsonl": usage(5, 6, 8) + flat(7)})
    line = (
        "# not read: 1 record with an output at tokens_out instead"
        ' (if they are calls: output_tokens = ["usage.out", "tokens_out"])'
    )
    assert line in text.splitlines()
    assert outputs(pasted(tmp_path / "runs", text)) == [5, 6, 8]
    assert outputs(pasted(tmp_path / "runs", text.replace('"usage.out"', '["usage.out", "tokens_out"]', 1))) == [
        5,
        6,
        8,
        7,
    ]
    known = proposed(tmp_path / "runs", {"a.jsonl": usage(5) + flat(7, 8)})
    assert "# not read: 1 record with an output at usage.out instead" in known
    assert outputs(pasted(tmp_path / "runs", known)) == [7, 8]


def test_records_of_another_kind_are_told_with_their_kind(tmp_path: Path) -> None:
    """More records have a likely output, but a text tells those with a known one from them."""
    records = [{"event": "chunk", "tokens": {"out": 1}}] * 3 + [{"event": "end", "output_tokens": 3}]
    text = proposed(tmp_path / "runs", {"a.jsonl": lines(*records)})
    assert 'where = { event = ["end"] }' in text
    assert (
        "# not read: 3 records with an output at tokens.out instead"
        ' (if they are calls: output_tokens = ["output_tokens", "tokens.out"], and their event in where)'
    ) in text.splitlines()
    assert outputs(pasted(tmp_path / "runs", text)) == [3]


def test_two_known_outputs_in_one_file_are_both_read(tmp_path: Path) -> None:
    text = proposed(
        tmp_path / "runs", {"a.jsonl": lines({"kind": "a", "output_tokens": 5}, {"kind": "b", "tokens_out": 6})}
    )
    assert "where" not in text
    assert outputs(pasted(tmp_path / "runs", text)) == [5, 6]


def test_only_so_many_shapes_have_a_map(tmp_path: Path) -> None:
    """As where the output stands below an id."""
    text = proposed(tmp_path / "runs", {f"{n:02}.jsonl": lines({f"id-{n}": {"output_tokens": n}}) for n in range(12)})
    assert len(patterns(text)) == 10
    assert text.endswith("\n\n# 2 files *.jsonl of 2 more shapes: no map (for some: --token-telemetry-pattern=NAME)")


def test_a_name_of_a_file_ends_no_line_of_a_proposal(tmp_path: Path) -> None:
    text = proposed(tmp_path / "runs", {"a.x\nb": flat(5), "c.x\nb": lines({"seed": 1, "port": 2}), "d.x\nb": flat(6)})
    assert sorted(outputs(pasted(tmp_path / "runs", text))) == [5, 6]
    assert "# 1 file *.x?b of another shape" in text
