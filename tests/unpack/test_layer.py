# SPDX-License-Identifier: Apache-2.0
"""Layers as they should be: kinds of entries, metadata, dialects of tar, and the rules of whiteouts."""
import gzip
import hashlib
import os
import stat
import subprocess
import tarfile

import pytest

from unpack import END, Archive, header, is_whiteout, padded, run, tree

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


def test_kinds_of_entries(tmp_path):
    data = (Archive().dir("d", mode=0o1777, uid=5, gid=6, mtime=1500000000.123456789)
            .file("d/f", b"hello", mode=0o4755, uid=1, gid=2, mtime=1400000000.5)
            .symlink("d/s", "/etc/passwd", uid=7, gid=8, mtime=1300000000)
            .link("d/h", "d/f")
            .add("d/p", tarfile.FIFOTYPE, mode=0o600)
            .add("d/c", tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3)
            .add("d/b", tarfile.BLKTYPE, mode=0o660, devmajor=259, devminor=70000)
            .bytes())
    result = run(data, tmp_path / "t")
    assert (result.status, result.error) == (0, "")
    assert result.diff_id == "sha256:" + hashlib.sha256(data).hexdigest()
    assert (result.entries, result.bytes, result.opaque) == (7, 5, [])
    found = tree(tmp_path / "t")
    assert found["d"]["mode"] == stat.S_IFDIR | 0o1777 and found["d"]["owner"] == (5, 6)
    assert abs(found["d"]["mtime"] - 1500000000_123456789) < 1000  # the float in tarfile's own header
    assert found["d/f"] == {"mode": stat.S_IFREG | 0o4755, "owner": (1, 2), "mtime": 1400000000_500000000, "data": b"hello",
                            "xattrs": {}, "same": found["d/h"]["same"]}
    assert found["d/s"] == {"mode": stat.S_IFLNK | 0o777, "owner": (7, 8), "mtime": 1300000000_000000000, "link": b"/etc/passwd"}
    assert found["d/p"]["mode"] == stat.S_IFIFO | 0o600
    assert found["d/c"]["device"] == (1, 3) and found["d/c"]["mode"] == stat.S_IFCHR | 0o666
    assert found["d/b"]["device"] == (259, 70000)


def test_times_in_nanoseconds_and_before_1970(tmp_path):
    archive = Archive()
    for name, time in [("a", "1234567890.123456789"), ("b", "-1.25"), ("c", "0"), ("d", "4000000000.000000001")]:
        archive.file(name, pax_headers={"mtime": time})
    assert run(archive.bytes(), tmp_path / "t").status == 0
    found = {name: about["mtime"] for name, about in tree(tmp_path / "t").items()}
    assert (found["a"], found["b"], found["c"], found["d"]) == (1234567890123456789, -1250000000, 0, 4000000000000000001)


def test_directories_keep_their_times_whatever_comes_later(tmp_path):
    data = (Archive().dir(".", mtime=1000000000).dir("a", mtime=1100000000).file("a/x").dir("a/b", mtime=1200000000).file("a/b/y")
            .file("late").file("a/z").file("a/b/c/d/e").link("a/b/l", "a/x").file("a/.wh.gone").bytes())
    assert run(data, tmp_path / "t").status == 0
    found = tree(tmp_path / "t")
    assert [found[d]["mtime"] for d in (".", "a", "a/b")] == [s * 10**9 for s in (1000000000, 1100000000, 1200000000)]


def test_directory_entry_behind_its_files(tmp_path):
    assert run(Archive().file("a/x").dir("a", mtime=1100000000, mode=0o700).bytes(), tmp_path / "t").status == 0
    found = tree(tmp_path / "t")["a"]
    assert (found["mtime"], found["mode"]) == (1100000000 * 10**9, stat.S_IFDIR | 0o700)


def test_root_entry_sets_the_root(tmp_path):
    assert run(Archive().dir("./", mode=0o711, uid=3, gid=4, mtime=5).bytes(), tmp_path / "t").status == 0
    assert {k: v for k, v in tree(tmp_path / "t")["."].items()} == {
        "mode": stat.S_IFDIR | 0o711, "owner": (3, 4), "mtime": 5 * 10**9, "xattrs": {}}


