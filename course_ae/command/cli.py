"""The command `course-ae`.

Everything heavy is imported where it is used: `--help` answers at once, and `check` can tell that a
package is missing.
"""

import argparse
import csv
import json
import os
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import course_ae
from course_ae.settings import PROFILES, setting_types
from course_ae.support.errors import CourseError, ManualStepsError, nearest
from course_ae.support.files import user_path

if TYPE_CHECKING:
    from course_ae.experiment.run_folder import Run


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code: 2 for a mistake that the user can mend."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a narrow console shows '?' and goes on
            stream.reconfigure(errors="replace")
    args = make_parser().parse_args(arguments)
    if getattr(args, "device", ""):
        os.environ["COURSE_AE_DEVICE"] = args.device  # the processes of the lessons see it too
    try:
        return args.command(args) or 0
    except CourseError as error:
        steps = isinstance(error, ManualStepsError)
        return _complain(*str(error).splitlines() if steps else [str(error)])
    except OSError as error:
        where = f"'{error.filename}': " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}; mend that, or choose another place.")
    except MemoryError:
        return _complain("Memory ran out; close other programs, or give fewer or smaller images.")
    except KeyboardInterrupt:
        _complain("Stopped; what was finished is kept.")
        return 130


def _complain(*lines: str) -> int:
    """Says what is wrong; a file's name can neither begin a new line nor command the terminal."""
    print("course-ae:", "\n".join(map(printable, lines)), file=sys.stderr)
    return 2


