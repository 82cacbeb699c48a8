"""Remote directories are read as local ones are, and what cannot be read is said without a secret."""

from __future__ import annotations

import bz2
import gzip
import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pytest_token_telemetry.option_types import RemoteUrl, directory
from pytest_token_telemetry.sources.field_map import field_map
from pytest_token_telemetry.sources.keys import SideFile
from pytest_token_telemetry.sources.mapped import MappedSource
from pytest_token_telemetry.sources.parallel import Scan, ScanError
from pytest_token_telemetry.sources.reading import Directory, Reading, read_directories
from pytest_token_telemetry.sources.remote import calls, copying
from pytest_token_telemetry.sources.remote.drivers import reason
from pytest_token_telemetry.sources.remote.remote_reading import refuse_unreadable
from tests.answers import chat
from tests.lines import cut_off, stamp, v2, write
from tests.unit.sources.test_batches import asked, completion
from tests.unit.sources.test_reading import summary

fsspec = pytest.importorskip("fsspec", reason="the extra [remote] is not installed")

from fsspec.implementations.memory import MemoryFileSystem  # noqa: E402 - it may not be there
from fsspec.registry import _registry as REGISTRY  # noqa: E402, N812

PATTERNS = ("*.log", "*.log.*", "*.json*", "*.csv*")


@pytest.fixture(autouse=True)
def store() -> Iterator[MemoryFileSystem]:
    """The memory that is behind ``memory://``, empty."""
    yield MemoryFileSystem()
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def at(text: str) -> RemoteUrl:
    found = directory(text)
    assert isinstance(found, RemoteUrl)
    return found


def read(*urls: str, patterns: tuple[str, ...] = PATTERNS, **options: Any) -> Reading:
    return read_directories([], patterns, remotes=[at(url) for url in urls], **options)


def put_all(store: MemoryFileSystem, tree: Path, root: str) -> None:
    for path in tree.rglob("*"):
        if path.is_file():
            store.pipe_file(f"{root}/{path.relative_to(tree).as_posix()}", path.read_bytes())


def tree_of_all_kinds(tree: Path) -> Path:
    """Logs plain and compressed, copies, what is unusable, formats of others, requests beside results, other files."""
    write(tree, [v2(time=stamp(each)) for each in range(40)], "run-1/agent.log")
    write(tree, [v2(time=stamp(each)) for each in range(20, 50)], "run-2/deep/er/agent.log")
    write(tree, [v2(output=-1), cut_off(time=stamp(60)), "a [TokenEstimationV2] here"], "top.log")
    write(tree, ["nothing"], "no.log")
    write(tree, [], "empty.log")
    (tree / "packed.log.gz").write_bytes(gzip.compress(f"{v2(time=stamp(70))}\n".encode()))
    (tree / "packed.log.bz2").write_bytes(bz2.compress(f"{v2(time=stamp(71))}\n".encode())[:-5])
    write(tree, [json.dumps(completion("a")), json.dumps(completion("b"))], "batch/output.jsonl")
    requests = "".join(json.dumps(asked(key, max_tokens=200)) + "\n" for key in "ab").encode()
    (tree / "batch/input.jsonl.gz").write_bytes(gzip.compress(requests))
    write(tree, [json.dumps(chat("stop", tokens=90, id="chatcmpl-z"))], "run-3/responses.jsonl")
    write(tree, ["tokens,kind", "17,a"], "mine/calls.csv")
    write(tree, [v2()], "run-1/notes.txt")
    return tree


@pytest.mark.parametrize(("block", "copied", "copies"), [(1 << 20, 256 << 20, 2500), (100, 3000, 2500), (7, 1, 1)])
def test_a_remote_directory_reads_as_a_local_one_does(
    tmp_path: Path, store: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, block: int, copied: int, copies: int
) -> None:
    """Whatever is copied at a time: samples, places, runs, copies, reasons and counts are the same."""
    for name, value in {"BLOCK": max(block, 100), "COPIED": copied, "COPIES": copies}.items():
        monkeypatch.setattr(copying, name, value)
    tree = tree_of_all_kinds(tmp_path / "tree")
    a_map = {"format": "csv", "files": ["mine/*.csv"], "fields": {"output_tokens": "tokens"}}
    mapped = (MappedSource("mine", field_map("mine", a_map, "sources.mine")),)
    put_all(store, tree, "/bucket/tree")
    local = read_directories([Directory(tree, "memory://bucket/tree")], PATTERNS, scan=Scan(mapped=mapped))
    found = read("memory://bucket/tree", scan=Scan(mapped=mapped))
    assert summary(found) == summary(local)
    assert [each.samples for each in found.files] == [0, 2, 0, 1, 0, 1, 1, 40, 10, 1, 1]  # in the order of their paths
    assert (found.duplicates, [*found.unreadable]) == (20, ["memory://bucket/tree/packed.log.bz2"])
    assert (found.samples.max_tokens == 200).sum() == 2  # the requests beside the results say so


