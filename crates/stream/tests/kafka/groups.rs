//! How the members of a group share a topic.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hubbub_events::{Offset, Topic, TopicPartition};
use hubbub_stream::{Consumer, KafkaLog, Log, NewRecord, Polled};
use hubbub_testkit::log_conformance::{append, posts, record};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::support::{DEADLINE, OwnTopics};

const GROUP: &str = "workers";

/// What the workers of a projection would keep in its tables.
#[derive(Default)]
struct Tables {
    /// The offset to fold next, by partition.
    next: BTreeMap<TopicPartition, Offset>,
    owner: BTreeMap<TopicPartition, usize>,
    /// Records by the worker that folded them.
    folded: BTreeMap<usize, usize>,
}

/// A worker that folds at once what it is given.
struct Worker {
    number: usize,
    tables: Arc<Mutex<Tables>>,
    revoked: BTreeSet<TopicPartition>,
}

impl Worker {
    fn take(&mut self, consumer: &mut dyn Consumer, polled: Polled) {
        let mut tables = self.tables.lock().unwrap();
        match polled {
            Polled::Assigned(partitions) => {
                for of in partitions {
                    let other = tables.owner.insert(of, self.number);
                    assert_eq!(other, None, "{of} has two owners");
                    consumer.start(of, tables.next.get(&of).copied().unwrap_or(0)).unwrap();
                }
            }
            Polled::Revoked(partitions) => {
                for of in &partitions {
                    assert_eq!(tables.owner.remove(of), Some(self.number));
                }
                consumer.release(&partitions);
                self.revoked.extend(partitions);
            }
            Polled::Records(of, records) => {
                assert_eq!(tables.owner.get(&of), Some(&self.number), "{of} is another's");
                let next = tables.next.entry(of).or_insert(0);
                for record in &records {
                    assert_eq!(record.offset, *next, "{of}");
                    *next += 1;
                }
                let next = *next;
                consumer.commit(of, next);
                *tables.folded.entry(self.number).or_insert(0) += records.len();
            }
            Polled::Unreadable(position, why) => panic!("{position}: {why}"),
        }
    }

    /// Runs until it is told to stop, and leaves; what was taken from it before.
    async fn run(
        mut self,
        log: Arc<KafkaLog>,
        mut stop: watch::Receiver<bool>,
    ) -> BTreeSet<TopicPartition> {
        let mut consumer = log.consume(GROUP, Topic::Posts).await.unwrap();
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                polled = consumer.poll() => self.take(&mut *consumer, polled.unwrap()),
            }
        }
        let number = self.number;
        self.tables.lock().unwrap().owner.retain(|_, owner| *owner != number);
        consumer.close().await;
        self.revoked
    }
}

