"""The explorers in a real JupyterLab in headless Chromium.

The lessons' own cells run in one notebook, on a small run. What the browser shows is compared with
what the pure functions say in this process, on the same run.
"""

import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook
from tiny_run import TINY, make_run

from course_ae import corruption, metrics, training
from course_ae.baselines import LinearAutoencoder
from course_ae.classroom import widgets
from course_ae.classroom.story import save_story
from course_ae.classroom.widgets.threshold import ThresholdView
from course_ae.classroom.widgets.view import short
from course_ae.command import notebooks, report, slides
from course_ae.experiment import evaluation, run_folder, stages
from course_ae.thresholds import search_threshold

pytestmark = pytest.mark.browser
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
                None)  # fmt: skip
if CHROMIUM is None:
    pytest.skip("there is no Chromium on this machine", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api")

PRELUDE = """
import numpy as np
import torch
from course_ae import corruption, metrics, training
from course_ae.baselines import LinearAutoencoder
from course_ae.classroom import widgets
from course_ae.experiment import evaluation, run_folder, stages
lesson = run_folder.open_run(data={data!r}, category="", run={run!r}, **{tiny!r})
images = stages.prepare(lesson)
model = untrained = stages.trained(lesson, images)
scores = stages.scored(lesson, images, model)
x, x_hat = images.test, training.reconstruct(model, images.test)
masks = evaluation.masks_at_map_size(lesson.test)
snapshots, history = stages.read_snapshots(lesson), stages.read_history(lesson)
fraction = lesson.settings.calibration_fraction
splits = {{
    name: metrics.f_normal_splits(values, scores.labels, fraction)
    for name, values in scores.values.items()
}}
score = "l2"
pca, one = LinearAutoencoder(images.train, 100), 0
stained = corruption.stain(images.val, images.train, torch.Generator().manual_seed(0))[0]
"""
EXPLORERS = {  # one cell of each lesson that shows an explorer or a quiz
    "preprocessing": ("02", "preprocessing_explorer("),
    "code size": ("03", "code_size_explorer("),
    "layers": ("03", "layer_explorer("),
    "similarity": ("04", "similarity_explorer("),
    "epochs": ("04", "epoch_explorer("),
    "threshold": ("05", "threshold_explorer("),
    "same image": ("07", "same_image_explorer("),
    "lottery": ("06", "split_lottery("),
    "quiz": ("05", "quiz("),
}


def cell_of(lesson, words):
    (path,) = [path for path in notebooks.lessons() if path.name.startswith(lesson)]
    cells = nbformat.read(path, as_version=4).cells
    (cell,) = [c for c in cells if c.cell_type == "code" and f"widgets.{words}" in c.source]
    return cell.source.replace("similarity_explorer(x)", "similarity_explorer(images.good[:1])")


# Names that are scripts, tags, links and tables; each would leave a mark in the page.
MARK = "onerror=document.documentElement.dataset.hit=1"
NAMES = [
    f"<img src=x {MARK}>", f"'><img src=x {MARK}>", f'"><svg onload={MARK[8:]}>',
    "[a](javascript:alert(1))", "![b](http:evil.invalid)", "a|b$x^{$`c`", "</td><b>&lt;",
]  # fmt: skip


def hostile_names(data):
    """Gives the category, the defects and the images names that are no mere names."""
    category = (data / "bottle").rename(data / NAMES[0])
    types = ["broken_large", "broken_small", "contamination"]
    for defect_type, name in zip(types, NAMES[1:], strict=False):
        for part in ("test", "ground_truth"):
            (category / part / defect_type).rename(category / part / name.replace("/", ""))
    for i, path in enumerate(sorted(category.glob("*/*/*.png"))):
        if "ground_truth" not in path.parts:
            name = f"{path.stem} {NAMES[i % len(NAMES)]}".replace("/", "")
            mask = path.parents[2] / "ground_truth" / path.parent.name / f"{path.stem}_mask.png"
            if mask.exists():
                mask.rename(mask.with_name(f"{name}_mask.png"))
            path.rename(path.with_name(f"{name}.png"))


class Small:
    """The run of the browser's notebook, opened in this process too."""

    def __init__(self, data, folder):
        self.run = run_folder.open_run(data=str(data), category="", run=str(folder), **TINY)
        self.images = stages.prepare(self.run)
        self.model = stages.trained(self.run, self.images)
        self.scores = stages.scored(self.run, self.images, self.model)
        self.masks = evaluation.masks_at_map_size(self.run.test)
        x_hat = training.reconstruct(self.model, self.images.test)
        self.pictures = {
            "input": training.to_uint8(self.images.test),
            "reconstruction": training.to_uint8(x_hat),
        }


@pytest.fixture(scope="module")
def small(finished, small_data, tmp_path_factory):
    folder = shutil.copytree(finished.folder, tmp_path_factory.mktemp("browser") / "run")
    return Small(small_data, folder)


@pytest.fixture(scope="module")
def front_page(small, finished):
    """The report of the run, with its pictures and its result."""
    evaluation.evaluate_all(small.run)
    save_story(small.run, finished.images, finished.scores, finished.denoiser)
    return report.write_report(small.run)


@pytest.fixture(scope="module")
def hostile(small_data, tmp_path_factory):
    """A run on images whose names are scripts."""
    folder = tmp_path_factory.mktemp("hostile")
    data = shutil.copytree(small_data, folder / "data")
    try:
        hostile_names(data)
    except OSError as error:
        pytest.skip(f"no such names on this system: {error}")
    return make_run(data, folder / "run", category="")


def write_explorers(path, run, more=()):
    """A notebook that shows every explorer of a run, and then what else is asked for."""
    prelude = PRELUDE.format(data=str(run.root), run=str(run.folder), tiny=TINY)
    cells = [prelude.strip(), *(cell_of(*place) for place in EXPLORERS.values()), *more]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = new_notebook(cells=list(map(new_code_cell, cells)), metadata={"kernelspec": kernel})
    nbformat.write(notebook, path)


@pytest.fixture(scope="module")
def server(small, tmp_path_factory):
    """JupyterLab in a folder with the notebook of all explorers; its address and its log."""
    folder = tmp_path_factory.mktemp("lab")
    write_explorers(folder / "explorers.ipynb", small.run)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", f"--port={port}"]
    command += ["--IdentityProvider.token=", f"--ServerApp.root_dir={folder}", "--allow-root"]
    command += ["--LabApp.expose_app_in_browser=True"]
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(folder / "config"),
                   "PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # fmt: skip
    log = folder / "server.log"
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, process, log)
        yield address, log
    finally:
        process.terminate()
        process.wait(30)


