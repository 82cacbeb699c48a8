"""A plugin that does one hostile thing at one hook: ``HOSTILE=HOOK:ORDER:DEED pytest -p hostile``.

``HOSTILE=*`` notes which hooks are called, and does nothing. What it did is noted in the file that ``HOSTILE_NOTES``
names: the hook, and whether the gate's plugin was loaded then.
"""

from __future__ import annotations

import inspect
import os
import sys
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from _pytest import hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    Arguments = Mapping[str, object]

ORDERS = ("first", "last")
HOOKS = {name: value for name, value in vars(hookspec).items() if name.startswith("pytest_")}

_busy = False


def _raise(_: Arguments) -> None:
    raise RuntimeError("hostile")


def _exit(_: Arguments) -> None:
    pytest.exit("hostile")


def _exit_with_0(_: Arguments) -> None:
    pytest.exit("hostile", returncode=0)


def _system_exit(_: Arguments) -> None:
    raise SystemExit(0)


def _interrupt(_: Arguments) -> None:
    raise KeyboardInterrupt


def _good_status(arguments: Arguments) -> None:
    session = _session(arguments)
    if session is not None:
        session.exitstatus = pytest.ExitCode.OK
        session.testsfailed = 0
        session.shouldfail = session.shouldstop = False


def _stop(arguments: Arguments) -> None:
    session = _session(arguments)
    if session is not None:
        session.shouldstop = "hostile"


def _empty(arguments: Arguments) -> None:
    for each in _lists(arguments):
        each.clear()


def _reverse(arguments: Arguments) -> None:
    for each in _lists(arguments):
        each.reverse()


def _drop(arguments: Arguments) -> None:
    for each in _lists(arguments):
        each[:] = [item for item in each if not _is_of_gate(item)]


def _deselect(arguments: Arguments) -> None:
    for each in _lists(arguments):
        dropped = [item for item in each if _is_of_gate(item)]
        each[:] = [item for item in each if not _is_of_gate(item)]
        if dropped:
            dropped[0].config.hook.pytest_deselected(items=dropped)


def _skip(arguments: Arguments) -> None:
    _mark(arguments, pytest.mark.skip(reason="hostile"))


def _xfail(arguments: Arguments) -> None:
    _mark(arguments, pytest.mark.xfail(reason="hostile", strict=False))


def _xfail_without_run(arguments: Arguments) -> None:
    _mark(arguments, pytest.mark.xfail(reason="hostile", run=False))


def _passed(arguments: Arguments) -> None:
    for each in arguments.values():
        _embellish(each)


def _delete(arguments: Arguments) -> None:
    for each in arguments.values():
        for name in (
            "nodeid",
            "_nodeid",
            "outcome",
            "when",
            "longrepr",
            "location",
            "user_properties",
            "keywords",
            "items",
        ):
            with suppress(AttributeError, TypeError):
                delattr(each, name)


def _stand_ins(arguments: Arguments) -> None:
    config = _config(arguments)
    name = os.environ["HOSTILE"].partition(":")[0]
    if config is not None:
        given = {key: [SimpleNamespace()] if key == "items" else SimpleNamespace() for key in arguments}
        getattr(config.hook, name)(**given)


DEEDS: Mapping[str, Callable[[Arguments], None]] = {
    "raise": _raise,
    "exit": _exit,
    "exit-0": _exit_with_0,
    "system-exit-0": _system_exit,
    "interrupt": _interrupt,
    "good-status": _good_status,
    "stop": _stop,
    "empty": _empty,
    "reverse": _reverse,
    "drop": _drop,
    "deselect": _deselect,
    "skip": _skip,
    "xfail": _xfail,
    "xfail-without-run": _xfail_without_run,
    "passed": _passed,
    "delete": _delete,
    "stand-ins": _stand_ins,
}
"""What can be done before or after others."""

ANSWERS = {"true": True, "zero": 0, "stand-in": SimpleNamespace(), "list": []}
"""What can be answered."""

