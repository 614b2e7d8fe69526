//! A stage for one reconcile: what is in the cluster, and who answers.

use std::sync::Arc;
use std::time::Duration;

use catalog::resource::{DataStream, Shard, StreamConsumer};
use clap::Parser;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::watcher::Event;
use kube::{Client, ResourceExt};
use operator::admin::Metrics;
use operator::cli::{Cli, Command};
use operator::controller::{self, Context, Error, Memory, NameRegister, reconcile};
use operator::members::Members;
use operator::names::Member;
use operator::prober::{self, PodProber, Prober};
use operator::settings::Settings;
use operator::world::{RunningPod, Scope, World, Writers};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{ApiServer, Call, FakePod};

/// The stream's UID.
pub const UID: &str = "1a2b3c4d-0000-0000-0000-000000000000";
/// Its namespace.
pub const NAMESPACE: &str = "shop";

/// Its first group.
pub const GROUP_0: &str = "orders-1a2b3-g0";
/// Its second group.
pub const GROUP_1: &str = "orders-1a2b3-g1";
/// How long a test waits for what has to happen.
const LIMIT: Duration = Duration::from_secs(60);
/// No pod answers there.
pub const NO_POD: u16 = 1;

/// The example stream as the API server has it: four shards, two a group.
pub fn orders() -> Value {
    let text = include_str!("../../../../examples/orders.yaml");
    let mut stream: Value = serde_yaml::from_str(text).unwrap();
    let metadata = &mut stream["metadata"];
    metadata["namespace"] = json!(NAMESPACE);
    metadata["uid"] = json!(UID);
    metadata["resourceVersion"] = json!("1");
    metadata["generation"] = json!(1);
    metadata["creationTimestamp"] = json!("2026-11-23T10:00:00Z");
    stream["status"] = json!({"observedGeneration": -1});
    stream
}

/// One shard in one group, so that one fake pod will do.
pub fn one_shard() -> Value {
    let mut stream = orders();
    stream["spec"]["shardCount"] = json!(1);
    stream
}

/// A stage on which the stream's objects exist, and its pods do not.
pub async fn made(stream: Value, pod_port: u16) -> Stage {
    let mut stage = Stage::new(stream, pod_port);
    stage.lines().await;
    stage
}

/// A stage on which a stream of one shard serves.
pub async fn serving() -> (Stage, FakePod) {
    let pod = FakePod::on_an_empty_volume(UID, GROUP_0).await;
    let mut stage = made(one_shard(), pod.port).await;
    stage.see(Stage::pod(GROUP_0, false));
    // Instructed, bootstrapped, Ready.
    stage.lines().await;
    stage.lines().await;
    stage.see(Stage::pod(GROUP_0, true));
    stage.lines().await;
    assert_eq!(ready(&stage), "True Serving");
    (stage, pod)
}

