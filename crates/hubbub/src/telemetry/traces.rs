//! Traces, sent by OTLP over HTTP as OpenTelemetry's own variables say ("OTLP Exporter
//! Configuration", "Environment Variable Specification"); off unless one names an endpoint.

use std::{env, time::Duration};

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

use super::VERSION;
use crate::settings::{Role, SettingsError};

/// Either one turns traces on.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const PROTOCOL: &str = "http/protobuf";
const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

/// How long the end of a process waits for the last spans to be sent.
const LAST_SPANS: Duration = Duration::from_secs(1);

/// The process's spans on their way to a collector.
#[derive(Debug)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Sends nothing.
    pub(super) const OFF: Self = Self(None);

    /// As the environment says.
    ///
    /// # Errors
    /// Where it says something that is not allowed.
    pub(super) fn from_env(role: Role) -> Result<Self, SettingsError> {
        let is_off = said("OTEL_SDK_DISABLED").is_some_and(|off| off.eq_ignore_ascii_case("true"));
        if is_off || first(ENDPOINTS).is_none() {
            return Ok(Self::OFF);
        }
        check().map_err(SettingsError::Conflict)?;
        let exporter = SpanExporter::builder()
            .with_http()
            .build()
            .map_err(|error| SettingsError::Conflict(format!("traces cannot be sent: {error}")))?;
        let provider = SdkTracerProvider::builder()
            .with_resource(resource(role))
            .with_batch_exporter(exporter)
            .build();
        Ok(Self(Some(provider)))
    }

    /// Whether spans are made at all.
    pub(super) const fn are_on(&self) -> bool {
        self.0.is_some()
    }

    /// Takes the spans of a subscriber.
    pub(super) fn layer<S>(&self) -> Option<OpenTelemetryLayer<S, opentelemetry_sdk::trace::Tracer>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let tracer = self.0.as_ref()?.tracer("hubbub");
        let layer = tracing_opentelemetry::layer().with_tracer(tracer);
        // None of it says anything that the names of spans do not.
        let layer = layer.with_location(false).with_threads(false).with_target(false);
        Some(layer.with_level(false).with_tracked_inactivity(false))
    }

    /// Sends what is left. Blocks.
    pub fn finish(self) {
        let Some(provider) = self.0 else {
            return;
        };
        if let Err(error) = provider.shutdown_with_timeout(LAST_SPANS) {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

/// What would otherwise be replaced by a default without a word.
fn check() -> Result<(), String> {
    for name in PROTOCOLS {
        if let Some(protocol) = said(name).filter(|protocol| protocol != PROTOCOL) {
            return Err(format!("{name} is {protocol:?}: {PROTOCOL} is allowed"));
        }
    }
    const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
    let Some(sampler) = said(SAMPLER) else {
        return Ok(());
    };
    if !SAMPLERS.contains(&&*sampler) {
        let allowed = SAMPLERS.join(", ");
        return Err(format!("{SAMPLER} is {sampler:?}: {allowed} are allowed"));
    }
    const RATIO: &str = "OTEL_TRACES_SAMPLER_ARG";
    let is_ratio = |text: &String| text.parse().is_ok_and(|ratio| (0.0..=1.0).contains(&ratio));
    match said(RATIO).filter(|_| sampler.ends_with("ratio")) {
        Some(ratio) if !is_ratio(&ratio) => {
            Err(format!("{RATIO} is {ratio:?}: 0.0 to 1.0 is allowed"))
        }
        _ => Ok(()),
    }
}

/// What all spans of this process have in common. OTEL_SERVICE_NAME and
/// OTEL_RESOURCE_ATTRIBUTES say otherwise.
fn resource(role: Role) -> Resource {
    let name = match role.name() {
        Some(role) => format!("hubbub-{role}"),
        None => "hubbub".to_owned(),
    };
    let resource = Resource::builder().with_attribute(KeyValue::new("service.version", VERSION));
    match said("OTEL_SERVICE_NAME") {
        Some(_) => resource.build(),
        None => resource.with_service_name(name).build(),
    }
}

fn first(names: [&str; 2]) -> Option<String> {
    names.into_iter().find_map(said)
}

/// What a variable says; one that is empty says nothing.
fn said(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
