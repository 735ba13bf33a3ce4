# SPDX-License-Identifier: Apache-2.0
"""Archives that want out, want too much, or are broken: each is refused by name, and nothing outside is touched."""
import gzip
import os
import random
import struct
import subprocess
import tarfile

import pytest

from unpack import END, Archive, header, padded, run, tree

BIG = 1 << 40


@pytest.fixture
def outside(tmp_path):
    """A directory beside the target, which must stay as it is."""
    directory = tmp_path / "outside"
    directory.mkdir()
    (directory / "secret").write_text("secret")
    before = tree(tmp_path / "outside")
    yield directory
    assert tree(tmp_path / "outside") == before


def refused(data, tmp_path, message, *options, mode="--layer"):
    result = run(data, tmp_path / "t", mode, *options)
    assert message in result.error
    assert result.status not in (0, -31) and result.diff_id is None
    return result


# ---- out of the target ----

@pytest.mark.parametrize("name", ["../outside/x", "a/../../outside/x", "..", "a/b/../../../outside/secret", "/../../outside/x"])
def test_names_that_lead_out(tmp_path, outside, name):
    refused(Archive().file(name).bytes(), tmp_path, f'layer entry "{name}": the name leads out of the archive')


def test_absolute_names_are_below_the_target(tmp_path, outside):
    path = str(outside / "secret")
    assert run(Archive().file(path, b"mine").dir("/tmp").file("/etc/passwd").bytes(), tmp_path / "t").status == 0
    assert (tmp_path / "t" / path[1:]).read_bytes() == b"mine"


@pytest.mark.parametrize("to", ["absolute", "../outside", "../../../../../../../../../../../../..", "/proc/1/root", "/proc/self/cwd/.."])
def test_files_through_a_link_to_the_outside(tmp_path, outside, to):
    """The link leads somewhere below the target, where nothing is: it cannot be followed."""
    to = str(outside) if to == "absolute" else to
    rest = str(outside)[1:] if to.endswith("..") else "."
    for i, archive in enumerate([Archive().symlink("l", to).file(f"l/{rest}/secret", b"overwritten"),
                                 Archive().symlink("l", to).file(f"l/{rest}/new", b"made"),
                                 Archive().symlink("l", to).dir(f"l/{rest}/d", mode=0o777),
                                 Archive().symlink("l", to).file(f"l/{rest}/.wh.secret"),
                                 Archive().symlink("l", to).file(f"l/{rest}/.wh..wh..opq")]):
        result = run(archive.bytes(), tmp_path / f"t{i}")
        assert result.status in (0, 2)
        assert not (outside / "new").exists()


def test_links_in_a_chain_and_replaced_half_way(tmp_path, outside):
    data = (Archive().dir("d").symlink("d/up", "..").symlink("d/upup", "up/..").symlink("l", "d/upup/../..").file("l" + str(outside) + "/secret")
            .dir("x").file("x/f").symlink("x", str(outside)).file("x/secret", b"overwritten").bytes())
    assert run(data, tmp_path / "t").status == 0
    assert (tmp_path / "t" / str(outside / "secret")[1:]).read_bytes() == b"overwritten"


def test_existing_link_as_the_last_part_is_replaced_not_followed(tmp_path, outside):
    data = (Archive().symlink("f", str(outside / "secret")).file("f", b"mine").symlink("d", str(outside)).dir("d", mode=0o700, uid=5)
            .symlink("p", str(outside / "new")).add("p", tarfile.FIFOTYPE).bytes())
    assert run(data, tmp_path / "t").status == 0
    assert (tmp_path / "t" / "f").read_bytes() == b"mine" and not (tmp_path / "t" / "f").is_symlink()


@pytest.mark.parametrize("to", ["../outside/secret", "absolute", "l/secret", "nothing", "", "/", "d"])
def test_hard_links_that_lead_out_or_nowhere(tmp_path, outside, to):
    to = str(outside / "secret") if to == "absolute" else to
    data = Archive().dir("d").symlink("l", str(outside)).link("h", to).file("h/x" if to == "d" else "y").bytes()
    refused(data, tmp_path, 'layer entry "h"')
    assert os.stat(outside / "secret").st_nlink == 1


def test_loops_of_links(tmp_path):
    refused(Archive().symlink("a", "b").symlink("b", "a").file("a/f").bytes(), tmp_path, 'layer entry "a/f"')


def test_devices_cannot_be_opened_through(tmp_path):
    """A device node is made, but what is below it is no directory, and a file of its name replaces it."""
    major, minor = os.major(os.stat("/").st_dev), os.minor(os.stat("/").st_dev)
    data = Archive().add("disk", tarfile.BLKTYPE, devmajor=major, devminor=minor).file("disk", b"plain").bytes()
    assert run(data, tmp_path / "t").status == 0
    assert (tmp_path / "t" / "disk").read_bytes() == b"plain"
    refused(Archive().add("d", tarfile.BLKTYPE, devmajor=major, devminor=minor).file("d/x").bytes(), tmp_path / "t", 'layer entry "d/x"')


