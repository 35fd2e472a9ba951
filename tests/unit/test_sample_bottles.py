"""The drawn data set: the layout of MVTec AD, true masks, repeatable bytes, all or nothing."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from course_ae.datasets import sample_bottles
from course_ae.datasets.sample_bottles import COUNTS, DEFECTS, draw_bottle, write_sample_bottles

SIZE = 96
FEW = dict.fromkeys(COUNTS, 2)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A small data set, drawn once for this file."""
    return write_sample_bottles(tmp_path_factory.mktemp("data"), size=SIZE, counts=FEW)


def contents(root: Path) -> dict[str, bytes]:
    """Bytes of all files below `root`."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_layout_is_that_of_mvtec_ad(root):
    images = {f"bottle/{kind}/{i:03d}.png" for kind in COUNTS for i in range(2)}
    masks = {f"bottle/ground_truth/{d}/{i:03d}_mask.png" for d in DEFECTS for i in range(2)}
    assert set(contents(root)) == images | masks
    assert [path.name for path in root.iterdir()] == ["bottle"]  # no temporary folder left


def test_images_are_rgb_and_masks_are_black_and_white(root):
    for path in root.glob("bottle/t*/*/*.png"):
        with Image.open(path) as image:
            assert (image.mode, image.size) == ("RGB", (SIZE, SIZE))
    for path in root.glob("bottle/ground_truth/*/*.png"):
        with Image.open(path) as mask:
            assert (mask.mode, mask.size) == ("L", (SIZE, SIZE))
            assert set(np.unique(mask)) == {0, 255}


def test_same_seed_same_bytes_and_other_seed_other_bytes(root, tmp_path):
    first = contents(root)
    again = contents(write_sample_bottles(tmp_path / "again", size=SIZE, counts=FEW))
    other = contents(write_sample_bottles(tmp_path / "other", seed=1, size=SIZE, counts=FEW))
    assert again == first
    assert other.keys() == first.keys()
    assert all(other[name] != first[name] for name in first)
    assert len(set(first.values())) == len(first)  # and no two images alike


def test_counts_of_one_kind_do_not_change_another(root, tmp_path):
    alone = contents(write_sample_bottles(tmp_path, size=SIZE, counts={"test/broken_small": 1}))
    assert alone.items() <= contents(root).items()
    assert len(alone) == 2


def test_good_bottle_has_an_empty_mask():
    image, mask = draw_bottle(np.random.default_rng(0), size=SIZE)
    assert image.shape == (SIZE, SIZE, 3) and image.dtype == np.uint8
    assert mask.shape == (SIZE, SIZE) and mask.dtype == bool and not mask.any()


@pytest.mark.parametrize("defect", DEFECTS)
@pytest.mark.parametrize("seed", range(10))
def test_mask_is_where_the_image_changed(defect, seed):
    good, _ = draw_bottle(np.random.default_rng(seed), size=SIZE)
    image, mask = draw_bottle(np.random.default_rng(seed), defect, SIZE)
    changed = (image != good).any(axis=-1)
    assert mask.any()
    assert not changed[~mask].any()
    assert changed[mask].mean() > 0.8


def test_large_breaks_are_larger_than_small_ones():
    def areas(defect):
        return [draw_bottle(np.random.default_rng(i), defect, SIZE)[1].mean() for i in range(20)]

    assert min(areas("broken_large")) > max(areas("broken_small"))


def test_second_call_does_not_draw(root, monkeypatch):
    before = contents(root)
    monkeypatch.setattr(sample_bottles, "draw_bottle", None)  # drawing would fail
    assert write_sample_bottles(root, seed=5) == root
    assert contents(root) == before


@pytest.mark.parametrize("error", [RuntimeError, OSError, KeyboardInterrupt])
def test_interrupted_writing_leaves_nothing(tmp_path, monkeypatch, error):
    drawn = []

    def stop_midway(rng, defect, size):
        drawn.append(defect)
        if len(drawn) == 4:
            raise error
        return draw_bottle(rng, defect, size)

    monkeypatch.setattr(sample_bottles, "draw_bottle", stop_midway)
    with pytest.raises(error):
        write_sample_bottles(tmp_path, size=SIZE, counts=FEW)
    assert list(tmp_path.iterdir()) == []


def test_somebody_else_finishing_first_is_fine(root, tmp_path, monkeypatch):
    def another_process_is_faster(rng, defect, size):
        (tmp_path / "bottle").mkdir(exist_ok=True)
        (tmp_path / "bottle" / "theirs").touch()
        return draw_bottle(rng, defect, size)

    monkeypatch.setattr(sample_bottles, "draw_bottle", another_process_is_faster)
    assert write_sample_bottles(tmp_path, size=SIZE, counts=FEW) == tmp_path
    assert set(contents(tmp_path)) == {"bottle/theirs"}


def test_unknown_defect_names_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown defect 'scratch'.*good, broken_large"):
        draw_bottle(np.random.default_rng(0), "scratch")
