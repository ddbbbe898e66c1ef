//! `rebuild` and `verify`: conversations with an operations port that take their time.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use hubbub_worker::{Compared, Difference, DifferingRange};
use reqwest::Response;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::sleep;

use super::Client;
use crate::{
    operations::{
        Action, BuildStatus, BuildsStatus, Change, Changed, Comparing, Verify, Verifying,
    },
    settings::ProjectionName,
};

/// Between two looks at how far a build is.
const LOOK: Duration = Duration::from_secs(1);
/// A build that lags no more than this behind the one that is read has caught up: the rest it
/// does while it is switched to.
const CAUGHT_UP: i64 = 1000;
/// A build that folds nothing for so long stands still, if it lags.
const PATIENCE: Duration = Duration::from_secs(60);
/// Dropping a build waits for workers, making one for all nodes to agree.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(120);
/// What is as long as the log has its own pace.
const NO_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 3600);

/// How a rebuild ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuild {
    /// Compares the builds first, where both are of one fold.
    pub is_compared: bool,
    /// Has the new build read.
    pub is_switched: bool,
}

impl Client {
    /// Makes a build, or goes on with one, until it has caught up; compares it with the one
    /// that is read, and has it read.
    ///
    /// # Errors
    /// Where it halts or differs, or the port does not answer.
    pub async fn rebuild(&self, of: ProjectionName, how: Rebuild) -> anyhow::Result<()> {
        let name = of.as_str();
        let build = self.change_builds(of, Action::Begin).await?;
        say(&format!("build {build} of {name} is folded beside the one that is read"))?;
        let status = self.follow(of).await?;
        if how.is_compared && status.live.fold == status.fold {
            say(&format!(
                "comparing build {} (left) with build {build} (right)",
                status.live.build
            ))?;
            self.compare(of).await?;
        } else if how.is_compared {
            let (old, new) = (status.live.fold, status.fold);
            say(&format!("not compared: version {old} of the fold made one, {new} the other"))?;
        }
        if !how.is_switched {
            return say(&format!(
                "build {build} has caught up, and goes on; build {} is read",
                status.live.build
            ));
        }
        self.change_builds(of, Action::Switch).await?;
        say(&format!(
            "build {build} of {name} is read from now on. Back to build {before}: hubbub rebuild --projection \
             {name} --rollback. For good: hubbub rebuild --projection {name} --drop",
            before = status.live.build
        ))
    }

    /// Has the build read again that was read before.
    ///
    /// # Errors
    /// Where there is none, or the port does not answer.
    pub async fn roll_back(&self, of: ProjectionName) -> anyhow::Result<()> {
        let build = self.change_builds(of, Action::RollBack).await?;
        say(&format!("build {build} of {} is read again from now on", of.as_str()))
    }

    /// Drops the build that is not read.
    ///
    /// # Errors
    /// Where there is none, or the port does not answer.
    pub async fn drop_build(&self, of: ProjectionName) -> anyhow::Result<()> {
        let build = self.change_builds(of, Action::Drop).await?;
        say(&format!("build {build} of {} is dropped", of.as_str()))
    }

    /// Recomputes projections from the log, and tells where what is read says something else.
    ///
    /// # Errors
    /// Where something differs, or the port does not answer.
    pub async fn verify(
        &self,
        projections: &[ProjectionName],
        partitions: Option<&BTreeSet<i32>>,
    ) -> anyhow::Result<()> {
        let mut report = Report::begin();
        for projection in projections {
            let name = projection.as_str();
            report.begin_part();
            let what = Verify { projection: name.to_owned(), partitions: partitions.cloned() };
            let request = self.http.post(format!("{}/verify", self.base)).json(&what);
            let mut lines = Lines::of(self.answer(request.timeout(NO_TIMEOUT)).await?);
            let mut pace = Pace::begin(0);
            while let Some(line) = lines.next::<Verifying>().await? {
                match line {
                    Verifying::Folded { records, of } => {
                        if pace.is_due() || records == of {
                            say(&pace.tell(&format!("{name} anew"), records, of))?;
                        }
                    }
                    Verifying::Compared(compared) => report.note(compared)?,
                    Verifying::Failed(why) => bail!("{why}"),
                    Verifying::Done => report.end_part(),
                }
            }
            report.refuse_broken_off()?;
        }
        report.end("what was recomputed (left) and what is read (right)")
    }

    async fn change_builds(&self, of: ProjectionName, action: Action) -> anyhow::Result<i32> {
        let url = format!("{}/builds/{}", self.base, of.as_str());
        let request = self.http.post(url).timeout(CHANGE_TIMEOUT).json(&Change { action });
        Ok(self.send::<Changed>(request).await?.build)
    }

