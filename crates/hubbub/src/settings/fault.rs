//! What can be wrong with settings, as an operator reads it.

use std::{fmt, io, path::PathBuf};

/// Who set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The settings file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A file that an environment variable names: its value is a secret.
    Secret {
        /// The variable.
        variable: String,
        /// The file.
        path: PathBuf,
    },
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Secret { variable, path } => write!(f, "{variable}, {}", path.display()),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One value that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its name, with dots: `http.listen`.
    pub key: String,
    /// The value as it was given; none where it is a secret.
    pub value: Option<String>,
    /// Who set it.
    pub origin: Origin,
    /// What is wrong, and what is allowed.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, origin, problem } = self;
        let value = value.as_deref().unwrap_or("(secret)");
        write!(f, "{key} = {value} (from {origin}): {problem}")
    }
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file with settings, or with one value, cannot be read.
    #[error("{} (from {origin}) cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Who named it.
        origin: String,
        /// What the system said.
        source: io::Error,
    },
    /// The settings file is not TOML.
    #[error("{} is not valid TOML: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where, and why.
        problem: String,
    },
    /// A variable is not text.
    #[error("the variable {0} is not UTF-8")]
    NotText(String),
    /// Values that are not allowed.
    #[error("{}", listed(.0))]
    Faults(Vec<Fault>),
    /// Values that are allowed, but not together.
    #[error("these settings do not fit together: {0}")]
    Conflict(String),
}

fn listed(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
}
