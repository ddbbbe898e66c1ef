//! Folds one record after the other into tables in memory.

use hubbub_events::{Action, Position, PostEvent, Topic, TopicPartition};
use hubbub_projections::{Interrupt, Mode, Outcome, Projection, Tables, View, Visitor};
use hubbub_tables::{Reason, Receipts, Table};
use hubbub_testkit::{memory_store::MemoryStore, model::Model, story};

pub const PARTITION: TopicPartition = TopicPartition { topic: Topic::Posts, partition: 2 };

/// A projection's tables, and the model of what they must hold.
pub struct Folder<P: Projection> {
    pub store: MemoryStore,
    pub model: Model,
    tables: P::Tables,
    next: i64,
}

impl<P: Projection> Folder<P> {
    pub fn new() -> Self {
        Self {
            store: MemoryStore::new(),
            model: Model::default(),
            tables: P::Tables::default(),
            next: 0,
        }
    }

    /// Folds the next record.
    pub fn fold(&mut self, user_id: &str, post_id: &str, action: Action) -> Outcome {
        let at = PARTITION.at(self.next);
        let event = story::event(self.next as usize, user_id, post_id, action);
        self.next += 1;
        self.model.happened(at, &event);
        self.fold_event(at, &event)
    }

    fn fold_event(&mut self, at: Position, event: &PostEvent) -> Outcome {
        let event = P::decode(event.post_id.as_bytes(), &event.encode()).unwrap();
        let outcome = loop {
            self.tables.visit(&mut Begin(at));
            match P::fold(at, &event, &mut self.tables) {
                Ok(outcome) => break outcome,
                Err(Interrupt::Miss) => self.tables.visit(&mut Load(&self.store)),
                Err(interrupt) => panic!("{interrupt:?} at {at}"),
            }
        };
        self.tables.visit(&mut Write(&self.store));
        outcome
    }

    /// Of the record folded last.
    pub fn receipt(&self) -> String {
        self.model.receipts[&PARTITION.at(self.next - 1)].clone()
    }
}

impl Folder<hubbub_projections::Posts> {
    /// The reason that the last record's receipt gives.
    pub fn reason(&self) -> Reason {
        let receipts = self.store.heads_of::<Receipts>(1);
        let key = Receipts::key(PARTITION.at(self.next - 1));
        let mut of_it = receipts.into_iter().filter(|(at, _)| *at == key);
        of_it.next().unwrap().1.record.reason
    }
}

struct Begin(Position);

impl<'a> Visitor<'a> for Begin {
    fn deciding<T: Table>(&mut self, view: &'a mut View<T>) {
        view.begin(self.0.stamp(), Mode::Folding);
    }

    fn derived<T: Table>(&mut self, view: &'a mut View<T>) {
        view.begin(self.0.stamp(), Mode::Folding);
    }
}

struct Load<'s>(&'s MemoryStore);

impl Load<'_> {
    fn load<T: Table>(&self, view: &mut View<T>) {
        let missing = view.take_missing();
        for partition in missing.heads {
            let heads = self.0.heads_of::<T>(1).into_iter();
            let found = heads.filter(|(of, _)| *of == partition).map(|(_, head)| head).next();
            view.loaded_head(partition, found);
        }
        for (partition, key) in missing.rows {
            let rows = self.0.rows_of::<T>(1).into_iter();
            let is_it =
                |(of, at, _): &(T::Partition, T::Clustering, _)| *of == partition && *at == key;
            let found = rows.filter(is_it).map(|(.., row)| row).next();
            view.loaded_row(partition.clone(), key.clone(), found);
        }
    }
}

impl<'a> Visitor<'a> for Load<'_> {
    fn deciding<T: Table>(&mut self, view: &'a mut View<T>) {
        self.load(view);
    }

    fn derived<T: Table>(&mut self, view: &'a mut View<T>) {
        self.load(view);
    }
}

struct Write<'s>(&'s MemoryStore);

impl Write<'_> {
    fn write<T: Table>(&self, view: &mut View<T>) {
        view.changes().into_iter().for_each(|change| self.0.put(1, change));
        view.written();
    }
}

impl<'a> Visitor<'a> for Write<'_> {
    fn deciding<T: Table>(&mut self, view: &'a mut View<T>) {
        self.write(view);
    }

    fn derived<T: Table>(&mut self, view: &'a mut View<T>) {
        self.write(view);
    }
}

pub fn create(content: &str, hashtags: &[&str]) -> Action {
    Action::Created { content: content.to_owned(), hashtags: owned(hashtags) }
}

pub fn edit(content: Option<&str>, hashtags: Option<&[&str]>) -> Action {
    Action::Edited {
        content: content.map(str::to_owned),
        hashtags: hashtags.map(owned),
        expected_version: None,
    }
}

pub fn edit_of(version: i64, content: &str) -> Action {
    Action::Edited {
        content: Some(content.to_owned()),
        hashtags: None,
        expected_version: Some(version),
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
