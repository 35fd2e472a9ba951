"""The steps of the last lesson, on painted images and at the end on the test images."""

import pytest
import torch

from course_ae import metrics
from course_ae.baselines import PCA_SIZE, LinearAutoencoder
from course_ae.experiment import ablation


@pytest.fixture(scope="module")
def sealed(finished):
    """The rows of all steps, on the test images."""
    bench = ablation.sealed_bench(finished.run, finished.images)
    return ablation.ablate(bench, finished.images, finished.model, finished.denoiser)


def test_painted_images_are_val_images_and_every_step_is_tried(finished):
    bench = ablation.painted_bench(finished.images)
    val = len(finished.images.val)
    assert (bench.labels == 0).sum() == val
    assert torch.equal(bench.x[:val], finished.images.val)
    assert [bool(mask.any()) for mask in bench.masks] == bench.labels.astype(bool).tolist()
    rows = ablation.ablate(bench, finished.images, finished.model, finished.denoiser)
    assert [row["step"] for row in rows] == [step.name for step in ablation.STEPS]
    alone = ablation.ablate(bench, finished.images, None, finished.denoiser)
    assert alone == [row for row, step in zip(rows, ablation.STEPS, strict=True) if step.looks]


def test_the_first_step_is_the_slides_and_the_last_the_normalised_score(finished, sealed):
    scores = finished.summary["scores"]
    for row, name in ((sealed[0], "l2"), (sealed[-1], "normalised")):
        assert row["auroc"] == pytest.approx(scores[name]["auroc"]["value"])
        assert row["au_pro"] == pytest.approx(scores[name]["pixel"]["au_pro"], abs=1e-6)
        assert row["pixel_auroc"] == pytest.approx(scores[name]["pixel"]["auroc"], abs=1e-6)


def test_what_was_tried_and_not_kept_differs_from_the_last_step_in_one_thing():
    last = ablation.STEPS[-1]
    for step in ablation.TRIED:
        differs = [name for name in last._fields if getattr(step, name) != getattr(last, name)]
        assert len(differs) == 2 and "name" in differs


def test_without_masks_there_are_no_pixel_figures(finished):
    bench = ablation.sealed_bench(finished.run, finished.images)
    blind = ablation.Bench(bench.x, bench.labels, None)
    (row,) = ablation.ablate(
        blind, finished.images, finished.model, finished.denoiser, ablation.STEPS[:1]
    )
    assert set(row) == {"step", "auroc"}


def test_memory_in_the_networks_place_scores_as_the_baseline_does(finished):
    bench = ablation.sealed_bench(finished.run, finished.images)
    scores = ablation.from_memory(
        bench, finished.images, LinearAutoencoder(finished.images.train, PCA_SIZE)
    )
    baseline = finished.summary["baselines"]["pca"]["normalised"]["auroc"]["value"]
    assert metrics.auroc(scores, bench.labels) == pytest.approx(baseline)
