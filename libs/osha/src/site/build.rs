//! From a file's form to a site: names are looked up, values checked.

use super::error::suggestion;
use super::file::{File, GroundFile, RuleFile, ScheduleFile, ZoneFile};
use super::{MAX_RULES, MAX_ZONES, Site, SiteError, Timing, usually_watched};
use crate::classes::Vocabulary;
use crate::expression::{Expression, Names};
use crate::geometry::{self, Ground};
use crate::hazard::Hazard;
use crate::rules::{Check, Rule, RuleKind};
use crate::schedule::{self, Schedule, Weekday};
use crate::zone::{Shape, Zone, ZoneKind};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use toml::Spanned;

type Checked<T> = Result<T, SiteError>;

pub(super) fn site(text: &str, stream: Option<&str>) -> Checked<Site> {
    let mut file: File = toml::from_str(text).map_err(|error| SiteError::from_toml(text, &error))?;
    let builder = Builder { text, stream, streams: stream_names(text, &file)? };
    let scope = file.scope.ok_or_else(|| {
        let message = "scope is missing: add scope = \"construction\" (29 CFR 1926) or scope = \"general_industry\" \
                       (29 CFR 1910)";
        SiteError::new(text, 0..0, message)
    })?;
    if let Some(wanted) = stream {
        builder.stream(wanted, &mut file)?;
    }
    let (classes, vocabulary) = builder.vocabulary(&file)?;
    let zones = builder.zones(&file)?;
    let schedules = builder.schedules(&file)?;
    let ground = file.ground.as_ref().map(|ground| builder.ground(ground)).transpose()?;
    let watch = file.watch.clone().unwrap_or_else(|| usually_watched(scope, &file.contexts));
    let mut rules = watch_rules(&watch, &zones, file.timing);
    let names = Names { vocabulary: &vocabulary, zones: &zones };
    builder.rules(&file, names, &schedules, &mut rules)?;
    let File { contexts, timing, labels, .. } = file;
    let streams = builder.streams;
    Ok(Site { scope, streams, contexts, zones, rules, timing, ground, classes, labels })
}

/// The rules on equipment that is watched for everywhere, or required in zones, and on falls.
pub(super) fn watch_rules(watch: &BTreeSet<Hazard>, zones: &[Zone], timing: Timing) -> Vec<Rule> {
    let rule = |hazard: Hazard| {
        let requiring = zones.iter().enumerate().filter(|(_, zone)| zone.ppe.contains(&hazard));
        let requiring: Vec<_> = requiring.map(|(index, _)| index).collect();
        let everywhere = watch.contains(&hazard);
        let check = match hazard {
            Hazard::Fall => Check::Fallen { aspect: None },
            _ => Check::PpeMissing { hazard, from_absence: false, min_height: MIN_HEIGHT },
        };
        let zones = if everywhere { Vec::new() } else { requiring.clone() };
        (everywhere || !requiring.is_empty()).then(|| Rule { zones, ..plain(hazard.name(), check, timing) })
    };
    Hazard::ALL.into_iter().filter_map(rule).collect()
}

fn plain(id: &str, check: Check, timing: Timing) -> Rule {
    Rule {
        id: id.into(),
        check,
        zones: Vec::new(),
        classes: Vec::new(),
        schedule: None,
        timing,
        severity: None,
        cite: None,
        title: None,
    }
}

/// People smaller than this part of the frame's height show no details.
const MIN_HEIGHT: f32 = 0.1;
/// How long equipment must not be seen before that alone counts.
const ABSENCE: Duration = Duration::from_secs(5);
/// How long a thing may stand in a zone that is kept clear.
const DWELL: Duration = Duration::from_secs(10);
/// How long somebody may have the shape of one who lies.
const LYING: Duration = Duration::from_secs(3);

fn stream_names(text: &str, file: &File) -> Checked<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for stream in &file.streams {
        unique(text, &stream.name, &names)?;
        names.push(stream.name.get_ref().clone());
    }
    Ok(names)
}

fn unique(text: &str, name: &Spanned<String>, known: &[String]) -> Checked<()> {
    let problem = match name.get_ref() {
        empty if empty.trim().is_empty() => "a name is missing".to_owned(),
        twice if known.contains(twice) => format!("\"{twice}\" is there twice"),
        _ => return Ok(()),
    };
    Err(SiteError::new(text, name.span(), problem))
}

struct Builder<'a> {
    text: &'a str,
    stream: Option<&'a str>,
    streams: Vec<String>,
}

