//! Lines of text as coverage masks, kept for as long as they are in use.

use std::sync::Arc;

use ab_glyph::{Font, FontRef, GlyphId, OutlinedGlyph, PxScale, ScaleFont, point};
use hashbrown::{Equivalent, HashMap};

/// Inter, subset; see fonts/README.md.
const MEDIUM: &[u8] = include_bytes!("../../fonts/inter-medium.otf");
/// The font file of [`Weight::Medium`], for whoever draws text by other means.
pub const FONT: &[u8] = MEDIUM;
const SEMI_BOLD: &[u8] = include_bytes!("../../fonts/inter-semibold.otf");

/// Capital and small letters' heights in shares of the font size.
const CAP_HEIGHT: f32 = 1490.0 / 2048.0;
const X_HEIGHT: f32 = 1118.0 / 2048.0;

/// Font sizes that can be asked for, in pixels.
const SIZES: std::ops::RangeInclusive<f32> = 4.0..=512.0;

/// Characters of a text that count.
const LONGEST: usize = 512;

/// Exponent of coverage: below 1 it gives thin strokes the strength that they lose to blending in sRGB.
const STRENGTH: f32 = 0.8;

/// How strong letters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Weight {
    /// For reading.
    Medium,
    /// For headings.
    SemiBold,
}

/// The bundled fonts cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the bundled font cannot be read: {0}")]
pub struct FontError(#[from] ab_glyph::InvalidFont);

/// An 8-bit coverage mask around an origin: for text, the point on the baseline where it starts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sprite {
    left: i32,
    top: i32,
    width: usize,
    height: usize,
    coverage: Vec<u8>,
    advance: f32,
}

impl Sprite {
    /// Column of the mask's first pixel, relative to the origin.
    pub fn left(&self) -> i32 {
        self.left
    }

    /// Row of the mask's first pixel, relative to the origin; negative above the baseline.
    pub fn top(&self) -> i32 {
        self.top
    }

    /// Width of the mask in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height of the mask in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Width in pixels that the text takes up in a line, space at its ends included.
    pub fn advance(&self) -> f32 {
        self.advance
    }

    /// The mask: `width` times `height` bytes, 255 for pixels that are covered wholly.
    pub fn coverage(&self) -> &[u8] {
        &self.coverage
    }
}

/// Height of capital letters in pixels, at a font size in pixels.
pub(super) fn cap_height(size: f32) -> f32 {
    size * CAP_HEIGHT
}

/// The nearest font size, in pixels, whose small letters are a whole number of pixels high: it looks sharpest.
pub(super) fn crisp_size(size: f32) -> f32 {
    (size * X_HEIGHT).round().max(1.0) / X_HEIGHT
}

/// How a line is set: bits of the size, weight, width.
type Setting = (u32, Weight, u32);

/// A line of text that is looked for: nothing is copied for it.
#[derive(Hash)]
struct Wanted<'a>(&'a str, Setting);

/// One that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key(String, Setting);

impl Equivalent<Key> for Wanted<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        (self.0, self.1) == (key.0.as_str(), key.1)
    }
}

impl From<&Wanted<'_>> for Key {
    fn from(wanted: &Wanted<'_>) -> Self {
        Self(wanted.0.to_owned(), wanted.1)
    }
}

#[derive(Debug)]
struct Entry {
    sprite: Arc<Sprite>,
    used: u64,
}

/// Rasterises lines of text and keeps the ones used last.
#[derive(Debug)]
pub struct TextCache {
    medium: FontRef<'static>,
    semi_bold: FontRef<'static>,
    entries: HashMap<Key, Entry>,
    capacity: usize,
    bytes: usize,
    clock: u64,
}

impl TextCache {
    /// What [`TextCache::new`] keeps, in bytes.
    pub const DEFAULT_CAPACITY: usize = 8 << 20;

    /// An empty cache with the bundled fonts.
    ///
    /// # Errors
    /// When a bundled font cannot be read.
    pub fn new() -> Result<Self, FontError> {
        Self::with_capacity(Self::DEFAULT_CAPACITY)
    }

    /// An empty cache that keeps masks of `capacity` bytes in all, and always the last one.
    ///
    /// # Errors
    /// When a bundled font cannot be read.
    pub fn with_capacity(capacity: usize) -> Result<Self, FontError> {
        let (medium, semi_bold) = (FontRef::try_from_slice(MEDIUM)?, FontRef::try_from_slice(SEMI_BOLD)?);
        Ok(Self { medium, semi_bold, entries: HashMap::new(), capacity, bytes: 0, clock: 0 })
    }

