"""A W&B server of our own on 127.0.0.1, for the real client: it answers, fails, hangs, or goes down, as it is told."""

from __future__ import annotations

import base64
import json
import re
import socket
import struct
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

KEY = "0123456789abcdef0123456789abcdef01234567"
_RUN = {
    "projectName": "glifr-studies", "entityName": "lab", "displayName": "run", "config": "{}", "sweepName": None,
    "historyLineCount": 0,
}  # fmt: skip
STORAGE = "/storage/artifacts/"
_PROJECT = {"id": "p", "internalId": "p", "name": "glifr-studies", "entity": {"name": "lab"}}
_ARTIFACT = {
    "__typename": "Artifact", "id": "a", "versionIndex": 0, "artifactType": {"name": "report"}, "description": None,
    "artifactSequence": {"__typename": "ArtifactSequence", "name": "small", "project": _PROJECT}, "metadata": None,
    "ttlDurationSeconds": -2, "ttlIsInherited": True, "tags": [], "historyStep": None, "state": "COMMITTED", "size": 1,
    "digest": "d", "digestAlgorithm": "MANIFEST_MD5", "commitHash": "c", "fileCount": 1, "aliases": [],
    "createdAt": "2026-01-01T00:00:00Z", "updatedAt": None,
}  # fmt: skip


class WandbServer(ThreadingHTTPServer):
    """What it does with requests to GraphQL is `graphql`, with uploads of artifacts' files `storage`, else `rest`.

    Each is "answer", a status (500, 429, 401 ...), "hang" (no answer until the server ends) or "reset" (of the
    connection). rows: run id -> the lines of history that arrived. configs: of runs. asked: operations and paths,
    counted. keys: those that were shown.
    """

    daemon_threads = True

    def __init__(
        self, graphql: str | int = "answer", rest: str | int = "answer", storage: str | int = "answer"
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.graphql, self.rest, self.storage = graphql, rest, storage
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.configs: dict[str, dict[str, Any]] = {}
        self.asked: Counter[str] = Counter()
        self.keys: set[str] = set()
        self.down_after: int | None = None  # goes down once so many runs have sent rows
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_down()

    def go_down(self) -> None:
        """From now on nothing listens here."""
        if not self.ended.is_set():
            self.ended.set()
            self.shutdown()
            self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: WandbServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._note_key()
        path = self.path.partition("?")[0]
        if path == "/graphql":
            query = json.loads(body)
            self.server.asked[_operation(query["query"])] += 1
            self._reply(self.server.graphql, lambda: {"data": self._data(query["query"], query.get("variables") or {})})
            return
        stored = path.startswith(STORAGE)
        self.server.asked[STORAGE if stored else re.sub(r"^/files/.*/", "/files/.../", path)] += 1
        how = self.server.storage if stored else self.server.rest
        self._reply(how, lambda: self._received(path, body))

    do_GET = do_PUT = do_POST  # noqa: N815 - the names that http.server calls

    def _note_key(self) -> None:
        kind, _, code = self.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            self.server.keys.add(base64.b64decode(code).decode().partition(":")[2])

    def _reply(self, how: str | int, content: Any) -> None:
        if self.server.ended.is_set():  # connections that clients kept open
            how = "reset"
        if how == "hang":
            self.server.ended.wait()
        if how in ("hang", "reset"):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        text = json.dumps(content() if how == "answer" else {"errors": [{"message": "planted"}]}).encode()
        self.send_response(200 if how == "answer" else int(how))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _data(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        if "upsertBucket" in query:
            name = variables.get("name") or "unnamed"
            if variables.get("config"):
                told = json.loads(variables["config"])
                self.server.configs[name] = {k: v["value"] for k, v in told.items() if isinstance(v, dict)}
            run = {
                "id": base64.b64encode(name.encode()).decode(), "name": name, **_RUN,
                "displayName": variables.get("displayName") or name,
                "project": {"id": "p", "name": "glifr-studies", "entity": {"id": "e", "name": "lab"}},
            }  # fmt: skip
            return {"upsertBucket": {"bucket": run, "inserted": True}}
        if "createRunFiles" in query:
            files = [{"name": n, "uploadUrl": f"{self.server.url}/storage/{n}"} for n in variables["files"]]
            return {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}
        if (made := self._artifact(query, variables)) is not None:
            return made
        if "__schema" in query or "__type" in query:
            return {"__schema": {"queryType": {"fields": []}, "mutationType": {"fields": []}}}
        return {
            "viewer": {
                "id": "u", "entity": "lab", "username": "someone", "email": "a@b.c", "flags": "{}", "name": "someone",
                "admin": False, "teams": {"edges": []}, "apiKeys": {"edges": []},
            },
            "serverInfo": {
                "cliVersionInfo": {"max_cli_version": "99.0.0"}, "latestLocalVersionInfo": None, "features": [],
            },
        }  # fmt: skip

    def _artifact(self, query: str, variables: dict[str, Any]) -> dict[str, Any] | None:
        """What an artifact's way to the server asks for; None for anything else."""
        file = lambda name: {  # noqa: E731
            "id": "f", "name": name, "displayName": name, "storagePath": f"artifacts/{name}", "artifact": {"id": "a"},
            "uploadUrl": f"{self.server.url}{STORAGE}{name}", "uploadHeaders": [], "uploadMultipartUrls": None,
        }  # fmt: skip
        match _operation(query):
            case "ArtifactType":
                return {"project": {"artifact": None}}
            case "CreateArtifact":
                made = {"id": "a", "state": "PENDING", "artifactSequence": {"id": "s", "latestArtifact": None}}
                return {"createArtifact": {"artifact": made}}
            case "CreateArtifactManifest" | "UpdateArtifactManifest" as name:
                return {name[0].lower() + name[1:]: {"artifactManifest": {"id": "m", "file": file("manifest.json")}}}
            case "CreateArtifactFiles":
                files = [{"node": file(given["name"])} for given in variables["input"]["artifactFiles"]]
                return {"createArtifactFiles": {"files": {"edges": files}}}
            case "CommitArtifact":
                return {"commitArtifact": {"artifact": {"id": "a", "digest": "d"}}}
            case "ArtifactByID":
                return {"artifact": _ARTIFACT}
        return None

    def _received(self, path: str, body: bytes) -> dict[str, Any]:
        found = re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", path)
        if found:
            lines = json.loads(body).get("files", {}).get("wandb-history.jsonl", {}).get("content", [])
            self.server.rows.setdefault(found[1], []).extend(json.loads(line) for line in lines)
            if self.server.down_after is not None and len(self.server.rows) >= self.server.down_after:
                threading.Thread(target=self.server.go_down).start()
        return {"limits": {}, "exitcode": None}


def _operation(query: str) -> str:
    found = re.search(r"(?:query|mutation)\s+(\w+)", query)
    return found[1] if found else query.strip()[:20]
