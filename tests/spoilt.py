"""What the tests of bad input share: where things lie, commands, and a look at what has changed.

All paths are below the fixture `place`.
"""

import os
from pathlib import Path

import numpy as np
from PIL import Image

GOOD, TEST = "data/bottle/train/good", "data/bottle/test"
MASK = "data/bottle/ground_truth/broken_large/001_mask.png"
RUN, CHECKED = ["run", "--data", "data"], ["evaluate", "--data", "data", "--run", "new"]
PREDICT = ["predict", "photos/defective", "--run", "run"]
IMPORT = ["import", "new", "--category", "mug", "--good", "photos/good"]


def image(path, size=(96, 96), mode="RGB", **options):
    """Some image that is no single gray level."""
    path = Path(path)
    pixels = np.random.default_rng(len(str(path))).integers(0, 255, (*size[::-1], 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(path, **options)
    return path


def tree(folder):
    """All files but the cache, which may grow, with their content."""
    found = {}
    for place, folders, files in os.walk(folder):
        for path in (Path(place, name) for name in [*folders, *files]):
            content = path.readlink() if path.is_symlink() else path.is_dir() or path.read_bytes()
            found[path] = content
        if Path(place) == folder:
            folders[:] = set(folders) - {"cache"}
    return found
