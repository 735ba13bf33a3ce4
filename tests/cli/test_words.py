# SPDX-License-Identifier: Apache-2.0
"""The command line itself: no daemon answers here."""
import re
import shutil
import subprocess

import pytest
from served import KEDGE, Served, environment, response, run

COMMANDS = """run create start stop restart kill pause unpause wait rename update rm ps inspect logs stats exec attach pull push images rmi tag load save
 import export cp diff commit history search top port login logout events info version""".split()
FORMS = """container:run container:create container:start container:stop container:restart container:kill container:pause container:unpause
 container:wait container:rename container:update container:rm container:remove container:ls container:list container:ps container:inspect
 container:logs container:stats container:top container:port container:exec container:attach container:export container:cp container:diff container:commit container:prune image:pull image:push image:ls image:list image:rm image:remove
 image:tag image:load image:save image:import image:history image:inspect image:prune network:ls network:list
 network:inspect volume:create volume:ls volume:list volume:inspect volume:rm volume:remove volume:prune system:events system:info system:df
 system:prune""".split()
OWN = {"system check"}  # which docker has not
WITHOUT_OPTIONS = {"wait", "tag", "logout", "pause", "unpause", "rename", "top", "port", "diff"}
NEWER = {"container:remove", "volume:remove"}  # than Docker 20.10


OLDER_DOCKERS = {"kubeconfig"}  # of Docker 20.10, gone since
RENAMED = {"time"}  # its letter went to the new name


def long_options(text):
    """Options that a help text lists: lines that begin with them, not those that other text mentions."""
    return set(re.findall(r"^\s{1,6}(?:-\w, )?--([a-z0-9-]+)", text, re.M))


def taken_or_refused(words, option):
    """An error that says that the option is unknown is the one that must not come."""
    done = run(*words, f"--{option}=x")
    return f'unknown option "--{option}"' not in done.err


@pytest.mark.skipif(not shutil.which("docker"), reason="docker's help texts come from its program")
@pytest.mark.parametrize("command", COMMANDS + FORMS)
def test_every_option_of_docker_is_known(command):
    words = command.split(":")
    text = subprocess.run(["docker", *words, "--help"], stdout=subprocess.PIPE, text=True).stdout
    options = long_options(text) - OLDER_DOCKERS - {"help"}
    assert text.strip().startswith("Usage:")
    assert options or command.rpartition(":")[2] in WITHOUT_OPTIONS or command in NEWER, text
    assert [option for option in sorted(options) if not taken_or_refused(words, option)] == []


@pytest.mark.skipif(not shutil.which("docker"), reason="docker's help texts come from its program")
@pytest.mark.parametrize("group", [[], ["container"], ["image"], ["network"], ["volume"], ["system"]], ids=lambda group: " ".join(group) or "all")
def test_every_command_of_docker_is_there_or_refused_by_name(group):
    text = subprocess.run(["docker", *group, "--help"], stdout=subprocess.PIPE, text=True).stdout
    words = set(re.findall(r"^  ([a-z]+) ", text.partition("ommands:")[2], re.M)) - {"completion", "container", "image", "network", "volume", "system"}
    assert len(words) >= 4, text
    assert [word for word in sorted(words) if "unknown command" in run(*group, word, "--bad").err] == []


def test_every_command_is_walked():
    """With all of its names: a command that is new belongs into the lists above."""
    names = set(re.findall(r"^  ([a-z]+(?: [a-z]+)?)  ", run("--help").out, re.M))
    assert len(names) >= 39
    for name in set(names):
        aliases = re.search(r"^Aliases:\n +(.*)", run(*name.split(), "--help").out, re.M)
        names |= set(aliases[1].split(", ")) if aliases else set()
    assert {name.removeprefix("kedge ").replace(" ", ":") for name in names - OWN} == {*COMMANDS, *FORMS}


@pytest.mark.skipif(not shutil.which("docker"), reason="docker's help texts come from its program")
def test_every_global_option_of_docker_is_known():
    text = subprocess.run(["docker", "--help"], stdout=subprocess.PIPE, text=True).stdout
    options = long_options(text) - {"help", "version"}
    assert len(options) >= 10
    assert [option for option in sorted(options) if f'unknown option "--{option}"' in run(f"--{option}=x", "ps").err] == []


