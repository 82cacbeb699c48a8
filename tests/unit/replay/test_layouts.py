"""However two checkouts are laid out, the base's estimator is the base's, or it is refused."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_token_telemetry.importing import location
from pytest_token_telemetry.replay.base_estimator import Head, replay_base
from pytest_token_telemetry.replay.trees import trees
from tests.lines import v2
from tests.unit.replay.test_run import SIX, double, every

ADAPTER = "from shop.est import predict as replay\n"
ESTIMATOR = "FACTOR = {factor}\ndef predict(request): return request.predicted_output_tokens * FACTOR\n"
OF_BASE = [1000, 1001, 1002, 1003, 1004, 1005]
"""What is predicted with a factor of 1: what was recorded. The head's factor is 3."""

FLAT = {"replay.py": "from est import predict as replay\n", "est.py": ESTIMATOR}
PACKAGE = {"shop/__init__.py": "", "shop/est.py": ESTIMATOR, "shop/replay.py": "from .est import predict as replay\n"}
IN_ROOT = {"replay.py": ADAPTER, "shop/__init__.py": "", "shop/est.py": ESTIMATOR}
NAMESPACE = {"replay.py": ADAPTER, "shop/est.py": ESTIMATOR}


def below(directory: str, files: dict[str, str]) -> dict[str, str]:
    """The same files with all but the adapter in ``directory``."""
    return {name if name == "replay.py" else f"{directory}/{name}": text for name, text in files.items()}


SRC = below("src", IN_ROOT)
LIB = below("lib", IN_ROOT)
RELATIVE = LIB | {"replay.py": f"import sys\nsys.path.insert(0, 'lib')\n{ADAPTER}"}
TOML = "[tool.pytest.ini_options]\npythonpath = {}\n"


@dataclass(frozen=True)
class Layout:
    """What both checkouts hold, and where the session of the head looks for modules."""

    files: dict[str, str]
    search: tuple[str, ...] = ("head",)
    base: str = "base::replay:replay"
    head: str = "replay:replay"


LAYOUTS = {
    "flat": Layout(FLAT),
    "flat, in the directory that pytest was called in": Layout(FLAT, ("",)),
    "package in the root": Layout(PACKAGE, base="base::shop.replay:replay", head="shop.replay:replay"),
    "package in the root, adapter beside": Layout(IN_ROOT),
    "namespace package": Layout(NAMESPACE),
    "namespace package in src": Layout(below("src", NAMESPACE), ("head", "head/src")),
    "src, as pythonpath has it": Layout(SRC | {"pyproject.toml": TOML.format('["src"]')}, ("head/src", "head")),
    "lib, as pythonpath has it": Layout(LIB | {"pyproject.toml": TOML.format('"lib more"')}),
    "lib, native settings": Layout(LIB | {"pyproject.toml": '[tool.pytest]\npythonpath = ["lib"]\n'}),
    "lib, pytest.ini": Layout(LIB | {"pytest.ini": "[pytest]\npythonpath = lib\n", "pyproject.toml": ""}),
    "lib, setup.cfg": Layout(
        LIB | {"setup.cfg": "[tool:pytest]\npythonpath =\n    more\n    lib\n", "tox.ini": "[tox]"}
    ),
    "lib, as a conftest or a variable has it": Layout(LIB, ("head/lib", "head")),
    "lib, relative to the session": Layout(LIB, ("lib", "")),
    "lib, relative path in the adapter": Layout(RELATIVE),
    "the adapter lies deep": Layout(
        {f"tools/gate/{name}" if name == "replay.py" else name: text for name, text in SRC.items()}
        | {"pyproject.toml": TOML.format('["src"]')},
        ("head/src",),
        "base/tools/gate::replay:replay",
        "head/tools/gate::replay:replay",
    ),
}


