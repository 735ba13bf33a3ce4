# SPDX-License-Identifier: Apache-2.0
"""Odd answers of a daemon, and tables and progress bars on terminals of any size."""
import base64
import json
import os
import re
import subprocess
import threading
import time

import pytest
from served import CHUNKED, KEDGE, Screen, Served, Terminal, chunk, environment, on_terminal, response, run

NOW = time.time()


def containers(count=2):
    return json.dumps([{
        "Id": f"{number:064x}", "Image": "registry.example:5000/tools/a-rather-long-name:1.35.0-debian", "Command": "sh -c 'while :; do sleep 1; done'",
        "Created": int(NOW) - 7200, "Status": "Up 2 hours (healthy)", "State": "running", "Ports": [{"PrivatePort": 80, "Type": "tcp"}],
        "Names": [f"/a-container-with-quite-a-name-{number}"], "Labels": {"role": "web", "x": "y"}, "Mounts": [],
        "NetworkSettings": {"Networks": {"none": {}}},
    } for number in range(count)]).encode()


@pytest.mark.parametrize("columns", [60, 70, 80, 90, 100, 120, 140, 200])
def test_ps_fits_the_terminal(columns):
    with Served({"GET /containers/json": response(200, containers())}) as served:
        status, text = on_terminal("ps", host=served.socket, columns=columns, NO_COLOR="1")
        lines = text.splitlines()
        assert status == 0
        assert len(lines) == 3
        assert max(map(len, lines)) <= columns
        assert lines[1].startswith("000000000000   ")
        assert lines[0].split()[:2] == ["CONTAINER", "ID"]
        assert "STATUS" in lines[0] and "NAMES" in lines[0]
        assert "Up 2 hours (healthy)   " in lines[1]


def widths(text):
    header = text.splitlines()[0] + "   "
    return {title: len(cell) for title, cell in zip(re.findall(r"[A-Z]+(?: [A-Z]+)*", header), re.findall(r"[A-Z]+(?: [A-Z]+)* {3,}", header))}


def test_ps_cuts_what_matters_least_first():
    whole = {"CONTAINER ID": 15, "IMAGE": 63, "COMMAND": 25, "CREATED": 14, "STATUS": 23, "PORTS": 9, "NAMES": 8}
    with Served({"GET /containers/json": response(200, containers())}) as served:
        shown = {columns: widths(on_terminal("ps", host=served.socket, columns=columns, NO_COLOR="1")[1]) for columns in (180, 175, 165, 140, 90, 80)}
    assert shown[180] == whole
    assert shown[175] == {**whole, "COMMAND": 20}
    assert shown[165] == {**whole, "COMMAND": 11, "IMAGE": 62}
    assert shown[140] == {**whole, "COMMAND": 11, "IMAGE": 37}
    assert "COMMAND" not in shown[90] and list(shown[80]) == ["CONTAINER ID", "IMAGE", "STATUS", "PORTS", "NAMES"]


def test_an_empty_column_goes_first():
    quiet = [{**container, "Ports": [], "Image": "busybox:1.36", "Names": ["/web"]} for container in json.loads(containers())]
    with Served({"GET /containers/json": response(200, json.dumps(quiet).encode())}) as served:
        text = on_terminal("ps", host=served.socket, columns=85, NO_COLOR="1")[1]
        assert "PORTS" not in text and "COMMAND" in text and "busybox:1.36   " in text


def test_ps_is_whole_where_nobody_looks():
    with Served({"GET /containers/json": response(200, containers())}) as served:
        assert "registry.example:5000/tools/a-rather-long-name:1.35.0-debian" in served.run("ps").out
        assert "…" not in served.run("ps", "--no-trunc").out
        assert f"{1:064x}" in served.run("ps", "--no-trunc").out
        status, text = on_terminal("ps", "--no-trunc", host=served.socket, columns=60)
        assert "while :; do sleep 1; done" in text.replace("\n", "")


def test_columns_of_the_environment_win():
    with Served({"GET /containers/json": response(200, containers())}) as served:
        _, text = on_terminal("ps", host=served.socket, columns=200, COLUMNS="100", NO_COLOR="1")
        assert max(map(len, text.splitlines())) <= 100


