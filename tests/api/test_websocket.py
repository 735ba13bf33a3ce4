# SPDX-License-Identifier: Apache-2.0
"""GET /containers/{id}/attach/ws: with a real client of websockets, with one that lies, and what is left of both."""
import fcntl
import hashlib
import os
import pathlib
import socket
import struct
import termios
import threading

import docker
import pytest

import kedge
import websocket_clients
from movable import Movable
from streams import Background, Events
from websocket_clients import ALL, BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Client, Raw, carrier, carriers, frame


@pytest.fixture
def ears(box):
    """The module's kedged; every kedge-ws has ended after the test."""
    yield box
    kedge.wait_for(lambda: not carriers(box), 15)


def cat(box, **config):
    return box.run_container(["cat"], OpenStdin=True, StdinOnce=True, **config)


# ---- what goes through ----

def test_a_whole_session(ears):
    identity = ears.create(["sh", "-c", "echo begin; cat; exit 5"], OpenStdin=True)
    client = Client(ears, identity)
    ears.start_container(identity)
    assert client.read_until(b"begin\n") == b"begin\n"  # from the first byte on
    client.send(b"one ")
    client.it.send("two\n")  # a message of text is input as well
    assert client.read_until(b"two\n") == b"one two\n"
    ears.api.post(f"/containers/{identity}/kill")
    assert client.read_all() == b"" and client.code == 1000
    assert client.opcodes == {BINARY}


def test_both_streams_without_heads(ears):
    identity = ears.create(["sh", "-c", "echo out; echo err >&2"])
    client = Client(ears, identity)
    ears.start_container(identity)
    assert sorted(client.read_all().split(b"\n")) == [b"", b"err", b"out"]


@pytest.mark.parametrize("version, query, expected", [
    ("", "stream=1&stdout=1", b"out"), ("/v1.42", "stream=1&stderr=1", b"err"), ("/v1.41", "stream=1", b"err,out"),
    ("/v1.41", "stream=1&stdout=0", b"err,out")])
def test_streams_that_are_asked_for(ears, version, query, expected):
    """Until 1.42 the parameters were unknown, and everything was attached."""
    identity = ears.create(["sh", "-c", "echo out; echo err >&2"])
    client = Client(ears, identity, query, version)
    ears.start_container(identity)
    assert b",".join(sorted(client.read_all().split())) == expected


def test_text_is_whole_characters(ears):
    """Until 1.28 messages were of text, which a client may refuse that is not UTF-8."""
    identity = ears.create(["sh", "-c", r"printf 'a\303'; read go; printf '\251\377\342\202'"], OpenStdin=True)
    client = Client(ears, identity, version="/v1.27")
    ears.start_container(identity)
    assert client.receive() == b"a"
    client.send(b"\n")
    assert client.read_all().decode() == "\u00e9\ufffd\ufffd\ufffd" and client.code == 1000
    assert client.opcodes == {TEXT}


def test_what_was_logged(ears):
    identity = ears.run_container(["sh", "-c", "echo early; echo wrong >&2; read go; echo late"], OpenStdin=True)
    kedge.wait_for(lambda: "early" in ears.log_text(identity) and "wrong" in ears.log_text(identity))
    assert Client(ears, identity, "logs=1&stdout=1").read_all() == b"early\n"
    client = Client(ears, identity, ALL + "&logs=1")
    assert sorted(client.read_until(b"early\n").split()) in ([b"early"], [b"early", b"wrong"])
    client.send(b"\n")
    assert client.read_until(b"late\n") and client.read_all() == b""


def test_nothing_at_all(ears):
    """Neither log nor stream: a websocket that is closed at once, as Docker has it."""
    client = Client(ears, ears.run_container(["cat"], OpenStdin=True), "stdin=1&stdout=1")
    assert client.read_all() == b"" and client.code == 1000


