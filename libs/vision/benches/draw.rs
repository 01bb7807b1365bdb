//! How long it takes to lay out and to draw 20 labelled boxes on a 1920x1080 frame, with their text cached.

use std::error::Error;

use criterion::Criterion;
use vision::draw::{Annotation, Banner, DisplayList, State, TextCache, Theme, annotate};
use vision::geometry::Rect;
use vision::image::{Colorimetry, ImageInfo, ImageMut, PixelFormat, PlaneMut};

const SIZE: (usize, usize) = (1920, 1080);

fn people() -> Vec<Annotation> {
    let person = |index: usize| {
        let (column, row) = ((index % 7) as f32, (index / 7) as f32);
        let states = [State::Compliant, State::Violation, State::Unknown, State::Neutral];
        Annotation {
            rect: Rect { x: 20.0 + 270.0 * column, y: 60.0 + 340.0 * row, width: 120.0, height: 280.0 },
            state: states[index % 4],
            title: format!("Worker {index}  0.93"),
            detail: Some("no hard hat · 29 CFR 1926.100(a)".into()),
        }
    };
    (0..20).map(person).collect()
}

fn banner() -> Banner {
    let line = |index: usize| format!("Worker {index} · no hard hat · 29 CFR 1926.100(a) · 4.2 s");
    Banner { lines: (1..4).map(line).collect(), ..Banner::default() }
}

/// Draws on one frame again and again.
fn draw(
    criterion: &mut Criterion,
    name: &str,
    format: PixelFormat,
    list: &DisplayList,
) -> Result<(), Box<dyn Error>> {
    let info = ImageInfo { format, width: SIZE.0, height: SIZE.1, colorimetry: Colorimetry::default() };
    let stride = |plane| format.row_bytes(plane, SIZE.0);
    let plane = |plane| vec![100u8; stride(plane) * format.rows(plane, SIZE.1)];
    let mut planes: Vec<_> = (0..format.planes()).map(plane).collect();
    let planes = planes.iter_mut().enumerate().map(|(index, data)| PlaneMut { data, stride: stride(index) });
    let mut image = ImageMut::new(info, planes)?;
    criterion.bench_function(name, |bencher| bencher.iter(|| list.draw(&mut image)));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let mut text = TextCache::new()?;
    let (people, banner, theme) = (people(), banner(), Theme::for_frame(SIZE.0, SIZE.1));
    criterion.bench_function("annotate/20 boxes", |bencher| {
        bencher.iter(|| annotate(&people, None, SIZE, &theme, &mut text));
    });
    let list = annotate(&people, None, SIZE, &theme, &mut text);
    for format in
        [PixelFormat::Nv12, PixelFormat::I420, PixelFormat::P010, PixelFormat::Rgb, PixelFormat::Rgba]
    {
        draw(&mut criterion, &format!("draw/20 boxes/{format:?}"), format, &list)?;
    }
    let list = annotate(&people, Some(&banner), SIZE, &theme, &mut text);
    draw(&mut criterion, "draw/20 boxes and a banner/Nv12", PixelFormat::Nv12, &list)?;
    let boxes: Vec<_> =
        people.iter().map(|person| Annotation { title: String::new(), ..person.clone() }).collect();
    let list = annotate(&boxes, None, SIZE, &theme, &mut text);
    draw(&mut criterion, "draw/20 boxes without labels/Nv12", PixelFormat::Nv12, &list)?;
    criterion.final_summary();
    Ok(())
}
