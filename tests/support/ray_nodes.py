"""Ray clusters of several nodes on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ray.cluster_utils import Cluster


@contextmanager
def two_nodes() -> Iterator[Cluster]:
    """Two nodes of one core each, the second with GPUs that are not there: bookkeeping only."""
    two = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    two.add_node(num_cpus=1, num_gpus=2)
    two.wait_for_nodes()
    yield two
    two.shutdown()
