//! A collector of traces, as OpenTelemetry's is: it takes OTLP over HTTP, and reads what it takes with OpenTelemetry's own messages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use prost::Message;

use crate::loopback::Listener;

/// A span as it was delivered.
#[derive(Debug, Clone)]
pub struct CollectedSpan {
    /// What was done.
    pub name: String,
    /// Which it is.
    pub id: Vec<u8>,
    /// Within which; empty where it is the outermost.
    pub parent: Vec<u8>,
    /// The `service.name` of whoever delivered it.
    pub service: String,
    /// What else is said of it, as text.
    pub attributes: BTreeMap<String, String>,
}

/// A collector on loopback.
#[derive(Debug)]
pub struct Collector {
    listener: Listener,
    deliveries: Deliveries,
}

type Deliveries = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

impl Collector {
    /// A collector that takes everything.
    pub async fn open() -> Self {
        let deliveries = Deliveries::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&deliveries));
        Self { listener: Listener::serve(router).await, deliveries }
    }

    /// A collector that takes connections, and never answers.
    pub async fn silent() -> Self {
        let router = Router::new().fallback(async || std::future::pending::<StatusCode>().await);
        Self { listener: Listener::serve(router).await, deliveries: Arc::default() }
    }

    /// The value of `[telemetry] otlp_endpoint`.
    pub fn url(&self) -> &str {
        &self.listener.address
    }

    /// This header of each delivery.
    pub fn header(&self, name: &str) -> Vec<String> {
        let deliveries = self.deliveries.lock().unwrap();
        deliveries.iter().filter_map(|(headers, _)| Some(headers.get(name)?.to_str().ok()?.to_owned())).collect()
    }

    /// Whether these bytes came, in whatever field.
    pub fn has_seen(&self, text: &str) -> bool {
        let deliveries = self.deliveries.lock().unwrap();
        deliveries.iter().any(|(_, body)| body.windows(text.len()).any(|window| window == text.as_bytes()))
    }

    /// Every span so far.
    pub fn spans(&self) -> Vec<CollectedSpan> {
        let deliveries = self.deliveries.lock().unwrap();
        deliveries.iter().flat_map(|(_, body)| spans_of(body)).collect()
    }
}

async fn take(State(deliveries): State<Deliveries>, headers: HeaderMap, body: Bytes) {
    deliveries.lock().unwrap().push((headers, body));
}

fn spans_of(body: &Bytes) -> Vec<CollectedSpan> {
    let request = ExportTraceServiceRequest::decode(body.as_ref()).expect("OpenTelemetry's own message");
    let mut spans = Vec::new();
    for of_resource in request.resource_spans {
        let resource = of_resource.resource.map(|resource| read(resource.attributes)).unwrap_or_default();
        let service = resource.get("service.name").cloned().unwrap_or_default();
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let (name, id, parent) = (span.name, span.span_id, span.parent_span_id);
            spans.push(CollectedSpan { name, id, parent, service: service.clone(), attributes: read(span.attributes) });
        }
    }
    spans
}

fn read(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    attributes.into_iter().map(|attribute| (attribute.key, text(attribute.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        other => format!("{other:?}"),
    }
}
