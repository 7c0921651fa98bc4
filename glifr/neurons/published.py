"""The digests of the published neuron models' steps.

A result of a published step is identified without its digest: so it was before there were digests. What a digest is:
`glifr.engine.definition.NeuronModel.digest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PUBLISHED: Mapping[str, str] = MappingProxyType(
    {
        "glifr 0": "5d30d3ae9d465352cd4fe1130f008867c952dc9bbe1ff81620d8546994ea249c",
        "glifr 1": "672c55676c9b124b05fdc3328fe29f9791d03ce13b329645f107d594bfc0c9b8",
        "glifr 2": "170b285e8423301acf99dbd82b4bc571db73970024f2b1b58da38b20d76efd05",
        "glifr 3": "ba4efff067ed287529010f248c44842fa39dc421c2c4af4e9e463f4fddbdba76",
        "tanh": "419e6231e69a25127ca72f42ed20abee40c5b8dd5e1afe0aa21272fc3ab4990c",
        "lstm": "3144aeeb74cd52fcc989187eb344ccfd1b33126211f9c25e34a6bf5448698991",
    }
)
MOST_ASCS = 3  # of the digests above
