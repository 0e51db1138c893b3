"""Options as arguments of a command."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable

from .faults import Fault
from .writing.request import Option


class Parser(argparse.ArgumentParser):
    """One line for what is wrong, not the whole usage."""

    def error(self, message: str):
        self.exit(2, f"tang-rnn: {message} (see {self.prog} --help)\n")


def value_of(option: Option) -> Callable[[str], object]:
    """What turns an argument into the option's value, for argparse."""

    def parse(text: str) -> object:
        try:
            return option.parse(text)
        except Fault as fault:
            raise argparse.ArgumentTypeError(str(fault)) from None

    return parse


def add_options(parser: argparse.ArgumentParser, options: Iterable[Option]) -> None:
    """These options, in the groups that the help shows them in; None where one is not given."""
    groups = {"": parser}
    for option in options:
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        flag = "--" + (option.flag or option.name).replace("_", "-")
        how: dict = {"dest": option.name, "default": None, "help": option.help.replace("%", "%%")}
        if option.type is bool:
            how |= {"action": "store_true"}
        else:
            how |= {"type": value_of(option), "metavar": option.metavar}
        if option.type in (list, set, dict):  # given once or several times
            how |= {"action": "extend"}
        groups[option.group].add_argument(flag, **how)


__all__ = ["Parser", "add_options", "value_of"]
