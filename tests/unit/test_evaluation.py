"""The figures of a run, on a few small images, a tiny network, and odd categories."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_run import TINY

from course_ae import metrics, training
from course_ae.data import load_samples, select
from course_ae.experiment import evaluation, stages
from course_ae.experiment.run_folder import open_run, read_summary
from course_ae.scoring import normalised_map, reference_statistics, smooth
from course_ae.thresholds import Confusion

NAMES = ["l2", "ssim", "normalised"]
FIGURES = {
    "auroc", "average_precision", "threshold", "calibration", "test", "f_normal", "f1_defect",
    "balanced_accuracy", "f_normal_splits", "pixel", "per_defect_type", "other_thresholds",
}  # fmt: skip


def untrained(data, folder, monkeypatch):
    """The summary of a run whose networks were not trained; their figures are figures all the same.

    What a training adds is looked at in the run that `finished` holds.
    """
    run = open_run(data=str(data), run=str(folder), **TINY)
    cpu, settings = torch.device("cpu"), run.settings
    plain = training.build_model(settings, cpu)
    denoiser = training.build_model(stages.denoiser_settings(settings), cpu)
    monkeypatch.setattr(evaluation, "trained", lambda *_: plain)
    monkeypatch.setattr(evaluation, "denoiser", lambda *_: denoiser)
    return run, evaluation.evaluate_all(run)


def test_summary_has_every_figure_for_every_score(finished):
    summary = finished.summary
    assert summary == read_summary(finished.run)
    assert list(finished.scores.values) == list(summary["scores"]) == NAMES
    for found in summary["scores"].values():
        assert set(found) == FIGURES
        for figure in ("auroc", "average_precision", "f_normal", "f1_defect", "balanced_accuracy"):
            assert set(found[figure]) == {"value", "low", "high"}
            assert found[figure]["low"] <= found[figure]["high"]
        assert set(found["calibration"]) == set(found["test"]) == {"tn", "fp", "fn", "tp"}
        assert set(found["f_normal_splits"]) == {"mean", "p05", "p95"}
        assert set(found["pixel"]) == {"auroc", "au_pro"}
        assert set(found["other_thresholds"]) == {"good_only", "youden", "oracle"}
    baselines = summary["baselines"]
    assert set(baselines) == {"all_normal", "mean_image", "pca", "pca_size"}
    for opponent in ("mean_image", "pca"):
        assert list(baselines[opponent]) == NAMES
        assert all(set(f["pixel"]) == {"auroc", "au_pro"} for f in baselines[opponent].values())


def test_lesson_07_and_lesson_08_agree(finished):
    assert list(finished.before["scores"]) == NAMES[:2]
    for name in NAMES[:2]:
        assert finished.before["scores"][name] == finished.summary["scores"][name]


def test_pixel_figures_are_those_of_the_enlarged_maps(finished):
    masks = evaluation.masks_of(finished.run.test)
    assert {mask.shape for mask in masks} == {(96, 96)}
    maps = torch.nn.functional.interpolate(
        finished.scores.maps["normalised"][:, None], (96, 96), mode="bilinear"
    )
    expected = metrics.au_pro(maps[:, 0].numpy(), np.stack(masks))
    found = finished.summary["scores"]["normalised"]["pixel"]
    assert found["au_pro"] == pytest.approx(expected)


def test_figures_by_defect_type_compare_it_with_all_good_images(finished):
    scores, found = finished.scores, finished.summary["scores"]["l2"]["per_defect_type"]
    assert list(found) == ["broken_large", "broken_small", "contamination"]
    values = scores.values["l2"]
    good, defective = values[scores.labels == 0], values[scores.defect_types == "contamination"]
    assert found["contamination"]["images"] == 4
    by_hand = np.mean([d > g for d in defective for g in good])
    assert found["contamination"]["auroc"] == pytest.approx(by_hand)
    areas = [found[name]["au_pro"] for name in found]
    overall = finished.summary["scores"]["l2"]["pixel"]["au_pro"]
    assert min(areas) - 1e-9 <= overall <= max(areas) + 1e-9


def test_the_oracle_is_never_worse_and_good_only_needs_no_test_image(finished):
    for name in NAMES:
        found = finished.summary["scores"][name]
        ways = found["other_thresholds"]
        rivals = [way["f_normal"] for way in ways.values()] + [found["f_normal"]["value"]]
        assert all(ways["oracle"]["f_normal"] >= rival for rival in rivals)
        expected = np.quantile(finished.scores.good[name], 0.95)
        assert ways["good_only"]["threshold"] == pytest.approx(expected)


def test_the_table_of_thresholds_has_the_slides_way_first(finished):
    found = finished.summary["scores"]["ssim"]
    rows = evaluation.threshold_rows(found)
    ways = [row["threshold from"] for row in rows]
    assert ways == ["slides", "good_only", "youden", "oracle"]
    assert rows[0]["tn"] == found["test"]["tn"]
    assert rows[0]["F (normal)"] == found["f_normal"]["value"]
    assert rows[2]["balanced accuracy"] == found["other_thresholds"]["youden"]["balanced_accuracy"]
    assert len({tuple(row) for row in rows}) == 1


def test_the_normalised_score_is_the_highest_value_of_its_smoothed_map(finished):
    images, model = finished.images, finished.denoiser
    x_hat, stained = training.repair(model, images.test)
    reference = reference_statistics(images.train, stages.repaired_train(model, images))
    maps = normalised_map(images.test, x_hat, reference, stained)
    expected = smooth(maps).flatten(1).max(dim=1).values.numpy()
    np.testing.assert_allclose(finished.scores.values["normalised"], expected, rtol=1e-4)


def test_baselines_need_no_network(finished):
    baselines, scores, images = finished.summary["baselines"], finished.scores, finished.images
    good = int((scores.labels[scores.test] == 0).sum())
    defective = int(scores.labels[scores.test].sum())
    nothing = baselines["all_normal"]
    assert nothing["auroc"]["value"] == 0.5
    assert nothing["f_normal"]["value"] == pytest.approx(2 * good / (2 * good + defective))
    mean = baselines["mean_image"]
    values = ((images.test - images.mean) ** 2).mean(dim=(1, 2, 3)).numpy()
    assert mean["l2"]["auroc"]["value"] == pytest.approx(metrics.auroc(values, scores.labels))
    assert len({found["threshold"] for found in mean.values()}) == 3


def test_the_rows_of_a_summary_are_its_detectors_and_then_the_baselines(finished):
    summary = finished.summary
    rows = {row.detector: row for row in evaluation.rows_of(summary)}
    assert list(rows) == [
        "L2", "SSIM", "normalised", "all called normal",
        "mean image, L2", "mean image, SSIM", "mean image, normalised",
        "PCA, L2", "PCA, SSIM", "PCA, normalised",
    ]  # fmt: skip
    found, row = summary["scores"]["normalised"], rows["normalised"]
    assert row.auroc == found["auroc"]["value"] and row.f_normal == found["f_normal"]["value"]
    assert (row.pixel_auroc, row.au_pro) == (found["pixel"]["auroc"], found["pixel"]["au_pro"])
    assert row.f_splits == tuple(found["f_normal_splits"].values())
    assert row.test == Confusion(**found["test"])
    assert rows["all called normal"].au_pro is None and rows["all called normal"].test is None
    _, again = evaluation.read_rows(finished.folder / "summary.json")
    assert again == list(rows.values())
    table = evaluation.overview(summary)
    assert [line["detector"] for line in table] == list(rows)
    assert table[0]["mean F (normal)"] == summary["scores"]["l2"]["f_normal_splits"]["mean"]


def test_a_category_without_masks_has_no_pixel_figures_and_says_so(odd_data, tmp_path, monkeypatch):
    _, summary = untrained(odd_data / "plank", tmp_path / "run", monkeypatch)
    assert summary["settings"]["category"] == "plank"
    assert summary["note"] == "no pixel figures: 4 of 4 defective images have no mask"
    linear = [summary["baselines"][opponent] for opponent in ("mean_image", "pca")]
    for found in [one for group in (summary["scores"], *linear) for one in group.values()]:
        assert found["pixel"] is None and 0 <= found["auroc"]["value"] <= 1
    by_type = summary["scores"]["normalised"]["per_defect_type"]
    assert list(by_type) == ["contamination"] and by_type["contamination"]["au_pro"] is None
    assert all(row.au_pro is None for row in evaluation.rows_of(summary))


def test_one_missing_mask_is_enough_to_leave_the_pixel_figures_out(
    data_copy, tmp_path, monkeypatch
):
    (data_copy / "bottle" / "ground_truth" / "contamination" / "002_mask.png").unlink()
    _, summary = untrained(data_copy, tmp_path / "run", monkeypatch)
    assert summary["note"].endswith("1 of 12 defective images have no mask")
    assert summary["scores"]["l2"]["pixel"] is None


def test_images_of_any_shape_are_measured_at_their_own_size(data_copy, tmp_path, monkeypatch):
    for i, path in enumerate(sorted(data_copy.rglob("*.png"))):
        size = (70, 90 + (0 if "mask" in path.name or "test" in path.parts else i))
        with Image.open(path) as image:
            changed = image.resize(size, Image.Resampling.NEAREST)
        changed.save(path)
    run, summary = untrained(data_copy, tmp_path / "run", monkeypatch)
    assert {mask.shape for mask in evaluation.masks_of(run.test)} == {(90, 70)}
    assert 0 <= summary["scores"]["normalised"]["pixel"]["au_pro"] <= 1


def test_masks_to_draw_have_the_maps_size_and_good_images_none(small_data):
    test = select(load_samples(small_data / "bottle"), "test")
    for sample, mask in zip(test, evaluation.masks_at_map_size(test), strict=True):
        assert (mask is None) == (sample.label == 0)
        assert mask is None or (mask.shape == (227, 227) and mask.any())


def test_without_the_second_network_lesson_08s_score_is_left_out(small_data, tmp_path, monkeypatch):
    run = open_run(data=str(small_data), run=str(tmp_path / "run"), **TINY)
    model = training.build_model(run.settings, torch.device("cpu"))
    monkeypatch.setattr(evaluation, "trained", lambda run, images: model)
    monkeypatch.setattr(evaluation, "denoiser", None)  # would fail if it were called
    summary = evaluation.evaluate_all(run, second=False)
    assert list(summary["scores"]) == NAMES[:2]
    assert not (run.folder / "reference.npz").exists()
