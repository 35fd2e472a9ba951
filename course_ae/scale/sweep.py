"""Many trainings, categories times losses times seeds, on one machine or a cluster of them.

Dask distributed hands them to worker processes: those of a cluster of its own, or of a scheduler
that runs already. Each training has its own run folder, which is what makes a sweep hard to break:
a training that was stopped goes on from its checkpoint, and a finished one is only read.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from course_ae.data import find_category
from course_ae.experiment.evaluation import evaluate_all
from course_ae.experiment.run_folder import (
    claim,
    draw_sample_bottles,
    find_run,
    read_summary,
    reserved,
)
from course_ae.settings import make_settings
from course_ae.support.errors import CourseError
from course_ae.support.files import user_path, write_csv

try:
    from dask.distributed import Client, KilledWorker, LocalCluster, as_completed, get_worker
except ImportError as error:
    raise CourseError(
        'A sweep needs Dask; install it with: pip install --editable ".[sweep]"'
    ) from error

THREADS = 2  # processor cores of a worker, where there is no GPU
WAIT = 600  # seconds to wait for a run folder that a lost worker may still hold
AGAIN = 3  # times that a training whose workers died is handed out anew
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
        first, last = int(match[1]), int(match[2] or match[1])
        found += range(first, last + 1)
    return list(dict.fromkeys(found))


def plan(
    data: str,
    categories: list[str],
    losses: list[str],
    seeds: list[int],
    profile: str,
    folder: Path,
    **overrides: Any,
) -> list[dict[str, Any]]:
    """The parameters of each training, as `find_run` takes them.

    Raises:
        CourseError: for a wrong setting, or a category that is not there.
    """
    root = user_path(data) if data else draw_sample_bottles()
    trainings = []
    for category, loss, seed in product(categories, losses, seeds):
        settings = {**overrides, "loss": loss, "seed": seed}
        make_settings(profile, **settings)
        find_category(root, category)
        name = f"{category}-{loss}-{seed}"
        place = {"data": str(root) if data else "", "category": category, "profile": profile}
        trainings.append({**settings, **place, "run": str(folder / name)})
    if not trainings:
        raise CourseError("There is nothing to train; name categories, losses and seeds.")
    return trainings


def train(parameters: dict[str, Any], threads: int | None = None) -> dict[str, Any]:
    """One training and its evaluation, on a worker; goes on where another one was stopped."""
    if threads:
        torch.set_num_threads(threads)
    os.environ.setdefault("LOCAL_RANK", re.sub(r"\D", "", str(get_worker().name)) or "0")
    run = find_run(**parameters)
    with reserved(run, "command", patience=WAIT), redirect_stdout(StringIO()):
        claim(run)
        summary = read_summary(run)
        if "baselines" not in summary:  # which are the last that an evaluation writes
            summary = evaluate_all(run, second=False)
    return row(parameters, summary)


def row(parameters: dict[str, Any], summary: dict[str, Any]) -> dict[str, Any]:
    """One line of sweep.csv."""
    found = {name: parameters[name] for name in ("category", "loss", "seed")}
    found |= {"status": "done", "val_loss": summary["training"]["val_loss"]}
    found |= {name: summary["training"][name] for name in ("best_epoch", "epochs", "seconds")}
    for name, result in summary["scores"].items():
        found[f"auroc_{name}"] = result["auroc"]["value"]
        found[f"f_{name}"] = result["f_normal_splits"]["mean"]
        found[f"au_pro_{name}"] = result["pixel"] and result["pixel"]["au_pro"]
    return {**found, "run": Path(parameters["run"]).name, "error": ""}


def run_sweep(
    trainings: list[dict[str, Any]],
    folder: Path,
    scheduler: str = "",
    say: Callable[[str], None] = print,
) -> Iterator[list[dict[str, Any]]]:
    """Runs all trainings; writes sweep.csv after each, and gives the rows that there are so far.

    Args:
        trainings: from `plan`.
        folder: where the results go.
        scheduler: address of a Dask scheduler; '' starts workers on this machine.
        say: told of each training that ends.

    Raises:
        CourseError: if the scheduler does not answer.
    """
    rows: dict[str, dict[str, Any]] = {}
    with _connected(scheduler, len(trainings)) as (client, threads):
        futures = {client.submit(train, one, threads, pure=False): one for one in trainings}
        say(f"{len(trainings)} trainings, {len(client.scheduler_info()['workers'])} workers")
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
            found = _failed(one, error) if error else future.result()
            rows[one["run"]] = found
            say(f"{len(rows)} of {len(trainings)}: {_told(found)}")
            ordered = [rows[one["run"]] for one in trainings if one["run"] in rows]
            write_rows(ordered, folder / "sweep.csv")
            yield ordered


def _failed(parameters: dict[str, Any], error: BaseException) -> dict[str, Any]:
    found = {name: parameters[name] for name in ("category", "loss", "seed")}
    words = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, KilledWorker):
        words = "its workers died again and again, most likely for want of memory"
    return {**found, "status": "failed", "run": Path(parameters["run"]).name, "error": words}


def _told(found: dict[str, Any]) -> str:
    name = "{category}, {loss}, seed {seed}".format(**found)
    if found["status"] == "failed":
        return f"{name} FAILED: {found['error']}"
    scores = [
        f"{key.removeprefix('auroc_')} {value:.3f}"
        for key, value in found.items()
        if key.startswith("auroc_")
    ]
    return f"{name}: AUROC {', '.join(scores)}"


@contextmanager
def _connected(scheduler: str, trainings: int) -> Iterator[tuple["Client", int | None]]:
    """A client, and how many threads a training may use; None leaves that to the worker."""
    if scheduler:
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise CourseError(
                f"No Dask scheduler answers at '{scheduler}'; start one, or leave --scheduler out."
            ) from error
        with client:
            yield client, None
        return
    cores, gpus = os.cpu_count() or 1, torch.cuda.device_count()
    workers = max(1, min(gpus or cores // THREADS, trainings))
    local = LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0",
        silence_logs=50,
    )  # fmt: skip
    with local, Client(local) as client:
        yield client, max(1, cores // workers)


def write_rows(rows: list[dict[str, Any]], path: Path) -> None:
    """A table with one row a training; a figure that a training has not got leaves a gap."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    write_csv(path, [{name: row.get(name, "") for name in names} for row in rows])


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
    header = ("category", "trained with", "seeds", *map(_heading, columns))
    return [
        header,
        *(
            (category, loss, str(len(group)), *(_spread(group, name) for name in columns))
            for (category, loss), group in groups.items()
        ),
    ]


def _heading(name: str) -> str:
    measure, _, score_name = name.rpartition("_")  # for example au_pro_l2
    return f"{measure.replace('_', '-').upper()} {score_name}"


def _spread(group: list[dict[str, Any]], name: str) -> str:
    values = [row[name] for row in group if row.get(name) is not None]
    if not values:
        return ""
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"