WRAPPERS = ("swallow", "catch", "embellish")
"""What can be done to the answers of others: leave out, leave out with their exceptions, say that all is well."""


def _session(arguments: Arguments) -> pytest.Session | None:
    config = _config(arguments)
    found = arguments.get("session") or (config and config.pluginmanager.get_plugin("session"))
    return found if isinstance(found, pytest.Session) else None


def _config(arguments: Arguments) -> pytest.Config | None:
    candidates = (each for value in arguments.values() for each in (value, getattr(value, "config", None)))
    found = next((each for each in candidates if isinstance(each, pytest.Config)), None)
    if found is None and isinstance(manager := arguments.get("pluginmanager"), pytest.PytestPluginManager):
        found = manager.get_plugin("pytestconfig")
    return found or _seen_config


_seen_config: pytest.Config | None = None


def _lists(arguments: Arguments) -> Iterator[list[pytest.Item]]:
    session = _session(arguments)
    items = [] if session is None else getattr(session, "items", [])
    yield from (value for value in (*arguments.values(), items) if isinstance(value, list))


def _is_of_gate(item: object) -> bool:
    return str(getattr(item, "nodeid", "")).startswith("token-telemetry")


def _mark(arguments: Arguments, mark: pytest.MarkDecorator) -> None:
    for each in (*arguments.values(), *(item for items in _lists(arguments) for item in items)):
        if isinstance(each, pytest.Item):
            each.add_marker(mark, append=False)


def _embellish(thing: object) -> object:
    if isinstance(thing, pytest.TestReport | pytest.CollectReport):
        thing.outcome, thing.longrepr = "passed", None
    if isinstance(thing, pytest.CallInfo):
        thing.excinfo = None
    return 0 if isinstance(thing, int) and not isinstance(thing, bool) else thing


def _note(hook: str, arguments: Arguments) -> None:
    global _seen_config
    _seen_config = _config(arguments)
    loaded = "loaded" if "pytest_token_telemetry.plugin" in sys.modules else "not loaded"
    with open(os.environ["HOSTILE_NOTES"], "a", encoding="utf-8") as notes:  # noqa: PTH123
        notes.write(f"{hook} {loaded}\n")


def _implementation(hook: str, order: str, deed: str) -> Callable[..., object]:
    def plain(**arguments: object) -> object:
        global _busy
        _note(hook, arguments)
        if not _busy and deed in DEEDS:
            _busy = True
            try:
                DEEDS[deed](arguments)
            finally:
                _busy = False
        return ANSWERS.get(deed)

    def wrapper(**arguments: object) -> Generator[None, object, object]:
        _note(hook, arguments)
        try:
            answer = yield
        except BaseException:
            if deed != "catch":
                raise
            answer = None
        return _embellish(answer) if deed == "embellish" else None

    chosen = wrapper if deed in WRAPPERS else plain
    names = [name for name in inspect.signature(HOOKS[hook]).parameters if name != "self"]
    # pluggy looks at the names of the arguments and gives them by position
    source = f"lambda {', '.join(names)}: chosen({', '.join(f'{name}={name}' for name in names)})"
    if chosen is wrapper:
        source = f"lambda {', '.join(names)}: (yield from chosen({', '.join(f'{name}={name}' for name in names)}))"
    made: Callable[..., Any] = eval(source, {"chosen": chosen})  # noqa: S307
    made.__name__ = hook
    return pytest.hookimpl(tryfirst=order == "first", trylast=order == "last", wrapper=chosen is wrapper)(made)


def _hooks() -> dict[str, Callable[..., object]]:
    told = os.environ.get("HOSTILE", "")
    if told == "*":
        return {hook: _implementation(hook, "first", "note") for hook in HOOKS}
    hook, _, rest = told.partition(":")
    order, _, deed = rest.partition(":")
    return {hook: _implementation(hook, order, deed)} if hook in HOOKS else {}


globals().update(_hooks())
__all__ = ["ANSWERS", "DEEDS", "HOOKS", "ORDERS", "WRAPPERS", *_hooks()]
