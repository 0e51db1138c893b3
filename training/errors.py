"""What the user can put right, and how the commands of this folder end."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tang_rnn.faults import Fault, first_line


class UserError(Exception):
    """What the user can put right; printed as one line."""


class CorpusError(UserError):
    """A corpus that cannot be read or used: a wrong path, a missing tool, poems that are none."""


class TrainError(UserError):
    """A run that cannot be begun or gone on with: its configuration, its folder, the weights it begins with."""


class PaperError(UserError):
    """A file of figures or words that cannot be read or filled in."""


def ended(program: str, work: Callable[[], object], also: tuple = (), stopped: str = "stopped") -> int:
    """Does the work of a command; gives what it exits with: 0, 2 after one line on stderr, 130 after Ctrl-C.

    Args:
        also: errors that are the user's here beside :class:`UserError` and the package's own.
        stopped: what is said after Ctrl-C.
    """
    try:
        work()
    except (UserError, Fault, *also) as error:
        print(f"{program}: {first_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\n{program}: {stopped}", file=sys.stderr)
        return 130
    return 0
