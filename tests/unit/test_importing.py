"""Where an estimator is, as users write it, and how it is loaded from there."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import pytest

from pytest_token_telemetry.importing import Location, defined_at, location


@pytest.fixture(autouse=True)
def _leave_no_modules(monkeypatch):
    """Python forgets what a test imported, and where from."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def module(directory: Path, text: str, name: str = "far_estimator") -> Path:
    directory.mkdir(exist_ok=True, parents=True)
    (directory / f"{name}.py").write_text(text)
    return directory


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("estimator:predict", Location("estimator", "predict")),
        ("  estimator:predict ", Location("estimator", "predict")),
        ("package.module:callable", Location("package.module", "callable")),
        ("package.module:Class.method", Location("package.module", "Class.method")),
        ("main::estimator:predict", Location("estimator", "predict", Path("main"))),
        ("../main::a.b:c.d", Location("a.b", "c.d", Path("../main"))),
        ("/abs/main::estimator:predict", Location("estimator", "predict", Path("/abs/main"))),
        (r"C:\work\main::estimator:predict", Location("estimator", "predict", Path(r"C:\work\main"))),
        ("C:/code/main::estimator:predict", Location("estimator", "predict", Path("C:/code/main"))),
        ("with space::estimator:predict", Location("estimator", "predict", Path("with space"))),
        ("odd::path::estimator:predict", Location("estimator", "predict", Path("odd::path"))),
        (".::estimator:predict", Location("estimator", "predict", Path())),
        ("münchen::schätzer:größe", Location("schätzer", "größe", Path("münchen"))),
    ],
)
def test_a_location_is_a_module_and_a_callable_in_it_and_perhaps_a_directory(text, expected):
    assert location(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "estimator",
        "estimator:",
        ":predict",
        "::estimator:predict",
        "main::estimator",
        "main::",
        "main:estimator:predict",
        "estimator.py:predict()",
        "package/module:predict",
        "C:/code/estimator.py:predict",
        "package..module:predict",
        ".module:predict",
        "module:.predict",
        "mod ule:predict",
        "main:: estimator:predict",
        "1module:predict",
        "module:predict:more",
    ],
)
def test_what_names_no_callable_is_refused_with_the_way_to_write_it(text):
    with pytest.raises(ValueError, match=r"is not an estimator \(write package\.module:callable, or path::module:call"):
        location(text)


@pytest.mark.parametrize("text", ["a.b:c.d", "/abs/main::a:b", "odd:::a:b"])
def test_a_location_is_written_as_it_is_read(text):
    assert str(location(text)) == text
    assert location(str(location(text))) == location(text)


def test_a_relative_directory_lies_below_the_place_where_it_is_written(tmp_path):
    assert location("main::a:b").below(tmp_path).directory == tmp_path / "main"
    assert location("/abs::a:b").below(tmp_path).directory == Path("/abs")


def test_a_callable_is_loaded_from_its_directory(tmp_path):
    module(tmp_path / "main", "def predict(request): return 7")
    assert location("main::far_estimator:predict").below(tmp_path).load()(None) == 7


def test_a_module_without_a_directory_may_lie_where_it_is_written(tmp_path):
    module(tmp_path, "def predict(request): return 7")
    assert location("far_estimator:predict").below(tmp_path).load()(None) == 7


def test_a_module_of_python_is_not_hidden_by_one_that_lies_where_it_is_written(tmp_path):
    module(tmp_path, "raise RuntimeError", "fractions")
    assert location("fractions:Fraction").below(tmp_path).load().__name__ == "Fraction"


def test_a_module_in_a_package_is_found(tmp_path):
    module(tmp_path / "main" / "far_package", "", "__init__")
    module(tmp_path / "main" / "far_package", "def predict(request): return 7", "inner")
    assert location("main::far_package.inner:predict").below(tmp_path).load()(None) == 7


