# SPDX-License-Identifier: Apache-2.0
"""No line is lost that the local log had room for: whoever is killed, however slow the receiver is. What is dropped is counted."""
import os
import pathlib
import signal
import stat
import subprocess
import time

import kedge
import receivers

COUNT = int(os.environ.get("KEDGE_LOG_LINES", "20000" if kedge.SOAK else "3000"))


def log_config(driver, **options):
    return {"LogConfig": {"Type": driver, "Config": {name.replace("_", "-"): value for name, value in options.items()}}}


def syslog_tcp(port, **options):
    return log_config("syslog", syslog_address=f"tcp://127.0.0.1:{port}", tag="t", **options)


def numbers_of(lines):
    """Numbers at the ends of syslog's lines, in the order of their first coming."""
    return list(dict.fromkeys(int(line.rsplit(b" ", 1)[-1]) for line in lines))


def kedge_log_of(box):
    """Process id of this kedged's kedge-log."""
    wanted = str(box.run_directory / "log" / "log.sock").encode()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"kedge-log") and wanted in words:
            return int(process.name)
    return None


def forwarding(box, identity):
    return box.inspect(identity)["LogForwarding"]


def wait_sent(box, identity, seconds=60):
    kedge.wait_for(lambda: forwarding(box, identity)["AllSent"], seconds)


SLOWLY = f"for i in $(seq {COUNT}); do echo line $i; [ $((i % 500)) = 0 ] && usleep 100000; done; true"


# ---- kills ------------------------------------------------------------------------------------------------------------------------

def test_killing_kedge_log_loses_no_line(box):
    receiver = receivers.Lines()
    identity = box.run_container(["sh", "-c", SLOWLY], host=syslog_tcp(receiver.port))
    killed = 0
    for part in (0.2, 0.5, 0.8):
        kedge.wait_for(lambda: len(receiver.lines) >= COUNT * part, 60)
        os.kill(kedge.wait_for(lambda: kedge_log_of(box)), signal.SIGKILL)
        killed += 1
    box.wait(identity)
    wait_sent(box, identity)
    assert killed == 3 and numbers_of(receiver.lines) == list(range(1, COUNT + 1))
    receiver.close()


def test_logs_are_sent_while_kedged_is_dead(box):
    receiver = receivers.Lines()
    identity = box.run_container(["sh", "-c", "while [ ! -e /go ]; do usleep 20000; done; echo line 1; sleep 1000"], host=syslog_tcp(receiver.port))
    kedge.wait_for(lambda: kedge_log_of(box))
    kedge_log = kedge_log_of(box)
    pid = box.inspect(identity)["State"]["Pid"]
    box.kill()
    (pathlib.Path(f"/proc/{pid}/root") / "go").touch()
    kedge.wait_for(lambda: numbers_of(receiver.lines) == [1], 30)
    box.start()
    assert kedge_log_of(box) == kedge_log
    receiver.close()


