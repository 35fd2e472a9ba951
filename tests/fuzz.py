"""Feeds spoilt input to everything that reads a user's files, for as long as is asked.

    python tests/fuzz.py 600

Whatever comes out must be a result or a CourseError in one line; anything else is printed with the
seed that repeats it, and the exit code is 1.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from course_ae.command import predict, report, tables
from course_ae.command.cli import parse_pairs
from course_ae.data import Sample, load_mask, load_samples
from course_ae.datasets.sample_bottles import COUNTS
from course_ae.datasets.samples import write_samples
from course_ae.experiment import run_folder, stages
from course_ae.experiment.evaluation import evaluate_all, read_rows
from course_ae.settings import Settings, make_settings, setting_types
from course_ae.support.errors import CourseError
from course_ae.support.folders import find_category
from course_ae.support.images import image_size, open_image

ODD = [
    *(None, True, False, 0, -1, -0.0, 1e308, float("nan"), float("inf"), 2**70),
    *("", "x", "1", "nan", "\0", "🍾", "../..", "x" * 5000, "<b>", "\ud800"),
    *([], {}, [[]], {"a": 1}, [None]),
]
FORMATS = {
    "a.png": {}, "b.jpg": {}, "c.bmp": {}, "d.tif": {}, "e.tif": {"compression": "tiff_lzw"},
    "f.tif": {"compression": "tiff_deflate"}, "g.png": {"interlace": 1},
}  # fmt: skip


def spoil_bytes(content: bytes, chance: random.Random) -> bytes:
    """Bytes changed, cut off, doubled or taken from elsewhere, mostly near the beginning."""
    spoilt = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        if not spoilt:
            break
        near = chance.randrange(min(len(spoilt), chance.choice([16, 64, 300, 10**6])))
        kind = chance.randrange(5)
        if kind == 0:
            spoilt[near] = chance.choice([0, 255, 127, 128, chance.randrange(256)])
        elif kind == 1:
            del spoilt[near:]
        elif kind == 2:
            del spoilt[near : near + chance.randrange(1, 40)]
        elif kind == 3:
            spoilt[near:near] = spoilt[near : near + chance.randrange(1, 40)]
        else:
            spoilt[near : near + 4] = chance.randbytes(4)
    return bytes(spoilt)


def spoil_json(content: object, chance: random.Random) -> object:
    """One place of a JSON file replaced, removed or added."""
    if isinstance(content, dict) and content and chance.random() < 0.9:
        content = dict(content)
        key = chance.choice(list(content))
        kind = chance.randrange(8)
        if kind == 0:
            del content[key]
        elif kind == 1:
            content[chance.choice(["epoch", "", "x", "width"])] = chance.choice(ODD)
        else:
            content[key] = spoil_json(content[key], chance)
        return content
    if isinstance(content, list) and content and chance.random() < 0.8:
        i = chance.randrange(len(content))
        return [*content[:i], spoil_json(content[i], chance), *content[i + 1 :]]
    return chance.choice(ODD)


class Fuzz:
    """A small finished run and a data folder, and one method for each thing that reads them."""

    def __init__(self, folder: Path):
        self.folder = folder
        counts = dict.fromkeys(COUNTS, 2) | {"train/good": 4, "test/good": 4}
        write_samples(folder / "data", size=48, counts=counts)
        self.category = folder / "data" / "bottle"
        self.run = self._finished_run()
        self.files = self._image_files()
        names = ("settings.json", "summary.json")
        self.json = {name: json.loads((self.run / name).read_text()) for name in names}
        self.binary = {
            name: (self.run / name).read_bytes()
            for name in ("reference.npz", "denoiser.pt", "model.pt")
        }

    def _finished_run(self) -> Path:
        run = run_folder.open_run(
            data=str(self.folder / "data"), run=str(self.folder / "run"),
            width=0.02, bottleneck=2, epochs=1, batch_size=2,
        )  # fmt: skip
        evaluate_all(run)
        return run.folder

    def _image_files(self) -> dict[str, bytes]:
        pixels = np.random.default_rng(0).integers(0, 255, (24, 31, 3), np.uint8)
        exif = Image.Exif()
        exif[0x0112] = 6
        for name, options in FORMATS.items():
            Image.fromarray(pixels).save(self.folder / name, exif=exif, **options)
        (Image.fromarray(pixels).convert("P")).save(self.folder / "h.png", transparency=3)
        Image.fromarray(pixels[..., 0].astype(np.uint16) * 200).save(self.folder / "i.png")
        Image.fromarray(pixels).convert("CMYK").save(self.folder / "j.jpg")
        names = [*FORMATS, "h.png", "i.png", "j.jpg"]
        return {name: (self.folder / name).read_bytes() for name in names}

    def image(self, chance: random.Random) -> None:
        """An image file, read as image, for its size and as a mask."""
        name = chance.choice(list(self.files))
        path = self.folder / f"spoilt-{name}"
        path.write_bytes(spoil_bytes(self.files[name], chance))
        reads = (open_image, image_size, lambda p: load_mask(Sample(p, "test", "x", p)))
        chance.choice(reads)(path)

    def settings(self, chance: random.Random) -> None:
        """Settings as Python values, and as words on the command line."""
        names = [*setting_types(), "profile", "", "x"]
        given = {chance.choice(names): chance.choice(ODD) for _ in range(chance.randrange(4))}
        profile = given.pop("profile", chance.choice(["quick", "slides", "best", "x", ""]))
        if chance.random() < 0.5:
            given = parse_pairs([[name, str(value)] for name, value in given.items()])
        assert isinstance(make_settings(str(profile), **given), Settings)

    def run_file(self, chance: random.Random) -> None:
        """A run's JSON files, read by `--resume`, `predict`, `table` and the report."""
        name = chance.choice(list(self.json))
        spoilt = self.json[name]
        for _ in range(chance.choice([1, 1, 3])):
            spoilt = spoil_json(spoilt, chance)
        text = json.dumps(spoilt)
        if chance.random() < 0.2:
            text = spoil_bytes(text.encode(), chance).decode(errors="replace")
        self._with(name, text.encode(), chance)

    def binary_file(self, chance: random.Random) -> None:
        """A run's network and table of good images."""
        name = chance.choice(list(self.binary))
        self._with(name, spoil_bytes(self.binary[name], chance), chance)

    def _with(self, name: str, content: bytes, chance: random.Random) -> None:
        path = self.run / name
        whole = path.read_bytes()
        path.write_bytes(content)
        try:
            chance.choice([self._resume, self._predict, self._table, self._report])()
        finally:
            path.write_bytes(whole)

    def _resume(self) -> None:
        run_folder.find_run(**run_folder.recorded(self.run))

    def _predict(self) -> None:
        detector = predict.load_detector(self.run, random.choice(["", "l2", "normalised"]))
        detector.maps(torch.zeros(1, 1, 227, 227))

    def _table(self) -> None:
        settings, rows = read_rows(self.run / "summary.json")
        tables.comparison_table([(settings, rows)])
        tables.plain_table(tables.result_table(rows))

    def _report(self) -> None:
        report.write_report(run_folder.find_run(**run_folder.recorded(self.run)))

    def data_folder(self, chance: random.Random) -> None:
        """A folder of data in which files were renamed, moved, emptied or added."""
        paths = sorted(p for p in self.category.rglob("*") if p.is_file())
        path = chance.choice(paths)
        names = ["x.png", "000_mask.png", "000.jpg", ".png", "a\nb.png", "🍾.png", "000.PNG", "x"]
        place = chance.choice(paths).with_name(chance.choice(names))
        whole = path.read_bytes()
        if place.exists():
            return
        kind = chance.randrange(4)
        try:
            if kind == 0:
                path.rename(place)
            elif kind == 1:
                path.unlink()
            elif kind == 2:
                place.symlink_to(chance.choice([path, place, self.folder / "none"]))
            else:
                path.write_bytes(spoil_bytes(whole, chance))
            run = run_folder.find_run(
                str(self.folder / "data"), run=str(self.folder / "new"), epochs=1
            )
            load_samples(find_category(self.folder / "data", chance.choice(["bottle", "", "x"])))
            stages.require_readable(run)
        finally:
            place.unlink(missing_ok=True)
            path.write_bytes(whole)


