"""The matrix of bad input: each case is one sentence that names what is wrong, and changes nothing.

A case is a function that spoils a folder and returns the words of a command. Those in `REFUSED` end
with exit code 2 and one line on standard error; those in `TAKEN` are odd, but fine.
"""

import json
import os
import shutil
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from spoilt import GOOD, IMPORT, MASK, PREDICT, RUN, TEST, image, tree

from course_ae.command.cli import main

REFUSED, TAKEN = {}, {}


def refused(words, says):
    """Marks a function that spoils a folder; `says` is part of the sentence."""

    def mark(spoil):
        REFUSED[spoil.__name__] = (spoil, words, says)
        return spoil

    return mark


def taken(words):
    """Marks a function whose change is odd, but fine."""

    def mark(change):
        TAKEN[change.__name__] = (change, words)
        return change

    return mark


def chunk(name, content):
    return (
        len(content).to_bytes(4, "big") + name + content
        + zlib.crc32(name + content).to_bytes(4, "big")
    )  # fmt: skip


# --- image files -----------------------------------------------------------------------------


@refused(RUN, "004.png' cannot be read as an image")
def an_empty_file(place):
    (place / GOOD / "004.png").write_bytes(b"")


@refused(RUN, "004.png' cannot be read as an image")
def text_in_place_of_an_image(place):
    (place / GOOD / "004.png").write_text("a bottle")


@refused(RUN, "004.png' cannot be read as an image")
def a_truncated_png(place):
    path = place / GOOD / "004.png"
    path.write_bytes(path.read_bytes()[:-2000])


@refused(RUN, "x.jpg' cannot be read as an image")
def a_truncated_jpeg(place):
    path = image(place / GOOD / "x.jpg")
    path.write_bytes(path.read_bytes()[:900])


@refused(RUN, "x.tif' cannot be read as an image")
def a_truncated_tiff(place):
    path = image(place / GOOD / "x.tif")
    path.write_bytes(path.read_bytes()[:900])


@refused(RUN, "x.bmp' cannot be read as an image")
def a_truncated_bmp(place):
    path = image(place / GOOD / "x.bmp")
    path.write_bytes(path.read_bytes()[:900])


@refused(RUN, "004.png' cannot be read as an image")
def flipped_bytes_in_the_middle(place):
    path = place / GOOD / "004.png"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


@refused(RUN, "x.png' cannot be read as an image")
def zero_pixels_wide(place):
    header = chunk(b"IHDR", bytes(4) + (9).to_bytes(4, "big") + bytes([8, 0, 0, 0, 0]))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (place / GOOD / "x.png").write_bytes(data)


@refused(RUN, "x.png' has too many pixels")
def a_decompression_bomb(place):
    side = (60_000).to_bytes(4, "big")
    header = chunk(b"IHDR", side + side + bytes([8, 0, 0, 0, 0]))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(9000)))
    (place / GOOD / "x.png").write_bytes(data + chunk(b"IEND", b""))


@refused(RUN, "x.png' holds 2 images")
def an_animated_png(place):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    frames[0].save(place / GOOD / "x.png", save_all=True, append_images=frames[1:])


@refused(RUN, "x.tif' holds 3 images")
def a_tiff_of_many_pages(place):
    pages = [Image.new("L", (20, 20), level) for level in (0, 99, 200)]
    pages[0].save(place / GOOD / "x.tif", save_all=True, append_images=pages[1:])


@refused(RUN, "x.tif' holds numbers with a decimal point")
def a_tiff_with_nan(place):
    pixels = np.full((20, 20), np.nan, np.float32)
    Image.fromarray(pixels).save(place / GOOD / "x.tif")


@refused(RUN, "x.png' cannot be read as an image")
def a_gif_that_is_called_png(place):
    image(place / "x.gif", mode="P").rename(place / GOOD / "x.png")


@refused(RUN, "x.jpg' cannot be read as an image")
def postscript_that_is_called_jpg(place):
    """Pillow would hand it to Ghostscript."""
    text = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n"
    (place / GOOD / "x.jpg").write_text(text)


