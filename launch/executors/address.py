"""The address of a Ray cluster, as a user gives it."""

from __future__ import annotations

from glifr.errors import InputError, Problem


def refuse_no_address(address: str | None) -> None:
    """Raises InputError for what is no address; it needs neither Ray nor a network. None: this machine alone."""
    if address in (None, "auto"):
        return
    if address.startswith("ray://"):
        raise InputError(
            Problem(
                "ray:// is not supported: the study's driver must run in the cluster, beside its results folder",
                "--address",
                address,
                "auto, or HOST:PORT of the head node",
                "submit it: ray job submit --address http://HEAD:8265 --working-dir . -- "
                "python launch/study.py STUDY.yaml --address auto",
            )
        )
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdigit():
        raise InputError(
            Problem(
                "this is not the address of a Ray cluster",
                "--address",
                address,
                "auto, or HOST:PORT of the head node",
                "leave --address out to run on this machine alone",
            )
        )
