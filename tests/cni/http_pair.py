# SPDX-License-Identifier: Apache-2.0
"""Traffic between the two namespaces of a machine."""
import subprocess
import sys

SERVER = '''
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"served")
    def log_message(self, *arguments): pass
server = http.server.HTTPServer(("", 80), Handler)
print("ready", flush=True)
server.handle_request()
'''

SINK = '''
import socket, sys, time
listener = socket.create_server(("", 7000))
print("ready", flush=True)
peer, _ = listener.accept()
peer.recv(1, socket.MSG_PEEK)
begin, got = time.monotonic(), 0
while got < 1000000:
    piece = peer.recv(65536)
    assert piece
    got += len(piece)
print(time.monotonic() - begin, flush=True)
'''

SOURCE = '''
import socket, sys
socket.create_connection((sys.argv[1], 7000)).sendall(bytes(1000000))
'''


def start(namespace, program, *arguments):
    return subprocess.Popen(['ip', 'netns', 'exec', namespace, sys.executable, '-c', program, *arguments],
                            stdout=subprocess.PIPE, text=True)


def fetch(machine, url):
    server = start(machine.container, SERVER)
    assert server.stdout.readline() == 'ready\n'
    try:
        return machine.in_host(f'curl -sS -m 20 {url}')
    finally:
        server.kill()
        server.wait()


def transfer(machine, address, to_container):
    """Seconds from the first byte of a megabyte to its last."""
    there, here = (machine.container, machine.host) if to_container else (machine.host, machine.container)
    sink = start(there, SINK)
    assert sink.stdout.readline() == 'ready\n'
    source = start(here, SOURCE, address if to_container else '10.77.0.1')
    try:
        return float(sink.stdout.readline())
    finally:
        for process in (sink, source):
            process.kill()
            process.wait()
