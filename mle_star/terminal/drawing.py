"""`mle-star graph`: the graphs as Mermaid."""

from __future__ import annotations

from importlib import import_module

from mle_star.models.errors import ConfigError

MODULES = {
    "mle_star": "graphs.pipeline",
    "initial": "graphs.initial",
    "refinement": "graphs.refinement",
    "ensemble": "graphs.ensemble",
    "evaluation": "graphs.evaluation",
    "submission": "graphs.submission",
}


def mermaid(name: str) -> str:
    """Draw a graph; the whole one with its parts unfolded, so that all 14 agents show.

    Raises:
        ConfigError: There is no graph of that name.
    """
    if name not in MODULES:
        raise ConfigError(f"there is no graph {name}: choose one of {', '.join(MODULES)}")
    graph = import_module(MODULES[name]).graph
    text: str = graph.get_graph(xray=name == "mle_star").draw_mermaid()
    return text
