"""The baseline: what is kept of judged samples, so that later ones can be compared with them.

Its file, ``token-telemetry-baseline/1``, is JSON with one stratum a line, to be kept in git. Nothing in it is taken on
trust: a file that we did not write so is refused.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np

from pytest_token_telemetry.analysis.drift import Drift, Summary, drift, summaries
from pytest_token_telemetry.analysis.metrics import QUANTILE_METHOD
from pytest_token_telemetry.analysis.number_ranges import Count
from pytest_token_telemetry.analysis.populations import judged, rows_of_one_per_task
from pytest_token_telemetry.analysis.strata import labels
from pytest_token_telemetry.analysis.stratified import LARGEST_BIN, LogRatios
from pytest_token_telemetry.past import Events, KeptCount, PastError
from pytest_token_telemetry.sample import FIELDS
from pytest_token_telemetry.samples import NameColumn, blocks
from pytest_token_telemetry.text import exact, inert
from pytest_token_telemetry.writing import reason, replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_token_telemetry.analysis.populations import Judged
    from pytest_token_telemetry.analysis.strata import Labels
    from pytest_token_telemetry.samples import Integers, Samples
    from pytest_token_telemetry.settings import Settings
    from pytest_token_telemetry.sources.reading import Reading

FINGERPRINT_BYTES = 8
"""Of the hash that stands for a sample: two of ten million samples share one with a chance of 1 in 370,000."""

LARGEST_FILE = 1 << 28
"""Bytes of a file that is read."""

_SCHEMA = "token-telemetry-baseline/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The settings that a baseline's figures depend on: only figures on the same terms can be compared with them."""

    population: str
    under_multiplier: str
    quantile_method: str
    alias: dict[str, str]
    one_per_task: bool = False
    """True if one sample a task was judged: then a baseline of all of them has another mix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What is kept of judged samples."""

    terms: Terms
    strata: Mapping[str | None, Summary]
    """By category; ``None`` are the samples that name none."""
    fingerprints: tuple[bytes, ...]
    """One a sample, ascending: what was judged already is not new."""
    newest: str | None
    """When the newest sample was made, by its log's clock: ISO 8601, without a time zone."""

    @property
    def samples(self) -> int:
        """How many samples it stands for."""
        return len(self.fingerprints)


class DriftReport(msgspec.Struct, frozen=True, kw_only=True):
    """New calls against the baseline."""

    baseline_samples: Count
    new_samples: Count
    drift: Drift | None
    """``None`` if there is no baseline yet."""


def terms(settings: Settings) -> Terms:
    """The `Terms` of ``settings``."""
    return Terms(
        population=settings.population,
        under_multiplier=exact(settings.under_multiplier),
        quantile_method=QUANTILE_METHOD,
        alias=dict(sorted(settings.alias.items())),
        one_per_task=settings.one_per_task,
    )


def baseline_of(reading: Reading, settings: Settings) -> Baseline:
    """What to keep of ``reading``, for later calls to be compared with."""
    samples, population, named = _recorded(reading, settings)
    times = samples.time[~np.isnat(samples.time)]
    return Baseline(
        terms=terms(settings),
        strata=summaries(samples, population, named, np.arange(len(samples))),
        fingerprints=tuple(sorted(_fingerprints(samples))),
        newest=str(np.max(times)) if len(times) else None,
    )


def drift_report(reading: Reading, settings: Settings, known: Baseline | None) -> DriftReport | None:
    """The calls that the baseline does not hold, against it; ``None`` if none was asked for.

    It is about the predictions that were recorded, whatever estimator is replayed: about the system, not the change.
    """
    if settings.baseline is None:
        return None
    if known is None:
        return DriftReport(baseline_samples=0, new_samples=0, drift=None)
    samples, population, named = _recorded(reading, settings)
    rows = new_rows(samples, known)
    head = summaries(samples, population, named, rows)
    return DriftReport(baseline_samples=known.samples, new_samples=len(rows), drift=drift(known.strata, head))


def _recorded(reading: Reading, settings: Settings) -> tuple[Samples, Judged, Labels]:
    """The samples that take part, with the predictions of their time: which of them count, and their categories."""
    samples = reading.samples
    if settings.one_per_task:
        samples = samples.take(rows_of_one_per_task(samples))
    population = judged(samples, settings.population, settings.under_multiplier)
    return samples, population, labels(samples, settings.alias)


def new_rows(samples: Samples, known: Baseline) -> Integers:
    """The rows of ``samples`` that ``known`` does not stand for, ascending.

    Of equal samples, as many are new as there are more than the baseline has.
    """
    left = Counter(known.fingerprints)

    def is_new(fingerprint: bytes) -> bool:
        if not left[fingerprint]:
            return True
        left[fingerprint] -= 1
        return False

    return np.flatnonzero(np.fromiter(map(is_new, _fingerprints(samples)), dtype=np.bool_, count=len(samples)))


def _fingerprints(samples: Samples) -> Iterator[bytes]:
    """One for each sample: a hash of what tells it from others, wherever its line stands."""
    columns = [getattr(samples, name) for name, field in FIELDS.items() if field.tells_apart and field.kind != "time"]
    names = [column for column in columns if isinstance(column, NameColumn)]
    counts = [column for column in columns if not isinstance(column, NameColumn)]
    tables = [[*column.names, None] for column in names]  # the last is what `UNKNOWN`, -1, looks up
    for part in blocks(len(samples)):
        times = samples.time[part].astype(str).tolist()
        numbers = zip(*(column[part].tolist() for column in counts), strict=True)
        codes = zip(*(column.codes[part].tolist() for column in names), strict=True)
        for time, counted, coded in zip(times, numbers, codes, strict=True):
            named = [table[code] for table, code in zip(tables, coded, strict=True)]
            yield blake2b(repr((time, list(counted), named)).encode(), digest_size=FINGERPRINT_BYTES).digest()


