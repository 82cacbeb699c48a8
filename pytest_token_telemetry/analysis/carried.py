"""What samples carry, and so which question they can answer.

Not every system predicts. Where there are predictions, they are judged; where there are caps or reasons, it is judged
whether these cut calls off; lengths alone say which caps to set, and give no verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from pytest_token_telemetry.analysis.number_ranges import Count
from pytest_token_telemetry.analysis.populations import successful
from pytest_token_telemetry.samples import UNKNOWN

if TYPE_CHECKING:
    from pytest_token_telemetry.samples import Mask, NameColumn, Samples

Question: TypeAlias = Literal["predictions", "caps", "reasons", "lengths"]
"""What is judged: predictions, caps, only whether calls were truncated, or nothing."""

Kind: TypeAlias = Literal["categories", "complexities", "deliverables"]
"""A kind of label of which a mix is required."""

Grouping: TypeAlias = Literal["category", "operation", "model"]
"""What calls are tuned apart by."""


@dataclass(frozen=True, slots=True)
class Carried:
    """How many samples carry what a check needs."""

    samples: Count
    """All that take part."""
    predictions: Count
    caps: Count
    """The cap that was sent."""
    reasons: Count
    """Why they ended, or without a cap whether they were cut off."""
    labels: Count
    """A category, a complexity or a number of deliverables; legacy samples have none."""
    categories: Count
    """The samples that name their category; the next two likewise."""
    complexities: Count
    deliverables: Count
    legacy: Count

    @property
    def question(self) -> Question:
        """What can be judged. Of no samples, it is their predictions that are missing."""
        if self.predictions or not self.samples:
            return "predictions"
        return "caps" if self.caps else "reasons" if self.reasons else "lengths"

    @property
    def is_unlabelled(self) -> bool:
        """True if there is no mix to ask for, as no sample says of which kind of work it is."""
        return not self.labels and self.samples > self.legacy

    def owes(self, kind: Kind) -> bool:
        """Whether the default mix of a kind is required.

        It is of data that names any kind of work; where nothing is predicted, of a kind that some sample names. Lengths
        alone owe none: nothing is judged of them.
        """
        if self.samples <= self.legacy:
            return True
        if self.question == "lengths":
            return False
        return self.labels > 0 if self.question == "predictions" else getattr(self, kind) > 0


def carried(samples: Samples) -> Carried:
    """Count what ``samples`` carry."""
    said_how = (samples.finish_reason.codes != UNKNOWN) & ~samples.finish_reason.is_name("unknown")
    category, complexity = samples.category.codes != UNKNOWN, samples.complexity.codes != UNKNOWN
    deliverables = samples.deliverable_count > 0
    return Carried(
        samples=len(samples),
        predictions=_count(samples.predicted_output_tokens != UNKNOWN),
        caps=_count(samples.max_tokens > 0),
        reasons=_count(said_how | ((samples.truncated != UNKNOWN) & (samples.max_tokens <= 0))),
        labels=_count(category | complexity | deliverables),
        categories=_count(category),
        complexities=_count(complexity),
        deliverables=_count(deliverables),
        legacy=_count(samples.legacy),
    )


def grouping(samples: Samples, carried: Carried) -> Grouping:
    """What ``samples`` are tuned apart by: the category, unless there is none in data that is no V2 tree's."""
    if (carried.question == "predictions" and not carried.is_unlabelled) or _names_any(samples.category):
        return "category"
    if _names_any(samples.operation):
        return "operation"
    return "model" if _names_any(samples.model) else "category"


def _names_any(column: NameColumn) -> bool:
    return bool((column.codes != UNKNOWN).any())


def counting(samples: Samples, question: Question) -> Mask:
    """Mask the samples that count towards how many ``question`` needs.

    For predictions these are successful calls that have one. For caps and reasons, calls that say whether they were cut
    off; for lengths, all that have one.
    """
    mask: Mask
    match question:
        case "predictions":
            mask = successful(samples) & (samples.predicted_output_tokens != UNKNOWN)
        case "lengths":
            mask = samples.output_tokens > 0
        case _:
            mask = ~samples.legacy & (samples.truncated != UNKNOWN)
    return mask


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))