    /// Bytes of the masks that are kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// One line of text, `size` pixels to the em. What is wider than `max_width` pixels ends in an ellipsis; control
    /// characters count as spaces.
    pub fn line(&mut self, text: &str, size: f32, weight: Weight, max_width: f32) -> Arc<Sprite> {
        let size = if size.is_nan() { *SIZES.start() } else { size.clamp(*SIZES.start(), *SIZES.end()) };
        let wanted = Wanted(text, (size.to_bits(), weight, max_width as u32));
        self.clock += 1;
        if let Some(entry) = self.entries.get_mut(&wanted) {
            entry.used = self.clock;
            return entry.sprite.clone();
        }
        let sprite = Arc::new(self.rasterise(&wanted, size));
        self.insert(Key::from(&wanted), sprite.clone());
        sprite
    }

    fn rasterise(&self, &Wanted(text, (_, weight, width)): &Wanted<'_>, size: f32) -> Sprite {
        let font = match weight {
            Weight::Medium => &self.medium,
            Weight::SemiBold => &self.semi_bold,
        };
        Typesetter::new(font, size).set(text, width as f32)
    }

    fn insert(&mut self, key: Key, sprite: Arc<Sprite>) {
        self.bytes += sprite.coverage.len();
        self.entries.insert(key, Entry { sprite, used: self.clock });
        if self.bytes > self.capacity {
            self.shrink();
        }
    }

    /// Drops what was not used for longest, until half of the capacity is free.
    fn shrink(&mut self) {
        let mut ages: Vec<_> =
            self.entries.values().map(|entry| (entry.used, entry.sprite.coverage.len())).collect();
        ages.sort_unstable_by(|a, b| b.cmp(a));
        let mut kept = 0;
        let fits = |(_, bytes): &&(u64, usize)| {
            kept += bytes;
            kept <= self.capacity / 2
        };
        let oldest = ages.iter().take_while(fits).last().map_or(self.clock, |(used, _)| *used);
        self.entries.retain(|_, entry| entry.used >= oldest);
        self.bytes = self.entries.values().map(|entry| entry.sprite.coverage.len()).sum();
    }
}

/// A font at one size.
struct Typesetter<'a> {
    font: &'a FontRef<'static>,
    scale: PxScale,
}

/// A glyph and where it starts and ends along the baseline.
#[derive(Clone, Copy)]
struct Placed {
    glyph: GlyphId,
    start: f32,
    end: f32,
}

impl<'a> Typesetter<'a> {
    fn new(font: &'a FontRef<'static>, size: f32) -> Self {
        let scale = size * font.height_unscaled() / font.units_per_em().unwrap_or(1.0);
        Self { font, scale: scale.into() }
    }

    fn set(&self, text: &str, max_width: f32) -> Sprite {
        let glyphs = self.fit(self.place(text), max_width);
        let outlines: Vec<_> = glyphs.iter().filter_map(|placed| self.outline(placed)).collect();
        let advance = glyphs.last().map_or(0.0, |placed| placed.end);
        Sprite { advance, ..ink(&outlines) }
    }

    /// The glyphs of `text` side by side, with kerning.
    fn place(&self, text: &str) -> Vec<Placed> {
        let mut placed = Vec::new();
        for character in text.chars().take(LONGEST) {
            let glyph = self.font.glyph_id(if character.is_control() { ' ' } else { character });
            placed.push(self.after(placed.last(), glyph));
        }
        placed
    }

    fn after(&self, last: Option<&Placed>, glyph: GlyphId) -> Placed {
        let font = self.font.as_scaled(self.scale);
        let start = last.map_or(0.0, |last| last.end + font.kern(last.glyph, glyph));
        Placed { glyph, start, end: start + font.h_advance(glyph) }
    }

    /// Replaces what does not fit by an ellipsis.
    fn fit(&self, mut glyphs: Vec<Placed>, max_width: f32) -> Vec<Placed> {
        if glyphs.last().is_none_or(|last| last.end <= max_width) {
            return glyphs;
        }
        let ellipsis = self.font.glyph_id('…');
        let loose = [' ', '.', ',', '·'].map(|character| self.font.glyph_id(character));
        while glyphs.pop().is_some() {
            let end = self.after(glyphs.last(), ellipsis);
            if end.end <= max_width && glyphs.last().is_some_and(|last| !loose.contains(&last.glyph)) {
                glyphs.push(end);
                break;
            }
        }
        glyphs
    }

