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
    /// Where its events are in the log, in the order of the request, as far as it is answered.
    pub positions: Vec<Position>,
}

impl Told {
    /// What it was about: its only event, or one of a batch.
    #[must_use]
    pub fn said(&self, action: Action, place: usize) -> Said {
        let at = self.positions.get(place).copied();
        Said { action, asked: self.asked, answered: self.answered, at }
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
        Ok(answer) if answer.status == 503 => return None,
        Ok(answer) if answer.status == 504 => None,
        Ok(answer) => panic!("{answer}"),
        Err(error) if error.is_connect() => return None,
        Err(_) => None,
    };
    let answered = Timestamp::now();
    let positions = answer.as_ref().map(positions).unwrap_or_default();
    Some(Told { asked, answered, answer, positions })
}

/// Where the events of an accepted request are, by their receipts.
fn positions(answer: &Answer) -> Vec<Position> {
    let accepted = answer.json();
    let results = accepted["results"].as_array();
    let results = results.map_or(std::slice::from_ref(&accepted), Vec::as_slice);
    results.iter().map(|result| position(result, answer)).collect()
}

fn position(result: &Value, answer: &Answer) -> Position {
    assert_eq!(result["status"], "accepted", "{answer}");
    let receipt = ReceiptId::open(result["receipt"].as_str().unwrap_or_default());
    receipt.unwrap_or_else(|error| panic!("{answer}: the receipt: {error}")).at
}
