"""What most scripts do, done once in the fork server on four rows, without fitting anything.

Libraries import, look up and remember a good deal when they are first used: after this it is there for every script.
"""

import importlib
import io
import warnings
from contextlib import suppress
from typing import Any

TABLE = "a,b,when,y\n1,x,2020-01-01,0\n2,y,2020-01-02,1\n,x,2020-01-03,0\n4,,2020-01-04,1\n"


def rehearse() -> None:
    """Go through it; where a library is missing, or refuses, with what is left."""
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning is often given once in a process: it is the script's
        table = _read()
        for part in (_split, _judge):
            with suppress(Exception):
                part(table)


def _read() -> Any:
    pandas = importlib.import_module("pandas")
    table = pandas.read_csv(io.StringIO(TABLE))
    table["day"] = pandas.to_datetime(table["when"]).dt.day_of_year
    table["b"] = table["b"].fillna("none").astype("category")
    means = table.groupby("b", observed=True)["y"].mean().reset_index()
    table[table["y"] == 1].drop(columns="y").merge(means, on="b").to_csv(io.StringIO(), index=False)
    return table


def _split(table: Any) -> None:
    selection = importlib.import_module("sklearn.model_selection")
    list(selection.KFold(2, shuffle=True, random_state=0).split(table))
    selection.train_test_split(table, table["y"], stratify=table["y"], test_size=0.5, random_state=0)


def _judge(table: Any) -> None:
    metrics = importlib.import_module("sklearn.metrics")
    truth, share = table["y"], table["y"] * 0.5 + 0.25
    for metric in (metrics.root_mean_squared_error, metrics.log_loss, metrics.roc_auc_score):
        metric(truth, share)
    metrics.accuracy_score(truth, truth)
