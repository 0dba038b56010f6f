"""Recipes for texts: which models and features free text calls for, and their text."""

from __future__ import annotations

from collections.abc import Iterable

from mle_star.models.profile import ColumnProfile
from mle_star.models.writing import UNSPACED
from mle_star.offline.part_recipes import PartRecipes
from mle_star.offline.recipe import Facts, Family, Idea
from mle_star.offline.script import constants
from mle_star.offline.tables import shared_columns, training_table, whole_test

CLASSIFIERS = (
    Family(
        "Logistic regression on words and runs of letters",
        "Multinomial logistic regression on sparse TF-IDF of words, word pairs and letter runs, stopped after a few "
        "passes: strong on few texts and on many, with honest probabilities, and fast.",
        "word_letter_matrix", "text_logistic",
    ),
    Family(
        "NB-SVM on words and runs of letters",
        "Logistic regressions on TF-IDF features that are weighted by naive Bayes log-count ratios: hard to beat on "
        "short and middling texts without a pretrained network.",
        "word_letter_matrix", "nb_svm",
    ),
    Family(
        "Calibrated linear SVM on words and runs of letters",
        "A linear support vector machine on sparse TF-IDF of words, word pairs and letter runs; its margins are "
        "calibrated to probabilities.",
        "word_letter_matrix", "linear_svm",
    ),
    Family(
        "Sparse neural network on TF-IDF words",
        "A small multi-layer perceptron on sparse words, a few passes only, averaged over starts: finds what words "
        "mean together, where linear models add them up.",
        "word_matrix", "sparse_network",
    ),
    Family(
        "LightGBM on frequent words, topics and the table",
        "Boosted trees on the most frequent words, latent topics, the texts' shape and the columns beside: finds "
        "thresholds and interactions that linear models miss.",
        "tree_words", "text_boosting", ("scikit-learn", "lightgbm"),
    ),
    Family(
        "Naive Bayes on TF-IDF words",
        "Multinomial naive Bayes: one pass over the data, strong on few rows and many classes, unlike in its errors.",
        "word_matrix", "naive_bayes",
    ),
    Family(
        "Kernel machine on latent topics",
        "An RBF kernel, approximated by landmarks, over an LSA of the texts: smooth in meaning, not in words.",
        "topic_matrix", "topic_kernel",
    ),
    Family(
        "ExtraTrees on frequent words and topics",
        "Extremely randomised trees on words, topics and the columns beside: no tuning, low variance.",
        "tree_words", "text_trees",
    ),
    Family(
        "Nearest neighbours on latent topics",
        "The labels of the most similar training texts: catches near-duplicates and templates.",
        "topic_matrix", "similar_texts",
    ),
)  # fmt: skip

REGRESSORS = (
    Family(
        "Ridge regression on words and runs of letters",
        "A linear model on sparse TF-IDF of words, word pairs and letter runs: the strongest simple regressor of text.",
        "word_letter_matrix", "text_ridge",
    ),
    Family(
        "LightGBM on frequent words, topics and the table",
        "Boosted trees on the most frequent words, latent topics, the texts' shape and the columns beside: finds "
        "thresholds and interactions that linear models miss.",
        "tree_words", "text_boosting", ("scikit-learn", "lightgbm"),
    ),
    Family(
        "Sparse neural network on TF-IDF words",
        "A small multi-layer perceptron on sparse words, a few passes only, averaged over starts: finds what words "
        "mean together, where linear models add them up.",
        "word_matrix", "sparse_network",
    ),
    Family(
        "Linear support vector regression on words and runs of letters",
        "A linear model whose loss grows like the error itself: fits medians, and is not drawn away by outliers.",
        "word_letter_matrix", "linear_svr",
    ),
    Family(
        "ExtraTrees on frequent words and topics",
        "Extremely randomised trees on words, topics and the columns beside: no tuning, low variance.",
        "tree_words", "text_trees",
    ),
    Family(
        "Kernel machine on latent topics",
        "An RBF kernel, approximated by landmarks, over an LSA of the texts: smooth in meaning, not in words.",
        "topic_matrix", "topic_kernel",
    ),
    Family(
        "Ridge regression on topics and their products",
        "A dense linear model over an LSA of the texts with products of the leading topics.",
        "topic_matrix", "topic_ridge",
    ),
    Family(
        "Nearest neighbours on latent topics",
        "The targets of the most similar training texts: catches near-duplicates and templates.",
        "topic_matrix", "similar_texts",
    ),
)  # fmt: skip

LEAST_ORDER = 0.05
"""Bits that words owe to their order, from which on words that stand together say more than each does."""
LEAST_NEW = 0.005
"""Share of new words, from which on their letters tell something."""
LISTS = ("TARGETS", "DROP", "TEXTS", "NUMBERS", "CATEGORIES", "DATES")


