"""The line that counts files while a long scan runs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_token_telemetry.session.scan_progress import ScanProgress


class Terminal:
    isatty = True

    def __init__(self):
        self.written = []

    def rewrite(self, text, erase=False):
        assert erase
        self.written.append(text)


def test_a_short_scan_says_nothing():
    terminal = Terminal()
    clock = iter([0.0, 0.5, 0.99])
    with ScanProgress(terminal, lambda: next(clock)) as progress:
        progress(1, 1_000_000)
        progress(2, 2_000_000)
    assert terminal.written == []


def test_a_long_scan_counts_files_and_bytes_and_cleans_up():
    # shown from one second on, then every fifth of one
    terminal = Terminal()
    clock = iter([0.0, 0.5, 1.6, 1.7, 2.0])
    with ScanProgress(terminal, lambda: next(clock)) as progress:
        for files in (1, 2, 3, 4):
            progress(files, files * 1_000_000)
    assert terminal.written == [
        "reading token telemetry: 2 files, 2.0 MB, 1.2 MB/s",
        "reading token telemetry: 4 files, 4.0 MB, 2.0 MB/s",
        "",
    ]


@pytest.mark.parametrize("terminal", [None, SimpleNamespace(isatty=False)])
def test_a_scan_is_silent_where_no_line_can_be_rewritten(terminal):
    clock = iter([0.0])
    with ScanProgress(terminal, lambda: next(clock)) as progress:
        progress(1, 1)
    assert next(clock, None) is None
