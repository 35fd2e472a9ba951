"""The command `course-ae`.

Everything heavy is imported where it is used: `--help` answers at once, and `check` can tell that a
package is missing.
"""

import argparse
import sys
import textwrap
from pathlib import Path
from typing import Any

import course_ae
from course_ae.config import PROFILES, CourseError, nearest, setting_types


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
    run = commands.add_parser("run", help="execute all lessons and write a report")
    check = commands.add_parser("check", help="tell whether this machine and the data are ready")
    table = commands.add_parser("table", help="print the results of runs as a Markdown table")
    table.add_argument("runs", nargs="+", metavar="RUN", help="a run folder, or its summary.json")
    table.set_defaults(command=print_table)
    run.set_defaults(command=run_course)
    check.set_defaults(command=check_course)
    for command in (run, check):
        command.add_argument(
            "--data",
            default="",
            metavar="DIR",
            help="images in MVTec AD's layout, all categories or one; without it bottles are drawn",
        )
        command.add_argument("--category", default="bottle", metavar="NAME", help="which product")
    run.add_argument(
        "--profile", default="quick", metavar="NAME", help=f"settings: {' or '.join(PROFILES)}"
    )
    run.add_argument("--run", default="", metavar="DIR", help="folder of the results")
    run.add_argument(
        "-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), dest="pairs",
        help="replace one setting of the profile; can be repeated",
    )  # fmt: skip
    return parser


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
    overrides = parse_pairs(args.pairs)
    from course_ae import pipeline, report, runs
    from course_ae.batch import run_lessons

    category = overrides.pop("category", args.category)
    run = runs.find_run(args.data, category, args.profile, args.run, **overrides)
    pipeline.require_readable(run)  # before anything is written
    runs.claim(run)
    runs.print_facts(run)
    places = {
        "data": "" if run.drawn else str(run.root),
        "category": run.settings.category,
        "profile": args.profile,
        "run": str(run.folder),
    }
    run_lessons(run, {**places, **overrides})
    index = report.write_report(run)
    print(f"\n{report.plain_table(report.result_table(runs.read_summary(run)))}\n")
    print(f"{textwrap.fill(report.NOTE, 79)}\n")
    print(f"Report: {index}")
    return 0


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


def check_course(args: argparse.Namespace) -> int:
    """Prints what is ready and what is not; returns 1 if something needs doing."""
    from course_ae.check import findings

    ready = True
    for is_ok, text in findings(args.data, args.category):
        print(f"{'OK   ' if is_ok else 'TO DO'}  {text}", flush=True)
        ready = ready and is_ok
    return 0 if ready else 1
