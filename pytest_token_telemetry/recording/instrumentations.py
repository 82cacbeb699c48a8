"""The instrumentations of providers' clients that the extras bring: which there are, on for a session, and off again.

What they see goes to us alone. A program's own providers, exporters and instrumentations stay as they are, and prompts
and answers are never captured, whatever the environment says: that is for the program's own telemetry.
"""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import import_module, metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider


@dataclass(frozen=True, slots=True)
class Instrumentation:
    """One that an extra brings."""

    extra: str
    client: str
    """The module that it instruments."""
    package: str
    """What the module is installed with."""
    newest: int
    """The major version of that which our tests ask: the instrumentation itself may not know it yet."""
    module: str
    instrumentor: str

    @property
    def is_installed(self) -> bool:
        """Whether it is there with its client and the SDK. Nothing is imported."""
        return all(map(_is_there, (self.module, self.client, _SDK)))


KNOWN = (
    Instrumentation(
        "openai", "openai", "openai", 3, "opentelemetry.instrumentation.genai.openai", "OpenAIInstrumentor"
    ),
    Instrumentation(
        "anthropic",
        "anthropic",
        "anthropic",
        2,
        "opentelemetry.instrumentation.genai.anthropic",
        "AnthropicInstrumentor",
    ),
    Instrumentation(
        "google",
        "google.genai",
        "google-genai",
        3,
        "opentelemetry.instrumentation.google_genai",
        "GoogleGenAiSdkInstrumentor",
    ),
)

_SDK = "opentelemetry.sdk.trace"


def installed() -> list[Instrumentation]:
    """Those of `KNOWN` that are there."""
    return [each for each in KNOWN if each.is_installed]


class Instrumentations:
    """The instrumentations that we switch on, each when its client is imported: most take a second to import."""

    def __init__(self, keeper: Callable[[], SpanProcessor]) -> None:
        """None yet. What ``keeper`` makes is given their spans."""
        self._keeper = keeper
        self._is_over = False
        self._on: list[tuple[Any, Any]] = []
        """Each of ours, with the one that a program would switch on itself."""
        self.refused: dict[str, str] = {}
        """By their extras, why some are not on."""

    def wait(self) -> None:
        """Switch on each that is there as soon as its client is imported, or now, if it has been."""
        for each in installed():
            import wrapt  # they all need it

            wrapt.register_post_import_hook(partial(self._switch_on, each), each.client)

    def switch_off(self) -> None:
        """Switch off those that we switched on, unless the program has put its own above them."""
        self._is_over = True
        for ours, theirs in self._on:
            if not theirs.is_instrumented_by_opentelemetry:
                ours.uninstrument()
        self._on.clear()

    @cached_property
    def _provider(self) -> TracerProvider:
        """A provider whose spans reach our keeper alone, those within spans that the program does not sample too."""
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        provider = TracerProvider(sampler=ALWAYS_ON, resource=Resource.get_empty(), shutdown_on_exit=False)
        provider.add_span_processor(self._keeper())
        return provider

    def _switch_on(self, each: Instrumentation, _: object) -> None:
        """Switch one on, unless the program has done that itself. The import of the client goes on in any case."""
        if self._is_over:
            return
        with warnings.catch_warnings(), _plain_environment():
            warnings.simplefilter("ignore")
            try:
                self._instrument(each)
            except Exception as error:  # of a client or an instrumentation that does not fit
                self.refused[each.extra] = f"{type(error).__name__}: {error}".partition("\n")[0]

    def _instrument(self, each: Instrumentation) -> None:
        from opentelemetry._logs import NoOpLoggerProvider
        from opentelemetry.metrics import NoOpMeterProvider

        kind = getattr(import_module(each.module), each.instrumentor)
        theirs = kind()
        if theirs.is_instrumented_by_opentelemetry:
            return
        # There is one object of each class, which a program may want for itself: ours is of a class of its own.
        ours = type(f"Our{each.instrumentor}", (kind,), {"_instance": None})()
        ours.instrument(
            tracer_provider=self._provider,
            meter_provider=NoOpMeterProvider(),
            logger_provider=NoOpLoggerProvider(),
            skip_dep_check=metadata.version(each.package).partition(".")[0] == str(each.newest),
            raise_exception_on_conflict=True,
        )
        self._on.append((ours, theirs))


def _is_there(module: str) -> bool:
    """Whether there is a ``module``. No package around it is imported, as `importlib.util.find_spec` would do."""
    head, *rest = module.split(".")
    spec = util.find_spec(head)
    places = spec.submodule_search_locations if spec is not None else None
    return any(Path(place, *rest).is_dir() for place in places or ())


@contextmanager
def _plain_environment() -> Iterator[None]:
    """An environment without settings of OpenTelemetry: they are the program's, and some let prompts be captured."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("OTEL_")}
    for name in kept:
        del os.environ[name]
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith("OTEL_")]:
            del os.environ[name]
        os.environ.update(kept)
