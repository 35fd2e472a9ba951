"""What is swept and what is not, and the table of the results."""

import sys

import pytest

from course_ae.command.cli import main
from course_ae.support.errors import CourseError

sweep = pytest.importorskip("course_ae.scale.sweep")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--categories", "bottle,cable"], "no category 'cable'"),
        (["--losses", "l2,sim"], "no value 'sim'; did you mean 'ssim'"),
        (["--seeds", "0-x"], "'0-x' is no list of seeds"),
        (["--seeds", "3-1"], "nothing to train"),
        (["-p", "seed", "3"], "takes 'seed' from its own options"),
        (["-p", "epochs", "0"], "'epochs' must lie between"),
    ],
)
def test_what_cannot_be_swept_is_one_sentence(options, says, small_data, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["sweep", "--data", str(small_data), "--out", str(out), *options]) == 2
    shown = capsys.readouterr()
    assert says in shown.err and shown.err.count("\n") == 1 and not out.exists()


def test_seeds_are_read_as_ranges_and_lists():
    assert sweep.numbers("0-2, 7,1") == [0, 1, 2, 7]
    with pytest.raises(CourseError):
        sweep.numbers("")


def test_means_and_spreads_are_those_of_the_seeds():
    rows = [
        {"category": "bottle", "loss": "l2", "status": "done", "auroc_l2": value, "au_pro_l2": None}
        for value in (0.8, 0.9)
    ]
    rows.append({"category": "bottle", "loss": "ssim", "status": "failed", "error": "x"})
    header, row = sweep.summary_table(rows)
    assert header == ("category", "trained with", "seeds", "AUROC l2", "AU-PRO l2")
    assert row == ("bottle", "l2", "2", "0.850 ± 0.071", "")


def test_a_sweep_without_the_folder_scale_is_one_sentence(monkeypatch, capsys):
    for name in ("course_ae.scale", "course_ae.scale.sweep"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were deleted
    assert main(["sweep"]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.splitlines()) == 1
    assert "install course-ae again" in printed.err
