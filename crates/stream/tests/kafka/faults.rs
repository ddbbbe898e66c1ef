//! What is said of a record when the broker fails, and of a log that lost some.

use std::iter;
use std::time::{Duration, Instant};

use hubbub_events::{Offset, Topic};
use hubbub_stream::kafka::topics;
use hubbub_stream::{
    AppendError, Consumer, Error, KafkaLog, KafkaSettings, Log, NewRecord, Polled,
};
use hubbub_testkit::log_conformance::{append, assert_same, posts, record, records};
use rdkafka::admin::AdminOptions;
use rdkafka::{Offset as At, TopicPartitionList};
use tokio::time::{sleep, timeout};

use crate::support::{DEADLINE, OwnTopics, settings};
use hubbub_testkit::server::{Server, kafka};

async fn open(broker: &Server, settings: &KafkaSettings) -> KafkaLog {
    timeout(DEADLINE, async {
        // A port that answers is not yet a broker that does.
        while let Err(Error::Transient(_)) = topics::apply(settings).await {}
        KafkaLog::open(settings).await.unwrap()
    })
    .await
    .unwrap_or_else(|_| panic!("no log on {}", broker.address()))
}

fn own(broker: &Server) -> KafkaSettings {
    KafkaSettings { delivery_timeout: Duration::from_secs(3), ..settings(&broker.address()) }
}

