//! The topics: made as hubbub needs them, and held against that at every start.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hubbub_events::Topic;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::blocking;
use super::client::{self, Names, Quiet, RECORD_LIMIT};
use super::settings::KafkaSettings;
use super::start::until_started;
use crate::Error;

const TIMEOUT: Duration = Duration::from_secs(10);
/// How long until every partition of a new topic has a leader.
const LEADERS_TIMEOUT: Duration = Duration::from_secs(30);
const LEADERS_POLL: Duration = Duration::from_millis(50);
const FOR_EVER: &str = "-1";
const THIRTY_DAYS: &str = "2592000000";
/// In milliseconds: how far a clock may at least be out before the broker takes no records from it.
const A_DAY: u64 = 86_400_000;

/// Makes the topics that are absent, and holds all of them against what hubbub relies
/// on; waits for the cluster as long as the settings say. What is there is never changed.
/// The names of those it made are answered.
///
/// # Errors
/// Where no broker answers in time, refuses, or a topic that is there is not as it must be.
pub async fn apply(settings: &KafkaSettings) -> Result<Vec<String>, Error> {
    settings.check().map_err(Error::Permanent)?;
    until_started(settings, || try_apply(settings)).await
}

async fn try_apply(settings: &KafkaSettings) -> Result<Vec<String>, Error> {
    let admin = Admin::new(settings)?;
    let mut made = Vec::new();
    for topic in Topic::ALL {
        if admin.make(topic).await? {
            made.push(admin.names.topic(topic).to_owned());
        }
    }
    let deadline = Instant::now() + LEADERS_TIMEOUT;
    while !admin.have_leaders().await? {
        if Instant::now() > deadline {
            return Err(Error::Transient(format!("no leaders after {LEADERS_TIMEOUT:?}")));
        }
        tokio::time::sleep(LEADERS_POLL).await;
    }
    admin.check().await?;
    Ok(made)
}

/// Holds the topics against what hubbub relies on.
///
/// # Errors
/// As [`apply`], and where a topic is absent.
pub async fn check(settings: &KafkaSettings) -> Result<(), Error> {
    settings.check().map_err(Error::Permanent)?;
    Admin::new(settings)?.check().await
}

/// What a new topic is made with.
fn configuration(topic: Topic, settings: &KafkaSettings) -> Vec<(&'static str, String)> {
    let retention = match topic {
        Topic::Posts => FOR_EVER,
        Topic::DeadLetters => THIRTY_DAYS,
    };
    vec![
        ("cleanup.policy", "delete".to_owned()),
        ("retention.ms", retention.to_owned()),
        ("retention.bytes", FOR_EVER.to_owned()),
        ("min.insync.replicas", settings.replication.min(2).to_string()),
        ("unclean.leader.election.enable", "false".to_owned()),
        ("message.timestamp.type", "CreateTime".to_owned()),
        // A clock that is wrong must not keep a post from being taken.
        ("message.timestamp.before.max.ms", i64::MAX.to_string()),
        ("message.timestamp.after.max.ms", i64::MAX.to_string()),
        ("max.message.bytes", largest_record(topic).to_string()),
    ]
}

/// In bytes. A dead letter is a record of another topic with headers more.
const fn largest_record(topic: Topic) -> usize {
    match topic {
        Topic::Posts => RECORD_LIMIT / 2,
        Topic::DeadLetters => RECORD_LIMIT,
    }
}

/// What a topic must be: by the name of a property, the one value that is allowed.
fn required(topic: Topic) -> &'static [(&'static str, &'static str)] {
    match topic {
        Topic::Posts => &[
            ("cleanup.policy", "delete"),
            ("retention.ms", FOR_EVER),
            ("retention.bytes", FOR_EVER),
            ("unclean.leader.election.enable", "false"),
            ("message.timestamp.type", "CreateTime"),
        ],
        // They are for people to look at, and may go.
        Topic::DeadLetters => &[("cleanup.policy", "delete")],
    }
}

/// What brokers say of a topic's partitions.
struct Layout {
    partitions: usize,
    /// How many of them have a leader.
    led: usize,
    /// How many brokers keep each of them, at least.
    replication: usize,
}

struct Admin<'a> {
    settings: &'a KafkaSettings,
    names: Names,
    client: Arc<AdminClient<Quiet>>,
    options: AdminOptions,
}

impl<'a> Admin<'a> {
    fn new(settings: &'a KafkaSettings) -> Result<Self, Error> {
        let client = AdminClient::from_config_and_context(&client::admin(settings), Quiet)
            .map_err(|error| client::error("making a client", &error))?;
        Ok(Self {
            settings,
            names: Names::new(&settings.topic_prefix),
            client: Arc::new(client),
            options: AdminOptions::new()
                .request_timeout(Some(TIMEOUT))
                .operation_timeout(Some(TIMEOUT)),
        })
    }