def test_an_attribute_of_an_attribute_is_found(tmp_path):
    module(tmp_path, "class Estimator:\n    @staticmethod\n    def predict(request): return 7")
    assert location(f"{tmp_path}::far_estimator:Estimator.predict").load()(None) == 7


@pytest.mark.parametrize("directory", ["", "main::"])
def test_the_name_of_a_file_is_answered_with_the_name_of_its_module(tmp_path, directory):
    module(tmp_path / directory.removesuffix("::"), "def predict(request): return 7")
    where = location(f"{directory}far_estimator.py:predict").below(tmp_path)
    shown = f"{tmp_path / 'main'}::" if directory else ""
    with pytest.raises(LookupError, match=r"cannot be imported: .*is not a package") as caught:
        where.load()
    assert str(caught.value).endswith(f" (write {shown}far_estimator:predict)")


PREDICT = "def predict(request): return 7"


@pytest.mark.parametrize(
    ("files", "written", "instead"),
    [
        (["src/far_estimator"], "far_estimator:predict", "src::far_estimator:predict"),
        (["src/far_estimator"], "far_estimator.py:predict", "src::far_estimator:predict"),
        (["src/far_package/__init__"], "far_package:predict", "src::far_package:predict"),
        (["lib/far_package/inner"], "far_package.inner:predict", "lib::far_package.inner:predict"),
        (["main/src/far_estimator"], "main::far_estimator:predict", "{here}/main/src::far_estimator:predict"),
        (["tests/far_estimator", "src/far_estimator"], "far_estimator:predict", "src::far_estimator:predict"),
        (["b/far_estimator", "a/far_estimator"], "far_estimator:predict", "a::far_estimator:predict"),
        (["src/far_estimator", "src/far_table"], "src.far_estimator:predict", "src::far_estimator:predict"),
        (["a/b/far_estimator", "a/b/far_table"], "a.b.far_estimator:predict", "a/b::far_estimator:predict"),
    ],
)
def test_a_module_that_lies_further_down_is_named_with_its_directory(tmp_path, files, written, instead):
    for file in files:
        directory, _, name = file.rpartition("/")
        lacks = "import far_table\n" if "/far_table" in str(files) and name != "far_table" else ""
        module(tmp_path / directory, lacks + PREDICT, name)
    with pytest.raises(LookupError) as caught:
        location(written).below(tmp_path).load()
    instead = instead.format(here=tmp_path)
    assert str(caught.value).endswith(f" (write {instead})")
    for name in {name for name in sys.modules if name.partition(".")[0] in ("a", "src")}:
        del sys.modules[name]
    assert location(instead).below(tmp_path).load()(None) == 7


@pytest.mark.parametrize(
    "file", [".venv/far_estimator", "src/far_estimators", "a/b/far_estimator", "src/far_estimator.py/x"]
)
def test_no_directory_is_named_that_does_not_hold_the_module(tmp_path, file):
    directory, _, name = file.rpartition("/")
    module(tmp_path / directory, PREDICT, name)
    with pytest.raises(LookupError, match=r"No module named 'far_estimator'$"):
        location("far_estimator:predict").below(tmp_path).load()


def test_a_module_that_lacks_another_is_not_told_how_to_be_written(tmp_path):
    module(tmp_path / "far_package", "", "__init__")
    module(tmp_path / "far_package", "import no_such_module_anywhere", "py")
    with pytest.raises(LookupError, match=r"No module named 'no_such_module_anywhere'$"):
        location(f"{tmp_path}::far_package.py:predict").load()


