//! The layers of settings: each value that somebody set, on top of the defaults.
//!
//! The defaults name every key and show the type of its value. So they tell a misspelt
//! key from a known one, and how to read a variable, which is only text.

use std::{collections::BTreeMap, ffi::OsString, fs, path::Path, time::Duration};

use toml::{Table, Value};

use super::{DEFAULTS, Fault, Origin, Role, Settings, SettingsError, Sources};

const PREFIX: &str = "HUBBUB__";
const FILE_SUFFIX: &str = "_file";
/// How the names of secrets end, librdkafka's among them: `ssl.key.pem`,
/// `sasl.oauthbearer.config`.
const SECRETS: [&str; 5] = ["password", "secret", "token", ".pem", ".config"];
/// A time that is longer is a mistake; and far longer ones are none that a clock can tell.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// One value that somebody set.
#[derive(Debug, Clone)]
struct Override {
    path: Vec<String>,
    value: Value,
    origin: Origin,
}

/// The defaults and the values over them; a later one wins.
#[derive(Debug, Clone)]
pub struct Layers {
    role: Role,
    defaults: Table,
    overrides: Vec<Override>,
}

impl Layers {
    /// Reads all layers.
    ///
    /// # Errors
    /// Where a file cannot be read or a variable is not text. Values are checked by
    /// [`Layers::settings`].
    pub fn read(sources: &Sources) -> Result<Self, SettingsError> {
        let mut defaults = parse(Path::new("hubbub.toml"), DEFAULTS)?;
        for (section, address) in sources.role.ports() {
            let path = [(*section).to_owned(), "listen".to_owned()];
            put(&mut defaults, &path, Value::String((*address).to_owned()));
        }
        let mut overrides = Vec::new();
        if let Some(path) = &sources.file {
            let text = read_to_string(path, "--config")?;
            let origin = Origin::File(path.clone());
            let mut leaves = Leaves { defaults: &defaults, origin, found: Vec::new() };
            leaves.collect(parse(path, &text)?, &mut Vec::new());
            overrides.append(&mut leaves.found);
        }
        overrides.extend(variables(&sources.variables, &defaults)?);
        let mut flag = |section: &str, name: &str, value, flag| {
            let path = vec![section.to_owned(), name.to_owned()];
            overrides.push(Override { path, value, origin: Origin::Flag(flag) });
        };
        if let Some(data) = &sources.data {
            flag("data", "path", Value::String(data.display().to_string()), "--data");
        }
        if let Some(projections) = &sources.projections {
            let names = projections.iter().map(|name| Value::String(name.as_str().to_owned()));
            flag("worker", "projections", Value::Array(names.collect()), "--projections");
        }
        Ok(Self { role: sources.role, defaults, overrides })
    }

    /// The settings that are in effect.
    ///
    /// # Errors
    /// Every value that is not allowed.
    pub fn settings(&self) -> Result<Settings, SettingsError> {
        let faults: Vec<_> = self.overrides.iter().filter_map(|set| self.fault(set)).collect();
        if !faults.is_empty() {
            return Err(SettingsError::Faults(faults));
        }
        let conflict = |problem: String| SettingsError::Conflict(problem);
        let settings = Settings { role: self.role, ..typed(self.merged()).map_err(conflict)? };
        let (api, operations) = (settings.http.listen, settings.operations.listen);
        let serves_both = self.role.ingests() || self.role.queries();
        if serves_both && api == operations && api.port() != 0 {
            return Err(conflict(format!("http.listen and operations.listen are both {api}")));
        }
        let servers = [settings.kafka.check(), settings.cassandra.check(), settings.redis.check()];
        servers.into_iter().collect::<Result<(), _>>().map_err(conflict)?;
        self.role.problem(&settings).map_or(Ok(settings), |problem| Err(conflict(problem)))
    }