def wait_for(address, process, log):
    for _ in range(120):
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            urllib.request.urlopen(f"{address}/api/status", timeout=2).close()
            return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield chromium
        chromium.close()


class Lab:
    """The notebook in the browser, with all its cells run."""

    def __init__(self, browser, address, name="explorers"):
        self.errors = []
        self.page = browser.new_page(viewport={"width": 1300, "height": 1000})
        self.page.goto(f"{address}/lab/tree/{name}.ipynb?reset", timeout=60_000)
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._listen)
        run_all = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"
        self.page.wait_for_function(
            "() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status"
            " === 'idle'", timeout=60_000,
        )  # fmt: skip
        self.page.evaluate(run_all)

    def _listen(self, message):
        if message.type == "error":
            self.errors.append(message.text)

    def explorer(self, name):
        """The explorer's part of the page, scrolled into view."""
        number = 1 + list(EXPLORERS).index(name)
        self.page.evaluate(
            "async i => { const nb = window.jupyterapp.shell.currentWidget.content;"
            "nb.activeCellIndex = i; await nb.scrollToItem(i, 'start'); }", number,
        )  # fmt: skip
        cell = self.page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{number}']")
        cell.locator(".jp-OutputArea-output .widget-vbox").first.wait_for(timeout=60_000)
        return cell


@pytest.fixture(scope="module")
def lab(browser, server):
    return Lab(browser, server[0])


def said(cell):
    return cell.locator("[role=status]").first.inner_text()


def wait_until_said(lab, cell, words):
    sync_api.expect(cell.locator("[role=status]").first).to_have_text(words, timeout=20_000)
    picture = cell.locator("img").first
    sync_api.expect(picture).to_have_attribute("alt", words, timeout=20_000)
    lab.page.wait_for_function("image => image.complete && image.naturalWidth > 100",
                               arg=picture.element_handle(), timeout=20_000)  # fmt: skip


