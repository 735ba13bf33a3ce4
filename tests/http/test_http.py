# SPDX-License-Identifier: Apache-2.0
"""The HTTP server of src/http through its socket: what clients send that is slow, large, broken or early, and what they do not wait for."""
import json
import os
import re
import resource
import signal
import socket
import subprocess
import time

import pytest

DEMO = os.environ.get("HTTP_DEMO_SERVER", "build/tests/http/demo_server")


def wait_until_it_listens(server, seconds=30):
    deadline = time.monotonic() + seconds
    while True:
        try:
            return Client(server).close()
        except (FileNotFoundError, ConnectionRefusedError):  # the socket is there before anybody listens on it
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("http") / "sock")
    process = subprocess.Popen([DEMO, path])
    process.path = path
    wait_until_it_listens(process)
    yield process
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


class Client:
    def __init__(self, server):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(server.path)
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def read(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError
        self.pending += data

    def until(self, mark):
        while mark not in self.pending:
            self.read()
        head, self.pending = self.pending.split(mark, 1)
        return head

    def exactly(self, count):
        while len(self.pending) < count:
            self.read()
        data, self.pending = self.pending[:count], self.pending[count:]
        return data

    def headers(self):
        lines = self.until(b"\r\n\r\n").decode().split("\r\n")
        status = int(lines[0].split()[1])
        return status, {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}

    def chunks(self):
        while True:
            size = int(self.until(b"\r\n"), 16)
            data = self.exactly(size)
            assert self.exactly(2) == b"\r\n"
            if size == 0:
                return
            yield data

    def answer(self, head=False):
        status, headers = self.headers()
        if head or status in (101, 204, 304):
            return status, headers, b""
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, b"".join(self.chunks())
        return status, headers, self.exactly(int(headers["content-length"]))

    def ask(self, method, path, body=b"", headers=""):
        self.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return self.answer(method == "HEAD")

    def at_end(self):
        """True when the server closed the connection."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


@pytest.fixture
def client(server):
    with Client(server) as c:
        yield c


def gone(server):
    with Client(server) as c:
        return int(c.ask("GET", "/gone")[2])


def wait_gone(server, count):
    deadline = time.monotonic() + 5
    while gone(server) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    assert gone(server) == count


def cpu_ticks(server):
    fields = open(f"/proc/{server.pid}/stat").read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def check_memory(server, name, limit_kb):
    if "libasan" in open(f"/proc/{server.pid}/maps").read():
        return  # a sanitizer's own memory
    assert int(re.search(rf"^{name}:\s+(\d+)", open(f"/proc/{server.pid}/status").read(), re.M).group(1)) < limit_kb


def test_keep_alive(client):
    for _ in range(1000):
        assert client.ask("GET", "/ping")[2] == b"OK"


def test_head(client):
    status, headers, _ = client.ask("HEAD", "/ping")
    assert status == 200 and headers["content-length"] == "2" and headers["server"] == "demo"
    assert client.ask("GET", "/ping")[2] == b"OK"


def test_head_of_a_stream_ends_it(server, client):
    before = gone(server)
    assert client.ask("HEAD", "/stream?bytes=100000000")[0] == 200
    assert client.ask("GET", "/ping")[2] == b"OK"
    wait_gone(server, before + 1)


def test_pipelining(client):
    client.send("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n" * 50 + "GET /late?ms=20 HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    assert [client.answer()[2] for _ in range(52)] == [b"OK"] * 50 + [b"late"] * 2


def test_unknown_path_and_method(client):
    assert client.ask("GET", "/nothing")[::2] == (404, b'{"message":"page not found"}\n')
    assert client.ask("PUT", "/ping")[0] == 404
    assert client.ask("GET", "/ping/")[0] == 404


def test_error_with_hint(client):
    status, headers, body = client.ask("GET", "/fail")
    assert (status, headers["content-type"]) == (409, "application/json")
    assert json.loads(body) == {"message": 'name "x\n" is taken: take another', "hint": "take another"}


@pytest.mark.parametrize("path, expected", [
    ("/show/a?q=1", b"GET|a|1"),
    ("/show/a%2Fb", b"GET|a/b|-"),
    ("/show/%C3%A9?q=%7B%22a%22%3A1%7D", "GET|\u00e9|{\"a\":1}".encode()),
    ("/show/a?q=a+b%2B", b"GET|a|a b+"),
    ("/show/a?q", b"GET|a|"),
    ("/show/a?q=1&q=2", b"GET|a|1"),
    ("/images/host:5000/a/b:c/json", b"GET|host:5000/a/b:c|-"),
    ("/images/host%3A5000%2Fa/json", b"GET|host:5000/a|-"),
    ("/images/a/json/json", b"GET|a/json|-"),
])
def test_addresses(client, path, expected):
    assert client.ask("GET", path)[2] == expected


@pytest.mark.parametrize("path", ["/show/a%00b", "/show/%", "/show/%4", "/show/%zz", "/show/%ff", "/show/a?q=%00", "/show/a?q=%f",
                                  "/show/a?q=%c3%28", "/show/a?" + "&".join(f"a{i}=1" for i in range(513))], ids=range(9))
def test_bad_addresses(client, path):
    status, headers, body = client.ask("GET", path)
    assert status == 400 and headers["content-type"] == "application/json" and body.startswith(b'{"message":"')
    assert client.ask("GET", "/ping")[2] == b"OK"


@pytest.mark.parametrize("path", ["/show/", "/images//json", "/images/json", "/show/a/b", "//show/a"])
def test_parameters_are_never_empty(client, path):
    assert client.ask("GET", path)[0] == 404


def test_bodies(client):
    assert client.ask("POST", "/echo")[1]["content-length"] == "0"
    for size in (1, 1000, 100_000, 4 << 20):
        data = os.urandom(size)
        assert client.ask("POST", "/echo", data)[2] == data


def test_body_over_its_bound(client):
    assert client.ask("POST", "/small", b"x" * 1000)[0] == 200
    status, _, body = client.ask("POST", "/small", b"x" * 1001)
    assert status == 413 and body == b'{"message":"request body is larger than 1000 bytes"}\n'
    assert client.ask("GET", "/ping")[2] == b"OK"


def test_chunked_body_over_its_bound(client):
    client.send("POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.send("200\r\n" + "x" * 512 + "\r\n" + "200\r\n" + "x" * 512 + "\r\n0\r\n\r\n")
    assert client.answer()[0] == 413
    assert client.ask("GET", "/ping")[2] == b"OK"


def test_announced_body_far_over_its_bound_is_not_read(client):
    client.send(f"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {1 << 40}\r\n\r\n")
    assert client.answer()[0] == 413
    assert client.at_end()


def test_endless_chunked_body_is_cut(client):
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(2000):
            client.send(piece)


def test_expect_continue(client):
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert client.headers()[0] == 100
    client.send("abc")
    assert client.answer()[2] == b"abc"


def test_upload_streams(server, client):
    piece = b"4000\r\n" + b"y" * 0x4000 + b"\r\n"
    client.send("POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(4000):
        client.send(piece)
    client.send("0\r\n\r\n")
    assert client.answer()[2] == str(4000 * 0x4000).encode()
    check_memory(server, "VmHWM", 20_000)


def test_upload_that_ends_early(server, client):
    before = gone(server)
    client.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
    time.sleep(0.1)
    client.close()
    wait_gone(server, before + 1)


def test_upload_refused_at_once(client):
    assert client.ask("POST", "/refuse", b"z" * 100_000)[0] == 501
    assert client.ask("GET", "/ping")[2] == b"OK"


def test_large_headers(client):
    assert client.ask("GET", "/ping", headers="X-Registry-Auth: " + "a" * 12000 + "\r\n")[0] == 200
    client.send("GET /ping HTTP/1.1\r\nHost: x\r\nX-Large: ")
    try:
        client.send("a" * 200_000 + "\r\n\r\n")
        assert client.headers()[0] in (413, 431)
    except (BrokenPipeError, ConnectionResetError, EOFError):
        pass


@pytest.mark.parametrize("bytes_", [b"\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
                                    b"GET /ping HTTP/9.9\r\n\r\n", b"GET /ping HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                                    b"GET /ping HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
                                    b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"\0" * 1000],
                         ids=["empty", "short", "tls", "version", "negative", "overflow", "chunk", "nul"])
def test_garbage_harms_nobody(server, client, bytes_):
    client.send(bytes_)
    time.sleep(0.05)  # libmicrohttpd 0.9.75 does not see an end that comes together with empty lines
    client.socket.shutdown(socket.SHUT_WR)
    try:
        while client.socket.recv(4096):
            pass
    except ConnectionResetError:
        pass
    with Client(server) as other:
        assert other.ask("GET", "/ping")[2] == b"OK"


def test_slow_headers(server, client):
    for byte in "GET /ping HTTP/1.1\r\nHost: x\r\n":
        client.send(byte)
        with Client(server) as other:
            assert other.ask("GET", "/ping")[2] == b"OK"
    client.send("\r\n")
    assert client.answer()[2] == b"OK"


def test_late_answer(client):
    start = time.monotonic()
    assert client.ask("GET", "/late?ms=100")[2] == b"late"
    assert time.monotonic() - start > 0.09
    assert client.ask("GET", "/late?ms=0")[2] == b"late"


def test_client_leaves_before_its_answer(server, client):
    before = gone(server)
    client.send("GET /late?ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n")
    time.sleep(0.1)
    client.close()
    wait_gone(server, before + 1)


def test_half_closed_client_gets_its_answer(server, client):
    before = gone(server)
    client.send("GET /late?ms=300 HTTP/1.1\r\nHost: x\r\n\r\n")
    client.socket.shutdown(socket.SHUT_WR)
    assert client.answer()[2] == b"late"
    assert gone(server) == before


def test_stream_sends_headers_at_once(client):
    client.send("GET /ticks?ms=60000&count=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.headers()[0] == 200


def test_stream_ends_and_the_next_answer_follows(client):
    client.send("GET /ticks?ms=100&count=3 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.headers()[0] == 200
    assert list(client.chunks()) == [b"tick\n"] * 3
    assert client.ask("GET", "/ping")[2] == b"OK"


def test_large_stream_to_a_slow_client(server, client):
    client.send("GET /stream?bytes=100000000 HTTP/1.1\r\nHost: x\r\n\r\n")
    client.headers()
    time.sleep(0.3)
    check_memory(server, "VmRSS", 20_000)
    assert sum(len(chunk) for chunk in client.chunks()) == 100_000_000
    assert client.ask("GET", "/ping")[2] == b"OK"


def test_stream_to_http_1_0_ends_with_the_connection(client):
    client.send("GET /ticks?ms=0&count=2 HTTP/1.0\r\n\r\n")
    status, headers = client.headers()
    assert status == 200 and "transfer-encoding" not in headers
    assert client.exactly(10) == b"tick\ntick\n"
    assert client.at_end()


@pytest.mark.parametrize("path", ["/ticks?ms=60000&count=1", "/stream?bytes=100000000"])
def test_client_leaves_during_a_stream(server, path):
    before = gone(server)
    with Client(server) as c:
        c.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
        c.headers()
    wait_gone(server, before + 1)


def descriptors(server):
    return len(os.listdir(f"/proc/{server.pid}/fd"))


@pytest.mark.parametrize("path", ["/ticks?ms=60000&count=1", "/stream?bytes=100000000", "/ticks?ms=0&count=2"])
def test_who_leaves_is_let_go_beside_an_older_client(server, path):
    """One that was there before, and is idle, keeps nobody's socket open; neither does an HTTP/1.0 answer that has come to its end."""
    with Client(server) as older:
        older.send("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        older.headers()
        before = descriptors(server)
        for version in ("1.1", "1.0"):
            with Client(server) as c:
                c.send(f"GET {path} HTTP/{version}\r\nHost: x\r\n\r\n")
                c.headers()
            deadline = time.monotonic() + 10
            while descriptors(server) > before:
                assert time.monotonic() < deadline, version
                time.sleep(0.005)


def test_waiting_costs_no_time(server):
    clients = [Client(server) for _ in range(20)]
    for i, c in enumerate(clients):
        c.send(("GET /late?ms=60000", "GET /ticks?ms=60000&count=1", "GET /stream?bytes=100000000")[i % 3] + " HTTP/1.1\r\nHost: x\r\n\r\n")
    clients[0].socket.shutdown(socket.SHUT_WR)
    clients[1].socket.shutdown(socket.SHUT_WR)
    clients[3].send("GET /ping HTTP/1.1\r\n\r\n" * 3)  # pipelined behind what waits
    time.sleep(0.3)
    before = cpu_ticks(server)
    time.sleep(1)
    assert cpu_ticks(server) - before <= 2
    for c in clients:
        c.close()


def upgrade(path="/hijack", early=b"", body=b""):
    return (f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body + early)


@pytest.mark.parametrize("early", [b"", b"early bytes", b"e" * 10_000], ids=["none", "some", "much"])
@pytest.mark.parametrize("body", [b"", b'{"Detach":false}'], ids=["empty", "object"])
def test_hijack(client, early, body):
    client.send(upgrade(early=early, body=body))
    status, headers = client.headers()
    assert status == 101 and headers["content-type"] == "application/vnd.docker.raw-stream"
    assert headers["upgrade"] == "tcp" and headers["connection"].lower() == "upgrade"
    client.send("more")
    assert client.exactly(len(early) + 4) == early + b"more"
    client.socket.shutdown(socket.SHUT_WR)
    assert client.exactly(3) == b"bye"
    assert client.at_end()


def test_hijacked_connections_are_not_the_servers_any_more(server):
    clients = [Client(server) for _ in range(50)]
    for c in clients:
        c.send(upgrade())
        assert c.headers()[0] == 101
    before = cpu_ticks(server)
    time.sleep(0.5)
    assert cpu_ticks(server) - before <= 1
    for c in clients:
        c.send("x")
        assert c.exactly(1) == b"x"
        c.close()



def test_2000_idle_connections(server):
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (8192, 8192))
    clients = [Client(server) for _ in range(2000)]
    for c in clients:
        assert c.ask("GET", "/ping")[2] == b"OK"
    with Client(server) as other:
        for _ in range(100):
            assert other.ask("GET", "/ping")[2] == b"OK"
    check_memory(server, "VmRSS", 100_000)
    for c in clients:
        assert c.ask("GET", "/ping")[2] == b"OK"
        c.close()
