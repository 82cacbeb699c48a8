"""Maps that are proposed for files that nobody knows."""

from __future__ import annotations

import gzip
import json
import tomllib
from pathlib import Path

import pytest

from pytest_token_telemetry.sources.field_map import maps_in
from pytest_token_telemetry.sources.map_proposal import proposal
from pytest_token_telemetry.sources.mapped import MappedSource
from pytest_token_telemetry.sources.merge import Reading
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


def pasted(runs: Path, text: str) -> Reading:
    """What the files in ``runs`` hold, read by the one map of a proposal."""
    (runs.parent / "maps.toml").write_text(text, encoding="utf-8")
    [found] = maps_in(runs.parent / "maps.toml", "maps.toml")
    return read_directories([Directory(runs, "d")], ["*"], scan=Scan(mapped=(MappedSource(found.name, found),)))


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
        ([{**BEGIN, "event_id": "a"}, {**END, "event_id": "b"}], {"event": ["end"]}),
        ([{"event_id": "a"}, {**END, "event_id": "b"}], None),
        ([BEGIN, {**END, "event": "begin"}], None),
        ([{"model": "m"}, END], None),
        ([BEGIN, *({**END, "event": f"end-{n}"} for n in range(4))], None),
    ],
)
def test_a_text_that_tells_calls_from_other_records_is_a_where(
    tmp_path: Path, records: list[object], where: object
) -> None:
    assert table(proposed(tmp_path, lines(*records))).get("where") == where


PAGE = (Path(__file__).parents[3] / "docs" / "field-map.md").read_text(encoding="utf-8")


def test_the_example_of_the_documentation_is_proposed(tmp_path: Path) -> None:
    content = PAGE.partition("```json\n")[2].partition("```")[0]
    assert table(proposed(tmp_path, content.encode(), "gateway.jsonl"))["fields"] == {
        "output_tokens": "res.usage.out",
        "predicted_output_tokens": "req.labels.estimate",
        "max_tokens": "req.cap",
        "finish_reason": {"path": "res.end", "values": {"E": "stop", "L": "length"}},
        "time": "at",
    }


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        (
            {
                "ts": 1767600000,
                "limits": {"maxOut": 1024, "guess": 456},
                "result": {"tok_out": 296, "tok_in": 55, "why": "stop"},
            },
            {
                "output_tokens": "result.tok_out",
                "predicted_output_tokens": "limits.guess",
                "max_tokens": "limits.maxOut",
                "finish_reason": "result.why",
                "time": "ts",
            },
        ),
        (
            {"when": "2026-01-05T10:00:00Z", "answer_len": 71, "limit": 500, "estimated": 85, "latency_ms": 40},
            {
                "output_tokens": "answer_len",
                "predicted_output_tokens": "estimated",
                "max_tokens": "limit",
                "time": "when",
            },
        ),
        ({"tokens": {"in": 5, "out": 7}, "end": 1767600000, "at": "the desk"}, {"output_tokens": "tokens.out"}),
        ({"tokOut": 7, "retries": 2, "outMs": 3, "maxRetries": 4}, {"output_tokens": "tokOut"}),
        ({"tokOut": 7, "end_user": "stop"}, {"output_tokens": "tokOut"}),
        ({"used": 7, "rate_limit": 2, "why": "a whole sentence, and a long one"}, {"output_tokens": "used"}),
        ({"calls": [{"tokOut": 7, "limit": 9}]}, {"output_tokens": "tokOut", "max_tokens": "limit"}),
    ],
)
def test_words_and_what_stands_around_them_say_which_field_a_path_is(
    tmp_path: Path, record: object, fields: object
) -> None:
    assert table(proposed(tmp_path, lines(*[record] * 3)))["fields"] == fields


