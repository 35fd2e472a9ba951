"""Folders to samples, and every way in which a folder can be wrong."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from course_ae.data import (
    count_folders,
    fingerprint,
    load_mask,
    load_samples,
    select,
)
from course_ae.support.errors import CourseError
from course_ae.support.folders import find_category
from course_ae.support.images import load_image, open_image


def test_samples_are_found_sorted_and_named(small_data):
    samples = load_samples(small_data / "bottle")
    assert count_folders(samples) == {
        "train/good": 12,
        "test/good": 6,
        "test/broken_large": 4,
        "test/broken_small": 4,
        "test/contamination": 4,
    }
    names = [sample.name for sample in samples]
    train, test = names[:12], names[12:]
    assert train == [f"train/good/{i:03d}.png" for i in range(12)]
    assert test == sorted(test)
    assert all(name.startswith("test/") for name in test)
    assert [s.label for s in samples] == [int("good" not in name) for name in names]


def test_masks_are_paired_by_name(small_data):
    folder = small_data / "bottle"
    for sample in load_samples(folder):
        if sample.label:
            expected = folder / "ground_truth" / sample.defect_type / f"{sample.path.stem}_mask.png"
            assert sample.mask_path == expected
        else:
            assert sample.mask_path is None


def test_a_missing_mask_leaves_the_others_in_place(data_copy):
    masks = data_copy / "bottle" / "ground_truth" / "broken_large"
    (masks / "001_mask.png").unlink()
    samples = [s for s in load_samples(data_copy / "bottle") if s.defect_type == "broken_large"]
    assert [s.mask_path and s.mask_path.name for s in samples] == [
        "000_mask.png",
        None,
        "002_mask.png",
        "003_mask.png",
    ]
    assert load_mask(samples[1]) is None


def test_a_mask_for_a_good_image_is_not_used(data_copy):
    folder = data_copy / "bottle" / "ground_truth"
    (folder / "good").mkdir()
    Image.new("L", (8, 8)).save(folder / "good" / "000_mask.png")
    good = select(load_samples(data_copy / "bottle"), "test", 0)
    assert [s.mask_path for s in good] == [None] * 6


def test_mask_is_true_where_the_defect_is(small_data):
    sample = select(load_samples(small_data / "bottle"), "test", 1)[0]
    mask = load_mask(sample)
    assert mask.dtype == bool and mask.shape == (96, 96)
    with Image.open(sample.mask_path) as image:
        assert np.array_equal(mask, np.asarray(image) == 255)
    assert 0 < mask.sum() < mask.size


def test_hidden_and_other_files_are_ignored(data_copy):
    before = load_samples(data_copy / "bottle")
    good = data_copy / "bottle" / "train" / "good"
    for name in (".DS_Store", "._000.png", "Thumbs.db", "notes.txt", "license"):
        (good / name).write_bytes(b"no image")
    checkpoints = data_copy / "bottle" / "train" / ".ipynb_checkpoints"
    checkpoints.mkdir()
    (checkpoints / "000.png").write_bytes((good / "000.png").read_bytes())
    (good / "folder.png").mkdir()
    (data_copy / "bottle" / "train" / "readme.txt").write_text("beside the folders")
    (data_copy / "bottle" / "readme.txt").write_text("beside the folders")
    assert load_samples(data_copy / "bottle") == before


@pytest.mark.parametrize("name", ["a.jpg", "b.JPEG", "c.PNG", "d.bmp", "e.tif", "f.TIFF"])
def test_other_image_types_are_found_whatever_their_case(data_copy, name):
    good = data_copy / "bottle" / "train" / "good"
    Image.new("RGB", (20, 20), (10, 20, 30)).save(good / name)
    assert good / name in [s.path for s in load_samples(data_copy / "bottle")]
    assert load_image(good / name).shape == (20, 20, 3)


def test_select_takes_split_and_label(small_data):
    samples = load_samples(small_data / "bottle")
    assert len(select(samples, "train")) == len(select(samples, "train", 0)) == 12
    assert len(select(samples, "test")) == 18
    assert len(select(samples, "test", 0)) == 6
    assert {s.defect_type for s in select(samples, "test", 1)} == {
        "broken_large",
        "broken_small",
        "contamination",
    }
    assert select(samples, "train", 1) == []


def test_category_is_found_from_its_root_and_from_itself(small_data):
    assert find_category(small_data, "bottle") == small_data / "bottle"
    assert find_category(small_data / "bottle", "bottle") == small_data / "bottle"
    assert find_category(small_data / "bottle", "other") == small_data / "bottle"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(CourseError, match=r"There is no folder '.*nowhere'"):
        find_category(tmp_path / "nowhere", "bottle")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CourseError, match=r"There is no folder '.*file'"):
        find_category(tmp_path / "file", "bottle")


def test_a_folder_without_the_layout_is_told_what_is_expected(tmp_path):
    with pytest.raises(CourseError, match="no data in MVTec AD's layout; expected 'cup/train/good"):
        find_category(tmp_path, "cup")


def test_an_unknown_category_names_the_nearest_or_those_that_are_there(tmp_path):
    for name in ("bottle", "cable"):
        (tmp_path / name / "train").mkdir(parents=True)
    with pytest.raises(CourseError, match="no category 'botle'; did you mean 'bottle'"):
        find_category(tmp_path, "botle")
    with pytest.raises(CourseError, match="no category 'zzz'; known are: bottle, cable"):
        find_category(tmp_path, "zzz")


@pytest.mark.parametrize(
    ("pattern", "kept", "words"),
    [
        ("train/good/*.png", 2, r"train.good' has 2 images; .* at least 3 good images to learn"),
        ("test/good/*.png", 1, r"test.good' has 1 images; .* at least 2 good images to test"),
        ("test/[bc]*/*.png", 1, r"test.<defect>' has 1 images; .* at least 2 defective images"),
        ("train/good/*.png", 0, r"train.good' has 0 images"),
    ],
)
def test_too_few_images_are_refused(data_copy, pattern, kept, words):
    for path in sorted((data_copy / "bottle").glob(pattern))[kept:]:
        path.unlink()
    with pytest.raises(CourseError, match=words):
        load_samples(data_copy / "bottle")


def test_defects_among_the_training_images_are_refused(data_copy):
    stray = data_copy / "bottle" / "train" / "broken"
    stray.mkdir()
    Image.new("RGB", (8, 8)).save(stray / "000.png")
    with pytest.raises(CourseError, match=r"train.broken' lies among the training images"):
        load_samples(data_copy / "bottle")


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\nbroken"])
def test_an_unreadable_image_is_named(tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(CourseError, match=r"bad\.png' cannot be read as an image"):
        open_image(tmp_path / "bad.png")


def test_a_truncated_image_is_named(small_data, tmp_path):
    whole = (small_data / "bottle" / "train" / "good" / "000.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CourseError, match=r"half\.png' cannot be read as an image"):
        open_image(tmp_path / "half.png")


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(CourseError, match=r"gone\.png' cannot be read"):
        open_image(tmp_path / "gone.png")


def test_an_unreadable_mask_is_named(data_copy):
    mask = data_copy / "bottle" / "ground_truth" / "broken_large" / "000_mask.png"
    mask.write_bytes(b"no image")
    sample = next(s for s in load_samples(data_copy / "bottle") if s.mask_path == mask)
    with pytest.raises(CourseError, match=r"000_mask\.png' cannot be read"):
        load_mask(sample)


def test_gray_image_has_three_equal_channels(tmp_path):
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    Image.fromarray(pixels).save(tmp_path / "gray.png")
    image = load_image(tmp_path / "gray.png")
    assert image.dtype == np.uint8
    assert np.array_equal(image, np.stack([pixels] * 3, axis=-1))


def test_fingerprint_is_the_same_for_the_same_images_elsewhere(small_data, data_copy):
    here, there = (load_samples(root / "bottle") for root in (small_data, data_copy))
    assert fingerprint(here) == fingerprint(there)
    assert len(fingerprint(here)) == 32
    int(fingerprint(here), 16)


def change_content(folder: Path) -> None:
    path = folder / "test" / "good" / "000.png"
    path.write_bytes(path.read_bytes() + b"\0")


def change_name(folder: Path) -> None:
    path = folder / "train" / "good" / "011.png"
    path.rename(path.with_name("012.png"))


def change_mask(folder: Path) -> None:
    Image.new("L", (96, 96)).save(folder / "ground_truth" / "broken_small" / "002_mask.png")


def take_image_away(folder: Path) -> None:
    (folder / "train" / "good" / "000.png").unlink()


def take_mask_away(folder: Path) -> None:
    (folder / "ground_truth" / "broken_small" / "002_mask.png").unlink()


@pytest.mark.parametrize(
    "change", [change_content, change_name, change_mask, take_image_away, take_mask_away]
)
def test_fingerprint_notices_every_change(data_copy, change):
    before = fingerprint(load_samples(data_copy / "bottle"))
    change(data_copy / "bottle")
    assert fingerprint(load_samples(data_copy / "bottle")) != before
