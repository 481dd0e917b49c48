"""The builder of the book: executes the notebooks and renders them to HTML.

`python -m cnnlib.book.publish --help` lists its commands; the Makefile's targets call them.
Jupyter's own `jupyter nbconvert --to cnn-course` makes one self-contained page of one notebook.
"""

from cnnlib.errors import Error

# The address of the repository, such as "https://github.com/OWNER/NAME". While it is empty, the
# pages offer the files that lie beside them instead of Binder and pip with an address.
REPOSITORY = ""
# Where readers report an error: "https://..." or "mailto:...". While it is empty, it is the list of
# issues of the repository, and without that the pages do not offer it.
REPORT = ""


class BuildError(Error, RuntimeError):
    """The book cannot be built: the message names the notebook, the place in it and the reason."""