def test_where_several_counts_may_be_a_field_each_is_a_line_to_uncomment(tmp_path: Path) -> None:
    text = proposed(tmp_path, lines({"used": 7, "chunks": 2, "limit": 9, "cap_hint": 8, "latency_ms": 4}))
    assert table(text).get("fields") == {}
    assert "# output_tokens is required, and no name says which count it is. Uncomment one:" in text
    for line in (
        '# output_tokens = "used"  # in 1 of 1, such as 7',
        '# output_tokens = "chunks"  # in 1 of 1, such as 2',
        '# max_tokens = "limit"  # in 1 of 1, such as 9',
        '# max_tokens = "cap_hint"  # in 1 of 1, such as 8',
    ):
        assert line in text.splitlines()
    assert "latency_ms" not in text


def test_what_llama_cpp_predicts_is_the_output_and_what_it_truncates_the_prompt(tmp_path: Path) -> None:
    """Its answers of ``/completion``: ``truncated`` would say that no answer was, whatever stopped it."""
    asked = {"generation_settings": {"n_predict": 64}, "predicted_output_tokens": 50}
    said = {"id_slot": 0, "tokens_evaluated": 9, "truncated": False, **asked}
    text = proposed(
        tmp_path,
        lines(
            {**said, "tokens_predicted": 64, "stop_type": "limit"}, {**said, "tokens_predicted": 40, "stop_type": "eos"}
        ),
    )
    assert table(text)["fields"] == {
        "predicted_output_tokens": "predicted_output_tokens",
        "output_tokens": "tokens_predicted",
        "max_tokens": "generation_settings.n_predict",
        "finish_reason": "stop_type",
    }
    assert 'success = "truncated"' not in text
    assert '# truncated = "truncated"  # in 2 of 2, such as false' in text.splitlines()
    beside = proposed(tmp_path, lines({"tokens_predicted": 40, "tokens_out": 50, "truncated": False}))
    assert table(beside)["fields"]["output_tokens"] == "tokens_out"  # a prediction may be called so too
    assert table(beside)["fields"]["truncated"] == "truncated"


def test_a_limit_that_outputs_exceed_is_no_cap(tmp_path: Path) -> None:
    text = proposed(tmp_path, lines({"tokOut": 9, "limit": 7}, {"tokOut": 6, "limit": 7}))
    assert table(text)["fields"] == {"output_tokens": "tokOut"}
    assert '# max_tokens = "limit"  # in 2 of 2, such as 7; 1 output is above it' in text.splitlines()


def test_values_that_are_no_reasons_of_ours_are_shown_and_mapped(tmp_path: Path) -> None:
    records = [{"tokOut": 5, "end_state": each} for each in ("fin", "cut", "R2", "stop", "stop")]
    line = (
        '# finish_reason = { path = "end_state", values = { R2 = "unknown", cut = "length", fin = "stop" } }'
        '  # in 5 of 5: 1 "R2", 1 "cut", 1 "fin", 2 "stop": check what each means'
    )
    text = proposed(tmp_path, lines(*records))
    assert line in text.splitlines()
    tomllib.loads(text.replace(line, line.removeprefix("# ")))


def test_a_success_that_no_name_tells_is_proposed_where_predictions_need_it(tmp_path: Path) -> None:
    line = "# success = { value = true }  # if each task succeeded: predictions need it to be judged"
    assert line in proposed(tmp_path, lines({"guess": 5, "tokOut": 6}))
    flags = proposed(tmp_path, lines({"guess": 5, "tokOut": 6, "served": True, "cached": "no", "n": 0}))
    assert '# success = "served"  # in 1 of 1, such as true: if it says that the task succeeded' in flags.splitlines()
    assert (line in flags, "cached" in flags) == (False, False)
    assert "# success = " not in proposed(tmp_path, lines({"cap": 5, "tokOut": 6}))


def call_of(job: str, bulk: str, outcome: str, number: int = 0) -> dict[str, object]:
    """A call whose labels have names that nobody knows."""
    return {"ev": "call", "uid": f"u-{number}", "ask": {"job": job, "bulk": bulk}, "tokOut": 6, "outcome": outcome}


