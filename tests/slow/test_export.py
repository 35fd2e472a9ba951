"""The exported detector says what `predict` says, in a runtime that knows nothing of ours."""

import json

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from course_ae.command import predict
from course_ae.command.cli import main
from course_ae.command.export import OUTPUTS, Preprocessing
from course_ae.experiment.run_folder import read_json
from course_ae.preprocessing import preprocess, to_tensor
from course_ae.support.images import load_image


@pytest.fixture(scope="module")
def file(finished, tmp_path_factory):
    file = tmp_path_factory.mktemp("export") / "detector.onnx"
    assert main(["export", str(finished.folder), str(file)]) == 0
    return file


@pytest.fixture(scope="module")
def session(file):
    return onnxruntime.InferenceSession(str(file))


def images(small_data, folder):
    """Drawn ones, and others: gray, not square, smaller and larger than 227 pixels."""
    found = sorted(small_data.glob("bottle/test/*/*.png"))[::3]
    rng = np.random.default_rng(0)
    for i, shape in enumerate([(50, 70), (227, 227), (300, 900, 3), (1021, 1024, 3)]):
        found.append(folder / f"{i}.png")
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(found[-1])
    return found


def test_pixels_are_those_of_pillow(small_data, tmp_path):
    for path in images(small_data, tmp_path):
        x = Preprocessing()(torch.from_numpy(load_image(path).copy()))
        assert torch.equal(x, to_tensor(preprocess(path)[None]))


def test_score_map_and_verdict_are_those_of_predict(session, finished, small_data, tmp_path):
    detector = predict.load_detector(finished.folder)
    for path in images(small_data, tmp_path):
        found = dict(zip(OUTPUTS, session.run(None, {"image": load_image(path)}), strict=True))
        x_hat, maps, scores = detector.maps(to_tensor(preprocess(path)[None]))
        scale = max(1.0, abs(detector.threshold))
        assert abs(found["score"] - scores.item()) <= 1e-4 * scale
        assert np.abs(found["map"] - maps[0].numpy()).max() <= 1e-4 * max(scale, maps.abs().max())
        assert np.abs(found["reconstruction"] - x_hat[0, 0].numpy()).max() <= 1e-4
        assert found["defective"] == (scores.item() > detector.threshold)
        assert found["another_product"] == detector.is_another(maps).item()


def test_the_file_tells_what_it_is(session, finished):
    told = session.get_modelmeta().custom_metadata_map
    summary = read_json(finished.folder / "summary.json")
    assert float(told["threshold"]) == summary["scores"]["normalised"]["threshold"]
    assert json.loads(told["settings"]) == summary["settings"]
    assert json.loads(told["figures"])["auroc"] == summary["scores"]["normalised"]["auroc"]
    assert not any(str(finished.folder) in value for value in told.values())


def test_a_file_that_is_there_stays(file, finished, capsys):
    before = file.read_bytes()
    assert main(["export", str(finished.folder), str(file)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert file.read_bytes() == before
