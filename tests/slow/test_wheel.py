"""From a wheel the lessons come along, and the commands find them."""

import os
import subprocess
import sys
import zipfile

import nbformat

from course_ae.command import notebooks
from course_ae.experiment import recorded


def test_from_a_wheel_in_an_empty_environment_the_lessons_come_along(tmp_path):
    """Unpacked and put first on the path; the dependencies are those of this environment."""
    root = notebooks.lessons_folder().parent
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir"]
    subprocess.run([*command, str(tmp_path), str(root)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
        kept = [name for name in archive.namelist() if "/recorded_runs/" in name]
    assert len(kept) == len(list(recorded.FOLDER.iterdir())) > 0
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    where = "import course_ae; print(course_ae.__file__)"
    for code, words in ((where, str(tmp_path)), (None, "8 lessons copied"), (None, "Slides: ")):
        arguments = ["start", "mine"] if "copied" in words else ["slides", "slides"]
        tail = ["-c", code] if code else ["-m", "course_ae", *arguments]
        done = subprocess.run([sys.executable, *tail], env=environment, cwd=tmp_path,
                              capture_output=True, text=True, encoding="utf-8")  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert words in done.stdout
    assert len(list((tmp_path / "mine").glob("*.ipynb"))) == 8
    assert {path.name for path in (tmp_path / "mine").glob("*.md")} == set(notebooks.PAGES)
    assert len(list((tmp_path / "slides").glob("*.html"))) == 9


def test_the_first_cell_installs_the_course_where_it_is_missing(tmp_path):
    """Outside of the checkout, from a wheel; what the course needs is not fetched here."""
    root = notebooks.lessons_folder().parent
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "bare")], check=True)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir"]
    subprocess.run([*command, str(tmp_path), str(root)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    cells = nbformat.read(notebooks.lessons()[0], as_version=4).cells
    (install,) = [cell for cell in cells if "install" in cell.metadata.get("tags", [])]
    code = f"{install.source}\nimport course_ae\nprint(course_ae.__file__)"
    environment = {**os.environ, "COURSE_AE_SOURCE": wheel.as_uri(), "PIP_NO_DEPS": "1"}
    environment.pop("PYTHONPATH", None)
    (python,) = [path for place in ("bin/python", "Scripts/python.exe")
                 if (path := tmp_path / "bare" / place).exists()]  # fmt: skip
    done = subprocess.run([python, "-c", code], env=environment, cwd=tmp_path,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "bare") in done.stdout
