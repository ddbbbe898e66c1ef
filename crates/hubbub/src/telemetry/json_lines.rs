//! Log lines for machines: one flat JSON object each, with the same names everywhere.

use std::{error::Error, fmt};

use jiff::Timestamp;
use opentelemetry::trace::{TraceContextExt, TraceId};
use serde::Serialize;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use super::VERSION;

/// `timestamp level message role version target`, then the event's own fields, and `trace_id`
/// where the event belongs to a trace.
pub(super) struct JsonLines {
    /// What the process does.
    pub role: &'static str,
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line(String::with_capacity(256));
        line.put("timestamp", &format!("{:.3}", Timestamp::now()));
        line.put("level", event.metadata().level().as_str());
        event.record(&mut Message(&mut line));
        line.put("role", self.role);
        line.put("version", VERSION);
        line.put("target", event.metadata().target());
        event.record(&mut line);
        let trace = opentelemetry::Context::current().span().span_context().trace_id();
        if trace != TraceId::INVALID {
            line.put("trace_id", &trace.to_string());
        }
        writeln!(writer, "{}}}", line.0)
    }
}

/// An object that is not closed yet.
struct Line(String);

impl Line {
    fn put(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        let (Ok(name), Ok(value)) = (serde_json::to_string(name), serde_json::to_string(value))
        else {
            return;
        };
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0 += &name;
        self.0.push(':');
        self.0 += &value;
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() != "message" {
            self.put(field.name(), value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), &value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            text += &format!(": {cause}");
            source = cause.source();
        }
        self.put(field.name(), &text);
    }
}

/// Takes the message alone, so that it stands in front.
struct Message<'a>(&'a mut Line);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.put("message", &format!("{value:?}"));
        }
    }
}
