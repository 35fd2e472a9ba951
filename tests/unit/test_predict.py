"""New images before a run's detector: the scores are the run's own, and bad ones stop nothing."""

import csv
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from tiny_run import TINY

from course_ae.command import predict
from course_ae.command.cli import main
from course_ae.experiment import evaluation, run_folder
from course_ae.preprocessing import preprocess
from course_ae.settings import DENOISE
from course_ae.support.errors import CourseError
from course_ae.support.files import read_csv


@pytest.fixture
def run(finished, tmp_path_factory):
    """The folder of the finished run, whose data are gone; they lie in `moved` now."""
    folder = shutil.copytree(finished.folder, tmp_path_factory.mktemp("predict") / "run")
    there = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    there["data"] = str(folder / "gone")
    (folder / "settings.json").write_text(json.dumps(there), encoding="utf-8")
    return folder


@pytest.fixture
def moved(small_data):
    """Where the images of the run lie now."""
    return small_data / "bottle"


def judged(run, images, folder, name=""):
    return list(predict.predict(predict.load_detector(run, name), images, folder))


@pytest.mark.parametrize("name", ["normalised", "l2", "ssim"])
def test_scores_and_verdicts_are_those_of_the_run(run, moved, name, tmp_path):
    rows = read_csv(run / "scores.csv")
    found = judged(run, [moved / row["path"] for row in rows], tmp_path / "p", name)
    expected = np.array([float(row[name]) for row in rows])
    assert np.allclose([row["score"] for row in found], expected, rtol=1e-3)
    threshold = run_folder.read_json(run / "summary.json")["scores"][name]["threshold"]
    for row in found:
        assert row["threshold"] == threshold
        assert row["verdict"] == ("defective" if row["score"] > threshold else "good")


def test_another_product_is_called_that_and_a_defect_is_not(run, moved, tmp_path, capsys):
    other = tmp_path / "other.png"
    Image.fromarray(np.tile(np.arange(96, dtype=np.uint8) * 2, (96, 1))).save(other)
    (row,) = judged(run, [other], tmp_path / "p")
    assert row["verdict"] == "another product"
    (row,) = judged(run, [other], tmp_path / "p", "l2")  # whose map has no threshold of its own
    assert row["verdict"] in ("good", "defective")
    assert main(["predict", str(other), "--run", str(run), "--pictures", str(tmp_path / "q")]) == 0
    assert "1 of another product" in capsys.readouterr().out
    rows = judged(run, sorted(moved.glob("test/*/*.png")), tmp_path / "p")
    assert all(row["verdict"] != "another product" for row in rows)


def test_lesson_08s_score_is_taken_unless_another_is_asked_for(run):
    assert predict.load_detector(run).score_name == "normalised"


def test_a_run_whose_network_denoises_has_one_network(small_data, tmp_path):
    few = {"epochs": 1, "epoch_images": 0}
    settings = {**TINY, **DENOISE, **few, "learning_rate": 0.002}
    one = run_folder.open_run(data=str(small_data), run=str(tmp_path / "run"), **settings)
    evaluation.evaluate_all(one)
    assert not (one.folder / "denoiser.pt").exists()
    rows = read_csv(one.folder / "scores.csv")
    (found,) = judged(one.folder, [small_data / "bottle" / rows[0]["path"]], tmp_path / "p")
    assert found["score"] == pytest.approx(float(rows[0]["normalised"]), rel=0.02)


def test_picture_shows_image_drawing_and_map(run, moved, tmp_path):
    image = moved / "test/broken_large/000.png"
    (row,) = predict.predict(predict.load_detector(run), [image], tmp_path / "new")
    with Image.open(row["picture"]) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape == (227 + predict.HEADER, 3 * 227, 3)
    assert np.array_equal(pixels[predict.HEADER :, :227, 0], preprocess(image))
    assert (pixels[: predict.HEADER] < 128).any()  # the verdict


def test_command_prints_table_json_and_csv(run, moved, tmp_path, capsys):
    folder = moved / "test"
    words = ["predict", str(folder), "--run", str(run), "--pictures", str(tmp_path / "p")]
    assert main(words) == 0
    table = capsys.readouterr().out
    assert main([*words, "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert main([*words, "--format", "csv"]) == 0
    listed = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == len(listed) == 18
    assert [row["image"] for row in rows] == [row["image"] for row in listed]
    assert [row["score"] for row in rows] == [float(row["score"]) for row in listed]
    found = sum(row["verdict"] == "defective" for row in rows)
    assert f"{found} of 18 defective: normalised score above" in table
    assert all(row["image"] in table for row in rows)
    pictures = {row["picture"] for row in rows}  # 000.png is in four folders
    assert len(pictures) == 18 and {str(p) for p in (tmp_path / "p").iterdir()} == pictures


def test_an_unreadable_image_does_not_stop_the_others(run, moved, tmp_path, capsys):
    for i in range(3):
        shutil.copy(moved / f"test/good/00{i}.png", tmp_path / f"{i}.png")
    (tmp_path / "1.png").write_bytes(b"no image")
    words = ["predict", *(str(tmp_path / f"{i}.png") for i in range(3))]
    assert main([*words, "--run", str(run), "--pictures", str(tmp_path / "p")]) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and "1.png' cannot be read as an image" in err
    assert "2.png" in out and "1.png" not in out and len(list((tmp_path / "p").iterdir())) == 2


def test_pictures_never_replace_the_images(run, moved, tmp_path, capsys):
    image = shutil.copy(moved / "test/good/000.png", tmp_path / "0.png")
    words = ["predict", str(tmp_path), "--run", str(run), "--pictures", str(tmp_path)]
    before = image.read_bytes()
    assert main(words) == 2
    assert "could replace the images there" in capsys.readouterr().err
    assert image.read_bytes() == before and list(tmp_path.iterdir()) == [image]


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")])
def test_a_threshold_that_is_no_number_judges_nothing(threshold, run):
    summary = run_folder.read_json(run / "summary.json")
    summary["scores"]["normalised"]["threshold"] = threshold
    (run / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(CourseError, match=r"summary\.json' lacks figures or was changed"):
        predict.load_detector(run)


def test_a_network_that_is_no_number_judges_nothing(run, moved, tmp_path):
    detector = predict.load_detector(run)
    for weights in detector.model.parameters():
        weights.data.fill_(float("nan"))
    with pytest.raises(CourseError, match="are no numbers"):
        list(predict.predict(detector, [moved / "test/good/000.png"], tmp_path / "p"))


def test_long_names_and_names_of_several_lines(run, moved, tmp_path, capsys):
    source = moved / "test/good/000.png"
    names = [f"{'x' * 250}.png", "a.png 0.1  good\n.png", "it's\ncourse-ae: fine.png"]
    for name in names:
        try:
            shutil.copy(source, tmp_path / name)
        except OSError:
            pytest.skip("no such names on this system")
    (tmp_path / names[2]).write_bytes(b"no image")
    words = ["predict", *(str(tmp_path / name) for name in names), "--run", str(run)]
    assert main([*words, "--pictures", str(tmp_path / "p")]) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and "it's\\ncourse-ae" in err
    assert "2 defective" in out or "of 2 defective" in out
    assert "a.png 0.1  good\\n.png" in out
