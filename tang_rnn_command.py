"""Where the command ``tang-rnn`` starts: runs tang_rnn/cli.py without importing the package (and torch) first."""

import runpy
from pathlib import Path


def main() -> int:
    return runpy.run_path(str(Path(__file__).with_name("tang_rnn") / "cli.py"), run_name="tang_rnn_cli")["main"]()
