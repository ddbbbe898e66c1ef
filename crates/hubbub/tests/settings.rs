//! Settings: what wins, and what every mistake is told.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt, path::PathBuf, time::Duration};

use hubbub::{
    Settings, Sources,
    settings::{Layers, ProjectionName, Role, SettingsError},
};
use tempfile::TempDir;

/// A folder for files, and the sources that a test gives.
struct Given {
    folder: TempDir,
    sources: Sources,
}

impl Given {
    fn nothing() -> Self {
        Self { folder: TempDir::new().unwrap(), sources: Sources::default() }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn file(mut self, text: &str) -> Self {
        self.sources.file = Some(self.write("my.toml", text));
        self
    }

    fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.sources.variables.push((name.into(), value.into()));
        self
    }

    fn secret(self, name: &str, text: &str) -> Self {
        let path = self.write("secret", text);
        self.variable(name, path)
    }

    fn load(&self) -> Result<Settings, SettingsError> {
        Settings::load(&self.sources)
    }

    fn settings(&self) -> Settings {
        self.load().unwrap()
    }

    /// The message, in which everything given must stand.
    fn refused(&self, told: &[&str]) -> String {
        let message = self.load().unwrap_err().to_string();
        for part in told {
            assert!(message.contains(part), "{part:?} is not in: {message}");
        }
        message
    }

    fn described(&self) -> String {
        Layers::read(&self.sources).unwrap().describe().unwrap()
    }
}

#[test]
fn without_anything_the_documented_defaults_hold() {
    let settings = Given::nothing().settings();
    assert_eq!(settings.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.operations.listen.to_string(), "127.0.0.1:9080");
    assert_eq!(settings.data.path, PathBuf::from("./data"));
    assert_eq!(settings.http.header_timeout, Duration::from_secs(5));
    assert_eq!(settings.http.max_body_bytes.as_u64(), 512 * 1024);
    assert_eq!(settings.ingest.max_batch_bytes.as_u64(), 16 * 1024 * 1024);
    assert!(settings.worker.projections.iter().copied().eq(ProjectionName::ALL));
    assert_eq!(settings.shutdown.unready_wait, Duration::from_secs(5));
    assert_eq!(settings.shutdown.finish_timeout, Duration::from_secs(15));
}

#[test]
fn a_variable_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = "[http]\nidle_timeout = \"7s\"\nheader_timeout = \"7s\"\n";
    let given = Given::nothing().file(file).variable("HUBBUB__HTTP__HEADER_TIMEOUT", "8s");
    let settings = given.settings();
    assert_eq!(settings.http.header_timeout, Duration::from_secs(8));
    assert_eq!(settings.http.idle_timeout, Duration::from_secs(7));
    assert_eq!(settings.http.body_idle_timeout, Duration::from_secs(10));
}

#[test]
fn the_data_flag_wins_over_all() {
    let mut given = Given::nothing().variable("HUBBUB__DATA__PATH", "/elsewhere");
    given.sources.data = Some("/here".into());
    assert_eq!(given.settings().data.path, PathBuf::from("/here"));
    assert!(given.described().contains("path = \"/here\"  # --data"));
}

#[test]
fn a_variable_is_read_as_what_it_is_for() {
    let settings = Given::nothing()
        .variable("HUBBUB__HTTP__CORS_ORIGINS", "https://a.example, https://b.example")
        .variable("HUBBUB__HTTP__MAX_CONNECTIONS", "17")
        .variable("HUBBUB__HTTP__REQUEST_TIMEOUT", "15m")
        .variable("HUBBUB__QUERY__CACHE__SIZE", "64KiB")
        .variable("HUBBUB__WORKER__PROJECTIONS", "likes,posts")
        .settings();
    let origins: Vec<_> = settings.http.cors_origins.iter().map(ToString::to_string).collect();
    assert_eq!(origins, ["https://a.example", "https://b.example"]);
    assert_eq!(settings.http.max_connections.get(), 17);
    assert_eq!(settings.http.request_timeout, Duration::from_secs(15 * 60));
    assert_eq!(settings.query.cache.size.as_u64(), 64 * 1024);
    let projections: Vec<_> = settings.worker.projections.into_iter().collect();
    assert_eq!(projections, [ProjectionName::Posts, ProjectionName::Likes]);
}

#[test]
fn an_empty_variable_is_an_empty_list() {
    let given = Given::nothing().variable("HUBBUB__WORKER__PROJECTIONS", "");
    assert!(given.settings().worker.projections.is_empty());
}

#[test]
fn variables_of_others_are_none_of_ours() {
    let given = Given::nothing().variable("HUBBUB_HOME", "x").variable("PATH", "y");
    given.settings();
}

