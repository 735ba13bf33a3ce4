# SPDX-License-Identifier: Apache-2.0
"""A guest with declared containers whose power is cut, its disk's volatile write cache with it (volatile_disk.py), and what must be found after
each cut: whatever kedge had said was done.

A Device is cut, booted, judged, cut again. Its script, tests/qemu/power.sh, tells what it is about to do and what was done; Known is what follows from
that, and judge() holds a boot's report against it.
"""
import json
import pathlib
import random
import shutil
import subprocess
import threading

import guest
import kedge

HERE = pathlib.Path(__file__).parent
SCRIPTS = [HERE.parent / "qemu" / name for name in ("core.sh", "plain.sh", "trees.sh", "power.sh")]
NAMES, VERSIONS = ("web", "api", "job", "log"), ("1", "2", "3", "4")
MOUNTS = ("commit=3600,noauto_da_alloc", "commit=1", "defaults")  # almost never by itself; often; as it comes
BOOT_SECONDS = 1800  # far more than a busy machine takes


# ---- the machine ----------------------------------------------------------------------------------------------------------------

class PowerGuest(guest.Guest):
    """The root is read only; what is cut is a second disk, and a third one says what is done next."""
    words = guest.Guest.words.replace(" rw ", " ro ")

    def __init__(self, directory):
        super().__init__(directory)
        self.add_kedge().add(kedge.BUILD / "tests/probe/nosync.so", "lib/nosync.so")
        for name in ("data", "registry", "known", "var/lib/kedge", "etc/kedge"):
            (self.root / name).mkdir(parents=True)
        self.add_images()
        (self.root / "test").write_text("".join(script.read_text() for script in SCRIPTS))
        self.make_disk()

    def add_images(self):
        """A registry of files, which a web server that knows nothing of registries serves."""
        (self.root / "registry/httpd.conf").write_text(f".json:{kedge.mkimage.MEDIA}manifest.v1+json\n")
        base = kedge.busybox_directory(self.directory / "base")
        self.add_known(base)
        for version in VERSIONS:
            layer = self.content(version)
            self.add_known(layer)
            self.add_image(version, [base, layer])

    def add_image(self, version, directories):
        place = self.root / "registry/v2/power/app"
        for name in ("blobs", "manifests"):
            (place / name).mkdir(parents=True, exist_ok=True)
        layers = [kedge.mkimage.layer_tar(str(directory), {}) for directory in directories]
        files = kedge.mkimage.image_layout(f"app:{version}", layers, {"Env": ["PATH=/bin"]})
        blobs = {"sha256:" + path.rpartition("/")[2]: data for path, data in files.items() if path.startswith("blobs/")}
        for digest, data in blobs.items():
            (place / "blobs" / digest).write_bytes(data)
        (place / "manifests" / f"{version}.json").write_bytes(blobs[json.loads(files["index.json"])["manifests"][0]["digest"]])

    def content(self, version):
        """A layer of small files, a link, a larger file, and their digests."""
        directory = self.directory / f"layer{version}"
        power = directory / "power"
        power.mkdir(parents=True)
        chance = random.Random(version)
        for number in range(24):
            (power / f"small{number}").write_bytes(chance.randbytes(chance.randrange(1, 9000)))
        (power / "large").write_bytes(chance.randbytes(700000))
        (power / "version").symlink_to(f"version-{version}")
        guest.output_of("sh", "-c", "sha256sum large small* >sums", cwd=power)
        return directory

    def add_known(self, directory):
        lines = "".join(guest.output_of("busybox", "sh", "-c", f". {HERE.parent}/qemu/trees.sh; lines_of_tree {directory} | sha256sum"))
        (self.root / "known" / lines.split()[0]).touch()

    def known(self):
        return {path.name for path in (self.root / "known").iterdir()}

    def command(self):
        words = super().command()
        at = words.index("-drive")
        words[words.index("-smp") + 1], words[words.index("-m") + 1] = "1", "512"
        drives = [("root", f"driver=file,filename={self.disk},read-only=on"), ("orders", f"driver=file,filename={self.directory}/orders,read-only=on")]
        data = f"driver=nbd,server.type=unix,server.path={self.directory}/socket,reconnect-delay=3600,open-timeout=60,node-name=data"
        return [*words[:at], "-blockdev", data, *[word for name, how in drives for word in ("-blockdev", f"{how},node-name={name}")],
                "-device", "nvme,serial=disk", *[word for number, name in enumerate(("root", "data", "orders"), 1)
                                                 for word in ("-device", f"nvme-ns,drive={name},nsid={number}")],
                "-append", self.words]


