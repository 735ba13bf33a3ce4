# SPDX-License-Identifier: Apache-2.0
"""A guest (guest.py) that is a small Debian: systemd is its first process, AppArmor is on, kedge comes as its package.

The root is made by debootstrap once for a list of packages and kept below build/. No udev, no login, no timers: what a test waits for is there
sooner. Programs that Debian's minimal root lacks are busybox's, in /opt/busybox.
"""
import hashlib
import pathlib
import shutil

import guest
from guest import output_of

PACKAGES = ("systemd-sysv", "kmod", "apparmor", "busybox-static", "runc")
SUITE = "bookworm"
TRIMMED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/i18n", "var/cache/apt", "var/lib/apt/lists")
MASKED = ("apparmor.service", "getty.target", "serial-getty@ttyS0.service", "systemd-logind.service", "systemd-update-utmp.service",
          "systemd-binfmt.service", "ldconfig.service", "systemd-journal-catalog-update.service", "systemd-pcrphase.service",
          "systemd-pcrphase-sysinit.service", "e2scrub_reap.service", "timers.target", "systemd-update-done.service",
          "dev-hugepages.mount", "dev-mqueue.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount")
SERVICE = """[Unit]
Description=the tests
After=basic.target

[Service]
ExecStart=/bin/sh /test
StandardOutput=file:/dev/ttyS0
StandardError=inherit
KillMode=process
TimeoutStopSec=5

[Install]
WantedBy=multi-user.target
"""


def mirror():
    """The mirror that this machine's APT uses."""
    places = [pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("*")]
    words = " ".join(place.read_text() for place in places if place.is_file()).split()
    found = [word for word in words if word.startswith("http") and word.rstrip("/").endswith("/debian") and "snapshot" not in word]
    assert found, "this machine's APT sources name no Debian mirror"
    return found[0]


def bootstrap(packages, root):
    output_of("debootstrap", "--variant=minbase", f"--include={','.join(packages)}", SUITE, root, mirror())
    for path in TRIMMED:
        shutil.rmtree(root / path, ignore_errors=True)


def cached_root(packages):
    """build/guest/debian-<packages>; made when it is not there."""
    words = sorted({*PACKAGES, *packages})
    kept = guest.CACHE / f"debian-{hashlib.sha256(repr((SUITE, words, TRIMMED)).encode()).hexdigest()[:12]}"
    if not kept.is_dir():
        for old in guest.CACHE.glob("debian-*"):
            shutil.rmtree(old)
        part = kept.with_suffix(".part")
        bootstrap(words, part)
        part.rename(kept)
    return kept


class DebianGuest(guest.Guest):
    words = guest.Guest.words + " apparmor=1 security=apparmor systemd.show_status=0 systemd.firstboot=0"
    disk_size = "768M"
    reboots = True

    def __init__(self, directory, packages):
        self.packages = packages
        super().__init__(directory)

    def make_root(self):
        output_of("cp", "-a", "--reflink=auto", cached_root(self.packages), self.root)
        self.add_modules()
        self.add_busybox()
        self.set_up_systemd()

    def add_busybox(self):
        busybox = self.root / "opt/busybox"
        busybox.mkdir(parents=True)
        for applet in output_of("busybox", "--list").split():
            (busybox / applet).symlink_to("/bin/busybox")

    def set_up_systemd(self):
        etc = self.root / "etc"
        units = etc / "systemd/system"
        for name in MASKED:
            (units / name).symlink_to("/dev/null")
        (units / "tests.service").write_text(SERVICE)
        (units / "multi-user.target.wants").mkdir(exist_ok=True)
        (units / "multi-user.target.wants/tests.service").symlink_to("/etc/systemd/system/tests.service")
        (etc / "systemd/journald.conf.d").mkdir()
        (etc / "systemd/journald.conf.d/guest.conf").write_text("[Journal]\nStorage=volatile\n")
        (etc / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
        (etc / "fstab").write_text("")

    def add_modules(self):
        """Where modprobe, which the kernel calls for a file system that it does not know, finds them."""
        release = guest.kernel_directory().name.removeprefix("linux-image-")
        for module in guest.module_files():
            self.add(module, f"lib/modules/{release}/kernel/{module.name}")
        output_of("chroot", self.root, "depmod", release)
