"""`python -m launch.studyfile.json_schema`: the JSON schema of a study file, by which editors complete and underline.

Made from the types. It says what may stand where; rules between keys are checked when the study is read (`--check`).
"""

from __future__ import annotations

import copy
import json
from typing import Any

from launch.studyfile.models import StudySpec
from launch.studyfile.renamed import NEW_NAMES
from launch.studyfile.schema import described, sections

FILE = "study.schema.json"  # shipped beside the studies
HEAD = f"# yaml-language-server: $schema={FILE}"  # the first line of a study in the same folder
_PART = "PartOf"
_REFERENCE = "#/$defs/"


def json_schema() -> dict[str, Any]:
    """The schema of a study with its profiles."""
    schema = StudySpec.model_json_schema()
    kinds, study = schema.pop("$defs"), schema
    for path, section in sections():
        _describe(kinds[section.__name__] if path else study, described(section)[1])
    kinds["TaskSpec"]["required"].remove("source")  # the task's first, where it is not given
    spaces = kinds["Search"]["properties"]["spaces"]
    file = {"type": "string", "description": "a space file, from the study's folder"}
    spaces["additionalProperties"] = {"anyOf": [file, spaces["additionalProperties"]]}
    for kind, key in (("Search", "sampler"), ("Search", "pruner"), ("PatientPruner", "pruner")):
        kinds[kind]["properties"][key] = _with_short_form(kinds[kind]["properties"][key])
    for old, new in NEW_NAMES.items():
        kept = study["properties"][new]
        study["properties"][old] = {**kept, "description": f"the old name of {new}", "deprecated": True}
    parts = {f"{_PART}{name}": _part(kind) for name, kind in {**kinds, "Study": study}.items()}
    conditions = parts[f"{_PART}Study"]["properties"]["conditions"]
    conditions["additionalProperties"] = {"anyOf": [conditions["additionalProperties"], {"type": "null"}]}
    profiles = {"type": "object", "additionalProperties": {"$ref": f"{_REFERENCE}{_PART}Study"}}
    study["properties"]["profiles"] = {"anyOf": [profiles, {"type": "null"}], "description": "variants, by name"}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A study"}
    study["required"].remove("conditions")  # which a crossing makes, where there is one
    one_of = {"anyOf": [{"required": ["conditions"]}, {"required": ["crossing"]}]}
    return {**study, **one_of, **head, "$defs": kinds | parts}


def as_text() -> str:
    """The schema as it is shipped."""
    return json.dumps(json_schema(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _describe(section: dict[str, Any], meanings: dict[str, str]) -> None:
    """Puts what each key means before what it may be."""
    for name, own in section.get("properties", {}).items():
        words = [meanings.get(name, ""), f"({own['description']})" if own.get("description") else ""]
        own["description"] = " ".join(word for word in words if word)


def _with_short_form(named: dict[str, Any]) -> dict[str, Any]:
    """One of several types, told apart by their name, or the name alone."""
    names = {"enum": list(named["discriminator"]["mapping"])}
    about = {key: value for key, value in named.items() if key not in ("discriminator", "oneOf")}
    return {**about, "anyOf": [names, *named["oneOf"]]}


def _part(kind: Any) -> Any:
    """A type of which nothing must be given: what a profile changes."""
    if isinstance(kind, list):
        return [_part(one) for one in kind]
    if not isinstance(kind, dict):
        return kind
    found = {key: _part(value) for key, value in copy.deepcopy(kind).items() if key != "required"}
    if isinstance(reference := found.get("$ref"), str):
        found["$ref"] = reference.replace(_REFERENCE, f"{_REFERENCE}{_PART}")
    return found


if __name__ == "__main__":
    print(as_text(), end="")
