"""Layers, heads and steps in the forms in which public code has them: one file each.

They were written, right or wrong, without a look at the diagnosis: `TRUTH` says what is true,
`truth()` proves it (most with PyTorch), `report()` asks the diagnosis. `test_found.py` says what
it must answer.
"""
