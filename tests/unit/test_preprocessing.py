"""Preprocessing: gray, 227x227, [0, 1], flips after the split, and the cache."""

import numpy as np
import pytest
import torch
from PIL import Image

from course_ae import preprocessing
from course_ae.data import load_samples, select
from course_ae.preprocessing import (
    IMAGE_SIZE,
    load_images,
    preprocess,
    resize,
    resize_mask,
    split_train_val,
    to_gray,
    to_tensor,
    with_flips,
)
from course_ae.support.errors import CourseError


def colourful(height=64, width=64):
    """A smooth colour image with other content in each channel."""
    y, x = np.mgrid[:height, :width]
    channels = [255 * x / width, 255 * y / height, 255 * (x / width) * (1 - y / height)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


@pytest.fixture
def one_image(tmp_path):
    """Saves a Pillow image and returns what preprocessing makes of it."""

    def save_and_preprocess(image, name="image.png"):
        image.save(tmp_path / name)
        return preprocess(tmp_path / name)

    return save_and_preprocess


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """An empty cache for one test."""
    monkeypatch.setenv("COURSE_AE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "preprocessed"


@pytest.fixture
def decoded(monkeypatch):
    """The paths that are decoded, as they are."""
    paths = []

    def note(path):
        paths.append(path)
        return preprocess(path)

    monkeypatch.setattr(preprocessing, "preprocess", note)
    return paths


@pytest.mark.parametrize(
    ("colour", "weighted"),
    [
        ((255, 0, 0), 0.299 * 255),
        ((0, 255, 0), 0.587 * 255),
        ((0, 0, 255), 0.114 * 255),
        ((200, 100, 50), 0.299 * 200 + 0.587 * 100 + 0.114 * 50),
        ((255, 255, 255), 255),
        ((77, 77, 77), 77),
    ],
)
def test_gray_weighs_the_colours_as_the_eye_does(colour, weighted):
    gray = to_gray(Image.new("RGB", (4, 4), colour))
    assert gray.mode == "L"
    assert np.abs(np.asarray(gray) - weighted).max() <= 0.5 + 1e-2  # rounded to a gray level


@pytest.mark.parametrize("size", [(64, 64), (300, 100), (100, 300), (227, 227), (900, 900)])
def test_every_image_becomes_227_pixels_square(one_image, size):
    pixels = one_image(colourful(*size))
    assert pixels.shape == (227, 227) and pixels.dtype == np.uint8
    assert IMAGE_SIZE == 227


def test_an_image_of_the_right_size_keeps_its_pixels(one_image):
    pixels = np.random.default_rng(0).integers(0, 256, (227, 227), dtype=np.uint8)
    assert np.array_equal(one_image(Image.fromarray(pixels)), pixels)


def test_a_wide_image_is_squeezed_and_nothing_is_cut_off(one_image):
    pixels = np.zeros((100, 400), dtype=np.uint8)
    pixels[:, 200:] = 255  # black on the left, white on the right
    pixels[50:, :] //= 2  # darker below
    found = one_image(Image.fromarray(pixels))
    assert (found[:110, :110] == 0).all()
    assert (found[:110, 117:] == 255).all()
    assert (found[117:, 117:] == 127).all()


@pytest.mark.parametrize("factor", [2, 4])
def test_fine_pattern_becomes_mid_gray_and_does_not_alias(factor):
    size = factor * IMAGE_SIZE
    board = np.indices((size, size)).sum(axis=0) % 2 * np.uint8(255)
    picked = board[::factor, ::factor]
    assert set(np.unique(picked)) == {0}  # without antialiasing the pattern would turn black
    found = np.asarray(resize(Image.fromarray(board.astype(np.uint8))), dtype=float)
    assert np.abs(found - 127.5).max() < 8
    assert found[2:-2, 2:-2].std() < 1


def test_colours_are_mixed_as_light_whatever_the_files_mode(one_image):
    rgb = colourful()
    expected = one_image(rgb).astype(int)
    opaque = rgb.convert("RGBA")
    assert np.array_equal(one_image(opaque), expected)
    assert np.array_equal(one_image(rgb, "image.bmp"), expected)
    palette = rgb.quantize(256)
    from_palette = one_image(palette)
    assert np.array_equal(from_palette, one_image(palette.convert("RGB")))
    assert np.abs(from_palette - expected).mean() < 5  # gray levels, not the palette's indices
    assert np.abs(one_image(rgb, "image.jpg") - expected).mean() < 5


def test_gray_and_black_and_white_files_need_no_conversion(one_image):
    gray = colourful().convert("L")
    expected = one_image(gray)
    assert np.array_equal(one_image(gray.convert("RGB")), expected)
    assert np.array_equal(one_image(gray.convert("LA")), expected)
    bilevel = gray.point(lambda level: 255 * (level > 99)).convert("1")
    assert np.array_equal(one_image(bilevel), one_image(bilevel.convert("L")))
    assert one_image(bilevel).max() == 255


def test_a_file_that_is_no_image_is_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image at all")
    with pytest.raises(CourseError, match=r"broken\.png' cannot be read as an image"):
        preprocess(tmp_path / "broken.png")


def test_tensor_has_a_channel_and_lies_between_zero_and_one():
    pixels = np.zeros((3, 227, 227), dtype=np.uint8)
    pixels[1], pixels[2] = 255, 51
    x = to_tensor(pixels)
    assert x.shape == (3, 1, 227, 227) and x.dtype == torch.float32
    assert [x[i].unique().item() for i in range(3)] == pytest.approx([0, 1, 0.2])


def test_209_images_become_627_with_their_flips():
    x = torch.rand(209, 1, 3, 4)
    found = with_flips(x)
    assert found.shape == (627, 1, 3, 4)
    assert torch.equal(found[:209], x)
    assert torch.equal(found[209:418], torch.from_numpy(x.numpy()[..., ::-1].copy()))  # mirrored
    assert torch.equal(found[418:], torch.from_numpy(x.numpy()[:, :, ::-1].copy()))  # upside down


def test_flips_by_hand():
    x = torch.tensor([[[[1, 2], [3, 4]]]])
    assert with_flips(x).tolist() == [[[[1, 2], [3, 4]]], [[[2, 1], [4, 3]]], [[[3, 4], [1, 2]]]]


@pytest.mark.parametrize(
    ("count", "fraction", "held_out"),
    [(209, 0.05, 10), (100, 0.1, 10), (12, 0.1, 1), (5, 0.001, 1), (10, 0.5, 5), (3, 0.3, 1)],
)
def test_split_sizes(count, fraction, held_out):
    train, validation = split_train_val(count, fraction, seed=0)
    assert (len(train), len(validation)) == (count - held_out, held_out)


@pytest.mark.parametrize("seed", range(5))
def test_split_is_complete_disjoint_and_sorted(seed):
    train, validation = split_train_val(209, 0.05, seed)
    assert sorted([*train, *validation]) == list(range(209))
    assert (np.diff(train) > 0).all() and (np.diff(validation) > 0).all()


def test_split_depends_on_the_seed_alone():
    first = split_train_val(209, 0.05, 3)[1]
    assert np.array_equal(first, split_train_val(209, 0.05, 3)[1])
    assert not np.array_equal(first, split_train_val(209, 0.05, 4)[1])
    assert not np.array_equal(first, np.arange(10))  # drawn at random, not the first ones


@pytest.mark.parametrize(("count", "fraction"), [(2, 0.05), (1, 0.05), (5, 0.9), (3, 0.5)])
def test_split_that_leaves_too_few_to_train_on_is_refused(count, fraction):
    with pytest.raises(CourseError, match="lower 'val_fraction' or add images"):
        split_train_val(count, fraction, 0)


def test_all_images_are_loaded_in_the_order_of_the_samples(small_data, own_cache):
    samples = load_samples(small_data / "bottle")
    images = load_images(samples)
    assert images.shape == (30, 227, 227) and images.dtype == np.uint8
    for index in (0, 11, 12, 29):
        assert np.array_equal(images[index], preprocess(samples[index].path))
    backwards = load_images(samples[::-1])
    assert np.array_equal(backwards, images[::-1])


def test_second_call_decodes_nothing(small_data, own_cache, decoded):
    samples = select(load_samples(small_data / "bottle"), "test", 0)
    first = load_images(samples)
    assert decoded == [sample.path for sample in samples]
    decoded.clear()
    assert np.array_equal(load_images(samples), first)
    assert decoded == []


def test_a_changed_file_is_noticed(data_copy, own_cache, decoded):
    samples = select(load_samples(data_copy / "bottle"), "test", 0)
    first = load_images(samples)
    decoded.clear()
    samples[2].path.write_bytes(samples[3].path.read_bytes())
    second = load_images(samples)
    assert len(decoded) == len(samples)
    assert np.array_equal(second[2], first[3])
    assert not np.array_equal(second[2], first[2])


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:5],
        lambda content: content[: len(content) // 2],
        lambda content: b"something else",
        lambda content: b"PK\x03\x04" + content,  # looks like a zip archive
    ],
    ids=["empty", "header cut", "half", "text", "zip"],
)
def test_a_damaged_cache_is_made_again(small_data, own_cache, decoded, damage):
    samples = select(load_samples(small_data / "bottle"), "test", 0)
    first = load_images(samples)
    (cache,) = own_cache.iterdir()  # one file, and no temporary one
    whole = cache.read_bytes()
    cache.write_bytes(damage(whole))
    decoded.clear()
    assert np.array_equal(load_images(samples), first)
    assert len(decoded) == len(samples)
    assert cache.read_bytes() == whole


