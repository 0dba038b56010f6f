"""Repairs: what a script of the library can fail of, and what the same errors ask for in any script."""

from __future__ import annotations

import re
from collections.abc import Callable

from mle_star.offline.drafting import fenced
from mle_star.offline.parts import functions
from mle_star.offline.reading import Prompt
from mle_star.offline.script import Script, keywords_of, models_table

Repair = Callable[[str, str], "str | None"]
"""(script, error) -> the mended script, or None where this is not the cause."""


def debugger(prompt: Prompt) -> str:
    """The script, mended by the first repair that fits the error and changes something."""
    script, error = prompt.part("script"), prompt.part("error")
    for repair in REPAIRS:
        mended = repair(script, error)
        if mended is not None and mended != script:
            return fenced(mended)
    return fenced(last_resort(script, error))


def less_work(script: str, error: str) -> str | None:
    """Out of time or memory: fewer trees, fewer rows, fewer folds, one bag; each further time less again."""
    if not re.search(
        r"time ?out|timed out|time limit|out of (?:its|time)|killed|memory|signal 9", error, re.IGNORECASE
    ):
        return None
    return with_less_work(script)


def with_less_work(script: str) -> str:
    """Cut what costs time: in a library script its own settings, in another its numbers of trees and rounds."""
    changed = re.sub(r"^([ \t]*BAGS = )\d+", r"\g<1>1", script, flags=re.MULTILINE)
    changed = re.sub(r"^([ \t]*FOLDS_USED = )\d+", r"\g<1>1", changed, flags=re.MULTILINE)
    changed = re.sub(
        r"(\b(?:trees|epochs|landmarks|iterations|words)\s*=\s*)(\d[\d_]*)",
        lambda match: f"{match[1]}{max(5, int(match[2].replace('_', '')) // 2)}", changed,
    )  # fmt: skip
    changed = re.sub(
        r"(\b(?:n_estimators|num_boost_round|iterations|max_iter|epochs|n_epochs)\s*=\s*)(\d[\d_]*)",
        lambda match: f"{match[1]}{max(5, int(match[2].replace('_', '')) // 2)}", changed,
    )  # fmt: skip
    rows = re.search(r"min\(len\((\w+)\), ([\d_]+)\)", changed)
    if rows:
        fewer = max(2_000, int(rows[2].replace("_", "")) // 2)
        changed = changed.replace(rows[0], f"min(len({rows[1]}), {fewer:_})")
    elif re.search(r"^# --- Loading ---", changed, re.MULTILINE) and "# --- Submission ---" not in changed:
        changed = re.sub(
            r"^(train = train\.dropna\(.*)$",
            r"\1\ntrain = train.sample(n=min(len(train), 5_000), random_state=SPLIT_SEED).sort_index()"
            r".reset_index(drop=True)  # subsampling, to save time",
            changed, count=1, flags=re.MULTILINE,
        )  # fmt: skip
    return changed


def missing_package(script: str, error: str) -> str | None:
    """A package that is not there: the model that needs it makes place for one of scikit-learn's."""
    found = re.search(r"No module named '([\w]+)", error) or re.search(r"cannot import name '(\w+)'", error)
    if found is None:
        return None
    ours = Script.parse(script)
    if not ours.is_ours:
        return None
    needing = [model for _, model in ours.models.values() if found[1] in (ours.function(model) or "")]
    if not needing:
        return None
    kept = {key: pair for key, pair in ours.models.items() if pair[1] not in needing}
    text = script
    if not kept:
        part = functions("regression" if "ABSOLUTE_LOSS" in script else "classification")["hist_gradient_boosting"]
        name = needing[0]
        text = script.replace(ours.function(name) or "", part.replace("def hist_gradient_boosting(", f"def {name}("))
        return text
    return re.sub(r"^MODELS = \{\n.*?^\}", models_table(kept), text, flags=re.MULTILINE | re.DOTALL)


def wrong_encoding(script: str, error: str) -> str | None:
    """A file that is not UTF-8 is read as Latin-1, which takes any byte."""
    if "UnicodeDecodeError" not in error and "codec can't decode" not in error:
        return None
    return re.sub(r"(pd\.read_csv\((?:[^()]|\([^()]*\))*?)(\))", _add_encoding, script)


def _add_encoding(match: re.Match[str]) -> str:
    if "encoding=" in match[1]:
        return re.sub(r"encoding='[^']*'", "encoding='latin-1'", match[0])
    return f"{match[1]}, encoding='latin-1'{match[2]}"


def bad_lines(script: str, error: str) -> str | None:
    """Lines with too many fields: read by the patient parser, which reports and skips them."""
    if "Error tokenizing data" not in error and "ParserError" not in error:
        return None
    changed = script.replace("low_memory=False", 'engine="python", on_bad_lines="warn"')
    return changed if changed != script else None


def not_finite(script: str, error: str) -> str | None:
    """Infinite or missing values where a model takes none: infinite ones become missing, missing ones are filled."""
    if not re.search(r"contains (NaN|infinity)|infinity or a value too large|Input X contains|NaNs? ", error):
        return None
    ours = Script.parse(script)
    if not ours.is_ours:
        match = re.search(r"^(\s*)(X|X_train|features|train_X)\s*=\s*.+$", script, re.MULTILINE)
        if match is None:
            return None
        fill = f"\n{match[1]}{match[2]} = {match[2]}.replace([float('inf'), float('-inf')], 0).fillna(0)"
        return script[: match.end()] + fill + script[match.end() :]
    text = script
    for prepare in {prepare for prepare, _ in ours.models.values()}:
        source = ours.function(prepare)
        if source is None or "fill_gaps" in source:
            continue
        name = re.sub(r"^def (\w+)\(", r"def \1_with_gaps(", source, count=1)
        filled = FILLED.format(name=prepare)
        text = text.replace(source, f"{name}\n\n\n{filled}")
    return text


FILLED = '''def {name}(fit_rows, fit_target, new_rows):
    """Prepare rows, and fill what is missing or infinite in the result by the fitted rows' medians."""
    from sklearn.impute import SimpleImputer

    fit_matrix, new_matrix = {name}_with_gaps(fit_rows, fit_target, new_rows)
    if hasattr(fit_matrix, "tocsr"):
        fit_matrix, new_matrix = fit_matrix.toarray(), new_matrix.toarray()
    fill_gaps = SimpleImputer(strategy="median", keep_empty_features=True)
    fit_matrix = fill_gaps.fit_transform(pd.DataFrame(fit_matrix).replace([np.inf, -np.inf], np.nan))
    new_matrix = fill_gaps.transform(pd.DataFrame(new_matrix).set_axis(fill_gaps.feature_names_in_, axis=1)
                                     .replace([np.inf, -np.inf], np.nan)
                                     if hasattr(fill_gaps, "feature_names_in_") else
                                     pd.DataFrame(new_matrix).replace([np.inf, -np.inf], np.nan))
    return pd.DataFrame(fit_matrix).add_prefix("f"), pd.DataFrame(new_matrix).add_prefix("f")'''


def bad_names(script: str, error: str) -> str | None:
    """LightGBM takes no JSON characters in column names: in scripts that pass names on, they are numbered."""
    if "special JSON characters" not in error and "appears more than one time" not in error:
        return None
    changed = re.sub(
        r"^([ \t]*)((\w+)\.fit\((\w+)\s*,)", r"\1\4.columns = [f'f{i}' for i in range(\4.shape[1])]\n\1\2", script,
        count=1, flags=re.MULTILINE,
    )  # fmt: skip
    return changed if changed != script else None


def few_members(script: str, error: str) -> str | None:
    """Classes with too few members to be dealt out: folds by chance alone."""
    if not re.search(
        r"n_splits=\d+ cannot be greater|least populated class|number of groups|Cannot have number of splits", error
    ):
        return None
    ours = Script.parse(script)
    if ours.is_ours and (source := ours.function("folds")):
        from mle_star.offline.parts import frame_part

        return script.replace(source, frame_part("folds", "plain"))
    changed = re.sub(r",\s*stratify\s*=\s*[\w.\[\]'\"]+", "", script)
    return changed.replace("StratifiedKFold", "KFold")


def lost_column(script: str, error: str) -> str | None:
    """A column that is named in Settings but is not in the data: leave it out of every list."""
    found = re.search(r"KeyError: ['\"](.+?)['\"]$", error, re.MULTILINE) or re.search(
        r"\[['\"](.+?)['\"]\] not (?:found|in index)", error
    )
    if found is None:
        return None
    name = re.escape(repr(found[1]))
    changed = re.sub(
        rf"^([ \t]*(?:DATES|TEXTS|WORDS|STRINGS|CODES|NUMBERS|CATEGORIES) = \[[^\]]*?){name},?[ ]?",
        r"\1",
        script,
        flags=re.MULTILINE,
    )
    return changed if changed != script else None


def one_model_less(script: str, error: str) -> str | None:
    """Any other error inside of one of several models: the blend goes on without that model."""
    ours = Script.parse(script)
    if not ours.is_ours or len(ours.models) < 2:
        return None
    blamed = re.findall(r", in (\w+)$", error, re.MULTILINE)
    kept = {key: pair for key, pair in ours.models.items() if not set(pair) & set(blamed)}
    if not kept or len(kept) == len(ours.models):
        return None
    return re.sub(r"^MODELS = \{\n.*?^\}", models_table(kept), script, flags=re.MULTILINE | re.DOTALL)


def one_step_less(script: str, error: str) -> str | None:
    """An error inside of a feature step: go on without it."""
    ours = Script.parse(script)
    blamed = set(re.findall(r", in (\w+)$", error, re.MULTILINE))
    kept = [name for name in ours.features if name not in blamed]
    if not ours.is_ours or len(kept) == len(ours.features) or "clean" in blamed:
        return None
    return re.sub(r"^FEATURES = \[.*?\]", f"FEATURES = [{', '.join(kept)}]", script, flags=re.MULTILINE | re.DOTALL)


def no_score(script: str, error: str) -> str | None:
    """A script that ended without its score line: print the score under the name that it most likely has."""
    if not re.search(r"no score|Final Validation Performance", error) or "Final Validation Performance" in script:
        return None
    names = re.findall(
        r"^(\w*(?:score|rmse|mae|auc|accuracy|metric|loss)\w*)\s*=", script, re.MULTILINE | re.IGNORECASE
    )
    if not names:
        return None
    return script.rstrip() + f'\nprint(f"Final Validation Performance: {{{names[-1]}}}")\n'


REPAIRS: tuple[Repair, ...] = (
    less_work, missing_package, wrong_encoding, bad_lines, bad_names, few_members, lost_column, one_step_less,
    one_model_less, not_finite, no_score,
)  # fmt: skip


def last_resort(script: str, error: str) -> str:
    """An unknown error: a simpler model in place of the one that failed, else the script as it was."""
    ours = Script.parse(script)
    blamed = re.findall(r", in (\w+)$", error, re.MULTILINE)
    if ours.is_ours and len(ours.models) == 1:
        ((_, (_, model)),) = ours.models.items()
        source = ours.function(model)
        if model in blamed and source and "HistGradientBoosting" not in source:
            kind = "regression" if "ABSOLUTE_LOSS" in script else "classification"
            part = functions(kind)["hist_gradient_boosting"].replace(".to_numpy()", "")
            if keywords_of(part) is not None:
                return script.replace(source, part.replace("def hist_gradient_boosting(", f"def {model}("))
    return script
