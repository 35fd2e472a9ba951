"""Pictures in place of explorers, and lists in place of quizzes, where no kernel runs."""

from copy import deepcopy

from nbformat import NotebookNode
from nbformat.v4 import new_output

from course_ae.classroom.browser import WIDGET
from course_ae.classroom.figures import plain


def still(notebook: NotebookNode) -> NotebookNode:
    """A copy in which each explorer is a picture with a caption, and each quiz a list."""
    notebook = deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [shown for output in cell.outputs for shown in _still(output)]
    return notebook


def _still(output: NotebookNode) -> list[NotebookNode]:
    data = output.get("data", {})
    if WIDGET not in data:
        return [output]
    if "image/png" in data:
        said = data["text/plain"]
        picture = {"image/png": data["image/png"], "text/plain": said}
        caption = {"text/markdown": f"**Figure.** {plain(said)}"}
        return [
            new_output("display_data", picture, metadata=output.metadata),
            new_output("display_data", caption),
        ]
    text = data.get("text/markdown")
    return [new_output("display_data", {"text/markdown": text})] if text else []
