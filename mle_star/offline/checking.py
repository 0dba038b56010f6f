"""The two checks of a solution: is information from validation rows used in training, and is all the data used?"""

from __future__ import annotations

import ast
import json
import re
import textwrap

from mle_star.models.syntax import parse
from mle_star.offline.drafting import fenced
from mle_star.offline.parts import functions
from mle_star.offline.reading import Prompt
from mle_star.offline.recipe import Facts
from mle_star.offline.script import Script, features_list
from mle_star.offline.tables import read_call

ALL_USED = "All the provided information is used."
FITTING = {"fit", "fit_transform", "fit_resample"}
SPLITTING = {"train_test_split", "KFold", "StratifiedKFold", "GroupKFold", "TimeSeriesSplit", "ShuffleSplit",
             "StratifiedShuffleSplit", "cross_val_score", "cross_val_predict"}  # fmt: skip
PREPARING = re.compile(
    r"scaler|encoder|imputer|vectorizer|vect|tfidf|pca|svd|selector|transformer|preprocess|encode|scale|impute|poly|"
    r"kbins|quantile|normalizer|binarizer", re.IGNORECASE,
)  # fmt: skip
VALIDATION = re.compile(r"(^|_)(val|valid|validation|holdout|held|test)(_|$)", re.IGNORECASE)


def leakage_detect(prompt: Prompt) -> str:
    """A verdict on a script, with the block that prepares its validation rows."""
    text = prompt.part("script")
    script = Script.parse(text)
    found = None if script.is_ours or _holds_solutions(text) else find_leak(text)
    if found is not None:
        block, reason = found
        return json.dumps({"verdict": "leakage", "code_block": block, "reason": reason})
    block = preparation_of(text, script)
    reason = "What is learnt (encoders, imputers, vocabularies, models) is learnt in each fold from its training rows."
    if not script.is_ours:
        reason = "Nothing was found that is fitted before the split or on validation rows."
    return json.dumps({"verdict": "no leakage", "code_block": block, "reason": reason})


def _holds_solutions(text: str) -> bool:
    return "# --- Ensemble ---" in text


def preparation_of(text: str, script: Script) -> str:
    """The block that prepares rows: of ours the function that fits and predicts within a fold."""
    names = ["out_of_fold", *(prepare for prepare, _ in script.models.values()), "fit_predict"]
    for name in reversed(names):
        source = script.function(name) if script.is_ours else None
        if source and text.count(source) == 1:
            return source
    lines = text.split("\n")
    for line in lines:
        if re.search(r"\.(fit|fit_transform|transform)\(", line) and lines.count(line) == 1:
            return line
    unique = [line for line in lines if line.strip() and lines.count(line) == 1]
    return unique[-1] if unique else text


def find_leak(text: str) -> tuple[str, str] | None:
    """Find a classical leak in any script: the statement, and the reason in a sentence."""
    try:
        tree = parse(text)
    except SyntaxError:
        return None
    lines = text.split("\n")
    split_line = next(
        (node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node) in SPLITTING), None
    )
    for statement in _statements(tree):
        source = "\n".join(lines[statement.lineno - 1 : statement.end_lineno])
        for call in (node for node in ast.walk(statement) if isinstance(node, ast.Call)):
            reason = _leak(call, statement, split_line)
            if reason and text.count(source) == 1:
                return source, reason
    return None


def _leak(call: ast.Call, statement: ast.stmt, split_line: int | None) -> str | None:
    name = _called(call)
    owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    arguments = [ast.unparse(argument) for argument in call.args[:2]]
    if name in FITTING and any(VALIDATION.search(part) for part in re.findall(r"\w+", " ".join(arguments))):
        return f"`{owner}.{name}` is fitted on validation rows."
    if name in FITTING and any("concat" in argument for argument in arguments):
        return f"`{owner}.{name}` is fitted on training and validation rows put together."
    before = split_line is not None and statement.lineno < split_line
    chosen = bool(arguments) and re.search(r"\b(train|fit|learn)\w*", arguments[0]) is not None
    if before and name in FITTING and PREPARING.search(owner) and not chosen:
        return f"`{owner}.{name}` is fitted on all rows before the validation rows are split off."
    if (
        before
        and name in {"transform", "map"}
        and re.search(r"groupby\(.*\)\[.*(target|label|y)\b", ast.unparse(call), re.I)
    ):
        return "A category is replaced by the target's mean over all rows before the validation rows are split off."
    return None


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _statements(tree: ast.Module) -> list[ast.stmt]:
    """Simple statements, in order, inside of functions and loops too."""
    kinds = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Return)
    return sorted((node for node in ast.walk(tree) if isinstance(node, kinds)), key=lambda node: node.lineno)


