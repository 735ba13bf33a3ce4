# SPDX-License-Identifier: Apache-2.0
"""containers.d is the one truth: what a person does to its files, and what half-written, wrong and missing ones do."""
import os
import subprocess

import pytest

import kedge


def problem(device, words):
    return kedge.wait_for(lambda: [one for one in device.problems() if words in one])


def test_a_file_that_does_not_parse_leaves_its_container_alone_and_is_reported(device):
    device.declare("web")
    first = device.wait_kept("web")
    device.write("web.yaml", "image: busybox:test\ncommand: [sleep\n")
    problem(device, '"web.yaml": invalid YAML')
    assert device.container("web")["Id"] == first["Id"]
    device.write("web.yaml", "image: busybox:test\nno-such-field: 1\n")
    problem(device, "no-such-field")
    assert device.container("web")["Id"] == first["Id"] and device.kept("web")["problem"]
    device.api.delete("/containers/web?force=1")  # what it declared last still counts
    assert kedge.wait_for(lambda: device.container("web") and device.wait_kept("web"))["Config"]["Cmd"] == ["sleep", "1000"]
    device.declare("web")
    kedge.wait_for(lambda: not device.problems())


def test_a_file_that_is_being_written_is_waited_for(device):
    device.declare("web")
    first = device.wait_kept("web")
    with open(device.containers / "web.yaml", "w") as file:
        file.write("image: busybox:test\ncommand: [sleep, '5000']\n")  # whole, as it happens, and not what is meant
        file.flush()
        device.declare("other")  # the directory is read, whatever becomes of this file
        problem(device, "is being written")
        assert device.container("web")["Id"] == first["Id"]
        file.seek(0)
        file.truncate()
        file.write("image: busybox:test\ncommand: [sleep, '6000']\nstopSignal: KILL\nprobation: 300ms\n")
    kedge.wait_for(lambda: device.cmd_of("web") == ["sleep", "6000"])
    device.wait_kept("web")


def test_an_editor_that_removes_the_file_for_a_moment_removes_nothing(device):
    device.declare("web")
    first = device.wait_kept("web")
    os.rename(device.containers / "web.yaml", device.containers / "web.yaml~")
    kedge.wait_for(lambda: device.kept("web"))
    os.rename(device.containers / "web.yaml~", device.containers / "web.yaml")
    device.declare("other")
    device.wait_kept("other")  # it was read in between, at least once
    assert device.wait_kept("web")["Id"] == first["Id"]


def test_a_file_under_another_name_is_the_same_container(device):
    device.declare("web", name="web")
    first = device.wait_kept("web")
    os.rename(device.containers / "web.yaml", device.containers / "shop.json")
    kedge.wait_for(lambda: device.kept("web") and device.kept("web")["file"] == "shop.json")
    assert device.wait_kept("web")["Id"] == first["Id"]


def test_two_files_with_one_name_are_an_error_for_the_second(device):
    device.declare("web")
    first = device.wait_kept("web")
    device.declare("aaa", name="web", command=["sleep", "7"])
    problem(device, '"aaa.yaml": container "web" is declared in "web.yaml" already')
    assert device.wait_kept("web")["Id"] == first["Id"]
    device.withdraw("web")
    kedge.wait_for(lambda: device.cmd_of("web") == ["sleep", "7"])
    assert not device.problems()


def test_files_of_editors_and_of_others_are_no_declarations(device):
    for file in (".hidden.yaml", "web.yaml~", "README", "web.yaml.swp", "4913"):
        (device.containers / file).write_text("image: busybox:test\n")
    (device.containers / "directory.yaml").mkdir()
    problem(device, '"directory.yaml": it is no file')
    assert not device.names()
    (device.containers / "directory.yaml").rmdir()
    kedge.wait_for(lambda: not device.problems())


def test_a_file_that_is_too_long_is_refused(device):
    device.write("long.yaml", "image: busybox:test\n#" + "x" * (1 << 20))
    problem(device, '"long.yaml": ')
    assert not device.names()


