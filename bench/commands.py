# SPDX-License-Identifier: Apache-2.0
"""Rows: how long it takes to run `true` in a running container."""
import time

from measure import Target, paired


def exec_true(engine, client):
    """create, start (the connection taken over, read to its end) and inspect of the exit code."""
    container = engine.run(client, ["sleep", "100000"])

    def once():
        begin = time.monotonic()
        identity = client.call("POST", f"/containers/{container}/exec", {"Cmd": ["/bin/true"], "AttachStdout": True, "AttachStderr": True})["Id"]
        hijacked = engine.client()
        hijacked.take_over("POST", f"/exec/{identity}/start", {"Detach": False})
        hijacked.read_to_end()
        answer = client.call("GET", f"/exec/{identity}/json")
        elapsed = time.monotonic() - begin
        if answer["ExitCode"] != 0:
            raise RuntimeError(f"{engine.name}: true ended with {answer['ExitCode']}")
        return elapsed * 1000
    return once


def exec_vs_docker(bench):
    samples = paired(*(exec_true(engine, engine.client()) for engine in (bench.kedge, bench.docker)), bench.pairs, bench.warm_up)
    bench.row("exec_vs_docker", "ms", *samples, "docker", Target(ratio=0.15))


ROWS = [exec_vs_docker]
