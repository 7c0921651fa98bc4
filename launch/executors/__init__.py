"""Where jobs run: on Ray, whose Tune schedules them over a cluster, or one after another in this process."""

from launch.executors.in_process import InProcessExecutor
from launch.executors.ray_connect import Cluster
from launch.executors.ray_tune import RayExecutor
from launch.executors.roles import Decider, Job, StopRequest, Work
from launch.placement import Resources

__all__ = ["Cluster", "Decider", "InProcessExecutor", "Job", "RayExecutor", "Resources", "StopRequest", "Work"]
