"""Writes the hashes of all that is installed: ``make lock``, after constraints.txt or pyproject.toml has changed.

    build.txt    what builds the package
    demo.txt     what ``make demo`` installs beside it, and what a Space is given, there without hashes
    dev.txt      what ``make test`` installs beside both

Versions are those of constraints.txt; a marker says for which Python and which system a package is. Left out are torch,
which is another build on each machine and has another hash there, and what only its CUDA builds bring along: the
Makefile installs them after all else, by version. Left out, too, is what a Python inside a browser would need.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CONSTRAINTS, PROJECT = ROOT / "constraints.txt", ROOT / "pyproject.toml"
APART = re.compile(r"(torch|triton|cuda-[\w-]*|nvidia-[\w-]*)==|.*sys_platform == 'emscripten'")
EDITABLE = "editables"  # what hatchling asks for where a package is installed as it lies


def names(text: str) -> dict[str, str]:
    """The versions of a file of requirements, by name as pip compares names."""
    found = re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.M)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def resolved(*sources: str | Path) -> dict[str, str]:
    """Each package that these need in turn, as pip reads it: version, marker, hashes."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--constraints", CONSTRAINTS, *sources]
    form = ["--quiet", "--universal", "--generate-hashes", "--no-header", "--no-annotate"]
    done = subprocess.run([*command, *form], text=True, capture_output=True, cwd=ROOT)
    if done.returncode:
        raise SystemExit(done.stderr)
    blocks = re.findall(r"^\S+==(?:.*\\\n)*.*\n", done.stdout, re.M)
    return {block.partition("==")[0]: block for block in blocks if not APART.match(block)}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        build = Path(folder, "build.in")
        tools = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["build-system"]["requires"]
        build.write_text("\n".join([*tools, EDITABLE]), encoding="utf-8")
        everything = resolved(build, PROJECT, "--extra", "dev")  # whose markers hold for each of the three
        demo = resolved(PROJECT, "--extra", "demo").keys()
        building = resolved(build).keys() - demo
    found, known = names("".join(everything.values())), names(CONSTRAINTS.read_text(encoding="utf-8"))
    if missing := sorted(found.keys() - known):
        raise SystemExit("constraints.txt lacks " + " ".join(f"{name}=={found[name]}" for name in missing))
    if idle := sorted(known.keys() - found - {"torch"}):
        raise SystemExit(f"constraints.txt has what nothing needs: {' '.join(idle)}")
    parts = {"build": building, "demo": demo, "dev": everything.keys() - demo - building}
    for name, part in parts.items():
        text = "".join(block for package, block in everything.items() if package in part)
        (HERE / f"{name}.txt").write_text(f"# Written by `make lock`: see lock.py.\n{text}", encoding="utf-8")


if __name__ == "__main__":
    main()
