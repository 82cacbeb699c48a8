"""Figures and names in words."""

from __future__ import annotations

import unicodedata
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.text import (
    Untrusted,
    exact,
    inert,
    listing,
    meant,
    named,
    percent,
    plural,
    points,
    size,
    sparkline,
    times,
    upwards,
)


@pytest.mark.parametrize("name", ["docs", "bug_fix", "2-5", "6+", "10+", "12-100", "7"])
def test_a_plain_word_or_bucket_is_our_own(name):
    assert named(name) == name


@pytest.mark.parametrize(
    "name", ["1234567", "1234-5", "deadbeef", "1-", "+", "-5", "10++", "@team", "#12", "a.b", None]
)
def test_any_other_name_is_untrusted(name):
    assert named(name) == Untrusted(name)


@pytest.mark.parametrize(("n", "words"), [(0, "0 samples"), (1, "1 sample"), (2, "2 samples")])
def test_one_is_singular(n, words):
    assert plural(n, "sample") == words


@pytest.mark.parametrize(("names", "words"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_names_are_listed(names, words):
    assert listing(names) == words


@pytest.mark.parametrize(
    ("text", "known", "expected"),
    [
        ("lenght", ["length", "strength"], "did you mean length?"),
        ("dri", ["drift", "dir"], "did you mean dir?"),  # only two letters changed places
        ("drft", ["drift", "dir"], "did you mean drift?"),
        ("elbow", ["below", "bowl"], "did you mean below?"),
        ("xyz", ["zyxw", "abc"], ""),
    ],
)
def test_the_word_that_is_most_like_another_is_asked_about(text, known, expected):
    assert meant(text, known) == expected


def test_alternatives_are_listed():
    assert listing(("a", "b", "c"), "or") == "a, b or c"


@pytest.mark.parametrize(
    ("value", "target", "words"),
    [
        (Fraction(1, 20), None, "5.0%"),
        (Fraction(1, 20), Fraction(1, 20), "5.0%"),
        (Fraction(1, 50), Fraction(1, 50), "2.0%"),
        (Fraction(19, 23), Fraction(1, 20), "82.6%"),
        (Fraction(501, 10_000), Fraction(1, 20), "5.01%"),
        (Fraction(500_001, 10_000_000), Fraction(1, 20), "5.00001%"),
        (Fraction(1, 3), Fraction("0.3333"), "33.333%"),
        (Fraction(2, 3), Fraction("0.667"), "66.7%"),
        (Fraction(2, 3), Fraction("0.6666666"), "66.7%"),
        (Fraction(1, 8), Fraction("0.125"), "12.5%"),
        (Fraction(1, 16), Fraction("0.0625"), "6.2%"),
        (Fraction(0), Fraction(0), "0.0%"),
        (Fraction(1, 100_000), Fraction(0), "0.001%"),
        (Fraction(1), Fraction(1), "100.0%"),
        (0.216106, Fraction(1, 20), "21.6%"),
        (0.05000000000000004, Fraction(1, 20), "5.0%"),
    ],
)
def test_a_percentage_has_the_digits_it_needs(value, target, words):
    assert percent(value, target) == words


@limits(deadline=None)
@given(
    st.fractions(0, 1, max_denominator=10**6),
    st.integers(0, 10**9).map(lambda units: Fraction(units, 10**9)),
)
def test_a_percentage_stands_on_its_side_of_the_target(value, target):
    shown = Fraction(percent(value, target).removesuffix("%")) / 100
    assert (shown <= target) == (value <= target)


@pytest.mark.parametrize(
    ("value", "target", "words"),
    [
        (1.6342122109, None, "1.63x"),
        (1.6342122109, Fraction(3), "1.63x"),
        (2.999, Fraction(3), "2.999x"),
        (2.996, Fraction(3), "2.996x"),
        (2.994, Fraction(3), "2.99x"),
        (3.0, Fraction(3), "3.00x"),
        (3.001, Fraction(3), "3.00x"),
        (29 / 10, Fraction("2.9"), "2.90x"),
        (1_000_000_000.0, Fraction(3), "1000000000.00x"),
        (-0.004, None, "0.00x"),
        (-0.006, None, "-0.01x"),
        (-1.25, None, "-1.25x"),
    ],
)
def test_a_ratio_has_the_digits_it_needs(value, target, words):
    assert times(value, target) == words


@limits(deadline=None)
@given(st.floats(0.01, 1000), st.integers(1, 10_000).map(lambda units: Fraction(units, 100)))
def test_a_ratio_stands_on_its_side_of_the_target(value, target):
    shown = Fraction(times(value, target).removesuffix("x"))
    assert (shown < target) == (value < float(target))


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (3 / 59, "+5.1 points"),
        (-0.02, "-2.0 points"),
        (0.0, "0.0 points"),
        (-0.0, "0.0 points"),
        (-1 / 10_000, "0.0 points"),
        (-1, "-100.0 points"),
    ],
)
def test_a_difference_of_rates_is_in_points(difference, words):
    assert points(difference) == words


