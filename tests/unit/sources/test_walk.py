"""Which files are found below a directory."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from pytest_token_telemetry.sources.walk import Found, walk


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "runs"
    root.mkdir()
    return root


def make(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def files(root: Path, *patterns: str) -> set[str]:
    return set(walk(root, patterns or ("*.log",)).files)


def test_files_are_found_at_any_depth_hidden_ones_too(root: Path) -> None:
    for name in ("a.log", "b/c.log", "b/d/e/f/g.log", ".hidden.log", ".cache/h.log"):
        make(root / name)
    assert files(root) == {"a.log", "b/c.log", "b/d/e/f/g.log", ".hidden.log", ".cache/h.log"}


def test_an_empty_directory_holds_nothing(root: Path) -> None:
    assert walk(root, ["*.log"]) == Found()


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (("*.log",), {"a.log", "x/a.log", "x/y/a.log"}),
        (("a.*",), {"a.log", "a.LOG", "a.txt", "x/a.log", "x/y/a.log"}),
        (("*.txt", "x/*.log"), {"a.txt", "x/a.log", "x/y/a.log"}),
        (("x/a.log",), {"x/a.log"}),
        (("*/y/*",), {"x/y/a.log"}),
        (("[xy]/a.???",), {"x/a.log"}),
        (("*.log", "a.log", "*"), {"a.log", "a.LOG", "a.txt", "x/a.log", "x/y/a.log"}),
        (("*.csv",), set()),
    ],
)
def test_a_pattern_is_for_the_name_or_with_a_slash_for_the_path(
    root: Path, patterns: tuple[str, ...], expected: set[str]
) -> None:
    for name in ("a.log", "a.txt", "x/a.log", "x/y/a.log"):
        make(root / name)
    if not (root / "a.LOG").exists():
        make(root / "a.LOG")
    else:
        expected = expected - {"a.LOG"}  # a file system that knows no case
    assert files(root, *patterns) == expected


def test_a_directory_that_matches_is_no_file(root: Path) -> None:
    make(root / "dir.log" / "a.log")
    assert files(root) == {"dir.log/a.log"}


def test_each_file_is_given_with_the_real_path_to_open(root: Path) -> None:
    path = make(root / "x" / "a.log")
    assert walk(root, ["*.log"]).files == {"x/a.log": os.path.realpath(path)}


def test_a_link_to_a_file_inside_leads_to_that_file(root: Path) -> None:
    target = make(root / "x" / "a.txt")
    (root / "latest.log").symlink_to("x/a.txt")
    assert walk(root, ["*.log"]).files == {"latest.log": os.path.realpath(target)}


def test_links_out_of_the_directory_are_listed_and_not_followed(root: Path, tmp_path: Path) -> None:
    make(tmp_path / "elsewhere" / "a.log")
    (root / "file.log").symlink_to(tmp_path / "elsewhere" / "a.log")
    (root / "directory").symlink_to(tmp_path / "elsewhere")
    (root / "up").symlink_to("..")
    (root / "hop.log").symlink_to("file.log")
    found = walk(root, ["*.log"])
    assert found.files == {}
    assert sorted(found.outside) == ["directory", "file.log", "hop.log", "up"]


def test_a_neighbour_whose_name_begins_alike_is_outside(root: Path, tmp_path: Path) -> None:
    make(tmp_path / "runs-old" / "a.log")
    (root / "a.log").symlink_to(tmp_path / "runs-old" / "a.log")
    assert walk(root, ["*.log"]) == Found(outside=["a.log"])


def test_a_link_outside_that_does_not_match_is_no_matter(root: Path, tmp_path: Path) -> None:
    (root / "notes.txt").symlink_to(make(tmp_path / "notes.txt"))
    assert walk(root, ["*.log"]) == Found()


def test_a_link_to_a_directory_inside_adds_nothing(root: Path) -> None:
    make(root / "x" / "a.log")
    (root / "latest").symlink_to("x")
    found = walk(root, ["*.log"])
    assert set(found.files) == {"x/a.log"}
    assert found.outside == []


def test_links_that_lead_round_end(root: Path) -> None:
    make(root / "x" / "a.log")
    (root / "x" / "self").symlink_to(".")
    (root / "x" / "back").symlink_to("..")
    (root / "one.log").symlink_to("two.log")
    (root / "two.log").symlink_to("one.log")
    found = walk(root, ["*.log"])
    assert set(found.files) == {"x/a.log"}
    assert found.unreadable == dict.fromkeys(["one.log", "two.log"], "the link leads to nothing")


def test_a_link_to_nothing_is_unreadable(root: Path) -> None:
    (root / "gone.log").symlink_to("nowhere.log")
    assert walk(root, ["*.log"]) == Found(unreadable={"gone.log": "the link leads to nothing"})


def test_a_link_to_nothing_outside_is_unreadable_too(root: Path, tmp_path: Path) -> None:
    (root / "gone.log").symlink_to(tmp_path / "nowhere.log")
    (root / "gone.txt").symlink_to(tmp_path / "nowhere.txt")
    assert walk(root, ["*.log"]) == Found(unreadable={"gone.log": "the link leads to nothing"})


def test_the_directory_may_be_given_through_a_link(root: Path, tmp_path: Path) -> None:
    make(root / "a.log")
    (root / "b.log").symlink_to("a.log")
    link = tmp_path / "link"
    link.symlink_to(root)
    assert files(link) == {"a.log", "b.log"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_and_sockets_are_listed_apart(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "pipe.log")
    os.mkfifo(root / "pipe.txt")
    (root / "link.log").symlink_to("pipe.txt")
    monkeypatch.chdir(root)  # the whole path may be too long for a socket
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.log")
        found = walk(root, ["*.log"])
    assert sorted(found.special) == ["link.log", "pipe.log", "socket.log"]
    assert found.files == {}


def test_a_device_that_is_linked_to_is_outside(root: Path) -> None:
    (root / "null.log").symlink_to(os.devnull)
    assert walk(root, ["*.log"]) == Found(outside=["null.log"])


@pytest.mark.parametrize(
    "name", [b"\xff\xfe.log", b"a\nb.log", b"\x1b[31m.log", "größe😀.log".encode(), b" .log", b"-.log"]
)
def test_any_name_is_a_name(root: Path, name: bytes) -> None:
    path = os.fsencode(root) + b"/" + name
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    except OSError:
        pytest.skip("this file system refuses the name")
    found = walk(root, ["*.log"])
    assert {os.fsencode(path): os.fsencode(real) for path, real in found.files.items()} == {
        name: os.path.realpath(path)
    }


def test_a_directory_that_is_missing_is_unreadable(tmp_path: Path) -> None:
    assert walk(tmp_path / "gone", ["*"]) == Found(unreadable={".": "the directory does not exist"})


def test_a_file_given_as_the_directory_is_unreadable(tmp_path: Path) -> None:
    assert walk(make(tmp_path / "a.log"), ["*"]) == Found(unreadable={".": "Not a directory"})


def test_a_path_longer_than_the_system_allows_is_unreadable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is above it is read all the same."""
    make(root / "a.log")
    deep = Path("d" * 200)
    monkeypatch.chdir(root)
    for _ in range(25):
        deep.mkdir()
        os.chdir(deep)
    found = walk(root, ["*.log"])
    monkeypatch.undo()
    shutil.rmtree(root / deep)
    assert set(found.files) == {"a.log"}
    assert list(found.unreadable.values()) == ["File name too long"]
