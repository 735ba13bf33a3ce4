# SPDX-License-Identifier: Apache-2.0
"""A machine of its own in qemu: Debian's cloud kernel on an ext4 disk, for what this machine's kernel is not set up for.

The kernel has NVMe and ext4 built in, so it boots from the disk without an initramfs. Its package is downloaded and unpacked below build/, never
installed. Without KVM everything in the guest takes about ten times longer than outside.
"""
import pathlib
import re
import shutil
import subprocess
import time

import kedge

CACHE = kedge.TOP / "build" / "guest"
META_PACKAGE = "linux-image-cloud-amd64"
MODULES = ("fs/overlayfs/overlay.ko",)
NETWORK_MODULES = (  # each after those that it needs
    "lib/libcrc32c.ko", "drivers/net/veth.ko", "net/llc/llc.ko", "net/802/stp.ko", "net/bridge/bridge.ko",
    "net/ipv4/netfilter/nf_defrag_ipv4.ko", "net/ipv6/netfilter/nf_defrag_ipv6.ko", "net/netfilter/nf_conntrack.ko",
    "net/netfilter/nf_nat.ko", "net/netfilter/nfnetlink.ko", "net/netfilter/nf_conntrack_netlink.ko", "net/netfilter/nf_tables.ko",
    "net/netfilter/nft_chain_nat.ko", "net/netfilter/nft_nat.ko", "net/netfilter/nft_masq.ko", "net/netfilter/nft_ct.ko",
    "net/netfilter/nft_fib.ko", "net/ipv4/netfilter/nft_fib_ipv4.ko", "net/ipv6/netfilter/nft_fib_ipv6.ko",
    "net/netfilter/nft_fib_inet.ko", "net/ipv4/udp_tunnel.ko", "net/ipv6/ip6_udp_tunnel.ko", "net/sctp/sctp.ko")
UP = "GUEST UP"  # says guest_init.sh
TRIES = 3  # to come up: without KVM, on a busy machine, a kernel may panic over its timers
INIT = pathlib.Path(__file__).with_name("guest_init.sh")


def output_of(*words, **options):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    assert done.returncode == 0, f"{words[0]}: status {done.returncode}\n{done.stdout[-2000:]}"
    return done.stdout


# ---- the kernel -----------------------------------------------------------------------------------------------------------------

def kernel_package():
    """The package that the meta package stands for: linux-image-6.1.0-56-cloud-amd64."""
    found = re.search(r"Depends: (linux-image-\S+)", output_of("apt-cache", "depends", META_PACKAGE))
    assert found, f"package {META_PACKAGE} is not known: apt-get update"
    return found[1]


