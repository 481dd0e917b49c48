"""The three sums of a convolution: as loops, matrix products, products of transforms, tiles."""
