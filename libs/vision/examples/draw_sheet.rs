//! Draws sample annotations onto synthetic frames of many sizes and formats, as PNG files to look at.
//!
//!     cargo run --release -p gst-osha-vision --example draw_sheet -- FOLDER

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use vision::draw::{
    Annotation, Look, Panel, PanelRow, Point, Scene, Severity, State, TextCache, Theme, Zone, annotate,
};
use vision::geometry::Rect;
use vision::image::{Colorimetry, Image, ImageInfo, ImageMut, Matrix, PixelFormat, Plane, PlaneMut, Range};

const SIZES: [(usize, usize); 5] = [(320, 240), (640, 360), (1280, 720), (1920, 1080), (3840, 2160)];
const FORMATS: [PixelFormat; 3] = [PixelFormat::Nv12, PixelFormat::I420, PixelFormat::Rgb];
const BACKGROUNDS: [(&str, Background); 4] =
    [("site", site), ("bright", bright), ("dark", dark), ("noise", noise)];

/// R, G, B of a point, both coordinates from 0 to 1.
type Background = fn(f32, f32) -> [f32; 3];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: draw_sheet FOLDER")?;
    std::fs::create_dir_all(&folder)?;
    let mut text = TextCache::new()?;
    for (index, size) in SIZES.into_iter().enumerate() {
        for (number, (name, background)) in BACKGROUNDS.into_iter().enumerate() {
            let format = FORMATS[(index + number) % FORMATS.len()];
            let mut frame = Frame::new(format, size, background);
            let look = Look::ALL[(index + number) % 3];
            let theme = Theme::for_frame(look, size.0, size.1);
            let scene = Scene { zones: zones(size), annotations: people(size), panel: panel() };
            let list = annotate(&scene, size, &theme, &mut text);
            list.draw(&mut frame.image()?);
            let path = format!("{folder}/{}x{}-{name}-{format:?}.png", size.0, size.1).to_lowercase();
            write_png(Path::new(&path), size, &frame.to_rgb()?)?;
        }
    }
    Ok(())
}

/// Workers, hats and a crowd, in shares of the frame.
fn people((width, height): (usize, usize)) -> Vec<Annotation> {
    let (width, height) = (width as f32, height as f32);
    let at = |x: f32, y: f32, w: f32, h: f32| Rect {
        x: x * width,
        y: y * height,
        width: w * width,
        height: h * height,
    };
    let person = |rect, state, title: &str, score: &str, detail: Option<&str>| Annotation {
        rect,
        state,
        title: title.into(),
        score: Some(score.into()),
        detail: detail.map(Into::into),
    };
    vec![
        person(at(0.06, 0.40, 0.13, 0.52), State::Compliant, "Worker 1", "0.97", Some("hard hat · vest")),
        person(at(0.10, 0.40, 0.05, 0.08), State::Compliant, "", "0.95", None),
        person(
            at(0.30, 0.34, 0.14, 0.60),
            State::Violation,
            "Worker 3",
            "0.93",
            Some("no hard hat · 29 CFR 1926.100(a)"),
        ),
        person(at(0.52, 0.55, 0.09, 0.33), State::Unknown, "Worker 4", "0.58", Some("head not visible")),
        person(at(0.57, 0.52, 0.09, 0.36), State::Compliant, "Worker 5", "0.91", None),
        person(
            at(0.61, 0.56, 0.08, 0.32),
            State::Violation,
            "Worker 6",
            "0.88",
            Some("no vest · 29 CFR 1926.201(a)"),
        ),
        person(at(0.78, 0.02, 0.10, 0.40), State::Neutral, "person", "0.84", None),
        person(
            at(0.93, 0.45, 0.14, 0.50),
            State::Violation,
            "Worker 8",
            "0.79",
            Some("no harness · 29 CFR 1926.501(b)(1)"),
        ),
    ]
}

fn zones((width, height): (usize, usize)) -> Vec<Zone> {
    let zone = |corners: &[(f32, f32)], state, title: &str| Zone {
        points: corners.iter().map(|(x, y)| Point { x: x * width as f32, y: y * height as f32 }).collect(),
        closed: corners.len() > 2,
        state,
        title: title.into(),
    };
    vec![
        zone(&[(0.02, 0.7), (0.26, 0.66), (0.3, 0.97), (0.0, 0.99)], State::Neutral, "Storage"),
        zone(&[(0.48, 0.62), (0.72, 0.6), (0.78, 0.95), (0.46, 0.96)], State::Violation, "Excavation"),
        zone(&[(0.74, 0.44), (0.9, 0.5), (1.0, 0.5)], State::Neutral, "Roof edge"),
    ]
}

fn panel() -> Panel {
    let row = |what: &str, detail: &str, duration: &str, severity| PanelRow {
        what: what.into(),
        detail: detail.into(),
        duration: duration.into(),
        severity,
    };
    let rows = vec![
        row("Worker 8 · no harness", "29 CFR 1926.501(b)(1) · critical", "12.6 s", Severity::Critical),
        row("Worker 3 · no hard hat", "29 CFR 1926.100(a) · high", "4.2 s", Severity::High),
        row("Worker 6 · no vest", "29 CFR 1926.201(a) · medium", "0.8 s", Severity::Medium),
    ];
    Panel { rows, more: "+ {} more".into() }
}