def test_missing_parents_are_made(tmp_path):
    old = os.umask(0o077)
    try:
        assert run(Archive().file("a/b/c/f").bytes(), tmp_path / "t").status == 0
    finally:
        os.umask(old)
    found = tree(tmp_path / "t")
    assert all(found[d]["mode"] == stat.S_IFDIR | 0o755 and found[d]["owner"] == (0, 0) for d in ("a", "a/b", "a/b/c"))
    assert found["a/b/c/f"]["mode"] == stat.S_IFREG | 0o644


def test_group_id_directories_hand_nothing_down(tmp_path):
    data = (Archive().dir("g", mode=0o2775, gid=50).file("g/f").dir("g/d", mode=0o755).symlink("g/s", "f").file("g/made/f")
            .file("g/mine", gid=50, mode=0o2755).bytes())
    assert run(data, tmp_path / "t").status == 0
    found = tree(tmp_path / "t")
    assert {n: (f["owner"], stat.S_IMODE(f["mode"])) for n, f in found.items() if n.startswith("g")} == {
        "g": ((0, 50), 0o2775), "g/f": ((0, 0), 0o644), "g/d": ((0, 0), 0o755), "g/s": ((0, 0), 0o777), "g/made": ((0, 0), 0o755),
        "g/made/f": ((0, 0), 0o644), "g/mine": ((0, 50), 0o2755)}


def test_files_in_a_directory_without_permissions(tmp_path):
    data = Archive().dir("d", mode=0).file("d/f", mode=0).file("d/e/f").bytes()
    assert run(data, tmp_path / "t").status == 0
    assert tree(tmp_path / "t")["d/f"]["mode"] == stat.S_IFREG


def test_extended_attributes(tmp_path):
    xattrs = {"user.note": "text", "security.capability": CAPABILITY.decode("latin-1"), "trusted.overlay.opaque": "y",
              "system.posix_acl_access": "x", "security.selinux": "label", "user.overlay.opaque": "y", "trusted.x": "1"}
    pax = {"SCHILY.xattr." + name: value for name, value in xattrs.items()}
    raw = Archive().file("f", b"1", uid=9, pax_headers=pax).dir("d", pax_headers={"SCHILY.xattr.user.a": "b"}).bytes()
    assert CAPABILITY in raw  # tarfile left the bytes alone
    assert run(raw, tmp_path / "t").status == 0
    found = tree(tmp_path / "t")
    assert found["f"]["xattrs"] == {"user.note": b"text", "security.capability": CAPABILITY}
    assert found["d"]["xattrs"] == {"user.a": b"b"}


def test_bytes_in_extended_attributes_and_names(tmp_path):
    value = b"\0\xff\n=\0"
    record = b"SCHILY.xattr.user.raw=" + value
    name = b"path=n\xe4me\xff"
    pax = b"".join(b"%d %s\n" % (len(r) + 4, r) for r in (record, name))
    data = header(b"x", len(pax), b"x") + padded(pax) + header(b"f", 0) + END
    assert run(data, tmp_path / "t").status == 0
    path = os.fsencode(tmp_path / "t") + b"/n\xe4me\xff"
    assert os.getxattr(path, "user.raw") == value


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names(tmp_path, format):
    long = "/".join(["n" * 40, "m" * 50, "k" * 60])
    archive = Archive(format).file(long, b"1").file("plain")
    if format != tarfile.USTAR_FORMAT:
        archive.file("x" * 255, b"2").symlink("s", "t" * 500).link("h", long)
    result = run(archive.bytes(), tmp_path / "t")
    assert (result.status, result.error) == (0, "")
    assert (tmp_path / "t" / long).read_bytes() == b"1"
    if format != tarfile.USTAR_FORMAT:
        assert (tmp_path / "t" / ("x" * 255)).read_bytes() == b"2"
        assert os.readlink(tmp_path / "t" / "s") == "t" * 500
        assert (tmp_path / "t" / "h").read_bytes() == b"1"


