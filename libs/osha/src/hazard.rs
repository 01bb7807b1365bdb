//! What can be wrong with a person's protection.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A hazard that a detector can show on a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hazard {
    /// No hard hat on the head.
    NoHardHat,
    /// No high-visibility vest.
    NoSafetyVest,
    /// No eye or face protection.
    NoGoggles,
    /// Bare hands.
    NoGloves,
    /// No protective footwear.
    NoBoots,
    /// No mask or respirator.
    NoMask,
    /// No fall-arrest harness.
    NoHarness,
    /// No ear protection.
    NoEarProtection,
    /// A person who fell or lies on the ground.
    Fall,
}

impl Hazard {
    /// Every hazard, in the order in which reports list them.
    pub const ALL: [Self; 9] = [
        Self::NoHardHat,
        Self::NoSafetyVest,
        Self::NoGoggles,
        Self::NoGloves,
        Self::NoBoots,
        Self::NoMask,
        Self::NoHarness,
        Self::NoEarProtection,
        Self::Fall,
    ];

    /// Its name in site files and events.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoHardHat => "no_hard_hat",
            Self::NoSafetyVest => "no_safety_vest",
            Self::NoGoggles => "no_goggles",
            Self::NoGloves => "no_gloves",
            Self::NoBoots => "no_boots",
            Self::NoMask => "no_mask",
            Self::NoHarness => "no_harness",
            Self::NoEarProtection => "no_ear_protection",
            Self::Fall => "fall",
        }
    }

    /// The equipment that averts it, e.g. `hard_hat`; of a fall, `fall`.
    pub fn equipment(self) -> &'static str {
        let name = self.name();
        name.strip_prefix("no_").unwrap_or(name)
    }

    /// The hazard of that name, or the one that equipment of that name averts.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hazard| hazard.name() == name || hazard.equipment() == name)
    }

    /// Where on a standing person its equipment is found.
    pub(crate) fn region(self) -> Region {
        match self {
            Self::NoHardHat | Self::NoGoggles | Self::NoMask | Self::NoEarProtection => Region::HEAD,
            Self::NoSafetyVest | Self::NoHarness => Region::TORSO,
            Self::NoBoots => Region::FEET,
            Self::NoGloves => Region::HANDS,
            Self::Fall => Region::BODY,
        }
    }
}

impl fmt::Display for Hazard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A band of a person's box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Region {
    /// Upper limit for an item's centre, in heights of the person below the box's top.
    pub top: f32,
    /// Lower limit, likewise.
    pub bottom: f32,
    /// How many such items one person has.
    pub places: usize,
    /// The part that has to be visible before a missing item means anything: from and to, in heights of the person.
    pub core: (f32, f32),
}

impl Region {
    const HEAD: Self = Self { top: -0.15, bottom: 0.4, places: 1, core: (0.0, 0.18) };
    const TORSO: Self = Self { top: 0.05, bottom: 0.8, places: 1, core: (0.2, 0.55) };
    const HANDS: Self = Self { top: 0.0, bottom: 0.9, places: 2, core: (0.35, 0.6) };
    const FEET: Self = Self { top: 0.6, bottom: 1.15, places: 2, core: (0.88, 1.0) };
    const BODY: Self = Self { top: -0.15, bottom: 1.15, places: 1, core: (0.0, 1.0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_serialised_ones() {
        for hazard in Hazard::ALL {
            assert_eq!(serde_json::to_value(hazard).unwrap(), hazard.name());
        }
    }

    #[test]
    fn the_list_is_complete_and_in_order() {
        assert!(Hazard::ALL.is_sorted());
        assert_eq!(Hazard::ALL.last(), Some(&Hazard::Fall));
        assert_eq!(Hazard::ALL.len(), Hazard::Fall as usize + 1);
    }
}