    /// The settings in effect as TOML, each that differs from its default with its
    /// origin, and without secrets.
    ///
    /// # Errors
    /// As [`Layers::settings`].
    pub fn describe(&self) -> Result<String, SettingsError> {
        self.settings()?;
        let origins = self.overrides.iter().map(|set| (set.path.join("."), set)).collect();
        let mut text = String::new();
        write_table(&self.merged(), "", &origins, &mut text);
        Ok(text.trim_start().to_owned())
    }

    fn merged(&self) -> Table {
        let mut merged = self.defaults.clone();
        for set in &self.overrides {
            put(&mut merged, &set.path, set.value.clone());
        }
        merged
    }

    /// What is wrong with a value by itself: known by trying it alone on the defaults,
    /// which names it exactly, however deep serde was when it gave up.
    fn fault(&self, set: &Override) -> Option<Fault> {
        let problem = match self.check_name(&set.path) {
            Err(problem) => problem,
            Ok(()) if is_too_long(&set.value, get(&self.defaults, &set.path)) => {
                format!("a time is at most {}", humantime::format_duration(LONGEST))
            }
            Ok(()) => {
                let mut alone = self.defaults.clone();
                put(&mut alone, &set.path, set.value.clone());
                typed(alone).and_then(|settings| settings.kafka.check_values()).err()?
            }
        };
        let is_secret = is_secret(set);
        Some(Fault {
            key: set.path.join("."),
            value: (!is_secret).then(|| set.value.to_string()),
            origin: set.origin.clone(),
            problem: if is_secret { "the value is not allowed".to_owned() } else { problem },
        })
    }

    /// Whether there is such a setting; or what could stand there instead.
    fn check_name(&self, path: &[String]) -> Result<(), String> {
        let mut table = &self.defaults;
        for (depth, name) in path.iter().enumerate() {
            let is_last = depth + 1 == path.len();
            match table.get(name) {
                Some(Value::Table(section)) if !is_last => table = section,
                None if is_last && is_open(table) => return Ok(()),
                Some(Value::Table(_)) => return Err(format!("[{}] is a section", path.join("."))),
                Some(_) if is_last => return Ok(()),
                _ => {
                    let known: Vec<_> = table.keys().map(String::as_str).collect();
                    let of = match depth {
                        0 => "the sections are".to_owned(),
                        _ => format!("the settings of [{}] are", path[..depth].join(".")),
                    };
                    return Err(format!("there is no such setting: {of} {}", known.join(", ")));
                }
            }
        }
        Err("the name is empty".to_owned())
    }
}

fn typed(table: Table) -> Result<Settings, String> {
    table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())
}

fn parse(path: &Path, text: &str) -> Result<Table, SettingsError> {
    text.parse().map_err(|error: toml::de::Error| SettingsError::Syntax {
        path: path.to_owned(),
        problem: error.to_string(),
    })
}

fn read_to_string(path: &Path, origin: &str) -> Result<String, SettingsError> {
    fs::read_to_string(path).map_err(|source| SettingsError::Unreadable {
        path: path.to_owned(),
        origin: origin.to_owned(),
        source,
    })
}

/// Every value of a file with its path.
struct Leaves<'a> {
    defaults: &'a Table,
    origin: Origin,
    found: Vec<Override>,
}

impl Leaves<'_> {
    fn collect(&mut self, table: Table, path: &mut Vec<String>) {
        for (name, value) in table {
            path.push(name);
            match value {
                Value::Table(section) if !section.is_empty() => self.collect(section, path),
                // An empty section says nothing, but its name may be misspelt.
                Value::Table(_) if get(self.defaults, path).is_some() => {}
                value => {
                    let origin = self.origin.clone();
                    self.found.push(Override { path: path.clone(), value, origin });
                }
            }
            path.pop();
        }
    }
}

