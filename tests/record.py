"""Keeps finished runs as numbers that come with the package: lessons and README show them.

    python tests/record.py RUN [RUN ...]
    python tests/record.py --train DATA --loss ssim l2 --seeds 0 1 2
    python tests/record.py --train "" --category bracket --profile quick --loss ssim

The last two make the runs first, one after the other; they go on where they were stopped, and leave
out what is recorded already. Only a profile's own settings are recorded, with any loss and seed. Of
drawn images lesson 08's network is recorded as well.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from course_ae.experiment import evaluation, recorded, run_folder
from course_ae.settings import PROFILES, make_settings
from course_ae.support.errors import CourseError
from course_ae.support.files import read_csv, user_path, write_text

MADE_WITH = ("course_ae", "python", "versions", "device", "data_fingerprint")
NEEDED = ("training", "scores", "baselines")  # in summary.json
WORDS = ("path", "defect_type", "part")  # columns of scores.csv that are no numbers
LEFT_OUT = ("replication",)  # in summary.json: of other networks than this run's
WIDE = 160  # characters: what fits into them stands in one line


def content_of(folder: Path) -> dict:
    """All numbers of a finished run, rounded to six digits, nothing of this machine's paths."""
    about = run_folder.read_json(folder / "settings.json")
    parts = [folder / name for name in ("model.pt", "history.csv", "scores.csv", "summary.json")]
    missing = [path.name for path in parts if not path.is_file()]
    summary = {} if missing else run_folder.read_json(parts[-1])
    missing += [] if missing else [name for name in NEEDED if name not in summary]
    if missing:
        raise CourseError(
            f"The run in '{folder}' is not finished, {', '.join(missing)} is missing; "
            "'course-ae evaluate --resume' on this run makes it."
        )
    check_settings(about["settings"])
    numbers = {name: value for name, value in summary.items() if name not in LEFT_OUT}
    scores = [
        {name: value if name in WORDS else number(value) for name, value in row.items()}
        for row in read_csv(parts[2])
    ]
    history = [{name: number(value) for name, value in row.items()} for row in read_csv(parts[1])]
    made_with = {name: about[name] for name in MADE_WITH} | {"drawn": not about["data"]}
    return rounded({**numbers, "made_with": made_with, "history": history, "image_scores": scores})


def check_settings(settings: dict) -> None:
    """Refuses a run whose name, category-profile-loss-seed, would not say how it was made."""
    free = {name: settings[name] for name in ("category", "loss", "seed")}
    usual = asdict(make_settings(settings["profile"], **free))
    differs = [f"{k} {settings[k]}" for k in usual if settings.get(k, usual[k]) != usual[k]]
    if differs:
        raise CourseError(
            f"Only a profile's own settings are recorded, not {', '.join(differs)} in profile "
            f"{settings['profile']}."
        )


def number(text: str) -> float | int:
    """What a table's cell says."""
    return int(text) if text.isdigit() else float(text)


def rounded(content):
    """The same with six digits of every number that is not whole."""
    if isinstance(content, dict):
        return {name: rounded(value) for name, value in content.items()}
    if isinstance(content, list):
        return [rounded(value) for value in content]
    return float(f"{content:.6g}") if isinstance(content, float) else content


def layout(content, indent: int = 0) -> str:
    """JSON in which whatever fits stands in one line: a row of a table, the four counts."""
    line = json.dumps(content, ensure_ascii=False, allow_nan=False)
    if not isinstance(content, dict | list) or (indent and len(line) + indent <= WIDE):
        return line
    pad = " " * (indent + 1)
    if isinstance(content, list):
        inside, ends = [layout(value, indent + 1) for value in content], "[]"
    else:
        inside = [f"{json.dumps(k)}: {layout(v, indent + 1)}" for k, v in content.items()]
        ends = "{}"
    return f"{ends[0]}\n" + ",\n".join(pad + part for part in inside) + f"\n{' ' * indent}{ends[1]}"


def place_of(settings: dict, drawn: bool) -> Path:
    """The file of a run in the folder of recorded ones."""
    name = "{category}-{profile}-{loss}-{seed}.json".format(**settings)
    return recorded.FOLDER / ("drawn-" * drawn + name)


def record(folder: Path) -> Path:
    """Writes the file of one finished run, and returns its place."""
    content = content_of(folder)
    path = place_of(content["settings"], content["made_with"]["drawn"])
    write_text(path, layout(content) + "\n")
    return path


def make(data: str, **settings) -> Path:
    """Trains, evaluates and records one run, unless that was done before."""
    run = run_folder.find_run(data=data, **settings)
    path = place_of(asdict(run.settings), run.drawn)
    if path.is_file():
        before = run_folder.read_json(path)
        if "history" in before and before["settings"] == asdict(run.settings):
            return path
    with run_folder.reserved(run, "command"):
        run_folder.claim(run)
        run_folder.print_facts(run)
        evaluation.evaluate_all(run, second=run.drawn)
    return record(run.folder)


def main(arguments: list[str] | None = None) -> int:
    """The command; a mistake ends in one sentence."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="*", help="finished run folders", metavar="RUN")
    parser.add_argument("--train", help="make the runs first, from these images", metavar="DATA")
    parser.add_argument("--category", default="bottle", metavar="NAME")
    parser.add_argument("--profile", default="slides", choices=PROFILES)
    parser.add_argument("--loss", nargs="+", default=["ssim", "l2"], metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    args = parser.parse_args(arguments)
    try:
        for folder in args.runs:
            print(record(user_path(folder)).name)
        if args.train is not None:
            given = {"category": args.category, "profile": args.profile}
            for seed in args.seeds:  # so that a stop leaves whole pairs
                for loss in args.loss:
                    print(make(args.train, loss=loss, seed=seed, **given).name, flush=True)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
