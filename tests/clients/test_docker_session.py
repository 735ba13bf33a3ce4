# SPDX-License-Identifier: Apache-2.0
"""One session of docker's own program, typed at dockerd and at kedged: what it prints and its statuses are the same, but for what
docs/differences-from-docker.md lists.

KEDGE_SHOW=1 prints every step with what both said.
"""
import os
import pathlib
import re
import subprocess

import pytest

import dockerd
import kedge
import sides

pytestmark = pytest.mark.skipif(not dockerd.is_installed(), reason="dockerd is not installed")
DIFFERENCES = kedge.TOP / "docs" / "differences-from-docker.md"

# A step is a command line of docker's, "<<<" and what is typed into it; "{dir}" is a directory of the engine's own.
SESSION = """
version --format {{.Server.Os}}
info --format {{.OSType}}/{{.CgroupVersion}}
ps
ps -a
images
image ls --format {{.Repository}}:{{.Tag}}
image inspect --format {{.Architecture}}|{{.Os}}|{{json\\ .Config.Cmd}} busybox:test
tag busybox:test copy:1
tag busybox:test Copy:1
tag nosuch:1 copy:2
rmi copy:1
rmi copy:1
history --format {{.CreatedBy}} busybox:test
run --rm --network none busybox:test echo hello
run --rm --network none busybox:test sh -c exit\\ 3
run --rm --network none busybox:test nosuch
run --rm --network none busybox:test /tmp
run --rm --network none nosuch/image:1 true
run --network nosuch busybox:test true
run --rm --network none --name bad/name busybox:test true
run --rm --network none --memory 1 busybox:test true
run --rm --network none --memory nonsense busybox:test true
run --rm --network none --cap-add NOSUCH busybox:test true
run --rm --network none --restart sometimes busybox:test true
run --rm --network none -u nobody:nosuch busybox:test true
run --rm --network none -w relative busybox:test true
run --rm --network none -v relative:/x:rw,nonsense busybox:test true
run --rm --network none --ulimit nosuch=1 busybox:test true
run --rm --network none --sysctl nosuch=1 busybox:test true
run --rm --network none --device /dev/nosuch busybox:test true
run --rm --network none --runtime nosuch busybox:test true
run --rm --network none --log-driver nosuch busybox:test true
run --rm --network none --pid container:nosuch busybox:test true
run --rm --network none -e A=b --env-file {dir}/env busybox:test env
run --rm --network none -h box busybox:test hostname
run --rm --network none --read-only busybox:test touch /x
run --rm --network none --entrypoint echo busybox:test a b
run --rm --network none --init busybox:test true
run -d --network none --name up --label a=b busybox:test sh -c trap\\ exit\\ TERM;echo\\ up;while\\ :;do\\ sleep\\ 0.1;done
run -d --network none --name up busybox:test true
wait-for-up
ps --format {{.Names}}|{{.Image}}|{{.State}}|{{.Labels}}|{{.Ports}}
ps -q --filter name=nosuch
ps --filter label=a=b --format {{.Names}}
ps --filter status=exited --format {{.Names}}
ps --filter nonsense=1
ps --filter status=nonsense
inspect --format {{.State.Status}}|{{.HostConfig.NetworkMode}}|{{.Config.Image}}|{{.Name}} up
inspect nosuch
inspect --type volume nosuch
logs up
logs --tail 0 up
logs --details up
logs nosuch
port up
port up 80
top up -o comm
top up nonsense
stats --no-stream --format {{.Name}} up
exec up echo in
exec up sh -c echo\\ out;echo\\ err\\ >&2;exit\\ 5
exec up nosuch
exec -w /nosuch up true
exec -u nosuch up true
exec nosuch true
exec -e A=b -w /tmp -u 1000:2000 up sh -c echo\\ $A;pwd;id\\ -u;id\\ -g
exec -d up true
exec -t up sh -c test\\ -t\\ 1;echo\\ $?
exec -i up cat <<< typed into exec
run -i --rm --network none busybox:test cat <<< typed into run
run -t --rm --network none busybox:test sh -c test\\ -t\\ 1;echo\\ $?
cp {dir}/env up:/tmp/copied
exec up cat /tmp/copied
cp up:/tmp/copied {dir}/back
cp up:/tmp/nosuch {dir}/back
cp {dir}/nosuch up:/tmp
cp {dir}/env up:/nosuch/x
cp nosuch:/x {dir}/back
cp {dir}/tree up:/tmp
cp {dir}/tree/. up:/tmp/new
cp -a {dir}/tree up:/tmp/owned
cp -L {dir}/link up:/tmp/followed
cp {dir}/link up:/tmp/link
cp -q {dir}/env up:/tmp/tree/sub/
cp {dir}/env up:/tmp/tree
exec up sh -c cd\\ /tmp;find\\ .|sort;cat\\ followed;readlink\\ link
cp up:/tmp/tree {dir}/tree
cp up:/tmp/tree/. {dir}/content
cp up:/tmp/tree {dir}/env
cp -L up:/tmp/link {dir}/followed
cp up:/tmp/copied {dir}/nosuch/x
cp up:/tmp/copied up:/tmp/other
cp {dir}/env {dir}/other
list-files
diff up
diff nosuch
diff -q up
commit up
commit -a me\\ <me@example.org> -m words -c ENV\\ A=1 -c CMD\\ ["cat","/tmp/copied"] -c LABEL\\ a=b up committed:1
commit --pause=false up committed:2
commit -c NOSUCH\\ x up committed:3
commit -c EXPOSE\\ nonsense up committed:3
commit up Committed:3
commit nosuch committed:3
image inspect --format {{.Author}}|{{.Comment}}|{{json\\ .Config.Cmd}}|{{json\\ .Config.Env}}|{{json\\ .Config.Labels}} committed:1
image inspect --format {{len\\ .RootFS.Layers}} committed:1
run --rm --network none committed:1
run --rm --network none committed:1 sh -c cd\\ /tmp;find\\ .|sort
run --name changed --network none committed:1 sh -c rm\\ -r\\ /tmp/tree;mkdir\\ /made;echo\\ x\\ >/made/f;echo\\ y\\ >/tmp/copied
diff changed
commit changed committed:4
run --rm --network none committed:4 sh -c ls\\ /tmp\\ /made;cat\\ /tmp/copied
rm changed
rmi committed:4 committed:1 committed:2
volume create --label a=b kept
volume create kept
volume create bad/name
volume create --driver nosuch other
volume ls --format {{.Name}}|{{.Driver}}|{{.Scope}}|{{.Labels}}
volume ls -q --filter label=nosuch
volume inspect --format {{.Name}}|{{.Driver}}|{{json\\ .Options}} kept
run --rm --network none -v kept:/data busybox:test sh -c echo\\ kept\\ >/data/f
run --rm --network none -v kept:/data:ro busybox:test sh -c cat\\ /data/f;touch\\ /data/g
run --rm --network none --mount type=volume,source=kept,target=/data,readonly busybox:test cat /data/f
run -d --name holder --network none -v kept:/data -v /anonymous busybox:test true
run --rm --network none --volumes-from holder:ro busybox:test ls /data
run --rm --network none --volumes-from nosuch busybox:test true
volume rm kept
inspect --format {{len\\ .Mounts}} holder
rm -v holder
volume ls --format {{.Name}}
volume rm kept
volume rm kept
volume prune -f
rename up higher
rename higher higher
rename higher bad/name
rename nosuch x1
pause higher
pause higher
ps --format {{.Status}}
unpause higher
unpause higher
update --memory 64m --memory-swap 64m higher
update --restart unless-stopped higher
update --memory 1 higher
kill -s NOSUCH higher
kill -s USR1 higher
kill nosuch
start higher
start nosuch
restart -t 1 higher
stop higher
stop higher
stop nosuch
wait higher
wait nosuch
rm nosuch
rm -f nosuch
rm higher
create --network none --name made busybox:test sh -c exit\\ 4
ps -a --format {{.Names}}|{{.Status}}
start -a made
inspect --format {{.State.ExitCode}}|{{.State.Status}} made
ps -a --filter exited=4 --format {{.Names}}
export -o {dir}/export.tar made
import -c CMD\\ ["echo","imported"] {dir}/export.tar imported:1
run --rm --network none imported:1
save -o {dir}/save.tar busybox:test
load -i {dir}/save.tar
load -i {dir}/env
rmi busybox:test
container prune -f --filter label=nosuch
container prune -f
image prune -f
system df --format {{.Type}}|{{.TotalCount}}|{{.Active}}
system prune -f
network ls --format {{.Name}}|{{.Driver}}|{{.Scope}}
network inspect --format {{.Name}}|{{.Driver}} none
network inspect nosuch
network rm none
network create --label a=b one
network create one
network create --subnet 10.70.0.0/24 --ip-range 10.70.0.128/25 --gateway 10.70.0.254 --aux-address a=10.70.0.200 --internal -o com.docker.network.driver.mtu=1400 two
network create --subnet nonsense three
network create host
network ls --format {{.Name}}|{{.Driver}}|{{.Internal}}|{{.Labels}}|{{.IPv6}}
network ls -q --filter driver=nosuch
network ls --filter name=one --format {{.Name}}
network ls --filter label=a --format {{.Name}}
network ls --filter type=custom --format {{.Name}}
network inspect --format {{range\\ .IPAM.Config}}{{if\\ .Gateway}}gateway{{end}}{{end}}|{{json\\ .Options}}|{{.Internal}}|{{json\\ .Labels}} one
network inspect --format {{json\\ .IPAM}}|{{json\\ .Options}}|{{.Internal}} two
run -d --name web --network one --network-alias www -p 18080:80 -p 127.0.0.1:18081:81/udp -p 18090-18092:90-92 --expose 99 busybox:test sleep 1000
run -d --name db --network two --ip 10.70.0.9 busybox:test sleep 1000
run -d --name bare -p 18083:83 busybox:test sleep 1000
run --rm -p 70000:80 busybox:test true
run --rm -p 80/nosuch busybox:test true
run --rm -p 1-2:1-4 busybox:test true
run --rm --network one --ip 10.70.0.9 busybox:test true
run --rm --network one --network one busybox:test true
run --rm --network name=one,alias=x,nosuch=y busybox:test true
run --rm --network host -p 80:80 busybox:test echo host
run --rm --network container:web busybox:test cat /sys/class/net/eth0/operstate
run --rm --network two busybox:test ls /sys/class/net
run --rm --link nosuch:x busybox:test true
run --rm --link bare:other busybox:test sh -c grep\\ -c\\ other\\ /etc/hosts
ps --format {{.Names}}|{{.Ports}}|{{.Networks}}
ps --filter publish=18080 --format {{.Names}}
ps --filter expose=99 --format {{.Names}}
ps --filter network=two --format {{.Names}}
port web
port web 80
port web 81/udp
port web 7
inspect --format {{json\\ .HostConfig.PortBindings}}|{{json\\ .Config.ExposedPorts}}|{{.HostConfig.NetworkMode}} web
inspect --format {{json\\ .NetworkSettings.Ports}} web
inspect --format {{json\\ .NetworkSettings.Networks.two.IPAMConfig}}|{{.NetworkSettings.Networks.two.IPAddress}}|{{.NetworkSettings.Networks.two.IPPrefixLen}} db
network connect --alias second --ip 10.70.0.77 two web
network connect two web
network connect nosuch web
network connect one nosuch
network connect host web
network connect --ip 10.71.0.1 two bare
exec web ls /sys/class/net
inspect --format {{range\\ $name,$it\\ :=\\ .NetworkSettings.Networks}}{{$name}};{{end}} web
network inspect --format {{len\\ .Containers}} two
network disconnect two web
network disconnect two web
network disconnect -f two nosuch
network disconnect host web
exec web ls /sys/class/net
network rm one
network rm nosuch
network prune -f --filter label=nosuch
rm -f web
network rm one
network prune -f
rm -f db bare
network prune -f
network ls --format {{.Name}}
volume inspect nosuch
volume rm nosuch
plugin ls
swarm leave
node ls
service ls
secret ls
events --since 0 --until 1
login --username x --password y 127.0.0.1:1
pull 127.0.0.1:1/x:1
pull Bad
push nosuch:1
search --limit 200 x
""".strip().splitlines()

