"""Settings: profiles, overrides, and words that help when one of them is wrong."""

from dataclasses import asdict, fields

import pytest

from course_ae.settings import LIMITS, PROFILES, Settings, make_settings, setting_types
from course_ae.support.errors import CourseError, nearest


def test_slides_profile_is_the_slides_recipe():
    s = make_settings("slides")
    assert (s.profile, s.category, s.loss) == ("slides", "bottle", "ssim")
    assert (s.width, s.bottleneck, s.learning_rate) == (1.0, 2048, 1e-4)
    assert (s.batch_size, s.epochs, s.patience) == (8, 150, 10)
    assert (s.val_fraction, s.calibration_fraction) == (0.05, 0.3)


def test_quick_is_the_default_and_smaller_than_the_slides():
    quick, slides = make_settings(), make_settings("slides")
    assert quick == make_settings("quick") and quick.profile == "quick"
    assert quick.width < slides.width
    assert quick.epochs < slides.epochs
    assert quick.bottleneck < slides.bottleneck


@pytest.mark.parametrize("profile", PROFILES)
def test_each_profile_keeps_to_the_settings_types_and_limits(profile):
    settings = asdict(make_settings(profile))
    profile_values = {name: value for name, value in settings.items() if name != "profile"}
    assert make_settings(profile, **profile_values) == make_settings(profile)


def test_every_number_has_limits():
    numbers = {name for name, kind in setting_types().items() if kind in (int, float)}
    assert numbers <= set(LIMITS) <= set(setting_types())
    assert set(setting_types()) == {field.name for field in fields(Settings)} - {"profile"}


def test_one_setting_is_replaced_and_the_others_stay():
    changed, usual = asdict(make_settings("slides", epochs=3)), asdict(make_settings("slides"))
    assert changed.pop("epochs") == 3
    usual.pop("epochs")
    assert changed == usual


def test_none_keeps_the_profiles_value():
    assert make_settings("quick", epochs=None, width=None) == make_settings("quick")


def test_a_whole_number_is_fine_where_a_number_is_asked():
    width = make_settings(width=1).width
    assert width == 1.0 and type(width) is float  # so that 1 and 1.0 are the same run


@pytest.mark.parametrize(
    ("wrong", "meant"), [("epoch", "epochs"), ("learning_rat", "learning_rate"), ("Loss", "loss")]
)
def test_unknown_setting_names_the_nearest(wrong, meant):
    with pytest.raises(CourseError, match=f"no setting '{wrong}'; did you mean '{meant}'"):
        make_settings(**{wrong: 3})


def test_unknown_setting_far_from_all_lists_them():
    with pytest.raises(CourseError, match="no setting 'xyzzy'; known are: category, seed"):
        make_settings(xyzzy=3)


def test_an_unknown_setting_is_refused_even_with_none():
    with pytest.raises(CourseError, match="did you mean 'epochs'"):
        make_settings(epoch=None)


def test_unknown_profile_names_the_nearest_or_all():
    with pytest.raises(CourseError, match="no profile 'quik'; did you mean 'quick'"):
        make_settings("quik")
    with pytest.raises(CourseError, match="no profile 'xyz'; known are: quick, slides"):
        make_settings("xyz")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("epochs", 3.0, "a whole number, not 3.0"),
        ("epochs", "3", "a whole number, not '3'"),
        ("epochs", True, "a whole number, not True"),  # a bool is an int for Python
        ("width", True, "a number, not True"),
        ("width", "wide", "a number, not 'wide'"),
        ("batch_norm", 1, "True or False, not 1"),
        ("batch_norm", "no", "True or False, not 'no'"),
        ("category", 5, "a word, not 5"),
        ("loss", 2, "a word, not 2"),
        ("seed", [0], r"a whole number, not \[0\]"),
    ],
)
def test_value_of_the_wrong_type_is_refused(name, value, words):
    with pytest.raises(CourseError, match=f"'{name}' must be {words}"):
        make_settings(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("patience", 0),
        ("batch_size", 1),
        ("bottleneck", 0),
        ("seed", -1),
        ("seed", 2**32),
        ("width", 0.0),
        ("width", float("nan")),
        ("learning_rate", float("inf")),
        ("learning_rate", -0.1),
        ("val_fraction", 0.0),
        ("val_fraction", 1.0),
        ("calibration_fraction", 0.0),
        ("calibration_fraction", 1.0),
        ("calibration_fraction", float("nan")),
    ],
)
def test_value_out_of_range_is_refused_and_the_range_named(name, value):
    low, high = LIMITS[name]
    with pytest.raises(CourseError, match=f"'{name}' must lie between {low} and {high}, not"):
        make_settings(**{name: value})


@pytest.mark.parametrize("name", [n for n, kind in setting_types().items() if kind in (int, float)])
def test_both_limits_are_allowed(name):
    for limit in LIMITS[name]:
        assert getattr(make_settings(**{name: limit}), name) == limit


def test_unknown_word_names_the_nearest():
    with pytest.raises(CourseError, match="'loss' has no value 'sim'; did you mean 'ssim'"):
        make_settings(loss="sim")
    assert make_settings(loss="l2").loss == "l2"


def test_nearest_names_one_near_word_or_all():
    assert nearest("botle", ["bottle", "cable"]) == "; did you mean 'bottle'?"
    assert nearest("zzz", ["bottle", "cable"]) == "; known are: bottle, cable."


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(AttributeError):
        make_settings().epochs = 3


def test_a_mistake_of_the_user_is_a_value_error():
    assert issubclass(CourseError, ValueError)
