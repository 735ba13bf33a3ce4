# SPDX-License-Identifier: Apache-2.0
"""What is mounted after a container has started, on either side of a bind; parts of volumes; read-only binds with mounts below; sources that
are missing."""
import contextlib
import itertools
import os
import pathlib
import subprocess
import threading

import pytest

import kedge


def mount(*words):
    subprocess.run(["mount", *map(str, words)], check=True)


def is_mounted(path):
    return any(line.split()[4] == str(path) for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines())


@contextlib.contextmanager
def mounted(directory, how):
    """A tmpfs there, with directories in and under, and a file system below that is mounted already."""
    directory.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "top", directory)
    try:
        mount(f"--make-{how}", directory)
        for name in ("host", "inside", "before"):
            (directory / name).mkdir()
        mount("-t", "tmpfs", "before", directory / "before")
        (directory / "before" / "f").write_text("before\n")
        yield directory
    finally:
        subprocess.run(["umount", "-R", "-l", directory], check=False)


@pytest.fixture
def shared(tmp_path):
    with mounted(tmp_path / "shared", "shared") as directory:
        yield directory


def bind(source, target, propagation=None, **options):
    options = {**({"Propagation": propagation} if propagation else {}), **options}
    return {"Type": "bind", "Source": str(source), "Target": target, **({"BindOptions": options} if options else {})}


# mode, whether the container sees what the host mounts, and the host what the container mounts
MODES = [(None, False, False), ("rprivate", False, False), ("private", False, False), ("rslave", True, False), ("slave", True, False),
         ("rshared", True, True), ("shared", True, True)]
SCRIPT = ("busybox mount -t tmpfs ours /b/inside && echo x > /b/inside/f; cat /b/before/f 2>/dev/null; echo ready; "
          "until test -e /b/go; do usleep 5000; done; ls /b/host")


@pytest.mark.parametrize("runtime", ["crun", "runc"] if kedge.SOAK else ["crun"])
@pytest.mark.parametrize("flat", [False, True], ids=["all", "flat"])
@pytest.mark.parametrize("mode, comes_in, goes_out", MODES, ids=[str(row[0]) for row in MODES])
def test_what_is_mounted_later(box, shared, mode, comes_in, goes_out, flat, runtime):
    options = {"NonRecursive": True} if flat else {}
    identity = box.run_container(["sh", "-c", SCRIPT], host={"Mounts": [bind(shared, "/b", mode, **options)], "CapAdd": ["SYS_ADMIN"], "Runtime": runtime,
                                                             "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"]})
    kedge.wait_for(lambda: "ready" in box.log_text(identity) or not box.inspect(identity)["State"]["Running"])
    assert ("before\n" in box.log_text(identity)) != flat, box.log_text(identity)
    assert (is_mounted(shared / "inside"), (shared / "inside" / "f").exists()) == (goes_out, goes_out)
    mount("-t", "tmpfs", "later", shared / "host")
    (shared / "host" / "seen").write_text("x")
    (shared / "go").write_text("")
    assert box.wait(identity) == 0
    assert ("seen" in box.log_text(identity).split()) == comes_in
    box.api.delete(f"/containers/{identity}?force=1")
    kedge.wait_for(lambda: not box.leftovers())
    assert is_mounted(shared / "host") and is_mounted(shared / "before")  # the container's end unmounts nothing of the host's


@pytest.mark.parametrize("program", ["docker", "kedge"])
def test_by_the_command_line(box, shared, program):
    if program == "docker" and not kedge.docker_major():
        pytest.skip("docker is not installed")
    for words in (["-v", f"{shared}:/b:rshared"], ["--mount", f"type=bind,source={shared},target=/b,bind-propagation=rshared"]):
        getattr(box, program)("run", "--rm", "--network", "none", "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", *words, "busybox:test",
                              "sh", "-c", "busybox mount -t tmpfs ours /b/inside")
        assert is_mounted(shared / "inside")
        subprocess.run(["umount", shared / "inside"], check=True)


@pytest.mark.parametrize("mode, text", [("rshared", "it is not a shared mount"), ("shared", "it is not a shared mount"), ("rslave", "it is not a shared or slave mount"),
                                        ("slave", "it is not a shared or slave mount")])
def test_a_mount_without_peers(box, tmp_path, mode, text):
    with mounted(tmp_path / "a b", "private") as directory:
        (directory / "below").mkdir()
        identity = box.create(["true"], host={"Mounts": [bind(directory / "below", "/b", mode)]})
        with pytest.raises(kedge.ApiError) as refused:
            box.start_container(identity)
        assert refused.value.message == f"path {directory}/below is mounted on {str(directory).replace(' ', chr(92) + '040')} but {text}"
        mount("--make-shared", directory)
        assert box.wait(box.start_container(identity)) == 0


