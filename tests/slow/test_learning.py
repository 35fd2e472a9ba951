"""A training long enough to learn something, with a seed of its own and the profile `quick`."""

from course_ae.experiment import evaluation, run_folder, stages


def test_a_short_training_learns_something(tmp_path, capsys):
    run = run_folder.open_run(run=str(tmp_path / "run"), seed=1, epochs=24)
    images = stages.prepare(run)
    scores = stages.scored(run, images, stages.trained(run, images))
    summary = evaluation.evaluate(run, images, scores)
    assert "Warning" not in capsys.readouterr().out
    training = summary["training"]
    assert training["output_std_over_images"] > training["input_std_over_images"] / 3
    assert training["nearest_own_image"] >= 0.7
    assert training["val_loss"] < 0.5 * training["mean_image_loss"]  # where it started
    found = {name: score["auroc"]["value"] for name, score in summary["scores"].items()}
    assert max(found.values()) > 0.65, found
