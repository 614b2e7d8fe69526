//! What every role needs for its operation: `/healthz`, `/readyz` and `/metrics` on a port of their own,
//! [`Termination`], and a [`listener`] that drains.
//!
//! `/healthz` answers 200 while the process can answer at all; `/readyz` 200, or 503 with the reason as text;
//! `/metrics` the registry in Prometheus' text format. Nothing here depends on the role.

mod exchange;
pub mod listener;
mod port;
mod termination;

use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use prometheus::{Encoder, Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use exchange::Exchange;
pub use port::{Excess, Limits, Port, Ports};
pub use termination::Termination;

/// The content of a role's admin port.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Why the role is not ready, for a person to read; `None` when it is ready.
    pub not_ready: watch::Receiver<Option<String>>,
    /// The registry behind `/metrics`.
    pub registry: Registry,
}

/// Serves the admin port until termination is ordered.
/// A probe is answered however many connections there are.
pub async fn serve(listener: TcpListener, port: Port, admin: Admin, termination: Termination) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = admin.answer(request.method(), request.uri().path());
        async move { Ok::<_, Infallible>(response) }
    });
    listener::serve(listener, port, service, termination).await;
}

impl Admin {
    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if method != Method::GET && method != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is served here\n".into());
        }
        match path {
            "/healthz" => text(StatusCode::OK, "ok\n".into()),
            "/readyz" => match &*self.not_ready.borrow() {
                None => text(StatusCode::OK, "ok\n".into()),
                Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
            },
            "/metrics" => self.metrics(),
            _ => text(StatusCode::NOT_FOUND, "served here: /healthz, /readyz, /metrics\n".into()),
        }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        let encoder = TextEncoder::new();
        let mut body = Vec::new();
        match encoder.encode(&self.registry.gather(), &mut body) {
            Ok(()) => answer(StatusCode::OK, encoder.format_type(), body.into()),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", body.into())
}

fn answer(status: StatusCode, content_type: &str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    if let Ok(value) = header::HeaderValue::from_str(content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn admin() -> (watch::Sender<Option<String>>, Admin) {
        let (sender, not_ready) = watch::channel(Some("it recovers".to_owned()));
        (sender, Admin { not_ready, registry: Registry::new() })
    }

    async fn get(admin: &Admin, path: &str) -> (StatusCode, String) {
        let response = admin.answer(&Method::GET, path);
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readyz_answers_the_reason_until_the_role_is_ready() {
        let (sender, admin) = admin();
        assert_eq!(get(&admin, "/healthz").await.0, StatusCode::OK);
        assert_eq!(get(&admin, "/readyz").await, (StatusCode::SERVICE_UNAVAILABLE, "it recovers\n".into()));
        sender.send_replace(None);
        assert_eq!(get(&admin, "/readyz").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn metrics_come_from_the_registry() {
        let (_sender, admin) = admin();
        let counter = prometheus::IntCounter::new("kinetes_tests_total", "Counts").unwrap();
        admin.registry.register(Box::new(counter.clone())).unwrap();
        counter.inc();
        let (status, body) = get(&admin, "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains("kinetes_tests_total 1"), "{body}");
    }

    #[tokio::test]
    async fn other_paths_and_methods_are_refused() {
        let (_sender, admin) = admin();
        assert_eq!(get(&admin, "/x").await.0, StatusCode::NOT_FOUND);
        assert_eq!(admin.answer(&Method::POST, "/metrics").status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
