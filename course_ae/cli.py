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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import course_ae
from course_ae.config import PROFILES, CourseError, ManualStepsError, nearest, setting_types
from course_ae.files import user_path

if TYPE_CHECKING:
    from course_ae.runs import Run


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code: 2 for a mistake that the user can mend."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a narrow console shows '?' and goes on
            stream.reconfigure(errors="replace")
    parser = make_parser()
    args = parser.parse_args(arguments)
    if args.command is None:
        parser.print_help()
        return 0
    if getattr(args, "device", ""):
        os.environ["COURSE_AE_DEVICE"] = args.device  # the processes of the lessons see it too
    try:
        return args.command(args)
    except ManualStepsError as error:
        return _complain(*str(error).splitlines())
    except CourseError as error:
        return _complain(str(error))
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
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands")

    def add(name: str, command: Callable[[argparse.Namespace], int], text: str):
        added = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        added.set_defaults(command=command)
        return added

    run = add("run", run_course, "execute all lessons and write a report")
    train = add("train", train_run, "train the networks of lessons 04 and 07, without notebooks")
    evaluate = add(
        "evaluate", evaluate_run, "score the test images as lessons 05 to 07 do, without notebooks"
    )
    check = add("check", check_course, "tell whether this machine and the data are ready")
    begin = add("start", start_lessons, "copy the lessons into a folder of yours, to work in")
    begin.add_argument("folder", metavar="DIR", help="your folder; files that are there stay")
    get = add("download", download_category, "get a category of MVTec AD")
    get.add_argument("category", metavar="CATEGORY", help="for example bottle, or all")
    get.add_argument("--data", required=True, metavar="DIR", help="folder of the categories")
    get.add_argument("--accept-license", action="store_true", help="accept CC BY-NC-SA 4.0")
    get.add_argument("--url", default="", metavar="URL", help="another address of the archive")
    get.add_argument("--archive", default="", metavar="FILE", help="an archive that is here")
    get.add_argument(
        "--sha256", default="", metavar="HEX", help="of an archive the course does not know"
    )
    bring = add("import", import_category, "make a category of your own photographs")
    bring.add_argument("data", metavar="DIR", help="folder of the categories")
    bring.add_argument("--category", default="", metavar="NAME", help="the name of the new one")
    bring.add_argument("--good", default="", metavar="DIR", help="good photographs")
    bring.add_argument(
        "--defective", default="", metavar="DIR", help="defective ones, a folder a type of defect"
    )
    bring.add_argument("--masks", default="", metavar="DIR", help="where the defects are marked")
    judge = add("predict", predict_images, "judge new images with the detector of a run")
    judge.add_argument("images", nargs="+", metavar="IMAGE", help="a file, or a folder of them")
    judge.add_argument("--run", required=True, metavar="RUN", help="a run's folder")
    judge.add_argument("--score", default="", metavar="NAME", help="best (lesson 07), l2 or ssim")
    judge.add_argument("--format", default="table", choices=("table", "json", "csv"))
    judge.add_argument(
        "--pictures", default="", metavar="DIR", help="else in the run's folder, predictions"
    )
    judge.add_argument("--device", default="", metavar="NAME", help="cpu, cuda or mps")
    slides = add("slides", export_slides, "export the executed lessons as slides for a browser")
    slides.add_argument("folder", metavar="DIR", help="where the slides go")
    slides.add_argument(
        "--run", default="", metavar="RUN", help="a run's folder; else the course's own lessons"
    )
    table = add("table", print_table, "print the results of runs as a Markdown table")
    bench = add("bench", print_bench, "measure speed and memory on this machine (some minutes)")
    bench.add_argument("--json", action="store_true", help="print all figures as JSON")
    bench.add_argument("--device", default="", metavar="NAME", help="cpu, cuda or mps")
    sweep = add("sweep", run_sweep, "train categories x losses x seeds, on one machine or many")
    sweep.add_argument(
        "--data", default="", metavar="DIR", help="folder of the categories; else bottles are drawn"
    )
    for name, default, text in (
        ("categories", "bottle", "names, with commas between"),
        ("losses", "ssim,l2", "names, with commas between"),
        ("seeds", "0-2", "numbers, for example 0-4 or 0,2,5"),
    ):
        sweep.add_argument(f"--{name}", default=default, metavar="LIST", help=text)
    sweep.add_argument("--out", default="", metavar="DIR", help="folder of all runs and results")
    sweep.add_argument(
        "--scheduler", default="", metavar="ADDRESS",
        help="a Dask scheduler, tcp://host:port; without it workers start on this machine",
    )  # fmt: skip
    table.add_argument("runs", nargs="+", metavar="RUN", help="a run folder, or its summary.json")
    for command in (run, train, evaluate, check):
        command.add_argument(
            "--data",
            default="",
            metavar="DIR",
            help="images in MVTec AD's layout, all categories or one; without it bottles are drawn",
        )
        command.add_argument("--category", default="bottle", metavar="NAME", help="which product")
    for command in (run, train, evaluate):
        # torchrun takes --run for a beginning of its own --run-path, hence the second name.
        command.add_argument(
            "--run", "--run-folder", default="", metavar="DIR", help="folder of the results"
        )
        command.add_argument(
            "--resume",
            action="store_true",
            help="go on with a run that was stopped, with its data and settings",
        )
    for command in (run, train, evaluate, sweep):
        _add_settings(command)
    return parser


