//! A worker is killed in the middle of a lag, beside another one that takes over.

use std::time::{SystemTime, UNIX_EPOCH};

use hubbub_testkit::{client::eventually, load::Pump};

use crate::world::{Load, PATIENCE, World};

const EVENTS: usize = 6_000;
const WRITERS: usize = 6;
const KILLS: usize = 3;
/// The lag that must be there at each kill.
const MUCH: f64 = 5_000.0;
const PROJECTIONS: &str = "posts,analysis,likes";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_is_replaced_by_the_other_and_every_count_is_exact() {
    let mut world = World::start().await;
    let mut other = world.worker(PROJECTIONS).await;
    let mut load = Load::start(world.door(), WRITERS, EVENTS);
    let mut pumps = Vec::new();
    let mut lags = Vec::new();
    let mut random = u64::try_from(
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_nanos()) >> 8,
    )
    .unwrap_or(1);
    for kill in 1..=KILLS {
        load.reaches(kill * EVENTS / (KILLS + 1)).await;
        let victim = world.worker(PROJECTIONS).await;
        // Until it has a share, the other one folds what comes in.
        eventually(PATIENCE, || async {
            let held = victim.partitions().await.unwrap_or_default();
            if held.is_empty() { Err("it has no share") } else { Ok(()) }
        })
        .await;
        // From before the backlog, of which some is folded until all of it has come in.
        let begun = victim.folded("posts").await;
        let mut pump = Pump::new(kill, world.door());
        pump.fill().await;
        pumps.push(pump);
        // Some way into the backlog, at a step that differs from run to run.
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let some = (random >> 33) % 4_000;
        // Workers look at the lag once a second, so it shows a little later.
        let lag = eventually(PATIENCE, || async {
            let folded = victim.folded("posts").await - begun;
            let mut lag = 0.0;
            for worker in [&victim, &other] {
                lag += worker.metrics().await.sum("hubbub_lag_records", &[]);
            }
            match folded >= some as f64 && lag > MUCH {
                true => Ok(lag),
                false => Err(format!("{folded} of {some} folded, with a lag of {lag}")),
            }
        })
        .await;
        lags.push(lag);
        victim.kill();
        // The next kill meets a worker that has been there for a while too.
        if kill == 2 {
            let fresh = world.worker(PROJECTIONS).await;
            other.kill();
            other = fresh;
        }
    }
    let told = world.judge(load, &pumps, &[&other]).await;
    let note = format!("at lags of {lags:?}");
    told.report(format!("{} workers killed", KILLS + 1), note);
}
