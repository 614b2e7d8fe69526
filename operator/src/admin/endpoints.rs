//! The admin port.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::Full;

use super::Metrics;
use crate::world::World;

/// What the admin port shows.
pub struct Admin {
    /// What is counted.
    pub metrics: Metrics,
    /// What is known of the cluster.
    pub world: Arc<World>,
    /// Whether the catalog is served: the copies of the cluster were whole once, and the end has not begun.
    pub ready: AtomicBool,
}

/// Answers one request.
#[must_use]
pub fn respond(admin: &Admin, method: &Method, path: &str) -> Response<Full<Bytes>> {
    let (status, body) = match (method, path) {
        (&Method::GET | &Method::HEAD, "/healthz") => (StatusCode::OK, b"ok\n".to_vec()),
        (&Method::GET | &Method::HEAD, "/readyz") if admin.ready.load(Ordering::Relaxed) => {
            (StatusCode::OK, b"ok\n".to_vec())
        }
        (&Method::GET | &Method::HEAD, "/readyz") => {
            (StatusCode::SERVICE_UNAVAILABLE, b"the copies of the cluster are not whole yet\n".to_vec())
        }
        (&Method::GET | &Method::HEAD, "/metrics") => (StatusCode::OK, admin.metrics.text(&admin.world)),
        _ => (StatusCode::NOT_FOUND, b"there are /healthz, /readyz and /metrics\n".to_vec()),
    };
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let text = http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, text);
    response
}
