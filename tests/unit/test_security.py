"""Nothing that a stranger hands over runs as code: not a network, a table, or a cache.

What arrives by download is in test_download, names that are scripts are in test_browser.
"""

import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import course_ae
from course_ae import preprocessing
from course_ae.command import predict
from course_ae.experiment import stages
from course_ae.support.errors import CourseError


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


@pytest.fixture
def run(run_copy):
    """A copy of a finished run, to spoil."""
    return run_copy


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


@pytest.mark.parametrize("name", ["model", "denoiser"])
def test_a_network_from_a_stranger_runs_no_code(name, run, mark):
    hostile_weights(run.folder / f"{name}.pt", mark)
    with pytest.raises(CourseError, match=rf"{name}\.pt' is no model of this run"):
        predict.load_detector(run.folder, {"model": "l2", "denoiser": "normalised"}[name])
    step = {"model": stages.trained, "denoiser": stages.denoiser}[name]
    with pytest.raises(CourseError, match=rf"{name}\.pt' is no model of this run"):
        step(run, stages.prepare(run))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_network_that_is_a_bare_pickle_runs_no_code(run, mark):
    (run.folder / "denoiser.pt").write_bytes(pickle.dumps(Evil(mark)))
    with pytest.raises(CourseError, match=r"denoiser\.pt' is no model of this run"):
        predict.load_detector(run.folder)


def test_a_checkpoint_from_a_stranger_runs_no_code(run, mark):
    (run.folder / "model.pt").unlink()
    torch.save({"settings": Evil(mark)}, run.folder / "model.checkpoint")
    with pytest.raises(CourseError, match="is no checkpoint of this training"):
        stages.trained(run, stages.prepare(run))


def test_tables_from_a_stranger_run_no_code(run, mark):
    hostile_arrays(run.folder / "reference.npz", mark)
    with pytest.raises(CourseError, match=r"reference\.npz' is missing or damaged"):
        predict.load_detector(run.folder)
    hostile_arrays(run.folder / "snapshots.npz", mark)
    with pytest.raises(CourseError, match=r"snapshots\.npz' is missing or damaged"):
        stages.read_snapshots(run)


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
    package = Path(course_ae.__file__).parent
    sources = {path: path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    for path, text in sources.items():
        assert "pickle.load" not in text and "joblib" not in text, path
        assert text.count("torch.load(") == text.count("weights_only=True"), path
        assert text.count("np.load(") == text.count("allow_pickle=False"), path
        assert not any(word in text for word in ("yaml.load(", " eval(", " exec(", "shell=True")), (
            path
        )
    assert sys.modules["torch"].__version__ >= "2.10"  # CVE-2026-24747