/// Status and reason of a condition of the stream; nothing where it is not there.
pub fn condition(stage: &Stage, type_: &str) -> String {
    let stream = stage.server.stream();
    let conditions = stream["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == type_);
    found
        .map(|found| format!("{} {}", found["status"].as_str().unwrap(), found["reason"].as_str().unwrap()))
        .unwrap_or_default()
}

/// The message of a condition that the stream has.
pub fn message(stage: &Stage, type_: &str) -> String {
    let stream = stage.server.stream();
    let conditions = stream["status"]["conditions"].as_array().unwrap();
    let found = conditions.iter().find(|condition| condition["type"] == type_).unwrap();
    found["message"].as_str().unwrap().to_owned()
}

/// [`condition`] `Ready`.
pub fn ready(stage: &Stage) -> String {
    condition(stage, "Ready")
}

/// What is in the cluster, and who answers.
pub struct Stage {
    /// The API server.
    pub server: ApiServer,
    context: Arc<Context>,
    writers: Writers,
    /// One for each pod that runs: a look lets each ask once before.
    probers: Vec<PodProber>,
}

impl Stage {
    /// A cluster with this stream and nothing else; pods answer at this port of the loopback.
    pub fn new(stream: Value, pod_port: u16) -> Self {
        let (server, client) = ApiServer::new(stream.clone());
        let (scope, mut writers) = Scope::new(None);
        // Every copy is whole, and empty but for the stream.
        writers.streams.apply_watcher_event(&Event::InitDone);
        writers.streams.apply_watcher_event(&Event::Apply(read(stream)));
        let world = Arc::new(World::new(vec![scope]));
        let context = Arc::new(context(client, world, pod_port));
        Self { server, context, writers, probers: Vec::new() }
    }

    /// Puts an object where the watches would.
    pub fn see(&mut self, object: Value) {
        let writers = &mut self.writers;
        match object["kind"].as_str().unwrap() {
            "DataStream" => writers.streams.apply_watcher_event(&Event::Apply(read::<DataStream>(object))),
            "StreamConsumer" => {
                writers.consumers.apply_watcher_event(&Event::Apply(read::<StreamConsumer>(object)))
            }
            "Shard" => writers.shards.apply_watcher_event(&Event::Apply(read::<Shard>(object))),
            "StatefulSet" => {
                writers.stateful_sets.apply_watcher_event(&Event::Apply(read::<StatefulSet>(object)))
            }
            "Service" => writers.services.apply_watcher_event(&Event::Apply(read::<Service>(object))),
            "Pod" => self.see_pod(read(object)),
            "PersistentVolumeClaim" => {
                writers.claims.apply_watcher_event(&Event::Apply(read::<PersistentVolumeClaim>(object)));
            }
            kind => panic!("no watch for {kind}"),
        }
    }

    /// A process that is gone has no prober any more; a new one has.
    fn see_pod(&mut self, pod: Pod) {
        self.writers.pods.apply_watcher_event(&Event::Apply(pod.clone()));
        let (member, process) = (Member::of_pod(&pod.name_any()).unwrap(), RunningPod::of(&pod));
        self.probers.retain(|prober| prober.pod().member != member || Some(prober.pod()) == process.as_ref());
        if let Some(process) = process
            && !self.probers.iter().any(|prober| *prober.pod() == process)
        {
            self.probers.push(self.context.prober.begin(process));
        }
    }

    /// Every pod is asked once, and carries out what it was instructed to.
    pub async fn probe(&mut self) {
        for prober in &mut self.probers {
            prober.step().await;
        }
    }

    /// One look at the stream as the API server has it, after every pod was asked once; gives the calls that both made.
    pub async fn look(&mut self) -> Result<Vec<Call>, Error> {
        self.probe().await;
        self.look_at(self.server.stream()).await
    }

    /// One look at the stream as a copy has it, which may be late; gives the calls that it made.
    pub async fn look_at(&mut self, stream: Value) -> Result<Vec<Call>, Error> {
        self.see(stream.clone());
        reconcile(Arc::new(read(stream)), Arc::clone(&self.context)).await?;
        Ok(self.server.calls())
    }

    /// One look; gives the lines of the calls that it made. What it wrote is seen by the next.
    pub async fn lines(&mut self) -> Vec<String> {
        let calls = self.look().await.unwrap();
        self.see_calls(&calls);
        calls.into_iter().map(|call| call.line).collect()
    }

    /// Prober and controllers run by themselves, and see what they write, until something holds.
    pub async fn run_until(&mut self, holds: impl Fn(&Self) -> bool) {
        self.probers.clear();
        let context = Arc::clone(&self.context);
        let seen = async {
            while !holds(self) {
                let calls = self.server.calls();
                self.see_calls(&calls);
                let stream = self.server.stream();
                self.see(stream);
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = prober::run(Arc::clone(&context.prober)) => panic!("the prober ended"),
            () = controller::run(Arc::clone(&context)) => panic!("the controllers ended"),
            seen = tokio::time::timeout(LIMIT, seen) => seen.unwrap(),
        }
    }

    fn see_calls(&mut self, calls: &[Call]) {
        for call in calls {
            if call.line.starts_with("PATCH")
                && ["Shard", "StatefulSet", "Service"].iter().any(|kind| call.body["kind"] == *kind)
            {
                // What an admission policy made of a StatefulSet is seen.
                let set = call.body["kind"] == "StatefulSet";
                self.see_written(if set { &call.answer } else { &call.body });
            }
        }
    }

    /// One look that fails; gives the lines of the calls that it made.
    pub async fn failing_lines(&mut self) -> Vec<String> {
        assert!(self.look().await.is_err());
        self.server.calls().into_iter().map(|call| call.line).collect()
    }

    /// A shard's status is written apart from the shard.
    fn see_written(&mut self, body: &Value) {
        let mut object = body.clone();
        object["metadata"]["namespace"] = json!(NAMESPACE);
        if object.get("spec").is_none() {
            let scope = &self.context.world.scopes()[0];
            let name = body["metadata"]["name"].as_str().unwrap();
            let old = scope.shards.find(|shard| shard.metadata.name.as_deref() == Some(name)).unwrap();
            object = serde_json::to_value(&*old).unwrap();
            object["status"] = body["status"].clone();
        }
        self.see(object);
    }

    /// Pods answer at another port from now on.
    pub fn move_pods_to(&mut self, port: u16) {
        let old = &self.context;
        self.probers.clear();
        self.context = Arc::new(context(old.client.clone(), Arc::clone(&old.world), port));
    }

    /// Somebody changed a StatefulSet.
    pub fn edit_set(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        let scope = &self.context.world.scopes()[0];
        let set = scope.stateful_sets.find(|set| set.name_any() == name).unwrap();
        let mut set = serde_json::to_value(&*set).unwrap();
        change(&mut set);
        self.see(set);
    }

    /// A metric without labels, as `/metrics` has it.
    pub fn metric(&self, name: &str) -> String {
        let text = String::from_utf8(self.context.metrics.text(&self.context.world)).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap().to_owned()
    }

    /// Somebody deleted every shard object.
    pub fn forget_shards(&mut self) {
        self.writers.shards.apply_watcher_event(&Event::Init);
        self.writers.shards.apply_watcher_event(&Event::InitDone);
    }

    /// Somebody changed the stream.
    pub fn change(&mut self, change: impl FnOnce(&mut Value)) {
        self.server.change_stream(change);
    }

    /// A pod of a group, running at the loopback, ready or not.
    pub fn pod(group: &str, ready: bool) -> Value {
        Self::pod_at("127.0.0.1", group, ready)
    }

    /// [`Stage::pod`] at another IP of the loopback.
    pub fn pod_at(ip: &str, group: &str, ready: bool) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("{group}-0"), "namespace": NAMESPACE,
                "uid": "p0d", "labels": {"kinetes.dev/stream-uid": UID, "kinetes.dev/stream": "orders"},
            },
            "spec": {"nodeName": "node1", "containers": []},
            "status": {
                "podIP": ip,
                "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}],
                "containerStatuses": [{
                    "name": "shard-server", "image": "x", "imageID": "", "ready": ready, "restartCount": 0,
                    "state": {"running": {}},
                }],
            },
        })
    }
}

/// Everything that a look has at hand; pods answer at this port of the loopback.
fn context(client: Client, world: Arc<World>, pod_port: u16) -> Context {
    let metrics = Metrics::new();
    let now = || Timestamp::from_second(1_795_428_000).unwrap();
    let (members, its_client) = (Members::new(pod_port), client.clone());
    Context {
        client,
        settings: Arc::new(settings()),
        world: Arc::clone(&world),
        prober: Arc::new(Prober::new(world, members, its_client, metrics.clone(), now)),
        names: NameRegister::default(),
        memory: Memory::default(),
        metrics,
        now,
    }
}

/// The settings of the operator.
pub fn settings() -> Settings {
    let arguments = [
        "operator",
        "run",
        "--release=kinetes",
        "--namespace=kinetes-system",
        "--shard-server-image=registry/shard-server:0.1.0",
        "--image-pull-secret=registry-key",
    ];
    match Cli::parse_from(arguments).command {
        Command::Run(settings) => *settings,
        other => unreachable!("{other:?}"),
    }
}

fn read<K: DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).unwrap()
}