    /// Waits until the next build has caught up.
    async fn follow(&self, of: ProjectionName) -> anyhow::Result<BuildsStatus> {
        let path = format!("/builds/{}", of.as_str());
        let mut pace = None;
        let mut last = (-1, Instant::now());
        loop {
            let status: BuildsStatus = self.get(&path).await?;
            let Some(BuildStatus { build, folded, lag, halted, .. }) = &status.next else {
                bail!("the build that was begun is there no more");
            };
            if !halted.is_empty() {
                bail!(
                    "build {build} is halted in the partitions {halted:?}: /status says why, and \
                     `hubbub resume` ends it"
                );
            }
            let pace = pace.get_or_insert_with(|| Pace::begin(*folded));
            say(&pace.tell(&format!("build {build}"), *folded, folded + lag))?;
            if *lag <= status.live.lag + CAUGHT_UP {
                return Ok(status);
            }
            if last.0 != *folded {
                last = (*folded, Instant::now());
            }
            if last.1.elapsed() > PATIENCE {
                bail!(
                    "build {build} has folded nothing for {PATIENCE:?}: /status of each worker \
                     says whether it is halted there, or whether none of them folds it"
                );
            }
            sleep(LOOK).await;
        }
    }

    async fn compare(&self, of: ProjectionName) -> anyhow::Result<()> {
        let url = format!("{}/builds/{}/compare", self.base, of.as_str());
        let request = self.http.post(url).json(&json!({})).timeout(NO_TIMEOUT);
        let mut lines = Lines::of(self.answer(request).await?);
        let mut report = Report::begin();
        while let Some(line) = lines.next::<Comparing>().await? {
            match line {
                Comparing::Compared(compared) => report.note(compared)?,
                Comparing::Failed(why) => bail!("{why}"),
                Comparing::Done => report.end_part(),
            }
        }
        report.refuse_broken_off()?;
        report.end("the builds")
    }
}

/// How fast something goes on.
struct Pace {
    begun: Instant,
    from: i64,
    told: Instant,
}

impl Pace {
    fn begin(from: i64) -> Self {
        Self { begun: Instant::now(), from, told: Instant::now() }
    }

    fn is_due(&self) -> bool {
        self.told.elapsed() >= LOOK
    }

    fn tell(&mut self, what: &str, done: i64, of: i64) -> String {
        self.told = Instant::now();
        let percent = if of == 0 { 100 } else { done * 100 / of };
        let so_far = format!("{what}: {done} of {of} records ({percent} %)");
        let seconds = self.begun.elapsed().as_secs_f64();
        let rate = (done - self.from) as f64 / seconds;
        if seconds < 0.5 || rate < 1.0 {
            return so_far;
        }
        format!("{so_far}, {rate:.0}/s, {:.0} s left", (of - done) as f64 / rate)
    }
}

/// What comparisons found.
struct Report {
    differing: u64,
    moving: u64,
    is_whole: bool,
    told: Instant,
}

impl Report {
    fn begin() -> Self {
        Self { differing: 0, moving: 0, is_whole: false, told: Instant::now() }
    }

    /// Prints what differs, and how far a table is.
    fn note(&mut self, compared: Compared) -> anyhow::Result<()> {
        say_differing(&compared)?;
        let Compared { table, partitions, ranges, rows, differing, moving, is_done, .. } =
            &compared;
        if !is_done && self.told.elapsed() < LOOK {
            return Ok(());
        }
        self.told = Instant::now();
        let so_far = format!("{table}: {partitions} partitions in {ranges} ranges, {rows} rows");
        if !is_done {
            return say(&format!("{so_far} so far, {differing} differ"));
        }
        self.differing += differing;
        self.moving += moving;
        let (left, right) = (compared.left_checksum, compared.right_checksum);
        say(&format!("{so_far}, checksums {left:08x} and {right:08x}, {differing} differ"))
    }

    fn begin_part(&mut self) {
        self.is_whole = false;
    }

    fn end_part(&mut self) {
        self.is_whole = true;
    }

    fn refuse_broken_off(&self) -> anyhow::Result<()> {
        if !self.is_whole {
            bail!("the answer broke off, so what was not compared yet is not known");
        }
        Ok(())
    }

    fn end(&self, sides: &str) -> anyhow::Result<()> {
        match (self.differing, self.moving) {
            (0, 0) => say(&format!("{sides} are alike")),
            (0, moving) => bail!(
                "{moving} rows changed too often to be compared, the others are alike: try again \
                 when there is less load"
            ),
            (1, _) => bail!("{sides} differ in 1 row"),
            (differing, _) => bail!("{sides} differ in {differing} rows"),
        }
    }
}

/// Prints the ranges that differ, and the rows in them.
fn say_differing(compared: &Compared) -> anyhow::Result<()> {
    for range in &compared.differing_ranges {
        let DifferingRange { first, last, left_checksum: left, right_checksum: right } = range;
        let table = &compared.table;
        say(&format!("{table}, {first} to {last}: checksums {left:08x} and {right:08x}"))?;
    }
    for Difference { key, left, right } in &compared.differences {
        let says = |side: &Option<String>| side.clone().unwrap_or("absent".to_owned());
        say(&format!("  {key}\n    left   {}\n    right  {}", says(left), says(right)))?;
    }
    Ok(())
}

/// The lines of an answer, as they come.
struct Lines {
    response: Response,
    rest: Vec<u8>,
}

impl Lines {
    fn of(response: Response) -> Self {
        Self { response, rest: Vec::new() }
    }

    async fn next<T: DeserializeOwned>(&mut self) -> anyhow::Result<Option<T>> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Ok(Some(serde_json::from_slice(&line)?));
            }
            let chunk = self.response.chunk().await.context("the answer broke off")?;
            match chunk {
                Some(chunk) => self.rest.extend(chunk),
                None => return Ok(None),
            }
        }
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{line}")?)
}
