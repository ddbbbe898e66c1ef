//! Pages of a list: how many items, from where on, and where the next page begins.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use hubbub_store::Rows;
use hubbub_tables::{Stored, Table};
use hubbub_web::{Json, Problem, ProblemType};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::problems::store_problem;

/// The query parameters of every route that answers a page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    #[serde(default)]
    limit: Limit,
    cursor: Option<String>,
}

/// How many items a page has at most.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Limit(usize);

impl Limit {
    const MAX: usize = 100;
}

impl Default for Limit {
    fn default() -> Self {
        Self(20)
    }
}

impl TryFrom<String> for Limit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Some(&text)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .filter(|limit| (1..=Self::MAX).contains(limit))
            .map(Self)
            .ok_or_else(|| format!("a limit is a whole number from 1 to {}", Self::MAX))
    }
}

/// A list that is read in pages; the number stands in its cursors and must stay what it is.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum List {
    AuthorPosts = b'A',
    PostEvents = b'E',
    PostLikes = b'L',
}

/// A page as it was asked for: of which list, of whose, how long and behind which row.
#[derive(Debug)]
pub(crate) struct PageRequest<'a, K> {
    list: List,
    owner: &'a str,
    limit: usize,
    after: Option<K>,
}

impl PageQuery {
    /// Reads the cursor, which must be of this list and of this owner: the id in the path.
    pub(crate) fn of<K: DeserializeOwned>(
        self,
        list: List,
        owner: &str,
    ) -> Result<PageRequest<'_, K>, Problem> {
        let after = self.cursor.map(|cursor| open_cursor(list, owner, &cursor)).transpose()?;
        Ok(PageRequest { list, owner, limit: self.limit.0, after })
    }
}

impl<K: Serialize + Clone> PageRequest<'_, K> {
    /// Reads the rows of the page, in the table's order: those that `shows`, which sees every row
    /// that is read, lets pass. Stops with a shorter page where more than `budget` rows would have
    /// to be read.
    pub(crate) async fn read<T: Table<Clustering = K>>(
        &self,
        table: &dyn Rows<T>,
        partition: &T::Partition,
        budget: usize,
        mut shows: impl FnMut(&K, &Stored<T::Row>) -> bool,
    ) -> Result<Slice<T>, Problem> {
        // One more than the page holds shows that there is a next one.
        let wanted = self.limit + 1;
        let mut rows = Vec::with_capacity(wanted);
        let mut after = self.after.clone();
        let (mut step, mut left) = (wanted, budget.max(wanted));
        while rows.len() < wanted && left > 0 {
            let asked = step.min(left);
            let found =
                table.scan(partition, after.as_ref(), asked).await.map_err(store_problem)?;
            let is_last = found.len() < asked;
            after = found.last().map(|(key, _)| key.clone()).or(after);
            rows.extend(found.into_iter().filter(|(key, row)| shows(key, row)));
            if is_last {
                after = None;
                break;
            }
            left -= asked;
            // The more of a list is hidden, the longer the steps through it.
            step *= 2;
        }
        let next = match rows.len() > self.limit {
            true => {
                rows.truncate(self.limit);
                rows.last().map(|(key, _)| key.clone())
            }
            false => after,
        };
        Ok(Slice { rows, next })
    }

    /// The answer: `{"items", "next"?}`, with a `Link` to the next page where there is one.
    pub(crate) fn answer<I: Serialize>(
        &self,
        path: &str,
        items: Vec<I>,
        next: Option<&K>,
    ) -> Result<Response, Problem> {
        let next = next.map(|key| hubbub_web::seal_value(self.list as u8, &(self.owner, key)));
        let link = next
            .as_ref()
            .map(|next| format!("<{path}?limit={}&cursor={next}>; rel=\"next\"", self.limit))
            .map(HeaderValue::try_from)
            .transpose()
            .map_err(Problem::internal)?;
        let mut response = Json(Page { items, next }).into_response();
        if let Some(link) = link {
            response.headers_mut().insert(header::LINK, link);
        }
        Ok(response)
    }
}

/// The rows of one page, and the key that the next one begins behind.
pub(crate) struct Slice<T: Table> {
    pub(crate) rows: Vec<(T::Clustering, Stored<T::Row>)>,
    pub(crate) next: Option<T::Clustering>,
}

#[derive(Serialize)]
struct Page<I> {
    items: Vec<I>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

fn open_cursor<K: DeserializeOwned>(list: List, owner: &str, text: &str) -> Result<K, Problem> {
    let (of, after): (String, K) =
        hubbub_web::open_value(list as u8, text).map_err(invalid_cursor)?;
    match of == owner {
        true => Ok(after),
        false => Err(invalid_cursor(format!("it continues the list of {of:?}, not of {owner:?}"))),
    }
}

fn invalid_cursor(why: impl std::fmt::Display) -> Problem {
    let detail = format!("cursor: {why}; allowed is the `next` of a page of this very list");
    Problem::new(ProblemType::InvalidCursor, detail)
}
