//! `GET /explain/posts/{id}`: which events made a post what it is, and how old each copy of it
//! is.

use std::{collections::VecDeque, time::Duration};

use axum::extract::State;
use hubbub_events::{Offset, Topic, TopicPartition, partition_of};
use hubbub_projections::{Analysis, Likes, Posts as PostsFold};
use hubbub_query::{Answers, Kept};
use hubbub_store::{Engine, Error, RedisCache, Store, load_frontiers};
use hubbub_stream::{Log, Record};
use hubbub_tables::{Build, PostAnalysis, PostLikes, Posts, Stored, Table};
use hubbub_web::{Json, NoQuery, Path, Problem, ProblemType};
use hubbub_worker::{Explained, Explainer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Operations, dead_letters::Decoded, store_problem};
use crate::{reading::live_build, settings::ProjectionName};

/// Read from the log at a time, in bytes.
const PAGE: usize = 1 << 20;
/// What is told of the events, in bytes of the answer.
const TOLD: usize = 4 << 20;

/// What is kept in front of the tables in this process.
#[derive(Clone)]
pub struct Caches {
    /// Answers in the process, where it reads.
    pub answers: Option<Answers>,
    /// Entries in Redis, where there is one.
    pub redis: Option<RedisCache>,
}

#[derive(Deserialize)]
pub(super) struct Of {
    id: String,
}

/// How a post came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The post.
    pub post_id: String,
    /// The partition of the log that its events are in.
    pub partition: String,
    /// How many events about it are before those that are told.
    pub earlier: u64,
    /// The last events about it, in their order: all of them, up to 4 MiB of the answer.
    pub events: Vec<ExplainedEvent>,
    /// What is read of it, in each tier that this process has.
    pub copies: Vec<Copied>,
}

/// An event, and what it came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExplainedEvent {
    /// Its place in the partition.
    pub offset: Offset,
    /// When it was made.
    pub time: String,
    /// What it says.
    pub says: Decoded,
    /// What each projection made of it.
    pub projections: Vec<Explained>,
}

/// A copy of what a projection says of a post.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Copied {
    /// Where: table, redis, process.
    pub tier: String,
    /// The projection.
    pub projection: String,
    /// Its build.
    pub build: Build,
    /// The offset of the last event in it; none where there is no such copy.
    pub reflects: Option<Offset>,
    /// It lacks nothing up to this offset.
    pub as_of: Offset,
    /// The records in the partition behind that, whatever they are about.
    pub behind: i64,
    /// For how long it has been kept, in milliseconds, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// What it holds, where it is a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<Value>,
}

pub(super) async fn post(
    State(operations): State<Operations>,
    Path(Of { id }): Path<Of>,
    _: NoQuery,
) -> Result<Json<Explanation>, Problem> {
    let parts = operations.parts()?;
    let log = &*parts.log;
    let partitions = log.partitions(Topic::Posts);
    let of =
        TopicPartition { topic: Topic::Posts, partition: partition_of(id.as_bytes(), partitions) };
    let (events, end) = events_of(log, of, &id).await?;
    let copies = match &parts.store {
        Some(store) => Tiers { store, caches: &parts.caches, of, end, id: &id }.copies().await,
        None => Ok(Vec::new()),
    };
    let copies = copies.map_err(|error| store_problem(&error))?;
    let Events { told: events, earlier, .. } = events;
    if events.is_empty() && copies.iter().all(|copy| copy.reflects.is_none()) {
        let detail = format!("no event in {of} is about {id:?}");
        return Err(Problem::new(ProblemType::NotFound, detail));
    }
    let events = events.into_iter().map(|(_, event)| event).collect();
    Ok(Json(Explanation { post_id: id, partition: of.to_string(), earlier, events, copies }))
}

/// The events about a post, and the end of the partition. The whole of it is read: the log
/// alone has the last word.
async fn events_of(
    log: &dyn Log,
    of: TopicPartition,
    id: &str,
) -> Result<(Events, Offset), Problem> {
    let unreadable =
        |error: hubbub_stream::Error| Problem::new(ProblemType::LogUnavailable, error.to_string());
    let bounds = log.bounds(of).await.map_err(unreadable)?;
    let mut folds = Folds::new(of, log.partitions(of.topic));
    let mut events = Events::default();
    let mut next = bounds.start;
    while next < bounds.end {
        let page = log.read(of, next, PAGE).await.map_err(unreadable)?;
        let Some(last) = page.last() else {
            break;
        };
        next = last.offset + 1;
        for record in page.iter().filter(|record| record.key == id.as_bytes()) {
            events.add(folds.explain(record));
        }
    }
    Ok((events, bounds.end))
}