def test_a_terminal(ears):
    events = Events(ears)
    identity = ears.run_container(["sh", "-c", "stty size; cat"], Tty=True, OpenStdin=True,
                                  host={"ConsoleSize": [31, 97]})
    client = Client(ears, identity, ALL + "&logs=1&detachKeys=ctrl-x,q")
    client.read_until(b"31 97\r\n")
    client.send(b"word\n\x18")
    client.read_until(b"word\r\nword\r\n")
    client.send(b"q")
    client.read_all()
    assert client.code == 1000 and ears.inspect(identity)["State"]["Running"]
    kedge.wait_for(lambda: "detach" in events.of(identity))
    assert events.of(identity).count("attach") == 1
    events.close()


def test_megabytes_both_ways(ears):
    """Each direction moves while the other one waits."""
    identity = cat(ears)
    client = Client(ears, identity)
    data = hashlib.sha512(b"x").digest() * (1 << 16)
    sender = Background(client.send, data)  # one message of 4 MiB
    received = bytearray()
    while len(received) < len(data):
        received += client.receive()
    sender.result()
    assert received == data
    client.close()
    assert ears.wait(identity) == 0


def test_input_ends_with_its_client(ears):
    identity = ears.run_container(["sh", "-c", "cat | wc -c"], OpenStdin=True, StdinOnce=True)
    client = Client(ears, identity)
    for _ in range(30):
        client.send(b"x" * 10000)
    client.close()
    assert ears.wait(identity) == 0 and ears.log_text(identity).strip() == "300000"


def test_without_input(ears):
    """What is not wanted is dropped: the client still gets its pongs."""
    for query, config in ("stream=1&stdout=1", {"OpenStdin": True, "StdinOnce": True}), (ALL, {}):
        identity = ears.create(["cat"], **config)
        client = Raw(ears, identity, query)
        client.send(*[frame(BINARY, b"x" * 60000)] * 10, frame(PING, b"there?"))
        assert client.receive() == (PONG, b"there?")
        ears.api.delete(f"/containers/{identity}")
        assert client.closed() == 1000


def test_frames_that_come_with_the_request(ears):
    identity = cat(ears)
    early = frame(BINARY, b"early ", fin=False) + frame(CONTINUATION, b"x" * 20000)
    client = Raw(ears, identity, early=early + frame(BINARY, b" late")[:5])
    client.send(frame(BINARY, b" late")[5:])
    received = b""
    while len(received) < 20011:
        received += client.receive()[1]
    assert received == b"early " + b"x" * 20000 + b" late"
    client.send(frame(CLOSE, b"\x03\xe9bye"))
    assert client.closed() == 1001  # as it said
    assert ears.wait(identity) == 0


def test_fragments_and_what_comes_between(ears):
    identity = cat(ears)
    client = Raw(ears, identity)
    client.send(frame(TEXT, b"\xc3", fin=False), frame(PING, b"1" * 125), frame(CONTINUATION, b"\xa9", fin=False), frame(PONG, b"no matter"),
                frame(CONTINUATION, b"", fin=False), frame(CONTINUATION, b"!"), frame(BINARY, b""), frame(BINARY, b"."))
    pongs, text = [], b""
    while text != b"\xc3\xa9!.":
        opcode, data = client.receive()
        if opcode == PONG:
            pongs.append(data)
        else:
            text += data
    assert pongs == [b"1" * 125]
    client.send(frame(CLOSE))
    assert client.closed() is None
    assert ears.wait(identity) == 0


def test_docker_for_python(ears):
    """Its websockets are for TCP: here through a relay, as people have it before a unix socket."""
    identity = cat(ears)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=relay, args=(listener, ears), daemon=True).start()
        api = docker.APIClient(base_url=f"tcp://127.0.0.1:{listener.getsockname()[1]}", version="1.41")
        try:
            client = api.attach_socket(identity, {"stdin": 1, "stdout": 1, "stream": 1}, ws=True)
            client.send("words\n")
            assert client.recv() == b"words\n"
            client.close()
        finally:
            api.close()
    assert ears.wait(identity) == 0


def relay(listener, daemon):
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        far = websocket_clients.dial(daemon)
        for source, sink in (near, far), (far, near):
            threading.Thread(target=pump, args=(source, sink), daemon=True).start()


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


# ---- the handshake ----

