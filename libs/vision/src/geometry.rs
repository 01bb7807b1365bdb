//! Rectangles, and how a frame is placed in a network's input.

/// An axis-aligned box in pixels: top-left corner and size.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

impl Rect {
    /// From two corners.
    pub fn from_corners(left: f32, top: f32, right: f32, bottom: f32) -> Self {
        Self { x: left, y: top, width: right - left, height: bottom - top }
    }

    /// From centre and size.
    pub fn from_centre(cx: f32, cy: f32, width: f32, height: f32) -> Self {
        Self { x: cx - width / 2.0, y: cy - height / 2.0, width, height }
    }

    /// Right edge.
    pub fn right(&self) -> f32 {
        self.x + self.width
    }

    /// Bottom edge.
    pub fn bottom(&self) -> f32 {
        self.y + self.height
    }

    /// Centre.
    pub fn centre(&self) -> (f32, f32) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }

    /// Area in square pixels; 0 for a box turned inside out.
    pub fn area(&self) -> f32 {
        self.width.max(0.0) * self.height.max(0.0)
    }

    /// The part that lies within a `width` x `height` image.
    pub fn clamp(&self, width: f32, height: f32) -> Self {
        Self::from_corners(
            self.x.clamp(0.0, width),
            self.y.clamp(0.0, height),
            self.right().clamp(0.0, width),
            self.bottom().clamp(0.0, height),
        )
    }

    /// Area that both cover.
    pub fn intersection(&self, other: &Self) -> f32 {
        let width = self.right().min(other.right()) - self.x.max(other.x);
        let height = self.bottom().min(other.bottom()) - self.y.max(other.y);
        width.max(0.0) * height.max(0.0)
    }

    /// Intersection over union, 0 to 1.
    pub fn iou(&self, other: &Self) -> f32 {
        let both = self.intersection(other);
        let union = self.area() + other.area() - both;
        if union > 0.0 { both / union } else { 0.0 }
    }
}

/// How a frame whose shape differs from the network's input is made to fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resize {
    /// Keep the shape, centre it, pad the rest. What YOLO-style detectors are trained with.
    #[default]
    Letterbox,
    /// Keep the shape, put it at the top left, pad the rest. What YOLOX is trained with.
    TopLeft,
    /// Fill the input, change the shape. What RT-DETR and SSD are trained with.
    Stretch,
}

/// Where a frame lies in a network's input, and the way back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// Input pixels per source pixel, horizontally and vertically, as detectors scale boxes back.
    pub scale: (f32, f32),
    /// Left and top padding in input pixels.
    pub offset: (usize, usize),
    /// Width and height of the scaled frame in input pixels.
    pub size: (usize, usize),
    /// Width and height of the whole input.
    pub input: (usize, usize),
    /// Width and height of the source frame.
    pub source: (usize, usize),
}

impl Placement {
    /// Places a `source` (width, height) frame in an `input` (width, height) tensor.
    pub fn new(resize: Resize, source: (usize, usize), input: (usize, usize)) -> Self {
        let (source_w, source_h) = (source.0 as f64, source.1 as f64);
        let (fit_x, fit_y) = (input.0 as f64 / source_w, input.1 as f64 / source_h);
        if resize == Resize::Stretch {
            return Self { scale: (fit_x as f32, fit_y as f32), offset: (0, 0), size: input, input, source };
        }
        let fit = fit_x.min(fit_y);
        let scaled = |length: f64, limit: usize| ((length * fit).round_ties_even() as usize).clamp(1, limit);
        let size = (scaled(source_w, input.0), scaled(source_h, input.1));
        // A padding of n.5 pixels goes to the right and to the bottom.
        let before =
            |inner: usize, outer: usize| ((outer - inner) as f64 / 2.0 - 0.1).round().max(0.0) as usize;
        let offset = match resize {
            Resize::TopLeft => (0, 0),
            _ => (before(size.0, input.0), before(size.1, input.1)),
        };
        Self { scale: (fit as f32, fit as f32), offset, size, input, source }
    }

    /// A box in input pixels, in source pixels.
    pub fn to_source(&self, rect: Rect) -> Rect {
        let (left, top) = (self.offset.0 as f32, self.offset.1 as f32);
        Rect {
            x: (rect.x - left) / self.scale.0,
            y: (rect.y - top) / self.scale.1,
            width: rect.width / self.scale.0,
            height: rect.height / self.scale.1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letterbox_centres_and_comes_back() {
        let placement = Placement::new(Resize::Letterbox, (1280, 720), (640, 640));
        assert_eq!((placement.size, placement.offset), ((640, 360), (0, 140)));
        let back = placement.to_source(Rect::from_corners(10.0, 150.0, 20.0, 170.0));
        assert_eq!(back, Rect::from_corners(20.0, 20.0, 40.0, 60.0));
    }

    #[test]
    fn a_one_pixel_frame_has_a_place() {
        let placement = Placement::new(Resize::Letterbox, (1, 1), (640, 384));
        assert_eq!((placement.size, placement.offset), ((384, 384), (128, 0)));
        let sliver = Placement::new(Resize::Letterbox, (10_000, 1), (640, 640));
        assert_eq!(sliver.size, (640, 1));
    }

    #[test]
    fn half_a_pixel_of_padding_goes_right() {
        assert_eq!(Placement::new(Resize::Letterbox, (639, 640), (640, 640)).offset, (0, 0));
        assert_eq!(Placement::new(Resize::Letterbox, (637, 640), (640, 640)).offset, (1, 0));
    }

    #[test]
    fn overlap() {
        let a = Rect::from_corners(0.0, 0.0, 2.0, 2.0);
        assert_eq!(a.iou(&Rect::from_corners(1.0, 0.0, 3.0, 2.0)), 1.0 / 3.0);
        assert_eq!(a.iou(&Rect::from_corners(5.0, 5.0, 6.0, 6.0)), 0.0);
        assert_eq!(Rect::default().iou(&Rect::default()), 0.0);
    }
}
