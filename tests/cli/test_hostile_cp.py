# SPDX-License-Identifier: Apache-2.0
"""`kedge cp` of archives that no honest daemon sends: nothing is made outside of the destination."""
import base64
import io
import pathlib
import tarfile

import pytest
from served import Served, response, run

HEAD = b'{"name":"d","size":0,"mode":2147484141,"mtime":"2026-01-01T00:00:00Z","linkTarget":""}'


def archive(*entries):
    """Of (name, content): bytes, None for a directory, "> x" for a link to x, "= x" for a hard link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in entries:
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, str):
                member.type, member.linkname = {">": tarfile.SYMTYPE, "=": tarfile.LNKTYPE}[content[0]], content[2:]
            else:
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


def copy(data, target):
    """`kedge cp x:/d TARGET` of an archive that is such an answer."""
    stat = b"X-Docker-Container-Path-Stat: " + base64.b64encode(HEAD) + b"\r\n"
    head = b"HTTP/1.1 200 OK\r\n" + stat + b"Content-Length: %d\r\n\r\n"
    answers = {"HEAD /containers/x/archive": head % 0, "GET /containers/x/archive": head % len(data) + data}
    with Served(answers) as server:
        return run("cp", "x:/d", target, host=server.socket)


def test_an_honest_one(tmp_path):
    done = copy(archive(("d", None), ("d/sub", None), ("d/sub/f", b"x"), ("d/l", "> /etc"), ("d/h", "= d/sub/f")), tmp_path)
    assert done.returncode == 0, done.err
    assert (tmp_path / "d" / "h").read_bytes() == b"x" and (tmp_path / "d" / "l").is_symlink()


@pytest.mark.parametrize("entries", [
    [("d", None), ("d/../../out", b"x")],
    [("../out", b"x")],
    [("d", None), ("d/l", "> ../.."), ("d/l/out", b"x")],
    [("d", None), ("d/l", "> /tmp"), ("d/l/kedge-cp-out", None)],
    [("d", "> .."), ("d/out", b"x")],
    [("d", None), ("d/h", "= ../../secret")],
    [("d", None), ("d/l", "> ../../secret"), ("d/h", "= d/l/x")],
    [("d", None), ("d/l", "> ../.."), ("d/h", "= d/l/secret")],
    [("d", b"x" * 5000)],
], ids=range(9))
def test_hostile_ones(tmp_path, entries):
    inside = tmp_path / "top" / "in"
    inside.mkdir(parents=True)
    (tmp_path / "top" / "secret").write_text("secret")
    data = archive(*entries)
    done = copy(data[:3000] if len(entries) == 1 and entries[0][0] == "d" and isinstance(entries[0][1], bytes) else data, inside)
    assert done.returncode != 0, "it was taken"
    top = tmp_path / "top"
    assert sorted(path.name for path in top.iterdir()) == ["in", "secret"] and (top / "secret").read_text() == "secret"
    assert (top / "secret").stat().st_nlink == 1 and not pathlib.Path("/tmp/kedge-cp-out").exists()


def test_a_link_is_replaced_and_not_written_through(tmp_path):
    (tmp_path / "secret").write_text("secret")
    inside = tmp_path / "in"
    inside.mkdir()
    assert copy(archive(("d", None), ("d/l", "> ../../secret"), ("d/l", b"x")), inside).returncode == 0
    assert (inside / "d" / "l").read_bytes() == b"x" and (tmp_path / "secret").read_text() == "secret"


def test_other_answers(tmp_path):
    with Served({"HEAD /containers/x/archive": response(404, b""), "GET /containers/x/archive": response(500, b'{"message":"broken"}')}) as server:
        done = run("cp", "x:/d", tmp_path, host=server.socket)
    assert done.returncode == 1 and "broken" in done.err
