"""What users write for a setting: read, or refused with a sentence."""

from __future__ import annotations

import logging
import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry import option_types

NOT_NUMBERS = [
    "",
    " ",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "infinity",
    "five",
    "1e-2",
    "2,5",
    "1/20",
    "+5",
    "-5",
    "-0",
    "5.",
    ".",
    "0x5",
    "1_000",
    "5 5",
    "\u0665",
    "\uff15",
    "½",
    "²",
    "5\0",
    "9" * 5000,
    "0." + "0" * 5000 + "1",
]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5%", Fraction(1, 20)),
        ("0.05", Fraction(1, 20)),
        (" 5% ", Fraction(1, 20)),
        ("2.5%", Fraction(1, 40)),
        (".5", Fraction(1, 2)),
        ("0", Fraction(0)),
        ("0%", Fraction(0)),
        ("100%", Fraction(1)),
        ("0.07", Fraction(7, 100)),
        ("33.333333333333333%", Fraction(33333333333333333, 10**17)),
    ],
)
def test_a_rate_is_read_exactly(text, value):
    assert option_types.rate(text) == value


@pytest.mark.parametrize("text", ["1", "1.0", "1.00"])
def test_a_bare_one_is_ambiguous(text):
    with pytest.raises(ValueError, match=r"is ambiguous \(write 1% or 100%\)"):
        option_types.rate(text)


@pytest.mark.parametrize("text", ["@team", "[a](b)", "a|b", "<b>", "a\x1bb", "`a`", "*a*", "#1"])
def test_a_name_is_a_plain_word(text):
    with pytest.raises(ValueError, match="is not a plain name"):
        option_types.names(text)


@pytest.mark.parametrize("text", [*NOT_NUMBERS, "%", "5%%", "%5", "nan%", "5x", "5 percent", "5\uff05"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ValueError, match=r" is not a rate \(write 0\.025 or 2\.5%\)$") as refusal:
        option_types.rate(text)
    assert str(refusal.value).startswith(repr(text))


@pytest.mark.parametrize(
    ("text", "way_out"),
    [
        ("1.01", "1.01%"),
        ("5", "5%"),
        (" 90 ", "90%"),
        ("100.1%", "0.05 or 5%"),
        ("101%", "0.05 or 5%"),
        ("999999999", "0.05 or 5%"),
    ],
)
def test_a_rate_above_one_is_refused(text, way_out):
    with pytest.raises(ValueError, match=" is more than 100% ") as refusal:
        option_types.rate(text)
    assert str(refusal.value) == f"{text!r} is more than 100% (write {way_out})"


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("3x", 3), ("3 x", 3), (" 2.5x ", Fraction(5, 2)), (".1", Fraction(1, 10))]
)
def test_a_ratio_is_read_exactly(text, value):
    assert option_types.ratio(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.95", "0.95"), ("95%", "0.95"), (" 80% ", "0.8"), ("0.5", "0.5"), ("50%", "0.5"), ("0.999999", "0.999999")],
)
def test_a_confidence_is_read_exactly(text, value):
    assert option_types.confidence(text) == Fraction(value)


@pytest.mark.parametrize(
    "text", [*NOT_NUMBERS, "0", "0.49", "49.9%", "1", "100%", "1.0", "95", "2", "99.999999999999999%"]
)
def test_what_is_no_confidence_is_refused(text):
    # the last is below one, but no floating point number tells
    with pytest.raises(ValueError, match=r" is not a confidence from 0.5 to below 1 \(write 0.95 or 95%\)$"):
        option_types.confidence(text)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), (" True ", True), ("FALSE", False)])
def test_a_switch_is_read(text, value):
    assert option_types.switch(text) is value


@pytest.mark.parametrize("text", ["", "yes", "no", "1", "0", "on", "truee"])
def test_what_is_no_switch_is_refused(text):
    with pytest.raises(ValueError, match=r" is neither true nor false$"):
        option_types.switch(text)


@pytest.mark.parametrize("text", [*NOT_NUMBERS, "0", "0.0", "0x", "x", "3xx", "x3", "3X", "3%"])
def test_what_is_no_ratio_is_refused(text):
    with pytest.raises(ValueError, match=r" is not a ratio above 0 \(write 3 or 3x\)$"):
        option_types.ratio(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.1", Fraction(11, 10)),
        ("1", 1),
        ("10", 10),
        ("1.000001", Fraction(10**6 + 1, 10**6)),
        ("1.1000000", Fraction(11, 10)),
        (" 1.15 ", Fraction(23, 20)),
    ],
)
def test_a_multiplier_is_read_exactly(text, value):
    assert option_types.multiplier(text) == value


