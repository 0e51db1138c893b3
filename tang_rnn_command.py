"""Where the command ``tang-rnn`` starts: enters the package without importing torch and transformers first."""

import importlib.util
import signal
import sys


def main() -> int:
    # Ctrl-C ends the process as it does any other, also in the seconds that importing torch takes: no KeyboardInterrupt
    # comes up in the middle of other people's code. Poems are written a whole line at a time.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell's background job ignores it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # `import tang_rnn` makes the models known to transformers, whose part for models takes longer to import than torch
    # and is not needed to write. Here the package is only the place of its modules, until it is asked for a name.
    spec = importlib.util.find_spec("tang_rnn")
    package = sys.modules["tang_rnn"] = importlib.util.module_from_spec(spec)

    def whole(name: str):
        if importlib.util.find_spec(f"tang_rnn.{name}"):
            raise AttributeError(name)  # a module: the import goes on to look for its file
        del package.__getattr__
        spec.loader.exec_module(package)
        return getattr(package, name)

    package.__getattr__ = whole
    from tang_rnn.cli import main

    return main()
