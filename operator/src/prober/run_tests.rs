use catalog::member::{MemberPhase, MemberStatus};
use kube::runtime::watcher::Event;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::admin::Metrics;
use crate::members::Members;
use crate::names::{STREAM_LABEL, STREAM_UID_LABEL};
use crate::world::{Scope, Wake, World, Writers};

/// Answers every request with a status that says that it serves.
async fn serving_pod() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let status = MemberStatus {
                version: "0.1.0".into(),
                stream_uid: "1a2b3c4d".into(),
                group: "orders-1a2b3-g0".into(),
                phase: MemberPhase::Serving,
                reason: None,
                replica_id: None,
                logs: Vec::new(),
            };
            let body = serde_json::to_string(&status).unwrap();
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = socket.write_all((head + &body).as_bytes()).await;
        }
    });
    port
}

fn pod(container: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": {
            "name": "orders-1a2b3-g0-0", "namespace": "shop", "uid": "p1",
            "labels": {STREAM_LABEL: "orders", STREAM_UID_LABEL: "1a2b3c4d"},
        },
        "status": {"podIP": "127.0.0.1", "containerStatuses": [{
            "name": "shard-server", "image": "x", "imageID": "", "ready": true, "restartCount": 0,
            "containerID": container, "state": {"running": {}},
        }]},
    }))
    .unwrap()
}

fn prober(port: u16) -> (Arc<Prober>, Arc<World>, Writers) {
    let (scope, writers) = Scope::new(None);
    let world = Arc::new(World::new(vec![scope]));
    let (service, _) =
        tower_test::mock::pair::<http::Request<kube::client::Body>, http::Response<kube::client::Body>>();
    let client = kube::Client::new(service, "default");
    let now = || k8s_openapi::jiff::Timestamp::UNIX_EPOCH;
    let prober = Prober::new(Arc::clone(&world), Members::new(port), client, Metrics::new(), now);
    (Arc::new(prober), world, writers)
}

fn change(world: &World, writers: &mut Writers, event: Event<Pod>) {
    let (Event::Apply(pod) | Event::Delete(pod)) = &event else { panic!("one pod") };
    let changed = PodChange::Pod(ObjectRef::from_obj(pod));
    writers.pods.apply_watcher_event(&event);
    world.pods_changed(changed);
}

#[tokio::test]
async fn a_pod_that_runs_is_asked_and_its_stream_is_woken_until_it_is_gone() {
    let (prober, world, mut writers) = prober(serving_pod().await);
    let mut wakes = world.wakes();
    let running = tokio::spawn(run(Arc::clone(&prober)));
    // The prober subscribes before it yields; a pod that is seen after that is news.
    tokio::task::yield_now().await;
    change(&world, &mut writers, Event::Apply(pod("1")));
    let Ok(Wake::Stream(stream)) = wakes.recv().await else { panic!("no stream was woken") };
    assert_eq!((stream.name.as_str(), stream.namespace.as_deref()), ("orders", Some("shop")));
    let process = RunningPod::of(&pod("1")).unwrap();
    assert!(world.probes().get(&process).unwrap().outcome().unwrap().is_ok());

    // Its container is another one: what the former one reported is forgotten.
    change(&world, &mut writers, Event::Apply(pod("2")));
    wakes.recv().await.unwrap();
    until(|| world.probes().get(&process).is_none() && prober.count() == 1).await;

    change(&world, &mut writers, Event::Delete(pod("2")));
    until(|| prober.count() == 0).await;
    assert_eq!(world.probes().get(&RunningPod::of(&pod("2")).unwrap()), None);
    running.abort();
}

#[tokio::test]
async fn every_task_ends_with_the_probers_future() {
    let (prober, world, mut writers) = prober(serving_pod().await);
    writers.pods.apply_watcher_event(&Event::Apply(pod("1")));
    let mut wakes = world.wakes();
    let running = tokio::spawn(run(Arc::clone(&prober)));
    wakes.recv().await.unwrap();
    assert_eq!(prober.count(), 1);
    running.abort();
    until(|| prober.count() == 0).await;
}

async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}