class TextRecipes(PartRecipes):
    """What is known of tables whose rows are texts above all."""

    name = "text"
    classifiers = CLASSIFIERS
    regressors = REGRESSORS

    def families(self, facts: Facts) -> tuple[Family, ...]:
        """Families whose packages are listed, strongest first."""
        found = self.available(facts)
        # Where much is told beside the texts, trees come early: they use it best.
        beside = sum(column.kind in {"numeric", "category", "boolean", "date"} for column in kept_columns(facts))
        early = {"text_boosting"} if beside >= 4 else set()
        # One tree per class and round, and a pass over all words for each class: too slow for many classes.
        late = {"text_boosting", "nb_svm"} if facts.classifies and facts.class_count > 12 else set()
        return tuple(sorted(found, key=lambda f: -1 if f.model in early else 1 if f.model in late else 0))

    def settings(self, facts: Facts) -> str:
        """Columns by what they are."""
        columns = kept_columns(facts)
        names = {column.name for column in columns}
        texts = text_columns(facts)
        dropped = [column.name for column in facts.profile.columns if column.name not in names]
        return constants(
            DROP=list(dict.fromkeys([*dropped, *facts.targets, *facts.id_columns])),
            TEXTS=texts,
            NUMBERS=[column.name for column in columns if column.kind == "numeric"],
            CATEGORIES=[c.name for c in columns if c.kind in {"category", "boolean"} and c.name not in texts],
            DATES=[column.name for column in columns if column.kind == "date"],
            TIME_COLUMNS=time_columns(facts),
        )

    def loading(self, facts: Facts) -> str:
        """Read the training table."""
        return f"{training_table(facts)}\n{shared_columns(facts, *LISTS)}".rstrip()

    def test_loading(self, facts: Facts) -> str:
        """Read the test table as the training table was read."""
        return f"test = {whole_test(facts)}"

    def features(self, facts: Facts) -> tuple[str, ...]:
        """Measures of the texts as they were written, then cleaning; codes, names and addresses stay as they are."""
        dates = any(column.kind == "date" for column in kept_columns(facts))
        return ("text_shape", *([] if lacks_words(facts) else ["clean_text"]), *(["date_parts"] if dates else []))

    def sized(self, name: str, facts: Facts) -> dict[str, object]:
        """Keyword defaults that fit the task."""
        return sized(name, facts)

    @property
    def repertoire(self) -> tuple[Idea, ...]:
        """The ideas for texts."""
        from mle_star.offline.text_ideas import IDEAS

        return IDEAS


def kept_columns(facts: Facts) -> list[ColumnProfile]:
    """The columns that can help: no identifiers, constants, paths, groups, or mere counters of time."""
    split = facts.profile.split
    lost = {*facts.targets, *facts.id_columns, *split.untrusted}
    useless = {"id", "path", "constant"}
    kept = [c for c in facts.profile.columns if c.name not in lost and c.kind not in useless]
    if any(column.kind == "text" for column in kept):
        return kept
    # A text column of which every value is unlike (one word, or a language without spaces) is taken for an id. Even one
    # whose parts tell groups apart is better than none.
    lost = {*facts.targets, *facts.id_columns}
    strings = [c for c in facts.profile.columns if c.name not in lost and c.dtype == "str"]
    return kept + [c for c in strings if c.kind in {"id", "text"}]


def lacks_words(facts: Facts) -> bool:
    """Whether the texts are strings such as codes, names or Chinese, which are read letter by letter."""
    return not any(column.kind == "text" for column in kept_columns(facts))


def text_columns(facts: Facts) -> list[str]:
    """The columns of free text; without any, those of most different strings."""
    columns = kept_columns(facts)
    texts = [column.name for column in columns if column.kind == "text"]
    if texts:
        return texts
    strings = [c for c in columns if c.dtype == "str" and c.kind in {"category", "id"}]
    strings.sort(key=lambda column: -(column.unique or 0))
    return [column.name for column in strings[:2]]


def time_columns(facts: Facts) -> list[str]:
    """The column that the test rows continue, for the frame's split in time."""
    split = facts.profile.split
    return [split.column] if split.kind == "time" and split.column else []


def sized(name: str, facts: Facts) -> dict[str, object]:
    """Keyword defaults that fit the number of rows and classes."""
    rows = facts.search_rows
    classes = facts.class_count if facts.classifies and len(facts.targets) == 1 else 2
    values: dict[str, object] = {}
    if name == "text_boosting" and facts.classifies:
        if classes > 2:
            values |= {"trees": max(40, 600 // classes), "learning_rate": 0.1 if classes <= 6 else 0.15}
        if rows < 1_500:
            values |= {"leaves": 7, "trees": max(40, 300 // classes)}
    if name == "text_boosting" and not facts.classifies and rows < 1_500:
        values |= {"leaves": 7, "trees": 200}
    if name == "sparse_network":
        values |= {"epochs": 8 if rows < 3_000 or classes > 8 else 3 if rows > 15_000 else 4}
    if name == "text_trees" and rows > 10_000:
        values["trees"] = 100 if facts.classifies else 60
    if name == "tree_words" and (rows > 15_000 or classes > 8):
        values |= {"words": 300}
    texts = [column for column in kept_columns(facts) if column.kind == "text"]
    if name == "word_matrix" and not reaches(LEAST_ORDER, (column.word_order for column in texts)):
        values |= {"longest": 1}  # as in lists of key words
    if name == "word_letter_matrix" and not reaches(LEAST_NEW, (column.new_words for column in texts)):
        values |= {"letters": False}  # each word is known by itself
    if name == "word_matrix" and facts.unspaced:
        values |= {"token": rf"{UNSPACED.pattern}|\w+|[^\w\s]", "longest": 3}
    if lacks_words(facts):
        values |= of_letters(rows).get(name, {})
    return values


def reaches(least: float, measures: Iterable[float | None]) -> bool:
    """Whether a text column has that much of what was measured; what was not measured counts as enough."""
    found = list(measures)
    return not found or any(value is None or value >= least for value in found)


def of_letters(rows: int) -> dict[str, dict[str, object]]:
    """Keyword defaults, by function, that read each letter as a word: capitals count, and long strings take time."""
    return {
        "as_documents": {"limit": max(300, 5_000_000 // rows)},
        "word_matrix": {"token": r"\S", "longest": 3, "lowercase": False},
        "letter_matrix": {"budget": 5_000_000, "lowercase": False},
        "tree_words": {"longest": 3},
    }