impl Builder<'_> {
    fn fail<T>(&self, span: Range<usize>, message: impl Into<String>) -> Checked<T> {
        Err(SiteError::new(self.text, span, message))
    }

    /// Takes over what the file says of one stream.
    fn stream(&self, wanted: &str, file: &mut File) -> Checked<()> {
        let Some(index) = self.streams.iter().position(|name| name == wanted) else {
            let hint = suggestion(wanted, self.streams.iter().map(String::as_str));
            let message = format!("no stream is called \"{wanted}\": add it as [[streams]]{hint}");
            return self.fail(0..0, message);
        };
        let stream = file.streams.swap_remove(index);
        file.contexts.extend(stream.contexts);
        file.ground = stream.ground.or(file.ground.take());
        Ok(())
    }

    /// Whether something that names these streams belongs to the one that is asked for.
    fn is_ours(&self, streams: &[Spanned<String>]) -> Checked<bool> {
        for name in streams {
            self.known("stream", name, self.streams.iter().map(String::as_str))?;
        }
        let ours = |wanted| streams.is_empty() || streams.iter().any(|name| name.get_ref() == wanted);
        Ok(self.stream.is_none_or(ours))
    }

    /// The position of a name in a list.
    fn known<'n>(
        &self,
        what: &str,
        name: &Spanned<String>,
        names: impl Iterator<Item = &'n str> + Clone,
    ) -> Checked<usize> {
        let found = names.clone().position(|known| known == name.get_ref());
        let hint = || suggestion(name.get_ref(), names);
        found.map_or_else(
            || self.fail(name.span(), format!("no {what} is called \"{}\"{}", name.get_ref(), hint())),
            Ok,
        )
    }

    fn vocabulary(&self, file: &File) -> Checked<(BTreeMap<String, String>, Vocabulary)> {
        let mut vocabulary = Vocabulary::default();
        let mut classes = BTreeMap::new();
        for (label, class) in &file.classes {
            let name = class.get_ref();
            if !vocabulary.define(label, name) {
                let hint = suggestion(name, crate::classes::canonical().map(|class| class.name.as_str()));
                return self.fail(class.span(), format!("\"{name}\" is not a canonical class{hint}"));
            }
            classes.insert(label.clone(), name.clone());
        }
        file.labels.iter().for_each(|label| vocabulary.add(label));
        Ok((classes, vocabulary))
    }

    fn zones(&self, file: &File) -> Checked<Vec<Zone>> {
        let polygons = file.zones.iter().map(|zone| (zone, Shape::Polygon));
        let lines = file.lines.iter().map(|line| (line, Shape::Line));
        let (mut zones, mut names) = (Vec::new(), Vec::new());
        for (zone, shape) in polygons.chain(lines) {
            unique(self.text, &zone.id, &names)?;
            names.push(zone.id.get_ref().clone());
            let built = self.zone(zone, shape)?;
            if names.len() > MAX_ZONES {
                return self.fail(zone.id.span(), format!("more than {MAX_ZONES} zones and lines"));
            }
            if self.is_ours(&zone.streams)? {
                zones.push(built);
            }
        }
        Ok(zones)
    }

    fn zone(&self, zone: &ZoneFile, shape: Shape) -> Checked<Zone> {
        let points = zone.points.get_ref();
        let least = if shape == Shape::Polygon { 3 } else { 2 };
        if !(least..=256).contains(&points.len()) {
            let message = format!("{} points, but it takes {least} to 256", points.len());
            return self.fail(zone.points.span(), message);
        }
        if points.iter().flatten().any(|value| !(0.0..=1.0).contains(value)) {
            let message = "points are relative to the frame: right and down, each from 0 to 1";
            return self.fail(zone.points.span(), message);
        }
        if shape == Shape::Polygon && geometry::on_one_line(points) {
            return self.fail(
                zone.points.span(),
                "the points lie on one line and enclose nothing: add one beside it",
            );
        }
        if let Some(name) = zone.ppe.first().filter(|_| shape == Shape::Line) {
            return self
                .fail(name.span(), "nobody stands in a line, so that ppe means nothing to it: draw a zone");
        }
        let equipment = zone.ppe.iter().map(|name| self.equipment(name));
        let contexts = zone.contexts.iter().copied().chain(zone.kind.context()).collect();
        Ok(Zone {
            id: zone.id.get_ref().as_str().into(),
            kind: zone.kind,
            shape,
            points: points.clone(),
            contexts,
            ppe: equipment.collect::<Checked<_>>()?,
            height_m: zone.height_m,
            severity: zone.severity,
        })
    }

    fn equipment(&self, name: &Spanned<String>) -> Checked<Hazard> {
        let wearable = Hazard::ALL.into_iter().filter(|hazard| *hazard != Hazard::Fall);
        let known = Hazard::named(name.get_ref()).filter(|hazard| *hazard != Hazard::Fall);
        match known {
            Some(hazard) => Ok(hazard),
            None => {
                let hint = suggestion(name.get_ref(), wearable.map(Hazard::equipment));
                self.fail(name.span(), format!("no equipment is called \"{}\"{hint}", name.get_ref()))
            }
        }
    }

    fn schedules(&self, file: &File) -> Checked<BTreeMap<String, Schedule>> {
        let checked = |(name, schedule): (&String, &Spanned<ScheduleFile>)| {
            Ok((name.clone(), self.schedule(schedule.get_ref())?))
        };
        file.schedules.iter().map(checked).collect()
    }

    fn schedule(&self, file: &ScheduleFile) -> Checked<Schedule> {
        let time = |text: &Spanned<String>| {
            let message = || format!("\"{}\" is no time of day such as \"06:30\"", text.get_ref());
            schedule::minutes(text.get_ref()).map_or_else(|| self.fail(text.span(), message()), Ok)
        };
        if let Some(days) = file.days.as_ref().filter(|days| days.get_ref().is_empty()) {
            return self.fail(days.span(), "the schedule never holds: name days, or leave days out");
        }
        let days = file.days.as_ref().map_or_else(|| Weekday::ALL.to_vec(), |days| days.get_ref().clone());
        Ok(Schedule { days, from: time(&file.from)?, to: time(&file.to)? })
    }

    fn ground(&self, file: &Spanned<GroundFile>) -> Checked<Ground> {
        let points: Vec<_> = file.get_ref().points.iter().map(|point| (point.image, point.metres)).collect();
        let relative = |(image, _): &([f64; 2], [f64; 2])| image.iter().all(|v| (0.0..=1.0).contains(v));
        if !points.iter().all(relative) {
            return self.fail(file.span(), "image points are relative to the frame: each from 0 to 1");
        }
        let message = "the points define no ground: it takes four or more, of which no three lie on one line";
        Ground::fit(&points).map_or_else(|| self.fail(file.span(), message), Ok)
    }

    fn rules(
        &self,
        file: &File,
        names: Names<'_>,
        schedules: &BTreeMap<String, Schedule>,
        rules: &mut Vec<Rule>,
    ) -> Checked<()> {
        let mut ids: Vec<_> = rules.iter().map(|rule| rule.id.to_string()).collect();
        for rule in &file.rules {
            unique(self.text, &rule.id, &ids)?;
            ids.push(rule.id.get_ref().clone());
            if self.is_ours(&rule.streams)? {
                rules.extend(
                    RuleBuilder { site: self, file: rule, names, timing: file.timing }.build(schedules)?,
                );
            }
            if rules.len() > MAX_RULES {
                return self.fail(rule.id.span(), format!("more than {MAX_RULES} rules"));
            }
        }
        Ok(())
    }
}

