"""The ablation study: a script that leaves parts of a solution out, and the summary of what it printed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mle_star.offline.drafting import fenced
from mle_star.offline.reading import Prompt
from mle_star.offline.script import Script, keywords_of

VARIATIONS = 3
FINDING = re.compile(
    r"^`(\w+)` (.+?): (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|nan|inf) \(([+-]\d+(?:\.\d+)?(?:e[+-]?\d+)?)\)(.*)$", re.MULTILINE
)
UNCHANGED = re.compile(r"^[Uu]nchanged: (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)", re.MULTILINE)


@dataclass(frozen=True)
class Variation:
    """One change of a solution: the function concerned, what is done to it, and the statements that do it."""

    name: str
    what: str
    code: str
    """Defines `changed_parts`."""
    costly: bool = False
    """Whether every model is fitted anew."""


def ablation_study(prompt: Prompt) -> str:
    """The script as it is, then two or three variations of parts that were not studied before."""
    text = prompt.part("script")
    script = Script.parse(text)
    if not script.is_ours:
        return fenced(text.rstrip() + "\nprint('No part of this script could be told apart, so none was changed.')")
    earlier = prompt.part("earlier_summaries")
    chosen = choose(variations(script), earlier)
    validation = re.sub(r"^parts, held = out_of_fold.*\Z", "", script["Validation"], flags=re.MULTILINE | re.DOTALL)
    direction = "lower is better" if lower_is_better(script) else "higher is better"
    body = [BASELINE.format(direction=direction)]
    body += [
        f"# `{variation.name}` {variation.what}\n{on_few_folds(variation)}\n"
        f"report({variation.name!r}, {variation.what!r}, changed_parts)"
        for variation in chosen
    ]
    body.append(ENDING)
    study = script.with_section("Validation", validation.rstrip()).with_section("Ablation", "\n\n".join(body))
    return fenced(study.text)


BASELINE = '''findings = {{}}


def report(name, what, changed_parts):
    """Print a variation's score next to the unchanged one."""
    judged = held[: changed_parts.shape[1]]  # what is costly is fitted in the first folds alone
    before = unchanged if len(judged) == len(held) else evaluate(parts[:, : len(judged)], target[judged])
    changed = evaluate(changed_parts, target[judged])
    findings[name] = changed - before if abs(changed - before) > 1e-9 * abs(before) else 0.0
    remark = "" if len(judged) == len(held) else f" on {{len(judged)}} of {{len(held)}} held-out rows"
    print(f"`{{name}}` {{what}}: {{changed:.6g}} ({{findings[name]:+.6g}}){{remark}}", flush=True)


