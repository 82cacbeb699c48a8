"""What each line of the origin's logs says."""

from __future__ import annotations

import random
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.sources.tagged.parsing import BUDGET, TAGS, V1, V2, Budget, Read, Unusable, parse
from pytest_token_telemetry.sources.tagged.simple_search import Fragment, Scanner
from tests.lines import v2
from tests.unit.sources.builders import in_blocks

LEGACY = "[TokenEstimation] Predicted: 300 output tokens, Actual: 128 output tokens, Error: 57.3%"


def records(text: str | bytes) -> list[Read | Unusable | Budget | None]:
    """What each tag in a file of this text says."""
    raw = text if isinstance(text, bytes) else text.encode()
    return [parse(fragment) for fragment in Scanner(TAGS).fragments_of(in_blocks(raw))]


def sample(text: str | bytes) -> Sample:
    """The one sample in a file of this text."""
    [record] = records(text)
    assert isinstance(record, Read), record
    return record.sample


def reason(text: str) -> str:
    """Why the one record in a file of this text cannot be used."""
    [record] = records(text)
    assert isinstance(record, Unusable), record
    return record.reason


def test_every_field_of_a_line_is_read() -> None:
    line = (
        "[2025-12-24 15:51:25] INFO: [TokenEstimationV2] predicted_output=5200 actual_output=16384 smape=103.6%"
        " selected_budget=8192 category=documentation complexity=low deliverables=5 success=False"
        " stop_reason=max_tokens truncated=True model=claude-sonnet-4-5\n"
    )
    assert sample(line) == Sample(
        predicted_output_tokens=5200,
        output_tokens=16384,
        budget_tokens=8192,
        finish_reason="length",
        finish_reason_raw="max_tokens",
        truncated=True,
        success=False,
        category="documentation",
        complexity="low",
        deliverable_count=5,
        time=datetime(2025, 12, 24, 15, 51, 25),
        model="claude-sonnet-4-5",
        smape=103.6,
    )


@pytest.mark.parametrize("seed", range(8))
def test_keys_come_in_any_order(seed: int) -> None:
    line = v2(more=" task_id=t-1 retries=2")
    head, _, tail = line.partition("] ")
    words = tail.split()
    random.Random(seed).shuffle(words)
    assert sample(f"{head}] {' '.join(words)}\n") == sample(line + "\n")


def test_keys_that_are_not_known_are_kept_as_features() -> None:
    assert sample(v2(more=" retries=2 prompt.version=7b")).features == {"retries": "2", "prompt.version": "7b"}


def test_words_of_a_sentence_behind_the_record_are_no_features() -> None:
    assert sample(v2(more=" retries=2 (see also: mode=fast)")).features == {"retries": "2"}


def test_a_flood_of_features_is_kept_up_to_a_limit() -> None:
    features = sample(v2(more="".join(f" f{n}={n}" for n in range(1000)))).features
    assert list(features) == [f"f{n}" for n in range(32)]


def test_long_names_and_features_are_cut() -> None:
    found = sample(v2(category="c" * 1000, more=f" {'k' * 1000}={'v' * 1000}"))
    assert found.category == "c" * 256
    assert found.features == {"k" * 256: "v" * 256}


@pytest.mark.parametrize("key", ["actual_max_tokens", "max_tokens"])
def test_the_cap_that_was_sent_is_read_where_a_later_version_logs_it(key: str) -> None:
    assert sample(v2(more=f" {key}=16384\n")).max_tokens == 16384


@pytest.mark.parametrize("key", ["phase", "task_id"])
def test_the_task_is_read_where_a_later_version_logs_it(key: str) -> None:
    assert sample(v2(more=f" {key}=phase-7")).task_id == "phase-7"


def test_the_total_variant_is_never_an_output_count() -> None:
    line = "[TokenEstimationV2] predicted_output=100 actual_total=5000 success=True truncated=False model=m\n"
    assert reason(line) == "actual_total counts input and output together: there is no output count"


def test_a_total_beside_an_output_count_does_no_harm() -> None:
    assert sample(v2(output=900, more=" actual_total=5000")).output_tokens == 900


