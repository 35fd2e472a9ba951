"""What authors and machines read says what the code says: workflows, hooks, citation, guide."""

import re
from pathlib import Path

import pytest
import yaml
from refresh_notebooks import STRIP

import course_ae

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def load(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def steps(name):
    """The commands of all jobs of a workflow."""
    jobs = load(f".github/workflows/{name}")["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


def test_ci_runs_the_two_commands_of_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^pip install .+ && .+$", readme, re.MULTILINE)
    assert len(commands) == 2
    assert set(commands) <= set(steps("ci.yml"))


@pytest.mark.parametrize("name", ["ci.yml", "weekly.yml"])
def test_a_workflow_calls_only_what_is_here_and_may_only_read(name):
    for path in re.findall(r"(?:python |^)(\S+/\S+)", "\n".join(steps(name)), re.MULTILINE):
        assert (ROOT / path).is_file(), path
    assert load(f".github/workflows/{name}")["permissions"] == {"contents": "read"}


def test_the_hook_strips_notebooks_as_a_refresh_does():
    hooks = {hook["id"]: hook for hook in load(".pre-commit-config.yaml")["repos"][0]["hooks"]}
    words = [f'"{word}"' if " " in word else word for word in STRIP]
    assert hooks["nbstripout"]["entry"] == " ".join(["nbstripout", *words])


def test_the_citation_is_of_this_version():
    citation = load("CITATION.cff")
    assert citation["version"] == course_ae.__version__
    assert citation["license"] == "MIT"


def test_files_that_the_guide_names_exist():
    for name in re.findall(r"[`\s]((?:course_ae|classroom|tests|notebooks)/[\w./-]+)", GUIDE):
        if "NN" not in name:
            path = ROOT / ("course_ae" if name.startswith("classroom") else "") / name.rstrip(".")
            assert path.exists(), name


def test_the_guide_fits_a_page():
    assert len(GUIDE.splitlines()) <= 100
