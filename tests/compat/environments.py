"""Both ends of the declared versions, tried out: ``make compat``, or ``python tests/compat/environments.py [END ...]``.

    lowest    every package at the lower bound that pyproject.toml declares for it
    newest    the newest releases of the index, whatever constraints.txt says

For each end an environment is kept in .cache/, or in COMPAT_CACHE, where the next checkout finds it; the wheel is built
and installed there, and check.py runs in it, with the package and by the checkpoints' own code alone. Several ends are
tried side by side, each on one thread.

torch is the one of constraints.txt at both ends: on most machines an older or newer one is a CUDA build of 5 GB.
TORCH=2.6.0 takes another; below what training needs, the check leaves training out.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = Path(os.environ.get("COMPAT_CACHE") or ROOT / ".cache" / "compat")
ENDS = ("lowest", "newest")
EXTRAS = ("demo", "train")


def run(*command: str | Path) -> str:
    """What a command prints; what it complains of is shown where it fails."""
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def pinned() -> dict[str, str]:
    """The versions of constraints.txt, by name."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    return {name.lower().replace("_", "-"): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", lines, re.M)}


def requirements(end: str) -> list[str]:
    """What pip is asked for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *(line for name in EXTRAS for line in project["optional-dependencies"][name])]
    declared = [line for line in declared if re.match(r"[\w-]+", line)[0] != "torch"]
    if end == "lowest":
        without = [line for line in declared if not re.fullmatch(r"[\w-]+(\[[\w,]+\])?>=[\w.]+", line)]
        assert not without, f"no lower bound, or more than that: {without}"
        declared = [line.replace(">=", "==") for line in declared]
    return [f"torch=={torch_release()}", *declared]


def torch_release() -> str:
    return os.environ.get("TORCH") or pinned()["torch"]


def trains() -> bool:
    """Whether this torch is one that training declares."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    least = next(line.partition(">=")[2] for line in extras["train"] if line.startswith("torch>="))
    return [*map(int, torch_release().split(".")[:2])] >= [*map(int, least.split("."))]


def environment(end: str) -> Path:
    """The folder of a virtual environment that meets them: pip finds nothing left to do where that was made before."""
    wanted = requirements(end)
    folder = CACHE / f"{end}-{hashlib.sha256(repr([sys.version, wanted]).encode()).hexdigest()[:12]}"
    if not folder.exists():
        for old in CACHE.glob(f"{end}-*"):
            shutil.rmtree(old)
        venv.create(folder, with_pip=True)
    newer = ["--upgrade", "--upgrade-strategy", "eager"] if end == "newest" else []
    run(folder / "bin" / "pip", "install", *newer, *wanted)
    return folder


def wheel(folder: Path) -> Path:
    building = ["--no-deps", "--no-build-isolation"]  # by the tool that is installed here, and was by its hash
    run(sys.executable, "-m", "pip", "wheel", "--quiet", *building, "--wheel-dir", folder, ROOT)
    return next(folder.glob("*.whl"))


def describe(folder: Path) -> None:
    """Prints the versions that matter, and which of them are others than this was written with."""
    declared = {re.match(r"[\w-]+", line)[0].lower() for line in requirements("newest")}
    known = pinned()
    for package in json.loads(run(folder / "bin" / "pip", "list", "--format", "json")):
        name, version = package["name"].lower().replace("_", "-"), package["version"]
        if name in declared:
            ours = known.get(name)
            print(f"        {name} {version}" + ("" if version.startswith(ours) else f"   (constraints.txt: {ours})"))


def try_out(end: str, package: Path) -> bool:
    print(f"\n{end}", flush=True)
    folder = environment(end)
    describe(folder)
    run(folder / "bin" / "pip", "install", "--quiet", "--no-deps", "--force-reinstall", package)
    run(folder / "bin" / "pip", "check")
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HF_", "TRANSFORMERS_"))
    }
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(ROOT / "training", Path(place, "copy", "training"))
        Path(place, "nowhere").mkdir()
        options = {"cwd": Path(place, "nowhere"), "env": kept | {"HF_HOME": place, "OMP_NUM_THREADS": "1"}}
        done = [
            subprocess.run([folder / "bin" / "python", HERE / "check.py", *more], **options).returncode == 0
            for more in (["--training", Path(place, "copy", "training")] if trains() else [], ["--without-package"])
        ]
    return all(done)


def main(ends: list[str]) -> int:
    if unknown := set(ends) - set(ENDS):
        print(f"there is no end {' or '.join(unknown)}: {' or '.join(ENDS)}", file=sys.stderr)
        return 2
    ends = ends or [*ENDS]
    if len(ends) > 1:
        return together(ends)
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, open(CACHE / f"{ends[0]}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another checkout may be at the same environment
        good = try_out(ends[0], wheel(Path(folder)))
    print(f"\n{ends[0]}: {'everything works' if good else 'not everything works, see above'}")
    return 0 if good else 1


def together(ends: list[str]) -> int:
    """Each end in a process of its own; what they say is shown one after the other."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    tried = [subprocess.Popen([sys.executable, __file__, end], **options) for end in ends]
    for process in tried:
        print(process.communicate()[0], flush=True)
    return max(process.returncode for process in tried)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