def test_names_as_docker_reads_them(tmp_path):
    data = (Archive().file("/absolute").file("a//b/./c/../d").dir("e/").file("./f").bytes())
    assert run(data, tmp_path / "t").status == 0
    assert set(tree(tmp_path / "t")) == {".", "absolute", "a", "a/b", "a/b/d", "e", "f"}


def test_large_numbers(tmp_path):
    data = Archive(tarfile.GNU_FORMAT).file("f", uid=3_000_000_000, gid=2_500_000).bytes()
    assert run(data, tmp_path / "t").status == 0
    assert tree(tmp_path / "t")["f"]["owner"] == (3_000_000_000, 2_500_000)


def test_old_header_and_directory_by_its_slash(tmp_path):
    data = header(b"d/", magic=b"", type=b"\0") + header(b"d/f", 3, magic=b"", type=b"\0") + padded(b"abc") + END
    assert run(data, tmp_path / "t").status == 0
    assert tree(tmp_path / "t")["d/f"]["data"] == b"abc"


def test_global_header_and_label_are_passed_over(tmp_path):
    pax = b"23 comment=some thing.\n"
    data = header(b"g", len(pax), b"g") + padded(pax) + header(b"label", 0, b"V", magic=b"ustar  \0") + header(b"f") + END
    assert run(data, tmp_path / "t").status == 0
    assert set(tree(tmp_path / "t")) == {".", "f"}


def test_links_have_no_content_whatever_their_size_says(tmp_path):
    data = header(b"f", 1) + padded(b"1") + header(b"h", 1000, b"1", link=b"f") + header(b"g", 1) + padded(b"2") + END
    assert run(data, tmp_path / "t").status == 0
    assert {n: f["data"] for n, f in tree(tmp_path / "t").items() if n != "."} == {"f": b"1", "h": b"1", "g": b"2"}


@pytest.mark.parametrize("format", ["--format=gnu", "--sparse-version=0.0", "--sparse-version=0.1", "--sparse-version=1.0"])
def test_sparse_files(tmp_path, format):
    source = tmp_path / "s"
    source.mkdir()
    for name, pieces, size in [("many", [(i * 65536, b"%05d" % i) for i in range(200)], 20_000_000), ("hole", [], 5_000_000),
                               ("end", [(999_990, b"0123456789")], 1_000_000), ("full", [(0, b"x" * 5000)], 5000)]:
        with open(source / name, "wb") as file:
            file.truncate(size)
            for offset, data in pieces:
                os.pwrite(file.fileno(), data, offset)
    archive = tmp_path / "s.tar"
    subprocess.run(["tar", "-S", format, *([] if "gnu" in format else ["--format=pax"]), "-C", source, "-cf", archive, "."], check=True)
    assert archive.stat().st_size < 4_000_000
    result = run(archive, tmp_path / "t")
    assert (result.status, result.error) == (0, "")
    assert result.bytes == 26_005_000
    for name in ("many", "hole", "end", "full"):
        assert (tmp_path / "t" / name).read_bytes() == (source / name).read_bytes()
    assert os.stat(tmp_path / "t" / "hole").st_blocks == 0


def test_replacing_what_is_there(tmp_path):
    data = (Archive().file("a", b"old").file("a", b"new")
            .dir("d", mode=0o700).file("d/x").dir("d", mode=0o750)          # a directory over a directory keeps what is in it
            .dir("t").dir("t/u").file("t/u/v").file("t", b"file")            # a file over a directory replaces the tree
            .symlink("s", "d").dir("s").file("s/y")                          # a directory over a link replaces the link
            .file("l1", b"1").link("l2", "l1").file("l1", b"2")              # writes into no other name
            .symlink("o", "nowhere").file("o", b"plain")
            .bytes())
    result = run(data, tmp_path / "t")
    assert (result.status, result.error) == (0, "")
    found = tree(tmp_path / "t")
    assert found["a"]["data"] == b"new"
    assert found["d/x"]["data"] == b"x" and found["d"]["mode"] == stat.S_IFDIR | 0o750
    assert found["t"]["data"] == b"file"
    assert found["s"]["mode"] == stat.S_IFDIR | 0o755 and "d/y" not in found and "s/y" in found
    assert (found["l1"]["data"], found["l2"]["data"]) == (b"2", b"1")
    assert found["o"]["data"] == b"plain"


