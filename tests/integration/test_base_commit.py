"""The base of a pull request in the workflow that users copy, with real git: a change of others is not its author's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scripts import docs
from tests.integration.conftest import Outcome, Run
from tests.lines import ready_lines, write

PREDICT = "TOKENS = {tokens}\ndef predict(request): return TOKENS\n"
CONFTEST = "import sys\nfrom pathlib import Path\nsys.path.insert(0, str(Path(__file__).parent / 'lib'))\n"
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "somebody"), ("EMAIL", "somebody@example.com"))
}


def git(directory: Path, *arguments: str) -> str:
    environment = {**os.environ, **IDENTITY, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(
        ["git", *arguments], cwd=directory, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(directory: Path, tokens: int, more: str = "") -> str:
    """A version of the estimator; the adapter finds it in ``lib`` by a trick of the ``conftest.py``."""
    (directory / "lib" / "shop").mkdir(parents=True, exist_ok=True)
    (directory / "lib" / "shop" / "estimator.py").write_text(PREDICT.format(tokens=tokens) + more)
    (directory / "replay.py").write_text("from shop.estimator import predict as replay\n")
    (directory / "conftest.py").write_text(CONFTEST)
    git(directory, "add", ".")
    git(directory, "commit", "--quiet", "--message", f"{tokens} tokens")
    return git(directory, "rev-parse", "HEAD")


def steps() -> list[dict]:
    return yaml.safe_load((docs.ROOT / ".github" / "workflows" / "token-gate.yml").read_text())["jobs"]["gate"]["steps"]


def base_of(directory: Path, queued_on: str = "") -> str:
    """What the workflow finds in a checkout."""
    (step,) = (step for step in steps() if step.get("id") == "base")
    output = directory.parent / "output"
    output.write_text("")
    environment = {**os.environ, "BASE": queued_on, "GITHUB_OUTPUT": str(output)}
    subprocess.run(["bash", "-e", "-c", step["run"]], cwd=directory, env=environment, check=True)
    return output.read_text().strip().removeprefix("commit=")


def check_out(origin: Path, directory: Path, commit: str, depth: int) -> None:
    """As ``actions/checkout`` does."""
    directory.mkdir()
    git(directory, "init", "--quiet")
    git(directory, "fetch", "--quiet", f"--depth={depth}", origin.as_uri(), commit)
    git(directory, "checkout", "--quiet", "FETCH_HEAD")


def test_what_others_have_merged_meanwhile_is_not_blamed_on_the_author(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The author adds a comment. Others lower the prediction from 1000 to 800, where 900 tokens came out."""
    origin = pytester.path / "origin"
    origin.mkdir()
    git(origin, "init", "--quiet", "--initial-branch=main")
    git(origin, "config", "uploadpack.allowAnySHA1InWant", "true")
    before = commit(origin, 1000)
    git(origin, "switch", "--quiet", "--create", "work")
    author = commit(origin, 1000, "# a comment\n")
    git(origin, "switch", "--quiet", "main")
    others = commit(origin, 800)
    git(origin, "merge", "--quiet", "--no-edit", author)
    merge = git(origin, "rev-parse", "HEAD")

    workspace = pytester.path / "workspace"
    checkouts = [step["with"] for step in steps() if "actions/checkout" in step.get("uses", "")]
    assert checkouts[1]["ref"] == "${{ steps.base.outputs.commit }}"
    check_out(origin, workspace, merge, checkouts[0]["fetch-depth"])
    assert base_of(workspace) == others
    assert base_of(workspace, queued_on=author) == author
    check_out(origin, workspace / checkouts[1]["path"], others, 1)
    check_out(origin, workspace / "older", before, 1)
    write(pytester.path / "runs", ready_lines(60))
    monkeypatch.chdir(workspace)

    def compared(base: str) -> Outcome:
        for name in [name for name in sys.modules if name == "replay" or name.startswith("shop")]:
            del sys.modules[name]
        return run(
            "--token-telemetry-estimator=replay:replay",
            f"--token-telemetry-base-estimator={base}::replay:replay",
            f"--token-telemetry-json={pytester.path / 'report.json'}",
            "--token-telemetry-markdown=summary.md",
            f"--token-telemetry-dir={pytester.path / 'runs'}",
            f"--rootdir={workspace}",
            directory=None,
        )

    right, wrong = compared("base").report["estimator"]["base"], compared("older").report["estimator"]["base"]
    assert right["underestimated"] == {"newly_underestimated": 0, "newly_safe": 0, "both": 60, "neither": 0}
    assert wrong["underestimated"]["newly_underestimated"] == 60
    assert (right["base_commit"], right["head_commit"]) == (others, merge)
    assert f"Base is commit {before[:12]}, head is commit {merge[:12]}." in Path("summary.md").read_text()

    alone = pytester.path / "alone"
    check_out(origin, alone, author, 2)
    with pytest.raises(subprocess.CalledProcessError):
        base_of(alone)  # its first parent is the author's own commit before
