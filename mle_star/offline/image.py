"""Recipes for images: which models and features small images call for, and their text."""

from __future__ import annotations

from pathlib import PurePosixPath

from mle_star.models.profile import ImageProfile
from mle_star.offline.part_recipes import PartRecipes
from mle_star.offline.recipe import Facts, Family, Idea
from mle_star.offline.script import constants
from mle_star.offline.tables import read_call, shared_columns, training_table, whole_test

SVM = Family(
    "Support vector machine on gradient histograms",
    "An RBF kernel on principal components of histograms of oriented gradients: very strong on hundreds to some ten "
    "thousand small images, and needs no GPU.",
    "pixel_matrix", "gradient_svm",
)  # fmt: skip
NETWORK = Family(
    "Neural network on gradient histograms",
    "A small multi-layer perceptron on histograms of oriented gradients, averaged over starts; copies of the images, "
    "moved by a pixel, can teach it what does not matter.",
    "pixel_matrix", "gradient_network",
)  # fmt: skip
PATCHES = Family(
    "Linear model on a dictionary of image patches",
    "Single-layer feature learning: k-means over whitened patches gives a dictionary, likeness to its entries is "
    "pooled over regions, a linear model does the rest. The images themselves say what features they need.",
    "patch_matrix", "patch_linear",
)  # fmt: skip
TREES = Family(
    "ExtraTrees on gradient histograms",
    "Extremely randomised trees over histograms of oriented gradients: no tuning, errors unlike a kernel machine's.",
    "gradient_matrix", "image_trees",
)  # fmt: skip
BOOSTING = Family(
    "LightGBM on principal components of gradients and pixels",
    "Boosted trees over principal components and over the columns beside the images: uses a table well.",
    "component_matrix", "image_boosting", ("scikit-learn", "lightgbm"),
)  # fmt: skip
NEIGHBOURS = Family(
    "Nearest neighbours on principal components",
    "The answers of the most similar training images, after whitening: simple, and strong where shapes recur.",
    "component_matrix", "image_neighbours",
)  # fmt: skip
GAUSSIANS = Family(
    "Gaussian classes on principal components",
    "One regularised Gaussian per class (quadratic discriminant analysis): a generative partner for the others.",
    "component_matrix", "image_gaussians",
)  # fmt: skip
KERNEL = Family(
    "Kernel ridge on principal components",
    "An RBF kernel, approximated by landmarks, over principal components of gradients and pixels: smooth.",
    "component_matrix", "component_kernel",
)  # fmt: skip
LINEAR = Family(
    "Linear model on gradient histograms",
    "Logistic or ridge regression straight on histograms of oriented gradients: fast and steady on few images.",
    "pixel_matrix", "gradient_linear",
)  # fmt: skip
CLASSIFIERS = (SVM, GAUSSIANS, NETWORK, PATCHES, TREES, LINEAR, NEIGHBOURS, BOOSTING)
REGRESSORS = (SVM, NETWORK, BOOSTING, PATCHES, KERNEL, TREES, LINEAR, NEIGHBOURS)

LISTS = ("TARGETS", "DROP", "NUMBERS", "CATEGORIES")
GREY = {"1", "L", "LA", "I", "I;16", "F"}
LARGEST = 64
"""Side of the square, in pixels, that larger images are scaled down to."""


class ImageRecipes(PartRecipes):
    """What is known of images, named in a table or sorted into folders, with or without columns beside them."""

    name = "image"
    classifiers = CLASSIFIERS
    regressors = REGRESSORS

    def families(self, facts: Facts) -> tuple[Family, ...]:
        """Families whose packages are listed, strongest first."""
        found = self.available(facts)
        # One tree per class and round is slow for many classes; much that is told beside the images asks for trees.
        late = {"image_boosting"} if facts.classifies and facts.class_count > 20 else set()
        early = {"image_boosting"} if len(numbers_beside(facts)) >= 5 and not late else set()
        return tuple(sorted(found, key=lambda f: -1 if f.model in early else 1 if f.model in late else 0))

    def settings(self, facts: Facts) -> str:
        """The size that images are brought to, and the columns beside them by what they are."""
        mode = "L" if images_of(facts).mode in GREY else "RGB"
        split = facts.profile.split
        beside = [*numbers_beside(facts), *categories_beside(facts)]
        drop = [c.name for c in facts.profile.columns if c.name not in beside] + [*facts.targets, *facts.id_columns]
        lines = constants(
            SIDE=side(facts),
            MODE=mode,
            CHANNELS=1 if mode == "L" else 3,
            DROP=list(dict.fromkeys(drop)),
            NUMBERS=numbers_beside(facts),
            CATEGORIES=categories_beside(facts),
            TIME_COLUMNS=[split.column] if split.kind == "time" and split.column else [],
        )
        return f"{lines}\nIMAGES = {{}}  # pixels by path, each file read once"

    def loading(self, facts: Facts) -> str:
        """Read the table and find each row's file; or list the files, whose folder or name tells the class."""
        images = images_of(facts)
        if facts.profile.train_file and images.column:
            table = f"{training_table(facts, table_call)}\n{shared_columns(facts, *LISTS)}".rstrip()
            return f'{table}\ntrain["image path"] = {paths_of("train", images.column, images.train_pattern)}'
        folder = PurePosixPath(images.train_pattern).parent
        if facts.profile.train_file:
            read = f"{training_table(facts, table_call)}\n{shared_columns(facts, *LISTS)}".rstrip()
            return linked("train", read, str(folder), facts)
        lines = ["from glob import glob", ""]
        label = "os.path.basename(os.path.dirname(path))"
        if folder.name != "*":
            # `cat.17.jpg`: the letters that a name begins with.
            lines[0:0] = ["import re"]
            label = 're.match(r"[A-Za-z]+", os.path.basename(path)).group()'
        lines += [
            listing("paths", f"{folder}/*"),
            f'train = pd.DataFrame({{"image path": paths, {facts.targets[0]!r}: [{label} for path in paths]}})',
        ]
        return "\n".join(lines)

    def test_loading(self, facts: Facts) -> str:
        """Read the test table, or the sample submission's identifiers, and find each row's file."""
        images, submission = images_of(facts), facts.profile.submission
        file = facts.profile.test_file or (submission.sample_file if submission else None)
        if file and facts.profile.test_file and images.column:
            call = whole_test(facts, table_call)
            return f'test = {call}\ntest["image path"] = {paths_of("test", images.column, images.test_pattern)}'
        folder = PurePosixPath(images.test_pattern or images.train_pattern).parent
        identifier = identifier_of(facts)
        paths = listing("paths", f"{folder}/*")
        if file is None:
            stems = "[os.path.splitext(os.path.basename(path))[0] for path in paths]"
            table = f'pd.DataFrame({{{identifier!r}: {stems}, "image path": paths}})'
            return f"from glob import glob\n\n{paths}\ntest = {table}"
        read = (
            whole_test(facts, table_call) if facts.profile.test_file else f"{table_call(file, facts)}[[{identifier!r}]]"
        )
        return linked("test", f"test = {read}", str(folder), facts)

    def features(self, facts: Facts) -> tuple[str, ...]:
        """Colours where there are any, sizes where they differ."""
        images = images_of(facts)
        grey = images.mode in GREY
        return (*([] if grey else ["colours"]), *([] if images.same_size else ["file_shape"]))

    def sized(self, name: str, facts: Facts) -> dict[str, object]:
        """Keyword defaults that fit the task."""
        return sized(name, facts)

    @property
    def repertoire(self) -> tuple[Idea, ...]:
        """The ideas for images."""
        from mle_star.offline.image_ideas import IDEAS

        return IDEAS


