"""Puts records with boto3 and checks that every acknowledged one can be read: once, in order.

    records.py put   --endpoint URL --stream NAME --acknowledged FILE --count N
    records.py check --endpoint URL --stream NAME --acknowledged FILE [--corrupt NUMBER | --lost NUMBER]

With --corrupt, what is stored with this record (of the same put, in the same shard) must be refused, and all else be
there; with --lost it must be passed over.

The file holds one JSON object a line for each acknowledged record, so that `check` works in another process, and
after the server was killed.
"""

import argparse
import json
import pathlib
import sys

import boto3
from botocore.config import Config

PARTITION_KEYS = 50
BATCH = 100


def client(endpoint):
    """A client that never sends a request twice by itself: a repeated put would be a second record."""
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30)
    return boto3.client(
        "kinesis", endpoint_url=endpoint, region_name="us-east-1", config=config,
        aws_access_key_id="any", aws_secret_access_key="any")


def acknowledged_records(file):
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def put(kinesis, stream, file, count):
    first = len(acknowledged_records(file))
    with file.open("a") as log:
        for begin in range(first, first + count, BATCH):
            numbers = range(begin, min(begin + BATCH, first + count))
            entries = [
                {"PartitionKey": f"key-{number % PARTITION_KEYS}", "Data": f"record {number} of {stream}".encode()}
                for number in numbers]
            answer = kinesis.put_records(StreamName=stream, Records=entries)
            if answer["FailedRecordCount"]:
                sys.exit(f"{answer['FailedRecordCount']} of {len(entries)} records failed: {answer['Records']}")
            for entry, result in zip(entries, answer["Records"], strict=True):
                log.write(json.dumps({
                    "key": entry["PartitionKey"], "data": entry["Data"].decode(),
                    "shard": result["ShardId"], "sequence_number": result["SequenceNumber"]}) + "\n")


def read_shard(kinesis, stream, shard, **begin):
    begin = begin or {"ShardIteratorType": "TRIM_HORIZON"}
    iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, **begin)["ShardIterator"]
    while iterator:
        answer = kinesis.get_records(ShardIterator=iterator, Limit=400)
        yield from answer["Records"]
        iterator = answer.get("NextShardIterator")
        if not answer["Records"] and answer["MillisBehindLatest"] == 0:
            return


def read_around(kinesis, stream, corrupt):
    """A shard's records before what is corrupt, and those behind it; between them a refusal, wherever one begins."""
    shard, first, last = corrupt[0]["shard"], corrupt[0]["sequence_number"], corrupt[-1]["sequence_number"]
    for begin in [{}, {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": first}]:
        try:
            yield from read_shard(kinesis, stream, shard, **begin)
        except kinesis.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "InternalFailure":
                raise
        else:
            sys.exit(f"what is corrupt was passed over, reading {shard} from {begin or 'its trim horizon'}")
    yield from read_shard(
        kinesis, stream, shard, ShardIteratorType="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=last)


def stored_with(acknowledged, number):
    """The records of the same put as this one, in its shard: one run of one batch of the log."""
    first = number - number % BATCH
    return [record for record in acknowledged[first:first + BATCH] if record["shard"] == acknowledged[number]["shard"]]


def check(kinesis, stream, file, corrupt_number, lost_number):
    acknowledged = acknowledged_records(file)
    if len({(record["shard"], record["sequence_number"]) for record in acknowledged}) != len(acknowledged):
        sys.exit("two records were acknowledged under one sequence number")
    corrupt = [] if corrupt_number is None else stored_with(acknowledged, corrupt_number)
    gone = corrupt if lost_number is None else stored_with(acknowledged, lost_number)
    acknowledged = [record for record in acknowledged if record not in gone]
    expected = {(record["shard"], record["sequence_number"]): record for record in acknowledged}
    order_of_keys = {}
    seen = set()
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        last = 0
        is_corrupt = corrupt and corrupt[0]["shard"] == shard["ShardId"]
        records = (
            read_around(kinesis, stream, corrupt) if is_corrupt else read_shard(kinesis, stream, shard["ShardId"]))
        for record in records:
            place = (shard["ShardId"], record["SequenceNumber"])
            if int(record["SequenceNumber"]) <= last:
                sys.exit(f"out of order or twice: {place} after {last}")
            last = int(record["SequenceNumber"])
            if place not in expected:
                sys.exit(f"never acknowledged: {place} {record['Data']!r}")
            if (record["PartitionKey"], record["Data"].decode()) != (expected[place]["key"], expected[place]["data"]):
                sys.exit(f"another record was acknowledged under {place}: {expected[place]}, read {record}")
            seen.add(place)
            order_of_keys.setdefault(record["PartitionKey"], []).append(record["Data"].decode())
    missing = expected.keys() - seen
    if missing:
        sys.exit(f"{len(missing)} of {len(expected)} acknowledged records are lost, the first {sorted(missing)[0]}")
    for key, data in order_of_keys.items():
        if data != [record["data"] for record in acknowledged if record["key"] == key]:
            sys.exit(f"the records of {key} are not in the order in which they were put")
    print(len(seen))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["put", "check"])
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--stream", required=True)
    parser.add_argument("--acknowledged", required=True, type=pathlib.Path)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--corrupt", type=int)
    parser.add_argument("--lost", type=int)
    arguments = parser.parse_args()
    kinesis = client(arguments.endpoint)
    if arguments.command == "put":
        put(kinesis, arguments.stream, arguments.acknowledged, arguments.count)
    else:
        check(kinesis, arguments.stream, arguments.acknowledged, arguments.corrupt, arguments.lost)


if __name__ == "__main__":
    main()
