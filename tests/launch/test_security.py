"""What a study must not do with what others could have written, and what it must not write itself."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from paths import ROOT
from small_study import NOT_COMPILED, TINY, fixed_seeds

from glifr.records.storage import tensor_files as checkpoints

SOURCES = sorted(p for room in ("glifr", "launch", "analysis", "benchmarks") for p in (ROOT / room).rglob("*.py"))

# (module, function) that would run what a file or a command line holds
FORBIDDEN = {
    ("yaml", "load"),
    ("yaml", "unsafe_load"),
    ("yaml", "full_load"),
    ("pickle", "load"),
    ("pickle", "loads"),
    ("cloudpickle", "load"),
    ("cloudpickle", "loads"),
    ("marshal", "loads"),
    ("shelve", "open"),
    ("os", "system"),
    ("os", "popen"),
    ("subprocess", "getoutput"),
    ("tempfile", "mktemp"),
}


def faults(source: str) -> list[str]:
    """What in a Python source would execute or deserialise what it should not."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        named = {keyword.arg: keyword.value for keyword in node.keywords}
        function = node.func
        if isinstance(function, ast.Name) and function.id in ("eval", "exec"):
            found.append(function.id)
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            called = (function.value.id, function.attr)
            safe = "Loader" in named and "Safe" in ast.unparse(named["Loader"])
            if called in FORBIDDEN and not (called == ("yaml", "load") and safe):
                found.append(".".join(called))
            if called == ("torch", "load") and ast.unparse(named.get("weights_only", ast.Constant(None))) != "True":
                found.append("torch.load without weights_only=True")
        if "shell" in named and ast.unparse(named["shell"]) != "False":
            found.append("shell")
    return found


# Triton takes a source only: this one is written by us from a graph of known operations and numbers
GENERATED = {"glifr/engine/cuda/launch.py": ["exec"]}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_source_executes_what_others_could_have_written(path: Path) -> None:
    assert faults(path.read_text()) == GENERATED.get(path.relative_to(ROOT).as_posix(), [])


@pytest.mark.parametrize(
    "bad",
    [
        "import yaml; yaml.load(text)",
        "import yaml; yaml.load(text, Loader=yaml.Loader)",
        "import pickle; pickle.loads(raw)",
        "import torch; torch.load(path)",
        "import torch; torch.load(path, weights_only=False)",
        "import subprocess; subprocess.run(line, shell=True)",
        "import os; os.system(line)",
        "eval(text)",
    ],
)
def test_the_source_check_sees_what_it_looks_for(bad: str) -> None:
    assert faults(bad)


@pytest.mark.parametrize("good", ["network.eval()", "import yaml; yaml.load(text, Loader=StrictSafeLoader)"])
def test_the_source_check_lets_the_rest_be(good: str) -> None:
    assert faults(good) == []


class Malicious:
    def __init__(self, touched: Path) -> None:
        self._touched = touched

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self._touched,)


def test_a_malicious_checkpoint_is_not_executed(tmp_path: Path) -> None:
    """Its checksum is right: whoever can write the file can write that too."""
    path, touched = tmp_path / "network.pt", tmp_path / "touched"
    torch.save({"network": Malicious(touched)}, path)
    sha = checkpoints.hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(checkpoints.CheckpointError, match="weights"):
        checkpoints.load(path, sha)
    assert not touched.exists()


KEY = "5ecre7" * 6 + "0123"


@pytest.mark.program
def test_the_wandb_key_is_in_no_file(tmp_path: Path) -> None:
    """A key in the environment and in netrc; then every file that is left is searched.

    Ray's own are searched while it runs: test_tracking_server, test_e2_a_key_is_found_nowhere.
    """
    (tmp_path / "small.yaml").write_text(TINY)
    credentials = tmp_path / "home" / ".netrc"
    credentials.parent.mkdir()
    credentials.write_text(f"machine api.wandb.ai login user password {KEY}\n")
    credentials.chmod(0o600)
    tools = {**os.environ, "PYTHONPATH": str(ROOT), "WANDB_API_KEY": KEY, "NETRC": str(credentials)}
    few = [*fixed_seeds("RNN", "LHetA"), "--set", NOT_COMPILED]
    given = [str(tmp_path / "small.yaml"), "--results", str(tmp_path / "results"), *few]
    # a short name: Ray puts sockets there
    with tempfile.TemporaryDirectory(prefix="k", ignore_cleanup_errors=True) as place:
        tools |= {"TMPDIR": place, "WANDB_MODE": "offline"}
        done = subprocess.run(
            [sys.executable, "launch/study.py", *given],
            cwd=ROOT,
            env=tools,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        written = [p for folder in (tmp_path / "results", Path(place)) for p in folder.rglob("*") if p.is_file()]
        assert any(path.suffix == ".wandb" for path in written)
        assert [path for path in written if KEY.encode() in path.read_bytes()] == []
    assert KEY not in done.stdout + done.stderr
