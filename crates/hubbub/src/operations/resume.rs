//! `POST /resume`: lets halted partitions go on.

use axum::extract::State;
use hubbub_events::Topic;
use hubbub_web::{Json, NoQuery, Problem};
use serde::{Deserialize, Serialize};

use super::{Operations, Parts};

/// Which halts to end. A JSON body, so that no web page can send it unasked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resume {
    /// Of this projection; of all where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projection: Option<String>,
    /// In this partition; in all where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// Lifts the limit of dead letters until none is left among the last records.
    pub accept_dead_letters: bool,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// How many partitions were halted and go on.
    pub resumed: usize,
}

pub(super) async fn resume(
    State(operations): State<Operations>,
    _: NoQuery,
    Json(what): Json<Resume>,
) -> Result<Json<Resumed>, Problem> {
    let Parts { log, workers, .. } = operations.parts()?;
    let wanted = |name: &str| what.projection.as_deref().is_none_or(|wanted| wanted == name);
    if let Some(projection) = &what.projection
        && !workers.iter().any(|worker| worker.projection() == projection)
    {
        let known: Vec<_> = workers.iter().map(|worker| worker.projection()).collect();
        let detail = format!("{projection:?} does not run here: {} do", known.join(", "));
        return Err(Problem::invalid("projection", detail));
    }
    let partitions = log.partitions(Topic::Posts);
    if let Some(partition) = what.partition.filter(|partition| !(0..partitions).contains(partition))
    {
        let detail = format!("{partition} does not exist: 0 to {} are allowed", partitions - 1);
        return Err(Problem::invalid("partition", detail));
    }
    let mut resumed = 0;
    for worker in workers.iter().filter(|worker| wanted(worker.projection())) {
        resumed += worker.resume(what.partition, what.accept_dead_letters).await;
    }
    Ok(Json(Resumed { resumed }))
}
