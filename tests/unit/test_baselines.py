"""The linear opponents: against other algebra, in cases made for it, and in a run's figures."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from course_ae import metrics, training
from course_ae.baselines import FOLDS, PCA_SIZE, LinearAutoencoder, cross_fitted
from course_ae.command.cli import main
from course_ae.experiment import evaluation
from course_ae.scoring import mean_score, normalised_map, reference_statistics, smooth


@pytest.fixture(scope="module")
def good():
    """24 images of 9 x 7 pixels, mixed from 24 pictures of very different strength, and noise."""
    generator = torch.Generator().manual_seed(0)
    strengths = 2.0 ** -torch.arange(24)
    mixed = torch.randn(24, 24, generator=generator) * strengths
    images = mixed @ torch.randn(24, 63, generator=generator)
    images += 0.001 * torch.randn(24, 63, generator=generator)
    low, high = images.min(), images.max()
    return (0.3 + 0.4 * (images - low) / (high - low)).view(24, 1, 9, 7)  # nothing is clamped


def error(x_hat, x):
    return float(((x_hat.double() - x.double()) ** 2).sum())


@pytest.mark.parametrize("size", [0, 1, 5, 23])
def test_it_is_the_projection_that_a_singular_value_decomposition_gives(good, size):
    x = good[:, 0].numpy().reshape(24, -1).astype(np.float64)
    mean = x.mean(axis=0)
    directions = np.linalg.svd(x - mean, full_matrices=False)[2][:size]
    linear = LinearAutoencoder(good, size)
    assert linear.size == size and linear.encode(good).shape == (24, size)
    new = torch.rand(3, 1, 9, 7, generator=torch.Generator().manual_seed(1))
    for images in (good, new):
        flat = images[:, 0].numpy().reshape(len(images), -1).astype(np.float64)
        expected = (mean + (flat - mean) @ directions.T @ directions).clip(0, 1)
        found = linear(images)
        assert found.shape == images.shape and found.dtype == torch.float32
        np.testing.assert_allclose(found.numpy().reshape(expected.shape), expected, atol=2e-5)


def test_its_components_are_those_of_scikit_learn_but_for_their_sign(good):
    theirs = torch.from_numpy(PCA(10, svd_solver="full").fit(good.flatten(1).numpy()).components_)
    ours = LinearAutoencoder(good, 10).components
    assert ours.shape == (10, 1, 9, 7)
    torch.testing.assert_close((ours.flatten(1) * theirs).sum(1).abs(), torch.ones(10))
    torch.testing.assert_close(ours.flatten(1) @ ours.flatten(1).T, torch.eye(10))


def test_a_code_of_no_numbers_draws_the_mean_image(good):
    linear = LinearAutoencoder(good, 0)
    new = torch.rand(5, 1, 9, 7)
    assert linear.encode(new).shape == (5, 0)
    assert torch.equal(linear(new), good.mean(dim=0).expand(5, -1, -1, -1))


def test_the_error_falls_with_every_number_and_in_the_end_is_nothing(good):
    linear = LinearAutoencoder(good, 23)
    errors = [error(linear.truncated(size)(good), good) for size in range(24)]
    assert all(before > after for before, after in pairwise(errors))
    assert errors[-1] < 1e-9 * errors[0]
    torch.testing.assert_close(linear(good), good)


@pytest.mark.parametrize("size", [0, 3, 23])
def test_a_truncated_one_is_the_fit_of_that_size(good, size):
    whole = LinearAutoencoder(good, 23)
    shorter, fitted = whole.truncated(size), LinearAutoencoder(good, size)
    assert (shorter.size, whole.size) == (size, 23)  # the whole one stays as it was
    torch.testing.assert_close(shorter(good), fitted(good))
    torch.testing.assert_close(shorter.components, fitted.components)


def test_there_is_no_better_linear_code_of_that_size(good):
    ours = error(LinearAutoencoder(good, 4)(good), good)
    x = good.flatten(1).double()
    centred = x - x.mean(dim=0)
    generator = torch.Generator().manual_seed(2)
    best = LinearAutoencoder(good, 4).components.flatten(1).T.double()
    for spread in (1.0, 0.1, 0.01):  # anywhere, and near our own
        for _ in range(20):
            noise = torch.randn(63, 4, dtype=torch.float64, generator=generator)
            basis = torch.linalg.qr(best * (spread < 1) + spread * noise)[0]
            assert error(centred @ basis @ basis.T, centred) > ours


def test_no_more_numbers_are_used_than_there_is_something_to_learn_for(good):
    assert LinearAutoencoder(good, 1000).size == 23
    twice = torch.cat([good[:5], good[:5]])
    assert LinearAutoencoder(twice, 9).size == 4
    torch.testing.assert_close(LinearAutoencoder(twice, 9)(twice), twice)
    same = LinearAutoencoder(good[:1].expand(6, -1, -1, -1), 5)
    assert same.size == 0 and torch.isfinite(same(good)).all()


def test_reconstructions_stay_images():
    dark_and_bright = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).repeat(3, 1, 4, 4)
    dark_and_bright += 0.1 * torch.rand(6, 1, 4, 4)
    linear = LinearAutoencoder(dark_and_bright, 2)
    far = linear.decode(torch.tensor([[-90.0, 0], [90.0, 0]]))
    assert far.min() == 0 and far.max() == 1


def test_an_image_is_rebuilt_by_what_it_was_not_learnt_from():
    """Each image has a bright pixel of its own: only who has seen it can draw it."""
    images = torch.full((8, 1, 4, 4), 0.2) + torch.eye(16)[:8].view(8, 1, 4, 4) * 0.7
    own = images > 0.5
    seen, unseen = LinearAutoencoder(images, 7)(images), cross_fitted(images, 7)
    assert seen[own].min() > 0.89
    assert unseen.shape == images.shape and unseen[own].max() < 0.35
    torch.testing.assert_close(unseen[0, 0, 0, 0], torch.tensor(0.2))


@pytest.mark.parametrize("size", [0, 3])
def test_the_others_are_all_that_is_learnt_from(good, size):
    found = cross_fitted(good, size)
    for i in (0, 7, 23):
        others = [j for j in range(len(good)) if j % FOLDS != i % FOLDS]
        expected = LinearAutoencoder(good[others], size)(good[i : i + 1])[0]
        torch.testing.assert_close(found[i], expected)


def test_two_images_are_enough(good):
    torch.testing.assert_close(cross_fitted(good[:2], 9), good[:2].flip(0))


def test_the_run_judges_the_linear_opponents_by_the_maps_of_the_networks(finished):
    images, labels = finished.images, finished.scores.labels
    baselines = finished.summary["baselines"]
    assert baselines["pca_size"] == len(images.train) - 1 == 10  # of PCA_SIZE there is no use
    for name, size in (("mean_image", 0), ("pca", PCA_SIZE)):
        x_hat = LinearAutoencoder(images.train, size)(images.test)
        l2 = mean_score(((images.test - x_hat) ** 2)[:, 0]).numpy()
        reference = reference_statistics(images.train, cross_fitted(images.train, size))
        maps = normalised_map(images.test, x_hat, reference)
        most = smooth(maps).amax(dim=(1, 2)).numpy()
        for score, values in (("l2", l2), ("normalised", most)):
            found = baselines[name][score]["auroc"]["value"]
            assert found == pytest.approx(metrics.auroc(values, labels))
    assert baselines["pca"]["l2"] != baselines["mean_image"]["l2"]


def test_the_loss_of_pca_stands_beside_that_of_the_network(finished):
    images = finished.images
    x_hat = LinearAutoencoder(images.train, PCA_SIZE)(images.val)
    expected = training.evaluate_loss(x_hat, images.val, "ssim")
    assert finished.summary["training"]["pca_loss"] == pytest.approx(expected, rel=1e-4)
    assert expected < finished.summary["training"]["mean_image_loss"]


def test_the_table_of_a_run_shows_them_and_an_older_summary_is_read_without(
    finished, tmp_path, capsys
):
    assert main(["table", str(finished.folder / "summary.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    shown = [line.split("|")[1].strip() for line in lines if "PCA" in line]
    assert shown == [f"bottle, quick: PCA, {name}" for name in ("L2", "SSIM", "normalised")]
    older = json.loads((finished.folder / "summary.json").read_text(encoding="utf-8"))
    del older["baselines"]["pca"], older["baselines"]["pca_size"]
    path = tmp_path / "older.json"
    path.write_text(json.dumps(older), encoding="utf-8")
    assert main(["table", str(path)]) == 0
    assert "PCA" not in capsys.readouterr().out
    assert evaluation.read_rows(path)[1] == evaluation.rows_of(finished.summary)[:-3]
