"""GitHub's published description of its REST interface, from the npm package ``@octokit/openapi``, as far as we use it.

``.ci/run`` installs the package, and says where with ``TOKEN_TELEMETRY_NODE_MODULES``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

OPERATIONS = {
    "/repos/{owner}/{repo}": {"get"},
    "/repos/{owner}/{repo}/pulls": {"get"},
    "/repos/{owner}/{repo}/issues/{issue_number}/comments": {"get", "post"},
    "/repos/{owner}/{repo}/issues/comments/{comment_id}": {"patch", "delete"},
}
"""What the poster calls."""


def node_modules() -> Path:
    """Where npm has put its packages. Skips the test if nobody says."""
    given = os.environ.get("TOKEN_TELEMETRY_NODE_MODULES")
    if not given:
        pytest.skip("TOKEN_TELEMETRY_NODE_MODULES does not say where @octokit/openapi and @stoplight/prism-cli are")
    return Path(given)


def excerpt(server: str) -> dict[str, Any]:
    """What the newest description whose file is named like ``server``, a pattern, says about `OPERATIONS`."""
    path = max((node_modules() / "@octokit" / "openapi" / "generated").glob(f"{server}.json"))
    whole = json.loads(path.read_text(encoding="utf-8"))
    paths = {
        name: {key: each for key, each in whole["paths"][name].items() if key in {"parameters", *verbs}}
        for name, verbs in OPERATIONS.items()
    }
    components: dict[str, dict[str, Any]] = {}
    left = list(_references(paths))
    while left:
        kind, name = left.pop().removeprefix("#/components/").split("/")
        if name not in components.setdefault(kind, {}):
            components[kind][name] = whole["components"][kind][name]
            left += _references(components[kind][name])
    servers = [{"url": "https://api.github.com"}]
    return {"openapi": whole["openapi"], "info": whole["info"], "servers": servers, "paths": paths} | {
        "components": components
    }


def json_schema(value: Any) -> Any:
    """``value`` with ``nullable`` of OpenAPI 3.0 in words of JSON Schema."""
    if isinstance(value, list):
        return [json_schema(each) for each in value]
    if not isinstance(value, dict):
        return value
    plain = {key: json_schema(each) for key, each in value.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if value.get("nullable") is True else plain


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _references(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key == "$ref" and isinstance(each, str):
                yield each
            else:
                yield from _references(each)
