//! What a process serves to clients.

use std::sync::Arc;

use axum::Router;
use hubbub_ingest::Ingest;
use hubbub_query::{Answers, Query, Reader};
use hubbub_store::{Engine, Error, RedisCache};
use hubbub_stream::Log;

use crate::{reading::Reading, settings::Settings};

/// What the APIs of a process are made of.
pub struct Apis<'a> {
    pub settings: &'a Settings,
    pub log: Arc<dyn Log>,
    /// Where the read API reads.
    pub store: Option<Engine>,
    pub reading: Reading,
    pub answers: Answers,
    pub redis: Option<RedisCache>,
}

impl Apis<'_> {
    /// The routes of the role, and what has those that read go over to other builds.
    ///
    /// # Errors
    /// Where a table is missing or has other columns than declared.
    pub fn routes(self) -> Result<(Router, Option<Reader<Engine>>), Error> {
        let Self { settings, log, store, reading, answers, redis } = self;
        let role = settings.role;
        let mut routes = Router::new();
        if role.ingests() {
            routes = routes.merge(hubbub_ingest::router(Ingest {
                log: Arc::clone(&log),
                receipts: Arc::clone(&reading.receipts),
                progress: reading.progress.clone(),
                settings: settings.ingest.clone(),
            }));
        }
        let Some(store) = store.filter(|_| role.queries()) else {
            return Ok((routes, None));
        };
        let (reads, reader) = hubbub_query::router(Query {
            store,
            log,
            progress: reading.progress,
            answers,
            redis,
            settings: settings.query.clone(),
        })?;
        Ok((routes.merge(reads), Some(reader)))
    }
}