def choose(cell, label, value):
    cell.get_by_label(label).select_option(label=value)


def test_the_preprocessing_explorer(lab, small):
    cell = lab.explorer("preprocessing")
    samples = small.run.train[:5] + small.run.test[-2:]
    view = widgets.PreprocessingView(samples)
    wait_until_said(lab, cell, view.at())
    choose(cell, "step", "227x227")
    wait_until_said(lab, cell, view.at(0, "227x227"))
    choose(cell, "image", samples[-1].name)
    wait_until_said(lab, cell, view.at(6, "227x227"))


def test_the_code_size_explorer(lab, small):
    cell = lab.explorer("code size")
    clean, train = small.images.val, small.images.train
    pca = LinearAutoencoder(train, 100)
    stained, _ = corruption.stain(clean, train, torch.Generator().manual_seed(0))
    view = widgets.CodeSizeView(pca, clean[:1], stained[:1])
    wait_until_said(lab, cell, view.at(pca.size))
    cell.get_by_role("slider", name="numbers in the code, k").focus()
    lab.page.keyboard.press("ArrowLeft")
    wait_until_said(lab, cell, view.at(pca.size - 1))


def test_the_layer_explorer(lab, small):
    cell = lab.explorer("layers")
    broken = [sample.label for sample in small.run.test].index(1)
    x = torch.cat([small.images.test[broken, None], small.images.good[:3]])
    view = widgets.LayerView(small.model, x)
    for layer in ("encoder dense", "decoder up2"):
        choose(cell, "layer", layer)
        wait_until_said(lab, cell, view.at(layer, 0))


def test_the_similarity_explorer(lab, small):
    cell = lab.explorer("similarity")
    view = widgets.SimilarityView(small.images.good[:1])
    wait_until_said(lab, cell, view.at(noise=0.05))
    handle = cell.get_by_role("slider", name="shift (pixels)")
    handle.focus()
    for pixels in (1, 2, 3):
        lab.page.keyboard.press("ArrowRight")
        wait_until_said(lab, cell, view.at(shift=pixels, noise=0.05))


def test_the_epoch_explorer(lab, small):
    cell = lab.explorer("epochs")
    history = stages.read_history(small.run)
    snapshots = stages.read_snapshots(small.run)
    view = widgets.EpochView(snapshots, history, training.to_uint8(small.images.good[:5]))
    wait_until_said(lab, cell, view.at(max(snapshots)))
    cell.get_by_role("slider", name="epoch").focus()
    lab.page.keyboard.press("ArrowLeft")
    wait_until_said(lab, cell, view.at(sorted(snapshots)[-2]))


def test_the_same_image_explorer(lab, small):
    cell = lab.explorer("same image")
    columns = {**small.pictures, "L2 map": small.scores.maps["l2"].numpy(),
               "SSIM map": small.scores.maps["ssim"].numpy()}  # fmt: skip
    view = widgets.SameImageView(small.scores, columns, small.masks)
    name = small.scores.names[-1].removeprefix("test/")
    choose(cell, "image", name)
    wait_until_said(lab, cell, view.at(len(small.scores.names) - 1))


def test_the_split_lottery(lab, small):
    cell = lab.explorer("lottery")
    fraction = small.run.settings.calibration_fraction
    splits = {k: metrics.f_normal_splits(v, small.scores.labels, fraction)
              for k, v in small.scores.values.items()}  # fmt: skip
    view = widgets.LotteryView(small.scores, fraction, splits)
    wait_until_said(lab, cell, view.at(0))
    cell.get_by_role("button", name="draw another split").click()
    sync_api.expect(cell.locator("[role=status]")).not_to_have_text(view.at(0))
    drawn = int(re.match(r"Split (\d+)", said(cell))[1])
    wait_until_said(lab, cell, view.at(drawn))


