"""Settings are all there, and stay as they are."""

from __future__ import annotations

import pytest

from pytest_token_telemetry.settings import Settings, options
from tests.unit.gate.cases import settings


def test_settings_do_not_change() -> None:
    found = settings(min_samples="7")
    with pytest.raises(AttributeError, match="min_samples cannot be set"):
        found.min_samples = 5
    assert found.min_samples == 7


@pytest.mark.parametrize(("missing", "more"), [("gate", {}), (None, {"no_such": 1})])
def test_settings_are_those_of_the_options(missing: str | None, more: dict[str, object]) -> None:
    known = settings()
    read = {name: getattr(known, name) for name, _ in options() if name != missing}
    with pytest.raises(TypeError, match=missing or "no_such"):
        Settings(texts={}, **read, **more)