async fn until(what: &str, tables: &Mutex<Tables>, holds: impl Fn(&Tables) -> bool) {
    let held = async {
        while !holds(&tables.lock().unwrap()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(DEADLINE, held).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_move_under_load_and_nothing_is_lost_or_folded_twice() {
    let own = OwnTopics::new().await;
    let log = Arc::new(own.open().await);
    let (loading, load) = watch::channel(false);
    let appending = tokio::spawn({
        let log = Arc::clone(&log);
        async move {
            let mut appended = 0_usize;
            while !*load.borrow() {
                let batch = (appended..appended + 40).map(|n| record(posts((n % 4) as i32), n));
                append(&*log, &batch.collect::<Vec<_>>()).await;
                appended += 40;
            }
            appended
        }
    });
    let tables = Arc::new(Mutex::new(Tables::default()));
    let worker = |number| {
        let (stop, stopped) = watch::channel(false);
        let worker = Worker { number, tables: Arc::clone(&tables), revoked: BTreeSet::new() };
        (stop, tokio::spawn(worker.run(Arc::clone(&log), stopped)))
    };
    let owns = |number, count| {
        move |tables: &Tables| {
            tables.owner.values().filter(|owner| **owner == number).count() == count
        }
    };
    let folds = |number: usize, count| {
        move |tables: &Tables| tables.folded.get(&number).is_some_and(|folded| *folded >= count)
    };

    let (stop_first, first) = worker(1);
    until("the first has all", &tables, owns(1, 4)).await;
    until("the first folds", &tables, folds(1, 200)).await;
    let (stop_second, second) = worker(2);
    until("the second has half", &tables, owns(2, 2)).await;
    until("the first keeps half", &tables, owns(1, 2)).await;
    until("the second folds", &tables, folds(2, 400)).await;

    // The first leaves: the second takes over what it had.
    stop_first.send(true).unwrap();
    let revoked = timeout(DEADLINE, first).await.unwrap().unwrap();
    assert_eq!(revoked.len(), 2, "only what moved was taken away: {revoked:?}");
    until("the second has all", &tables, owns(2, 4)).await;

    loading.send(true).unwrap();
    let appended = timeout(DEADLINE, appending).await.unwrap().unwrap();
    until("all is folded", &tables, |tables| tables.folded.values().sum::<usize>() >= appended)
        .await;
    stop_second.send(true).unwrap();
    let revoked = timeout(DEADLINE, second).await.unwrap().unwrap();
    assert!(revoked.is_empty(), "what joined last lost nothing: {revoked:?}");
    let tables = tables.lock().unwrap();
    assert_eq!(tables.folded.values().sum::<usize>(), appended);
    assert_eq!(tables.next.values().sum::<Offset>(), appended as Offset);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_is_nobodys_until_it_is_released() {
    let own = OwnTopics::new().await;
    let log = own.open().await;
    let mut first = log.consume(GROUP, Topic::Posts).await.unwrap();
    let mut assigned = 0;
    while assigned < 4 {
        match timeout(DEADLINE, first.poll()).await.unwrap().unwrap() {
            Polled::Assigned(partitions) => assigned += partitions.len(),
            other => panic!("{other:?}"),
        }
    }
    let mut second = log.consume(GROUP, Topic::Posts).await.unwrap();
    let revoked = tokio::select! {
        polled = first.poll() => match polled.unwrap() {
            Polled::Revoked(partitions) => partitions,
            other => panic!("{other:?}"),
        },
        polled = second.poll() => panic!("{polled:?}"),
    };
    assert_eq!(revoked.len(), 2);
    // One of two is not enough; and until then both members go on being polled.
    first.release(&revoked[..1]);
    let early = async {
        tokio::select! {
            polled = first.poll() => polled,
            polled = second.poll() => polled,
        }
    };
    let early = timeout(Duration::from_secs(2), early).await;
    assert!(early.is_err(), "{early:?}");
    first.release(&revoked[1..]);
    let mut moved = Vec::new();
    let moving = async {
        while moved.len() < 2 {
            tokio::select! {
                polled = first.poll() => panic!("{polled:?}"),
                polled = second.poll() => match polled.unwrap() {
                    Polled::Assigned(partitions) => moved.extend(partitions),
                    other => panic!("{other:?}"),
                },
            }
        }
    };
    timeout(DEADLINE, moving).await.unwrap();
    moved.sort();
    let mut revoked = revoked;
    revoked.sort();
    assert_eq!(moved, revoked);
    first.close().await;
    second.close().await;
}

/// An owner that can take little at a time pauses and resumes all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pausing_under_load_loses_and_repeats_nothing() {
    const EACH: usize = 4000;
    let own = OwnTopics::new().await;
    let log = own.open().await;
    for partition in 0..4 {
        let large = |number| NewRecord {
            value: vec![b'x'; 500].into(),
            ..record(posts(partition), number)
        };
        append(&log, &(0..EACH).map(large).collect::<Vec<_>>()).await;
    }
    let mut consumer = log.consume(GROUP, Topic::Posts).await.unwrap();
    let mut next = BTreeMap::new();
    let mut paused = VecDeque::new();
    while next.values().sum::<Offset>() < 4 * EACH as Offset {
        match timeout(DEADLINE, consumer.poll()).await.unwrap().unwrap() {
            Polled::Assigned(partitions) => {
                partitions.into_iter().for_each(|of| consumer.start(of, 0).unwrap());
            }
            Polled::Records(of, records) => {
                assert!(!paused.contains(&of), "{of} is paused");
                for record in records {
                    let next = next.entry(of).or_insert(0);
                    assert_eq!(record.offset, *next, "{of}");
                    *next += 1;
                }
                consumer.pause(of);
                paused.push_back(of);
                if paused.len() > 2 {
                    consumer.resume(paused.pop_front().unwrap());
                }
            }
            other => panic!("{other:?}"),
        }
        // At least one of those that have more is not paused.
        let is_done = |of: &TopicPartition| next.get(of) == Some(&(EACH as Offset));
        paused.retain(|of| !is_done(of));
        let mut open = (0..4).map(posts).filter(|of| !is_done(of) && !paused.contains(of));
        if open.next().is_none()
            && let Some(of) = paused.pop_front()
        {
            consumer.resume(of);
        }
    }
    assert_eq!(next, (0..4).map(|of| (posts(of), EACH as Offset)).collect());
    consumer.close().await;
}

/// Lag tools see where a group stands, also after its members have left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_are_there_for_lag_tools() {
    use rdkafka::ClientConfig;
    use rdkafka::consumer::{BaseConsumer, Consumer as _};

    let own = OwnTopics::new().await;
    let log = Arc::new(own.open().await);
    append(&*log, &(0..20).map(|n| record(posts(1), n)).collect::<Vec<_>>()).await;
    let tables = Arc::new(Mutex::new(Tables::default()));
    let (stop, stopped) = watch::channel(false);
    let worker = Worker { number: 1, tables: Arc::clone(&tables), revoked: BTreeSet::new() };
    let running = tokio::spawn(worker.run(Arc::clone(&log), stopped));
    until("all is folded", &tables, |tables| tables.folded.values().sum::<usize>() == 20).await;
    stop.send(true).unwrap();
    timeout(DEADLINE, running).await.unwrap().unwrap();

    let tool: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", own.settings.brokers.join(","))
        .set("group.id", format!("{}{GROUP}", own.settings.topic_prefix))
        .create()
        .unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    list.add_partition(&own.name(Topic::Posts), 1);
    let committed = tool.committed_offsets(list, DEADLINE).unwrap();
    assert_eq!(committed.elements()[0].offset(), rdkafka::Offset::Offset(20));
}
