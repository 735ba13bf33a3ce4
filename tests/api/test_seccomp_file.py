# SPDX-License-Identifier: Apache-2.0
"""--security-opt seccomp=FILE: profiles in Docker's format, by both clients."""
import json

import pytest

import kedge


def profile(*rules, default="SCMP_ACT_ALLOW", **more):
    return {"defaultAction": default, "syscalls": list(rules), **more}


def deny(*names, **more):
    return {"names": list(names), "action": "SCMP_ACT_ERRNO", **more}


SCRIPT = "mkdir /tmp/d 2>&1; chmod 700 /tmp 2>&1; echo end"
BOTH = "mkdir: can't create directory '/tmp/d': Operation not permitted"


def run(box, tmp_path, program, document, *words, script=SCRIPT, check=True):
    path = tmp_path / "profile.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return getattr(box, program)("run", "--rm", "--network", "none", "--security-opt", f"seccomp={path}", *words, "busybox:test", "sh",
                                 "-c", script, check=check)


@pytest.mark.parametrize("program", ["docker", "kedge"])
@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_a_profile_is_felt(box, tmp_path, program, runtime):
    done = run(box, tmp_path, program, profile(deny("mkdir"), architectures=["SCMP_ARCH_X86_64"]), "--runtime", runtime)
    assert done.out.splitlines() == [BOTH, "end"]
    errno = run(box, tmp_path, program, profile(deny("mkdir", errnoRet=28)), "--runtime", runtime)
    assert "No space left on device" in errno.out


CONDITIONS = [({"includes": {"caps": ["CAP_SYS_ADMIN"]}}, False), ({"includes": {"caps": ["CAP_CHOWN"]}}, True),
              ({"excludes": {"caps": ["CAP_CHOWN"]}}, False), ({"excludes": {"caps": ["CAP_SYS_ADMIN"]}}, True),
              ({"includes": {"arches": ["amd64"]}}, True), ({"includes": {"arches": ["arm64"]}}, False),
              ({"excludes": {"arches": ["amd64", "arm64"]}}, False), ({"includes": {"minKernel": "3.1"}}, True),
              ({"includes": {"minKernel": "99.0"}}, False), ({"includes": {"caps": ["CAP_OF_TOMORROW"]}}, False)]


@pytest.mark.parametrize("condition,applies", CONDITIONS)
def test_conditions(box, tmp_path, condition, applies):
    done = run(box, tmp_path, "kedge", profile(deny("mkdir", **condition)))
    assert (BOTH in done.out) == applies


def test_conditions_follow_the_capabilities_asked_for(box, tmp_path):
    document = profile(deny("mkdir", includes={"caps": ["CAP_SYS_TIME"]}))
    assert BOTH in run(box, tmp_path, "kedge", document, "--cap-add", "SYS_TIME").out
    assert BOTH not in run(box, tmp_path, "kedge", document).out


def test_arguments_and_architectures(box, tmp_path):
    rule = {"name": "mkdir", "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "value": 0o777, "valueTwo": 0, "op": "SCMP_CMP_EQ"}]}
    maps = [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}]
    script = "mkdir /tmp/d 2>&1; mkdir -m 755 /tmp/e 2>/dev/null && echo made"
    assert BOTH in run(box, tmp_path, "kedge", profile(rule, archMap=maps), script=script, check=False).out


def test_privileged_takes_a_profile_too(box, tmp_path):
    assert BOTH in run(box, tmp_path, "kedge", profile(deny("mkdir")), "--privileged").out


def test_it_is_shown_and_survives(box, tmp_path):
    text = json.dumps(profile(deny("mkdir")))
    identity = box.create(["sh", "-c", SCRIPT], host={"SecurityOpt": [f"seccomp={text}"]})
    box.restart()
    assert box.inspect(identity)["HostConfig"]["SecurityOpt"] == [f"seccomp={text}"]
    box.start_container(identity)
    box.wait(identity)
    assert BOTH in box.log_text(identity)


WRONG = [("{", "seccomp profile"), ('{"syscalls":[]}', 'field "defaultAction" is missing'),
         (profile(default="ALLOW"), 'default action "ALLOW" is unknown'),
         (profile({"names": ["mkdir"], "action": "DENY"}), 'syscalls[0]: action "DENY" is unknown'),
         (profile(deny("a"), deny("b", args=[{"index": 6, "op": "SCMP_CMP_EQ"}])), "syscalls[1]"),
         (profile(deny("b", args=[{"index": 0, "op": "="}])), 'syscalls[0]: operator "=" is unknown'),
         (profile(deny("b", errnoRet="EPERM")), 'syscalls[0]: field "errnoRet" is not a number from 0 on'),
         (profile({"name": "a", "names": ["b"], "action": "SCMP_ACT_LOG"}), '"name" and "names" exclude each other'),
         (profile(architectures=["SCMP_ARCH_X86"], archMap=[{"architecture": "SCMP_ARCH_X86"}]), '"architectures" and "archMap"'),
         ({"defaultAction": 5}, 'field "defaultAction" must be a string')]


@pytest.mark.parametrize("document,words", WRONG)
def test_what_is_wrong_is_said(box, document, words):
    text = document if isinstance(document, str) else json.dumps(document)
    with pytest.raises(kedge.ApiError) as problem:
        box.create(["true"], host={"SecurityOpt": [f"seccomp={text}"]})
    assert problem.value.status == 400
    assert problem.value.message.startswith('field "securityOptions"')
    assert words in problem.value.message


def test_a_path_is_for_clients(box):
    with pytest.raises(kedge.ApiError) as problem:
        box.create(["true"], host={"SecurityOpt": ["seccomp=/etc/profile.json"]})
    assert problem.value.status == 400 and "nor a profile in JSON" in problem.value.message


def test_a_file_that_cannot_be_read(box):
    done = box.kedge("run", "--security-opt", "seccomp=/nowhere.json", "busybox:test", "true", check=False)
    assert done.returncode == 125 and "/nowhere.json" in done.err
