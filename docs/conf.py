"""The lessons as a site: `python -m sphinx -W -b html docs build/site`, see CONTRIBUTING.md.

Its pages are those of this folder and of `notebooks`, as committed: nothing is executed. They fetch
nothing: formulas are MathML, and what the theme needs is copied into the site.
"""

import json
import shutil
import tomllib
from html import escape
from pathlib import Path

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.application import Sphinx
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[1]
FACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = FACTS["urls"]["Repository"]
PAGES = ("docs/*.md", "notebooks/*.md", "notebooks/*.png", "notebooks/[0-9][0-9]_*.ipynb")
FORMULAS = LatexToMathML(fancy_error=False)

project = "Find the broken bottle"
html_title = project
language = "en"
extensions = ["myst_nb"]
nb_execution_mode = "off"
nb_ipywidgets_js = {}  # explorers are pictures here
nb_render_markdown_format = "myst"  # what lessons print may hold tables and formulas
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
suppress_warnings = ["myst.header"]  # the terms of the glossary are small headings
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"
html_theme = "sphinx_book_theme"
html_theme_options = {
    "repository_url": REPOSITORY,
    "repository_branch": "main",
    "path_to_docs": "notebooks",
    "use_repository_button": True,
    "launch_buttons": {
        "colab_url": "https://colab.research.google.com",
        "binderhub_url": "https://mybinder.org",
        "notebook_interface": "jupyterlab",
    },
    "navbar_persistent": [],  # the search has its place at the side
    "footer_content_items": "",
    "show_navbar_depth": 1,
    "show_toc_level": 2,
}
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system has it
html_show_copyright = False
html_use_index = False


def gather(app: Sphinx) -> None:
    """Copies the pages of both folders into one, from which Sphinx reads."""
    folder = Path(app.doctreedir) / "pages"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for pattern in PAGES:
        for path in ROOT.glob(pattern):
            shutil.copy2(path, folder)  # with its time, so that only changed pages are made again
    app.srcdir = folder


def adapt(app: Sphinx, page: str, source: list[str]) -> None:
    """Sends links out of the site to the repository, folds solutions, leaves out what installs."""
    text = source[0].replace("](../notebooks/", "](").replace("](../", f"]({REPOSITORY}/blob/main/")
    if app.env.doc2path(page).suffix == ".ipynb":
        notebook = json.loads(text)
        for cell in notebook["cells"]:
            tags = cell["metadata"].get("tags", [])
            if "install" in tags:
                tags.append("remove-cell")
            if "solution" in tags:
                tags.append("hide-cell")
                cell["metadata"]["mystnb"] = {
                    "code_prompt_show": "Show the solution",
                    "code_prompt_hide": "Hide the solution",
                }
        text = json.dumps(notebook)
    source[0] = text


def describe(app: Sphinx, page: nodes.document) -> None:
    """Gives the pictures of a lesson the texts for those who cannot see them."""
    path = Path(app.env.doc2path(app.env.docname))
    if path.suffix != ".ipynb":
        return
    texts = [
        output["metadata"].get("image/png", {}).get("alt", "")
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    pictures = [p for p in page.findall(nodes.image) if "jupyter_execute" in p["uri"]]
    for picture, text in zip(pictures, texts, strict=True):
        picture["alt"] = text


def formula(writer: nodes.NodeVisitor, node: nodes.math | nodes.math_block) -> None:
    """Writes a formula as MathML, which browsers typeset themselves."""
    display = isinstance(node, nodes.math_block)
    try:
        typeset = FORMULAS.convert_with_local_state(node.astext(), displaystyle=display)
    except LatexError as error:
        logging.getLogger(__name__).warning("%s: %s", error, node.astext(), location=node)
        typeset = escape(node.astext())
    writer.body.append(f'<div class="formula">{typeset}</div>' if display else typeset)
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Called by Sphinx before it looks for pages."""
    gather(app)
    app.connect("source-read", adapt)
    app.connect("doctree-read", describe)
    app.add_html_math_renderer("mathml", (formula, None), (formula, None))