def test_a_legacy_line_has_a_prediction_an_output_and_an_error() -> None:
    assert sample(f"2025-12-23 19:35:44,624 - autopack - INFO - {LEGACY}\n") == Sample(
        predicted_output_tokens=300,
        output_tokens=128,
        smape=57.3,
        time=datetime(2025, 12, 23, 19, 35, 44, 624000),
        legacy=True,
    )


@pytest.mark.parametrize("error", ["", ", Error: ", ", Error: n/a", ", Err"])
def test_a_legacy_line_may_lack_its_error(error: str) -> None:
    found = sample(f"[TokenEstimation] Predicted: 300 output tokens, Actual: 128 output tokens{error}\n")
    assert (found.output_tokens, found.smape) == (128, None)


def test_an_error_too_long_to_be_a_number_is_unknown() -> None:
    assert sample(LEGACY.replace("57.3", "9" * 400)).smape is None
    assert sample(v2().replace("10.5%", "9" * 400 + "%")).smape is None


@pytest.mark.parametrize(
    "prose",
    [
        "=== Check logs above for [TokenEstimation] line ===",
        "no [TokenEstimationV2] yet",
        "[TokenEstimationV2]",
        "[TokenEstimation]",
        "the [TokenEstimationV2] tag, a = b, see above",
        "[TOKEN_BUDGET] Context loading: ~19997 tokens (99% of 20000 budget)",
        "WARNING: [TOKEN_BUDGET] TRUNCATION: phase=p used 16384/16384 tokens (100% utilization)",
    ],
)
def test_a_tag_in_prose_says_nothing(prose: str) -> None:
    assert records(f"2025-12-23 19:35:44,624 - {prose}\n") == [None]


@pytest.mark.parametrize(
    "text",
    [
        "[TokenEstimation] Predicted: None output tokens, Actual: 128 output tokens\n",
        "[TokenEstimation] Predicted: 300 output tokens, Actual: None output tokens\n",
        "[TokenEstimation] Predicted: 300 output tok",
        "[TokenEstimation] Predicted: -3 output tokens, Actual: 128 output tokens\n",
        "[TokenEstimation] predicted=300 actual=128\n",
    ],
)
def test_a_legacy_line_of_another_form_is_unusable(text: str) -> None:
    assert reason(text) == "the legacy line is not 'Predicted: N output tokens, Actual: M output tokens'"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"predicted": None}, "predicted_output is not a whole number"),
        ({"predicted": "many"}, "predicted_output is not a whole number"),
        ({"predicted": "12.5"}, "predicted_output is not a whole number"),
        ({"predicted": "1e3"}, "predicted_output is not a whole number"),
        ({"predicted": "1_000"}, "predicted_output is not a whole number"),
        ({"predicted": "٣"}, "predicted_output is not a whole number"),
        ({"predicted": ""}, "predicted_output is missing"),
        ({"predicted": "1000000001"}, "predicted_output is too large"),
        ({"predicted": "9" * 5000}, "predicted_output is too large"),
        ({"predicted": -5}, "predicted_output is negative"),
        ({"predicted": -1, "output": -1}, "predicted_output is negative"),
        ({"output": None}, "actual_output is not a whole number"),
        ({"output": "nan"}, "actual_output is not a whole number"),
        ({"output": ""}, "actual_output is missing"),
        ({"output": "-1"}, "actual_output is negative"),
        ({"output": "1000000001"}, "actual_output is too large"),
        ({"success": "maybe"}, "success is not True, False or None"),
        ({"success": ""}, "success is missing"),
        ({"truncated": "1"}, "truncated is not True, False or None"),
        ({"more": " actual_output=901"}, "actual_output is given twice, with different values"),
    ],
)
def test_a_line_with_nonsense_is_unusable(changes: dict[str, object], expected: str) -> None:
    assert reason(v2(**changes) + "\n") == expected  # type: ignore[arg-type]


def test_the_largest_count_is_a_thousand_million() -> None:
    assert sample(v2(predicted=10**9, output=10**9)).output_tokens == 10**9


def test_a_prediction_of_nothing_is_a_prediction() -> None:
    assert sample(v2(predicted=0)).predicted_output_tokens == 0


def test_the_same_value_given_twice_is_no_contradiction() -> None:
    assert sample(v2(output=900, more=" actual_output=900\n")).output_tokens == 900