# ---- whiteouts ----

@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "a/.wh.", "a/.wh..."])
def test_whiteouts_of_nothing(tmp_path, name):
    refused(Archive().file(name).bytes(), tmp_path, f'layer entry "{name}": is a whiteout of nothing')


def test_entry_below_a_whiteout(tmp_path):
    refused(Archive().file(".wh.d/f").bytes(), tmp_path, "is below a whiteout")


def test_opaque_marks_are_counted(tmp_path):
    archive = Archive(tarfile.USTAR_FORMAT)
    for i in range(16385):
        archive.dir(f"{i}").file(f"{i}/.wh..wh..opq", b"")
    refused(archive.bytes(), tmp_path, 'layer entry "16384/.wh..wh..opq": layer has more than 16384 opaque directories')


# ---- too much ----

def test_too_many_bytes(tmp_path):
    refused(Archive().file("a", b"x" * 600).file("b", b"x" * 600).bytes(), tmp_path,
            'layer entry "b": unpacks to more than 1000 bytes', "--max-bytes", "1000")
    assert not (tmp_path / "t" / "b").exists()


def test_too_many_entries(tmp_path):
    archive = Archive()
    for i in range(6):
        archive.dir(f"d{i}")
    refused(archive.bytes(), tmp_path, 'layer entry "d5/": there are more than 5 entries', "--max-entries", "5")


def test_too_deep(tmp_path):
    deep = "/".join("d" * 1 for _ in range(129))
    refused(Archive().file(deep).bytes(), tmp_path, "the name is more than 128 directories deep")
    assert run(Archive().file(deep[2:]).bytes(), tmp_path / "u").status == 0


@pytest.mark.parametrize("compress", [gzip.compress, lambda raw: subprocess.run(["zstd", "-qc"], input=raw, stdout=subprocess.PIPE, check=True).stdout])
def test_bombs(tmp_path, compress):
    """Zeros behind the end, zeros in a file, holes in a file: however it swells, it ends."""
    zeros = bytes(200 << 20)
    refused(compress(END + zeros), tmp_path / "a", "archive is longer than", "--max-bytes", "1m")
    refused(compress(header(b"f", len(zeros)) + zeros + END), tmp_path / "b", 'layer entry "f": unpacks to more than', "--max-bytes", "1m")


@pytest.fixture(autouse=True)
def subdirectories(tmp_path):
    for name in ("a", "b", "t"):
        (tmp_path / name).mkdir()


def test_sparse_bomb(tmp_path):
    pax = "".join(f"{len(r) + 4} {r}\n" for r in ("GNU.sparse.major=0", "GNU.sparse.minor=1", f"GNU.sparse.size={BIG:014d}", "GNU.sparse.map=0,1"))
    data = header(b"x", len(pax), b"x") + padded(pax.encode()) + header(b"f", 1) + padded(b"1") + END
    refused(data, tmp_path, 'layer entry "f": unpacks to more than', "--max-bytes", "1g")


def test_huge_size_in_the_header(tmp_path):
    for i, size in enumerate([b"77777777777\0", b"\x80" + bytes(3) + struct.pack(">q", 2**62), b"\x80" + bytes(3) + struct.pack(">Q", 2**63 - 1)]):
        refused(header(b"f", size) + b"x" * 1000, tmp_path, 'layer entry "f": unpacks to more than', "--max-bytes", "1k")
    refused(header(b"f", b"\x80" + b"\xff" * 11), tmp_path, "size is out of range")
    refused(header(b"f", b"\xff" * 12), tmp_path, "size is negative")
    refused(header(b"f", b"\x80" + bytes(3) + struct.pack(">Q", 2**63 - 1)), tmp_path, "unpacks to more than", "--max-bytes", str(2**62))


def test_long_extended_headers(tmp_path):
    for type in (b"x", b"g", b"L", b"K"):
        refused(header(b"x", (1 << 20) + 1, type) + bytes(1 << 21), tmp_path, "is too long")


def test_many_extended_attributes(tmp_path):
    pax = {f"SCHILY.xattr.user.{i}": "x" for i in range(65)}
    refused(Archive().file("f", pax_headers=pax).bytes(), tmp_path, "more than 64 extended attributes")
    refused(Archive().file("f", pax_headers={"SCHILY.xattr.user.a": "x" * 65537}).bytes(), tmp_path, "is too long")


