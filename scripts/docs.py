"""Write the generated parts of the documentation: ``python scripts/docs.py``, with ``--check`` to see if they are true.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end of NAME -->``.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_token_telemetry.option import Option, flag, ini_key
from pytest_token_telemetry.report import json_file
from pytest_token_telemetry.sample import FIELDS, LONGEST_TEXT, MOST_FEATURES, MOST_TOKENS, SPELLINGS
from pytest_token_telemetry.settings import grouped
from pytest_token_telemetry.sources.own_format import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_token_telemetry.sample import Field

ROOT = Path(__file__).parent.parent

PAGES = (
    "README.md",
    "docs/definitions.md",
    "docs/from-your-tests.md",
    "docs/getting-started.md",
    "docs/options.md",
    "docs/own-system.md",
    "docs/tuning.md",
    "docs/estimator-changes.md",
    "docs/baseline.md",
    "docs/pull-requests.md",
    "docs/reports.md",
)

LINE_SCHEMA = "pytest_token_telemetry/sources/token-telemetry-1.schema.json"

GATE = "python -m pytest token-telemetry"
PASSES = "--token-telemetry-dir=examples/passes"
CHANGE = (
    f"{GATE} -v {PASSES} --token-telemetry-estimator=examples/estimator::replay:replay"
    " --token-telemetry-base-estimator=examples/estimator/main::replay:replay"
)
REPLAY = f"{GATE} {PASSES} --token-telemetry-estimator=examples/estimator::replay:replay"
ADVISE = f"{REPLAY} --token-telemetry-tuning=examples/estimator/tuning-1.json"
TOO_LOW, ENOUGH = "(1100, 342)", "(1600, 342)"
"""The coefficients of docs of high complexity in the example, and those that mend it."""

WIDTH = 120
"""Of a command that is shown on one line."""

AGENT = "python -m pytest examples/agent --token-telemetry"
"""How the example agent is run."""

ACTION = "uses: OWNER/pytest-token-telemetry@COMMIT # v0.1.0"
"""The gate, as workflows of other repositories name it."""

OTHERS = (
    (
        "uses: $/comment # this repository: needs runner 2.336, and is not on GitHub Enterprise Server",
        "uses: OWNER/pytest-token-telemetry/comment@COMMIT # v0.1.0",
    ),
    ("uses: ./ # zizmor: ignore[self-repository] which has no way to name the root", ACTION),
    ("examples/estimator/main", "src"),
    ("examples/passes", "runs"),
    ("examples/baseline", "baseline"),
)
"""What the workflows of this repository say, and what those of others say in its place."""

WORKFLOWS = {"gate": "token-gate", "comment": "token-gate-comment", "nightly": "token-gate-nightly"}
"""What others copy: the part of a page, and the workflow of this repository that it is made of."""

PLACEHOLDERS = """\
# Two placeholders: OWNER, the account of the action's repository, and COMMIT, the full hash of its release's commit, or
# before the first release of any commit. One command fills them in:
# sed -i.bak 's|[O]WNER/|octo/|; s|@[C]OMMIT|@0123456789abcdef0123456789abcdef01234567|' .github/workflows/token-gate*
"""
"""What stands at the top of each workflow that others copy."""

KEEP = """
      - name: Keep the reports
        if: ${{ !cancelled() && steps.gate.outputs.reports != '' }}
        uses: actions/upload-artifact@c6a366c94c3e0affe28c06c8df20a878f24da3cf # v3.2.2
        with:
          name: token-telemetry-report
          path: ${{ steps.gate.outputs.reports }}
"""

FETCH = """\
      - name: Fetch the reports of the run that ended
        continue-on-error: true # a gate that left no report is said in the comment
        env:
          GH_ENTERPRISE_TOKEN: ${{ github.token }}
          RUN: ${{ github.event.workflow_run.id }}
        run: >-
          gh run download "$RUN" --repo "${GITHUB_SERVER_URL#https://}/$GITHUB_REPOSITORY"
          --name token-telemetry-report --dir "$RUNNER_TEMP/untrusted"
