//! The language of the scenarios.

use osha::engine::Object;
use std::collections::BTreeMap;
use std::time::Duration;

/// Width and height of the frames.
pub const SIZE: (u32, u32) = (1280, 720);

/// One scenario.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub name: String,
    pub site: String,
    rules: String,
    pub expected: Vec<Expected>,
    rate: u32,
    length: f64,
    actors: Vec<Actor>,
    drops: Vec<(f64, f64)>,
}

/// A violation that has to be found.
#[derive(Clone, Debug)]
pub struct Expected {
    pub rule: String,
    pub track: Option<u64>,
    pub review: bool,
    pub start: f64,
    pub end: f64,
}

/// A detection over time.
#[derive(Clone, Debug)]
struct Actor {
    track: u64,
    class: String,
    time: (f64, f64),
    place: Place,
    size: Option<(f32, f32)>,
    /// Seen in so many of so many frames.
    keep: (u32, u32),
    score: f32,
    jitter: f32,
}

#[derive(Clone, Debug)]
enum Place {
    /// Feet, at first and at last.
    At((f32, f32), (f32, f32)),
    /// On the track of a person.
    On(u64),
}

/// One frame.
pub struct Frame {
    pub pts: Duration,
    boxes: Vec<(String, u64, f32, [f32; 4])>,
}

impl Frame {
    pub fn objects(&self) -> Vec<Object<'_>> {
        self.boxes
            .iter()
            .map(|(class, track, score, rect)| Object {
                class,
                score: *score,
                rect: *rect,
                track: Some(*track),
            })
            .collect()
    }
}

/// Reads a file of scenarios.
pub fn read(text: &str) -> Vec<Script> {
    let mut common = Script { rate: 25, length: 6.0, ..Script::default() };
    common.site = "scope = 'construction'\n".to_owned();
    let mut scripts: Vec<Script> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("== ") {
            scripts.push(Script { name: name.to_owned(), ..common.clone() });
        } else {
            scripts.last_mut().unwrap_or(&mut common).line(line);
        }
    }
    scripts.iter_mut().for_each(|script| script.site.push_str(&script.rules));
    scripts
}

impl Script {
    fn line(&mut self, line: &str) {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[0] {
            "site:" => self.site.push_str(&format!("{}\n", &line[5..])),
            "site" => self.rules.push_str(&rule(words[1], line.splitn(3, ' ').nth(2).unwrap_or(""))),
            "rate" => self.rate = words[1].parse().unwrap(),
            "length" => self.length = words[1].parse().unwrap(),
            "drop" => self.drops.push(span(words[1])),
            "expect" => self.expected.push(expected(&words[1..])),
            _ => self.actors.push(actor(&words)),
        }
    }

    /// Every frame that comes.
    pub fn frames(&self) -> impl Iterator<Item = Frame> + '_ {
        let count = (self.length * f64::from(self.rate)).round() as u32;
        let time = move |frame: u32| f64::from(frame) / f64::from(self.rate);
        let comes =
            move |frame: &u32| !self.drops.iter().any(|&(from, to)| (from..to).contains(&time(*frame)));
        (0..count).filter(comes).map(move |frame| self.frame(frame, time(frame)))
    }

    fn frame(&self, index: u32, time: f64) -> Frame {
        let present = |actor: &&Actor| (actor.time.0..actor.time.1).contains(&time);
        let actors: Vec<_> = self.actors.iter().filter(present).collect();
        let places: BTreeMap<_, _> =
            actors.iter().filter_map(|actor| Some((actor.track, actor.own_rect(time, index)?))).collect();
        let boxes = actors.iter().filter(|actor| actor.is_kept(index)).filter_map(|actor| {
            let rect = match actor.place {
                Place::At(..) => *places.get(&actor.track)?,
                Place::On(person) => actor.tremble(worn(&actor.class, *places.get(&person)?), index),
            };
            Some((actor.class.clone(), actor.track, actor.score, rect))
        });
        Frame { pts: Duration::from_secs_f64(time), boxes: boxes.collect() }
    }
}

impl Actor {
    /// The first of each run of frames is seen, then the pattern is spread evenly.
    fn is_kept(&self, frame: u32) -> bool {
        let (kept, of) = self.keep;
        (frame * kept) % of < kept
    }