/// The last events about a post, with what they take of the answer in bytes.
#[derive(Default)]
struct Events {
    told: VecDeque<(usize, ExplainedEvent)>,
    size: usize,
    /// Those before them.
    earlier: u64,
}

impl Events {
    fn add(&mut self, event: ExplainedEvent) {
        let size = serde_json::to_vec(&event).map_or(0, |json| json.len());
        self.told.push_back((size, event));
        self.size += size;
        while self.size > TOLD
            && self.told.len() > 1
            && let Some((size, _)) = self.told.pop_front()
        {
            self.size -= size;
            self.earlier += 1;
        }
    }
}

/// Every projection of a post's events.
struct Folds {
    posts: Explainer<PostsFold>,
    analysis: Explainer<Analysis>,
    likes: Explainer<Likes>,
}

impl Folds {
    fn new(of: TopicPartition, partitions: i32) -> Self {
        Self {
            posts: Explainer::new(of, partitions),
            analysis: Explainer::new(of, partitions),
            likes: Explainer::new(of, partitions),
        }
    }

    fn explain(&mut self, record: &Record) -> ExplainedEvent {
        ExplainedEvent {
            offset: record.offset,
            time: record.time.to_string(),
            says: Decoded::of(&record.value),
            projections: vec![
                self.posts.explain(record),
                self.analysis.explain(record),
                self.likes.explain(record),
            ],
        }
    }
}

/// Where a post is read from.
struct Tiers<'a> {
    store: &'a Engine,
    caches: &'a Caches,
    of: TopicPartition,
    end: Offset,
    id: &'a str,
}

impl Tiers<'_> {
    async fn copies(&self) -> Result<Vec<Copied>, Error> {
        let mut copies = Vec::new();
        self.add::<Posts>(ProjectionName::Posts, &mut copies).await?;
        self.add::<PostAnalysis>(ProjectionName::Analysis, &mut copies).await?;
        self.add::<PostLikes>(ProjectionName::Likes, &mut copies).await?;
        Ok(copies)
    }

    /// Adds the copies of one projection: each tier in front of the next.
    async fn add<T: Table<Partition = (String,)>>(
        &self,
        projection: ProjectionName,
        copies: &mut Vec<Copied>,
    ) -> Result<(), Error> {
        let build = live_build(self.store, projection).await?;
        let copy = |tier: &str, reflects, as_of| Copied {
            tier: tier.to_owned(),
            projection: projection.as_str().to_owned(),
            build,
            reflects,
            as_of,
            behind: (self.end - 1 - as_of).max(0),
            age_ms: None,
            holds: None,
        };
        let kept = self.caches.answers.iter().flat_map(|answers| answers.kept_of(self.id));
        let kept = kept.filter(|kept| kept.projection == projection.as_str());
        copies.extend(kept.map(|Kept { answer, reflects, as_of, age, .. }| Copied {
            age_ms: milliseconds(Some(age)),
            // −1: the answer says that there is nothing.
            ..copy(&format!("process, {answer}"), Some(reflects).filter(|of| *of >= 0), as_of)
        }));
        let key = (self.id.to_owned(),);
        if let Some(redis) = &self.caches.redis {
            let found = redis.peek::<T>(build, &key).await?;
            // Nothing there, or no answer from it: its metrics tell which.
            copies.push(match found {
                Some((found, age)) => Copied {
                    age_ms: milliseconds(age),
                    ..copy("redis", Some(found.stamp.offset()), found.as_of)
                },
                None => copy("redis", None, -1),
            });
        }
        let frontiers = load_frontiers(self.store, projection.as_str(), build).await?;
        let as_of = frontiers.get(&self.of).map_or(-1, |(offset, _)| *offset);
        let head = self.store.table::<T>(build)?.heads(&[key]).await?.pop().flatten();
        let (reflects, holds) = match head {
            Some(Stored { stamp, record }) => {
                (Some(stamp.offset()), serde_json::to_value(record).ok())
            }
            None => (None, None),
        };
        copies.push(Copied { holds, ..copy("table", reflects, as_of) });
        Ok(())
    }
}

fn milliseconds(age: Option<Duration>) -> Option<u64> {
    u64::try_from(age?.as_millis()).ok()
}
