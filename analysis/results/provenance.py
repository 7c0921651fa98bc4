"""Versions, commit and hardware that made the results. Never a host name, a user or a home path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.results.load import Results
from analysis.text import count, duration, listed, without_paths


@dataclass(frozen=True)
class Provenance:
    """Where the results come from.

    Attributes:
        facts: Pairs of what and value.
        sessions: One row of texts per session.
        packages: 'name version', sorted.
    """

    facts: list[tuple[str, str]]
    sessions: list[list[str]]
    packages: list[str]


SESSION_HEADS = ("Started (UTC)", "Command", "Commit", "Code", "Python", "Platform", "Processor", "GPUs")


def provenance(results: Results) -> Provenance:
    """The provenance of a results folder, from its sessions and its units."""
    info, sessions = results.info, results.sessions
    seeds = results.tables["seeds"]
    made = seeds[seeds["finished_at"].notna()]
    backends = [
        f"{b} on {d or 'unnamed device'}" for b, d in sorted(set(zip(made["backend"], made["device"], strict=True)))
    ]
    facts = [
        ("Study", f"{info.name}, profile {info.profile}"),
        ("Study hash", info.hash),
        ("Last result (UTC)", moment(results.finished_at)),
        ("Training time, all units", duration(_training_seconds(results))),
        ("Computed by", listed(backends) or "nothing yet"),
        ("Sessions", count(len(sessions), "session")),
    ]
    if neurons := list(dict.fromkeys(c.neuron for c in info.conditions if c.neuron)):
        facts.append(("Neuron models", "; ".join(neurons)))
    if outside := _outside(sessions):
        facts.append(("Code from outside", listed(outside)))
    return Provenance(facts, [_session(s) for s in sessions], _packages(sessions))


def _outside(sessions: tuple[dict[str, Any], ...]) -> list[str]:
    """Every module that a study named under `code`, in each version that a session had: name, version, hash."""
    found = [
        " ".join(filter(None, [name, module["version"], module["digest"][:12]]))
        for session in sessions
        for name, module in (session.get("outside") or {}).items()
    ]
    return list(dict.fromkeys(found))


def moment(iso: str) -> str:
    """'2026-03-01 14:05' of an ISO time in UTC."""
    return iso[:16].replace("T", " ") if iso else "none yet"


def _training_seconds(results: Results) -> float:
    finals = results.tables["seeds"]
    finals = finals[finals["stage"] == "final"]
    return float(results.tables["trials"]["seconds"].sum() + finals["seconds"].sum())


def _session(session: dict[str, Any]) -> list[str]:
    commit = (session.get("commit") or "unknown")[:12]
    changed = " with uncommitted changes" if session.get("dirty") else ""
    return [
        moment(session.get("started_at") or ""),
        without_paths(str(session.get("command") or "")),
        f"{commit}{changed}",
        str(session.get("code_version") or "")[:12],
        without_paths(str(session.get("python") or "")),
        without_paths(str(session.get("platform") or "")),
        f"{session.get('cpu') or 'unknown'}, {session.get('cores')} cores",
        listed(session.get("gpus") or []) or "none",
    ]


def _packages(sessions: tuple[dict[str, Any], ...]) -> list[str]:
    last = sessions[-1].get("packages") or {} if sessions else {}
    return [f"{name} {version}" for name, version in sorted(last.items())]


def mixtures(results: Results) -> list[str]:
    """Lists what differs between the sessions, or between the final networks: code, packages, hardware.

    Networks from outside have code and a kernel of their own, and are compared among themselves.

    Args:
        results: The results.

    Returns:
        One sentence per difference.
    """
    by_session = (
        ("commit", "the commit"),
        ("code_version", "the code"),
        ("outside", "the code from outside"),
        ("packages", "the packages"),
        ("gpus", "the GPUs"),
        ("cpu", "the processor"),
    )
    found = [what for key, what in by_session if len({str(s.get(key)) for s in results.sessions}) > 1]
    finals = results.finals
    by_network = (
        ("code_version", "the code"),
        ("device", "the device"),
        ("backend", "the kernel"),
        ("processor", "the kind of processor"),
    )
    own = {c.name: c.style.architecture if c.style.outside else "" for c in results.info.conditions}
    of_one_kind = [group for _, group in finals.groupby(finals["condition"].map(own), sort=False)]
    found += [what for column, what in by_network if any(group[column].nunique() > 1 for group in of_one_kind)]
    return list(dict.fromkeys(found))
