"""The builder of the book: executes the notebooks and renders them to HTML.

`python -m cnnlib.publish --help` lists its commands; the Makefile's targets call them.
"""
