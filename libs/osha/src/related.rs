//! Standards that are related to what a rule cites, for whoever reads an event. They are looked up once per citation
//! when a site is opened, never for a frame.

use crate::corpus::Corpus;
use crate::retrieval::{BuiltIn, Index, Query, Scan};
use crate::site::Site;
use crate::standards::Citation;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

/// How many are named.
const LIMIT: usize = 3;

/// Less than this part of the best possible score is no relation.
const LEAST: f32 = 0.5;

/// A standard that bears on a finding without being cited for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Related {
    /// E.g. `29 CFR 1926.28(a)`.
    pub citation: String,
    /// How well it fits, 0 to 1, to three decimals.
    pub retrieval_score: f32,
}

/// Finds what is related in the scope and contexts of one site.
pub(crate) struct Finder {
    scope: &'static str,
    /// What is declared of any part of the site.
    contexts: BTreeSet<String>,
    /// By citation and title.
    known: BTreeMap<(String, String), Arc<[Related]>>,
}

impl Finder {
    pub fn new(site: &Site) -> Self {
        let contexts = site.contexts.iter().chain(site.zones.iter().flat_map(|zone| &zone.contexts));
        let contexts = contexts.map(|context| context.name().to_owned()).collect();
        Self { scope: site.scope.name(), contexts, known: BTreeMap::new() }
    }

    /// The standards nearest to the title of `citation`, the cited one left out; none where nothing is near.
    pub fn find(&mut self, citation: &Citation) -> Arc<[Related]> {
        let key = (citation.citation.clone(), citation.title.clone());
        if let Some(known) = self.known.get(&key) {
            return Arc::clone(known);
        }
        let query = Query {
            text: citation.title.clone(),
            scope: Some(self.scope.to_owned()),
            contexts: Some(self.contexts.clone()),
            limit: LIMIT + 1,
        };
        // The built-in embedder and scan cannot fail.
        let hits = index().and_then(|index| index.query(&query).ok());
        let hits = hits.iter().flat_map(|answer| &answer.hits);
        let others = hits.filter(|hit| hit.citation != citation.citation && hit.score >= LEAST);
        let related = others.take(LIMIT).map(|hit| Related {
            citation: hit.citation.clone(),
            retrieval_score: (hit.score * 1e3).round() / 1e3,
        });
        let related: Arc<[Related]> = related.collect();
        self.known.insert(key, Arc::clone(&related));
        related
    }
}

/// Over the shipped corpus; made once a process.
fn index() -> Option<&'static Index> {
    static INDEX: OnceLock<Option<Index>> = OnceLock::new();
    let build = || Index::build(Corpus::built_in().clone(), BuiltIn::get(), &Scan).ok();
    INDEX.get_or_init(build).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn related(site: &str, rule: &str) -> (String, Vec<Related>) {
        let site = Site::from_toml(site).unwrap();
        let rule = site.rules.iter().find(|known| &*known.id == rule).unwrap();
        let (citation, _) = site.cite(rule, None);
        let related = Finder::new(&site).find(&citation).to_vec();
        println!("{} {related:?}", citation.citation);
        (citation.citation, related)
    }

    #[test]
    fn what_is_cited_is_not_related_to_itself_and_the_scope_holds() {
        for (scope, part) in [("construction", "29 CFR 1926."), ("general_industry", "29 CFR 1910.")] {
            let site = format!(
                "scope = '{scope}'\ncontexts = ['overhead_hazard_zone', 'ppe_required_zone', 'edge_zone']"
            );
            let (cited, related) = related(&site, "no_hard_hat");
            assert!((1..=LIMIT).contains(&related.len()), "{related:?}");
            assert!(
                related
                    .iter()
                    .all(|one| one.citation != cited && (LEAST..=1.0).contains(&one.retrieval_score))
            );
            let in_scope =
                |one: &Related| one.citation.starts_with(part) || one.citation.starts_with("OSH Act");
            assert!(related.iter().all(in_scope), "{related:?}");
        }
    }

    #[test]
    fn rules_of_no_standard_have_their_own_words() {
        let site = "scope = 'construction'
            contexts = ['vehicle_zone']
            [[rules]]
            id = 'spotter'
            kind = 'vehicle_without_spotter'
            title = 'Truck reverses without a signaller behind it'
            [[rules]]
            id = 'tea'
            kind = 'crowding'
            max = 3
            title = 'Sourdough, melody, violin'";
        let (cited, found) = related(site, "spotter");
        assert_eq!(cited, "site policy");
        assert!(found.iter().any(|one| one.citation == "29 CFR 1926.601(b)(4)"), "{found:?}");
        assert_eq!(related(site, "tea").1, []);
    }

    #[test]
    fn the_same_is_found_again() {
        let site = Site::default();
        let (citation, _) = site.cite(&site.rules[0], None);
        assert_eq!(Finder::new(&site).find(&citation), Finder::new(&site).find(&citation));
    }
}
