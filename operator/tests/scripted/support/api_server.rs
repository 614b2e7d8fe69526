//! The API server's side of a test.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::Notify;

/// One call: `PATCH datastreams/orders/status`, and what it sent.
#[derive(Clone, Debug)]
pub struct Call {
    /// Method, kind, name and subresource.
    pub line: String,
    /// The query, as it was sent.
    pub query: String,
    /// What was sent; null for nothing.
    pub body: Value,
    /// What was answered.
    pub answer: Value,
}

/// Answers writes with what was written, reads from `lists`, and remembers all of it.
#[derive(Clone, Default)]
pub struct ApiServer {
    calls: Arc<Mutex<Vec<Call>>>,
    lists: Arc<Mutex<BTreeMap<String, Vec<Value>>>>,
    stream: Arc<Mutex<Value>>,
    applied: Arc<Mutex<BTreeMap<String, Value>>>,
    refused: Arc<Mutex<Option<(String, u16)>>>,
    policy: Arc<Mutex<Option<Policy>>>,
    interference: Arc<Mutex<Option<String>>>,
    hold: Arc<Mutex<Option<Arc<Hold>>>>,
}

/// A call that waits for its answer.
#[derive(Default)]
pub struct Hold {
    line: String,
    /// The call came.
    pub came: Notify,
    /// It is to be answered.
    pub go: Notify,
}

/// What an admission policy makes of an applied object.
type Policy = fn(&mut Value);

impl ApiServer {
    /// An API server that has this stream, and a client for it.
    pub fn new(stream: Value) -> (Self, Client) {
        let server = Self { stream: Arc::new(Mutex::new(stream)), ..Self::default() };
        let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let answering = server.clone();
        tokio::spawn(async move {
            while let Some((request, send)) = handle.next_request().await {
                send.send_response(answering.answer(request).await);
            }
        });
        (server, Client::new(service, "default"))
    }

    /// What a LIST of this kind finds from now on.
    pub fn has(&self, kind: &str, objects: Vec<Value>) {
        self.lists.lock().unwrap().insert(kind.into(), objects);
    }

    /// The stream as it was written last.
    pub fn stream(&self) -> Value {
        self.stream.lock().unwrap().clone()
    }

    /// This call is refused from now on, as RBAC does it; with nothing, none is.
    pub fn refuse(&self, line: Option<&str>) {
        *self.refused.lock().unwrap() = line.map(|line| (line.into(), 403));
    }

    /// This call is answered with this status from now on.
    pub fn fail(&self, line: &str, code: u16) {
        *self.refused.lock().unwrap() = Some((line.into(), code));
    }

    /// An admission policy changes every applied StatefulSet from now on.
    pub fn mutate(&self, policy: Policy) {
        *self.policy.lock().unwrap() = Some(policy);
    }

    /// This call waits for its answer.
    pub fn hold(&self, line: &str) -> Arc<Hold> {
        let hold = Arc::new(Hold { line: line.into(), ..Hold::default() });
        *self.hold.lock().unwrap() = Some(Arc::clone(&hold));
        hold
    }

    /// Somebody writes the stream just before this call, once.
    pub fn interfere(&self, line: &str) {
        *self.interference.lock().unwrap() = Some(line.into());
    }

    /// Somebody writes the stream's spec or metadata.
    pub fn change_stream(&self, change: impl FnOnce(&mut Value)) {
        let mut stream = self.stream.lock().unwrap();
        change(&mut stream);
        let generation = stream["metadata"]["generation"].as_i64().unwrap();
        stream["metadata"]["generation"] = json!(generation + 1);
        raise_version(&mut stream);
    }

