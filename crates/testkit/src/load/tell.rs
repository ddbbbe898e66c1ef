//! A request to whoever is there, and what its sender knows of it afterwards.

use hubbub_events::{Position, Timestamp};
use hubbub_web::ReceiptId;
use serde_json::Value;

use super::{Action, Door, Said};
use crate::{
    answer::Answer,
    client::{Call, Client},
};

/// A request that was not refused: it is stored, or nobody knows.
pub struct Told {
    /// When it was sent.
    pub asked: Timestamp,
    /// When it was answered, or failed.
    pub answered: Timestamp,
    /// What it was answered where it is certainly stored.
    pub answer: Option<Answer>,
    /// What became of its events, in its order; nothing where it is not answered.
    fates: Vec<Fate>,
}

/// What became of an event. A log that goes away in the middle of a batch takes some of it.
enum Fate {
    Stored(Position),
    Unknown,
    Refused,
}

impl Told {
    /// What it was about: its only event, or one of a batch; `None` where that is certainly not stored.
    #[must_use]
    pub fn said(&self, action: Action, place: usize) -> Option<Said> {
        let at = match self.fates.get(place) {
            Some(Fate::Refused) => return None,
            Some(Fate::Stored(at)) => Some(*at),
            Some(Fate::Unknown) | None => None,
        };
        Some(Said { action, asked: self.asked, answered: self.answered, at })
    }

    /// Whether all of it is certainly stored.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.answer.is_some() && self.fates.iter().all(|fate| matches!(fate, Fate::Stored(_)))
    }
}

/// Sends a request to the process that runs now. `None` where it is certainly not stored.
///
/// # Panics
/// Where the answer is one that no kill explains.
pub async fn tell(door: &mut Door, call: impl FnOnce(&Client) -> Call) -> Option<Told> {
    let client = door.client().await;
    let asked = Timestamp::now();
    let answer = match call(&client).attempt().await {
        Ok(answer) if answer.status == 202 => Some(answer),
        Ok(answer) if matches!(answer.status, 503 | 507) => return None,
        Ok(answer) if answer.status == 504 => None,
        Ok(answer) => panic!("{answer}"),
        Err(error) if error.is_connect() => return None,
        Err(_) => None,
    };
    let answered = Timestamp::now();
    let fates = answer.as_ref().map(fates).unwrap_or_default();
    Some(Told { asked, answered, answer, fates })
}

/// What became of the events of an accepted request. Where they are is in their receipts.
fn fates(answer: &Answer) -> Vec<Fate> {
    let accepted = answer.json();
    let results = accepted["results"].as_array();
    let results = results.map_or(std::slice::from_ref(&accepted), Vec::as_slice);
    results.iter().map(|result| fate(result, answer)).collect()
}

fn fate(result: &Value, answer: &Answer) -> Fate {
    match result["problem"]["status"].as_u64() {
        Some(503 | 507) => return Fate::Refused,
        Some(504) => return Fate::Unknown,
        _ => assert_eq!(result["status"], "accepted", "{answer}"),
    }
    let receipt = ReceiptId::open(result["receipt"].as_str().unwrap_or_default());
    Fate::Stored(receipt.unwrap_or_else(|error| panic!("{answer}: the receipt: {error}")).at)
}
