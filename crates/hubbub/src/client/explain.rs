//! `explain`: prints how a post came about.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::Duration,
};

use hubbub_worker::{Changed, Explained};
use serde_json::{Map, Value};

use super::Client;
use crate::operations::{Copied, DecodedField, ExplainedEvent, Explanation};

/// The whole partition is read for it.
const TIMEOUT: Duration = Duration::from_secs(3600);
/// What is printed of a value, in characters.
const SHOWN: usize = 60;

impl Client {
    /// Prints the events about a post, what each of them changed, and how old its copies are.
    ///
    /// # Errors
    /// Where there is no such post, or the port does not answer.
    pub async fn explain_post(&self, id: &str) -> anyhow::Result<()> {
        let mut url = reqwest::Url::parse(&self.base)?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(["explain", "posts", id]);
        }
        let request = self.http.get(url).timeout(TIMEOUT);
        let Explanation { post_id, partition, earlier, events, copies } =
            self.send(request).await?;
        let mut out = io::stdout().lock();
        writeln!(out, "{post_id} in {partition}")?;
        if earlier > 0 {
            writeln!(out, "\n{earlier} earlier events are not told")?;
        }
        let mut held = Held::new();
        events.iter().try_for_each(|event| tell_event(&mut out, event, &mut held))?;
        writeln!(out, "\nwhat is read")?;
        if copies.is_empty() {
            writeln!(out, "  this process has no tables: ask one that folds or reads")?;
        }
        copies.iter().try_for_each(|copy| tell_copy(&mut out, copy))
    }
}

/// What rows held last, by table and key.
type Held = BTreeMap<(String, String), Map<String, Value>>;

fn tell_event(out: &mut impl Write, event: &ExplainedEvent, held: &mut Held) -> anyhow::Result<()> {
    let says = event.says.fields.iter().map(|DecodedField { name, value }| {
        let value: String = value.chars().take(SHOWN).collect();
        format!("{name}={value}")
    });
    let says = says.collect::<Vec<_>>().join(" ");
    writeln!(out, "\n@{} {}  {says}", event.offset, event.time)?;
    for Explained { projection, outcome, changes } in &event.projections {
        writeln!(out, "  {projection}: {outcome}")?;
        for Changed { table, key, holds } in changes {
            let now = holds.as_object().cloned().unwrap_or_default();
            let old = held.insert((table.clone(), key.clone()), now.clone()).unwrap_or_default();
            let changed = now.iter().filter(|(field, value)| old.get(*field) != Some(value));
            let changed = changed.map(|(field, value)| {
                let value: String = value.to_string().chars().take(SHOWN).collect();
                format!("{field}={value}")
            });
            let changed = changed.collect::<Vec<_>>().join(" ");
            writeln!(out, "    {table} {key}: {changed}")?;
        }
    }
    Ok(())
}

fn tell_copy(out: &mut impl Write, copy: &Copied) -> anyhow::Result<()> {
    let Copied { tier, projection, build, reflects, as_of, behind, age_ms, holds } = copy;
    let reflects = match reflects {
        Some(offset) => format!("reflects @{offset}"),
        None => "has nothing".to_owned(),
    };
    let age = age_ms.map(|age| format!(", kept for {age} ms")).unwrap_or_default();
    let complete = match as_of {
        -1 => String::new(),
        as_of => format!(", complete up to @{as_of}, {behind} records behind"),
    };
    writeln!(out, "  {projection}, build {build}, {tier}: {reflects}{complete}{age}")?;
    if let Some(holds) = holds {
        writeln!(out, "    {holds}")?;
    }
    Ok(())
}