@dataclass(frozen=True)
class Checkouts:
    """Two of them, which differ in a factor, below one directory."""

    path: Path

    def write(self, files: dict[str, str], base: str = "base", head: str = "head") -> None:
        for root, factor in ((base, 1), (head, 3)):
            for name, text in files.items():
                file = self.path / root / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text.replace("{factor}", str(factor)))

    def answers(
        self, base: str = "base::replay:replay", head: str = "replay:replay", search=("head",), estimator=double
    ) -> list[int]:
        """What the base predicts, in a session that was called in the head's checkout."""
        here = self.path / "head"
        own = head if "::" in head else f"{here}::{head}"
        places = tuple(str(self.path / each) if each.startswith("head") else each for each in search)
        found = replay_base(
            SIX,
            every(SIX),
            location(base).below(self.path),
            Head(estimator, location(own).below(self.path) if "::" in head else location(head), (here,), places),
            60,
        )
        assert found.errors == ()
        return found.predicted_output_tokens.tolist()

    def refusal(self, **how) -> str:
        with pytest.raises(LookupError) as error:
            self.answers(**how)
        said = str(error.value)
        assert "\n" not in said
        return said


@pytest.fixture
def checkouts(tmp_path: Path) -> Checkouts:
    return Checkouts(tmp_path)


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_base_is_the_base_in_every_layout(checkouts: Checkouts, name: str):
    layout = LAYOUTS[name]
    checkouts.write(layout.files)
    assert checkouts.answers(layout.base, layout.head, layout.search) == OF_BASE


@pytest.mark.parametrize("mark", [".git/HEAD", "pyproject.toml"])
def test_a_base_may_lie_in_the_checkout_of_the_head(checkouts: Checkouts, mark: str):
    files = below("src", IN_ROOT) | {"src/replay.py": ADAPTER, mark: ""}
    checkouts.write(files, base="head/base")
    assert checkouts.answers("head/base/src::replay:replay", "head/src::replay:replay", ("head/src", "")) == OF_BASE


def test_a_head_may_lie_in_the_checkout_of_the_base(checkouts: Checkouts):
    checkouts.write(FLAT, base="head", head="head/new")
    assert checkouts.answers("head::replay:replay", "head/new::replay:replay") == OF_BASE


def test_an_environment_in_the_head_is_nobodys(checkouts: Checkouts):
    checkouts.write(FLAT | {"replay.py": "import far_library\nfrom est import predict as replay\n"})
    installed = checkouts.path / "head" / ".venv" / "lib" / "site-packages"
    installed.mkdir(parents=True)
    (installed / "far_library.py").write_text("")
    assert checkouts.answers(search=("head", "head/.venv/lib/site-packages")) == OF_BASE


def test_a_whole_disk_is_nobodys_checkout(checkouts: Checkouts):
    checkouts.write(FLAT)
    head, library = checkouts.path / "head", checkouts.path / "library" / "far_library.py"
    found = trees(checkouts.path / "base", head, [Path(head.anchor)], named=False)
    assert found.is_heads(str(head / "est.py"))
    assert not found.is_heads(str(library))


BY_FILE = """
import importlib.util
spec = importlib.util.spec_from_file_location("far_module", r"{head}/est.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
replay = module.predict
"""

TAKES_FROM_HEAD = {
    "by path": "import sys\nsys.path.insert(0, r'{head}')\nfrom est import predict as replay\n",
    "by its file": BY_FILE,
    "by its text": "exec(open(r'{head}/est.py').read())\nreplay = predict\n",
    "and forgets it": (
        "import sys\nsys.path.insert(0, r'{head}')\nfrom est import predict as replay\ndel sys.modules['est']\n"
    ),
    "in the call": (
        "import sys\ndef replay(request):\n"
        "    sys.path.insert(0, r'{head}')\n    import est\n    return est.predict(request)\n"
    ),
    "by a namespace": (
        "import sys\nsys.path.insert(0, r'{head}')\nimport data\ndef replay(request): return len(list(data.__path__))\n"
    ),
}


@pytest.mark.parametrize("how", TAKES_FROM_HEAD)
def test_a_base_that_takes_a_module_from_the_head_is_refused_with_the_modules_name(checkouts: Checkouts, how: str):
    head = checkouts.path / "head"
    checkouts.write({"est.py": ESTIMATOR, "data/table.json": "{}"}, base="elsewhere")
    checkouts.write({"replay.py": TAKES_FROM_HEAD[how].replace("{head}", str(head))})
    said = checkouts.refusal()
    name = "data" if how == "by a namespace" else "est"
    assert said.startswith("it imports the head's ")
    assert f"{head}{os.sep}{name}" in said
    assert said.endswith(
        "(name the directory that holds the base's own, or add it to pythonpath in the base's pytest settings)"
    )


