"""What all explorers share: a view that redraws only what moves, and controls over it."""

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from io import BytesIO
from typing import Any

import ipywidgets as w
import numpy as np
from matplotlib.artist import Artist
from PIL import Image

from course_ae.classroom.browser import WIDGET, Keys, Picture
from course_ae.classroom.figures import literal, new_figure

LABELLED = {"description_width": "initial"}  # a label as wide as its words


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
        self.view, self.controls, self.waiting = view, controls, False
        self.sentence, self.picture = w.HTML(), Picture()
        lines = rows or [list(controls.values())]
        boxes = [w.HBox(list(line), layout=w.Layout(flex_flow="row wrap")) for line in lines]
        super().__init__([*boxes, self.sentence, self.picture, Keys()])
        for control in controls.values():
            control.observe(self.update, names="value")
        self.update()

    def update(self, _change: Any = None) -> None:
        """Moves the view to where the controls are."""
        if self.waiting:
            return
        said = self.view.at(**{name: control.value for name, control in self.controls.items()})
        self.sentence.value = f"<div role='status'><b>{escape(said)}</b></div>"  # first: it is fast
        self.picture.alt, self.picture.png = said, self.view.picture()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Several controls change inside; the view moves once, after all of them."""
        self.waiting = True
        try:
            yield
        finally:
            self.waiting = False
        self.update()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle = super()._repr_mimebundle_(**kwargs)
        still = base64.b64encode(self.picture.png).decode()
        data = {WIDGET: bundle[WIDGET], "image/png": still, "text/plain": self.picture.alt}
        return data, {"image/png": {"alt": self.picture.alt}}


def choice(options: Sequence[Any], label: str, value: Any = None) -> w.Dropdown:
    """A list to choose one thing from, the first unless a value is given."""
    listed = w.Dropdown(options=options, description=label, style=LABELLED)
    if value is not None:
        listed.value = value
    return listed


def image_choice(names: Sequence[str]) -> w.Dropdown:
    """A list of images; its value is the number of the one that is chosen."""
    return choice([(name, i) for i, name in enumerate(names)], "image")


def slider(low: float, high: float, value: float, label: str, step: float = 1) -> w.Widget:
    """A slider with its number beside it, of whole numbers if all of its own are."""
    whole = all(isinstance(number, int) for number in (low, high, value, step))
    return (w.IntSlider if whole else w.FloatSlider)(
        value=value, min=low, max=high, step=step, description=label, style=LABELLED,
        layout=w.Layout(width="20em"),
    )  # fmt: skip


def short(name: str) -> str:
    """A test image's defect type and number, for example 'crack/003'."""
    return name.removeprefix("test/").rpartition(".")[0]