def test_hard_links(tmp_path):
    data = (Archive().file("f", b"1").symlink("s", "f").link("self", "f").link("self", "self").link("also", "s").dir("d").link("d/x", "./f")
            .file("taken", b"t").link("taken", "f").bytes())
    result = run(data, tmp_path / "t")
    assert (result.status, result.error) == (0, "")
    found = tree(tmp_path / "t")
    assert len({found[n]["same"] for n in ("f", "self", "d/x", "taken")}) == 1
    assert found["also"]["link"] == b"f"


def test_files_through_a_link_of_the_same_layer(tmp_path):
    data = (Archive().dir("usr").dir("usr/lib").symlink("lib", "usr/lib").file("lib/a").symlink("abs", "/usr").file("abs/b")
            .symlink("up", "../../../usr").file("up/c").link("lib/d", "abs/b").bytes())
    result = run(data, tmp_path / "t")
    assert (result.status, result.error) == (0, "")
    assert {"usr/lib/a", "usr/b", "usr/c", "usr/lib/d"} <= set(tree(tmp_path / "t"))


# ---- whiteouts ----

def test_whiteouts_and_opaque_directories(tmp_path):
    data = (Archive().file(".wh.top").file("d/.wh.x").dir("d/e").file("d/e/.wh..wh..opq").file("d/e/kept").file("q/.wh..wh..opq")
            .bytes())
    result = run(data, tmp_path / "t")
    assert (result.status, result.error, result.opaque) == (0, "", ["d/e", "q"])
    assert is_whiteout(tmp_path / "t" / "top") and is_whiteout(tmp_path / "t" / "d" / "x")
    assert set(tree(tmp_path / "t")) == {".", "top", "d", "d/x", "d/e", "d/e/kept", "q"}


def test_opaque_root_and_twice(tmp_path):
    assert run(Archive().file(".wh..wh..opq").file("./.wh..wh..opq").file("f").bytes(), tmp_path / "t").opaque == ["."]


@pytest.mark.parametrize("first", ["whiteout", "thing"])
def test_whiteout_and_file_of_the_same_name(tmp_path, first):
    archive = Archive()
    for what in (["w", "t"] if first == "whiteout" else ["t", "w"]):
        archive.file("d/.wh.f") if what == "w" else archive.file("d/f", b"stays")
    result = run(archive.bytes(), tmp_path / "t")
    assert (result.status, result.opaque) == (0, [])
    assert (tmp_path / "t" / "d" / "f").read_bytes() == b"stays"


@pytest.mark.parametrize("order", ["w d f", "d w f", "d f w", "w f"])
def test_whiteout_and_directory_of_the_same_name(tmp_path, order):
    """What lower layers have below it is gone, what this layer has stays: that is an opaque directory."""
    archive = Archive()
    for what in order.split():
        {"w": lambda: archive.file("a/.wh.d"), "d": lambda: archive.dir("a/d"), "f": lambda: archive.file("a/d/f", b"stays")}[what]()
    result = run(archive.bytes(), tmp_path / "t")
    assert (result.status, result.error, result.opaque) == (0, "", ["a/d"])
    assert (tmp_path / "t" / "a" / "d" / "f").read_bytes() == b"stays"


def test_opaque_marks_are_real_paths_of_directories(tmp_path):
    """Whoever sets the marks follows no link; what is no directory at the end gets none."""
    data = (Archive().dir("real").symlink("link", "real").file("link/.wh..wh..opq").dir("gone").file("gone/.wh..wh..opq").file("gone")
            .dir("moved").file("moved/.wh..wh..opq").symlink("moved", "/etc").bytes())
    result = run(data, tmp_path / "t")
    assert (result.status, result.error, result.opaque) == (0, "", ["real"])


def test_device_0_0_is_a_whiteout(tmp_path):
    data = Archive().add("w", tarfile.CHRTYPE).add("d", tarfile.CHRTYPE).file("d/f").bytes()
    result = run(data, tmp_path / "t")
    assert (result.status, result.opaque) == (0, ["d"])
    assert is_whiteout(tmp_path / "t" / "w")


