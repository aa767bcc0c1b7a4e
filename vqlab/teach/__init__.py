"""For lessons: checks of what a reader wrote; for courses: a game."""

from vqlab.teach.bits import check_bits
from vqlab.teach.checks import (
    check_centroids,
    check_critical_speed,
    check_perplexity,
    compare,
)
from vqlab.teach.game import Challenge, Score, challenge
from vqlab.teach.geometry import check_cosine_choice, check_hyperbolic_distance
from vqlab.teach.lives import check_autopsy, check_steps_until_lost, check_use
from vqlab.teach.pulls import check_gradients, check_kernel_pull, check_own_rule, check_rescues
from vqlab.teach.steps import check_lloyd_step, check_moving_average, check_paper

__all__ = [
    "Challenge",
    "Score",
    "challenge",
    "check_autopsy",
    "check_bits",
    "check_centroids",
    "check_cosine_choice",
    "check_critical_speed",
    "check_gradients",
    "check_hyperbolic_distance",
    "check_kernel_pull",
    "check_lloyd_step",
    "check_moving_average",
    "check_own_rule",
    "check_paper",
    "check_perplexity",
    "check_rescues",
    "check_steps_until_lost",
    "check_use",
    "compare",
]
