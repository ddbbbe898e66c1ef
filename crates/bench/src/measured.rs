//! What serving requests came to, round by round: how many, and at what cost.

use std::time::Duration;

use crate::{
    load,
    server::Server,
    stats::{Figures, print_line},
};

/// Requests a second, and the processor time of each.
#[derive(Default)]
pub struct Measured {
    rate: Figures,
    processor: Figures,
}

impl Measured {
    /// Sends requests to a server for a time; each of them may stand for many.
    pub async fn measure(
        &mut self,
        server: &Server,
        (requests, each): (&[Vec<u8>], usize),
        (connections, status): (usize, u16),
        time: Duration,
    ) -> anyhow::Result<load::Load> {
        let before = server.processor_time()?;
        let load = load::run(server.port, connections, requests, status, time).await?;
        let used = server.processor_time()? - before;
        self.rate.push(load.per_second() * each as f64);
        self.processor.push(used.as_secs_f64() * 1e6 / (load.requests * each as u64) as f64);
        Ok(load)
    }

    /// Prints both beside those of a baseline.
    pub fn print(&self, what: &str, bare: &Self, of: &str) {
        let share = 100.0 * self.rate.ratio_to(&bare.rate);
        let result = format!("{share:.0} % of {of}");
        print_line(what, &self.rate.show("/s"), &bare.rate.show("/s"), &result);
        let times = format!("{:.2} times", self.processor.ratio_to(&bare.processor));
        let (ours, bare) = (self.processor.show("µs"), bare.processor.show("µs"));
        print_line("– processor time of each", &ours, &bare, &times);
    }

    /// Prints them alone.
    pub fn print_alone(&self, what: &str) {
        print_line(what, &self.rate.show("/s"), "–", "–");
        print_line("– processor time of each", &self.processor.show("µs"), "–", "–");
    }
}
