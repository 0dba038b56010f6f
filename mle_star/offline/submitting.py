"""The last script: without subsampling, trained on all rows, it predicts the test set and writes the submission."""

from __future__ import annotations

import json
import math
import re

from mle_star.offline import metrics
from mle_star.offline.drafting import fenced
from mle_star.offline.frame import has_two_words, write_script
from mle_star.offline.library import recipes_for
from mle_star.offline.parts import frame_part
from mle_star.offline.reading import Prompt
from mle_star.offline.recipe import Facts, text_bytes
from mle_star.offline.script import Script
from mle_star.offline.tables import read_call, whole_test

SUBSAMPLING = re.compile(r"^[ \t]*(\w+) = \1\.sample\(n=min\(.*# subsampling.*$", re.MULTILINE)
ANY_SUBSAMPLING = re.compile(
    r"^(?P<indent>[ \t]*)(?P<name>\w+)\s*=\s*(?P=name)\s*"
    r"(?:\.sample\(.*|\.head\(\s*[\d_]+\s*\).*|(?:\.iloc)?\[\s*:\s*[\w.]+\s*\].*)$",
    re.MULTILINE,
)
CAPPED_READ = re.compile(r"^.*\bread_csv\(.*\bnrows\s*=\s*[\w.]+.*$", re.MULTILINE)
OUT_OF_FOLD = re.compile(r"^([ \t]*)parts, held = out_of_fold\(rows, target, MODELS\)$", re.MULTILINE)
PREDICT = re.compile(r'^(?P<indent>[ \t]*)def predict\(new_rows, weights\):\n[ \t]*""".*?"""\n', re.MULTILINE)
ENSEMBLE = "# --- Ensemble ---"
SETTINGS = "# --- Settings ---\n"
FITTED_TO_ALL = "fit_predict(rows, target, new_rows, used)"
FITTED_TO_SOME = "fit_affordable(new_rows, used)"
SHARE_OF_SCRIPT, SHARE_OF_RUN = 0.7, 0.2
"""The last fit is over after this part of its script's time, and takes no more than this part of the whole run's."""
TEXT_READ_IN_A_SECOND = 1_000_000
"""Bytes of the test rows' texts, each of which a model has to read before it predicts."""


def subsampling_extract(prompt: Prompt) -> str:
    """Quote the statements that limit the training rows."""
    return json.dumps({"code_block": find_subsampling(prompt.part("script"))})


def find_subsampling(script: str) -> str:
    """The block that subsamples, empty where there is none; of several, the lines from the first to the last."""
    matches = list(SUBSAMPLING.finditer(script))
    if matches:
        return script[matches[0].start() : matches[-1].end()]
    other = ANY_SUBSAMPLING.search(script) or CAPPED_READ.search(script)
    if other is None:
        return ""
    block = other[0]
    return block if script.count(block) == 1 else ""


def subsampling_remove(prompt: Prompt) -> str:
    """The block without the limit."""
    block = prompt.part("code_block")
    kept = SUBSAMPLING.sub(lambda match: _indent(match[0]) + "# All training rows are used.", block)
    if kept == block:
        kept = re.sub(r",\s*nrows\s*=\s*[\w.]+", "", block)
    if kept == block:
        kept = ANY_SUBSAMPLING.sub(lambda match: f"{match['indent']}{match['name']} = {match['name']}.copy()", block)
    return fenced(kept)


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def submission(prompt: Prompt) -> str:
    """The script that writes the submission.

    A script that the library did not write cannot be turned: the library's strongest family takes its place.
    """
    facts, text = prompt.facts, prompt.part("script")
    if not Script.parse(text).is_ours and ENSEMBLE not in text:
        recipes = recipes_for(facts)
        text = write_script(facts, recipes, recipes.families(facts)[:1], seed=0, split_seed=0)
    text = SUBSAMPLING.sub(lambda match: _indent(match[0]) + "# All training rows are used.", text)
    ensemble = ENSEMBLE in text
    body = [] if ensemble else [frame_part("predict")]
    if len(_prediction_columns(facts)) > 1 and len(facts.targets) == 1 and facts.classifies:
        body.append(frame_part("class_place"))
    body.append(writing(facts, ensemble=ensemble))
    whole = Script.parse(text).with_section("Submission", "\n\n\n".join(body)).text
    if facts.rows > facts.max_rows:
        whole = on_many_rows(whole, facts)
    return fenced(PREDICT.sub(lambda match: _with_bags(match, bags(facts)), whole))