@pytest.mark.parametrize("text", [*NOT_NUMBERS, "10.000001", "11", "1.1x", "110%"])
def test_what_is_no_multiplier_is_refused(text):
    with pytest.raises(ValueError, match=r" is not a multiplier from 1 to 10 \(write 1\.1\)$"):
        option_types.multiplier(text)


@pytest.mark.parametrize("text", ["0", "0.000", "0.5", "0.999999", "0.0000001"])
def test_a_multiplier_that_counts_outputs_within_their_prediction_is_refused(text):
    with pytest.raises(ValueError, match="below 1") as refused:
        option_types.multiplier(text)
    assert str(refused.value) == (
        f"'{text}' is not a multiplier from 1 to 10: below 1, outputs within their prediction would count as"
        " underestimated (write 1.1)"
    )


@pytest.mark.parametrize("text", ["1.1234567", "1.0000001"])
def test_a_multiplier_of_too_many_decimals_is_refused(text):
    with pytest.raises(ValueError, match=r" has more than six decimals \(write 1\.1\)$"):
        option_types.multiplier(text)


@pytest.mark.parametrize(
    ("text", "least", "value"),
    [("20", 1, 20), (" 20 ", 1, 20), ("0", 0, 0), ("007", 1, 7), ("999999999", 1, 999999999)],
)
def test_a_count_is_read(text, least, value):
    assert option_types.count(least)(text) == value


@pytest.mark.parametrize("text", [*NOT_NUMBERS, "0", "1.0", "1000000000", "5%"])
def test_what_is_no_count_is_refused(text):
    with pytest.raises(ValueError, match=r" is not a whole number from 1 to 999999999$"):
        option_types.count(1)(text)


@pytest.mark.parametrize(("text", "value"), [("60", 60.0), (" 0.5 ", 0.5), ("86400", 86400.0)])
def test_seconds_are_read(text, value):
    assert option_types.seconds(text) == value


@pytest.mark.parametrize("text", [*NOT_NUMBERS, "0", "86400.5", "60s"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match=r" is not a number of seconds above 0 and up to 86400 \(write 60\)$"):
        option_types.seconds(text)


def test_a_choice_is_taken_as_it_is():
    assert option_types.one_of("warn", "fail")("fail") == "fail"


@pytest.mark.parametrize(
    ("text", "meant"),
    [("", None), ("Fail", "fail"), (" fail", "fail"), ("faill", "fail"), ("none", None), ("success", None)],
)
def test_another_choice_is_refused(text, meant):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the whole sentence is compared
        option_types.one_of("warn", "fail")(text)
    hint = f" (did you mean {meant}?)" if meant else ""
    assert str(refusal.value) == f"{text!r} is not one of warn, fail{hint}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("implementation,tests,docs", ("implementation", "tests", "docs")),
        (" Docs , TESTS ", ("docs", "tests")),
        ("one", ("one",)),
        (" None ", ()),
        ("Any", ("any",)),
    ],
)
def test_names_are_read_in_lower_case(text, value):
    assert option_types.names(text) == value


@pytest.mark.parametrize("text", [",", "a,", ",a", "a,,b", "a, ,b"])
def test_an_empty_name_is_refused(text):
    with pytest.raises(ValueError, match=r" has an empty name \(write a,b,c\)$"):
        option_types.names(text)


@pytest.mark.parametrize("text", ["a,a", "docs,tests,Docs", "a , a"])
def test_a_name_given_twice_is_refused(text):
    with pytest.raises(ValueError, match=r" names one twice$"):
        option_types.names(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,2-5,6+", ("1", "2-5", "6+")),
        ("6+,1", ("6+", "1")),
        (" 6+ ", ("6+",)),
        ("1, 2-9, 10+", ("1", "2-9", "10+")),
        ("3,7-7,100-999999999", ("3", "7-7", "100-999999999")),
        ("none", ()),
        ("any", ("any",)),
    ],
)
def test_buckets_are_read(text, value):
    assert option_types.buckets(text) == value