@pytest.mark.parametrize("missing", ["predicted_output", "actual_output", "success", "truncated"])
def test_a_line_without_a_needed_field_is_unusable(missing: str) -> None:
    line = " ".join(word for word in v2().split() if not word.startswith(f"{missing}="))
    assert reason(f"{line}\n") == f"{missing} is missing"


def test_a_record_in_words_of_the_other_version_is_unusable() -> None:
    assert reason(LEGACY.replace("Estimation]", "EstimationV2]")) == "predicted_output is missing"


def test_nothing_of_the_line_shows_in_a_reason() -> None:
    for key in ("predicted", "output", "success", "truncated"):
        assert "secret" not in reason(v2(**{key: "secret"}))


@pytest.mark.parametrize("key", ["success", "truncated", "budget", "category", "complexity", "reason", "deliverables"])
def test_none_only_means_unknown(key: str) -> None:
    field = {"budget": "budget_tokens", "reason": "finish_reason_raw", "deliverables": "deliverable_count"}.get(
        key, key
    )
    found = sample(v2(**({"reason": None} if key == "truncated" else {}), **{key: None}))  # type: ignore[arg-type]
    assert getattr(found, field) is None


@pytest.mark.parametrize("value", ["0", "-3", "x", "9" * 5000, ""])
def test_a_count_of_deliverables_that_counts_nothing_is_unknown(value: str) -> None:
    assert sample(v2(deliverables=value)).deliverable_count is None


@pytest.mark.parametrize("value", ["-1", "x", "9" * 5000, ""])
def test_a_budget_that_is_no_number_is_unknown(value: str) -> None:
    assert sample(v2(budget=value)).budget_tokens is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("end_turn", "stop"),
        ("STOP", "stop"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("length", "length"),
        ("tool_use", "tool_call"),
        ("refusal", "content_filter"),
        ("error", "error"),
        ("model_context_window_exceeded", "context"),
        ("FinishReason.MAX_TOKENS", "length"),
        ("max-tokens", "length"),
        ("maxTokens", "length"),
        ("MaxTokens", "length"),
        ("'max_tokens'", "length"),
        ("max_tokens.", "length"),
        ("max tokens", "length"),
        ('"token limit"', "length"),
        ("end_turn max tokens", "stop"),
        ("None max tokens", None),
        ("token_limit", "length"),
        ("max_length", "length"),
        ("OUTPUT_LIMIT", "length"),
        ("TOKEN_LIMIT_REACHED", "length"),
        ("maxPredictedTokensReached", "length"),
        ("contextLengthReached", "context"),
        ("endTurn", "stop"),
        ("toolUse", "tool_call"),
        ("time_limit", "error"),
        ("pause_turn", "unknown"),
        ("None", None),
    ],
)
def test_the_reason_of_the_end_is_told_in_one_vocabulary(raw: str, expected: str | None) -> None:
    assert sample(v2(reason=raw)).finish_reason == expected


@pytest.mark.parametrize(
    ("stated", "raw", "expected"),
    [
        ("True", "end_turn", True),
        ("False", "max_tokens", True),
        ("None", "max_tokens", True),
        ("None", "end_turn", False),
        ("None", "error", None),
        ("None", "eos", False),
        ("None", "bored", None),
        ("None", "tool_use", False),
        ("None", "model_length", True),
        ("None", "None", None),
        ("False", "None", False),
        ("true", "None", True),
        ("null", "null", None),
    ],
)
def test_a_call_was_truncated_if_its_flag_or_its_reason_says_so(stated: str, raw: str, expected: bool | None) -> None:
    assert sample(v2(reason=raw, truncated=stated)).truncated is expected


@pytest.mark.parametrize(
    ("stated", "raw", "cap", "expected"),
    [
        ("None", "None", 900, True),
        ("None", "None", 901, False),
        ("None", "bored", 901, False),
        ("None", "tool_use", 900, True),
        ("None", "tool_use", 901, False),
        ("None", "error", 900, True),
        ("None", "error", 901, None),
        ("None", "maxTokens", 901, True),
        ("None", "end_turn", 900, False),
        ("False", "None", 900, False),
        ("True", "None", 901, True),
        ("None", "None", 0, None),
        ("None", "None", -1, None),
    ],
)
def test_a_cap_tells_where_flag_and_reason_do_not(stated: str, raw: str, cap: int, expected: bool | None) -> None:
    line = v2(output=900, reason=raw, truncated=stated, more=f" max_tokens={cap} retries=1")
    assert sample(line).truncated is expected