def _with_bags(match: re.Match[str], number: int) -> str:
    """Let the last fit average several seeds; the folds before it do with one."""
    if number == 1:
        return match[0]
    inner = match["indent"] + "    "
    scope = "nonlocal" if match["indent"] else "global"
    return f"{match[0]}{inner}{scope} BAGS\n{inner}BAGS = {number}  # the last fits are worth several seeds\n"


def bags(facts: Facts) -> int:
    """How many seeds to average at the end: few rows can pay for many."""
    if facts.environment.time_limit < 120:
        return 1 if facts.rows > 3_000 else 2
    return 5 if facts.rows <= 3_000 else 3 if facts.rows <= 40_000 else 1


def on_many_rows(script: str, facts: Facts) -> str:
    """Settle the score and the weights on as many rows as in the search, then fit to all, or to what time allows."""
    limits = facts.environment
    solutions = max(1, len(OUT_OF_FOLD.findall(script)))
    reading = (facts.profile.test_rows or 0) * text_bytes(facts.profile) / TEXT_READ_IN_A_SECOND
    deadline = max(0.0, SHARE_OF_SCRIPT * limits.time_limit - reading)
    longest = max(0.0, SHARE_OF_RUN * (limits.run_limit or math.inf) - reading)
    lines = (
        f"judged = np.sort(np.random.default_rng(SPLIT_SEED).permutation(len(rows))[:{facts.max_rows:_}])",
        f"SOLUTIONS = {solutions}",
        f"LONGEST = {min(longest, deadline) / solutions:.4g}  # seconds of the last fit",
        f"DEADLINE = {deadline:.4g}  # seconds from the start, by which it is to be done",
        "takes = {}  # seconds, by preparation and model",
        *f"\n\n{frame_part('clocked')}\n\n\n{frame_part('fit_affordable')}\n\n".split("\n"),
        "timed = {step: clocked(step) for pair in MODELS.values() for step in pair}",
        "timed_models = {key: [timed[step] for step in pair] for key, pair in MODELS.items()}",
        "parts, held = out_of_fold(rows.iloc[judged], target[judged], timed_models)",
        "held = judged[held]",
    )
    script = OUT_OF_FOLD.sub(lambda match: "\n".join(match[1] + line if line else "" for line in lines), script)
    script = script.replace(FITTED_TO_ALL, FITTED_TO_SOME)
    script = script.replace("import os\n", "import os\nimport time\n", 1)
    return script.replace(SETTINGS, f"{SETTINGS}STARTED = time.monotonic()\n", 1)


def _prediction_columns(facts: Facts) -> tuple[str, ...]:
    form = facts.profile.submission
    return form.prediction_columns if form and form.prediction_columns else facts.targets