def test_aufs_files_are_passed_over(tmp_path):
    data = Archive().dir(".wh..wh.plnk").file(".wh..wh.plnk/1.2").file(".wh..wh.aufs").file("f").bytes()
    assert run(data, tmp_path / "t").status == 0
    assert set(tree(tmp_path / "t")) == {".", "f"}


# ---- compression and ends ----

def test_gzip_of_several_members_with_padding(tmp_path):
    raw = Archive().file("f", os.urandom(300_000)).file("g", b"g" * 700_000).bytes()
    data = b"".join(gzip.compress(raw[i:i + 100_001]) for i in range(0, len(raw), 100_001)) + bytes(3000)
    result = run(data, tmp_path / "t")
    assert (result.status, result.diff_id) == (0, "sha256:" + hashlib.sha256(raw).hexdigest())


@pytest.mark.parametrize("level", ["-1", "-19", "--ultra -22 --long=27"])
def test_zstd(tmp_path, level):
    raw = Archive().file("f", os.urandom(300_000)).file("g", b"g" * 3_000_000).bytes()
    data = subprocess.run(["zstd", "-q", *level.split(), "-c"], input=raw, capture_output=True, check=True).stdout
    assert run(data, tmp_path / "t").diff_id == "sha256:" + hashlib.sha256(raw).hexdigest()
    assert run(data + data[:0] + bytes(100), tmp_path / "u").status == 0


def test_empty_layer(tmp_path):
    for i, data in enumerate([b"", END, gzip.compress(END), gzip.compress(b"")]):
        raw = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        result = run(data, tmp_path / f"t{i}")
        assert (result.status, result.entries, result.diff_id) == (0, 0, "sha256:" + hashlib.sha256(raw).hexdigest())


def test_bytes_behind_the_end_belong_to_the_diff_id(tmp_path):
    raw = Archive().file("f").bytes() + b"junk" * 1000
    result = run(gzip.compress(raw), tmp_path / "t")
    assert (result.status, result.diff_id) == (0, "sha256:" + hashlib.sha256(raw).hexdigest())


def test_archive_without_its_end(tmp_path):
    raw = header(b"f", 3) + padded(b"abc")
    assert run(raw, tmp_path / "t").status == 0
    assert run(raw + bytes(512), tmp_path / "u").status == 0


# ---- against GNU tar ----

def listing(root):
    """What find sees; a directory's own size depends on how it grew."""
    out = subprocess.run(["find", root, "(", "-type", "d", "-printf", r"%P %M %U %G %T@\n", ")", "-o",
                          "-printf", r"%P %M %U %G %T@ %l %s %n\n"], capture_output=True, check=True).stdout
    return sorted(out.splitlines())


def xattrs(root):
    return {name: about["xattrs"] for name, about in tree(root).items() if about.get("xattrs")}


@pytest.mark.parametrize("format", ["gnu", "pax", "ustar"])
def test_same_tree_as_gnu_tar(tmp_path, format):
    archive = tmp_path / "a.tar"
    subprocess.run(["tar", f"--format={format}", "--xattrs", "--xattrs-include=*", "--exclude=*.sock", "-C", "/", "-cf", archive,
                    *[d for d in ("etc", "usr/share/doc", "usr/share/zoneinfo", "usr/sbin", "dev/null", "var/lib/dpkg") if os.path.lexists("/" + d)]],
                   check=False, stderr=subprocess.DEVNULL)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    subprocess.run(["tar", "--xattrs", "--xattrs-include=*", "-p", "-C", theirs, "-xf", archive], check=True)
    result = run(archive, tmp_path / "ours")
    assert (result.status, result.error) == (0, "")
    without_entry = {b"", b"usr", b"usr/share", b"var", b"var/lib", b"dev"}  # made at the time of unpacking, by either
    ours, theirs_too = ([line for line in listing(root) if line.split(b" ")[0] not in without_entry] for root in (tmp_path / "ours", theirs))
    assert len(ours) > 3000
    assert ours == theirs_too
    subprocess.run(["diff", "-rq", "--no-dereference", "-x", "null", tmp_path / "ours", theirs], check=True)
    assert xattrs(tmp_path / "ours") == xattrs(theirs)
