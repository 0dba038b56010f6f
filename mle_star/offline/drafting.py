"""The first solutions: cards from the library, a script for one card, two scripts merged into one."""

from __future__ import annotations

import json
import re

from mle_star.offline.frame import write_script
from mle_star.offline.library import family_named, nearest_family, recipes_for
from mle_star.offline.own_card import own_script
from mle_star.offline.reading import Prompt
from mle_star.offline.recipe import Facts, Family
from mle_star.offline.script import Script, functions_of, models_table
from mle_star.offline.wrapping import wrapped_merge


def retriever(prompt: Prompt) -> str:
    """M cards; the families are dealt out to the paths in turn, so that paths share none while the library lasts."""
    facts = prompt.facts
    count = prompt.number(r"[Nn]ame the (\d+) models", 4)
    path, paths = prompt.number(r"solution path (\d+) of", 1), max(1, prompt.number(r"solution path \d+ of (\d+)", 1))
    taken = prompt.part("taken").lower()
    families = [family for family in recipes_for(facts).families(facts) if family.name.lower() not in taken]
    own = families[(path - 1) % paths :: paths]
    others = [family for family in families if family not in own]
    dealt = [*own, *reversed(others)][:count]
    cards = [
        {"name": family.name, "description": family.description, "example_code": example(family, facts)}
        for family in dealt
    ]
    return json.dumps(cards, indent=1, ensure_ascii=False)


def search_queries(prompt: Prompt) -> str:
    """Queries about the kind of data, task and metric. (With this model nothing is searched: see the retriever.)"""
    facts = prompt.facts
    kind, metric = f"{facts.modality.replace('_', ' ')} {facts.task_type}", facts.metric.name.replace("_", " ")
    ways = ("winning solution code", "best model python example", f"optimise {metric}", "benchmark of strong methods")
    count = prompt.number(r"Write (\d+) queries", len(ways))
    return json.dumps({"queries": [f"{kind} {way}" for way in ways][:count]})


def example(family: Family, facts: Facts) -> str:
    """A card's code: the model's function, as scripts hold it."""
    return (recipes_for(facts).part(family.model, facts) or "").strip() or f"# {family.model}"


def candidate_evaluator(prompt: Prompt) -> str:
    """A script with one card's model. A card from elsewhere: its own estimator, else the library's nearest family."""
    facts = prompt.facts
    card, example_code = prompt.part("model"), prompt.part("example")
    name = card.split("\n")[0]
    seed = prompt.number(r"seed (\d+) for everything else", 0)
    split_seed = prompt.number(r"[Uu]se the seed (\d+) to split", 0)
    family = family_named(name, facts)
    if family is None and (script := own_script(name, example_code, facts, seed, split_seed)):
        return fenced(script)
    family = family or nearest_family(f"{card}\n{example_code}", facts)
    return fenced(write_script(facts, recipes_for(facts), (family,), seed, split_seed))


def merger(prompt: Prompt) -> str:
    """The base script with the reference's models beside its own; their predictions are averaged."""
    base, reference = Script.parse(prompt.part("base_script")), Script.parse(prompt.part("reference_script"))
    if not (base.is_ours and reference.is_ours):
        return fenced(wrapped_merge(prompt.part("base_script"), prompt.part("reference_script")))
    return fenced(merge(base, reference).text)


def merge(base: Script, reference: Script) -> Script:
    """Move the reference's models, with all that they call, into the base."""
    entries = dict(base.models)
    for key, (prepare, model) in reference.models.items():
        base, prepare = move(base, reference, prepare, "Preparation")
        base, model = move(base, reference, model, "Models")
        if (prepare, model) in entries.values():
            continue
        entries[unused(key, entries)] = (prepare, model)
    body = re.sub(r"^MODELS = \{\n.*?^\}", models_table(entries), base["Models"], flags=re.MULTILINE | re.DOTALL)
    base = base.with_section("Models", body)
    keys = ", ".join(key.replace("_", " ") for key in entries)
    head = re.sub(r'^"""(.*?): .*?, judged by', lambda m: f'"""{m[1]}: mean of {keys}, judged by', base.head, count=1)
    return base.with_head(head)


def move(base: Script, reference: Script, name: str, section: str) -> tuple[Script, str]:
    """Bring a function and those that it calls into the base's section; under another name where it differs."""
    theirs, ours = functions_of(reference.text), functions_of(base.text)
    source = theirs[name]
    called = [other for other in theirs if other != name and re.search(rf"\b{other}\(", source)]
    for other in called:
        base, renamed = move(base, reference, other, section)
        source = re.sub(rf"\b{other}\(", f"{renamed}(", source)
        ours = functions_of(base.text)
    if ours.get(name) == source:
        return base, name
    new_name = unused(name, ours)
    source = source.replace(f"def {name}(", f"def {new_name}(", 1)
    if next((text for text in ours.values() if text == source), None):
        return base, new_name
    body = base[section]
    place = body.find("MODELS = {") if section == "Models" else len(body)
    gap = "\n\n\n"
    body = (body[:place].rstrip() + gap + source + gap + body[place:]).strip("\n")
    return base.with_section(section, body), new_name


def unused(name: str, taken: object) -> str:
    """The name, or with a number behind it where it is taken."""
    number, candidate = 2, name
    while candidate in taken:  # type: ignore[operator]
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def fenced(script: str) -> str:
    """A script as a reply: one Python code block."""
    return f"```python\n{script.rstrip()}\n```"
