//! Who acts. Until there is authentication a request says it by itself, in one place per route; whatever comes then
//! takes this file's place.

use axum::extract::FromRequestParts;
use http::request::Parts;
use hubbub_events::Id;
use hubbub_web::{Problem, Query};
use serde::Deserialize;

use crate::fields::Text;

/// The user who acts; `None` where the request names nobody.
#[derive(Debug)]
pub(crate) struct Actor(Option<Id>);

impl Actor {
    /// As the `user_id` of a body names it.
    pub(crate) fn of_body(user_id: Option<Text<'_>>) -> Result<Self, Problem> {
        let user_id = user_id.map(Text::into_string);
        user_id.map(Self::named).unwrap_or(Ok(Self(None)))
    }

    /// As the `user_id` of a path or a query names it.
    pub(crate) fn named(user_id: String) -> Result<Self, Problem> {
        match Id::client(user_id) {
            Ok(user_id) => Ok(Self(Some(user_id))),
            Err(error) => Err(Problem::invalid("user_id", error.to_string())),
        }
    }

    /// The user's id.
    pub(crate) fn user_id(&self) -> Option<&str> {
        self.0.as_ref().map(Id::as_str)
    }
}

/// For routes without a body: the query's `user_id`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActorQuery {
    user_id: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(ActorQuery { user_id }) = Query::from_request_parts(parts, state).await?;
        user_id.map(Self::named).unwrap_or(Ok(Self(None)))
    }
}
