# SPDX-License-Identifier: Apache-2.0
"""The command line itself: no daemon answers here."""
import os
import pathlib
import re
import shutil
import subprocess

import kedge
import pytest
from served import KEDGE, Served, environment, response, run

COMMANDS = """run create start stop restart kill pause unpause wait rename update rm ps inspect logs stats exec attach pull push images rmi tag load save
 import export cp diff commit history search top port login logout events info version""".split()
FORMS = """container:run container:create container:start container:stop container:restart container:kill container:pause container:unpause
 container:wait container:rename container:update container:rm container:remove container:ls container:list container:ps container:inspect
 container:logs container:stats container:top container:port container:exec container:attach container:export container:cp container:diff container:commit container:prune image:pull image:push image:ls image:list image:rm image:remove
 image:tag image:load image:save image:import image:history image:inspect image:prune network:create network:connect network:disconnect
 network:rm network:remove network:prune network:ls network:list network:inspect volume:create volume:ls volume:list volume:inspect volume:rm volume:remove volume:prune system:events system:info system:df
 system:prune""".split()
OWN = {"convert", "passwd", "system check", "system firewall", "volume export", "volume import", "apply", "get", "set", "delete", "snapshots ls", "snapshots show",
       "snapshots diff", "snapshots rollback", *("external " + word for word in ("ls", "start", "stop", "restart", "rm")), *("enforcement " + word for word in ("show", "on", "off", "allow", "disallow", "dry-run", "removed")),
       *("service " + word for word in ("show", "on", "off", "set"))}  # which docker has not
WITHOUT_OPTIONS = {"wait", "tag", "logout", "pause", "unpause", "rename", "top", "port", "diff"}
NEWER = {"container:remove", "volume:remove", "network:rm", "network:remove"}  # than Docker 20.10, or their options


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
@pytest.mark.parametrize("group", [[], ["container"], ["image"], ["network"], ["volume"], ["system"], ["service"]], ids=lambda group: " ".join(group) or "all")
def test_every_command_of_docker_is_there_or_refused_by_name(group):
    text = subprocess.run(["docker", *group, "--help"], stdout=subprocess.PIPE, text=True).stdout
    words = set(re.findall(r"^  ([a-z]+) ", text.partition("ommands:")[2], re.M)) - {"completion", "container", "image", "network", "volume", "system", "service"}
    assert len(words) >= 4, text
    assert [word for word in sorted(words) if "unknown command" in run(*group, word, "--bad").err] == []