HANDSHAKE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": websocket_clients.KEY}


def shake(box, identity, query=ALL, protocol="HTTP/1.1", **changes):
    """(status, headers, body) of an answer that is not followed by frames."""
    headers = {**HANDSHAKE, **{name.replace("_", "-"): value for name, value in changes.items()}}
    with websocket_clients.dial(box) as it:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
        it.sendall(f"GET {websocket_clients.target(identity, query)} {protocol}\r\nHost: x\r\n{lines}\r\n".encode())
        it.shutdown(socket.SHUT_WR)
        data = b""
        while more := it.recv(65536):
            data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    return int(first.split()[1]), {line.split(": ")[0].lower(): line.split(": ")[1] for line in rest}, body


def test_the_key_is_answered(ears):
    identity = ears.create(["true"])
    status, headers, _ = shake(ears, identity, Connection="keep-alive, upgrade", Upgrade="WebSocket", Sec_WebSocket_Protocol="tty")
    assert status == 101 and headers["sec-websocket-accept"] == websocket_clients.ACCEPT and headers["upgrade"] == "websocket"
    assert "upgrade" in headers["connection"].lower() and headers["sec-websocket-protocol"] == "tty" and "content-type" not in headers
    assert "sec-websocket-protocol" not in shake(ears, identity, Sec_WebSocket_Protocol="a, b")[1]  # there is none to choose


@pytest.mark.parametrize("changes, words", [
    ({"Upgrade": None}, b"this is for websockets alone"), ({"Upgrade": "tcp"}, b"this is for websockets alone"),
    ({"Connection": "keep-alive"}, b"this is for websockets alone"), ({"protocol": "HTTP/1.0"}, b"this is for websockets alone"),
    ({"Sec_WebSocket_Version": None}, b"Sec-WebSocket-Version"), ({"Sec_WebSocket_Version": "8"}, b"Sec-WebSocket-Version"),
    ({"Sec_WebSocket_Key": None}, b"Sec-WebSocket-Key"), ({"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25j"}, b"Sec-WebSocket-Key"),
    ({"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ=?"}, b"Sec-WebSocket-Key"), ({"Sec_WebSocket_Key": "x" * 5000}, b"Sec-WebSocket-Key"),
    ({"query": ALL + "&detachKeys=ctrl-9"}, b"Invalid detach keys (ctrl-9) provided")])
def test_what_is_no_handshake(ears, changes, words):
    status, headers, body = shake(ears, ears.create(["true"]), **changes)
    assert status == 400 and words in body, (status, body)
    assert (headers.get("sec-websocket-version") == "13") == (words == b"Sec-WebSocket-Version")
    assert not carriers(ears)


def test_containers_that_take_none(ears):
    assert shake(ears, "nosuch")[0] == 404
    identity = ears.run_container(["sleep", "60"])
    ears.api.post(f"/containers/{identity}/pause")
    status, _, body = shake(ears, identity)
    assert status == 409 and b"unpause the container before attach" in body


# ---- frames that are none ----

@pytest.mark.parametrize("wrong, code", [
    (frame(BINARY, b"x", mask=b""), 1002), (frame(3, b"x"), 1002), (frame(11), 1002), (frame(BINARY, b"x", rsv=4), 1002),
    (frame(BINARY, b"x", rsv=1), 1002), (frame(CONTINUATION, b"x"), 1002), (frame(BINARY, b"x", fin=False) + frame(BINARY, b"x"), 1002),
    (frame(CLOSE, b"\x03\xed"), 1002), (frame(PING, b"x", fin=False), None), (frame(PING, b"x" * 126), None),
    (frame(BINARY, b"x", length=1 << 40), 1009), (frame(BINARY, length=1 << 63), None), (b"\x82\xfe\0\1" + b"\0" * 5, None),
    (frame(TEXT, b"\xff"), 1007), (frame(TEXT, b"\xc3"), 1007), (frame(CLOSE, b"\x03\xe8\xff"), 1007)])
