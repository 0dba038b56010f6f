"""Targeted refinement: which block next, with which plan, and the block as the plan says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from itertools import combinations

from mle_star.offline.drafting import fenced
from mle_star.offline.frame_ideas import frame_ideas
from mle_star.offline.library import all_recipes, recipes_for
from mle_star.offline.reading import Prompt, Scored
from mle_star.offline.recipe import Facts, Idea, set_keywords
from mle_star.offline.script import Script, functions_of, keywords_of

SUMMARY_LINE = re.compile(r"^- `(\w+)` .*?\(([+-]\d+(?:\.\d+)?(?:e[+-]?\d+)?)", re.MULTILINE)
SETTING = re.compile(r"`(\w+)` to (-?\d+(?:\.\d+)?(?:e-?\d+)?)\b")
BEFORE = re.compile(r"Before any change the solution scores (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)")
BASELINE = re.compile(r"unchanged it scores (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)")


def extractor(prompt: Prompt) -> str:
    """The block with the most influence that was not refined before, and the first plan for it."""
    text, summary = prompt.part("script"), prompt.part("summary")
    script = Script.parse(text)
    done = "\n".join(prompt.numbered("earlier_blocks"))
    if not script.is_ours:
        block = foreign_block(text, done)
        return json.dumps({"code_block": block, "plan": FOREIGN_PLAN})
    facts = prompt.facts
    name = choose_block(script, summary, done, facts)
    block = functions_of(text)[name]
    plan = found_better(name, block, summary) or next_plan(block, (), facts, ())
    if unchanged := re.search(r"[Uu]nchanged: (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)", summary):
        plan += f" The solution as it is must be beaten: unchanged it scores {unchanged[1]}."
    return json.dumps({"code_block": block, "plan": plan})


def found_better(name: str, block: str, summary: str) -> str | None:
    """A plan that takes over what the study itself found to be better: a number, or a step left out."""
    line = re.search(rf"^- `{name}` (.*?): .*\(.*, better\)$", summary, re.MULTILINE)
    if line is None:
        return None
    if turned := re.match(r"with (\w+)=(\S+) instead of (\S+)", line[1]):
        return (
            f"Set `{turned[1]}` to {turned[2]}. The study scored better with it than with {turned[3]}. Everything "
            f"else in "
            "the block stays as it is, so that the difference can be told."
        )
    if line[1] == "left out" and "return" in block and "(frame)" in block:
        return (
            f"{LEAVE_OUT} `{name}`. The study scored better without it: what it adds is noise to these models. The "
            "function stays and hands the rows on as they are, so that nothing else need change."
        )
    return None


def choose_block(script: Script, summary: str, done: str, facts: Facts) -> str:
    """The function with the largest effect in the figures; an instruction in words is met by the words."""
    functions = functions_of(script.text)
    if len(script.models) == 1:  # one model's weight is 1, whatever the block does
        functions = {name: source for name, source in functions.items() if name not in {"blend_weights", "blend"}}
    refined = set(re.findall(r"^def (\w+)\(", done, re.MULTILINE))
    open_blocks = [name for name in functions if name not in refined and ideas_for(name, facts)]
    effects = {name: abs(float(effect)) for name, effect in SUMMARY_LINE.findall(summary)}
    named = [name for name in open_blocks if f"`{name}`" in summary or name.replace("_", " ") in summary.lower()]
    if named and not effects:
        return named[0]
    # A block with few plans would run out of them before the inner loop ends.
    open_blocks = [name for name in open_blocks if plans_in(name, functions[name], facts) >= PLANS] or open_blocks
    if not open_blocks:
        candidates = [name for name in functions if name not in refined and _turnable(keywords_of(functions[name]))]
        return next(iter(candidates or functions))
    studied = [name for name in open_blocks if name in effects]
    features = [name for name in open_blocks if "_features" in name]
    if features and len(refined) == FEATURES_AFTER and not any("_features" in name for name in refined):
        return max(features, key=lambda name: effects.get(name, 0.0))
    if not effects:
        words = set(re.findall(r"[a-z]{4,}", summary.lower()))
        hits = {name: len(words & set(re.findall(r"[a-z]{4,}", functions[name].lower()))) for name in open_blocks}
        if words and max(hits.values()) > 1:
            return max(open_blocks, key=lambda name: hits[name])
    if studied:
        return max(studied, key=lambda name: effects[name])
    # What was studied is refined already: then the parts that most often pay, in this order.
    usual = [model for _, model in script.models.values()]
    order = ["blend_weights", "tree_matrix", *usual, "number_features", "blend", "model_scale"]
    return min(open_blocks, key=lambda name: order.index(name) if name in order else len(order))


FEATURES_AFTER = 2
"""Blocks after which a step of features has its turn: a study shows what it adds now, not what it could."""
PLANS = 4
"""As many steps the inner loop takes by default."""


def plans_in(name: str, block: str, facts: Facts) -> int:
    """How many plans there are for a block: ideas that change it, and its numbers turned."""
    ideas = fitting_ideas(name, block, facts)
    return len(ideas) + len(pairs(ideas, block)) + sum(_turns(value) for value in keywords_of(block).values())


def fitting_ideas(name: str, block: str, facts: Facts) -> list[Idea]:
    """The ideas of the repertoire that change this block."""
    return [idea for idea in ideas_for(name, facts) if idea.change(block, block) not in (None, block)]


def pairs(ideas: list[Idea], block: str) -> list[tuple[Idea, Idea]]:
    """Pairs of ideas that go together: the second changes what the first has made, and does not undo it."""
    return [(first, second) for first, second in combinations(ideas, 2) if not _undoes(second, [first], block)]


def _undoes(idea: Idea, kept: list[Idea], block: str) -> bool:
    """Whether an idea changes nothing that others have made, or leaves nothing of it: it sets the same keyword, say."""
    made = _made(kept, block)
    return idea.change(made, made) in (None, made, block, idea.change(block, block))


def _made(ideas: list[Idea], block: str) -> str:
    """The block as these ideas change it, one after the other."""
    for idea in ideas:
        block = idea.change(block, block) or block
    return block


def _turns(value: object) -> int:
    """How many other values a keyword is given in turn."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value == 0:
        return 0
    return len({_turned(value, factor) for factor in FACTORS} - {value})


