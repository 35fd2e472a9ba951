"""The rules of the house: a small subject in front, and arrows that run one way."""

import ast
import importlib
import pkgutil
import sys
from pathlib import Path

import pytest

import course_ae

PACKAGE = Path(course_ae.__file__).parent
TESTS = Path(__file__).resolve().parents[1]
SUBJECT = {
    "settings", "data", "preprocessing", "model", "ssim", "training",
    "scoring", "thresholds", "metrics", "corruption", "baselines",
}  # fmt: skip
LINES = 1900  # of all subject modules together, at most
ORDER = ("support", "subject", "datasets", "experiment", "classroom", "scale", "command")


def modules(package=PACKAGE):
    """Dotted name, without the package's own, and syntax tree of every module but the first two."""
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if parts not in (("__init__",), ("__main__",)):
            name = ".".join(part for part in parts if part != "__init__")
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def imported(tree, package=PACKAGE):
    """What a module imports of ours, wherever in it: at its top, in a function, for types only."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"from {'.' * node.level}{node.module or ''} import ..."
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    ours = {name.removeprefix("course_ae.") for name in names if name.startswith("course_ae.")}
    return {name for name in ours if (package / name.partition(".")[0]).with_suffix(".py").exists()
            or (package / name.partition(".")[0]).is_dir()}  # fmt: skip


def part_of(name):
    """The part of the house that a module belongs to."""
    first = name.partition(".")[0]
    return "subject" if first in SUBJECT else first


def broken_rules(package=PACKAGE):
    """A line for each import that the rules do not allow."""
    for name, tree in modules(package):
        part = part_of(name)
        for other in sorted(imported(tree, package)):
            there = part_of(other)
            if part == "subject" and there not in ("subject", "support"):
                yield f"the subject module {name} imports {other}"
            elif ORDER.index(there) > ORDER.index(part):
                yield f"{name} imports {other}, against the arrows"
            elif there == "scale" and part not in ("scale", "command"):
                yield f"{name} imports {other}, and the rest works without scale/"


def test_what_one_sees_first_is_the_subject():
    files = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert files <= SUBJECT
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == set(ORDER) - {"subject"} or folders == set(ORDER) - {"subject", "scale"}


def test_the_subject_is_small():
    paths = [PACKAGE / f"{name}.py" for name in SUBJECT if (PACKAGE / f"{name}.py").exists()]
    lines = {path.stem: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert sum(lines.values()) <= LINES, lines


def test_imports_keep_the_rules():
    assert list(broken_rules()) == []


def test_nothing_is_imported_by_a_name_that_these_rules_do_not_see():
    for name, tree in modules():
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not calls & {"__import__", "importlib.import_module", "import_module"}, name


SINS = {
    "model.py": "import course_ae.experiment.stages",
    "ssim.py": "def f():\n    from course_ae import datasets",
    "metrics.py": "from course_ae.support import files",  # allowed
    "support/files.py": "from course_ae.model import ConvAutoencoder",
    "datasets/look.py": "def f():\n    from course_ae.experiment.stages import prepare",
    "experiment/stages.py": "from typing import TYPE_CHECKING\n"
    "if TYPE_CHECKING:\n    from course_ae.command.report import Page",
    "experiment/look.py": "from course_ae.datasets import look",  # allowed
    "classroom/figures.py": "class A:\n    def f(self):\n        import course_ae.scale.sweep",
    "scale/sweep.py": "from course_ae.command import report",
    "command/cli.py": "def f():\n    from course_ae.scale import sweep",  # allowed
}


def test_these_rules_see_what_breaks_them(tmp_path):
    for name, source in SINS.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source, encoding="utf-8")
    assert list(broken_rules(tmp_path)) == [
        "classroom.figures imports scale.sweep, against the arrows",
        "datasets.look imports experiment.stages.prepare, against the arrows",
        "experiment.stages imports command.report.Page, against the arrows",
        "the subject module model imports experiment.stages",
        "scale.sweep imports command.report, against the arrows",
        "the subject module ssim imports datasets",
        "support.files imports model.ConvAutoencoder, against the arrows",
    ]
    (tmp_path / "model.py").write_text("from .scale import sweep", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"from \.scale import"):
        list(broken_rules(tmp_path))


class NoScale:
    """Makes believe that the folder scale/ is not there."""

    def find_spec(self, name, path=None, target=None):
        if name == "course_ae.scale" or name.startswith("course_ae.scale."):
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)


@pytest.fixture
def without_scale(monkeypatch):
    """Every module of ours is imported anew, and scale/ cannot be."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "course_ae"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NoScale(), *sys.meta_path])
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "course_ae"]:
        del sys.modules[name]  # before those that were there come back


def test_every_other_module_is_imported_without_scale(without_scale):
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("course_ae.scale")
    package = importlib.import_module("course_ae")
    found = [module.name for module in pkgutil.walk_packages(package.__path__, "course_ae.")
             if not module.name.startswith("course_ae.scale")
             and module.name != "course_ae.__main__"]  # fmt: skip
    assert len(found) > 30
    for name in found:
        importlib.import_module(name)


def test_only_the_tests_of_scale_need_it_and_they_are_skipped_without_it():
    needs = {path for path in TESTS.rglob("*.py") if path != Path(__file__).resolve()
             and "course_ae.scale" in path.read_text(encoding="utf-8")}  # fmt: skip
    names = {path.relative_to(TESTS).as_posix() for path in needs}
    assert names == {"unit/test_sweep.py", "slow/test_sweep.py", "slow/test_distributed.py"}
    for path in needs:
        assert 'pytest.importorskip("course_ae.scale.' in path.read_text(encoding="utf-8"), path


def test_unit_tests_start_no_process():
    for path in (TESTS / "unit").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import)
                 for alias in node.names}  # fmt: skip
        assert not names & {"subprocess", "multiprocessing"}, path
