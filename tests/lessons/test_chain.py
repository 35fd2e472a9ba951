"""One command executes all lessons: with another seed, few epochs, and from some other folder."""

import csv
import json
import os
import re
import subprocess
import sys

import pytest
from lesson_files import LESSONS, code_cells, spoken

from course_ae.experiment import recorded
from course_ae.experiment.replication import by_images, claim_table, slides_claims

EPOCHS = 2  # too few to learn much; that a whole training does is in tests/slow


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """The run folder and what was printed."""
    folder = tmp_path_factory.mktemp("chaîne de leçons")
    command = [sys.executable, "-m", "course_ae", "run", "--run", str(folder / "run")]
    command += ["-p", "seed", "1", "-p", "epochs", str(EPOCHS)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=folder,
                          env={**os.environ, "PYTHONIOENCODING": "utf-8"})  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run", done.stdout


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def auroc(rows, name):
    """The share of pairs in the right order."""
    good, defective = ([float(row[name]) for row in rows if row["label"] == y] for y in "01")
    pairs = [(d > g) + (d == g) / 2 for d in defective for g in good]
    return sum(pairs) / len(pairs)


def test_it_executes_every_lesson_and_prints_the_result(chain):
    folder, printed = chain
    assert sorted(path.name for path in (folder / "notebooks").iterdir()) == [
        path.name for path in LESSONS
    ]
    summary = read_json(folder / "summary.json")
    for name, heading in (("l2", "L2"), ("ssim", "SSIM"), ("normalised", "normalised")):
        (line,) = [line for line in printed.splitlines() if line.startswith(f"{heading} ")]
        assert f"{summary['scores'][name]['auroc']['value']:.3f}" in line
    assert str(folder / "report" / "index.html") in printed


def test_it_uses_the_parameters_and_trains_as_they_say(chain):
    settings = read_json(chain[0] / "settings.json")["settings"]
    assert (settings["seed"], settings["epochs"], settings["profile"]) == (1, EPOCHS, "quick")
    rows, summary = read_csv(chain[0] / "history.csv"), read_json(chain[0] / "summary.json")
    assert len(rows) == summary["training"]["epochs"] == EPOCHS
    losses = [float(row["train_loss"]) for row in rows]
    assert losses == sorted(losses, reverse=True)
    assert summary["counts"]["train_augmented"] == summary["counts"]["train"]  # no flips
    assert summary["denoiser_training"]["epochs"] == EPOCHS


def test_the_figures_are_those_of_the_files_that_the_run_left(chain):
    """Recomputed by other means than the lessons'."""
    summary = read_json(chain[0] / "summary.json")
    scores = read_csv(chain[0] / "scores.csv")
    for name in ("l2", "ssim", "normalised"):
        found = summary["scores"][name]
        assert found["auroc"]["value"] == pytest.approx(auroc(scores, name))
        above = [float(row[name]) > found["threshold"] for row in scores if row["part"] == "test"]
        truth = [row["label"] == "1" for row in scores if row["part"] == "test"]
        counts = [
            sum((a, t) == pair for a, t in zip(above, truth, strict=True))
            for pair in ((False, False), (True, False), (False, True), (True, True))
        ]
        assert list(found["test"].values()) == counts


def test_the_claims_of_lesson_07_are_those_of_the_recorded_runs(chain):
    folder = chain[0]
    summary, rows = read_json(folder / "summary.json"), read_csv(folder / "pair.csv")
    assert [row["loss"] for row in rows] == ["ssim", "l2"]
    profile = recorded.deciding_profile()
    claims = slides_claims(recorded.trainings(profile=profile))
    told = {"profile": profile, "claims": [claim.as_row() for claim in claims]}
    assert summary["replication"] == told
    said = spoken(folder / "notebooks")
    found = by_images(*recorded.paired_scores(profile=profile))
    for claim in claim_table(claims, found):
        assert f"| {' | '.join(map(str, claim.values()))} |" in said


def test_the_verdict_of_lesson_08_agrees_with_its_numbers(chain):
    summary = read_json(chain[0] / "summary.json")
    ours = summary["scores"]["normalised"]["auroc"]["value"]
    said = spoken(chain[0] / "notebooks")
    told = re.findall(
        r"it (beats|loses to|is level with) (.+), AUROC (\S+) \((\S+) to (\S+)\)", said
    )
    marked = [found for found in told if "no stains" not in found[1]]
    assert [name for _, name, *_ in marked] == ["the mean image", "PCA"]
    for (verdict, _, *numbers), key in zip(marked, ("mean_image", "pca"), strict=True):
        lead, low, high = map(float, numbers)
        other = summary["baselines"][key]["normalised"]["auroc"]["value"]
        assert lead == pytest.approx(ours - other, abs=0.002)
        assert verdict == ("beats" if low > 0 else "loses to" if high < 0 else "is level with")


def test_the_report_leads_with_the_table_and_links_every_lesson(chain):
    index = (chain[0] / "report" / "index.html").read_text(encoding="utf-8")
    for path in LESSONS:
        assert f'href="{path.stem}.html"' in index
        assert (chain[0] / "report" / f"{path.stem}.html").is_file()
    assert index.index("AUROC") < index.index("01_dataset_exploration.html")


def test_the_report_begins_with_the_pictures_that_lesson_08_saved(chain):
    index = (chain[0] / "report" / "index.html").read_text(encoding="utf-8")
    assert (chain[0] / "story.json").is_file()
    assert 0 < index.index('class="story"') < index.index("<table>")


def test_every_exercise_is_solved_on_this_run_too(chain):
    for path in sorted((chain[0] / "notebooks").iterdir()):
        for cell in code_cells(path):
            if "solution" in cell.metadata.get("tags", []):
                assert ": right.\n" in cell.outputs[0].text, cell.source
