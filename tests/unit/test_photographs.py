"""Photographs of all kinds become a category, and the first look says what is wrong with them."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from course_ae.command.cli import main
from course_ae.data import count_folders, load_mask, load_samples
from course_ae.datasets.inspection import first_look
from course_ae.datasets.photographs import LONGEST, free_name, import_photographs
from course_ae.preprocessing import load_images
from course_ae.support.errors import CourseError
from course_ae.support.files import read_csv
from course_ae.support.images import image_size, load_image, open_image


@pytest.fixture
def photos(tmp_path, small_data):
    """Folders `good` (18 images), `defective` (two types) and `masks`, of mixed files."""
    root, source = tmp_path / "photos", small_data / "bottle"
    shutil.copytree(source / "train/good", root / "good")
    shutil.copytree(source / "test/good", root / "good/second day")
    for defect_type in ("broken_large", "contamination"):
        shutil.copytree(source / "test" / defect_type, root / "defective" / defect_type)
        shutil.copytree(source / "ground_truth" / defect_type, root / "masks" / defect_type)
    return root


def places(photos):
    return photos / "good", photos / "defective", photos / "masks"


def marked(size, box):
    """A picture (H, W, 3) of noise with one bright box, to see which side is up."""
    pixels = np.random.default_rng(0).integers(0, 90, (*size[::-1], 3), np.uint8)
    pixels[box] = 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
@pytest.mark.parametrize("orientation", range(10))
def test_the_cameras_note_is_followed(orientation, suffix, tmp_path):
    upright = marked((40, 30), np.s_[2:9, 3:8])
    turns = {2: [0], 3: [3], 4: [1], 5: [5], 6: [2], 7: [6], 8: [4]}  # the inverse of each note
    stored = upright
    for turn in turns.get(orientation, []):
        stored = stored.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"x.{suffix}"
    stored.save(path, exif=exif)
    assert image_size(path) == load_image(path).shape[:2] == (30, 40)
    off = np.abs(load_image(path).astype(int) - np.asarray(upright)).mean()
    assert off == 0 if suffix != "jpg" else off < 40


def test_what_is_transparent_becomes_white(tmp_path):
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:2, :, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "x.png")
    assert np.array_equal(load_image(tmp_path / "x.png")[:, 0, 0], [0, 0, 255, 255])
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.save(tmp_path / "p.png", transparency=1)
    assert load_image(tmp_path / "p.png").tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_a_phones_picture_with_a_preview_is_read(tmp_path):
    pictures = [marked((40, 30), np.s_[:5, :5]), marked((20, 15), np.s_[:5, :5])]
    pictures[0].save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=pictures[1:])
    assert open_image(tmp_path / "x.jpg").size == (40, 30)


def test_all_are_taken_and_every_lesson_can_run(photos, tmp_path):
    found = import_photographs(tmp_path / "data", "mug", *places(photos))
    assert found.folder == tmp_path / "data/mug" and found.left_out == {}
    samples = load_samples(found.folder)
    assert count_folders(samples) == {
        "train/good": 14, "test/good": 4, "test/broken_large": 4, "test/contamination": 4,
    }  # fmt: skip
    assert sum(sample.mask_path is not None for sample in samples) == 8
    rows = read_csv(found.folder / "imported.csv")
    assert len(rows) == len(samples) == 26
    for row in rows:  # each copy is its photograph
        copy, source = load_image(found.folder / row["file"]), load_image(row["source"])
        assert np.array_equal(copy, source)
    for sample in samples:
        if sample.mask_path:
            whole = photos / "masks" / sample.defect_type / sample.mask_path.name
            assert np.array_equal(load_mask(sample), np.asarray(Image.open(whole)) > 127)


def test_the_split_is_the_same_again(photos, tmp_path):
    names = []
    for name in ("one", "two"):
        folder = import_photographs(tmp_path / name, "mug", *places(photos)).folder
        names.append(sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*")))
    assert names[0] == names[1]


def test_photographs_stay_as_they_are_and_copies_are_small_and_upright(photos, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    large = marked((1600, 1200), np.s_[:600, :800])  # bright above left, dark above right
    large.transpose(Image.Transpose.ROTATE_90).save(photos / "good/large.jpg", exif=exif)
    mask = np.zeros((1200, 1600), np.uint8)
    mask[:600, :800] = 1
    large.save(photos / "defective/large.tif")
    Image.fromarray(mask).save(photos / "masks/large.bmp")
    before = {path: path.read_bytes() for path in photos.rglob("*") if path.is_file()}
    folder = import_photographs(tmp_path / "data", "mug", *places(photos)).folder
    assert {path: path.read_bytes() for path in photos.rglob("*") if path.is_file()} == before
    (copy,) = folder.glob("*/good/large.png")
    with Image.open(copy) as image:
        assert image.size == (LONGEST, LONGEST * 3 // 4) and image.getexif().get(0x0112, 1) == 1
        assert np.asarray(image)[:300, :400].mean() > 200 > np.asarray(image)[:, 700:].mean()
    with Image.open(folder / "ground_truth/defective/large_mask.png") as image:
        small = np.asarray(image)
    assert small.shape == (768, 1024) and set(np.unique(small)) == {0, 255}
    assert small.mean() == pytest.approx(255 / 4, rel=0.01)


def test_what_cannot_be_used_is_left_out_with_the_reason(photos, tmp_path):
    good, masks = photos / "good", photos / "masks"
    (good / "broken.png").write_bytes(b"no image")
    (good / "notes.txt").write_text("x")
    (good / ".hidden.png").write_bytes(b"no image")
    shutil.copy(good / "000.png", good / "copy.png")
    Image.open(good / "001.png").save(good / "again.bmp")  # another file, the same picture
    Image.new("L", (9, 9), 255).save(masks / "contamination/001_mask.png")
    Image.new("L", (96, 96)).save(masks / "contamination/002_mask.png")
    Image.new("L", (96, 96), 255).save(masks / "contamination/other_mask.png")
    found = import_photographs(tmp_path / "data", "mug", *places(photos))
    why = {path.relative_to(photos).as_posix(): text for path, text in found.left_out.items()}
    assert len(why) == 7
    assert "cannot be read as an image" in why["good/broken.png"]
    assert why["good/notes.txt"] == "no JPEG, PNG, BMP or TIFF file"
    assert why["good/copy.png"].startswith("the same picture as")
    assert {"good/again.bmp", "good/001.png"} & set(why)
    assert why["masks/contamination/001_mask.png"] == "9x9 pixels, and its photograph has 96x96"
    assert why["masks/contamination/002_mask.png"] == "marks nothing"
    assert why["masks/contamination/other_mask.png"] == "the mask of no photograph"
    reasons = [row["left out"] for row in read_csv(found.folder / "imported.csv")]
    assert sorted(filter(None, reasons)) == sorted(why.values())


def test_a_mask_on_a_transparent_ground_marks_only_what_is_painted(photos, tmp_path):
    painted = np.zeros((96, 96, 4), np.uint8)
    painted[10:20, 30:60] = (255, 0, 0, 255)
    Image.fromarray(painted).save(photos / "masks/contamination/001_mask.png")
    folder = import_photographs(tmp_path / "data", "mug", *places(photos)).folder
    mask = folder / "ground_truth/contamination/001_mask.png"
    assert np.array_equal(np.asarray(Image.open(mask)) > 0, painted[..., 3] > 0)
    shutil.copy(photos / "masks/contamination/001_mask.png", mask)  # as it is
    (sample,) = (s for s in load_samples(folder) if s.mask_path == mask)
    assert np.array_equal(load_mask(sample), painted[..., 3] > 0)


def test_a_mask_is_given_to_nobody_where_there_is_doubt(photos, tmp_path):
    masks = photos / "masks"
    shutil.copy(masks / "contamination/000_mask.png", masks / "000_mask.png")  # of which type?
    shutil.copy(masks / "contamination/001_mask.png", masks / "contamination/001.png")
    found = import_photographs(tmp_path / "data", "mug", *places(photos))
    assert sorted(
        (path.relative_to(masks).as_posix(), why) for path, why in found.left_out.items()
    ) == [
        ("000_mask.png", "could be of several photographs"),
        ("contamination/001_mask.png", "a second mask of its photograph"),
    ]


def test_folders_in_one_another_and_beside_train_are_refused(photos, tmp_path):
    good, defective, _ = places(photos)
    for three in ((photos, defective, None), (good, photos, None), (good, defective, defective)):
        with pytest.raises(CourseError, match="would be mixed up"):
            import_photographs(tmp_path / "data", "mug", *three)
    (tmp_path / "one/train").mkdir(parents=True)
    for data, name in (("one", "mug"), ("new", "Train")):
        with pytest.raises(CourseError, match="would look like a category itself"):
            import_photographs(tmp_path / data, name, good, defective)
    assert not (tmp_path / "data").exists() and not (tmp_path / "new").exists()


def test_names_that_are_no_text_and_long_names(photos, tmp_path):
    marked((50, 40), np.s_[:9]).save(photos / "good" / f"{'x' * 250}.png")
    try:
        marked((50, 40), np.s_[:8]).save(photos / "good" / os.fsdecode(b"\xff\xfe.png"))
    except (OSError, UnicodeError):
        pytest.skip("no such names on this system")
    found = import_photographs(tmp_path / "data", "mug", *places(photos))
    assert list(found.left_out.values()) == ["its name is not valid UTF-8"]
    assert len(load_samples(found.folder)) == 27
    assert any("not valid" in row["left out"] for row in read_csv(found.folder / "imported.csv"))


def test_without_defective_ones_defects_are_painted_and_said(photos, tmp_path, capsys):
    words = ["import", str(tmp_path / "data"), "--category", "mug", "--good", str(photos / "good")]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "tell of paint, not of your defects" in out and "different shapes" not in out
    samples = load_samples(tmp_path / "data/mug")
    counts = count_folders(samples)
    assert (counts["train/good"], counts["test/good"]) == (10, 4)
    painted = [sample for sample in samples if sample.label]
    assert {sample.defect_type for sample in painted} == {
        "painted_scratch", "painted_wrong_piece", "painted_film"
    }  # fmt: skip
    for sample in painted:
        assert load_mask(sample).any() and load_image(sample.path).shape == (227, 227, 3)


def test_the_same_name_twice_and_names_of_all_kinds(photos, tmp_path):
    names = ('"', "it's", "a b", "a\nb", "🍾", "<b>x", "$x^2$", "-p", "=1+1", "{x}", "%s")
    for i, name in enumerate(names):
        try:
            marked((30, 30), np.s_[: 2 + i]).save(photos / "good" / f"{name}.png")
        except OSError:
            continue  # not on this system
    good = len(list(photos.glob("good/**/*.png")))
    found = import_photographs(tmp_path / "data", "mug", *places(photos))
    taken = [copy for copy, source in found.taken.items() if photos / "good" in source.parents]
    assert len({(copy.parent.name, copy.stem.casefold()) for copy in taken}) == good
    assert {"000.png", "000-2.png"} <= {copy.name for copy in taken}
    load_samples(found.folder)


def test_free_names():
    folder, used = Path("x"), {}
    stems = ["a", "A", "a", "a-2", "b-2", "b", "b", "y" * 300, "y" * 200]
    names = [free_name(folder, stem, used).stem for stem in stems]
    assert names == ["a", "A-2", "a-3", "a-2-2", "b-2", "b", "b-3", "y" * 100, "y" * 100 + "-2"]
    assert free_name(Path("z"), "a", used) == Path("z/a.png")  # in another folder it is free


def test_many_of_one_name_are_no_work():
    """A search from the start for each of them would look at 200 million names."""
    used = {}
    names = [free_name(Path("x"), "IMG", used) for _ in range(20_000)]
    assert names[-1] == Path("x/IMG-20000.png") and len(set(names)) == len(used) == len(names)


def looked(folder):
    samples = load_samples(folder)
    return first_look(samples, load_images(samples))


def test_the_layout_as_it_is_is_looked_at(small_data, capsys):
    for words in (["import", str(small_data)], ["import", str(small_data / "bottle")]):
        assert main(words) == 0
        out = capsys.readouterr().out
        assert "   12 train/good" in out and "   12 masks" in out
        assert "Few good images to train with: 12; MVTec AD's smallest category has 60" in out
        assert "The product lies still" in out


def moved(data, how):
    for path in (data / "bottle").glob("*/*/*.png"):
        if "ground_truth" not in path.parts:
            how(Image.open(path)).save(path)


def test_first_look_sees_whether_the_product_lies_still(data_copy):
    rng = np.random.default_rng(0)

    def shift(image, most):
        pixels = np.roll(np.asarray(image), rng.integers(-most, most + 1, 2), (0, 1))
        return Image.fromarray(pixels)

    assert any("lies still" in line for line in looked(data_copy / "bottle"))
    moved(data_copy, lambda image: shift(image, 6))
    assert any("The product moves: " in line for line in looked(data_copy / "bottle"))
    moved(data_copy, lambda image: shift(image, 48))
    assert any("moves or turns a lot" in line for line in looked(data_copy / "bottle"))


def test_first_look_sees_the_same_picture_in_training_and_test(data_copy):
    good, test = (data_copy / "bottle" / split / "good" for split in ("train", "test"))
    assert not any("also among" in line for line in looked(data_copy / "bottle"))
    Image.open(good / "003.png").save(test / "001.png".replace("png", "jpg"), quality=80)
    (test / "001.png").unlink()
    (line,) = (line for line in looked(data_copy / "bottle") if "also among" in line)
    assert line.startswith("1 test images") and "001.jpg" in line and "003.png" in line


def test_first_look_sees_that_one_mask_is_missing(data_copy):
    assert not any("mask" in line for line in looked(data_copy / "bottle"))
    next((data_copy / "bottle/ground_truth").rglob("*.png")).unlink()
    assert any("1 of 12 defective images have no" in line for line in looked(data_copy / "bottle"))


def test_first_look_sees_shapes_and_light(data_copy):
    path = data_copy / "bottle/train/good/000.png"
    Image.open(path).resize((120, 90)).save(path)
    assert any("1.0 to 1.33 times as wide" in line for line in looked(data_copy / "bottle"))
    moved(data_copy, lambda image: image.point(lambda level: level // 16))
    assert any("nearly black" in line for line in looked(data_copy / "bottle"))
    moved(data_copy, lambda image: image.point(lambda level: 255 - level // 2))
    assert any("nearly white" in line for line in looked(data_copy / "bottle"))


def test_two_imports_at_once_do_not_mix(photos, tmp_path):
    import_photographs(tmp_path / "data", "mug", *places(photos))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")}
    with pytest.raises(CourseError, match="is there already"):
        import_photographs(tmp_path / "data", "mug", photos / "good")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")} == before