def test_what_no_name_tells_is_listed_with_its_use_and_texts_that_may_be_it(tmp_path: Path) -> None:
    calls = [
        call_of(("sum", "draft", "sql")[n % 3], ("small", "large")[n % 2], ("done", "failed")[n % 5 == 0], n)
        for n in range(12)
    ]
    text = proposed(tmp_path, lines(*calls, {"ev": "ping"}))
    expected = [
        '# success = { path = "outcome", values = { done = true, failed = false } }'
        '  # in 12 of 13: 9 "done", 3 "failed": if it says whether the task succeeded',
        '# category = "ask.job"  # in 12 of 13, such as "draft", "sql", "sum": if it is the kind of work',
        '# complexity = "ask.bulk"  # in 12 of 13, such as "large", "small": if it is how hard the work is',
        "# not found by name: success (whether the task succeeded: without it no prediction is judged),"
        " finish_reason (how a call ended: without it only max_tokens tells truncation), category (kind of work),"
        " complexity (how hard the work is) and id (the call's own: copies count once)",
    ]
    shown = text.splitlines()
    assert [line for line in shown if line in expected] == expected
    for line in expected[:3]:
        tomllib.loads(line.removeprefix("# "))
    named = proposed(tmp_path, lines({"ok": True, "category": "a", "complexity": "low", "id": "x", "tokOut": 6}))
    assert "success (" not in named
    assert "category (" not in named


USAGE = "guess_tok;limit_tok;gen_tok;ending;accepted;kind\n"


@pytest.mark.parametrize("other", ["", ";spare"])
def test_where_no_name_tells_the_output_all_other_fields_are_proposed_all_the_same(tmp_path: Path, other: str) -> None:
    rows = [f"90;200;{n};stop;{('yes', 'no')[n % 2]};{('draft', 'sql')[n % 2]}{other and ';7'}" for n in range(8)]
    text = proposed(tmp_path, "\n".join([USAGE.strip() + other, *rows]).encode(), "usage.csv")
    shown = text.splitlines()
    assert '# output_tokens = "gen_tok"  # in 8 of 8, such as 0, 1, 2' in shown
    assert ('# output_tokens = "spare"  # in 8 of 8, such as 7' in shown) == bool(other)
    assert (
        '# success = { path = "accepted", values = { no = false, yes = true } }'
        '  # in 8 of 8: 4 "no", 4 "yes": if it says whether the task succeeded'
    ) in shown
    assert '# category = "kind"  # in 8 of 8, such as "draft", "sql": if it is the kind of work' in shown
    assert shown[-1].startswith("# not found by name: success (whether the task succeeded: without it")


def test_counts_that_may_be_the_output_are_not_named_again_if_there_is_one(tmp_path: Path) -> None:
    one = proposed(tmp_path, lines({"lim": 7}))
    assert "# not found by name: predicted_output_tokens and max_tokens (no other count)" in one.splitlines()
    two = proposed(tmp_path, lines({"lim": 7, "tok": 5}))
    assert "# not found by name: predicted_output_tokens and max_tokens (other counts: lim and tok)" in two


MISSING_REASON = "finish_reason (how a call ended: without it only max_tokens tells truncation)"


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (("cut", "done"), 'cut = "length", done = "stop"'),
        (("cut_off", "complete"), 'cut_off = "length"'),
        (("R2", "cut", "fin"), 'R2 = "unknown", cut = "length", fin = "stop"'),
        (("finished", "truncated"), ""),  # words of ours
        (("stop", "max_tokens"), ""),
        (("end_turn", "tool_use"), ""),
        (("stop",), ""),
        (("done", "failed"), None),  # whether the task succeeded
        (("done",), None),
        (("free", "pro", "max"), None),
        (("max", "limit"), None),
        (("max", "min"), None),
        (("started", "finished"), None),
        (("sql", "docs"), None),
        (("a whole sentence until it was cut", "done"), None),
    ],
)
def test_texts_that_say_how_a_call_ended_are_a_finish_reason(
    tmp_path: Path, texts: tuple[str, ...], values: str | None
) -> None:
    text = proposed(tmp_path, lines(*[{"tokOut": 6, "how": each} for each in texts] * 4))
    assert (MISSING_REASON in text) == ("finish_reason = " not in text.replace("# finish_reason = ", ""))
    if values is None:
        assert "finish_reason = " not in text
    else:
        path = f'{{ path = "how", values = {{ {values} }} }}' if values else '"how"'
        assert f"finish_reason = {path}  # in {4 * len(texts)} of {4 * len(texts)}" in text
        assert "# category" not in text


