//! The folding of a batch as spans. A batch is one piece of work for the requests of many
//! traces, so it has a trace of its own, with links to all of them; and in each of theirs a
//! span says when their record was folded, when what follows from it was written, and in
//! which batch.

use hubbub_events::TopicPartition;
use hubbub_projections::{Outcome, Projection};
use hubbub_stream::Record;
use hubbub_trace::{SPANS, TRACEPARENT, TraceParent};
use tracing::{Span, field::Empty};

use crate::batch::Item;

/// The spans of a batch, which end with this.
pub(crate) struct BatchSpans {
    pub batch: Span,
    /// One for each record; that of a record whose trace nobody keeps is none.
    records: Vec<Span>,
    projection: &'static str,
}

impl BatchSpans {
    pub(crate) fn begin<P: Projection>(of: TopicPartition, items: &[Item<P>]) -> Self {
        let projection = P::NAME;
        let batch = tracing::info_span!(
            target: SPANS,
            parent: None,
            "batch",
            otel.name = format!("fold a batch of {projection}"),
            otel.kind = "consumer",
            hubbub.projection = projection,
            messaging.operation.name = "process",
            messaging.destination.name = %of.topic,
            messaging.destination.partition.id = of.partition,
            messaging.batch.message_count = items.len(),
        );
        if batch.is_disabled() {
            return Self { batch, records: Vec::new(), projection };
        }
        let begin = |item: &Item<P>| {
            let sender = sender(&item.record).filter(TraceParent::is_sampled);
            let Some(sender) = sender else {
                return Span::none();
            };
            let span = tracing::info_span!(
                target: SPANS,
                parent: None,
                "fold",
                otel.name = format!("fold {projection}"),
                otel.kind = "consumer",
                otel.status_code = Empty,
                otel.status_description = Empty,
                hubbub.projection = projection,
                hubbub.outcome = Empty,
                messaging.operation.name = "process",
                messaging.destination.name = %of.topic,
                messaging.destination.partition.id = of.partition,
                messaging.kafka.offset = item.offset(),
            );
            sender.adopt(&span);
            sender.link(&batch);
            span.follows_from(&batch);
            span
        };
        let records = items.iter().map(begin).collect();
        Self { batch, records, projection }
    }

    /// Spans that last for as long as what follows from the first so many records is written.
    pub(crate) fn writing(&self, records: usize) -> Vec<Span> {
        let folded = self.records.iter().take(records).filter(|record| !record.is_disabled());
        let write = |record: &Span| {
            tracing::info_span!(
                target: SPANS,
                parent: record,
                "write",
                otel.name = format!("write {}", self.projection),
            )
        };
        folded.map(write).collect()
    }

    /// Notes what became of the first records; the others go into another batch.
    pub(crate) fn end(self, outcomes: &[Outcome]) {
        for deferred in self.records.iter().skip(outcomes.len()) {
            deferred.record("hubbub.outcome", "deferred");
        }
        for (span, outcome) in self.records.iter().zip(outcomes) {
            let outcome = match outcome {
                Outcome::Applied => "applied",
                Outcome::Skipped => "skipped",
                Outcome::Rejected(_) => "rejected",
                Outcome::DeadLetter(reason) => {
                    span.record("otel.status_code", "ERROR");
                    span.record("otel.status_description", reason.as_str());
                    "dead-letter"
                }
            };
            span.record("hubbub.outcome", outcome);
        }
    }
}

/// Where whoever sent a record says that it stands in a trace.
fn sender(record: &Record) -> Option<TraceParent> {
    let (_, value) = record.headers.iter().find(|(name, _)| name == TRACEPARENT)?;
    TraceParent::parse(value)
}