def _add_settings(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--profile", default="quick", metavar="NAME", help=f"settings: {' or '.join(PROFILES)}"
    )
    command.add_argument(
        "-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), dest="pairs",
        help="replace one setting of the profile; can be repeated",
    )  # fmt: skip
    command.add_argument("--device", default="", metavar="NAME", help="cpu, cuda or mps")


def parse_pairs(pairs: list[list[str]]) -> dict[str, Any]:
    """Names and values of `-p`, each value of its setting's type; 'none' leaves a setting out.

    Raises:
        CourseError: for a setting that does not exist, or a value of the wrong type.
    """
    types = setting_types()
    values = {}
    for name, text in pairs:
        if name not in types:
            raise CourseError(f"There is no setting '{name}'{nearest(name, list(types))}")
        if text.lower() != "none":
            values[name] = _parse(name, text, types[name])
    return values


def _parse(name: str, text: str, kind: type) -> Any:
    words = {bool: "true or false", int: "a whole number", float: "a number"}
    try:
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError) as error:
        raise CourseError(f"The setting '{name}' must be {words[kind]}, not '{text}'.") from error


def run_course(args: argparse.Namespace) -> int:
    """Checks settings and images, then runs the lessons and writes the report."""
    run, parameters = _find(args)
    from course_ae import batch, pipeline, report, runs

    pipeline.require_readable(run)  # before anything is written
    with runs.reserved(run, "command"):
        runs.claim(run)
        runs.print_facts(run)
        batch.run_lessons(run, parameters, args.resume)
        index = report.write_report(run)
    _print_result(run)
    print(f"Report: {index}")
    return 0


def train_run(args: argparse.Namespace) -> int:
    """Trains the networks of a run; torchrun may have started several of this process."""
    run, _ = _find(args)
    from course_ae import distributed, pipeline
    from course_ae.training import choose_device

    with distributed.joined(choose_device()), _held(run):
        images = pipeline.prepare(run)
        pipeline.trained(run, images)
        pipeline.repairing(run, images)
    return 0


def evaluate_run(args: argparse.Namespace) -> int:
    """Scores the test images of a run and prints the result."""
    run, _ = _find(args)
    from course_ae import evaluation

    with _held(run):
        evaluation.evaluate_all(run)
    _print_result(run)
    return 0


