"""The cells of the page: those that ship, and one's own beside them, each by a name, with its poet and its seal.

``TANG_RNN_CELLS`` names one's own: folders or ids on the Hub, with what the system puts between the folders of PATH
between them (``:``, on Windows ``;``). ``tang-rnn demo --cell runs/mine/final`` sets it.
"""

from __future__ import annotations

import os
import re
from functools import cache

from tang_rnn import TangPoet
from tang_rnn.checkpoint import bare_name
from tang_rnn.poet import CELLS

OWN = "TANG_RNN_CELLS"
SEALS = {"lstm": "長憶之印", "gru": "門控之印", "rnn": "循環之印"}
PLAIN_SEAL = "唐音之印"
LONGEST = 24  # characters of a name


def named(places: list[str]) -> dict[str, str]:
    """One's own cells by name: the folder's, or its run's where it is called final, with a number where that is taken.

    A place that is named twice is one cell.
    """
    names: dict[str, str] = {}
    for place in dict.fromkeys(places):
        name = re.sub(r"[^\w.-]+", "-", bare_name(place).split("/")[-1])[:LONGEST] or "own"
        number, first = 1, name
        while name in CELLS or name in names:
            number += 1
            name = f"{first}-{number}"
        names[name] = place
    return names


OWN_CELLS = named([place for place in os.environ.get(OWN, "").split(os.pathsep) if place])
NAMES = (*CELLS, *OWN_CELLS)


@cache
def poet_of(name: str) -> TangPoet:
    """The poet with this cell, loaded once and awake."""
    poet = TangPoet.from_pretrained(OWN_CELLS.get(name, name))
    poet.write("春", form="五绝", seed=0)  # torch's first call is its slowest
    return poet


def seal_of(name: str) -> str:
    """Four characters, those of its kind of cell."""
    return SEALS.get(poet_of(name).cell if name in OWN_CELLS else name, PLAIN_SEAL)