@pytest.mark.parametrize("text", ["0", "0-3", "2\u20135", "5-2", "-5", "5-", "1+5", "++", "1 2", "1234567890", "many"])
def test_what_is_no_bucket_is_refused(text):
    with pytest.raises(ValueError, match=r" is not a bucket of deliverables \(write 1,2-9,10\+\)$"):
        option_types.buckets(text)


@pytest.mark.parametrize("text", ["1-3,3-5", "10+,1-9", "4+,7", "2,1", "1,2-9,9+"])
def test_buckets_are_disjoint_and_ascend(text):
    with pytest.raises(ValueError, match=r" has buckets that overlap or descend \(write 1,2-9,10\+\)$"):
        option_types.buckets(text)


def test_a_hundred_buckets_are_enough():
    every = [str(n) for n in range(1, 102)]
    assert option_types.buckets(",".join(every[:100])) == tuple(every[:100])
    with pytest.raises(ValueError, match=r" has more than 100 buckets of deliverables$"):
        option_types.buckets(",".join(every))


@pytest.mark.parametrize("text", ["", "  "])
@pytest.mark.parametrize(("read", "example"), [(option_types.names, "NAME,NAME"), (option_types.buckets, "1,2-5,6+")])
def test_nothing_is_refused_with_the_way_out(read, example, text):
    with pytest.raises(ValueError, match="names nothing") as refusal:
        read(text)
    assert str(refusal.value) == (
        f"{text!r} names nothing (write {example}, any for at least one, whichever it is, or none to require nothing)"
    )


@pytest.mark.parametrize("read", [option_types.names, option_types.buckets])
@pytest.mark.parametrize(("text", "word"), [("1,any", "any"), ("none,1", "none"), ("any,none", "any")])
def test_any_and_none_stand_alone(read, text, word):
    with pytest.raises(ValueError, match=rf"^'{text}' has '{word}' among names \(write it alone\)$"):
        read(text)


@pytest.mark.parametrize(
    ("text", "value"), [("caps", ("caps",)), (" Reasons , caps ", ("reasons", "caps")), ("caps,reasons", None)]
)
def test_some_of_a_closed_set_are_read(text, value):
    assert option_types.some_of("caps", "reasons")(text) == (value or ("caps", "reasons"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "'' names nothing (write one or more of caps,reasons)"),
        ("caps,cap", "'cap' is not one of caps, reasons (did you mean caps?)"),
        ("caps,caps", "'caps,caps' names one twice"),
        ("caps,", "'caps,' has an empty name (write a,b,c)"),
    ],
)
def test_what_is_not_of_the_set_is_refused(text, why):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the whole sentence is compared
        option_types.some_of("caps", "reasons")(text)
    assert str(refusal.value) == why


@pytest.mark.parametrize(
    ("text", "fits"),
    [("summarise", True), ("bug fix", True), ("a/b.c+d-e_f", True), ("any", False), ("none", False)]
    + [(text, False) for text in ("", "Docs", " docs", "a,b", "<b>", "@team", "-x")],
)
def test_a_name_of_the_data_fits_a_setting_or_not(text, fits):
    assert option_types.is_name(text) is fits


@pytest.mark.parametrize(
    ("text", "value"), [("documentation=docs", ("documentation", "docs")), (" Doc = DOCS ", ("doc", "docs"))]
)
def test_an_alias_is_read_in_lower_case(text, value):
    assert option_types.alias(text) == value


@pytest.mark.parametrize("text", ["", "=", "a", "a=", "=b", " = ", "a=b=c", "a==b"])
def test_what_is_no_alias_is_refused(text):
    with pytest.raises(ValueError, match=r" is not an alias \(write documentation=docs\)$"):
        option_types.alias(text)


@pytest.mark.parametrize("text", ["*.log", "logs/*.txt", "a b.log", "**/*.log"])
def test_a_pattern_is_taken(text):
    assert option_types.glob(f" {text} ") == text


@pytest.mark.parametrize("text", ["", "  ", "/", "/var/log/*.log", " /x"])
def test_what_is_no_pattern_below_the_directory_is_refused(text):
    with pytest.raises(ValueError, match=r" is not a pattern for paths below the directory \(write \*\.log\)$"):
        option_types.glob(text)


@pytest.mark.parametrize("text", ["a", "a b", " a ", "./a", "a\nb"])
def test_a_path_is_taken_as_it_is(text):
    assert option_types.path(text) == text


