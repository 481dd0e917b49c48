"""Exercises of chapter 10, other rows."""

from .desk import Exercise
from .judging import values

EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        "10.8",
        "dx_of_a_norm",
        level=2,
        judge=values([2, -2, -4, 4], reveal=False),
        hints=(
            "Equation (10.25) first: each dh is 4 times its dz.",
            "The mean of dh is 6. What is the mean of h * dh?",
            "(10.26): dh - 6 - h * 2, and all of it divided by s = 2. The four must sum to zero.",
        ),
        wrong=([4, 0, 0, 8], [1, -3, -3, 5], [5, 1, -1, 7], [4, -4, -8, 8], [0.5, -0.5, -1, 1]),
    ),
    Exercise(
        "10.9",
        "running_after",
        level=1,
        judge=values(2.8, reveal=False),
        hints=(
            "It begins with 0, and goes a tenth of the way to 20.",
            "(10.29) from 2: a tenth of the way from there to 10.",
        ),
        wrong=(15, 3, 10.8, 11, 2),
    ),
    Exercise(
        "10.10",
        "delta_of_a_sum",
        level=2,
        judge=values([2, 10], reveal=False),
        hints=(
            "Two ways: through F, where a ReLU decides, and past it with the weight 2.",
            "A negative input reaches nobody through F. For 5 the slopes are 3 and 2.",
        ),
        wrong=([5, 10], [0, 6], [2, 4], [1, 8], [2, 5]),
    ),
    Exercise(
        "10.11",
        "field_of_three",
        level=2,
        judge=values([11, 4, -4], reveal=False),
        hints=(
            "Begin with size 1, jump 1, start 0; the padding before is minus low.",
            "Behind the first layer it is 5, 2, -2. The next one adds jump * (3 - 1) cells.",
            "Behind the second it is 9, 2, -4. A pool of 2 adds one jump, and doubles it.",
        ),
        wrong=([8, 4, -3], [9, 4, -4], [13, 4, -4], [11, 2, -4], [11, 4, -3]),
    ),
)