    fn own_rect(&self, time: f64, frame: u32) -> Option<[f32; 4]> {
        let Place::At(from, to) = self.place else { return None };
        let part = ((time - self.time.0) / (self.time.1 - self.time.0)) as f32;
        let (x, y) = (from.0 + part * (to.0 - from.0), from.1 + part * (to.1 - from.1));
        let (width, height) = self.size.unwrap_or((0.06, 0.28));
        let (w, h) = (SIZE.0 as f32, SIZE.1 as f32);
        Some(self.tremble([(x - width / 2.0) * w, (y - height) * h, width * w, height * h], frame))
    }

    /// The same for every run.
    fn tremble(&self, rect: [f32; 4], frame: u32) -> [f32; 4] {
        let noise = |salt: u32| {
            let mut x = frame.wrapping_mul(747_796_405).wrapping_add(salt.wrapping_mul(2_891_336_453))
                ^ self.track as u32;
            x = (x ^ (x >> 15)).wrapping_mul(2_246_822_519);
            x = (x ^ (x >> 13)).wrapping_mul(3_266_489_917);
            ((x ^ (x >> 16)) as f32 / u32::MAX as f32 * 2.0 - 1.0) * self.jitter
        };
        [rect[0] + noise(1) * SIZE.0 as f32, rect[1] + noise(2) * SIZE.1 as f32, rect[2], rect[3]]
    }
}

/// Where a class of equipment sits on a person.
fn worn(class: &str, [x, y, width, height]: [f32; 4]) -> [f32; 4] {
    let part =
        |left: f32, top: f32, w: f32, h: f32| [x + left * width, y + top * height, w * width, h * height];
    match class {
        _ if class.contains("vest") || class.contains("harness") => part(0.1, 0.22, 0.8, 0.35),
        _ if class.contains("glove") => part(0.0, 0.5, 0.2, 0.07),
        _ if class.contains("boot") => part(0.2, 0.92, 0.6, 0.08),
        _ => part(0.3, 0.0, 0.4, 0.15),
    }
}

fn rule(kind: &str, options: &str) -> String {
    let mut lines = format!("[[rules]]\nid = '{kind}'\nkind = '{kind}'\n");
    // An option ends where the next `name=` begins.
    let mut rest = options;
    while let Some(equals) = rest.find('=') {
        let value = &rest[equals + 1..];
        let end = value
            .match_indices(' ')
            .map(|(at, _)| at)
            .find(|&at| {
                let word = &value[at + 1..];
                let name = word.find('=').map_or("", |equals| &word[..equals]);
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            })
            .unwrap_or(value.len());
        lines.push_str(&format!("{} = {}\n", rest[..equals].trim(), &value[..end]));
        rest = &value[end..];
    }
    lines
}

fn actor(words: &[&str]) -> Actor {
    let mut actor = Actor {
        track: words[0].parse().unwrap_or_else(|_| panic!("{words:?}")),
        class: words[1].to_owned(),
        time: span(words[2]),
        place: Place::On(0),
        size: None,
        keep: (1, 1),
        score: 0.8,
        jitter: 0.0,
    };
    let mut at = 3;
    while at < words.len() {
        let value = words[at + 1];
        match words[at] {
            "at" => actor.place = Place::At(pair(value, ','), pair(value, ',')),
            "->" => {
                if let Place::At(from, _) = actor.place {
                    actor.place = Place::At(from, pair(value, ','));
                }
            }
            "on" => actor.place = Place::On(value.parse().unwrap()),
            "size" => actor.size = Some(pair(value, 'x')),
            "keep" => {
                let (kept, of) = value.split_once('/').unwrap();
                actor.keep = (kept.parse().unwrap(), of.parse().unwrap());
            }
            "score" => actor.score = value.parse().unwrap(),
            "jitter" => actor.jitter = value.parse().unwrap(),
            word => panic!("{word} in {words:?}"),
        }
        at += 2;
    }
    actor
}

fn expected(words: &[&str]) -> Expected {
    let review = words[0] == "review";
    let words = if review { &words[1..] } else { words };
    let (start, end) = span(words[2]);
    Expected { rule: words[0].to_owned(), track: words[1].parse().ok(), review, start, end }
}

fn span(text: &str) -> (f64, f64) {
    let (from, to) = text.split_once('-').unwrap_or_else(|| panic!("{text}"));
    (from.parse().unwrap(), to.parse().unwrap())
}

fn pair(text: &str, separator: char) -> (f32, f32) {
    let (x, y) = text.split_once(separator).unwrap_or_else(|| panic!("{text}"));
    (x.parse().unwrap(), y.parse().unwrap())
}
