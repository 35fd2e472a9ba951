"""Judging many large images needs no more memory than judging a few."""

import psutil
from PIL import Image

from course_ae.command import predict


def test_memory_stays_flat(finished, small_data, tmp_path):
    image, process = small_data / "bottle/test/good/000.png", psutil.Process()
    large = tmp_path / "large.png"
    Image.open(image).resize((1500, 1500)).save(large, compress_level=1)  # 7 MB decoded
    detector, used = predict.load_detector(finished.folder), []
    for row in predict.predict(detector, [large] * 32 * 5, tmp_path / "p"):
        assert row["verdict"]
        used.append(process.memory_info().rss)
    early, late = max(used[: 2 * 32]), max(used[2 * 32 :])
    assert late - early < 60e6  # 96 more images of 7 MB would be 650 MB