FACTORS = (0.6, 1.6, 0.4, 2.5, 0.8, 1.25, 3.0, 0.3)


def _turned(value: int | float, factor: float) -> int | float:
    return max(1, round(value * factor)) if isinstance(value, int) else float(f"{value * factor:.2g}")


def planner(prompt: Prompt) -> str:
    """The next plan for the block, by what the earlier ones scored."""
    block = prompt.part("code_block")
    facts = prompt.facts
    told = BEFORE.search(prompt.text)
    baseline = float(told[1]) if told else None
    return next_plan(block, prompt.history, facts, tuple(item.text for item in prompt.history), baseline)


def next_plan(
    block: str, history: tuple[Scored, ...], facts: Facts, tried: tuple[str, ...], baseline: float | None = None
) -> str:
    """An idea that was not tried; on top of the best one so far, where that improved the score."""
    name = name_of(block)
    ideas = fitting_ideas(name, block, facts)
    new = [idea for idea in ideas if not any(idea.title in plan for plan in tried)]
    helped = best_so_far(history, facts, baseline)
    kept = [idea for idea in ideas if helped is not None and idea.title in helped.text]
    kept_settings = SETTING.findall(helped.text) if helped is not None else []
    if new:
        undone = {idea.title for idea in new if kept and _undoes(idea, kept, block)}
        idea = min(new, key=lambda idea: idea.title in undone)
        if idea.title not in undone and (kept or kept_settings):
            before = " ".join(kept_idea.title for kept_idea in kept[:3]) or said(dict(kept_settings))
            return f"{before} That helped, so keep it. In addition: {idea.plan}"
        return idea.plan
    for first, second in pairs(ideas, block):
        if not any(first.title in plan and second.title in plan for plan in tried):
            return f"{first.title} In addition: {second.plan} Each was tried alone; together they are new."
    return turn(block, dict(kept_settings), tried, kept)


def said(settings: dict[str, str]) -> str:
    """Settings as a plan's sentence."""
    return "Set " + " and ".join(f"`{name}` to {value}" for name, value in settings.items()) + "."


def turn(block: str, kept: dict[str, str], tried: tuple[str, ...], ideas: list[Idea]) -> str:
    """A plan that turns one number, from where it stands by what helped, when the repertoire is spent."""
    begun = keywords_of(block)
    numbers = keywords_of(_made(ideas, block))
    numbers |= {name: _literal(value) for name, value in kept.items() if name in numbers}
    for factor in FACTORS:
        for name, value in _turnable(numbers).items():
            other = _turned(value, factor)
            text = said({**kept, name: str(other)})
            if other not in (value, begun.get(name)) and not any(text in plan for plan in tried):
                before = " ".join(idea.title for idea in ideas)
                return (
                    f"{before} {text} It stands at {value} now. The ideas for this block are spent, so its numbers are "
                    "turned one at a time. Everything else in the block stays as it is."
                ).strip()
    return f"Leave this block as it is after {len(tried)} attempts. It has nothing left to turn. Look at another next."