    /// Makes a topic; whether it was absent.
    async fn make(&self, topic: Topic) -> Result<bool, Error> {
        let name = self.names.topic(topic);
        let configuration = configuration(topic, self.settings);
        let replication = TopicReplication::Fixed(self.settings.replication.into());
        let mut new = NewTopic::new(name, self.settings.partitions.into(), replication);
        for (property, value) in &configuration {
            new = new.set(property, value);
        }
        let made = self.client.create_topics([&new], &self.options).await;
        let made = made.map_err(|error| client::error("making topics", &error))?;
        match made.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
            Some(Err((_, RDKafkaErrorCode::InvalidReplicationFactor))) => {
                Err(Error::Permanent(format!(
                    "kafka.replication is {}, and the cluster has fewer brokers: where there is \
                     only one, say kafka.replication = 1",
                    self.settings.replication
                )))
            }
            Some(Err((name, code))) => {
                Err(client::error(&format!("making {name}"), &KafkaError::AdminOp(code)))
            }
            Some(Ok(_)) | None => Ok(true),
        }
    }

    /// How each topic lies, of those that are there.
    async fn layouts(&self) -> Result<BTreeMap<Topic, Layout>, Error> {
        let names = self.names.clone();
        blocking(&self.client, move |client| {
            let mut layouts = BTreeMap::new();
            for topic in Topic::ALL {
                let name = names.topic(topic);
                let asked = client.inner().fetch_metadata(Some(name), TIMEOUT);
                let metadata =
                    asked.map_err(|error| client::error(&format!("asking for {name}"), &error))?;
                let there = metadata.topics().iter().find(|found| found.error().is_none());
                let Some(partitions) = there.map(|found| found.partitions()) else { continue };
                let replication = partitions.iter().map(|one| one.replicas().len()).min();
                layouts.insert(
                    topic,
                    Layout {
                        partitions: partitions.len(),
                        led: partitions.iter().filter(|one| one.leader() >= 0).count(),
                        replication: replication.unwrap_or_default(),
                    },
                );
            }
            Ok(layouts)
        })
        .await
    }

    async fn have_leaders(&self) -> Result<bool, Error> {
        let layouts = self.layouts().await?;
        Ok(Topic::ALL.iter().all(|topic| {
            let layout = layouts.get(topic);
            layout.is_some_and(|layout| layout.partitions > 0 && layout.led == layout.partitions)
        }))
    }

    async fn check(&self) -> Result<(), Error> {
        let layouts = self.layouts().await?;
        let absent = Topic::ALL.iter().filter(|topic| !layouts.contains_key(topic));
        let absent = Vec::from_iter(absent.map(|topic| self.names.topic(*topic)));
        if !absent.is_empty() {
            return Err(Error::Permanent(format!(
                "the cluster has no {}: `hubbub topics apply` makes it",
                absent.join(", ")
            )));
        }
        let configurations = self.configurations().await?;
        let mut differences = Vec::new();
        for (topic, layout) in layouts {
            let name = self.names.topic(topic);
            let found = self.layout_differences(&layout);
            differences.extend(found.map(|difference| format!("{name} {difference}")));
            if let Some(configuration) = configurations.get(name) {
                let found = self.property_differences(topic, configuration);
                differences.extend(found.map(|difference| format!("{name} {difference}")));
            }
        }
        if differences.is_empty() {
            return Ok(());
        }
        let differences = differences.join("; ");
        Err(Error::Permanent(format!("the topics are not as they must be: {differences}")))
    }

    fn layout_differences(&self, layout: &Layout) -> impl Iterator<Item = String> {
        let KafkaSettings { partitions, replication, .. } = *self.settings;
        let other_partitions = (layout.partitions != usize::from(partitions)).then(|| {
            format!(
                "has {} partitions, and kafka.partitions is {partitions}: the number is fixed when \
                 a topic is made",
                layout.partitions
            )
        });
        let less_replication = (layout.replication < usize::from(replication)).then(|| {
            format!(
                "is kept by {} brokers, and kafka.replication is {replication}: where that is meant, \
                 say so there",
                layout.replication
            )
        });
        other_partitions.into_iter().chain(less_replication)
    }

    fn property_differences(
        &self,
        topic: Topic,
        configuration: &ConfigResource,
    ) -> impl Iterator<Item = String> {
        let value = |property| configuration.get(property).and_then(|entry| entry.value.as_deref());
        let others = required(topic).iter().filter_map(move |(property, allowed)| {
            let other = value(property).filter(|value| value != allowed)?;
            Some(format!("has {property} {other}, and {allowed} is allowed"))
        });
        let too_little = self.at_least(topic).into_iter().filter_map(move |(property, least)| {
            let found = value(property)?.parse::<u64>().ok().filter(|found| *found < least)?;
            Some(format!("has {property} {found}, and at least {least} is allowed"))
        });
        others.chain(too_little)
    }

    /// What a property must not be below.
    fn at_least(&self, topic: Topic) -> [(&'static str, u64); 4] {
        [
            ("min.insync.replicas", self.settings.replication.min(2).into()),
            ("max.message.bytes", largest_record(topic) as u64),
            ("message.timestamp.before.max.ms", A_DAY),
            ("message.timestamp.after.max.ms", A_DAY),
        ]
    }

    async fn configurations(&self) -> Result<BTreeMap<String, ConfigResource>, Error> {
        let names = Topic::ALL.map(|topic| self.names.topic(topic).to_owned());
        let resources: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let failed = |error: &KafkaError| client::error("asking for the topics' properties", error);
        let described = self.client.describe_configs(&resources, &self.options).await;
        let mut found = BTreeMap::new();
        for resource in described.map_err(|error| failed(&error))? {
            let resource = resource.map_err(|code| failed(&KafkaError::AdminOp(code)))?;
            if let OwnedResourceSpecifier::Topic(name) = &resource.specifier {
                found.insert(name.clone(), resource);
            }
        }
        Ok(found)
    }
}
