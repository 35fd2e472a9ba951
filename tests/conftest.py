"""Shared fixtures; whatever the tests draw, cache or train lies in temporary folders."""

import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_run import TINY, make_run

from course_ae.datasets.sample_bottles import COUNTS, draw_bottle, write_sample_bottles
from course_ae.experiment import run_folder

FOLDERS = ("COURSE_AE_CACHE", "COURSE_AE_RUNS")
SMALL_COUNTS = dict.fromkeys(COUNTS, 4) | {"train/good": 12, "test/good": 6}


def pytest_configure(config):
    """Set in the environment, so that notebook kernels and commands inherit it."""
    config.course_ae_temporary = Path(tempfile.mkdtemp(prefix="course-ae-tests-"))
    config.course_ae_before = {name: os.environ.get(name) for name in FOLDERS}
    for name in FOLDERS:
        folder = config.course_ae_temporary / name.rsplit("_", 1)[1].lower()
        folder.mkdir()
        os.environ[name] = str(folder)


def pytest_unconfigure(config):
    for name, value in config.course_ae_before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    shutil.rmtree(config.course_ae_temporary, ignore_errors=True)


@pytest.fixture(scope="session")
def small_data(tmp_path_factory) -> Path:
    """Root of a small drawn data set: 12 train, 6 test good, 4 for each defect; only to read."""
    root = tmp_path_factory.mktemp("small-data")
    return write_sample_bottles(root, size=96, counts=SMALL_COUNTS)


@pytest.fixture
def data_copy(small_data, tmp_path) -> Path:
    """A copy of `small_data` that a test may change."""
    return shutil.copytree(small_data, tmp_path / "data")


@pytest.fixture(scope="session")
def finished(small_data, tmp_path_factory) -> SimpleNamespace:
    """A whole run of a tiny network, made once; only to read."""
    return make_run(small_data, tmp_path_factory.mktemp("finished") / "run")


@pytest.fixture
def run_copy(finished, small_data, tmp_path) -> run_folder.Run:
    """The finished run in a folder that a test may spoil, opened anew."""
    folder = shutil.copytree(finished.folder, tmp_path / "run-copy")
    return run_folder.open_run(data=str(small_data), run=str(folder), **TINY)


@pytest.fixture
def place(tmp_path, small_data, finished, monkeypatch):
    """A folder with data, a finished run and photographs, all of which a test may spoil."""
    shutil.copytree(small_data, tmp_path / "data")
    shutil.copytree(finished.folder, tmp_path / "run")
    for name, source in (("good", "train/good"), ("defective", "test/contamination")):
        shutil.copytree(small_data / "bottle" / source, tmp_path / "photos" / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_AE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSE_AE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COURSE_AE_DEVICE", "")  # what --device sets ends with the test
    (tmp_path / "cache").mkdir()
    return tmp_path


@pytest.fixture(scope="session")
def bottles() -> torch.Tensor:
    """Four good bottles and four with a defect, gray, (8, 1, 227, 227) in [0, 1]."""
    defects = [*["good"] * 4, "broken_large", "broken_small", "contamination", "contamination"]
    drawn = [draw_bottle(np.random.default_rng(i), name, 227)[0] for i, name in enumerate(defects)]
    return torch.from_numpy(np.stack(drawn)).float().mean(dim=-1).unsqueeze(1) / 255


@pytest.fixture(scope="session")
def odd_data(small_data, tmp_path_factory) -> Path:
    """Category `plank`: wide gray JPEG and BMP files, one defect type, no masks; only to read."""
    source, target = small_data / "bottle", tmp_path_factory.mktemp("odd") / "plank"
    for place in ("train/good", "test/good", "test/contamination"):
        (target / place).mkdir(parents=True)
        for i, path in enumerate(sorted((source / place).iterdir())):
            with Image.open(path) as image:
                wide = image.convert("L").resize((150, 60 + i))
            wide.save(target / place / f"{path.stem}{'.jpg' if i % 2 else '.bmp'}")
    return target.parent
