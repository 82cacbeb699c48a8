"""The gate's advice, applied: which number a prediction is multiplied by, and what stands in for one."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_token_telemetry import Calibration
from pytest_token_telemetry.report.json_file import render_tuning
from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.settings import DEFAULT_ALIASES
from tests.unit.gate.cases import verdict


def advice(name: str | None, multiplier: float | None, complexity: str | None = None) -> dict[str, Any]:
    return {"name": name, "complexity": complexity, "multiplier": multiplier, "basis": "category"}


def caps(name: str | None, **by_risk: int | None) -> dict[str, Any]:
    return {
        "name": name,
        "caps": [{"risk": int(risk[1:]) / 100, "max_tokens": cap} for risk, cap in by_risk.items()],
    }


DOCUMENT = {
    "schema": "token-telemetry-tuning/1",
    "aliases": {"documentation": "docs"},
    "categories": [
        advice("docs", 1.5),
        advice("tests", 0.5),
        advice("implementation", None),
        advice(None, 1.25),
        {**advice(None, 9.0), "folded": 20},  # all categories beyond the thousand largest
    ],
    "cells": [advice("docs", 2.0, "high")],
    "max_tokens": [
        caps("docs", r1=None, r2=8100, r5=6000),
        caps(None, r1=None, r2=None, r5=500),
        {**caps(None, r5=9), "folded": 20},
    ],
}


CALL = Sample(
    predicted_output_tokens=1000, output_tokens=1100, category="docs", success=True, truncated=False, max_tokens=4096
)


@pytest.fixture
def load(tmp_path: Path) -> Any:
    def load_of(*documents: object) -> Calibration:
        paths = [tmp_path / f"{number}.json" for number, _ in enumerate(documents)]
        for path, document in zip(paths, documents, strict=True):
            path.write_text(json.dumps(document))
        return Calibration.load(*paths)

    return load_of


@pytest.mark.parametrize(
    ("names", "predicted"),
    [
        ({"category": "docs"}, 1500),
        ({"category": "docs", "complexity": "low"}, 1500),
        ({"category": "docs", "complexity": "high"}, 2000),
        ({"category": "DOCS", "complexity": "High"}, 2000),
        ({"category": "Documentation", "complexity": "high"}, 2000),
        ({"category": "tests"}, 1000),  # 0.5 would lower it
        ({"category": "tests", "lower": True}, 500),
        ({"category": "implementation"}, 1000),  # the gate says collect, or raise-cap
        ({"category": "translation"}, 1000),  # it does not know that
        ({}, 1250),  # calls that name no category had advice too
        ({"complexity": "high"}, 1250),
    ],
)
def test_a_prediction_is_multiplied_by_the_advice_for_it(load: Any, names: Any, predicted: int) -> None:
    assert load(DOCUMENT).predict(1000, **names) == predicted


def test_advice_on_multiplied_predictions_comes_on_top(load: Any) -> None:
    """1.5 of the older file and 1.2 of the newer one; what the newer one lowers is not taken back."""
    newer = {**DOCUMENT, "categories": [advice("docs", 1.2), advice("tests", 0.5)], "cells": [], "max_tokens": []}
    both = load(DOCUMENT, newer)
    assert both.multiplier(category="docs") == pytest.approx(1.8)
    assert both.multiplier(category="docs", complexity="high") == pytest.approx(2.4)
    assert both.multiplier(category="tests", lower=True) == 0.25
    assert both.max_tokens(category="docs") is None  # the newer file knows no cap


def test_a_prediction_is_rounded_up_but_not_by_the_error_of_a_ratio(load: Any) -> None:
    found = load({**DOCUMENT, "categories": [advice("docs", 1090 / 1000), advice("tests", 1.001)], "cells": []})
    assert 1090 / 1000 * 100 > 109  # in floating point
    assert found.predict(100, category="docs") == 109
    assert found.predict(1, category="tests") == 2
    assert found.predict(0, category="tests") == 0


@pytest.mark.parametrize(
    ("names", "cap"),
    [
        ({"category": "docs"}, 8100),  # at 2%
        ({"category": "documentation", "risk": 0.05}, 6000),
        ({"category": "docs", "risk": 0.01}, None),  # too few calls to say
        ({"category": "translation"}, None),
        ({"risk": 0.05}, 500),
    ],
)
def test_a_cap_is_that_of_the_category_and_the_risk(load: Any, names: Any, cap: int | None) -> None:
    assert load(DOCUMENT).max_tokens(**names) == cap


@pytest.mark.parametrize(
    ("names", "cap"),
    [
        ({"model": "gpt-5"}, 8100),
        ({"model": "gpt-5", "category": "docs", "operation": "chat"}, 8100),
        ({"model": "GPT-5"}, None),  # names of models are not folded
        ({"model": "docs"}, None),
        ({"category": "gpt-5", "risk": 0.05}, 500),  # that names no model
        ({"risk": 0.05}, 500),
    ],
)
def test_a_file_that_is_grouped_by_model_looks_at_the_model_alone(load: Any, names: Any, cap: int | None) -> None:
    by_model = [caps("gpt-5", r2=8100, r5=6000), caps(None, r2=None, r5=500)]
    calibration = load({**DOCUMENT, "categories": [], "cells": [], "max_tokens": by_model, "grouped_by": "model"})
    assert calibration.max_tokens(**names) == cap


def test_a_multiplier_may_be_that_of_an_operation(load: Any) -> None:
    calibration = load({**DOCUMENT, "categories": [advice("chat", 1.5)], "cells": [], "grouped_by": "operation"})
    assert calibration.predict(100, operation="chat", category="docs", complexity="high") == 150
    assert calibration.predict(100, operation="embed") == 100


def test_another_risk_is_refused(load: Any) -> None:
    with pytest.raises(ValueError, match=r"^there is no cap at a risk of 0\.03 \(ask for one of 0\.01, 0\.02, 0\.05\)"):
        load(DOCUMENT).max_tokens(category="docs", risk=0.03)


def test_without_a_file_nothing_is_changed() -> None:
    nothing = Calibration.load()
    assert (nothing.predict(1000.2, category="docs"), nothing.max_tokens(category="docs")) == (1001, None)


@pytest.mark.parametrize("raw", [-1, float("nan"), float("inf")])
def test_what_is_no_prediction_is_refused(raw: float) -> None:
    with pytest.raises(ValueError, match=f"^a prediction of {raw} is not a number of tokens$"):
        Calibration().predict(raw)


def test_a_missing_file_is_no_advice(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Calibration.load(tmp_path / "tuning.json")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is not JSON: "),
        ("[" * 100_000, "is not JSON: "),
        ("[]", r"is no token-telemetry-tuning/1 file \(write one with --token-telemetry-tuning\)$"),
        ('{"schema": "token-telemetry-tuning/2"}', "is no token-telemetry-tuning/1 file "),
        ('{"schema": "token-telemetry-tuning/1"}', r"and its advice is damaged \(write it again\)$"),
        *(
            (json.dumps({**DOCUMENT, **change}), "and its advice is damaged ")
            for change in (
                {"categories": {"docs": 1.5}},
                {"categories": [advice("docs", 0)]},
                {"categories": [advice("docs", float("inf"))]},
                {"cells": [{**advice("docs", 1.5), "multiplier": "1.5"}]},
                {"cells": [{**advice("docs", 1.5), "name": 5}]},
                {"categories": [{**advice("docs", 1.5), "multiplier": True}]},
                {"max_tokens": [caps("docs", r1=-5)]},
                {"max_tokens": [{"name": "docs", "caps": [{"risk": 0.01, "max_tokens": 1.5}]}]},
                {"aliases": ["docs"]},
                {"grouped_by": "day"},
                {"grouped_by": ["model"]},
            )
        ),
    ],
)
def test_what_is_no_advice_is_refused_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "tuning.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=sentence) as raised:
        Calibration.load(path)
    assert str(raised.value).startswith(f"{path} ")


def test_it_reads_what_the_gate_writes(tmp_path: Path) -> None:
    """Forty calls of 1,100 tokens where 1,000 were predicted: any rank of their ratios is 1.1."""
    found = verdict([CALL] * 40, tuning="tuning.json")
    path = tmp_path / "tuning.json"
    path.write_text(render_tuning(found.tuning, dict(DEFAULT_ALIASES)))
    calibration = Calibration.load(path)
    assert calibration.predict(1000, category="doc") == 1100
    assert calibration.max_tokens(category="docs", risk=0.05) == 1101  # a call that reaches its cap may be truncated
    assert calibration.max_tokens(category="docs", risk=0.02) is None  # that takes 49 calls


def test_advice_on_calls_without_a_prediction_multiplies_nothing(tmp_path: Path) -> None:
    found = verdict([replace(CALL, predicted_output_tokens=None)] * 40, tuning="tuning.json")
    path = tmp_path / "tuning.json"
    path.write_text(render_tuning(found.tuning, dict(DEFAULT_ALIASES)))
    calibration = Calibration.load(path)
    assert calibration.predict(1000, category="docs") == 1000
    assert calibration.multiplier(category="docs", lower=True) == 1.0


def test_caps_need_no_prediction(tmp_path: Path) -> None:
    """Of 99 calls of 1 to 99 tokens, the 99th is exceeded with 1% risk, the 98th with 2%, the 95th with 5%."""
    rows = [Sample(output_tokens=each, model="m", truncated=False, max_tokens=200) for each in range(1, 100)]
    path = tmp_path / "tuning.json"
    path.write_text(render_tuning(verdict(rows).tuning, dict(DEFAULT_ALIASES)))
    calibration = Calibration.load(path)
    found = [calibration.max_tokens(model="m", risk=risk) for risk in (0.01, 0.02, 0.05)]
    assert found == [100, 99, 96]
    assert calibration.max_tokens(model="another") is None


def test_a_program_that_applies_it_imports_nothing_but_the_standard_library() -> None:
    code = (
        "import sys; from pytest_token_telemetry import Calibration; Calibration.load();"
        "print(sorted({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert "numpy" not in done.stdout
    assert "pytest'" not in done.stdout
    assert "'pytest_token_telemetry'" in done.stdout
