"""What a later part of a chapter uses of an earlier one, as it stands there: a part runs alone."""
