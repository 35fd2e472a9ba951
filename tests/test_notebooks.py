"""The lessons: their form, their committed outputs (nbval), and the chain with another seed."""

import ast
import csv
import json
import os
import re
import statistics
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import nbformat
import papermill
import pytest

from course_ae import lessons
from course_ae.config import Settings
from course_ae.runs import PLACES

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
CHECKED = "nbval-check-output"

each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def test_there_are_seven_lessons_numbered_in_order():
    assert [path.name[:2] for path in LESSONS] == ["01", "02", "03", "04", "05", "06", "07"]


@each_lesson
def test_a_lesson_opens_with_its_question_and_closes_with_what_was_learnt(path):
    cells = read(path).cells
    first = cells[0].source
    (last,) = [cell.source for cell in cells if cell.source.startswith("## You now can")]
    assert first.startswith(f"# {path.name[:2]} ")
    for part in ("**The question:", "You will", "Before this:", "Reading", "running"):
        assert part in first
    promised = re.findall(r"^- \*\*(.+?)\*\*", first, re.MULTILINE)
    kept = re.findall(r"^- \*\*(.+?)\*\*", last, re.MULTILINE)
    assert len(promised) == 3
    assert kept == promised
    headings = [cell.source.splitlines()[0] for cell in cells if cell.source.startswith("## ")]
    assert headings[-3:] == ["## You now can", "## Three questions", "## Exercises"]


@each_lesson
def test_the_parameters_are_literals_and_the_same_in_every_lesson(path):
    (cell,) = [cell for cell in code_cells(path) if "parameters" in tags(cell)]
    (model,) = [cell for cell in code_cells(LESSONS[0]) if "parameters" in tags(cell)]
    assert cell.source == model.source
    known = papermill.inspect_notebook(str(path))
    wanted = {field.name for field in fields(Settings)} | set(PLACES)
    assert set(known) == wanted
    assert all(parameter["help"] for parameter in known.values())


@each_lesson
def test_code_cells_are_short_and_define_no_function(path):
    for cell in code_cells(path):
        assert len(cell.source.splitlines()) <= 25, cell.source
        assert not re.search(r"^\s*(def|class)\s", cell.source, re.MULTILINE)
        assert not re.search(r"^\s*[%!]|sys\.exit", cell.source, re.MULTILINE)


@each_lesson
def test_what_is_imported_is_used_but_for_the_hint(path):
    lines = "\n".join(cell.source for cell in code_cells(path)).splitlines()
    names = {}
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name): node.lineno for alias in node.names}
    rest = "\n".join(lines)
    unused = {name for name in names if len(re.findall(rf"\b{name}\b", rest)) < 2}
    assert unused <= {"hint"}


def test_prose_between_cells_is_short():
    cells = [cell for path in LESSONS for cell in read(path).cells[1:-1]]
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    words = {text: count_words(text) for text in texts}
    assert [text for text, count in words.items() if count > 60] == []
    assert statistics.median(map(count_words, texts)) <= 30


def count_words(markdown):
    """Without headings and the targets of links; a piece of code is one word."""
    prose = "\n".join(line for line in markdown.splitlines() if not line.startswith("#"))
    return len(re.sub(r"`[^`]*`", "code", re.sub(r"\]\([^)]*\)", "]", prose)).split())


@each_lesson
def test_a_lesson_was_run_in_order_from_a_fresh_kernel(path):
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))


@each_lesson
def test_outputs_hold_no_error_no_warning_and_no_path_of_a_machine(path):
    text = path.read_text(encoding="utf-8")
    assert len(text) < 1_500_000
    for cell in code_cells(path):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.get("text")
            data = {**output.get("data", {}), "text": output.get("text", "")}
            words = " ".join(str(value) for kind, value in data.items() if "image" not in kind)
            assert not re.search(r"(?<![\w.])(/(home|root|tmp|Users|work)/|[A-Z]:\\)", words)


@each_lesson
def test_a_notebook_file_is_normalised(path):
    notebook = read(path)
    assert notebook.metadata.kernelspec.name == "python3"
    assert not {"widgets", "papermill"} & set(notebook.metadata)
    assert not any("execution" in cell.metadata for cell in notebook.cells)


@each_lesson
def test_every_figure_has_a_caption(path):
    for cell in code_cells(path):
        kinds = [set(output.get("data", {})) for output in cell.outputs]
        for i, kind in enumerate(kinds):
            if "image/png" in kind:
                caption = cell.outputs[i + 1]["data"]["text/markdown"]
                assert "".join(caption).startswith("**Figure.** ")


@each_lesson
def test_links_between_lessons_resolve(path):
    for cell in read(path).cells:
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", cell.source):
            assert (path.parent / target).is_file(), target


# Numbers that are no results: the slides', settings, limits of a measure, an example.
FIXED = {
    "0.78", "0.57", "0.389", "1e-4", "0.5", "0.95", "1.5", "0.8", "1.0", "0.3", "0.1", "0.15",
}  # fmt: skip