@refused(RUN, "004.png' is a single gray level")
def a_blank_training_image(place):
    Image.new("RGB", (96, 96), (90, 90, 90)).save(place / GOOD / "004.png")


@refused(RUN, "train/good' are the same")
def the_same_image_again_and_again(place):
    paths = sorted((place / GOOD).iterdir())
    for path in paths[1:]:
        shutil.copy(paths[0], path)


@refused(RUN, "x.png' is a link to a file that is not there")
def a_dangling_link(place):
    (place / GOOD / "x.png").symlink_to(place / "nowhere.png")


@refused(RUN, "x.png' is a link to a file that is not there")
def a_link_to_itself(place):
    (place / GOOD / "x.png").symlink_to(place / GOOD / "x.png")


@refused(RUN, "has a name that is not valid UTF-8")
def a_name_of_broken_bytes(place):
    (place / GOOD / "004.png").rename(place / GOOD / os.fsdecode(b"\xff\xfe.png"))


@refused(RUN, "004.jpg' and '004.PNG' share a name")
def two_images_of_one_name(place):
    (place / GOOD / "004.png").rename(place / GOOD / "004.PNG")
    image(place / GOOD / "004.jpg")


# --- masks -----------------------------------------------------------------------------------


@refused(RUN, "001_mask.png' has 50x96 pixels and its image 96x96")
def a_mask_of_another_size(place):
    image(place / MASK, (50, 96))


@refused(RUN, "001_mask.png' marks no defect: its highest value is 1")
def a_mask_of_ones(place):
    pixels = np.zeros((96, 96), np.uint8)
    pixels[10:20] = 1
    Image.fromarray(pixels).save(place / MASK)


@refused(RUN, "001_mask.png' marks no defect: its highest value is 0")
def an_empty_mask(place):
    Image.new("L", (96, 96)).save(place / MASK)


@refused(RUN, "777_mask.png' is the mask of no image")
def a_mask_without_image(place):
    image((place / MASK).with_name("777_mask.png"))


@refused(RUN, "000.png' is the mask of no image")
def a_mask_that_is_called_like_its_image(place):
    image((place / MASK).with_name("000.png"))


@refused(RUN, "001_mask.png' cannot be read as an image")
def an_unreadable_mask(place):
    (place / MASK).write_bytes(b"\x89PNG")


# --- folders ---------------------------------------------------------------------------------


@refused(RUN, "There is no folder")
def no_data_at_all(place):
    shutil.rmtree(place / "data")


@refused(RUN, "There is no folder")
def a_file_in_place_of_the_data(place):
    shutil.rmtree(place / "data")
    (place / "data").write_text("data")


@refused([*RUN, "--category", "botle"], "no category 'botle'; did you mean 'bottle'?")
def a_category_with_a_slip(place):
    pass


@refused(RUN, "holds no data in MVTec AD's layout")
def an_empty_data_folder(place):
    shutil.rmtree(place / "data/bottle")


@refused(RUN, "train/good' has 0 images")
def no_good_images(place):
    shutil.rmtree(place / GOOD)
    (place / GOOD).mkdir()


@refused(RUN, "train/good' has 1 images")
def one_image(place):
    for path in sorted((place / GOOD).iterdir())[1:]:
        path.unlink()


@refused(RUN, "test/<defect>' has 0 images")
def only_good_test_images(place):
    for kind in ("broken_large", "broken_small", "contamination"):
        shutil.rmtree(place / TEST / kind)
        shutil.rmtree(place / "data/bottle/ground_truth" / kind)


@refused(RUN, "test/good' has 0 images")
def only_defective_test_images(place):
    shutil.rmtree(place / TEST / "good")


@refused(RUN, "lies among the training images")
def a_defect_among_the_training_images(place):
    shutil.copytree(place / TEST / "broken_large", place / "data/bottle/train/broken_large")


