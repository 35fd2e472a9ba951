"""The drawn data: the layout of MVTec AD, true masks, repeatable bytes, all or nothing."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import center_of_mass

from course_ae.datasets import sample_bottles, samples
from course_ae.datasets.samples import DRAWN, draw, write_samples
from course_ae.support.errors import CourseError

SIZE = 96
FEW = {category: dict.fromkeys(drawing.COUNTS, 2) for category, drawing in DRAWN.items()}
DEFECTS = [(category, defect) for category in DRAWN for defect in samples.defects(category)]


@pytest.fixture(scope="module", params=list(DRAWN))
def category(request):
    """Each drawn category in turn."""
    return request.param


@pytest.fixture(scope="module")
def root(category, tmp_path_factory):
    """A small data set, drawn once for this file."""
    return write_samples(tmp_path_factory.mktemp("data"), category, 0, SIZE, FEW[category])


def contents(root: Path) -> dict[str, bytes]:
    """Bytes of all files below `root`."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def good_images(category: str, count: int, size: int = SIZE) -> np.ndarray:
    """Gray images (count, size, size) of good products."""
    images = [draw(np.random.default_rng(i), category, "good", size)[0] for i in range(count)]
    return np.stack(images).mean(axis=-1)


def test_layout_is_that_of_mvtec_ad(category, root):
    images = {f"{category}/{place}/{i:03d}.png" for place in FEW[category] for i in range(2)}
    defects = samples.defects(category)
    masks = {f"{category}/ground_truth/{d}/{i:03d}_mask.png" for d in defects for i in range(2)}
    assert set(contents(root)) == images | masks
    assert [path.name for path in root.iterdir()] == [category]  # no temporary folder left


def test_every_type_of_defect_has_its_images(category):
    places = ["train/good", "test/good", *(f"test/{d}" for d in samples.defects(category))]
    assert list(DRAWN[category].COUNTS) == places
    assert min(DRAWN[category].COUNTS.values()) >= 10


def test_images_are_rgb_and_masks_are_black_and_white(category, root):
    for path in root.glob(f"{category}/t*/*/*.png"):
        with Image.open(path) as image:
            assert (image.mode, image.size) == ("RGB", (SIZE, SIZE))
    for path in root.glob(f"{category}/ground_truth/*/*.png"):
        with Image.open(path) as mask:
            assert (mask.mode, mask.size) == ("L", (SIZE, SIZE))
            assert set(np.unique(mask)) == {0, 255}


def test_same_seed_same_bytes_and_other_seed_other_bytes(category, root, tmp_path):
    first = contents(root)
    again = contents(write_samples(tmp_path / "again", category, 0, SIZE, FEW[category]))
    other = contents(write_samples(tmp_path / "other", category, 1, SIZE, FEW[category]))
    assert again == first
    assert other.keys() == first.keys()
    assert all(other[name] != first[name] for name in first)
    assert len(set(first.values())) == len(first)  # and no two images alike


def test_counts_of_one_type_do_not_change_another(category, root, tmp_path):
    place = list(FEW[category])[-1]
    alone = contents(write_samples(tmp_path, category, 0, SIZE, {place: 1}))
    assert alone.items() <= contents(root).items()
    assert len(alone) == 2


def test_a_good_product_has_an_empty_mask(category):
    image, mask = draw(np.random.default_rng(0), category, size=SIZE)
    assert image.shape == (SIZE, SIZE, 3) and image.dtype == np.uint8
    assert mask.shape == (SIZE, SIZE) and mask.dtype == bool and not mask.any()


@pytest.mark.parametrize(("category", "defect"), DEFECTS)
@pytest.mark.parametrize("seed", range(8))
def test_mask_is_where_the_image_changed(category, defect, seed):
    good, _ = draw(np.random.default_rng(seed), category, "good", SIZE)
    image, mask = draw(np.random.default_rng(seed), category, defect, SIZE)
    changed = (image != good).any(axis=-1)
    assert mask.any()
    assert not changed[~mask].any()
    assert changed[mask].mean() > 0.8


