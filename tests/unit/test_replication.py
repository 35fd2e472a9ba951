"""The slides' conclusions, decided by numbers: other numbers, another verdict."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from course_ae.experiment import recorded, replication
from course_ae.experiment.replication import Claim, by_images, claim_table, slides_claims, verdict
from course_ae.support.files import read_csv

LOSSES, SEEDS = ("ssim", "l2"), (0, 1, 2)


def trainings(auroc):
    """Rows as `recorded.trainings` gives them; `auroc` tells that of a loss, a seed and a score."""
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
    claim = Claim("", 2, (low + high) / 2, low, high)
    assert claim.verdict == verdict
    assert claim.as_row()["verdict"] == verdict


def test_differences_are_means_of_pairs():
    rows = trainings(
        lambda loss, seed, score: 0.5 + 0.1 * seed * (score == "l2") + 0.03 * (loss == "ssim")
    )
    first, second, third = slides_claims(rows)
    assert first.difference == pytest.approx(0.1)  # 0, 0.1 and 0.2, twice each
    assert second.difference == third.difference == pytest.approx(0.03)


def test_only_seeds_that_were_trained_both_ways_count():
    rows = trainings(lambda loss, seed, score: 0.5 + 0.1 * seed * (loss == "ssim"))
    lone = {"loss": "ssim", "seed": 7, "auroc_l2": 0.9, "auroc_ssim": 0.1}
    assert slides_claims([lone, *reversed(rows)]) == slides_claims(rows)
    assert [claim.seeds for claim in slides_claims(rows)] == [3, 3, 3]


@pytest.mark.parametrize("seeds", [(), (0,)])
def test_fewer_than_two_pairs_give_no_interval_and_say_so(seeds):
    rows = [row for row in trainings(lambda *_: 0.75) if row["seed"] in seeds]
    claims = slides_claims(rows)
    assert {claim.verdict for claim in claims} == {"not enough recorded runs"}
    assert {(claim.low, claim.high) for claim in claims} == {(None, None)}
    assert claims[0].difference == (0 if seeds else None)
    json.dumps([claim.as_row() for claim in claims], allow_nan=False)
    assert claim_table(claims)[0]["95 % by the training"] == ""
    assert claim_table(claims)[0]["difference of AUROC"] == ("+0.000" if seeds else "")


def test_the_table_of_claims_has_signs_and_seeds():
    (row,) = claim_table([Claim("A beats B", 3, 0.0314, -0.01, 0.25)])
    assert list(row.values()) == ["A beats B", 3, "+0.031", "", "-0.010 to +0.250", "undecided"]


@pytest.mark.parametrize(
    ("training", "images", "said"),
    [
        ((0.01, 0.1), (0.02, 0.1), "ahead"),
        ((-0.2, -0.1), (-0.2, -0.1), "behind"),
        ((-0.1, 0.1), (-0.1, 0.1), "level"),
        ((-0.1, 0.1), (0.02, 0.1), "ahead with these networks; other seeds might turn it"),
        ((0.01, 0.1), (-0.1, 0.1), "level; other images might turn it"),
    ],
)
def test_a_claim_is_ahead_without_reserve_by_both_lucks_alone(training, images, said):
    claim = Claim("A beats B", 3, 0.03, *training)
    assert verdict(claim, {"value": 0.03, "low": images[0], "high": images[1]}) == said
    assert verdict(claim, None) == claim.verdict


def test_differences_by_the_images_are_those_of_the_trainings():
    profile = recorded.deciding_profile()
    claims = slides_claims(recorded.trainings(profile=profile))
    found = by_images(*recorded.paired_scores(profile=profile))
    for claim, one in zip(claims, found, strict=True):
        # Six digits of a score are kept: once in a while that makes a tie.
        assert one["value"] == pytest.approx(claim.difference, abs=3e-4)
        assert one["low"] < one["value"] < one["high"]
    assert recorded.paired_scores("no such category") is None


def test_the_claims_of_the_recorded_runs_are_of_their_numbers():
    rows = recorded.trainings()
    seeds = [{row["seed"] for row in rows if row["loss"] == loss} for loss in LOSSES]
    for claim in slides_claims(rows):
        assert claim.seeds == len(set.intersection(*seeds))
        assert (claim.verdict == "not enough recorded runs") == (claim.seeds < 2)


class StoppedError(Exception):
    """Stands for a kill, between two trainings."""


def test_a_training_that_is_done_is_not_repeated(run_copy, finished, monkeypatch):
    trials = []

    def trial(run, images, settings):
        trials.append(settings)
        if len(trials) == 2:
            raise StoppedError
        return {"dependence": 1.0, "auroc_l2": 0.1 + 0.2, "auroc_ssim": 0.7}

    monkeypatch.setattr(replication, "_trial", trial)
    with pytest.raises(StoppedError):
        replication.pair(run_copy, finished.images)
    assert [row["loss"] for row in read_csv(run_copy.folder / "pair.csv")] == ["ssim"]
    rows = replication.pair(run_copy, finished.images)
    assert [(row["loss"], row["seed"], row["epochs"]) for row in rows] == [
        ("ssim", 0, 2), ("l2", 0, 2),
    ]  # fmt: skip
    assert rows == replication.pair(run_copy, None)
    assert [settings.loss for settings in trials] == ["ssim", "l2", "l2"]


@pytest.mark.parametrize(
    "other", [{}, {"loss": "ssim_l1"}, {"denoise": True}, {"skips": True}, {"epochs": 150}]
)
def test_the_pair_is_two_short_trainings_of_the_runs_network(other, finished):
    settings = replace(finished.run.settings, **other)
    both = replication.pair_settings(settings)
    assert [one.loss for one in both] == ["ssim", "l2"]
    for one in both:
        assert (one.width, one.seed) == (settings.width, settings.seed)
        assert one.epochs == min(settings.epochs, replication.EPOCHS)
        assert not (one.flips or one.denoise or one.skips) and one.one_cycle


def test_a_trial_follows_its_settings(finished):
    few = replace(finished.images, train=finished.images.train[:4], val=finished.images.good)
    rows = []
    for loss, seed in (("ssim", 0), ("ssim", 1), ("l2", 0), ("ssim", 0)):
        settings = replace(finished.run.settings, epochs=1, loss=loss, seed=seed)
        rows.append(replication._trial(finished.run, few, settings))
    assert rows[0] == rows[3]
    assert len({tuple(row.values()) for row in rows}) == 3
    assert set(rows[0]) == {"dependence", "auroc_l2", "auroc_ssim"}