def test_a_slave_of_the_host_s(box, tmp_path):
    with mounted(tmp_path / "m", "shared") as directory:
        mount("--make-slave", directory)  # alone in its group: private
        identity = box.create(["true"], host={"Mounts": [bind(directory, "/b", "rslave")]})
        with pytest.raises(kedge.ApiError):
            box.start_container(identity)
    with mounted(tmp_path / "m", "shared") as directory:
        (tmp_path / "n").mkdir()
        mount("--bind", directory, tmp_path / "n")
        mount("--make-slave", tmp_path / "n")
        try:
            assert box.wait(box.run_container(["true"], host={"Mounts": [bind(tmp_path / "n", "/b", "rslave")]})) == 0
        finally:
            subprocess.run(["umount", "-l", tmp_path / "n"], check=True)


# ---- read-only binds, and what is mounted below ----

def test_read_only_below(box, shared):
    def try_it(**options):
        asked = {**bind(shared, "/b", **options), "ReadOnly": True}
        identity = box.run_container(["sh", "-c", "touch /b/x 2>/dev/null && echo top; touch /b/before/x 2>/dev/null && echo below; true"], host={"Mounts": [asked]})
        assert box.wait(identity) == 0, box.log_text(identity)
        assert box.inspect(identity)["HostConfig"]["Mounts"] == [asked] or "ReadOnlyNonRecursive" in options
        return box.log_text(identity).split()
    assert try_it() == ["below"]
    assert try_it(ReadOnlyNonRecursive=True) == ["below"]
    assert try_it(ReadOnlyForceRecursive=True, propagation="rprivate") == []


@pytest.mark.parametrize("asked, text", [
    ({"BindOptions": {"ReadOnlyForceRecursive": True}}, "!ReadOnly && BindOptions.ReadOnlyForceRecursive"),
    ({"BindOptions": {"ReadOnlyNonRecursive": True}}, "ReadOnlyNonRecursive"),
    ({"ReadOnly": True, "BindOptions": {"ReadOnlyNonRecursive": True, "ReadOnlyForceRecursive": True}}, "mount options conflict")])
def test_read_only_below_needs(box, tmp_path, asked, text):
    with pytest.raises(kedge.ApiError) as refused:
        box.create(["true"], host={"Mounts": [{"Type": "bind", "Source": str(tmp_path), "Target": "/b", **asked}]})
    assert refused.value.status == 400 and text in refused.value.message


def test_bind_recursive_by_the_command_line(box, shared):
    script = "touch /b/x 2>/dev/null && echo top; cat /b/before/f; touch /b/before/x 2>/dev/null && echo below; true"
    for word, said in {"enabled": "before\nbelow\n", "writable": "before\nbelow\n", "readonly": "before\n", "disabled": ""}.items():
        words = f"type=bind,src={shared},dst=/b,readonly,bind-propagation=rprivate,consistency=cached,bind-recursive={word}"
        assert box.kedge("run", "--rm", "--network", "none", "--mount", words, "busybox:test", "sh", "-c", script).out == said, word
    flat = f"type=bind,src={shared},dst=/b,bind-nonrecursive"
    assert box.kedge("run", "--rm", "--network", "none", "--mount", flat, "busybox:test", "ls", "/b/before").out == ""
    for words, text in ((f"type=bind,src={shared},dst=/b,bind-recursive=readonly", "needs readonly"), (f"type=bind,src={shared},dst=/b,readonly,bind-recursive=readonly",
                        "needs bind-propagation=rprivate"), (f"type=bind,src={shared},dst=/b,bind-recursive=some", "none of enabled"),
                        ("type=tmpfs,dst=/b,bind-recursive=disabled", "need type=bind")):
        assert text in box.kedge("run", "--mount", words, "busybox:test", check=False).err


# ---- parts of volumes ----

@pytest.fixture
def volume(box):
    box.api.post("/volumes/create", {"Name": "vol"})
    data = box.store / "volumes" / "vol" / "_data"
    (data / "a" / "b").mkdir(parents=True)
    (data / "a" / "b" / "f").write_text("deep\n")
    (data / "file").write_text("a file\n")
    yield data
    box.remove_all()
    box.api.delete("/volumes/vol")


def part(subpath, target="/v", **more):
    return {"Mounts": [{"Type": "volume", "Source": "vol", "Target": target, "VolumeOptions": {"Subpath": subpath}, **more}]}


def run(box, command, host, **settings):
    identity = box.run_container(["sh", "-c", command], host=host, **settings)
    assert box.wait(identity) == 0, box.log_text(identity)
    return box.log_text(identity)


@pytest.mark.parametrize("runtime", ["", "crun", "runc"])
@pytest.mark.parametrize("subpath, command, said", [
    ("a/b", "cat /v/f; echo new > /v/g", "deep\n"), ("./a//b/", "cat /v/f; echo new > /v/g", "deep\n"), ("file", "cat /v", "a file\n"), (".", "cat /v/file", "a file\n")])
def test_a_part_of_a_volume(box, volume, subpath, command, said, runtime):
    assert run(box, command, {**part(subpath), "Runtime": runtime}) == said
    assert (volume / "a" / "b" / "g").exists() == ("new" in command)
    assert run(box, "touch /v/h 2>/dev/null || touch /v 2>/dev/null || echo read-only", {**part(subpath, ReadOnly=True), "Runtime": runtime}) == "read-only\n"


