"""Runs KCL applications through a split, a merge and restarts, and checks that every record is processed, in order.

    reshard.py --binary SHARD_SERVER --class-path KCL_APPLICATION --folder EMPTY_FOLDER

One application polls, another is pushed to; both read the same stream, to which records are put all the time. Two more
read it from its beginning when all is over.
"""

import argparse
import pathlib
import signal
import sys
import time

from application import Application
from check import check
from processes import Process, dynamodb, server
from producer import PARTITION_KEYS, Producer, client
from wait import Failed, wait

STREAM = "orders"
RETRIEVALS = ["polling", "fan-out"]


class Test:
    def __init__(self, folder, binary, class_path):
        self.folder = folder
        self.begin = time.monotonic()
        self.applications = []
        self.producer = None
        self.server = server(folder, binary)
        self.dynamodb = dynamodb(folder)
        self.kinesis = client(self.server.endpoint)
        self.command = [
            "java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp", class_path, "dev.kinetes.kcl.Application",
            "--endpoint", self.server.endpoint, "--dynamodb", self.dynamodb.endpoint, "--stream", STREAM]

    def run(self):
        self.kinesis.create_stream(StreamName=STREAM, ShardCount=4)
        self.wait_active()
        self.producer = Producer(self.server.endpoint, STREAM)
        self.applications = [self.application(retrieval, retrieval) for retrieval in RETRIEVALS]
        self.read_all_from([shard["ShardId"] for shard in self.shards()])
        self.catch_up("4 shards")
        self.split(self.shards()[0])
        self.catch_up("a split")
        # The upper child and the shard beside it, so that the merged one has a parent and a grandparent.
        self.merge(*self.shards()[1:3])
        self.catch_up("a merge")
        self.restart_workers()
        self.restart_server()
        self.producer.stop()
        self.catch_up("the last record")
        self.judge()
        self.applications = [self.application(f"later-{retrieval}", retrieval) for retrieval in RETRIEVALS]
        self.catch_up("a fresh application")
        self.judge()

    def application(self, name, retrieval):
        return Application(self.folder, name, retrieval, self.command)

    def split(self, shard):
        """At the middle of its hash keys."""
        first, last = (int(shard["HashKeyRange"][key]) for key in ["StartingHashKey", "EndingHashKey"])
        self.kinesis.split_shard(
            StreamName=STREAM, ShardToSplit=shard["ShardId"], NewStartingHashKey=str((first + last + 1) // 2))
        self.wait_resharded([shard])

    def merge(self, first, second):
        self.kinesis.merge_shards(
            StreamName=STREAM, ShardToMerge=first["ShardId"], AdjacentShardToMerge=second["ShardId"])
        self.wait_resharded([first, second])

    def wait_resharded(self, parents):
        """Until every application has read the parents to their ends, and records from each child."""
        self.wait_active()
        parents = {shard["ShardId"] for shard in parents}
        children = [shard["ShardId"] for shard in self.shards() if parents & parents_of(shard)]
        for application in self.applications:
            self.wait(f"{application.name} ended {parents}", lambda: application.has_ended(parents))
        self.read_all_from(children)

    def read_all_from(self, shards):
        for application in self.applications:
            self.wait(f"{application.name} reads {shards}", lambda: application.has_from(shards))

    def restart_workers(self):
        for application in self.applications:
            self.wait(f"{application.name} is ahead of its checkpoints", application.is_ahead_of_its_checkpoints)
            application.restart_worker()
        self.wait_for_puts()
        self.catch_up("kill -9 of the workers")

    def restart_server(self):
        for application in self.applications:
            application.interrupted("kill of the server")
        self.producer.outage.set()
        self.server.process.kill()
        self.server.start()
        self.wait_for_puts()
        self.producer.outage.clear()
        self.catch_up("kill -9 of the server")
        for application in self.applications:
            application.went_on()

    def wait_for_puts(self):
        """Until a whole request that began after this is acknowledged: nothing has read its records yet."""
        enough = len(self.producer.acknowledged) + 2 * PARTITION_KEYS
        self.wait("records are taken", lambda: len(self.producer.acknowledged) >= enough)

    def catch_up(self, what):
        """Until every application has all that is acknowledged by now."""
        acknowledged = set(self.producer.acknowledged)
        for application in self.applications:
            self.wait(f"{application.name} caught up after {what}", lambda: application.has(acknowledged))
        print(f"{time.monotonic() - self.begin:6.1f} s  {what}: {len(acknowledged)} records", flush=True)

    def judge(self):
        shards = self.kinesis.list_shards(StreamName=STREAM)["Shards"]
        parents = {shard["ShardId"]: parents_of(shard) for shard in shards}
        unused = parents.keys() - {shard for _, shard, _ in self.producer.acknowledged.values()}
        if unused:
            raise Failed(f"no record was put to {unused}")
        for application in self.applications:
            application.kill_worker()
            repeated = check(
                application.events, application.interruptions, self.producer.acknowledged, self.producer.unanswered,
                parents)
            again = [f"{count} again after the {interruption.what}"
                     for count, interruption in zip(repeated, application.interruptions, strict=True)]
            print(f"          {application.name}: 0 lost of {len(self.producer.acknowledged)} in {len(parents)} "
                  f"shards, {', '.join(again) or '0 doubled'}", flush=True)

    def shards(self):
        """The open ones, by their hash keys."""
        shards = self.kinesis.list_shards(StreamName=STREAM, ShardFilter={"Type": "AT_LATEST"})["Shards"]
        return sorted(shards, key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))

    def wait_active(self):
        self.wait("the stream is active", lambda: self.kinesis.describe_stream_summary(
            StreamName=STREAM)["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE")

    def wait(self, what, condition):
        wait(what, condition, self.alive)

    def alive(self):
        for holder in [self.server, self.dynamodb, *self.applications]:
            holder.process.alive()
        if self.producer:
            self.producer.alive()


def parents_of(shard):
    return {shard[key] for key in ["ParentShardId", "AdjacentParentShardId"] if key in shard}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--class-path", required=True)
    parser.add_argument("--folder", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C does: with all processes ended
    try:
        Test(arguments.folder, arguments.binary, arguments.class_path).run()
    except Failed as failure:
        for process in Process.started:
            print(f"==> the last lines of {process.name}", *process.last_lines(), sep="\n", file=sys.stderr)
        sys.exit(f"error: {failure}" + (f": {failure.__cause__}" if failure.__cause__ else ""))
    finally:
        for process in Process.started:
            process.kill()


if __name__ == "__main__":
    main()
