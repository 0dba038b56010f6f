"""What a run can cost at the most, whatever its models and scripts do: each loop of the three algorithms is counted."""

from __future__ import annotations

from mle_star.models.config import MLEStarConfig

BLOCK = 2
"""Questions for a block that takes another's place: the block, then the whole script."""
CHECK = 1 + BLOCK
"""Questions of a leakage check: the verdict, then the correction."""


def most_questions(config: MLEStarConfig) -> int:
    """Count the questions that the agents of one run can ask.

    With D = `max_debug_retries`, a script that has to score is checked for leakage before its first run and after each
    repair, and repaired D times: E = D + 3 (1 + D), or D without the check. A path asks

    - Algorithm 1: the retriever, M candidates, M - 1 merges and a revision, each with E;
    - Algorithm 2, T times: an ablation study with D repairs, the summary, the extraction, and K times the coder (2
      questions) with E, with K - 1 plans between them.

    L paths; then R rounds of a plan and an ensemble with E; then L + 1 submissions of 4 questions and D repairs.
    """
    repairs = config.max_debug_retries
    evaluation = repairs + (CHECK * (1 + repairs) if config.leakage_check else 0)
    models, plans = config.num_retrieved_models, config.inner_loop_iterations
    initial = 1 + (models + (models - 1) + 1) * (1 + evaluation)
    refinement = (1 + repairs) + 1 + 1 + plans * (BLOCK + evaluation) + (plans - 1)
    paths = config.num_solutions * (initial + config.outer_loop_iterations * refinement)
    ensemble = config.ensemble_iterations * (2 + evaluation) if config.num_solutions > 1 else 0
    submissions = (config.num_solutions + 1) * (1 + BLOCK + 1 + repairs)
    return paths + ensemble + submissions


def most_calls(config: MLEStarConfig) -> int:
    """Count the model calls: a question is asked 1 + `reply_retries` times, and continued once if it is cut off."""
    return most_questions(config) * (1 + config.reply_retries + 1)