def test_a_receiver_that_is_killed_gets_the_rest_when_it_is_back(box):
    receiver = receivers.Lines()
    identity = box.run_container(["sh", "-c", SLOWLY], host=syslog_tcp(receiver.port))
    kedge.wait_for(lambda: len(receiver.lines) >= COUNT // 3, 60)
    receiver.reads.clear()  # what it has in its kernel is lost with it
    time.sleep(0.3)
    port, lines = receiver.port, list(receiver.lines)
    receiver.close()
    box.wait(identity)
    kedge.wait_for(lambda: forwarding(box, identity)["Error"], 30)
    again = receivers.Lines(port)
    wait_sent(box, identity)
    assert sorted(set(numbers_of(lines + again.lines))) == list(range(1, COUNT + 1))
    assert forwarding(box, identity)["LinesDropped"] == 0 and forwarding(box, identity)["Error"] == ""
    again.close()


def test_rsyslog_that_is_killed_loses_no_line(box, places):
    rsyslog = receivers.Rsyslog(places).start()
    options = {"syslog_address": f"unixgram://{rsyslog.socket}", "tag": "unix"}
    identity = box.run_container(["sh", "-c", SLOWLY], host=log_config("syslog", **options))
    kedge.wait_for(lambda: len(rsyslog.of("unix")) >= COUNT // 4, 60)
    rsyslog.kill()
    kedge.wait_for(lambda: forwarding(box, identity)["Error"], 30)
    rsyslog.start()
    box.wait(identity)
    wait_sent(box, identity)
    wanted = set(range(1, COUNT + 1))

    def missing():
        return wanted - {int(it["message"].rsplit(" ", 1)[-1]) for it in rsyslog.of("unix")}
    kedge.wait_for(lambda: not missing(), 30)
    rsyslog.close()


def test_journald_that_is_killed_gets_the_rest_when_it_is_back(box, places):
    journal = receivers.Journal(places.path / "run").start()
    identity = box.run_container(["sh", "-c", "while [ ! -e /go ]; do usleep 20000; done; for i in $(seq 200); do echo line $i; done"],
                                 host=log_config("journald"), name="killed")
    pid = box.inspect(identity)["State"]["Pid"]
    journal.kill()
    (pathlib.Path(f"/proc/{pid}/root") / "go").touch()
    box.wait(identity)
    kedge.wait_for(lambda: forwarding(box, identity)["Error"], 30)
    journal.start()
    wait_sent(box, identity)
    wanted = {f"line {i}" for i in range(1, 201)}
    kedge.wait_for(lambda: {it["MESSAGE"] for it in journal.entries("CONTAINER_NAME=killed")} == wanted, 30)
    journal.close()


def test_a_container_that_removes_itself_is_sent_to_its_end(box):
    receiver = receivers.Fluentd()
    box.run_container(["sh", "-c", "for i in $(seq 2000); do echo line $i; done"],
                      host={**log_config("fluentd", fluentd_address=f"127.0.0.1:{receiver.port}"), "AutoRemove": True})
    kedge.wait_for(lambda: len(receiver.records) >= 2000, 60)
    assert [record["log"] for _, _, record in receiver.records] == [f"line {i}" for i in range(1, 2001)]
    kedge.wait_for(lambda: not box.api.get("/containers/json?all=1"))
    receiver.close()


def test_a_new_kedged_sends_what_waits(box):
    """Neither kedged nor kedge-log were there when the receiver came: as after a power cut."""
    port = kedge.free_port()
    identity = box.run_container(["echo", "line 1"], host=syslog_tcp(port))
    box.wait(identity)
    box.kill()
    os.kill(kedge_log_of(box), signal.SIGKILL)
    receiver = receivers.Lines(port)
    box.start()
    wait_sent(box, identity)
    assert numbers_of(receiver.lines) == [1]
    receiver.close()


# ---- bounds -----------------------------------------------------------------------------------------------------------------------

SMALL = {"cache_max_size": "20k", "cache_max_file": "2"}
PADDING = 80 * "x"  # a pipe holds 64 kB, too
MANY = f"for i in $(seq 3000); do echo line {PADDING} $i; done; echo done > /finished"


def test_blocking_stops_the_container_only_when_the_log_is_full_and_unsent(box):
    port = kedge.free_port()
    identity = box.run_container(["sh", "-c", MANY + "; sleep 1000"], host=syslog_tcp(port, **SMALL))
    root = pathlib.Path(f"/proc/{box.inspect(identity)['State']['Pid']}/root")

    def logged():
        return len(box.log_text(identity).splitlines())
    kedge.wait_for(lambda: logged() > 200, 30)
    before = -1
    while before != (now := logged()):  # until it stands still
        before = now
        time.sleep(0.5)
    assert not (root / "finished").exists() and before < 3000
    receiver = receivers.Lines(port)
    kedge.wait_for(lambda: (root / "finished").exists(), 60)
    kedge.wait_for(lambda: numbers_of(receiver.lines) == list(range(1, 3001)), 60)
    assert forwarding(box, identity)["LinesDropped"] == 0
    receiver.close()


def test_non_blocking_drops_the_oldest_and_counts_them(box):
    port = kedge.free_port()
    identity = box.run_container(["sh", "-c", MANY], host=syslog_tcp(port, mode="non-blocking", **SMALL))
    assert box.wait(identity) == 0
    receiver = receivers.Lines(port)
    wait_sent(box, identity)
    numbers = numbers_of(receiver.lines)
    dropped = forwarding(box, identity)["LinesDropped"]
    assert numbers == sorted(numbers) and numbers[-1] == 3000 and dropped > 0
    assert len(numbers) + dropped == 3000
    assert box.api.get("/info")["LogLinesDropped"] == dropped
    kedge.wait_for(lambda: "lines were dropped unsent" in box.log(), 15)
    receiver.close()


def test_a_small_buffer_drops_more(box):
    port = kedge.free_port()
    identity = box.run_container(["sh", "-c", MANY], host=syslog_tcp(port, mode="non-blocking", max_buffer_size="4k"))
    box.wait(identity)
    kedge.wait_for(lambda: forwarding(box, identity)["LinesDropped"] > 2900, 30)
    receiver = receivers.Lines(port)
    wait_sent(box, identity)
    numbers = numbers_of(receiver.lines)
    assert numbers[-1] == 3000 and len(numbers) + forwarding(box, identity)["LinesDropped"] == 3000
    assert len(box.log_text(identity).splitlines()) == 3000  # the local log has its own bound
    receiver.close()


def test_what_is_given_up_is_dropped_in_pieces_and_counted(box):
    """More than is dropped in one turn, so that other logs go on meanwhile."""
    count, other = 60000, receivers.Lines()
    identity = box.run_container(["sh", "-c", f"yes {PADDING} | head -n {count}"],
                                 host=log_config("fluentd", fluentd_address=f"127.0.0.1:{kedge.free_port()}", fluentd_max_retries="1", fluentd_retry_wait="100ms",
                                                 mode="non-blocking", cache_max_size="100m"))
    box.wait(identity)
    kedge.wait_for(lambda: forwarding(box, identity)["LinesDropped"] >= count, 60)
    assert forwarding(box, identity)["LinesDropped"] == count and forwarding(box, identity)["LinesSent"] == 0
    box.run_container(["echo", "line 1"], host=syslog_tcp(other.port))
    kedge.wait_for(lambda: numbers_of(other.lines) == [1], 30)
    other.close()


def test_memory_goes_back_when_everything_is_sent(box):
    """Of a log that was read there stays what is known of it, not what was read."""
    receiver = receivers.Lines()

    def anonymous_kb():
        status = pathlib.Path(f"/proc/{kedge_log_of(box)}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:")))

    def log(count):
        made = [box.run_container(["sh", "-c", f"yes {PADDING} | head -n 3000; sleep 1000"], host=syslog_tcp(receiver.port)) for _ in range(count)]
        for identity in made:
            wait_sent(box, identity)
    log(1)
    before = anonymous_kb()
    log(15)
    if "sanitize" not in str(kedge.BIN):
        kedge.wait_for(lambda: anonymous_kb() < before + 15 * 60, 30)
    receiver.close()


