//! The lines of the table that `make chaos` prints.

use std::{fmt::Display, time::Duration};

/// A scenario of which nothing was lost and nothing was counted twice: a check that finds
/// otherwise has failed it before. `healed` is how long after the load's end there was lag.
#[expect(clippy::print_stdout, reason = "it is what the scenario is run for")]
pub fn report(
    faults: impl Display,
    acknowledged: usize,
    unknown: usize,
    healed: Duration,
    note: impl Display,
) {
    println!("chaos: | {faults} | {acknowledged} | {unknown} | 0 | 0 | {healed:.1?} | {note} |");
}