def test_a_finish_reason_that_caps_and_words_agree_on_is_proposed_as_such(tmp_path: Path) -> None:
    calls = [{"tokOut": 9 - n % 2, "cap": 9, "how": ("cut", "done")[n % 2]} for n in range(8)]
    text = proposed(tmp_path, lines(*calls))
    reason = {"path": "how", "values": {"cut": "length", "done": "stop"}}
    assert table(text)["fields"] == {"output_tokens": "tokOut", "max_tokens": "cap", "finish_reason": reason}
    assert "finish_reason (" not in text


@pytest.mark.parametrize(("word", "output"), [("cut_off", 7), ("done", 9)])
def test_a_word_that_its_caps_contradict_is_a_line_to_uncomment(tmp_path: Path, word: str, output: int) -> None:
    text = proposed(tmp_path, lines(*[{"tokOut": output, "cap": 9, "why": word}] * 3, {"tokOut": 5, "why": "stop"}))
    assert f'# finish_reason = {{ path = "why", values = {{ {word} = "length" }} }}' in text


def test_of_several_texts_that_may_be_a_finish_reason_each_is_a_line_to_uncomment(tmp_path: Path) -> None:
    call = {"tokOut": 6, "a": "stop", "b": "stop"}
    text = proposed(tmp_path, lines(call, {**call, "a": "length", "b": "length"}))
    for each in "ab":
        assert f'# finish_reason = "{each}"  # in 2 of 2, such as "stop", "length"' in text.splitlines()
    assert MISSING_REASON in text


def test_no_other_text_is_a_finish_reason_where_a_name_or_a_flag_tells_truncation(tmp_path: Path) -> None:
    for known in ({"stop_reason": "stop"}, {"truncated": True}):
        text = proposed(tmp_path, lines(*[{"tokOut": 6, "how": each, **known} for each in ("stop", "length")]))
        assert '"how"' not in text
        assert "finish_reason (" not in text


def test_a_text_that_tells_calls_from_others_is_no_finish_reason(tmp_path: Path) -> None:
    text = proposed(tmp_path, lines({"ev": "start"}, {"ev": "stop", "tokOut": 6}, {"ev": "cut", "tokOut": 7}))
    assert 'where = { ev = ["cut", "stop"] }' in text
    assert "finish_reason = " not in text


def test_a_column_ending_is_a_finish_reason_by_its_name(tmp_path: Path) -> None:
    text = proposed(tmp_path, lines({"tokOut": 6, "ending": "done"}))
    assert '# finish_reason = { path = "ending", values = { done = "stop" } }' in text


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (("Y", "N"), "N = false, Y = true"),
        (("yes", "no"), "no = false, yes = true"),
        (("PASS", "fail"), "PASS = true, fail = false"),
        (("ok", "error"), "error = false, ok = true"),
        (("ok", "done"), None),  # both would be a success
        (("ok", "sql"), None),
        (("ok", "error", "partial"), "error = false, ok = true, partial = false"),
    ],
)
def test_texts_that_look_like_an_outcome_are_one(tmp_path: Path, texts: tuple[str, ...], values: str) -> None:
    text = proposed(tmp_path, lines(*[{"tokOut": 6, "end_word": each} for each in texts]))
    if values is None:
        assert "# success = " not in text
    else:
        assert f'# success = {{ path = "end_word", values = {{ {values} }} }}' in text
        assert ("and check what each means" in text) == ("partial" in texts)