rows = build(train)
parts, held = out_of_fold(rows, target, MODELS)
unchanged = evaluate(parts, target[held])
print(f"Unchanged: {{unchanged:.6g}} ({direction})", flush=True)'''

ENDING = """\
most = max(findings, key=lambda name: abs(findings[name]))
print(f"The score depends most on `{most}`: {findings[most]:+.6g}")
print(f"Final Validation Performance: {unchanged}")"""


def on_few_folds(variation: Variation) -> str:
    """The statements of a variation; one that fits every model anew is content with two folds."""
    if not variation.costly:
        return variation.code
    return f"FOLDS_USED, folds_used = min(FOLDS_USED, 2), FOLDS_USED\n{variation.code}\nFOLDS_USED = folds_used"


def lower_is_better(script: Script) -> bool:
    """The metric's direction, as the docstring of `score` says it."""
    return "lower is better" in (script.function("score") or "")


def choose(all_variations: list[Variation], earlier: str) -> list[Variation]:
    """Parts that were not studied before, at most one costly one; when all were, begin anew with other changes."""
    new = [variation for variation in all_variations if f"`{variation.name}`" not in earlier]
    if len({variation.name for variation in new}) < 2:
        new += [variation for variation in all_variations if variation.what not in earlier and variation not in new]
    chosen: list[Variation] = []
    for variation in new or all_variations:
        if variation.name in {other.name for other in chosen} or len(chosen) == VARIATIONS:
            continue
        if variation.costly and any(other.costly for other in chosen):
            continue
        chosen.append(variation)
    return chosen


def variations(script: Script) -> list[Variation]:
    """Everything that can be left out or changed, the most telling first."""
    models = script.models
    steps = [name for name in script.features if name != "clean"]
    found: list[Variation] = []
    features = [
        Variation(
            name,
            "left out",
            f"changed_rows = build(train, [step for step in FEATURES if step is not {name}])\n"
            "changed_parts, _ = out_of_fold(changed_rows, target, MODELS)",
            costly=True,
        )
        for name in steps
    ]
    if re.search(r"^WORDS = \[[^\]]", script["Settings"], re.MULTILINE):
        features.append(WITHOUT_WORDS)
    if len(models) > 1:
        removals = [
            Variation(model, "left out of the blend", f"changed_parts = np.delete(parts, {place}, axis=0)")
            for place, (_, model) in enumerate(models.values())
        ]
        removals.append(Variation("blend_weights", "replaced by the first model alone", "changed_parts = parts[:1]"))
    else:
        removals = []
    turns = [
        variation
        for place, (key, (prepare, model)) in enumerate(models.items())
        for variation in (
            *turned(script, place, key, prepare, model, of=model),
            *turned(script, place, key, prepare, model, of=prepare),
        )
    ]
    # In turn: a feature, what a model is given or how it is turned, a model.
    queues = [features, turns, removals]
    while any(queues):
        found += [queue.pop(0) for queue in queues if queue]
    if script.function("model_scale"):
        plain = "return values" in (script.function("model_scale") or "").split("\n")[-1]
        found.insert(1, LOG_SCALE if plain else PLAIN_SCALE)
    return found


WITHOUT_WORDS = Variation(
    "word_scores",
    "left out, with all that is read of single words",
    "read, WORDS = WORDS, []\nchanged_parts, _ = out_of_fold(rows, target, MODELS)\nWORDS = read",
    costly=True,
)

PLAIN_SCALE = Variation(
    "model_scale",
    "left out: the models learn the target itself",
    "learnt_scale, model_scale = model_scale, lambda values, undo=False: values\n"
    "changed_parts, _ = out_of_fold(rows, target, MODELS)\n"
    "model_scale = learnt_scale",
    costly=True,
)

LOG_SCALE = Variation(
    "model_scale",
    "set to logarithms of the target",
    "learnt_scale, model_scale = model_scale, lambda values, undo=False: (\n"
    "    np.sign(values) * (np.expm1(np.abs(values)) if undo else np.log1p(np.abs(values)))\n"
    ")\n"
    "changed_parts, _ = out_of_fold(rows, target, MODELS)\n"
    "model_scale = learnt_scale",
    costly=True,
)


def turned(script: Script, place: int, key: str, prepare: str, model: str, of: str) -> list[Variation]:
    """A model fitted anew with one keyword argument of its own, or of its preparation, changed."""
    source = script.function(of)
    found = []
    for keyword, value in keywords_of(source).items() if source else ():
        other = changed_value(value)
        if other is None:
            continue
        partial = f"partial({of}, {keyword}={other!r})"
        pair = f"({prepare}, {partial})" if of == model else f"({partial}, {model})"
        found.append(
            Variation(
                of,
                f"with {keyword}={other!r} instead of {value!r}",
                "from functools import partial\n\n"
                "changed_parts = parts.copy()\n"
                f"changed_parts[{place}] = out_of_fold(rows, target, {{{key!r}: {pair}}})[0][0]",
            )
        )
    return found


def changed_value(value: object) -> object:
    """Another value worth a try: a flag flipped, a number halved; None where there is none."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value // 2 if value > 1 else None
    if isinstance(value, float):
        return value / 2
    return None


def summarizer(prompt: Prompt) -> str:
    """What the study printed, in sentences; no figure of our own."""
    output = prompt.part("output")
    unchanged = UNCHANGED.search(output)
    findings = FINDING.findall(output)
    if not findings:
        lines = [line for line in output.strip().split("\n") if re.search(r"\d", line)][:8]
        if not lines:
            return "The study failed: it printed no figures, neither of the unchanged solution nor of a variation."
        return "The study printed these figures:\n" + "\n".join(f"- {line.strip()[:200]}" for line in lines)
    lower = "lower is better" in output
    said = [f"- Unchanged: {unchanged[1]} ({'lower' if lower else 'higher'} is better)"] if unchanged else []
    effects: dict[str, float] = {}
    for name, what, score, difference, rows in findings[:7]:
        effects[name] = float(difference)
        effect = "the same" if effects[name] == 0 else "worse" if (effects[name] > 0) == lower else "better"
        said.append(f"- `{name}` {what}: {score}{rows} ({difference}, {effect})")
    most = max(effects, key=lambda name: abs(effects[name]))
    helps = (effects[most] > 0) == lower
    advice = "worth improving" if helps else "worth changing: the score was better without it"
    said.append(f"The score depends most on `{most}`, which is {advice}.")
    return "\n".join(said)