@pytest.mark.parametrize("path", LESSONS[3:], ids=lambda path: path.stem)
def test_results_are_never_typed_into_the_prose(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown" and "xercise" not in cell.source[:12]:
            typed = set(re.findall(r"(?<![\w.])\d+\.\d+(?![\w.]*\d)", cell.source)) - FIXED
            assert not typed, f"{typed} in: {cell.source}"


def test_at_least_15_percent_of_the_code_cells_are_compared():
    cells = [cell for path in LESSONS for cell in code_cells(path)]
    compared = [cell for cell in cells if CHECKED in tags(cell)]
    assert all(cell.outputs for cell in compared)  # nothing is compared where nothing is stored
    assert len(compared) >= 0.15 * len(cells), f"{len(compared)} of {len(cells)}"


def nbval(folder, *paths):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval-lax"]
    command += ["--nbval-current-env", "--nbval-cell-timeout", "900", *map(str, paths)]
    environment = {**os.environ, "COURSE_AE_RUNS": str(folder)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=folder)


def test_nbval_finds_the_committed_outputs_again(tmp_path):
    done = nbval(tmp_path, *LESSONS)
    assert done.returncode == 0, done.stdout[-5000:]
    total = sum(len(code_cells(path)) for path in LESSONS)
    assert f"{total} passed" in done.stdout


def test_nbval_notices_a_changed_output(tmp_path):
    notebook = read(LESSONS[0])
    (cell,) = [c for c in notebook.cells if CHECKED in tags(c) and "textures and" in c.source]
    cell.outputs[0].text = cell.outputs[0].text.replace("3629", "3630")
    changed = tmp_path / "changed.ipynb"
    nbformat.write(notebook, changed)
    done = nbval(tmp_path, changed)
    assert done.returncode == 1
    assert "1 failed" in done.stdout


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """The one command of the README, with another seed, started from some other folder."""
    folder = tmp_path_factory.mktemp("chaîne de leçons")
    command = [sys.executable, "-m", "course_ae", "run", "--run", str(folder / "run")]
    command += ["-p", "seed", "1", "-p", "epochs", "12"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=folder,
                          env={**os.environ, "PYTHONIOENCODING": "utf-8"})  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run", done.stdout


def test_the_chain_executes_every_lesson_and_prints_the_result(chain):
    folder, printed = chain
    assert sorted(path.name for path in (folder / "notebooks").iterdir()) == [
        path.name for path in LESSONS
    ]
    assert "AUROC" in printed
    assert str(folder / "report" / "index.html") in printed


def test_the_chain_used_the_parameters(chain):
    settings = json.loads((chain[0] / "settings.json").read_text(encoding="utf-8"))["settings"]
    assert (settings["seed"], settings["epochs"], settings["profile"]) == (1, 12, "quick")
    rows = (chain[0] / "history.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) - 1 <= 12


def test_the_chain_learnt_something(chain):
    summary = json.loads((chain[0] / "summary.json").read_text(encoding="utf-8"))
    training, scores = summary["training"], summary["scores"]
    assert training["output_std_over_images"] > training["input_std_over_images"] / 4
    assert training["val_loss"] < 0.35  # the untrained network's gray picture: above 0.5
    assert max(score["auroc"] for score in scores.values()) > 0.65
    assert summary["counts"]["train_augmented"] == 3 * summary["counts"]["train"]


def test_the_lessons_run_on_gray_wide_images_without_masks(odd_data, tmp_path):
    command = [sys.executable, "-m", "course_ae", "run", "--data", str(odd_data)]
    command += ["--category", "plank", "--run", str(tmp_path / "run"), "-p", "epochs", "1"]
    command += ["-p", "width", "0.05", "-p", "bottleneck", "8", "-p", "batch_size", "4"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8",
                          env={**os.environ, "PYTHONIOENCODING": "utf-8"})  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert summary["metrics"]["pixel"]["best"] is None
    assert "4 of 4 defective images have no mask" in spoken(tmp_path / "run" / "notebooks")


def test_the_claims_of_the_lessons_agree_with_the_numbers_of_the_run(chain):
    """Recomputed from the files that the run left, by other means than the lessons."""
    folder = chain[0]
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    with (folder / "two_by_two.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    gaps = [float(row["auroc_l2"]) - float(row["auroc_ssim"]) for row in rows]
    first = summary["claims"][0]
    assert first["text"].startswith("L2 separates better than SSIM")
    assert first["difference"] == pytest.approx(sum(gaps) / len(gaps))
    for claim in summary["claims"]:
        decided = {"holds": claim["low"] > 0, "does not hold": claim["high"] < 0}
        assert decided.get(claim["verdict"], claim["low"] <= 0 <= claim["high"])
        assert claim["low"] <= claim["difference"] <= claim["high"]
    said = spoken(folder / "notebooks")
    for claim in summary["claims"]:
        assert f"| {claim['text']} | {claim['difference']:+.3f} |" in said
        assert f"| {claim['verdict']} |" in said
    best = summary["scores"]["best"]["auroc"]
    mean = summary["baselines"]["mean_image_best"]["auroc"]
    verdict = "beats" if best > mean + 0.005 else "does not beat"
    assert f"({best:.3f}) {verdict} the best mean image ({mean:.3f})" in said
    with (folder / "scores.csv").open(encoding="utf-8", newline="") as file:
        scores = list(csv.DictReader(file))
    for kind in ("l2", "ssim", "best"):
        good, defective = ([float(r[kind]) for r in scores if r["label"] == y] for y in "01")
        pairs = [(d > g) + (d == g) / 2 for d in defective for g in good]
        assert summary["scores"][kind]["auroc"] == pytest.approx(sum(pairs) / len(pairs))


def spoken(folder):
    """Everything that the executed lessons print and write."""
    texts = []
    for path in sorted(folder.glob("*.ipynb")):
        for cell in code_cells(path):
            texts += [out.get("text", "") for out in cell.outputs]
            texts += [out.get("data", {}).get("text/markdown", "") for out in cell.outputs]
    return "\n".join("".join(text) for text in texts)


def test_the_report_leads_with_the_table_and_links_every_lesson(chain):
    index = (chain[0] / "report" / "index.html").read_text(encoding="utf-8")
    for path in lessons.lessons():
        assert f'href="{path.stem}.html"' in index
        assert (chain[0] / "report" / f"{path.stem}.html").is_file()
    assert index.index("AUROC") < index.index("01_dataset_exploration.html")
