"""The slides' conclusions, decided by numbers: other numbers, another verdict."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from tiny_run import TINY

from course_ae.experiment import replication, run_folder
from course_ae.experiment.replication import Claim, slides_claims
from course_ae.support.files import read_csv

LOSSES, SEEDS = ("ssim", "l2"), (0, 1, 2)


def trainings(auroc):
    """Rows as `two_by_two` makes them; `auroc` tells that of a loss, a seed and a score."""
    return [
        {
            "loss": loss,
            "seed": seed,
            "auroc_l2": auroc(loss, seed, "l2"),
            "auroc_ssim": auroc(loss, seed, "ssim"),
        }
        for loss, seed in itertools.product(LOSSES, SEEDS)
    ]


def verdicts(rows):
    return [claim.verdict for claim in slides_claims(rows)]


def test_the_slides_are_right_where_the_numbers_say_so():
    rows = trainings(
        lambda loss, seed, score: (
            0.8 + 0.1 * (score == "l2") + 0.02 * (loss == "ssim") + 0.001 * seed
        )
    )
    assert verdicts(rows) == ["holds", "holds", "holds"]


def test_and_wrong_where_they_say_the_opposite():
    rows = trainings(
        lambda loss, seed, score: (
            0.8 - 0.1 * (score == "l2") - 0.02 * (loss == "ssim") + 0.001 * seed
        )
    )
    assert verdicts(rows) == ["does not hold"] * 3


def test_nothing_is_decided_where_the_seeds_disagree():
    rng = np.random.default_rng(0)
    assert verdicts(trainings(lambda *_: rng.uniform(0.7, 0.9))) == ["undecided"] * 3


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.01, 0.2, "holds"),
        (-0.2, -0.01, "does not hold"),
        (-0.1, 0.1, "undecided"),
        (0, 0.1, "undecided"),
    ],
)
def test_a_verdict_needs_an_interval_on_one_side_of_zero(low, high, verdict):
    claim = Claim("", (low + high) / 2, low, high)
    assert claim.verdict == verdict
    assert claim.as_row()["verdict"] == verdict


def test_differences_are_means_of_pairs():
    rows = trainings(
        lambda loss, seed, score: 0.5 + 0.1 * seed * (score == "l2") + 0.03 * (loss == "ssim")
    )
    first, second, third = slides_claims(rows)
    assert first.difference == pytest.approx(0.1)  # 0, 0.1 and 0.2, twice each
    assert second.difference == third.difference == pytest.approx(0.03)
    assert replication.SEEDS == SEEDS


class StoppedError(Exception):
    """Stands for a kill, between two trainings."""


def test_a_training_that_is_done_is_not_repeated(small_data, tmp_path, monkeypatch):
    run = run_folder.open_run(data=str(small_data), run=str(tmp_path / "run"), **TINY)
    tried = []

    def trial(run, images, settings):
        tried.append((settings.loss, settings.seed))
        if len(tried) == 3:
            raise StoppedError
        return {"dependence": 1.0, "auroc_l2": 0.1 + 0.2, "auroc_ssim": 0.7}

    monkeypatch.setattr(replication, "_trial", trial)
    with pytest.raises(StoppedError):
        replication.two_by_two(run, None)
    rows = replication.two_by_two(run, None)
    assert tried == [("ssim", 0), ("ssim", 1), ("ssim", 2), ("ssim", 2),
                     ("l2", 0), ("l2", 1), ("l2", 2)]  # fmt: skip
    assert rows == replication.two_by_two(run, None) and len(tried) == 7
    seeds = [row["seed"] for row in read_csv(run.folder / "two_by_two.csv")]
    assert seeds == ["0", "1", "2"] * 2  # as if it had never been stopped


def test_the_networks_are_the_runs_own_without_flips_stains_and_skips(finished, monkeypatch):
    given = []
    monkeypatch.setattr(replication, "_trial", lambda run, images, s: given.append(s) or {})
    monkeypatch.setattr(replication, "write_csv", lambda path, rows: None)
    replication.two_by_two(finished.run, finished.images)
    for settings in given:
        assert (settings.width, settings.epochs) == (TINY["width"], TINY["epochs"])
        assert not (settings.flips or settings.denoise or settings.skips) and settings.one_cycle


def test_a_trial_is_a_training_that_knows_its_loss_and_seed(finished, monkeypatch):
    few, rows = replace(finished.images, train=finished.images.train[:4]), []
    for loss, seed in (("ssim", 0), ("ssim", 1), ("l2", 0), ("ssim", 0)):
        settings = replace(finished.run.settings, epochs=1, loss=loss, seed=seed)
        rows.append(replication._trial(finished.run, few, settings))
    assert rows[0] == rows[3]
    assert len({tuple(row.values()) for row in rows}) == 3
    assert set(rows[0]) == {"dependence", "auroc_l2", "auroc_ssim"}