def writing(facts: Facts, *, ensemble: bool) -> str:
    """Load the test rows, predict them, write the file."""
    form = facts.profile.submission
    id_column, keys = (form.id_column, list(form.key_columns)) if form else (None, [])
    columns = _prediction_columns(facts)
    sample = form.sample_file if form else None
    lines = [recipes_for(facts).test_loading(facts)]
    if keys:
        lines.append(f"KEYS = {keys!r}")
    if keys and sample:
        lines.append(f"sample = {key_table(sample, facts)}")
    if id_column and sample:
        lines += [
            f"if {id_column!r} not in test.columns:",
            f"    test[{id_column!r}] = sample[{id_column!r}]  # the same rows in the same order",
        ]
    if id_column:
        lines.append("keys = test[KEYS]")
    elif keys:
        lines.append(f"keys = {whole_test(facts, key_table)}")
    if ensemble:
        lines += ["weights = blend_weights(parts, target[held])", "prediction = blend(predict(test, weights), weights)"]
    else:
        lines += [
            "weights = blend_weights(parts, target[held])",
            "new_rows = test.reindex(columns=train.columns)  # what only training rows have is unknown: the target",
            "prediction = blend(predict(build(new_rows), weights), weights)",
        ]
    if facts.classifies and metrics.plain_name(facts) == "log_loss":
        lines.append("prediction = prediction.clip(1e-8, 1 - 1e-8)  # never quite sure: a sure miss costs without end")
    if form and form.one_for_several:
        lines += [
            "# Several test rows have the same key, and one prediction is asked for each key: their mean.",
            "means = pd.DataFrame(prediction).groupby([keys[name] for name in KEYS]).mean()",
            "prediction = means.to_numpy().reshape(-1, *prediction.shape[1:])",
            "keys = means.index.to_frame(index=False)",
        ]
    decision = metrics.scoring(facts).decision
    if decision == "argmax":
        lines.append("decided = decide(prediction)")
    elif decision != "none":
        fitted = "cross_fitted(parts, target[held])"
        lines.append(f"decided = decide(prediction, fit_decision({fitted}, target[held]))")
    lines.append(f"submission = {'keys.copy()' if keys else 'pd.DataFrame()'}")
    lines += values(facts, columns, decided=decision != "none")
    if keys and sample:
        lines += [
            "written, wanted = (pd.MultiIndex.from_frame(table[KEYS].astype(str)) for table in (keys, sample))",
            "if written.is_unique and set(written) == set(wanted):",
            "    submission = submission.iloc[written.get_indexer(wanted)]  # in the sample's order",
        ]
    others = list(form.other_columns) if form and sample and facts.id_columns else []
    if others:
        lines.append(f"submission[{others!r}] = sample[{others!r}].to_numpy()  # neither names of rows nor predictions")
    order = form.columns if form and form.columns else ()
    if order and set(order) == {*keys, *columns, *others}:
        lines.append(f"submission = submission[{list(order)!r}]")
    lines += [
        'os.makedirs("./final", exist_ok=True)',
        'submission.to_csv("./final/submission.csv", index=False)',
        'print(f"wrote {len(submission)} rows")',
        'print(f"Final Validation Performance: {validation_score}")',
    ]
    return "\n".join(lines)


def key_table(file: str, facts: Facts) -> str:
    """The expression that reads the rows' names: of several columns, which may be features too, as they are written."""
    call = read_call(file, facts)
    return call if facts.id_columns else f"{call.replace('low_memory=False', 'dtype=str, usecols=KEYS')}[KEYS]"


def values(facts: Facts, columns: tuple[str, ...], *, decided: bool) -> list[str]:
    """The lines that put the predictions into the submission's columns."""
    if len(facts.targets) > 1:
        places = {name: number for number, name in enumerate(facts.targets)}
        value = "decided[:, {0}]" if decided else "prediction[:, {0}]"
        if decided and has_two_words(facts):
            value = "classes[decided[:, {0}], {0}]"
        if metrics.tells_values(facts):
            value = "classes[1, decided[:, {0}].astype(int)]"
        return [
            f"submission[{name!r}] = {value.format(places.get(name, number))}" for number, name in enumerate(columns)
        ]
    if not facts.classifies:
        return [f"submission[{columns[0]!r}] = {'decided' if decided else 'prediction'}"]
    if guesses := metrics.ranked_guesses(facts):
        form = facts.profile.submission
        separator = json.dumps((form and form.separator) or " ")
        return [
            f"best = np.argsort(-prediction, axis=1, kind='stable')[:, :{guesses}]",
            f"submission[{columns[0]!r}] = [{separator}.join(str(classes[place]) for place in row) for row in best]",
        ]
    if len(columns) > 1:
        return [
            f"for column in {list(columns)!r}:",
            "    submission[column] = prediction[:, class_place(column)]",
        ]
    if metrics.wants_labels(facts) or facts.class_count != 2:
        chosen = "decided" if decided else "np.argmax(prediction, axis=1)"
        return [f"submission[{columns[0]!r}] = classes[{chosen}]"]
    return [f"submission[{columns[0]!r}] = prediction[:, 1]"]
