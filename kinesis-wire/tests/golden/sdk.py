#!/usr/bin/env python3
"""Golden bytes, made and judged by a real SDK with no network.

    python3 -m venv venv && venv/bin/pip install boto3
    venv/bin/python sdk.py requests     writes requests/boto3/*.json: what boto3 sends
    venv/bin/python sdk.py responses    reads responses/*.json as boto3 does, and says what it finds missing

`requests/SDK/NAME.json` has the target and the body, byte for byte as text. `responses/OPERATION.json` is a body as the
crate writes it; a test compares them.
"""

import contextlib
import datetime
import json
import pathlib
import sys

import boto3
import botocore.config
import botocore.loaders
import botocore.model
import botocore.parsers

HERE = pathlib.Path(__file__).parent
ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/orders"
CONSUMER_ARN = f"{ARN}/consumer/billing:1459799926"
TIME = datetime.datetime(2016, 4, 4, 19, 58, 46, 480000, tzinfo=datetime.timezone.utc)
NUMBER = "49590338271490256608559692538361571095921575989136588898"

REQUESTS = {
    "create-stream": ("create_stream", {"StreamName": "orders"}),
    "create-stream-all": ("create_stream", {
        "StreamName": "orders", "ShardCount": 4, "StreamModeDetails": {"StreamMode": "PROVISIONED"},
        "Tags": {"team": "payments", "côté": ""}, "WarmThroughputMiBps": 0, "MaxRecordSizeInKiB": 2048,
        "RecordDistributionStrategy": "USER_PARTITION_KEY"}),
    "delete-stream": ("delete_stream", {"StreamARN": ARN, "EnforceConsumerDeletion": True}),
    "describe-stream": ("describe_stream", {
        "StreamName": "orders", "Limit": 7, "ExclusiveStartShardId": "shardId-000000000001"}),
    "describe-stream-summary": ("describe_stream_summary", {"StreamName": "orders", "StreamARN": ARN}),
    "list-streams": ("list_streams", {}),
    "list-streams-all": ("list_streams", {"Limit": 5, "ExclusiveStartStreamName": "a", "NextToken": "t=="}),
    "list-shards": ("list_shards", {
        "StreamARN": ARN, "MaxResults": 1000, "StreamCreationTimestamp": TIME,
        "ShardFilter": {"Type": "FROM_TIMESTAMP", "Timestamp": TIME}}),
    "list-shards-after": ("list_shards", {
        "StreamName": "orders", "ShardFilter": {"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000003"}}),
    "list-shards-next": ("list_shards", {"NextToken": "AAAA/+=="}),
    "put-record": ("put_record", {"StreamName": "orders", "Data": b"hello", "PartitionKey": "k"}),
    "put-record-all": ("put_record", {
        "StreamName": "orders", "StreamARN": ARN, "Data": bytes(range(256)), "PartitionKey": "Ærø\"\\/\u2028😀",
        "ExplicitHashKey": "340282366920938463463374607431768211455", "SequenceNumberForOrdering": NUMBER,
        "DryRun": False}),
    "put-records": ("put_records", {"StreamARN": ARN, "Records": [
        {"Data": b"", "PartitionKey": "a"},
        {"Data": b"\x00\xff\xfe", "PartitionKey": "b", "ExplicitHashKey": "0"},
        {"Data": "grüße".encode(), "PartitionKey": "ключ"}]}),
    "get-shard-iterator": ("get_shard_iterator", {
        "StreamName": "orders", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}),
    "get-shard-iterator-at-number": ("get_shard_iterator", {
        "StreamARN": ARN, "ShardId": "shardId-000000000000", "ShardIteratorType": "AT_SEQUENCE_NUMBER",
        "StartingSequenceNumber": NUMBER, "DryRun": True}),
    "get-shard-iterator-at-timestamp": ("get_shard_iterator", {
        "StreamName": "orders", "ShardId": "0", "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": TIME}),
    "get-records": ("get_records", {"ShardIterator": "AAAAAAAAAAE=", "Limit": 10000, "StreamARN": ARN}),
    "increase-stream-retention-period": ("increase_stream_retention_period", {
        "StreamName": "orders", "RetentionPeriodHours": 48}),
    "decrease-stream-retention-period": ("decrease_stream_retention_period", {
        "StreamARN": ARN, "RetentionPeriodHours": -1}),
    "enable-enhanced-monitoring": ("enable_enhanced_monitoring", {
        "StreamName": "orders", "ShardLevelMetrics": ["OutgoingBytes", "IncomingBytes"]}),
    "disable-enhanced-monitoring": ("disable_enhanced_monitoring", {
        "StreamName": "orders", "ShardLevelMetrics": ["ALL"]}),
    "start-stream-encryption": ("start_stream_encryption", {
        "StreamName": "orders", "EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}),
    "stop-stream-encryption": ("stop_stream_encryption", {
        "StreamARN": ARN, "EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}),
    "update-max-record-size": ("update_max_record_size", {"StreamARN": ARN, "MaxRecordSizeInKiB": 10240}),
    "update-stream-mode": ("update_stream_mode", {
        "StreamARN": ARN, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}, "WarmThroughputMiBps": 100}),
    "update-stream-record-distribution-strategy": ("update_stream_record_distribution_strategy", {
        "StreamARN": ARN, "RecordDistributionStrategy": "AUTO"}),
    "update-stream-warm-throughput": ("update_stream_warm_throughput", {
        "StreamName": "orders", "WarmThroughputMiBps": 7}),
    "split-shard": ("split_shard", {
        "StreamName": "orders", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": "10"}),
    "merge-shards": ("merge_shards", {
        "StreamName": "orders", "ShardToMerge": "shardId-000000000001", "AdjacentShardToMerge": "2"}),
    "update-shard-count": ("update_shard_count", {
        "StreamName": "orders", "TargetShardCount": 8, "ScalingType": "UNIFORM_SCALING"}),
    "register-stream-consumer": ("register_stream_consumer", {
        "StreamARN": ARN, "ConsumerName": "billing", "Tags": {"team": "payments"}}),
    "deregister-stream-consumer": ("deregister_stream_consumer", {"StreamARN": ARN, "ConsumerName": "billing"}),
    "describe-stream-consumer": ("describe_stream_consumer", {"ConsumerARN": CONSUMER_ARN}),
    "list-stream-consumers": ("list_stream_consumers", {"StreamARN": ARN, "NextToken": "t==", "MaxResults": 3}),
    "list-stream-consumers-of": ("list_stream_consumers", {"StreamARN": ARN, "StreamCreationTimestamp": TIME}),
    "subscribe-to-shard": ("subscribe_to_shard", {
        "ConsumerARN": CONSUMER_ARN, "ShardId": "shardId-000000000000", "StartingPosition": {"Type": "LATEST"}}),
    "subscribe-to-shard-after": ("subscribe_to_shard", {
        "ConsumerARN": CONSUMER_ARN, "ShardId": "0", "DryRun": True, "StartingPosition": {
            "Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": NUMBER}}),
    "subscribe-to-shard-at-timestamp": ("subscribe_to_shard", {
        "ConsumerARN": CONSUMER_ARN, "ShardId": "0", "StartingPosition": {
            "Type": "AT_TIMESTAMP", "Timestamp": TIME}}),
    "add-tags-to-stream": ("add_tags_to_stream", {"StreamName": "orders", "Tags": {"team": "payments", "côté": ""}}),
    "remove-tags-from-stream": ("remove_tags_from_stream", {"StreamName": "orders", "TagKeys": ["team", "côté"]}),
    "list-tags-for-stream": ("list_tags_for_stream", {
        "StreamName": "orders", "ExclusiveStartTagKey": "a", "Limit": 50}),
    "tag-resource": ("tag_resource", {"ResourceARN": CONSUMER_ARN, "Tags": {"team": "payments"}}),
    "untag-resource": ("untag_resource", {"ResourceARN": ARN, "TagKeys": ["team"]}),
    "list-tags-for-resource": ("list_tags_for_resource", {"ResourceARN": ARN}),
    "put-resource-policy": ("put_resource_policy", {"ResourceARN": ARN, "Policy": "{\"Version\": \"2012-10-17\"}"}),
    "get-resource-policy": ("get_resource_policy", {"ResourceARN": ARN}),
    "delete-resource-policy": ("delete_resource_policy", {"ResourceARN": CONSUMER_ARN}),
    "describe-limits": ("describe_limits", {}),
    "describe-account-settings": ("describe_account_settings", {}),
    "update-account-settings": ("update_account_settings", {
        "MinimumThroughputBillingCommitment": {"Status": "ENABLED"}}),
    "list-channels": ("list_channels", {"StreamFilter": [{"StreamARN": ARN, "StreamCreationTimestamp": TIME}]}),
}


class Sent(Exception):
    """The request is complete."""


def as_text(value):
    """boto3 has some headers as bytes."""
    return value.decode() if isinstance(value, bytes) else value


def record_requests():
    """Lets boto3 serialize every request and writes what it would have sent."""
    client = boto3.client(
        "kinesis", region_name="us-east-1", endpoint_url="http://localhost:4567", aws_access_key_id="key",
        aws_secret_access_key="secret", config=botocore.config.Config(retries={"max_attempts": 0}))
    sent = []

    def answer(request, **_):
        sent.append(request)
        raise Sent

    client.meta.events.register("before-send.kinesis", answer)
    for name, (method, arguments) in REQUESTS.items():
        with contextlib.suppress(Sent):
            getattr(client, method)(**arguments)
        request = sent.pop()
        headers = {key.lower(): as_text(value) for key, value in request.headers.items()}
        recorded = {
            "target": headers["x-amz-target"], "content_type": headers["content-type"], "body": as_text(request.body)}
        (HERE / "requests" / "boto3" / f"{name}.json").write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n")


def missing(shape, value, path):
    """The members that the model requires and the value has not, or has in another type."""
    if shape.type_name == "structure":
        for name in shape.required_members:
            if name not in value:
                yield f"{path}.{name}"
        for name, member in value.items():
            if name != "ResponseMetadata":
                yield from missing(shape.members[name], member, f"{path}.{name}")
    elif shape.type_name == "list":
        for index, element in enumerate(value):
            yield from missing(shape.member, element, f"{path}[{index}]")
    elif shape.type_name == "timestamp" and not isinstance(value, datetime.datetime):
        yield f"{path} is no time"
    elif shape.type_name == "blob" and not isinstance(value, bytes):
        yield f"{path} are no bytes"
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield f"{path} is {value}"


def judge_responses():
    """Parses every response body as boto3 would."""
    service = botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model("kinesis", "service-2"))
    parser = botocore.parsers.create_parser("json")
    faults = []
    for path in sorted((HERE / "responses").glob("*.json")):
        shape = service.operation_model(path.stem.split("-")[0]).output_shape
        response = {"status_code": 200, "headers": {}, "body": path.read_bytes()}
        parsed = parser.parse(response, shape)
        known = set(json.loads(path.read_bytes())) - set(shape.members)
        faults += [f"{path.stem}: unknown member {name}" for name in known]
        faults += [f"{path.stem}: {fault}" for fault in missing(shape, parsed, "")]
        print(path.stem, json.dumps(parsed, default=str)[:200])
    sys.exit("\n".join(faults) or 0)


if __name__ == "__main__":
    {"requests": record_requests, "responses": judge_responses}[sys.argv[1]]()