@pytest.mark.parametrize("command", COMMANDS + FORMS)
def test_short_options_are_dockers(command):
    """Where both have a letter for an option, it is the same."""
    words = command.split(":")
    pairs = re.compile(r"^\s{1,6}-(\w), --([a-z0-9-]+)", re.M)
    ours = dict(pair[::-1] for pair in pairs.findall(run(*words, "--help").out))
    docker = subprocess.run(["docker", *words, "--help"], stdout=subprocess.PIPE, text=True).stdout
    for letter, option in pairs.findall(docker):
        if option in long_options(run(*words, "--help").out) - RENAMED:
            assert ours.get(option) == letter, option


@pytest.mark.parametrize("command", COMMANDS + FORMS)
def test_help(command):
    words = command.split(":")
    done = run(*words, "--help")
    assert (done.returncode, done.err) == (0, "")
    assert done.out.startswith("Usage:  kedge ")
    assert "Options:" in done.out
    assert run("help", *words).out == done.out
    assert max(map(len, done.out.splitlines())) <= 120


def test_overview_lists_all_commands():
    done = run("--help")
    assert done.returncode == 0
    assert set(COMMANDS) <= set(re.findall(r"^  ([a-z]+) ", done.out, re.M))
    assert run().out == done.out


@pytest.mark.parametrize("group", ["container", "image", "network", "system"])
def test_overview_of_a_group(group):
    done = run(group, "--help")
    assert done.returncode == 0 and done.out.startswith(f"Usage:  kedge {group} COMMAND\n")
    words = re.findall(r"^  ([a-z]+)   ", done.out, re.M)
    assert {form.partition(":")[2] for form in FORMS if form.startswith(group)} - {"list", "ps", "remove"} <= set(words) | {"list", "ps", "remove"}
    for word in words:
        assert run(group, word, "--help").out.startswith("Usage:  kedge "), word
    assert run("help", group).out == done.out


def test_version():
    assert re.fullmatch(r"kedge version [0-9.]+\n", run("--version").out)


ERRORS = [
    (["frobnicate"], 1, 'unknown command "frobnicate"', 'see "kedge --help"'),
    (["imags"], 1, 'unknown command "imags"', 'did you mean "images"? all commands: kedge --help'),
    (["exec", "a"], 1, '"kedge exec" takes at least 2 arguments: kedge exec [OPTIONS] CONTAINER COMMAND [ARG...]', 'see "kedge exec --help"'),
    (["container"], 1, '"kedge container" needs a command', 'see "kedge container --help"'),
    (["container", "frob"], 1, 'unknown command "container frob"', 'see "kedge container --help"'),
    (["network", "create", "x"], 1, 'command "network create" is not available: networks of one\'s own are not there yet; use --network host or none', None),
    (["system", "df", "-v", "--format", "json"], 1, 'options "--verbose" and "--format" exclude each other', None),
    (["image", "build"], 1, 'command "image build" is not available: kedge does not build images yet', None),
    (["ps", "x"], 1, '"kedge ps" takes no arguments', 'see "kedge ps --help"'),
    (["rm"], 1, '"kedge rm" takes at least 1 argument: kedge rm [OPTIONS] CONTAINER [CONTAINER...]', 'see "kedge rm --help"'),
    (["tag", "a"], 1, '"kedge tag" takes exactly 2 arguments: kedge tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]', 'see "kedge tag --help"'),
    (["ps", "--bad"], 1, 'unknown option "--bad"', 'see "kedge ps --help"'),
    (["ps", "--al"], 1, 'unknown option "--al"', 'did you mean "--all"?'),
    (["ps", "-n", "x"], 1, None, None),
    (["ps", "--filter", "x"], 1, 'filter "x" is not of the form NAME=VALUE', None),
    (["ps", "--format", "{{.ID"], 1, 'template "{{.ID": the template ends where "}}" should be', None),
    (["inspect", "--type", "service", "x"], 1, 'option "--type": "service" is none of container, image, network and volume', None),
    (["run"], 125, '"kedge run" takes at least 1 argument: kedge run [OPTIONS] IMAGE [COMMAND] [ARG...]', 'see "kedge run --help"'),
    (["run", "-it", "x"], 125, "the input device is not a TTY", None),
    (["run", "-i", "--detach-keys", "ctrl-9", "x"], 125, "Invalid detach keys (ctrl-9) provided", None),
    (["run", "-a", "stdlog", "x"], 125, 'option "--attach": "stdlog" is none of stdin, stdout and stderr', None),
    (["start", "-i", "x", "y"], 1, 'option "--interactive" takes one container, not 2', None),
    (["run", "-p", "80:80", "x"], 125, 'option "--publish" is not available: publishing ports needs bridge networks, which are not there yet; use '
     '--network host', 'see "kedge run --help"'),
    (["run", "--gpus", "all", "x"], 125, 'option "--gpus" is not available: there are no GPU drivers; use --device', 'see "kedge run --help"'),
    (["run", "--pull", "often", "x"], 125, 'option "--pull": "often" is none of always, missing and never', None),
    (["run", "-d", "-a", "stdout", "x"], 125, 'options "--detach" and "--attach" exclude each other', None),
    (["start", "-a", "x", "y"], 1, 'option "--attach" takes one container, not 2', None),
    (["logs", "--tail", "x", "y"], 1, None, None),
    (["login", "-p", "x", "--password-stdin"], 1, None, None),
    (["-H", "ssh://x", "ps"], 1, 'option "--host": "ssh://x" is neither a unix socket (unix:///PATH) nor a host with TLS (tcp://HOST:PORT)', None),
    (["-H", "tcp://", "ps"], 1, 'option "--host": "tcp://" is not of the form tcp://HOST:PORT', None),
    (["-H", "tcp://a:1/b", "ps"], 1, 'option "--host": "tcp://a:1/b" is not of the form tcp://HOST:PORT', None),
    (["--tls", "ps"], 1, 'option "--tls" is not available: there is no TCP without TLS, and the daemon\'s certificate is always verified',
     'see "kedge --help"'),
]