def test_a_cap_tells_nothing_of_an_output_that_nobody_counted() -> None:
    assert sample(v2(output=0, reason=None, truncated=None, more=" max_tokens=900 retries=1")).truncated is None


@pytest.mark.parametrize("cut", ["predicted_output=", "predicted_output=10", "predicted_output=10 actual_output=9"])
def test_a_file_that_ends_within_a_number_ends_with_a_cut_off_line(cut: str) -> None:
    key = cut.split()[-1].split("=")[0]
    assert reason(f"2026-01-02 03:04:05 [TokenEstimationV2] {cut}") == f"the line is cut off after {key}"


def test_every_way_to_cut_a_line_gives_its_full_numbers_or_none() -> None:
    line = v2(predicted=12345, output=67890, budget=24680, deliverables=13)
    start = line.index("[TokenEstimationV2]") + len("[TokenEstimationV2]")
    for end in range(start, len(line) + 1):
        for record in records(line[:end]):
            if isinstance(record, Read):
                found = record.sample
                assert (found.predicted_output_tokens, found.output_tokens) == (12345, 67890)
                assert (found.budget_tokens, found.deliverable_count) == (24680, 13)
            elif record is None:
                assert "=" not in line[start:end]


NUMBER_LAST = "predicted_output=10 actual_output=9 success=True truncated=False deliverables=5"


@pytest.mark.parametrize("end", [" ", "\r", "\n", "\r\n", " [TOKEN_BUDGET] x", " 2026-01-02 03:04:06 INFO next"])
def test_a_number_with_a_space_behind_it_is_whole(end: str) -> None:
    record, *_ = records(f"[TokenEstimationV2] {NUMBER_LAST}{end}")
    assert isinstance(record, Read)
    assert record.sample.deliverable_count == 5


@pytest.mark.parametrize(
    "end", ["[TOKEN_BUDGET] x\n", "2026-01-02 03:04:06 INFO next\n", "[2026-01-02 03:04:06] INFO: next"]
)
def test_a_number_to_which_another_line_was_glued_may_be_cut_off(end: str) -> None:
    record, *_ = records(f"[TokenEstimationV2] {NUMBER_LAST}{end}")
    assert record == Unusable("the line is cut off after deliverables")


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("[2025-12-24 15:51:25] INFO: ", datetime(2025, 12, 24, 15, 51, 25)),
        ("2025-12-23 19:35:44,624 - autopack.clients - INFO - ", datetime(2025, 12, 23, 19, 35, 44, 624000)),
        ("2025-12-23T19:35:44Z ", datetime(2025, 12, 23, 19, 35, 44)),
        ("2025-12-23T19:35:44.123456789Z ", datetime(2025, 12, 23, 19, 35, 44, 123456)),
        ("2025-12-23T01:35:44+05:30 ", datetime(2025, 12, 22, 20, 5, 44)),
        ("2025-12-23 19:35:44-0800 ", datetime(2025, 12, 24, 3, 35, 44)),
        ("worker-1 | 2025-12-23 19:35:44 ", datetime(2025, 12, 23, 19, 35, 44)),
        ("run/a.log:2025-12-23 19:35:44 ", datetime(2025, 12, 23, 19, 35, 44)),
        ('time=2025-12-23T19:35:44Z level=info msg="', datetime(2025, 12, 23, 19, 35, 44)),
        ('{"time":"2025-12-23T19:35:44Z","msg":"', datetime(2025, 12, 23, 19, 35, 44)),
        ("resumed from 2025-01-01 00:00:00 at 2025-12-23 19:35:44 ", datetime(2025, 12, 23, 19, 35, 44)),
        ("", None),
        ("INFO - ", None),
        ("19:35:44 ", None),
        ("9999-99-99 99:99:99 ", None),
        ("0000-00-00 00:00:00 ", None),
        ("9999-12-31T23:59:59-12:00 ", None),
        ("0001-01-01T00:00:00+12:00 ", None),
        ("2025-12-23T19:35:44+99:99 ", None),
        ("2025-02-30 19:35:44 ", None),
        ("٢٠٢٥-١٢-٢٣ ١٩:٣٥:٤٤ ", None),
    ],
)
def test_the_time_is_that_of_the_log(prefix: str, expected: datetime | None) -> None:
    assert sample(prefix + v2(time=None)).time == expected


