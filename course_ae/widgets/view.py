"""What all explorers share: a view that redraws only what moves, and controls over it."""

import base64
from collections.abc import Sequence
from html import escape
from io import BytesIO
from typing import Any

import anywidget
import ipywidgets as w
import numpy as np
import traitlets
from matplotlib.artist import Artist
from PIL import Image

from course_ae.figures import literal, new_figure
from course_ae.lessons import WIDGET


class View:
    """A figure that is drawn once, of which `at` moves some artists.

    Subclasses draw in their constructor, name what moves with `moves`, and define
    `at(**values) -> str`: it moves them and returns what is seen in a sentence.

    Args:
        width: of the figure, in inches.
        height: of the figure, in inches.
    """

    def __init__(self, width: float, height: float):
        self.figure = new_figure(width, height)
        self.moving: list[Artist] = []
        self._still: Any = None

    def moves(self, *artists: Artist) -> None:
        """These artists are left out of the still part and drawn anew for each picture."""
        for artist in artists:
            artist.set_animated(True)
        self.moving += artists

    def at(self, **values: Any) -> str:
        """Moves the figure to the controls' values, and says what is seen."""
        raise NotImplementedError

    def picture(self) -> bytes:
        """The figure as it stands, as a PNG file."""
        canvas = self.figure.canvas
        if self._still is None:
            literal(self.figure)
            canvas.draw()
            self._still = canvas.copy_from_bbox(self.figure.bbox)
        canvas.restore_region(self._still)
        for artist in self.moving:
            self.figure.draw_artist(artist)
        buffer = BytesIO()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3]
        Image.fromarray(pixels).save(buffer, "png", compress_level=1)  # fast before small
        return buffer.getvalue()


class Picture(anywidget.AnyWidget):
    """An image with a text for those who cannot see it, which tells where it is clicked."""

    _esm = """
    export default {
      render({ model, el }) {
        const image = document.createElement("img");
        image.style.maxWidth = "100%";
        image.style.background = "white";
        let shown;
        const draw = () => {  // the browser keeps the old picture until the new one is decoded
          const next = URL.createObjectURL(new Blob([model.get("png")], { type: "image/png" }));
          image.onload = () => { if (shown) URL.revokeObjectURL(shown); shown = next; };
          image.src = next;
          image.alt = model.get("alt");
        };
        image.onclick = (event) => {
          const box = image.getBoundingClientRect();
          const x = (event.clientX - box.left) / box.width;
          const y = 1 - (event.clientY - box.top) / box.height;
          model.set("clicked", [x, y]);
          model.save_changes();
        };
        model.on("change:png", draw);
        draw();
        el.appendChild(image);
      },
    };
    """
    png = traitlets.Bytes().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    clicked = traitlets.List().tag(sync=True)  # x and y from the lower left corner, 0 to 1


class Keys(anywidget.AnyWidget):
    """Nothing to see: gives the keyboard to the box that holds it, and names its sliders.

    JupyterLab takes letters and arrows for its own commands wherever no text is typed, so without
    this an arrow on a list would leave the cell. And ipywidgets' sliders do not tell a screen
    reader what they are for.
    """

    _esm = """
    export default {
      render({ el }) {
        el.style.display = "none";
        const name = (root) => {
          for (const control of root.querySelectorAll("select, input, button, .noUi-handle")) {
            control.setAttribute("data-lm-suppress-shortcuts", "true");
          }
          for (const handle of root.querySelectorAll(".noUi-handle")) {
            const label = handle.closest(".widget-inline-hbox")?.querySelector("label");
            if (label) handle.setAttribute("aria-label", label.textContent);
          }
        };
        const find = () => {
          const root = el.closest(".widget-vbox");
          if (!root) return setTimeout(find, 50);  // not yet in the page
          name(root);
          new MutationObserver(() => name(root)).observe(root, { childList: true, subtree: true });
        };
        find();
      },
    };
    """


class Explorer(w.VBox):
    """Controls, a sentence and a picture; where no kernel runs, the sentence and the picture.

    Args:
        view: what to show.
        controls: a widget for each argument of `view.at`.
        rows: how to lay the controls out; in one row if left out.
    """

    def __init__(
        self, view: View, controls: dict[str, w.Widget], rows: Sequence[Sequence[w.Widget]] = ()
    ):
        self.view, self.controls = view, controls
        self.sentence, self.picture = w.HTML(), Picture()
        lines = rows or [list(controls.values())]
        boxes = [w.HBox(list(line), layout=w.Layout(flex_flow="row wrap")) for line in lines]
        super().__init__([*boxes, self.sentence, self.picture, Keys()])
        for control in controls.values():
            control.observe(self.update, names="value")
        self.update()

    def update(self, _change: Any = None) -> None:
        """Moves the view to where the controls are."""
        said = self.view.at(**{name: control.value for name, control in self.controls.items()})
        self.sentence.value = f"<div role='status'><b>{escape(said)}</b></div>"  # first: it is fast
        self.picture.alt, self.picture.png = said, self.view.picture()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle = super()._repr_mimebundle_(**kwargs)
        still = base64.b64encode(self.picture.png).decode()
        data = {WIDGET: bundle[WIDGET], "image/png": still, "text/plain": self.picture.alt}
        return data, {"image/png": {"alt": self.picture.alt}}


def choice(options: Any, label: str, value: Any = None) -> w.Dropdown:
    """A list to choose one thing from."""
    listed = w.Dropdown(options=options, description=label, style={"description_width": "initial"})
    if value is not None:
        listed.value = value
    return listed


def slider(low: float, high: float, value: float, label: str, step: float = 1) -> w.Widget:
    """A slider with its number beside it, of whole numbers if all of its own are."""
    whole = all(isinstance(number, int) for number in (low, high, value, step))
    kind = w.IntSlider if whole else w.FloatSlider
    return kind(
        value=value, min=low, max=high, step=step, description=label,
        style={"description_width": "initial"}, layout=w.Layout(width="20em"),
    )  # fmt: skip
