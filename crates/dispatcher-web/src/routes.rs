//! The pages: `/metrics`, `/healthz`, `/readyz`. Anything else is not there.
//!
//! A page is a question and its answer as text. Nothing here changes anything.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::ask::{Ask, Health};
use crate::status::{Counted, Status};

/// How long the service may take to answer a question. It answers between two inputs, so this is an age.
const ANSWER: Duration = Duration::from_secs(2);

const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

/// What every page needs.
pub(crate) struct Desk<T> {
    /// The way to whoever knows; a full one makes the page wait.
    pub(crate) asks: mpsc::Sender<T>,
    pub(crate) status: Arc<Status>,
}

impl<T> Clone for Desk<T> {
    fn clone(&self) -> Self {
        Self { asks: self.asks.clone(), status: Arc::clone(&self.status) }
    }
}

impl<T: From<Ask> + Send + 'static> Desk<T> {
    /// The answer to a question; none when it does not come in time.
    async fn ask<A>(&self, question: impl FnOnce(oneshot::Sender<A>) -> Ask) -> Option<A> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.asks.send(question(answer).into()).await.ok()?;
            answered.await.ok()
        };
        let answer = timeout(ANSWER, asked).await.ok().flatten();
        if answer.is_none() {
            self.status.count(Counted::InternalError);
        }
        answer
    }
}

/// The pages over this desk.
pub(crate) fn router<T: From<Ask> + Send + 'static>(desk: Desk<T>) -> Router {
    Router::new()
        .route("/metrics", get(metrics::<T>).head(nothing::<T>))
        .route("/healthz", get(healthz::<T>))
        .route("/readyz", get(readyz::<T>))
        .fallback(nothing::<T>)
        .method_not_allowed_fallback(nothing::<T>)
        .with_state(desk)
}

/// Every metric for whoever says what it accepts, as Prometheus, browsers and curl do. A request without that header gets
/// what dispatcherd gives, and not a name more: its users may have written programs that read the page.
async fn metrics<T: From<Ask> + Send + 'static>(State(desk): State<Desk<T>>, headers: HeaderMap) -> Response {
    let all = headers.contains_key(ACCEPT);
    match desk.ask(|answer| Ask::Metrics { all, answer }).await {
        Some(text) => {
            desk.status.count(Counted::MetricsServed);
            page(StatusCode::OK, METRICS, text)
        }
        None => page(StatusCode::SERVICE_UNAVAILABLE, TEXT, "The service did not answer in time"),
    }
}

/// The process lives and its driver answers.
async fn healthz<T: From<Ask> + Send + 'static>(State(desk): State<Desk<T>>) -> Response {
    match desk.ask(Ask::Health).await {
        Some(_) => page(StatusCode::OK, JSON, json!({"status": "ok"}).to_string()),
        None => no_answer(),
    }
}

/// A message sent now would be heard and run.
async fn readyz<T: From<Ask> + Send + 'static>(State(desk): State<Desk<T>>) -> Response {
    match desk.ask(Ask::Health).await {
        Some(Health { missing }) if missing.is_empty() => {
            page(StatusCode::OK, JSON, json!({"status": "ready"}).to_string())
        }
        Some(Health { missing }) => unavailable(&missing),
        None => no_answer(),
    }
}

fn no_answer() -> Response {
    unavailable(&[format!("the service has not answered within {} s", ANSWER.as_secs())])
}

fn unavailable(missing: &[String]) -> Response {
    let body = json!({"status": "unavailable", "missing": missing});
    page(StatusCode::SERVICE_UNAVAILABLE, JSON, body.to_string())
}

async fn nothing<T>(State(desk): State<Desk<T>>) -> Response {
    desk.status.count(Counted::NotFound);
    page(StatusCode::NOT_FOUND, TEXT, "Not Found")
}

/// What every answer has: no cache may keep it, no browser may guess what it is.
fn page(status: StatusCode, kind: &'static str, body: impl IntoResponse) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