def test_every_command_is_walked():
    """With all of its names: a command that is new belongs into the lists above."""
    names = set(re.findall(r"^  ([a-z]+(?: [a-z-]+)?)  ", run("--help").out, re.M))
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
    assert max(map(len, done.out.splitlines())) <= 80


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
    (["exec", "a"], 1, '"kedge exec" takes at least 2 arguments: kedge exec [OPTIONS] CONTAINER COMMAND [ARG...]', 'for example: kedge exec -it web sh'),
    (["container"], 1, '"kedge container" needs a command', 'see "kedge container --help"'),
    (["container", "frob"], 1, 'unknown command "container frob"', 'see "kedge container --help"'),
    (["network", "create"], 1, '"kedge network create" takes exactly 1 argument: kedge network create [OPTIONS] NETWORK',
     "for example: kedge network create --subnet 172.20.0.0/16 plant"),
    (["network", "create", "--gateway", "192.0.2.1", "x"], 1, 'option "--gateway": "192.0.2.1" is in none of the subnets of "--subnet"', None),
    (["network", "create", "--ingress", "x"], 125, 'option "--ingress" is not available: there are no networks of a cluster',
     'see "kedge network create --help"'),
    (["network", "connect", "x"], 1, '"kedge network connect" takes exactly 2 arguments: kedge network connect [OPTIONS] NETWORK CONTAINER',
     "for example: kedge network connect --alias db plant store"),
    (["network", "connect", "--gw-priority", "x", "a", "b"], 1, 'option "--gw-priority": "x" is not a whole number', None),
    (["image", "build"], 1, 'command "image build" is not available: kedge does not build images yet', None),
    (["apply", "web.yaml"], 1, '"kedge apply" takes no arguments', 'for example: kedge apply --wait --file web.yaml'),
    (["ps", "x"], 1, '"kedge ps" takes no arguments', 'see "kedge ps --help"'),
    (["rm"], 1, '"kedge rm" takes at least 1 argument: kedge rm [OPTIONS] CONTAINER [CONTAINER...]', 'see "kedge rm --help"'),
    (["tag", "a"], 1, '"kedge tag" takes exactly 2 arguments: kedge tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
     'for example: kedge tag web:1 registry.example/web:1'),
    (["cp", "a"], 1, '"kedge cp" takes exactly 2 arguments: kedge cp [OPTIONS] CONTAINER:PATH PATH|- | PATH|- CONTAINER:PATH',
     'for example: kedge cp web:/etc/hosts .'),
    (["cp", "a", "/b"], 1, 'one of "a" and "/b" must be in a container: NAME:PATH', 'for example: kedge cp web:/etc/hosts .'),
    (["cp", "a:/x", "b:/y"], 1, 'copying between containers is not supported', 'kedge cp a:PATH - | kedge cp - b:PATH'),
    (["ps", "--bad"], 125, 'unknown option "--bad"', 'see "kedge ps --help"'),
    (["ps", "--al"], 125, 'unknown option "--al"', 'did you mean "--all"?'),
    (["ps", "-n", "x"], 125, 'option "--last": "x" is not a whole number', 'see "kedge ps --help"'),
    (["exec", "--bad", "a", "true"], 125, 'unknown option "--bad"', 'see "kedge exec --help"'),
    (["exec", "-it", "a", "sh"], 1, "the input device is not a TTY",
     'standard input is no terminal: leave out "--tty"; "--interactive" alone hands on what is piped in'),
    (["--bad", "ps"], 125, 'unknown option "--bad"', 'see "kedge --help"'),
    (["container", "lst"], 1, 'unknown command "container lst"', 'did you mean "container ls"? all commands: kedge container --help'),
    (["volumes", "ls"], 1, 'unknown command "volumes"', 'did you mean "volume"? all commands: kedge --help'),
    (["ps", "--filter", "x"], 1, 'filter "x" is not of the form NAME=VALUE', None),
    (["ps", "--format", "{{.ID"], 1, 'template "{{.ID": the template ends where "}}" should be', None),
    (["inspect", "--type", "service", "x"], 1, 'option "--type": "service" is none of container, image, network and volume', None),
    (["run"], 1, '"kedge run" takes at least 1 argument: kedge run [OPTIONS] IMAGE [COMMAND] [ARG...]',
     'for example: kedge run -d --name web -p 8080:80 registry.example/web:1'),
    (["run", "--bad", "x"], 125, 'unknown option "--bad"', 'see "kedge run --help"'),
    (["run", "-it", "x"], 1, "the input device is not a TTY",
     'standard input is no terminal: leave out "--tty"; "--interactive" alone hands on what is piped in'),
    (["run", "-i", "--detach-keys", "ctrl-9", "x"], 125, "Invalid detach keys (ctrl-9) provided", None),
    (["run", "-a", "stdlog", "x"], 125, 'option "--attach": "stdlog" is none of stdin, stdout and stderr', None),
    (["start", "-i", "x", "y"], 1, 'option "--interactive" takes one container, not 2', None),
    (["run", "-p", "80:81:82:83", "x"], 125, 'option "--publish": "80:81:82:83": "80:81" is no address', None),
    (["run", "--mount", "foo", "x"], 125, 'option "--mount": "foo": field "foo" is unknown',
     "for example: --mount type=bind,source=/srv/data,target=/data,readonly"),
    (["update", "web"], 1, "say what is to change: there is no option", "for example: kedge update --memory 128m web"),
    (["run", "--gpus", "many", "x"], 125, 'option "--gpus": "many": "many" is not a whole number', None),
    (["run", "--pull", "often", "x"], 125, 'option "--pull": "often" is none of always, missing and never', None),
    (["run", "-d", "-a", "stdout", "x"], 1, 'options "--detach" and "--attach" exclude each other', None),
    (["start", "-a", "x", "y"], 1, 'option "--attach" takes one container, not 2', None),
    (["logs", "--tail", "x", "y"], 1, None, None),
    (["login", "-p", "x", "--password-stdin"], 1, None, None),
    (["-H", "ssh://x", "ps"], 1, 'option "--host": "ssh://x" is neither a unix socket (unix:///PATH) nor a host with TLS (tcp://HOST:PORT)', None),
    (["-H", "tcp://", "ps"], 1, 'option "--host": "tcp://" is not of the form tcp://HOST:PORT', None),
    (["-H", "tcp://a:1/b", "ps"], 1, 'option "--host": "tcp://a:1/b" is not of the form tcp://HOST:PORT', None),
    (["-H", "tcp://a:99999", "ps"], 1, 'option "--host": port of "tcp://a:99999": 99999 is not between 1 and 65535', None),
    (["-H", "tcp://a:0", "ps"], 1, 'option "--host": port of "tcp://a:0": 0 is not between 1 and 65535', None),
    (["-H", "tcp://[::1]:web", "ps"], 1, 'option "--host": port of "tcp://[::1]:web": "web" is not a whole number', None),
    (["-H", "tcp://[::1", "ps"], 1, 'option "--host": "tcp://[::1" is not of the form tcp://HOST:PORT', None),
    (["-H", "tcp://:2376", "ps"], 1, 'option "--host": "tcp://:2376" is not of the form tcp://HOST:PORT', None),
    (["-H", "unix://nope", "ps"], 1, 'option "--host": "unix://nope" has no absolute path', "write unix:///PATH, with a slash at the beginning of the path"),
    (["-H", "unix://", "ps"], 1, 'option "--host": "unix://" has no absolute path', "write unix:///PATH, with a slash at the beginning of the path"),
    (["--tls", "ps"], 125, 'option "--tls" is not available: there is no TCP without TLS, and the daemon\'s certificate is always verified',
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
                        'hint: KEDGE_HOST says so; without it, "/run/kedge/kedge.sock" is asked\n')
    assert run("run", "x", host="/nonexistent/kedge.sock").returncode == 125


