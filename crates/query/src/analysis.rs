//! `GET /posts/{id}/analysis`: the words of a post.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use hubbub_events::{Offset, TopicPartition};
use hubbub_store::{Error, Wanted};
use hubbub_tables::{Life, analysis::AnalysisHead};
use hubbub_web::{NoQuery, Path, Problem};
use serde::Serialize;

use crate::{
    api::{Api, PostPath},
    cached::{Finding, Found, Kind, Loaded, LookUp, Prepared, Reading},
    consistency::{Floor, Freshness, Reflected, Source},
    json::{average, named},
    problems::{not_analyzed_yet, post_deleted, post_not_found, store_problem},
};

pub(crate) async fn get(
    State(api): State<Arc<Api>>,
    Path(PostPath { id }): Path<PostPath>,
    _: NoQuery,
    freshness: Freshness,
) -> Result<Response, Problem> {
    let floor = api.consistency.reach(&freshness, &[Source::Posts, Source::Analysis]).await?;
    let id = id.as_str();
    let within = api.consistency.partition_of(id);
    let what = LookUp {
        post_id: id,
        kind: Kind::Analysis,
        source: Source::Analysis,
        within,
        floor,
        load: |api, id, within, floor| Box::pin(prepare(api, id, within, floor)),
    };
    match api.look_up(what).await? {
        Found::Prepared(analysis) => analysis.answer(id),
        Found::AbsentAsOf(as_of) => Err(absent(&api, id, within, as_of).await),
    }
}

async fn prepare(api: Arc<Api>, id: String, within: TopicPartition, floor: Floor) -> Loaded {
    let frontier = api.consistency.frontier(Source::Analysis, within);
    let floor = floor.of(Source::Analysis, within);
    let partition = (id,);
    let wanted = Wanted { partition: &partition, frontier, floor };
    let Some(analysis) = api.tables().analyses.read(wanted).await? else {
        return Ok(None);
    };
    let parts = vec![Reading::of(Source::Analysis, Some(&analysis), frontier)];
    let (id,) = partition;
    let finding = match analysis.value.head {
        AnalysisHead { life: Life::Deleted, .. } => Finding::Deleted,
        AnalysisHead { failed: true, .. } => Finding::Failed,
        analysis => Finding::Shown {
            json: serde_json::to_vec(&AnalysisJson::of(id, analysis))
                .map_err(|error| Error::Permanent(error.to_string()))?
                .into(),
            etag: None,
        },
    };
    Ok(Some(Arc::new(Prepared::new(&api, within, finding, parts))))
}

/// Why there is no analysis: the post itself tells.
async fn absent(api: &Api, id: &str, within: TopicPartition, as_of: Offset) -> Problem {
    let mut reflected = Reflected::default();
    reflected.frontier(Source::Analysis, within, as_of);
    let posts_as_of = api.consistency.frontier(Source::Posts, within);
    reflected.frontier(Source::Posts, within, posts_as_of);
    let problem = match api.tables().posts.head(id).await {
        Err(error) => return store_problem(error),
        Ok(None) => post_not_found(id),
        Ok(Some(head)) => {
            reflected.row(Source::Posts, within, head.stamp);
            match head.record.life {
                Life::Live => not_analyzed_yet(id),
                Life::Deleted => post_deleted(id),
            }
        }
    };
    api.consistency.problem_with_token(problem, reflected)
}

#[derive(Serialize)]
struct AnalysisJson {
    post_id: String,
    user_id: Option<String>,
    word_count: i64,
    average_word_length: f64,
    analyzer: String,
}

impl AnalysisJson {
    fn of(post_id: String, head: AnalysisHead) -> Self {
        Self {
            post_id,
            user_id: named(head.user_id),
            word_count: head.word_count,
            average_word_length: average(head.char_sum, head.word_count),
            analyzer: head.analyzer,
        }
    }
}
