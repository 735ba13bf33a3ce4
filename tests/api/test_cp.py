# SPDX-License-Identifier: Apache-2.0
"""`cp`, `diff` and `commit`: kedge's and docker's program do the same to the same containers."""
import io
import os
import pathlib
import shutil
import stat
import subprocess
import tarfile

import pytest

from test_container_files import IDLE, archive, content, put, wait_up

PROGRAMS = ["kedge", "docker"]


def cp(daemon, program, *arguments, check=True, **options):
    return getattr(daemon, program)("cp", *arguments, check=check, **options)


def tree(directory):
    """What lies below it: kind, permissions, content or target of each."""
    found = {}
    for path in sorted(pathlib.Path(directory).rglob("*")):
        status = path.lstat()
        what = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        time = int(status.st_mtime) if stat.S_ISREG(status.st_mode) else None
        found[str(path.relative_to(directory))] = (stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode), what, time)
    return found


def place(tmp_path, program):
    """A directory with a file, a directory, links to both and one to nowhere."""
    directory = tmp_path / program
    (directory / "dir" / "sub").mkdir(parents=True)
    (directory / "dir" / "one").write_text("one")
    (directory / "dir" / "sub" / "two").write_text("two")
    os.chmod(directory / "dir" / "sub", 0o750)
    (directory / "file").write_text("file")
    os.chmod(directory / "file", 0o640)
    (directory / "empty").mkdir()
    for link, to in (("dirlink", "dir"), ("filelink", "file"), ("emptylink", "empty")):
        (directory / link).symlink_to(to)
    for path in [directory, *directory.rglob("*")]:
        if not path.is_symlink():
            os.utime(path, (1_000_000_000, 1_000_000_000))
    return directory


def both(tmp_path, run):
    """What run(program, its directory) gives for the two; kedge's is held against docker's."""
    results = {program: run(program, place(tmp_path, program)) for program in PROGRAMS}
    assert results["kedge"] == results["docker"]
    return results["kedge"]


OUT = [("/d", "empty"), ("/d", "new"), ("/d", "new/"), ("/d/", "empty"), ("/d/.", "empty"), ("/d/.", "new"), ("/d/a", "empty"), ("/d/a", "new"),
       ("/d/a", "new/"), ("/d/a", "file"), ("/d/a", "none/new"), ("/d", "file"), ("/d", "emptylink"), ("/d/a", "filelink"), ("/d/a", "emptylink/"),
       ("/dl", "empty"), ("/dl/", "empty"), ("/dl/.", "new"), ("/d/l", "empty"), ("/d/l", "new"), ("/nope", "empty"), ("/etc/passwd", "dir/one"),
       ("/d/a", "dir/sub"), ("/d/a", "dir/sub/two/"), ("/d/e", "dir")]


@pytest.mark.skipif(not shutil.which("docker"), reason="docker's program is not installed")
@pytest.mark.parametrize("options", [[], ["-L"], ["-a"]])
def test_out_as_docker(box, tmp_path, options):
    wait_up(box, box.run_container(["sh", "-c", IDLE[2].replace("ln -s ../../../d/e /d/e/up;", "")], name="subject"))  # docker refuses that link
    for number, (source, target) in enumerate(OUT):
        def run(program, directory):
            done = cp(box, program, *options, f"subject:{source}", f"{directory}/{target}", check=False)
            return (source, target, done.returncode != 0), tree(directory)
        both(tmp_path / str(number), run)


INTO = [("file", "/e"), ("file", "/e/new"), ("file", "/e/new/"), ("file", "/f"), ("file", "/none/new"), ("file", "/el"), ("file", "/fl"),
        ("dir", "/e"), ("dir", "/e/new"), ("dir", "/e/new/"), ("dir/", "/e"), ("dir/.", "/e"), ("dir/.", "/e/new"), ("dir", "/f"), ("dir", "/el"),
        ("dirlink", "/e"), ("dirlink/.", "/e"), ("filelink", "/e"), ("none", "/e"), ("dir", "/e/../e"), ("file", "/"), ("dir/sub", "/e/sub"),
        ("file", "/taken"), ("dir", "/taken")]