@pytest.mark.parametrize(
    ("file", "written", "near"),
    [
        ("far_estimator", "far_estimater:predict", "far_estimator"),
        ("far_estimator", "main::far_estimater:predict", ""),
        ("main/far_estimator", "main::far_estimater:predict", "far_estimator"),
        ("far_package/__init__", "far_pakage.inner:predict", "far_package"),
        ("far_package/inner", "far_package.innner:predict", "far_package.inner"),
        ("far_directory/inner/x", "far_diretory:predict", ""),  # no package
        ("_far_estimator", "far_estimater:predict", "_far_estimator"),
        ("quite_another", "far_estimator:predict", ""),
    ],
)
def test_a_misspelled_module_is_answered_with_one_that_is_there(tmp_path, file, written, near):
    directory, _, name = file.rpartition("/")
    module(tmp_path / directory, PREDICT, name)
    (tmp_path / "main").mkdir(exist_ok=True)
    with pytest.raises(LookupError) as caught:
        location(written).below(tmp_path).load()
    said = str(caught.value)
    assert said.endswith(f" (did you mean {near}?)") if near else said.endswith("'")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("predcit", "'far_estimator' has no 'predcit' (did you mean predict?)"),
        ("Estimator.guess_al", "'far_estimator' has no 'Estimator.guess_al' (did you mean guess_all?)"),
        ("Estimater.guess_all", "'far_estimator' has no 'Estimater.guess_all' (did you mean Estimator?)"),
        ("unheard_of", "'far_estimator' has no 'unheard_of'"),
        ("_hiden", "'far_estimator' has no '_hiden'"),
    ],
)
def test_a_misspelled_callable_is_answered_with_the_one_that_is_meant(tmp_path, name, said):
    text = "def predict(request): return 7\ndef _hidden(): pass\nclass Estimator:\n    def guess_all(self): return 7"
    module(tmp_path, text)
    with pytest.raises(LookupError) as caught:
        location(f"far_estimator:{name}").below(tmp_path).load()
    assert str(caught.value) == said


def test_an_object_that_cannot_list_its_attributes_is_told_without_a_suggestion(tmp_path):
    module(tmp_path, "class Odd:\n    def __dir__(self): raise RuntimeError\nodd = Odd()")
    with pytest.raises(LookupError, match=r"^'far_estimator' has no 'odd.predict'$"):
        location("far_estimator:odd.predict").below(tmp_path).load()


def test_an_object_that_can_be_called_is_an_estimator(tmp_path):
    module(tmp_path, "class Estimator:\n    def __call__(self, request): return 7\nready = Estimator()")
    assert location(f"{tmp_path}::far_estimator:ready").load()(None) == 7


def refusal(text: str) -> str:
    with pytest.raises(LookupError) as error:
        location(text).load()
    said = str(error.value)
    assert "\n" not in said
    return said


def test_a_directory_that_is_not_there_is_refused(tmp_path):
    said = refusal(f"{tmp_path}/nowhere::far_estimator:predict")
    assert said == (
        f"'{tmp_path}/nowhere' is not a directory (name one that is there: 'git worktree add DIRECTORY COMMIT' makes"
        " one of another commit)"
    )


def test_a_file_is_no_directory(tmp_path):
    module(tmp_path, "")
    assert (
        refusal(f"{tmp_path}/far_estimator.py::far_estimator:predict")
        .partition(" (")[0]
        .endswith("far_estimator.py' is not a directory")
    )


def test_a_module_that_is_not_there_is_refused(tmp_path):
    assert refusal("no_module_of_this_name:predict") == (
        "'no_module_of_this_name' cannot be imported: ModuleNotFoundError: No module named 'no_module_of_this_name'"
    )


def test_a_module_that_was_imported_from_elsewhere_is_refused(tmp_path):
    module(tmp_path / "head", "def predict(request): return 1")
    module(tmp_path / "main", "def predict(request): return 2")
    assert location(f"{tmp_path}/head::far_estimator:predict").load()(None) == 1
    said = refusal(f"{tmp_path}/main::far_estimator:predict")
    assert said == f"'far_estimator' is not in '{tmp_path}/main', but was found elsewhere"


@pytest.mark.parametrize("name", ["json", "sys", "pytest"])
def test_a_module_that_python_finds_elsewhere_is_refused(tmp_path, name):
    assert "was found elsewhere" in refusal(f"{tmp_path}::{name}:loads")


