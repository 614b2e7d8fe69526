"""Puts numbered records steadily, one a partition key in each request, so that a key's order is that of the numbers."""

import threading

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from wait import Failed

PARTITION_KEYS = 40
PAUSE_SECONDS = 0.2


def client(endpoint):
    """A client that never sends a request twice by itself: a repeated put would be a second record."""
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60)
    return boto3.client(
        "kinesis", endpoint_url=endpoint, region_name="us-east-1", config=config,
        aws_access_key_id="any", aws_secret_access_key="any")


class Producer:
    """A thread that puts until it is stopped. No record may fail but in an outage that the test makes."""

    def __init__(self, endpoint, stream):
        self.kinesis = client(endpoint)
        self.stream = stream
        self.acknowledged = {}  # data to (partition key, shard, sequence number)
        self.unanswered = set()  # data that may be stored or not
        self.outage = threading.Event()
        self.stopped = threading.Event()
        self.failure = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        batch = 0
        try:
            while not self.stopped.wait(PAUSE_SECONDS):
                first = batch * PARTITION_KEYS
                self.put({f"key-{key}": f"record {first + key}" for key in range(PARTITION_KEYS)})
                batch += 1
        except Exception as error:  # shown by `alive`
            self.failure = error

    def put(self, data_of_keys):
        entries = [{"PartitionKey": key, "Data": data.encode()} for key, data in data_of_keys.items()]
        try:
            results = self.kinesis.put_records(StreamName=self.stream, Records=entries)["Records"]
        except (BotoCoreError, ClientError):
            if not self.outage.is_set():
                raise
            results = [{"ErrorCode": "unanswered"}] * len(entries)
        for (key, data), result in zip(data_of_keys.items(), results, strict=True):
            if "ErrorCode" not in result:
                self.acknowledged[data] = (key, result["ShardId"], result["SequenceNumber"])
            elif self.outage.is_set():
                self.unanswered.add(data)
            else:
                raise Failed(f"{data} of {key} was not taken: {result}")

    def alive(self):
        if self.failure:
            raise Failed("the producer failed") from self.failure

    def stop(self):
        self.stopped.set()
        self.thread.join()
        self.alive()