@pytest.mark.skipif(not shutil.which("docker"), reason="docker's program is not installed")
@pytest.mark.parametrize("options", [[], ["-L"], ["-a"]])
def test_into_as_docker(box, tmp_path, options):
    ready = archive(("e", None), ("e/sub", None), ("f", b"old"), ("el", "> e"), ("fl", "> f"), ("taken", None), ("taken/file", None), ("taken/dir", b"x"))
    for number, (source, target) in enumerate(INTO):
        def run(program, directory):
            name = f"{program}-{number}"
            box.create(["true"], name=name, User="web")
            assert put(box, name, "/", ready) == (200, "")
            done = cp(box, program, *options, f"{directory}/{source}", f"{name}:{target}", check=False)
            found = tarfile.open(fileobj=io.BytesIO(box.api.raw("GET", f"/containers/{name}/archive?path=/")[1]))
            files = {member.name: (member.type, member.mode & 0o7777, member.uid, member.linkname,
                                   found.extractfile(member).read() if member.isfile() else None)
                     for member in found if not member.name.startswith("/bin")}
            box.api.delete(f"/containers/{name}")
            return (source, target, done.returncode != 0), files
        both(tmp_path / str(number), run)


def test_streams(box, tmp_path):
    """"-" on either side; what goes through both ways is the same."""
    wait_up(box, box.run_container(IDLE, name="subject"))
    for program in PROGRAMS:
        box.create(["true"], name=program)
        data = cp(box, program, "subject:/d", "-").stdout
        assert sorted(member.name for member in tarfile.open(fileobj=io.BytesIO(data))) == ["d", "d/a", "d/e", "d/e/up", "d/l", "d/p"]
        cp(box, program, "-", f"{program}:/tmp", input=data)
        assert content(box, program, "/tmp/d/a") == b"a\n"
        done = cp(box, program, "-", f"{program}:/etc/passwd", input=data, check=False)
        assert done.returncode == 1 and "must be a directory" in done.err
    assert cp(box, "kedge", "subject:/nope", "-", check=False).returncode != 0


def test_what_is_said(box, tmp_path):
    box.create(["true"], name="subject")
    (tmp_path / "f").write_text("x" * 5000)
    assert cp(box, "kedge", tmp_path / "f", "subject:/tmp").err.startswith("Successfully copied ")
    assert cp(box, "kedge", "subject:/tmp/f", tmp_path / "g").err.strip().endswith(f"kB to {tmp_path}/g")
    assert cp(box, "kedge", "-q", "subject:/tmp/f", tmp_path / "g").err == ""
    for arguments, words in (((tmp_path / "f", tmp_path / "g"), "must be in a container: NAME:PATH"),
                             (("subject:/x", "subject:/y"), "copying between containers is not supported"),
                             (("none:/x", tmp_path), "No such container: none"), ((tmp_path / "f", "none:/x"), "No such container: none"),
                             (("subject:/nope", tmp_path), "Could not find the file /nope in container subject"),
                             ((tmp_path / "nope", "subject:/tmp"), "No such file")):
        done = cp(box, "kedge", *arguments, check=False)
        assert done.returncode == 1 and words in done.err, done.err


def test_many_and_large_files(box, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for number in range(2000):
        (source / f"file-{number}").write_bytes(os.urandom(100))
    (source / "large").write_bytes(os.urandom(20 << 20))
    with open(source / "sparse", "wb") as sparse:
        sparse.truncate(1 << 30)
        sparse.write(b"start")
    os.link(source / "large", source / "linked")
    box.create(["true"], name="subject")
    cp(box, "kedge", source, "subject:/tmp/there")
    cp(box, "kedge", "subject:/tmp/there", tmp_path / "back")
    assert subprocess.run(["diff", "-r", source, tmp_path / "back"]).returncode == 0
    assert (tmp_path / "back" / "sparse").stat().st_blocks < 1000
    assert (tmp_path / "back" / "large").stat().st_ino == (tmp_path / "back" / "linked").stat().st_ino


def test_diff_and_commit(stock):
    box = stock
    wait_up(box, box.run_container(IDLE, name="subject"))
    assert {"A /d", "A /d/a", "A /dl", "A /broken"} <= set(box.kedge("diff", "subject").out.splitlines())
    assert sorted(box.docker("diff", "subject").out.splitlines()) == sorted(box.kedge("container", "diff", "subject").out.splitlines())
    for program in PROGRAMS:
        identity = getattr(box, program)("commit", "-a", "me", "-m", "words", "-c", "ENV A=1", "-c", "CMD true", "subject", f"{program}:1").out.strip()
        image = box.api.get(f"/images/{program}:1/json")
        assert image["Id"] == identity and (image["Author"], image["Comment"]) == ("me", "words")
        assert "A=1" in image["Config"]["Env"] and image["Config"]["Cmd"] == ["/bin/sh", "-c", "true"]
    assert box.kedge("commit", "--pause=false", "subject").out.startswith("sha256:")
    assert box.kedge("commit", "none", check=False).returncode == 1
