"""The plain script counts rightly what it is fast or slow at."""

from __future__ import annotations

from pathlib import Path

from benchmarks.plain_script import records_of, report
from tests.lines import cut_off, v2, write


def test_the_figures_of_three_calls_by_hand(tmp_path: Path) -> None:
    legacy = "[TokenEstimation] Predicted: 400 output tokens, Actual: 100 output tokens, Error: 120.0%"
    mention = "Objective: collect the [TokenEstimation] telemetry"
    write(tmp_path, [v2(1000, 500, category="docs"), mention, cut_off(1000, 8192, category="tests"), legacy])
    # The waste of what succeeded is 1000/500 = 2 and 400/100 = 4: the quantile of Hyndman-Fan 6 at 0.9 of two values is
    # beyond the greater, 2 + (0.9 * 3 - 1) * (4 - 2)
    assert report(records_of(tmp_path)) == [
        "records: 3",
        "successful: 2",
        "underestimated: 0.0%",
        "truncated: 33.3%",
        "waste: median 3.00x, P90 5.40x",
        # 10.5 as both V2 lines say, and 200 * 300/500
        "smape: mean 47.0%, median 10.5%",
        "predicted: mean 800",
        "actual: mean 2931",
        "category docs: 1 successful, median ratio 0.50",
        "category unknown: 1 successful, median ratio 0.25",
        "complexity low: 1 successful, median ratio 0.50",
        "complexity unknown: 1 successful, median ratio 0.25",
        "deliverables 1: 1 successful, median ratio 0.25",
        "deliverables 2-5: 1 successful, median ratio 0.50",
        "agent.log:3: 1000 -> 8192",
        "agent.log:1: 1000 -> 500",
        "agent.log:4: 400 -> 100",
    ]