def test_colours():
    with Served({"GET /containers/json": response(200, containers())}) as served:
        assert "\033[32mUp 2 hours" in on_terminal("ps", host=served.socket, columns=200)[1]
        assert "\033[" not in on_terminal("ps", host=served.socket, columns=200, NO_COLOR="1")[1]
        assert "\033[" not in served.run("ps").out


def test_formats():
    with Served({"GET /containers/json": response(200, containers(1))}) as served:
        assert served.run("ps", "--format", '{{.Names}}\\t{{.Label "role"}}|{{.Label "no"}}').out == "a-container-with-quite-a-name-0\tweb|\n"
        assert served.run("ps", "--format", "table {{.ID}}\\t{{.Labels}}").out == "CONTAINER ID   LABELS\n000000000000   role=web,x=y\n"
        assert served.run("ps", "-q").out == "000000000000\n"
        row = json.loads(served.run("ps", "--format", "json").out)
        assert row["Names"] == "a-container-with-quite-a-name-0"
        assert list(row) == sorted(row)
        done = served.run("ps", "--format", "{{.Nope}}")
        assert done.returncode == 1
        assert done.err.startswith('kedge: template "{{.Nope}}": there is no field ".Nope"\nhint: the fields are .ID, .Image,')


def test_escape_sequences_of_containers_stay_harmless():
    evil = json.dumps([{"Id": "0" * 64, "Image": "a\033]0;x\007", "Command": "\033[2J", "Created": 0, "Status": "Up", "Names": ["/n"]}]).encode()
    with Served({"GET /containers/json": response(200, evil)}) as served:
        assert "\033" not in served.run("ps").out


# ---- errors ---------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("answer,message", [
    (response(500, b'{"message":"went wrong"}'), "went wrong"),
    (response(502, b"<html>Bad gateway</html>\n"), "kedged answered with status 502: <html>Bad gateway</html>"),
    (response(200, b'[{"Id":'), "kedged's answer to GET /containers/json: "),
    ([b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{}"], "the connection was closed in the middle of the answer"),
    ([b"SSH-2.0-OpenSSH_9.2\r\n"], "the answer is not HTTP/1.1"),
    ([b""], "the connection was closed in the middle of the answer"),
    (response(200, b"[]", b"X: " + b"x" * 70000 + b"\r\n"), "the answer's head is too large"),
], ids=["message", "no-json", "bad-json", "cut", "ssh", "nothing", "large-head"])
def test_bad_answers(answer, message):
    with Served({"GET /containers/json": answer}) as served:
        done = served.run("ps")
        assert (done.returncode, done.out) == (1, "")
        assert done.err.startswith(f"kedge: {message}")


@pytest.mark.parametrize("message,hint", [("invalid filter 'foo'", "--help lists the filters"), ("Invalid signal: FOO", "it is a name such as HUP or TERM, or a number"),
                                          ('invalid condition: "x"', "it is not-running, next-exit or removed"),
                                          ("invalid restart policy 'x'", "it is no, always, unless-stopped or on-failure[:MAX]")])
def test_what_is_expected_is_said(message, hint):
    with Served({"GET /containers/json": response(400, json.dumps({"message": message}).encode())}) as served:
        assert served.run("ps").err == f"kedge: {message}\nhint: {hint}\n"


def test_a_refusal_without_an_end():
    """Its reason is not waited for for ever."""
    head = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100\r\n\r\n"
    with Served({"GET /containers/json": [head + b"{", 60.0, b""]}) as served:
        done = served.run("ps")
    assert (done.returncode, done.out) == (1, "")
    assert done.err.startswith("kedge: kedged answered with status 500, and did not say why within 3 seconds")


def test_connection_is_kept():
    answers = {f"POST /containers/{name}/stop": response(204, b"") for name in "abc"}
    with Served(answers) as served:
        assert served.run("stop", "a", "b", "c").out == "a\nb\nc\n"
        assert len(served.requests) == 3


def test_each_target_by_itself():
    answers = {"POST /containers/a/stop": response(204, b""), "POST /containers/c/stop": response(304, b""),
               "POST /containers/b/stop": response(404, b'{"message":"No such container: b"}')}
    with Served(answers) as served:
        done = served.run("stop", "-t", "3", "-s", "INT", "a", "b", "c")
        assert (done.returncode, done.out, done.err) == (1, "a\nc\n", "kedge: No such container: b\n")
        assert served.requests[0][0].startswith("POST /containers/a/stop?signal=INT&t=3 ")


