//! How many files a process may have open, connections among them.

use std::num::NonZeroUsize;

use hubbub_web::HttpSettings;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than these are not asked for.
const ENOUGH: u64 = 65_536;
/// What is not for the API's connections: the log's and the tables' files, the operations port, connections to servers.
const OWN: u64 = 512;

/// Raises the process's limit as far as it may, and has the API take no more connections than leave room for the process's
/// own files: a log that cannot open its next one takes no more writes.
pub fn reserve(http: &mut HttpSettings) {
    let most =
        NonZeroUsize::new(raised().saturating_sub(OWN) as usize).unwrap_or(NonZeroUsize::MIN);
    if http.max_connections > most {
        tracing::warn!(
            max_connections = most,
            wanted = http.max_connections,
            "http.max_connections is lowered, as the process may not open more files (ulimit -n)"
        );
        http.max_connections = most;
    }
}

/// The limit, after it was raised. None is as good as enough.
fn raised() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let (now, most) =
        (limit.current.unwrap_or(ENOUGH), limit.maximum.unwrap_or(ENOUGH).min(ENOUGH));
    if now >= most {
        return now;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit }) {
        Ok(()) => most,
        Err(_) => now,
    }
}
