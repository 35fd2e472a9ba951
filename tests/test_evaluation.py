"""The figures of a run, on a few small images, a tiny network, and odd categories."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from course_ae import claims, evaluation, ladder, metrics, pipeline
from course_ae.config import REPAIR
from course_ae.runs import open_run, read_csv, read_summary
from course_ae.scoring import FLOOR, best_map, normalise

TINY = {"width": 0.05, "bottleneck": 8, "epochs": 1, "batch_size": 4, "learning_rate": 0.002}


class Finished:
    """A run up to lesson 07."""

    def __init__(self, data, folder, **settings):
        self.run = open_run(data=str(data), run=str(folder), **{**TINY, **settings})
        self.images = pipeline.prepare(self.run)
        self.model = pipeline.trained(self.run, self.images)
        self.scores = pipeline.scored(self.run, self.images, self.model)
        self.before = evaluation.evaluate(self.run, self.images, self.scores)
        self.repairing = pipeline.repairing(self.run, self.images)
        pipeline.scored_best(self.run, self.images, self.repairing, self.scores)
        self.summary = evaluation.evaluate(self.run, self.images, self.scores)


@pytest.fixture(scope="module")
def finished(small_data, tmp_path_factory):
    return Finished(small_data, tmp_path_factory.mktemp("runs") / "evaluated")


def test_summary_has_every_figure_for_every_score(finished):
    summary = finished.summary
    assert summary == read_summary(finished.run)
    kinds = ["l2", "ssim", "best"]
    assert list(finished.scores.values) == kinds
    for group in (
        summary["scores"],
        summary["thresholds"],
        *map(summary["metrics"].get, ("image", "pixel", "per_defect")),
    ):
        assert list(group) == kinds
    for kind in kinds:
        image = summary["metrics"]["image"][kind]
        assert set(image) == {
            "auroc",
            "average_precision",
            "f_normal",
            "f1_defect",
            "balanced_accuracy",
        }
        assert all(figure["low"] <= figure["high"] for figure in image.values())
        assert set(summary["metrics"]["pixel"][kind]) == {"auroc", "au_pro"}
        assert set(summary["thresholds"][kind]) == {"slides", "good_only", "youden", "oracle"}
    expected = {"all_normal", "mean_image_l2", "mean_image_ssim", "mean_image_best"}
    assert set(summary["baselines"]) == expected
    assert set(summary["baselines"]["mean_image_best"]["pixel"]) == {"auroc", "au_pro"}


def test_lesson_06_and_lesson_07_agree(finished):
    for kind in ("l2", "ssim"):
        assert finished.before["scores"][kind] == finished.summary["scores"][kind]
        assert (
            finished.before["metrics"]["pixel"][kind] == finished.summary["metrics"]["pixel"][kind]
        )


def test_pixel_figures_are_those_of_the_enlarged_maps(finished):
    masks = evaluation.masks_of(finished.run.test)
    assert {mask.shape for mask in masks} == {(96, 96)}
    maps = torch.nn.functional.interpolate(
        finished.scores.maps["best"][:, None], (96, 96), mode="bilinear"
    )
    expected = metrics.au_pro(maps[:, 0].numpy(), np.stack(masks))
    assert finished.summary["metrics"]["pixel"]["best"]["au_pro"] == pytest.approx(expected)


def test_figures_by_defect_compare_it_with_all_good_images(finished):
    scores, found = finished.scores, finished.summary["metrics"]["per_defect"]["l2"]
    assert list(found) == ["broken_large", "broken_small", "contamination"]
    values = scores.values["l2"]
    good, defective = values[scores.labels == 0], values[scores.defects == "contamination"]
    assert found["contamination"]["images"] == 4
    by_hand = np.mean([d > g for d in defective for g in good])
    assert found["contamination"]["auroc"] == pytest.approx(by_hand)
    areas = [found[name]["au_pro"] for name in found]
    overall = finished.summary["metrics"]["pixel"]["l2"]["au_pro"]
    assert min(areas) - 1e-9 <= overall <= max(areas) + 1e-9


def test_the_oracle_is_never_worse_and_good_only_needs_no_test_image(finished):
    for kind in finished.scores.values:
        found = finished.summary["thresholds"][kind]
        assert all(found["oracle"]["f_normal"] >= other["f_normal"] for other in found.values())
        expected = np.quantile(finished.scores.good[kind], 0.95)
        assert found["good_only"]["threshold"] == pytest.approx(expected)


def test_the_best_score_is_the_highest_value_of_its_map(finished):
    images, model = finished.images, finished.repairing
    x_hat, known_hat = pipeline.rebuild(model, images.test), pipeline.rebuild(model, images.known)
    maps = best_map(images.test, x_hat, images.known, known_hat)
    expected = maps.flatten(1).max(dim=1).values.numpy()
    np.testing.assert_allclose(finished.scores.values["best"], expected, rtol=1e-4)


def test_a_second_network_is_trained_to_repair_unless_the_run_has_one(
    finished, small_data, tmp_path
):
    assert (finished.run.folder / "repair.pt").is_file()
    assert finished.repairing.skips and not finished.model.skips
    other = open_run(
        data=str(small_data),
        run=str(tmp_path / "own"),
        **TINY,
        **{k: v for k, v in REPAIR.items() if k not in TINY},
    )
    images = pipeline.prepare(other)
    model = pipeline.trained(other, images)
    again = pipeline.repairing(other, images)
    assert not (other.folder / "repair.pt").exists()
    same = zip(model.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in same)


def test_an_earlier_lesson_keeps_the_scores_of_a_later_one(finished):
    path = finished.run.folder / "scores.csv"
    before = read_csv(path)
    assert list(before[0])[-3:] == ["l2", "ssim", "best"]
    pipeline.scored(finished.run, finished.images, finished.model)
    assert read_csv(path) == before


def test_normalised_maps_are_zero_on_average_over_the_good_images():
    good = torch.rand(50, 6, 7, generator=torch.Generator().manual_seed(0)) * torch.arange(1.0, 8)
    assert normalise(good, good).mean(dim=0).abs().max() < 1e-5
    spread = good.std(dim=0, correction=0)
    one_off = normalise((good.mean(dim=0) + spread + FLOOR * spread.mean())[None], good)
    torch.testing.assert_close(one_off, torch.ones_like(one_off))
    constant = torch.full((4, 3, 3), 0.5)
    assert normalise(constant, constant).isfinite().all()  # a network that is never off


def test_painted_images_are_held_out_ones_and_the_ladder_has_its_steps(finished):
    bench = ladder.painted_bench(finished.images)
    held_out = len(finished.images.held_out)
    assert (bench.labels == 0).sum() == held_out
    assert torch.equal(bench.x[:held_out], finished.images.held_out)
    assert [bool(mask.any()) for mask in bench.masks] == bench.labels.astype(bool).tolist()
    rows = ladder.climb(bench, finished.images, finished.model, finished.repairing)
    assert [row["step"] for row in rows] == [step.name for step in ladder.LADDER]
    alone = ladder.climb(bench, finished.images, None, finished.repairing)
    assert alone == [row for row, step in zip(rows, ladder.LADDER, strict=True) if step.repairs]


def test_the_last_step_on_the_test_is_the_best_score(finished):
    bench = ladder.sealed_bench(finished.run, finished.images)
    last = ladder.climb(bench, finished.images, finished.model, finished.repairing)[-1]
    assert last["auroc"] == pytest.approx(finished.summary["scores"]["best"]["auroc"])
    pixel = finished.summary["metrics"]["pixel"]["best"]
    assert last["au_pro"] == pytest.approx(pixel["au_pro"], abs=1e-6)


def test_two_by_two_is_kept_and_not_repeated(finished, monkeypatch):
    rows = claims.two_by_two(finished.run, finished.images)
    assert [(row["loss"], row["seed"]) for row in rows] == [
        (loss, seed) for loss in ("ssim", "l2") for seed in claims.SEEDS
    ]
    assert len({row["auroc_l2"] for row in rows} | {row["auroc_ssim"] for row in rows}) > 3
    monkeypatch.setattr(claims, "fit", None)  # would fail if it were called
    assert claims.two_by_two(finished.run, finished.images) == rows


def test_a_category_without_masks_has_no_pixel_figures_and_says_so(odd_data, tmp_path):
    summary = Finished(odd_data / "plank", tmp_path / "run").summary
    assert summary["category"] == "plank"
    assert summary["metrics"]["pixel"] == {"l2": None, "ssim": None, "best": None}
    assert summary["metrics"]["note"] == "no pixel figures: 4 of 4 defective images have no mask"
    assert list(summary["metrics"]["per_defect"]["best"]) == ["contamination"]
    assert summary["metrics"]["per_defect"]["best"]["contamination"]["au_pro"] is None
    assert all(0 <= found["auroc"] <= 1 for found in summary["scores"].values())


def test_one_missing_mask_is_enough_to_leave_the_pixel_figures_out(small_data, tmp_path):
    data = shutil.copytree(small_data, tmp_path / "data")
    (data / "bottle" / "ground_truth" / "contamination" / "002_mask.png").unlink()
    summary = Finished(data, tmp_path / "run").summary
    assert summary["metrics"]["note"].endswith("1 of 12 defective images have no mask")


def test_images_of_any_shape_are_measured_at_their_own_size(small_data, tmp_path):
    data = shutil.copytree(small_data, tmp_path / "data")
    for i, path in enumerate(sorted(data.rglob("*.png"))):
        size = (70, 90 + (0 if "mask" in path.name or "test" in path.parts else i))
        with Image.open(path) as image:
            changed = image.resize(size, Image.Resampling.NEAREST)
        changed.save(path)
    done = Finished(data, tmp_path / "run")
    assert {mask.shape for mask in evaluation.masks_of(done.run.test)} == {(90, 70)}
    assert 0 <= done.summary["metrics"]["pixel"]["best"]["au_pro"] <= 1
