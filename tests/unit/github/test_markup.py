"""Which sentences are plain."""

from __future__ import annotations

import pytest

from pytest_token_telemetry.github.markup import code, sentence, table


@pytest.mark.parametrize(
    "text",
    [
        "Nothing to tune: go on collecting, and watch for drift.",
        "Collect 3 more successful samples.",
        "Multiply the predictions in docs by 1.81 (35 samples), tests by 2.10 (7 samples, borrowed from the others).",
        "Raise the budget (max_tokens) where runs were cut off: docs 5 of 12, another category 2 of 9 and others.",
        "1 in docs of high complexity with 6+ deliverables and 2 in tests with 2-5 deliverables.",
        "6 legacy samples (V1 lines) listed, not judged.",
        "Risk is within 5 % of its targets.",
    ],
)
def test_our_own_sentences_are_plain(text):
    assert sentence(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "@octocat look",
        "see #1",
        "see GH-1",
        "see octo/repo",
        "www.evil.example",
        "evil.example",
        "mail a@b.example",
        "commit 9f8e7d6c5b4a",
        "commit 1234567",
        "see TICKET-12",
        ":tada: done",
        "a `b` c",
        "**bold**",
        "a  b",
        "a\nb",
        "",
        "::error::x",
        "[x](y)",
        "x" * 401,
    ],
)
def test_what_could_become_something_is_code(text):
    assert sentence(text).startswith("<code>")
    assert sentence(text).endswith("</code>")


def test_a_sentence_can_be_quoted():
    assert sentence("Done.", quoted=True) == "<code>Done.</code>"


def test_less_than_is_no_element():
    assert sentence("target <= 5 %") == "target &lt;= 5 %"


def test_a_name_is_one_line_of_what_prints():
    assert code("a\n\u202eb") == "<code>a\\u000a\\u202eb</code>"
    assert code("") == "<code>&nbsp;</code>"
    assert code(None) == "not said"


def test_a_table_has_no_blank_line():
    assert "\n\n" not in table(("a",), [("",), ("b",)], 3)