@pytest.mark.parametrize(("category", "defect"), DEFECTS)
def test_a_defect_is_a_small_part_of_the_image_in_every_size(category, defect):
    for size in (64, 130):
        for seed in range(6):
            mask = draw(np.random.default_rng(seed), category, defect, size)[1]
            assert 0 < mask.mean() < 0.25


def test_large_breaks_are_larger_than_small_ones():
    def areas(defect):
        images = (draw(np.random.default_rng(i), "bottle", defect, SIZE) for i in range(20))
        return [mask.mean() for _, mask in images]

    assert min(areas("broken_large")) > max(areas("broken_small"))


def test_good_images_are_bright_but_not_burnt_out(category):
    images = good_images(category, 20)
    assert 70 < images.mean() < 215
    assert (images >= 254.5).mean() < 0.01


def test_brackets_lie_anywhere_at_any_angle():
    images = good_images("bracket", 40)
    assert images.mean(axis=0).std() < 0.6 * images.std(axis=(1, 2)).mean()  # nearly even
    centres = np.array([center_of_mass(image < 0.85 * image.max()) for image in images]) / SIZE
    assert (centres.min(axis=0) < 0.35).all() and (centres.max(axis=0) > 0.65).all()


def test_brackets_lie_wholly_inside_the_image():
    for i in range(25):
        for defect in ("good", "bent"):
            image, _ = draw(np.random.default_rng(i), "bracket", defect, SIZE)
            rim = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]]).mean(axis=-1)
            assert rim.min() > 160  # the table


def test_weaves_do_not_lie_on_each_other():
    images = good_images("weave", 40)
    assert images.mean(axis=0).std() < 0.4 * images.std(axis=(1, 2)).mean()  # nearly even


def test_second_call_does_not_draw(category, root, monkeypatch):
    before = contents(root)
    monkeypatch.setattr(DRAWN[category], "draw", None)  # drawing would fail
    assert write_samples(root, category, seed=5) == root
    assert contents(root) == before


@pytest.mark.parametrize("error", [RuntimeError, OSError, KeyboardInterrupt])
def test_interrupted_writing_leaves_nothing(tmp_path, monkeypatch, error):
    drawn, real = [], sample_bottles.draw

    def stop_midway(rng, defect, size):
        drawn.append(defect)
        if len(drawn) == 4:
            raise error
        return real(rng, defect, size)

    monkeypatch.setattr(sample_bottles, "draw", stop_midway)
    with pytest.raises(error):
        write_samples(tmp_path, "bottle", 0, SIZE, FEW["bottle"])
    assert list(tmp_path.iterdir()) == []


def test_somebody_else_finishing_first_is_fine(tmp_path, monkeypatch):
    real = sample_bottles.draw

    def another_process_is_faster(rng, defect, size):
        (tmp_path / "bottle").mkdir(exist_ok=True)
        (tmp_path / "bottle" / "theirs").touch()
        return real(rng, defect, size)

    monkeypatch.setattr(sample_bottles, "draw", another_process_is_faster)
    assert write_samples(tmp_path, "bottle", 0, SIZE, FEW["bottle"]) == tmp_path
    assert set(contents(tmp_path)) == {"bottle/theirs"}


def test_unknown_defect_names_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown defect 'rust' of a bracket.*good, wrong_hole"):
        draw(np.random.default_rng(0), "bracket", "rust")


def test_unknown_category_names_the_known_ones(tmp_path):
    with pytest.raises(CourseError, match="'cable', only 'bottle', 'bracket' and 'weave'"):
        write_samples(tmp_path / "data", "cable")
    assert list(tmp_path.iterdir()) == []


def test_the_version_of_the_drawings_is_that_of_their_code(tmp_path, monkeypatch):
    before = samples.drawing_version()
    assert before == samples.drawing_version() and len(before) == 8
    changed = tmp_path / "sample_bottles.py"
    changed.write_bytes(Path(sample_bottles.__file__).read_bytes() + b"\nX = 1\n")
    monkeypatch.setattr(sample_bottles, "__file__", str(changed))
    assert samples.drawing_version() != before
