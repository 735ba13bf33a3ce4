# SPDX-License-Identifier: Apache-2.0
"""Registries for tests beside Debian's docker-registry: a token server, one that lies as it is told to, and certificates of any date.

All of them listen on loopback and write down what they were asked, so that a test can say what must not have been sent.
"""
import base64
import gzip
import hashlib
import http.server
import io
import json
import os
import pathlib
import socket
import ssl
import subprocess
import tarfile
import threading
import time
import urllib.parse

import kedge

MEDIA = {
    "manifest": "application/vnd.oci.image.manifest.v1+json",
    "index": "application/vnd.oci.image.index.v1+json",
    "config": "application/vnd.oci.image.config.v1+json",
    "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
    "docker-manifest": "application/vnd.docker.distribution.manifest.v2+json",
    "docker-list": "application/vnd.docker.distribution.manifest.list.v2+json",
    "docker-config": "application/vnd.docker.container.image.v1+json",
    "docker-layer": "application/vnd.docker.image.rootfs.diff.tar.gzip",
}


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


# ---- images ---------------------------------------------------------------------------------------------------------------------

class Image:
    """An image in memory: manifest, configuration and blobs by digest. Layers are any bytes: nobody unpacks them here."""

    def __init__(self, layers=(b"layer",), platform="linux/amd64", docker=False):
        system, architecture, *variant = platform.split("/")
        kind = "docker-" if docker else ""
        self.layers = [bytes(layer) for layer in layers]
        config = {"architecture": architecture, "os": system, "config": {"Cmd": ["true"]},
                  "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in self.layers]}}
        if variant:
            config["variant"] = variant[0]
        self.platform = {"os": system, "architecture": architecture, **({"variant": variant[0]} if variant else {})}
        self.config = json.dumps(config).encode()
        self.media_type = MEDIA[kind + "manifest"]
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": self.media_type,
            "config": {"mediaType": MEDIA[kind + "config"], "digest": digest(self.config), "size": len(self.config)},
            "layers": [{"mediaType": MEDIA[kind + "layer"], "digest": digest(layer), "size": len(layer)} for layer in self.layers],
        }).encode()
        self.digest = digest(self.manifest)
        self.blobs = {digest(data): data for data in [self.config, *self.layers]}

    def descriptor(self):
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.manifest), "platform": self.platform}

    def save(self, directory):
        """As the driver reads and writes images."""
        directory = pathlib.Path(directory)
        directory.mkdir(exist_ok=True)
        (directory / "manifest.json").write_bytes(self.manifest)
        (directory / "config.json").write_bytes(self.config)
        for name, data in self.blobs.items():
            (directory / name.split(":")[1]).write_bytes(data)
        return directory

    def check(self, directory):
        """All of the image is in the directory, byte for byte."""
        directory = pathlib.Path(directory)
        assert (directory / "manifest.json").read_bytes() == self.manifest
        assert (directory / "config.json").read_bytes() == self.config
        for layer in self.layers:
            assert (directory / digest(layer).split(":")[1]).read_bytes() == layer


class Unpackable(Image):
    """An image of this machine (or of platform) whose layers are compressed tars of these files: [{name: bytes}, ...]. config: what containers get of it."""

    def __init__(self, layers, platform=None, config=None):
        settings = config or {}
        tars = [self.tar(files) for files in layers]
        super().__init__([gzip.compress(tar, 1, mtime=0) for tar in tars], platform or "linux/" + kedge.mkimage.ARCHITECTURES[os.uname().machine])
        config = json.loads(self.config)
        config["rootfs"]["diff_ids"] = [digest(tar) for tar in tars]
        config["config"].update(settings)
        self.config = json.dumps(config).encode()
        manifest = json.loads(self.manifest)
        manifest["config"].update(digest=digest(self.config), size=len(self.config))
        self.manifest = json.dumps(manifest).encode()
        self.digest = digest(self.manifest)
        self.blobs = {digest(data): data for data in [self.config, *self.layers]}

    @staticmethod
    def tar(files):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(data), 0o755
                archive.addfile(info, io.BytesIO(data))
        return out.getvalue()


def index(images, docker=False):
    media_type = MEDIA["docker-list" if docker else "index"]
    return media_type, json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": [image.descriptor() for image in images]}).encode()


# ---- certificates ---------------------------------------------------------------------------------------------------------------

