"""The command `course-ae`.

Everything heavy is imported where it is used: `--help` answers at once, and `check` can tell that a
package is missing.
"""

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import course_ae
from course_ae.config import PROFILES, CourseError, nearest, setting_types

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
    except CourseError as error:
        print(f"course-ae: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        where = f"'{error.filename}': " if error.filename else ""
        print(f"course-ae: {where}{error.strerror or error}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("course-ae: Stopped; what was finished is kept.", file=sys.stderr)
        return 130


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
    """Runs many trainings, prints their means, and says where the results are."""
    overrides = parse_pairs(args.pairs)
    from course_ae import runs, sweep
    from course_ae.report import plain_table

    for name in ("category", "loss", "seed"):
        if name in overrides:
            raise CourseError(f"A sweep takes '{name}' from its own options, not from -p.")
    words = [[word.strip() for word in text.split(",")] for text in (args.categories, args.losses)]
    folder = Path(args.out).expanduser().resolve() if args.out else runs.runs_folder() / "sweep"
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
        folder = Path(args.run).expanduser().resolve() if args.run else None
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

    print(f"\n{report.plain_table(report.result_table(runs.read_summary(run)))}\n")
    print(f"{textwrap.fill(report.NOTE, 79)}\n")


def print_table(args: argparse.Namespace) -> int:
    """Prints the results of runs, the mean over those that differ only in their seed."""
    from course_ae.report import comparison_table
    from course_ae.runs import read_json

    paths = [Path(run) / "summary.json" if Path(run).is_dir() else Path(run) for run in args.runs]
    try:
        print(comparison_table([read_json(path) for path in paths]))
    except (KeyError, TypeError) as error:
        raise CourseError(
            "One of the runs is not finished; repeat 'course-ae run' on it."
        ) from error
    return 0


def start_lessons(args: argparse.Namespace) -> int:
    """Copies the lessons for a student, without outputs and solutions; overwrites nothing."""
    from course_ae.lessons import copy_for_students

    folder = Path(args.folder).expanduser()
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

    run = Path(args.run).expanduser() if args.run else None
    print(f"Slides: {write_slides(Path(args.folder).expanduser(), run)}")
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