/// Builds the rules of one entry.
struct RuleBuilder<'a> {
    site: &'a Builder<'a>,
    file: &'a RuleFile,
    names: Names<'a>,
    timing: Timing,
}

/// The keys, besides those that every rule has, that a kind knows.
fn keys(kind: RuleKind) -> &'static [&'static str] {
    match kind {
        RuleKind::PpeMissing => &["zones", "equipment", "from_absence", "min_height"],
        RuleKind::InZone | RuleKind::Blocked | RuleKind::FireSmoke | RuleKind::UnderLoad => {
            &["zones", "classes"]
        }
        RuleKind::TooNear => &["zones", "classes", "distance_m", "speed_m_s"],
        RuleKind::UnprotectedEdge => &["zones", "distance_m"],
        RuleKind::Crowding | RuleKind::LadderScaffold => &["zones", "max"],
        RuleKind::Fallen => &["zones", "aspect"],
        RuleKind::VehicleWithoutSpotter => &["zones", "classes", "distance_m", "speed_m_s", "spotters"],
        RuleKind::Custom => &["when"],
    }
}

impl RuleBuilder<'_> {
    /// One rule, or one for each piece of equipment. None if its zones belong to other streams.
    fn build(&self, schedules: &BTreeMap<String, Schedule>) -> Checked<Vec<Rule>> {
        self.check_keys()?;
        let Some(zones) = self.zones()?.filter(|_| !self.is_elsewhere()) else { return Ok(Vec::new()) };
        let schedule = self.file.schedule.as_ref().map(|name| {
            self.site.known("schedule", name, schedules.keys().map(String::as_str))?;
            Ok(schedules[name.get_ref()].clone())
        });
        let template = Rule {
            zones,
            classes: self.classes(&self.file.classes)?,
            schedule: schedule.transpose()?,
            severity: self.file.severity,
            cite: self.file.cite.clone(),
            title: self.file.title.clone(),
            ..plain(self.file.id.get_ref(), Check::InZone, self.timing)
        };
        let checks = self.checks()?;
        let several = checks.len() > 1;
        let rule = |check: Check| {
            let suffix = check.hazard().filter(|_| several).map(|hazard| format!("/{}", hazard.equipment()));
            let id: Arc<str> = format!("{}{}", template.id, suffix.unwrap_or_default()).into();
            Rule { id, timing: self.rule_timing(&check), check, ..template.clone() }
        };
        Ok(checks.into_iter().map(rule).collect())
    }

    fn check_keys(&self) -> Checked<()> {
        let kind = *self.file.kind.get_ref();
        for (key, place) in self.file.special_keys() {
            if let Some(span) = place.filter(|_| !keys(kind).contains(&key)) {
                let message = format!(
                    "{key} means nothing to a rule of kind \"{}\", which knows {}",
                    kind.name(),
                    keys(kind).join(", ")
                );
                return self.site.fail(span, message);
            }
        }
        Ok(())
    }

    fn missing<T>(&self, key: &str) -> Checked<T> {
        let kind = self.file.kind.get_ref().name();
        self.site.fail(self.file.kind.span(), format!("a rule of kind \"{kind}\" needs {key}"))
    }

    /// Whether its expression names a zone of another stream. The file as a whole is known to be right.
    fn is_elsewhere(&self) -> bool {
        let is_custom = *self.file.kind.get_ref() == RuleKind::Custom;
        is_custom && self.site.stream.is_some() && self.expression().is_err()
    }

    /// Indices of the rule's zones; `None` if all of them belong to other streams.
    fn zones(&self) -> Checked<Option<Vec<usize>>> {
        let kind = *self.file.kind.get_ref();
        let ids = || self.names.zones.iter().map(|zone| &*zone.id);
        let Some(named) = &self.file.zones else {
            return match kind {
                RuleKind::InZone | RuleKind::Blocked => self.missing("zones"),
                RuleKind::UnprotectedEdge => self.edges(),
                _ => Ok(Some(Vec::new())),
            };
        };
        if named.get_ref().is_empty() {
            return self.site.fail(named.span(), "no zone is named: name one, or leave zones out");
        }
        let mut zones = Vec::new();
        for name in named.get_ref() {
            let found = match self.site.stream {
                Some(_) => ids().position(|id| id == name.get_ref()),
                None => Some(self.site.known("zone", name, ids())?),
            };
            let is_line = found.is_some_and(|zone| self.names.zones[zone].shape == Shape::Line);
            if is_line && kind != RuleKind::UnprotectedEdge {
                let message = "nobody stands in a line: draw a zone, or use \"unprotected_edge\", or distance() in \"custom\"";
                return self.site.fail(name.span(), message);
            }
            zones.extend(found);
        }
        Ok((!zones.is_empty()).then_some(zones))
    }

    fn edges(&self) -> Checked<Option<Vec<usize>>> {
        let zones = self.names.zones.iter().enumerate();
        let edges: Vec<_> =
            zones.filter(|(_, zone)| zone.kind == ZoneKind::Edge).map(|(index, _)| index).collect();
        match (edges.is_empty(), self.site.stream) {
            (false, _) => Ok(Some(edges)),
            (true, Some(_)) => Ok(None),
            (true, None) => self.missing("zones, or a zone or a line of kind \"edge\" in the file"),
        }
    }

    /// Canonical names of classes.
    fn classes(&self, names: &Option<Spanned<Vec<Spanned<String>>>>) -> Checked<Vec<String>> {
        let resolve = |name: &Spanned<String>| match self.names.vocabulary.resolve(name.get_ref()) {
            Some(class) => Ok(class.name.clone()),
            None => {
                let hint = suggestion(name.get_ref(), self.names.vocabulary.names());
                let message = format!("no class is called \"{}\": add it to labels{hint}", name.get_ref());
                self.site.fail(name.span(), message)
            }
        };
        names.iter().flat_map(|names| names.get_ref()).map(resolve).collect()
    }

    fn checks(&self) -> Checked<Vec<Check>> {
        let number =
            |value: &Option<Spanned<f32>>, usual| value.as_ref().map_or(usual, |value| *value.get_ref());
        let max = self.file.max.as_ref().map(|max| usize::from(*max.get_ref()));
        let speed_m_s = number(&self.file.speed_m_s, 0.5);
        Ok(vec![match *self.file.kind.get_ref() {
            RuleKind::PpeMissing => return self.ppe_checks(),
            RuleKind::InZone => Check::InZone,
            RuleKind::TooNear => Check::TooNear { distance_m: number(&self.file.distance_m, 3.0), speed_m_s },
            RuleKind::UnderLoad => Check::UnderLoad,
            RuleKind::UnprotectedEdge => {
                Check::UnprotectedEdge { distance_m: number(&self.file.distance_m, 1.8) }
            }
            RuleKind::Crowding => Check::Crowding { max: max.map_or_else(|| self.missing("max"), Ok)? },
            RuleKind::Blocked => Check::Blocked,
            RuleKind::FireSmoke => Check::FireSmoke,
            RuleKind::Fallen => {
                Check::Fallen { aspect: Some(number(&self.file.aspect, 1.3)).filter(|aspect| *aspect > 0.0) }
            }
            RuleKind::VehicleWithoutSpotter => Check::VehicleWithoutSpotter {
                distance_m: number(&self.file.distance_m, 8.0),
                speed_m_s,
                spotters: Some(self.classes(&self.file.spotters)?)
                    .filter(|spotters| !spotters.is_empty())
                    .unwrap_or_else(|| vec!["person".to_owned()]),
            },
            RuleKind::LadderScaffold => Check::LadderScaffold { max: max.unwrap_or(1) },
            RuleKind::Custom => Check::Custom(Box::new(self.expression()?)),
        }])
    }

    fn ppe_checks(&self) -> Checked<Vec<Check>> {
        let names = self.file.equipment.as_ref().map(Spanned::get_ref).filter(|names| !names.is_empty());
        let Some(names) = names else { return self.missing("equipment, such as [\"hard_hat\"]") };
        let from_absence = self.file.from_absence.as_ref().is_some_and(|asked| *asked.get_ref());
        let min_height = self.file.min_height.as_ref().map_or(MIN_HEIGHT, |value| *value.get_ref());
        if let Some(value) = self.file.min_height.as_ref().filter(|_| min_height > 1.0) {
            let message =
                format!("min_height is {min_height}, but is a part of the frame's height: at most 1");
            return self.site.fail(value.span(), message);
        }
        let hazards = names.iter().map(|name| self.site.equipment(name)).collect::<Checked<BTreeSet<_>>>()?;
        let check = |hazard| Check::PpeMissing { hazard, from_absence, min_height };
        Ok(hazards.into_iter().map(check).collect())
    }

    /// A mistake is placed within the text where that stands on one line, as it is.
    fn expression(&self) -> Checked<Expression> {
        let Some(when) = &self.file.when else { return self.missing("when") };
        Expression::parse(when.get_ref(), self.names).or_else(|error| {
            let span = when.span();
            let inside = span.start + 1..span.end.saturating_sub(1);
            match self.site.text.get(inside.clone()) == Some(when.get_ref()) {
                true => {
                    let place = inside.start + error.span.start..inside.start + error.span.end;
                    self.site.fail(place, error.message)
                }
                false => self.site.fail(span, format!("in the expression, {error}")),
            }
        })
    }

    fn rule_timing(&self, check: &Check) -> Timing {
        let usual = match check {
            Check::PpeMissing { from_absence: true, .. } => ABSENCE.max(self.timing.confirm),
            Check::Blocked => DWELL,
            Check::Fallen { aspect: Some(_) } => LYING.max(self.timing.confirm),
            Check::Custom(expression) => expression.lasting().unwrap_or(self.timing.confirm),
            _ => self.timing.confirm,
        };
        Timing {
            confirm: self.file.confirm_ms.unwrap_or(usual),
            clear: self.file.clear_ms.unwrap_or(self.timing.clear),
            ..self.timing
        }
    }
}
