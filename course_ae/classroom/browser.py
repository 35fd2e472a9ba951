"""What of the explorers and quizzes runs in the browser; its code is picture.js and keys.js."""

from pathlib import Path

import anywidget
import traitlets

WIDGET = "application/vnd.jupyter.widget-view+json"  # an output that only a kernel can fill


class Picture(anywidget.AnyWidget):
    """An image with a text for those who cannot see it, which tells where it is clicked."""

    _esm = Path(__file__).with_name("picture.js")
    png = traitlets.Bytes().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    clicked = traitlets.List().tag(sync=True)  # x and y from the lower left corner, 0 to 1


class Keys(anywidget.AnyWidget):
    """Nothing to see: gives the keyboard to the box that holds it, and names its sliders.

    JupyterLab takes letters and arrows for its own commands wherever no text is typed, so without
    this an arrow on a list would leave the cell. And ipywidgets' sliders do not tell a screen
    reader what they are for.
    """

    _esm = Path(__file__).with_name("keys.js")
