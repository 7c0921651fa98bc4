"""The kinds of value a study has, each with its rule and the words that say what is allowed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal, NoReturn

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from glifr.conditions import CONDITIONS, HYPERPARAMETERS, KINDS, OF_A_CURRENT, OF_A_NEURON, NetworkKind
from glifr.errors import InputError, nearest
from glifr.outside import NETWORKS, Group, entry_points, is_reference
from glifr.tasks import ARRAYS, TASKS

RULE = "rule"  # the type of our own validation errors; their context has rule, allowed, todo
MAX_SEED = 2**31 - 1
MAX_SEEDS = 99_999
MAX_REPEATS = 99
MAX_LOOKS = 40
NUMBER, LOOKS = "[number]", "[looks]"  # how pydantic marks which kind of `final.seeds` an error is of
SEEDS_OF_A_REPEAT = 1_000  # at most, in each stage, where there are several: 99 x 1,000 keep within MAX_SEEDS
# far beyond any study: what is larger is a slip, and would overflow somewhere later
MAX_COUNT = 10_000_000
MAX_NEURONS = 1_000_000
MAX_CURRENTS = 64
MAX_NUMBER = 1e38  # of float32
MAX_MINUTES = 1e6
FAMILIES = tuple(dict.fromkeys(condition.family for condition in CONDITIONS.values()))

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_CONDITION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
CONDITION_RULE = "letters, digits, - and _, beginning with a letter or digit, at most 64 characters"
CONDITIONS_RULE = "the name of a condition of the study, or a list of different ones"
# conditions that differ in one of these have not had the same chance: only a study of just that may vary it
CHANCES = ("training.epochs", "training.batch_size")
PARAMETERS = (*OF_A_NEURON, *OF_A_CURRENT)
NAME_RULE = "small letters, digits, - and _, beginning with a letter or digit, at most 64 characters"


def refuse(rule: str, allowed: str = "", todo: str = "") -> NoReturn:
    """Refuses the value being validated, in the words of the message that the user gets."""
    raise PydanticCustomError(RULE, "{rule}", {"rule": rule, "allowed": allowed, "todo": todo})


@dataclass(frozen=True)
class Keys:
    """Marks the key type of a mapping with the names it takes.

    Attributes:
        known: The names, empty where the user makes them up.
        others: Tells names from outside that it takes too.
    """

    known: tuple[str, ...] = ()
    others: Callable[[str], bool] | None = None

    def take(self, name: str) -> bool:
        """True if the mapping may have this key."""
        return not self.known or name in self.known or (self.others is not None and self.others(name))


def one_of(what: str, known: tuple[str, ...]) -> Callable[[str], str]:
    """Makes a check that a name is known."""

    def check(name: str) -> str:
        if name not in known:
            refuse(f"there is no {what} {name!r}", "one of " + ", ".join(known), nearest(name, list(known)))
        return name

    return check


def either(words: tuple[str, ...]) -> str:
    """('a', 'b', 'c') -> 'a, b or c'."""
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _one_of_or_outside(what: str, known: tuple[str, ...], group: Group) -> Callable[[str], str]:
    """Also an entry point of that group, or a `module:object`."""

    def check(name: str) -> str:
        names = (*known, *entry_points(group))
        if name not in names and not is_reference(name):
            allowed = f"one of {', '.join(names)}; or module:object of your own code"
            refuse(f"there is no {what} {name!r}", allowed, nearest(name, list(names)))
        return name

    return check


def is_outside_network(name: str) -> bool:
    """True if this is a `module:object`, or the name that an installed package gives a network or a neuron model."""
    return is_reference(name) or (name not in KINDS and name in _packaged_networks())


def _packaged_networks() -> list[str]:
    return [name for group in NETWORKS for name in entry_points(group)]


NETWORK_RULE = "module:object of your own code, as my_lab:gru: a neuron model, a torch module's class, or a network"


def _network(value: Any) -> Any:
    """A name; once its code has been read, the name and what is known of the network."""
    name = value.get("name") if isinstance(value, dict) else value
    if not isinstance(name, str):
        refuse("this must name a network", NETWORK_RULE)
    try:
        if isinstance(value, dict):
            NetworkKind.from_json({key: part for key, part in value.items() if key != "name"})
    except InputError as error:
        refuse(error.problems[0].rule, todo=error.problems[0].todo)
    except (TypeError, ValueError):
        refuse("this must name a network", NETWORK_RULE)
    if not is_outside_network(name):
        near = nearest(name, _packaged_networks())
        own = f"the project's own are bases, as `base: {name}`" if name in {**CONDITIONS, **KINDS} else near
        refuse(f"there is no network {name!r} from outside", NETWORK_RULE, own)
    return value


def _own_setting(value: Any) -> Any:
    if not isinstance(value, bool | int | float | str):
        refuse("this is not a value of a setting", "a number, a text, true or false")
    return value


def _condition_names(value: Any) -> Any:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
        refuse("this must be a condition's name or a list of them", CONDITIONS_RULE)
    if len(set(names)) < len(names):
        refuse("a condition is given twice", CONDITIONS_RULE, "give each condition once")
    return tuple(names)


CODE_RULE = "a list of packages or files, from the study's folder, and of installed packages, as [my_lab]"


def _code(value: Any) -> Any:
    if not isinstance(value, list | tuple) or not all(isinstance(entry, str) and entry for entry in value):
        refuse("this must be a list of names", CODE_RULE)
    return tuple(value)


def _family(name: str) -> str:
    return name if is_outside_network(name) else one_of("family of networks", FAMILIES)(name)


def _check_name(name: str) -> str:
    if "/" in name or "\\" in name or ".." in name:
        refuse("the name would leave the results folder: it becomes a folder's name", NAME_RULE, "give a plain name")
    if not _NAME.fullmatch(name):
        refuse("the name has characters that a folder's name should not have", NAME_RULE)
    return name


def is_condition_name(name: str) -> bool:
    """True if a condition can have the name."""
    return _CONDITION.fullmatch(name) is not None


def _check_condition_name(name: str) -> str:
    if not is_condition_name(name):
        refuse("a condition's name becomes a folder's name, and this cannot", CONDITION_RULE)
    return name


def _check_profile_name(name: str) -> str:
    if name == "full":
        refuse("'full' is the study without a profile", NAME_RULE, "give the profile another name")
    return _check_name(name)


def _check_project(name: str) -> str:
    if not name or len(name) > 128 or any(c in name for c in "/\\#?%:"):
        refuse("W&B does not take this project name", "1 to 128 characters without / \\ # ? % :")
    return name


def is_whole(value: Any) -> bool:
    """True for a whole number, which a truth is not."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """True for a number, which a truth is not."""
    return isinstance(value, float) or is_whole(value)


SEEDS_RULE = f"how many seeds (1 to {MAX_SEEDS}), or a list of different seeds, each 0 to {MAX_SEED}"


def _seeds(value: Any) -> int | tuple[int, ...]:
    if is_whole(value):
        if not 1 <= value <= MAX_SEEDS:
            refuse("at least one seed is needed" if value < 1 else "that is too many seeds", SEEDS_RULE)
        return int(value)
    if not isinstance(value, list | tuple) or not all(is_whole(seed) for seed in value):
        refuse("this must be a whole number or a list of whole numbers", SEEDS_RULE)
    if not 1 <= len(value) <= MAX_SEEDS:
        refuse("the list of seeds is empty" if not value else "that is too many seeds", SEEDS_RULE)
    outside = [seed for seed in value if not 0 <= seed <= MAX_SEED]
    if outside:
        refuse(f"seeds out of range: {listed(outside)}", SEEDS_RULE)
    twice = sorted(seed for seed, times in Counter(value).items() if times > 1)
    if twice:
        refuse(f"seeds given twice: {listed(twice)}", SEEDS_RULE, "give each seed once")
    return tuple(value)


def listed(seeds: list[int]) -> str:
    """The first few of a list of seeds, in words."""
    shown = ", ".join(map(str, seeds[:5]))
    return shown if len(seeds) <= 5 else f"{shown} and {len(seeds) - 5} more"


def listed_words(names: Sequence[str]) -> str:
    """'a, b and c'; the first few and how many more."""
    shown = [*names] if len(names) <= 6 else [*names[:5], f"{len(names) - 5} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


DELAY_RULE = "one_step, none, or a number of milliseconds above 0"


def _delay(value: Any) -> float | str:
    if value in ("one_step", "none"):
        return str(value)
    if value is None:
        refuse("the delay is not given", DELAY_RULE, "write `none` for a network without delay; null says nothing")
    if not is_number(value) or not 0 < value < 1e9:
        refuse("this is not a delay", DELAY_RULE)
    return float(value)


def _word_or_count(word: str, what: str, most: int) -> Callable[[Any], int | str]:
    def check(value: Any) -> int | str:
        if value == word:
            return word
        if not is_whole(value) or not 1 <= value <= most:
            refuse(f"this must be {word}, or {what}", f"{word}, or a whole number from 1 to {most}")
        return int(value)

    return check


def _learned(value: Any) -> Any:
    rule = "true, false, or a list of different parameters, as " + ", ".join(PARAMETERS)
    if isinstance(value, bool):
        return value
    if not isinstance(value, list | tuple):
        refuse("this must say what is learned: all, nothing, or which parameters", rule)
    if not all(isinstance(name, str) for name in value):
        refuse("this must be a list of names", rule)
    if len(set(value)) < len(value):
        refuse("a parameter is given twice", rule, "give each once")
    return tuple(value)


def _choices(value: Any) -> Any:
    rule = "a list of different numbers, texts, or true and false"
    if not isinstance(value, list | tuple) or not all(is_number(c) or isinstance(c, str | bool) for c in value):
        refuse("this must be a list of values", rule)
    if len(value) < 2:
        refuse("a choice needs at least two values", rule)
    if len({(type(c) is bool, c) for c in value}) < len(value):
        refuse("a choice is given twice", rule, "give each once")
    return tuple(value)


STARTS = ("prior", "learned", "homogeneous", "heterogeneous")
STARTS_RULE = "prior, learned, homogeneous or heterogeneous; or {from: a network.pt that a study kept}"


def _start(value: Any) -> Any:
    if isinstance(value, dict):
        if not {"from"} <= value.keys() <= {"from", "sha256"} or not all(isinstance(x, str) for x in value.values()):
            refuse("a start from a network of one's own has one key, `from`", STARTS_RULE)
        return dict(value)
    if not isinstance(value, str) or value not in STARTS:
        rule = "this is not one of the words that may stand here"
        refuse(rule, STARTS_RULE, nearest(str(value), list(STARTS)) if isinstance(value, str) else "")
    return value


def _varied(value: Any) -> Any:
    rule = "a list of different settings, from " + ", ".join(CHANCES)
    if not isinstance(value, list | tuple):
        refuse("this must be a list of settings", rule)
    for name in value:
        if name not in CHANCES:
            refuse(f"there is no setting {name!r} that a study may vary", rule, nearest(str(name), list(CHANCES)))
    if len(set(value)) < len(value):
        refuse("a setting is given twice", rule, "give each once")
    return tuple(value)


def _fractions(value: Any) -> Any:
    rule = "a list of different numbers from 0 to 1, each larger than the one before, as [0, 0.5, 1]"
    if not isinstance(value, list | tuple) or not value or not all(is_number(f) for f in value):
        refuse("this must be a list of numbers", rule)
    outside = [f for f in value if not 0 <= f <= 1]
    if outside:
        refuse(f"fractions outside 0 to 1: {', '.join(map(str, outside))}", rule)
    if any(a >= b for a, b in pairwise(value)):
        refuse("the fractions are not in rising order, or one is given twice", rule)
    return tuple(float(f) for f in value)


def _frequencies(value: Any) -> Any:
    rule = "a list of different numbers above 0, per ms, as [0.1, 0.2]"
    if not isinstance(value, list | tuple) or not value or not all(is_number(f) and f > 0 for f in value):
        refuse("this must be a list of numbers above 0", rule)
    if len(set(value)) < len(value):
        refuse("a frequency is given twice", rule, "give each once")
    return tuple(float(f) for f in value)


GPUS_RULE = "a number from 0 to 1, a whole number, or auto"


def _gpus(value: Any) -> float | str:
    if value == "auto":
        return "auto"
    if not is_number(value):
        todo = nearest(value, ["auto"]) if isinstance(value, str) else ""
        refuse("this is neither a number of GPUs nor `auto`", GPUS_RULE, todo)
    if not 0 <= value <= MAX_NUMBER:
        refuse("no trial can take so many GPUs", GPUS_RULE)
    if value > 1 and not float(value).is_integer():
        refuse("only a part of ONE GPU can be asked for", GPUS_RULE)
    return float(value)


Text = Annotated[str, Field(description="text")]
Flag = Annotated[bool, Field(description="true or false")]
Count = Annotated[int, Field(ge=1, le=MAX_COUNT, description=f"a whole number from 1 to {MAX_COUNT}")]
CountFromZero = Annotated[int, Field(ge=0, le=MAX_COUNT, description=f"a whole number from 0 to {MAX_COUNT}")]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED, description=f"a whole number from 0 to {MAX_SEED}")]
Repeats = Annotated[int, Field(ge=1, le=MAX_REPEATS, description=f"a whole number from 1 to {MAX_REPEATS}")]
Positive = Annotated[float, Field(gt=0, le=MAX_NUMBER, description=f"a number above 0, at most {MAX_NUMBER:g}")]
Minutes = Annotated[float, Field(gt=0, le=MAX_MINUTES, description=f"a number above 0, at most {MAX_MINUTES:g}")]
Number = Annotated[float, Field(ge=-MAX_NUMBER, le=MAX_NUMBER, description=f"a number within ±{MAX_NUMBER:g}")]
FromZero = Annotated[float, Field(ge=0, le=MAX_NUMBER, description=f"a number from 0 to {MAX_NUMBER:g}")]
Fraction = Annotated[float, Field(ge=0, le=1, description="a number from 0 to 1")]
UpToOne = Annotated[float, Field(gt=0, le=1, description="a number above 0, at most 1")]
BelowOne = Annotated[float, Field(ge=0, lt=1, description="a number from 0, below 1")]
Gpus = Annotated[
    Annotated[float, Field(ge=0, le=MAX_NUMBER)] | Literal["auto"],
    BeforeValidator(_gpus),
    Field(description=GPUS_RULE),
]

Frequencies = Annotated[
    tuple[float, ...], BeforeValidator(_frequencies), Field(description="a list of different numbers above 0, per ms")
]
Seeds = Annotated[int | tuple[int, ...], BeforeValidator(_seeds), Field(description=SEEDS_RULE)]
Delay = Annotated[float | Literal["one_step", "none"], BeforeValidator(_delay), Field(description=DELAY_RULE)]
Learned = Annotated[
    bool | tuple[str, ...],
    BeforeValidator(_learned),
    Field(description="true, false, or a list of parameters: " + ", ".join(PARAMETERS) + "; or a neuron model's own"),
]
Choices = Annotated[
    tuple[Any, ...],  # of their own types: 3 stays a whole number
    BeforeValidator(_choices),
    Field(description="a list of different numbers, texts, or true and false"),
]
Varied = Annotated[tuple[str, ...], BeforeValidator(_varied), Field(description="a list from " + ", ".join(CHANCES))]
StartOf = Annotated[str | dict[str, str], BeforeValidator(_start), Field(description=STARTS_RULE)]
Currents = Annotated[int, Field(ge=0, le=MAX_CURRENTS, description=f"a whole number from 0 to {MAX_CURRENTS}")]
Time = Annotated[float, Field(gt=0, lt=1e9, description="a number of milliseconds above 0")]
HiddenSize = Annotated[
    int | Literal["matched"],
    BeforeValidator(_word_or_count("matched", "a number of neurons", MAX_NEURONS)),
    Field(description=f"matched (trained parameters as `parameter_budget`), or a whole number from 1 to {MAX_NEURONS}"),
]
SeedsPerBatch = Annotated[
    int | Literal["auto"],
    BeforeValidator(_word_or_count("auto", "a number of seeds", MAX_SEEDS)),
    Field(description=f"auto, or a whole number from 1 to {MAX_SEEDS}"),
]
Fractions = Annotated[
    tuple[float, ...], BeforeValidator(_fractions), Field(description="a list of rising numbers from 0 to 1")
]

StudyName = Annotated[str, AfterValidator(_check_name), Field(description=NAME_RULE)]
Project = Annotated[str, AfterValidator(_check_project), Field(description="the name of a W&B project")]
ConditionName = Annotated[
    str, AfterValidator(_check_condition_name), Keys(), Field(description="the name of a condition of the study")
]
BaseName = Annotated[
    str,
    AfterValidator(_check_condition_name),
    Keys(),
    Field(description="a condition of the study, or a published one: " + ", ".join(CONDITIONS)),
]
ConditionNames = Annotated[
    tuple[str, ...],
    BeforeValidator(_condition_names),
    Field(description=CONDITIONS_RULE),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
ContrastName = Annotated[str, Field(min_length=1, max_length=80, description="a name of 1 to 80 characters"), Keys()]
Alpha = Annotated[float, Field(gt=0, lt=0.5, description="a number above 0, below 0.5")]
TaskName = Annotated[
    str,
    AfterValidator(_one_of_or_outside("task", (*TASKS, ARRAYS), "tasks")),
    Field(description=f"one of {', '.join((*TASKS, ARRAYS))}; or module:object of your own code"),
]
Code = Annotated[tuple[str, ...], BeforeValidator(_code), Field(description=CODE_RULE)]
Hyperparameter = Annotated[
    str, AfterValidator(one_of("hyperparameter", tuple(HYPERPARAMETERS))), Keys(tuple(HYPERPARAMETERS))
]
Family = Annotated[str, AfterValidator(_family), Keys(FAMILIES, is_outside_network), WithJsonSchema({"type": "string"})]
NetworkOf = Annotated[
    str | dict[str, Any],
    BeforeValidator(_network),
    Field(description=NETWORK_RULE),
    WithJsonSchema({"type": "string", "description": NETWORK_RULE}),
]
OwnSetting = Annotated[
    Any,
    BeforeValidator(_own_setting),
    Field(description="a number, a text, true or false"),
    WithJsonSchema({"type": ["number", "string", "boolean"], "description": "a number, a text, true or false"}),
]
SettingName = Annotated[str, Keys()]
ProfileName = Annotated[str, AfterValidator(_check_profile_name), Keys()]