def run_sweep(args: argparse.Namespace) -> int:
    """Runs many trainings, prints their means, and says where the results are.

    Raises:
        CourseError: for a wrong list, setting or folder.
    """
    overrides = parse_pairs(args.pairs)
    from course_ae import runs, sweep
    from course_ae.report import plain_table

    for name in ("category", "loss", "seed"):
        if name in overrides:
            raise CourseError(f"A sweep takes '{name}' from its own options, not from -p.")
    words = [[word.strip() for word in text.split(",")] for text in (args.categories, args.losses)]
    folder = user_path(args.out) if args.out else runs.runs_folder() / "sweep"
    seeds = sweep.numbers(args.seeds)
    trainings = sweep.plan(args.data, *words, seeds, args.profile, folder, **overrides)
    rows = sweep.run_sweep(trainings, folder, args.scheduler)
    print(f"\n{plain_table(sweep.summary_table(rows))}\n")
    print(f"Results: {folder / 'sweep.csv'}\nReport: {folder / 'sweep.html'}")
    return 1 if sweep.failures(rows) else 0


def _find(args: argparse.Namespace) -> tuple["Run", dict[str, Any]]:
    """The run that the options describe, and the parameters of its lessons; writes nothing."""
    overrides = parse_pairs(args.pairs)
    from course_ae import runs
    from course_ae.training import choose_device

    choose_device()  # refuses one that is not there
    category = overrides.pop("category", args.category)
    if args.resume:
        folder = user_path(args.run) if args.run else None
        folder = folder or runs.find_run(args.data, category, args.profile, **overrides).folder
        given = {**runs.recorded(folder), **overrides}  # others than before are refused
        if args.data:  # the images may have been moved
            given["data"] = args.data
        overrides = {name: value for name, value in given.items() if name not in runs.PLACES}
        run = runs.find_run(**given)
    else:
        run = runs.find_run(args.data, category, args.profile, args.run, **overrides)
    places = {
        "data": "" if run.drawn else str(run.root),
        "category": run.settings.category,
        "profile": run.settings.profile,
        "run": str(run.folder),
    }
    return run, {**places, **overrides}


@contextmanager
def _held(run: "Run") -> Iterator[None]:
    """Checks the images and opens the run folder, for one command at a time.

    Of the processes of one training only the first does so.
    """
    from course_ae import distributed, pipeline, runs

    if not distributed.is_first():
        yield
        return
    pipeline.require_readable(run)
    with runs.reserved(run, "command"):
        runs.claim(run)
        runs.print_facts(run)
        yield


def _print_result(run: "Run") -> None:
    from course_ae import report, runs

    with runs.damaged(run.folder / "summary.json"):
        print(f"\n{report.plain_table(report.result_table(runs.read_summary(run)))}\n")
    print(f"{textwrap.fill(report.NOTE, 79)}\n")


def print_table(args: argparse.Namespace) -> int:
    """Prints the results of runs, the mean over those that differ only in their seed."""
    from course_ae.report import comparison_table
    from course_ae.runs import damaged, read_json

    places = [user_path(run) for run in args.runs]
    paths = [place / "summary.json" if place.is_dir() else place for place in places]
    summaries = []
    for path in paths:
        summaries.append(read_json(path))
        with damaged(path):
            comparison_table(summaries[-1:])  # so that a damaged one is named
    print(comparison_table(summaries))
    return 0


def download_category(args: argparse.Namespace) -> int:
    """Puts one or all categories of MVTec AD into a folder."""
    from course_ae.download import download

    archive = user_path(args.archive) if args.archive else None
    folders = download(
        args.category, user_path(args.data), args.accept_license, args.url, archive, args.sha256
    )
    print(f'Go on with: course-ae run --data "{args.data}" --category {folders[0].name}')
    return 0


