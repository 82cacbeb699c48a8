"""The page about pull requests shows the command as it is, and workflows that ask for no more than they need."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

import pytest
import yaml

from pytest_token_telemetry.command import run

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "pull-requests.md").read_text(encoding="utf-8")
WORKFLOWS = re.findall(r"```yaml\n(# Two placeholders.*?)```", PAGE, re.DOTALL)
FETCH = 'gh run download "$RUN" --repo "${GITHUB_SERVER_URL#https://}/$GITHUB_REPOSITORY"'


def test_every_option_is_documented(capsys):
    with pytest.raises(SystemExit):
        run(["comment", "--help"], {}, io.StringIO(), time)
    options = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help", "--token-telemetry-json"}
    assert options == set(re.findall(r"^\| `(--[a-z-]+)", PAGE, re.MULTILINE))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=["gate", "forks", "own gate", "own forks"])
def test_a_workflow_asks_for_little_and_is_pinned(workflow):
    assert "\npermissions: {}\n" in workflow
    for action in re.findall(r"uses: (.*)", workflow):
        assert re.fullmatch(
            r"(actions/[a-z-]+@[0-9a-f]{40}|OWNER/pytest-token-telemetry(/comment)?@COMMIT) # v\d+\.\d+\.\d+", action
        )
    assert set(re.findall(r"^ +(\S+): write", workflow, re.MULTILINE)) == {"pull-requests"}
    posting = workflow[workflow.rindex("  comment:\n") :]
    assert "checkout" not in posting
    assert re.findall("run: .*\n +(.*)", posting) in ([], [FETCH])
    assert workflow.count("actions/checkout") == workflow.count("persist-credentials: false")


@pytest.mark.parametrize(("action", "inputs"), [("action.yml", "gate"), ("comment/action.yml", "comment")])
def test_every_input_of_an_action_is_documented(action, inputs):
    metadata = yaml.safe_load((ROOT / action).read_text(encoding="utf-8"))
    table = re.findall(r"^\| `(?:--)?([a-z-]+)", PAGE, re.MULTILINE)
    own = {"gate": set(), "comment": {"token", "python"}}[inputs]
    assert set(metadata["inputs"]) - own <= set(table)
