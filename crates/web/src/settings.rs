//! What an operator may set about a port.

use std::{fmt, net::SocketAddr, num::NonZeroUsize, str::FromStr, time::Duration};

use bytesize::ByteSize;
use http::{HeaderValue, Uri};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The settings of one port. Every field is required: the defaults live in the settings file that ships with hubbub.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Connections served at a time. Further ones wait in the kernel's queue.
    pub max_connections: NonZeroUsize,
    /// The longest a request's header may take, from its first byte (or from the connection's start) to its last.
    #[serde(with = "duration")]
    pub header_timeout: Duration,
    /// The longest wait for the next byte of a request's body.
    #[serde(with = "duration")]
    pub body_idle_timeout: Duration,
    /// The longest a whole request may take to arrive, from its first byte to the last of its body.
    #[serde(with = "duration")]
    pub request_timeout: Duration,
    /// How long a connection may stay without a request, and how long a client may take no byte of its answer.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,
    /// The largest request header, request line included; 1 KiB to 64 KiB.
    #[serde(deserialize_with = "header_size")]
    pub max_header_bytes: ByteSize,
    /// The largest body of a JSON request. Routes that read larger bodies name their own limit.
    pub max_body_bytes: ByteSize,
    /// Bytes of request bodies held at a time, all requests together. Beyond it requests are refused with 503.
    pub max_body_memory: ByteSize,
    /// Web origins whose pages may call this port (`https://example.com`, or `*`); none by default.
    pub cors_origins: Vec<Origin>,
}

fn header_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    let size = ByteSize::deserialize(deserializer)?;
    if (ByteSize::kib(1)..=ByteSize::kib(64)).contains(&size) {
        return Ok(size);
    }
    Err(de::Error::custom(format_args!("{size} is not allowed: a header limit is 1 KiB to 64 KiB")))
}

/// Durations as people write them (`15s`, `2m`), above zero: a timeout of zero would refuse everything.
mod duration {
    use super::{Deserializer, Duration, Serializer, de};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        let duration: Duration = humantime_serde::deserialize(d)?;
        if duration.is_zero() {
            return Err(de::Error::custom(
                "0s is not allowed: a timeout is longer than zero, such as 5s",
            ));
        }
        Ok(duration)
    }

    pub(super) fn serialize<S: Serializer>(duration: &Duration, s: S) -> Result<S::Ok, S::Error> {
        humantime_serde::serialize(duration, s)
    }
}

/// A web origin in the form that browsers send, `scheme://host[:port]`, or `*` for any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl Origin {
    /// Whether this is `*`.
    pub(crate) fn is_any(&self) -> bool {
        self.0 == "*"
    }

    pub(crate) fn header_value(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// Text that is no web origin.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not a web origin: write `*`, or a scheme and host without a path, such as `https://example.com`"
)]
pub struct OriginError(String);

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let refused = || OriginError(text.to_owned());
        let value = HeaderValue::from_str(text).map_err(|_| refused())?;
        if text == "*" {
            return Ok(Self(value));
        }
        let uri: Uri = text.parse().map_err(|_| refused())?;
        let scheme = uri.scheme_str().filter(|s| matches!(*s, "http" | "https"));
        let (Some(scheme), Some(authority)) = (scheme, uri.authority()) else {
            return Err(refused());
        };
        // Browsers send nothing behind the authority, so an origin with a path could never match.
        if text != format!("{scheme}://{authority}") || authority.as_str().contains('@') {
            return Err(refused());
        }
        Ok(Self(value))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
