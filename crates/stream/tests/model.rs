//! Whatever is appended, and however often the log is opened anew, it equals a vector
//! per partition.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

mod support;

use std::collections::BTreeMap;

use hubbub_events::{Offset, TopicPartition};
use hubbub_stream::{Log, NewRecord};
use hubbub_testkit::log_conformance::{Follower, assert_same, posts, record};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use support::{LogFolder, assert_holds};

#[derive(Debug, Clone)]
enum Step {
    /// One call with these partitions and lengths of values.
    Append(Vec<(i32, usize)>),
    /// The log is dropped and opened again, without its index files or with them.
    Reopen { keep_indexes: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![8 => 0..400_usize, 2 => 0..20_000_usize, 1 => Just(70_000)];
    prop_oneof![
        5 => prop::collection::vec((0..4, length), 0..20).prop_map(Step::Append),
        1 => any::<bool>().prop_map(|keep_indexes| Step::Reopen { keep_indexes }),
    ]
}

async fn run(folder: &LogFolder, steps: Vec<Step>) {
    folder.restore(&[]);
    let mut log = folder.open();
    let mut model: BTreeMap<TopicPartition, Vec<NewRecord>> = BTreeMap::new();
    let mut number = 0;
    for step in steps {
        match step {
            Step::Append(places) => {
                let mut expected = Vec::new();
                let mut call = Vec::new();
                for (partition, length) in places {
                    number += 1;
                    let new = NewRecord {
                        value: vec![number as u8; length].into(),
                        ..record(posts(partition), number)
                    };
                    let held = model.entry(posts(partition)).or_default();
                    expected.push(Ok(held.len() as Offset));
                    held.push(new.clone());
                    call.push(new);
                }
                assert_eq!(log.append(call).await, expected);
            }
            Step::Reopen { keep_indexes } => {
                drop(log);
                if !keep_indexes {
                    for segment in 1..=folder.segments() {
                        let _ = std::fs::remove_file(folder.index(segment));
                    }
                }
                log = folder.open();
            }
        }
    }
    for partition in 0..4 {
        let of = posts(partition);
        let held = model.remove(&of).unwrap_or_default();
        assert_holds(&log, of, &held).await;
        let mut follower = Follower::join(&log, "model", of.topic, []).await;
        follower.until(of, held.len()).await;
        for (read, appended) in follower.of(of).iter().zip(&held) {
            assert_same(read, appended);
        }
    }
}

#[test]
fn a_log_equals_its_model() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = LogFolder::new();
    let steps = prop::collection::vec(step(), 1..40);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(64));
    let ran = runner.run(&steps, |steps| {
        runtime.block_on(run(&folder, steps));
        Ok(())
    });
    ran.unwrap();
}