@pytest.mark.parametrize(
    "texts",
    [
        ["a"] * 8,  # one value
        [f"t-{n}" for n in range(50)],  # more than 20
        ["a", "b", "c"],  # each once
        ["a whole sentence of a prompt", "another sentence of one"] * 4,
        ["2026-01-01", "2026-01-02"] * 4,
    ],
)
def test_texts_that_are_no_labels_are_no_categories(tmp_path: Path, texts: list[str]) -> None:
    assert "# category = " not in proposed(tmp_path, lines(*[{"tokOut": 6, "t": each} for each in texts]))


def test_calls_that_failed_without_an_output_keep_the_where(tmp_path: Path) -> None:
    call = {"ev": "llm", "ask": {"cap": 9}, "tokOut": 6}
    failed = {"ev": "llm", "ask": {"cap": 9}, "error": "503"}
    other = {"ev": "ping", "who": "w0"}
    text = proposed(tmp_path, lines(*[call] * 6, failed, failed, other, other))
    assert 'where = { ev = ["llm"] }  # 2 of these records have no output: as of calls that failed' in text.splitlines()
    text = proposed(tmp_path, lines(*[call] * 6, {"ev": "llm", "who": "w0"}, other))
    assert "where" not in text  # this one has nothing that calls alone have
    assert "where" not in proposed(tmp_path, lines(call, failed, failed, other))  # most have none


def test_counts_that_no_field_takes_are_named_where_what_is_judged_is_missing(tmp_path: Path) -> None:
    text = proposed(tmp_path, lines(END))
    assert "# not found by name: predicted_output_tokens and max_tokens (other counts: most)" in text
    assert "# not found by name: predicted_output_tokens (no other count)" in proposed(
        tmp_path, lines({"cap": 9, "output_tokens": 7})
    )


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (lines(CALL, CALL), "calls.jsonl", [40, 40]),
        (gzip.compress(lines(CALL)), "calls.jsonl.gz", [40]),
        (lines({"data": {"calls": [CALL, CALL]}}), "calls.json", [40, 40]),
        (b"who;Tokens Out\na;12\nb;13\n", "calls.csv", [12, 13]),
        (lines({"it's": {'"our" usage': 1, "a.b c'": {"completion_tokens": 5}}}), "calls.jsonl", [5]),
        (lines({'a"b': 1, "sum of\u202e": 2, "our usage": {"completion_tokens": 5}}), "calls [1]", [5]),
    ],
    ids=["lines", "packed", "document", "table", "quotes", "odd names"],
)
def test_a_proposal_can_be_pasted(tmp_path: Path, content: bytes, name: str, expected: list[int]) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    read = pasted(runs, proposed(runs, content, name))
    assert outputs(read) == expected
    assert read.unusable == {}


def test_where_nothing_is_called_output_the_counts_are_named(tmp_path: Path) -> None:
    text = proposed(tmp_path, b"who,spent,rest\na,12,x\nb,13,y\n", "calls.csv")
    assert text.splitlines()[-4:-2] == [
        "# output_tokens is required, and no name says which count it is. Uncomment this one if it is:",
        '# output_tokens = "spent"  # in 2 of 2, such as 12, 13',
    ]
    assert '# output_tokens = "PATH"  # required, and no count may be it' in proposed(tmp_path, lines({"who": "a"}))


def test_what_tells_calls_from_other_records_is_told_where_no_name_tells_the_output(tmp_path: Path) -> None:
    call = {"ev": "llm", "lim": 1024, "res": {"tok": 468}}
    text = proposed(tmp_path, lines(call, {"ev": "ping"}))
    assert text.splitlines()[3:-2] == [
        'where = { ev = ["llm"] }  # of the records looked at, only these have an output',
        "",
        "[tool.token-telemetry.sources.our-jsonl.fields]",
        "# output_tokens is required, and no name says which count it is. Uncomment one:",
        '# output_tokens = "lim"  # in 1 of 2, such as 1024',
        '# output_tokens = "res.tok"  # in 1 of 2, such as 468',
    ]
    differ = proposed(tmp_path, lines({"ev": "llm", "tok": 468}, {"ev": "ping", "lim": 9}))
    assert "where" not in differ