    fn outline(&self, placed: &Placed) -> Option<OutlinedGlyph> {
        let glyph = placed.glyph.with_scale_and_position(self.scale, point(placed.start, 0.0));
        self.font.outline_glyph(glyph)
    }
}

/// The mask of some outlines, without an advance.
fn ink(outlines: &[OutlinedGlyph]) -> Sprite {
    let bounds = outlines.iter().map(OutlinedGlyph::px_bounds);
    let Some(all) = bounds.reduce(|a, b| ab_glyph::Rect {
        min: point(a.min.x.min(b.min.x), a.min.y.min(b.min.y)),
        max: point(a.max.x.max(b.max.x), a.max.y.max(b.max.y)),
    }) else {
        return Sprite::default();
    };
    let (width, height) = (all.width() as usize, all.height() as usize);
    let mut coverage = vec![0u8; width * height];
    for outline in outlines {
        let (left, top) = (
            (outline.px_bounds().min.x - all.min.x) as usize,
            (outline.px_bounds().min.y - all.min.y) as usize,
        );
        outline.draw(|x, y, amount| {
            let pixel = &mut coverage[(top + y as usize) * width + left + x as usize];
            *pixel = pixel.saturating_add((amount.clamp(0.0, 1.0).powf(STRENGTH) * 255.0).round() as u8);
        });
    }
    Sprite { left: all.min.x as i32, top: all.min.y as i32, width, height, coverage, advance: 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn width(text: &str) -> f32 {
        TextCache::new().unwrap().line(text, 32.0, Weight::SemiBold, 1e6).advance()
    }

    #[test]
    fn ink_lies_within_the_measured_extent() {
        let mut cache = TextCache::new().unwrap();
        for size in [11.0, 24.0, 48.0] {
            let sprite = cache.line("Worker 3 · 29 CFR 1926.100(a)", size, Weight::Medium, 1e6);
            assert_eq!(sprite.coverage().len(), sprite.width() * sprite.height());
            assert!(sprite.coverage().iter().filter(|byte| **byte > 200).count() > 50);
            assert!(
                sprite.left() >= -1
                    && (sprite.left() + sprite.width() as i32) as f32 <= sprite.advance() + 1.0
            );
            assert!(sprite.top() < 0 && (sprite.top() as f32) >= -size);
            assert!((sprite.top() + sprite.height() as i32) as f32 <= size * 0.4);
        }
    }

    #[test]
    fn capitals_are_as_high_as_measured() {
        let sprite = TextCache::new().unwrap().line("H", 100.0, Weight::Medium, 1e6);
        assert_eq!((-sprite.top(), sprite.height()), (73, 73));
        assert_eq!(cap_height(100.0).round(), 73.0);
    }

    #[test]
    fn letters_are_kerned_and_digits_are_not_different() {
        assert!(width("AV") < width("A") + width("V") - 1.0);
        assert_eq!(width("0.11"), width("0.98"));
    }

    #[test]
    fn what_is_too_wide_ends_in_an_ellipsis() {
        let mut cache = TextCache::new().unwrap();
        let short = cache.line("no hard hat…", 16.0, Weight::Medium, 1e6);
        let cut = cache.line("no hard hat · 29 CFR", 16.0, Weight::Medium, short.advance() + 4.0);
        assert_eq!(cut, short);
        assert_eq!(cache.line("anything", 16.0, Weight::Medium, 3.0).width(), 0);
    }

    #[test]
    fn strange_text_is_harmless() {
        let mut cache = TextCache::new().unwrap();
        assert_eq!(
            *cache.line("a\nb", 16.0, Weight::Medium, 1e6),
            *cache.line("a b", 16.0, Weight::Medium, 1e6)
        );
        assert_eq!(cache.line("", 16.0, Weight::Medium, 1e6).width(), 0);
        assert!(cache.line(&"x".repeat(100_000), f32::NAN, Weight::Medium, f32::INFINITY).width() < 4096);
        assert!(cache.line("安全帽 👷", f32::INFINITY, Weight::Medium, 1e6).width() > 0);
    }

    #[test]
    fn lines_are_kept_while_there_is_room() {
        let mut cache = TextCache::with_capacity(20_000).unwrap();
        let first = cache.line("kept", 16.0, Weight::Medium, 1e6);
        for index in 0..1000 {
            cache.line(&format!("Worker {index}"), 16.0, Weight::Medium, 1e6);
            assert!(
                Arc::ptr_eq(&first, &cache.line("kept", 16.0, Weight::Medium, 1e6)),
                "dropped in round {index}"
            );
            assert!(cache.bytes() <= 20_000);
        }
        assert!(cache.entries.len() < 100);
    }
}