class Boot:
    """One life of the guest, from power to power cut; lines() are what it says."""

    def __init__(self, machine, disk, orders):
        directory = machine.directory
        self.arm = directory / "arm"
        for path in (self.arm, self.done_path(), directory / "socket"):
            path.unlink(missing_ok=True)
        (directory / "orders").write_bytes(orders.encode().ljust(65536, b"\0"))
        self.disk = subprocess.Popen(["nbdkit", "--exit-with-parent", "-U", str(directory / "socket"), "python", str(HERE / "volatile_disk.py"),
                                      f"file={disk}", f"arm={self.arm}"])
        kedge.wait_for((directory / "socket").exists)
        self.said = []
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *machine.command()], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, errors="replace")
        threading.Thread(target=self.follow_disk, daemon=True).start()

    def follow_disk(self):
        """The machine goes with its disk, and does not stay for ever."""
        try:
            self.disk.wait(BOOT_SECONDS)
        except subprocess.TimeoutExpired:
            self.disk.kill()
        self.process.kill()

    def done_path(self):
        return self.arm.with_suffix(".done")

    def order_cut(self, **order):
        beside = self.arm.with_suffix(".new")
        beside.write_text(json.dumps(order))
        beside.rename(self.arm)

    def lines(self):
        """Whole lines until the power is gone."""
        for line in self.process.stdout:
            if not line.endswith("\n"):
                break
            self.said.append(line.rstrip())
            print(self.said[-1], flush=True)
            yield self.said[-1]

    def is_up(self):
        """Else the emulator or its kernel failed, before anything touched the disk."""
        return any(line.endswith(guest.UP) for line in self.said)

    def ended(self):
        """How it did, in words, with its last ones."""
        return f"qemu with {self.process.poll()}, the disk with {self.disk.poll()}:\n" + "\n".join(self.said[-40:])

    def cut(self):
        """The disk first: nothing of what it has not written may be written any more. How much was lost, where the disk counted it."""
        for process in (self.disk, self.process):
            process.kill()
            process.wait()
        self.process.stdout.close()
        return json.loads(self.done_path().read_text()) if self.done_path().exists() else None


# ---- what is known of it --------------------------------------------------------------------------------------------------------

class Known:
    """What a device must have after a cut, from what its kedge said before: for each name the versions that its file may have (None: no file),
    who must run, the images that must and may be there. What was begun and not reported as done may be either."""

    def __init__(self):
        self.files = {name: {None} for name in NAMES}
        self.running, self.images, self.maybe = set(), set(), set()
        self.template = None

    def text(self, name, version):
        return self.template.replace("NAME", name).replace("VERSION", version)

    def learn_text(self, text, name, version):
        """How kedge writes a declaration is its own affair, as long as it is always the same."""
        self.template = text.replace(f"name: {name}\n", "name: NAME\n").replace(f"app:{version}.json", "app:VERSION.json")

    def hear(self, line):
        """A line of the guest's work."""
        word, _, rest = line.partition(" ")
        verb, _, what = rest.partition(" ")
        if word in ("TRY", "DID", "REFUSED"):
            note = getattr(self, f"{verb}_{word.lower()}", None)
            assert note, line
            note(*what.split())
        elif word == "REACHED":
            self.running.add(verb)
            self.images.add(what)

    def apply_try(self, name, version):
        self.files[name] = self.files[name] | {version}
        self.maybe.add(version)

    def apply_did(self, name, version):
        self.files[name] = {version}

    def delete_try(self, name):
        self.files[name] = self.files[name] | {None}
        self.running.discard(name)

    def delete_did(self, name):
        self.files[name] = {None}

    def delete_refused(self, name):
        """There was none, since what was not reported as done had been done."""

    def pull_try(self, version):
        self.maybe.add(version)

    def pull_did(self, version):
        self.images.add(version)

    def rmi_try(self, version):
        self.images.discard(version)

    def rmi_did(self, version):
        self.maybe.discard(version)

    def rmi_refused(self, version):
        """It is in use, and stays."""

    def is_be(self, found):
        """From now on it is as a report found it."""
        self.files = {name: {found.versions.get(name)} for name in NAMES}
        self.images = set(found.images)
        self.maybe = self.images | {version for version in found.versions.values() if version}  # to be pulled when there is a registry
        self.running = {name for name, entry in found.declared.items() if state_of(entry) == "running"}