@refused([*RUN, "-p", "calibration_fraction", "0.02"], "cannot be split")
def too_few_images_for_the_split(place):
    pass


@refused([*RUN, "-p", "val_fraction", "0.9"], "too few to train on")
def too_few_images_for_the_validation(place):
    pass


@refused(["run", "--data", "~nobody-of-this-name/data"], "leads nowhere")
def a_home_that_is_not_there(place):
    pass


# --- settings --------------------------------------------------------------------------------

for name, value, says in (
    ("batch_size", "0", "'batch_size' must lie between 2 and"),
    ("batch_size", "-8", "'batch_size' must lie between 2 and"),
    ("batch_size", "8.5", "'batch_size' must be a whole number"),
    ("epochs", "-1", "'epochs' must lie between 1 and"),
    ("epochs", "1e3", "'epochs' must be a whole number"),
    ("epochs", "9" * 30, "'epochs' must lie between 1 and"),
    ("learning_rate", "nan", "'learning_rate' must lie between"),
    ("learning_rate", "inf", "'learning_rate' must lie between"),
    ("learning_rate", "-0.1", "'learning_rate' must lie between"),
    ("learning_rate", "", "'learning_rate' must be a number, not ''"),
    ("seed", "-1", "'seed' must lie between 0 and"),
    ("width", "99", "'width' must lie between"),
    ("loss", "L3", "'loss' has no value 'L3'"),
    ("flips", "maybe", "'flips' must be true or false"),
    ("lerning_rate", "1", "no setting 'lerning_rate'; did you mean 'learning_rate'?"),
    ("profile", "quick", "no setting 'profile'"),
):
    REFUSED[f"setting {name} {value[:9]}"] = (lambda place: None, [*RUN, "-p", name, value], says)


@refused([*RUN, "--profile", "quicker"], "no profile 'quicker'; did you mean 'quick'?")
def a_profile_with_a_slip(place):
    pass


@refused([*RUN, "--device", "tpu"], "There is no device 'tpu'")
def a_device_that_is_not_there(place):
    pass


# --- run folders -----------------------------------------------------------------------------


@refused([*RUN, "--run", "photos"], "photos' is there already and is no run folder")
def a_run_folder_with_something_else(place):
    pass


@refused([*RUN, "--run", "run"], "holds a run with width 0.05 instead of 0.25")
def a_run_folder_of_other_settings(place):
    pass


@refused([*RUN, "--run", "run/settings.json"], "is no run folder")
def a_run_folder_that_is_a_file(place):
    pass


@refused([*RUN, "--run", "nothing", "--resume"], "There is no run in")
def nothing_to_resume(place):
    pass


@refused([*RUN, "--run", "run", "--resume"], "settings.json' cannot be read")
def settings_that_are_no_json(place):
    (place / "run/settings.json").write_text('{"settings": ')


@refused([*RUN, "--run", "run", "--resume"], "settings.json' cannot be read")
def settings_nested_without_end(place):
    (place / "run/settings.json").write_text("[" * 100_000)


@refused([*RUN, "--run", "run", "--resume"], "settings.json' is not a run's file")
def settings_that_are_a_list(place):
    (place / "run/settings.json").write_text("[1, 2]")


@refused([*RUN, "--run", "run", "--resume"], "'epochs' must be a whole number")
def settings_of_other_types(place):
    change(place / "run/settings.json", lambda s: s["settings"].update(epochs="many"))


@refused([*RUN, "--run", "run", "--resume"], "settings.json' is not a run's file")
def settings_with_some_missing(place):
    change(place / "run/settings.json", lambda s: s["settings"].pop("epochs"))


def change(path, how):
    content = json.loads(path.read_text())
    how(content)
    path.write_text(json.dumps(content))


@refused(PREDICT, "denoiser.pt' is no model of this run")
def a_truncated_model(place):
    path = place / "run/denoiser.pt"
    path.write_bytes(path.read_bytes()[:5000])


