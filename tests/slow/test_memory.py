"""Judging many large images needs no more memory than judging a few."""

from statistics import median

import psutil
from PIL import Image

from course_ae.command import predict


def test_memory_stays_flat(finished, small_data, tmp_path):
    image, process = small_data / "bottle/test/good/000.png", psutil.Process()
    large = tmp_path / "large.png"
    Image.open(image).resize((1500, 1500)).save(large, compress_level=1)  # 7 MB decoded
    detector, used = predict.load_detector(finished.folder), []
    images = [large] * predict.BATCH * 24
    for row in predict.predict(detector, images, tmp_path / "p"):
        assert row["verdict"]
        used.append(process.memory_info().rss)
    # A batch needs up to 100 MB more or less than the one before, by chance; so halves' medians.
    peaks = [max(used[i : i + predict.BATCH]) for i in range(0, len(used), predict.BATCH)]
    # Twelve batches more of decoded images would be 2600 MB, of three small maps an image 240 MB.
    assert median(peaks[12:]) - median(peaks[:12]) < 160e6
