//! What an engine depends on.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Everything that an engine depends on. If a part differs, so does the digest, and the engine is built anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// [`super::model_digest`] of the model file.
    pub model: String,
    /// The library that builds engines, and its version.
    pub builder: String,
    /// The GPU's architecture and name, or the range of GPUs that the engine is made for.
    pub device: String,
    /// Version of the GPU's driver.
    pub driver: String,
    /// Arithmetic.
    pub precision: String,
    /// Shapes that it is made for.
    pub profile: String,
    /// What else the builder was told.
    pub flags: String,
}

impl Key {
    fn parts(&self) -> [(&'static str, &str); 7] {
        [
            ("model", &self.model),
            ("builder", &self.builder),
            ("device", &self.device),
            ("driver", &self.driver),
            ("precision", &self.precision),
            ("profile", &self.profile),
            ("flags", &self.flags),
        ]
    }

    /// SHA-256 of all parts, in hexadecimal digits. Each part goes in with its length, so that no two keys run together.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (_, value) in self.parts() {
            hash.update((value.len() as u64).to_le_bytes());
            hash.update(value);
        }
        hex(&hash.finalize())
    }

    /// The parts in which an engine of key `then` is another one, for people: "driver: 570.1, now 580.2".
    pub fn differences(&self, then: &Self) -> Vec<String> {
        let pairs = self.parts().into_iter().zip(then.parts());
        pairs
            .filter(|((_, now), (_, then))| now != then)
            .map(|((part, now), (_, then))| format!("{part}: {then}, now {now}"))
            .collect()
    }
}

/// Bytes in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let base = Key::default();
        let change: [fn(&mut Key); 7] = [
            |key| key.model.push('x'),
            |key| key.builder.push('x'),
            |key| key.device.push('x'),
            |key| key.driver.push('x'),
            |key| key.precision.push('x'),
            |key| key.profile.push('x'),
            |key| key.flags.push('x'),
        ];
        let mut digests: Vec<_> = change
            .into_iter()
            .map(|change| {
                let mut key = base.clone();
                change(&mut key);
                assert_eq!(key.differences(&base).len(), 1);
                key.digest()
            })
            .chain([base.digest()])
            .collect();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 8);
    }

    #[test]
    fn parts_do_not_run_together() {
        let key = |builder: &str, device: &str| Key {
            builder: builder.to_owned(),
            device: device.to_owned(),
            ..Key::default()
        };
        assert_ne!(key("a", "bc").digest(), key("ab", "c").digest());
    }

    #[test]
    fn people_see_what_differs() {
        let then = Key { driver: "570.1".to_owned(), ..Key::default() };
        let now = Key { driver: "580.2".to_owned(), ..Key::default() };
        assert_eq!(now.differences(&then), ["driver: 570.1, now 580.2"]);
    }
}
