//! How long it takes to follow a crowd from one frame to the next.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use vision::detection::Detection;
use vision::geometry::Rect;
use vision::track::{Tracker, TrackerConfig};

/// `count` overlapping people that walk to the right and back.
fn crowd(count: u32, frame: u32) -> Vec<Detection> {
    let step = (frame % 100).min(100 - frame % 100) as f32 * 3.0;
    let person = |index: u32| {
        let (x, y) = ((index % 10) as f32 * 40.0 + step, (index / 10) as f32 * 120.0);
        Detection { rect: Rect { x, y, width: 60.0, height: 180.0 }, score: 0.9, class: 0 }
    };
    (0..count).map(person).collect()
}

fn follow(criterion: &mut Criterion) {
    for count in [10, 50, 200] {
        let scenes: Vec<_> = (0..100).map(|frame| crowd(count, frame)).collect();
        let mut tracker = Tracker::new(TrackerConfig::default());
        let mut frame = 0;
        criterion.bench_function(&format!("follow {count} people"), |bencher| {
            bencher.iter(|| {
                frame += 1;
                tracker.update(frame * Duration::from_millis(40), &scenes[frame as usize % scenes.len()])
            });
        });
    }
}

criterion_group!(benches, follow);
criterion_main!(benches);