def test_what_is_shown_of_a_part(box, volume):
    asked = part("a/b", ReadOnly=True)
    identity = box.create(["true"], name="first", host=asked)
    shown = box.inspect(identity)
    assert shown["HostConfig"]["Mounts"] == asked["Mounts"]
    assert shown["Mounts"] == [{"Type": "volume", "Name": "vol", "Source": str(volume), "Destination": "/v", "Driver": "local", "Mode": "z", "RW": False, "Propagation": ""}]
    assert run(box, "cat /v/f; touch /v/x 2>/dev/null || echo no", {"VolumesFrom": ["first"]}) == "deep\nno\n"
    box.restart()
    assert run(box, "cat /v/f", {"VolumesFrom": ["first"]}) == "deep\n"


@pytest.mark.parametrize("subpath", ["/a", "../x", "a/../../x", ".."])
def test_a_part_is_within(box, volume, subpath):
    with pytest.raises(kedge.ApiError) as refused:
        box.create(["true"], host=part(subpath))
    assert refused.value.status == 400 and "subpath must be a relative path within the volume" in refused.value.message


@pytest.mark.parametrize("runtime", ["", "crun"])
@pytest.mark.parametrize("to", ["/", "../../../../../../../../../..", "/etc", "../../..", "/proc/1/root", "/proc/self/cwd"])
def test_no_link_leads_out(box, volume, to, runtime):
    """A link is what it would be if the volume were all that there is."""
    (volume / "out").symlink_to(to)
    (volume / "etc").mkdir()
    for subpath in ("out", "out/etc"):
        identity = box.create(["ls", "-a", "/v"], host={**part(subpath), "Runtime": runtime})
        status, _ = box.api.raw("POST", f"/containers/{identity}/start")
        if status != 204:
            assert box.inspect(identity)["State"]["Status"] == "created"
            continue
        box.wait(identity)
        assert set(box.log_text(identity).split()) <= {".", "..", "a", "etc", "file", "out"}, box.log_text(identity)


def test_a_part_that_is_not_there(box, volume):
    identity = box.create(["true"], host=part("no/where"))
    status, text = box.api.raw("POST", f"/containers/{identity}/start")
    assert status == 500 and b'could not find' in text and b"No such file" in text, text
    assert not (volume / "no").exists()
    (volume / "no" / "where").mkdir(parents=True)
    assert box.wait(box.start_container(identity)) == 0


def test_a_part_while_it_is_exchanged(box, volume):
    """Somebody in the volume puts a link to the host in the part's place, over and over: what is mounted is the part, or the start fails."""
    (volume / "real").mkdir()
    (volume / "real" / "mine").write_text("")
    place, end = volume / "turn", threading.Event()
    (volume / "link").symlink_to("/etc")

    def turn():
        (volume / "turn").symlink_to("real")
        for name in itertools.cycle(("to-etc", "to-real")):
            other = volume / "other"
            other.symlink_to("/etc" if name == "to-etc" else "real")
            os.rename(other, place)
            if end.is_set():
                return
    thread = threading.Thread(target=turn)
    thread.start()
    try:
        kedge.wait_for(place.is_symlink)
        for _ in range(100 if kedge.SOAK else 8):
            identity = box.create(["ls", "/v"], host=part("turn"))
            if box.api.raw("POST", f"/containers/{identity}/start")[0] == 204:
                box.wait(identity)
                assert box.log_text(identity).split() == ["mine"]
    finally:
        end.set()
        thread.join()


def test_a_part_is_not_filled_by_the_image(box, volume):
    (volume / "hollow").mkdir()
    assert run(box, "ls /etc", {**part("hollow", "/etc")}).split() == ["hostname", "hosts", "resolv.conf"]


def test_files_of_a_part_are_copied(box, volume):
    """`cp` of a container that does not run mounts the same part, and follows no link out of it either."""
    (volume / "out").symlink_to("/etc")
    identity = box.create(["true"], name="idle", host=part("a/b"))
    assert box.kedge("cp", "idle:/v/f", "-").out.find("deep") > 0
    box.create(["true"], name="led", host=part("out"))
    assert box.kedge("cp", "led:/v/passwd", "-", check=False).returncode != 0
    (box.directory / "new").write_text("put in\n")
    box.kedge("cp", box.directory / "new", "idle:/v/new")
    assert (volume / "a" / "b" / "new").read_text() == "put in\n"
    assert box.wait(box.start_container(identity)) == 0


@pytest.mark.parametrize("program", ["docker", "kedge"])
def test_a_part_by_the_command_line(box, volume, program):
    if program == "docker" and kedge.docker_major() < 26:
        pytest.skip("this docker does not know of parts")
    option = "type=volume,source=vol,target=/v,volume-subpath=a/b"
    assert getattr(box, program)("run", "--rm", "--network", "none", "--mount", option, "busybox:test", "cat", "/v/f").out == "deep\n"
