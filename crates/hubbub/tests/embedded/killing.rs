//! Fifty times SIGKILL, some with a large lag, some in the middle of a start.

use std::time::{Duration, Instant};

use hubbub_testkit::load::{Load, Pump};

use crate::hub::Hub;

const KILLS: usize = 50;
const WRITERS: usize = 8;
/// What the writers say together; the pumps come on top.
const EVENTS: usize = 20_000;
/// No restart takes longer, recovery included.
const QUICKLY: Duration = Duration::from_secs(10);
/// The lag that must have been seen across a kill.
const MUCH: usize = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_nothing_is_counted_twice() {
    let started = Instant::now();
    let mut hub = Hub::start().await;
    let mut load = Load::start(hub.door(), WRITERS, EVENTS);
    let mut pumps: Vec<Pump> = Vec::new();
    while hub.kills < KILLS {
        let next = hub.kills + 1;
        load.reaches(next * EVENTS / (KILLS + 1)).await;
        match next % 10 {
            0 => {
                let mut pump = Pump::new(next, hub.door());
                pump.fill().await;
                hub.kill().await;
                pump.look_at_lag().await;
                pumps.push(pump);
            }
            5 => hub.kill_in_recovery().await,
            _ => hub.kill().await,
        }
    }
    let (kills, slowest) = (hub.kills, hub.slowest_start);
    assert_eq!(kills, KILLS);
    assert!(slowest <= QUICKLY, "a restart took {slowest:?}");
    let lag = pumps.iter().map(|pump| pump.lag).max().unwrap_or_default();
    assert!(lag > MUCH, "no kill came while more than {MUCH} events waited, but {lag} at most");

    let killed = started.elapsed();
    let (total, healed) = hub.judge(load, &pumps).await;
    let faults = format!("one process of everything killed {kills} times");
    let note = format!(
        "lag up to {lag} at a kill, slowest start {slowest:.1?}; killed for {killed:.0?}, checked after {:.0?}",
        started.elapsed()
    );
    total.report(faults, healed, note);
}