def listing(name: str, pattern: str) -> str:
    """The statement that lists the image files in a folder, in order."""
    ends = '(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")'
    return f'{name} = sorted(path for path in glob("./input/{pattern}") if path.lower().endswith({ends}))'


def identifier_of(facts: Facts) -> str:
    """The column that names a row's image file."""
    return (*facts.id_columns, *(c.name for c in facts.profile.columns if c.kind in {"path", "id"}), "id")[0]


def linked(table: str, read: str, folder: str, facts: Facts) -> str:
    """`read` a table whose identifiers name the image files in one way or another."""
    return f"""\
from glob import glob

{listing("paths", f"{folder}/*")}
# An identifier may be a path, a file's name, or that without its ending.
found = {{os.path.splitext(os.path.basename(path))[0]: path for path in paths}}
found |= {{os.path.basename(path): path for path in paths}}
{read}
{table}["image path"] = [found[os.path.basename(name)] for name in {table}[{identifier_of(facts)!r}].astype(str)]"""


def images_of(facts: Facts) -> ImageProfile:
    """The images' profile; a guess where the prompt tells nothing of them."""
    guess = ImageProfile(
        column="id", train_pattern="train/{}.png", test_pattern="test/{}.png", width=32, height=32, mode="RGB"
    )
    return facts.profile.images or guess


def side(facts: Facts) -> int:
    """The square that all images are brought to: about their own size, of whole cells, small for large data."""
    images = images_of(facts)
    wanted = min(max(images.width, images.height), LARGEST if facts.search_rows <= 5_000 else 48)
    step = 4 if wanted <= 40 else 8
    return max(24, round(wanted / step) * step)


def table_call(file: str, facts: Facts) -> str:
    """Read a table with the column of file names as text: `0001` must not become 1."""
    column = images_of(facts).column
    return read_call(file, facts, (column,) if column else ())


def paths_of(table: str, column: str, pattern: str) -> str:
    """The expression that makes paths of a table's column."""
    before, _, after = f"./input/{pattern}".partition("{}")
    ending = f" + {after!r}" if after else ""
    return f"{before!r} + {table}[{column!r}].astype(str){ending}"


def numbers_beside(facts: Facts) -> list[str]:
    """Numeric columns that can help."""
    return [name for name, kind in _beside(facts) if kind == "numeric"]


def categories_beside(facts: Facts) -> list[str]:
    """Columns of categories that can help."""
    return [name for name, kind in _beside(facts) if kind in {"category", "boolean"}]


def _beside(facts: Facts) -> list[tuple[str, str]]:
    split, images = facts.profile.split, images_of(facts)
    lost = {images.column, *facts.targets, *facts.id_columns, *split.untrusted}
    lost |= {split.column} if split.kind == "group" and not split.days else set()
    return [(column.name, column.kind) for column in facts.profile.columns if column.name not in lost]


def sized(name: str, facts: Facts) -> dict[str, object]:
    """Keyword defaults that fit the images' size and the number of rows and classes."""
    rows, classes = facts.search_rows, facts.class_count if facts.classifies else 2
    values: dict[str, object] = {}
    if name == "gradients":
        values["cell"] = max(4, side(facts) // 8)
    if name == "gradient_network":
        values["epochs"] = 20 if rows < 600 else 12 if rows < 10_000 else 8
    if name == "image_boosting" and facts.classifies:
        values |= {"trees": max(30, min(150, 900 // classes)), "learning_rate": 0.1 if classes <= 10 else 0.15}
    if name == "image_trees" and rows > 10_000:
        values["trees"] = 80
    if name == "patch_matrix" and (rows > 8_000 or rows < 1_000):
        values |= {"words": 80, "samples": 10_000}
    if name == "gradient_svm" and facts.classifies and rows > 8_000:
        values |= {"parts": 2}
    return values
