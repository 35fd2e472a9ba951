"""Many trainings, categories times losses times seeds, on one machine or a cluster of them.

Dask distributed hands them to worker processes: those of a cluster of its own, or of a scheduler
that runs already. Each training has its own run folder, which is what makes a sweep hard to break:
a training that was stopped goes on from its checkpoint, and a finished one is only read.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from course_ae.experiment import run_folder
from course_ae.experiment.evaluation import evaluate_all
from course_ae.settings import make_settings
from course_ae.support.errors import CourseError
from course_ae.support.files import user_path, write_csv
from course_ae.support.folders import find_category

try:
    from dask.distributed import Client, KilledWorker, as_completed, get_worker
except ImportError as error:
    raise CourseError(
        'A sweep needs Dask; install it with: pip install --editable ".[sweep]"'
    ) from error

THREADS = 2  # processor cores of a worker, where there is no GPU
WAIT = 600  # seconds to wait for a run folder that a lost worker may still hold
AGAIN = 3  # times that a training whose workers died is handed out anew
NAMES = ("category", "loss", "seed")  # what tells one training from the others
SUMMARISED = ("auroc", "au_pro", "f")  # columns of the table, for each score


def numbers(text: str) -> list[int]:
    """'0-4' or '0,2,5' or a mixture, as whole numbers.

    Raises:
        CourseError: if it is something else.
    """
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not match:
            raise CourseError(f"'{text}' is no list of seeds; write for example 0-4 or 0,2,5.")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return list(dict.fromkeys(found))


def plan(
    data: str, categories: str, losses: str, seeds: str, profile: str, folder: Path, **overrides
) -> list[dict[str, Any]]:
    """The parameters of each training, as `find_run` takes them; lists have commas between.

    Raises:
        CourseError: for a wrong list or setting, or a category that is not there.
    """
    for name in NAMES:
        if name in overrides:
            raise CourseError(f"A sweep takes '{name}' from its own options, not from -p.")
    words = [[word.strip() for word in text.split(",")] for text in (categories, losses)]
    trainings = []
    for category, loss, seed in product(*words, numbers(seeds)):
        settings = {**overrides, "loss": loss, "seed": seed}
        make_settings(profile, **settings)
        root = user_path(data) if data else run_folder.draw_samples(category)
        find_category(root, category)
        place = {"data": str(root) if data else "", "category": category, "profile": profile}
        trainings.append({**settings, **place, "run": str(folder / f"{category}-{loss}-{seed}")})
    if not trainings:
        raise CourseError("There is nothing to train; name categories, losses and seeds.")
    return trainings


def train(parameters: dict[str, Any], threads: int | None = None) -> dict[str, Any]:
    """One training and its evaluation, on a worker; goes on where another one was stopped."""
    if threads:
        torch.set_num_threads(threads)
    os.environ.setdefault("LOCAL_RANK", re.sub(r"\D", "", str(get_worker().name)) or "0")
    run = run_folder.find_run(**parameters)
    with run_folder.reserved(run, "command", patience=WAIT), redirect_stdout(StringIO()):
        run_folder.claim(run)
        summary = run_folder.read_summary(run)
        if "baselines" not in summary:  # which are the last that an evaluation writes
            summary = evaluate_all(run, second=False)
    return row(parameters, summary)


def row(parameters: dict[str, Any], summary: dict[str, Any]) -> dict[str, Any]:
    """One line of sweep.csv."""
    found = {name: parameters[name] for name in NAMES} | {"status": "done"}
    facts = ("val_loss", "best_epoch", "epochs", "seconds")
    found |= {name: summary["training"][name] for name in facts}
    for name, result in summary["scores"].items():
        found[f"auroc_{name}"] = result["auroc"]["value"]
        found[f"f_{name}"] = result["f_normal_splits"]["mean"]
        found[f"au_pro_{name}"] = result["pixel"] and result["pixel"]["au_pro"]
    return {**found, "run": Path(parameters["run"]).name, "error": ""}


def run_sweep(
    trainings: list[dict[str, Any]], folder: Path, scheduler: str = ""
) -> Iterator[list[dict[str, Any]]]:
    """Runs all trainings; writes sweep.csv after each, and gives the rows that there are so far.

    Args:
        trainings: from `plan`.
        folder: where the results go.
        scheduler: address of a Dask scheduler; '' starts workers on this machine.

    Raises:
        CourseError: if the scheduler does not answer.
    """
    cores, gpus = os.cpu_count() or 1, torch.cuda.device_count()
    workers = max(1, min(gpus or cores // THREADS, len(trainings)))
    threads = None if scheduler else max(1, cores // workers)  # a cluster's workers have their own
    rows: dict[str, dict[str, Any]] = {}
    with _client(scheduler, workers) as client:
        futures = {client.submit(train, one, threads, pure=False): one for one in trainings}
        print(f"{len(trainings)} trainings, {len(client.scheduler_info()['workers'])} workers")
        tries, ended = Counter(), as_completed(futures)
        for future in ended:
            one, error = futures[future], future.exception()
            if isinstance(error, KilledWorker) and tries[one["run"]] < AGAIN:
                # Dask gives up after four lost workers; each has taken the training further.
                tries[one["run"]] += 1
                again = client.submit(train, one, threads, pure=False)
                futures[again] = one
                ended.add(again)
                continue
            rows[one["run"]] = found = _failed(one, error) if error else future.result()
            print(f"{len(rows)} of {len(trainings)}: {_told(found)}")
            ordered = [rows[one["run"]] for one in trainings if one["run"] in rows]
            names = dict.fromkeys(name for row in ordered for name in row)  # not each has them all
            table = [{name: row.get(name, "") for name in names} for row in ordered]
            write_csv(folder / "sweep.csv", table)
            yield ordered


def _client(scheduler: str, workers: int) -> Client:
    """A client of the scheduler, or of so many workers on this machine that end with it."""
    if not scheduler:
        return Client(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0",
            silence_logs=50,
        )  # fmt: skip
    try:
        return Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise CourseError(
            f"No Dask scheduler answers at '{scheduler}'; start one, or leave --scheduler out."
        ) from error


def _failed(parameters: dict[str, Any], error: BaseException) -> dict[str, Any]:
    words = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, KilledWorker):
        words = "its workers died again and again, most likely for want of memory"
    found = {name: parameters[name] for name in NAMES} | {"status": "failed"}
    return {**found, "run": Path(parameters["run"]).name, "error": words}


def _told(found: dict[str, Any]) -> str:
    name = "{category}, {loss}, seed {seed}".format(**found)
    if found["status"] == "failed":
        return f"{name} FAILED: {found['error']}"
    scores = {key.removeprefix("auroc_"): v for key, v in found.items() if key.startswith("auroc_")}
    return f"{name}: AUROC {', '.join(f'{key} {value:.3f}' for key, value in scores.items())}"


def failures(rows: list[dict[str, Any]]) -> list[str]:
    """A sentence for each training that failed."""
    return [_told(row) for row in rows if row["status"] == "failed"]


def summary_table(rows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Header and rows: mean and standard deviation over the seeds, by category and loss."""
    done = [row for row in rows if row["status"] == "done"]
    columns = [name for row in done[:1] for name in row if name.startswith(SUMMARISED)]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in done:
        groups.setdefault((row["category"], row["loss"]), []).append(row)
    parts = [name.rpartition("_") for name in columns]  # for example au_pro, _, l2
    headings = [f"{measure.replace('_', '-').upper()} {score}" for measure, _, score in parts]
    table = [("category", "trained with", "seeds", *headings)]
    for (category, loss), group in groups.items():
        spreads = (_spread(group, name) for name in columns)
        table.append((category, loss, str(len(group)), *spreads))
    return table


def _spread(group: list[dict[str, Any]], name: str) -> str:
    values = [row[name] for row in group if row.get(name) is not None]
    if not values:
        return ""
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"
