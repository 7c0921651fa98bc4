"""Reads a study with its space files, profiles and overrides; notes every problem with its place."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from glifr.errors import InputError, Problem, nearest
from glifr.tasks import ARRAYS, TASKS
from launch.studyfile.checks import cross_faults, own_arrays
from launch.studyfile.conditions import networks_in, with_networks
from launch.studyfile.dimensions import SEARCHABLE
from launch.studyfile.factors.crossing import as_written, crossed
from launch.studyfile.messages import faults_of
from launch.studyfile.models import StudySpec
from launch.studyfile.renamed import renamed, renamed_override
from launch.studyfile.schema import first_unknown, keys_at, where_else
from launch.studyfile.search.named import spelled_out, without_left_behind
from launch.studyfile.text.yaml_reader import read_yaml
from launch.studyfile.text.yaml_values import as_yaml
from launch.studyfile.tree import Fault, InvalidValue, KeyPath, Mark, Tree
from launch.studyfile.values import FAMILIES, ProfileName, is_outside_network

MAX_BYTES = 1_000_000  # of a study or space file: a long study has some 10,000

_YAML = "a YAML file, as studies/smnist_ablation.yaml"


class StudyReading:
    """One reading of a study; collects everything that is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self._unset: list[KeyPath] = []  # conditions that lack what a refused override was to give them
        self.imports = False  # whether the code of tasks from outside may be imported
        self.tried: frozenset[str] = frozenset()  # networks from outside whose code may be
        self._files: dict[Path, Tree | None] = {}

    def study(self) -> Tree:
        """The study file with its space files; InputError if there is no mapping to go on with."""
        missing = Problem("the study file does not exist", str(self.path), allowed=_YAML, todo=_beside(self.path))
        tree = self._file(self.path, missing)
        if tree is None:
            raise InputError(*self.problems)
        if not isinstance(tree.data, dict):
            todo = "begin with `name: my_study`; copy an example from studies/"
            raise InputError(
                *self.problems, Problem("a study is a mapping", str(self.path), as_yaml(tree.data), todo=todo)
            )
        return self.with_spaces(self._renamed(tree))

    def profiles(self, base: Tree) -> dict[str, Tree]:
        """The usable profiles of the study, by name."""
        given = base.data.get("profiles") or {}
        if not isinstance(given, dict):
            self._add(base, Fault(("profiles",), "this must be a mapping of profile names to changes", given))
            return {}
        good = {}
        for name, changes in given.items():
            path = ("profiles", name)
            try:
                TypeAdapter(ProfileName).validate_python(name)
            except ValidationError as error:
                self._add(base, *(Fault(path, f.rule, f.value, f.allowed, f.todo) for f in faults_of(error)))
                continue
            if not isinstance(changes, dict):
                rule, todo = (
                    "a profile is a mapping of what it changes",
                    "write the changed keys below it, or remove it",
                )
                self._add(base, Fault(path, rule, changes, todo=todo))
                continue
            if "name" in changes:
                rule = "a profile cannot rename the study: its results go to results/<study>/<profile>/"
                self._add(base, Fault((*path, "name"), rule, changes["name"], todo="remove the key"))
            good[name] = self._renamed(base.at(path))
        return good

    def with_spaces(self, tree: Tree) -> Tree:
        """`tree` with the search spaces that are named by a file read in."""
        search = tree.data.get("search")
        spaces = search.get("spaces") if isinstance(search, dict) else None
        for family, given in spaces.items() if isinstance(spaces, dict) else ():
            if isinstance(given, str) and (family in FAMILIES or is_outside_network(str(family))):
                path = ("search", "spaces", family)
                tree = tree.replaced(path, self._space(tree, path, given))
        return tree

    def overridden(self, tree: Tree, overrides: Sequence[str]) -> Tree:
        """`tree` with each `path.to.key=value` set, in their order."""
        for text in overrides:
            key, equals, value = text.partition("=")
            path, place = _key_path(key), f"--set {key.strip()}"
            new_path, _ = renamed_override(path, Tree(None))
            if not equals:
                todo = f"write --set {key.strip()}=VALUE, without spaces around ="
                self.problems.append(Problem("the override has no =", place, text, "path.to.key=value", todo))
            elif path[0] == "profiles":
                todo = "leave out profiles.NAME and set the value itself; --profile chooses the profile"
                self.problems.append(Problem("an override acts after the profile", place, value, todo=todo))
            elif (wrong := first_unknown(new_path)) is not None:
                allowed = ", ".join(keys_at(path[:wrong]) or [])
                self.problems.append(
                    Problem(f"there is no setting {path[wrong]!r} here", place, value, allowed, where_else(path))
                )
                self._unset += [new_path[:2]] if new_path[0] == "conditions" else []
            else:
                leaf = self._value(path, value, place)
                if leaf.data is None and path[:1] == ("conditions",) and len(path) == 2:
                    self._refuse_absent(tree, str(path[1]), place)
                tree = self.with_spaces(spelled_out(tree.replaced(*renamed_override(path, leaf))))
        return tree

    def wrong_in(self, tree: Tree, set_paths: Sequence[KeyPath], overrides: Sequence[str]) -> list[Problem]:
        """What is wrong in a profile that is not chosen, as it is written, and what the overrides would not mend."""
        found = self._found(tree, set_paths)
        if found and overrides:
            mended = self._found(self.overridden(tree, overrides), ())
            found = [problem for problem in found if problem in mended]
        return found

    def _found(self, tree: Tree, ignore: Sequence[KeyPath]) -> list[Problem]:
        before = len(self.problems)
        self.checked(tree, ignore)
        found = self.problems[before:]
        del self.problems[before:]
        return found

    def checked(self, tree: Tree, ignore: Sequence[KeyPath] = ()) -> StudySpec | None:
        """The study if it is right; else its problems are noted, but for those at or below the paths of `ignore`."""
        sections: dict[str, Any] = {}
        tree, faults = without_left_behind(self._without_nulled_conditions(tree))
        tree, of_crossing, known = crossed(tree)
        faults += of_crossing
        spec = None
        networks = set(networks_in(tree.data).values())
        if networks <= self.tried:
            tree, wrong = with_networks(tree)
            self.problems += wrong
            networks = networks if wrong else set()
        try:
            spec = StudySpec.model_validate(tree.data, context=sections)
        except ValidationError as error:
            faults += [as_written(tree, fault) for fault in faults_of(error)]
        task = sections.get("task")
        if task is not None:
            if task.name == ARRAYS:
                task.found_from(self.path.parent)
            faults += own_arrays(task) if self.imports else ()
            if task.name not in TASKS and (faults or not self.imports):
                del sections["task"]  # what depends on it is left unchecked
        if not known or networks:
            sections.pop("conditions", None)  # as what depends on them
        faults += cross_faults(sections)
        ignored = (*ignore, *self._unset)
        self._add(tree, *(f for f in faults if not any(f.path[: len(path)] == path for path in ignored)))
        return spec

    def _refuse_absent(self, tree: Tree, name: str, place: str) -> None:
        """Notes that a condition that would be taken out is not there."""
        given = tree.data.get("conditions")
        known = list(given) if isinstance(given, dict) else []
        if name not in known:
            rule = "there is no such condition that could be taken out"
            self.problems.append(Problem(rule, place, name, ", ".join(map(str, known)), nearest(name, known)))

    def _without_nulled_conditions(self, tree: Tree) -> Tree:
        """`tree` without the conditions that a profile or an override has set to null: they are taken out.

        In the study itself a null is a slip: a condition without values of its own is {}.
        """
        given = tree.data.get("conditions")
        for name in [name for name, own in given.items() if own is None] if isinstance(given, dict) else ():
            mark = tree.marks.get(("conditions", name), Mark("", ()))
            if mark.file == "--set" or mark.path[:1] == ("profiles",):
                tree = tree.without("conditions", name)
        return tree

    def _value(self, path: KeyPath, value: str, place: str) -> Tree:
        """The value of an override, read by the rules of the file."""
        if not value.strip():
            return Tree(None, {(): Mark("--set", path)})
        try:
            read, faults = read_yaml(value.encode(errors="surrogateescape"), place)
        except InputError as error:
            self.problems += error.problems
            return Tree(InvalidValue(value))
        leaf = Tree(read.data, {below: Mark("--set", path + below) for below in read.marks})
        self._add(leaf, *faults)
        return leaf

    def _space(self, tree: Tree, path: KeyPath, given: str) -> Tree:
        file = Path(os.path.normpath(self.path.parent / given))
        if file not in self._files:
            rule, allowed = f"the search space file does not exist: {file}", "a file's path, from the study's folder"
            missing = tree.problem(Fault(path, rule, given, allowed, _beside(file)))
            self._files[file] = self._file(file, missing)
        return self._files[file] or Tree(InvalidValue(given))

    def _file(self, path: Path, missing: Problem) -> Tree | None:
        """The data of a file; None, with the problem noted, if nothing can be read. missing: if there is none."""
        shown = str(path)
        try:
            tree, faults = read_yaml(_content(path), shown)
        except InputError as error:
            self.problems += error.problems
            return None
        except (FileNotFoundError, NotADirectoryError):
            self.problems.append(missing)
            return None
        except IsADirectoryError:
            self.problems.append(
                Problem("this is a folder, not a file", shown, allowed=_YAML, todo="give the YAML file in it")
            )
            return None
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            found, todo = getattr(error, "strerror", str(error)), "look at its permissions and its disk"
            self.problems.append(Problem("the file cannot be read", shown, found, todo=todo))
            return None
        self._add(tree, *faults)
        return tree

    def _renamed(self, tree: Tree) -> Tree:
        now, faults = renamed(tree)
        self._add(tree, *faults)
        return spelled_out(now)

    def _add(self, tree: Tree, *faults: Fault) -> None:
        self.problems += [tree.problem(fault) for fault in faults]