"""

ON_OWN_SERVER = (
    (rf"      - ({re.escape(ACTION)}\n.*?)(?=\n      - |\n  \w|\Z)", rf"      - id: gate\n        \1{KEEP.rstrip()}"),
    (r"      - uses: actions/download-artifact(?:(?!      - ).)*?run-id:(?:(?!      - ).)*", FETCH),
    (
        r"actions/upload-artifact@\w+ # v7[\d.]+",
        "actions/upload-artifact@c6a366c94c3e0affe28c06c8df20a878f24da3cf # v3.2.2",
    ),
    (
        r"actions/download-artifact@\w+ # v8[\d.]+",
        "actions/download-artifact@a9bc5e6ef2cb54c177f32aa5726adaa15e7e2d59 # v3.1.0",
    ),
    ("GH_TOKEN: ", "GH_ENTERPRISE_TOKEN: "),
    (
        "          gh auth setup-git\n",
        '          export GH_HOST="${GITHUB_SERVER_URL#https://}"\n'
        '          gh auth setup-git --force --hostname "$GH_HOST"\n',
    ),
    (r"pattern: token-telemetry-report-\*\n(          merge-multiple: true\n)?", "name: token-telemetry-report\n"),
)
"""What is another in a workflow for GitHub Enterprise Server, which has no artifact actions from version 4 on."""

_PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)


def main(arguments: list[str]) -> int:
    """Write the pages and the schemas, or with ``--check`` only say which are out of date: 1 if any is."""
    stale = []
    for name in (*PAGES, *SCHEMAS):
        path = ROOT / name
        page = path.read_text(encoding="utf-8") if path.exists() else ""
        fresh = SCHEMAS[name]() if name in SCHEMAS else generated(page)
        if fresh != page:
            stale.append(name)
            if "--check" not in arguments:
                path.write_text(fresh, encoding="utf-8")
    if stale and "--check" in arguments:
        sys.stderr.write(f"out of date: {', '.join(stale)} (run python scripts/docs.py)\n")
        return 1
    return 0


def generated(page: str) -> str:
    """``page`` with its generated parts made anew."""

    def part(match: re.Match[str]) -> str:
        begin, name, end = match.groups()
        return f"{begin}{_PARTS[name]()}\n{end}"

    return _PART.sub(part, page)


def option_table() -> str:
    """Every setting, as a markdown table a group."""
    tables = (
        "\n".join((f"### {title[0].upper()}{title[1:]}", "", *_option_rows(members)))
        for title, members in grouped().items()
    )
    return "\n\n".join(tables)


def _option_rows(members: Mapping[str, Option]) -> Iterator[str]:
    yield "| option | ini key | default | meaning |"
    yield "|:--|:--|:--|:--|"
    for name, option in members.items():
        cells = (
            f"`{_typed(name, option)}`",
            f"`{ini_key(name)}`",
            _default(option),
            option.help,
        )
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _typed(name: str, option: Option) -> str:
    if option.is_switch:
        return flag(name)
    return f"{flag(name)}={option.metavar}"


def _default(option: Option) -> str:
    default = option.default
    written = default if isinstance(default, str) else ", ".join(default or ())
    return f"`{written}`" if written else "none"


def field_table() -> str:
    """What a line of our own format can say, as a markdown table."""
    lines = ["| field | type | meaning |", "|:--|:--|:--|", f"| `schema` | text, needed | `{SCHEMA}` |"]
    for field in _of_lines():
        kind = _TYPE_WORDS.get(field.kind, "text")
        if field.kind == "count":
            kind = f"{kind} of {field.unit}"
        cells = (f"`{field.name}`", f"{kind}, needed" if field.needed else kind, _meaning(field, "`"))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


_TYPE_WORDS = {
    "count": "whole number",
    "flag": "true, false",
    "time": "text (RFC 3339)",
    "features": "object of plain values",
}


def _meaning(field: Field, quote: str = "") -> str:
    words = f" ({', '.join(f'{quote}{word}{quote}' for word in field.words)})" if field.words else ""
    return f"{field.meaning.removesuffix('.')}{words}"


def reason_table() -> str:
    """Why an output ended in our words, and in those of others, as a markdown table."""
    lines = ["| why it ended | words |", "|:--|:--|"]
    lines += [f"| `{ours}` | {', '.join(f'`{word}`' for word in words.split())} |" for ours, words in SPELLINGS.items()]
    return "\n".join(lines)


def line_schema() -> str:
    """The JSON schema of a line of our own format."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        "description": "One completed call of a language model: one JSON object a line, UTF-8. Other keys may stand "
        "beside these and are passed over.",
        "type": "object",
        "required": ["schema", *(field.name for field in _of_lines() if field.needed)],
        "properties": {"schema": {"const": SCHEMA}, **{field.name: _constraints(field) for field in _of_lines()}},
    }
    return f"{json.dumps(schema, indent=2)}\n"