def state_of(entry):
    return entry.get("container", {}).get("state", "absent")


class Found:
    """A boot's report."""

    def __init__(self, lines):
        self.sections, text = {}, None
        for line in lines:
            if line.startswith("SECTION "):
                text = self.sections.setdefault(line[8:], [])
            elif text is not None:
                text.append(line)
        self.get = json.loads("\n".join(self.sections["get"]))
        self.declared = {entry["name"]: entry for entry in self.get["containers"]}
        self.images = {tag.removesuffix(".json") for tag in self.sections["images"]}
        self.texts = self.read_texts()
        self.versions = {}

    def read_texts(self):
        texts = {}
        for line in self.sections["files"]:
            if line.startswith("FILE "):
                name = line[5:]
                texts[name] = ""
            else:
                texts[name] += line + "\n"
        return texts


def judge(known, found, trees):
    """What is not as kedge said, in words: nothing for a device that keeps its word. trees: the names of those that are known (trees.sh)."""
    return [*judge_files(known, found), *judge_containers(known, found), *judge_images(known, found, trees), *judge_store(known, found)]


def judge_files(known, found):
    for name in NAMES:
        text = found.texts.get(f"{name}.yaml")
        whole = [version for version in VERSIONS if text == known.text(name, version)]
        found.versions[name] = whole[0] if whole else None
        if text is not None and not whole:
            yield f"the file of {name} is not whole: {text!r}"
        elif found.versions[name] not in known.files[name]:
            yield f"the file of {name} has version {found.versions[name]}, not one of {known.files[name]}"
    for file in sorted(set(found.texts) - {f"{name}.yaml" for name in NAMES}):
        yield f"a file of nobody: {file}"


def judge_containers(known, found):
    for name, entry in found.declared.items():
        version = found.versions.get(name)
        if not entry["asDeclared"] and version in found.images:
            yield f"{name} is not as declared, and its image is there: {entry['reason']}"
        elif state_of(entry) != "running" and (entry["asDeclared"] or name in known.running):
            yield f"{name} is {state_of(entry)}"
    for name in sorted(set(found.sections["containers"]) - set(found.declared)):
        yield f"a container that nobody declares: {name}"
    if found.get["problems"] or found.get["leaving"]:
        yield f"problems {found.get['problems']}, leaving {found.get['leaving']}"


def judge_images(known, found, trees):
    for version in sorted(known.images - found.images):
        yield f"image {version} is lost"
    for version in sorted(found.images - known.maybe):
        yield f"image {version} was removed, and is back"
    layers = [line.split()[1:] for line in found.sections["layers"] if line.startswith("LAYER ")]
    if found.images and len(layers) < 1 + len(found.images):
        yield f"{len(layers)} layers for {len(found.images)} images"
    for number, tree in layers:
        if tree not in trees:
            yield f"files of layer {number} are damaged"
    for line in found.sections["blobs"]:
        yield f"a damaged blob: {line}"


def judge_store(known, found):
    if found.sections["check"][-1] != "status 0":
        yield f"kedge system check: {found.sections['check']}"
    if any(version for version in found.versions.values()) and found.sections["snapshots"][-1] != "status 0":
        yield f"no snapshot: {found.sections['snapshots']}"
    for line in found.sections["filesystem"]:
        yield f"the file system: {line}"


# ---- what it does ---------------------------------------------------------------------------------------------------------------

def work_of(chance, known):
    """Orders for a boot, for the state in which the device is likely to be."""
    files = {name: sorted(versions, key=str)[-1] for name, versions in known.files.items()}
    steps = [f"rmi {version}" for version in sorted(known.maybe - set(files.values())) if chance.random() < 0.6]
    for _ in range(12):
        name, version = chance.choice(NAMES), chance.choice(VERSIONS)
        if files[name] is None or chance.random() < 0.65:
            steps.append(f"apply {name} {version}")
            files[name] = version
        elif chance.random() < 0.6:
            steps.append(f"delete {name}")
            files[name] = None
        else:
            steps.append(f"pull {version}{chance.choice(('', ' &'))}")
    return steps


def script_of(steps, mount, more=""):
    return f"MOUNT={mount}\n{more}\nwork() {{\n" + "\n".join([*steps, ":"]) + "\n}\n"


