# SPDX-License-Identifier: Apache-2.0
"""A kedged whose program is replaced while it runs, and clients that must not notice."""
import json
import os
import shutil
import signal
import threading
import time

import kedge
from streams import Background


class Movable(kedge.Daemon):
    """A kedged whose program is a file of its own, to be replaced."""

    def command(self):
        self.program = self.directory / "kedged"
        if not self.program.exists():
            self.replace_program()
        return [str(self.program), *super().command()[1:]]

    def replace_program(self, source=None):
        fresh = self.directory / "kedged.new"
        shutil.copy(source or kedge.BIN / "kedged", fresh)
        os.rename(fresh, self.directory / "kedged")

    def configure(self, **settings):
        """Another kedged.yaml, read by a restart."""
        path = self.directory / "kedged.yaml"
        path.write_text(json.dumps(settings))
        if self.process:
            self.stop()
        self.options = ["--config", str(path)]
        self.start()

    def runs(self):
        """The file that the process is made of."""
        try:
            return os.stat(f"/proc/{self.process.pid}/exe").st_ino
        except OSError:
            return None

    def upgrade(self):
        self.replace_program()
        before, after = self.runs(), os.stat(self.program).st_ino
        assert before != after
        self.process.send_signal(signal.SIGHUP)
        kedge.wait_for(lambda: self.runs() == after, every=0.005)


class Hammer:
    """Asks over a new connection each time; all answers must be whole and right."""

    def __init__(self, daemon, target, good):
        self.daemon, self.target, self.good = daemon, target, good
        self.end = threading.Event()
        self.answers = 0
        self.longest = 0
        self.job = Background(self.run)

    def run(self):
        while not self.end.is_set():
            begin = time.monotonic()
            status, body = self.daemon.api.raw("GET", self.target)  # raises what a refused or a broken connection raises
            self.longest = max(self.longest, time.monotonic() - begin)
            assert status == 200 and self.good(body), (status, body)
            self.answers += 1

    def stop(self):
        self.end.set()
        self.job.result()
        return self.answers


class Keeper(Hammer):
    """Keeps its one connection, a thousand times a second: it never breaks."""

    def run(self):
        connection = kedge.UnixConnection(self.daemon.socket, 60)
        while not self.end.is_set():
            connection.auto_open = self.answers == 0
            begin = time.monotonic()
            connection.request("GET", self.target)
            answer = connection.getresponse()
            assert answer.status == 200 and self.good(answer.read())
            self.longest = max(self.longest, time.monotonic() - begin)
            self.answers += 1
            time.sleep(0.001)
        connection.close()
