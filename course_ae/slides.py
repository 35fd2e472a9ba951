"""Executed lessons as slides, each one HTML file that needs nothing from the net.

nbconvert divides the cells into slides by their `slideshow` metadata; reveal.js (MIT), which shows
them, lies in the folder `reveal` of this package and is written into each file.
"""

import base64
import hashlib
from importlib.resources import files
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter
from nbformat import NotebookNode

from course_ae.config import CourseError
from course_ae.files import write_text
from course_ae.lessons import executed, lessons, still
from course_ae.report import (
    BLOCKS,
    POLICY,
    lesson_title,
    links_to_pages,
    list_page,
    staying,
    without_places,
)

FOLDED = "hide-input"  # cells with this tag show their code on demand
SCRIPT = """Reveal.initialize({ controls: true, progress: true, hash: true, slideNumber: "c/t",
  transition: "none", width: 1280, height: 760, margin: 0.03, center: false });"""
STYLE = """
:root { --jp-content-font-size1: 22px; --jp-ui-font-size1: 22px; --jp-code-font-size: 17px; }
html, body, main { height: 100%; margin: 0; overflow: hidden; background: white; }
.reveal { font-size: 22px; font-family: sans-serif; text-align: left; }
.reveal .slides { text-align: left; }
.reveal .slides > section, .reveal .slides > section > section { height: 100%; overflow-y: auto; }
.reveal h1 { font-size: 44px; } .reveal h2 { font-size: 34px; } .reveal h3 { font-size: 28px; }
.reveal img { width: min(100%, 1150px); max-height: 470px; object-fit: contain;
  object-position: left; margin: 0; }
.reveal .highlight pre { font-size: 17px; line-height: 1.35; white-space: pre-wrap; }
.reveal a.anchor-link, .reveal .jp-InputPrompt, .reveal .jp-OutputPrompt { display: none; }
.reveal details { color: #444; font-size: 17px; margin: .3em 0; }
.reveal .jp-RenderedHTMLCommon, .reveal .jp-OutputArea-output { overflow-x: auto; }
.reveal table { border-collapse: collapse; font-size: 19px; }
.reveal th, .reveal td { padding: .2em .6em; border-bottom: 1px solid #ccc; text-align: left; }
"""
# The page is our own, since nbconvert's fetches its scripts and styles from the net.
TEMPLATE = (
    """{% extends 'reveal/index.html.j2' %}
{% block header %}<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{{ resources.slides.policy }}">
<title>{{ nb.metadata.title | escape_html }}</title>
{{ resources.include_css("static/index.css") }}
{{ resources.include_css("static/theme-light.css") }}
<style>{{ resources.slides.css }}</style>
</head>
{% endblock header %}
{% block input_group %}
{%- if '"""
    + FOLDED
    + """' in cell.metadata.get('tags', []) -%}
<details><summary>code</summary>{{ super() }}</details>
{%- else %}{{ super() }}{% endif -%}
{% endblock input_group %}
{% block footer %}
<script>{{ resources.slides.js }}</script>
</html>
{% endblock footer %}
"""
    + BLOCKS
)


def slides_page(notebook: NotebookNode, name: str) -> str:
    """An executed lesson as one HTML file.

    Raises:
        CourseError: if the lesson has not been executed.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source]
    if not any(cell.outputs for cell in code):
        raise CourseError(f"Lesson {name} has no outputs; execute it first.")
    notebook = without_places(still(notebook))
    notebook.metadata["title"] = lesson_title(notebook, name)
    reveal = files("course_ae").joinpath("reveal")
    read = {part: reveal.joinpath(part).read_text("utf-8") for part in ("reveal.js", "reveal.css")}
    js = read["reveal.js"] + SCRIPT
    only = base64.b64encode(hashlib.sha256(js.encode()).digest()).decode()  # this script, no other
    policy = f"{POLICY}; script-src 'sha256-{only}'"
    resources = {"slides": {"css": read["reveal.css"] + STYLE, "js": js, "policy": policy}}
    page, _ = SlidesExporter(raw_template=TEMPLATE).from_notebook_node(notebook, resources)
    return staying(links_to_pages(page))


def write_slides(folder: Path, run: Path | None = None) -> Path:
    """Writes the slides of every lesson and a list of them, and returns the list.

    Args:
        folder: where the pages go.
        run: a run folder, whose executed lessons are taken; else those of the course itself, which
            show the sample bottles.

    Raises:
        CourseError: if there is no executed lesson, or a file cannot be read or written.
    """
    paths = executed(run) if run else lessons()
    if not paths:
        raise CourseError(f"There are no executed lessons in '{run}'; give a folder of 'run'.")
    pages, titles = {}, {}
    for path in paths:
        try:
            notebook = nbformat.read(path, as_version=4)
        except (OSError, ValueError) as error:
            raise CourseError(f"'{path}' cannot be read; run the lessons again.") from error
        pages[f"{path.stem}.html"] = slides_page(notebook, path.stem)
        titles[f"{path.stem}.html"] = lesson_title(notebook, path.stem)
    for name, page in pages.items():  # all of them were made before one is written
        write_text(folder / name, page)
    write_text(folder / "index.html", list_page("Slides of the lessons", titles))
    return folder / "index.html"
