"""The examples of an estimator under review and of drift do what their pages say."""

from __future__ import annotations

import base64
import copy
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from scripts import docs
from tests.integration.conftest import Outcome, Run

ESTIMATOR = docs.ROOT / "examples" / "estimator"
PASSES = docs.ROOT / "examples" / "passes"
DRIFT = docs.ROOT / "examples" / "drift.py"
PAGE = docs.ROOT / "docs" / "estimator-changes.md"

Replay = Callable[..., Outcome]


@pytest.fixture
def replay(run: Run) -> Replay:
    """Replay the estimator in ``head`` on the example's logs, against the one that made them."""

    def replay_with(head: Path = ESTIMATOR, *arguments: str) -> Outcome:
        return run(
            f"--token-telemetry-estimator={head}::replay:replay",
            f"--token-telemetry-base-estimator={ESTIMATOR / 'main'}::replay:replay",
            *arguments,
            directory=str(PASSES),
        )

    return replay_with


@pytest.fixture
def mended(pytester: pytest.Pytester) -> Path:
    """The change with the coefficient that the page names."""
    head = Path(shutil.copytree(ESTIMATOR, pytester.path / "mended"))
    module = head / "estimator.py"
    text = module.read_text()
    assert text.count(docs.TOO_LOW) == 1
    module.write_text(text.replace(docs.TOO_LOW, docs.ENOUGH))
    return head


def test_the_logs_were_made_with_the_estimator_of_main(run: Run) -> None:
    result = run(f"--token-telemetry-estimator={ESTIMATOR / 'main'}::replay:replay", directory=str(PASSES))
    estimator = result.report["estimator"]
    assert result.report["verdict"] == "pass"
    assert estimator["replayed"] == estimator["with_budget"] == 66
    assert estimator["figures"] == estimator["recorded"]
    said = re.compile(
        r"predicted_output=(\d+) .*selected_budget=(\d+) category=(\w+) complexity=(\w+) deliverables=(\d+)"
    )
    lines = [match.groups() for log in PASSES.rglob("*.log") for match in said.finditer(log.read_text())]
    assert len(lines) == 66
    made = "from estimator import *; import sys, json; print(json.dumps([(estimate(c, x, int(n)),"
    made += " select_budget(estimate(c, x, int(n)))) for _, _, c, x, n in json.load(sys.stdin)]))"
    answers = subprocess.run(
        [sys.executable, "-c", made], cwd=ESTIMATOR / "main", input=json.dumps(lines), capture_output=True, text=True
    )
    assert json.loads(answers.stdout) == [[int(predicted), int(budget)] for predicted, budget, *_ in lines]


def test_the_logs_alone_pass_and_the_change_does_not(run: Run, replay: Replay) -> None:
    assert run(directory=str(PASSES)).report["verdict"] == "pass"
    result = replay()
    assert result.exit == 1
    assert result.report["verdict"] == "tune"
    assert "predictions in docs" in " ".join(result.report["advice"])
    assert [check for check, outcome in result.checks.items() if outcome == "fail"] == ["tier1::underestimation"]


def test_the_change_is_better_in_one_category_and_worse_in_another(replay: Replay) -> None:
    base = replay().report["estimator"]["base"]
    changed = base["changed"]
    assert base["underestimated"] == {"newly_underestimated": 4, "newly_safe": 1, "both": 0, "neither": 54}
    worse = [each for each in changed if each["change"] == "newly underestimated"]
    assert [each["category"] for each in worse] == ["docs"] * 4  # all four are listed
    assert [each["category"] for each in changed if each["change"] == "newly safe"] == ["implementation"]
    # 4 against 1 of 5 fair coin tosses: both tails of 4 or 5, less half of what was observed, on either side.
    assert base["p"] == pytest.approx(2 * (1 + 5) / 32 - 5 / 32)


def test_one_coefficient_mends_it(replay: Replay, mended: Path) -> None:
    result = replay(mended)
    assert result.exit == 0
    assert result.report["verdict"] == "pass"
    base = result.report["estimator"]["base"]
    assert base["underestimated"] == {"newly_underestimated": 0, "newly_safe": 1, "both": 0, "neither": 58}
    assert base["predictions"]["lowered"] == 7  # it still lowers what the change was to lower


