//! The routes.

use axum::{
    Router,
    routing::{patch, post, put},
};

use crate::{Ingest, batch, change, create};

/// Below which path the API's routes stand.
pub(crate) const API: &str = "/api/v1";

/// The write API. It is served within a [`hubbub_web::Edge`], which limits what its handlers read.
pub fn router(ingest: Ingest) -> Router {
    let routes = Router::new()
        .route("/posts", post(create::create))
        .route("/posts/batch", post(batch::create_batch))
        .route("/posts/{id}", patch(change::edit).delete(change::delete))
        .route("/posts/{id}/likes/{user_id}", put(change::like).delete(change::unlike));
    Router::new().nest(API, routes).with_state(ingest)
}