def test_a_damaged_image_leaves_no_cache(data_copy, own_cache):
    samples = select(load_samples(data_copy / "bottle"), "test", 0)
    samples[1].path.write_bytes(samples[1].path.read_bytes()[:200])
    with pytest.raises(CourseError, match=r"good/001\.png' cannot be read as an image"):
        load_images(samples)
    assert not own_cache.exists() or list(own_cache.iterdir()) == []


def test_progress_sees_every_decoded_sample(small_data, own_cache):
    samples = select(load_samples(small_data / "bottle"), "test", 0)
    seen = []

    def note(items):
        for item in items:
            seen.append(item)
            yield item

    load_images(iter(samples), progress=note)
    assert seen == samples


def test_mask_is_true_where_most_of_the_pixel_is_defective():
    assert resize_mask(None) is None
    mask = np.zeros((454, 454), dtype=bool)
    mask[:100, 200:] = True
    expected = np.zeros((227, 227), dtype=bool)
    expected[:50, 100:] = True
    assert np.array_equal(resize_mask(mask), expected)


def test_sixteen_bit_gray_keeps_its_gray_levels(tmp_path):
    levels = np.tile(np.linspace(0, 65535, 227).astype(np.uint16), (227, 1))
    Image.fromarray(levels).save(tmp_path / "deep.png")
    found = preprocess(tmp_path / "deep.png")
    assert np.abs(found - levels / 257).max() <= 0.5 + 1e-6
