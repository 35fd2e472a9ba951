"""The report of a run: executed lessons as web pages, and an index that begins with the result.

The pages load nothing from the net and name no folder of this machine, so they can be passed on.
"""

import base64
import re
from copy import deepcopy
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from course_ae.config import CourseError
from course_ae.files import write_text
from course_ae.lessons import executed, still
from course_ae.runs import Run, damaged, read_json, read_summary
from course_ae.story import story
from course_ae.training import LEAST_DEPENDENCE

HEADER = ("score", "AUROC", "AU-PRO", "F", "mean F (5-95 %)", "alarms", "missed")
ROWS = {  # where in summary.json, and what to call it
    ("scores", "l2"): "L2",
    ("scores", "ssim"): "SSIM",
    ("scores", "best"): "lesson 07",
    ("baselines", "all_normal"): "all called normal",
    ("baselines", "mean_image_l2"): "mean image, L2",
    ("baselines", "mean_image_ssim"): "mean image, SSIM",
    ("baselines", "mean_image_best"): "mean image, 07",
}
SLIDES = {"slides, L2": 0.78, "slides, SSIM": 0.57}
NOTE = (
    "AUROC: over all test images, without a threshold. AU-PRO: over all pixels, where there are "
    "masks. F (the normal class counts), false alarms and missed defects: in the test part, with "
    "the threshold found on the validation part. Mean F and its 5-95 % range: over many random "
    "splits into these two parts. Lesson 07: trained to repair, map normalised. Mean image: the "
    "baseline that needs no network."
)
# What a page may do: show what is in it. Nothing is fetched, and no script runs, whoever wrote it.
POLICY = (
    "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; "
    "form-action 'none'; base-uri 'none'"
)
META = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
# nbconvert's page, without the scripts it would fetch, and fit for a phone.
# The text of a picture for those who cannot see it is in its output's metadata.
BLOCKS = """{% block data_png scoped %}
<div class="jp-RenderedImage jp-OutputArea-output">
<img src="data:image/png;base64,{{ output.data['image/png'] | escape_html }}"
 alt="{{ (output | get_metadata('alt', 'image/png') or '') | escape_html }}">
</div>
{% endblock data_png %}
"""
TEMPLATE = (
    """{% extends 'lab/index.html.j2' %}
{% block html_head_js %}"""
    + META
    + """{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block html_head_css %}<style>
main { max-width: 60em; margin: auto; }
img { max-width: 100%; height: auto; }
.jp-RenderedHTMLCommon, .jp-OutputArea-output, .jp-InputArea-editor { overflow-x: auto; }
.highlight pre { font-family: monospace; }
@media (max-width: 40em) { .jp-InputPrompt, .jp-OutputPrompt { display: none !important; } }
</style>{% endblock %}
"""
    + BLOCKS
)
STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; --link: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --link: #56b4e9; } }
body { max-width: 60em; margin: auto; padding: 1em; line-height: 1.5; font-family: sans-serif; }
a { color: var(--link); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3em .5em; border-bottom: 1px solid var(--line); text-align: right; }
th, td { white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead { background: var(--soft); }
img { max-width: 100%; height: auto; background: white; }
.story { display: grid; gap: .6em; grid-template-columns: repeat(auto-fit, minmax(10.5em, 1fr)); }
.story figure { margin: 0; font-size: .85em; } .story img { width: 100%; }
dt { font-weight: bold; } dd { margin: 0 0 .5em; }
"""


def result_table(summary: dict[str, Any]) -> list[tuple[str, ...]]:
    """Header and rows of the result as text: each score, each baseline, the slides' numbers."""
    pixel = summary.get("metrics", {}).get("pixel", {})
    found = [
        (name, {"pixel": pixel.get(key), **summary[group][key]})
        for (group, key), name in ROWS.items()
        if key in summary.get(group, {})
    ]
    blank = ("",) * (len(HEADER) - 4)
    return [
        HEADER,
        *((name, *_judged(result)) for name, result in found),
        *((name, "", "", f"{f:.2f}", *blank) for name, f in SLIDES.items()),
    ]


def _judged(result: dict[str, Any]) -> tuple[str, ...]:
    area = f"{result['pixel']['au_pro']:.3f}" if result.get("pixel") else ""
    rates = f"{result['auroc']:.3f}", area, f"{result['f_normal']:.3f}"
    if "test" not in result:
        return *rates, *("",) * (len(HEADER) - 4)
    splits, test = result["f_normal_splits"], result["test"]
    return (
        *rates,
        "{mean:.2f} ({p05:.2f}-{p95:.2f})".format(**splits),
        f"{test['fp']} of {test['fp'] + test['tn']}",
        f"{test['fn']} of {test['fn'] + test['tp']}",
    )


def comparison_table(summaries: list[dict[str, Any]]) -> str:
    """A Markdown table of one or more runs: the mean over those that differ only in their seed.

    Of several, the lowest and the highest value stand in brackets.
    """
    header = ("detector", "AUROC", "pixel AUROC", "AU-PRO", "mean F, 1000 splits", "F, one split")
    groups: dict[tuple, list[tuple[float | None, ...]]] = {}  # by name and settings but the seed
    for summary in summaries:
        s = summary["settings"]
        about = f"{s['category']}, {s['profile']}"
        same = tuple(sorted((k, v) for k, v in s.items() if k != "seed"))
        pixel = summary["metrics"]["pixel"]
        for (group, key), name in ROWS.items():
            if key in summary[group]:
                row = {"pixel": pixel.get(key), **summary[group][key]}
                groups.setdefault((f"{about}: {name}", same), []).append(_figures(row))
    lines = [header, ("---",) * len(header)]
    for (name, _), runs in groups.items():
        lines.append((name, *(_spread(column) for column in zip(*runs, strict=True))))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figures(result: dict[str, Any]) -> tuple[float | None, ...]:
    pixel = result.get("pixel") or {}
    splits = result.get("f_normal_splits", {"mean": result["f_normal"]})
    return (
        result["auroc"], pixel.get("auroc"), pixel.get("au_pro"), splits["mean"], result["f_normal"]
    )  # fmt: skip


def _spread(values: tuple[float | None, ...]) -> str:
    if None in values:
        return ""
    mean = f"{sum(values) / len(values):.3f}"
    if max(values) == min(values):
        return mean
    return f"{mean} ({min(values):.3f} to {max(values):.3f})"


def plain_table(rows: list[tuple[str, ...]]) -> str:
    """Rows in aligned columns, in ASCII, the first column to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows]
    lines = ["  ".join(row).rstrip() for row in cells]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def write_report(run: Run) -> Path:
    """Writes `report/index.html` and a page for each executed lesson, and returns the former.

    Raises:
        CourseError: if a file cannot be read or written.
    """
    report, lessons = run.folder / "report", []
    for path in executed(run.folder):
        try:
            notebook = nbformat.read(path, as_version=4)
        except (OSError, ValueError) as error:
            raise CourseError(f"'{path}' cannot be read; run the lessons again.") from error
        page = report / f"{path.stem}.html"
        write_text(page, lesson_page(notebook, path.stem))
        facts = notebook.metadata.get("papermill", {})
        lessons.append((page.name, lesson_title(notebook, path.stem), facts))
    index, settings = report / "index.html", read_json(run.folder / "settings.json")
    with damaged(run.folder / "summary.json"):
        page = index_page(settings, read_summary(run), lessons, story(run))
    write_text(index, page)
    return index


def lesson_title(notebook: NotebookNode, name: str) -> str:
    """The lesson's first heading, else its file's name."""
    texts = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heading = re.search(r"^#+ +(.+?) *#*$", "\n".join(texts), re.MULTILINE)
    return heading[1] if heading else name


def lesson_page(notebook: NotebookNode, name: str) -> str:
    """An executed lesson as one HTML file."""
    notebook = without_places(still(notebook))
    notebook.metadata["title"] = lesson_title(notebook, name)
    page, _ = HTMLExporter(raw_template=TEMPLATE).from_notebook_node(notebook)
    return staying(links_to_pages(page))


def staying(page: str) -> str:
    """The page without what would lead a browser on to another address by itself."""
    head, end, body = page.partition("</head>")
    return head + end + re.sub("<meta", "&lt;meta", body, flags=re.IGNORECASE)


def without_places(notebook: NotebookNode) -> NotebookNode:
    """A copy without what names folders of this machine: two parameters, and warnings."""
    notebook = deepcopy(notebook)
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.source = re.sub(r"^(data|run) = .*\n?", "", cell.source, flags=re.MULTILINE)
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    notebook.metadata.pop("widgets", None)
    return notebook


def links_to_pages(page: str) -> str:
    """Links from lesson to lesson lead to their pages instead of to the notebooks."""
    return re.sub(r'(href="(?:\./)?\d\d_[^"/#]*)\.ipynb', r"\1.html", page)


def list_page(title: str, pages: dict[str, str]) -> str:
    """A page with links: the pages' file names and what to call them."""
    items = "".join(
        f'<li><a href="{escape(name)}">{escape(text)}</a></li>\n' for name, text in pages.items()
    )
    return _page(title, f"<ul>{items}</ul>")


def index_page(
    settings: dict[str, Any],
    summary: dict[str, Any],
    lessons: list[tuple[str, str, dict]],
    opening: str = "",
) -> str:
    """The first page: the story, the result, how the training went, and links to the lessons.

    Args:
        settings: the content of settings.json.
        summary: the content of summary.json.
        lessons: file name, title and papermill's facts (duration, end) of each lesson.
        opening: HTML to begin with, from `story`.
    """
    s = settings["settings"]
    date = max((facts.get("end_time") or "" for *_, facts in lessons), default="")[:10]
    told = f"Profile {s['profile']}, seed {s['seed']}, on {settings['device']}, {date}"
    listed = "".join(
        f'<li><a href="{escape(name)}">{escape(title)}</a>, {run.get("duration") or 0:.0f} s</li>\n'
        for name, title, run in lessons
    )
    terms = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>\n"
        for name, text in training_facts(summary).items()
    )
    body = f"""{opening}
<p>{escape(told)}</p>
<h2>Result</h2>
{_html_table(result_table(summary))}
<p>{escape(NOTE)}</p>
<h2>Training</h2>
<dl>{terms}</dl>
<h2>Lessons</h2>
<ul>{listed}</ul>"""
    return _page(f"Anomaly detection on {s['category']}", body)


