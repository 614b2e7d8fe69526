"""The processes of the test: the server, the DynamoDB of moto, and workers of KCL applications."""

import random
import signal
import socket
import subprocess
import sys

from wait import Failed, wait


def free_port():
    """Below those that connections take, so that a process that is restarted finds it free again."""
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Process:
    """A process with its log, and its standard output in a file where it is read."""

    started = []  # all of them, so that none is left behind

    def __init__(self, folder, name, command, output=None):
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            out = output.open("ab") if output else log
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=log)
            if output:
                out.close()
        Process.started.append(self)

    def alive(self):
        if self.child.poll() is not None:
            raise Failed(f"{self.name} ended with {self.child.returncode}")

    def kill(self):
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def last_lines(self):
        return self.log.read_text(errors="replace").splitlines()[-40:]


class Listener:
    """A process that listens on one port, the same one after a restart."""

    def __init__(self, folder, name, command):
        self.folder, self.name = folder, name
        self.port = free_port()
        self.command = command(self.port)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        self.process = Process(self.folder, self.name, self.command)
        wait(f"{self.name} answers", self.answers, self.process.alive)

    def answers(self):
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", self.port)) == 0


def server(folder, binary):
    return Listener(folder, "shard-server", lambda port: [
        binary, "local", "--listen", f"127.0.0.1:{port}", "--data-dir", folder / "data"])


def dynamodb(folder):
    return Listener(folder, "moto", lambda port: [
        sys.executable, "-c", "import sys; from moto.server import main; main(sys.argv[1:])",
        "--host", "127.0.0.1", "--port", str(port)])
