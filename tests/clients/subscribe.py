"""Follows a stream with boto3 as a registered consumer while records are put, and checks what the events say.

    subscribe.py --endpoint URL --stream NAME
"""

import argparse
import sys

from botocore.exceptions import EventStreamError

from records import client

RECORDS = 100


def put(kinesis, stream, name, count):
    """Puts records; returns their sequence numbers and data by shard."""
    entries = [{"PartitionKey": f"key-{number}", "Data": f"{name} {number}".encode()} for number in range(count)]
    answer = kinesis.put_records(StreamName=stream, Records=entries)
    by_shard = {}
    for entry, result in zip(entries, answer["Records"], strict=True):
        by_shard.setdefault(result["ShardId"], []).append((result["SequenceNumber"], entry["Data"]))
    return by_shard


def take(events, count):
    """The records of the next events, and where the last one says to go on."""
    records, continuation = [], None
    while len(records) < count:
        event = next(events)["SubscribeToShardEvent"]
        records += [(record["SequenceNumber"], record["Data"]) for record in event["Records"]]
        continuation = event["ContinuationSequenceNumber"]
    return records, continuation


def expect(found, wanted, what):
    if found != wanted:
        sys.exit(f"{what}: found {found}, not {wanted}")


def follow(kinesis, stream, arn):
    shards = [shard["ShardId"] for shard in kinesis.list_shards(
        StreamName=stream, ShardFilter={"Type": "AT_LATEST"})["Shards"]]
    streams = {}
    for shard in shards:
        answer = kinesis.subscribe_to_shard(
            ConsumerARN=arn, ShardId=shard, StartingPosition={"Type": "LATEST"})
        streams[shard] = iter(answer["EventStream"])
    acknowledged = put(kinesis, stream, "followed", RECORDS)
    continuations = {}
    for shard, events in streams.items():
        wanted = sorted(acknowledged.get(shard, []))
        records, continuations[shard] = take(events, len(wanted))
        expect(records, wanted, f"the events of {shard}")
    later = put(kinesis, stream, "later", RECORDS)
    for shard, continuation in continuations.items():
        if continuation is None:
            continue
        iterator = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard, ShardIteratorType="AFTER_SEQUENCE_NUMBER",
            StartingSequenceNumber=continuation)["ShardIterator"]
        records = kinesis.get_records(ShardIterator=iterator)["Records"]
        found = [(record["SequenceNumber"], record["Data"]) for record in records]
        expect(found, sorted(later.get(shard, [])), f"what comes after an event of {shard}")
    kinesis.deregister_stream_consumer(ConsumerARN=arn)
    for shard, events in streams.items():
        try:
            for _ in events:
                pass
            sys.exit(f"the subscription to {shard} ended without an error, although its consumer is gone")
        except EventStreamError as error:
            expect(error.response["Error"]["Code"], "ResourceNotFoundException", f"the end of {shard}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--stream", required=True)
    arguments = parser.parse_args()
    kinesis = client(arguments.endpoint)
    stream_arn = kinesis.describe_stream_summary(
        StreamName=arguments.stream)["StreamDescriptionSummary"]["StreamARN"]
    consumer = kinesis.register_stream_consumer(StreamARN=stream_arn, ConsumerName="subscribe.py")["Consumer"]
    follow(kinesis, arguments.stream, consumer["ConsumerARN"])
    print(f"{RECORDS} records were pushed, and then the consumer was gone")


if __name__ == "__main__":
    main()
