"""New images before a run's detector: the scores are the run's own, and bad ones stop nothing."""

import csv
import io
import json
import shutil

import numpy as np
import psutil
import pytest
from PIL import Image

from course_ae import evaluation, prediction, runs
from course_ae.cli import main
from course_ae.config import CourseError

SMALL = {"width": 0.05, "bottleneck": 8, "epochs": 3, "batch_size": 4}


@pytest.fixture(scope="module")
def run(small_data, tmp_path_factory):
    """A finished run, only to read; its data are moved away when it is done."""
    folder = tmp_path_factory.mktemp("prediction")
    shutil.copytree(small_data, folder / "data")
    run = runs.open_run(data=str(folder / "data"), run=str(folder / "run"), **SMALL)
    evaluation.evaluate_all(run)
    (folder / "data").rename(folder / "elsewhere")
    return run


def elsewhere(run, name):
    return run.folder.parent / "elsewhere/bottle" / name


@pytest.mark.parametrize("kind", ["best", "l2", "ssim"])
def test_scores_and_verdicts_are_those_of_the_run(run, kind, tmp_path):
    rows = runs.read_csv(run.folder / "scores.csv")
    images = [elsewhere(run, row["path"]) for row in rows]
    detector = prediction.load_detector(run.folder, kind)
    found = list(prediction.predict(detector, images, tmp_path))
    expected = np.array([float(row[kind]) for row in rows])
    assert np.allclose([row["score"] for row in found], expected, rtol=0.02)
    threshold = runs.read_summary(run)["scores"][kind]["threshold"]
    for row in found:
        assert row["threshold"] == threshold
        assert row["verdict"] == ("defective" if row["score"] > threshold else "good")


def test_lesson_07s_score_is_taken_unless_another_is_asked_for(run):
    assert prediction.load_detector(run.folder).kind == "best"


def test_a_run_that_repairs_itself_has_one_network(small_data, tmp_path):
    repairs = runs.open_run(
        data=str(small_data), run=str(tmp_path / "run"), repair=True, skips=True, flips=False,
        loss="ssim_l1", **SMALL,
    )  # fmt: skip
    evaluation.evaluate_all(repairs)
    detector = prediction.load_detector(repairs.folder)
    rows = runs.read_csv(repairs.folder / "scores.csv")
    found = prediction.predict(detector, [small_data / "bottle" / rows[0]["path"]], tmp_path)
    assert next(found)["score"] == pytest.approx(float(rows[0]["best"]), rel=0.02)


def test_usual_maps_stand_for_all_good_images(run):
    import torch

    from course_ae.scoring import best_map, best_map_from, usual_maps

    x = torch.rand(9, 1, 40, 40, generator=torch.Generator().manual_seed(0))
    x_hat = (x + 0.1 * torch.rand_like(x)).clamp(0, 1)
    direct = best_map(x[:2], x_hat[:2], x[2:], x_hat[2:])
    again = best_map_from(x[:2], x_hat[:2], usual_maps(x[2:], x_hat[2:]))
    assert torch.allclose(direct, again, atol=1e-4)


def test_picture_shows_image_drawing_and_map(run, tmp_path):
    image = elsewhere(run, "test/broken_large/000.png")
    (row,) = prediction.predict(prediction.load_detector(run.folder), [image], tmp_path / "new")
    with Image.open(row["picture"]) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape == (227 + prediction.HEADER, 3 * 227, 3)
    from course_ae.preprocessing import preprocess

    assert np.array_equal(pixels[prediction.HEADER :, :227, 0], preprocess(image))
    assert (pixels[: prediction.HEADER] < 128).any()  # the verdict


def test_command_prints_table_json_and_csv(run, tmp_path, capsys):
    folder = elsewhere(run, "test")
    words = ["predict", str(folder), "--run", str(run.folder), "--pictures", str(tmp_path / "p")]
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
    assert f"{found} of 18 defective: best score above" in table
    assert all(row["image"] in table for row in rows)
    pictures = {row["picture"] for row in rows}  # 000.png is in four folders
    assert len(pictures) == 18 and {str(p) for p in (tmp_path / "p").iterdir()} == pictures


def test_an_unreadable_image_does_not_stop_the_others(run, tmp_path, capsys):
    for i in range(3):
        shutil.copy(elsewhere(run, f"test/good/00{i}.png"), tmp_path / f"{i}.png")
    (tmp_path / "1.png").write_bytes(b"no image")
    words = ["predict", *(str(tmp_path / f"{i}.png") for i in range(3))]
    assert main([*words, "--run", str(run.folder), "--pictures", str(tmp_path / "p")]) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and "1.png' cannot be read as an image" in err
    assert "2.png" in out and "1.png" not in out and len(list((tmp_path / "p").iterdir())) == 2


def test_pictures_never_replace_the_images(run, tmp_path, capsys):
    image = shutil.copy(elsewhere(run, "test/good/000.png"), tmp_path / "0.png")
    words = ["predict", str(tmp_path), "--run", str(run.folder), "--pictures", str(tmp_path)]
    before = image.read_bytes()
    assert main(words) == 2
    assert "could replace the images there" in capsys.readouterr().err
    assert image.read_bytes() == before and list(tmp_path.iterdir()) == [image]


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")])
def test_a_threshold_that_is_no_number_judges_nothing(threshold, run, tmp_path):
    folder = shutil.copytree(run.folder, tmp_path / "run")
    summary = runs.read_json(folder / "summary.json")
    summary["scores"]["best"]["threshold"] = threshold
    (folder / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(CourseError, match="are no numbers"):
        prediction.load_detector(folder)


def test_a_network_that_is_no_number_judges_nothing(run, tmp_path):
    detector = prediction.load_detector(run.folder)
    for weights in detector.model.parameters():
        weights.data.fill_(float("nan"))
    image = elsewhere(run, "test/good/000.png")
    with pytest.raises(CourseError, match="are no numbers"):
        list(prediction.predict(detector, [image], tmp_path / "p"))


def test_long_names_and_names_of_several_lines(run, tmp_path, capsys):
    source = elsewhere(run, "test/good/000.png")
    names = [f"{'x' * 250}.png", "a.png 0.1  good\n.png", "it's\ncourse-ae: fine.png"]
    for name in names:
        try:
            shutil.copy(source, tmp_path / name)
        except OSError:
            pytest.skip("no such names on this system")
    (tmp_path / names[2]).write_bytes(b"no image")
    words = ["predict", *(str(tmp_path / name) for name in names), "--run", str(run.folder)]
    assert main([*words, "--pictures", str(tmp_path / "p")]) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and "it's\\ncourse-ae" in err
    assert "2 defective" in out or "of 2 defective" in out
    assert "a.png 0.1  good\\n.png" in out


def test_memory_stays_flat(run, tmp_path):
    image, process = elsewhere(run, "test/good/000.png"), psutil.Process()
    large = tmp_path / "large.png"
    Image.open(image).resize((1500, 1500)).save(large, compress_level=1)  # 7 MB decoded
    detector, used = prediction.load_detector(run.folder), []
    for row in prediction.predict(detector, [large] * 32 * 5, tmp_path / "p"):
        assert row["verdict"]
        used.append(process.memory_info().rss)
    early, late = max(used[: 2 * 32]), max(used[2 * 32 :])
    assert late - early < 60e6  # 96 more images of 7 MB would be 650 MB
