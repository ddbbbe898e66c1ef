//! What an operator may set about reading.

use std::{num::NonZeroUsize, time::Duration};

use hubbub_store::MemoryCacheSettings;
use serde::Deserialize;

/// The settings of the read API. Every field is required: the defaults live in the settings file
/// that ships with hubbub.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuerySettings {
    /// Posts and analyses that were read shortly before: how long they are served again is the most
    /// by which an answer to a request without a token is older than the tables.
    pub cache: MemoryCacheSettings,
    /// How long a post or an analysis that is not there is looked for before its 404, and the outcome
    /// of an event before `pending`.
    #[serde(with = "humantime_serde")]
    pub absent_wait: Duration,
    /// How many requests wait so at a time; further ones are answered at once.
    pub absent_waiters: usize,
    /// The most rows that are read for one page, if they are more than the page holds. Where as many
    /// are hidden the page is shorter than asked, and its `next` goes on from there.
    pub page_rows: NonZeroUsize,
}
