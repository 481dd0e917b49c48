"""The book's drawings: one palette, one style file, alternative text on each."""

from .diagrams import network
from .grids import Grid, grid, grids
from .lattices import lattice
from .matrices import matrix
from .placing import delta_placement, placement, placements, weight_placement
from .plots import curves, training_curves
from .speed import ladder, roofline
from .style import PALETTE, png, show
from .tables import connections
from .tiles import images, kernels

__all__ = [
    "PALETTE",
    "Grid",
    "connections",
    "curves",
    "delta_placement",
    "grid",
    "grids",
    "images",
    "kernels",
    "ladder",
    "lattice",
    "matrix",
    "network",
    "placement",
    "placements",
    "png",
    "roofline",
    "show",
    "training_curves",
    "weight_placement",
]