def printable(text: str) -> str:
    """Text for one line of a terminal, with escapes in place of control characters."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def make_parser() -> argparse.ArgumentParser:
    """The options of all subcommands."""
    parser = argparse.ArgumentParser("course-ae", description=course_ae.__doc__)
    parser.add_argument("--version", action="version", version=course_ae.__version__)
    parser.set_defaults(command=lambda args: parser.print_help())
    commands = parser.add_subparsers(title="commands")
    for name, (command, text, *options) in COMMANDS.items():
        added = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        added.set_defaults(command=command)
        for names, rules in options:
            added.add_argument(*names, **rules)
    return parser


def option(names: str, text: str, **rules: Any) -> tuple[list[str], dict[str, Any]]:
    """One option or argument of a subcommand; one with a dash is text, '' unless given."""
    usual = {"default": ""} if names.startswith("-") else {}
    return names.split(), {**usual, "help": text, **rules}


def parse_pairs(pairs: list[list[str]]) -> dict[str, Any]:
    """Names and values of `-p`, each value of its setting's type; 'none' leaves a setting out.

    Raises:
        CourseError: for a setting that does not exist, or a value of the wrong type.
    """
    types, values = setting_types(), {}
    for name, text in pairs:
        if name not in types:
            raise CourseError(f"There is no setting '{name}'{nearest(name, list(types))}")
        read, words = READERS.get(types[name], (str, "text"))
        try:
            if text.lower() != "none":
                values[name] = read(text)
        except (KeyError, ValueError) as error:
            raise CourseError(f"The setting '{name}' must be {words}, not '{text}'.") from error
    return values


READERS = {  # how a setting of each type is read, and what it must be
    bool: (lambda text: {"true": True, "false": False}[text.lower()], "true or false"),
    int: (int, "a whole number"),
    float: (float, "a number"),
}


def run_course(args: argparse.Namespace) -> None:
    """Checks settings and images, then runs the lessons and writes the report."""
    run, parameters = _find(args)
    from course_ae.command import notebooks, report

    pages: dict[Path, Future] = {}  # of the report, each written while the next lesson runs
    with _held(run), ThreadPoolExecutor(1) as pool:

        def done(path: Path) -> None:
            pages[path] = pool.submit(report.write_page, run, path)

        notebooks.run_lessons(run, parameters, args.resume, done)
        index = report.write_report(run, pages)
    _print_result(run)
    print(f"Report: {index}")


def train_run(args: argparse.Namespace) -> None:
    """Trains the networks of a run; torchrun may have started several of this process."""
    run, _ = _find(args)
    from course_ae.experiment import stages
    from course_ae.support.device import choose_device

    together = nullcontext(stages.ALONE)
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        from course_ae.scale import distributed

        together = distributed.joined(choose_device())
    with together as processes, _held(run) if processes.is_first else nullcontext():
        images = stages.prepare(run)
        stages.trained(run, images, processes)
        if not run.settings.denoise:  # a second network
            stages.denoiser(run, images, processes)


def evaluate_run(args: argparse.Namespace) -> None:
    """Scores the test images of a run and prints the result."""
    run, _ = _find(args)
    from course_ae.experiment import evaluation

    with _held(run):
        evaluation.evaluate_all(run)
    _print_result(run)


def run_sweep(args: argparse.Namespace) -> int:
    """Runs many trainings, prints their means, and returns 1 if one of them failed.

    Raises:
        CourseError: for a wrong list or setting, or if the folder `scale` is missing.
    """
    overrides = parse_pairs(args.pairs)
    from course_ae.command.report import write_sweep
    from course_ae.command.tables import plain_table
    from course_ae.experiment import run_folder

    try:
        from course_ae.scale import sweep
    except ModuleNotFoundError as error:
        raise CourseError(
            f"A sweep needs '{error.name}', which is missing; install course-ae again."
        ) from error
    folder = user_path(args.out) if args.out else run_folder.runs_folder() / "sweep"
    lists = args.categories, args.losses, args.seeds
    trainings = sweep.plan(args.data, *lists, args.profile or "quick", folder, **overrides)
    for rows in sweep.run_sweep(trainings, folder, args.scheduler):  # after each training
        means = sweep.summary_table(rows)
        write_sweep(folder / "sweep.html", rows, means, sweep.failures(rows))
    print(f"\n{plain_table(means)}\n")
    print(f"Results: {folder / 'sweep.csv'}\nReport: {folder / 'sweep.html'}")
    return 1 if sweep.failures(rows) else 0


def _find(args: argparse.Namespace) -> tuple["Run", dict[str, Any]]:
    """The run that the options describe, and the parameters of its lessons; writes nothing."""
    overrides = parse_pairs(args.pairs)
    from course_ae.experiment import run_folder
    from course_ae.support.device import choose_device

    choose_device()  # refuses one that is not there
    given = {name: text for name in run_folder.PLACES if (text := getattr(args, name))} | overrides
    if args.resume:
        folder = user_path(args.run) if args.run else run_folder.find_run(**given).folder
        before = run_folder.recorded(folder)
        # Other settings than before are refused; the images may have been moved.
        given = before | given | {"run": str(folder)}
    run = run_folder.find_run(**given)
    places = {
        "data": "" if run.drawn else str(run.root),
        "category": run.settings.category,
        "profile": run.settings.profile,
        "run": str(run.folder),
    }
    return run, {**given, **places}


@contextmanager
def _held(run: "Run") -> Iterator[None]:
    """Checks the images before anything is written, and opens the run folder for one command."""
    from course_ae.experiment import run_folder, stages

    stages.require_readable(run)
    with run_folder.reserved(run, "command"):
        run_folder.claim(run)
        run_folder.print_facts(run)
        yield


def _print_result(run: "Run") -> None:
    from course_ae.command import tables
    from course_ae.experiment.evaluation import read_rows

    _, rows = read_rows(run.folder / "summary.json")
    print(f"\n{tables.plain_table(tables.result_table(rows))}\n")
    print(f"{textwrap.fill(tables.NOTE, 79)}\n")


def print_table(args: argparse.Namespace) -> None:
    """Prints the results of runs, the mean over those that differ only in their seed.

    Raises:
        CourseError: if one is no run.
    """
    from course_ae.command.tables import comparison_table
    from course_ae.experiment.evaluation import read_rows

    # A shell of Windows leaves patterns as they are.
    runs = [one for run in args.runs for one in sorted(glob(run)) or [run]]  # noqa: PTH207
    places = [user_path(run) for run in runs]
    paths = [place / "summary.json" if place.is_dir() else place for place in places]
    for path in paths:
        if path.suffix != ".json":
            raise CourseError(f"'{path}' is no run; give a run folder, or its summary.json.")
    print(comparison_table([read_rows(path) for path in paths]))


def download_category(args: argparse.Namespace) -> None:
    """Puts one or all categories of MVTec AD into a folder."""
    from course_ae.datasets.download import download

    archive = user_path(args.archive) if args.archive else None
    folders = download(args.category, user_path(args.data), args.accept_license, args.url, archive)
    print(f'Go on with: course-ae run --data "{args.data}" --category {folders[0].name}')


def import_category(args: argparse.Namespace) -> None:
    """Makes a category of photographs, or looks at one that is there, and says what it is like.

    Raises:
        CourseError: if there are no good photographs.
    """
    from course_ae import data, preprocessing
    from course_ae.datasets import photographs
    from course_ae.datasets.inspection import first_look
    from course_ae.support.folders import find_category

    root = user_path(args.data)
    if args.good:
        words = (args.good, args.defective, args.masks)
        places = [user_path(text) if text else None for text in words]
        found = photographs.import_photographs(root, args.category, *places)
        lines, folder = photographs.account(found), found.folder
    elif args.defective or args.masks:
        raise CourseError("Without good photographs there is nothing to learn; give --good.")
    else:
        try:
            lines, folder = [], find_category(root, args.category)
        except CourseError as error:
            raise CourseError(f"{error} To make one of photographs, give --good.") from error
    samples = data.load_samples(folder)
    lines += [f"{count:5} {place}" for place, count in data.count_folders(samples).items()]
    lines.append(f"{sum(sample.mask_path is not None for sample in samples):5} masks")
    lines += first_look(samples, preprocessing.load_images(samples))
    lines.append(f'Go on with: course-ae run --data "{folder.parent}" --category "{folder.name}"')
    print("\n".join(map(printable, lines)))


def predict_images(args: argparse.Namespace) -> int:
    """Judges images, and returns 2 if one could not be read."""
    from course_ae.command import predict
    from course_ae.command.tables import plain_table

    folder = user_path(args.run)
    images = predict.find_images([user_path(image) for image in args.images])
    detector = predict.load_detector(folder, args.score)
    pictures = user_path(args.pictures) if args.pictures else folder / "predictions"
    rows = list(predict.predict(detector, images, pictures))
    judged = [row for row in rows if "error" not in row]
    for row in rows:
        if "error" in row:
            _complain(row["error"])
    if args.format == "json":
        print(json.dumps(rows, indent=2))
    elif args.format == "csv":
        writer = csv.DictWriter(sys.stdout, predict.COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(judged)
    elif judged:
        lines = [(printable(row["image"]), f"{row['score']:.4g}", row["verdict"]) for row in judged]
        print(plain_table([("image", "score", "verdict"), *lines]))
        count = {word: sum(row["verdict"] == word for row in judged) for word in predict.VERDICTS}
        right = ", and of the right product" if count["another product"] else ""
        print(
            f"\n{count['defective']} of {len(judged)} defective: {detector.score_name} score above "
            f"{detector.threshold:.4g}{right}. Pictures: {printable(str(pictures))}"
        )
        if count["another product"]:
            print(
                f"{count['another product']} of another product: more than half of the image is "
                "unlike the good ones. Was it taken of the right thing, and in the same way?"
            )
    return 2 if len(judged) < len(rows) else 0


def start_lessons(args: argparse.Namespace) -> None:
    """Copies the lessons for a student, without outputs and solutions; overwrites nothing."""
    from course_ae.command.notebooks import copy_for_students

    copy_for_students(user_path(args.folder))


def export_detector(args: argparse.Namespace) -> None:
    """Writes the detector of a run as one file that needs neither this package nor torch."""
    from course_ae.command.export import export

    file = user_path(args.file)
    export(user_path(args.run), file, args.score)
    print(f"Detector: {file}")


def export_slides(args: argparse.Namespace) -> None:
    """Writes each executed lesson as slides."""
    from course_ae.command.slides import write_slides

    run = user_path(args.run) if args.run else None
    print(f"Slides: {write_slides(user_path(args.folder), run)}")


def check_course(args: argparse.Namespace) -> int:
    """Prints what is ready and what is not; returns 1 if something needs doing."""
    from course_ae.command.check import findings

    code = 0
    for is_ok, text in findings(args.data, args.category or "bottle"):
        print(f"{'OK   ' if is_ok else 'TO DO'}  {text}", flush=True)
        code = code if is_ok else 1
    return code


SCORE = "normalised (lesson 08), ssim or l2; the first that the run has unless given"
DEVICE = option("--device", "cpu, cuda or mps", metavar="NAME")
DATA = (
    option("--data", "images in MVTec AD's layout; else the category is drawn", metavar="DIR"),
    option("--category", "which product; bottle unless given", metavar="NAME"),
)  # fmt: skip
SETTINGS = (
    option("--profile", f"settings: {' or '.join(PROFILES)}; quick unless given", metavar="NAME"),
    option("-p", "replace a setting of the profile, as settings.py names them; can be repeated",
           dest="pairs", default=[], action="append", nargs=2, metavar=("NAME", "VALUE")),
    DEVICE,
)  # fmt: skip
RUN = (
    *DATA,
    # torchrun takes --run for a beginning of its own --run-path, hence the second name.
    option("--run --run-folder", "folder of the results; in runs unless given", metavar="DIR"),
    option("--resume", "go on with a run that was stopped", action="store_true", default=False),
    *SETTINGS,
)  # fmt: skip
COMMANDS = {  # what each one does, its help, its options
    "run": (run_course, "execute all lessons and write a report", *RUN),
    "train": (train_run, "train the networks of lessons 04 and 08, without notebooks", *RUN),
    "evaluate": (evaluate_run, "train what is missing, and score as lessons 05 to 08 do", *RUN),
    "check": (check_course, "tell whether this machine and the data are ready", *DATA),
    "start": (
        start_lessons, "copy the lessons into a folder of yours, to work in",
        option("folder", "your folder; files that are there stay", metavar="DIR"),
    ),
    "download": (
        download_category, "get a category of MVTec AD",
        option("category", "for example bottle, or all", metavar="CATEGORY"),
        option("--data", "folder of the categories", metavar="DIR", required=True),
        option("--accept-license", "accept CC BY-NC-SA 4.0", action="store_true", default=False),
        option("--url", "another address of the archive", metavar="URL"),
        option("--archive", "the archive, where you have it already", metavar="FILE"),
    ),
    "import": (
        import_category, "make a category of your own photographs",
        option("data", "folder of the categories", metavar="DIR"),
        option("--category", "its name", metavar="NAME"),
        option("--good", "good photographs; without any, look at a category", metavar="DIR"),
        option("--defective", "defective ones, a folder for each type of defect", metavar="DIR"),
        option("--masks", "where the defects are marked", metavar="DIR"),
    ),
    "predict": (
        predict_images, "judge new images with the detector of a run",
        option("images", "a file, or a folder of them", metavar="IMAGE", nargs="+"),
        option("--run", "a run's folder", metavar="RUN", required=True),
        option("--score", SCORE, metavar="NAME"),
        option("--format", "of what is printed", choices=("table", "json", "csv"), default="table"),
        option("--pictures", "where they go; else predictions, in the run's folder", metavar="DIR"),
        DEVICE,
    ),
    "export": (
        export_detector, "write the detector of a run as one ONNX file",
        option("run", "a run's folder", metavar="RUN"),
        option("file", "the new file, for example bottle.onnx", metavar="FILE"),
        option("--score", SCORE, metavar="NAME"),
    ),
    "slides": (
        export_slides, "export the executed lessons as slides for a browser",
        option("folder", "where the slides go", metavar="DIR"),
        option("--run", "a run's folder; else the course's own lessons", metavar="RUN"),
    ),
    "table": (
        print_table, "print the results of runs as a Markdown table",
        option("runs", "a run folder, or its summary.json", metavar="RUN", nargs="+"),
    ),
    "sweep": (
        run_sweep, "train categories x losses x seeds, on one machine or many",
        option("--data", "folder of the categories; else they are drawn", metavar="DIR"),
        option("--categories", "names, with commas between; else bottle", metavar="LIST",
               default="bottle"),
        option("--losses", "names, with commas between; else ssim,l2", metavar="LIST",
               default="ssim,l2"),
        option("--seeds", "numbers, such as 0-4 or 0,2,5; else 0-2", metavar="LIST", default="0-2"),
        option("--out", "folder of all runs and results; runs/sweep unless given", metavar="DIR"),
        option("--scheduler", "a Dask scheduler, tcp://host:port; else local", metavar="ADDRESS"),
        *SETTINGS,
    ),
}  # fmt: skip
