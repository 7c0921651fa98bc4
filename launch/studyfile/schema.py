"""Reads the schema of a study from its types: which keys there are, what may stand at each, which is nearest."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from glifr.errors import nearest
from launch.studyfile.models import StudySpec
from launch.studyfile.search.samplers import Named, name_of
from launch.studyfile.sections import meanings_of
from launch.studyfile.tree import KeyPath, dotted
from launch.studyfile.values import Keys


def keys_at(path: KeyPath) -> list[str] | None:
    """The keys that may stand in the mapping at `path`; None if no mapping stands there, or there is no such path."""
    kind = kind_at(path)
    if _is_model(kind):
        return list(kind.model_fields)
    if members := members_of(kind):
        return list(dict.fromkeys(key for member in members.values() for key in member.model_fields))
    return list(_names(kind)) if get_origin(kind) is dict else None


def allowed_at(path: KeyPath) -> str:
    """What may stand at `path`, in words; '' if the schema does not say."""
    if path[-1:] == ("name",) and (members := members_of(kind_at(path[:-1]))):
        return "one of " + ", ".join(members)
    kind, keys = _kind_at(path), keys_at(path)
    said = _description(kind) or (f"a mapping with {', '.join(keys)}" if keys else "")
    plain = kind.annotation if isinstance(kind, FieldInfo) else kind
    return f"{said}, or null" if said and NoneType in get_args(plain) else said


def _description(kind: Any) -> str:
    """The words beside a type, or beside the one type that may be None."""
    if isinstance(kind, FieldInfo):
        return kind.description or _description(kind.annotation)
    if get_origin(kind) is Annotated:
        return next((n.description for n in get_args(kind)[1:] if isinstance(n, FieldInfo) and n.description), "")
    parts = [part for part in get_args(kind) if part is not NoneType]
    return _description(parts[0]) if len(parts) == 1 and NoneType in get_args(kind) else ""


def first_unknown(path: KeyPath) -> int | None:
    """The index of the first key of `path` that the schema does not have; None if it has all."""
    return next((i for i, key in enumerate(path) if not _may_stand(path[:i], key)), None)


def _may_stand(path: KeyPath, key: str | int) -> bool:
    """True if the mapping at `path` has the key; where names are chosen, any may be one."""
    known = keys_at(path)
    kind = _plain(_kind_at(path))
    return known is not None and (key in known or (get_origin(kind) is dict and _takes(kind, key)))


def sections(kind: type[BaseModel] = StudySpec, path: KeyPath = ()) -> Iterator[tuple[KeyPath, type[BaseModel]]]:
    """Every path with a mapping of fixed keys, and its type; where names are chosen, with the first that may stand.

    Where one of several types may stand, the path ends with the name of each.
    """
    yield path, kind
    for name, info in kind.model_fields.items():
        here, below = (*path, name), _plain(info)
        while get_origin(below) is dict:
            here, below = (*here, next(iter(_names(below)), "name")), _plain(get_args(below)[1])
        kinds = {(): below} if _is_model(below) else {(name,): member for name, member in members_of(below).items()}
        for tag, one in kinds.items():
            yield from sections(one, (*here, *tag))


def described(kind: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """What a section is, and what each of its keys means.

    A key that is a section of its own means what that is, and the `name` of one of several types what the type is.
    """
    said, meanings = meanings_of(kind)
    for name, info in kind.model_fields.items():
        below = _plain(info)
        if name not in meanings and (_is_model(below) or (name == "name" and issubclass(kind, Named))):
            meanings[name] = meanings_of(below if _is_model(below) else kind)[0].partition("\n\n")[0]
    return said, meanings


def where_else(path: KeyPath) -> str:
    """For a path that does not exist: a sentence that names the path the user may have meant, or ''."""
    mended = _mended(path)
    elsewhere = [name for name in _dotted_fields() if name.split(".")[-1] == path[-1]]
    found = [mended] if mended else elsewhere[:3]
    return f"did you mean {' or '.join(map(repr, found))}?" if found else nearest(dotted(path), list(_dotted_fields()))


def _mended(path: KeyPath) -> str:
    """`path` with each misspelt key replaced by one very near to it, if that leads somewhere."""
    good: KeyPath = ()
    for key in path:
        names_are_chosen = _may_stand(good, key) and not keys_at(good)
        close = [str(key)] if names_are_chosen else get_close_matches(str(key), keys_at(good) or [], n=1, cutoff=0.7)
        if not close:
            return ""
        good = (*good, close[0])
    return dotted(good)


def _dotted_fields(kind: Any = StudySpec, path: KeyPath = ()) -> Iterator[str]:
    """Every path whose keys are all fields (not names in a mapping such as `conditions`)."""
    for name, info in kind.model_fields.items():
        here = (*path, name)
        yield dotted(here)
        below = _plain(info)
        for one in [below] if _is_model(below) else members_of(below).values():
            yield from _dotted_fields(one, here)


def kind_at(path: KeyPath) -> Any:
    """The type at `path`, without its notes and without None; None where there is none."""
    return _plain(_kind_at(path))


def _kind_at(path: KeyPath) -> Any:
    """The type (or field) at `path`; None where there is none."""
    kind: Any = StudySpec
    for key in path:
        plain = _plain(kind)
        if _is_model(plain):
            kind = plain.model_fields.get(key)
        elif members := members_of(plain):
            has = (member.model_fields[key] for member in members.values() if key in member.model_fields)
            kind = members.get(str(key)) or next(has, None)
        elif get_origin(plain) is dict and _takes(plain, key):
            kind = get_args(plain)[1]
        else:
            return None
    return kind


def _plain(kind: Any) -> Any:
    """The type without its notes and without None."""
    if isinstance(kind, FieldInfo):
        return _plain(kind.annotation)
    if get_origin(kind) is Annotated:
        return _plain(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        rest = [part for part in get_args(kind) if part is not NoneType]
        sections = [part for part in map(_plain, rest) if _is_model(part)]
        return _plain(rest[0]) if len(rest) == 1 else sections[0] if len(sections) == 1 else kind
    return kind


def members_of(kind: Any) -> dict[str, type[BaseModel]]:
    """Of types that are told apart by `name`, each with its name; {} for any other kind."""
    models = [member for member in get_args(kind) if _is_model(member) and "name" in member.model_fields]
    return {name_of(model): model for model in models} if get_origin(kind) in (Union, UnionType) else {}


def untagged(path: KeyPath) -> KeyPath:
    """A path of pydantic's, which names the type that it has taken of several, as it is in the file."""
    found: KeyPath = ()
    for index, key in enumerate(path):
        if key not in members_of(kind_at(path[:index])):
            found = (*found, key)
    return found


def chosen_by_name() -> Iterator[KeyPath]:
    """The paths where one of several types may stand."""
    for path, _ in sections():
        if path and members_of(kind_at(path[:-1])):
            yield untagged(path)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _names(mapping: Any) -> tuple[str, ...]:
    """The names that a mapping type takes as keys; () where any."""
    return _keys(mapping).known


def _takes(mapping: Any, key: str | int) -> bool:
    """True if a mapping type may have the key."""
    return _keys(mapping).take(str(key))


def _keys(mapping: Any) -> Keys:
    notes = get_args(get_args(mapping)[0])[1:]
    return next((note for note in notes if isinstance(note, Keys)), Keys())
