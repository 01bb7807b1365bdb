//! How long decoding a usual output takes.

#![allow(clippy::expect_used)]

use std::collections::BTreeMap;

use criterion::{Criterion, criterion_group, criterion_main};
use half::f16;
use vision::geometry::{Placement, Resize};
use vision::head::Options;
use vision::model::Contract;
use vision::tensor::{DataType, Elements, TensorInfo, TensorView};

const SHAPE: [usize; 3] = [1, 84, 8400];

fn info(name: &str, shape: &[usize]) -> TensorInfo {
    let shape = shape.iter().copied().map(Some).collect();
    TensorInfo { name: name.into(), data_type: DataType::F32, shape }
}

/// Boxes all over the input; one position in a hundred is sure of a class.
fn output() -> Vec<f32> {
    let [_, values, positions] = SHAPE;
    let value = |index: usize| match (index / positions, index % positions) {
        (number @ 0..4, position) => (position * (7 + number) % 600) as f32 + 20.0,
        (class, position) if position % 100 == 0 && position % (values - 4) == class - 4 => 0.9,
        (class, position) => (class * 31 + position * 17) as f32 % 97.0 / 500.0,
    };
    (0..values * positions).map(value).collect()
}

fn decode(criterion: &mut Criterion) {
    let inputs = [info("images", &[1, 3, 640, 640])];
    let contract = Contract::recognise(&inputs, &[info("output0", &SHAPE)], &BTreeMap::new(), None, None);
    let head = contract.expect("a model that is known").head;
    let placement = Placement::new(Resize::Letterbox, (1920, 1080), (640, 640));
    let (single, options) = (output(), Options::default());
    let half: Vec<f16> = single.iter().copied().map(f16::from_f32).collect();
    for (name, elements) in [("F32", Elements::F32(&single)), ("F16", Elements::F16(&half))] {
        let outputs = [TensorView { shape: SHAPE.to_vec(), elements }];
        criterion.bench_function(&format!("yolo 84x8400 {name}"), |bencher| {
            bencher.iter(|| head.decode(&outputs, 0, &placement, &options));
        });
    }
}

criterion_group!(benches, decode);
criterion_main!(benches);
