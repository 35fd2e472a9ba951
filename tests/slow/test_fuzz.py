"""Spoilt input for some seconds; `python tests/fuzz.py 600` tries for longer."""

from fuzz import fuzz


def test_a_short_fuzz_run_ends_in_results_and_sentences(monkeypatch):
    monkeypatch.setenv("COURSE_AE_CACHE", "")  # it sets its own
    ended, wrong = fuzz(10)
    assert not wrong, wrong[:3]
    assert min(ended["image", how] + ended["run_file", how] for how in ("read", "refused")) > 10