def unpack_kernel(package, directory):
    """Downloads the package and leaves "vmlinuz" and the modules in the directory."""
    work = directory.with_suffix(".part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    output_of("apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", package, cwd=work)
    output_of("dpkg", "-x", next(work.glob("*.deb")), work / "x")
    next(work.glob("x/boot/vmlinuz-*")).rename(work / "vmlinuz")
    for module in MODULES + NETWORK_MODULES:
        next(work.glob(f"x/lib/modules/*/kernel/{module}")).rename(work / pathlib.Path(module).name)
    shutil.rmtree(work / "x")
    next(work.glob("*.deb")).unlink()
    shutil.rmtree(directory, ignore_errors=True)  # one with fewer modules
    work.rename(directory)


def fetch_kernel():
    package = kernel_package()
    unpack_kernel(package, CACHE / package)
    return CACHE / package


def has_modules(directory):
    return all((directory / pathlib.Path(module).name).exists() for module in MODULES + NETWORK_MODULES)


def kernel_directory():
    """The newest build/guest/<package> with all modules; downloaded when there is none."""
    kept = sorted(path for path in CACHE.glob("linux-image-*") if path.suffix != ".part" and has_modules(path))
    if kept:
        return kept[-1]
    try:
        return fetch_kernel()
    except AssertionError:  # the package lists are missing or old
        output_of("apt-get", "update", "-qq")
        return fetch_kernel()


def module_files(modules=MODULES):
    return [kernel_directory() / pathlib.Path(module).name for module in modules]


# ---- the disk -------------------------------------------------------------------------------------------------------------------

class Run:
    """What a guest printed, the seconds until its script began (None: never) and until the end, and whether it powered off by itself."""

    def __init__(self, said, booted, ended, is_off):
        self.said, self.booted, self.ended, self.is_off = said, booted, ended, is_off

        parts = re.split(r"^RESULT (\S+) (ok|failed) \d+$", said, flags=re.M)
        self.results = {name: (result, text.split("\nLOG ")[0].strip()) for name, result, text in zip(parts[1::3], parts[2::3], parts[3::3])}

    def checked(self):
        """Itself, when the guest came up."""
        print(f"up after {self.booted:.1f} s, off after {self.ended:.1f} s" if self.booted else "did not come up")
        assert self.booted, self.said[-4000:]
        return self

    def check(self, name):
        """Fails with what the guest's test printed, unless its line "RESULT name ok seconds" is there."""
        assert name in self.results, f"no result; the guest's last words:\n{self.said[-4000:]}"
        result, text = self.results[name]
        assert result == "ok", text


def names_of(scripts, prefix):
    """The shell functions PREFIX_* in these files."""
    return [name for script in scripts for name in re.findall(rf"^({prefix}_\w+)\(\)", script.read_text(), re.M)]


def tests_of(scripts, prefix, *runtimes):
    """The names of the results of these functions with each runtime."""
    return [f"{name}-{runtime}" for runtime in runtimes for name in names_of(scripts, prefix)]


class Guest:
    """Its root is put together in directory/root; boot() makes a disk of it and runs it until it powers off."""

    words = "console=ttyS0 root=/dev/nvme0n1 rw quiet loglevel=2 panic=-1 mitigations=off no_timer_check"
    disk_size = "512M"
    reboots = False  # otherwise a reboot ends it, as after a panic

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.root = self.directory / "root"
        self.disk = self.directory / "disk.img"
        self.make_root()

    def make_root(self):
        for name in ("bin", "sbin", "lib64", "proc", "sys", "dev", "run", "tmp", "etc", "lib/modules", "var/lib", "usr/libexec/kedge"):
            (self.root / name).mkdir(parents=True)
        kedge.busybox_directory(self.root)
        for applet in output_of("busybox", "--list").split():
            if not (self.root / "bin" / applet).exists():
                (self.root / "bin" / applet).symlink_to("busybox")
        (self.root / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
        self.add(INIT, "sbin/init")
        for module in module_files():
            self.add(module, f"lib/modules/{module.name}")

    def add(self, source, target):
        """A file as it is."""
        place = self.root / target
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place)
        return self

    def add_program(self, source, target):
        """A program with its shared libraries."""
        self.add(source, target)
        listed = subprocess.run(["ldd", str(source)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            if not (self.root / library[1:]).exists():
                self.add(library, library[1:])
        return self

    def add_kedge(self):
        self.add_program(kedge.BIN / "kedge", "bin/kedge")
        self.add_program(kedge.BIN / "kedged", "sbin/kedged")
        for name in ("kedge-shim", "kedge-fetch", "kedge-unpack", "kedge-pack"):
            self.add_program(kedge.BIN / name, f"usr/libexec/kedge/{name}")
        for runtime in ("crun", "runc"):
            self.add_program(shutil.which(runtime), f"bin/{runtime}")
        return self

    def add_network(self):
        """What networks and published ports need; /lib/modules/network names the modules in the order to load them in."""
        for module in module_files(NETWORK_MODULES):
            self.add(module, f"lib/modules/{module.name}")
        names = "".join(f"/lib/modules/{module.name}\n" for module in module_files(NETWORK_MODULES))
        (self.root / "lib/modules/network").write_text(names)
        for name in ("nft", "ip"):
            self.add_program(shutil.which(name), f"sbin/{name}")
        for name in ("peer", "ask"):
            self.add_program(kedge.BUILD / "tests" / "probe" / name, f"bin/{name}")
        return self

    def make_disk(self):
        output_of("mke2fs", "-q", "-t", "ext4", "-d", self.root, self.disk, self.disk_size)

    def command(self):
        return ["qemu-system-x86_64", "-machine", "q35", "-cpu", "max", "-m", "1024", "-smp", "2", "-nographic", "-nodefaults",
                *([] if self.reboots else ["-no-reboot"]),
                "-serial", "stdio", "-kernel", str(kernel_directory() / "vmlinuz"),
                "-drive", f"if=none,id=disk,format=raw,cache=unsafe,file={self.disk}", "-device", "nvme,drive=disk,serial=disk",
                "-append", self.words]

    def boot(self, scripts, seconds):
        """Runs these scripts, one after the other in one shell, until the guest is off, for so many seconds at most."""
        (self.root / "test").write_text("".join(script.read_text() for script in scripts))
        for _ in range(TRIES):
            self.make_disk()
            run = self.run(seconds)
            if run.booted:
                break
        return run

    def run(self, seconds):
        begin = time.monotonic()
        booted, lines = None, []
        process = subprocess.Popen(["timeout", "-k", "1", str(seconds), *self.command()], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors="replace")
        for line in process.stdout:
            lines.append(line.rstrip())
            print(lines[-1], flush=True)
            if lines[-1].endswith(UP):  # after what the firmware draws
                booted = time.monotonic() - begin
        is_off = process.wait() == 0
        return Run("\n".join(lines), booted, time.monotonic() - begin, is_off)