def test_a_base_that_is_a_link_to_the_head_is_refused(checkouts: Checkouts):
    checkouts.write(FLAT, base="elsewhere")
    (checkouts.path / "base").symlink_to(checkouts.path / "head")
    assert checkouts.refusal().startswith("it imports the head's est, ")


def test_two_estimators_in_one_file_are_refused(checkouts: Checkouts):
    """As where both adapters import an installed estimator. Here it is one beside this test."""
    checkouts.write({"replay.py": "from lines import v2 as replay\n"})
    said = checkouts.refusal(search=("head", str(Path(v2.__code__.co_filename).parent)), estimator=v2)
    assert said.startswith(f"it is the estimator that it is compared with, {v2.__code__.co_filename}:")


def test_an_estimator_is_not_compared_with_itself(checkouts: Checkouts):
    checkouts.write(FLAT)
    said = checkouts.refusal(base="lines:v2", search=("head", str(Path(v2.__code__.co_filename).parent)), estimator=v2)
    assert said.endswith("own, as PATH::lines:v2)")


# The head is installed in the environment of both

FINDER = """
import importlib.util, sys
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "shop":
            return importlib.util.spec_from_file_location(name, r"{head}/shop/__init__.py")
sys.meta_path.insert(0, Finder)
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment without a package."""
    path = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", path], check=True)
    return path


@pytest.fixture
def install(bare: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Write files into the environment, and let the base run in it."""
    programs = bare / ("Scripts" if os.name == "nt" else "bin")
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    (packages,) = bare.rglob("site-packages")

    def write(files: dict[str, str]) -> None:
        for name, text in files.items():
            (packages / name).parent.mkdir(exist_ok=True)
            (packages / name).write_text(text)

    yield write
    shutil.rmtree(packages)  # with what Python compiled of them: the next test writes other files of the same size
    packages.mkdir()


@pytest.mark.parametrize("way", ["by path", "by a finder"])
@pytest.mark.parametrize("place", ["src", "lib"])
def test_an_editable_install_of_the_head_is_passed_over(checkouts: Checkouts, install, way: str, place: str):
    head = str(checkouts.path / "head" / place)
    checkouts.write(below(place, IN_ROOT) | {"pyproject.toml": TOML.format(f'["{place}"]')})
    pth = f"{head}\n" if way == "by path" else "import _far_finder\n"
    install({"_far.pth": pth, "_far_finder.py": FINDER.replace("{head}", head)})
    assert checkouts.answers(search=("head",)) == OF_BASE


def test_an_editable_install_shows_where_the_bases_own_is(checkouts: Checkouts, install, monkeypatch):
    """Without settings in either checkout: the session has imported the head's package by the finder."""
    checkouts.write(LIB)
    head = checkouts.path / "head" / "lib"
    install({"_far.pth": "import _far_finder\n", "_far_finder.py": FINDER.replace("{head}", str(head))})
    said = checkouts.refusal()
    assert said.startswith(
        "'replay' cannot be imported: ModuleNotFoundError: No module named 'shop' (name the directory"
    )
    spec = importlib.util.spec_from_file_location("shop", head / "shop" / "__init__.py")
    monkeypatch.setitem(sys.modules, "shop", importlib.util.module_from_spec(spec))
    assert checkouts.answers() == OF_BASE


def test_the_directory_that_holds_the_bases_estimator_is_named(checkouts: Checkouts):
    checkouts.write({"lib/replay.py": "def replay(request): return 1\n"})
    assert checkouts.refusal().endswith(
        f"No module named 'replay' (write {checkouts.path / 'base' / 'lib'}::replay:replay)"
    )


def test_a_copy_of_the_head_that_is_installed_is_the_heads(checkouts: Checkouts, install):
    checkouts.write(LIB)
    place = {"url": (checkouts.path / "head").as_uri(), "dir_info": {}}
    install(
        {
            "shop/__init__.py": "",
            "shop/est.py": ESTIMATOR.replace("{factor}", "3"),
            "shop-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: shop\nVersion: 1\n",
            "shop-1.dist-info/RECORD": "shop/__init__.py,,\nshop/est.py,,\n",
            "shop-1.dist-info/direct_url.json": json.dumps(place),
        }
    )
    assert checkouts.refusal().startswith("it imports the head's shop, ")
    checkouts.write({"pyproject.toml": TOML.format('["lib"]')})
    assert checkouts.answers() == OF_BASE
