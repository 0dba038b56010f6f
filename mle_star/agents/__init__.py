"""The 14 agents of MLE-STAR, one module each. An agent is one node: it asks one question and returns what changed."""
