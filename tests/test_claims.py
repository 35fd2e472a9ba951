"""The slides' conclusions, decided by numbers: other numbers, another verdict."""

import itertools

import numpy as np
import pytest

from course_ae import claims
from course_ae.claims import Claim, slides_claims

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
    assert claims.SEEDS == SEEDS