def test_the_threshold_explorer_by_mouse(lab, small):
    cell = lab.explorer("threshold")
    view = ThresholdView(small.scores, small.pictures, small.masks, "l2")
    start = search_threshold(*small.scores.part("l2", "calibration"))
    first = int(small.scores.calibration[0])
    wait_until_said(lab, cell, view.at(start, first))
    chosen = cell.get_by_label("image").locator("option:checked")
    sync_api.expect(chosen).to_have_text(short(small.scores.names[first]))
    box = cell.locator("img").bounding_box()
    view.picture()
    image = int(view.order[-1])
    dot = view.scatter.transData.transform((len(view.order) - 1, small.scores.values["l2"][image]))
    x, y = view.figure.transFigure.inverted().transform(dot)
    lab.page.mouse.click(box["x"] + x * box["width"], box["y"] + (1 - y) * box["height"])
    wait_until_said(lab, cell, view.at(start, image))
    cell.get_by_label("image").select_option(label=short(small.scores.names[first]))
    wait_until_said(lab, cell, view.at(start, first))


def test_a_move_is_answered_within_a_tenth_of_a_second(lab, small):
    """From the key to the changed text, as a person would see it."""
    cell = lab.explorer("threshold")
    handle = cell.get_by_role("slider")
    handle.focus()
    times = lab.page.evaluate(
        """async ([output, handle]) => {
          const times = [];
          for (let i = 0; i < 30; i++) {
            const before = output.innerText, start = performance.now();
            const changed = new Promise((resolve, reject) => {
              const seen = new MutationObserver(() => {
                if (output.innerText !== before) { seen.disconnect(); resolve(performance.now()); }
              });
              seen.observe(output, { childList: true, subtree: true, characterData: true });
              setTimeout(() => reject(new Error("no answer")), 5000);
            });
            const key = i < 15 ? "ArrowRight" : "ArrowLeft";
            handle.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
            times.push((await changed) - start);
            await new Promise(resolve => setTimeout(resolve, 150));
          }
          return times;
        }""",
        [cell.locator(".widget-html").first.element_handle(), handle.element_handle()],
    )
    print(f"median {statistics.median(times):.0f} ms, longest {max(times):.0f} ms")
    assert statistics.median(times) < 100


def test_the_keyboard_alone_can_do_it(lab, small):
    """Tab from control to control, arrows, typing, and Enter on the seal."""
    cell = lab.explorer("threshold")
    view = ThresholdView(small.scores, small.pictures, small.masks, "l2")
    cell.get_by_label("score").focus()
    focused = []
    for _ in range(6):
        focused.append(lab.page.evaluate(
            "() => { const e = document.activeElement; return e.getAttribute('role') || "
            "(e.tagName + (e.type ? ' ' + e.type : '')).toLowerCase(); }"
        ))  # fmt: skip
        lab.page.keyboard.press("Tab")
    assert focused == ["select select-one", "select select-one", "button submit", "slider",
                       "input number", "select select-one"]  # fmt: skip
    cell.get_by_label("image").focus()
    lab.page.keyboard.press("ArrowDown")  # which JupyterLab would otherwise take for its own
    start = search_threshold(*small.scores.part("l2", "calibration"))
    first = int(small.scores.calibration[1])
    wait_until_said(lab, cell, view.at(start, first))
    number = cell.locator("input[type=number]")
    number.focus()
    lab.page.keyboard.press("Control+a")
    threshold = float(f"{small.scores.values['l2'].mean():.4g}")
    lab.page.keyboard.type(str(threshold))
    lab.page.keyboard.press("Enter")
    wait_until_said(lab, cell, view.at(threshold, first))
    cell.get_by_role("button", name="seal the threshold").focus()
    lab.page.keyboard.press("Enter")
    sealed = ThresholdView(small.scores, small.pictures, small.masks, "l2", "test")
    first = int(small.scores.test[0])
    wait_until_said(lab, cell, sealed.at(threshold, first))
    chosen = cell.get_by_label("image").locator("option:checked")
    sync_api.expect(chosen).to_have_text(short(small.scores.names[first]))
    sync_api.expect(number).to_be_disabled()


def test_a_quiz_is_answered(lab):
    cell = lab.explorer("quiz")
    asked = widgets.quiz("05").asked
    cell.get_by_label(asked[0]["choices"][1]["text"]).check()
    why = asked[0]["choices"][1]["why"]
    sync_api.expect(cell.locator("[role=status]").first).to_have_text(f"Not quite. {why}")
    cell.get_by_label(asked[0]["choices"][1]["text"]).focus()
    lab.page.keyboard.press("ArrowUp")  # radio buttons go by arrows
    sync_api.expect(cell.locator("[role=status]").first).to_contain_text("Right.")


