"""Study files: YAML -> strict, frozen, checked types. YAML and pydantic are used in this room alone.

`tree` is data that knows where it was written, `yaml_reader` reads YAML, `values`, `models` and the sections in files
beside them are the types, `schema` is what they allow, `messages`, `checks` and the room `rules` say what is wrong,
`resolve` and `load` are the whole way from a file to a `Study`.
"""

from launch.studyfile.dimensions import Dimension, hyperparameters_in
from launch.studyfile.load import Study, load_study, read_resolved
from launch.studyfile.models import StudySpec
from launch.studyfile.search.pruners import Pruner
from launch.studyfile.search.samplers import Sampler
from launch.studyfile.training import Adam, Training

__all__ = [
    "Adam",
    "Dimension",
    "Pruner",
    "Sampler",
    "Study",
    "StudySpec",
    "Training",
    "hyperparameters_in",
    "load_study",
    "read_resolved",
]
