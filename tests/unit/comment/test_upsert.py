"""What a look at the comments leads to."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_token_telemetry.comment.hidden_lines import Run, Stamp, footed, marker, stamp_of
from pytest_token_telemetry.comment.upsert import (
    ROUNDS,
    SETTLING,
    Comment,
    HostError,
    MissingError,
    Move,
    Posted,
    UnansweredError,
    next_move,
    upsert,
)

COMMIT = "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432"


def body(run, content="text", attempt=1, commit=COMMIT):
    return footed(f"{marker('default')}\n{content}", f"<sub>run {run}</sub>", Stamp(Run(run, attempt), commit))


class Memory:
    """A pull request without a server. ``trouble`` is raised by the next writes, before or after they are done."""

    def __init__(self, *bodies):
        self.ids = itertools.count(1)
        self.comments = [Comment(next(self.ids), each, own=True) for each in bodies]
        self.before, self.after = [], []

    def list_comments(self, number):
        return list(self.comments)

    def create(self, number, body):
        self._trouble(self.before)
        self.comments.append(Comment(next(self.ids), body, own=True))
        self._trouble(self.after)
        return self.comments[-1].id

    def edit(self, comment, body):
        self._trouble(self.before)
        self.comments = [Comment(each.id, body, own=True) if each.id == comment else each for each in self.comments]
        self._trouble(self.after)

    def delete(self, comment):
        self.comments = [each for each in self.comments if each.id != comment]

    def find_pull_requests(self, owner, branch):
        return []

    @staticmethod
    def _trouble(planned):
        if planned:
            raise planned.pop(0)


def post(host, text, sleep=lambda seconds: None):
    return upsert(host, 7, "default", text, sleep)


def test_nothing_there_is_created():
    assert next_move([], "default", body(1)) == Move(None, body(1), (), superseded=False)


def test_others_are_not_looked_at():
    other = Comment(1, body(9), own=False)
    another_gate = Comment(2, body(9).replace(":default", ":other"), own=True)
    assert next_move([other, another_gate], "default", body(1)).comment is None


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from("ab")), min_size=1, max_size=5), st.integers(1, 5))
def test_one_comment_with_the_newest_run_is_left(standing, run):
    host = Memory(*(body(number, content) for number, content in standing))
    newest = max(number for number, _ in standing)
    post(host, body(run, "c"))
    [left] = host.comments
    assert left.id == 1
    assert stamp_of(left.body).run == Run(max(run, newest), 1)
    assert ("c" in left.body.splitlines()) == (run >= newest)


@given(st.permutations([1, 2, 3, 4]))
def test_the_order_of_arrival_does_not_matter(runs):
    host = Memory()
    for run in runs:
        post(host, body(run, f"content {run}"))
    assert [each.body for each in host.comments] == [body(4, "content 4")]


def test_what_one_poster_of_a_run_wrote_another_does_not_write_over_for_ever():
    host = Memory(body(5, "mine"))
    assert next_move(host.comments, "default", body(5, "other"), written=True).body is None


def test_a_write_that_may_have_happened_is_looked_for():
    host = Memory()
    host.after.append(UnansweredError("?"))
    assert post(host, body(1)).action == "created"
    assert len(host.comments) == 1


def test_a_comment_that_is_gone_is_written_anew():
    host = Memory(body(1))
    host.before.append(MissingError("gone"))
    host.list_comments = lambda number, seen=[]: seen.append(1) or ([] if len(seen) == 2 else list(host.comments))
    post(host, body(2, "newer"))
    assert any(stamp_of(each.body).run == Run(2, 1) for each in host.comments)


def test_a_comment_that_is_not_listed_yet_is_not_written_again():
    host = Memory()
    host.list_comments = lambda number: []
    assert post(host, body(1)).action == "created"
    assert len(host.comments) == 1


def test_a_comment_that_is_listed_late_is_found():
    host = Memory()
    host.list_comments = lambda number, seen=[]: seen.append(1) or (list(host.comments) if len(seen) > 3 else [])
    assert post(host, body(1)) == Posted("created", 1)
    assert len(host.comments) == 1


def test_trouble_without_end_is_given_up():
    host = Memory()
    host.before += [UnansweredError("the server failed")] * 99
    with pytest.raises(UnansweredError, match="the server failed"):
        post(host, body(1))
    assert 99 - len(host.before) == ROUNDS


def test_others_without_end_are_given_up():
    host = Memory(body(1))
    host.edit = lambda comment, text: None
    with pytest.raises(HostError, match="again and again"):
        post(host, body(2, "newer"))


def test_settling_is_short_and_not_in_step():
    host, slept = Memory(body(1)), []
    host.edit = lambda comment, text: None
    with pytest.raises(HostError):
        post(host, body(2, "newer"), slept.append)
    assert len(slept) == ROUNDS - 1
    assert all(SETTLING[0] <= seconds <= SETTLING[1] for seconds in slept)
    assert len(set(slept)) > 1
