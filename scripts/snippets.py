"""Check the files of CI servers that the documentation shows: ``python scripts/snippets.py``.

Such a file stands in ``docs/other-ci.md`` below its name: a line that ends in ```NAME`:``, an empty line, a block of
code. GitHub's workflows are checked as users have them, with the placeholders filled in. Needs check-jsonschema, which
brings the schemas, actionlint and zizmor.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from scripts import docs

PAGE = Path(__file__).parent.parent / "docs" / "other-ci.md"

SCHEMAS = {
    ".gitlab-ci.yml": "vendor.gitlab-ci",
    "azure-pipelines.yml": "vendor.azure-pipelines",
    "bitbucket-pipelines.yml": "vendor.bitbucket-pipelines",
}
"""By the name of the file. There is none for a Jenkinsfile."""

_SNIPPET = re.compile(r"`([^`\n]+)`:\n\n```\w+\n(.*?)```", re.DOTALL)


def main() -> int:
    """Check every file that has a schema, and GitHub's workflows: 1 if any is malformed."""
    files = snippets()
    return max(
        *(check(name, files[name]) for name in SCHEMAS),
        check_workflows(own_server=False),
        check_workflows(own_server=True),
    )


def snippets() -> dict[str, str]:
    """The files that the page shows, by their names."""
    return dict(_SNIPPET.findall(PAGE.read_text(encoding="utf-8")))


def check(name: str, text: str) -> int:
    """Say what is wrong with the file ``name``: 1 if anything is."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / name
        path.write_text(text, encoding="utf-8")
        options = [
            "--builtin-schema",
            SCHEMAS[name],
            "--regex-variant",
            "python",
        ]  # Azure's patterns are not ECMAScript's
        command = [sys.executable, "-m", "check_jsonschema", *options, str(path)]
        return min(subprocess.run(command, check=False).returncode, 1)


def check_workflows(*, own_server: bool) -> int:
    """Say what is wrong with the workflows that users copy, or with those for own servers: 1 if anything is."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        paths = [str(path) for path in write_workflows(root, own_server=own_server)]
        programs = Path(sys.executable).parent
        commands: list[list[str | Path]] = [
            [programs / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *paths],
            [programs / "actionlint", *paths],
            [programs / "zizmor", "--offline", "--persona", "auditor", root / ".github"],
        ]
        return min(sum(subprocess.run(command, check=False).returncode for command in commands), 1)


def write_workflows(root: Path, *, own_server: bool) -> list[Path]:
    """Write the workflows below ``root``, and fill the placeholders in as the first one says."""
    folder = root / ".github" / "workflows"
    folder.mkdir(parents=True)
    paths = [folder / f"{name}.yml" for name in docs.WORKFLOWS.values()]
    for path in paths:
        path.write_text(docs.workflow(path.stem, own_server=own_server), encoding="utf-8")
    [command] = re.findall(r"^# (sed .*)$", paths[0].read_text(encoding="utf-8"), re.MULTILINE)
    subprocess.run(["bash", "-c", command], cwd=root, check=True)  # noqa: S607 - any bash will do
    return paths


if __name__ == "__main__":
    sys.exit(main())