@refused(PREDICT, "denoiser.pt' is no model of this run")
def a_model_of_another_network(place):
    torch.save({"weights": torch.zeros(3)}, place / "run/denoiser.pt")


@refused([*PREDICT, "--score", "l2"], "model.pt' is no model of this run")
def no_model(place):
    (place / "run/model.pt").unlink()


@refused(PREDICT, "reference.npz' is missing or damaged")
def a_truncated_table_of_good_images(place):
    path = place / "run/reference.npz"
    path.write_bytes(path.read_bytes()[:5000])


@refused(PREDICT, "summary.json' is missing")
def no_summary(place):
    (place / "run/summary.json").unlink()


@refused(PREDICT, "summary.json' lacks figures or was changed")
def a_threshold_that_is_text(place):
    change(place / "run/summary.json", lambda s: s["scores"]["normalised"].update(threshold="high"))


@refused(PREDICT, "summary.json' lacks figures or was changed")
def scores_that_are_a_list(place):
    change(place / "run/summary.json", lambda s: s["scores"].update(normalised=[1, 2]))


@refused(["table", "run"], "summary.json' lacks figures or was changed")
def a_table_of_text(place):
    change(place / "run/summary.json", lambda s: s["scores"]["l2"].update(auroc="good"))


@refused(["table", "run"], "summary.json' lacks figures or was changed")
def a_table_of_a_run_whose_loss_is_a_list(place):
    change(place / "run/summary.json", lambda s: s["settings"].update(loss=["ssim", "l2"]))


@refused(["import", "data", "--category", "mug"], "To make one of photographs, give --good")
def a_look_at_a_category_that_is_not_there(place):
    pass


@refused(["table", "run/scores.csv"], "scores.csv' is no run; give a run folder")
def a_table_of_a_file_that_is_no_summary(place):
    pass


@refused([*PREDICT, "--score", "normal"], "has no score 'normal'; did you mean 'normalised'?")
def a_score_with_a_slip(place):
    pass


@refused(["predict", "photos", "--run", "nowhere"], "There is no run in")
def no_run_to_predict_with(place):
    pass


@refused(["predict", "photos/none.png", "--run", "run"], "There is no image")
def no_image_to_predict(place):
    pass


@refused(["predict", "photos/empty", "--run", "run"], "holds no JPEG, PNG, BMP or TIFF files")
def an_empty_folder_to_predict(place):
    (place / "photos/empty").mkdir()


@refused(["predict", "photos/one.png", "--run", "run"], "one.png' cannot be read as an image")
def an_unreadable_image_to_predict(place):
    (place / "photos/one.png").write_bytes(b"no image")


# --- import and the others -------------------------------------------------------------------


@refused(["import", "new", "--good", "photos/good"], "needs a name")
def an_import_without_a_name(place):
    pass


@refused(["import", "data", "--defective", "photos/defective"], "give --good")
def an_import_without_good_ones(place):
    pass


@refused([*IMPORT[:4], "--good", "photos/none"], "There is no folder")
def an_import_of_nothing(place):
    pass


@refused([*IMPORT, "--defective", "photos/defective"], "too few good photographs")
def an_import_of_too_few(place):
    for path in sorted((place / "photos/good").iterdir())[3:]:
        path.unlink()


@refused([*IMPORT, "--defective", "photos/defective"], "cannot be read as an image")
def an_import_of_broken_files(place):
    for path in (place / "photos/good").iterdir():
        path.write_bytes(b"broken")


@refused([*IMPORT, "--defective", "photos/defective"], "too few defective photographs")
def an_import_of_the_good_ones_as_defective(place):
    shutil.rmtree(place / "photos/defective")
    shutil.copytree(place / "photos/good", place / "photos/defective")


@refused([*IMPORT, "--defective", "photos"], "would be mixed up")
def an_import_of_folders_in_one_another(place):
    pass


@refused([*IMPORT, "--defective", "photos/defective"], "lies among the defective ones")
def an_import_with_good_ones_among_the_defective(place):
    shutil.copytree(place / "photos/good", place / "photos/defective/good")