def differences(old: Terms, new: Terms) -> str:
    """In which settings ``old`` differs from ``new``, in words; empty if in none."""
    different = [
        f"with {name}={inert(_written(was), _SHOWN)} (now {_written(now)})"
        for name in ("population", "under_multiplier", "quantile_method", "one_per_task")
        if (was := getattr(old, name)) != (now := getattr(new, name))
    ]
    if old.alias != new.alias:
        spellings = sorted(set(old.alias.items()) ^ set(new.alias.items()))
        shown = ", ".join(inert(f"{one}={other}", _SHOWN) for one, other in spellings[:3])
        different.append(f"with other aliases ({shown}{' and others' if len(spellings) > 3 else ''})")
    return " and ".join(different)


def _written(value: str | bool) -> str:
    """``value`` as a user writes it."""
    return str(value).lower() if isinstance(value, bool) else value


_SHOWN = 60
"""Characters of a setting in the file that are shown: it may hold anything."""


def write(kept: Baseline, path: Path) -> None:
    """Write ``kept`` to ``path``.

    Raises:
        PastError: the file cannot be written.
    """
    try:
        replace_file(path, render(kept))
    except OSError as error:
        raise PastError(f"could not be written: {reason(error)}") from None


def render(kept: Baseline) -> str:
    """``kept`` as JSON: the same samples give the same text, and a diff shows one stratum a line."""
    strata = sorted(kept.strata.items(), key=lambda item: (item[0] is not None, item[0] or ""))
    lines = [
        json.dumps(
            {
                "name": name,
                "underestimation": [summary.underestimation.events, summary.underestimation.n],
                "truncation": [summary.truncation.events, summary.truncation.n],
                "log_ratios": {"ticks": summary.log_ratios.bins, "counts": summary.log_ratios.counts},
            }
        )
        for name, summary in strata
    ]
    parts = (
        f'"schema": {json.dumps(_SCHEMA)}',
        f'"terms": {json.dumps(asdict(kept.terms), sort_keys=True)}',
        f'"newest": {json.dumps(kept.newest)}',
        f'"samples": {kept.samples}',
        '"strata": [' + ",".join(f"\n    {line}" for line in lines) + ("\n  ]" if lines else "]"),
        f'"marks": {json.dumps(base64.b64encode(b"".join(kept.fingerprints)).decode())}',
    )
    return "{\n  " + ",\n  ".join(parts) + "\n}\n"


def read(path: Path, on: Terms) -> Baseline | None:
    """Read the baseline at ``path``, to be compared with figures on the terms ``on``; ``None`` if there is no file.

    Raises:
        PastError: there is one, and it cannot be used.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise PastError("is too large to be a baseline")
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PastError(f"cannot be read: {reason(error)}") from None
    except (ValueError, RecursionError):
        raise PastError("is not JSON") from None
    if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
        raise PastError(f"is not a {_SCHEMA} file")
    try:
        found = _baseline(msgspec.convert(document, _Document))
    except ValueError:
        raise PastError("is damaged") from None
    if different := differences(found.terms, on):
        raise PastError(f"was made {different}")
    return found


class _Histogram(msgspec.Struct):
    """`LogRatios` in the file."""

    ticks: tuple[Annotated[int, msgspec.Meta(ge=-LARGEST_BIN, le=LARGEST_BIN)], ...]
    counts: tuple[KeptCount, ...]

    def __post_init__(self) -> None:
        if len(self.ticks) != len(self.counts) or sorted(set(self.ticks)) != [*self.ticks] or 0 in self.counts:
            raise ValueError("the ratios are not a histogram")


class _Stratum(msgspec.Struct):
    """A stratum in the file."""

    name: str | None
    underestimation: Events
    truncation: Events
    log_ratios: _Histogram


class _Document(msgspec.Struct):
    """A baseline in the file."""

    terms: Terms
    newest: str | None
    samples: KeptCount
    strata: list[_Stratum]
    marks: str
    """The fingerprints, one after the other, in base64."""


def _baseline(document: _Document) -> Baseline:
    """The baseline that ``document`` holds.

    Raises:
        ValueError: it contradicts itself.
    """
    raw = base64.b64decode(document.marks, validate=True)
    fingerprints = tuple(raw[at : at + FINGERPRINT_BYTES] for at in range(0, len(raw), FINGERPRINT_BYTES))
    if document.samples * FINGERPRINT_BYTES != len(raw) or list(fingerprints) != sorted(fingerprints):
        raise ValueError("a fingerprint is missing, or not in its place")
    strata = {
        each.name: Summary(
            each.underestimation.share,
            each.truncation.share,
            LogRatios(each.log_ratios.ticks, each.log_ratios.counts),
        )
        for each in document.strata
    }
    if len(strata) != len(document.strata):
        raise ValueError("a stratum is there twice")
    sizes = ((each.underestimation.n, each.truncation.n, each.log_ratios.n) for each in strata.values())
    if any(sum(counts) > document.samples for counts in zip(*sizes, strict=True)):
        raise ValueError("there are more samples than fingerprints: each sample is in one stratum")
    return Baseline(terms=document.terms, strata=strata, fingerprints=fingerprints, newest=document.newest)