def test_a_table_that_is_read_without_a_map_gets_one_for_its_other_columns(tmp_path: Path) -> None:
    text = proposed(tmp_path, b"id,output_tokens,limit,why\na,12,50,cut\n", "calls.csv")
    assert table(text)["fields"]["output_tokens"] == "output_tokens"  # type: ignore[index]
    assert '\nmax_tokens = "limit"' in text
    assert "# 1 file of format csv: read without a map, but not all columns: the map may read more" in text


def test_a_map_takes_no_file_that_is_read_without_it(tmp_path: Path) -> None:
    own = {"schema": "token-telemetry/1", "output_tokens": 5, "max_tokens": 9}
    for name, content in (("a.jsonl", own), ("old.jsonl", {"resp_len": 5}), ("[1].jsonl", {"resp_len": 5})):
        (tmp_path / name).write_bytes(lines(content))
    text = proposal([str(tmp_path / name) for name in ("a.jsonl", "old.jsonl", "[1].jsonl")])
    assert text.startswith("# 2 files, 2 records looked at\n")
    assert table(text)["files"] == ["old.jsonl", "[[]1].jsonl"]
    assert text.endswith("\n\n# 1 file of format logs: read without a map")
    alone = proposal([str(tmp_path / "old.jsonl")])
    assert table(alone)["files"] == ["*.jsonl"]


def test_files_that_a_map_reads_get_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines({"who": "a", "tok": 3}))
    (tmp_path / "maps.toml").write_text(
        "[tool.token-telemetry.sources.ours]\nfiles = ['*.jsonl']\nfields = {output_tokens = 'tok'}"
    )
    [found] = maps_in(tmp_path / "maps.toml", "maps.toml")
    text = proposal([str(tmp_path / "a.jsonl")], [MappedSource(found.name, found)])
    assert text == '# 1 file read by map "ours"'


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


def mlflow_span(kind: str, usage: object = None, inputs: object = None, outputs: object = None) -> dict[str, object]:
    """A span as MLflow keeps it: each attribute is JSON in a string."""
    attributes = {"mlflow.spanType": json.dumps(kind)}
    for name, value in (("chat.tokenUsage", usage), ("spanInputs", inputs), ("spanOutputs", outputs)):
        if value is not None:
            attributes[f"mlflow.{name}"] = json.dumps(value)
    return {"span_id": "s", "attributes": attributes}


def mlflow_trace(*outputs: int) -> dict[str, object]:
    """A trace of an agent with these calls."""
    calls = [
        mlflow_span(
            "CHAT_MODEL",
            {"input_tokens": 1, "output_tokens": each},
            {"messages": [{"role": "user", "content": "x" * 999}], "max_tokens": 64},
            {"choices": [{"finish_reason": "length" if each == 64 else "stop"}]},
        )
        for each in outputs
    ]
    total = {"mlflow.trace.tokenUsage": json.dumps({"output_tokens": sum(outputs)})}
    spans = [mlflow_span("AGENT", inputs={"question": "y"}), *calls, mlflow_span("TOOL")]
    return {"info": {"trace_metadata": total}, "data": {"spans": spans}}


@pytest.mark.parametrize("content", [lines(mlflow_trace(5, 64), mlflow_trace(7)), lines([mlflow_trace(5, 64, 7)])])
def test_counts_within_strings_of_json_are_found_where_only_some_records_of_a_list_are_calls(
    tmp_path: Path, content: bytes
) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    text = proposed(runs, content)
    found = table(text)
    assert found["records"] == "data.spans"
    assert found["where"] == {'attributes."mlflow.spanType"': ['"CHAT_MODEL"']}
    assert found["fields"] == {
        "output_tokens": 'attributes."mlflow.chat.tokenUsage".output_tokens',
        "max_tokens": 'attributes."mlflow.spanInputs".max_tokens',
        "finish_reason": 'attributes."mlflow.spanOutputs".choices.0.finish_reason',
    }
    assert outputs(pasted(runs, text)) == [5, 64, 7]
    assert """where = { 'attributes."mlflow.spanType"' = ['"CHAT_MODEL"'] }""" in text
    assert """max_tokens = 'attributes."mlflow.spanInputs".max_tokens'  #""" in text


