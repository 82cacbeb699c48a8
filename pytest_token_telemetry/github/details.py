"""What the comment folds away: the worst samples and the tuning advice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.github.figures import multiplied
from pytest_token_telemetry.github.markup import code, own, table
from pytest_token_telemetry.reporters.tuning_words import LEGEND
from pytest_token_telemetry.wording import percent, times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_token_telemetry.github.report import Advice, Caps, Report, Worst


def worst(samples: Sequence[Worst]) -> str:
    """The samples with the most output for their prediction."""
    if not samples:
        return ""
    return table(
        ("output / prediction", "predicted", "output", "cut off", "category", "task", "where"),
        (
            (
                "none" if sample.ratio is None else f"{sample.ratio:,.2f}",
                f"{sample.predicted_output_tokens:,}",
                f"{sample.output_tokens:,}",
                {True: "yes", False: "no", None: "not said"}[sample.truncated],
                code(sample.category),
                code(sample.task_id),
                code(sample.source),
            )
            for sample in samples
        ),
    )


def tuning(report: Report, most: int) -> str:
    """What to multiply predictions by, and which caps to send, in ``most`` rows each."""
    if not most or not (report.tuning or report.caps):
        return ""
    tables = []
    if report.tuning:
        tables.append(
            table(
                ("category", "judged", "cut off", "underestimated", "multiply by", "then underestimated", "waste P90"),
                (_advice(each) for each in report.tuning[:most]),
                len(report.tuning) - most,
            )
        )
    if report.caps:
        risks = [risk for risk, _ in report.caps[0].caps]
        tables.append(
            table(
                ("suggested max_tokens", "judged", *(f"at {percent(risk)} risk" for risk in risks)),
                (_caps(each) for each in report.caps[:most]),
                len(report.caps) - most,
            )
        )
    tables.append(f"<p>{own(LEGEND)}</p>")
    return "\n".join(tables)


def _advice(advice: Advice) -> tuple[str, ...]:
    expected = advice.expected_underestimation
    before, after = advice.waste_p90
    return (
        code(advice.name),
        f"{advice.n:,}",
        f"{advice.truncated:,}",
        f"{advice.underestimated:,}",
        multiplied(advice),
        "" if expected is None else percent(expected),
        " to ".join(times(value) for value in (before, after) if value is not None),
    )


def _caps(caps: Caps) -> tuple[str, ...]:
    return (code(caps.name), f"{caps.n:,}", *("not known" if cap is None else f"{cap:,}" for _, cap in caps.caps))
