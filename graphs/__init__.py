"""MLE-STAR as LangGraph graphs: Algorithms 1, 2 and 3 of the paper, and the pipeline that they make together.

Each module exports `builder`, not compiled, and `graph`, compiled without a checkpointer: a LangGraph Server brings its
own.
"""