def test_a_directory_that_goes_takes_nothing_with_it(device):
    device.declare("web")
    first = device.wait_kept("web")
    os.rename(device.containers, device.directory / "moved")
    problem(device, "No such file or directory")
    assert device.container("web")["Id"] == first["Id"]
    os.rename(device.directory / "moved", device.containers)
    kedge.wait_for(lambda: not device.problems())
    device.declare("web", command=["sleep", "2000"])  # the new one is watched
    kedge.wait_for(lambda: device.cmd_of("web") == ["sleep", "2000"])


def test_a_directory_that_is_not_there_at_start_takes_nothing_with_it(own):
    own.declare("web")
    first = own.wait_kept("web")
    own.kill()
    os.rename(own.containers, own.directory / "moved")
    os.symlink("/no/such/place", own.containers)
    own.spawn()
    kedge.wait_for(own.answers)
    assert own.problems() and own.container("web")["Id"] == first["Id"]
    assert own.kept("web")["asDeclared"] or own.wait_kept("web")
    own.containers.unlink()
    os.rename(own.directory / "moved", own.containers)
    kedge.wait_for(lambda: not own.problems())
    assert own.container("web")["Id"] == first["Id"]


def test_a_directory_that_is_gone_at_start_is_not_an_empty_one(own):
    own.declare("web")
    first = own.wait_kept("web")
    own.kill()
    os.rename(own.containers, own.directory / "moved")
    own.spawn()
    kedge.wait_for(own.answers)
    problem(own, "No such file or directory")
    with pytest.raises(kedge.ApiError):
        own.api.call("PUT", "/kedge/v1/containers/other", {"image": "busybox:test"})
    assert not own.containers.exists() and own.wait_kept("web")["Id"] == first["Id"]
    os.rename(own.directory / "moved", own.containers)
    kedge.wait_for(lambda: not own.problems())
    assert own.wait_kept("web")["Id"] == first["Id"]


def test_a_read_only_directory_is_an_error_of_the_writer_alone(own):
    own.declare("web")
    own.wait_kept("web")
    subprocess.run(["mount", "--bind", own.containers, own.containers], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", own.containers], check=True)
        with pytest.raises(kedge.ApiError) as error:
            own.api.call("PATCH", "/kedge/v1/containers/web", {"enabled": False})
        assert "Read-only file system" in error.value.message and "web.yaml" in error.value.message
        own.api.delete("/containers/web?force=1")
        kedge.wait_for(lambda: own.container("web") and own.wait_kept("web"))
        assert not own.problems()
    finally:
        subprocess.run(["umount", own.containers], check=True)


def test_what_was_changed_while_kedged_was_away_is_done(own):
    for name in ("stays", "goes", "changes"):
        own.declare(name)
        own.wait_kept(name)
    before = own.container("stays")["Id"]
    own.kill()
    own.withdraw("goes")
    own.declare("changes", command=["sleep", "2000"])
    own.declare("comes")
    own.start()
    own.wait_gone("goes")
    own.wait_kept("comes")
    kedge.wait_for(lambda: own.cmd_of("changes") == ["sleep", "2000"])
    assert own.wait_kept("stays")["Id"] == before


def test_what_a_power_cut_left_of_a_write_is_removed_at_start(own):
    own.declare("web")
    own.wait_kept("web")
    own.kill()
    places = [own.containers, own.store / "declared", own.store / "declared" / "snapshots"]
    for place in places:
        (place / ".kedge-0123456789abcdef.tmp").write_text("image: half")
        (place / ".somebody.tmp").write_text("")
    own.start()
    own.wait_kept("web")
    assert [list(place.glob(".*")) for place in places] == [[place / ".somebody.tmp"] for place in places]


def test_a_file_that_was_broken_while_kedged_was_away_keeps_its_container(own):
    own.declare("web")
    first = own.wait_kept("web")
    own.kill()
    own.write("web.yaml", "image: [")
    own.start()
    problem(own, '"web.yaml": invalid YAML')
    assert own.container("web")["Id"] == first["Id"]
    own.api.delete("/containers/web?force=1")
    kedge.wait_for(lambda: own.container("web") and own.wait_kept("web"))


def test_more_files_than_the_bound_are_reported_and_nothing_goes(device):
    device.declare("web")
    first = device.wait_kept("web")
    for i in range(1025):
        (device.containers / f"x{i}.yaml").write_text("enabled: false\nimage: busybox:test\n")
    problem(device, "more than 1024 files")
    assert device.container("web")["Id"] == first["Id"]