def test_names_are_encoded():
    with Served({}) as served:
        served.run("rm", "a/b?c d%")
        assert served.requests[0][0].startswith("DELETE /containers/a%2Fb%3Fc%20d%25 ")
        assert served.run("rm", "").err == "kedge: the name is empty\n"


# ---- pull -----------------------------------------------------------------------------------------------------------------------

def lines(*objects):
    return b"".join(json.dumps(item).encode() + b"\r\n" for item in objects)


def layer(identity, status, current=None, total=None):
    detail = {} if current is None else {"current": current, "total": total}
    return {"id": identity, "status": status, "progressDetail": detail}


PULL = [CHUNKED, chunk(lines({"id": "2", "status": "Pulling from tools/web"}, layer("0123456789ab", "Pulling fs layer"), layer("ba9876543210", "Waiting"))),
        *(piece for step in range(1, 6) for piece in
          (chunk(lines(layer("0123456789ab", "Downloading", step * 2000000, 10000000), layer("ba9876543210", "Downloading", step, 10))), 0.25)),
        chunk(lines(layer("0123456789ab", "Pull complete"), layer("ba9876543210", "Already exists"), {"status": "Digest: sha256:0123"},
                    {"status": "Status: Downloaded newer image for registry.example/tools/web:2"})), b"0\r\n\r\n"]
PULLED = ("2: Pulling from tools/web\n0123456789ab: Pull complete\nba9876543210: Already exists\nDigest: sha256:0123\n"
          "Status: Downloaded newer image for registry.example/tools/web:2\nregistry.example/tools/web:2")


@pytest.mark.parametrize("columns", [30, 60, 80, 130])
def test_pull_on_a_terminal(columns):
    with Served({"POST /images/create": PULL}) as served:
        status, text = on_terminal("pull", "registry.example/tools/web:2", host=served.socket, columns=columns)
        assert status == 0
        wide = [line for line in PULLED.splitlines() if len(line) <= columns - 1]
        assert all(len(line) < columns for line in re.sub(r"\033\[[0-9;]*[A-Za-z]|\r", "", text).splitlines() if line.startswith(("0123", "ba98")))
        screen = Screen(10000 if columns < 80 else columns).put(text) # lines without a layer may be longer than a narrow terminal
        assert [line for line in screen.text().splitlines() if len(line) <= columns - 1] == wide
        if columns >= 80:
            assert "MB/10MB" in text
            assert "MB/s" in text  # about 8 MB/s
            assert "[" in text and "=>" in text


def test_pull_elsewhere_is_plain():
    with Served({"POST /images/create": PULL}) as served:
        done = served.run("pull", "registry.example/tools/web:2")
        assert (done.returncode, done.err) == (0, "")
        assert done.out == ("2: Pulling from tools/web\n0123456789ab: Pulling fs layer\nba9876543210: Waiting\n0123456789ab: Pull complete\n"
                            "ba9876543210: Already exists\nDigest: sha256:0123\nStatus: Downloaded newer image for registry.example/tools/web:2\n"
                            "registry.example/tools/web:2\n")
        assert served.requests[0][0].startswith("POST /images/create?fromImage=registry.example%2Ftools%2Fweb&tag=2 ")
        assert served.run("pull", "-q", "registry.example/tools/web:2").out == "registry.example/tools/web:2\n"


def test_many_layers_on_few_lines():
    many = [CHUNKED] + [chunk(lines(*(layer(f"layer{number:02}", "Downloading", step, 10) for number in range(40)))) for step in range(1, 10)]
    many += [chunk(lines(*(layer(f"layer{number:02}", "Pull complete") for number in range(40)))), b"0\r\n\r\n"]
    with Served({"POST /images/create": many}) as served:
        status, text = on_terminal("pull", "x", host=served.socket, lines=10)
        screen = Screen(80).put(text)
        assert status == 0
        assert screen.tallest < 10
        assert [line for line in screen.text().splitlines() if line.startswith("layer")] == [f"layer{number:02}: Pull complete" for number in range(40)]