async fn until_ready(log: &KafkaLog, ready: bool) {
    let becomes = async {
        while log.ready().await.is_ok() != ready {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, becomes).await.unwrap();
}

/// All that a partition holds.
async fn all(log: &KafkaLog, partition: i32) -> Vec<hubbub_stream::Record> {
    let end = log.bounds(posts(partition)).await.unwrap().end;
    let mut read = Vec::new();
    while (read.len() as Offset) < end {
        let page = log.read(posts(partition), read.len() as Offset, 1 << 20).await.unwrap();
        assert!(!page.is_empty());
        read.extend(page);
    }
    read
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_broker_records_are_refused_at_once() {
    let mut broker = kafka::start();
    let log = open(&broker, &own(&broker)).await;
    append(&log, &records(posts(0), 0..10)).await;
    broker.kill();
    until_ready(&log, false).await;

    let begun = Instant::now();
    let refused = log.append(records(posts(0), 10..20)).await;
    let took = begun.elapsed();
    assert!(
        refused.iter().all(|fate| matches!(fate, Err(AppendError::Unavailable(_)))),
        "{refused:?}"
    );
    assert!(took < Duration::from_millis(500), "{took:?}");
    assert!(matches!(log.bounds(posts(0)).await, Err(Error::Transient(_))));

    broker.restart();
    until_ready(&log, true).await;
    assert_eq!(append(&log, &records(posts(0), 20..21)).await, [10]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_never_sent_is_told_from_what_may_be_stored() {
    let broker = kafka::start();
    let log = open(&broker, &own(&broker)).await;
    append(&log, &records(posts(0), 0..1)).await;
    broker.freeze();

    // At most five batches are under way at a time: what comes after them waits.
    let mut calls = Vec::new();
    for number in 1..31 {
        let appended = record(posts(0), number);
        let mut call = Box::pin(log.append(vec![appended.clone()]));
        // Longer than records wait for each other, so each is a batch by itself.
        let waited = timeout(Duration::from_millis(20), call.as_mut()).await;
        assert!(waited.is_err(), "a frozen broker answers nothing");
        calls.push((appended, call));
    }
    let mut fates = Vec::new();
    for (appended, call) in calls {
        fates.push((appended, timeout(DEADLINE, call).await.unwrap().remove(0)));
    }
    broker.thaw();
    // What the broker still took from the old connection comes before this.
    let last = async { while log.append(records(posts(0), 31..32)).await[0].is_err() {} };
    timeout(DEADLINE, last).await.unwrap();

    let stored = all(&log, 0).await;
    let (mut unknown, mut unavailable) = (0, 0);
    for (appended, fate) in &fates {
        match fate {
            Err(AppendError::Unknown(_)) => unknown += 1,
            Err(AppendError::Unavailable(_)) => {
                unavailable += 1;
                let found = stored.iter().find(|record| record.key == appended.key);
                assert_eq!(found, None, "called not stored");
            }
            fate => panic!("{fate:?}"),
        }
    }
    assert!(unknown > 0 && unavailable > 0, "{unknown} unknown, {unavailable} not stored");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_the_rest_of_a_call() {
    let broker = kafka::start();
    let log = open(&broker, &own(&broker)).await;
    append(&log, &records(posts(0), 0..1)).await;
    broker.freeze();
    let large = |number| NewRecord { value: vec![7; 1_000_000].into(), ..record(posts(0), number) };
    let fates = timeout(DEADLINE, log.append((1..61).map(large).collect())).await.unwrap();
    let taken = fates.iter().take_while(|fate| **fate != Err(AppendError::Full)).count();
    assert!((25..40).contains(&taken), "{taken} of 60 megabytes fit 32 MiB");
    assert!(fates[taken..].iter().all(|fate| *fate == Err(AppendError::Full)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_too_large_is_refused_alone() {
    let own = OwnTopics::new().await;
    let log = own.open().await;
    let large = NewRecord { value: vec![7; 5_000_000].into(), ..record(posts(0), 1) };
    let call = vec![record(posts(0), 0), large, record(posts(0), 2)];
    let fates = timeout(DEADLINE, log.append(call)).await.unwrap();
    assert_eq!((&fates[0], &fates[2]), (&Ok(0), &Ok(1)));
    assert!(matches!(&fates[1], Err(AppendError::TooLarge(why)) if why.contains("5000005")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_broker_does_not_take_is_too_large_too() {
    let own = OwnTopics::new().await;
    let log = own.open().await;
    // No codec makes it smaller.
    let noise = iter::successors(Some(1_u32), |last| {
        let mixed = last ^ (last << 13);
        let mixed = mixed ^ (mixed >> 17);
        Some(mixed ^ (mixed << 5))
    });
    let noise = noise.take(3_000_000).map(|number| number as u8);
    let large = NewRecord { value: noise.collect(), ..record(posts(0), 0) };
    let fates = timeout(DEADLINE, log.append(vec![large])).await.unwrap();
    assert!(matches!(&fates[..], [Err(AppendError::TooLarge(_))]), "{fates:?}");
    append(&log, &[record(posts(0), 1)]).await;
}

/// A consumer of all partitions, whose owner starts none.
async fn assigned(log: &KafkaLog, group: &str) -> Box<dyn Consumer> {
    let mut consumer = log.consume(group, Topic::Posts).await.unwrap();
    let mut partitions = Vec::new();
    while partitions.len() < 4 {
        match timeout(DEADLINE, consumer.poll()).await.unwrap().unwrap() {
            Polled::Assigned(more) => partitions.extend(more),
            other => panic!("{other:?}"),
        }
    }
    consumer
}

/// The next thing that a consumer is told.
async fn poll(consumer: &mut dyn Consumer) -> Result<Polled, Error> {
    timeout(DEADLINE, consumer.poll()).await.expect("a poll ends")
}

/// Longer than a group waits for its members.
const PUT_OUT_AFTER: Duration = Duration::from_secs(13);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_put_out_of_the_group_is_a_member_again_soon() {
    let broker = kafka::start();
    let log = open(&broker, &own(&broker)).await;
    let mut consumer = assigned(&log, "g").await;
    consumer.start(posts(0), 0).unwrap();
    for round in 0..2 {
        broker.freeze();
        sleep(PUT_OUT_AFTER).await;
        broker.thaw();
        until_ready(&log, true).await;
        append(&log, &records(posts(0), round..round + 1)).await;
        loop {
            match poll(&mut *consumer).await.unwrap() {
                Polled::Revoked(revoked) => consumer.release(&revoked),
                Polled::Assigned(assigned) if assigned.contains(&posts(0)) => {
                    consumer.start(posts(0), round as Offset).unwrap();
                }
                Polled::Assigned(_) => {}
                Polled::Records(_, read) => break assert_eq!(read[0].offset, round as Offset),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offset_that_is_gone_is_unreadable() {
    let own = OwnTopics::new().await;
    let log = own.open().await;
    append(&log, &records(posts(2), 0..100)).await;
    append(&log, &records(posts(1), 0..10)).await;
    let mut gone = TopicPartitionList::new();
    gone.add_partition_offset(&own.name(Topic::Posts), 2, At::Offset(50)).unwrap();
    own.admin().delete_records(&gone, &AdminOptions::new()).await.unwrap();
    assert_eq!(log.bounds(posts(2)).await.unwrap(), 50..100);
    let refused = log.read(posts(2), 10, 100).await;
    assert!(matches!(&refused, Err(Error::Permanent(why)) if why.contains("offset 50")));

    let mut consumer = assigned(&log, "gone").await;
    consumer.start(posts(2), 10).unwrap();
    match poll(&mut *consumer).await.unwrap() {
        Polled::Unreadable(position, why) => {
            assert_eq!(position, posts(2).at(10));
            assert!(why.contains("begins at offset 50"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    // The others go on, and so does this one from where there is something.
    consumer.start(posts(1), 0).unwrap();
    let Polled::Records(of, _) = poll(&mut *consumer).await.unwrap() else { panic!("no records") };
    assert_eq!(of, posts(1));
    consumer.start(posts(2), 50).unwrap();
    let Polled::Records(of, read) = poll(&mut *consumer).await.unwrap() else {
        panic!("no records")
    };
    assert_eq!((of, read[0].offset), (posts(2), 50));
    consumer.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offset_past_the_end_says_that_the_topic_was_recreated() {
    let own = OwnTopics::new().await;
    let log = own.open().await;
    append(&log, &records(posts(2), 0..10)).await;
    let mut consumer = assigned(&log, "ahead").await;
    consumer.start(posts(2), 500).unwrap();
    let ended = poll(&mut *consumer).await;
    assert!(
        matches!(&ended, Err(Error::Recreated(why)) if why.contains("500") && why.contains("10")),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_halts_its_partition_and_no_other() {
    let broker = kafka::start();
    let settings = own(&broker);
    let log = open(&broker, &settings).await;
    let appended = records(posts(3), 0..9);
    for three in appended.chunks(3) {
        append(&log, three).await;
    }
    append(&log, &records(posts(0), 0..3)).await;
    let topic = format!("{}{}", settings.topic_prefix, Topic::Posts);
    let segment = broker.segment(&topic, 3);
    let mut bytes = std::fs::read(&segment).unwrap();
    let second = second_batch(&bytes);
    bytes[second + 80] ^= 1;
    std::fs::write(&segment, bytes).unwrap();

    let mut consumer = assigned(&log, "damage").await;
    consumer.start(posts(3), 0).unwrap();
    let mut seen = Vec::new();
    let position = loop {
        match poll(&mut *consumer).await.unwrap() {
            Polled::Records(of, read) => {
                assert_eq!(of, posts(3));
                seen.extend(read);
            }
            Polled::Unreadable(position, _) => break position,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(position, posts(3).at(3));
    assert_eq!(seen.len(), 3, "nothing behind the damage is delivered");
    seen.iter().zip(&appended).for_each(|(read, appended)| assert_same(read, appended));
    consumer.start(posts(0), 0).unwrap();
    let Polled::Records(of, _) = poll(&mut *consumer).await.unwrap() else { panic!("no records") };
    assert_eq!(of, posts(0));

    assert_eq!(log.read(posts(3), 0, 1 << 20).await.unwrap().len(), 3);
    assert!(matches!(log.read(posts(3), 3, 1).await, Err(Error::Permanent(_))));
    assert_eq!(log.read(posts(3), 6, 1 << 20).await.unwrap()[0].offset, 6);
    // After the damage is mended, it goes on.
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[second + 80] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    consumer.start(posts(3), 3).unwrap();
    let Polled::Records(_, read) = poll(&mut *consumer).await.unwrap() else {
        panic!("no records")
    };
    assert_same(&read[0], &appended[3]);
    consumer.close().await;
}

/// Where the second batch begins: each begins with its offset and the length of the rest.
fn second_batch(segment: &[u8]) -> usize {
    let length = u32::from_be_bytes(segment[8..12].try_into().unwrap());
    12 + length as usize
}

/// What such a broker makes when a name is asked for has its defaults: one partition, and a week.
#[tokio::test]
async fn a_broker_that_makes_topics_by_itself_makes_none_of_ours() {
    let broker = kafka::start_with(&[("auto.create.topics.enable", "true")], &[], |_| {});
    let settings = own(&broker);
    let refused = timeout(DEADLINE, async {
        loop {
            match KafkaLog::open(&settings).await {
                Err(Error::Permanent(why)) => return why,
                Err(_) => {}
                Ok(_) => panic!("a log without topics was opened"),
            }
        }
    });
    assert!(refused.await.unwrap().contains("hubbub topics apply"));
    let log = open(&broker, &settings).await;
    until_ready(&log, true).await;

    let own = OwnTopics { settings };
    let name = own.name(Topic::Posts);
    own.admin().delete_topics(&[&name], &AdminOptions::new()).await.unwrap();
    until_ready(&log, false).await;
    let fates = log.append(records(posts(0), 0..3)).await;
    assert!(fates.iter().all(Result::is_err), "{fates:?}");
    let why = log.ready().await.unwrap_err().to_string();
    assert!(why.contains(&format!("there is no topic {name}")), "{why}");
}
