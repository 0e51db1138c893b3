"""What is installed is what was written down: one place of versions, a hash for each file, nothing forgotten."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
LOCKS = {name: (ROOT / "requirements" / f"{name}.txt").read_text("utf-8") for name in ("build", "demo", "dev")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def entries(text: str) -> dict[str, Requirement]:
    lines = [line.rstrip(" \\") for line in text.splitlines() if not line.startswith(("#", " "))]
    return {canonicalize_name(each.name): each for each in map(Requirement, lines)}


CONSTRAINTS = entries((ROOT / "constraints.txt").read_text("utf-8"))
LOCKED = {name: entries(text) for name, text in LOCKS.items()}


def test_the_locks_have_the_versions_of_the_constraints():
    everything = [name for part in LOCKED.values() for name in part]
    assert sorted([*everything, "torch"]) == sorted(CONSTRAINTS), "make lock"
    for part in LOCKED.values():
        for name, requirement in part.items():
            assert requirement.specifier == CONSTRAINTS[name].specifier, f"{name}: make lock"


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_hashes_and_nothing_else_is_said(name):
    blocks = re.split(r"^(?=\S)", LOCKS[name].partition("\n")[2], flags=re.M)[1:]
    hashed = r"[a-z0-9.-]+==[^\s;\\]+( ; [^\\\n]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+\n"
    assert len(blocks) == len(LOCKED[name])
    assert not [block for block in blocks if not re.fullmatch(hashed, block)]


def needs(requirement: Requirement, found: set[str]) -> set[str]:
    """The names of all that it brings along, as the packages say that are installed here."""
    found.add(canonicalize_name(requirement.name))
    try:
        told = map(Requirement, requires(requirement.name) or [])
    except PackageNotFoundError:
        return found
    for need in told:
        asked = any(not need.marker or need.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras))
        if asked and canonicalize_name(need.name) not in found:
            needs(need, found)
    return found


@pytest.mark.parametrize("extra, parts", [("demo", ["build", "demo"]), ("dev", ["build", "demo", "dev"])])
def test_nothing_is_missing_that_is_needed_in_turn(extra, parts):
    """They are installed as they stand: what a lock lacks, nobody would add."""
    named = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"][extra]
    found: set[str] = set()
    for line in [*PROJECT["build-system"]["requires"], *named]:
        needs(Requirement(line), found)
    everything = [item for part in parts for item in LOCKED[part].items()]
    locked = {name for name, entry in everything if not entry.marker or entry.marker.evaluate()}
    torch = {"torch", "triton"} | {name for name in found if name.startswith(("nvidia-", "cuda-"))}
    assert found - torch - {"tang-rnn"} <= locked


@pytest.mark.parametrize("package, safe", [("torch", "2.6"), ("gradio", "6.16")])
def test_no_lower_bound_lies_below_a_release_with_known_holes(package, safe):
    """torch 2.6: CVE-2025-32434 (weights that run code). gradio 6.16: GHSA-j36p-7w88-g82j (paths that lead out)."""
    declared = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["demo"]
    bounds = {each.name: next(iter(each.specifier)) for each in map(Requirement, declared)}
    assert bounds[package].operator == ">=" and Version(bounds[package].version) >= Version(safe)