SCHEMAS = {LINE_SCHEMA: line_schema, "docs/report.schema.json": json_file.schema}
"""The JSON schemas that are written from the code, by their file."""


def _of_lines() -> list[Field]:
    return [field for field in FIELDS.values() if field.in_line]


def _constraints(field: Field) -> dict[str, object]:
    """What a line may say in ``field``. An id or a reason may be longer than the writer takes: it is cut."""

    def of_type(name: str) -> dict[str, object]:
        return {"type": name if field.needed else [name, "null"]}

    meaning = {"description": f"{_meaning(field)}."}
    match field.kind:
        case "count":
            return {**of_type("integer"), "minimum": 0, "maximum": MOST_TOKENS, **meaning}
        case "flag":
            return {**of_type("boolean"), **meaning}
        case "word":
            return {"enum": [*field.words, None], **meaning}
        case "name":
            return {**of_type("string"), "maxLength": LONGEST_TEXT, **meaning}
        case "time":
            return {**of_type("string"), "format": "date-time", **meaning}
        case "features":
            plain = {"type": ["string", "number", "boolean", "null"]}
            return {**of_type("object"), "maxProperties": MOST_FEATURES, "additionalProperties": plain, **meaning}
    return {**of_type("string"), **meaning}


def example(name: str) -> str:
    """What the gate says of the example tree ``name``."""
    command = f"{GATE} --token-telemetry-dir=examples/{name}"
    return _console(command, _section(command))


def bars_example() -> str:
    """How the ratios of the example that passes are spread."""
    command = f"{GATE} -v {PASSES}"
    return _console(command, _excerpt(_section(command), ("actual / predicted by", "largest overruns")))


def tuning_example() -> str:
    """The tuning advice on the example that is not ready."""
    command = f"{GATE} -v --token-telemetry-dir=examples/not-ready"
    with tempfile.TemporaryDirectory() as directory:
        lines = _section(f"{command} --token-telemetry-tuning={directory}/tuning.json")
    return _console(
        f"{command} --token-telemetry-tuning=tuning.json", _excerpt(lines, ("Tuning advice", "What to collect"))
    )


def estimator_difference() -> str:
    """What the change of the example's estimator is."""
    old, new = (
        (ROOT / "examples" / "estimator" / path).read_text(encoding="utf-8").splitlines()
        for path in ("main/estimator.py", "estimator.py")
    )
    lines = list(difflib.unified_diff(old, new, lineterm="", n=0))[2:]
    return "\n".join(("```diff", *(line for line in lines if not line.startswith("@@")), "```"))


def estimator_change() -> str:
    """What the gate says of that change."""
    return _console(
        CHANGE,
        _excerpt(
            _section(CHANGE),
            ("=", "pass readiness"),
            ("pass readiness::replay", "actual / predicted by"),
            ("Base against head$", "By category, "),
            (" +under-", "$"),  # by category
            (" +under-", "$"),  # by complexity
        ),
    )


def estimator_mended() -> str:
    """What the gate says of the change if its fault is mended."""
    with _examples() as directory:
        module = directory / "examples" / "estimator" / "estimator.py"
        module.write_text(module.read_text(encoding="utf-8").replace(TOO_LOW, ENOUGH), encoding="utf-8")
        lines = _section(CHANGE, directory)
    return _console(CHANGE, _excerpt(lines, ("=", "pass readiness"), ("Base against head:", "Base against head: The")))


