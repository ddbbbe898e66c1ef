//! A Cassandra of one test's own, from what `scripts/stack` fetched.

use std::{fs, path::Path, process::Command};

use super::{Server, folder, free_port, jars, read, recipe, write};

/// How the stack's node writes its log: what it has acknowledged in the tenth of a second before it is killed, it does not
/// replay (CASSANDRA-13987), …
const PERIODIC: &str = "commitlog_sync: periodic\ncommitlog_sync_period: 10000ms\n";
/// … and how one does that is to be killed, and has no copies.
const DURABLE: &str = "commitlog_sync: group\ncommitlog_sync_group_window: 10ms\n";

/// One node that is as the stack's, but that it keeps what it has acknowledged, with further settings in YAML.
///
/// # Panics
/// Where it does not start.
#[must_use]
pub fn start(settings: &str) -> Server {
    let (folder, port, storage) = (folder(), free_port(), free_port());
    let yaml = read(&recipe("cassandra").join("cassandra.yaml"))
        .replace("@PORT@", &port.to_string())
        .replace("@STORAGE_PORT@", &storage.to_string())
        .replace("@DATA@", &folder.path().display().to_string())
        .replace(PERIODIC, DURABLE);
    assert!(yaml.contains(DURABLE), "the recipe's commit log is not as it was");
    write(&folder.path().join("cassandra.yaml"), &format!("{yaml}\n{settings}"));
    Server::start(port, folder, command)
}

fn command(folder: &Path) -> Command {
    let (recipe, jars) = (recipe("cassandra"), jars("cassandra"));
    let entries = fs::read_dir(&jars).into_iter().flatten().flatten();
    let mut paths = entries.map(|entry| entry.path().display().to_string());
    let jamm = paths.find(|path| path.contains("/jamm-")).unwrap_or_default();
    let mut command = Command::new("java");
    command
        .arg(format!("@{}", recipe.join("jvm.options").display()))
        .args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .arg(format!("-javaagent:{jamm}"))
        .arg(format!("-Dcassandra.config=file://{}", folder.join("cassandra.yaml").display()))
        .arg(format!("-Dcassandra.storagedir={}", folder.display()))
        .arg("-Dcassandra.superuser_setup_delay_ms=0")
        .arg(format!("-Dlogback.configurationFile={}", recipe.join("logback.xml").display()))
        .args(["-cp", &format!("{}/*", jars.display())])
        .arg("org.apache.cassandra.service.CassandraDaemon");
    command
}
