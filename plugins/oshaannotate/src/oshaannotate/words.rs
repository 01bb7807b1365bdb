//! The words on the frame, in every language.

use std::borrow::Cow;

use osha::standards::{Basis, Severity};

use super::options::Language;

/// The words of one language.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    language: Language,
    /// A person, before a number.
    pub person: &'static str,
    /// A person without a number.
    pub somebody: &'static str,
    /// The place as a whole.
    pub place: &'static str,
    /// A finding that a person has to look at.
    pub review: &'static str,
    /// A citation whose conditions the site does not declare.
    presumed: &'static str,
    /// What was left out; `{}` becomes a number.
    pub more: &'static str,
    /// A finding that is not confirmed yet.
    pub suspected: &'static str,
    severities: [&'static str; 4],
}

const ENGLISH: Words = Words {
    language: Language::English,
    person: "Person",
    somebody: "Somebody",
    place: "Site",
    review: "needs review",
    presumed: "presumed",
    more: "+ {} more",
    suspected: "suspected",
    severities: ["low", "medium", "high", "critical"],
};

const GERMAN: Words = Words {
    language: Language::German,
    person: "Person",
    somebody: "Jemand",
    place: "Ort",
    review: "zu prüfen",
    presumed: "vermutet",
    more: "+ {} weitere",
    suspected: "Verdacht",
    severities: ["gering", "mittel", "hoch", "kritisch"],
};

const SPANISH: Words = Words {
    language: Language::Spanish,
    person: "Persona",
    somebody: "Alguien",
    place: "Obra",
    review: "por revisar",
    presumed: "presunta",
    more: "+ {} más",
    suspected: "sospecha",
    severities: ["leve", "media", "grave", "crítica"],
};

const FRENCH: Words = Words {
    language: Language::French,
    person: "Personne",
    somebody: "Quelqu’un",
    place: "Site",
    review: "à vérifier",
    presumed: "présumé",
    more: "+ {} autres",
    suspected: "suspecté",
    severities: ["faible", "moyenne", "élevée", "critique"],
};

/// A built-in rule or kind of rule in English, German, Spanish and French.
const RULES: [(&str, [&str; 4]); 21] = [
    ("no_hard_hat", ["no hard hat", "kein Schutzhelm", "sin casco", "sans casque"]),
    ("no_safety_vest", ["no safety vest", "keine Warnweste", "sin chaleco", "sans gilet"]),
    ("no_goggles", ["no eye protection", "kein Augenschutz", "sin gafas", "sans lunettes"]),
    ("no_gloves", ["no gloves", "keine Handschuhe", "sin guantes", "sans gants"]),
    ("no_boots", ["no safety shoes", "keine Schutzschuhe", "sin botas", "sans chaussures"]),
    ("no_mask", ["no respirator", "kein Atemschutz", "sin mascarilla", "sans masque"]),
    ("no_harness", ["no harness", "kein Auffanggurt", "sin arnés", "sans harnais"]),
    (
        "no_ear_protection",
        ["no ear protection", "kein Gehörschutz", "sin protección auditiva", "sans protection auditive"],
    ),
    ("fall", ["person down", "Person am Boden", "persona caída", "personne à terre"]),
    ("ppe_missing", ["equipment missing", "Ausrüstung fehlt", "falta equipo", "équipement manquant"]),
    ("in_zone", ["in a closed zone", "im gesperrten Bereich", "en zona prohibida", "en zone interdite"]),
    ("too_near", ["too near a machine", "zu nah an Maschine", "cerca de máquina", "trop près d’un engin"]),
    ("under_load", ["under a load", "unter einer Last", "bajo una carga", "sous une charge"]),
    ("unprotected_edge", ["at an open edge", "an offener Kante", "en borde abierto", "au bord du vide"]),
    ("crowding", ["too many people", "zu viele Personen", "demasiada gente", "trop de monde"]),
    ("blocked", ["way blocked", "Weg versperrt", "paso bloqueado", "passage bloqué"]),
    ("fire_smoke", ["fire or smoke", "Feuer oder Rauch", "fuego o humo", "feu ou fumée"]),
    ("fallen", ["person down", "Person am Boden", "persona caída", "personne à terre"]),
    ("vehicle_without_spotter", ["no spotter", "kein Einweiser", "sin guía", "sans guide"]),
    (
        "ladder_scaffold",
        ["ladder misuse", "Leiter falsch benutzt", "mal uso de escalera", "échelle mal utilisée"],
    ),
    ("site policy", ["site policy", "Hausregel", "norma de la obra", "règle du site"]),
];

impl Words {
    /// The words of `language`.
    pub fn new(language: Language) -> Self {
        match language {
            Language::English => ENGLISH,
            Language::German => GERMAN,
            Language::Spanish => SPANISH,
            Language::French => FRENCH,
        }
    }

    /// A rule by its name: built-in ones translated, those of the site as they are called there.
    pub fn rule<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match RULES.iter().find(|(known, _)| *known == name) {
            Some((_, words)) => Cow::Borrowed(words[self.language as usize]),
            None => Cow::Owned(name.replace('_', " ")),
        }
    }

    /// What is cited: standards are called the same everywhere.
    pub fn citation<'a>(&self, citation: &'a str) -> Cow<'a, str> {
        if citation == "site policy" { self.rule(citation) } else { Cow::Borrowed(citation) }
    }

    /// The same, with a word on what it rests on where the site does not declare that.
    pub fn based(&self, citation: &str, basis: Basis) -> String {
        let citation = self.citation(citation);
        match basis {
            Basis::Presumed => format!("{citation} ({})", self.presumed),
            _ => citation.into_owned(),
        }
    }

    /// A severity.
    pub fn severity(&self, severity: Severity) -> &'static str {
        self.severities[severity as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use osha::hazard::Hazard;

    #[test]
    fn every_hazard_has_a_word_in_every_language() {
        let languages = [Language::English, Language::German, Language::Spanish, Language::French];
        for language in languages {
            for hazard in Hazard::ALL {
                let word = Words::new(language).rule(hazard.name());
                assert!(matches!(word, Cow::Borrowed(text) if !text.contains('_')), "{language:?} {hazard}");
            }
        }
        let hats = languages.map(|language| Words::new(language).rule("no_hard_hat"));
        assert!((1..4).all(|index| hats[index] != hats[0]));
    }

    #[test]
    fn rules_of_the_site_keep_their_names() {
        let words = Words::new(Language::German);
        assert_eq!(words.rule("forklift_too_fast"), "forklift too fast");
        assert_eq!(words.citation("29 CFR 1926.100(a)"), "29 CFR 1926.100(a)");
        assert_eq!(words.citation("site policy"), "Hausregel");
        assert_eq!(words.based("29 CFR 1926.100(a)", Basis::Standard), "29 CFR 1926.100(a)");
        assert_eq!(words.based("29 CFR 1926.100(a)", Basis::Presumed), "29 CFR 1926.100(a) (vermutet)");
    }

    #[test]
    fn severities_are_in_order() {
        let words = Words::new(Language::English);
        for severity in [Severity::Low, Severity::Medium, Severity::High, Severity::Critical] {
            assert_eq!(words.severity(severity), severity.name());
        }
    }
}
