"""MLE-STAR: a machine learning engineering agent by search and targeted refinement, as LangGraph graphs."""

__version__ = "0.1.0"
