"""Lesson 07: one network under two scores, and the four cells that the slides' claims compare."""

from matplotlib.figure import Figure

from course_ae.classroom.diagrams.shapes import DARK, arrow, box, canvas, say
from course_ae.classroom.figures import BLUE, ORANGE


def protocol() -> Figure:
    """From an image to two verdicts: all is the same but for the map."""
    figure, axes = canvas(8.8, 2.5)
    box(axes, 0.15, 0.85, 1.0, 0.8, "image\nx", "gray")
    box(axes, 1.6, 0.85, 1.25, 0.8, "one\nnetwork", "gray")
    box(axes, 3.3, 0.85, 1.45, 0.8, "reconstruction\nx\u0302", "gray")
    arrow(axes, (1.15, 1.25), (1.6, 1.25))
    arrow(axes, (2.85, 1.25), (3.3, 1.25))
    for y, fill, name in ((1.5, "blue", "L2"), (0.2, "orange", "SSIM")):
        middle = y + 0.4
        arrow(axes, (4.75, 1.25), (5.2, middle))
        box(axes, 5.2, y, 1.0, 0.8, f"{name}\nmap", fill)
        arrow(axes, (6.2, middle), (6.5, middle))
        box(axes, 6.5, y, 0.9, 0.8, "mean:\nscore", fill)
        arrow(axes, (7.4, middle), (7.7, middle))
        box(axes, 7.7, y, 1.0, 0.8, "threshold\nof its own", fill)
    return figure


def design() -> Figure:
    """Two losses, two scores, four numbers: each claim is a difference of two of them."""
    figure, axes = canvas(8.6, 3.3)
    say(axes, 3.35, 3.1, "scored with", weight="bold")
    say(axes, 0.65, 1.35, "trained\nwith", weight="bold")
    for column, score in enumerate(("SSIM", "L2")):
        say(axes, 2.55 + 1.6 * column + 0.05, 2.75, score)
        for row, loss in enumerate(("SSIM", "L2")):
            y = 1.65 - 1.35 * row
            say(axes, 1.4, y + 0.4, loss)
            fill = "orange" if score == "SSIM" else "blue"
            box(axes, 2.0 + 1.6 * column, y, 1.2, 0.8, "AUROC", fill)
    for y in (2.05, 0.7):
        arrow(axes, (3.2, y), (3.6, y), color=BLUE, linewidth=2)
    for x in (2.6, 4.2):
        arrow(axes, (x, 1.1), (x, 1.65), color=ORANGE, linewidth=2)
    style = {"ha": "left", "va": "center"}
    say(axes, 5.3, 2.2, "blue arrows, to the right:\nis L2 the better score?\n"
        "(two differences a seed; their mean)", **style)  # fmt: skip
    say(axes, 5.3, 1.15, "orange arrows, upwards:\nis SSIM the better loss?\n"
        "(a difference a seed for each score)", **style)  # fmt: skip
    say(axes, 5.3, 0.3, "same images, same seed, same recipe", color=DARK, **style)
    return figure