def test_the_advised_multiplier_would_mend_it_too(replay: Replay, pytester: pytest.Pytester) -> None:
    head = Path(shutil.copytree(ESTIMATOR, pytester.path / "multiplied"))
    with (head / "estimator.py").open("a") as module:
        module.write(
            "\n\n_plain = estimate\n\n\ndef estimate(category, *others):\n"
            "    return round(_plain(category, *others) * (1.3 if category == 'docs' else 1))\n"
        )
    assert "docs by 1.30 " in " ".join(replay().report["advice"])
    assert replay(head).report["estimator"]["base"]["underestimated"]["newly_underestimated"] == 0


def test_the_adapter_of_the_page_is_that_of_the_example() -> None:
    (adapter,) = (block for block in _python_blocks() if block.startswith("def replay"))
    for directory in (ESTIMATOR, ESTIMATOR / "main"):
        assert (directory / "replay.py").read_text().endswith(f"\n\n\n{adapter}")


def test_the_hook_of_the_page_works(run: Run, pytester: pytest.Pytester) -> None:
    (hook,) = (block for block in _python_blocks() if block.startswith("# conftest.py"))
    pytester.makeconftest(hook)
    pytester.makepyfile(
        our_estimator="""
        import json

        class Estimator:
            def __init__(self, tokens):
                self.tokens = tokens

            @classmethod
            def load(cls, path):
                with open(path) as file:
                    return cls(json.load(file))

            def predict(self, category, complexity, deliverables):
                return self.tokens[category] * deliverables
        """
    )
    (pytester.path / "coefficients.json").write_text('{"implementation": 20000, "tests": 20000, "docs": 20000}')
    pytester.syspathinsert()
    result = run("token-telemetry", directory=str(PASSES))
    assert result.report["estimator"]["replayed"] == 66
    assert result.report["metrics"]["predicted_output_tokens"]["median"] >= 20000
    pytester.makepyfile("def test_one(): pass")
    assert pytester.runpytest("-p", "no:token_telemetry").ret == 0


def _python_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_page_of_reports_names_every_key(replay: Replay, pytester: pytest.Pytester) -> None:
    replay(ESTIMATOR, "--token-telemetry-save-baseline=baseline.json")
    report = replay(
        ESTIMATOR, "--token-telemetry-baseline=baseline.json", "--token-telemetry-history=history.jsonl"
    ).report
    assert report["history"] == []
    estimator, drift = report["estimator"], report["drift"]
    found = [estimator, estimator["base"], *estimator["base"]["changed"], drift]
    found += [estimator["base"]["underestimated"], estimator["base"]["predictions"], estimator["figures"]]
    found += [drift["drift"], drift["drift"]["underestimation"], drift["drift"]["ratio"]]
    found += [check for check in report["checks"] if check["id"].startswith(("drift::", "readiness::replay"))]
    named = set(re.findall(r"`([a-z0-9_]+)`", (docs.ROOT / "docs" / "reports.md").read_text(encoding="utf-8")))
    assert {key for each in found for key in each} <= named


@pytest.fixture
def drift(run: Run, pytester: pytest.Pytester) -> Callable[..., Outcome]:
    """Compare one of the runs that ``examples/drift.py`` writes with the one before."""

    def compare(name: str, *arguments: str) -> Outcome:
        subprocess.run([sys.executable, str(DRIFT), "runs"], check=True)
        assert run("--token-telemetry-save-baseline=baseline.json", directory="runs/before").report["verdict"] == "pass"
        return run("--token-telemetry-baseline=baseline.json", *arguments, directory=f"runs/{name}")

    return compare


def test_a_change_of_the_mix_alone_is_no_drift(drift: Callable[..., Outcome]) -> None:
    result = drift("mix")
    assert result.report["verdict"] == "tune"
    assert result.checks["drift::underestimation"] == result.checks["drift::ratio"] == "pass"
    found = result.report["drift"]["drift"]["underestimation"]
    assert (found["base"], found["head"]) == ({"events": 5, "n": 100}, {"events": 10, "n": 100})
    # The baseline's mix, times the new rate of each category.
    assert found["standardised"] == pytest.approx(0.7 * 1 / 30 + 0.2 * 1 / 20 + 0.1 * 8 / 50)
    assert found["p"] == pytest.approx(0.563341, abs=1e-6)  # statsmodels and a convolution of scipy's hypergeometrics


def test_a_model_that_writes_more_is_seen_before_a_target_is_exceeded(drift: Callable[..., Outcome]) -> None:
    result = drift("longer")
    assert (result.report["verdict"], result.exit) == ("pass", 0)
    assert result.checks["drift::ratio"] == "warn"
    assert result.report["drift"]["drift"]["ratio"]["shift"] == pytest.approx(1.25, abs=0.01)
    failed = drift("longer", "--token-telemetry-drift=fail")
    assert (failed.report["verdict"], failed.exit) == ("tune", 1)