def test_a_page_of_links_is_a_directory_of_those_below_it(tmp_path: Path) -> None:
    """A web server's: it says how long files are only when it is asked for each."""
    pytest.importorskip("aiohttp", reason="the extra [remote] is not installed")
    write(tmp_path, [v2(time=stamp(each)) for each in range(3)], "runs/run 1/a.log")
    (tmp_path / "runs/b.log.gz").write_bytes(gzip.compress(f"{v2(time=stamp(70))}\n".encode()))
    write(tmp_path, [v2(time=stamp(80))], "others/c.log")
    links = ("/", "../others/", "/others/c.log", "?C=N;O=D", "b.log.gz", "run%201/", "/runs/b.log.gz#top")
    write(tmp_path, [f'<a href="{link}">a link</a>' for link in links], "runs/index.html")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/runs"
        found = read(f"{url}/")
        server.shutdown()
        thread.join()
    assert [(each.path, each.samples) for each in found.files] == [(f"{url}/b.log.gz", 1), (f"{url}/run%201/a.log", 3)]
    assert found.unreadable == {}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_other_processes_read_what_was_copied(tmp_path: Path, store: MemoryFileSystem) -> None:
    tree = tree_of_all_kinds(tmp_path / "tree")
    put_all(store, tree, "/t")
    local = read_directories([Directory(tree, "memory://t")], PATTERNS)
    assert summary(read("memory://t", scan=Scan(jobs=2))) == summary(local)


def test_objects_of_directories_that_overlap_are_read_once(store: MemoryFileSystem) -> None:
    store.pipe_file("/t/run/a.log", f"{v2()}\n".encode())
    found = read("memory://t/run", "memory://t", "memory:///t/run/")
    assert [(each.path, each.samples) for each in found.files] == [("memory:///t/run/a.log", 1)]


def test_what_remote_files_look_like_and_what_else_is_there_is_told(store: MemoryFileSystem) -> None:
    store.pipe_file("/t/a.log", b"started\n")
    store.pipe_file("/t/b.log", b'{"resourceSpans": []}\n')
    store.pipe_file("/t/c.log", b"ended\n")
    assert list(read("memory://t", patterns=("*.log",)).look_like.items()) == [("plain text", 2), ("OTLP JSON", 1)]
    assert read("memory://t", patterns=("*.txt",)).near_misses == {"*.log": 3}


@pytest.mark.parametrize("name", ["..", "a\nb\x1b", "\u202e", "a%2F?b", "x" * 900])
def test_names_of_objects_are_never_paths_here(store: MemoryFileSystem, name: str) -> None:
    MemoryFileSystem.store.clear()
    store.pipe_file("/t/a", b"")
    memory_file = store.store.pop("/t/a")
    memory_file.write(f"{v2()}\n".encode())
    store.store[f"/t/{name}/a.log"] = memory_file
    found = read("memory://t")
    assert [(each.path, each.samples) for each in found.files] == [(f"memory://t/{name}/a.log", 1)]


class Faulty(MemoryFileSystem):
    """A driver over the same memory, to whose server something happens."""

    protocol = "faulty"
    happens: Any = None

    def __init__(self, **options: Any) -> None:
        if self.happens == "no connection":
            raise ConnectionRefusedError(111, "Connection refused")
        if isinstance(self.happens, Exception):
            raise self.happens
        super().__init__(**options)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(MemoryFileSystem._strip_protocol(path.replace("faulty://", "memory://")))

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[dict[str, Any]]:
        if self.happens == "odd names" and path == "/t":
            listed = MemoryFileSystem.ls(self, "/t")
            others = [{"name": f"/t/{name}", "type": "file"} for name in ("sized.log", "lost.log")]
            return [*listed, {"name": "/t/", "type": "directory"}, *others]
        if self.happens == "circle":
            return [{"name": f"{path}/a", "type": "directory"}]
        if path.endswith("/closed"):
            raise PermissionError(13, "Forbidden: https://me:s3cret@host/t?X-Amz-Signature=s3cret")
        found: list[dict[str, Any]] = MemoryFileSystem.ls(self, path, detail)
        return found

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        if path == "/t/sized.log":
            return {"name": path, "type": "file", "size": None}
        found: dict[str, Any] = MemoryFileSystem.info(self, path)
        return found

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        text: bytes = MemoryFileSystem.cat_file(self, path, start, end)
        name = path.rpartition("/")[2]
        match name:
            case "gone.log":
                self.rm(path)
                return MemoryFileSystem.cat_file(self, path, start, end)
            case "short.log":
                return text[:-1]
            case "changed.log":
                self.pipe_file(path, text)
            case "swept.log":
                shutil.rmtree(tempfile.gettempdir())
            case "hangs.log":
                threading.Event().wait()
        return text


