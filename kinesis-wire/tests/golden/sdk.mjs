// Golden bytes of the AWS SDK for JavaScript, made with no network: what it sends for the same requests as sdk.py.
//
//     npm install --prefix DIR @aws-sdk/client-kinesis && cp sdk.mjs DIR && node DIR/sdk.mjs requests/js
//
// (The copy is needed because node looks for packages beside the script.)

import { writeFileSync } from "node:fs";
import * as kinesis from "@aws-sdk/client-kinesis";

const ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
const CONSUMER_ARN = `${ARN}/consumer/billing:1459799926`;
const TIME = new Date("2016-04-04T19:58:46.480Z");
const NUMBER = "49590338271490256608559692538361571095921575989136588898";
const bytes = (text) => new TextEncoder().encode(text);

const requests = {
  "create-stream": ["CreateStream", { StreamName: "orders" }],
  "create-stream-all": ["CreateStream", {
    StreamName: "orders", ShardCount: 4, StreamModeDetails: { StreamMode: "PROVISIONED" },
    Tags: { team: "payments", "côté": "" }, WarmThroughputMiBps: 0, MaxRecordSizeInKiB: 2048,
    RecordDistributionStrategy: "USER_PARTITION_KEY" }],
  "delete-stream": ["DeleteStream", { StreamARN: ARN, EnforceConsumerDeletion: true }],
  "describe-stream": ["DescribeStream", {
    StreamName: "orders", Limit: 7, ExclusiveStartShardId: "shardId-000000000001" }],
  "describe-stream-summary": ["DescribeStreamSummary", { StreamName: "orders", StreamARN: ARN }],
  "list-streams": ["ListStreams", {}],
  "list-streams-all": ["ListStreams", { Limit: 5, ExclusiveStartStreamName: "a", NextToken: "t==" }],
  "list-shards": ["ListShards", {
    StreamARN: ARN, MaxResults: 1000, StreamCreationTimestamp: TIME,
    ShardFilter: { Type: "FROM_TIMESTAMP", Timestamp: TIME } }],
  "list-shards-after": ["ListShards", {
    StreamName: "orders", ShardFilter: { Type: "AFTER_SHARD_ID", ShardId: "shardId-000000000003" } }],
  "list-shards-next": ["ListShards", { NextToken: "AAAA/+==" }],
  "put-record": ["PutRecord", { StreamName: "orders", Data: bytes("hello"), PartitionKey: "k" }],
  "put-record-all": ["PutRecord", {
    StreamName: "orders", StreamARN: ARN, Data: Uint8Array.from({ length: 256 }, (_, index) => index),
    PartitionKey: 'Ærø"\\/\u2028😀', ExplicitHashKey: "340282366920938463463374607431768211455",
    SequenceNumberForOrdering: NUMBER, DryRun: false }],
  "put-records": ["PutRecords", {
    StreamARN: ARN, Records: [
      { Data: bytes(""), PartitionKey: "a" },
      { Data: Uint8Array.of(0, 255, 254), PartitionKey: "b", ExplicitHashKey: "0" },
      { Data: bytes("grüße"), PartitionKey: "ключ" }] }],
  "get-shard-iterator": ["GetShardIterator", {
    StreamName: "orders", ShardId: "shardId-000000000000", ShardIteratorType: "TRIM_HORIZON" }],
  "get-shard-iterator-at-number": ["GetShardIterator", {
    StreamARN: ARN, ShardId: "shardId-000000000000", ShardIteratorType: "AT_SEQUENCE_NUMBER",
    StartingSequenceNumber: NUMBER, DryRun: true }],
  "get-shard-iterator-at-timestamp": ["GetShardIterator", {
    StreamName: "orders", ShardId: "0", ShardIteratorType: "AT_TIMESTAMP", Timestamp: TIME }],
  "get-records": ["GetRecords", { ShardIterator: "AAAAAAAAAAE=", Limit: 10000, StreamARN: ARN }],
  "increase-stream-retention-period": ["IncreaseStreamRetentionPeriod", {
      StreamName: "orders", RetentionPeriodHours: 48 }],
  "decrease-stream-retention-period": ["DecreaseStreamRetentionPeriod", {
      StreamARN: ARN, RetentionPeriodHours: -1 }],
  "enable-enhanced-monitoring": ["EnableEnhancedMonitoring", {
      StreamName: "orders", ShardLevelMetrics: ["OutgoingBytes", "IncomingBytes"] }],
  "disable-enhanced-monitoring": ["DisableEnhancedMonitoring", {
      StreamName: "orders", ShardLevelMetrics: ["ALL"] }],
  "start-stream-encryption": ["StartStreamEncryption", {
      StreamName: "orders", EncryptionType: "KMS", KeyId: "alias/aws/kinesis" }],
  "stop-stream-encryption": ["StopStreamEncryption", {
      StreamARN: ARN, EncryptionType: "KMS", KeyId: "alias/aws/kinesis" }],
  "update-max-record-size": ["UpdateMaxRecordSize", { StreamARN: ARN, MaxRecordSizeInKiB: 10240 }],
  "update-stream-mode": ["UpdateStreamMode", {
      StreamARN: ARN, StreamModeDetails: { StreamMode: "ON_DEMAND" }, WarmThroughputMiBps: 100 }],
  "update-stream-record-distribution-strategy": ["UpdateStreamRecordDistributionStrategy", {
      StreamARN: ARN, RecordDistributionStrategy: "AUTO" }],
  "update-stream-warm-throughput": ["UpdateStreamWarmThroughput", {
      StreamName: "orders", WarmThroughputMiBps: 7 }],
  "split-shard": ["SplitShard", {
      StreamName: "orders", ShardToSplit: "shardId-000000000000", NewStartingHashKey: "10" }],
  "merge-shards": ["MergeShards", {
      StreamName: "orders", ShardToMerge: "shardId-000000000001", AdjacentShardToMerge: "2" }],
  "update-shard-count": ["UpdateShardCount", {
      StreamName: "orders", TargetShardCount: 8, ScalingType: "UNIFORM_SCALING" }],
  "register-stream-consumer": ["RegisterStreamConsumer", {
      StreamARN: ARN, ConsumerName: "billing", Tags: { team: "payments" } }],
  "deregister-stream-consumer": ["DeregisterStreamConsumer", { StreamARN: ARN, ConsumerName: "billing" }],
  "describe-stream-consumer": ["DescribeStreamConsumer", { ConsumerARN: CONSUMER_ARN }],
  "list-stream-consumers": ["ListStreamConsumers", { StreamARN: ARN, NextToken: "t==", MaxResults: 3 }],
  "list-stream-consumers-of": ["ListStreamConsumers", { StreamARN: ARN, StreamCreationTimestamp: TIME }],
  "subscribe-to-shard": ["SubscribeToShard", {
      ConsumerARN: CONSUMER_ARN, ShardId: "shardId-000000000000", StartingPosition: { Type: "LATEST" } }],
  "subscribe-to-shard-after": ["SubscribeToShard", {
      ConsumerARN: CONSUMER_ARN, ShardId: "0", DryRun: true, StartingPosition: {
          Type: "AFTER_SEQUENCE_NUMBER", SequenceNumber: NUMBER } }],
  "subscribe-to-shard-at-timestamp": ["SubscribeToShard", {
      ConsumerARN: CONSUMER_ARN, ShardId: "0", StartingPosition: {
          Type: "AT_TIMESTAMP", Timestamp: TIME } }],
  "add-tags-to-stream": ["AddTagsToStream", { StreamName: "orders", Tags: { team: "payments", côté: "" } }],
  "remove-tags-from-stream": ["RemoveTagsFromStream", { StreamName: "orders", TagKeys: ["team", "côté"] }],
  "list-tags-for-stream": ["ListTagsForStream", {
      StreamName: "orders", ExclusiveStartTagKey: "a", Limit: 50 }],
  "tag-resource": ["TagResource", { ResourceARN: CONSUMER_ARN, Tags: { team: "payments" } }],
  "untag-resource": ["UntagResource", { ResourceARN: ARN, TagKeys: ["team"] }],
  "list-tags-for-resource": ["ListTagsForResource", { ResourceARN: ARN }],
  "put-resource-policy": ["PutResourcePolicy", { ResourceARN: ARN, Policy: '{"Version": "2012-10-17"}' }],
  "get-resource-policy": ["GetResourcePolicy", { ResourceARN: ARN }],
  "delete-resource-policy": ["DeleteResourcePolicy", { ResourceARN: CONSUMER_ARN }],
  "describe-limits": ["DescribeLimits", {}],
  "describe-account-settings": ["DescribeAccountSettings", {}],
  "update-account-settings": ["UpdateAccountSettings", {
      MinimumThroughputBillingCommitment: { Status: "ENABLED" } }],
  "list-channels": ["ListChannels", { StreamFilter: [{ StreamARN: ARN, StreamCreationTimestamp: TIME }] }],
};

class Sent extends Error {}

for (const [name, [operation, input]] of Object.entries(requests)) {
  let sent;
  const handle = async (request) => {
    sent = request;
    throw new Sent();
  };
  const client = new kinesis.KinesisClient({
    region: "us-east-1", endpoint: "http://localhost:4567", credentials: { accessKeyId: "key", secretAccessKey: "secret" },
    maxAttempts: 1, requestHandler: { handle } });
  await client.send(new kinesis[`${operation}Command`](input)).catch((error) => {
    if (!(error instanceof Sent)) throw error;
  });
  const headers = Object.fromEntries(Object.entries(sent.headers).map(([key, value]) => [key.toLowerCase(), value]));
  const recorded = { target: headers["x-amz-target"], content_type: headers["content-type"], body: Buffer.from(sent.body).toString() };
  writeFileSync(`${process.argv[2]}/${name}.json`, JSON.stringify(recorded, null, 1) + "\n");
}
