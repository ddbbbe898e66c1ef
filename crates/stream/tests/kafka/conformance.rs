//! The log in Kafka does what every log must do.

use hubbub_testkit::log_conformance as suite;

use crate::support::OwnTopics;

macro_rules! conforms {
    ($($behaviour:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $behaviour() {
            suite::$behaviour(&OwnTopics::new().await).await;
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
