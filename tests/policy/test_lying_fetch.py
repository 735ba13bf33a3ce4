# SPDX-License-Identifier: Apache-2.0
"""
The process that talks with registries is in a jail, and whoever takes it over may say what he likes. He does not get an image in under
an allowed digest: manifest, index and configuration are hashed by kedged.
"""
import json
import pathlib
import sys

import pytest

import enforced
import kedge
import registries

FAKE = r'''
import json, pathlib, socket, struct
channel = socket.socket(fileno=%(fd)d)

def read(count):
    data = b""
    while len(data) < count:
        part = channel.recv(count - len(data))
        if not part:
            raise SystemExit(0)
        data += part
    return data

while True:
    text, payload = struct.unpack("<II", read(8))
    message = json.loads(read(text))
    read(payload)
    if message["type"] == "resolve":
        answer, parts = json.loads(pathlib.Path(%(said)r).read_text())
        body, words = "".join(parts).encode(), json.dumps(answer).encode()
        channel.sendall(struct.pack("<II", len(words), len(body)) + words + body)
'''


@pytest.fixture(scope="module")
def liar(tmp_path_factory):
    """A kedged whose kedge-fetch says what a test has written down; say(message, parts of the payload) gives the pull's answer."""
    place = tmp_path_factory.mktemp("liar")
    for program in kedge.BIN.glob("kedge-*"):
        if program.is_file():
            (place / program.name).symlink_to(program)
    fake, said = place / "kedge-fetch", place / "said"
    fake.unlink()
    fake.write_text(f"#!{sys.executable}\n" + FAKE % {"fd": 3, "said": str(said)})
    fake.chmod(0o755)
    it = enforced.Device()
    it.options = ["--libexec-dir", str(place)]
    it.start()

    def say(message, *parts):
        pathlib.Path(said).write_text(json.dumps([{"type": "resolved", **message}, [part.decode() for part in parts]]))
        return it.api.raw("POST", "/images/create?fromImage=registry.example/web&tag=1")[1].decode()
    yield say
    assert it.api.get("/images/json") == []
    it.options = []
    it.close()


IMAGE, OTHER = registries.Unpackable([{"good": b""}]), registries.Unpackable([{"evil": b""}])


def said(image, top, index=b""):
    return {"digest": image.digest, "top_digest": top, "media_type": image.media_type, "size": len(image.manifest), "index_size": len(index)}


def test_another_manifest(liar):
    answer = liar({**said(OTHER, IMAGE.digest), "digest": IMAGE.digest}, OTHER.manifest, OTHER.config)
    assert f'does not have the digest \\"{IMAGE.digest}\\"' in answer


def test_another_configuration(liar):
    answer = liar(said(IMAGE, IMAGE.digest), IMAGE.manifest, OTHER.config)
    assert f'does not have the digest \\"{registries.digest(IMAGE.config)}\\"' in answer


def test_an_index_that_is_not_shown(liar):
    _, index = registries.index([IMAGE])
    top = registries.digest(index)
    assert f'lacks the index \\"{top}\\"' in liar(said(OTHER, top), OTHER.manifest, OTHER.config)


def test_an_index_of_others(liar):
    _, index = registries.index([IMAGE])
    top = registries.digest(index)
    answer = liar(said(OTHER, top, index), OTHER.manifest, index, OTHER.config)
    assert f'does not list the manifest \\"{OTHER.digest}\\"' in answer


def test_another_index(liar):
    _, index = registries.index([IMAGE])
    _, other = registries.index([OTHER])
    top = registries.digest(index)
    answer = liar(said(OTHER, top, other), OTHER.manifest, other, OTHER.config)
    assert f'does not have the digest \\"{top}\\"' in answer


def test_sizes_that_do_not_fit(liar):
    message = {**said(OTHER, IMAGE.digest), "index_size": 1 << 20}
    assert "not whole" in liar(message, OTHER.manifest, OTHER.config)