def _turnable(keywords: Mapping[str, object]) -> dict[str, int | float]:
    """The defaults that are numbers, and can be turned."""
    numbers = {name: value for name, value in keywords.items() if isinstance(value, (int, float)) and value}
    return {name: value for name, value in numbers.items() if not isinstance(value, bool)}


def best_so_far(history: tuple[Scored, ...], facts: Facts, baseline: float | None = None) -> Scored | None:
    """The best earlier plan, if it beat the solution as it was."""
    scored = [item for item in history if item.score is not None]
    if not scored:
        return None
    best = min(scored, key=lambda item: facts.metric.sort_key(item.score))
    if baseline is None:
        baseline = next((float(match[1]) for item in history if (match := BASELINE.search(item.text))), None)
    if baseline is None:
        return best if len(scored) > 1 and best.score != scored[-1].score else None
    return best if facts.metric.is_better(best.score, baseline) else None


def ideas_for(name: str, facts: Facts) -> tuple[Idea, ...]:
    """The repertoire for a function, whatever number the merger put behind its name."""
    plain = re.sub(r"_\d+$", "", name)
    own = (idea for idea in recipes_for(facts).ideas(plain) if idea.suits(facts))
    return (*frame_ideas(plain, facts), *own)


def name_of(block: str) -> str:
    """The function that a block defines."""
    match = re.search(r"^\s*def (\w+)\(", block, re.MULTILINE)
    return match[1] if match else ""


def coder(prompt: Prompt) -> str:
    """The block, changed as the plan says; a plan in other words is met by the nearest idea."""
    block, plan, script = prompt.part("code_block"), " ".join(prompt.part("plan").split()), prompt.part("script")
    name = re.sub(r"_\d+$", "", name_of(block))
    ideas: list[Idea] = []
    chosen: list[Idea] = []
    repertoires: list[Callable[[], tuple[Idea, ...]]] = [partial(frame_ideas, name, None)]
    repertoires += [partial(recipes.ideas, name) for recipes in all_recipes()]
    for repertoire in repertoires:
        own = list(repertoire())
        ideas += own
        chosen = sorted((idea for idea in own if idea.title in plan), key=lambda idea: plan.find(idea.title))
        if chosen:
            break
    settings = {key: _literal(value) for key, value in SETTING.findall(plan)}
    if not chosen and not settings and LEAVE_OUT not in plan and ideas:
        words = set(re.findall(r"[a-z]{4,}", plan.lower()))
        overlap = {idea.title: len(words & set(re.findall(r"[a-z]{4,}", idea.plan.lower()))) for idea in ideas}
        chosen = [max(ideas, key=lambda idea: overlap[idea.title])]
    changed = block
    for idea in dict.fromkeys(chosen):
        changed = _renamed(idea, changed, script) or changed
    if LEAVE_OUT in plan:
        head = re.match(r"(.*?\n)([ \t]+)(\"\"\".*?\"\"\"\n)?", block, re.DOTALL)
        silent = '"""Hand the rows on as they are: what was added here did not help."""'
        changed = f"{head[1]}{head[2]}{silent}\n{head[2]}return frame" if head else block
    if settings:
        changed = set_keywords(**settings)(changed, script) or changed
    return fenced(changed)


def _renamed(idea: Idea, block: str, script: str) -> str | None:
    """Apply an idea; a function that it writes anew keeps the name that it has in this script."""
    changed = idea.change(block, script)
    name = name_of(block)
    if changed is None or not name:
        return changed
    return re.sub(r"^def \w+\(", f"def {name}(", changed, count=1, flags=re.MULTILINE)


def _literal(text: str) -> int | float:
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)


LEAVE_OUT = "Add nothing in this step any more:"

FOREIGN_PLAN = (
    "Read this block again and make its numbers a little more careful. Where a model is built here, halve its learning "
    "rate and double its number of trees. Leave the rest of the script as it is."
)


def foreign_block(text: str, done: str) -> str:
    """A block of a script that the library did not write: its longest function or its longest run of lines."""
    functions = [source for source in functions_of(text).values() if source not in done and text.count(source) == 1]
    if functions:
        return max(functions, key=len)
    blocks = [block for block in re.split(r"\n{2,}", text) if block.strip() and text.count(block) == 1]
    return max((block for block in blocks if block not in done), key=len, default=text)
