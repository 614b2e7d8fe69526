"""A KCL application: a worker at a time, and what all its workers printed."""

import dataclasses
import json

from processes import Process


@dataclasses.dataclass
class Interruption:
    """A kill. What no checkpoint covered before `begin` may come again after it, if it had come before `end`: places in
    the events."""
    what: str
    begin: int
    end: int | None = None


class Application:
    def __init__(self, folder, name, retrieval, command):
        self.folder, self.name = folder, name
        self.command = [*command, "--application", name, "--retrieval", retrieval]
        self.events = []
        self.data = set()  # of all records that came
        self.shards = set()  # from which records came
        self.ended = set()
        self.ahead = set()  # shards of which records came that are not checkpointed
        self.interruptions = []
        self.workers = 0
        self.start_worker()

    def start_worker(self):
        self.workers += 1
        worker = f"{self.name}-{self.workers}"
        self.output = self.folder / f"{worker}.jsonl"
        self.position = 0
        self.process = Process(self.folder, worker, [*self.command, "--worker", worker], self.output)

    def kill_worker(self):
        self.process.kill()
        self.read()

    def restart_worker(self):
        self.kill_worker()
        self.interrupted("kill of the worker")
        self.interruptions[-1].end = len(self.events)
        self.start_worker()

    def interrupted(self, what):
        """Before the kill: what is printed while it happens may come again as well."""
        self.read()
        self.interruptions.append(Interruption(what, len(self.events)))

    def went_on(self):
        """Everything that was underway at the last interruption has come."""
        self.interruptions[-1].end = len(self.events)

    def read(self):
        """Takes the whole lines that came; a worker that is killed may leave half of one."""
        with self.output.open("rb") as output:
            output.seek(self.position)
            for line in output:
                if not line.endswith(b"\n"):
                    return
                self.position += len(line)
                self.take(json.loads(line))

    def take(self, event):
        self.events.append(event)
        if event["event"] == "record":
            self.data.add(event["data"])
            self.shards.add(event["shard"])
            self.ahead.add(event["shard"])
        else:
            self.ahead.discard(event["shard"])
        if event["event"] == "ended":
            self.ended.add(event["shard"])

    def has(self, data):
        self.read()
        return data <= self.data

    def has_from(self, shards):
        self.read()
        return set(shards) <= self.shards

    def is_ahead_of_its_checkpoints(self):
        self.read()
        return bool(self.ahead)

    def has_ended(self, shards):
        self.read()
        return set(shards) <= self.ended
