//! Traces, as a collector sees them: from a client's request through the log to the fold and the write.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

use std::{path::Path, process::Command, time::Duration};

use hubbub_testkit::{
    client::Client,
    collector::{Collector, Span},
    fleet::Fleet,
    operations::Operations,
    process::{Process, Signal, all_in_one},
};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};
use tempfile::TempDir;

/// No step takes longer, unless something hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const PROJECTIONS: usize = 3;
/// Those of a fleet's topic by default.
const PARTITIONS: usize = 12;
const BINARY: &str = env!("CARGO_BIN_EXE_hubbub");

/// Where clients say that their requests stand, and whether they keep the trace.
const WRITE: (&str, &str) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
const READ: (&str, &str) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
const UNKEPT: (&str, &str) = ("8448eb211c80319c0af7651916cd43dd", "69203331b7ad6b71");

fn traceparent((trace_id, span_id): (&str, &str), flags: &str) -> String {
    format!("00-{trace_id}-{span_id}-{flags}")
}

/// Sends spans to a collector when it ends: until then nothing is to be waited for.
fn traced(mut command: Command, collector: &Collector) -> Command {
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
        .env("OTEL_BSP_SCHEDULE_DELAY", "3600000")
        .env("HUBBUB__TELEMETRY__LOG_LEVEL", "warn,hubbub_web=debug,hubbub=info");
    command
}

async fn end(process: &mut Process) {
    process.signal(Signal::INT);
    let status = process.ended(PATIENCE).await;
    assert_eq!(status.code(), Some(0), "{}", process.output());
}

/// Posts, reads what came of it, and posts once more in a trace that is not kept.
async fn use_it(hub: &Client) {
    let post = json!({"id": "p1", "user_id": "ann", "content": "Followed on its way"});
    let write = traceparent(WRITE, "01");
    let posted = hub.post("/posts", &post).header("traceparent", &write).await.expect(202);
    hub.get("/posts/p1/analysis").after(&posted).wait(10).await.expect(200);
    let read = traceparent(READ, "01");
    hub.get("/posts/p1").after(&posted).wait(10).header("traceparent", read).await.expect(200);
    let post = json!({"id": "p2", "user_id": "ann", "content": "Not followed"});
    let unkept = traceparent(UNKEPT, "00");
    let posted = hub.post("/posts", &post).header("traceparent", unkept).await.expect(202);
    hub.get("/posts/p2").after(&posted).wait(10).await.expect(200);
    hub.get("/posts/p2/analysis").after(&posted).wait(10).await.expect(200);
}

/// The one span of a trace with a name.
fn one<'a>(spans: &'a [Span], trace_id: &str, name: &str) -> &'a Span {
    let mut named = spans.iter().filter(|span| span.trace_id == trace_id && span.name == name);
    match (named.next(), named.next()) {
        (Some(span), None) => span,
        found => panic!("{name:?} is not there once, but {found:?} among {spans:#?}"),
    }
}

fn below<'a>(spans: &'a [Span], parent: &Span) -> Vec<&'a Span> {
    let is_below =
        |span: &&Span| span.trace_id == parent.trace_id && span.parent_id == parent.span_id;
    spans.iter().filter(is_below).collect()
}

fn is_within(inner: &Span, outer: &Span) -> bool {
    outer.times.0 <= inner.times.0 && inner.times.1 <= outer.times.1
}

