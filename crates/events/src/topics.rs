//! The topics of the log, and which partition of one a key belongs to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A topic of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Topic {
    /// What happens to posts; the key is the post's id.
    Posts,
    /// Records that a projection could not fold; key and value as in their source.
    DeadLetters,
}

impl Topic {
    /// Every topic, in the order in which they are created.
    pub const ALL: [Self; 2] = [Self::Posts, Self::DeadLetters];

    /// The name without the generation, as the tables hold it: `hubbub.posts`.
    #[must_use]
    pub const fn stem(self) -> &'static str {
        match self {
            Self::Posts => "hubbub.posts",
            Self::DeadLetters => "hubbub.dead-letters",
        }
    }

    /// The number in the topic's name. A topic that is made anew, with other
    /// partitions say, is a new generation; its positions come after all older ones.
    #[must_use]
    pub const fn generation(self) -> i32 {
        1
    }

    /// The topic of a stem and a generation, if this build knows it.
    #[must_use]
    pub fn find(stem: &str, generation: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.stem() == stem && topic.generation() == generation)
    }
}

/// The name in the log: `hubbub.posts.v1`.
impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.v{}", self.stem(), self.generation())
    }
}

/// The partition of a key among `partitions`: murmur2 as the Java client's default
/// partitioner computes it, so that every writer of the topic agrees.
#[must_use]
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    (murmur2(key) & 0x7fff_ffff) as i32 % partitions.max(1)
}

/// MurmurHash2, 32 bits, with the seed of `org.apache.kafka.common.utils.Utils`.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash: u32 = 0x9747_b28c ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (i, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn murmur2_agrees_with_the_java_client() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn a_topic_is_found_by_what_the_tables_hold() {
        for topic in Topic::ALL {
            assert_eq!(Topic::find(topic.stem(), topic.generation()), Some(topic));
        }
        assert_eq!(Topic::find("hubbub.posts", 2), None);
    }
}
