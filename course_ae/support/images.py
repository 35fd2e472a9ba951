"""From an image file to pixels, whatever camera or program wrote it."""

import warnings
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from course_ae.support.errors import CourseError

IMAGE_TYPES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
# No other decoder is let near a file, whatever its name says: that of EPS would run a program.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF")

# A small file can claim any size: Pillow refuses above 179 million pixels, and warns from half.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)
# What it has to say of a camera's odd notes helps nobody who wants the picture.
warnings.filterwarnings("ignore", category=UserWarning, module="PIL")


def is_image(path: Path) -> bool:
    """True if a path is named like an image and not hidden."""
    return path.suffix.lower() in IMAGE_TYPES and not path.name.startswith(".")


def open_image(path: Path, ground: str = "white") -> Image.Image:
    """A decoded Pillow image with 8 bits a channel, upright, without transparency.

    The camera's note which side is up (EXIF) is followed, what is transparent shows the ground, and
    16-bit gray is divided by 257.

    Raises:
        CourseError: if the file cannot be read as an image, or holds more than one, or values that
            are no gray levels.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            refusal = _refusal(image)
            if not refusal:
                image.load()
                return _eight_bits(ImageOps.exif_transpose(image), ground)
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise _no_image(path, error) from error
    raise CourseError(f"'{path}' {refusal}.")


def _refusal(image: Image.Image) -> str:
    """What is wrong with an image whose header was read, and the remedy; '' if nothing is."""
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:  # a phone's has a preview
        return f"holds {image.n_frames} images; save the one you mean in a file of its own"
    if image.mode == "F":
        return "holds numbers with a decimal point; save it with 8 or 16 bits a pixel"
    return ""


def _no_image(path: Path, error: Exception) -> CourseError:
    if isinstance(error, Image.DecompressionBombError):
        return CourseError(
            f"'{path}' has too many pixels to decode safely; save it in a smaller size."
        )
    why = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
    return CourseError(
        f"'{path}' cannot be read as an image{why}; replace it or take it out of the folder."
    )


def _eight_bits(image: Image.Image, ground: str) -> Image.Image:
    if image.mode.startswith("I"):
        levels = np.asarray(image).clip(0, 65535)
        return Image.fromarray((levels / 257).round().astype(np.uint8))
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, ground), clear).convert("RGB")
    return image


def image_size(path: Path) -> tuple[int, int]:
    """Height and width in pixels of the upright image in a file, which is not decoded for it.

    Raises:
        CourseError: if the file cannot be read as an image.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            note = image.getexif().get(ExifTags.Base.Orientation)
            lies = note in (5, 6, 7, 8) and image.format != "TIFF"  # whose size is upright already
            return image.size if lies else image.size[::-1]
    except Exception as error:  # as in `open_image`
        raise _no_image(path, error) from error


def load_image(path: Path, ground: str = "white") -> np.ndarray:
    """Pixels as uint8, shape (height, width, 3), gray images with three equal channels.

    What is transparent shows the ground.

    Raises:
        CourseError: if the file cannot be read as an image.
    """
    return np.asarray(open_image(path, ground).convert("RGB"))
