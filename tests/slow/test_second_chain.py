"""All lessons on images that are not as the course's own: gray, wide, and without masks."""

import json
import os
import subprocess
import sys

from lesson_files import spoken


def test_the_lessons_run_on_gray_wide_images_without_masks(odd_data, tmp_path):
    command = [sys.executable, "-m", "course_ae", "run", "--data", str(odd_data)]
    command += ["--category", "plank", "--run", str(tmp_path / "run"), "-p", "epochs", "1"]
    command += ["-p", "width", "0.05", "-p", "bottleneck", "8", "-p", "batch_size", "4"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8",
                          env={**os.environ, "PYTHONIOENCODING": "utf-8"})  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert summary["scores"]["normalised"]["pixel"] is None
    assert "4 of 4 defective images have no mask" in summary["note"]
    assert "these images have no masks" in spoken(tmp_path / "run" / "notebooks")
    index = (tmp_path / "run" / "report" / "index.html").read_text(encoding="utf-8")
    assert "AU-PRO 0" not in index and "true defect" not in index