/// What the collector must have been sent of [`use_it`] by these services.
fn check(spans: &[Span], [ingest, worker, query]: [&str; 3]) {
    let request = one(spans, WRITE.0, "POST /api/v1/posts");
    assert_eq!((&*request.parent_id, request.kind), (WRITE.1, SpanKind::Server));
    assert_eq!((&*request.service, request.is_error), (ingest, false));
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.response.status_code", "202"),
        ("http.route", "/api/v1/posts"),
        ("url.path", "/api/v1/posts"),
    ] {
        assert_eq!(request.attributes[name], value);
    }
    let send = one(spans, WRITE.0, "send posts");
    assert_eq!((&send.parent_id, send.kind), (&request.span_id, SpanKind::Producer));
    assert!(is_within(send, request));

    for projection in ["posts", "likes", "analysis"] {
        let fold = one(spans, WRITE.0, &format!("fold {projection}"));
        assert_eq!((&fold.parent_id, fold.kind), (&send.span_id, SpanKind::Consumer));
        assert_eq!((&*fold.service, fold.is_error), (worker, false));
        assert_eq!(fold.attributes["hubbub.projection"], projection);
        assert_eq!(fold.attributes["messaging.kafka.offset"], "0");
        let write = one(spans, WRITE.0, &format!("write {projection}"));
        assert_eq!(write.parent_id, fold.span_id);
        assert!(is_within(write, fold));

        // The write itself was of a batch, which served this trace and maybe others.
        let [batch] = &fold.links[..] else { panic!("{fold:#?}") };
        let batch = spans.iter().find(|span| span.span_id == *batch).unwrap();
        assert_eq!(batch.name, format!("fold a batch of {projection}"));
        assert_eq!((&*batch.parent_id, batch.kind), ("", SpanKind::Consumer));
        assert!(batch.links.contains(&send.span_id) && batch.trace_id != WRITE.0, "{batch:#?}");
        let stored = below(spans, batch);
        let is_frontier = |span: &&&Span| span.name == "apply frontiers";
        let frontier = stored.iter().find(is_frontier).unwrap_or_else(|| panic!("{stored:#?}"));
        assert!(frontier.kind == SpanKind::Client && is_within(frontier, write));
    }
    let outcome = |name| &one(spans, WRITE.0, name).attributes["hubbub.outcome"];
    assert_eq!(outcome("fold posts"), "applied");

    let read = one(spans, READ.0, "GET /api/v1/posts/{id}");
    assert_eq!((&*read.parent_id, &*read.service), (READ.1, query));
    let asked = below(spans, read);
    assert!(asked.iter().any(|span| span.kind == SpanKind::Client), "{asked:#?}");

    let unkept: Vec<_> = spans.iter().filter(|span| span.trace_id == UNKEPT.0).collect();
    assert!(unkept.is_empty(), "{unkept:#?}");
}

/// The ids of the traces that a process's requests belong to, as its log tells them.
fn logged(process: &Process) -> Vec<String> {
    let lines = process.output();
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let requests = lines.filter(|line| line["message"] == "request answered");
    requests.map(|line| line["trace_id"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_request_is_followed_to_its_fold_in_one_process() {
    let (collector, folder) = (Collector::start().await, TempDir::new().unwrap());
    let command = all_in_one(Path::new(BINARY), &folder.path().join("data"));
    let mut hub = Process::start(traced(command, &collector), &folder.path().join("log"));
    let urls = hub.ready(PATIENCE).await;
    use_it(&Client::new(&urls.api, &urls.api)).await;
    end(&mut hub).await;
    check(&collector.spans(), ["hubbub"; 3]);
    let logged = logged(&hub);
    for (trace_id, _) in [WRITE, READ, UNKEPT] {
        assert!(logged.iter().any(|logged| logged == trace_id), "{trace_id}: {logged:?}");
    }
    assert!(logged.iter().all(|trace_id| trace_id.len() == 32), "{logged:?}");
}

#[tokio::test]
async fn a_request_is_followed_through_a_fleet() {
    let (collector, folder) = (Collector::start().await, TempDir::new().unwrap());
    let fleet = Fleet::new(Path::new(BINARY)).await;
    let start = |role| {
        let command = traced(fleet.command(&[role]), &collector);
        Process::start(command, &folder.path().join(role))
    };
    let [mut ingest, mut worker, mut query] = ["ingest", "worker", "query"].map(start);
    let (writes, reads) = (ingest.ready(PATIENCE).await, query.ready(PATIENCE).await);
    let folds = worker.ready(PATIENCE).await.operations;
    Operations::new([&*folds]).until_folding(PROJECTIONS * PARTITIONS).await;
    use_it(&Client::new(&writes.api, &reads.api)).await;
    for process in [&mut ingest, &mut worker, &mut query] {
        end(process).await;
    }
    check(&collector.spans(), ["hubbub-ingest", "hubbub-worker", "hubbub-query"]);
}

#[tokio::test]
async fn a_collector_that_is_away_holds_nothing_up() {
    let folder = TempDir::new().unwrap();
    let collector = Collector::start().await;
    let mut command = all_in_one(Path::new(BINARY), &folder.path().join("data"));
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
        .env("OTEL_BSP_SCHEDULE_DELAY", "10")
        .env("OTEL_SERVICE_NAME", "mine");
    drop(collector);
    let mut hub = Process::start(command, &folder.path().join("log"));
    let urls = hub.ready(PATIENCE).await;
    use_it(&Client::new(&urls.api, &urls.api)).await;
    end(&mut hub).await;
}

#[test]
fn what_is_not_allowed_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    for (name, value, allowed) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "not a URL", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "http/protobuf"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "2", "0.0 to 1.0"),
    ] {
        let mut command = all_in_one(Path::new(BINARY), &folder.path().join("data"));
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
            .env("OTEL_TRACES_SAMPLER", "traceidratio")
            .env(name, value);
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {told}");
        assert!(told.contains(name) && told.contains(value) && told.contains(allowed), "{told}");
    }
}