def test_there_is_one_picture_an_explorer_and_no_error_anywhere(lab, server):
    for name in EXPLORERS:
        cell = lab.explorer(name)
        assert cell.locator("img").count() == (name != "quiz")
    assert lab.errors == []
    log = server[1].read_text(encoding="utf-8")
    assert not re.search(r"Traceback|Exception|\[E |\[C ", log), log


IS_SEEN = """() => {
  const heading = Reveal.getCurrentSlide().querySelector("h1");
  const box = heading.getBoundingClientRect();
  return heading.contains(document.elementFromPoint(box.x + 5, box.y + box.height / 2));
}"""


def test_the_slides_open_without_the_network(browser, tmp_path):
    slides.write_slides(tmp_path)
    asked, errors = [], []
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: errors.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    for path in sorted(tmp_path.glob("0*.html")):
        page.goto(path.as_uri())
        page.wait_for_function("() => Reveal.isReady()")
        first = page.evaluate("() => Reveal.getCurrentSlide().innerText")
        assert path.name[:2] in first
        assert page.evaluate(IS_SEEN)
        assert page.evaluate("() => Reveal.getTotalSlides()") >= 10
        page.keyboard.press("ArrowRight")
        assert page.evaluate("() => Reveal.getCurrentSlide().innerText") != first
        assert page.evaluate("() => [...document.images].every(i => i.complete && i.alt)")
    assert errors == []
    assert all(url.startswith(("file:", "data:")) for url in asked)


FORMULAS = r"""# 01 Formulas

The loss of $\hat{x} = D(E(x))$, for example, is

$$L = \frac{1}{n} \sum_{i=1}^{n} \left( x_i - \hat{x}_i \right)^2 + \sqrt{\sigma_{xy}}$$
"""
BOXES = """() => [...document.querySelectorAll("math")].map(math => {
  const box = math.getBoundingClientRect();
  return [box.width, box.height, math.innerText || math.textContent];
})"""


@pytest.mark.parametrize("make", [report.lesson_page, slides.slides_page])
def test_formulas_are_typeset_without_the_network(make, browser, tmp_path):
    cell = new_code_cell("1", outputs=[nbformat.v4.new_output("stream", text="1")])
    notebook = new_notebook(cells=[nbformat.v4.new_markdown_cell(FORMULAS), cell])
    path = tmp_path / "formulas.html"
    path.write_text(make(notebook, "01_formulas"), encoding="utf-8")
    page = browser.new_context(offline=True).new_page()
    page.goto(path.as_uri())
    short, tall = page.evaluate(BOXES)
    assert short[0] > 50 and short[1] > 10  # pixels
    assert tall[0] > 100 and tall[1] > 1.5 * short[1]  # a fraction and a sum need two lines
    shown = page.evaluate("() => document.body.innerText")
    assert "The loss of" in shown and not re.search(r"[$\\]|frac|hat", shown)
    height = "() => document.querySelector('mfrac').getBoundingClientRect().height"
    assert page.evaluate(height) > page.evaluate(height.replace("mfrac", "mfrac mn"))
    hat = page.evaluate("() => document.querySelector('mover').lastChild.textContent")
    assert hat in ("^", "\u02c6", "\u0302")


def test_report_and_lessons_fit_a_phone(browser, front_page, tmp_path):
    pages = [front_page]
    for path in notebooks.lessons():
        pages.append(tmp_path / f"{path.stem}.html")
        text = report.lesson_page(nbformat.read(path, as_version=4), path.stem)
        pages[-1].write_text(text, encoding="utf-8")
    page = browser.new_context(offline=True, viewport={"width": 390, "height": 844}).new_page()
    for path in pages:
        page.goto(path.as_uri())
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390, path.name
        assert page.evaluate("() => [...document.images].every(i => i.alt)")
        assert page.locator("h1").count() >= 1


def test_the_front_page_tells_the_story_in_one_screen(browser, front_page):
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(front_page.as_uri())
    box = page.locator(".result").bounding_box()  # the result in a sentence
    assert box["y"] + box["height"] <= 720


