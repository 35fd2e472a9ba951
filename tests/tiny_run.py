"""A whole run that takes a few seconds: a tiny network on a few small images."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from course_ae import metrics
from course_ae.experiment import evaluation, run_folder, stages
from course_ae.settings import DENOISE

TINY = {"width": 0.05, "bottleneck": 8, "epochs": 2, "batch_size": 2, "learning_rate": 0.002,
        "one_cycle": False, "flips": True, "from_mean": False, "gradient_clip": 0.0}  # fmt: skip
FEW = 20  # random splits and bootstrap samples, where a run has metrics.REPEATS


def make_run(data: Path, folder: Path, **settings) -> SimpleNamespace:
    """A run up to lesson 08, and what each of its stages returned.

    `before` is the summary as lesson 07 leaves it, `files` the names in the run folder after each
    stage.
    """
    files = {}

    def note(stage):
        files[stage] = {path.name for path in folder.glob("[!.]*")}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "REPEATS", FEW)
        patch.setitem(DENOISE, "epoch_images", 0)
        run = run_folder.open_run(data=str(data), run=str(folder), **{**TINY, **settings})
        note("open_run")
        images = stages.prepare(run)
        note("prepare")
        model = stages.trained(run, images)
        note("trained")
        scores = stages.scored(run, images, model)
        note("scored")
        before = evaluation.evaluate(run, images, scores)
        note("evaluate")
        denoiser = stages.denoiser(run, images)
        note("denoiser")
        stages.scored_normalised(run, images, denoiser, scores)
        note("scored_normalised")
        summary = evaluation.evaluate(run, images, scores)
    return SimpleNamespace(
        run=run, folder=folder, images=images, model=model, denoiser=denoiser, scores=scores,
        before=before, summary=summary, files=files,
    )  # fmt: skip
