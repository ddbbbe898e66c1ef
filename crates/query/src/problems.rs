//! What went wrong behind an answer, as clients see it.

use hubbub_web::{Problem, ProblemType};

/// A store that cannot be read; the log gets the reason.
pub(crate) fn store_problem(error: hubbub_store::Error) -> Problem {
    Problem::new(ProblemType::StoreUnavailable, "the tables cannot be read at the moment")
        .caused_by(error)
}

/// No post has this id.
pub(crate) fn post_not_found(post_id: &str) -> Problem {
    let detail = format!("there is no post with the id {post_id:?}");
    Problem::new(ProblemType::PostNotFound, detail)
}

/// The post was deleted.
pub(crate) fn post_deleted(post_id: &str) -> Problem {
    let detail = format!("the post {post_id:?} was deleted");
    Problem::new(ProblemType::PostDeleted, detail)
}

/// The post's analysis is on its way.
pub(crate) fn not_analyzed_yet(post_id: &str) -> Problem {
    let detail = format!("the post {post_id:?} is known, and its analysis is on its way");
    Problem::new(ProblemType::NotAnalyzedYet, detail)
}

/// The post has no analysis, and gets none before its next edit.
pub(crate) fn analysis_failed(post_id: &str) -> Problem {
    let detail = format!("the analyzer failed on the text of the post {post_id:?}");
    Problem::new(ProblemType::AnalysisFailed, detail)
}
