"""Shared fixtures; whatever the tests draw, cache or train lies in temporary folders.

What is heavy is imported where it is used: the process that only hands out the tests needs none.
"""

import gc
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

FOLDERS = ("COURSE_AE_CACHE", "COURSE_AE_RUNS")
FREE = 2 * 10**9  # bytes; the tests use half a GB at a time, and `course-ae check` asks for this

# As if it were not installed: jsonschema, below nbformat, would ask it whether texts are addresses,
# which no notebook does, and building its grammar takes more than a second in each process.
sys.modules.setdefault("rfc3987_syntax", None)


def pytest_xdist_auto_num_workers(config):
    """Folders of tests run in two processes; a file alone, and the slow ones, in this one.

    Some of the slow tests look at a clock, and start several processes themselves.
    """
    places = [Path(argument.partition("::")[0]) for argument in config.args]
    alone = any(place.suffix == ".py" or "slow" in place.parts for place in places)
    return 0 if alone else min(2, os.cpu_count())


def pytest_configure(config):
    """Set in the environment, so that notebook kernels and commands inherit it."""
    if "PYTEST_XDIST_WORKER" in os.environ:  # one of two processes, so each has one core
        os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported
    config.course_ae_temporary = Path(tempfile.mkdtemp(prefix="course-ae-tests-"))
    config.course_ae_before = {name: os.environ.get(name) for name in FOLDERS}
    for name in FOLDERS:
        folder = config.course_ae_temporary / name.rsplit("_", 1)[1].lower()
        folder.mkdir()
        os.environ[name] = str(folder)


def pytest_sessionstart(session):
    """One sentence, where a full disk would make a hundred tests fail, each in its own way."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < FREE:
        place = f"'{tempfile.gettempdir()}' has {free / 1e9:.1f} GB free"
        pytest.exit(f"{place}; the tests need {FREE / 1e9:.0f}: free some, or set TMPDIR.", 4)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is imported stays; to look through it for garbage again and again costs time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


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
    from course_ae.datasets.sample_bottles import COUNTS
    from course_ae.datasets.samples import write_samples

    counts = dict.fromkeys(COUNTS, 4) | {"train/good": 12, "test/good": 6}
    root = tmp_path_factory.mktemp("small-data")
    return write_samples(root, size=96, counts=counts)


@pytest.fixture
def data_copy(small_data, tmp_path) -> Path:
    """A copy of `small_data` that a test may change."""
    return shutil.copytree(small_data, tmp_path / "data")


@pytest.fixture(scope="session")
def finished(small_data, tmp_path_factory):
    """A whole run of a tiny network, made once, as `tiny_run.make_run` gives it; only to read."""
    from tiny_run import make_run

    return make_run(small_data, tmp_path_factory.mktemp("finished") / "run")


@pytest.fixture
def run_copy(finished, small_data, tmp_path):
    """The finished run in a folder that a test may spoil, opened anew."""
    from tiny_run import TINY

    from course_ae.experiment import run_folder

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
def bottles():
    """Four good bottles and four with a defect, gray, (8, 1, 227, 227) in [0, 1]."""
    import numpy as np
    import torch

    from course_ae.datasets.samples import draw

    defects = [*["good"] * 4, "broken_large", "broken_small", "contamination", "contamination"]
    drawn = [
        draw(np.random.default_rng(i), "bottle", name, 227)[0] for i, name in enumerate(defects)
    ]
    return torch.from_numpy(np.stack(drawn)).float().mean(dim=-1).unsqueeze(1) / 255


@pytest.fixture(scope="session")
def odd_data(small_data, tmp_path_factory) -> Path:
    """Category `plank`: wide gray JPEG and BMP files, one defect type, no masks; only to read."""
    from PIL import Image

    source, target = small_data / "bottle", tmp_path_factory.mktemp("odd") / "plank"
    for place in ("train/good", "test/good", "test/contamination"):
        (target / place).mkdir(parents=True)
        for i, path in enumerate(sorted((source / place).iterdir())):
            with Image.open(path) as image:
                wide = image.convert("L").resize((150, 60 + i))
            wide.save(target / place / f"{path.stem}{'.jpg' if i % 2 else '.bmp'}")
    return target.parent
