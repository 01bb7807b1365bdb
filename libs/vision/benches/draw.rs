//! How long it takes to lay out and to draw 20 labelled boxes on a 1920x1080 frame, with their text cached.

use std::error::Error;

use criterion::Criterion;
use vision::draw::{
    Annotation, DisplayList, Look, Panel, PanelRow, Point, Scene, Severity, State, TextCache, Theme, Zone,
    annotate,
};
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
            title: format!("Worker {index}"),
            score: Some("0.93".into()),
            detail: Some("no hard hat · 29 CFR 1926.100(a)".into()),
        }
    };
    (0..20).map(person).collect()
}

fn panel() -> Panel {
    let row = |index: usize| PanelRow {
        what: format!("Worker {index} · no hard hat"),
        detail: "29 CFR 1926.100(a) · high".into(),
        duration: "4.2 s".into(),
        severity: Severity::High,
    };
    Panel { rows: (1..4).map(row).collect(), more: "+ {} more".into() }
}

/// Two areas that together take a third of the frame, in one of which something is wrong.
fn zones() -> Vec<Zone> {
    let zone = |left: f32, state| Zone {
        points: [(0.0, 0.0), (420.0, 60.0), (560.0, 700.0), (-120.0, 640.0)]
            .map(|(x, y)| Point { x: left + x, y: 300.0 + y })
            .into(),
        closed: true,
        state,
        title: "Excavation".into(),
    };
    vec![zone(300.0, State::Neutral), zone(1200.0, State::Violation)]
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
    let theme = Theme::for_frame(Look::Dark, SIZE.0, SIZE.1);
    let scene = Scene { annotations: people(), ..Scene::default() };
    criterion.bench_function("annotate/20 boxes", |bencher| {
        bencher.iter(|| annotate(&scene, SIZE, &theme, &mut text));
    });
    let list = annotate(&scene, SIZE, &theme, &mut text);
    for format in
        [PixelFormat::Nv12, PixelFormat::I420, PixelFormat::P010, PixelFormat::Rgb, PixelFormat::Rgba]
    {
        draw(&mut criterion, &format!("draw/20 boxes/{format:?}"), format, &list)?;
    }
    let scene = Scene { panel: panel(), ..scene };
    let list = annotate(&scene, SIZE, &theme, &mut text);
    draw(&mut criterion, "draw/20 boxes and a panel/Nv12", PixelFormat::Nv12, &list)?;
    let all = Scene { zones: zones(), ..scene.clone() };
    let list = annotate(&all, SIZE, &theme, &mut text);
    draw(&mut criterion, "draw/20 boxes, a panel and 2 zones/Nv12", PixelFormat::Nv12, &list)?;
    let boxes = people().into_iter().map(|person| Annotation { title: String::new(), ..person });
    let scene = Scene { annotations: boxes.collect(), ..Scene::default() };
    let list = annotate(&scene, SIZE, &theme, &mut text);
    draw(&mut criterion, "draw/20 boxes without labels/Nv12", PixelFormat::Nv12, &list)?;
    criterion.final_summary();
    Ok(())
}
