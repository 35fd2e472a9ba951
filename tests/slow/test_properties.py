"""What must hold for any scores, labels, maps and splits, tried with many more of them."""

import os
import subprocess
import sys
from pathlib import Path

PROPERTIES = Path(__file__).resolve().parents[1] / "unit" / "test_properties.py"


def test_properties_hold_for_many_more_examples():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(PROPERTIES)]
    environment = {**os.environ, "COURSE_AE_EXAMPLES": "500"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]