def test_the_map_for_mlflow_of_the_documentation_is_proposed(tmp_path: Path) -> None:
    _, _, section = PAGE.partition("## JSON within strings")
    content, toml = (section.partition(f"```{each}\n")[2].partition("```")[0] for each in ("json", "toml"))
    found = table(proposed(tmp_path, content.encode(), "traces.jsonl"))
    assert found["records"] == "data.spans"
    assert found["where"] == {'attributes."mlflow.spanType"': ['"CHAT_MODEL"']}
    assert found["fields"] == table(toml)["fields"]


def test_a_copy_of_traces_counts_once_by_the_ids_of_their_spans(tmp_path: Path) -> None:
    trace = mlflow_trace(5, 64)
    for n, span in enumerate(trace["data"]["spans"]):  # type: ignore[index]
        span |= {"span_id": f"s{n}", "name": "chat", "end_time_unix_nano": (1767607200 + n) * 10**9}
    runs = tmp_path / "runs"
    (runs / "bak").mkdir(parents=True)
    (runs / "bak" / "calls.jsonl").write_bytes(lines(trace))
    read = pasted(runs, proposed(runs, lines(trace)))
    assert (outputs(read), read.duplicates) == ([5, 64], 2)


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        ({"span_id": "a", "endTimeUnixNano": "1767607200000000000"}, {"id": "span_id", "time": "endTimeUnixNano"}),
        ({"context": {"span_id": "a"}, "end_time": 1767607200}, {"id": "context.span_id", "time": "end_time"}),
        ({"span_id": "a", "id": "b", "end_time": 1767607200}, {"id": "id", "time": "end_time"}),
        ({"span_id": "a", "when": 1767607200}, {"time": "when"}),  # a log line within a span
        ({"note": {"span_id": "a"}, "end_time": 1767607200}, {"time": "end_time"}),
        ({"span_id": "a", "end_time": 12}, {}),
    ],
)
def test_a_span_id_is_the_id_of_a_record_that_is_a_span(
    tmp_path: Path, record: dict[str, object], fields: object
) -> None:
    assert table(proposed(tmp_path, lines({**record, "output_tokens": 5})))["fields"] == {
        "output_tokens": "output_tokens",
        **fields,  # type: ignore[dict-item]
    }


def test_the_kind_of_a_record_tells_calls_from_others_rather_than_its_name(tmp_path: Path) -> None:
    call, other = ({"name": each, "kind": each, "tokOut": 6} for each in ("chat", "tool"))
    del other["tokOut"]
    assert table(proposed(tmp_path, lines(call, other)))["where"] == {"kind": ["chat"]}


def test_the_tokens_of_a_whole_trace_are_found_where_it_has_no_spans(tmp_path: Path) -> None:
    trace = {"info": mlflow_trace(5)["info"]}
    assert table(proposed(tmp_path, lines(trace)))["fields"] == {
        "output_tokens": 'info.trace_metadata."mlflow.trace.tokenUsage".output_tokens'
    }


@pytest.mark.parametrize("text", ["{", '{"out": 5', "{'tokens_out': 5}", '{"tokens_out": 5}' + " " * (1 << 18), "[5]"])
def test_a_string_that_is_no_object_or_is_too_long_has_no_counts(tmp_path: Path, text: str) -> None:
    assert '# output_tokens = "PATH"' in proposed(tmp_path, lines({"usage": text}))


def test_the_records_of_a_list_are_counted_one_by_one(tmp_path: Path) -> None:
    text = proposed(tmp_path, lines({"calls": [{"role": "user"}, {"tokOut": 5}, {"tokOut": 6}]}))
    assert text.startswith("# 1 file, 3 records looked at\n")
    assert 'records = "calls"' in text
    assert '\noutput_tokens = "tokOut"  # in 2 of 3, such as 5, 6' in text