fn variables(
    variables: &[(OsString, OsString)],
    defaults: &Table,
) -> Result<Vec<Override>, SettingsError> {
    let mut found = BTreeMap::new();
    for (name, text) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        let text = text.to_str().ok_or_else(|| SettingsError::NotText(name.to_owned()))?;
        let key = name[PREFIX.len()..].to_ascii_lowercase();
        let mut path: Vec<_> = key.split("__").map(str::to_owned).collect();
        if let Some((last, section)) = path.split_last_mut()
            && get(defaults, section).and_then(Value::as_table).is_some_and(is_open)
        {
            let (name, of_file) = match last.strip_suffix(FILE_SUFFIX) {
                Some(name) => (name, FILE_SUFFIX),
                None => (last.as_str(), ""),
            };
            *last = format!("{}{of_file}", name.replace('_', "."));
        }
        let set = match secret_path(&path, defaults) {
            Some(path) => {
                let origin = Origin::Secret { variable: name.to_owned(), path: text.into() };
                let text = read_to_string(Path::new(text), name)?;
                let value = value_of(text.trim_end_matches(['\r', '\n']), get(defaults, &path));
                Override { path, value, origin }
            }
            None => {
                let value = value_of(text, get(defaults, &path));
                Override { path, value, origin: Origin::Variable(name.to_owned()) }
            }
        };
        if let Some(other) = found.insert(set.path.clone(), set) {
            let set = other.path.join(".");
            let (one, other) = (name, other.origin);
            return Err(SettingsError::Conflict(format!("{one} and {other} both set {set}")));
        }
    }
    Ok(found.into_values().collect())
}

/// Whether a section takes any name: its names are another program's, with dots.
fn is_open(section: &Table) -> bool {
    section.is_empty()
}

/// The setting that `..._FILE` is a file for, unless that is a setting itself.
fn secret_path(path: &[String], defaults: &Table) -> Option<Vec<String>> {
    if get(defaults, path).is_some() {
        return None;
    }
    let (last, sections) = path.split_last()?;
    let mut path = sections.to_vec();
    path.push(last.strip_suffix(FILE_SUFFIX)?.to_owned());
    Some(path)
}

/// A variable's text as a value of the type that the default has. What is not of that
/// type stays text, and is refused with all other values.
fn value_of(text: &str, default: Option<&Value>) -> Value {
    let as_text = || Value::String(text.to_owned());
    match default {
        Some(Value::Integer(_)) => text.trim().parse().map_or_else(|_| as_text(), Value::Integer),
        Some(Value::Boolean(_)) => text.trim().parse().map_or_else(|_| as_text(), Value::Boolean),
        Some(Value::Array(_)) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
        _ => as_text(),
    }
}

/// Whether a value is a time, as its default is, and longer than is allowed.
fn is_too_long(value: &Value, default: Option<&Value>) -> bool {
    let time = |value: &Value| humantime::parse_duration(value.as_str()?).ok();
    default.and_then(time).is_some() && time(value).is_some_and(|time| time > LONGEST)
}

/// Whether a value must not be shown.
fn is_secret(set: &Override) -> bool {
    let by_name = set
        .path
        .last()
        .is_some_and(|name| SECRETS.iter().any(|word| name.to_ascii_lowercase().ends_with(word)));
    by_name || matches!(set.origin, Origin::Secret { .. })
}

fn get<'a>(table: &'a Table, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let value = table.get(first)?;
    if rest.is_empty() { Some(value) } else { get(value.as_table()?, rest) }
}

fn put(table: &mut Table, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => {
            table.insert(last.clone(), value);
        }
        [section, rest @ ..] => {
            let section = table.entry(section.clone()).or_insert_with(|| Table::new().into());
            if let Value::Table(section) = section {
                put(section, rest, value);
            }
        }
    }
}

/// Writes a table, the values before the sections.
fn write_table(table: &Table, path: &str, origins: &BTreeMap<String, &Override>, to: &mut String) {
    let of = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for (name, value) in table.iter().filter(|(_, value)| !value.is_table()) {
        *to += &match origins.get(&of(name)) {
            None => format!("{name} = {value}\n"),
            Some(set) if is_secret(set) => format!("{name} = \"***\"  # {}\n", set.origin),
            Some(set) => format!("{name} = {value}  # {}\n", set.origin),
        };
    }
    for (name, value) in table {
        if let Value::Table(section) = value {
            let path = of(name);
            *to += &format!("\n[{path}]\n");
            write_table(section, &path, origins, to);
        }
    }
}
