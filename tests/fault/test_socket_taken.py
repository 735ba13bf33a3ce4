# SPDX-License-Identifier: Apache-2.0
"""kedged's socket has somebody who listens on it when kedged starts."""
import socket

import pytest

import kedge


@pytest.fixture
def before(tmp_path):
    """Whoever listens on kedged's socket already, and a kedged that has not begun."""
    daemon = kedge.Daemon(tmp_path)
    daemon.run_directory.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(daemon.socket))
        server.listen()
        yield server, daemon
    daemon.stop()


def test_a_socket_that_is_let_go_of_is_taken_over(before):
    """As by a child of a killed kedged that has not come to its program yet."""
    server, daemon = before
    daemon.spawn()
    for _ in range(3):
        server.accept()[0].close()
    server.close()
    kedge.wait_for(daemon.answers)


def test_a_socket_of_another_server_is_not(before):
    _, daemon = before
    daemon.spawn()
    assert daemon.process.wait(30) != 0
    assert f'socket "{daemon.socket}" is in use by another server' in daemon.log()