def write_sweep(
    path: Path, table: list[tuple[str, ...]], picture: bytes | None, failures: list[str]
) -> None:
    """A page with the means of many trainings, a picture of each one, and what failed."""
    body = "<p>Mean and standard deviation over the seeds. Each mark is one training.</p>"
    body += _html_table(table)
    if picture:
        encoded = base64.b64encode(picture).decode()
        alt = "AUROC of each training, by category and loss; the numbers are in the table"
        body += f'<p><img src="data:image/png;base64,{encoded}" alt="{alt}"></p>'
    if failures:
        body += "<h2>Failed</h2><ul>" + "".join(f"<li>{escape(f)}</li>" for f in failures) + "</ul>"
    write_text(path, _page("Sweep", body))


def _html_table(rows: list[tuple[str, ...]]) -> str:
    header, *rows = [[escape(cell) for cell in row] for row in rows]
    head = "".join(f"<th scope='col'>{cell}</th>" for cell in header)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>\n" for row in rows)
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>'
        "</div>"
    )


def _page(title: str, body: str) -> str:
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{META}
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{escape(title)}</h1>
{body}
</body>
</html>
"""


def training_facts(summary: dict[str, Any]) -> dict[str, str]:
    """What is known of the images, the network and its training, name and text."""
    facts = {}
    if "counts" in summary:
        facts["images"] = (
            "{train} good to train ({train_augmented} with flips), {test_good} good and "
            "{test_defective} defective to test"
        ).format(**summary["counts"])
    if "training" in summary:
        t = summary["training"]
        ratio = t["output_std_over_images"] / (t["input_std_over_images"] or 1)
        verdict = ": it draws nearly the same picture each time" if ratio < LEAST_DEPENDENCE else ""
        facts |= {
            "network": f"{summary['parameters']:,} parameters",
            "training": f"{t['epochs']} epochs, weights of epoch {t['best_epoch']}, "
            f"{t['seconds']:.0f} s, {t['images_per_second']:.0f} images a second",
            "loss": f"{t['train_loss']:.4f} in training, {t['val_loss']:.4f} in validation; the "
            f"mean image would have {t['mean_image_loss']:.4f}",
            "output": f"varies {ratio:.2f} times as much over the images as the input{verdict}",
        }
    return facts
