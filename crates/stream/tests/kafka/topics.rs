//! The topics as they are made, and those that are refused.

use hubbub_events::Topic;
use hubbub_stream::kafka::topics;
use hubbub_stream::{Error, KafkaLog, KafkaSettings};
use rdkafka::admin::{AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};

use crate::support::OwnTopics;

async fn refusal(settings: &KafkaSettings) -> String {
    match KafkaLog::open(settings).await {
        Err(Error::Permanent(why)) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
}

#[tokio::test]
async fn absent_topics_are_refused_and_made_once() {
    let own = OwnTopics::absent();
    let why = refusal(&own.settings).await;
    assert!(why.contains("hubbub topics apply"), "{why}");
    let names = Topic::ALL.map(|topic| own.name(topic));
    assert!(names.iter().all(|name| why.contains(name)), "{why}");
    assert_eq!(topics::apply(&own.settings).await.unwrap(), names);
    assert!(topics::apply(&own.settings).await.unwrap().is_empty());
    topics::check(&own.settings).await.unwrap();
}

#[tokio::test]
async fn topics_are_made_to_last() {
    let own = OwnTopics::new().await;
    let name = own.name(Topic::Posts);
    let dead = own.name(Topic::DeadLetters);
    let resources = [&name, &dead].map(|name| ResourceSpecifier::Topic(name));
    let described = own.admin().describe_configs(&resources, &AdminOptions::new()).await.unwrap();
    let described: Vec<_> = described.into_iter().map(Result::unwrap).collect();
    let value = |at: usize, name| described[at].get(name).unwrap().value.clone().unwrap();
    for (property, posts, dead) in [
        ("cleanup.policy", "delete", "delete"),
        ("retention.ms", "-1", "2592000000"),
        ("retention.bytes", "-1", "-1"),
        ("min.insync.replicas", "1", "1"),
        ("unclean.leader.election.enable", "false", "false"),
        ("message.timestamp.type", "CreateTime", "CreateTime"),
        ("max.message.bytes", "2097152", "4194304"),
    ] {
        assert_eq!([value(0, property), value(1, property)], [posts, dead], "{property}");
    }
}

#[tokio::test]
async fn differences_are_named_all_at_once() {
    let own = OwnTopics::new().await;
    let name = own.name(Topic::Posts);
    let alter = AlterConfig::new(ResourceSpecifier::Topic(&name))
        .set("retention.ms", "604800000")
        .set("retention.bytes", "1000000")
        .set("max.message.bytes", "1048588")
        .set("message.timestamp.after.max.ms", "3600000")
        .set("cleanup.policy", "compact,delete");
    own.admin().alter_configs(&[alter], &AdminOptions::new()).await.unwrap();
    let settings = KafkaSettings { partitions: 7, replication: 2, ..own.settings.clone() };
    let why = refusal(&settings).await;
    for part in [
        "has retention.ms 604800000, and -1 is allowed",
        "has retention.bytes 1000000, and -1 is allowed",
        "has cleanup.policy compact,delete, and delete is allowed",
        "has max.message.bytes 1048588, and at least 2097152 is allowed",
        "has message.timestamp.after.max.ms 3600000, and at least 86400000 is allowed",
        "has min.insync.replicas 1, and at least 2 is allowed",
        "has 4 partitions, and kafka.partitions is 7",
        "is kept by 1 brokers, and kafka.replication is 2",
    ] {
        assert!(why.contains(&format!("{name} {part}")), "{why}");
    }
    // Applying changes nothing that is there.
    assert!(topics::apply(&settings).await.is_err());
    assert!(refusal(&own.settings).await.contains("604800000"));
}

#[tokio::test]
async fn dead_letters_may_be_kept_for_any_time_but_not_compacted() {
    let own = OwnTopics::new().await;
    let name = own.name(Topic::DeadLetters);
    let admin = own.admin();
    let alter = |policy: &'static str| {
        AlterConfig::new(ResourceSpecifier::Topic(&name))
            .set("retention.ms", "1000")
            // What is not named goes back to the broker's default.
            .set("max.message.bytes", "4194304")
            .set("message.timestamp.after.max.ms", "86400000")
            .set("cleanup.policy", policy)
    };
    admin.alter_configs(&[alter("delete")], &AdminOptions::new()).await.unwrap();
    topics::check(&own.settings).await.unwrap();
    admin.alter_configs(&[alter("compact")], &AdminOptions::new()).await.unwrap();
    assert!(refusal(&own.settings).await.contains("has cleanup.policy compact"));
}

#[tokio::test]
async fn more_replication_than_brokers_is_refused() {
    let own = OwnTopics::absent();
    let settings = KafkaSettings { replication: 3, ..own.settings.clone() };
    let why = topics::apply(&settings).await.unwrap_err().to_string();
    assert!(
        why.contains("kafka.replication is 3") && why.contains("kafka.replication = 1"),
        "{why}"
    );
}

#[tokio::test]
async fn a_topic_of_somebody_elses_making_is_held_against_the_same() {
    let own = OwnTopics::absent();
    let name = own.name(Topic::Posts);
    let new = NewTopic::new(&name, 4, TopicReplication::Fixed(1));
    own.admin().create_topics([&new], &AdminOptions::new()).await.unwrap();
    let why = topics::apply(&own.settings).await.unwrap_err().to_string();
    assert!(why.contains("has retention.ms 604800000"), "Kafka's default is a week: {why}");
}

#[tokio::test]
async fn a_cluster_that_is_away_is_worth_another_try() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = KafkaSettings {
        brokers: vec![closed.to_string()],
        start_timeout: std::time::Duration::from_secs(1),
        ..KafkaSettings::default()
    };
    assert!(matches!(KafkaLog::open(&settings).await, Err(Error::Transient(_))));
}
