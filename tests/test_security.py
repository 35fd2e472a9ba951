"""Nothing that a stranger hands over runs as code: not a network, a table, or a cache.

What arrives by download is in test_download, names that are scripts are in test_browser.
"""

import pickle
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from course_ae import checkpoints, evaluation, pipeline, prediction, preprocessing, runs
from course_ae.config import CourseError

SMALL = {"width": 0.05, "bottleneck": 8, "epochs": 2, "batch_size": 4}


class Evil:
    """A pickle that makes a file when it is read."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.fixture
def mark(tmp_path):
    """A file that only a stranger's code would make; that the trap works is shown first."""
    path = tmp_path / "i-was-here"
    pickle.loads(pickle.dumps(Evil(path)))
    assert path.exists()
    path.unlink()
    yield path
    assert not path.exists(), "a stranger's code was run"


@pytest.fixture(scope="module")
def finished(small_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("security") / "run"
    run = runs.open_run(data=str(small_data), run=str(folder), **SMALL)
    evaluation.evaluate_all(run)
    return run


@pytest.fixture
def run(finished, small_data, tmp_path):
    """A copy of a finished run, to spoil."""
    shutil.copytree(finished.folder, tmp_path / "run")
    return runs.open_run(data=str(small_data), run=str(tmp_path / "run"), **SMALL)


def hostile_weights(path, mark):
    """The file's own weights, and beside them an object that is code."""
    torch.save({**torch.load(path, weights_only=True), "x": Evil(mark)}, path)


def hostile_arrays(path, mark):
    """The file's own arrays, each an array of objects that are code."""
    with np.load(path) as file:
        names = file.files
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, np.array([Evil(mark)], dtype=object))


@pytest.mark.parametrize("name", ["model", "repair"])
def test_a_network_from_a_stranger_runs_no_code(name, run, mark):
    hostile_weights(run.folder / f"{name}.pt", mark)
    with pytest.raises(CourseError, match=rf"{name}\.pt' is no model of this run"):
        prediction.load_detector(run.folder, {"model": "l2", "repair": "best"}[name])
    step = {"model": pipeline.trained, "repair": pipeline.repairing}[name]
    with pytest.raises(CourseError, match=rf"{name}\.pt' is no model of this run"):
        step(run, pipeline.prepare(run))


def test_a_network_that_is_a_bare_pickle_runs_no_code(run, mark):
    (run.folder / "repair.pt").write_bytes(pickle.dumps(Evil(mark)))
    with pytest.raises(CourseError, match=r"repair\.pt' is no model of this run"):
        prediction.load_detector(run.folder)


def test_a_checkpoint_from_a_stranger_runs_no_code(run, mark):
    (run.folder / "model.pt").unlink()
    torch.save({"settings": Evil(mark)}, run.folder / "model.checkpoint")
    with pytest.raises(CourseError, match="is no checkpoint of this training"):
        pipeline.trained(run, pipeline.prepare(run))


def test_tables_from_a_stranger_run_no_code(run, mark):
    hostile_arrays(run.folder / "usual.npz", mark)
    with pytest.raises(CourseError, match=r"usual\.npz' is missing or damaged"):
        prediction.load_detector(run.folder)
    hostile_arrays(run.folder / "snapshots.npz", mark)
    with pytest.raises(CourseError, match=r"snapshots\.npz' is missing or damaged"):
        pipeline.read_snapshots(run)


def test_a_cache_from_a_stranger_runs_no_code(run, mark, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_AE_CACHE", str(tmp_path / "cache"))
    whole = preprocessing.load_images(run.samples)
    (cache,) = (tmp_path / "cache/preprocessed").glob("*.npy")
    np.save(cache, np.array([Evil(mark)], dtype=object))
    assert np.array_equal(preprocessing.load_images(run.samples), whole)


@pytest.mark.parametrize("shape", [(1, 227, 227), (22, 227, 227), (22 * 227 * 227,)])
def test_a_cache_of_another_shape_is_made_again(shape, run, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_AE_CACHE", str(tmp_path / "cache"))
    whole = preprocessing.load_images(run.samples)
    (cache,) = (tmp_path / "cache/preprocessed").glob("*.npy")
    np.save(cache, np.zeros(shape, np.uint8 if len(whole) != shape[0] else np.float32))
    assert np.array_equal(preprocessing.load_images(run.samples), whole)


def test_no_other_way_to_read_a_pickle_is_used():
    """All that torch and numpy read goes through the two functions that these tests are about."""
    package = Path(checkpoints.__file__).parent
    sources = {path: path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    for path, text in sources.items():
        assert "pickle.load" not in text and "joblib" not in text, path
        assert text.count("torch.load(") == text.count("weights_only=True"), path
        assert text.count("np.load(") == text.count("allow_pickle=False"), path
        assert not any(word in text for word in ("yaml.load(", " eval(", " exec(", "shell=True")), (
            path
        )
    assert sys.modules["torch"].__version__ >= "2.10"  # CVE-2026-24747