def test_copies_of_a_line_have_one_identity_and_other_lines_another() -> None:
    def identity(text: str) -> str | None:
        [record] = records(text)
        assert isinstance(record, Read)
        return record.identity

    line = v2()
    assert identity(f"{line}\n") is not None
    for copy in (line, f"{line}\r\n", f"a.log:{line}\n", f"\x1b[32m{line}\x1b[0m\n", f"\ufeff{line}  \n"):
        assert identity(copy) == identity(f"{line}\n")
    for other in (v2(time="2026-01-02 03:04:05,679"), v2(output=901), f"{line} more", line.replace("INFO", "WARNING")):
        assert identity(other) != identity(f"{line}\n")


def test_a_line_without_a_timestamp_has_no_identity() -> None:
    [record] = records(v2(time=None))
    assert isinstance(record, Read)
    assert record.identity is None


def test_colours_around_the_tag_and_the_values_do_not_show() -> None:
    red, bold, off = "\x1b[31m", "\x1b[1;38;5;214m", "\x1b[0m"
    line = v2(time=None).replace("[TokenEstimationV2]", f"{red}[TokenEstimationV2]{off}")
    line = line.replace("=900", f"={bold}900{off}").replace("category=", f"{red}category{off}=")
    assert sample(f"2026-01-02 {red}03:04:05{off} {line}{off}\n") == sample("2026-01-02 03:04:05 " + v2(time=None))


def test_invalid_bytes_in_a_value_do_not_spoil_the_others() -> None:
    found = sample(v2(category="CATEGORY").encode().replace(b"CATEGORY", b"do\xffcs"))
    assert (found.category, found.output_tokens) == ("do\ufffdcs", 900)


@pytest.mark.parametrize("between", ["", " ", "[", "\0", "\r"])
def test_records_glued_into_one_line_are_told_apart_by_their_timestamps(between: str) -> None:
    """Real lines end with a model whose name may end with a digit."""
    lines = [v2(time=f"2026-01-02 03:04:0{n}", output=n, more="") for n in range(3)]
    found = records(between.join(lines))
    assert [(read.sample.output_tokens, read.sample.model, read.sample.time) for read in found] == [  # type: ignore[union-attr]
        (n, "claude-sonnet-4-5", datetime(2026, 1, 2, 3, 4, n)) for n in range(3)
    ]
    assert [read.identity for read in found] == [records(f"{line}\n")[0].identity for line in lines]  # type: ignore[union-attr]


def test_records_glued_into_one_line_without_timestamps_are_told_apart_by_their_tags() -> None:
    found = records(" ".join(v2(time=None, output=n) for n in range(3)))
    assert [read.sample.output_tokens for read in found] == [0, 1, 2]  # type: ignore[union-attr]
    assert [read.identity for read in found] == [None] * 3  # type: ignore[union-attr]


def test_words_of_a_line_glued_behind_a_record_are_not_the_record_s() -> None:
    found = sample(f"{v2()}2026-01-02 03:04:06 INFO retry success=False model=other retries=1\n")
    assert (found.success, found.model, found.features) == (True, "claude-sonnet-4-5", {})


@pytest.mark.parametrize(
    "value",
    ["2026-01-02T03:04:05Z", "nightly-2026-01-02T03:04:05", "runs/2026-01-02T03:04:05", '"2026-01-02T03:04:05"'],
)
def test_a_timestamp_within_a_value_does_not_end_the_record(value: str) -> None:
    found = sample(f"[TokenEstimationV2] task_id={value} started={value} {NUMBER_LAST}\n")
    assert found.task_id == value.strip('"')
    assert found.features == {"started": value.strip('"')}
    assert found.deliverable_count == 5


@pytest.mark.parametrize(
    "end", ['"}', '","level":"info","time":"2026-01-02T03:04:05Z"}', '", "level": "info"}', "'}", ",", ";", '\\"}"}']
)
def test_a_record_may_be_quoted(end: str) -> None:
    """As in a log of JSON lines."""
    found = sample(f'{{"message":"{v2(time=None)}{end}\n')
    assert (found.model, found.features) == ("claude-sonnet-4-5", {})


