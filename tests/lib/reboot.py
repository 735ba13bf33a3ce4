# SPDX-License-Identifier: Apache-2.0
"""A machine that goes down under a kedged, and comes up again."""
import contextlib
import os
import pathlib
import shutil
import signal
import uuid

import kedge


class Rebooted:
    """A daemon whose machine goes down: its processes are killed, its run directory is lost, and the boot id is another one."""

    def __init__(self, daemon):
        self.daemon = daemon

    def go_down(self):
        self.daemon.kill()
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if b"kedge-shim" in words and str(self.daemon.directory).encode() in words:
                os.kill(int(process.name), signal.SIGKILL)
        for directory in kedge.cgroup_directories(self.daemon.cgroup_parent):
            for group in [path for path in directory.iterdir() if path.is_dir()]:
                kedge.wait_for(lambda group=group: self.emptied(group))
        shutil.rmtree(self.daemon.run_directory)

    @staticmethod
    def emptied(group):
        for pid in (group / "cgroup.procs").read_text().split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            group.rmdir()
        except OSError:
            return False
        return True

    @contextlib.contextmanager
    def next_boot(self):
        """A kedged that is started meanwhile finds another boot id."""
        boot_id = self.daemon.directory / "boot_id"
        boot_id.write_text(f"{uuid.uuid4()}\n")
        plain = self.daemon.command
        self.daemon.command = lambda: ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                                       f"mount --bind {boot_id} /proc/sys/kernel/random/boot_id && exec \"$@\"", "sh", *plain()]
        try:
            yield
        finally:
            self.daemon.command = plain

    def come_up(self):
        with self.next_boot():
            self.daemon.start()