@pytest.fixture
def faulty(store: MemoryFileSystem) -> Iterator[type[Faulty]]:
    fsspec.register_implementation("faulty", Faulty, clobber=True)
    Faulty.happens = None
    yield Faulty
    REGISTRY.pop("faulty")


def test_objects_that_cannot_be_read_whole_are_unreadable_with_the_reason(
    store: MemoryFileSystem, faulty: type[Faulty]
) -> None:
    for name in ("good.log", "gone.log", "short.log", "changed.log", "closed/a.log"):
        store.pipe_file(f"/t/{name}", f"{v2(time=stamp(len(name)))}\n".encode())
    found = read("faulty://t")
    size = len(f"{v2(time=stamp(9))}\n")
    assert found.unreadable == {
        "faulty://t/changed.log": "it was changed while it was read",
        "faulty://t/closed": "access is denied: Forbidden: https://host/t"
        " (check the credentials that its driver finds in the environment)",
        "faulty://t/gone.log": "it is gone since it was listed",
        "faulty://t/short.log": f"its server sent {size - 1} of {size} bytes",
    }
    assert [(each.path, each.samples) for each in found.files] == [("faulty://t/good.log", 1)]


def test_what_its_driver_cannot_list_is_unreadable(store: MemoryFileSystem, faulty: type[Faulty]) -> None:
    faulty.happens = "odd names"
    store.pipe_file("/t/a.log", f"{v2()}\n".encode())
    assert read("faulty://t").unreadable == {
        "faulty://t": "a part of its name is empty, so that its driver cannot list it",
        "faulty://t/lost.log": "it is gone since it was listed",
        "faulty://t/sized.log": "its server does not say how long it is",
    }


def test_directories_that_go_around_in_a_circle_end(faulty: type[Faulty]) -> None:
    faulty.happens = "circle"
    assert [*read("faulty://t").unreadable.values()] == ["it is more than 100 directories deep"]


def test_a_page_with_parameters_is_no_directory() -> None:
    with pytest.raises(ScanError, match=r"^https://host/t: a page with parameters is no directory"):
        refuse_unreadable([at("https://host/t?token=s3cret")])


@pytest.mark.parametrize(
    ("said", "way"),
    [
        ("Server failed to authenticate the request", "check the credentials"),
        ("AuthorizationFailure: 403", "check the credentials"),
        ("unable to connect: must provide credentials", "check the credentials"),
        ("Name or service not known", "check the address"),
    ],
)
def test_where_a_server_denies_access_the_way_out_is_other_credentials(said: str, way: str) -> None:
    assert reason(RuntimeError(said), at("abfs://t")).startswith(f"{said} ({way}")


def test_a_driver_without_a_connection_ends_the_reading(faulty: type[Faulty]) -> None:
    faulty.happens = "no connection"
    refuse_unreadable([at("faulty://t")])  # it is asked for later alone
    why = r"^faulty://t: Connection refused \(check the address, and whether its server can be reached\)$"
    with pytest.raises(ScanError, match=why):
        read("faulty://t")


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (
            TypeError("F.__init__() missing 2 required positional arguments: 'instance' and 'token'"),
            "its driver needs more than the address (set FSSPEC_FAULTY_INSTANCE and FSSPEC_FAULTY_TOKEN)",
        ),
        (
            ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow"),
            "its driver is not installed: No module named 'pyarrow' (install it)",
        ),
        (
            NotImplementedError(),
            "its driver lists no directories (copy the run logs, and name their directory)",
        ),
        (
            AttributeError("'NoneType' object has no attribute 'startswith'"),
            "its driver failed: 'NoneType' object has no attribute 'startswith'"
            " (check the address, or copy the run logs, and name their directory)",
        ),
        (
            IsADirectoryError(21, "Is a directory"),
            "Is a directory (name a bucket and a prefix that hold run logs)",
        ),
    ],
)
def test_what_a_driver_says_of_its_own_fault_comes_with_a_way_out(
    faulty: type[Faulty], error: Exception, why: str
) -> None:
    faulty.happens = error
    with pytest.raises(ScanError) as refused:
        read("faulty://t")
    assert str(refused.value) == f"faulty://t: {why}"


