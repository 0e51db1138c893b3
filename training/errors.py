"""What the user can put right; each is printed as one line."""


class CorpusError(Exception):
    """A corpus that cannot be read or used: a wrong path, a missing tool, poems that are none."""