def _key_path(key: str) -> KeyPath:
    """The keys of `path.to.key`; a search dimension's name may have dots itself."""
    parts = [part.strip() for part in key.split(".")]
    if parts[:2] == ["search", "spaces"]:
        whole = next((i for i, part in enumerate(parts) if ":" in part), 2)  # a module's name may have dots
        parts[2 : whole + 1] = [".".join(parts[2 : whole + 1])]
        if parts[3:4] == ["settings"]:
            parts[3:5] = [".".join(parts[3:5])]
        for name in (name for name in SEARCHABLE if "." in name):
            words = name.split(".")
            if parts[3 : 3 + len(words)] == words:
                return (*parts[:3], name, *parts[3 + len(words) :])
    return tuple(parts)


def _content(path: Path) -> bytes:
    """The content of a plain file of at most `MAX_BYTES`. Raises OSError, or InputError for any other."""
    # without waiting, as opening a pipe that nobody writes to would
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise InputError(Problem("this is no file", str(path), "a device or a pipe", _YAML, "give the YAML file"))
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        found, allowed = f"{os.path.getsize(path):,} bytes", f"at most {MAX_BYTES:,} bytes"
        raise InputError(Problem("the file is too large for a study", str(path), found, allowed, "give the YAML file"))
    return content


def _beside(path: Path) -> str:
    """For a file that is not there: a sentence that names the YAML files that are."""
    try:
        names = {p.stem: p.name for p in sorted(path.parent.glob("*.y*ml"))}
    except OSError:
        names = {}
    near = get_close_matches(path.stem, list(names), n=1)
    if near:
        return f"did you mean {names[near[0]]!r}?"
    return f"in that folder there is {', '.join(names.values())}" if names else "check the path: no YAML file is there"
