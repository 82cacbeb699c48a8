"""A runner of composite actions: their shell is really run, with the files and variables that GitHub's runner sets."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.github_commands import Command, commands

ROOT = Path(__file__).parents[1]


@dataclass
class Ran:
    """What an action did."""

    exit: int = 0
    printed: str = ""
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    used: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """The other actions that it would have run, with what they would have been given."""

    @property
    def commands(self) -> list[Command]:
        return commands(self.printed)


class Runner:
    """Runs the composite actions of this repository in a workspace."""

    def __init__(self, workspace: Path, temporary: Path) -> None:
        self.workspace = workspace
        self.temporary = temporary
        self.variables: dict[str, str] = {}
        """More variables of the job."""
        self.github = {"token": "the job's token", "job": "gate", "server_url": "https://github.com"}
        self.job_index = 0
        """Which job of a matrix this is."""

    def run(self, action: str, inputs: dict[str, str], *, skip: dict[str, dict[str, str]] | None = None) -> Ran:
        """Run the action in the folder ``action`` of this repository.

        Args:
            action: ``.`` or ``comment``.
            inputs: as a workflow gives them.
            skip: by their ids, steps that are not run, and what their outputs are.
        """
        metadata = yaml.safe_load((ROOT / action / "action.yml").read_text(encoding="utf-8"))
        assert set(inputs) <= set(metadata["inputs"])
        contexts = {f"github.{name}": value for name, value in self.github.items()}
        contexts["strategy.job-index"] = str(self.job_index)
        defaults = {name: str(each.get("default", "")) for name, each in metadata["inputs"].items()}
        given = {name: _Values(contexts, {}).fill(value) for name, value in defaults.items()} | inputs
        known = {**contexts, **{f"inputs.{name}": value for name, value in given.items()}}
        outputs: dict[str, dict[str, str]] = dict(skip or {})
        ran = Ran()
        for step in metadata["runs"]["steps"]:
            values = _Values(known, outputs)
            if step.get("id") in (skip or {}) or not values.holds(step.get("if", ""), failed=ran.exit != 0):
                continue
            if "uses" in step:
                ran.used.append((step["uses"], {key: values.fill(value) for key, value in step["with"].items()}))
            else:
                outputs[step["id"]] = self._run_shell(step, values, ROOT / action, ran)
        values = _Values(known, outputs)
        ran.outputs = {name: values.fill(each["value"]) for name, each in metadata["outputs"].items()}
        return ran

    def _run_shell(self, step: dict[str, Any], values: _Values, folder: Path, ran: Ran) -> dict[str, str]:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"]  # what is not ours reaches the shell by variables only
        script, output, summary = (self.temporary / f"{step['id']}.{kind}" for kind in ("sh", "outputs", "summary"))
        script.write_text(step["run"])
        output.touch()
        summary.touch()
        result = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script],
            cwd=self.workspace / values.fill(step.get("working-directory", ".")),
            env={
                **os.environ,
                "GITHUB_ACTIONS": "true",
                "GITHUB_ACTION_PATH": str(folder).removesuffix("/."),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
                "GITHUB_WORKSPACE": str(self.workspace),
                "RUNNER_OS": "Linux",
                "RUNNER_TEMP": str(self.temporary),
                **self.variables,
                **{name: values.fill(value) for name, value in step.get("env", {}).items()},
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        ran.exit = ran.exit or result.returncode
        ran.printed += result.stdout
        ran.summary += summary.read_text()
        return dict(line.split("=", 1) for line in output.read_text().splitlines())


class _Values:
    """What expressions of an action refer to: contexts, such as ``inputs.python``, and outputs of steps."""

    def __init__(self, contexts: dict[str, str], outputs: dict[str, dict[str, str]]) -> None:
        self._contexts = contexts
        self._outputs = outputs

    def fill(self, text: str) -> str:
        """``text`` with the value of each ``${{ … }}``."""
        return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(self._evaluate(found[1])), str(text))

    def holds(self, condition: str, *, failed: bool) -> bool:
        """Whether a step with this condition runs. Without a status function, it does not after a failure."""
        if not condition:
            return not failed
        expression = condition.removeprefix("${{").removesuffix("}}")
        return bool(self._evaluate(expression)) and ("cancelled()" in condition or not failed)

    def _evaluate(self, expression: str) -> object:
        known = re.sub(
            r"(?<![\w/])(inputs|steps|github|strategy)\.[\w.-]+", lambda found: repr(self._value(found[0])), expression
        )
        for theirs, python in (("!cancelled()", "True"), ("&&", " and "), ("||", " or ")):
            known = known.replace(theirs, python)
        return eval(known.strip(), {"__builtins__": {}, "endsWith": str.endswith})

    def _value(self, name: str) -> str:
        match name.split("."):
            case ["steps", step, "outputs", key]:
                return self._outputs.get(step, {}).get(key, "")
        return self._contexts[name]
