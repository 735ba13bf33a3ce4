# SPDX-License-Identifier: Apache-2.0
"""Rows: how long it takes to run `true`, and to end a container."""
import peers
from measure import Target, paired
from peers import kedge


def run_true(engine, client, body=None):
    """create, start and wait; the removal is not counted."""
    def once():
        elapsed, answer = client.timed("POST", "/containers/create", body or engine.body(["/bin/true"]))
        identity = answer["Id"]
        elapsed += client.timed("POST", f"/containers/{identity}/start")[0]
        last, answer = client.timed("POST", f"/containers/{identity}/wait")
        if answer["StatusCode"] != 0:
            raise RuntimeError(f"{engine.name}: true ended with {answer['StatusCode']}")
        engine.remove(client, [identity])
        return (elapsed + last) * 1000
    return once


def start_none_vs_crun(bench):
    crun = peers.Crun(bench.place, bench.kedge)
    ready = peers.Crun(bench.place, bench.kedge, ready_made=True)
    once = run_true(bench.kedge, bench.kedge.client())
    ours, theirs = paired(once, lambda: crun.run() * 1000, bench.pairs, bench.warm_up)
    bench.row("start_none_vs_crun", "ms", ours, theirs, f"{crun.version()}, JSON profile", Target(ratio=0.40))
    ours, theirs = paired(once, lambda: ready.run() * 1000, bench.pairs, bench.warm_up)
    bench.row("start_none_vs_crun_ready_made", "ms", ours, theirs, f"{crun.version()}, filter ready-made")


def start_none_vs_docker(bench):
    ours, theirs = paired(run_true(bench.kedge, bench.kedge.client()), run_true(bench.docker, bench.docker.client()), bench.pairs,
                          bench.warm_up)
    bench.row("start_none_vs_docker", "ms", ours, theirs, "docker", Target(ratio=0.07))


def start_cli_vs_podman(bench):
    daemon, podman = bench.kedge.daemon, bench.podman
    ours = [str(kedge.BIN / "kedge"), "run", "--rm", "--network", "none", bench.kedge.image, "true"]
    theirs = podman.run_words("true")
    samples = paired(lambda: peers.run_program(ours, daemon.client_environment()) * 1000, lambda: peers.run_program(theirs) * 1000,
                     bench.pairs, bench.warm_up)
    bench.row("start_cli_vs_podman", "ms", *samples, podman.version(), Target(ratio=0.15))


def kill_and_remove(engine, client):
    def once():
        identity = engine.run(client, ["sleep", "1000"])
        elapsed = client.timed("POST", f"/containers/{identity}/kill")[0]
        return (elapsed + client.timed("DELETE", f"/containers/{identity}?force=1")[0]) * 1000
    return once


def stop_rm_vs_docker(bench):
    samples = paired(kill_and_remove(bench.kedge, bench.kedge.client()), kill_and_remove(bench.docker, bench.docker.client()),
                     bench.pairs, bench.warm_up)
    bench.row("stop_rm_vs_docker", "ms", *samples, "docker", Target(ratio=0.10))


DIGESTS, ADMISSION_PAIRS = 10000, 40


def admission_cost(bench):
    """Both sides are kedge: one asks an allow-list of ten thousand digests at create and start, the other one none."""
    asking = bench.engine("enforcing", lambda: bench.fresh_kedge("enforcing"))
    image = asking.daemon.api.get(f"/images/{bench.image}/json")["Id"]
    others = [f"sha256:{number:064x}" for number in range(DIGESTS - 1)]
    asking.daemon.api.call("PUT", "/kedge/v1/enforcement", {"enabled": True, "allowlist": [*others, image]})
    if (allowed := asking.daemon.api.get("/kedge/v1/enforcement")["status"]["allowed"]) != DIGESTS:
        raise RuntimeError(f"{allowed} digests are allowed, not {DIGESTS}")
    pairs = bench.pairs if bench.quick else ADMISSION_PAIRS
    samples = paired(run_true(asking, asking.client()), run_true(bench.kedge, bench.kedge.client()), pairs, bench.warm_up)
    bench.row("admission_cost", "ms", *samples, "kedge, enforcement off", Target(ratio=1.05))


ROWS = [start_none_vs_crun, start_none_vs_docker, start_cli_vs_podman, stop_rm_vs_docker, admission_cost]
