"""The hidden lines of a comment, after somebody edited it."""

from __future__ import annotations

import pytest

from pytest_token_telemetry.comment.hidden_lines import Run, Stamp, footed, is_marked, marker, stamp_of

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