def tuning_loop() -> str:
    """The change's advice written beside the estimator, and what the gate says once that is read."""
    with _examples() as directory:
        advised, applied = (
            _excerpt(_section(command, directory), ("=", "pass readiness")) for command in (ADVISE, REPLAY)
        )
    return "\n".join((_console(ADVISE, advised).removesuffix("\n```"), _console(REPLAY, applied).partition("\n")[2]))


def baseline_file() -> str:
    """The baseline of the example that passes, its long lists cut."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "baseline.json"
        _pytest(f"{GATE} {PASSES} --token-telemetry-save-baseline={path}", ROOT)
        text = path.read_text(encoding="utf-8").rstrip("\n")
    text = re.sub(r"\[(-?\d+(?:, -?\d+){2}), [^]]*\]", r"[\1, ...]", text)
    text = re.sub(r'("alias": \{[^,]*), [^}]*\}', r"\1, ...}", text)
    text = re.sub(r'("marks": ".{22}).*"', r'\1..."', text)
    return f"```json\n{text}\n```"


def drift_example(run: str) -> str:
    """What the drift checks say of one of the runs that ``examples/drift.py`` writes."""
    save = f"{GATE} --token-telemetry-dir=runs/before --token-telemetry-save-baseline=baseline.json"
    compare = f"{GATE} -v --token-telemetry-dir=runs/{run} --token-telemetry-baseline=baseline.json"
    with tempfile.TemporaryDirectory() as directory:
        script = [sys.executable, str(ROOT / "examples" / "drift.py"), "runs"]
        subprocess.run(script, cwd=directory, check=True)
        _pytest(save, Path(directory))
        lines = _section(compare, Path(directory))
    return _console(
        compare,
        _excerpt(
            lines,
            ("=", "->"),
            (r"\w+ tier1::under", r"\w+ tier1::trunc"),
            (r"\w+ drift::under", "actual / predicted by"),
            ("Drift$", "By category, "),
        ),
    )


def history_example() -> str:
    """What the report shows of ten sessions in which more and more calls were underestimated."""
    command = f"{GATE} -v {PASSES} --token-telemetry-history="
    session = {"schema": "token-telemetry-history/1", "time": "2026-01-05T09:00:00Z", "verdict": "pass", "samples": 100}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "history.jsonl"
        for events in (1, 0, 1, 1, 2, 1, 2, 3, 3, 4):
            line = json.dumps({**session, "underestimation": [events, 100], "truncation": [0, 100]})
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
        lines = _section(f"{command}{path}")
    return _console(f"{command}history.jsonl", _excerpt(lines, ("History:", "actual / predicted by")))


@contextmanager
def _examples() -> Iterator[Path]:
    """A directory with a copy of the examples, to change them in."""
    with tempfile.TemporaryDirectory() as directory:
        shutil.copytree(ROOT / "examples", Path(directory) / "examples")
        yield Path(directory)


def _excerpt(lines: list[str], *parts: tuple[str, str]) -> list[str]:
    """Parts of ``lines``: from where the first pattern matches to before where the second does. Dots stand between."""
    kept, at = [], 0
    for first, end in parts:
        begin = next(i for i in range(at, len(lines)) if re.match(first, lines[i]))
        at = next(i for i in range(begin + 1, len(lines)) if re.match(end, lines[i]))
        kept += [*(["..."] if begin else []), *lines[begin:at]]
        while not kept[-1]:
            kept.pop()
    return [*kept, "..."]


def first_test() -> str:
    """The complete test file that ``docs/from-your-tests.md`` begins with."""
    return _in_page(r"```python\n(.*?)```")[0]


def first_test_example() -> str:
    """What the gate says of that file, where there is nothing else."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "test_calls.py").write_text(first_test(), encoding="utf-8")
        command = "python -m pytest test_calls.py --token-telemetry"
        return _console(command, _section(command, Path(directory)))


def agent_example() -> str:
    """What the gate says of the example agent."""
    return _console(AGENT, _section(AGENT))


def agent_change() -> tuple[str, str]:
    """What to change in the example agent, by the page: the text to find in ``agent.py``, and what to write there."""
    old, new = _in_page(r"change `([^`]+)` to `([^`]+)`")
    return old, new


