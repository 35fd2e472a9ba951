"""The batch runner and the report, on tiny lessons that the tests write themselves."""

import io
import json
import logging
import os
import re
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_ae import batch, lessons, report, runs
from course_ae.config import CourseError, setting_types

NAMES = list(dict.fromkeys([*runs.PLACES, *setting_types()]))
BARS = r"print('\r 10%\r 50%\r100%')"
LINK = "[next](02_second.ipynb)"


def write_lesson(folder, name, *sources, names=NAMES):
    cell = new_code_cell("\n".join(f"{name} = None" for name in names))
    cell.metadata.tags = ["parameters"]
    heading = new_markdown_cell(f"# {name[:2]} A <small> lesson\n\n{LINK}")
    cells = [heading, cell, *(new_code_cell(source) for source in sources)]
    folder.mkdir(exist_ok=True)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / f"{name}.ipynb")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where a test writes its lessons."""
    folder = tmp_path / "lezioni {x}"
    monkeypatch.setattr(lessons, "lessons_folder", lambda: folder)
    return folder


@pytest.fixture
def run(small_data, tmp_path):
    folder = tmp_path / "è una cartella {data}"
    return runs.open_run(data=str(small_data), run=str(folder))


def files(run):
    return sorted(path.name for path in (run.folder / "notebooks").iterdir())


def test_committed_lessons_take_every_parameter():
    paths = lessons.lessons()
    assert [path.name[:2] for path in paths] == ["01", "02", "03", "04", "05", "06", "07"]
    batch.check_parameters(paths, NAMES)


def test_no_lessons_is_one_sentence(folder):
    with pytest.raises(CourseError, match=r"no lessons in .*lezioni"):
        lessons.lessons()


def test_unknown_parameter_names_the_nearest(folder):
    write_lesson(folder, "01_first")
    with pytest.raises(CourseError, match=r"01_first has no parameter 'epoch'; .*'epochs'\?"):
        batch.check_parameters(lessons.lessons(), ["epoch"])


def test_lessons_run_in_order_and_make_a_report(folder, run, capfd):
    write_lesson(folder, "01_first", "import os, sys\nprint(run, os.getcwd())", BARS)
    write_lesson(folder, "02_second", "sys = __import__('sys')\nprint(run, file=sys.stderr)")
    before, level = dict(os.environ), logging.getLogger("papermill").level
    times = batch.run_lessons(run, {"run": str(run.folder), "epochs": 3})
    shown = capfd.readouterr()
    assert [name for name, _ in times] == ["01_first", "02_second"]
    assert re.fullmatch(r"01 first \.\.\. \d+ s\n02 second \.\.\. \d+ s\n", shown.out)
    # ZeroMQ now and then complains as a kernel ends; that is not the lessons' doing.
    assert [line for line in shown.err.splitlines() if "signaler.cpp" not in line] == []
    assert (dict(os.environ), logging.getLogger("papermill").level) == (before, level)
    assert files(run) == ["01_first.ipynb", "02_second.ipynb"]
    first = nbformat.read(run.folder / "notebooks/01_first.ipynb", as_version=4)
    printed = [out.text for cell in first.cells[2:] for out in cell.get("outputs", [])]
    assert printed == [f"{run.folder} {run.folder}\n", "100%\n"]  # bars are kept as they ended

    index = report.write_report(run)
    pages = {path.name: path.read_text(encoding="utf-8") for path in index.parent.iterdir()}
    assert set(pages) == {"index.html", "01_first.html", "02_second.html"}
    assert "<title>01 A &lt;small&gt; lesson</title>" in pages["01_first.html"]
    assert 'href="02_second.html"' in pages["01_first.html"]
    assert '<a href="01_first.html">01 A &lt;small&gt; lesson</a>' in pages["index.html"]
    assert str(run.folder) not in pages["02_second.html"] + pages["index.html"]
    assert "epochs" in pages["02_second.html"]  # the parameters in use are shown
    for page in pages.values():
        assert '<html lang="en">' in page and "width=device-width" in page
        assert not re.search(r"<(script|link|img|iframe)\b[^>]*http", page)
        assert not re.search(r"url\(.?http|@import", page)


def test_course_error_of_a_lesson_is_passed_on(folder, run):
    text = "from course_ae.config import CourseError\nraise CourseError('Too few images.')"
    write_lesson(folder, "01_first", text)
    with pytest.raises(CourseError, match=r"^Too few images\.$"):
        batch.run_lessons(run, {})
    assert files(run) == []


def test_other_errors_name_lesson_cell_and_what_is_kept(folder, run, capsys):
    write_lesson(folder, "01_first", "1 / 0")
    with pytest.raises(CourseError, match=r"Lesson 01_first failed in cell \[2\] with ZeroDiv"):
        batch.run_lessons(run, {})
    assert capsys.readouterr().out == "01 first ... stopped\n"
    assert files(run) == ["01_first.failed.ipynb"]
    write_lesson(folder, "01_first", "1 / 1")
    batch.run_lessons(run, {})
    assert files(run) == ["01_first.ipynb"]


def test_end_of_a_lessons_python_is_one_sentence(folder, run, capfd):
    write_lesson(folder, "01_first", "import os\nos._exit(1)")
    with pytest.raises(CourseError, match=r"Lesson 01_first was ended by the system"):
        batch.run_lessons(run, {})
    assert capfd.readouterr().err == ""
    assert files(run) == ["01_first.failed.ipynb"]


def test_terminal_sees_bars_and_nothing_else(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "30")
    progress = batch.Progress("04 training")
    progress.write("data: 12 images\n")
    progress.write("\r 5% of a bar\r10% " + "of a very long bar" * 9)
    progress.write("\r100%\nStopped after epoch 3\n")
    progress.end("7 s")
    lines = [line.rstrip() for line in terminal.getvalue().split("\r")]
    assert lines == [
        "04 training ...",
        "04 10% of a very long barof a",
        "04 100%",
        "04 training ... 7 s",
    ]


def test_result_table_is_aligned_ascii_and_escaped_in_html():
    judged = {
        "auroc": 0.91234, "f_normal": 0.6, "threshold": 0.012345,
        "test": {"tn": 3, "fp": 1, "fn": 2, "tp": 7},
        "f_normal_splits": {"mean": 0.5, "p05": 0.25, "p95": 0.75},
    }  # fmt: skip
    baseline = {"auroc": 0.5, "f_normal": 0.4}
    summary = {"scores": {"l2": judged}, "baselines": {"all_normal": baseline}}
    summary["metrics"] = {"pixel": {"l2": {"auroc": 0.9, "au_pro": 0.8123}}}
    rows = report.result_table(summary)
    assert rows[1] == ("L2", "0.912", "0.812", "0.600", "0.50 (0.25-0.75)", "1 of 4", "2 of 9")
    assert rows[2][:4] == ("all called normal", "0.500", "", "0.400")
    assert [row[3] for row in rows[3:]] == ["0.78", "0.57"]  # the slides'
    text = report.plain_table(rows)
    assert text.isascii() and max(map(len, text.splitlines())) < 80
    settings = {"settings": {"category": "<b>", "profile": "quick", "seed": 0}, "device": "cpu"}
    page = report.index_page(json.loads(json.dumps(settings)), summary, [])
    assert "&lt;b&gt;" in page and "<b>" not in page and "prefers-color-scheme" in page


def summary_of(seed, auroc, pixel):
    result = {"auroc": auroc, "f_normal": 0.8, "f_normal_splits": {"mean": 0.75}}
    return {
        "settings": {"category": "bottle", "profile": "best", "seed": seed},
        "scores": {"l2": result},
        "metrics": {"pixel": {"l2": pixel}},
        "baselines": {"all_normal": {"auroc": 0.5, "f_normal": 0.4}},
    }


def test_comparison_table_averages_over_seeds_and_leaves_out_what_is_not_known():
    pixel = {"auroc": 0.9, "au_pro": 0.8}
    table = report.comparison_table([summary_of(0, 0.9, pixel), summary_of(1, 0.94, pixel)])
    header, _, l2, normal = [line.strip("| ").split(" | ") for line in table.splitlines()]
    assert header[:2] == ["detector", "AUROC"]
    assert l2 == ["bottle, best: L2", "0.920 (0.900 to 0.940)", "0.900", "0.800", "0.750", "0.800"]
    assert normal[0] == "bottle, best: all called normal" and normal[1] == "0.500"
    without = report.comparison_table([summary_of(0, 0.9, None)]).splitlines()[2]
    assert "0.800 | 0.750" not in without and without.count("|  |") == 1


def test_comparison_table_keeps_runs_of_other_settings_apart():
    other = summary_of(1, 0.94, None)
    other["settings"]["epochs"] = 5
    rows = report.comparison_table([summary_of(0, 0.9, None), other]).splitlines()
    assert [row.split(" | ")[1] for row in rows if ": L2" in row] == ["0.900", "0.940"]
