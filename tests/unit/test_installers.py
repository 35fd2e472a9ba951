"""pip, conda and uv get the same packages: pyproject.toml, environment.yml, constraints.txt."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
OF_CONDA = {"torch": "pytorch", "playwright": "playwright-python"}  # the others have one name
NOT_IN_CONDA_FORGE = {"math-core"}


def requirements(lines):
    found = [Requirement(line) for line in lines]
    return [one for one in found if one.name != PROJECT["name"]]  # an extra that names others


RUNTIME = requirements(PROJECT["dependencies"])
ALL = RUNTIME + requirements(line for lines in EXTRAS.values() for line in lines)


def read_lines(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def test_the_extra_dev_brings_all_others():
    (ours,) = [Requirement(line) for line in EXTRAS["dev"] if line.startswith(PROJECT["name"])]
    assert ours.extras == set(EXTRAS) - {"dev"}


def test_the_runtime_needs_no_jupyterlab_and_names_its_kernel():
    names = {one.name for one in RUNTIME}
    assert "jupyterlab" not in names and "ipykernel" in names
    assert {one.name for one in requirements(EXTRAS["lab"])} >= {"jupyterlab"}
    for path in (ROOT / "course_ae").rglob("*.py"):
        assert not re.search(r"(import|from) jupyter", path.read_text(encoding="utf-8")), path


def test_the_conda_environment_is_in_step_with_pyproject():
    lines = [line.strip().removeprefix("- ") for line in read_lines("environment.yml")]
    assert lines.index("conda-forge") < lines.index("nodefaults")
    packages = lines[lines.index("dependencies:") + 1 : lines.index("pip:")]
    assert packages[:2] == [f"python{PROJECT['requires-python']}", "pip"]
    by_conda = {one.name: one for one in ALL if one.name not in NOT_IN_CONDA_FORGE}  # extras last
    wanted = [f"{OF_CONDA.get(name, name)}{one.specifier}" for name, one in by_conda.items()]
    assert sorted(packages[2:]) == sorted(wanted)
    *by_pip, itself = lines[lines.index("pip:") + 1 :]
    assert requirements(by_pip) == [one for one in ALL if one.name in NOT_IN_CONDA_FORGE]
    assert itself == "--editable ."


def test_every_package_is_in_the_constraints_with_a_version_that_is_allowed():
    pinned = {}
    for line in read_lines("constraints.txt"):
        assert re.fullmatch(r"[\w.-]+==[\w.!]+", line), line  # no address, no +cu130
        name, _, version = line.partition("==")
        pinned[canonicalize_name(name)] = Version(version)
    for one in ALL:
        assert pinned[canonicalize_name(one.name)] in one.specifier, one
    assert not [name for name in pinned if name.startswith(("nvidia-", "cuda-", PROJECT["name"]))]


def test_no_lock_file_with_addresses_is_kept():
    assert "uv.lock" in read_lines(".gitignore")


def test_the_address_of_the_course_stands_in_one_place():
    (address,) = PROJECT["urls"].values()
    assert re.fullmatch(r"https://github\.com/[\w-]+/[\w-]+", address)
