"""A Hugging Face Hub on loopback, in memory: as much of its HTTP API as the real client needs to publish and to load.

Create, preupload, LFS, commit, branches, repository info, file trees, and files with their etags. Two tokens are known:
``hf_writer`` belongs to ``someone``, who may write under that name; ``hf_reader`` may only read.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

TOKENS = {"hf_writer": "someone", "hf_reader": "reader"}
LARGE = (".safetensors", ".parquet", ".png", ".woff2")
DATE = "2026-01-01T00:00:00.000Z"


@dataclass
class Commit:
    title: str
    files: dict[str, bytes]

    @property
    def sha(self) -> str:
        listing = "".join(f"{path}{git_oid(content)}" for path, content in sorted(self.files.items()))
        return hashlib.sha1((self.title + listing).encode()).hexdigest()


@dataclass
class Repository:
    private: bool = False
    sdk: str | None = None
    branches: dict[str, list[Commit]] = field(default_factory=lambda: {"main": [Commit("initial commit", {})]})

    def find(self, revision: str) -> Commit | None:
        """The commit of a branch or a hash."""
        if revision in self.branches:
            return self.branches[revision][-1]
        return next((c for commits in self.branches.values() for c in commits if c.sha == revision), None)


def git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def describe(path: str, content: bytes) -> dict:
    """A file as trees list it."""
    entry = {"type": "file", "path": path, "size": len(content), "oid": git_oid(content)}
    if path.endswith(LARGE):
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return entry


class Refusal(Exception):
    """An answer other than 200; `more` goes into its body beside the message."""

    def __init__(self, status: int, message: str, code: str = "", **more):
        self.status, self.code, self.body = status, code, {"error": message} | more


class Hub:
    """The state, and what each address does with it. `refuse` makes the Hub say no where a test wants it to."""

    def __init__(self):
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.uploads: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.refusals: list[tuple[str, int, str]] = []

    def refuse(self, pattern: str, status: int, message: str) -> None:
        """Requests of which "METHOD path" matches the pattern are answered by this status."""
        self.refusals.append((pattern, status, message))

    def files(self, kind: str, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        return self.repositories[kind, repo_id].find(revision).files


ROUTES: list[tuple[str, re.Pattern, str]] = []


def route(method: str, path: str):
    """Marks a method of Handler as the answer to a path; {name} stands for what has no slash, {name*} for anything."""
    pattern = path.replace("{kind}", "(?P<kind>model|dataset|space)").replace("{id}", "(?P<id>[^/]+/[^/]+?)")
    pattern = pattern.replace("{prefix}", "(?P<kind>datasets/|spaces/|)")
    pattern = re.sub(r"\{(\w+)\*\}", r"(?P<\1>.*)", pattern)
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)

    def mark(function):
        ROUTES.append((method, re.compile(pattern + "$"), function.__name__))
        return function

    return mark


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *args):
        pass

    # What every request goes through

    def answer(self):
        url = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = f"{self.command} {url.path}"
        self.hub.requests.append(request)
        try:
            for pattern, status, message in self.hub.refusals:
                if re.search(pattern, request):
                    raise Refusal(status, message)
            for method, pattern, name in ROUTES:
                if method == self.command and (match := pattern.match(url.path)):
                    arguments = {key: unquote(value) for key, value in match.groupdict().items()}
                    arguments["kind"] = (arguments.get("kind") or "model").removesuffix("/").removesuffix("s")
                    if "id" in arguments:
                        arguments["repo_id"] = arguments.pop("id")
                    return getattr(self, name)(**arguments)
            raise Refusal(404, f"no such address: {request}")
        except Refusal as refusal:
            self.reply(refusal.body, refusal.status, {"X-Error-Code": refusal.code})

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    def reply(self, value, status: int = 200, headers: dict | None = None) -> None:
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        headers = {"Content-Length": str(len(content)), "X-Error-Message": ""} | (headers or {})
        if status >= 400:
            headers["X-Error-Message"] = value["error"]
        for name, text in headers.items():
            if text:
                self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def user(self) -> str | None:
        return TOKENS.get((self.headers.get("Authorization") or "").removeprefix("Bearer "))

    def require_writer(self, repo_id: str) -> None:
        if self.user() is None:
            raise Refusal(401, "Invalid username or password.")
        if self.user() != repo_id.split("/")[0]:
            raise Refusal(403, f"You don't have the rights to write to {repo_id}")

    def repository(self, kind: str, repo_id: str) -> Repository:
        repository = self.hub.repositories.get((kind, repo_id))
        if repository is None or repository.private and self.user() != repo_id.split("/")[0]:
            raise Refusal(401 if self.user() is None else 404, "Repository not found", "RepoNotFound")
        return repository

    def commit(self, kind: str, repo_id: str, revision: str) -> Commit:
        commit = self.repository(kind, repo_id).find(revision)
        if commit is None:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit

    # Accounts and repositories

    @route("GET", "/api/whoami-v2")
    def whoami(self, kind):
        if self.user() is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        self.reply({"type": "user", "name": self.user(), "orgs": [], "auth": {"type": "access_token"}})

    @route("POST", "/api/validate-yaml")
    def validate_yaml(self, kind):
        self.reply({"errors": [], "warnings": []})

    @route("POST", "/api/repos/create")
    def create(self, kind):
        wanted = json.loads(self.body)
        repo_id = f"{wanted.get('organization') or self.user()}/{wanted['name']}"
        kind = wanted.get("type") or "model"
        self.require_writer(repo_id)
        url = f"{self.address}/{'' if kind == 'model' else f'{kind}s/'}{repo_id}"
        if (kind, repo_id) in self.hub.repositories:
            raise Refusal(409, "You already created this repo", url=url)
        private = wanted.get("visibility") == "private"
        self.hub.repositories[kind, repo_id] = Repository(private, wanted.get("sdk"))
        self.reply({"url": url, "name": repo_id, "id": repo_id})

    @route("DELETE", "/api/repos/delete")
    def delete(self, kind):
        wanted = json.loads(self.body)
        repo_id = f"{wanted.get('organization') or self.user()}/{wanted['name']}"
        self.require_writer(repo_id)
        del self.hub.repositories[wanted.get("type") or "model", repo_id]
        self.reply({})

    @route("POST", "/api/{kind}s/{id}/branch/{branch*}")
    def branch(self, kind, repo_id, branch):
        self.require_writer(repo_id)
        branches = self.repository(kind, repo_id).branches
        if branch in branches:
            raise Refusal(409, f"Reference already exists: {branch}")
        branches[branch] = [branches["main"][-1]]
        self.reply({})

    @route("GET", "/api/{kind}s/{id}/revision/{revision}")
    def info_at(self, kind, repo_id, revision):
        commit, repository = self.commit(kind, repo_id, revision), self.repository(kind, repo_id)
        siblings = [{"rfilename": path} for path in sorted(commit.files)]
        named = {
            "_id": repo_id,
            "id": repo_id,
            "author": repo_id.split("/")[0],
            "lastModified": DATE,
            "createdAt": DATE,
        }
        state = {
            "private": repository.private,
            "gated": False,
            "disabled": False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
        }
        self.reply(named | state | {"sha": commit.sha, "siblings": siblings, "sdk": repository.sdk})

    @route("GET", "/api/{kind}s/{id}")
    def info(self, kind, repo_id):
        self.info_at(kind, repo_id, "main")

    @route("GET", "/api/{kind}s/{id}/refs")
    def refs(self, kind, repo_id):
        branches = self.repository(kind, repo_id).branches
        heads = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": c[-1].sha} for n, c in branches.items()]
        self.reply({"branches": heads, "tags": [], "converts": []})

    # Reading files

    @route("GET", "/api/{kind}s/{id}/tree/{revision}{folder*}")
    def tree(self, kind, repo_id, revision, folder):
        commit, folder = self.commit(kind, repo_id, revision), folder.strip("/")
        prefix = f"{folder}/" if folder else ""
        entries, folders = [], set()
        for path, content in sorted(commit.files.items()):
            if path.startswith(prefix):
                parts = path.removeprefix(prefix).split("/")
                folders.update(prefix + "/".join(parts[:depth]) for depth in range(1, len(parts)))
                if len(parts) == 1 or self.query.get("recursive", "").lower() == "true":
                    entries.append(describe(path, content))
        if folder and not entries:
            raise Refusal(404, f"{folder} does not exist", "EntryNotFound")
        if self.query.get("recursive", "").lower() != "true":
            folders = {path for path in folders if "/" not in path.removeprefix(prefix)}
        self.reply(entries + [{"type": "directory", "path": path, "oid": "0" * 40} for path in sorted(folders)])

    @route("POST", "/api/{kind}s/{id}/paths-info/{revision}")
    def paths_info(self, kind, repo_id, revision):
        files = self.commit(kind, repo_id, revision).files
        form = parse_qs(self.body.decode())
        wanted = form["paths"] if form else json.loads(self.body)["paths"]
        found = [describe(path, files[path]) for path in wanted if path in files]
        folders = [path for path in wanted if any(file.startswith(path.rstrip("/") + "/") for file in files)]
        self.reply(found + [{"type": "directory", "path": path, "oid": "0" * 40} for path in folders])

    def resolve(self, kind, repo_id, revision, path):
        commit = self.commit(kind, repo_id, revision)
        headers = {"X-Repo-Commit": commit.sha, "Accept-Ranges": "bytes"}
        if path not in commit.files:
            return self.reply({"error": "Entry not found"}, 404, headers | {"X-Error-Code": "EntryNotFound"})
        content = commit.files[path]
        entry = describe(path, content)
        headers["ETag"] = f'"{entry.get("lfs", entry)["oid"]}"'
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if wanted is None:
            return self.reply(content, 200, headers)
        first, last = int(wanted[1]), min(int(wanted[2] or len(content) - 1), len(content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self.reply(content[first : last + 1], 206, headers)

    @route("HEAD", "/{prefix}{id}/resolve/{revision}/{path*}")
    def look_at(self, kind, repo_id, revision, path):
        self.resolve(kind, repo_id, revision, path)

    @route("GET", "/{prefix}{id}/resolve/{revision}/{path*}")
    def download(self, kind, repo_id, revision, path):
        self.resolve(kind, repo_id, revision, path)

    # Writing files

    @route("POST", "/api/{kind}s/{id}/preupload/{revision}")
    def preupload(self, kind, repo_id, revision):
        self.require_writer(repo_id)
        files = self.commit(kind, repo_id, revision).files
        self.reply(
            {
                "files": [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                        "shouldIgnore": False,
                        "oid": git_oid(files[file["path"]]) if file["path"] in files else None,
                    }
                    for file in json.loads(self.body)["files"]
                ]
            }
        )

    @route("POST", r"/{prefix}{id}\.git/info/lfs/objects/batch")
    def batch(self, kind, repo_id):
        self.require_writer(repo_id)
        wanted = json.loads(self.body)["objects"]
        actions = [{"upload": {"href": f"{self.address}/lfs/{one['oid']}"}} for one in wanted]
        objects = [one | {"actions": action} for one, action in zip(wanted, actions, strict=True)]
        self.reply({"transfer": "basic", "objects": objects})

    @route("PUT", "/lfs/{oid}")
    def upload(self, kind, oid):
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise Refusal(400, "the content is not what was announced")
        self.hub.uploads[oid] = self.body
        self.reply({})

    @route("POST", "/api/{kind}s/{id}/commit/{revision}")
    def make_commit(self, kind, repo_id, revision):
        self.require_writer(repo_id)
        last = self.commit(kind, repo_id, revision)
        files, title = dict(last.files), ""
        for line in self.body.decode().splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                title = value["summary"]
            elif item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                if value["oid"] not in self.hub.uploads:
                    raise Refusal(400, f"{value['path']} was never uploaded")
                files[value["path"]] = self.hub.uploads[value["oid"]]
            elif item["key"] == "deletedFile":
                del files[value["path"]]
        commit = Commit(title, files)
        self.repository(kind, repo_id).branches[revision].append(commit)
        prefix = "" if kind == "model" else f"{kind}s/"
        url = f"{self.address}/{prefix}{repo_id}/commit/{commit.sha}"
        self.reply({"success": True, "commitOid": commit.sha, "commitUrl": url})

    @property
    def address(self) -> str:
        return f"http://{self.headers['Host']}"


@contextmanager
def serve():
    """A fresh Hub and its address, for as long as the block lasts."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"hub": hub}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
