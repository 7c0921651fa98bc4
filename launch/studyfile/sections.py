"""Building blocks of a study's sections: strict frozen types, and sections that change another's values."""

from __future__ import annotations

import re
from collections.abc import Collection
from inspect import cleandoc
from typing import Any, ClassVar, Self, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, create_model, model_serializer


class Section(BaseModel):
    """A mapping of a study file.

    Attributes:
        later: Keys that came after studies were run. At their default they are not dumped: hashes stay as they were.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True, allow_inf_nan=False)
    later: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = handler(self)
        return {k: v for k, v in dumped.items() if k not in self.later or not self._at_default(k)}

    def _at_default(self, name: str) -> bool:
        return bool(getattr(self, name) == type(self).model_fields[name].default)


def meanings_of(kind: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """What a section's docstring says of it, and of its keys by name: the one place where their meaning is written."""
    text, _, listed = cleandoc(kind.__doc__ or "").partition("\n\nAttributes:\n")
    keys = re.findall(r"^ {4}(\w+): (.+(?:\n {5,}.+)*)", listed, re.MULTILINE)
    return text, {name: " ".join(words.split()) for name, words in keys}


_Base = TypeVar("_Base", bound=Section)


class Changes(Section):
    """Values that replace another section's; what is not given stays as it is there.

    Attributes:
        otherwise: Where a value that is not given comes from, in words.
    """

    model_config = ConfigDict(validate_default=False)
    otherwise: ClassVar[str] = "the study's"

    def _at_default(self, name: str) -> bool:
        return name not in self.model_fields_set

    @property
    def given(self) -> dict[str, Any]:
        """The values that are given."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}

    def onto(self, base: _Base) -> _Base:
        """`base` with these values."""
        return base.model_copy(update={k: _replaced(getattr(base, k), v) for k, v in self.given.items()})

    def over(self, other: Self) -> Self:
        """The changes of `other` and then these."""
        before = other.given
        values = before | {k: _replaced(before.get(k), v) for k, v in self.given.items()}
        return type(self).model_construct(_fields_set=set(values), **values)


def _replaced(old: Any, new: Any) -> Any:
    if not isinstance(new, Changes):
        return new
    if isinstance(old, Changes):
        return new.over(old)
    return new if old is None else new.onto(old)


def changes_of(kind: type[Section], names: Collection[str] | None = None) -> Any:
    """The type of changes to `kind`; names: of the fields that may be changed, all by default."""
    hints = get_type_hints(kind, include_extras=True)
    wanted = [name for name in kind.model_fields if names is None or name in names]
    fields: dict[str, Any] = {name: (_change_of(hints[name]), None) for name in wanted}
    made = create_model(f"{kind.__name__}Changes", __base__=Changes, __module__=kind.__module__, **fields)
    made.later = frozenset(wanted)
    meanings = {name: words for name, words in meanings_of(kind)[1].items() if name in wanted}
    said = f"What differs from the study's, key by key; as in `{kind.__name__.lower()}`."
    listed = "".join(f"\n    {name}: {words}" for name, words in meanings.items())
    made.__doc__ = f"{said}\n\nAttributes:{listed}" if listed else said
    return made


def _change_of(hint: Any) -> Any:
    return changes_of(hint) | None if isinstance(hint, type) and issubclass(hint, Section) else hint