def test_names_too_long_for_a_file_system(tmp_path):
    refused(Archive().file("n" * 256).bytes(), tmp_path, "a part of the name is longer than 255 bytes")
    refused(Archive().file("/".join(["n" * 250] * 17)).bytes(), tmp_path, "name is longer than 4095 bytes")


def test_many_pieces_of_a_sparse_file(tmp_path):
    count = (1 << 18) + 1
    map = f"{count}\n" + "".join(f"{i * 2}\n1\n" for i in range(count))
    content = padded(map.encode()) + b"x" * count
    pax = "".join(f"{len(r) + 4} {r}\n" for r in ("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=sparse", "GNU.sparse.realsize=9999999"))
    refused(header(b"x", len(pax), b"x") + padded(pax.encode()) + header(b"f", len(content)) + padded(content) + END, tmp_path,
            'sparse file has more than 262144 pieces')


# ---- broken ----

def test_wrong_checksum(tmp_path):
    data = bytearray(Archive().file("f").bytes())
    data[0] = ord("g")
    refused(bytes(data), tmp_path, "layer, before byte 512: not a tar header: wrong checksum")
    refused(b"this is no archive at all" * 100, tmp_path, "not a tar header: ")


@pytest.mark.parametrize("data,message", [
    (bytes.fromhex("fd377a585a00") + b"x" * 600, "archive is compressed with xz"),
    (b"BZh91AY" + b"x" * 600, "archive is compressed with bzip2"),
    (b"PK\3\4" + b"x" * 600, "archive is compressed with zip"),
])
def test_formats_that_are_not_read(tmp_path, data, message):
    assert "use gzip, zstd or no compression" in refused(data, tmp_path, message).error


def test_truncated_archives(tmp_path):
    raw = Archive().file("f", b"x" * 5000).bytes()
    refused(raw[:2000], tmp_path, 'layer entry "f": archive ends in the middle of an entry')
    refused(raw[:300], tmp_path, "archive ends in the middle of a header")