@pytest.mark.parametrize("protocol", ["zip", "tar", "libarchive"])
def test_archives_are_to_be_unpacked(protocol: str) -> None:
    with pytest.raises(ScanError) as error:
        refuse_unreadable([at(f"{protocol}://x.zip")])
    why = "it reads the files within an archive (unpack it, and name the directory)"
    assert str(error.value) == f"{protocol}://x.zip: {why}"


@pytest.mark.parametrize(
    "protocol", ["dir", "simplecache", "filecache", "blockcache", "cached", "reference", "generic"]
)
def test_protocols_that_read_another_one_are_refused(protocol: str) -> None:
    with pytest.raises(ScanError) as error:
        refuse_unreadable([at(f"{protocol}://a/b")])
    why = "it reads what another protocol holds (name that one alone: s3://BUCKET/PREFIX, or a local directory)"
    assert str(error.value) == f"{protocol}://a/b: {why}"


def test_a_server_that_hangs_ends_the_reading(
    store: MemoryFileSystem, faulty: type[Faulty], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "SILENCE", 0.3)
    store.pipe_file("/t/hangs.log", b"x\n")
    why = r"faulty://t/hangs\.log: no answer for 0\.3 s \(check the address, and whether its server can be reached\)"
    with pytest.raises(ScanError, match=why):
        read("faulty://t")


def test_a_copy_that_finds_no_room_is_no_fault_of_the_server(
    store: MemoryFileSystem, faulty: type[Faulty], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "t").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    store.pipe_file("/t/swept.log", b"x\n")
    room = "let TMPDIR name a directory with room for 512 MB and the largest object"
    assert read("faulty://t").unreadable == {
        "faulty://t/swept.log": f"it cannot be copied to {tmp_path}/t: No such file or directory ({room})"
    }


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("memory://none/x", "there is nothing (name a bucket and a prefix that hold run logs)"),
        ("memory://t/a.log", "it is an object, not a directory (name the prefix of run logs)"),
        ("nobody-knows://t", "fsspec knows no protocol nobody-knows:// (write s3://, or another that it knows)"),
    ],
)
def test_a_directory_that_is_not_there_is_refused(store: MemoryFileSystem, url: str, why: str) -> None:
    store.pipe_file("/t/a.log", b"")
    with pytest.raises(ScanError) as error:
        read(url)
    assert str(error.value) == f"{url}: {why}"


@pytest.mark.parametrize(
    ("protocol", "missing", "why"),
    [
        ("s3", "s3fs", "s3:// needs s3fs (run pip install 'pytest-token-telemetry[remote]')"),
        ("gs", "gcsfs", "gs:// needs gcsfs (run pip install gcsfs)"),
        ("s3", "fsspec", "s3:// needs s3fs (run pip install 'pytest-token-telemetry[remote]')"),
        ("abfs", "fsspec", "abfs:// needs adlfs (run pip install adlfs)"),
        ("memory", "fsspec", "memory:// needs fsspec (run pip install 'pytest-token-telemetry[remote]')"),
        ("sftp", "paramiko", 'its driver is not installed: SFTPFileSystem requires "paramiko" to be installed'),
    ],
)
def test_a_missing_driver_is_named_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, protocol: str, missing: str, why: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, missing, None)
    monkeypatch.delitem(REGISTRY, protocol, raising=False)
    with pytest.raises(ScanError) as error:
        refuse_unreadable([at(f"{protocol}://b/x")])
    assert str(error.value) == f"{protocol}://b/x: {why}"


def test_calls_are_joined_with_a_side_file(store: MemoryFileSystem, tmp_path: Path) -> None:
    store.pipe_file("/runs/calls.jsonl", json.dumps(chat("stop")).encode())
    file = tmp_path / "predicted.jsonl"
    file.write_text('{"response_id": "chatcmpl-1", "predicted_output_tokens": 900}\n')
    found = read("memory://runs", side_files=[SideFile(str(file), file.name, "--predictions")])
    assert found.samples.predicted_output_tokens.tolist() == [900]