def test_a_slow_receiver_gets_everything(box):
    receiver = receivers.Lines()
    receiver.reads.clear()
    identity = box.run_container(["sh", "-c", "for i in $(seq 400); do head -c 8000 /dev/zero | tr '\\0' x; echo \" $i\"; done"],
                                 host=syslog_tcp(receiver.port))
    box.wait(identity)
    kedge.wait_for(lambda: forwarding(box, identity)["LinesSent"], 30)
    assert not forwarding(box, identity)["AllSent"]
    receiver.reads.set()
    wait_sent(box, identity)
    assert numbers_of(receiver.lines) == list(range(1, 401))
    receiver.close()


def test_one_dead_receiver_holds_up_nobody_else(box):
    receiver = receivers.Lines()
    box.run_container(["sh", "-c", "echo x; sleep 1000"], host=log_config("syslog", syslog_address="tcp://192.0.2.1:514"))
    box.run_container(["sh", "-c", "echo x; sleep 1000"], host=log_config("syslog", syslog_address="tcp://no.such.name.invalid:514"))
    for number in range(1, 4):
        box.run_container(["echo", f"line {number}"], host=syslog_tcp(receiver.port))
    kedge.wait_for(lambda: sorted(numbers_of(receiver.lines)) == [1, 2, 3], 30)
    receiver.close()


