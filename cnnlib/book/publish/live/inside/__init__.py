"""What runs beside the library in the reader's browser; it imports nothing of the book at its top.

There it is a package of its own, `inside`: the library around it would load matplotlib.
"""
