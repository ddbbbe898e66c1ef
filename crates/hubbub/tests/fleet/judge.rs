//! What must hold once a load and its faults are over.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    time::{Duration, Instant},
};

use hubbub_testkit::{
    client::eventually,
    load::{HEALED, Load, Pump, Reader, Spoken, Total},
};
use serde_json::Value;

use crate::world::{Worker, World};

const PROJECTIONS: [&str; 3] = ["posts", "analysis", "likes"];
/// As topics are made when nobody says otherwise.
const PARTITIONS: usize = 12;
/// A quarter of the log is folded again from its beginning.
const SAMPLE: &str = "0,4,8";

/// A load of which nothing was lost and nothing was counted twice.
pub struct Verdict {
    pub total: Total,
    /// How long after its end there was lag.
    pub healed: Duration,
    said: Spoken,
    reader: Reader,
}

impl Verdict {
    /// Prints the scenario's line of the table of `make chaos`.
    pub fn report(&self, faults: impl Display, note: impl Display) {
        self.total.report(faults, self.healed, note);
    }

    /// Reads everything back once more.
    pub async fn check_again(&self, pumps: &[Pump]) {
        self.said.check(&self.reader, pumps).await;
    }
}

impl World {
    /// Waits for a load's end, and judges what is there then.
    pub async fn judge(&self, load: Load, pumps: &[Pump], workers: &[&Worker]) -> Verdict {
        self.judge_with_poison(load, pumps, workers, &[]).await
    }

    /// The same where these positions of the log hold what is no event.
    pub async fn judge_with_poison(
        &self,
        load: Load,
        pumps: &[Pump],
        workers: &[&Worker],
        poison: &[(u64, u64)],
    ) -> Verdict {
        let said = load.ends().await;
        let ended = Instant::now();
        let reader = said.caught_up().await.expecting(self.analyzer);
        settled(workers).await;
        let healed = ended.elapsed();
        // A backlog that was pumped in takes what it takes.
        assert!(healed <= HEALED || !pumps.is_empty(), "I10: there was lag for {healed:?}");
        let total = said.check(&reader, pumps).await;
        assert_eq!(dead_letters(workers[0]).await, of_every_projection(poison), "I9");
        // I6: the tables, row by row, as one worker makes them of the same log from its beginning.
        workers[0].succeed(&["verify", "--partitions", SAMPLE]);
        Verdict { total, healed, said, reader }
    }
}

/// Waits until the workers have every partition of the projections that they run, each of them at its very end.
async fn settled(workers: &[&Worker]) {
    eventually(HEALED, || async {
        let mut at_the_end: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
        for worker in workers {
            let status = worker.get("/status").await.expect(200).json();
            for of in status["partitions"].as_array().into_iter().flatten() {
                let [frontier, end, partition] =
                    ["frontier", "end", "partition"].map(|name| of[name].as_i64().unwrap());
                // Also I7: it is never past what is there.
                if of["state"] != "running" || frontier != end - 1 {
                    return Err(of.to_string());
                }
                let projection = of["projection"].as_str().unwrap().to_owned();
                at_the_end.entry(projection).or_default().insert(partition);
            }
        }
        let is_whole = |partitions: &BTreeSet<i64>| partitions.len() == PARTITIONS;
        match !at_the_end.is_empty() && at_the_end.values().all(is_whole) {
            true => Ok(()),
            false => Err(format!("{at_the_end:?}")),
        }
    })
    .await;
}

/// The source positions of all dead letters, by projection. One that died again, as its worker was killed before it had
/// written more, is the same letter.
async fn dead_letters(worker: &Worker) -> BTreeSet<(String, u64, u64)> {
    let mut found = BTreeSet::new();
    let mut query = "/dead-letters?limit=1000".to_owned();
    loop {
        let page = worker.get(&query).await.expect(200).json();
        for item in page["items"].as_array().unwrap() {
            let projection = item["projection"].as_str().unwrap().to_owned();
            let of = |name: &str| item["source"][name].as_str().unwrap().parse().unwrap();
            found.insert((projection, of("partition"), of("offset")));
        }
        let Value::Object(next) = &page["next"] else {
            return found;
        };
        query = format!(
            "/dead-letters?limit=1000&partition={}&offset={}",
            next["partition"], next["offset"]
        );
    }
}

fn of_every_projection(positions: &[(u64, u64)]) -> BTreeSet<(String, u64, u64)> {
    let each = PROJECTIONS.into_iter().flat_map(|projection| {
        positions
            .iter()
            .map(move |(partition, offset)| (projection.to_owned(), *partition, *offset))
    });
    each.collect()
}