def test_nothing_is_done_when_nothing_is_logged(box):
    receiver = receivers.Lines()
    if kedge_log_of(box):
        os.kill(kedge_log_of(box), signal.SIGKILL)  # it may still be busy with what other tests have left to it
    box.run_container(["sh", "-c", "echo line 1; sleep 1000"], host=syslog_tcp(receiver.port))
    kedge.wait_for(lambda: receiver.lines, 30)
    time.sleep(4.5)  # what was sent is sure

    def spent():
        fields = pathlib.Path(f"/proc/{kedge_log_of(box)}/stat").read_text().rsplit(")", 1)[1].split()
        switches = [line for line in pathlib.Path(f"/proc/{kedge_log_of(box)}/status").read_text().splitlines() if "voluntary" in line]
        return fields[11:13], switches
    before = spent()
    time.sleep(2)
    assert spent() == before
    receiver.close()


# ---- what it may do ---------------------------------------------------------------------------------------------------------------

def test_kedge_log_has_no_rights(box):
    receiver = receivers.Lines()
    box.run_container(["sh", "-c", "echo line 1; sleep 1000"], host=syslog_tcp(receiver.port))
    kedge.wait_for(lambda: receiver.lines, 30)
    status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{kedge_log_of(box)}/status").read_text().splitlines() if ":\t" in line)
    assert status["CapEff"] == status["CapPrm"] == status["CapBnd"] == "0" * 16 and status["NoNewPrivs"] == "1"
    assert "0" not in status["Uid"].split()
    if not os.environ.get("KEDGE_SANITIZED"):
        assert status["Seccomp"] == "2"
    receiver.close()
    socket = os.stat(box.socket)  # it has root's group, for the logs
    assert socket.st_gid != 0 or stat.S_IMODE(socket.st_mode) == 0o600


# ---- a full disk ------------------------------------------------------------------------------------------------------------------

def test_a_full_disk_drops_lines_and_heals(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "x", disk], check=True)
    daemon, receiver = kedge.Daemon(store=disk / "s"), receivers.Lines()
    try:
        daemon.start().load_busybox()
        identity = daemon.run_container(["sh", "-c", "echo line 1; while read n; do echo line $n; done"], OpenStdin=True, StdinOnce=False,
                                        host=syslog_tcp(receiver.port))
        kedge.wait_for(lambda: numbers_of(receiver.lines) == [1], 30)
        pid = daemon.inspect(identity)["State"]["Pid"]
        wait_sent(daemon, identity)

        def say(text):
            with open(f"/proc/{pid}/fd/0", "wb", buffering=0) as stdin:
                stdin.write(text)
        with open(disk / "filler", "ab", buffering=0) as filler:
            for size in (1 << 20, 4096, 512, 1):
                try:
                    while filler.write(b"\0" * size):
                        pass
                except OSError:
                    pass
        say(b"".join(b"%d\n" % number for number in range(2, 1002)))  # more than what is left of the log's last page
        kedge.wait_for(lambda: len(receiver.lines) > 1, 30)
        time.sleep(0.5)
        (disk / "filler").unlink()
        say(b"2000\n")
        kedge.wait_for(lambda: numbers_of([line for line in receiver.lines if b"line" in line and b"kedge:" not in line])[-1] == 2000, 30)
        notes = [line for line in receiver.lines if b"were not logged" in line]
        numbers = numbers_of([line for line in receiver.lines if b"were not logged" not in line])
        assert len(notes) == 1, notes
        dropped = int(notes[0].split(b"kedge: ")[1].split()[0])
        assert dropped > 0 and len(numbers) + dropped == 1002
        wait_sent(daemon, identity)
    finally:
        receiver.close()
        daemon.close()
        subprocess.run(["umount", "-l", disk], check=True)