def test_pull_errors():
    failed = [CHUNKED, chunk(lines(layer("aa", "Downloading", 1, 2), {"errorDetail": {"message": "manifest unknown"}, "error": "manifest unknown"})), b"0\r\n\r\n"]
    cut = [CHUNKED, chunk(lines(layer("aa", "Downloading", 1, 2)))]
    for answer, message in ((failed, "manifest unknown"), (cut, "the connection was closed in the middle of the answer")):
        with Served({"POST /images/create": answer}) as served:
            done = served.run("pull", "-q", "x")
            assert (done.returncode, done.out, done.err) == (1, "", f"kedge: {message}\n")


# ---- credentials ----------------------------------------------------------------------------------------------------------------

def sent_credentials(served):
    header = next(line for line in served.requests[-1][0].splitlines() if line.startswith("X-Registry-Auth: "))
    return json.loads(base64.urlsafe_b64decode(header.split(" ")[1]))


def write_config(directory, content):
    (directory / "config.json").write_text(json.dumps(content))
    return {"DOCKER_CONFIG": str(directory)}


def test_credentials_go_to_their_registry_alone(tmp_path):
    auth = base64.b64encode(b"me:se:cret").decode()
    variables = write_config(tmp_path, {"auths": {"r.example:5000": {"auth": auth}}})
    with Served({"POST /images/create": [CHUNKED, b"0\r\n\r\n"]}) as served:
        served.run("pull", "r.example:5000/a", **variables)
        assert sent_credentials(served) == {"username": "me", "password": "se:cret", "serveraddress": "r.example:5000"}
        served.run("pull", "r.example/a", **variables)
        assert sent_credentials(served) == {}
        served.run("pull", "a", **variables)
        assert sent_credentials(served) == {}


HELPER = """#!/bin/sh
# keeps credentials in files of their own, and says what it was asked
directory=$(dirname "$0")
read -r line || true
echo "$1 $line" >> "$directory/asked"
case $1 in
get) file=$directory/$(echo "$line" | tr ':/' '__'); cat "$file" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
store) server=$(echo "$line" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/'); echo "$line" > "$directory/$(echo "$server" | tr ':/' '__')" ;;
erase) rm "$directory/$(echo "$line" | tr ':/' '__')" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
esac
"""


