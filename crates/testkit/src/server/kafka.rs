//! A Kafka of one test's own, from what `scripts/stack` fetched: a broker that is its own controller.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{Server, folder, free_port, read, recipe, write};

const PROPERTIES: &str = "server.properties";

/// One that takes anybody's word, as that of the stack.
///
/// # Panics
/// Where it does not start.
#[must_use]
pub fn start() -> Server {
    start_with(&[], &[], |_| {})
}

/// One with other properties than the stack's, a folder made ready for it, and further arguments to the command that
/// formats its data.
///
/// # Panics
/// Where it does not start.
#[must_use]
pub fn start_with(
    properties: &[(&str, &str)],
    format: &[&str],
    prepare: impl FnOnce(&Path),
) -> Server {
    let (folder, port, controller) = (folder(), free_port(), free_port());
    prepare(folder.path());
    let fill = |text: &str| {
        text.replace("@PORT@", &port.to_string())
            .replace("@CONTROLLER_PORT@", &controller.to_string())
            .replace("@DATA@", &folder.path().join("data").display().to_string())
            .replace("@FOLDER@", &folder.path().display().to_string())
    };
    let mut text = fill(&read(&recipe("kafka").join(PROPERTIES)));
    for (name, value) in properties {
        // Of a property that is given twice the last one counts.
        text.push_str(&format!("\n{name}={}", fill(value)));
    }
    write(&folder.path().join(PROPERTIES), &text);
    let formatted = java(folder.path(), "kafka.tools.StorageTool")
        .args(["format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", PROPERTIES])
        .args(format)
        .output();
    let formatted = formatted.unwrap_or_else(|error| panic!("java cannot be run: {error}"));
    assert!(
        formatted.status.success(),
        "{}{}",
        String::from_utf8_lossy(&formatted.stdout),
        String::from_utf8_lossy(&formatted.stderr)
    );
    Server::start(port, folder, |folder| {
        let mut command = java(folder, "kafka.Kafka");
        command.arg(PROPERTIES);
        command
    })
}

impl Server {
    /// The file of a broker in which a partition lies.
    #[must_use]
    pub fn segment(&self, topic: &str, partition: i32) -> PathBuf {
        self.folder().join(format!("data/{topic}-{partition}/00000000000000000000.log"))
    }
}

/// The Java libraries that Kafka is made of, as a class path.
///
/// # Panics
/// Where they were not fetched.
#[must_use]
pub fn jars() -> String {
    format!("{}/*", super::jars("kafka").display())
}

fn java(folder: &Path, class: &str) -> Command {
    let log = recipe("kafka").join("log4j2.properties");
    let mut command = Command::new("java");
    command
        .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", &jars()])
        .arg(format!("-Dlog4j2.configurationFile={}", log.display()))
        .arg(class)
        .current_dir(folder);
    command
}