def test_with_20_calls_on_each_side_it_takes_4_events_to_see_a_rise() -> None:
    from scipy.stats import hypergeom

    def mid_p(events: int) -> float:
        chance = hypergeom(40, events, 20)
        return float(chance.sf(events) + chance.pmf(events) / 2)

    page = (docs.ROOT / "docs" / "baseline.md").read_text(encoding="utf-8")
    least = next(events for events in range(1, 20) if mid_p(events) <= 0.05)
    assert f"if none of 20 calls was underestimated in the baseline, {least} of 20 new" in " ".join(page.split())


DAMAGE = {
    "another schema": lambda baseline: baseline.update(schema="token-telemetry-baseline/2"),
    "no terms": lambda baseline: baseline.pop("terms"),
    "no marks": lambda baseline: baseline.pop("marks"),
    "a mark that is no base64": lambda baseline: baseline.update(marks="?" + baseline["marks"][1:]),
    "a number for a name": lambda baseline: baseline["strata"][0].update(name=7),
    "a rate for a share": lambda baseline: baseline["strata"][0].update(underestimation=0.05),
    "a share of three": lambda baseline: baseline["strata"][0].update(truncation=[0, 1, 2]),
    "a fraction of a call": lambda baseline: baseline["strata"][0].update(truncation=[0, 1.5]),
    "fewer than no events": lambda baseline: baseline["strata"][0].update(truncation=[-1, 5]),
    "a count of nothing": lambda baseline: baseline["strata"][0]["log_ratios"].update(ticks=[1], counts=[0]),
    "a bin twice": lambda baseline: baseline["strata"][0]["log_ratios"].update(ticks=[1, 1], counts=[1, 1]),
    "a ratio beyond a billion": lambda baseline: baseline["strata"][0]["log_ratios"].update(ticks=[2101], counts=[1]),
    "a word for a flag": lambda baseline: baseline["terms"].update(one_per_task="no"),
    "a list of aliases": lambda baseline: baseline["terms"].update(alias=["doc"]),
}


@pytest.mark.parametrize(
    "arguments", [(), ("--token-telemetry-under-multiplier=1.15", "--token-telemetry-one-per-task")]
)
def test_the_schema_of_baselines_holds_for_what_is_written(run: Run, arguments: tuple[str, ...]) -> None:
    run("--token-telemetry-save-baseline=baseline.json", *arguments, directory=str(PASSES))
    baseline = json.loads(Path("baseline.json").read_text())
    _schema("baseline").validate(baseline)
    assert baseline["samples"] == len(base64.b64decode(baseline["marks"])) / 8 == 66


def test_the_schema_of_histories_holds_for_what_is_written(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = docs.ROOT / "examples"
    for name in ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT", "BITBUCKET_COMMIT", "BUILD_SOURCEVERSION"):
        monkeypatch.delenv(name, raising=False)
    run("--token-telemetry-history=history.jsonl", directory=str(runs / "passes"))
    monkeypatch.setenv("GITHUB_SHA", "0123abc")
    run("--token-telemetry-history=history.jsonl", directory=str(runs / "not-ready"))
    sessions = [json.loads(line) for line in Path("history.jsonl").read_text().splitlines()]
    assert [(each["verdict"], each["commit"]) for each in sessions] == [("pass", None), ("not-ready", "0123abc")]
    for session in sessions:
        _schema("history").validate(session)


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_the_schema_of_baselines_refuses_is_refused(run: Run, damage: str) -> None:
    run("--token-telemetry-save-baseline=baseline.json", directory=str(PASSES))
    baseline = json.loads(Path("baseline.json").read_text())
    damaged = copy.deepcopy(baseline)
    DAMAGE[damage](damaged)
    assert _schema("baseline").is_valid(baseline)
    assert not _schema("baseline").is_valid(damaged)
    Path("baseline.json").write_text(json.dumps(damaged))
    result = run("--token-telemetry-baseline=baseline.json", directory=str(PASSES))
    assert result.exit == 4
    assert "--token-telemetry-baseline: 'baseline.json' is " in result.text


def _schema(name: str) -> Draft202012Validator:
    file = files("pytest_token_telemetry").joinpath(f"past/token-telemetry-{name}-1.schema.json")
    schema: dict[str, Any] = json.loads(file.read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())
