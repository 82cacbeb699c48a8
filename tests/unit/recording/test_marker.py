"""What the markers of a test say together, and what they refuse."""

from __future__ import annotations

import enum
from fractions import Fraction
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from pytest_token_telemetry.recording.marker import Marker


class Level(enum.Enum):
    LOW = "low"


KEYWORDS = (
    "budget_tokens, max_tokens, success, deliverable_count, category, complexity, task_id, model,"
    " operation, max_underestimation, max_truncation"
)


def marked(*marks: dict[str, object], args: tuple[object, ...] = ()) -> pytest.Item:
    """A test with markers of ours, the closest first, and one that is not."""
    ours = [SimpleNamespace(name="token_telemetry", args=args, kwargs=kwargs) for kwargs in marks]
    other = SimpleNamespace(name="parametrize", args=("a", [1]), kwargs={"ids": str})

    def iter_markers(name: str) -> list[SimpleNamespace]:
        return [mark for mark in (other, *ours) if mark.name == name]

    return cast("pytest.Item", SimpleNamespace(iter_markers=iter_markers))


def test_without_a_marker_nothing_is_said() -> None:
    for nothing in (None, marked(), marked({})):
        marker = Marker.of(nothing)
        assert (marker.defaults, marker.limits) == ({}, {})


def test_defaults_are_kept() -> None:
    said = {
        "category": "docs",
        "complexity": "low",
        "deliverable_count": 3,
        "task_id": "p",
        "model": "m",
        "operation": "summarise",
        "budget_tokens": 8192,
        "max_tokens": 4096,
        "success": False,
    }
    assert Marker.of(marked(said)).defaults == said


def test_the_closest_marker_wins_field_by_field() -> None:
    marker = Marker.of(
        marked({"category": "own"}, {"category": "class", "model": "class"}, {"model": "m", "task_id": "p"})
    )
    assert marker.defaults == {"category": "own", "model": "class", "task_id": "p"}


def test_the_closest_limit_wins() -> None:
    marker = Marker.of(marked({"max_truncation": "1%"}, {"max_truncation": "2%", "max_underestimation": "3%"}))
    assert marker.limits == {"max_truncation": Fraction(1, 100), "max_underestimation": Fraction(3, 100)}


@pytest.mark.parametrize(
    ("value", "limit"),
    [("5%", Fraction(1, 20)), ("0.05", Fraction(1, 20)), (0.05, Fraction(1, 20)), (0, Fraction(0)), (0.0, Fraction(0))],
)
@pytest.mark.parametrize("name", ["max_underestimation", "max_truncation"])
def test_a_limit_is_read_exactly(name: str, value: object, limit: Fraction) -> None:
    marker = Marker.of(marked({name: value, "category": "docs"}))
    assert marker.limits == {name: limit}
    assert marker.defaults == {"category": "docs"}


def test_wrapped_defaults_are_taken() -> None:
    defaults = Marker.of(
        marked({"complexity": Level.LOW, "deliverable_count": np.int64(3), "success": np.True_})
    ).defaults
    assert set(defaults) == {"complexity", "deliverable_count", "success"}


@pytest.mark.parametrize(
    ("kwargs", "error", "sentence"),
    [
        ({"catgory": "docs"}, TypeError, f"token_telemetry: there is no keyword 'catgory' (they are {KEYWORDS})"),
        ({"max_waste": 1}, TypeError, f"token_telemetry: there is no keyword 'max_waste' (they are {KEYWORDS})"),
        ({"id": "x"}, TypeError, f"token_telemetry: there is no keyword 'id' (they are {KEYWORDS})"),
        (
            {"output_tokens": 1},
            TypeError,
            f"token_telemetry: there is no keyword 'output_tokens' (they are {KEYWORDS})",
        ),
        ({"category": 3}, TypeError, "token_telemetry: category: 3 is not a text"),
        ({"success": "yes"}, TypeError, "token_telemetry: success: 'yes' is not True, False or None"),
        ({"deliverable_count": 1.5}, TypeError, "token_telemetry: deliverable_count: 1.5 is not a whole number"),
        ({"max_tokens": -1}, ValueError, "token_telemetry: max_tokens: -1 is not between 0 and 1000000000"),
        (
            {"max_truncation": "two"},
            ValueError,
            "token_telemetry: max_truncation: 'two' is not a rate (write 0.025 or 2.5%)",
        ),
        (
            {"max_truncation": 1},
            ValueError,
            "token_telemetry: max_truncation: '1' is ambiguous (write 1% or 100%)",
        ),
        (
            {"max_underestimation": None},
            ValueError,
            "token_telemetry: max_underestimation: 'None' is not a rate (write 0.025 or 2.5%)",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    kwargs: dict[str, object], error: type[Exception], sentence: str
) -> None:
    for marks in ([kwargs], [{"model": "m"}, kwargs]):
        with pytest.raises(error) as caught:
            Marker.of(marked(*marks))
        assert str(caught.value) == sentence


def test_a_value_without_a_keyword_is_refused() -> None:
    with pytest.raises(
        TypeError, match=r"^token_telemetry: 'docs' has no keyword \(write token_telemetry\(category='docs'\)\)$"
    ):
        Marker.of(marked({}, args=("docs", "low")))


def test_markers_of_a_module_a_class_and_a_test_are_one(pytester: pytest.Pytester) -> None:
    [found] = pytester.getitems(
        """
        import pytest

        pytestmark = pytest.mark.token_telemetry(category="module", model="module", max_truncation="1%")

        @pytest.mark.token_telemetry(category="class", task_id="class")
        class TestIt:
            @pytest.mark.token_telemetry(task_id="test")
            def test_it(self): ...
        """
    )
    marker = Marker.of(found)
    assert marker.defaults == {"category": "class", "task_id": "test", "model": "module"}
    assert marker.limits == {"max_truncation": Fraction(1, 100)}
