"""Study files: YAML -> strict, frozen, checked types. YAML and pydantic are used in this room alone.

`tree` data that knows where it was written, `reader` YAML, `values` and `models` the types, `schema` what they allow,
`messages` and `checks` what is wrong, `reading` and `load` the whole way from a file to a `Study`.
"""

from launch.studyfile.dimensions import Dimension, hyperparameters_in
from launch.studyfile.load import Study, load_study, read_resolved
from launch.studyfile.models import Pruner, Sampler, StudySpec
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
