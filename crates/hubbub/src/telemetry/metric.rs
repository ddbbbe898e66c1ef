//! The metrics of the process, as Prometheus reads them.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::VERSION;
use crate::settings::Role;

/// From what a memory access and a timeout take, in seconds.
const SECONDS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];
const RECORDS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// Between two times that histograms are emptied into their buckets: what came in
/// between is held in memory value by value.
pub const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// All that was measured in this process.
#[derive(Debug, Clone)]
pub struct Metrics {
    prometheus: PrometheusHandle,
    process: Arc<metrics_process::Collector>,
}

impl Metrics {
    /// Those of the process: recording begins with the first call.
    ///
    /// # Errors
    /// Where something else records the process's metrics already.
    pub fn of_process() -> anyhow::Result<Self> {
        // One recorder serves a process, as every `metrics` macro goes to it.
        static INSTALLED: OnceLock<Result<Metrics, String>> = OnceLock::new();
        let installed =
            INSTALLED.get_or_init(|| Self::install().map_err(|error| error.to_string()));
        installed.clone().map_err(anyhow::Error::msg)
    }

    fn install() -> anyhow::Result<Self> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .set_buckets_for_metric(Matcher::Suffix("_batch_records".to_owned()), &RECORDS)?
            .build_recorder();
        let prometheus = recorder.handle();
        metrics::set_global_recorder(recorder)?;
        describe();
        let process = metrics_process::Collector::default();
        process.describe();
        Ok(Self { prometheus, process: Arc::new(process) })
    }

    /// Notes what the process does.
    pub fn note_role(&self, role: Role) {
        gauge!("hubbub_build_info", "version" => VERSION, "role" => role.as_str()).set(1.0);
    }

    /// In Prometheus's text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.process.collect();
        self.prometheus.render()
    }

    /// Empties the histograms into their buckets, for as long as it is polled.
    pub async fn upkeep(self) {
        let mut ticks = tokio::time::interval(UPKEEP_EVERY);
        loop {
            ticks.tick().await;
            self.prometheus.run_upkeep();
        }
    }
}

fn describe() {
    describe_gauge!("hubbub_build_info", "The version that runs, as a label; always 1.");
    describe_histogram!(
        "http_server_request_duration_seconds",
        Unit::Seconds,
        "From a request's first byte to its answer."
    );
    describe_histogram!(
        "hubbub_append_duration_seconds",
        Unit::Seconds,
        "From an append to the log's acknowledgement."
    );
    describe_histogram!("hubbub_append_batch_records", "Records of one write of the log.");
    describe_gauge!(
        "hubbub_disk_free_bytes",
        Unit::Bytes,
        "What may still be written to the disk of the data folder."
    );
    describe_counter!("hubbub_records_total", "Records folded, by what became of them.");
    describe_histogram!("hubbub_batch_records", "Records folded at a time.");
    describe_gauge!("hubbub_lag_records", "Acknowledged records that are not folded yet.");
    describe_gauge!(
        "hubbub_oldest_unfolded_seconds",
        Unit::Seconds,
        "The age of the oldest record that waits to be folded."
    );
    describe_gauge!(
        "hubbub_partition_state",
        "What a projection does with a partition: 0 starts, 1 runs, 2 retries, 3 is halted."
    );
    describe_gauge!("hubbub_build_live", "1 for the build that is to be read, as workers see it.");
    describe_gauge!("hubbub_build_read", "1 for the build that this process reads.");
    describe_counter!("hubbub_assignments_total", "Partitions that came to this worker.");
    describe_counter!("hubbub_dead_letters_total", "Records that could not be folded.");
    describe_gauge!("hubbub_dead_letters_retained", "Dead letters that the log still has.");
    describe_gauge!(
        "hubbub_dead_letters_oldest_seconds",
        Unit::Seconds,
        "The age of the oldest dead letter that the log still has; 0 without any."
    );
    describe_counter!("hubbub_offset_gaps_total", "Offsets that the log has no records at.");
    describe_counter!(
        "hubbub_ahead_rounds_total",
        "Batches folded again because the tables were ahead of the frontier."
    );
    describe_histogram!(
        "hubbub_store_duration_seconds",
        Unit::Seconds,
        "What the operations of the store took."
    );
    describe_counter!("hubbub_cache_requests_total", "Look-ups in a cache, by tier and result.");
    describe_counter!("hubbub_cache_fills_total", "Entries that readers left in Redis.");
    describe_counter!("hubbub_cache_refreshes_total", "Entries that workers refreshed in Redis.");
}
