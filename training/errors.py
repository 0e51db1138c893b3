"""What the user can put right; each is printed as one line."""

from __future__ import annotations


class CorpusError(Exception):
    """A corpus that cannot be read or used: a wrong path, a missing tool, poems that are none."""


class TrainError(Exception):
    """A run that cannot be begun or gone on with: its configuration, its folder, the weights it begins with."""