@pytest.fixture
def helper(tmp_path):
    """A directory for PATH with docker-credential-files, and the variables of a client that uses it for r.example:5000."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "docker-credential-files").write_text(HELPER)
    (programs / "docker-credential-files").chmod(0o755)
    variables = write_config(tmp_path, {"credHelpers": {"r.example:5000": "files"}, "auths": {"other": {"auth": "YTpi"}}})
    return programs, {**variables, "PATH": f"{programs}:{os.environ['PATH']}"}


def test_credential_helper(tmp_path, helper):
    programs, variables = helper
    kept = tmp_path / "config.json"
    login = response(200, b'{"Status":"Login Succeeded","IdentityToken":""}')
    with Served({"POST /auth": login, "POST /images/create": [CHUNKED, b"0\r\n\r\n"]}) as served:
        done = served.run("login", "-u", "me", "--password-stdin", "r.example:5000", input=b"se:cret\n", **variables)
        assert (done.returncode, done.err) == (0, "The credentials are kept by docker-credential-files.\n")
        assert json.loads(kept.read_text())["auths"] == {"other": {"auth": "YTpi"}, "r.example:5000": {}}
        served.run("pull", "r.example:5000/a", **variables)
        assert sent_credentials(served) == {"username": "me", "password": "se:cret", "serveraddress": "r.example:5000"}
        assert run("logout", "r.example:5000", **variables).out == "Removing login credentials for r.example:5000\n"
        assert json.loads(kept.read_text())["auths"] == {"other": {"auth": "YTpi"}}
        served.run("pull", "r.example:5000/a", **variables)
        assert sent_credentials(served) == {}
        assert run("logout", "r.example:5000", **variables).out == "Not logged in to r.example:5000\n"
    asked = (programs / "asked").read_text().splitlines()
    assert [line.split()[0] for line in asked] == ["store", "get", "erase", "get", "erase"] and asked[1] == "get r.example:5000"


def test_credential_helper_with_an_identity_token(tmp_path, helper):
    programs, variables = helper
    write_config(tmp_path, {"credsStore": "files"})
    login = response(200, b'{"Status":"Login Succeeded","IdentityToken":"the token"}')
    with Served({"POST /auth": login, "POST /images/create": [CHUNKED, b"0\r\n\r\n"]}) as served:
        served.run("login", "-u", "me", "-p", "secret", **variables)
        assert json.loads((programs / "asked").read_text().removeprefix("store ")) == {
            "ServerURL": "https://index.docker.io/v1/", "Username": "<token>", "Secret": "the token"}
        served.run("pull", "a", **variables)
        assert sent_credentials(served) == {"identitytoken": "the token", "serveraddress": "https://index.docker.io/v1/"}


@pytest.mark.parametrize("script,message", [
    ("echo 'the keyring is locked'; exit 1", 'credential helper "files" could not get: the keyring is locked'),
    ("exit 3", 'credential helper "files" could not get: exit status 3'),
    ("kill -9 $$", 'credential helper "files" could not get: killed by signal 9 (KILL)'),
    ("echo '{'", 'answer of credential helper "files": '),
    ("head -c 100000 /dev/zero", 'credential helper "files": ')])
def test_credential_helpers_that_fail(helper, script, message):
    """A pull never goes without the credentials that the user set."""
    programs, variables = helper
    (programs / "docker-credential-files").write_text(f"#!/bin/sh\n{script}\n")
    done = run("pull", "r.example:5000/a", **variables)
    assert done.returncode == 1 and done.err.startswith(f"kedge: {message}")


def test_credential_helper_that_is_not_there(tmp_path):
    variables = write_config(tmp_path, {"credHelpers": {"r.example": "ecr-login"}})
    done = run("pull", "r.example/a", **variables)
    assert (done.returncode, done.err) == (1, 'kedge: credential helper "ecr-login": could not start "docker-credential-ecr-login": '
                                              'No such file or directory\n')


def test_login_keeps_what_was_checked(tmp_path):
    with Served({"POST /auth": response(200, b'{"Status":"Login Succeeded","IdentityToken":""}')}) as served:
        done = served.run("login", "-u", "me", "--password-stdin", "r.example", input=b"secret\n", DOCKER_CONFIG=str(tmp_path / "new"))
        assert (done.returncode, done.out) == (0, "Login Succeeded\n"), done.err
        assert json.loads(served.requests[0][1]) == {"username": "me", "password": "secret", "serveraddress": "r.example"}
    kept = tmp_path / "new" / "config.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert json.loads(kept.read_text()) == {"auths": {"r.example": {"auth": base64.b64encode(b"me:secret").decode()}}}
    assert run("logout", "r.example", DOCKER_CONFIG=str(tmp_path / "new")).out == "Removing login credentials for r.example\n"
    assert run("logout", "r.example", DOCKER_CONFIG=str(tmp_path / "new")).out == "Not logged in to r.example\n"


def test_login_refused_keeps_nothing(tmp_path):
    with Served({"POST /auth": response(401, b'{"message":"unauthorized: wrong password"}')}) as served:
        done = served.run("login", "-u", "me", "-p", "x", "r.example", DOCKER_CONFIG=str(tmp_path))
        assert done.returncode == 1
        assert done.err.endswith('kedge: unauthorized: wrong password\n')
    assert not (tmp_path / "config.json").exists()


# ---- what is told on a terminal ---------------------------------------------------------------------------------------------------

LONG = "could not start the container: " + "word " * 40 + "at /a/very/long/path/" + "x" * 120


@pytest.mark.parametrize("columns", [40, 80, 250])
def test_messages_are_wrapped_on_a_terminal(columns):
    answers = {"GET /containers/json": response(500, json.dumps({"message": LONG + "\033[2J"}).encode()),
               "POST /containers/create": response(201, json.dumps({"Id": "0" * 64, "Warnings": ["careful " * 20]}).encode())}
    with Served(answers) as served:
        for arguments, head in ((["ps"], "kedge: "), (["create", "x"], "WARNING: ")):
            lines = on_terminal(*arguments, host=served.socket, columns=columns, NO_COLOR="1")[1].splitlines()
            told = [line for line in lines if line != "0" * 64]
            assert max(len(line) for line in told if "xxx" not in line) <= min(columns, 100)
            assert told[0].startswith(head + "careful" if head == "WARNING: " else head + "could not") and len(told) >= 2
            assert all(line.startswith(" " * len(head)) for line in told[1:])
            assert "\033" not in "".join(lines)
        assert served.run("ps").err == f"kedge: {LONG}\033[2J\n"


def test_hints_of_a_stream_are_shown():
    """A registry that nobody vouches for: the daemon says where its CA belongs."""
    message, hint = "the TLS certificate is not trusted", 'put its certificate into "/etc/docker/certs.d/r.example/ca.crt"'
    failed = lines({"errorDetail": {"code": 403, "message": f"{message}: {hint}", "hint": hint}, "error": message})
    with Served({"POST /images/create": [CHUNKED, chunk(failed), b"0\r\n\r\n"]}) as served:
        assert served.run("pull", "-q", "r.example/a").err == f"kedge: {message}\nhint: {hint}\n"


# ---- system check, system df ----------------------------------------------------------------------------------------------------

CHECKED = {"POST /kedge/v1/system/check": response(200, b'{"Problems":[]}'), "GET /info": response(200, b'{"Containers":2,"Images":1}'),
           "GET /volumes": response(200, b'{"Volumes":[]}')}


def test_system_check_says_that_all_is_well():
    with Served(CHECKED) as served:
        done = served.run("system", "check")
        assert (done.returncode, done.out, done.err) == (0, "all is well: 2 containers, 1 image, 0 volumes\n", "")
        done = served.run("system", "check", "--quiet")
        assert (done.returncode, done.out, done.err) == (0, "", "")
        assert served.run("system", "check", "--format", "json").out == '{"Problems":[]}\n'
        assert served.run("system", "check", "--format", "{{len .Problems}}").out == "0\n"
        assert served.run("system", "check", "--format", "{{len").err.startswith('kedge: template "{{len"')


@pytest.mark.parametrize("count,words", [(1, "1 problem was found"), (2, "2 problems were found")])
def test_system_check_with_problems(count, words):
    problems = [f"layer {number} is not here" for number in range(count)]
    with Served({**CHECKED, "POST /kedge/v1/system/check": response(200, json.dumps({"Problems": problems}).encode())}) as served:
        done = served.run("system", "check")
        assert (done.returncode, done.out.splitlines()) == (1, problems)
        assert done.err == f'kedge: {words}\nhint: "kedge system check --repair" puts right what can be\n'
        done = served.run("system", "check", "-q")
        assert (done.returncode, done.out, done.err) == (1, "", "")
        done = served.run("system", "check", "--format", "json")
        assert done.returncode == 1 and json.loads(done.out) == {"Problems": problems}


def test_system_check_repairs():
    repaired = response(200, b'{"Problems":["a mount"],"Remaining":[]}')
    with Served({**CHECKED, "POST /kedge/v1/system/check": repaired}) as served:
        done = served.run("system", "check", "--repair")
        assert (done.returncode, done.out, done.err) == (0, "a mount\nall of it was put right\n", "")
        assert "repair=1" in served.requests[0][0]
        served.answers["POST /kedge/v1/system/check"] = response(200, b'{"Problems":["a mount"],"Remaining":["a mount"]}')
        done = served.run("system", "check", "--repair")
        assert (done.returncode, done.out, done.err) == (1, "a mount\n", "kedge: 1 of these could not be put right\n")


def test_system_df_of_each_as_json():
    usage = {"LayersSize": 5, "Images": [{"Id": "sha256:" + "0" * 64, "RepoTags": ["web:1"], "Created": 0, "Size": 5, "SharedSize": 0, "Containers": 1}],
             "Containers": json.loads(containers(1)), "Volumes": [{"Name": "data", "Driver": "local", "UsageData": {"Size": 1000, "RefCount": 1}}]}
    with Served({"GET /system/df": response(200, json.dumps(usage).encode())}) as served:
        answer = json.loads(served.run("system", "df", "-v", "--format", "json").out)
        assert answer["Images"][0]["Repository"] == "web" and answer["Containers"][0]["Names"] == "a-container-with-quite-a-name-0"
        assert answer["Volumes"] == [{"Links": "1", "Name": "data", "Size": "1kB"}]
        assert served.run("system", "df", "-v", "--format", "{{range .Volumes}}{{.Name}}{{end}}").out == "data\n"
        assert served.run("system", "df", "-v", "--format", "table").out == served.run("system", "df", "-v").out
        assert max(map(len, on_terminal("system", "df", "-v", host=served.socket, columns=80, NO_COLOR="1")[1].splitlines())) <= 80


def test_top_and_diff_by_a_format():
    processes = {"Titles": ["PID", "%CPU", "CMD"], "Processes": [["1", "0.0", "sh -c x"], ["7", "1.5", "sleep 1"]]}
    changes = [{"Path": "/etc", "Kind": 0}, {"Path": "/etc/x y", "Kind": 1}, {"Path": "/bin/z", "Kind": 2}]
    with Served({"GET /containers/c/top": response(200, json.dumps(processes).encode()), "GET /containers/c/changes": response(200, json.dumps(changes).encode())}) as served:
        rows = [json.loads(line) for line in served.run("top", "--format", "json", "c").out.splitlines()]
        assert rows == [{"PID": "1", "%CPU": "0.0", "CMD": "sh -c x"}, {"PID": "7", "%CPU": "1.5", "CMD": "sleep 1"}]
        assert served.run("top", "--format", '{{.PID}} {{index . "%CPU"}}', "c").out == "1 0.0\n7 1.5\n"
        assert served.run("diff", "c").out == "C /etc\nA /etc/x y\nD /bin/z\n"
        rows = [json.loads(line) for line in served.run("diff", "--format", "json", "c").out.splitlines()]
        assert rows == [{"Kind": kind, "Path": path} for kind, path in (("C", "/etc"), ("A", "/etc/x y"), ("D", "/bin/z"))]
        for command in ("top", "diff"):
            assert served.run(command, "--format", "{{", "c").err.startswith('kedge: template "{{": ')


# ---- inspect, events, stats ---------------------------------------------------------------------------------------------------

def test_inspect_keeps_numbers_and_order():
    text = b'{"Id":"0","Z":1.50,"A":12345678901234567,"E":{},"L":[]}'
    with Served({"GET /containers/c/json": response(200, text)}) as served:
        assert served.run("inspect", "c").out == ('[\n    {\n        "Id": "0",\n        "Z": 1.50,\n        "A": 12345678901234567,\n        "E": {},\n'
                                                  '        "L": []\n    }\n]\n')
        done = served.run("inspect", "c", "nope")
        assert (done.returncode, done.err) == (1, "Error: No such object: nope\n")
        assert json.loads(done.out) == [json.loads(text)]
        done = served.run("inspect", "nope")
        assert (done.returncode, done.out) == (1, "[]\n")
        assert served.run("container", "inspect", "nope").err == "Error: No such container: nope\n"
        assert served.run("inspect", "-f", "{{.Z}} {{json .E}}", "c").out == "1.5 {}\n"
        assert json.loads(served.run("inspect", "--format", "json", "c", "c").out) == [json.loads(text)] * 2


def test_events():
    event = {"status": "start", "id": "abc", "from": "busybox", "Type": "container", "Action": "start",
             "Actor": {"ID": "abc", "Attributes": {"name": "web", "image": "busybox"}}, "scope": "local", "time": 1795368328, "timeNano": 1795368328528668427}
    with Served({"GET /events": [CHUNKED, chunk(json.dumps(event).encode()[:50]), 0.1, chunk(json.dumps(event).encode()[50:] + b"\n"), b"0\r\n\r\n"]}) as served:
        assert served.run("events", "--filter", "type=container", "--filter", "event=start", "--filter", "event=die", "--since", "5").out == (
            "2026-11-22T17:25:28.528668427Z container start abc (image=busybox, name=web)\n")
        assert "since=5.000000000&filters=%7B%22type%22%3A%7B%22container%22%3Atrue%7D%2C%22event%22%3A%7B%22start%22%3Atrue%2C%22die%22%3Atrue%7D%7D" in (
            served.requests[0][0])
        assert json.loads(served.run("events", "--format", "json").out) == event
        assert served.run("events", "--format", "{{.Type}} {{.Actor.Attributes.name}}").out == "container web\n"


def sample(cpu, system, version=2):
    stats = {"inactive_file": 1048576} if version == 2 else {"total_inactive_file": 1048576, "inactive_file": 5}
    return response(200, json.dumps({
        "id": "0" * 64, "name": "/web", "cpu_stats": {"cpu_usage": {"total_usage": cpu}, "system_cpu_usage": system, "online_cpus": 2},
        "memory_stats": {"usage": 3145728, "limit": 67108864, "stats": stats}, "pids_stats": {"current": 3},
        "networks": {"eth0": {"rx_bytes": 1500, "tx_bytes": 10}, "eth1": {"rx_bytes": 500, "tx_bytes": 0}},
        "blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 4096}, {"op": "write", "value": 8192}, {"op": "Total", "value": 9}]}}).encode())


@pytest.mark.parametrize("version", [1, 2])
def test_stats_figures(version):
    with Served({"GET /containers/web/stats": sample(100, 1000, version)}) as served:
        def second_sample():
            served.answers["GET /containers/web/stats"] = sample(350, 2000, version)
        threading.Timer(0.5, second_sample).start()
        out = served.run("stats", "--no-stream", "web").out
        assert out.splitlines()[0].split("  ")[0] == "CONTAINER ID"
        for figure in ("50.00%", "2MiB / 64MiB", "3.12%", "2kB / 10B", "4.1kB / 8.19kB"):
            assert figure in out


def test_stats_on_a_terminal_is_drawn_over():
    with Served({"GET /containers/web/stats": sample(1, 2)}) as served:
        process = subprocess.Popen([KEDGE, "stats", "web"], env=environment(served.socket), stdout=subprocess.PIPE)
        first = process.stdout.readline()
        process.kill()
        process.wait()
        assert b"\033" not in first  # a file gets one table after the other


@pytest.mark.parametrize("columns", [60, 80, 85, 100])
def test_stats_fits_the_terminal(columns):
    with Served({"GET /containers/web/stats": sample(100, 1000)}) as served:
        status, text = on_terminal("stats", "--no-stream", "web", host=served.socket, columns=columns, NO_COLOR="1")
        shown = text.splitlines()
        assert status == 0 and max(map(len, shown)) <= columns
        assert {"NAME", "CPU %", "MEM USAGE / LIMIT"} <= set(re.split(r" {3,}", shown[0].strip()))
        assert ("MEM %" in shown[0]) == (columns == 100) and ("CONTAINER ID" in shown[0]) == (columns >= 85)


def test_stats_follows_the_terminals_size():
    """At once, and without asking again: who is slow here is the test, so that one of many tries is enough."""
    with Served({"GET /containers/web/stats": sample(100, 1000)}) as served, Terminal("stats", "web", host=served.socket, columns=100, NO_COLOR="1") as terminal:
        terminal.until(lambda text: "PIDS" in text and text.endswith("\n"))
        for _ in range(20):
            seen, asked = len(terminal.text()), len(served.requests)
            terminal.resize(60)
            narrow = terminal.until(lambda text: text.count("\n") >= 2, after=seen)
            at_once = len(served.requests) == asked
            terminal.until(lambda text: "BLOCK" not in text.rpartition("\033[2J")[2])
            terminal.resize(100)
            terminal.until(lambda text: "MEM %" in text.rpartition("\033[2J")[2])
            if at_once:
                break
        assert at_once
        assert max(map(len, narrow.rpartition("\033[2J")[2].splitlines())) <= 60


def test_bars_follow_the_terminals_size():
    go_on = threading.Event()
    steps = [layer("0123456789ab", "Downloading", 2000000, 10000000), layer("0123456789ab", "Verifying", 5000000, 10000000),
             layer("0123456789ab", "Extracting", 7000000, 10000000)]
    pull = [CHUNKED, chunk(lines(steps[0])), go_on.wait, chunk(lines(*steps[1:])), b"0\r\n\r\n"]
    with Served({"POST /images/create": pull}) as served, Terminal("pull", "x:1", host=served.socket, columns=120, NO_COLOR="1") as terminal:
        before = terminal.until(lambda text: "MB/10MB" in text and text.endswith("\n"))
        terminal.resize(60)
        go_on.set()
        status, text = terminal.end()
        after = text[len(before):]
        assert status == 0 and "Extracting  [" in after
        assert not after.startswith("\033[1A")  # nobody knows how many lines the wide bar takes by now
        Screen(60).put(after.partition("\r")[2])  # fails when one wraps
        assert max(map(len, re.sub(r"\033\[[0-9;]*[A-Za-z]|\r", "", after).splitlines())) < 60