@refused([*PREDICT, "--pictures", "photos/defective"], "could replace the images there")
def pictures_where_the_images_are(place):
    pass


@refused(["import", "data", "--category", "bottle", "--good", "photos/good"], "is there already")
def an_import_over_a_category(place):
    pass


@refused(["import", "new", "--category", "../mug", "--good", "photos/good"], "cannot be the name")
def an_import_that_climbs_out(place):
    pass


@refused(["import", "photos", "--category", "bottle"], "holds no data in MVTec AD's layout")
def an_import_of_another_layout(place):
    pass


@refused(["start", "photos/good/000.png"], "000.png")
def lessons_into_a_file(place):
    pass


@refused(["slides", "new", "--run", "photos"], "photos")
def slides_of_no_run(place):
    pass


@refused(["download", "botle", "--data", "new"], "no category 'botle'; did you mean 'bottle'?")
def a_download_of_no_category(place):
    pass


@refused(["download", "bottle", "--data", "new", "--url", "ftp://x/bottle.tar.xz"], "https")
def a_download_over_ftp(place):
    pass


# --- odd, but fine ---------------------------------------------------------------------------


@taken(["check", "--data", "data"])
def a_defective_image_without_mask(place):
    (place / MASK).unlink()


@taken(["check", "--data", "data"])
def a_jpeg_that_is_called_png(place):
    image(place / "x.jpg").rename(place / GOOD / "x.png")


@taken(["check", "--data", "data"])
def names_of_all_kinds(place):
    for name in ('"', "it's", "a b", "a\nb", "🍾", "<b>x", "$x^2$", "-p", "=1+1", "{x}", "%s"):
        image(place / GOOD / f"{name}.png")


@taken(["check", "--data", "data"])
def modes_of_all_kinds(place):
    for mode in ("1", "L", "LA", "P", "RGBA"):
        image(place / GOOD / f"{mode}.png", mode=mode)
    image(place / GOOD / "cmyk.jpg", mode="CMYK")
    levels = np.linspace(0, 65535, 400).astype(np.uint16).reshape(20, 20)
    Image.fromarray(levels).save(place / GOOD / "sixteen.png")


@taken(["check", "--data", "data"])
def one_pixel_and_a_thin_one(place):
    image(place / GOOD / "thin.png", (300, 1))
    image(place / GOOD / "tall.png", (1, 300))


@taken(["check", "--data", "data"])
def a_folder_that_links_to_itself(place):
    (place / GOOD / "circle").symlink_to(place / GOOD)
    (place / "data/bottle/train/round").symlink_to(place / "data/bottle/train")


@taken(["check", "--data", "data"])
def files_of_other_programs(place):
    for name in (".DS_Store", "Thumbs.db", "._004.png", "notes.txt"):
        (place / GOOD / name).write_text("x")


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_sentence_and_changes_nothing(case, place, capfd):
    spoil, words, says = REFUSED[case]
    try:
        spoil(place)
    except OSError as error:  # no links, or no such name, on this system
        pytest.skip(f"cannot be made here: {error}")
    before = tree(place)
    assert main(words) == 2
    out, err = capfd.readouterr()
    assert err.startswith("course-ae: ") and err.endswith((".\n", "?\n")) and err.count("\n") == 1
    assert says in err.replace("\\\\", "/").replace("\\", "/") and "Traceback" not in out + err
    assert tree(place) == before


@pytest.mark.parametrize("case", TAKEN)
def test_odd_input_is_fine(case, place, capfd):
    change, words = TAKEN[case]
    try:
        change(place)
    except OSError as error:
        pytest.skip(f"cannot be made here: {error}")
    before = tree(place)
    code, (out, err) = main(words), capfd.readouterr()
    assert (code, err) == (0, ""), out
    assert tree(place) == before


def test_the_matrix_is_large():
    assert len(REFUSED) >= 60
