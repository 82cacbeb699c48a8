"""The hidden lines of a comment, after somebody edited it."""

from __future__ import annotations

import pytest

from pytest_token_telemetry.comment.hidden_lines import Run, Stamp, Told, footed, is_marked, marker, stamp_of, told_of

COMMIT = "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432"
STAMP = Stamp(Run(5, 1), COMMIT)
BODY = footed(f"{marker('default')}\ntext", "<sub>run 5</sub>", STAMP)


def test_a_stamp_is_read_as_it_was_written_whatever_the_line_ends():
    assert stamp_of(BODY) == stamp_of(BODY.replace("\n", "\r\n")) == STAMP


@pytest.mark.parametrize(
    "text",
    [
        "",
        "edited by hand",
        BODY.replace("run=5", "run=x"),
        BODY.replace("run=5", "run=" + "9" * 20),
        BODY.replace(COMMIT, "--> <b>"),
        BODY + "\nmore",
    ],
)
def test_a_stamp_that_is_none_is_older_than_all(text):
    assert stamp_of(text) == Stamp(Run(0, 0), "")


def test_the_marker_is_the_whole_first_line():
    assert is_marked(BODY, "default")
    assert not is_marked(f"{marker('default')} and more\ntext", "default")
    assert not is_marked(f"\n{marker('default')}\ntext", "default")
    assert not is_marked(BODY, "def.ult")


@pytest.mark.parametrize("told", [Told("pass", COMMIT), Told("not-ready", ""), None])
def test_the_last_verdict_is_read_as_it_was_written(told):
    body = footed(f"{marker('default')}\ntext", "<sub>run 5</sub>", STAMP, told)
    assert told_of(body) == told
    assert stamp_of(body) == STAMP


@pytest.mark.parametrize("verdict", ["none", "PASS", "pass of=x", "--> <b>"])
def test_a_verdict_that_is_none_of_ours_is_not_told(verdict):
    body = footed("text", "<sub>run 5</sub>", STAMP, Told("pass", COMMIT))
    assert told_of(body.replace("verdict=pass", f"verdict={verdict}")) is None
