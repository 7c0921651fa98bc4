"""The container's file: what it copies is there, its Python is allowed, and it installs from the lock alone."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from paths import ROOT

FILE = ROOT / "launch" / "cluster" / "Containerfile"
LINES = [line for line in FILE.read_text().replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def copied() -> list[str]:
    return [source for line in LINES if line.startswith("COPY ") for source in line.split()[1:-1]]


def test_what_it_copies_is_there_and_is_sent_to_the_build() -> None:
    ignored = FILE.with_name("Containerfile.dockerignore").read_text().split()
    assert ignored[0] == "*"
    sent = {line[1:] for line in ignored if line.startswith("!")}
    assert set(copied()) == {name.removeprefix("./") for name in copied()} == sent
    assert [name for name in copied() if not (ROOT / name).exists()] == []


def test_every_package_of_the_wheel_is_copied() -> None:
    packages = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    assert [pattern for pattern in packages if not any(fnmatch(name, pattern) for name in copied())] == []
    assert {PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]} <= set(copied())


def test_its_python_is_one_that_the_project_allows() -> None:
    (base,) = (line for line in LINES if line.startswith("FROM "))
    version = re.fullmatch(r"FROM docker\.io/library/python:(\d+\.\d+)-slim-\w+", base)
    assert version is not None
    assert Version(version[1]) in SpecifierSet(PROJECT["project"]["requires-python"])


def test_it_installs_from_the_lock_by_hash_and_nothing_else() -> None:
    installs = [part for line in LINES if line.startswith("RUN ") for part in line.split("&&") if "pip install" in part]
    assert len(installs) == 2
    assert "--require-hashes -r requirements.txt" in installs[0]
    assert {"--no-deps", "--no-build-isolation"} <= set(installs[1].split())  # so nothing is fetched
    assert installs[1].split()[-2:] == ["-e", "."]


@pytest.mark.parametrize("needed", PROJECT["build-system"]["requires"])
def test_what_builds_the_package_is_in_the_lock(needed: str) -> None:
    wanted = Requirement(needed)
    locked = re.search(rf"^{wanted.name}==(\S+)", (ROOT / "requirements.txt").read_text(), re.M)
    assert locked is not None
    assert Version(locked[1]) in wanted.specifier


def test_what_it_starts_is_the_console_script() -> None:
    assert 'ENTRYPOINT ["glifr-study"]' in LINES
    assert "glifr-study" in PROJECT["project"]["scripts"]
