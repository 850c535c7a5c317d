//! Traces for a collector that speaks OTLP over HTTP: of our own spans alone, without what is logged in them. They are delivered beside
//! the work, and a collector that is away costs the traces and nothing else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use bytes::Bytes;
use entryguard_core::config::TelemetrySettings;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use secrecy::ExposeSecret;
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::registry::LookupSpan;

/// Where a collector takes traces.
const PATH: &str = "/v1/traces";
/// How long one delivery may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the last ones may take when the server stops.
const FAREWELL: Duration = Duration::from_secs(3);
/// No answer of a collector is larger.
const LARGEST: usize = 64 * 1024;

/// Traces on their way to a collector; the default goes nowhere.
#[derive(Default)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Traces to this collector. The runtime that this is called in delivers them.
    pub fn to(settings: &TelemetrySettings) -> anyhow::Result<Self> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Delivery::to(settings)?)
            .with_endpoint(format!("{}{PATH}", settings.otlp_endpoint))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(PATIENCE)
            .build()
            .context("[telemetry] otlp_endpoint cannot be delivered to")?;
        let resource = Resource::builder()
            .with_service_name(settings.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self(Some(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())))
    }

    /// What hears of the spans.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> Option<impl Layer<S> + use<S>> {
        let tracer = self.0.as_ref()?.tracer("entryguard");
        let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false);
        // Other crates' spans may have in them what ours never do.
        let ours = filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with("entryguard"));
        Some(layer.with_filter(ours).with_filter(LevelFilter::INFO))
    }

    /// Delivers what is left, within bounds.
    pub async fn flush(self) {
        let Some(provider) = self.0 else { return };
        // It waits on a thread of its own, while the runtime delivers.
        let flushed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FAREWELL)).await;
        if !matches!(flushed, Ok(Ok(()))) {
            tracing::warn!("the last traces could not be delivered");
        }
    }
}

/// Delivers over the one client that everything of ours goes out by.
#[derive(Debug)]
struct Delivery {
    client: entryguard_outgoing::HttpClient<Full<Bytes>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    runtime: Handle,
    fails: AtomicBool,
}

impl Delivery {
    fn to(settings: &TelemetrySettings) -> anyhow::Result<Self> {
        let client = entryguard_outgoing::HttpClient::for_url(&settings.otlp_endpoint);
        let header = |(name, value): (&String, &secrecy::SecretString)| {
            let wrong = || format!("[telemetry] headers {name} is not a header that can be sent");
            let name: HeaderName = name.parse().with_context(wrong)?;
            let mut value = HeaderValue::from_str(value.expose_secret()).with_context(wrong)?;
            value.set_sensitive(true);
            anyhow::Ok((name, value))
        };
        Ok(Self {
            client: client.context("there is no way to the collector")?,
            headers: settings.headers.iter().map(header).collect::<Result<_, _>>()?,
            runtime: Handle::current(),
            fails: AtomicBool::new(false),
        })
    }

    /// Says once that it does not work, and once that it works again.
    fn note(&self, trouble: Option<String>) {
        let failed = self.fails.swap(trouble.is_some(), Ordering::Relaxed);
        match trouble {
            Some(why) if !failed => tracing::warn!(why, "traces cannot be delivered, and are dropped; nothing else suffers"),
            None if failed => tracing::info!("traces are delivered again"),
            Some(_) | None => {}
        }
    }
}

#[async_trait]
impl HttpClient for Delivery {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (mut parts, body) = request.into_parts();
        parts.headers.extend(self.headers.iter().cloned());
        let client = self.client.clone();
        let delivering = async move {
            let answer = client.request(Request::from_parts(parts, Full::new(body))).await?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, LARGEST).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(parts, body))
        };
        // The batches come from a thread that no runtime is in.
        let delivered = self.runtime.spawn(async move { tokio::time::timeout(PATIENCE, delivering).await }).await;
        let answer = match delivered {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err("no answer in time".into()),
            Err(_) => Err("the server stops".into()),
        };
        self.note(match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the collector answered {}", answer.status())),
            Err(error) => Some(error.to_string()),
        });
        answer
    }
}
