"""Check the files that ``docs/other-ci.md`` shows, by the schemas of their CI servers: ``python scripts/snippets.py``.

Such a file stands below its name: a line that ends in ```NAME`:``, an empty line, a block of code. Needs
check-jsonschema, which brings the schemas.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "other-ci.md"

SCHEMAS = {
    ".gitlab-ci.yml": "vendor.gitlab-ci",
    "azure-pipelines.yml": "vendor.azure-pipelines",
    "bitbucket-pipelines.yml": "vendor.bitbucket-pipelines",
}
"""By the name of the file. There is none for a Jenkinsfile."""

_SNIPPET = re.compile(r"`([^`\n]+)`:\n\n```\w+\n(.*?)```", re.DOTALL)


def main() -> int:
    """Check every file that has a schema: 1 if any is malformed."""
    files = snippets()
    return max(check(name, files[name]) for name in SCHEMAS)


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


if __name__ == "__main__":
    sys.exit(main())
