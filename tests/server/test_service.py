#!/usr/bin/env python3
"""What a service manager hands to `sibyl serve`: a socket that listens already, and one that is told of its state."""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.request

from serving import COMMAND

# The process id is that of the server, which only the process itself knows before it starts.
AS_SERVICE = 'export LISTEN_PID=$$; exec "$0" serve "$@"'


def listening(host="127.0.0.1", kind=socket.SOCK_STREAM):
    s = socket.socket(socket.AF_INET, kind)
    s.bind((host, 0))
    if kind == socket.SOCK_STREAM:
        s.listen()
    return s


class Service(unittest.TestCase):
    def start(self, given, n=1, arguments=(), **environment):
        """Starts the server with `given` as its descriptor 3."""
        environment = {**os.environ, "LISTEN_FDS": str(n), **environment}
        process = subprocess.Popen(["sh", "-c", AS_SERVICE, COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, env=environment, pass_fds=(3,), preexec_fn=lambda: os.dup2(given.fileno(), 3))
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def fails(self, part, *given, **more):
        _, errors = self.start(*given, **more).communicate(timeout=300)
        self.assertIn(part, errors)

    def test_a_socket_that_was_opened_before(self):
        with listening() as s:
            process = self.start(s)
            port = s.getsockname()[1]
            self.assertEqual(process.stdout.readline(), f"sibyl: serving at http://127.0.0.1:{port}\n")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=300) as answer:
                self.assertEqual(answer.status, 200)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(300), 0)

    def test_sockets_that_cannot_be_used(self):
        with listening() as s:
            self.fails("2 sockets, expected one", s, n=2)
        with listening("0.0.0.0") as s:
            self.fails("'0.0.0.0' can be reached from other machines, so a token is needed", s)
        with listening(kind=socket.SOCK_DGRAM) as s:
            self.fails("descriptor 3 is no TCP socket that listens", s)
        with tempfile.TemporaryFile() as file:
            self.fails("descriptor 3 is no TCP socket that listens", file)

    def test_a_socket_for_another_process_is_left_alone(self):
        with listening() as s:
            process = self.start(s, n=0, arguments=["--port", "0"])
            self.assertNotIn(f":{s.getsockname()[1]}\n", process.stdout.readline())

    def test_states_are_told(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in str(pathlib.Path(folder) / "notify"), f"\0sibyl-test-{os.getpid()}":
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, listening() as s:
                    manager.bind(name)
                    manager.settimeout(300)
                    process = self.start(s, NOTIFY_SOCKET=name.replace("\0", "@"))
                    self.assertEqual(manager.recv(100), b"READY=1")
                    process.send_signal(signal.SIGTERM)
                    self.assertEqual(manager.recv(100), b"STOPPING=1")
                    self.assertEqual(process.wait(300), 0)

    def test_nobody_to_tell(self):
        for name in "/nonexistent/notify", "relative", "@" + "n" * 200, "":
            with listening() as s:
                process = self.start(s, NOTIFY_SOCKET=name)
                self.assertIn("serving at", process.stdout.readline())


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
