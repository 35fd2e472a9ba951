"""The stages of a run: what each leaves behind, and the same figures by other means."""

from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_run import TINY

from course_ae import training
from course_ae.experiment import evaluation, stages
from course_ae.experiment.dependence import Dependence
from course_ae.experiment.run_folder import open_run, read_json, read_summary
from course_ae.metrics import auroc, f_normal_splits
from course_ae.model import count_parameters
from course_ae.scoring import Reference
from course_ae.settings import DENOISE, make_settings
from course_ae.support.errors import CourseError
from course_ae.support.files import read_csv
from course_ae.thresholds import confusion, f_normal, search_threshold

NAMES = ("l2", "ssim", "normalised")
SLIDES = NAMES[:2]


def no_training(*args, **kwargs):
    raise AssertionError("trained although a model is there")


def test_each_stage_leaves_its_files_and_no_others(finished):
    made = finished.files
    assert made["open_run"] == {"settings.json"}
    assert made["prepare"] - made["open_run"] == {"summary.json"}
    assert made["trained"] - made["prepare"] == {"model.pt", "history.csv", "snapshots.npz"}
    assert made["scored"] - made["trained"] == {"scores.csv"}
    assert made["evaluate"] == made["scored"]
    assert made["denoiser"] - made["evaluate"] == {"denoiser.pt"}
    assert made["scored_normalised"] - made["denoiser"] == {"reference.npz"}