def test_a_directory_beside_one_that_begins_with_its_name_is_elsewhere(tmp_path):
    module(tmp_path / "main-2", "def predict(request): return 2")
    location(f"{tmp_path}/main-2::far_estimator:predict").load()
    (tmp_path / "main").mkdir()
    assert "was found elsewhere" in refusal(f"{tmp_path}/main::far_estimator:predict")


def test_a_directory_may_be_a_link(tmp_path):
    module(tmp_path / "real", "def predict(request): return 7")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert location(f"{tmp_path}/link::far_estimator:predict").load()(None) == 7


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise RuntimeError('no database')", "RuntimeError: no database"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("import pytest\npytest.skip('not here', allow_module_level=True)", "Skipped: not here"),
        ("def predict(:", "SyntaxError: "),
        ("raise ValueError('two\\nlines \\x1b[31m')", "ValueError: two lines \\u001b[31m"),
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
    ],
)
def test_a_module_that_raises_is_refused_in_one_inert_line(tmp_path, text, reason):
    module(tmp_path, text)
    assert f"'far_estimator' cannot be imported: {reason}" in refusal(f"{tmp_path}::far_estimator:predict")


def test_ctrl_c_while_a_module_is_imported_stops(tmp_path):
    module(tmp_path, "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        location(f"{tmp_path}::far_estimator:predict").load()


def test_a_name_that_is_not_there_is_refused(tmp_path):
    module(tmp_path, "def predict(request): return 7")
    assert refusal(f"{tmp_path}::far_estimator:estimate") == "'far_estimator' has no 'estimate'"
    assert refusal(f"{tmp_path}::far_estimator:predict.more") == "'far_estimator' has no 'predict.more'"


def test_a_module_that_breaks_over_a_name_is_refused(tmp_path):
    module(tmp_path, "def __getattr__(name): raise ImportError('the extra is not installed')")
    said = refusal(f"{tmp_path}::far_estimator:predict")
    assert said.startswith("far_estimator:predict cannot be had: ImportError: ")


def test_what_cannot_be_called_is_refused(tmp_path):
    module(tmp_path, "predict = {}")
    assert refusal(f"{tmp_path}::far_estimator:predict") == "far_estimator:predict is dict, which cannot be called"


# Where an estimator is defined ------------------------------------------------------------------------------------


def plain(request):
    return 1


@functools.wraps(plain)
def decorated(request):
    return plain(request)


class Called:
    def __call__(self, call):
        return 1

    def method(self, request):
        return 1


class Made:
    def __init__(self, request):
        pass


def first_line(text: str) -> int:
    """The line of this file that holds ``text``."""
    return next(n for n, line in enumerate(Path(__file__).read_text().splitlines(), start=1) if text in line)


@pytest.mark.parametrize(
    ("estimator", "text"),
    [
        (plain, "def plain("),
        (decorated, "def plain("),
        (functools.partial(functools.partial(plain), 1), "def plain("),
        (Called(), "def __call__(self, call)"),
        (Called().method, "def method("),
        (Made, "def __init__("),
    ],
    ids=["function", "decorated", "partial", "object", "method", "class"],
)
def test_an_estimator_is_defined_where_its_code_begins(estimator, text):
    assert defined_at(estimator, Path(__file__).parent) == f"test_importing.py:{first_line(text)}"


def test_what_lies_elsewhere_is_shown_whole(tmp_path):
    assert defined_at(plain, tmp_path) == f"{Path(__file__).as_posix()}:{first_line('def plain(')}"


def loop():
    return 1


loop.__wrapped__ = loop  # type: ignore[attr-defined]


@pytest.mark.parametrize("estimator", [len, str, functools.partial(max, 3), "text", object(), loop])
def test_what_is_not_written_in_python_has_no_place(estimator, tmp_path):
    assert defined_at(estimator, tmp_path) is None
