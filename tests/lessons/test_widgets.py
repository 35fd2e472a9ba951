"""The explorers say what the pure functions say, and what moves in a picture is what changed."""

import json

import numpy as np
import pytest
import torch

from course_ae import metrics, scoring, ssim
from course_ae.baselines import LinearAutoencoder
from course_ae.classroom import widgets
from course_ae.classroom.diagrams.descent import descend
from course_ae.classroom.layers import outputs
from course_ae.classroom.quizzes import questions, reply
from course_ae.classroom.widgets.code_size import off_in_stains, squeezed
from course_ae.classroom.widgets.similarity import altered
from course_ae.classroom.widgets.threshold import CURVES
from course_ae.data import load_samples, select
from course_ae.model import ConvAutoencoder
from course_ae.scoring import Scores
from course_ae.thresholds import confusion, f_normal, search_threshold, split_test


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    labels = np.array([0] * 20 + [1] * 40)
    types = np.array(["good"] * 20 + ["crack"] * 20 + ["<b>stain</b>"] * 20)
    values = {"l2": rng.normal(labels, 0.7), "ssim": rng.normal(labels, 1.5)}
    names = [f"test/{name}/{i:03}.png" for i, name in enumerate(types)]
    maps = {name: torch.rand(60, 31, 31) for name in values}
    return Scores(names, types, labels, *split_test(labels, 0.3, 0), values, maps)


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(1)
    names = ("input", "reconstruction")
    return {name: rng.integers(0, 256, (60, 31, 31), dtype=np.uint8) for name in names}


MASKS = [None] * 20 + [np.eye(31, dtype=bool)] * 40


@pytest.mark.parametrize("part", ["calibration", "test"])
def test_the_view_says_what_confusion_says(scores, pictures, part):
    view = widgets.ThresholdView(scores, pictures, MASKS, "l2", part)
    for threshold in (-9.0, 0.2, 0.7, 9.0):
        said = view.at(threshold)
        counts = confusion(*scores.part("l2", part), threshold)
        assert ", ".join(f"{n.upper()} {v}" for n, v in counts._asdict().items()) in said
        assert f"F {f_normal(counts):.3f}" in said
        assert f"wrongly judged: {counts.errors}" in said


def test_the_picture_moves_and_leaves_nothing_behind(scores, pictures):
    view = widgets.ThresholdView(scores, pictures, MASKS, "l2")
    shots = [(view.at(t, image), view.picture())[1] for t, image in
             ((0.2, 3), (0.9, 3), (0.2, 40), (0.2, 3))]  # fmt: skip
    assert len({*shots[:3]}) == 3
    assert shots[0] == shots[3]


@pytest.mark.parametrize("score_name", ["l2", "ssim"])
def test_the_markers_lie_on_their_curves_at_every_threshold(scores, pictures, score_name):
    view = widgets.ThresholdView(scores, pictures, MASKS, score_name)
    for name, marker in view.markers.items():
        (curve,) = [line for line in marker.axes.get_lines() if line.get_label() == name]
        x, y = curve.get_data()  # drawn with steps: each value holds from its x to the next
        for threshold in np.linspace(x[0], x[-1], 97):
            view.at(threshold)
            drawn = y[np.searchsorted(x, threshold, side="right") - 1]
            assert marker.get_ydata()[0] == drawn
    assert list(view.markers) == list(CURVES)


