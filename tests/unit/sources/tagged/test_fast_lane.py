"""Many lines at once say what each says alone, and plain lines are really read at once."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, fields, replace
from datetime import datetime
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_token_telemetry.sample import FINISH_REASONS, Sample
from pytest_token_telemetry.samples import UNKNOWN
from pytest_token_telemetry.sources.own_format import line
from pytest_token_telemetry.sources.tagged import byte_words, own_lane, own_parsing, parsing
from pytest_token_telemetry.sources.tagged.digests import digests_of
from pytest_token_telemetry.sources.tagged.fast_lane import Line, Regular, regular
from pytest_token_telemetry.sources.tagged.formats import parse, telemetry_scanner
from pytest_token_telemetry.sources.tagged.normal import normal
from pytest_token_telemetry.sources.tagged.records import Budget, Read, Unusable
from tests.lines import stamp, v2

if TYPE_CHECKING:
    from pytest_token_telemetry.samples import Mask, Samples
    from pytest_token_telemetry.sources.tagged.digests import Digests

AT = datetime.fromisoformat("2026-01-02T03:04:05.678901+00:00")
CLASSIC = "2026-01-02 03:04:05,678 - parsing.anthropic_clients - INFO - "
BRACKETS = "[2026-01-02 03:04:05] INFO: "
PLAIN = v2()
NATIVE = line(predicted_output_tokens=1, output_tokens=2, time=datetime.fromisoformat("2026-01-02T03:04:05Z"))
LEGACY = f"{CLASSIC}[TokenEstimation] Predicted: 300 output tokens, Actual: 128 output tokens, Error: 57.3%"
BUDGET = f"{BRACKETS}[TOKEN_BUDGET] phase=p-1 complexity=low input=1 output=900/16384 total=2 utilization=1.0%"


@dataclass(frozen=True)
class Known:
    """A sample, and by which hash its copies are known."""

    sample: Sample
    digest: bytes | None
    waits: bool = False


Record = tuple[int, Known | Unusable | None]


def one_by_one(text: bytes, before: int = 0) -> list[Record]:
    """What the reference finds in each line of ``text``, which has so many lines ``before`` it in its file."""
    found: list[Record] = []
    lines = text.removesuffix(b"\n").split(b"\n")
    for number, each in enumerate(lines, start=before + 1):
        # an empty first line keeps off marks of wide text
        for fragment in telemetry_scanner().fragments_of(iter((b"\n" + each + b"\n",))):
            record = parse(fragment)
            if isinstance(record, Read | Budget):
                identity = record.identity
                digest = None if identity is None else digests_of([identity.encode()]).tobytes()
                found.append((number, Known(record.sample, digest, isinstance(record, Budget))))
            else:
                found.append((number, record))
    return found


def rows(found: Regular) -> list[Record]:
    """The regular lines, the plain budget lines, and the plain ones of our own."""
    records = _rows(found.samples, found.digest, np.ones(len(found.samples), np.bool_), {})
    budgets = found.budgets
    for number, known in _rows(budgets.samples, budgets.digest, np.ones(len(budgets.rows), np.bool_), {}):
        assert isinstance(known, Known)
        records.append((number, replace(known, waits=True)))
    if (own := found.own) is not None:
        records += _rows(own.samples, own.digest, own.known, dict(own.ids.texts()))
    return records


def _rows(samples: Samples, digest: Digests, known: Mask, ids: dict[int, str]) -> list[Record]:
    records: list[Record] = []
    for row in range(len(samples)):
        values: dict[str, object] = {"id": ids.get(row), "features": samples.features.get(row, {})}
        for field in fields(Sample):
            if field.name in values:
                continue
            column = getattr(samples, field.name)
            value = column.name(row) if hasattr(column, "name") else column[row].item()
            values[field.name] = None if value == -1 or value != value else value
        for flag in ("truncated", "success"):
            values[flag] = None if values[flag] is None else bool(values[flag])
        identity = digest[row].tobytes() if known[row] else None
        records.append((int(samples.line[row]), Known(Sample(**values), identity)))  # type: ignore[arg-type]
    return records


def all_at_once(block: bytes) -> list[Record]:
    """What the regular lines say, and all others one by one."""
    found = regular(block)
    records = [*rows(found)]
    records += [(number, None) for number in found.mentions.tolist()]
    for each in found.rest:
        records += one_by_one(block[each.begin : each.end], each.number - 1)
    assert [each.number for each in found.rest] == sorted({each.number for each in found.rest})
    return sorted(records, key=lambda record: record[0])


def is_regular(text: str | bytes) -> bool:
    """Whether the one line of ``text`` is regular. In any case, it says what it says alone, also between others."""
    block = text if isinstance(text, bytes) else text.encode()
    assert all_at_once(block) == one_by_one(block)
    plain = f"{PLAIN}\n".encode()
    between = plain + block + plain if block.endswith(b"\n") else plain + block
    assert all_at_once(between) == one_by_one(between)
    return len(regular(block).samples) == 1


def without(key: str) -> str:
    return " ".join(word for word in PLAIN.split(" ") if not word.startswith(f"{key}="))


# Plain lines ------------------------------------------------------------------------------------------------------


def plain_block(seed: int, count: int = 400) -> bytes:
    """Lines of many kinds, as the origin writes them."""
    choice = random.Random(seed)
    lines = []
    for n in range(count):
        prefix = choice.choice([f"{stamp(n)} - parsing.anthropic_clients - INFO - ", f"[{stamp(n)[:19]}] INFO: "])
        text = v2(
            choice.randrange(10 ** choice.randrange(1, 9)),
            choice.randrange(10 ** choice.randrange(1, 9)),
            time=None,
            budget=choice.choice([0, 4096, 8192, 12288, 64000]),
            category=choice.choice(["implementation", "IMPLEMENT_FEATURE", "docs", "tests", "None", "doc_synthesis"]),
            complexity=choice.choice(["low", "medium", "high", "none"]),
            deliverables=choice.randrange(30),
            success=choice.choice(["True", "False", "None", "true"]),
            reason=choice.choice([*FINISH_REASONS, "None", "FinishReason.MAX_TOKENS", "no-idea"]),
            truncated=choice.choice(["True", "False", "None"]),
        )
        text = text.replace("smape=10.5%", f"smape={choice.randrange(2001) / 10}%")
        text = text.replace(
            "claude-sonnet-4-5", choice.choice(["claude-sonnet-4-5", "anthropic.claude-v2:1", "gpt-4o"])
        )
        lines.append(f"{prefix}{text}{choice.choice(['', '', chr(13)])}\n")
    return "".join(lines).encode()


@pytest.mark.parametrize("seed", range(4))
def test_plain_lines_are_all_regular(seed: int) -> None:
    block = plain_block(seed)
    found = regular(block)
    assert len(found.samples) == 400
    assert found.rest == []
    assert rows(found) == one_by_one(block)


def test_the_origin_s_own_lines_are_all_regular(real_logs) -> None:
    count = 0
    for path in sorted(real_logs.glob("*.log")):
        block = path.read_bytes()
        assert all_at_once(block) == one_by_one(block)
        count += len(regular(block).samples)
    assert count == 34


def test_names_are_in_the_order_of_their_lines_and_only_those_of_regular_lines() -> None:
    kinds = ["docs", "tests", "docs", '"x"', "implementation"]
    lines = [v2(category=kind, reason=f"r{n}") for n, kind in enumerate(kinds)]
    samples = regular("".join(f"{each}\n" for each in lines).encode()).samples
    assert samples.category.names == ("docs", "tests", "implementation")
    assert samples.finish_reason_raw.names == ("r0", "r1", "r2", "r4")
    assert samples.category.codes.tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize(
    "heading",
    [
        CLASSIC,
        BRACKETS,
        "2026-01-02T03:04:05.678901 ",
        "2026-01-02T03:04:05.678Z worker | ",
        "2026-01-02 03:04:05Z ",
        "2026-01-02 03:04:05.678+0000 ",
        "2026-01-02 03:04:05-00:00 ",
        "2026-01-02 03:04:05: ",
        "2026-01-02 03:04:05;678 ",
        "2026-01-02 03:04:05 [12:34] level=info client.py:812 (pid 7) ",
        "0001-01-01 00:00:00 ",
        "9999-12-31 23:59:59,999 ",
        "2024-02-29 00:00:00 ",
        '2026-01-02 03:04:05 {"message":"',
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_stands_before_the_tag_of_a_regular_line(heading: str, end: str) -> None:
    assert is_regular(f"{heading}{v2(time=None)}{end}")


@pytest.mark.parametrize(
    "heading",
    [
        "",
        "INFO - ",
        " 2026-01-02 03:04:05 ",
        "a.log:2026-01-02 03:04:05 ",
        "[[2026-01-02 03:04:05] ",
        "\ufeff2026-01-02 03:04:05 ",
        "2026-01-02 03:04:05",
        "2026-01-02  03:04:05 ",
        "2026-01-02\t03:04:05 ",
        "2026/01/02 03:04:05 ",
        "2026-1-2 03:04:05 ",
        "2026-01-02 03:04 ",
        "12026-01-02 03:04:05 ",
        "2026-01-02 03:04:056 ",
        "2026-01-02 03:04:05,6 ",
        "2026-01-02 03:04:05,6789 ",
        "2026-01-02 03:04:05,678901234 ",
        "2026-01-02 03:04:05, ",
        "2026-01-02 03:04:05.6a8 ",
        "2026-01-02 03:04:05,678-08:00 ",
        "2026-01-02 03:04:05+05:30 ",
        "2026-01-02 03:04:05+99:99 ",
        "2026-02-29 03:04:05 ",
        "2026-04-31 03:04:05 ",
        "2026-13-01 03:04:05 ",
        "2026-00-01 03:04:05 ",
        "2026-01-00 03:04:05 ",
        "2026-01-32 03:04:05 ",
        "0000-01-01 03:04:05 ",
        "2026-01-02 24:00:00 ",
        "2026-01-02 03:60:05 ",
        "2026-01-02 03:04:60 ",
        "٢٠26-01-02 03:04:05 ",  # noqa: RUF001 - digits of another script
        "2026-01-02 03:04:05 resumed from 2025-01-01 00:00:00 ",
        "2026-01-02 03:04:05 2026-01-02 03:04:06 ",
        "2026-01-02 03:04:05 \x1b[32mINFO\x1b[0m ",
        "2026-01-02 03:04:05 é ",
        "2026-01-02 03:04:05\tINFO ",
        "2026-01-02 03:04:05 \x85 ",
        f"2026-01-02 03:04:05 {'x' * 200} ",
        f"{'x' * 2000}2026-01-02 03:04:05 ",
        f"2026-01-02 03:04:05 {'x' * 2000} ",
        f"2026-01-02 03:04:05 {BUDGET} ",
        f"2026-01-02 03:04:05 {parsing.V2.decode()} ",
        f"2026-01-02 03:04:05 {parsing.V1.decode()} ",
        f"2026-01-02 03:04:05 {NATIVE} ",
        f"{PLAIN} ",
        f"{PLAIN}\r",
    ],
)
def test_what_stands_before_the_tag_of_a_line_that_is_left_to_others(heading: str) -> None:
    assert not is_regular(f"{heading}{v2(time=None)}\n")


# What a regular line says -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"predicted": 0, "output": 0},
        {"predicted": "00012345", "output": "99999999"},
        {"budget": 0},
        {"deliverables": 0},
        {"deliverables": "00"},
        {"reason": "max_tokens", "truncated": False},
        {"reason": "None", "truncated": None},
        {"reason": "FinishReason.MAX_TOKENS", "truncated": "NULL"},
        {"reason": "error", "truncated": "none"},
        {"success": "TRUE", "category": "null", "complexity": "NONE"},
        {"category": "docs,", "complexity": "low;", "reason": "length}"},
        {"category": "'docs'", "complexity": "a[b]c:d\\", "reason": "]"},
        {"category": "[Token", "complexity": "Estimation]"},
        {"category": "model:false", "complexity": "max_tokens"},
        {"category": "2026-01-02", "complexity": "03:04:05"},
        {"category": "2026-01-02T03:04:05"},
        {"category": "/2026-01-02T03:04:05Z"},
        {"category": "c" * 140},
    ],
)
def test_values_of_a_regular_line(changes: dict[str, object]) -> None:
    assert is_regular(v2(**changes) + "\n")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"predicted": -5},
        {"output": -5},
        {"output": "+5"},
        {"predicted": 123456789},
        {"predicted": 10**9},
        {"output": 10**9 + 1},
        {"output": "9" * 300},
        {"output": ""},
        {"output": "9 "},
        {"output": " 9"},
        {"output": "9."},
        {"output": "1_000"},
        {"output": "٣"},
        {"output": '"9"'},
        {"output": "9,"},
        {"output": None},
        {"budget": None},
        {"budget": "many"},
        {"budget": "8192,"},
        {"deliverables": -1},
        {"deliverables": None},
        {"deliverables": "3%"},
        {"success": "maybe"},
        {"success": ""},
        {"truncated": "1"},
        {"category": ""},
        {"category": '"docs"'},
        {"category": "do cs"},
        {"category": "do\xa0cs"},
        {"category": "do\x1fcs"},
        {"category": "größe"},
        {"category": "a=b"},
        {"category": "c" * 400},
        {"category": "docs\tretries=2"},
        {"category": "x2026-01-02T03:04:05Z"},
        {"complexity": "low docs"},
        {"complexity": "\x1b[1mlow\x1b[0m"},
        {"reason": "end_turn\r"},
        {"reason": "[TOKEN_BUDGET]"},
        {"reason": "a[TokenEstimation]"},
        {"reason": '"token-telemetry/1"'},
        {"more": " "},
        {"more": "\t"},
        {"more": "\r\r"},
        {"more": "\x1b[0m"},
        {"more": '"}'},
        {"more": " retries=2"},
        {"more": " task_id=t-1"},
        {"more": " max_tokens=900"},
        {"more": " actual_output=900"},
        {"more": " and more"},
        {"more": " 2026-01-02 03:04:06 INFO next"},
        {"more": "2026-01-02 03:04:06 INFO next"},
        {"more": "[2026-01-02 03:04:06] INFO: next"},
        {"more": f" {BUDGET}"},
        {"more": "x" * 20000},
    ],
)
def test_values_of_a_line_that_is_left_to_others(changes: dict[str, object]) -> None:
    assert not is_regular(v2(**changes) + "\n")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [
        "10",
        "10.50",
        "10.",
        "10.x",
        "10.:",
        "x.5",
        "10:5",
        ".5",
        "10,5",
        "nan",
        "None",
        "10.5%",
        "9" * 9 + ".5",
        "-1.5",
        "1e1.5",
        "",
    ],
)
def test_an_error_of_another_form_is_left_to_others(error: str) -> None:
    assert not is_regular(PLAIN.replace("smape=10.5%", f"smape={error}%") + "\n")


def test_an_error_is_the_number_that_is_written() -> None:
    errors = [f"{tenths // 10}.{tenths % 10}" for tenths in (*range(4001), 99999, 123456789, 999999999)]
    block = "".join(f"{PLAIN.replace('10.5%', error + '%')}\n" for error in errors)
    assert regular(block.encode()).samples.smape.tolist() == [float(error) for error in errors]


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN + "\r",
        PLAIN.replace(" smape", "  smape") + "\n",
        PLAIN.replace(" smape", "\tsmape") + "\n",
        PLAIN.replace("] p", "]  p") + "\n",
        PLAIN.replace("] p", "]p") + "\n",
        PLAIN.replace("smape=10.5%", "smape=10.5") + "\n",
        PLAIN.replace("smape", "SMAPE") + "\n",
        PLAIN.replace("category=docs complexity=low", "complexity=low category=docs") + " \n",
        PLAIN.replace("actual_output", "actual_total") + "\n",
        PLAIN.replace("actual_output", "x.actual_output") + "\n",
        PLAIN.replace(" category", " xcategory") + "\n",
        PLAIN.replace(" model", " mode") + "\n",
        PLAIN.replace("category", "complexity") + "\n",
        *(f"{without(key)}\n" for key in ("predicted_output", "actual_output", "smape", "selected_budget", "category")),
        *(
            f"{without(key)}\n"
            for key in ("complexity", "deliverables", "success", "stop_reason", "truncated", "model")
        ),
        PLAIN.replace("[TokenEstimationV2]", "[TokenEstimationV2] [TokenEstimationV2]") + "\n",
        PLAIN.replace("[TokenEstimationV2]", "[TokenEstimation]") + "\n",
        PLAIN.replace("[TokenEstimationV2]", "[TokenEstimationv2]") + "\n",
        PLAIN.replace("[TokenEstimationV2]", "[TokenEstimationV2] note:") + "\n",
        LEGACY + "\n",
        BUDGET + "\n",
        NATIVE + "\n",
        "no [TokenEstimationV2] yet\n",
        "[TokenEstimationV2]",
        "[TokenEstimationV2",
        "[Tok",
        "[",
        '"',
        "=" * 30,
        "\n" * 30,
        "",
    ],
)
def test_all_else_is_left_to_others(text: str) -> None:
    assert not is_regular(text)


def test_every_cut_of_a_file_is_read_as_one_by_one() -> None:
    text = f"{NATIVE}\n{BUDGET}\n{PLAIN}\r\n".encode()
    for end in range(len(text)):
        assert all_at_once(text[:end] + b"\n") == one_by_one(text[:end] + b"\n")


def test_the_lines_that_are_left_have_a_tag() -> None:
    block = f"one\n{PLAIN}\n\n{LEGACY}\nno tag\r\n {NATIVE}\n".encode()
    found = regular(block)
    assert [(each.number, block[each.begin : each.end].decode()) for each in found.rest] == [
        (4, f"{LEGACY}\n"),
        (6, f" {NATIVE}\n"),
    ]
    assert found.rest[-1] == Line(6, len(block) - len(NATIVE) - 2, len(block))
    assert found.samples.line.tolist() == [2]


def test_every_tag_of_every_format_is_looked_for() -> None:
    for tag in (*parsing.TAGS, own_parsing.NEEDLE):
        found = regular(b"\n" + tag + b" a= output=\n")
        assert [each.number for each in found.rest] == [2]
        assert len(found.mentions) == 0
        assert [*regular(tag).mentions, *(each.number for each in regular(tag).rest)] == [1]


# Lines of our own --------------------------------------------------------------------------------------------------


TEXTS = st.sampled_from(["docs", "größe", "a:b", 'a"b', "x" * 300, "[T", "{", "}", '":', " :", "None", " "])
OWN_FIELDS = st.fixed_dictionaries(
    {"output_tokens": st.integers(0, 10**9)},
    optional={
        "predicted_output_tokens": st.integers(0, 10**9) | st.sampled_from([None, 0, 900, 900, "900", -1]),
        "operation": st.sampled_from(["summarise", "größe", None, 5]),
        "time": st.sampled_from([AT, AT.replace(microsecond=0), AT.replace(tzinfo=None), "2026-13-01", 5, None]),
        "budget_tokens": st.sampled_from([0, 1, 8192, None, "8192", 1.5, -1, 10**9 + 1, 10**30]),
        "max_tokens": st.sampled_from([0, 1, 900, 10**9, None]),
        "success": st.sampled_from([True, False, None, 1]),
        "truncated": st.sampled_from([True, False, None]),
        "truncation_source": st.sampled_from(["cap", "reported", "nobody", None]),
        "finish_reason": st.sampled_from(["stop", "length", "max_tokens", "tool_call", "", None, "x" * 300]),
        "finish_reason_raw": st.sampled_from(["end_turn", "max_tokens", "MAX_TOKENS", "odd", None]),
        "category": TEXTS,
        "task_id": TEXTS | st.none() | st.integers(0, 1),
        "id": TEXTS | st.none() | st.just(5),
        "legacy": st.sampled_from([True, False, None]),
        "features": st.dictionaries(TEXTS, TEXTS | st.integers(0, 9) | st.none() | st.just([1]), max_size=3),
        "more": st.just(1),
    },
)


@st.composite
def own_lines(draw: st.DrawFn) -> str:
    """A line of our own as others may write it: most are plain."""
    items = draw(st.permutations([("schema", "token-telemetry/1"), *draw(OWN_FIELDS).items()]))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]))
    said = [(name, each.isoformat() if isinstance(each, datetime) else each) for name, each in items]
    members = [f"{json.dumps(name)}{separators[1]}{json.dumps(each, ensure_ascii=False)}" for name, each in said]
    if draw(st.integers(0, 9)) == 0:
        members.append(draw(st.sampled_from(members)))
    return f"{{{separators[0].join(members)}}}{draw(st.sampled_from(['', '', ' ', chr(13)]))}\n"


@settings(deadline=None, max_examples=300)
@given(st.lists(own_lines(), min_size=1, max_size=8))
def test_lines_of_our_own_say_at_once_what_each_says_alone(lines: list[str]) -> None:
    block = "".join(lines).encode()
    alone = [record for at, each in enumerate(lines) for record in one_by_one(each.encode(), at)]
    assert all_at_once(block) == alone


SPELLED = {
    "schema": ['"token-telemetry/1"'] * 9 + ['"token-telemetry/2"', "1"],
    "predicted_output_tokens": ["900", "null", "0", "7", "12345678", "123456789", "012", "-1", "1.5", "nul", '"8"'],
    "output_tokens": ["0", "7", "900", "850", "12345678", "4000", "00", "1e3", "9999999999", "true", ""],
    "budget_tokens": ["0", "1", "8192", "16384", "null", "08192", "-5", "1000000001", "nulls", "12345678901"],
    "max_tokens": ["0", "900", "850", "16384", "null", "null ", "Infinity", "9" * 40],
    "success": ["true", "false", "null", "true", "false", "1", '"true"', "True", "truefalse"],
    "truncated": ["true", "false", "null", "false"],
    "legacy": ["true", "false", "null", "false"],
    "category": [
        '"docs"',
        '"tests"',
        '"größe"',
        '"a:b"',
        '"{}"',
        '""',
        "null",
        '"a\\\\b"',
        '"a\tb"',
        '"' + "x" * 257 + '"',
        "5",
    ],
    "task_id": [*(f'"phase-{n}"' for n in range(30)), '"None"', '"[T"', '"' + "ü" * 100 + '"'],
    "model": ['"some-model-1"', '"m, \\"n\\""', '"a b"', '"]["'],
    "operation": ['"summarise"', "null", '"a b"', "5"],
    "finish_reason": ['"stop"', '"length"', '"max_tokens"', '"tool_call"', '""', "null", '"unknown"'],
    "finish_reason_raw": ['"end_turn"', '"max_tokens"', '"MAX_TOKENS"', '"odd"', "null"],
    "truncation_source": ['"cap"', '"reported"', '"nobody"', "null"],
    "id": [*(f'"msg_{n}"' for n in range(30)), '"é"', '""', "null", "5", '"' + "i" * 256 + '"', '"' + "i" * 257 + '"'],
    "time": [
        *('"2026-01-02T03:04:05Z"', '"2026-01-02T03:04:05.678901+00:00"', '"2026-01-02 03:04:05,678"', '""', "null"),
        *('"2026-01-02T03:04:05+01:00"', '"2026-02-30T03:04:05Z"', '"2026-01-02T03:04:05z"', '"2026-01-02"', "5"),
        *(
            '"2026-01-02T03:04:05.6Z"',
            '"2026-01-02T03:04:05 "',
            '"2026-01-02T24:00:00Z"',
            '"2026-01-02T03:04:05-00:00"',
        ),
    ],
    "features": [
        '{"files":3}',
        '{"files":4,"on":true}',
        "{}",
        '{"a":{"b":1}}',
        '{"a":1,"a":2}',
        '{"a":1,"a":1}',
        "[1]",
        "{1}",
    ],
    "more": ["1", '"x"', "[1,2]", "{"],
}
"""By key, how a value is spelled: plainly at first, and wrongly or oddly at last."""


def own_block(choice: random.Random) -> bytes:
    """Lines of our own in some layouts, some with a defect."""
    layouts = []
    for _ in range(choice.choice([1, 1, 2, 5])):
        keys = ["schema", "output_tokens", *choice.sample([*SPELLED][3:-1], 8)]
        if choice.randrange(3):
            keys.insert(1, "predicted_output_tokens")
        if choice.randrange(2):
            choice.shuffle(keys)
        layouts.append((keys, *choice.choice([(",", ":"), (",", ":"), (", ", ": "), (" ,", " :  ")])))
    lines = []
    for _ in range(choice.randrange(1, 25)):
        keys, comma, colon = choice.choice(layouts)
        said = [(key, choice.choice(SPELLED[key][:2])) for key in keys]
        at = choice.randrange(len(keys))
        odd = (keys[at], choice.choice(SPELLED[keys[at]]))
        match choice.randrange(12):
            case 0:
                said.insert(choice.randrange(len(said)), odd)
            case 1:
                said.append(("more", choice.choice(SPELLED["more"])))
            case 2:
                said.pop(at)
            case 3:
                choice.shuffle(said)
            case 4 | 5 | 6 | 7:
                said[at] = odd
        members = [f'"{key}"{colon}{value}' for key, value in said]
        text = f"{{{comma.join(members)}}}".encode()
        match choice.randrange(14):
            case 0:
                at = choice.choice(
                    [choice.randrange(len(text)), text.index(b'"', choice.randrange(len(text) - 20)) + 1]
                )
                byte = choice.choice([*b'"{}\\,: 0\r[\t\xff\xff', choice.randrange(1, 256)])
                text = text[:at] + bytes([byte]) + text[at + choice.randrange(2) :]
            case 1:
                text += choice.choice([b" ", b"}", b",", b" x", b"\r"])
            case 2:
                text = choice.choice([b" ", b"INFO ", b"[", b"{", b"\xef\xbb\xbf"]) + text
            case 3:
                text = mutated(text, choice)
        lines.append(text + choice.choice([b"\n", b"\n", b"\r\n"]))
    return b"".join(lines).replace(b"\0", b"")


def test_own_lines_of_some_layouts_say_at_once_what_each_says_alone() -> None:
    choice = random.Random(5)
    plain = lines = 0
    for _ in range(400):
        block = normal(own_block(choice))
        assert all_at_once(block) == one_by_one(block)
        found = regular(block).own
        plain += 0 if found is None else len(found.rows)
        lines += block.count(b"\n")
    assert plain > lines / 3


def test_lines_as_the_writer_writes_them_are_plain() -> None:
    call = {"predicted_output_tokens": 900, "output_tokens": 850, "category": "docs", "features": {"files": 3}}
    end = {"finish_reason": "end_turn", "success": True, "model": "größer", "time": AT, "operation": "summarise"}
    calls = [call, {**call, "id": "call"}, {**call, **end}, {**call, **end, "id": "call"}]
    calls += [{**each, "predicted_output_tokens": predicted} for each in calls for predicted in (None, 0)]
    block = "".join(f"{line(**each, task_id=f'phase-{n}')}\n" for n in range(99) for each in calls).encode()
    found = regular(block)
    assert found.own is not None
    assert len(found.own.samples) == 12 * 99
    assert found.own.samples.predicted_output_tokens.tolist() == ([900] * 4 + [UNKNOWN, 0] * 4) * 99
    assert found.rest == []
    assert all_at_once(block) == one_by_one(block)


@pytest.mark.parametrize("none", ["", ',"predicted_output_tokens":null', ', "predicted_output_tokens" : null'])
@pytest.mark.parametrize("more", ["", ',"id":"call-1"', ',"id":"call-1","features":{"files":3}', ',"features":{}'])
@pytest.mark.parametrize("others", [[], ["0"], ["900", "0", "null", "900"]])
def test_lines_without_a_prediction_are_read_at_once(none: str, more: str, others: list[str]) -> None:
    """Alone, and between lines of other layouts. What an id is of then has an empty prediction."""
    predictions = [none, *(f',"predicted_output_tokens":{each}' for each in others), none]
    lines = [f'{{"schema":"token-telemetry/1"{each},"output_tokens":850{more}}}\n' for each in predictions]
    block = "".join(lines).encode()
    found = regular(block)
    assert found.own is not None
    assert (len(found.own.rows), found.rest) == (len(lines), [])
    assert found.own.samples.predicted_output_tokens[[0, -1]].tolist() == [UNKNOWN, UNKNOWN]
    assert all_at_once(block) == one_by_one(block)
    if "id" in more:
        assert found.own.digest[0].tolist() == digests_of([b"id  850 call-1"])[0].tolist()


def test_layouts_beyond_what_is_worth_it_are_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_lane, "_MOST_LAYOUTS", 5)
    items = json.loads(NATIVE).items()
    block = "".join(f"{json.dumps(dict(each))}\n" for each in permutations(items)).encode()
    found = regular(block)
    assert found.own is not None
    assert (len(found.own.rows), len(found.rest)) == (5, 19)
    assert all_at_once(block) == one_by_one(block)


def test_texts_beyond_what_is_worth_it_are_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byte_words, "MOST_TEXTS", 5)
    block = "".join(f"{v2(category=f'c{n % 9}')}\n" for n in range(90)).encode()
    assert len(regular(block).samples) == 50
    assert all_at_once(block) == one_by_one(block)


def test_a_line_for_each_of_many_texts_is_regular() -> None:
    block = "".join(f"{v2(reason=f'reason-{n}')}\n" for n in range(500)).encode()
    assert len(regular(block).samples) >= 490
    assert all_at_once(block) == one_by_one(block)


# [TOKEN_BUDGET] lines ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [CLASSIC, BRACKETS, "2026-01-02T03:04:05.678901 worker | "])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_plain_budget_lines_are_read_at_once(before: str, end: str) -> None:
    text = "[TOKEN_BUDGET] phase=run-1/phase.7+b complexity=low input=1 output=900/16384 total=2 utilization=1.0%"
    shorter = text.replace(" utilization=1.0%", "")
    longer = text.replace("1.0%", "1.0% model=some-model")
    cut_off = longer.replace("900/", "16384/").replace("low", "None")
    nobody_can_tell = [text.replace("900/16384", "0/16384"), text.replace("16384", "0")]
    lines = [text, PLAIN, shorter, longer, cut_off, *nobody_can_tell]
    block = "".join(f"{before if line != PLAIN else ''}{line}{end}" for line in lines).encode()
    found = regular(block)
    samples = found.budgets.samples
    assert samples.line.tolist() == [1, 3, 4, 5, 6, 7]
    assert samples.output_tokens.tolist() == [900, 900, 900, 16384, 0, 900]
    assert samples.max_tokens.tolist() == [16384, 16384, 16384, 16384, 16384, -1]
    assert samples.truncated.tolist() == [0, 0, 0, 1, -1, -1]
    assert [samples.task_id.name(row) for row in range(6)] == ["run-1/phase.7+b"] * 6
    assert [samples.complexity.name(row) for row in range(6)] == ["low"] * 3 + [None] + ["low"] * 2
    assert [samples.model.name(row) for row in range(6)] == [None, None, "some-model", "some-model", None, None]
    assert found.rest == []
    assert all_at_once(block) == one_by_one(block)


@pytest.mark.parametrize(
    "change",
    [
        ("p-1", "None"),
        ("p-1", "NULL"),
        ("p-1", ""),
        ("p-1", "'p'"),
        ("p-1", '"p"'),
        ("p-1", "p,"),
        ("p-1", "é"),
        ("p-1", "p" * 300),
        ("p-1", "p\x1b[0m"),
        ("p-1", "a b"),
        ("p-1", "2026-01-02T03:04:05"),
        ("low", "low 2026-01-02 03:04:05"),
        ("low", "low phase=other"),
        ("low", ""),
        ("900/16384", "900"),
        ("900/16384", "-1/16384"),
        ("900/16384", "9000000000/16384"),
        ("900/16384", "900/16384 output=1/2"),
        ("%", "% phase=other"),
        ("%", f"% {BUDGET}"),
        ("%", f"% {PLAIN}"),
        ("[TOKEN_BUDGET]", f"{PLAIN} [TOKEN_BUDGET]"),
        (BRACKETS, ""),
        (BRACKETS, "a\tb\x1b[0m é = "),
        (BRACKETS, "output=7/8 "),
        (BRACKETS, f"{BRACKETS}resumed from 2025-01-01 00:00:00 "),
        ("%", "% model=x2026-01-02T03:04:05"),
        ("%", "% model=x\\nfoo"),
        ("%", "% "),
    ],
    ids=lambda change: f"{change[0]}-{change[1][:20]}",
)
def test_other_budget_lines_are_read_one_by_one(change: tuple[str, str]) -> None:
    block = f"{BUDGET.replace(*change)}\n".encode()
    found = regular(block)
    assert len(found.budgets.rows) == 0
    assert len(found.rest) == 1
    assert all_at_once(block) == one_by_one(block)


# Anything ---------------------------------------------------------------------------------------------------------

WORDS = [
    *("=", " ", "  ", "\t", "\r", "\n", "\r\n", '"', "'", ",", ";", "}", "\\", "[", "]", "%", ".", ":", "-", "+"),
    *("\x1b[32m", "\x1b", "\x0b", "\x1c", "\x7f", "\x85", "\xa0", "\u2028", "é", "٣", "\ufeff", "\ufffd"),
    *(
        "0",
        "9",
        "00000000",
        "999999999",
        "-1",
        "None",
        "null",
        "True",
        "max_tokens",
        "2026-01-02 03:04:05",
        "Z",
        "+01:00",
    ),
    *(f"{tag.decode()}" for tag in (*parsing.TAGS, own_parsing.NEEDLE)),
    *(" predicted_output=", " actual_output=", " actual_total=1", " smape=", " model=", " category=", " x=1"),
    *(" phase=", " output=", " output=1/2", "/", " total=1", "phase-7", "_"),
    *(" task_id=t", " max_tokens=100", " Predicted:", '{"schema":', NATIVE, BUDGET, LEGACY, PLAIN),
]


def mutated(text: bytes, choice: random.Random) -> bytes:
    """``text`` with one defect."""
    at, to = sorted(choice.randrange(len(text) + 1) for _ in range(2))
    to = min(to, at + choice.choice([1, 2, 8, 60, 400]))
    match choice.randrange(9):
        case 0:
            return text[:at] + bytes([choice.randrange(1, 256)]) + text[at + 1 :]
        case 1:
            return text[:at] + choice.choice(WORDS).encode() + text[at:]
        case 2:
            return text[:at] + choice.choice(WORDS).encode() + text[to:]
        case 3:
            return text[:at] + text[to:]
        case 4:
            return text[:to] + text[at:]
        case 5:  # another value
            words = text.split(b"=")
            words[choice.randrange(len(words))] = choice.choice(WORDS).encode() + b" model"
            return b"=".join(words)
        case 6:  # words change places, are doubled or lost
            words = text.split(b" ")
            one, other = choice.randrange(len(words)), choice.randrange(len(words))
            words[one], words[other] = choice.choice(
                [(words[other], words[one]), (words[one], words[one]), (words[one], b"")]
            )
            return b" ".join(words)
        case 7:  # lines are glued
            return text.replace(b"\n", choice.choice([b"", b" ", b"[", b"\r"]), choice.randrange(3))
        case _:  # a byte of the same class
            changed = bytearray(text)
            for _ in range(choice.randrange(1, 20)):
                place = choice.randrange(len(text))
                if chr(changed[place]).isdigit():
                    changed[place] = choice.choice(b"0123456789")
                elif chr(changed[place]).isalpha():
                    changed[place] ^= 0x20
            return bytes(changed)


def mutilated(choice: random.Random) -> bytes:
    """A block of plain lines, others, and lines with some defects."""
    lines = plain_block(choice.randrange(1 << 30), choice.randrange(1, 12)).splitlines(keepends=True)
    lines += [f"{BUDGET}\n".encode()] * choice.randrange(4)
    for n in range(len(lines)):
        for _ in range(choice.choice([0, 0, 1, 1, 2, 5])):
            lines[n] = mutated(lines[n], choice) or b"\n"
    lines += [
        f"{text}\n".encode() for text in choice.sample([LEGACY, BUDGET, NATIVE, "", "prose"], choice.randrange(4))
    ]
    choice.shuffle(lines)
    block = b"".join(lines)
    if not choice.randrange(5):
        block = mutated(block, choice)
    return (block[: choice.randrange(len(block) + 1)] if not choice.randrange(5) else block).replace(b"\0", b"")


@pytest.mark.parametrize("seed", range(20))
def test_lines_with_defects_say_what_they_say_alone(seed: int) -> None:
    choice = random.Random(seed)
    for _ in range(40):
        block = mutilated(choice)
        assert all_at_once(normal(block)) == one_by_one(block)


@settings(deadline=None, max_examples=120)
@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=12), st.data())
def test_any_words_anywhere_in_a_line_are_read_as_one_by_one(words: list[str], data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([PLAIN, BUDGET, f"{BRACKETS}{v2(time=None)}"])) + "\n"
    for word in words:
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + word + text[at + data.draw(st.sampled_from([0, 0, 1, len(word), 9])) :]
    block = text.encode()
    assert all_at_once(normal(block)) == one_by_one(block)


@settings(deadline=None, max_examples=120)
@given(
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)),
    st.sampled_from([" ", "T"]),
    st.sampled_from(["", ",678", ".678", ".678901", ".000001"]),
    st.sampled_from([" ", "Z ", "] "]),
)
def test_every_time_is_that_of_the_log(time: datetime, separator: str, fraction: str, end: str) -> None:
    text = f"{time.replace(microsecond=0).isoformat(separator)}{fraction}{end}{v2(time=None)}\n"
    found = regular(text.encode())
    assert rows(found) == one_by_one(text.encode())
    assert found.samples.time.dtype == np.dtype("datetime64[us]")


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 99999999), st.integers(0, 99999999), st.integers(0, 99999999), st.integers(0, 99999999))
def test_every_number_is_read(predicted: int, output: int, budget: int, deliverables: int) -> None:
    assert is_regular(v2(predicted, output, budget=budget, deliverables=deliverables) + "\n")


@settings(deadline=None, max_examples=120)
@given(st.binary(max_size=300).map(lambda text: text.replace(b"\0", b"")))
def test_any_bytes_are_read_as_one_by_one(block: bytes) -> None:
    assert all_at_once(block) == one_by_one(block)
