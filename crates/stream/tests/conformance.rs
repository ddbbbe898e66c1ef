//! The embedded log does what every log must do.

mod support;

use std::sync::Arc;

use bytesize::ByteSize;
use hubbub_stream::segments::StdDisk;
use hubbub_testkit::log_conformance as suite;
use support::LogFolder;

macro_rules! conforms {
    ($($behaviour:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $behaviour() {
            suite::$behaviour(&LogFolder::on(Arc::new(StdDisk))).await;
        }
    )*};
}

conforms! {
    offsets_are_contiguous
    the_order_of_calls_is_the_order_in_a_partition
    partitions_and_topics_are_apart
    records_come_back_as_they_were
    big_records_go_through
    appenders_run_side_by_side
    a_consumer_begins_anywhere
    groups_do_not_share
    to_start_again_is_to_seek
    only_assigned_partitions_start
    a_paused_partition_waits
    a_dropped_poll_loses_nothing
    a_restart_keeps_everything
    bounds_are_those_of_what_is_acknowledged
    reading_goes_page_by_page
    an_absent_partition_is_refused_alone
    a_closed_log_takes_nothing_more
}

/// Segments of the default size take part too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn big_records_go_through_large_segments() {
    let mut folder = LogFolder::new();
    folder.settings.segment_size = ByteSize::mib(64);
    suite::big_records_go_through(&folder).await;
}
