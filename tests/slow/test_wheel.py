"""From a wheel the lessons come along, and the commands find them."""

import os
import subprocess
import sys
import zipfile

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
