//! One process of everything, killed with SIGKILL fifty times while posts, edits, likes and deletes come in from several
//! connections: what was acknowledged is there, what was refused is not, and nothing is counted twice.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

mod hub;

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use hub::Hub;
use hubbub_testkit::load::{Pump, Reader, Writer, report};
use tokio::{sync::watch, task::JoinHandle};

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
    let said = watch::Sender::new(0);
    let writers: Vec<JoinHandle<Writer>> = (0..WRITERS)
        .map(|number| {
            let writer = Writer::new(number, hub.door(), said.clone());
            tokio::spawn(writer.run(EVENTS / WRITERS))
        })
        .collect();

    let mut pumps: Vec<Pump> = Vec::new();
    let mut heard = said.subscribe();
    let kills = async {
        while hub.kills < KILLS {
            let next = hub.kills + 1;
            let due = next * EVENTS / (KILLS + 1);
            heard.wait_for(|said| *said >= due).await.expect("the writers count");
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
        Ok(())
    };
    let (writers, ()) = tokio::try_join!(try_join_all(writers), kills).expect("a writer failed");
    let (kills, slowest) = (hub.kills, hub.slowest_start);
    assert_eq!(kills, KILLS);
    assert!(slowest <= QUICKLY, "a restart took {slowest:?}");
    let lag = pumps.iter().map(|pump| pump.lag).max().unwrap_or_default();
    assert!(lag > MUCH, "no kill came while more than {MUCH} events waited, but {lag} at most");

    let killed = started.elapsed();
    let reader = Reader::caught_up(hub.door().client().await).await;
    let caught_up = started.elapsed();
    let mut certain: usize = pumps.iter().map(Pump::acknowledged).sum();
    let mut unknown: usize = pumps.iter().map(Pump::unknown).sum();
    for pump in &pumps {
        reader.check_pump(pump).await.unwrap();
    }
    let checks = writers.into_iter().map(|writer| {
        certain += writer.acknowledged;
        unknown += writer.unknown;
        let reader = reader.clone();
        tokio::spawn(async move { reader.check_writer(&writer).await.unwrap() })
    });
    let _: Vec<()> = try_join_all(checks.collect::<Vec<_>>()).await.expect("a check failed");
    let faults = format!("one process of everything killed {kills} times");
    let note = format!(
        "lag up to {lag} at a kill, slowest start {slowest:.1?}; killed for {killed:.0?}, checked after {:.0?}",
        started.elapsed()
    );
    report(faults, certain, unknown, Some(caught_up - killed), note);
}