def test_truncated_and_corrupt_gzip(tmp_path):
    good = Archive().file("f", os.urandom(100_000)).gzip()
    for length in (3, 9, 12, 1000, len(good) // 2, len(good) - 9, len(good) - 8, len(good) - 1):
        refused(good[:length], tmp_path, "archive ends in the middle of its gzip stream")
    for at in (len(good) - 1, len(good) - 5, len(good) // 2):
        bad = bytearray(good)
        bad[at] ^= 1
        refused(bytes(bad), tmp_path, "archive's gzip stream is corrupt: ")
    refused(b"\x1f\x8b\x07" + good[3:], tmp_path, "archive's gzip stream is corrupt")
    refused(good[:20] + b"\xff" * 200, tmp_path, "gzip")
    refused(good + b"\x1f\x8bgarbage!", tmp_path, "archive's gzip stream is corrupt: ")
    refused(good + b"garbage", tmp_path, "archive has bytes behind the end of its compressed stream")
    refused(good + bytes(10) + b"garbage", tmp_path, "archive has bytes behind the end of its compressed stream")
    refused(good + good[:100], tmp_path, "archive ends in the middle of its gzip stream")


def test_truncated_and_corrupt_zstd(tmp_path):
    raw = Archive().file("f", os.urandom(100_000)).bytes()
    good = subprocess.run(["zstd", "-qc"], input=raw, stdout=subprocess.PIPE, check=True).stdout
    for length in (5, 1000, len(good) - 1):
        refused(good[:length], tmp_path, "archive ends in the middle of its zstd stream")
    bad = bytearray(good)
    bad[len(bad) // 2] ^= 1
    refused(bytes(bad), tmp_path, "archive's zstd stream is corrupt")
    refused(good + b"garbage", tmp_path, "archive's zstd stream is corrupt")
    big = subprocess.run(["zstd", "-qc", "--long=28", "-1"], input=raw, stdout=subprocess.PIPE, check=True).stdout
    refused(big, tmp_path, "archive's zstd stream is corrupt: Frame requires too much memory for decoding")


@pytest.mark.parametrize("pax,message", [
    (b"garbage", "extended header is malformed"),
    (b"99 path=x\n", "extended header is malformed"),
    (b"10 path=x\n11 path=y\n", "extended header is malformed"),
    (b"7 =abc\n", "extended header is malformed"),
    (b"10 pathxx\n", "extended header is malformed"),
    (b"99999999999999999999 path=x\n", "extended header is malformed"),
    (b"12 path=a\0b\n", "has a NUL byte"),
    (b"10 size=x\n", 'extended header "size"'),
    (b"11 size=-1\n", 'extended header "size"'),
    (b"18 uid=4294967295\n", "uid 4294967295 is out of range"),
    (b"12 mtime=xx\n", 'time "xx" is not a number'),
    (b"30 size=999999999999999999999\n", 'extended header "size"'),
    (b"22 GNU.sparse.major=2\n", "sparse format"),
    (b"22 GNU.sparse.map=0,5\n", "map of the sparse file"),
    (b"22 GNU.sparse.map=0,,\n", 'extended header "GNU.sparse.map"'),
    (b"21 GNU.sparse.map=,1\n", 'extended header "GNU.sparse.map"'),
    (b"46 GNU.sparse.map=0000000000000000000000000,1\n", "map of the sparse file is invalid"),
    (b"20 GNU.sparse.map=5\n", "map of the sparse file is invalid"),
])
def test_broken_extended_headers(tmp_path, pax, message):
    refused(header(b"x", len(pax), b"x") + padded(pax) + header(b"f", 1) + padded(b"1") + END, tmp_path, message)


@pytest.mark.parametrize("map", [["10,5", "0,5"], ["0,5", "3,5"], ["0,9223372036854775807"], ["100,1"], ["0,4"]])
def test_broken_sparse_maps(tmp_path, map):
    records = ["GNU.sparse.size=20", "GNU.sparse.map=" + ",".join(map)]
    pax = "".join(f"{len(r) + 4} {r}\n" for r in records).encode()
    refused(header(b"x", len(pax), b"x") + padded(pax) + header(b"f", 5) + padded(b"12345") + END, tmp_path, "map of the sparse file")


def test_fields_that_are_no_numbers(tmp_path):
    refused(header(_100=b"00x0644\0"), tmp_path, "mode is not a number")
    refused(header(_108=b"9999999\0"), tmp_path, "uid is not a number")
    refused(header(_116=b"\x80\0\0\0\xff\xff\xff\xff"), tmp_path, "gid 4294967295 is out of range")
    refused(header(_136=b"zzzz"), tmp_path, "mtime is not a number")
    refused(header(type=b"3", _329=b"7777777\0"), tmp_path, "device number 2097151:0 is out of range")


def test_entry_types_that_are_not_known(tmp_path):
    for type, name in [(b"M", "0x4d"), (b"N", "0x4e"), (b"Z", "0x5a"), (b"\xff", "0xff")]:
        refused(header(type=type), tmp_path, f"entry type {name} is not supported")


def test_root_that_is_a_file(tmp_path):
    refused(Archive().file(".").bytes(), tmp_path, "is the root, but not a directory")
    refused(header(b""), tmp_path, "is the root, but not a directory")


def test_lone_block_of_zeros(tmp_path):
    refused(header() + bytes(512) + header(b"g") + END, tmp_path, "a header follows a block of zeros")


def test_names_in_messages_are_readable(tmp_path):
    refused(header(b"a\n\x1b[31m\"b/../../x"), tmp_path, 'layer entry "a\\012\\033[31m\\042b/../../x": the name leads out')


def test_disk_full(tmp_path):
    image, mounted = tmp_path / "disk", tmp_path / "m"
    mounted.mkdir()
    with open(image, "wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-qF", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, mounted], check=True)
    try:
        big, small = tmp_path / "big", tmp_path / "small"
        big.write_bytes(Archive().file("big", os.urandom(30 << 20)).bytes())
        result = refused(big, mounted, 'layer entry "big": could not write: No space left on device')
        assert "free space on the file system and try again" in result.error
        many = Archive(tarfile.USTAR_FORMAT)
        for i in range(20000):
            many.file(f"{i}", b"")
        subprocess.run(["rm", "-rf", mounted / "t"], check=True)
        small.write_bytes(many.bytes())
        refused(small, mounted, "could not make it: No space left on device")
    finally:
        subprocess.run(["umount", mounted], check=True)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_archives_end_in_a_result_or_an_error(tmp_path, outside, seed):
    """Never in a signal, never outside."""
    chance = random.Random(seed)
    raw = bytearray((Archive(chance.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])).dir("d").file("d/" + "n" * 120, b"x" * 3000).symlink("l", "/" * 150)
                     .link("h", "d/" + "n" * 120).file("é", pax_headers={"SCHILY.xattr.user.a": "b"}).file(".wh.w")).bytes())
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(raw) // 512) * 512
        block = bytearray(raw[at:at + 512])
        for _ in range(chance.randrange(1, 5)):
            block[chance.randrange(512)] = chance.randrange(256)
        if chance.random() < 0.8 and any(block[257:262]):
            block[148:156] = b"        "
            block[148:156] = b"%06o\0 " % sum(block)
        raw[at:at + 512] = block
    result = run(bytes(raw), tmp_path / "t")
    assert result.status >= 0 and (result.status == 0) == (result.diff_id is not None)
