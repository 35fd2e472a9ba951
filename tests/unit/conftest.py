"""Unit tests: no training longer than a second, no process of their own."""

import pytest


@pytest.fixture(autouse=True)
def few_repeats(monkeypatch):
    """Fewer random splits and bootstrap samples than a run has."""
    from tiny_run import FEW

    from course_ae import metrics

    monkeypatch.setattr(metrics, "REPEATS", FEW)