CAPTIONS = """
from course_ae.classroom import figures
chosen = lesson.samples[::3]  # all names, and JupyterLab folds more than 50 outputs
for sample in chosen:
    figures.show(figures.image_grid([x[0, 0].numpy()], [sample.name]), f"This is {sample.name}.")
figures.table([{sample.defect_type: sample.name, "b": 1.0} for sample in chosen])
"""


def test_names_that_are_scripts_are_only_names_in_the_lab(browser, server, hostile):
    address, log = server
    write_explorers(log.parent / "hostile.ipynb", hostile.run, [CAPTIONS])
    lab = Lab(browser, address, "hostile")
    asked = []
    lab.page.on("request", lambda request: asked.append(request.url))
    lab.page.on("dialog", lambda dialog: asked.append(dialog.message))
    for name in EXPLORERS:
        lab.explorer(name)
    names = {sample.name for sample in hostile.run.samples[::3]}
    assert all(any(name.replace("/", "") in one for one in names) for name in NAMES)
    number = 1 + len(EXPLORERS)
    lab.page.evaluate(
        "async i => { const nb = window.jupyterapp.shell.currentWidget.content;"
        "await nb.scrollToItem(i, 'start'); }", number,
    )  # fmt: skip
    cell = lab.page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{number}']")
    sync_api.expect(cell.locator("td")).to_have_count(2 * len(names), timeout=60_000)
    captions = cell.locator(".jp-RenderedMarkdown p").all_inner_texts()
    assert {f"Figure. This is {name}." for name in names} <= set(captions)
    assert set(cell.locator("td:first-child").all_inner_texts()) == names
    assert lab.page.evaluate("() => document.documentElement.dataset.hit") is None
    assert all(url.startswith((address, address.replace("http", "ws"), "data:", "blob:"))
               for url in asked), asked  # fmt: skip


def test_names_that_are_scripts_are_only_names_in_report_and_slides(browser, hostile, tmp_path):
    run = hostile.run
    save_story(run, hostile.images, hostile.scores, hostile.denoiser)
    places = {"data": str(run.root), "category": run.settings.category, "run": str(run.folder)}
    for path in notebooks.lessons():
        if path.name[:2] in ("01", "02", "05"):
            notebooks.run_lesson(
                path, run.folder, {**places, **TINY}, notebooks.Progress(path.stem)
            )
    pages = [report.write_report(run), *(run.folder / "report").glob("0*.html")]
    slides.write_slides(tmp_path, run.folder)
    pages += tmp_path.glob("0*.html")
    assert len(pages) == 7
    asked = []
    page = browser.new_context(offline=True).new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: asked.append(dialog.message))
    shown = ""
    for path in pages:
        page.goto(path.as_uri())
        page.wait_for_load_state("networkidle")
        assert page.evaluate("() => document.documentElement.dataset.hit") is None, path.name
        shown += page.evaluate("() => document.documentElement.textContent")
    assert run.settings.category in shown
    assert all(sample.defect_type in shown for sample in run.test)
    assert all(url.startswith(("file:", "data:")) for url in asked), asked
    assert {url for url in asked if url.startswith("file:")} == {path.as_uri() for path in pages}


def test_a_page_runs_no_script_and_fetches_nothing_whoever_wrote_it(browser, small, tmp_path):
    lead = '<META http-equiv="refresh" content="0;url=https://evil.invalid/">'
    evil = (
        f"{lead}<img src=x {MARK}><script>{MARK[8:]}</script><img src=https://evil.invalid/x.png>"
    )
    cell = new_code_cell("1", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": evil})]
    notebook = new_notebook(cells=[nbformat.v4.new_markdown_cell(f"# A {evil}"), cell])
    for make in (report.lesson_page, slides.slides_page):
        path = tmp_path / f"{make.__name__}.html"
        path.write_text(make(notebook, "01_evil"), encoding="utf-8")
        refused, page = {}, browser.new_page()
        page.on(
            "requestfailed",
            lambda request, refused=refused: refused.update({request.url: request.failure}),
        )
        page.goto(path.as_uri())
        page.wait_for_load_state("networkidle")
        assert page.evaluate("() => document.documentElement.dataset.hit") is None
        assert page.url == path.as_uri()
        assert refused == {"https://evil.invalid/x.png": "csp", (tmp_path / "x").as_uri(): "csp"}
