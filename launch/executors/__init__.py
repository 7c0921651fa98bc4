"""Executors of jobs: on Ray, whose Tune schedules them over a cluster, in this process, or on a simulated clock."""
