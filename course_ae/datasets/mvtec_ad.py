"""What the makers of MVTec AD publish: the counts to hold a folder against, and the archives.

Bergmann et al., "MVTec AD: a comprehensive real-world dataset for unsupervised anomaly detection"
(CVPR 2019).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from course_ae.data import Sample, count_folders, load_samples
from course_ae.support.errors import CourseError

PAGE = "https://www.mvtec.com/research-teaching/datasets/mvtec-ad"
LICENCE = f"""MVTec AD: (c) 2019 MVTec Software GmbH, under the licence CC BY-NC-SA 4.0, {PAGE}
It is not for commercial use. Whoever uses it cites Bergmann et al., CVPR 2019 and IJCV 2021."""

# Category, object or texture, good images to train with, good ones to test with; then each type of
# defect and its images, all of which have a mask.
TABLE = """
bottle     object  209 20 broken_large 20 broken_small 22 contamination 21
cable      object  224 58 bent_wire 13 cable_swap 12 combined 11 cut_inner_insulation 14 \
                          cut_outer_insulation 10 missing_cable 12 missing_wire 10 \
                          poke_insulation 10
capsule    object  219 23 crack 23 faulty_imprint 22 poke 21 scratch 23 squeeze 20
carpet     texture 280 28 color 19 cut 17 hole 17 metal_contamination 17 thread 19
grid       texture 264 21 bent 12 broken 12 glue 11 metal_contamination 11 thread 11
hazelnut   object  391 40 crack 18 cut 17 hole 18 print 17
leather    texture 245 32 color 19 cut 19 fold 17 glue 19 poke 18
metal_nut  object  220 22 bent 25 color 22 flip 23 scratch 23
pill       object  267 26 color 25 combined 17 contamination 21 crack 26 faulty_imprint 19 \
                          pill_type 9 scratch 24
screw      object  320 41 manipulated_front 24 scratch_head 24 scratch_neck 25 thread_side 23 \
                          thread_top 23
tile       texture 230 33 crack 17 glue_strip 18 gray_stroke 16 oil 18 rough 15
toothbrush object   60 12 defective 30
transistor object  213 60 bent_lead 10 cut_lead 10 damaged_case 10 misplaced 10
wood       texture 247 19 color 8 combined 11 hole 10 liquid 10 scratch 21
zipper     object  240 32 broken_teeth 19 combined 16 fabric_border 17 fabric_interior 16 \
                          rough 17 split_teeth 18 squeezed_teeth 16
"""


@dataclass(frozen=True)
class Official:
    """The published counts of one category."""

    kind: str  # "object" or "texture"
    train: int
    test_good: int
    defects: dict[str, int]  # images, and masks, of each type of defect

    @property
    def counts(self) -> dict[str, int]:
        """Images in each folder."""
        tests = {f"test/{defect_type}": count for defect_type, count in self.defects.items()}
        return {"train/good": self.train, "test/good": self.test_good, **tests}


def _official(kind: str, train: str, test_good: str, *defects: str) -> Official:
    pairs = zip(defects[::2], map(int, defects[1::2]), strict=True)
    return Official(kind, int(train), int(test_good), dict(pairs))


OFFICIAL: dict[str, Official] = {
    category: _official(*facts)
    for category, *facts in (line.split() for line in TABLE.strip().splitlines())
}


def compare_with_official(category: str, samples: Iterable[Sample]) -> list[str]:
    """Each difference from the published counts in a sentence; an empty list if there is none."""
    if category not in OFFICIAL:
        return [f"'{category}' is not one of the {len(OFFICIAL)} categories of MVTec AD."]
    expected, found = OFFICIAL[category].counts, count_folders(samples)
    return [
        f"{folder}: {found.get(folder, 0)} images here, {expected.get(folder, 0)} in MVTec AD."
        for folder in {**expected, **found}
        if found.get(folder, 0) != expected.get(folder, 0)
    ]


def first_difference(folder: Path) -> str:
    """The first difference of a category's folder from the official images and masks, or ''."""
    try:
        samples = load_samples(folder)
    except CourseError as error:
        return str(error).rstrip(".")
    masks = Counter(sample.defect_type for sample in samples if sample.mask_path)
    differences = compare_with_official(folder.name, samples) + [
        f"ground_truth/{defect_type}: {masks[defect_type]} masks here, {count} in MVTec AD."
        for defect_type, count in OFFICIAL[folder.name].defects.items()
        if masks[defect_type] != count
    ]
    return differences[0].rstrip(".") if differences else ""


class Archive(NamedTuple):
    """An archive of categories, as its makers offer it."""

    name: str
    size: int  # bytes
    sha256: str
    url: str
    categories: tuple[str, ...]


BOTTLE = Archive(
    "bottle.tar.xz",
    155_880_244,
    "726512129cb3b1f47d4f6cd7c7fc9170db7fc209132249c788fec06029cb5dc3",
    "https://www.mydrive.ch/shares/150452/132a93367fb17cdf968dfb5c4013f6e7/download/"
    "420937370-1629958698/bottle.tar.xz",
    ("bottle",),
)
FULL = Archive(
    "mvtec_anomaly_detection.tar.xz",
    5_264_982_680,
    "cf4313b13603bec67abb49ca959488f7eedce2a9f7795ec54446c649ac98cd3d",
    "https://www.mydrive.ch/shares/150996/b52ecdcbf521176e9db9c731f2304b27/download/"
    "420938113-1629960298/mvtec_anomaly_detection.tar.xz",
    tuple(OFFICIAL),
)
ARCHIVES = (BOTTLE, FULL)  # the smaller one first
