"""The published counts, and what a folder lacks of them."""

from pathlib import Path

import pytest

from course_ae.data import Sample
from course_ae.datasets.mvtec_ad import OFFICIAL, compare_with_official

TEXTURES = {"carpet", "grid", "leather", "tile", "wood"}


def official_samples(category: str) -> list[Sample]:
    """Samples in the published numbers; the files are not there."""
    return [
        Sample(Path(f"{folder}/{i:03d}.png"), *folder.split("/"))
        for folder, count in OFFICIAL[category].counts.items()
        for i in range(count)
    ]


def test_official_table_has_the_published_totals():
    table = OFFICIAL.values()
    assert len(OFFICIAL) == 15
    assert {name for name, row in OFFICIAL.items() if row.kind == "texture"} == TEXTURES
    assert sum(row.kind == "object" for row in table) == 10
    good = sum(row.test_good for row in table)
    defective = sum(sum(row.defects.values()) for row in table)
    assert sum(row.train for row in table) == 3629
    assert (good, defective, good + defective) == (467, 1258, 1725)
    assert sum(len(row.defects) for row in table) == 73


def test_official_bottle_is_the_one_of_the_slides():
    assert OFFICIAL["bottle"].counts == {
        "train/good": 209,
        "test/good": 20,
        "test/broken_large": 20,
        "test/broken_small": 22,
        "test/contamination": 21,
    }


@pytest.mark.parametrize("category", list(OFFICIAL))
def test_official_counts_agree_with_themselves(category):
    assert compare_with_official(category, official_samples(category)) == []


def test_each_difference_from_the_official_counts_is_named():
    samples = official_samples("bottle")
    samples.remove(samples[0])
    samples = [s for s in samples if s.defect_type != "contamination"]
    samples.append(Sample(Path("000.png"), "test", "scratch"))
    assert compare_with_official("bottle", samples) == [
        "train/good: 208 images here, 209 in MVTec AD.",
        "test/contamination: 0 images here, 21 in MVTec AD.",
        "test/scratch: 1 images here, 0 in MVTec AD.",
    ]


def test_a_category_that_mvtec_ad_lacks_is_said():
    (difference,) = compare_with_official("teapot", [])
    assert difference == "'teapot' is not one of the 15 categories of MVTec AD."
