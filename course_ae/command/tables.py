"""The tables of results, as text: of one run for the terminal, of several in Markdown."""

from typing import Any

from course_ae.baselines import PCA_SIZE
from course_ae.experiment.evaluation import SCORE_NAMES, Row
from course_ae.experiment.recorded import LOSS_NAMES, spread

HEADER = ("score", "AUROC", "AU-PRO", "F", "mean F (5-95 %)", "alarms", "missed")
COMPARED = ("detector", "AUROC", "pixel AUROC", "AU-PRO", "mean F, 1000 splits", "F, one split")
SLIDES = {"slides, L2": 0.78, "slides, SSIM": 0.57}
NOTE = (
    "AUROC: over all test images, without a threshold. AU-PRO: over all pixels, where there are "
    "masks. F (the normal class counts), false alarms and missed defects: in the test part, with "
    "the threshold found on the calibration part. Mean F and its 5-95 % range: over many random "
    "splits into these two parts. Normalised: the score of lesson 08, whose network was trained "
    "to denoise. Mean image: the baseline that needs no network. PCA: the best linear "
    f"autoencoder, with {PCA_SIZE} numbers at most."
)


def result_table(rows: list[Row]) -> list[tuple[str, ...]]:
    """Header and rows of the result as text: each score, each baseline, the slides' numbers."""
    slides = [(name, "", "", f"{f:.2f}", "", "", "") for name, f in SLIDES.items()]
    return [HEADER, *map(_result, rows), *slides]


def _result(row: Row) -> tuple[str, ...]:
    test = row.test
    return (
        row.detector,
        f"{row.auroc:.3f}",
        "" if row.au_pro is None else f"{row.au_pro:.3f}",
        f"{row.f_normal:.3f}",
        "{:.2f} ({:.2f}-{:.2f})".format(*row.f_splits) if row.f_splits else "",
        f"{test.fp}/{test.fp + test.tn}" if test else "",
        f"{test.fn}/{test.fn + test.tp}" if test else "",
    )


def comparison_table(runs: list[tuple[dict[str, Any], list[Row]]]) -> str:
    """A Markdown table of one or more runs: the mean over those that differ only in their seed.

    Of several, the lowest and the highest value stand in brackets. What needs no network is the
    same whatever the networks were trained with, and stands once, below them.

    Args:
        runs: settings and detectors of each run, as `evaluation.read_rows` has them.
    """
    groups: dict[tuple[str, bool, str, str], dict[tuple[Any, Row], None]] = {}
    for settings, rows in runs:
        product = f"{settings.get('category')}{', drawn' if settings.get('drawn') else ''}"
        about = f"{product}, {settings.get('profile')}"
        loss = LOSS_NAMES.get(settings.get("loss"))
        for row in rows:
            below = row.detector not in SCORE_NAMES.values()  # it needs no network
            words = f", trained with {loss}" if loss and row.detector in ("L2", "SSIM") else ""
            differs = ("seed", "loss") if below else ("seed",)
            same = repr(sorted(item for item in settings.items() if item[0] not in differs))
            group = groups.setdefault((about, below, f"{about}{words}: {row.detector}", same), {})
            group[settings.get("seed"), row] = None  # what several runs agree on counts once
    lines = [COMPARED, ("---",) * len(COMPARED)]
    for (_, _, name, _), found in sorted(groups.items(), key=lambda item: item[0][:2]):
        columns = zip(*(_compared(row) for _, row in found), strict=True)
        lines.append((name, *map(spread, columns)))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _compared(row: Row) -> tuple[float | None, ...]:
    mean = row.f_splits[0] if row.f_splits else row.f_normal
    return row.auroc, row.pixel_auroc, row.au_pro, mean, row.f_normal


def plain_table(rows: list[tuple[str, ...]]) -> str:
    """Rows in aligned columns, in ASCII, the first column to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows]
    lines = ["  ".join(row).rstrip() for row in cells]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])
