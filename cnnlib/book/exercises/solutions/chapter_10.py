"""Solutions of chapter 10."""

# dh = [8, 0, 0, 16], its mean 6; h * dh = [-8, 0, 0, 16], its mean 2.
dx_of_a_norm = [(8 - 6 + 2) / 2, (0 - 6 + 2) / 2, (0 - 6 - 2) / 2, (16 - 6 - 2) / 2]

# A tenth of the way from 0 to 20 is 2; a tenth of the way from there to 10 is 0.8 more.
running_after = 2 + 0.1 * (10 - 2)

# x[0] is negative: only the way past F, 2 * 1. x[1] goes both ways: (3 + 2) * 2.
delta_of_a_sum = [2 * 1, (3 + 2) * 2]

# 1, 1, 0; then 1 + 4, 2, -2; then 5 + 2 * 2, 2, -2 - 2; then 9 + 2, 4, -4.
field_of_three = [9 + 2, 4, -4]