def test_settings_file_says_what_was_run_with_what(finished):
    content = read_json(finished.folder / "settings.json")
    assert content["settings"] == asdict(make_settings("quick", **TINY))
    assert len(content["data_fingerprint"]) == 32
    assert content["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert content["versions"]["numpy"] == np.__version__
    assert content["device"] in ("cpu", "cuda", "mps")


def test_images_are_split_and_then_flipped(finished):
    images, s = finished.images, finished.run.settings
    assert len(finished.run.train) == len(images.good) == 12
    val = round(12 * s.val_fraction)
    assert len(images.val_augmented) == 3 * val
    assert len(images.train_augmented) == 3 * (12 - val)
    assert len(images.test) == len(finished.run.test) == 18
    assert len(images.val) == val and len(images.train) == 12 - val
    torch.testing.assert_close(images.mean, images.train.sum(dim=0, keepdim=True) / 11)


def test_no_val_image_nor_its_flip_is_trained_on(finished):
    def pixels(x):
        return {image.numpy().tobytes() for image in x}

    images = finished.images
    train, val = pixels(images.train_augmented), pixels(images.val_augmented)
    assert len(train) == 33 and len(val) == 3  # no two of them alike
    assert not train & val
    good = pixels(images.good)
    assert len(good & train) == 11 and len(good & val) == 1


def test_summary_says_what_the_run_was_and_how_it_was_trained(finished):
    summary = finished.summary
    assert summary == read_summary(finished.run)  # what is returned is what is written
    assert summary["settings"] == asdict(finished.run.settings)
    assert summary["counts"] == {
        "train": 12,
        "train_augmented": 36,
        "test_good": 6,
        "test_defective": 12,
    }
    assert summary["parameters"] == count_parameters(finished.model)
    facts = {
        "epochs", "best_epoch", "train_loss", "val_loss", "seconds", "images_per_second",
        "output_std_over_images", "input_std_over_images", "mean_image_loss",
        "nearest_own_image",
    }  # fmt: skip
    assert set(summary["denoiser_training"]) == facts
    assert set(summary["training"]) == facts | {"pca_loss"}


def test_training_figures_are_those_of_the_history(finished):
    training, history = finished.summary["training"], stages.read_history(finished.run)
    assert [row["epoch"] for row in history] == [1, 2]
    assert training["epochs"] == 2
    best = min(history, key=lambda row: row["val_loss"])
    assert training["best_epoch"] == best["epoch"]
    assert training["val_loss"] == best["val_loss"]
    assert training["train_loss"] == best["train_loss"]
    assert training["seconds"] == pytest.approx(sum(row["seconds"] for row in history))
    assert training["images_per_second"] == pytest.approx(2 * 33 / training["seconds"])


def test_kept_model_is_the_one_of_the_best_epoch(finished):
    val = finished.images.val_augmented
    found = training.evaluate_loss(training.reconstruct(finished.model, val), val, "ssim")
    assert found == pytest.approx(finished.summary["training"]["val_loss"], rel=1e-3)


def test_mean_image_and_spread_over_images_are_recomputed(finished):
    facts, images = finished.summary["training"], finished.images
    mean = images.train_augmented.mean(dim=0, keepdim=True).expand_as(images.val_augmented)
    expected = training.evaluate_loss(mean, images.val_augmented, "ssim")
    assert facts["mean_image_loss"] == pytest.approx(expected)
    many = replace(images, val=images.good)  # one val image alone has no spread
    result = training.Training(stages.read_history(finished.run), best_epoch=1)
    facts = stages._training_facts(finished.run.settings, many, finished.model, result)
    x_hat = training.reconstruct(finished.model, images.good).numpy()
    assert facts["output_std_over_images"] == pytest.approx(x_hat.std(axis=0).mean(), rel=1e-3)
    assert facts["output_std_over_images"] > 1e-4  # so that the line above compares something
    spread = images.good.numpy().std(axis=0).mean()
    assert facts["input_std_over_images"] == pytest.approx(spread, rel=1e-3)


def test_a_collapsed_network_is_told_of(finished, monkeypatch, capsys):
    same = Dependence(output_std=0.01, input_std=1.0, nearest_own=0.1)
    monkeypatch.setattr(stages, "depends_on_input", lambda model, x: same)
    result = training.Training(stages.read_history(finished.run), best_epoch=1)
    stages._training_facts(finished.run.settings, finished.images, finished.model, result)
    said = capsys.readouterr().out
    assert "varies 0.01 times as much" in said and "10% of the reconstructions" in said


def test_snapshots_show_five_images_after_each_early_epoch(finished):
    snapshots = stages.read_snapshots(finished.run)
    assert sorted(snapshots) == [1, 2]
    assert all(pixels.shape == (5, 227, 227) for pixels in snapshots.values())


def test_scores_file_has_a_row_for_each_test_image(finished):
    rows = read_csv(finished.folder / "scores.csv")
    assert list(rows[0]) == ["path", "defect_type", "label", "part", *NAMES]
    assert [row["path"] for row in rows] == [sample.name for sample in finished.run.test]
    assert len(rows) == 18
    for row in rows:
        assert row["defect_type"] == row["path"].split("/")[1]
        assert row["label"] == str(int(row["defect_type"] != "good"))
    parts = [row["part"] for row in rows]
    assert parts.count("calibration") == pytest.approx(0.3 * 18, abs=1)
    assert parts.count("calibration") + parts.count("test") == 18


@pytest.mark.parametrize("name", NAMES)
def test_summary_is_recomputed_from_the_scores_file(finished, name):
    rows = read_csv(finished.folder / "scores.csv")
    scores = np.array([float(row[name]) for row in rows])
    labels = np.array([int(row["label"]) for row in rows])
    chooses = np.array([row["part"] == "calibration" for row in rows])
    threshold = search_threshold(scores[chooses], labels[chooses])
    test = confusion(scores[~chooses], labels[~chooses], threshold)
    splits = f_normal_splits(scores, labels, 0.3)
    found = finished.summary["scores"][name]
    assert found["threshold"] == threshold
    calibration = confusion(scores[chooses], labels[chooses], threshold)
    assert found["calibration"] == calibration._asdict()
    assert found["test"] == test._asdict()
    assert found["f_normal"]["value"] == f_normal(test)
    assert found["auroc"]["value"] == auroc(scores, labels)
    assert found["f_normal_splits"] == {
        "mean": pytest.approx(splits.mean()),
        "p05": pytest.approx(np.quantile(splits, 0.05)),
        "p95": pytest.approx(np.quantile(splits, 0.95)),
    }


def test_l2_scores_are_mean_squared_differences(finished):
    x = finished.images.test
    by_hand = ((x - training.reconstruct(finished.model, x)) ** 2).mean(dim=(1, 2, 3)).numpy()
    np.testing.assert_allclose(finished.scores.values["l2"], by_hand, rtol=1e-4)


def test_a_model_that_is_there_is_used_and_gives_the_same_scores(finished, run_copy, monkeypatch):
    monkeypatch.setattr(stages, "fit", no_training)
    images = stages.prepare(run_copy)
    model = stages.trained(run_copy, images)
    scores = stages.scored(run_copy, images, model)
    for name in SLIDES:
        assert np.array_equal(scores.values[name], finished.scores.values[name])
    found = evaluation.evaluate(run_copy, images, scores)
    assert found == finished.summary  # the training's figures and lesson 08's score included
    names = {path.name for path in run_copy.folder.glob("[!.]*")}
    assert names == finished.files["scored_normalised"]


def test_a_new_run_with_the_same_settings_gives_the_same_scores(finished, small_data, tmp_path):
    run = open_run(data=str(small_data), run=str(tmp_path / "again"), **TINY)
    images = stages.prepare(run)
    scores = stages.scored(run, images, stages.trained(run, images))
    for name in SLIDES:
        np.testing.assert_allclose(scores.values[name], finished.scores.values[name], rtol=1e-6)


@pytest.mark.parametrize(
    "damage", [lambda content: b"", lambda content: content[:1000], lambda content: b"no model"]
)
def test_a_damaged_model_is_named(run_copy, finished, damage):
    path = run_copy.folder / "model.pt"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CourseError, match=r"model\.pt' is no model of this run; delete it"):
        stages.trained(run_copy, finished.images)