    /// Every call since the last time this was asked.
    pub fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        // /apis/kinetes.dev/v1alpha1/namespaces/shop/shards/x/status: from the kind on.
        let path = head.uri.path();
        let resource = match path.split_once("/namespaces/") {
            Some((_, rest)) => rest.split_once('/').unwrap().1,
            // /apis/storage.k8s.io/v1/storageclasses/fast
            None => path.splitn(5, '/').last().unwrap(),
        };
        let line = format!("{} {resource}", head.method);
        let query = head.uri.query().unwrap_or_default().to_owned();
        let hold = self.hold.lock().unwrap().take_if(|hold| hold.line == line);
        if let Some(hold) = hold {
            hold.came.notify_one();
            hold.go.notified().await;
        }
        if self.interference.lock().unwrap().take_if(|awaited| *awaited == line).is_some() {
            raise_version(&mut self.stream.lock().unwrap());
        }
        let refused = self.refused.lock().unwrap().clone().filter(|(refused, _)| *refused == line);
        let (code, answer) = match refused {
            Some((_, code)) => (code, failure(code)),
            None => self.obey(&head.method, resource, body.clone()),
        };
        self.calls.lock().unwrap().push(Call { line, query, body, answer: answer.clone() });
        Response::builder().status(code).body(Body::from(answer.to_string().into_bytes())).unwrap()
    }

    fn obey(&self, method: &Method, resource: &str, body: Value) -> (u16, Value) {
        let answer = match *method {
            Method::GET if !resource.contains('/') => {
                let items = self.lists.lock().unwrap().get(resource).cloned().unwrap_or_default();
                json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items})
            }
            Method::GET if resource.starts_with("datastreams/") => self.stream(),
            Method::GET => match self.find(resource) {
                Some(object) => object,
                None => return (404, failure(404)),
            },
            Method::DELETE => {
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})
            }
            Method::PATCH if resource.starts_with("datastreams/") => match self.patch_stream(&body) {
                Some(stream) => stream,
                None => return (409, failure(409)),
            },
            Method::PATCH => self.patch_object(resource, body),
            Method::POST => body,
            _ => panic!("{method} {resource} is in no script"),
        };
        (200, answer)
    }

    fn find(&self, resource: &str) -> Option<Value> {
        let (kind, name) = resource.split_once('/').unwrap();
        let lists = self.lists.lock().unwrap();
        lists.get(kind)?.iter().find(|object| object["metadata"]["name"] == name).cloned()
    }

    /// An object of a list with a merge patch, which names no kind; an applied object; one whose status alone is applied is what it was applied as before.
    fn patch_object(&self, resource: &str, mut patch: Value) -> Value {
        if let Some(policy) = *self.policy.lock().unwrap()
            && resource.starts_with("statefulsets/")
        {
            policy(&mut patch);
        }
        if patch.get("kind").is_none()
            && let Some(mut object) = self.find(resource)
        {
            merge(&mut object, &patch);
            return object;
        }
        let mut applied = self.applied.lock().unwrap();
        match resource.strip_suffix("/status") {
            None => applied.insert(resource.into(), patch.clone()),
            Some(resource) => applied.get(resource).cloned(),
        }
        .map_or(patch.clone(), |mut object| {
            for (key, value) in patch.as_object().unwrap() {
                object[key] = value.clone();
            }
            object
        })
    }

    /// The patched stream; nothing where somebody wrote it since.
    fn patch_stream(&self, patch: &Value) -> Option<Value> {
        let mut stream = self.stream.lock().unwrap();
        let version = patch["metadata"].get("resourceVersion");
        if version.is_some_and(|version| *version != stream["metadata"]["resourceVersion"]) {
            return None;
        }
        if let Some(status) = patch.get("status") {
            stream["status"] = status.clone();
        }
        if let Some(finalizers) = patch["metadata"].get("finalizers") {
            stream["metadata"]["finalizers"] = finalizers.clone();
        }
        if let Some(spec) = patch.get("spec") {
            merge(&mut stream["spec"], spec);
        }
        raise_version(&mut stream);
        Some(stream.clone())
    }
}

/// What a JSON merge patch makes of a value (RFC 7386).
fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    for (name, patch) in fields {
        match patch {
            Value::Null => drop(value.as_object_mut().unwrap().remove(name)),
            patch => merge(&mut value[name], patch),
        }
    }
}

fn raise_version(stream: &mut Value) {
    let version: u64 = stream["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    stream["metadata"]["resourceVersion"] = json!((version + 1).to_string());
}

/// How the API server tells that it did not do something.
fn failure(code: u16) -> Value {
    let reason = if code == 404 { "NotFound" } else { "Failure" };
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
        "reason": reason, "message": "not for you",
    })
}
