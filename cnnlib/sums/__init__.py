"""The three sums of a convolution: as loops, as matrix products, as products of transforms."""