@pytest.mark.parametrize("arguments,status,message,hint", ERRORS, ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_errors(arguments, status, message, hint):
    done = run(*arguments)
    assert (done.returncode, done.out) == (status, "")
    assert "unknown" in done.err or "cannot reach" not in done.err
    if message:
        assert done.err == f"kedge: {message}\n" + (f"hint: {hint}\n" if hint else "")
    else:
        assert done.err.startswith("kedge: ")


def test_no_daemon():
    done = run("ps", host="/nonexistent/kedge.sock")
    assert done.returncode == 1
    assert done.err == ('kedge: cannot reach kedged at "/nonexistent/kedge.sock": No such file or directory\n'
                        'hint: is kedged running? start it with "systemctl start kedged"\n')
    assert run("run", "x", host="/nonexistent/kedge.sock").returncode == 125


def test_version_says_what_we_are_without_daemon():
    done = run("version")
    assert done.returncode == 1
    assert done.out.startswith("Client:\n Version:")
    assert "cannot reach kedged" in done.err


def test_which_socket():
    """--host wins over KEDGE_HOST, KEDGE_HOST over DOCKER_HOST, and a DOCKER_HOST that is neither a unix socket nor TLS does not count."""
    def reached(*arguments, **variables):
        return re.search('kedged at "(.*)"', run(*arguments, "ps", **variables).err)[1]
    assert reached("-H", "unix:///a", KEDGE_HOST="unix:///b", DOCKER_HOST="unix:///c") == "/a"
    assert reached("-H", "/a") == "/a"
    assert reached(KEDGE_HOST="unix:///b", DOCKER_HOST="unix:///c") == "/b"
    assert reached(KEDGE_HOST="", DOCKER_HOST="unix:///c") == "/c"
    assert reached(KEDGE_HOST="", DOCKER_HOST="tcp://127.0.0.1:1") == "/run/kedge/kedge.sock"
    assert reached(KEDGE_HOST="", DOCKER_HOST="tcp://127.0.0.1:1", DOCKER_TLS_VERIFY="1") == "tcp://127.0.0.1:1"
    assert reached("--tlsverify", KEDGE_HOST="", DOCKER_HOST="tcp://127.0.0.1:1/") == "tcp://127.0.0.1:1"
    assert reached("-H", "tcp://127.0.0.1:1", KEDGE_HOST="unix:///b") == "tcp://127.0.0.1:1"


def test_arguments_behind_the_image_are_the_containers():
    with Served({"POST /containers/create": response(400, b'{"message":"as asked"}')}) as served:
        done = served.run("run", "--rm", "image", "-d", "--bad", "--", "-p")
        assert (done.returncode, done.err) == (125, "kedge: as asked\n")
        assert b'"Cmd":["-d","--bad","--","-p"]' in served.requests[0][1]


def test_output_that_cannot_be_written():
    with Served({"GET /containers/json": response(200, b"[]")}) as served, open("/dev/full", "w") as full:
        done = subprocess.run([KEDGE, "ps"], env=environment(served.socket), stdout=full,
                              stderr=subprocess.PIPE, text=True)
        assert done.returncode == 1
        assert done.stderr == "kedge: could not write to standard output: No space left on device\n"