def test_a_model_of_another_network_is_refused(run_copy, finished):
    torch.save({"weights": torch.zeros(3)}, run_copy.folder / "model.pt")
    with pytest.raises(CourseError, match=r"model\.pt' is no model of this run"):
        stages.trained(run_copy, finished.images)


@pytest.mark.parametrize("name", ["model", "denoiser"])
def test_a_lack_of_memory_while_training_tells_how_to_go_on(name, finished, run_copy, monkeypatch):
    def too_much(*args):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    (run_copy.folder / f"{name}.pt").unlink()
    monkeypatch.setattr(stages, "fit", too_much)
    step = {"model": stages.trained, "denoiser": stages.denoiser}[name]
    with pytest.raises(CourseError, match=r"^Memory ran out; what was learnt .*smaller 'batch_si"):
        step(run_copy, finished.images)


def test_a_network_that_does_not_fit_into_memory_is_one_sentence(finished, run_copy, monkeypatch):
    def too_large(*args):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")

    monkeypatch.setattr(stages, "build_model", too_large)
    with pytest.raises(CourseError, match=r"^Memory ran out; lower 'width' or 'bottleneck'"):
        stages.trained(run_copy, finished.images)


def test_images_that_cannot_be_used_are_found_before_the_run(data_copy, tmp_path):
    run = open_run(data=str(data_copy), run=str(tmp_path / "run"), **TINY)
    stages.require_readable(run)
    next(iter((data_copy / "bottle" / "ground_truth").glob("*/*.png"))).write_bytes(b"no mask")
    with pytest.raises(CourseError, match=r"_mask\.png' cannot be read as an image"):
        stages.require_readable(run)


def test_an_earlier_lesson_keeps_the_scores_of_a_later_one(finished, run_copy):
    path = run_copy.folder / "scores.csv"
    before = read_csv(path)
    assert list(before[0])[-3:] == list(NAMES)
    stages.scored(run_copy, finished.images, finished.model)
    assert read_csv(path) == before


def test_a_second_network_is_trained_to_denoise_unless_the_run_has_one(
    finished, run_copy, monkeypatch
):
    assert (finished.folder / "denoiser.pt").is_file()
    assert finished.denoiser.skips and not finished.model.skips
    asked = []
    monkeypatch.setattr(stages, "trained", lambda *given: asked.append(given) or "its own")
    denoises = SimpleNamespace(settings=SimpleNamespace(denoise=True))
    assert stages.denoiser(denoises, finished.images) == "its own"
    assert len(asked) == 1


def test_the_denoiser_is_trained_on_the_originals_for_as_many_epochs(finished):
    settings = stages.denoiser_settings(finished.run.settings)
    assert settings.denoise and settings.skips and not settings.flips
    assert settings.epoch_images == DENOISE["epoch_images"]
    assert settings.epochs == settings.patience == TINY["epochs"]
    assert (settings.width, settings.bottleneck) == (TINY["width"], TINY["bottleneck"])
    assert finished.summary["denoiser_training"]["epochs"] == settings.epochs


def test_a_learning_rate_below_the_profiles_lowers_the_denoisers_too():
    usual = make_settings("quick")
    step = stages.denoiser_settings(usual).learning_rate
    slower = stages.denoiser_settings(replace(usual, learning_rate=usual.learning_rate / 4))
    assert step >= DENOISE["learning_rate"] and slower.learning_rate < step / 2
    assert stages.denoiser_settings(replace(usual, epoch_images=999)).epoch_images == 999


def test_reference_statistics_are_found_again_as_they_were_kept(tmp_path):
    kept = {name: Reference(torch.rand(3, 4), torch.rand(3, 4)) for name in ("l1", "ssim")}
    path = tmp_path / "reference.npz"
    stages.write_reference(path, kept)
    with np.load(path) as file:
        assert sorted(file.files) == ["l1_deviation", "l1_mean", "ssim_deviation", "ssim_mean"]
    found = stages.read_reference(path, (3, 4))
    assert list(found) == ["l1", "ssim"]
    for name, statistics in found.items():
        assert all(torch.equal(a, b) for a, b in zip(statistics, kept[name], strict=True))
    for shape in ((4, 3), (3, 4, 1)):
        with pytest.raises(CourseError, match=r"reference\.npz' is missing or damaged"):
            stages.read_reference(path, shape)
