package dev.kinetes.kcl;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Map;

/** What the application did, on standard output: one JSON object a line, in the order in which it happened. */
final class Output {
    private final ObjectMapper json = new ObjectMapper();

    /** A record was processed. */
    void record(String shard, String key, String sequenceNumber, String data) {
        print(Map.of("event", "record", "shard", shard, "key", key, "sequence_number", sequenceNumber, "data", data));
    }

    /** All records of a shard up to this one are checkpointed. */
    void checkpoint(String shard, String sequenceNumber) {
        print(Map.of("event", "checkpoint", "shard", shard, "sequence_number", sequenceNumber));
    }

    /** A shard was read to its end, and its end is checkpointed. */
    void ended(String shard) {
        print(Map.of("event", "ended", "shard", shard));
    }

    private synchronized void print(Map<String, String> event) {
        try {
            System.out.println(json.writeValueAsString(event));
        } catch (JsonProcessingException error) {
            throw new IllegalStateException(error);
        }
    }
}
