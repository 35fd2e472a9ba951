"""Commands in processes of their own, and what they leave behind."""

import subprocess
import sys
from pathlib import Path

import torch

from course_ae.support.files import read_csv

SETTINGS = {"width": 0.05, "bottleneck": 8, "epochs": 6, "patience": 6, "val_fraction": 0.2}
PAIRS = [word for name, value in SETTINGS.items() for word in ("-p", name, str(value))]
NO_SECONDS = slice(0, 3)  # epoch and both losses


def command(name, *arguments):
    """Starts `course-ae NAME` in a process of its own."""
    words = [sys.executable, "-m", "course_ae", name, *map(str, arguments)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process):
    """What it has said until its end, which must be a good one."""
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def losses(folder):
    rows = read_csv(Path(folder) / "history.csv")
    return [tuple(row.values())[NO_SECONDS] for row in rows]


def weights(folder, name="model"):
    return torch.load(Path(folder) / f"{name}.pt", weights_only=True)
