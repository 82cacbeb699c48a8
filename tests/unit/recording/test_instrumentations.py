"""Which instrumentations there are, and one that cannot be switched on."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_token_telemetry.recording import instrumentations
from pytest_token_telemetry.recording.instrumentations import KNOWN, Instrumentations, installed


def test_they_are_found_without_being_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where only the extra [openai] is there, and no client of Google's for its instrumentation."""
    for module in ("sdk/trace", "instrumentation/genai/openai", "instrumentation/google_genai"):
        (tmp_path / "opentelemetry" / module).mkdir(parents=True)
    (tmp_path / "openai").mkdir()
    (tmp_path / "openai/__init__.py").write_text("raise ImportError")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "modules", {"sys": sys})
    assert [each.extra for each in installed()] == ["openai"]
    assert set(sys.modules) == {"sys"}
    (tmp_path / "openai/__init__.py").unlink()
    (tmp_path / "openai").rmdir()
    sys.path_importer_cache.pop(str(tmp_path), None)
    assert installed() == []


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"instrumentor": "Gone"}, "AttributeError: module 'opentelemetry.instrumentation.genai.openai'"),
        ({"package": "no-such-package"}, "PackageNotFoundError: No package metadata"),
    ],
)
def test_one_that_does_not_fit_is_told_and_the_environment_is_as_it_was(
    monkeypatch: pytest.MonkeyPatch, broken: dict[str, str], why: str
) -> None:
    spans = pytest.importorskip("pytest_token_telemetry.recording.spans", reason="opentelemetry-sdk is not installed")
    pytest.importorskip("opentelemetry.instrumentation.genai.openai", reason="the instrumentation is not installed")
    monkeypatch.setattr(instrumentations, "KNOWN", [replace(KNOWN[0], **broken)])
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "no such sampler")
    ours = Instrumentations(lambda: spans.SpanKeeper(dict))
    ours.wait()
    import openai  # noqa: F401

    ours.switch_off()
    [(extra, told)] = ours.refused.items()
    assert (extra, told[: len(why)]) == ("openai", why)
    assert os.environ["OTEL_TRACES_SAMPLER"] == "no such sampler"