@pytest.mark.skipif(pathlib.Path("/run/kedge/kedge.sock").exists(), reason="there is a kedged at the usual place")
def test_systemd_is_named_for_its_own_daemon_alone():
    usual, other = run("ps", KEDGE_HOST=""), run("-H", "/nonexistent/s", "ps", KEDGE_HOST="")
    assert usual.err.endswith('\nhint: is kedged running? start it with "systemctl start kedged"\n')
    assert other.err == 'kedge: cannot reach kedged at "/nonexistent/s": No such file or directory\n'
    with Served({"GET /containers/json": [b""]}) as served:
        assert "journalctl" not in served.run("ps").err


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


# ---- every command, as who meets it first ----------------------------------------------------------------------------------------

ALL = sorted({command.replace(":", " ") for command in COMMANDS + FORMS} | OWN)
TOP = pathlib.Path(__file__).resolve().parents[2]
NEED_ARGUMENTS = [command for command in COMMANDS if command not in ("ps", "stats", "images", "load", "login", "logout", "events", "info", "version")]
SHOW_TABLES = ["ps", "images", "history", "search", "stats", "network ls", "volume ls", "system df"]
SHOW_FACTS = ["inspect", "container inspect", "image inspect", "network inspect", "volume inspect", "info", "version", "events", "system check",
              "top", "diff"]


@pytest.mark.parametrize("command", ALL)
def test_help_names_a_page_that_is_there(command):
    shown = run(*command.split(), "--help").out
    page = re.search(r"^More: man (\S+)$", shown, re.M)[1]
    assert (kedge.BUILD / "man" / f"{page}.1").exists()
    example = re.search(r"^Example:\n  kedge (.*)$", shown, re.M)
    canonical = re.search(r"^Usage:  kedge ((?:[a-z]+ )+)", shown)[1]
    assert not example or example[1].startswith(canonical)


@pytest.mark.parametrize("command", NEED_ARGUMENTS)
def test_missing_arguments_are_named(command):
    done = run(command)
    usage = re.search(r"^Usage:  (.*)$", run(command, "--help").out, re.M)[1]
    assert done.returncode == 1 and done.out == ""
    assert re.match(rf'kedge: "kedge {command}" takes (at least|exactly) \d arguments?: {re.escape(usage)}\nhint: (for example: |see )', done.err), done.err


@pytest.mark.parametrize("command", SHOW_TABLES + SHOW_FACTS)
def test_whatever_lists_speaks_json(command):
    shown = " ".join(run(*command.split(), "--help").out.split())
    kinds = '"table", "table TEMPLATE", "json", or' if command in SHOW_TABLES else '"json", or'
    assert f"--format FORMAT {kinds} a template" in shown