def copy_changed_agent(directory: Path) -> None:
    """Put the example agent below ``directory``, with that change."""
    copy = directory / "examples" / "agent"
    shutil.copytree(ROOT / "examples" / "agent", copy, ignore=shutil.ignore_patterns("__pycache__"))
    code = (copy / "agent.py").read_text(encoding="utf-8")
    old, new = agent_change()
    if code.count(old) != 1:
        raise ValueError(f"{old} does not stand in agent.py once")
    (copy / "agent.py").write_text(code.replace(old, new), encoding="utf-8")


def agent_tune_example() -> str:
    """What the gate says of the example agent after the change: the verdict, and the check that fails."""
    with tempfile.TemporaryDirectory() as directory:
        copy_changed_agent(Path(directory))
        lines = _section(AGENT, Path(directory))
    begin = next(i for i, line in enumerate(lines) if line.startswith("pass readiness"))
    fails = next(i for i, line in enumerate(lines) if line.startswith("fail tier1::"))
    end = next(i for i in range(fails + 1, len(lines)) if not lines[i].startswith(" "))
    return _console(AGENT, [*lines[:begin], "...", *lines[fails:end], "..."])


def _in_page(pattern: str) -> tuple[str, ...]:
    """The groups of the first place in ``docs/from-your-tests.md`` that ``pattern`` matches."""
    found = re.search(pattern, (ROOT / "docs" / "from-your-tests.md").read_text(encoding="utf-8"), re.DOTALL)
    if found is None:
        raise ValueError(f"docs/from-your-tests.md has nothing like {pattern}")
    return found.groups()


def workflow(name: str, *, own_server: bool = False) -> str:
    """The workflow ``name`` of this repository, as others copy it, or as they do on GitHub Enterprise Server."""
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8")
    for ours, theirs in OTHERS:
        text = text.replace(ours, theirs)
    if own_server:
        for pattern, theirs in ON_OWN_SERVER:
            text = re.sub(pattern, theirs, text, flags=re.DOTALL)
    return PLACEHOLDERS + text


def _shown_workflow(name: str, *, own_server: bool) -> str:
    return f"```yaml\n{workflow(name, own_server=own_server)}```"


def _console(command: str, lines: list[str]) -> str:
    """``command`` and what it prints; a long one has its options on lines of their own."""
    shown = command if len(command) <= WIDTH else command.replace(" --", " \\\n    --")
    return "\n".join(("```console", f"$ {shown}", *lines, "```"))


def _section(command: str, directory: Path = ROOT) -> list[str]:
    """What the gate says in a real run of ``command`` in ``directory``, at 80 columns."""
    lines = _pytest(command, directory).splitlines()
    begin = next(i for i, line in enumerate(lines) if " token telemetry =" in line)
    end = next(i for i in range(begin + 1, len(lines)) if lines[i].startswith("==="))
    return lines[begin:end]


def _pytest(command: str, directory: Path) -> str:
    """What a real run of ``command`` prints, at 80 columns."""
    quiet = ["-p", "no:randomly", "-p", "no:hypothesispytest", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, *command.split()[1:], *quiet],
        cwd=directory,
        env={**os.environ, "COLUMNS": "80", "PYTEST_ADDOPTS": "", "PY_COLORS": "0"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    ).stdout


_PARTS: dict[str, Callable[[], str]] = {
    "options": option_table,
    "fields": field_table,
    "reasons": reason_table,
    "bars": bars_example,
    "passes": partial(example, "passes"),
    "not-ready": partial(example, "not-ready"),
    "tuning": tuning_example,
    "tuning-loop": tuning_loop,
    "estimator-difference": estimator_difference,
    "estimator-change": estimator_change,
    "estimator-mended": estimator_mended,
    "baseline-file": baseline_file,
    "drift-mix": partial(drift_example, "mix"),
    "drift-longer": partial(drift_example, "longer"),
    "history": history_example,
    "first-test": first_test_example,
    "agent": agent_example,
    "agent-tune": agent_tune_example,
    **{
        f"workflow-{part}{suffix}": partial(_shown_workflow, name, own_server=bool(suffix))
        for part, name in WORKFLOWS.items()
        for suffix in ("", "-own-server")
    },
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