def leakage_correct(prompt: Prompt) -> str:
    """The block, fitted on training rows alone, as far as the block by itself allows."""
    text, block = prompt.part("script"), textwrap.dedent(prompt.part("code_block"))
    return fenced(corrected(text, block))


def corrected(script: str, block: str) -> str:
    """Fit on a training part of the same rows that the later split will choose, then apply to all of them."""
    split = re.search(
        r"^(?P<names>[\w, ]+?)\s*=\s*train_test_split\((?P<args>.*?)\)\s*$", script, re.MULTILINE | re.DOTALL
    )
    change = re.match(
        r"(?P<into>.+?)\s*=\s*(?P<owner>[\w.]+)\.fit_transform\((?P<rows>[^,()]+(?:\[[^\]]*\]+)?)(?P<rest>(?:,[^()]*)?)\)\s*$",
        block.strip(),
    )
    if change and VALIDATION.search(change["rows"]):
        return f"{change['into']} = {change['owner']}.transform({change['rows']})"
    if change and split:
        options = ", ".join(
            part.strip()
            for part in split["args"].split(",")
            if re.match(r"\s*(test_size|random_state|shuffle)\s*=", part)
        )
        rows = change["rows"]
        target = change["rest"].lstrip(", ")
        fitted_on = f"{rows}.iloc[fit_places]" if not rows.endswith(".values") else f"{rows}[fit_places]"
        fitted_target = f", {target}.iloc[fit_places]" if target and "=" not in target else ""
        stratify = re.search(r"stratify\s*=\s*([\w.\[\]'\"]+)", split["args"])
        options += f", stratify={stratify[1]}" if stratify else ""
        return (
            "from sklearn.model_selection import train_test_split as split_places\n"
            f"fit_places = split_places(range(len({rows})), {options})[0]  # the rows that the split below trains on\n"
            f"{change['owner']}.fit({fitted_on}{fitted_target})\n"
            f"{change['into']} = {change['owner']}.transform({rows})"
        )
    mended = re.sub(r"\.fit_transform\((?=[^)]*(?:val|valid|test|holdout))", ".transform(", block)
    mended = re.sub(r"pd\.concat\(\[\s*(\w*train\w*)\s*,.*?\]\s*(?:,[^)]*)?\)", r"\1", mended)
    return mended


def data_usage_checker(prompt: Prompt) -> str:
    """Further tables that no line of the script reads are joined by a shared key; all else our scripts use already."""
    facts, text = prompt.facts, prompt.part("script")
    script = Script.parse(text)
    if not script.is_ours or (facts.modality not in {"tabular", "time_series", "other"} and not script["Features"]):
        return ALL_USED
    files = unused_tables(facts, text)
    if not files or "join_tables" in text:
        return ALL_USED
    return fenced(with_tables(script, facts, files).text)


def unused_tables(facts: Facts, text: str) -> list[str]:
    """Tables among the files that are neither the task's own nor read by the script."""
    profile = facts.profile
    sample = profile.submission.sample_file if profile.submission else None
    own = {profile.train_file, *profile.more_train_files, profile.labels_file, sample}
    own |= {profile.test_file, *profile.more_test_files}
    tables = re.compile(r"\.(csv|tsv|parquet|feather|jsonl|ndjson)(\.(gz|bz2|zip|xz))?$", re.IGNORECASE)
    return [
        file.path
        for file in profile.files
        if file.path not in own and tables.search(file.path) and file.path not in text
        and not re.search(r"sample_?sub|submission", file.path, re.IGNORECASE)
    ]  # fmt: skip


def with_tables(script: Script, facts: Facts, files: list[str]) -> Script:
    """The script with the tables read and a feature step that joins them."""
    calls = [f"    {file!r}: {read_call(file, facts)}," for file in files]
    loading = script["Loading"].rstrip() + "\nTABLES = {\n" + "\n".join(calls) + "\n}  # beside the training rows"
    join = functions("tabular")["join_tables"]
    names = ("join_tables", *script.features)
    body = re.sub(r"^FEATURES = \[.*?\]", features_list(names), script["Features"], flags=re.MULTILINE | re.DOTALL)
    return script.with_section("Loading", loading).with_section("Features", join + "\n\n\n" + body)