def test_frames_that_are_none(ears, wrong, code):
    """The client is told, what it said before is not lost, and its container goes on."""
    identity = ears.run_container(["sh", "-c", "read before; echo $before; sleep 60"], OpenStdin=True)
    client = Raw(ears, identity, "stream=1&stdin=1")
    client.send(frame(BINARY, b"before\n"), wrong)
    assert client.closed() == code
    kedge.wait_for(lambda: "before" in ears.log_text(identity))
    assert ears.inspect(identity)["State"]["Running"]


def memory(pid):
    """What the process has of its own, in bytes."""
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) << 10


def fill(client, data):
    """Sends until nothing is taken any more; how much was."""
    sent = 0
    client.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        while sent < 64 << 20:
            sent += client.socket.send(data[sent % len(data):])
    return sent


def test_pings_without_end(ears):
    client = Raw(ears, ears.run_container(["sleep", "60"]))
    assert fill(client, frame(PING, b"x" * 100) * 500) < 8 << 20
    pid = carrier(ears)
    assert memory(pid) < 4 << 20 or "sanitize" in str(kedge.BUILD)
    client.socket.close()


def test_a_program_that_does_not_read_holds_its_client_back(ears):
    identity = ears.run_container(["sh", "-c", "until [ -e /go ]; do sleep 0.02; done; cat | wc -c"], OpenStdin=True, StdinOnce=True)
    client = Raw(ears, identity)
    message = frame(BINARY, b"x" * 65536, mask=b"\0\0\0\0")
    sent = fill(client, message)
    assert sent < 4 << 20
    client.socket.settimeout(60)
    pathlib.Path(f"/proc/{ears.inspect(identity)['State']['Pid']}/root/go").touch()
    client.send(message[sent % len(message):] if sent % len(message) else b"", frame(CLOSE, b"\x03\xe8"))
    assert client.closed() == 1000
    ears.wait(identity)
    assert int(ears.log_text(identity)) == -(-sent // len(message)) * 65536


def test_a_slow_reader_loses_nothing(ears):
    identity = ears.create(["sh", "-c", "head -c 8000000 /dev/zero | tr '\\0' x"])
    client = Client(ears, identity)
    ears.start_container(identity)
    kedge.wait_for(lambda: unread(client.it.sock) > 1 << 16)
    pid = carrier(ears)
    assert ears.api.raw("GET", "/_ping")[0] == 200
    assert memory(pid) < 4 << 20 or "sanitize" in str(kedge.BUILD)
    assert client.read_all() == b"x" * 8000000 and client.code == 1000


def unread(it):
    return struct.unpack("i", fcntl.ioctl(it, termios.FIONREAD, bytes(4)))[0]


def test_what_a_carrier_may_do(ears):
    client = Client(ears, ears.create(["true"]))
    pid = carrier(ears)
    kedge.wait_for(lambda: "NoNewPrivs:\t1" in pathlib.Path(f"/proc/{pid}/status").read_text())
    fields = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["65534"] * 4 and fields["CapEff"] == fields["CapPrm"] == fields["CapBnd"] == "0" * 16
    if "sanitize" not in str(kedge.BUILD):
        kedge.wait_for(lambda: "Seccomp:\t2" in pathlib.Path(f"/proc/{pid}/status").read_text())
    assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2", "3", "4"]
    client.close()


# ---- ends, and what is left ----

def descriptors(pids):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


def shim_of(box, identity):
    pid = box.inspect(identity)["State"]["Pid"]
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def test_clients_that_leave_leave_nothing(ears):
    identity = ears.run_container(["cat"], OpenStdin=True)
    pids = [ears.process.pid, shim_of(ears, identity)]
    before = descriptors(pids)
    clients = [Client(ears, identity) for _ in range(12)]
    clients[-1].send(b"all\n")  # who is the last to be attached
    for client in clients:
        assert client.read_until(b"all\n") == b"all\n"
    for number, client in enumerate(clients):
        client.close() if number % 2 else client.vanish()
    kedge.wait_for(lambda: not carriers(ears) and descriptors(pids) <= before)
    assert ears.inspect(identity)["State"]["Running"]


def test_a_client_that_vanishes_before_the_start(ears):
    identity = ears.create(["true"])
    before = descriptors([ears.process.pid])
    client = Client(ears, identity)
    carrier(ears)
    client.vanish()
    kedge.wait_for(lambda: not carriers(ears) and descriptors([ears.process.pid]) <= before)


def test_a_client_that_never_closes_is_left(ears):
    """The container has ended, and the client does not answer the close frame."""
    identity = ears.run_container(["sleep", "60"])
    client = Raw(ears, identity)
    ears.api.delete(f"/containers/{identity}?force=1")
    kedge.wait_for(lambda: not carriers(ears), 15)
    assert client.closed() == 1000


@pytest.mark.skipif(not kedge.SOAK, reason="takes half a minute: make soak")
def test_a_client_that_never_reads_is_dropped(ears):
    """First its container goes on without it, then what carried it has ended."""
    identity = ears.create(["sh", "-c", "yes | head -c 8000000; echo end >&2; sleep 60"])
    client = Raw(ears, identity, "stream=1&stdout=1")
    ears.start_container(identity)
    kedge.wait_for(lambda: "end" in ears.log_text(identity), 30)
    kedge.wait_for(lambda: not carriers(ears), 30)
    with pytest.raises((EOFError, ConnectionResetError)):
        while client.receive()[0] != CLOSE:
            pass


def test_more_clients_than_are_served(ears):
    identity = ears.run_container(["cat"], OpenStdin=True)
    clients = [Client(ears, identity) for _ in range(64)]
    clients[-1].send(b"all\n")  # who is the last to be attached
    for client in clients:
        client.read_until(b"all\n")
    assert Client(ears, identity).read_all() == b""
    for client in clients:
        client.vanish()


def test_a_container_that_ends_at_that_moment(ears):
    for _ in range(int(os.environ.get("KEDGE_ATTACH_ROUNDS", "5"))):
        identity = ears.run_container(["true"])
        client = Client(ears, identity)
        ears.wait(identity)
        ears.api.delete(f"/containers/{identity}?force=1")
        assert client.read_all() == b"" and client.code == 1000


def test_it_goes_on_when_kedged_is_killed(daemon):
    identity = cat(daemon)
    client = Client(daemon, identity)
    waiting = Client(daemon, daemon.create(["true"]))
    kedge.wait_for(lambda: len(carriers(daemon)) == 2)  # they are started behind the answer
    daemon.kill()
    assert waiting.read_all() == b"" and waiting.code == 1000  # there is nobody who could start its container for it
    client.send(b"without kedged\n")
    client.read_until(b"without kedged\n")
    daemon.start()
    client.send(b"with the next one\n")
    client.read_until(b"with the next one\n")
    client.close()
    assert daemon.wait(identity) == 0


def test_it_goes_on_over_an_upgrade():
    daemon = Movable().start()
    try:
        daemon.load_busybox()
        client = Client(daemon, cat(daemon))
        identity = daemon.create(["sh", "-c", "echo out; echo err >&2"])
        waiting = Client(daemon, identity)
        daemon.upgrade()
        client.send(b"after\n")
        client.read_until(b"after\n")
        daemon.start_container(identity)
        assert sorted(waiting.read_all().split()) == [b"err", b"out"] and waiting.code == 1000  # still without heads
        client.close()
        kedge.wait_for(lambda: not carriers(daemon))
    finally:
        daemon.close()


def test_a_carrier_that_cannot_be_started(daemon, tmp_path):
    """The client's connection ends, the container is not touched."""
    libexec = tmp_path / "libexec"
    libexec.mkdir()
    for name in "kedge-shim", "kedge-fetch", "kedge-unpack", "kedge-pack":
        (libexec / name).symlink_to(kedge.BIN / name)
    daemon.stop()
    daemon.options = ["--libexec-dir", str(libexec)]
    daemon.start()
    identity = daemon.run_container(["sleep", "60"])
    with pytest.raises(EOFError):
        Raw(daemon, identity).receive()
    assert daemon.inspect(identity)["State"]["Running"] and "could not begin a websocket" in daemon.log()
