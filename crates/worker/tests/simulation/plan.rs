//! What happens in a run: drawn from a seed, and made smaller where it fails.

use hubbub_stream::AppendError;
use hubbub_testkit::{
    memory_log::Fault,
    story::{Deed, any_story},
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

/// All that a run depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub u64);

/// A story, and what goes wrong while it is folded.
#[derive(Debug, Clone)]
pub struct Plan {
    pub deeds: Vec<Deed>,
    /// How many of them are in the log before the first worker starts; the others
    /// come one a millisecond.
    pub at_first: usize,
    pub partitions: i32,
    pub batch_records: usize,
    pub fetch_records: usize,
    /// Workers that do not end well; the one after them does.
    pub lives: Vec<Life>,
    /// How long operations take, in milliseconds, over and over.
    pub delays: Vec<u8>,
    /// What becomes of dead letters on their way.
    pub letters: Vec<Option<Fault>>,
    /// Before the last worker starts the frontiers are lost.
    pub from_zero: bool,
    /// After how many milliseconds deliveries turn back, and by how much.
    pub redeliveries: Vec<(u8, i64)>,
}

/// A worker that does not end well.
#[derive(Debug, Clone)]
pub struct Life {
    /// When it starts, in milliseconds after the first one.
    pub start: u16,
    /// With which of its operations it ends.
    pub operation: u64,
    /// Which of that operation's changes are applied.
    pub applied: u64,
    pub end: End,
    /// The operations at which the store times out, with what it applied all the same.
    pub time_outs: Vec<(u64, u64)>,
}

#[derive(Debug, Clone, Copy)]
pub enum End {
    /// Killed: nothing more is heard of it, but what it sent may land this much later.
    Killed(u16),
    /// Told to stop: it finishes what is in flight.
    Left,
    /// Thought dead by its groups, it goes on with what it has, this much slower.
    Evicted(u16),
    /// It pauses, and then goes on with everything, faster than whoever came after it.
    Island(u16),
}

fn any_applied() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), any::<u64>()]
}

fn any_life() -> impl Strategy<Value = Life> {
    let end = prop_oneof![
        4 => (0..200_u16).prop_map(End::Killed),
        2 => Just(End::Left),
        2 => (1..200_u16).prop_map(End::Evicted),
        1 => (1..200_u16).prop_map(End::Island),
    ];
    let time_outs = prop::collection::vec((0..60_u64, any_applied()), 0..4);
    (0..120_u16, 0..60_u64, any_applied(), end, time_outs).prop_map(
        |(start, operation, applied, end, time_outs)| Life {
            start,
            operation,
            applied,
            end,
            time_outs,
        },
    )
}

fn any_letter() -> impl Strategy<Value = Option<Fault>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some(Fault::Refused(AppendError::Unavailable("as planned".to_owned())))),
        1 => Just(Some(Fault::StoredUnknown)),
        1 => any::<bool>().prop_map(|stored| Some(Fault::Dies { stored })),
    ]
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let sizes = (1..4_i32, 1..8_usize, 1..8_usize, 0..30_usize);
    let lives = prop::collection::vec(any_life(), 0..4);
    let delays = prop::collection::vec(0..12_u8, 0..8);
    let letters = prop::collection::vec(any_letter(), 0..12);
    let redeliveries = prop::collection::vec((0..100_u8, 1..6_i64), 0..6);
    (any_story(30), sizes, lives, delays, letters, any::<bool>(), redeliveries).prop_map(
        |(deeds, sizes, lives, delays, letters, from_zero, redeliveries)| {
            let (partitions, batch_records, fetch_records, at_first) = sizes;
            Plan {
                deeds,
                at_first,
                partitions,
                batch_records,
                fetch_records,
                lives,
                delays,
                letters,
                from_zero,
                redeliveries,
            }
        },
    )
}

impl Seed {
    /// The plan, with the smaller ones that it can be turned into.
    pub fn tree(self) -> Box<dyn ValueTree<Value = Plan>> {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.0.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        Box::new(any_plan().new_tree(&mut runner).unwrap())
    }

    pub fn plan(self) -> Plan {
        self.tree().current()
    }
}

/// Makes a plan smaller for as long as it still fails.
pub fn smallest(seed: Seed, fails: impl Fn(&Plan) -> bool) -> Plan {
    const TRIES: usize = 400;
    let mut tree = seed.tree();
    let mut smallest = tree.current();
    for _ in 0..TRIES {
        let plan = tree.current();
        let goes_on = match fails(&plan) {
            true => {
                smallest = plan;
                tree.simplify()
            }
            false => tree.complicate(),
        };
        if !goes_on {
            break;
        }
    }
    smallest
}