#[test]
fn an_unknown_key_is_told_with_its_origin_and_what_there_is() {
    let given = Given::nothing().file("[http]\nlissten = \"127.0.0.1:1\"\n");
    given.refused(&["http.lissten", "127.0.0.1:1", "my.toml", "[http]", "listen, max_connections"]);

    let given = Given::nothing().variable("HUBBUB__HTTP__LISSTEN", "127.0.0.1:1");
    given.refused(&["http.lissten", "127.0.0.1:1", "(from HUBBUB__HTTP__LISSTEN)", "listen, "]);

    for unknown in ["[htpt]\nlisten = \"127.0.0.1:1\"\n", "[htpt]\n", "htpt = 1\n"] {
        let given = Given::nothing().file(unknown);
        given.refused(&["htpt", "my.toml", "the sections are http, operations"]);
    }
    let given = Given::nothing().variable("HUBBUB__HTTP__LISTEN__PORT", "1");
    given.refused(&["http.listen.port", "HUBBUB__HTTP__LISTEN__PORT"]);
}

#[test]
fn an_invalid_value_is_told_with_its_origin_and_what_is_allowed() {
    for (file, told) in [
        ("[http]\nlisten = \"here\"\n", &["http.listen = \"here\"", "socket address"][..]),
        ("[http]\nlisten = 8080\n", &["http.listen = 8080", "socket address"]),
        ("http = 8080\n", &["http = 8080", "[http] is a section"]),
        ("[http]\nmax_header_bytes = \"1GiB\"\n", &["http.max_header_bytes", "1 KiB to 64 KiB"]),
        ("[http]\nidle_timeout = \"soon\"\n", &["http.idle_timeout = \"soon\""]),
        ("[http]\nmax_connections = 0\n", &["http.max_connections = 0", "nonzero"]),
        (
            "[http]\ncors_origins = [\"a/b\"]\n",
            &["http.cors_origins", "a/b", "https://example.com"],
        ),
        ("[log]\nkind = \"paper\"\n", &["log.kind = \"paper\"", "`segments` or `kafka`"]),
        ("[store]\nkind = \"paper\"\n", &["store.kind", "`embedded` or `cassandra`"]),
        ("[cache]\nkind = \"paper\"\n", &["cache.kind", "`none` or `redis`"]),
        ("[redis]\naddress = \"r\"\n", &["redis.address = \"r\"", "host:port"]),
        ("[kafka]\nbrokers = [\"a\"]\n", &["kafka.brokers = [\"a\"]", "host:port"]),
        ("[kafka]\nlinger = \"2s\"\n", &["kafka.linger = \"2s\"", "0ns to 1s"]),
        ("[kafka.client]\nacks = \"1\"\n", &["kafka.client.acks = \"1\"", "relies on"]),
        ("[kafka.sasl]\nmechanism = \"X\"\n", &["kafka.sasl.mechanism", "`SCRAM-SHA-256`"]),
        ("[kafka]\nstart_timeout = \"9y\"\n", &["kafka.start_timeout = \"9y\"", "at most 1day"]),
        ("[shutdown]\nfinish_timeout = \"25h\"\n", &["shutdown.finish_timeout", "at most 1day"]),
        ("[cassandra]\nkeyspace = \"A-B\"\n", &["cassandra.keyspace", "a-z"]),
        ("[cassandra]\ncontact_points = [\"a\"]\n", &["cassandra.contact_points", "host:port"]),
        ("[cassandra]\nrequest_timeout = \"0s\"\n", &["request_timeout", "at least 10ms"]),
        ("[segments]\npartitions = \"many\"\n", &["segments.partitions = \"many\"", "u16"]),
        ("[embedded]\nmemtable_size = \"1B\"\n", &["embedded.memtable_size", "1 MiB to 64 MiB"]),
        ("[segments]\npartitions = 0\n", &["segments.partitions = 0", "1 to 1024"]),
        ("[segments]\nsegment_size = \"1B\"\n", &["segments.segment_size", "64 KiB to 1 GiB"]),
        ("[segments]\nreserve = \"1B\"\n", &["segments.reserve", "1 MiB to 1 TiB"]),
        ("[embedded]\nqueue_size = \"1B\"\n", &["embedded.queue_size", "64 KiB to 1 GiB"]),
        ("[worker]\nbatch_records = -1\n", &["worker.batch_records = -1"]),
        ("[worker]\nbatch_records = 0\n", &["worker.batch_records = 0", "nonzero"]),
        ("[worker]\nretry_min = \"0s\"\n", &["worker.retry_min", "above 0"]),
        ("[worker]\nprojections = [\"post\"]\n", &["worker.projections", "`posts`, `analysis`"]),
        ("[telemetry]\nlog_level = \"loud\"\n", &["telemetry.log_level", "off, error, warn"]),
        ("[telemetry]\nlog_format = \"xml\"\n", &["telemetry.log_format", "`auto`, `text`"]),
    ] {
        let message = Given::nothing().file(file).refused(told);
        assert!(message.contains("my.toml"), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    let given = Given::nothing().variable("HUBBUB__SEGMENTS__PARTITIONS", "twelve");
    given.refused(&["segments.partitions = \"twelve\" (from HUBBUB__SEGMENTS__PARTITIONS)", "u16"]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let given = Given::nothing()
        .file("[http]\nlisten = \"x\"\n[segments]\npartitons = 3\n")
        .variable("HUBBUB__DATA__PTAH", "x");
    let message = given.refused(&["http.listen", "segments.partitons", "data.ptah"]);
    assert_eq!(message.lines().count(), 3);
}

#[test]
fn a_file_that_is_no_toml_is_told_with_the_place() {
    let given = Given::nothing().file("[http]\nlisten = 127.0.0.1\n");
    given.refused(&["my.toml is not valid TOML", "line 2"]);
}

#[test]
fn a_file_that_is_not_there_is_told_with_who_named_it() {
    let mut given = Given::nothing();
    given.sources.file = Some("/nowhere/my.toml".into());
    given.refused(&["/nowhere/my.toml (from --config) cannot be read"]);

    let given = Given::nothing().variable("HUBBUB__DATA__PATH_FILE", "/nowhere/path");
    given.refused(&["/nowhere/path (from HUBBUB__DATA__PATH_FILE) cannot be read"]);
}

#[test]
fn a_variable_that_is_no_text_is_told() {
    let given = Given::nothing().variable("HUBBUB__DATA__PATH", OsString::from_vec(vec![0xff]));
    given.refused(&["HUBBUB__DATA__PATH is not UTF-8"]);
}

#[test]
fn two_ports_at_one_address_are_told() {
    let given = Given::nothing().variable("HUBBUB__OPERATIONS__LISTEN", "127.0.0.1:8080");
    given.refused(&["http.listen and operations.listen are both 127.0.0.1:8080"]);
}

#[test]
fn a_value_from_a_file_is_used_and_never_shown() {
    let given = Given::nothing().secret("HUBBUB__DATA__PATH_FILE", "/s3cr3t\n");
    assert_eq!(given.settings().data.path, PathBuf::from("/s3cr3t"));
    let described = given.described();
    assert!(described.contains("path = \"***\"  # HUBBUB__DATA__PATH_FILE"), "{described}");
    assert!(!described.contains("s3cr3t"), "{described}");

    let given = Given::nothing().secret("HUBBUB__HTTP__LISTEN_FILE", "s3cr3t");
    let message = given.refused(&["http.listen = (secret)", "HUBBUB__HTTP__LISTEN_FILE"]);
    assert!(!message.contains("s3cr3t"), "{message}");
}

#[test]
fn what_is_named_as_a_secret_is_not_shown_even_where_it_is_unknown() {
    let given = Given::nothing().variable("HUBBUB__KAFKA__PASSWORD", "s3cr3t");
    let message = given.refused(&["kafka.password = (secret)", "HUBBUB__KAFKA__PASSWORD"]);
    assert!(!message.contains("s3cr3t"), "{message}");
}

/// librdkafka has secrets of its own, whose names we do not know all.
#[test]
fn a_property_of_the_client_comes_from_a_file_too_and_its_keys_are_not_shown() {
    let given = Given::nothing()
        .secret("HUBBUB__KAFKA__CLIENT__SSL_KEY_PASSWORD_FILE", "s3cr3t")
        .variable("HUBBUB__KAFKA__CLIENT__SSL_KEY_PEM", "s3cr3t");
    let client = given.settings().kafka.client;
    assert_eq!((&*client["ssl.key.password"], &*client["ssl.key.pem"]), ("s3cr3t", "s3cr3t"));
    let described = given.described();
    assert!(!described.contains("s3cr3t"), "{described}");
}

#[test]
fn a_value_is_given_once() {
    let given = Given::nothing()
        .variable("HUBBUB__DATA__PATH", "/a")
        .secret("HUBBUB__DATA__PATH_FILE", "/b");
    given.refused(&["HUBBUB__DATA__PATH", "HUBBUB__DATA__PATH_FILE", "both set data.path"]);
}

#[test]
fn the_settings_in_effect_can_be_used_as_a_file() {
    let given = Given::nothing()
        .file("[segments]\npartitions = 3\n")
        .variable("HUBBUB__HTTP__CORS_ORIGINS", "https://a.example");
    let described = given.described();
    assert!(
        described.contains("cors_origins = [\"https://a.example\"]  # HUBBUB__HTTP__CORS_ORIGINS")
    );
    assert!(described.contains("partitions = 3  # "));
    assert!(described.contains("listen = \"127.0.0.1:8080\"\n"), "a default stands alone");

    let again = Given::nothing().file(&described);
    assert_eq!(format!("{:?}", again.settings()), format!("{:?}", given.settings()));
}

/// The file is the documentation of the settings: each has a comment or follows one.
#[test]
fn every_section_of_the_defaults_is_explained() {
    let mut explained = false;
    for line in hubbub::settings::DEFAULTS.lines() {
        if line.starts_with('[') {
            assert!(explained, "{line} has no comment before it");
        }
        explained = line.starts_with('#') || (explained && line.is_empty());
    }
}

#[test]
fn a_role_of_a_fleet_has_ports_of_its_own_and_shares_its_log_and_store() {
    let role = |role| {
        let mut given = Given::nothing()
            .variable("HUBBUB__LOG__KIND", "kafka")
            .variable("HUBBUB__STORE__KIND", "cassandra");
        given.sources.role = role;
        given
    };
    for (one, api, operations) in [
        (Role::AllInOne, "127.0.0.1:8080", "127.0.0.1:9080"),
        (Role::Ingest, "127.0.0.1:8081", "127.0.0.1:9081"),
        (Role::Query, "127.0.0.1:8082", "127.0.0.1:9082"),
        (Role::Worker, "127.0.0.1:8080", "127.0.0.1:9083"),
    ] {
        let settings = role(one).settings();
        assert_eq!(settings.role, one);
        assert_eq!(settings.http.listen.to_string(), api);
        assert_eq!(settings.operations.listen.to_string(), operations);
    }
    let told = role(Role::Ingest).variable("HUBBUB__HTTP__LISTEN", "127.0.0.1:80").settings();
    assert_eq!(told.http.listen.to_string(), "127.0.0.1:80");

    let halved = Given::nothing().variable("HUBBUB__LOG__KIND", "kafka");
    halved.refused(&[
        "log.kind is \"kafka\"",
        "store.kind is \"embedded\"",
        "\"cassandra\" is allowed",
    ]);

    for one in [Role::Ingest, Role::Query, Role::Worker] {
        let mut alone = Given::nothing();
        alone.sources.role = one;
        alone.refused(&[one.as_str(), "log.kind is \"segments\"", "\"kafka\" is allowed"]);
        let alone = alone.variable("HUBBUB__LOG__KIND", "kafka");
        alone.refused(&[one.as_str(), "store.kind is \"embedded\"", "\"cassandra\" is allowed"]);
    }
}

#[test]
fn projections_on_the_command_line_win() {
    let mut given = Given::nothing().variable("HUBBUB__WORKER__PROJECTIONS", "posts,likes");
    given.sources.projections = Some(vec![ProjectionName::Analysis]);
    assert!(given.settings().worker.projections.into_iter().eq([ProjectionName::Analysis]));
    assert!(given.described().contains("projections = [\"analysis\"]  # --projections"));
}

#[test]
fn properties_of_the_kafka_client_are_passed_on_by_their_names() {
    let given = Given::nothing()
        .file("[kafka.client]\n\"socket.nagle.disable\" = \"true\"\n")
        .variable("HUBBUB__KAFKA__CLIENT__CLIENT_RACK", "b");
    let client = given.settings().kafka.client;
    let properties: Vec<_> = client.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(properties, [("client.rack", "b"), ("socket.nagle.disable", "true")]);
}

#[test]
fn what_does_not_go_together_is_told_for_every_server() {
    for (file, told) in [
        ("[kafka.sasl]\nmechanism = \"PLAIN\"\n", "kafka.sasl.password"),
        ("[kafka.tls]\nca_file = \"ca.pem\"\n", "kafka.tls.enabled = true"),
        ("[cassandra]\nusername = \"hubbub\"\n", "cassandra.password"),
        ("[redis.tls]\nca_file = \"ca.pem\"\n", "redis.tls.enabled = true"),
        ("[cassandra.tls]\nca_file = \"ca.pem\"\n", "cassandra.tls.enabled = true"),
    ] {
        Given::nothing().file(file).refused(&["do not fit together", told]);
    }
    let given = Given::nothing()
        .file("[kafka.sasl]\nmechanism = \"SCRAM-SHA-512\"\nusername = \"hubbub\"\n")
        .secret("HUBBUB__KAFKA__SASL__PASSWORD_FILE", "a secret\n");
    assert!(!given.described().contains("a secret"));
    assert!(!format!("{:?}", given.settings()).contains("a secret"));
}
