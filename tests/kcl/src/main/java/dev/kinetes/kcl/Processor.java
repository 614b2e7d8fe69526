package dev.kinetes.kcl;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import software.amazon.kinesis.exceptions.InvalidStateException;
import software.amazon.kinesis.exceptions.ShutdownException;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.processor.RecordProcessorCheckpointer;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.retrieval.KinesisClientRecord;

/** Prints the records of one shard, and checkpoints them once a second, so that a worker that is killed has some to repeat. */
final class Processor implements ShardRecordProcessor {
    private static final long CHECKPOINT_NANOS = Duration.ofSeconds(1).toNanos();

    private final Output output;
    private String shard;
    private long checkpointed = System.nanoTime();

    Processor(Output output) {
        this.output = output;
    }

    @Override
    public void initialize(InitializationInput input) {
        shard = input.shardId();
    }

    @Override
    public void processRecords(ProcessRecordsInput input) {
        String last = null;
        for (KinesisClientRecord record : input.records()) {
            last = record.sequenceNumber();
            String data = StandardCharsets.UTF_8.decode(record.data()).toString();
            output.record(shard, record.partitionKey(), last, data);
        }
        if (last != null && System.nanoTime() - checkpointed >= CHECKPOINT_NANOS) {
            checkpoint(input.checkpointer());
            output.checkpoint(shard, last);
            checkpointed = System.nanoTime();
        }
    }

    @Override
    public void shardEnded(ShardEndedInput input) {
        checkpoint(input.checkpointer());
        output.ended(shard);
    }

    /** Another worker goes on from the last checkpoint. */
    @Override
    public void leaseLost(LeaseLostInput input) {}

    @Override
    public void shutdownRequested(ShutdownRequestedInput input) {
        checkpoint(input.checkpointer());
    }

    private static void checkpoint(RecordProcessorCheckpointer checkpointer) {
        try {
            checkpointer.checkpoint();
        } catch (InvalidStateException | ShutdownException error) {
            throw new IllegalStateException(error);
        }
    }
}