@pytest.mark.parametrize("text", ["", " ", "a\0b"])
def test_what_is_no_path_is_refused(text):
    with pytest.raises(ValueError, match=r" is not a path$"):
        option_types.path(text)


READERS = [
    option_types.rate,
    option_types.confidence,
    option_types.switch,
    option_types.ratio,
    option_types.multiplier,
    option_types.count(0),
    option_types.one_of("a", "b"),
    option_types.names,
    option_types.buckets,
    option_types.some_of("a", "b"),
    option_types.alias,
    option_types.glob,
    option_types.log_level,
    option_types.path,
]


@pytest.mark.parametrize("read", READERS)
@limits(deadline=None)
@given(text=st.text(max_size=20) | st.from_regex(r"[-+.\d%x_e, =]{1,12}"))
def test_any_text_is_read_or_refused_in_one_sentence(read, text):
    refusal = ""
    try:
        value = read(text)
    except ValueError as error:
        refusal = str(error)
    assert re.match("['\"]", refusal) if refusal else value is not None
    assert "\n" not in refusal


@limits(deadline=None)
@given(st.fractions(0, 1, max_denominator=10**9))
def test_no_fraction_is_a_rate_unless_it_is_written_in_decimals(value):
    written = f"{value.numerator}/{value.denominator}"
    with pytest.raises(ValueError, match="is not a rate"):
        option_types.rate(written)


@limits(deadline=None)
@given(st.integers(0, 10**15 - 1))
def test_a_rate_is_the_same_with_and_without_its_percent_sign(units):
    digits = f"{units:016}"
    plain = f"{digits[0]}.{digits[1:]}"
    assert option_types.rate(plain) == Fraction(units, 10**15)


@pytest.mark.parametrize("text", ["7", " 7 ", "7\x1f", "\u20037"])
def test_white_space_around_a_count_is_no_part_of_it(text):
    assert option_types.count(1)(text) == 7


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("DEBUG", 10),
        ("INFO", 20),
        ("WARNING", 30),
        ("warn", 30),
        ("Error", 40),
        (" critical ", 50),
        ("FATAL", 50),
        ("NOTSET", 0),
        ("20", 20),
        (" 5 ", 5),
        ("0", 0),
        ("007", 7),
        ("999", 999),
    ],
)
def test_a_log_level_is_read_by_its_name_or_number(text, level):
    assert option_types.log_level(text) == level


def test_a_level_that_a_program_has_named_is_known(monkeypatch):
    monkeypatch.setattr(logging, "getLevelNamesMapping", lambda: {"VERBOSE": 15})
    assert option_types.log_level("verbose") == 15


@pytest.mark.parametrize("text", [*NOT_NUMBERS, "1000", "1.0", "INF", "INFO,DEBUG", "logging.INFO", "Level 20", "20%"])
def test_what_is_no_log_level_is_refused(text):
    with pytest.raises(ValueError, match=r" is not a log level \(write INFO or 20\)$") as refusal:
        option_types.log_level(text)
    assert str(refusal.value).startswith(repr(text))


@pytest.mark.parametrize(
    ("text", "url", "shown"),
    [
        ("s3://bucket/prefix/", None, "s3://bucket/prefix"),
        ("GS://Bucket", "gs://Bucket", "gs://Bucket"),
        ("abfs://container@account.dfs.core.windows.net/a", None, "abfs://container@account.dfs.core.windows.net/a"),
        ("sftp://u:pw@h/a@b", None, "sftp://u@h/a@b"),
        ("sftp://u:p?w@h/a", None, "sftp://***"),
        ("sftp://u:p/w@h/a", None, "sftp://***"),
        ("sftp://h:22/a", None, "sftp://h:22/a"),
        ("https://h/logs?sig=pw", None, "https://h/logs"),
    ],
)
def test_what_is_shown_of_a_remote_directory_has_no_password(text, url, shown):
    read = option_types.directory(text)
    assert (read.url, read.shown, repr(read)) == (url or text, shown, f"RemoteUrl({shown!r})")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("logs", "logs"),
        ("file:///data/logs", "/data/logs"),
        ("s3:/logs", "s3:/logs"),
        ("C://logs", "C://logs"),
        ("a::b", "a::b"),
    ],
)
def test_any_other_directory_is_a_path(text, path):
    assert option_types.directory(text) == path