/// Sky, ground and scaffolding.
fn site(x: f32, y: f32) -> [f32; 3] {
    let grain = 0.03 * hash(x * 977.0, y * 983.0);
    let pole = ((x * 18.0).fract() < 0.06 || (y * 9.0).fract() < 0.05) && y > 0.2 && y < 0.62;
    let ground = y > 0.6;
    let base = match (pole, ground) {
        (true, _) => [0.42, 0.40, 0.38],
        (false, true) => [0.62 - 0.3 * y, 0.52 - 0.28 * y, 0.42 - 0.25 * y],
        (false, false) => [0.55 + 0.3 * y, 0.70 + 0.2 * y, 0.88 + 0.05 * y],
    };
    base.map(|channel| channel + grain)
}

fn bright(x: f32, y: f32) -> [f32; 3] {
    [0.97 - 0.05 * y, 0.96 - 0.04 * x, 0.93 + 0.04 * (x * 6.0).sin()]
}

fn dark(x: f32, y: f32) -> [f32; 3] {
    let lamp = 0.35 * (-((x - 0.7).powi(2) + (y - 0.3).powi(2)) * 12.0).exp();
    [0.04 + lamp, 0.045 + lamp * 0.85, 0.06 + lamp * 0.5]
}

fn noise(x: f32, y: f32) -> [f32; 3] {
    [hash(x * 313.0, y * 317.0), hash(x * 331.0 + 7.0, y * 337.0), hash(x * 347.0, y * 349.0 + 3.0)]
}

fn hash(x: f32, y: f32) -> f32 {
    ((x.floor() * 12.9898 + y.floor() * 78.233).sin() * 43758.547).fract().abs()
}

/// The bytes of one frame.
struct Frame {
    info: ImageInfo,
    planes: Vec<(Vec<u8>, usize)>,
}

impl Frame {
    fn new(format: PixelFormat, (width, height): (usize, usize), background: Background) -> Self {
        let colorimetry = Colorimetry { matrix: Matrix::Bt709, range: Range::Limited };
        let info = ImageInfo { format, width, height, colorimetry };
        let planes = (0..format.planes()).map(|plane| {
            let stride = format.row_bytes(plane, width);
            (vec![0; stride * format.rows(plane, height)], stride)
        });
        let mut frame = Self { info, planes: planes.collect() };
        for y in 0..height {
            for x in 0..width {
                frame.set(x, y, background(x as f32 / width as f32, y as f32 / height as f32));
            }
        }
        frame
    }

    fn set(&mut self, x: usize, y: usize, rgb: [f32; 3]) {
        let [r, g, b] = rgb.map(|channel| channel.clamp(0.0, 1.0));
        if self.info.format == PixelFormat::Rgb {
            let bytes = [r, g, b].map(|channel| (channel * 255.0).round() as u8);
            self.planes[0].0[3 * (y * self.info.width + x)..][..3].copy_from_slice(&bytes);
            return;
        }
        let luma = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        let chroma = [(b - luma) / 1.8556, (r - luma) / 1.5748].map(|c| (128.0 + 224.0 * c).round() as u8);
        self.planes[0].0[y * self.info.width + x] = (16.0 + 219.0 * luma).round() as u8;
        let (column, row) = (x / 2, y / 2);
        for (index, value) in chroma.into_iter().enumerate() {
            let interleaved = self.info.format == PixelFormat::Nv12;
            let (plane, offset) = if interleaved { (1, 2 * column + index) } else { (1 + index, column) };
            let (data, stride) = &mut self.planes[plane];
            data[row * *stride + offset] = value;
        }
    }

    fn image(&mut self) -> Result<ImageMut<'_>, Box<dyn Error>> {
        let planes = self.planes.iter_mut().map(|(data, stride)| PlaneMut { data, stride: *stride });
        Ok(ImageMut::new(self.info, planes)?)
    }

    fn to_rgb(&self) -> Result<Vec<u8>, Box<dyn Error>> {
        if self.info.format == PixelFormat::Rgb {
            return Ok(self.planes[0].0.clone());
        }
        let planes: Vec<_> =
            self.planes.iter().map(|(data, stride)| Plane { data, stride: *stride }).collect();
        let image = Image::new(self.info, &planes)?;
        let pixels = (0..self.info.height).flat_map(|y| (0..self.info.width).map(move |x| (x, y)));
        Ok(pixels.flat_map(|(x, y)| rgb_at(&image, x, y)).collect())
    }
}

/// One pixel of an NV12 or I420 image in limited-range BT.709.
fn rgb_at(image: &Image<'_>, x: usize, y: usize) -> [u8; 3] {
    let luma = (f32::from(image.row(0, y)[x]) - 16.0) / 219.0;
    let (row, column) = (y / 2, x / 2);
    let chroma = match image.info().format {
        PixelFormat::Nv12 => [image.row(1, row)[2 * column], image.row(1, row)[2 * column + 1]],
        _ => [image.row(1, row)[column], image.row(2, row)[column]],
    };
    let [u, v] = chroma.map(|c| (f32::from(c) - 128.0) / 224.0);
    let (r, b) = (luma + 1.5748 * v, luma + 1.8556 * u);
    let g = (luma - 0.2126 * r - 0.0722 * b) / 0.7152;
    [r, g, b].map(|channel| (channel * 255.0).round().clamp(0.0, 255.0) as u8)
}

fn write_png(path: &Path, (width, height): (usize, usize), rgb: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(rgb)?;
    println!("{}", path.display());
    Ok(())
}
