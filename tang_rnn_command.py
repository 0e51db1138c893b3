"""Where the command ``tang-rnn`` starts: runs tang_rnn/cli.py without importing the package (and torch) first."""

import importlib.util
import runpy
import signal
from pathlib import Path


def main() -> int:
    # Ctrl-C ends the process as it does any other, also in the seconds that importing torch takes: no KeyboardInterrupt
    # comes up in the middle of other people's code. Poems are written a whole line at a time.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell's background job ignores it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    package = importlib.util.find_spec("tang_rnn")  # finds it, installed or in a checkout, and does not run it
    return runpy.run_path(str(Path(package.origin).with_name("cli.py")), run_name="tang_rnn_cli")["main"]()