@pytest.mark.parametrize("command", ALL)
def test_options_are_completed(command):
    script = f'source {kedge.BUILD}/completion/kedge; COMP_WORDS=(kedge {command} --hel); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _kedge; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", script], env={**os.environ, "PATH": f"{kedge.BIN}:/usr/bin:/bin"}, stdout=subprocess.PIPE, text=True)
    assert done.stdout == "--help\n"


FILTERED = {"ps": "/containers/json", "images": "/images/json", "events": "/events", "network ls": "/networks", "volume ls": "/volumes"}


@pytest.mark.parametrize("command", sorted(FILTERED))
def test_filters_of_the_help_are_the_daemons(command, shared_daemon):
    """What the help lists and completion offers is taken; what the daemon takes is listed, as far as it makes a difference here."""
    shown = " ".join(run(*command.split(), "--help").out.split())
    listed = re.search(r"--filter NAME=VALUE only those that match: ((?:[a-z!]+, )*[a-z!]+)", shown)[1].split(", ")
    values = {"dangling": "true", "exited": "0", "status": "running", "health": "none", "type": "builtin" if command == "network ls" else "container", "publish": "80",
              "expose": "80", "before": "busybox:test", "since": "busybox:test"}
    known = "id name label label! status ancestor health exited before since network volume publish expose type event container image daemon scope driver reference".split()
    if command == "ps":
        values.update(before=shared_daemon.create(["true"]), since=shared_daemon.create(["true"]))
    for name in {*known, "dangling", *listed}:
        words = [*command.split(), "--filter", f"{name}={values.get(name, 'x')}", *(["--until", "0s"] if command == "events" else [])]
        done = shared_daemon.kedge(*words, check=False)
        assert (done.returncode == 0) == (name in listed), (name, done.err)
    script = f'source {kedge.BUILD}/completion/kedge; COMP_WORDS=(kedge {command} --filter ""); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _kedge; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", script], env={**os.environ, "PATH": f"{kedge.BIN}:/usr/bin:/bin"}, stdout=subprocess.PIPE, text=True)
    assert set(done.stdout.split()) == {f"{name}=" for name in listed} - {"label!="}
    shared_daemon.remove_all()


def examples(page):
    """What is between lines of three backticks."""
    return [line for number, part in enumerate(page.read_text().split("```\n")) if number % 2 for line in part.splitlines()]


def test_examples_of_the_pages():
    """A terminal of 80 characters shows them whole: they are indented by eleven. Each page of a command has some."""
    pages = sorted((TOP / "man").glob("kedge*.scd"))
    assert len(pages) >= 60
    assert [(page.name, line) for page in pages for line in examples(page) if len(line) > 80 - 11] == []
    assert [page.name for page in pages if page.name.endswith(".1.scd") and not any("kedge " in line for line in examples(page))] == []


@pytest.mark.parametrize("page", sorted((TOP / "man").glob("kedge*.1.scd")), ids=lambda page: page.name)
def test_examples_are_commands(page):
    """Their commands and options are those that the program has."""
    for words in (line.split() for line in examples(page)):
        if words[0] != "kedge" or words[1].startswith("-"):
            continue
        command = " ".join(words[1:3]) if " ".join(words[1:3]) in ALL else words[1]
        options = long_options(run(*command.split(), "--help").out)
        own = re.split(r"[|$]", re.sub(r"'[^']*'", "", " ".join(words)))[0]  # not what is quoted, piped or put in
        given = set(re.findall(r"--([a-z0-9-]+)", own))
        assert given <= options or command in ("run", "top"), (words, given - options)


# ---- make -----------------------------------------------------------------------------------------------------------------------

def test_make_says_nothing_where_nothing_is_to_be_done(tmp_path):
    (tmp_path / "build.ninja").write_text("rule copy\n  command = cp $in $out\nbuild b: copy a\n")
    (tmp_path / "a").write_text("1")
    for _ in range(2):
        done = subprocess.run(["make", "--no-print-directory", "-C", TOP, "all", f"BUILD={tmp_path}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")})
        assert (done.returncode, done.stdout) == (0, "")
        assert (tmp_path / "b").read_text() == "1"
    (tmp_path / "build.ninja").write_text("rule copy\n  command = false\nbuild c: copy a\n")
    assert subprocess.run(["make", "-C", TOP, "all", f"BUILD={tmp_path}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT).returncode != 0