def import_category(args: argparse.Namespace) -> int:
    """Makes a category of photographs, or looks at one that is there, and says what it is like.

    Raises:
        CourseError: if an option is missing, or there are too few photographs.
    """
    from course_ae import data, photographs, preprocessing
    from course_ae.first_look import first_look

    root = user_path(args.data)
    if args.good:
        if not args.category:
            raise CourseError("The new category needs a name; give it with --category.")
        places = [
            _beside(text, root) if text else None
            for text in (args.good, args.defective, args.masks)
        ]
        found = photographs.import_photographs(root, args.category, *places)
        for line in photographs.account(found):
            print(printable(line))
        folder = found.folder
    elif args.defective or args.masks:
        raise CourseError("Without good photographs there is nothing to learn; give --good.")
    else:
        folder = data.find_category(root, args.category)
    samples = data.load_samples(folder)
    for place, count in data.count_folders(samples).items():
        print(f"{count:5} {printable(place)}")
    masks = sum(sample.mask_path is not None for sample in samples)
    print(f"{masks:5} masks")
    for sentence in first_look(samples, preprocessing.load_images(samples)):
        print(printable(sentence))
    place = f'--data "{folder.parent}" --category "{folder.name}"'
    print(printable(f"Go on with: course-ae run {place}"))
    return 0


def _beside(text: str, root: Path) -> Path:
    """A folder as typed, or the one of this name in `root`."""
    typed = user_path(text)
    return root / text if not typed.exists() and (root / text).exists() else typed


def predict_images(args: argparse.Namespace) -> int:
    """Judges images, and returns 2 if one could not be read."""
    from course_ae import prediction
    from course_ae.report import plain_table

    folder = user_path(args.run)
    images = prediction.find_images([user_path(image) for image in args.images])
    detector = prediction.load_detector(folder, args.score)
    pictures = user_path(args.pictures) if args.pictures else folder / "predictions"
    rows, code = [], 0
    for row in prediction.predict(detector, images, pictures):
        if "error" in row:
            code = _complain(row["error"])
        rows.append(row)
    judged = [row for row in rows if "error" not in row]
    if args.format == "json":
        print(json.dumps(rows, indent=2))
    elif args.format == "csv":
        names = ["image", "score", "threshold", "verdict", "picture"]
        writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(judged)
    elif judged:
        lines = [(printable(row["image"]), f"{row['score']:.4g}", row["verdict"]) for row in judged]
        print(plain_table([("image", "score", "verdict"), *lines]))
        found = sum(row["verdict"] == "defective" for row in judged)
        print(
            f"\n{found} of {len(judged)} defective: {detector.kind} score above "
            f"{detector.threshold:.4g}. Pictures: {printable(str(pictures))}"
        )
    return code


def start_lessons(args: argparse.Namespace) -> int:
    """Copies the lessons for a student, without outputs and solutions; overwrites nothing."""
    from course_ae.lessons import copy_for_students

    folder = user_path(args.folder)
    written, kept = copy_for_students(folder)
    print(f"{len(written)} lesson{'' if len(written) == 1 else 's'} copied to '{folder}'.")
    if kept:
        print(f"Left as they are: {', '.join(path.name for path in kept)}.")
    first = min(written + kept)
    print(f'Open them with: jupyter lab "{first}"')
    return 0


def export_slides(args: argparse.Namespace) -> int:
    """Writes each executed lesson as slides."""
    from course_ae.slides import write_slides

    run = user_path(args.run) if args.run else None
    print(f"Slides: {write_slides(user_path(args.folder), run)}")
    return 0


def print_bench(args: argparse.Namespace) -> int:
    """Measures what this machine can do, and prints it as a table or as JSON."""
    from course_ae import bench
    from course_ae.report import plain_table

    found = {}
    for name, figures in bench.measure():
        found[name] = figures
        print(f"{name} ...", file=sys.stderr, flush=True)
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    print("{device}, {cores} cores, {threads} threads, torch {torch}".format(**found["machine"]))
    print(plain_table(bench.table(found)))
    return 0


def check_course(args: argparse.Namespace) -> int:
    """Prints what is ready and what is not; returns 1 if something needs doing."""
    from course_ae.check import findings

    ready = True
    for is_ok, text in findings(args.data, args.category):
        print(f"{'OK   ' if is_ok else 'TO DO'}  {text}", flush=True)
        ready = ready and is_ok
    return 0 if ready else 1
