package dev.kinetes.kcl;

import java.net.URI;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.KinesisClientUtil;
import software.amazon.kinesis.coordinator.CoordinatorConfig;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.leases.LeaseManagementConfig;
import software.amazon.kinesis.metrics.MetricsLevel;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.RetrievalSpecificConfig;
import software.amazon.kinesis.retrieval.fanout.FanOutConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/**
 * A worker of a KCL application, which reads a stream from its trim horizon until it is killed, and prints what it did
 * (see {@link Output}). The options, each with a value: --endpoint (Kinesis), --dynamodb (the leases), --stream,
 * --application, --worker, --retrieval (polling or fan-out).
 */
public final class Application {
    private static final List<String> OPTIONS =
            List.of("--endpoint", "--dynamodb", "--stream", "--application", "--worker", "--retrieval");

    private Application() {}

    /** Runs the worker. */
    public static void main(String[] arguments) {
        Map<String, String> options = options(arguments);
        String stream = options.get("--stream");
        URI dynamoDb = URI.create(options.get("--dynamodb"));
        KinesisAsyncClient kinesis = at(
                URI.create(options.get("--endpoint")),
                KinesisClientUtil.adjustKinesisClientBuilder(KinesisAsyncClient.builder()));
        Output output = new Output();
        ConfigsBuilder configs = new ConfigsBuilder(
                new SingleStreamTracker(
                        stream, InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON)),
                options.get("--application"),
                kinesis,
                at(dynamoDb, DynamoDbAsyncClient.builder()),
                at(dynamoDb, CloudWatchAsyncClient.builder()), // never called, as metrics are off
                options.get("--worker"),
                () -> new Processor(output));
        RetrievalSpecificConfig retrieval =
                switch (options.get("--retrieval")) {
                    case "polling" -> new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(250);
                    case "fan-out" -> new FanOutConfig(kinesis)
                            .streamName(stream)
                            .applicationName(options.get("--application"));
                    default -> throw new IllegalArgumentException("--retrieval is polling or fan-out");
                };
        new Scheduler(
                        configs.checkpointConfig(),
                        quick(configs.coordinatorConfig()),
                        quick(configs.leaseManagementConfig()),
                        configs.lifecycleConfig().taskBackoffTimeMillis(200),
                        configs.metricsConfig().metricsLevel(MetricsLevel.NONE),
                        configs.processorConfig(),
                        configs.retrievalConfig().retrievalSpecificConfig(retrieval))
                .run();
    }

    private static Map<String, String> options(String[] arguments) {
        Map<String, String> options = new HashMap<>();
        for (int i = 0; i + 1 < arguments.length; i += 2) {
            options.put(arguments[i], arguments[i + 1]);
        }
        if (arguments.length != 2 * OPTIONS.size() || !options.keySet().containsAll(OPTIONS)) {
            throw new IllegalArgumentException("give each of " + OPTIONS + " once");
        }
        return options;
    }

    private static <B extends AwsClientBuilder<B, C>, C> C at(URI endpoint, B builder) {
        return builder.endpointOverride(endpoint)
                .region(Region.US_EAST_1)
                .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("any", "any")))
                .build();
    }

    /** With children of a shard begun soon after its end. */
    private static CoordinatorConfig quick(CoordinatorConfig config) {
        return config.parentShardPollIntervalMillis(200).shardConsumerDispatchPollIntervalMillis(200);
    }

    /**
     * With the leases of a killed worker free after seconds, its place as leader too, and assigned every second. Not
     * sooner: a worker that a busy machine holds up for longer loses its leases, and records come again.
     */
    private static LeaseManagementConfig quick(LeaseManagementConfig config) {
        config.workerUtilizationAwareAssignmentConfig()
                .inMemoryWorkerMetricsCaptureFrequencyMillis(500)
                .workerMetricsReporterFreqInMillis(1_000);
        return config.failoverTimeMillis(10_000)
                .leaseAssignmentIntervalMillis(1_000L)
                .dynamoDbLockBasedLeaderLeaseDurationInMillis(5_000)
                .dynamoDbLockBasedLeaderHeartbeatPeriodInMillis(1_000)
                .shardSyncIntervalMillis(1_000);
    }
}