def test_every_image_is_found_by_its_dot_and_every_wrong_one_by_its_thumbnail(scores, pictures):
    view = widgets.ThresholdView(scores, pictures, MASKS, "l2")
    view.at(0.5)
    view.picture()
    back = view.figure.transFigure.inverted()
    for x, image in enumerate(view.order):
        dot = view.scatter.transData.transform((x, scores.values["l2"][image]))
        assert view.nearest(*back.transform(dot)) == image
    for (axes, _), image in zip(view.thumbnails, view.wrong, strict=False):
        box = axes.bbox
        place = back.transform(((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2))
        assert view.nearest(*place) == image
    assert view.nearest(0.5, 0.999) is None


def test_the_slider_starts_at_the_threshold_on_a_whole_step(scores, pictures):
    explorer = widgets.threshold_explorer(scores, pictures, MASKS)
    threshold = search_threshold(*scores.part("l2", "calibration"))
    assert explorer.steps[explorer.slider.value] == explorer.box.value == threshold
    low, high = explorer.steps[[explorer.slider.min, explorer.slider.max]]
    assert low < scores.values["l2"].min() and high > scores.values["l2"].max()
    assert f"Threshold {threshold:.5f}" in explorer.sentence.value


def test_slider_box_list_and_dot_change_sentence_and_picture(scores, pictures):
    explorer = widgets.threshold_explorer(scores, pictures, MASKS)
    seen = {explorer.picture.png}
    explorer.slider.value += 40
    counts = confusion(*scores.part("l2", "calibration"), explorer.box.value)
    assert f"TN {counts.tn}, FP {counts.fp}, FN {counts.fn}" in explorer.sentence.value
    seen.add(explorer.picture.png)
    explorer.box.value = 0.1
    assert explorer.slider.value == np.abs(explorer.steps - 0.1).argmin()
    seen.add(explorer.picture.png)
    explorer.image.index = 3
    image = scores.calibration[3]
    assert explorer.image.value == image
    assert scores.names[image].removeprefix("test/")[:5].replace("<", "&lt;") in (
        explorer.sentence.value
    )
    seen.add(explorer.picture.png)
    assert len(seen) == 4
    explorer.picture.clicked = [0.5, 0.999]  # nothing there
    assert explorer.image.value == image


def test_the_test_part_opens_when_the_threshold_is_sealed_and_then_it_stays(scores, pictures):
    explorer = widgets.threshold_explorer(scores, pictures, MASKS)
    assert explorer.part.options == ("calibration",)
    explorer.box.value = 0.9
    explorer.seal.click()
    assert explorer.part.value == "test" and explorer.slider.disabled and explorer.box.disabled
    counts = confusion(*scores.part("l2", "test"), 0.9)
    assert f"TN {counts.tn}, FP {counts.fp}, FN {counts.fn}" in explorer.sentence.value
    assert explorer.box.value == 0.9 and explorer.seal.disabled
    explorer.score_name.value = "ssim"  # of the other score nothing is sealed yet
    assert explorer.part.value == "calibration" and explorer.part.options == ("calibration",)
    assert not explorer.slider.disabled and not explorer.seal.disabled
    own = search_threshold(*scores.part("ssim", "calibration"))
    assert f"Threshold {own:.5f}" in explorer.sentence.value
    explorer.score_name.value = "l2"
    assert explorer.box.value == 0.9 and explorer.slider.disabled


def test_equal_scores_still_give_a_slider(scores, pictures):
    same = Scores(**{**vars(scores), "values": {"l2": np.ones(60), "ssim": np.ones(60)}})
    assert "Threshold 1.00000" in widgets.threshold_explorer(same, pictures, MASKS).sentence.value


def test_a_still_picture_with_its_text_is_part_of_an_explorer(scores, pictures):
    explorer = widgets.threshold_explorer(scores, pictures, MASKS)
    data, metadata = explorer._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert metadata["image/png"]["alt"] == data["text/plain"] == explorer.picture.alt
    json.dumps(data)


def test_names_are_escaped(scores, pictures):
    explorer = widgets.threshold_explorer(scores, pictures, MASKS)
    explorer.image.value = next(i for i in scores.calibration if scores.defect_types[i][0] == "<")
    assert "<b>stain" not in explorer.sentence.value
    assert "&lt;b&gt;stain" in explorer.sentence.value


def test_the_steps_of_preprocessing_are_told_with_their_numbers(small_data):
    samples = select(load_samples(small_data / "bottle"), "train")[:2]
    explorer = widgets.preprocessing_explorer(samples)
    told = []
    for step in explorer.controls["step"].options:
        explorer.controls["step"].value = step
        told.append(explorer.sentence.value)
    for said, words in zip(told, ("(96, 96, 3), uint8", "(96, 96), uint8", "(227, 227), uint8",
                                  "(227, 227), float32"), strict=True):  # fmt: skip
        assert words in said
    explorer.controls["image"].value = 1
    assert samples[1].name in explorer.sentence.value


def test_every_layer_is_shown_with_its_shape(bottles):
    model = ConvAutoencoder(width=0.1, bottleneck=50)
    explorer = widgets.layer_explorer(model, bottles[:2], ["a", "b"])
    shapes = {name: tuple(x.shape[1:]) for name, x in outputs(model, bottles[:1]).items()}
    assert list(explorer.controls["layer"].options) == list(shapes)
    for name, shape in shapes.items():
        explorer.controls["layer"].value = name
        assert f"{name}: shape {shape}" in explorer.sentence.value
        drawn = [image for image in explorer.view.maps if image.get_visible()]
        assert len(drawn) == min(shape[0], 32) if len(shape) > 1 else len(drawn) == 1
        for image in drawn:  # each on its own scale
            assert image.get_clim() == (np.nanmin(image.get_array()), np.nanmax(image.get_array()))


def test_the_outputs_of_the_layers_end_in_the_reconstruction(bottles):
    for skips in (False, True):
        model = ConvAutoencoder(width=0.1, bottleneck=50, skips=skips).eval()
        last = list(outputs(model, bottles[:2]).values())[-1]
        with torch.inference_mode():
            torch.testing.assert_close(last, model(bottles[:2]))


@pytest.fixture(scope="module")
def stained(bottles):
    """The first bottle with a white square on it."""
    image = bottles[:1].clone()
    image[..., 40:60, 100:130] = 1.0
    return image


def test_the_code_size_explorer_shows_what_the_linear_autoencoder_draws(bottles, stained):
    pca = LinearAutoencoder(bottles, 100)
    explorer = widgets.code_size_explorer(pca, bottles[:1], stained)
    control, view = explorer.controls["size"], explorer.view
    assert (control.min, control.max, control.value) == (0, pca.size, pca.size)
    for size in (0, 2, pca.size):
        control.value = size
        smaller = LinearAutoencoder(bottles, size)
        for artist, x in zip(view.drawn, (bottles[:1], stained), strict=True):
            np.testing.assert_allclose(artist.get_array(), smaller(x)[0, 0], atol=1e-4)
        loss = ssim.ssim_loss(smaller(bottles[:1]), bottles[:1]).item()
        assert f"k = {size}: 1 - SSIM of the good image {loss:.3f}" in explorer.sentence.value


def test_the_descent_explorer_walks_leaps_and_diverges():
    explorer = widgets.descent_explorer()
    control = explorer.controls["rate"]
    assert control.value == 0.1 and (control.min, control.max) == (0.01, 1.1)
    told = {0.01: "hardly moved", 0.5: "it walks downhill.", 0.9: "still comes down",
            1.0: "for ever", 1.1: "lands higher"}  # fmt: skip
    for rate, words in told.items():
        control.value = rate
        assert words in explorer.sentence.value
        visited = descend(rate, 10)
        assert f"w is {visited[-1]:.3g}" in explorer.sentence.value
        assert len(explorer.view.losses.get_ydata()) == len(visited) == 11


def test_a_stain_is_off_by_its_distance_to_the_clean_image_and_a_mean_image_takes_it_away(
    bottles, stained
):
    square = (1.0 - bottles[:1, :, 40:60, 100:130]).abs()
    assert off_in_stains(bottles[:1], stained, stained) == pytest.approx(square.mean().item())
    assert off_in_stains(bottles[:1], stained, bottles[:1]) == 0
    assert off_in_stains(bottles[:1], bottles[:1], stained) == 0  # where there is no stain
    nothing = squeezed(LinearAutoencoder(bottles, 0), 0, bottles[:1], stained)
    assert torch.equal(nothing.good, nothing.stained)


@pytest.mark.parametrize("change", [{"brightness": 0.2}, {"contrast": 0.5}, {"blur": 2.0},
                                    {"shift": 3}, {"noise": 0.1}, {}])  # fmt: skip
def test_the_similarity_explorer_says_what_ssim_says(bottles, change):
    x = bottles[:1]
    explorer = widgets.similarity_explorer(x)
    explorer.controls["noise"].value = 0.0
    for name, value in change.items():
        explorer.controls[name].value = value
    usual = {"brightness": 0, "contrast": 1, "blur": 0, "shift": 0, "noise": 0}
    y = altered(x, **{**usual, **change})
    assert (y - x).abs().max() < 1e-6 if not change else not torch.equal(x, y)
    means = [part.mean().item() for part in ssim.ssim_components(x, y)]
    said = explorer.sentence.value
    assert f"SSIM {ssim.ssim_map(x, y).mean().item():.3f} (luminance {means[0]:.3f}" in said
    assert f"structure {means[2]:.3f}); L2 {ssim.l2_loss(y, x).item():.4f}" in said


def test_the_epoch_explorer_shows_the_epoch(bottles):
    inputs = (bottles[:2, 0] * 255).byte().numpy()
    snapshots = {1: inputs // 2, 3: inputs}
    history = [{"epoch": i, "train_loss": 1 / i, "val_loss": 2 / i} for i in (1, 2, 3)]
    explorer = widgets.epoch_explorer(snapshots, history, inputs)
    assert "After epoch 3: loss 0.3333 in training, 0.6667" in explorer.sentence.value
    explorer.controls["epoch"].value = 1
    assert "After epoch 1: loss 1.0000" in explorer.sentence.value
    assert (explorer.view.drawn[0].get_array() == snapshots[1][0]).all()
    assert list(explorer.view.mark.get_xdata()) == [1, 1]


def test_the_same_image_stands_where_its_scores_are(scores, pictures):
    columns = {**pictures, "L2 map": scores.maps["l2"].numpy()}
    explorer = widgets.same_image_explorer(scores, columns, MASKS)
    explorer.controls["image"].value = 30
    for name, values in scores.values.items():
        above = (values[:20] < values[30]).sum()
        assert f"{name.upper()} {values[30]:.4g}, above {above}" in explorer.sentence.value
        assert explorer.view.rings[name].get_ydata()[0] == values[30]
    explorer.controls["image"].value = 0
    assert "of the 19 other good images" in explorer.sentence.value


def test_the_lottery_draws_the_splits_of_the_histogram(scores):
    splits = {
        k: metrics.f_normal_splits(v, scores.labels, 0.3, 20) for k, v in scores.values.items()
    }
    explorer = widgets.split_lottery(scores, 0.3, splits)
    for split in (0, 7, 19):
        explorer.controls["split"].value = split
        for name, found in splits.items():
            assert f"{name.upper()} threshold" in explorer.sentence.value
            assert f"F {found[split]:.3f}" in explorer.sentence.value
            assert explorer.view.marks[name].get_xdata()[0] == pytest.approx(found[split])


def test_every_quiz_has_three_questions_with_one_right_choice_and_a_reason_for_each():
    assert list(questions()) == [f"lesson0{i}" for i in range(1, 9)]
    for asked in questions().values():
        assert len(asked) == 3
        for question in asked:
            choices = question["choices"]
            assert len(choices) == 3 and sum(c.get("right", False) for c in choices) == 1
            assert len({c["why"] for c in choices}) == 3
            assert all(len(c["why"].split()) >= 5 for c in choices)


def test_the_right_choice_is_not_always_at_the_same_place():
    right = [[c.get("right", False) for c in q["choices"]].index(True)
             for asked in questions().values() for q in asked]  # fmt: skip
    assert min(right.count(i) for i in range(3)) >= 4


def test_a_choice_is_answered_with_its_reason():
    quiz = widgets.quiz("05")
    quiz.buttons[1].index = 0
    assert "Not quite. This F counts the good bottles" in quiz.replies[1].value
    quiz.buttons[1].index = 1
    assert "Right." in quiz.replies[1].value
    assert reply(quiz.asked[0], 0).startswith("Right.")


def test_the_still_quiz_asks_and_does_not_answer():
    data = widgets.quiz("05")._repr_mimebundle_()
    for question in questions()["lesson05"]:
        assert question["question"] in data["text/markdown"]
        assert not any(choice["why"] in data["text/markdown"] for choice in question["choices"])


def test_maps_of_the_scores_are_those_of_scoring(bottles):
    y = altered(bottles[:1], 0.1, 1, 0, 0, 0)
    view = widgets.SimilarityView(bottles[:1])
    view.at(brightness=0.1)
    wanted = scoring.l2_difference(bottles[:1], y)[0].numpy()
    np.testing.assert_allclose(view.maps[3].get_array(), wanted)
