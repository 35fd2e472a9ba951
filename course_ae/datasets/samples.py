"""Lesson 01: the built-in data sets, drawn by a few formulas.

They have the folders, file names and masks of MVTec AD (Bergmann et al., "MVTec AD: a comprehensive
real-world dataset for unsupervised anomaly detection", CVPR 2019), so that every lesson runs
without a download and in the same way on the real images. No pixel comes from there.
"""

import hashlib
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from course_ae.datasets import drawing, sample_bottles, sample_brackets, sample_weaves
from course_ae.support.errors import CourseError

# By category; each has COUNTS, the number of images by place, and draw(rng, defect, size).
DRAWN = {"bottle": sample_bottles, "bracket": sample_brackets, "weave": sample_weaves}


def drawing_version() -> str:
    """Eight digits that change with the code that draws: what it drew before is out of date."""
    modules = (drawing, *DRAWN.values())
    code = b"".join(Path(module.__file__).read_bytes() for module in modules)
    return hashlib.sha256(code).hexdigest()[:8]


def defects(category: str) -> list[str]:
    """The types of defect of a category in `DRAWN`."""
    places = (place.split("/") for place in DRAWN[category].COUNTS)
    return [kind for part, kind in places if part == "test" and kind != "good"]


def draw(
    rng: np.random.Generator, category: str = "bottle", defect: str = "good", size: int = 400
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one image of a category.

    The good product is drawn first and the defect after it, from the same generator: the same seed
    with another defect is the same product.

    Args:
        rng: source of all randomness.
        category: a name in `DRAWN`.
        defect: "good", or a defect of the category, see `defects`.
        size: width and height S in pixels.

    Returns:
        The image (S, S, 3) uint8, and the mask (S, S) bool, True where the defect is.

    Raises:
        ValueError: for a defect that the category does not have.
    """
    known = ("good", *defects(category))
    if defect not in known:
        raise ValueError(f"unknown defect '{defect}' of a {category}; known: {', '.join(known)}")
    return DRAWN[category].draw(rng, defect, size)


def write_samples(
    root: Path,
    category: str = "bottle",
    seed: int = 0,
    size: int = 400,
    counts: dict[str, int] | None = None,
) -> Path:
    """Draw a whole category into `root / category`, unless it is there already.

    Args:
        root: folder that holds one folder for each category.
        category: a name in `DRAWN`.
        seed: the same seed draws the same data set.
        size: width and height of the images in pixels.
        counts: number of images for each place, such as "train/good"; the category's own ones if
            None.

    Returns:
        `root`.

    Raises:
        CourseError: for a category that is not drawn.
    """
    if category not in DRAWN:
        *others, last = (f"'{name}'" for name in DRAWN)
        raise CourseError(
            f"The built-in data has no category '{category}', only {', '.join(others)} and {last}; "
            "give the folder of your images as 'data'."
        )
    root, product = Path(root), DRAWN[category]
    target = root / category
    if target.exists():
        return root
    root.mkdir(parents=True, exist_ok=True)
    # Drawn beside its place and moved there at the end: a kill never leaves half a data set.
    draft = Path(tempfile.mkdtemp(prefix=f".{category}-", dir=root))

    def write(job: tuple[str, int]) -> None:
        place, index = job
        # A generator for each image, so that no count changes another type's images.
        rng = np.random.default_rng([seed, list(product.COUNTS).index(place), index])
        write_pair(draft, place, index, *draw(rng, category, place.split("/")[1], size))

    numbers = product.COUNTS if counts is None else counts
    jobs = [(place, index) for place, count in numbers.items() for index in range(count)]
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(write, jobs))  # the list asks for the results, and so for the errors
        draft.chmod(0o755)  # mkdtemp made it private
        draft.replace(target)
    except OSError:
        if not target.exists():  # otherwise somebody else finished first, which is as good
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return root


def write_pair(folder: Path, place: str, index: int, image: np.ndarray, mask: np.ndarray) -> None:
    """Writes an image (S, S, 3), and of a defect its mask (S, S), where MVTec AD has them."""
    files = {folder / place / f"{index:03d}.png": image}
    if mask.any():
        name = f"{index:03d}_mask.png"
        files[folder / "ground_truth" / place.split("/")[1] / name] = mask.astype(np.uint8) * 255
    for path, pixels in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, compress_level=1)
