"""The page's scripts, as far as they have logic of their own: tests/scripts/, by node's own runner."""

import shutil
import subprocess
from pathlib import Path

import pytest
from page import CI

ROOT = Path(__file__).resolve().parent.parent
NODE = shutil.which("node")


@pytest.mark.skipif(not NODE and not CI, reason="node is not installed (Debian: apt-get install nodejs)")
def test_the_scripts_pass_their_own_tests():
    run = subprocess.run([NODE, "--test", "tests/scripts/"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
