"""The tables of results as text."""

from course_ae.command.tables import NOTE, comparison_table, plain_table, result_table
from course_ae.experiment.evaluation import Row
from course_ae.thresholds import Confusion

L2 = Row("L2", 0.91234, 0.9, 0.8123, 0.6, (0.5, 0.25, 0.75), Confusion(tn=3, fp=1, fn=2, tp=7))
NOTHING = Row("all called normal", 0.5, None, None, 0.4, None, None)
WIDEST = Row("mean image, normalised", 0.9, 0.9, 0.8, 1.0, (1.0, 0.9, 1.0), Confusion(0, 41, 84, 0))
SETTINGS = {"category": "bottle", "profile": "best", "seed": 0}


def test_the_result_names_scores_baselines_and_the_slides():
    rows = result_table([L2, NOTHING])
    assert rows[1] == ("L2", "0.912", "0.812", "0.600", "0.50 (0.25-0.75)", "1/4", "2/9")
    assert rows[2] == ("all called normal", "0.500", "", "0.400", "", "", "")
    assert [(row[0], row[3]) for row in rows[3:]] == [
        ("slides, L2", "0.78"), ("slides, SSIM", "0.57"),
    ]  # fmt: skip


def test_the_plain_table_is_aligned_ascii_that_fits_a_terminal():
    lines = plain_table(result_table([L2, NOTHING, WIDEST])).splitlines()
    assert all(line.isascii() and len(line) < 80 for line in lines)
    assert set(lines[1]) == {"-"} and len(lines[1]) == max(map(len, lines))
    start = lines[0].index("AUROC")
    assert [line[start:].split()[0] for line in lines[2:5]] == ["0.912", "0.500", "0.900"]


def test_the_note_says_what_pca_is():
    assert NOTE.endswith("PCA: the best linear autoencoder, with 100 numbers at most.")


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_runs_that_differ_in_their_seed_alone_are_averaged():
    other = L2._replace(auroc=0.94)
    lines = comparison_table(
        [(SETTINGS, [L2._replace(auroc=0.9), NOTHING]), (SETTINGS | {"seed": 1}, [other])]
    ).splitlines()
    assert cells(lines[0])[:2] == ["detector", "AUROC"] and set(cells(lines[1])) == {"---"}
    spread = "0.920 (0.900 to 0.940)"
    assert cells(lines[2]) == ["bottle, best: L2", spread, "0.900", "0.812", "0.500", "0.600"]
    nothing = ["bottle, best: all called normal", "0.500", "", "", "0.400", "0.400"]
    assert cells(lines[3]) == nothing


def test_runs_of_other_settings_stay_apart():
    runs = [(SETTINGS, [L2]), (SETTINGS | {"seed": 1, "epochs": 5}, [L2._replace(auroc=0.94)])]
    assert [cells(line)[1] for line in comparison_table(runs).splitlines()[2:]] == [
        "0.912", "0.940",
    ]  # fmt: skip


def test_what_one_of_the_runs_lacks_is_left_out():
    runs = [(SETTINGS, [L2]), (SETTINGS | {"seed": 1}, [L2._replace(au_pro=None)])]
    assert cells(comparison_table(runs).splitlines()[2])[3] == ""


def test_networks_of_two_losses_stay_apart_and_what_needs_none_stands_once_below():
    runs = [
        (SETTINGS | {"profile": "slides", "loss": loss, "seed": seed},
         [L2._replace(auroc=0.9 + 0.01 * seed), NOTHING._replace(auroc=0.5 + 0.1 * seed)])
        for loss in ("l2", "ssim") for seed in (0, 1)
    ]  # fmt: skip
    lines = [cells(line)[:2] for line in comparison_table(runs).splitlines()[2:]]
    assert lines == [
        ["bottle, slides, trained with L2: L2", "0.905 (0.900 to 0.910)"],
        ["bottle, slides, trained with SSIM: L2", "0.905 (0.900 to 0.910)"],
        ["bottle, slides: all called normal", "0.550 (0.500 to 0.600)"],
    ]


def test_drawn_and_real_products_stay_apart():
    real, drawn = L2._replace(auroc=0.8), L2._replace(auroc=0.9)
    runs = [(SETTINGS | {"drawn": False}, [real]), (SETTINGS | {"drawn": True}, [drawn])]
    lines = [cells(line)[:2] for line in comparison_table(runs).splitlines()[2:]]
    assert lines == [["bottle, best: L2", "0.800"], ["bottle, drawn, best: L2", "0.900"]]
