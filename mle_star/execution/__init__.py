"""Running model-written scripts. Nothing here knows of graphs, agents or prompts."""