def test_values_may_be_quoted() -> None:
    found = sample(v2('"1000"', category='"docs"', success='"True"', more=' retries="2" mode="fast"'))
    assert (found.predicted_output_tokens, found.category, found.success) == (1000, "docs", True)
    assert found.features == {"retries": "2", "mode": "fast"}


@pytest.mark.parametrize(
    ("used", "cap", "truncated"),
    [("3860/16384", 16384, False), ("16384/16384", 16384, True), ("0/16384", 16384, None), ("3860/0", None, None)],
)
def test_a_budget_record_is_a_call_without_a_prediction(used: str, cap: int | None, truncated: bool | None) -> None:
    line = (
        f"2025-12-24 15:51:25] INFO: [TOKEN_BUDGET] phase=w1.9-docs complexity=low input=1158 output={used}"
        " total=5018 utilization=23.6% model=claude-sonnet-4-5"
    )
    call = Sample(
        output_tokens=int(used.partition("/")[0]),
        max_tokens=cap,
        truncated=truncated,
        time=datetime(2025, 12, 24, 15, 51, 25),
        task_id="w1.9-docs",
        complexity="low",
        model="claude-sonnet-4-5",
    )
    assert records(f"[{line}\n") == [Budget(call, line)]


@pytest.mark.parametrize("behind", ["", "[TOKEN_BUDGET]", "2026-01-02 03:04:05 next"])
def test_a_budget_record_whose_cap_may_be_cut_off_is_unusable(behind: str) -> None:
    """``output=900/163`` may be the beginning of ``output=900/16384``."""
    found, *_ = records(f"[TOKEN_BUDGET] phase=p output=900/163{behind}")
    assert found == Unusable("the line is cut off after output")


@pytest.mark.parametrize(
    "words",
    [
        "phase=p",
        "output=1/2",
        "phase=None output=1/2",
        "phase=p output=1",
        "phase=p output=x/2",
        f"phase=p output=1/{10**10}",
    ],
)
def test_a_budget_record_that_lacks_a_part_says_nothing(words: str) -> None:
    assert records(f"[TOKEN_BUDGET] {words}\n") == [None]


FRAGMENTS = st.builds(
    Fragment,
    line=st.just(1),
    tag=st.sampled_from([V2, V1, BUDGET]),
    before=st.binary(max_size=60)
    | st.from_regex(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,]\d{1,9})?(Z|[+-]\d\d:?\d\d)?", fullmatch=True),
    after=st.binary(max_size=200)
    | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.lists(
        st.tuples(
            st.sampled_from(
                ["predicted_output", "actual_output", "success", "truncated", "deliverables", "phase", "output", "x"]
            ),
            st.sampled_from(["=", ": ", " = ", '="']),
            st.text(max_size=8) | st.integers().map(str) | st.sampled_from(["True", "None", "1/2", "٣", "9" * 5000]),
        ).map("".join)
    ).map(lambda words: " ".join(words).encode("utf-8", "surrogatepass")),
    ended=st.booleans(),
)


@settings(deadline=None, max_examples=200)
@given(FRAGMENTS)
def test_no_bytes_are_an_error(fragment: Fragment) -> None:
    assert isinstance(parse(fragment), Read | Unusable | Budget | None)


def words_of(text: str) -> dict[str, str]:
    return dict(word.partition("=")[::2] for word in text.split())


@settings(deadline=None, max_examples=100)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z_][a-z0-9_.]{0,9}", fullmatch=True).filter(
            lambda key: key not in words_of(v2()) and len(key) > 1
        ),
        st.from_regex(r"[A-Za-z0-9+%][A-Za-z0-9+%./_-]{0,9}", fullmatch=True),
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
def test_features_are_what_is_not_known_in_any_order(features: dict[str, str], order: random.Random) -> None:
    features = {key: value for key, value in features.items() if key not in ("phase", "task_id", "max_tokens")}
    words = [*v2(time=None).split()[1:], *(f"{key}={value}" for key, value in features.items())]
    order.shuffle(words)
    assert sample(f"[TokenEstimationV2] {' '.join(words)}\n").features == features