class Authority:
    """A CA of its own, in a directory."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(exist_ok=True)
        self.path = self.directory / "ca.crt"
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=test CA", "-keyout", "ca.key", "-out", "ca.crt")
        (self.directory / "index").write_text("")
        (self.directory / "settings").write_text(
            "[ca]\ndefault_ca=it\n[it]\nnew_certs_dir=.\ndatabase=index\nrand_serial=yes\ndefault_md=sha256\npolicy=any\ncopy_extensions=copy\n"
            "unique_subject=no\n[any]\ncommonName=supplied\n")

    def openssl(self, *arguments, data=None):
        return subprocess.run(["openssl", *arguments], cwd=self.directory, check=True, input=data, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL).stdout

    def issue(self, name, names="DNS:localhost,IP:127.0.0.1", start="20200101000000Z", end="20400101000000Z"):
        """Gives (certificate, key) paths."""
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}", "-keyout",
                     f"{name}.key", "-out", f"{name}.request")
        self.openssl("ca", "-batch", "-notext", "-config", "settings", "-cert", "ca.crt", "-keyfile", "ca.key", "-startdate", start,
                     "-enddate", end, "-in", f"{name}.request", "-out", f"{name}.crt")
        return self.directory / f"{name}.crt", self.directory / f"{name}.key"


# ---- HTTP servers that are told what to do --------------------------------------------------------------------------------------

class Request:
    def __init__(self, handler):
        parts = urllib.parse.urlsplit(handler.path)
        self.method, self.path, self.query = handler.command, parts.path, urllib.parse.parse_qs(parts.query)
        self.headers = handler.headers
        self.body = handler.rfile.read(int(self.headers.get("Content-Length", 0)))

    def __repr__(self):
        return f"{self.method} {self.path} {dict(self.headers)}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self):
        # Who tries TLS first is told at once that this is none, as servers in Go do.
        if not self.server.owner.tls and self.connection.recv(1, socket.MSG_PEEK) == b"\x16":
            return
        try:
            super().handle()
        except (ConnectionError, ssl.SSLError, socket.timeout):
            pass

    def log_message(self, *_):
        pass

    def serve(self):
        request = Request(self)
        with self.server.owner.lock:
            self.server.owner.requests.append(request)
        self.server.owner.answer(self, request)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_CONNECT = serve

    def reply(self, status, body=b"", headers=(), length=None, send=True):
        """length: what Content-Length says; None: the truth, "": nothing."""
        self.send_response(status)
        if length != "":
            self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        if length == "":
            self.send_header("Connection", "close")
        self.end_headers()
        if send and self.command != "HEAD":
            self.wfile.write(body)
        if length is not None:
            self.close_connection = True

    def refuse(self, status, code, message, headers=()):
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self.reply(status, body, {"Content-Type": "application/json", **dict(headers)})


class Server:
    def __init__(self, tls=None):
        """tls: (certificate, key)"""
        self.tls, self.requests, self.lock = tls, [], threading.Lock()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.owner, self.server.daemon_threads = self, True
        self.port = self.server.server_address[1]
        self.host = f"localhost:{self.port}"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def asked(self, part, method="GET"):
        return [request for request in self.requests if part in request.path and request.method == method]

    def answer(self, handler, request):
        raise NotImplementedError


class FakeRegistry(Server):
    """Serves images from memory. `rules` are (part of the path, function(handler, request)) that are asked first: one that gives False
    leaves the request to the next."""

    def __init__(self, tls=None):
        super().__init__(tls)
        self.manifests, self.blobs, self.rules = {}, {}, []
        self.elsewhere = {}  # (repository, digest): what may be mounted from there
        self.uploads, self.chunk_min = {}, None
        self.now = self.most = 0

    def add(self, image, *tags):
        self.blobs.update(image.blobs)
        for name in (image.digest, *tags):
            self.manifests[name] = (image.media_type, image.manifest)
        return image

    def add_index(self, tag, images, docker=False):
        for image in images:
            self.add(image)
        media_type, text = index(images, docker)
        for name in (tag, digest(text)):
            self.manifests[name] = (media_type, text)
        return digest(text)

    def rule(self, part):
        def keep(function):
            self.rules.append((part, function))
            return function
        return keep

    def answer(self, handler, request):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            for part, function in self.rules:
                if part in request.path and function(handler, request) is not False:
                    return
            self.honest(handler, request)
        finally:
            with self.lock:
                self.now -= 1

    def honest(self, handler, request):
        kind, _, name = request.path.rpartition("/")
        if request.path == "/v2/":
            handler.reply(200, b"{}")
        elif request.method == "PUT" and kind.endswith("/manifests"):
            self.manifests[name] = self.manifests[digest(request.body)] = (request.headers["Content-Type"], request.body)
            handler.reply(201, b"", {"Docker-Content-Digest": digest(request.body)})
        elif kind.endswith("/manifests") and name in self.manifests:
            media_type, text = self.manifests[name]
            handler.reply(200, text, {"Content-Type": media_type, "Docker-Content-Digest": digest(text)})
        elif kind.endswith("/manifests"):
            handler.refuse(404, "MANIFEST_UNKNOWN", "manifest unknown")
        elif kind.endswith("/blobs") and name in self.blobs:
            self.blob(handler, request, self.blobs[name])
        elif "/blobs/uploads/" in request.path:
            self.upload(handler, request, name)
        else:
            handler.refuse(404, "BLOB_UNKNOWN", "blob unknown to registry")

    def upload(self, handler, request, name):
        """As the OCI distribution spec has it: POST, PATCH in order, GET for what arrived, PUT."""
        if request.method == "POST":
            source = (request.query.get("from", [None])[0], request.query.get("mount", [None])[0])
            if source in self.elsewhere:
                self.blobs[source[1]] = self.elsewhere[source]
                return handler.reply(201, b"", {"Location": request.path.replace("uploads/", source[1])})
            name = f"u{len(self.uploads)}"
            self.uploads[name] = b""
            more = {"OCI-Chunk-Min-Length": str(self.chunk_min)} if self.chunk_min else {}
            return handler.reply(202, b"", {"Location": request.path + name, **more})
        if name not in self.uploads:
            return handler.refuse(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        if request.method == "PATCH" and request.headers["Content-Range"].split("-")[0] != str(len(self.uploads[name])):
            return handler.reply(416)
        self.uploads[name] += request.body
        if request.method == "PUT":
            data = self.uploads.pop(name)
            if digest(data) != request.query["digest"][0]:
                return handler.refuse(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
            self.blobs[digest(data)] = data
            return handler.reply(201)
        handler.reply(204 if request.method == "GET" else 202, b"", {
            "Location": request.path, **({"Range": f"0-{len(self.uploads[name]) - 1}"} if self.uploads[name] else {})})

    def blob(self, handler, request, data):
        asked = request.headers.get("Range")
        if not asked:
            handler.reply(200, data)
            return
        first = int(asked.removeprefix("bytes=").rstrip("-"))
        if first >= len(data):
            handler.reply(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        else:
            handler.reply(206, data[first:], {"Content-Range": f"bytes {first}-{len(data) - 1}/{len(data)}"})


class Proxy(Server):
    """Carries plain requests and tunnels to `routes` ({"registry.test:5000": Server}); names nobody else can resolve."""

    def __init__(self, routes):
        super().__init__()
        self.routes = routes

    def answer(self, handler, request):
        host = request.headers["Host"] if request.method == "CONNECT" else urllib.parse.urlsplit(handler.path).netloc
        if host not in self.routes:
            return handler.reply(502, b"no such host")
        with socket.create_connection(("127.0.0.1", self.routes[host].port)) as target:
            if request.method == "CONNECT":
                return self.tunnel(handler, target)
            path = handler.path.split(host, 1)[1]
            head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items() if name != "Proxy-Connection")
            target.sendall(f"{request.method} {path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode() + request.body)
            while data := target.recv(65536):
                handler.wfile.write(data)
            handler.close_connection = True

    @staticmethod
    def tunnel(handler, target):
        def pump(source, sink):
            try:
                while data := source.recv(65536):
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        handler.send_response(200)
        handler.end_headers()
        back = threading.Thread(target=pump, args=(target, handler.connection), daemon=True)
        back.start()
        pump(handler.connection, target)
        back.join()
        handler.close_connection = True


class TokenServer(Server):
    """Gives tokens that docker-registry accepts (auth: token), signed by a key whose certificate is its rootcertbundle."""

    issuer, service = "test issuer", "test registry"

    def __init__(self, authority, users=None, refresh=None, tls=None, offline=False):
        """users: {name: password}; without users anybody may pull. refresh: {identity token: name}. offline: gives identity tokens."""
        super().__init__(tls)
        self.offline = offline
        self.authority, self.users, self.refresh = authority, users or {}, refresh or {}
        self.certificate, self.key = authority.issue("token")

    def settings(self):
        return {"token": {"realm": self.url + "/token", "service": self.service, "issuer": self.issuer,
                          "rootcertbundle": str(self.authority.path)}}

    def sign(self, claims):
        def encode(data):
            return base64.urlsafe_b64encode(data).rstrip(b"=")
        der = self.authority.openssl("x509", "-in", str(self.certificate), "-outform", "DER")
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        text = encode(json.dumps(header).encode()) + b"." + encode(json.dumps(claims).encode())
        signature = self.authority.openssl("dgst", "-sha256", "-sign", str(self.key), data=text)
        return (text + b"." + encode(signature)).decode()

    def who(self, request, form):
        """The name, "" for nobody in particular, None for refused."""
        if request.method == "POST":
            return self.refresh.get(form.get("refresh_token", [""])[0])
        value = request.headers.get("Authorization")
        if not value:
            return ""
        name, _, password = base64.b64decode(value.removeprefix("Basic ")).decode().partition(":")
        return name if self.users.get(name) == password else None

    def answer(self, handler, request):
        form = urllib.parse.parse_qs(request.body.decode()) if request.method == "POST" else request.query
        name = self.who(request, form)
        if name is None:
            handler.refuse(401, "UNAUTHORIZED", "wrong password")
            return
        access = []
        for scope in form.get("scope", []):
            kind, resource, actions = scope.split(":")
            granted = [action for action in actions.split(",") if name or (not self.users and action == "pull")]
            access.append({"type": kind, "name": resource, "actions": granted})
        now = int(time.time())
        token = self.sign({"iss": self.issuer, "sub": name, "aud": self.service, "exp": now + 300, "nbf": now - 10, "iat": now,
                           "jti": str(now), "access": access})
        answer = {"token": token, "expires_in": 300}
        if name and self.offline and form.get("offline_token") == ["true"]:
            answer["refresh_token"] = f"identity of {name}"
            self.refresh[answer["refresh_token"]] = name
        handler.reply(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})
