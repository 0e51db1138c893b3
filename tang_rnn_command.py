"""Where the command ``tang-rnn`` starts: runs tang_rnn/cli.py without importing the package (and torch) first."""

import importlib.util
import runpy
from pathlib import Path


def main() -> int:
    package = importlib.util.find_spec("tang_rnn")  # finds it, installed or in a checkout, and does not run it
    return runpy.run_path(str(Path(package.origin).with_name("cli.py")), run_name="tang_rnn_cli")["main"]()
