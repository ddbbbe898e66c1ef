//! Builds are made beside the one that is read, compared, read, left and dropped.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use hubbub_events::{Action, DecodeError, Position, PostEvent, Stamp, Topic};
use hubbub_projections::{Analysis, Interrupt, Likes, Outcome, Posts, Projection, analysis};
use hubbub_store::load_builds;
use hubbub_tables::{
    Attempts, Build, Change, Frontiers, PostAnalysis, PostLikes, ProjectionBuilds, Stored,
    likes::LikesHead,
};
use hubbub_testkit::{
    memory_log::MemoryLog,
    memory_store::MemoryStore,
    model::Model,
    story::{self, Deed, What},
};
use hubbub_worker::{
    BuildSpec, BuildsError, Compared, Extent, Parts, Side, Supervisor, Turn, compare, spawn_all,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::support::{a_while, create, id_in, like, posts, put, settings, until};

/// Another version of the analysis, for which an apostrophe ends a word.
struct Apostrophes;

impl Projection for Apostrophes {
    const NAME: &'static str = Analysis::NAME;
    const FOLD: i32 = Analysis::FOLD + 1;
    const TOPIC: Topic = Topic::Posts;
    type Event = analysis::Event;
    type Tables = analysis::Tables;

    fn decode(key: &[u8], value: &[u8]) -> Result<analysis::Event, DecodeError> {
        let mut post = PostEvent::decode(key, value)?;
        if let Action::Created { content, .. } = &mut post.action {
            *content = content.replace('\'', " ");
        }
        Analysis::decode(key, &post.encode())
    }

    fn fold(
        at: Position,
        event: &analysis::Event,
        tables: &mut analysis::Tables,
    ) -> Result<Outcome, Interrupt> {
        Analysis::fold(at, event, tables)
    }
}

pub struct Process {
    supervisor: Supervisor,
    stop: CancellationToken,
    abandon: CancellationToken,
}

impl Process {
    pub fn start<P: Projection>(log: &MemoryLog, store: &MemoryStore) -> Self {
        let (stop, abandon) = (CancellationToken::new(), CancellationToken::new());
        let supervisor = spawn_all::<P, _>(Parts {
            log: Arc::new(log.reopen()),
            store: store.process(|_| hubbub_testkit::memory_store::Fate::done()),
            settings: settings(),
            observer: Arc::new(|_, _, _, _| {}),
            turn: Turn::default(),
            stop: stop.clone(),
            abandon: abandon.clone(),
        });
        Self { supervisor, stop, abandon }
    }

    fn builds(&self) -> BTreeSet<Build> {
        self.supervisor.status().iter().map(|status| status.build).collect()
    }

    pub async fn kill(self) {
        self.abandon.cancel();
        self.stop.cancel();
        let _ = self.supervisor.join().await;
    }
}

/// Whether a build has folded all that is in the log.
async fn is_done<P: Projection>(log: &MemoryLog, store: &MemoryStore, build: Build) -> bool {
    let frontiers = BuildSpec::of::<P>().frontiers(store, build).await.unwrap();
    log.all(Topic::Posts).into_iter().all(|of| {
        let last = log.acknowledged(of).last().map_or(-1, |record| record.offset);
        frontiers.get(&of).unwrap_or(&-1) >= &last
    })
}

pub async fn until_done<P: Projection>(log: &MemoryLog, store: &MemoryStore, build: Build) {
    let done = async {
        while !is_done::<P>(log, store, build).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(3600), done).await;
    assert!(done.is_ok(), "build {build} of {} does not come to the end", P::NAME);
}

/// Posts and likes in both of two partitions, and what must come of them.
pub fn fill(log: &MemoryLog, model: &mut Model, numbers: std::ops::Range<usize>) {
    let ids = [id_in(posts(0), 2, "a"), id_in(posts(1), 2, "b")];
    for number in numbers {
        let id = &ids[number % 2];
        let event = match number / 2 {
            0 => create(number, id, "isn't new"),
            _ => like(number, &format!("u{number}"), id),
        };
        let offset = log.put(story::record(&event, 2));
        model.happened(posts((number % 2) as i32).at(offset), &event);
    }
}

async fn compared<P: Projection>(
    log: &MemoryLog,
    store: &MemoryStore,
    [left, right]: [Build; 2],
) -> Vec<Compared> {
    let side = |build| Side { store: store.clone(), build };
    let (tell, mut told) = mpsc::channel(1000);
    compare::<P, _, _>(log, &side(left), &side(right), Extent::Both, &tell).await.unwrap();
    drop(tell);
    let mut done = Vec::new();
    while let Some(step) = told.recv().await {
        done.push(step);
    }
    whole(done)
}

/// What was told of each table at its end, with all that was found to differ until then.
pub fn whole(steps: Vec<Compared>) -> Vec<Compared> {
    let (mut differences, mut ranges) = (Vec::new(), Vec::new());
    let mut tables = Vec::new();
    for mut step in steps {
        differences.append(&mut step.differences);
        ranges.append(&mut step.differing_ranges);
        if step.is_done {
            let (differences, differing_ranges) =
                (std::mem::take(&mut differences), std::mem::take(&mut ranges));
            tables.push(Compared { differences, differing_ranges, ..step });
        }
    }
    tables
}

async fn builds_of(store: &MemoryStore, projection: &str) -> ProjectionBuilds {
    load_builds(store, projection).await.unwrap().unwrap().record
}

/// The builds of which it is kept what was begun to be folded.
fn attempted(store: &MemoryStore) -> BTreeSet<Build> {
    let attempts = store.rows_of::<Attempts>(Attempts::BUILD).into_iter();
    attempts.map(|((_, build), ..)| build).collect()
}

fn refusal<T: std::fmt::Debug>(refused: Result<T, BuildsError>) -> String {
    match refused {
        Err(BuildsError::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_build_is_made_compared_read_left_and_dropped_while_writes_go_on() {
    let (log, store, mut model) =
        (MemoryLog::new("memory", 2), MemoryStore::new(), Model::default());
    fill(&log, &mut model, 0..100);
    let worker = Process::start::<Likes>(&log, &store);
    let likes = BuildSpec::of::<Likes>();
    until_done::<Likes>(&log, &store, 1).await;
    assert_eq!(refusal(likes.switch(&store).await), "likes has no next build to switch to");
    assert!(refusal(likes.roll_back(&store).await).contains("no previous build"));
    assert!(refusal(likes.drop_other(&store).await).contains("no build but the one"));

    assert_eq!(likes.begin(&store).await.unwrap(), 2);
    assert_eq!(likes.begin(&store).await.unwrap(), 2, "what was begun goes on");
    fill(&log, &mut model, 100..150);
    until_done::<Likes>(&log, &store, 2).await;
    assert_eq!(worker.builds(), BTreeSet::from([1, 2]));
    assert_eq!(worker.supervisor.live(), 1);
    for build in [1, 2] {
        model.assert_likes(&store, build);
    }
    let tables = compared::<Likes>(&log, &store, [1, 2]).await;
    assert!(tables.iter().all(|table| table.differing == 0), "{tables:?}");
    let [table] = &tables[..] else { panic!("{tables:?}") };
    assert_eq!((table.ranges, table.partitions, table.rows), (1, 2, 2 + 148));
    assert_eq!(table.left_checksum, table.right_checksum);

    assert_eq!(likes.switch(&store).await.unwrap(), (1, 2));
    until("it is read", || worker.supervisor.live() == 2).await;
    fill(&log, &mut model, 150..200);
    until_done::<Likes>(&log, &store, 1).await;
    assert!(refusal(likes.begin(&store).await).contains("--drop"));
    assert_eq!(likes.roll_back(&store).await.unwrap(), (2, 1));
    assert_eq!(likes.roll_back(&store).await.unwrap(), (1, 2), "and back again");

    assert_eq!(attempted(&store), BTreeSet::from([1, 2]));
    assert_eq!(likes.drop_other(&store).await.unwrap(), 1);
    until("it is folded no more", || worker.builds() == BTreeSet::from([2])).await;
    assert!(store.heads_of::<PostLikes>(1).is_empty());
    let kept = store.rows_of::<Frontiers>(Frontiers::BUILD);
    assert!(kept.iter().all(|((_, build), ..)| *build == 2), "{kept:?}");
    assert_eq!(attempted(&store), BTreeSet::from([2]));
    until_done::<Likes>(&log, &store, 2).await;
    model.assert_likes(&store, 2);
    assert_eq!(likes.begin(&store).await.unwrap(), 3, "no number is given twice");
    assert_eq!(likes.drop_other(&store).await.unwrap(), 3, "what was begun can be left");
    let builds = builds_of(&store, "likes").await;
    assert_eq!((builds.live_build, builds.next_build, builds.last_build), (2, 0, 3));
}

#[tokio::test(start_paused = true)]
async fn a_rebuild_goes_on_where_it_was_killed_and_is_shared() {
    let (log, store, mut model) =
        (MemoryLog::new("memory", 2), MemoryStore::new(), Model::default());
    log.set_fetch_records(5);
    fill(&log, &mut model, 0..200);
    let likes = BuildSpec::of::<Likes>();
    let first = Process::start::<Likes>(&log, &store);
    until_done::<Likes>(&log, &store, 1).await;
    assert_eq!(likes.begin(&store).await.unwrap(), 2);
    until("it is begun", || first.builds().contains(&2)).await;
    first.kill().await;
    let workers = [(); 2].map(|()| Process::start::<Likes>(&log, &store));
    until_done::<Likes>(&log, &store, 2).await;
    until("both have a share", || workers.iter().all(|worker| worker.builds().contains(&2))).await;
    model.assert_likes(&store, 2);
    assert!(compared::<Likes>(&log, &store, [1, 2]).await.iter().all(|table| table.differing == 0));
}

#[tokio::test(start_paused = true)]
async fn a_changed_analyzer_is_rolled_out_beside_the_old_one() {
    let (log, store, mut model) =
        (MemoryLog::new("memory", 2), MemoryStore::new(), Model::default());
    fill(&log, &mut model, 0..20);
    let old = Process::start::<Analysis>(&log, &store);
    until_done::<Analysis>(&log, &store, 1).await;
    let new = Process::start::<Apostrophes>(&log, &store);
    until("it says what it needs", || new.supervisor.fault().is_some()).await;
    let fault = new.supervisor.fault().unwrap();
    assert!(fault.contains("hubbub rebuild --projection analysis"), "{fault}");

    let analysis = BuildSpec::of::<Apostrophes>();
    assert_eq!(analysis.begin(&store).await.unwrap(), 2);
    until_done::<Apostrophes>(&log, &store, 2).await;
    a_while().await;
    assert_eq!((old.builds(), new.builds()), (BTreeSet::from([1]), BTreeSet::from([2])));
    analysis.switch(&store).await.unwrap();
    until("the new one is content", || new.supervisor.fault().is_none()).await;
    let says = |process: &Process, what: &str| {
        process.supervisor.fault().is_some_and(|fault| fault.contains(what))
    };
    until("the old one is not", || says(&old, "it goes on with build 1")).await;

    put(&log, 2, [create(1000, &id_in(posts(0), 2, "late"), "can't")]);
    until_done::<Apostrophes>(&log, &store, 2).await;
    until_done::<Analysis>(&log, &store, 1).await;
    let words = |build| -> Vec<_> {
        let heads = store.heads_of::<PostAnalysis>(build).into_iter();
        heads.map(|(_, head)| head.record.word_count).collect()
    };
    assert_eq!((words(1), words(2)), (vec![2, 2, 1], vec![3, 3, 2]));

    analysis.roll_back(&store).await.unwrap();
    until("the new one has a way back", || says(&new, "--rollback` goes back to build 2")).await;
    until("the old one is content", || old.supervisor.fault().is_none()).await;
    analysis.roll_back(&store).await.unwrap();
    analysis.drop_other(&store).await.unwrap();
    until("the old one is done", || says(&old, "a program of that version folds it")).await;
}

/// A row that no event made.
pub fn forge(store: &MemoryStore, build: Build, post_id: &str, offset: i64) {
    let head = LikesHead { like_count: 7, ..LikesHead::created_by("nobody") };
    let head = Some(Stored { stamp: Stamp::new(1, offset), record: head });
    let change = Change { partition: (post_id.to_owned(),), head, rows: Vec::new() };
    store.put::<PostLikes>(build, change);
}

#[tokio::test(start_paused = true)]
async fn rows_that_differ_are_named_whichever_side_has_them() {
    let (log, store, mut model) =
        (MemoryLog::new("memory", 2), MemoryStore::new(), Model::default());
    fill(&log, &mut model, 0..40);
    let _worker = Process::start::<Likes>(&log, &store);
    until_done::<Likes>(&log, &store, 1).await;
    BuildSpec::of::<Likes>().begin(&store).await.unwrap();
    until_done::<Likes>(&log, &store, 2).await;
    let known = id_in(posts(0), 2, "a");
    forge(&store, 1, "only-left", 3);
    forge(&store, 2, "only-right", 3);
    forge(&store, 2, &known, 30);
    let tables = compared::<Likes>(&log, &store, [1, 2]).await;
    let mut named: Vec<_> =
        tables[0].differences.iter().map(|row| (row.left.is_some(), row.right.is_some())).collect();
    named.sort_unstable();
    assert_eq!(tables[0].differing, 3, "{tables:?}");
    assert_eq!(named, [(false, true), (true, false), (true, true)]);
    assert_ne!(tables[0].left_checksum, tables[0].right_checksum);
    let [both, right] = &tables[0].differing_ranges[..] else { panic!("{tables:?}") };
    assert_ne!(both.left_checksum, both.right_checksum);
    assert_eq!((right.left_checksum, &right.first), (0, &format!("{:?}", ("only-right",))));
    let keys: Vec<_> = tables[0].differences.iter().map(|row| row.key.as_str()).collect();
    assert!(keys.iter().any(|key| key.contains(&known)), "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn only_the_range_of_a_row_that_differs_is_named() {
    let (log, store) = (MemoryLog::new("memory", 2), MemoryStore::new());
    put(&log, 2, (0..600).map(|number| create(number, &format!("p{number:03}"), "words")));
    let _worker = Process::start::<Likes>(&log, &store);
    until_done::<Likes>(&log, &store, 1).await;
    BuildSpec::of::<Likes>().begin(&store).await.unwrap();
    until_done::<Likes>(&log, &store, 2).await;
    let alike = compared::<Likes>(&log, &store, [1, 2]).await;
    assert_eq!((alike[0].ranges, &alike[0].differing_ranges[..]), (3, &[][..]));

    forge(&store, 2, "p300", 599);
    let tables = compared::<Likes>(&log, &store, [1, 2]).await;
    let [range] = &tables[0].differing_ranges[..] else { panic!("{tables:?}") };
    let keys = [&*range.first, &tables[0].differences[0].key, &range.last];
    assert_eq!(keys, [r#"("p256",)"#, r#"("p300",)"#, r#"("p511",)"#]);
    assert_eq!((tables[0].ranges, tables[0].differing), (3, 1));
}

/// All that follows from a log is in a build, to the byte, whatever came in between.
#[tokio::test(start_paused = true)]
async fn two_builds_of_one_fold_are_equal() {
    let (log, store) = (MemoryLog::new("memory", 2), MemoryStore::new());
    log.set_fetch_records(3);
    let deeds: Vec<_> = (0..300)
        .map(|number| Deed {
            post: number * 7 % 4,
            user: number * 5 % 4,
            what: match number * 11 % 9 {
                0 | 1 => What::Create(number),
                2 => What::Edit(Some(number), None, None),
                3 => What::Edit(None, Some(number), Some(1)),
                4 => What::Delete,
                5 | 6 => What::Like,
                7 => What::Unlike,
                _ => What::Garbage,
            },
        })
        .collect();
    story::tell(&deeds[..200], &log, 2);
    fn start(log: &MemoryLog, store: &MemoryStore) -> [Process; 3] {
        [
            Process::start::<Posts>(log, store),
            Process::start::<Analysis>(log, store),
            Process::start::<Likes>(log, store),
        ]
    }
    let first = start(&log, &store);
    for build_spec in
        [BuildSpec::of::<Posts>(), BuildSpec::of::<Analysis>(), BuildSpec::of::<Likes>()]
    {
        assert_eq!(build_spec.begin(&store).await.unwrap(), 2);
    }
    for process in first {
        process.kill().await;
    }
    story::tell(&deeds[200..], &log, 2);
    let _second = start(&log, &store);
    for build in [1, 2] {
        until_done::<Posts>(&log, &store, build).await;
        until_done::<Analysis>(&log, &store, build).await;
        until_done::<Likes>(&log, &store, build).await;
    }
    let export = store.export();
    let of = |build: &str| -> Vec<_> {
        let rows = export.iter().filter(|(key, _)| key.split(' ').next().unwrap().ends_with(build));
        rows.map(|(key, row)| (key.replacen(build, "", 1), row.clone())).collect()
    };
    let [first, second] =
        [".b1", ".b2"].map(|build| of(build).into_iter().filter(|(key, _)| !is_note(key)));
    let (first, second): (Vec<_>, Vec<_>) = (first.collect(), second.collect());
    assert!(first.len() > 100, "{} rows", first.len());
    assert_eq!(first, second);
}

/// What is noted of builds themselves.
fn is_note(key: &str) -> bool {
    key.starts_with("frontiers") || key.starts_with("builds")
}