@pytest.mark.parametrize(
    ("values", "bars"),
    [([], ""), ([None], "·"), ([0.0, 0.0], "▁▁"), ([0.0, 0.01, 0.04], "▁▃█"), ([1.0, None, 0.5], "█·▅")],
)
def test_values_are_bars_from_none_to_the_highest(values, bars):
    assert sparkline(values) == bars


@pytest.mark.parametrize(
    ("multiplier", "words"),
    [
        (1.12, "1.12"),  # 1.12 * 100 is 112.00000000000001
        (1.120001, "1.13"),
        (0.29, "0.29"),
        (2.0, "2.00"),
        (0.0123, "0.0123"),
        (0.0124, "0.013"),
        (0.9928, "0.993"),  # it lowers, so it is not shown as 1
        (0.9998, "0.9998"),
        (0.9999999999999999, "1.00"),  # but for rounding it is 1
        (1e-9, "0.000000001"),
        (1e9, "1000000000.00"),
    ],
)
def test_a_multiplier_is_rounded_upwards(multiplier, words):
    assert upwards(multiplier) == words


@given(st.floats(1e-9, 1e9))
def test_a_shown_multiplier_is_never_below_the_real_one(multiplier):
    assert Fraction(str(multiplier)) <= Fraction(upwards(multiplier)) < Fraction(str(multiplier)) + Fraction(1, 100)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Fraction(5), "5"),
        (Fraction("2.5"), "2.5"),
        (Fraction(100), "100"),
        (Fraction(0), "0"),
        (Fraction("0.000001"), "0.000001"),
        (Fraction("33.333333333333333"), "33.333333333333333"),
    ],
)
def test_a_target_is_shown_as_it_is(target, words):
    assert exact(target) == words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run/agent.log", "run/agent.log"),
        ("größe 値 🚀", "größe 値 🚀"),
        ("a\nb", "a\\u000ab"),
        ("a\r\tb", "a\\u000d\\u0009b"),
        ("\x1b[31mred", "\\u001b[31mred"),
        ("\0", "\\u0000"),
        ("\x7f\x85\x9b", "\\u007f\\u0085\\u009b"),
        ("\u202eleft", "\\u202eleft"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("\u200b\ufeff", "\\u200b\\ufeff"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\ue0041"),
        ("", ""),
        ("a ##vso[task.setvariable variable=PATH]x", "a #\\u0023vso[task.setvariable variable=PATH]x"),
        ("##[error]x", "#\\u0023[error]x"),
        ("###TeamCity[x]", "##\\u0023TeamCity[x]"),
        ("## heading [x] C#[0]", "## heading [x] C#[0]"),
    ],
)
def test_what_does_not_print_or_commands_a_server_is_shown_by_its_code(text, shown):
    assert inert(text) == shown


@pytest.mark.parametrize(
    ("length", "shown"), [(119, "x" * 119), (120, "x" * 120), (121, "x" * 119 + "…"), (10**6, "x" * 119 + "…")]
)
def test_what_is_too_long_is_cut(length, shown):
    assert inert("x" * length) == shown


@limits(deadline=None)
@given(st.text(st.characters(codec=None), max_size=300), st.integers(1, 150))
def test_any_text_is_one_printable_line(text, longest):
    shown = inert(text, longest)
    assert len(shown) <= longest
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in shown)
    shown.encode()


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 KB"),
        (15_400_000, "15 MB"),
        (2_000_000_000, "2.0 GB"),
    ],
)
def test_bytes_are_told_in_the_largest_unit(count, expected):
    assert size(count) == expected
