"""A run's detector in one ONNX file: from pixels to the verdict, without this package or torch."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import course_ae
from course_ae.command.predict import Detector, load_detector
from course_ae.experiment.run_folder import read_json
from course_ae.preprocessing import IMAGE_SIZE
from course_ae.support.errors import CourseError
from course_ae.support.files import replace_file

OPSET = 18
GRAY_WEIGHTS = (19595, 38470, 7471)  # Pillow's, of 65536: 0.299, 0.587 and 0.114
FINE = 2**22  # Pillow's weights are whole numbers of this part
OUTPUTS = ("score", "defective", "another_product", "map", "reconstruction")


class Preprocessing(nn.Module):
    """`preprocessing.to_gray` and `resize` in whole numbers, so that no pixel differs.

    Pillow resizes rows first and columns then, and rounds to whole gray levels after each.
    """

    def forward(self, image: Tensor) -> Tensor:
        """A colour image uint8 (H, W, 3) to float32 (1, 1, 227, 227) in [0, 1]."""
        weights = torch.tensor(GRAY_WEIGHTS, dtype=torch.float64)
        gray = ((image.double() * weights).sum(dim=2) + 2**15).div(2**16).floor()  # (H, W)
        narrow = _rounded(gray @ _resizing(image.shape[1]).T)  # (H, 227)
        small = _rounded(_resizing(image.shape[0]) @ narrow)  # (227, 227)
        return (small.float() / 255)[None, None]


def _resizing(size: int) -> Tensor:
    """The weights of `size` pixels in each of 227, (227, size): a triangle over what it covers."""
    pixels = torch.arange(size).double() + 0.5
    scale = (
        pixels[-1] + 0.5
    ) / IMAGE_SIZE  # from a tensor: the exporter divides bare numbers coarsely
    centres = (torch.arange(IMAGE_SIZE).double() + 0.5) * scale
    reach = scale.clamp(min=1)
    weights = (1 - (pixels - centres[:, None]).abs() / reach).clamp(min=0)
    return (weights / weights.sum(dim=1, keepdim=True) * FINE + 0.5).floor()


def _rounded(sums: Tensor) -> Tensor:
    """Weighted sums of gray levels, in units of 1 / `FINE`, to the nearest whole level."""
    return (sums / FINE + 0.5).floor().clamp(0, 255)


class Exported(nn.Module):
    """A detector that begins with an image's pixels."""

    def __init__(self, detector: Detector):
        super().__init__()
        self.preprocessing, self.network = Preprocessing(), detector.model
        self.detector = detector

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """uint8 (H, W, 3) to `OUTPUTS`: a number (), two bool (), two pictures (227, 227)."""
        x = self.preprocessing(image)
        x_hat, maps, scores = self.detector.judge(x, self.network(x))
        defective, another = scores > self.detector.threshold, self.detector.is_another(maps)
        return scores[0], defective[0], another[0], maps[0], x_hat[0, 0]


def export(run: Path, file: Path, score_name: str = "") -> None:
    """Writes the detector of a finished run as an ONNX file, with its facts as metadata.

    Args:
        run: the run folder.
        file: where to; it must not exist.
        score_name: 'normalised' (lesson 08), 'l2' or 'ssim'; '' takes the first that the run has.

    Raises:
        CourseError: if the run is not finished, the file is there already, or a package is missing.
    """
    if file.exists():
        raise CourseError(f"'{file}' is there already; choose another name.")
    detector = load_detector(run, score_name)
    detector.model.cpu().eval()
    try:
        import onnx
        import onnxscript  # noqa: F401, torch's exporter needs it
    except ImportError as error:
        raise CourseError(
            f"The package {error.name} is missing; install what export needs with: "
            "pip install 'course-ae[export]'"
        ) from error
    example = torch.zeros(300, 400, 3, dtype=torch.uint8)
    any_size = dict.fromkeys(range(2), torch.export.Dim.DYNAMIC)  # H and W
    exported = Exported(detector).eval()
    with torch.no_grad():
        exported(example)  # what it keeps from call to call must be there before it is traced
        program = torch.onnx.export(
            exported, (example,), dynamo=True, opset_version=OPSET, verbose=False,
            dynamic_shapes=(any_size,), input_names=["image"], output_names=list(OUTPUTS),
        )  # fmt: skip
    model = program.model_proto
    onnx.helper.set_model_props(model, facts(run, detector))
    with replace_file(file) as part:
        part.write_bytes(model.SerializeToString())


def facts(run: Path, detector: Detector) -> dict[str, str]:
    """What the file tells about itself, as ONNX metadata: text by name."""
    summary: dict[str, Any] = read_json(run / "summary.json")
    found = summary["scores"][detector.score_name]
    settings = summary["settings"]
    return {
        "made_by": f"course_ae {course_ae.__version__}",
        "category": str(settings["category"]),
        "score": detector.score_name,
        "threshold": repr(detector.threshold),
        "verdict": "defective where score > threshold",
        "map": "227 x 227, the higher the more unusual; another product where more than half of it "
        "lies above the threshold",
        "input": "image: uint8 (height, width, 3), red, green and blue, any size",
        "settings": json.dumps(settings),
        "figures": json.dumps({k: found[k] for k in ("auroc", "f_normal", "test") if k in found}),
    }