def fuzz(seconds: float, seed: int = 0) -> tuple[Counter, list[str]]:
    """Tries as many inputs as fit into the time; returns how each ended, and what went wrong."""
    ended, wrong = Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COURSE_AE_CACHE"] = str(Path(folder) / "cache")
        made = Fuzz(Path(folder))
        kinds = [made.image] * 6 + [made.settings, made.run_file, made.binary_file] * 2
        kinds.append(made.data_folder)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            seed += 1
            chance = random.Random(seed)
            kind = chance.choice(kinds)
            try:
                kind(chance)
                ended[kind.__name__, "read"] += 1
            except CourseError as error:
                ended[kind.__name__, "refused"] += 1
                if not str(error).endswith((".", "?")):
                    wrong.append(f"seed {seed}, {kind.__name__}: {error}")
            except Exception:
                ended[kind.__name__, "wrong"] += 1
                wrong.append(f"seed {seed}, {kind.__name__}: {traceback.format_exc()[-1500:]}")
    return ended, wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seconds", type=float)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    ended, wrong = fuzz(args.seconds, args.seed)
    for text in wrong[:20]:
        print(text)
    for (kind, how), count in sorted(ended.items()):
        print(f"{kind:12} {how:8} {count}")
    sys.exit(1 if wrong else 0)