NORMALIZED = [
    (r"\b[0-9a-f]{64}\b", "ID"), (r"\b[0-9a-f]{12}\b", "ID"), (r"/tmp/k[a-z][a-z0-9_]{8}", "DIR"),
    (r"\d+ (second|minute)s?( ago)?", "TIME"), (r"Less than a second( ago)?", "TIME"), (r"About a \w+( ago)?", "TIME"),
    (r"\b\d+(\.\d+)?([kMG]i?)?B\b", "SIZE"), (r"\n?See 'docker (run|create) --help'\.", ""), (r"\s*\n\s*Run 'docker [\w ]+--help' for more information", ""),
    (r"(has active endpoints): .*", r"\1"),  # kedge says whose
    (r'\s*\ntime="[^"]*" level=error msg="error waiting for container: context canceled"', ""),  # of the command before 23, sometimes
]


def normalized(text):
    for pattern, word in NORMALIZED:
        text = re.sub(pattern, word, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


class Side:
    def __init__(self, name, socket, directory):
        self.name, self.socket, self.directory = name, socket, directory
        directory.mkdir()
        (directory / "env").write_text("FROM=file\n")
        (directory / "tree" / "sub").mkdir(parents=True)
        (directory / "tree" / "one").write_text("one")
        (directory / "link").symlink_to("env")

    def run(self, step):
        if step == "wait-for-up":
            return kedge.wait_for(lambda: self.run("logs up")[1] and (0, "", ""))
        if step == "list-files":
            return 0, "\n".join(sorted(str(path.relative_to(self.directory)) for path in self.directory.rglob("*"))), ""
        step, _, typed = step.partition(" <<< ")
        words = [word.replace("\x00", " ").replace("{dir}", str(self.directory)) for word in step.replace("\\ ", "\x00").split(" ")]
        environment = {**os.environ, "DOCKER_HOST": f"unix://{self.socket}", "DOCKER_CONFIG": str(self.directory / "config"), "NO_COLOR": "1"}
        done = subprocess.run(["docker", *words], env=environment, input=typed, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=120)
        if words[0] in ("diff", "port"):  # dockerd's order is that of nothing; the command's before 23 neither
            done.stdout = "\n".join(sorted(done.stdout.splitlines()))
        place = re.compile(re.escape(str(self.directory)))
        return done.returncode, *(normalized(place.sub("DIR", text)) for text in (done.stdout, done.stderr))


@pytest.fixture(scope="module")
def both():
    with sides.engines() as (docker, daemon, directory):
        archive = kedge.busybox_archive(directory / "busybox.tar")
        root = kedge.mkimage.layer_tar(str(kedge.busybox_directory(directory / "root")), {})
        daemon.api.call("POST", "/images/load", archive.read_bytes(), {"Content-Type": "application/x-tar"})
        kedge.Api(docker.socket).call("POST", "/images/create?fromSrc=-&repo=busybox&tag=test&changes=CMD%20%5B%22sh%22%5D&changes=ENV%20PATH=/bin", root,
                                      {"Content-Type": "application/x-tar"})
        yield Side("docker", docker.socket, directory / "docker"), Side("kedge", daemon.socket, directory / "kedge")


def listed():
    """The rows of the document's table: {step: reason}."""
    rows = re.findall(r"^\| `docker (.+?)` \| (.+?) \|$", DIFFERENCES.read_text(), re.M)
    return {step.replace("\\|", "|"): reason for step, reason in rows}


def test_the_same_session(both):
    reasons, different, told = listed(), set(), []
    for step in SESSION:
        theirs, ours = (side.run(step) for side in both)
        if os.environ.get("KEDGE_SHOW"):
            print(f"$ docker {step}\n  docker: {theirs}\n  kedge:  {ours}")
        if theirs != ours:
            different.add(step)
            if step not in reasons:
                told.append(f"$ docker {step}\n  docker: {theirs}\n  kedge:  {ours}")
    assert not told, "\n".join(told)
    stale = {step for step in reasons if step in SESSION} - different
    assert not stale, f"no difference any more: {stale}"
