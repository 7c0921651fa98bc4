"""What a study names under `code`: packages and files of one's own, or installed packages; their hashes and copies.

Nothing is imported here. Which of them use each other is read from their text.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from glifr.errors import InputError, Problem, nearest
from glifr.outside import top_module
from glifr.records import digest

_MOST_BYTES = 20 * 2**20  # of one's own package: what is larger is data, not code
_PROJECT = ("glifr", "launch", "analysis", "benchmarks")
_NAME = re.compile(r"[^\W\d]\w*")
_COMPILED = (".py", ".so", ".pyd")


@dataclass(frozen=True)
class Module:
    """One name under `code`.

    Attributes:
        home: The folder that it is imported from; None for an installed package.
        files: From the path below `home`, or below the package, to the SHA-256.
        uses: The other names under `code` that its text contains.
        place: The key of the study that names it.
    """

    name: str
    home: Path | None
    version: str
    files: Mapping[str, str]
    uses: frozenset[str] = frozenset()
    place: tuple[str | int, ...] = ()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content; for an installed package with its name and version."""
        return digest([self.name, self.version, dict(self.files)])


@dataclass(frozen=True)
class OutsideCode:
    """All code that a study names under `code`.

    Attributes:
        staged: Where copies of the user's own modules lie, to be imported from.
    """

    modules: tuple[Module, ...] = ()
    staged: Path | None = None

    def reached_from(self, references: Iterable[str]) -> tuple[Module, ...]:
        """The modules of some `module:object`, and those that they use, in order of their names."""
        known, open_names = {m.name: m for m in self.modules}, [top_module(r) for r in references]
        found: dict[str, Module] = {}
        while open_names:
            name = open_names.pop()
            if name in known and name not in found:
                found[name] = known[name]
                open_names += known[name].uses
        return tuple(found[name] for name in sorted(found))

    def version(self, own: str, references: Iterable[str]) -> str:
        """Hash of the code that decides a result: `own`, the project's, and what is reached from outside."""
        reached = self.reached_from(references)
        return digest([own, *(m.digest for m in reached)]) if reached else own

    def record(self) -> dict[str, dict[str, Any]]:
        """For the record: name -> version (of what is installed), hash, files with theirs."""
        return {m.name: {"version": m.version, "digest": m.digest, "files": dict(m.files)} for m in self.modules}


NO_CODE = OutsideCode()


def find_module(entry: str, base: Path, others: Sequence[str]) -> Module:
    """The module that `entry` names: a package or file of one's own, from the folder `base`, else an installed package.

    others: all names under `code`. Raises InputError, of which the caller says the place.
    """
    path = next((p for p in (base / entry, base / f"{entry}.py") if _is_code(p)), None)
    name = module_name(entry)
    if not _NAME.fullmatch(name):
        raise _refused("this is no name that Python can import", entry, "letters, digits and _, as my_lab or my_lab.py")
    if name in _PROJECT or name in sys.stdlib_module_names:
        raise _refused(f"the name {name} is taken: Python or this project has a module of that name", entry)
    installed = None if path is not None and Path(entry).suffix else _spec(name)
    if path is None:
        if installed is None:
            beside = sorted({p.stem for p in base.glob("*") if _is_code(p)})
            todo = nearest(name, beside) or "check the path: it is taken from the study's folder"
            raise _refused("there is no such code", entry, f"one of {', '.join(beside)}" if beside else "", todo)
        return _installed(name, installed)
    other = _spec(name)
    if other is not None and not _same(other, path):
        raise _refused(f"the name {name} is taken: a package of that name is installed", entry)
    return _own(name, path, [module_name(o) for o in others if module_name(o) != name])


def module_name(entry: str) -> str:
    """The name that an entry under `code` is imported by."""
    return Path(entry).name.removesuffix(".py")


def installed_module(name: str, package: str) -> Module:
    """The module of an entry point. Raises InputError if it is not there. package: that gives it, and its version."""
    spec = _spec(name)
    if spec is None:
        rule = f"the installed package {package} names code that is not there: {name}"
        raise _refused(rule, name, todo="install it again")
    return replace(_installed(name, spec), version=package)


def stage(modules: Iterable[Module], folder: Path) -> None:
    """Copies one's own modules below `folder`, file by file as they were hashed."""
    for module in modules:
        for name in module.files if module.home is not None else ():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(module.home / name, folder / name)  # type: ignore[operator]


def _refused(rule: str, entry: str, allowed: str = "", todo: str = "give it another name") -> InputError:
    return InputError(Problem(rule, "code", entry, allowed, todo))


def _is_code(path: Path) -> bool:
    return (path.is_file() and path.suffix == ".py") or (path.is_dir() and any(path.glob("*.py")))


def _spec(name: str) -> Any:
    """Where Python would import a top-level name from, without doing so; None where there is none."""
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def _same(spec: Any, path: Path) -> bool:
    """True if a spec is of this very file or package, as where the study's folder is on Python's path."""
    places = [spec.origin] if spec.submodule_search_locations is None else list(spec.submodule_search_locations)
    return any(place is not None and Path(place).resolve() == path.resolve() for place in places)


def _own(name: str, path: Path, others: Sequence[str]) -> Module:
    home = path.parent.absolute()
    inside = [path] if path.is_file() else [p for p in sorted(path.rglob("*")) if p.is_file() and not _hidden(p, path)]
    contents = {p: p.read_bytes() for p in inside if p.stat().st_size <= _MOST_BYTES}
    size = sum(p.stat().st_size for p in inside)
    if size > _MOST_BYTES:
        found, allowed = f"{size / 2**20:.1f} MiB", f"at most {_MOST_BYTES / 2**20:g} MiB"
        rule, todo = f"{name} is too large to be code alone: {found}", "move data out of it"
        raise _refused(rule, str(path), allowed, todo)
    files = {p.absolute().relative_to(home).as_posix(): hashlib.sha256(c).hexdigest() for p, c in contents.items()}
    used = {n for p, c in contents.items() if p.suffix == ".py" for n in _names_in(c)}
    return Module(name, home, "", files, frozenset(used.intersection(others)))


def _hidden(path: Path, below: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(below).parts)


def _names_in(source: bytes) -> Iterator[str]:
    """Every top-level name that Python text imports, or has as text, as for `importlib`."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # told with its line when it is imported
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield top_module(node.value)


def _installed(name: str, spec: Any) -> Module:
    folders = [Path(place) for place in spec.submodule_search_locations or ()]
    places = [p for f in folders for p in sorted(f.rglob("*")) if p.suffix in _COMPILED and not _hidden(p, f)]
    places = places or ([Path(spec.origin)] if spec.origin else [])
    files = {
        next((p.relative_to(f).as_posix() for f in folders if p.is_relative_to(f)), p.name): hashlib.sha256(
            p.read_bytes()
        ).hexdigest()
        for p in places
    }
    distributions = metadata.packages_distributions().get(name, [])
    version = f"{distributions[0]} {metadata.version(distributions[0])}" if distributions else "unknown"
    return Module(name, None, version, files)