@pytest.mark.parametrize("text", ["s3://", "s3:///", "file://", "", "zip::s3://b/x", "Zip::file:///x"])
def test_a_directory_has_a_name(text):
    with pytest.raises(ValueError, match=r"(names nothing|is not a path|a chain of protocols is not read)"):
        option_types.directory(text)


@pytest.mark.parametrize(
    ("text", "url", "shown"),
    [
        ("sqlite:///a.db", None, "sqlite:///a.db"),
        (" sqlite:////data/a@b.db?mode=ro ", "sqlite:////data/a@b.db?mode=ro", "sqlite:////data/a@b.db"),
        ("sqlite:///C:/data/a.db", None, "sqlite:///C:/data/a.db"),
        ("postgresql://host/db", None, "postgresql://host/db"),
        ("postgres://u:pw@h:5432/db", "postgresql://u:pw@h:5432/db", "postgresql://u@h:5432/db"),
        ("postgresql+psycopg://u:p/w:d@[::1]:5432/db", None, "postgresql+psycopg://u@[::1]:5432/db"),
        ("mysql://u:p@w@h/db", None, "mysql://u@h/db"),
        ("mysql://u:p?w@h/db", None, "mysql://***"),
        ("mysql://h/db?user=u&password=pw", None, "mysql://h/db"),
        ("mysql://h/db?user=u&password=p@w", None, "mysql://***"),
        ("mssql+pyodbc:///?odbc_connect=PWD%3Dpw", None, "mssql+pyodbc:///"),
        ("mysql://u%40corp:pw@h", None, "mysql://u%40corp@h"),
    ],
)
def test_what_is_shown_of_a_database_has_no_password(text, url, shown):
    read = option_types.database(text)
    assert (read.url, read.shown, repr(read)) == (url or text, shown, f"DatabaseUrl({shown!r})")
    assert not any(secret in shown for secret in ("pw", "p?w", "p@w", "p/w"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://k:pw@b/p.csv", "s3://***@b/p.csv"),
        ("S3://k:p@w@b", "S3://***@b"),
        ("s3:/k:p/w@b", "s3:/***@b"),
        ("https://token@h", "https://***@h"),
        ("SELECT * FROM dblink('postgresql://u:p w@h/db')", "SELECT * FROM dblink('postgresql://***@h/db')"),
        ("https://h/a?key=pw", "https://h/a?***"),
        ("https://u:pw@h/a?key=p@w", "https://***"),
        ("s3://b/x?.log", "s3://b/x?.log"),
        ("C:/Users/me@work", "C:/Users/me@work"),
        ("runs/a@b", "runs/a@b"),
        ("module:name", "module:name"),
    ],
)
def test_what_is_shown_of_a_text_has_no_password(text, shown):
    assert option_types.without_password(text) == shown


@pytest.mark.parametrize("text", ["env:postgresql://u:pw@h/x", "env:u:pw@h", "env:", "env: pw"])
def test_a_variable_with_an_impossible_name_is_not_repeated(text):
    with pytest.raises(ValueError, match=r"^env: names a variable \(write env:NAME, or a URL without env:\)$"):
        option_types.database(text)


@pytest.mark.parametrize(
    "text", ["", "calls.db", "sqlite:", "postgresql://u:pw", "postgresql://h:x/db", "mysql://u@h:pw/db"]
)
def test_what_is_no_database_is_refused_and_not_repeated(text):
    with pytest.raises(ValueError, match=r"^this is not the URL of a database") as refused:
        option_types.database(text)
    assert "pw" not in str(refused.value)


def test_the_url_of_a_database_may_stand_in_the_environment(monkeypatch):
    monkeypatch.setenv("CALLS", "mysql://u:pw@h/db")
    assert option_types.database("env:CALLS").url == "mysql://u:pw@h/db"
    monkeypatch.setenv("CALLS", "")
    with pytest.raises(ValueError, match=r"^the environment has no CALLS, or it is empty$"):
        option_types.database("env:CALLS")


@pytest.mark.parametrize(
    ("url", "below"),
    [
        ("sqlite:///a.db?x=y", "sqlite:////base/a.db?x=y"),
        ("sqlite:////data/a.db", "sqlite:////data/a.db"),
        ("mysql:///a.db", "mysql:///a.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
    ],
)
def test_the_path_of_a_database_begins_where_it_is_written(url, below):
    assert option_types.database(url).below(Path("/base")).url == below