class Moment:
    """When the power goes: at the N-th write, flush, or word of kedge's; of what was not flushed so much is kept."""

    def __init__(self, event, count, kept=0.0, at_boot=False, seed=0):
        self.event, self.count, self.kept, self.at_boot, self.seed = event, count, kept, at_boot, seed

    def __str__(self):
        return f"{self.event} {self.count}{' of the boot' if self.at_boot else ''}, {self.kept:.0%} of the unflushed kept"

    def order(self):
        return {"event": self.event, "count": self.count, "kept": self.kept, "seed": self.seed}


def some_moment(chance):
    at_boot = chance.random() < 0.15
    event = chance.choice(("write", "flush") if at_boot else ("write", "flush", "word"))
    count = chance.randint(1, {"write": 40 if at_boot else 500, "flush": 8 if at_boot else 60, "word": 12}[event])
    kept = 0.0 if event == "word" else chance.choice((0.0, chance.random(), chance.random()))  # at a word the disk is killed
    return Moment(event, count, kept, at_boot, chance.randrange(1 << 32))


class Device:
    """begin() gives it power and tells what it finds; work() lets it work until the power goes."""

    def __init__(self, directory):
        self.machine = PowerGuest(directory)
        self.trees = self.machine.known()
        self.disk = self.machine.directory / "data.img"
        self.known = Known()
        guest.output_of("mke2fs", "-q", "-t", "ext4", "-J", "size=4", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.disk, "256M")
        self.boot = None
        self.begin(["apply web 1", "apply api 2", "apply job 3"], Moment("word", 6))
        self.work()
        first = self.begin([], Moment("word", 1))
        self.known.learn_text(first.texts["web.yaml"], "web", "1")
        self.first_problems = self.judge(first)
        self.cut()

    def begin(self, steps, moment, mount=MOUNTS[0], more=""):
        """Boots; its report, None where the power was gone before it was done."""
        print(f"BOOT with {mount}, cut at {moment}, to do: {'; '.join(steps)}")
        self.moment = moment
        for _ in range(guest.TRIES):
            self.boot = Boot(self.machine, self.disk, script_of(steps, mount, more))
            if moment.at_boot:
                self.boot.order_cut(**moment.order())
            report = self.next_report()
            if self.boot.is_up():
                return report
            words = self.boot.ended()
            self.cut()
        raise AssertionError(f"the guest did not come up, {words}")

    def next_report(self):
        lines = None
        for line in self.boot.lines():
            if line == "REPORT":
                lines = []
            elif line == "REPORT END":
                return Found(lines)
            elif lines is not None:
                lines.append(line)
        return None

    def begin_surely(self, chance):
        """Boots to work, through cuts that come before it: its report."""
        while True:
            report = self.begin(work_of(chance, self.known), some_moment(chance), chance.choice(MOUNTS))
            if report:
                return report
            boot = self.boot
            assert self.cut(), f"the guest ended without a report, {boot.ended()}"

    def spare(self):
        """A copy of the disk as it is."""
        spare = self.disk.with_suffix(".spare")
        guest.output_of("cp", "--sparse=always", self.disk, spare)
        return spare

    def keep(self, name):
        """The disk as the last cut left it, for whoever looks for the reason of a failure."""
        kept = kedge.BUILD / "reports" / f"power-{name}.img"
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(self.disk.with_suffix(".spare"), kept)
        return kept

    def work(self):
        """Until the moment comes, or everything is done; then the power is gone."""
        words = 0
        for line in self.boot.lines():
            if line == "WORK" and self.moment.event != "word" and not self.moment.at_boot:
                self.boot.order_cut(**self.moment.order())
            self.known.hear(line)
            words += line.startswith(("DID ", "REACHED ", "GONE "))
            assert not line.startswith("failed: "), line
            if line == "WORK END" or (self.moment.event == "word" and words >= self.moment.count):
                break
        return self.cut()

    def cut(self):
        lost, self.boot = self.boot.cut(), None
        print(f"CUT: {lost or 'all that was not flushed is lost'}", flush=True)
        return lost

    def judge(self, found):
        """The problems; what was found is what is known from now on."""
        problems = list(judge(self.known, found, self.trees))
        self.known.is_be(found)
        return problems

    def close(self):
        if self.boot:
            self.cut()
        shutil.rmtree(self.machine.directory)
