"""One thing that a diagnosis found."""

from dataclasses import dataclass, field

import numpy as np

from . import mistakes


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    quantity : str
        'z', 'dx', 'dw' or 'db'; other checks have quantities of their own. Empty where something
        else than a quantity is meant: an error, an argument that is changed.
    mistake : str or None
        The entry of the catalogue, where what came out is what that mistake gives.
    message : str
        What is wrong, in sentences.
    config : str
        The smallest configuration that shows it.
    evidence : str
        Where it shows: expected and obtained entries.
    arrays : pair of arrays, or None
        What is right in that configuration, and what came out.
    about : str
        What is meant instead of a quantity.
    open : bool
        Whether it only says that something could not be judged.
    mend : str
        The line of code as it is right, where one fits.
    """

    quantity: str
    mistake: str | None
    message: str
    config: str = ""
    evidence: str = ""
    arrays: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False, compare=False)
    about: str = ""
    open: bool = False
    mend: str = ""

    @property
    def title(self) -> str:
        """The finding in a line."""
        head = self.about or f"{self.quantity} is wrong"
        if self.mistake is None:
            return head
        return f"{head}: mistake {self.mistake}, {mistakes.get(self.mistake).name}"
