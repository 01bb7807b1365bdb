//! Decoding of made-up outputs: batches, options, order and garbage.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use vision::detection::Detection;
use vision::geometry::{Placement, Rect, Resize};
use vision::head::{Head, HeadError, HeadKind, Hints, Options};
use vision::tensor::{DataType, Elements, TensorInfo, TensorView};

const INPUT: (usize, usize) = (64, 32);
/// Grid cells of the input at strides 8, 16 and 32.
const CELLS: usize = 32 + 8 + 2;
const CLASSES: usize = 2;

/// Name and shape of an output.
type Declared = (&'static str, Vec<usize>);

/// Every layout: kind, and its outputs for a batch of `batch`.
fn layouts(batch: usize) -> Vec<(HeadKind, Vec<Declared>)> {
    let single = |kind, shape: [usize; 2]| (kind, vec![("output", vec![batch, shape[0], shape[1]])]);
    let lists = |names: [&'static str; 3]| {
        names
            .map(|name| (name, [vec![batch, 9], vec![4; usize::from(name.contains("boxes"))]].concat()))
            .to_vec()
    };
    let mut tensorflow = lists(["detection_boxes", "detection_scores", "detection_classes"]);
    tensorflow.push(("num_detections", vec![batch]));
    vec![
        single(HeadKind::Yolo, [4 + CLASSES, CELLS]),
        single(HeadKind::Yolo, [CELLS, 4 + CLASSES]),
        single(HeadKind::Yolov5, [3 * CELLS, 5 + CLASSES]),
        single(HeadKind::Yolox, [CELLS, 5 + CLASSES]),
        single(HeadKind::YoloxDecoded, [CELLS, 5 + CLASSES]),
        single(HeadKind::EndToEnd, [9, 6]),
        single(HeadKind::RtDetr, [9, 4 + CLASSES]),
        single(HeadKind::RtDetr, [9, 6]),
        (HeadKind::Detr, lists(["boxes", "scores", "labels"])),
        (HeadKind::Torchvision, vec![("boxes", vec![9, 4]), ("scores", vec![9]), ("labels", vec![9])]),
        (HeadKind::Tensorflow, tensorflow),
        (HeadKind::Paddle, vec![("rows", vec![9, 6]), ("counts", vec![batch])]),
    ]
}

fn head(kind: HeadKind, outputs: &[(&str, Vec<usize>)]) -> Head {
    let info = |(name, shape): &(&str, Vec<usize>)| {
        let shape = shape.iter().copied().map(Some).collect();
        TensorInfo { name: (*name).into(), data_type: DataType::F32, shape }
    };
    let infos: Vec<_> = outputs.iter().map(info).collect();
    let hints = Hints {
        kind: Some(kind),
        classes: Some(CLASSES),
        input: INPUT,
        rt_detr_rows: true,
        ..Hints::default()
    };
    Head::recognise(&infos, &hints).unwrap()
}

fn placement() -> Placement {
    Placement::new(Resize::Stretch, (640, 320), INPUT)
}

fn view<'a>(shape: &[usize], values: &'a [f32]) -> TensorView<'a> {
    TensorView { shape: shape.to_vec(), elements: Elements::F32(values) }
}

fn decode(head: &Head, shape: &[usize], values: &[f32], image: usize, options: &Options) -> Vec<Detection> {
    head.decode(&[view(shape, values)], image, &placement(), options).unwrap()
}

/// A sequence that looks random and is the same everywhere.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 32
    }

    /// From 0 to 1.
    fn fraction(&mut self) -> f32 {
        self.next() as f32 / u32::MAX as f32
    }

    /// Now and then what no network should return.
    fn garbage(&mut self) -> f32 {
        match self.next() % 12 {
            0 => f32::NAN,
            1 => f32::INFINITY,
            2 => f32::NEG_INFINITY,
            3 => f32::MAX,
            4 => -1e30,
            5 => 0.0,
            6 => self.next() as f32,
            _ => self.fraction(),
        }
    }
}

#[test]
fn garbage_never_panics_and_finds_only_boxes_within_the_frame() {
    let mut noise = Noise(1);
    let mut found = 0;
    for _ in 0..200 {
        for (kind, outputs) in layouts(2) {
            let mut random = |shape: &Vec<usize>| {
                (0..shape.iter().product()).map(|_| noise.garbage()).collect::<Vec<f32>>()
            };
            let data: Vec<_> = outputs.iter().map(|(_, shape)| random(shape)).collect();
            let views: Vec<_> =
                outputs.iter().zip(&data).map(|((_, shape), values)| view(shape, values)).collect();
            let detections = head(kind, &outputs).decode(&views, 1, &placement(), &Options::default());
            for Detection { rect, score, class } in detections.unwrap_or_default() {
                assert!(
                    rect.x >= 0.0 && rect.y >= 0.0 && rect.right() <= 640.1 && rect.bottom() <= 320.1,
                    "{rect:?}"
                );
                assert!(rect.area() > 0.0 && score > 0.25 && score.is_finite() && class < CLASSES);
                found += 1;
            }
        }
    }
    assert!(found > 100, "only {found} detections: the test decodes nothing");
}

#[test]
fn tensors_of_another_shape_are_refused() {
    for (kind, outputs) in layouts(1) {
        let head = head(kind, &outputs);
        let empty: Vec<_> = outputs.iter().map(|_| view(&[], &[])).collect();
        for views in [&[][..], &empty] {
            let error = head.decode(views, 0, &placement(), &Options::default());
            assert!(matches!(error, Err(HeadError::Shape { .. })), "{kind:?}: {error:?}");
        }
    }
    let head = head(HeadKind::Yolo, &[("output0", vec![1, 6, CELLS])]);
    let values = [0.0; 7 * CELLS];
    let error =
        head.decode(&[view(&[1, 7, CELLS], &values)], 0, &placement(), &Options::default()).unwrap_err();
    assert!(error.to_string().starts_with("output `output0`: expected [B, 6, N] for image 0"), "{error}");
    let past_the_end =
        head.decode(&[view(&[1, 6, CELLS], &values[CELLS..])], 1, &placement(), &Options::default());
    assert!(past_the_end.is_err());
}

#[test]
fn a_grid_of_another_size_is_refused() {
    let head = head(HeadKind::Yolox, &[("output", vec![1, 40, 7])]);
    let error =
        head.decode(&[view(&[1, 40, 7], &[0.0; 280])], 0, &placement(), &Options::default()).unwrap_err();
    assert!(error.to_string().contains("one position for each grid cell of a 64x32 input"), "{error}");
}

/// Rows of centre, size and two scores at three places, in planes.
fn three(scores: [[f32; 2]; 3]) -> Vec<f32> {
    let rows: Vec<[f32; 6]> =
        (0..3).map(|at| [10.0 + 20.0 * at as f32, 10.0, 8.0, 8.0, scores[at][0], scores[at][1]]).collect();
    (0..6).flat_map(|index| rows.iter().map(move |row| row[index]).collect::<Vec<_>>()).collect()
}

#[test]
fn scores_must_exceed_the_threshold_and_the_best_class_counts() {
    let head = head(HeadKind::Yolo, &[("output", vec![1, 6, 3])]);
    let values = three([[0.25, 0.1], [0.3, 0.9], [0.26, 0.26]]);
    let found = decode(&head, &[1, 6, 3], &values, 0, &Options::default());
    let rect = |x| Rect { x, y: 60.0, width: 80.0, height: 80.0 };
    assert_eq!(found[0], Detection { rect: rect(260.0), score: 0.9, class: 1 });
    assert_eq!(found[1], Detection { rect: rect(460.0), score: 0.26, class: 0 });
    assert_eq!(found.len(), 2);
}

#[test]
fn objectness_weighs_the_scores() {
    let head = head(HeadKind::Yolov5, &[("output", vec![1, 3, 7])]);
    let row = |x: f32, objectness: f32, score: f32| [x, 10.0, 8.0, 8.0, objectness, 0.1, score];
    let rows = [row(10.0, 0.4, 1.0), row(30.0, 0.4, 0.5), row(50.0, 1.0, 0.5)].concat();
    let found = decode(&head, &[1, 3, 7], &rows, 0, &Options::default());
    let found: Vec<_> = found.iter().map(|found| (found.score, found.class)).collect();
    assert_eq!(found, [(0.5, 1), (0.4, 1)]);
}

#[test]
fn options_select() {
    let head = head(HeadKind::Yolo, &[("output", vec![1, 6, 3])]);
    let values = three([[0.9, 0.1], [0.3, 0.8], [0.7, 0.2]]);
    let scores = |options: Options| -> Vec<f32> {
        decode(&head, &[1, 6, 3], &values, 0, &options).iter().map(|detection| detection.score).collect()
    };
    assert_eq!(scores(Options::default()), [0.9, 0.8, 0.7]);
    assert_eq!(scores(Options { max_detections: 2, ..Options::default() }), [0.9, 0.8]);
    assert_eq!(scores(Options { classes: Some(BTreeSet::from([0])), ..Options::default() }), [0.9, 0.7]);
    assert_eq!(scores(Options { confidence: 0.75, ..Options::default() }), [0.9, 0.8]);
}

#[test]
fn each_image_of_a_batch_has_its_own_boxes() {
    let head = head(HeadKind::Yolo, &[("output", vec![2, 6, 3])]);
    let values = [three([[0.9, 0.0], [0.0; 2], [0.0; 2]]), three([[0.0; 2], [0.0, 0.8], [0.0; 2]])].concat();
    let found = |image| decode(&head, &[2, 6, 3], &values, image, &Options::default());
    assert_eq!(found(0).iter().map(|detection| detection.class).collect::<Vec<_>>(), [0]);
    assert_eq!(found(1).iter().map(|detection| detection.class).collect::<Vec<_>>(), [1]);
    assert!(head.decode(&[view(&[2, 6, 3], &values)], 2, &placement(), &Options::default()).is_err());
}

#[test]
fn counted_rows_belong_to_their_image() {
    let head = head(HeadKind::Paddle, &[("rows", vec![3, 6]), ("counts", vec![2])]);
    let row = |score: f32| [1.0, score, 1.0, 1.0, 9.0, 9.0];
    let (rows, counts) = ([row(0.5), row(0.6), row(0.7)].concat(), [1i32, 2]);
    let counts = TensorView { shape: vec![2], elements: Elements::I32(&counts) };
    let found = head.decode(&[view(&[3, 6], &rows), counts], 1, &placement(), &Options::default()).unwrap();
    assert_eq!(found.iter().map(|detection| detection.score).collect::<Vec<_>>(), [0.7, 0.6]);
}

#[test]
fn a_class_without_a_name_is_an_error() {
    let head = head(HeadKind::EndToEnd, &[("output", vec![1, 1, 6])]);
    let found = |class: f32, score: f32| {
        let row = [1.0, 1.0, 9.0, 9.0, score, class];
        head.decode(&[view(&[1, 1, 6], &row)], 0, &placement(), &Options::default())
    };
    assert_eq!(found(1.0, 0.9).unwrap()[0].class, 1);
    for class in [2.0, -1.0, 0.5, f32::NAN] {
        let error = found(class, 0.9).unwrap_err().to_string();
        assert!(error.contains(&format!("class {class}, but only 2 class names are known")), "{error}");
        assert_eq!(found(class, 0.1), Ok(vec![]));
    }
}

#[test]
fn overlapping_final_detections_stay() {
    let head = head(HeadKind::EndToEnd, &[("output", vec![1, 2, 6])]);
    let rows = [[1.0, 1.0, 9.0, 9.0, 0.8, 0.0], [1.0, 1.0, 9.0, 9.0, 0.9, 0.0]].concat();
    assert_eq!(decode(&head, &[1, 2, 6], &rows, 0, &Options::default()).len(), 2);
}

#[test]
fn the_order_of_positions_does_not_matter() {
    let mut noise = Noise(7);
    let head = head(HeadKind::Yolo, &[("output", vec![1, CELLS, 6])]);
    let mut row = || {
        let [x, y, w, h, a, b] = std::array::from_fn(|_| noise.fraction());
        [x * 64.0, y * 32.0, 4.0 + w * 16.0, 4.0 + h * 16.0, a, b]
    };
    let mut rows: Vec<[f32; 6]> = (0..CELLS).map(|_| row()).collect();
    let found = |rows: &[[f32; 6]]| {
        decode(&head, &[1, CELLS, 6], rows.as_flattened(), 0, &Options { iou: 0.3, ..Options::default() })
    };
    let expected = found(&rows);
    assert!(
        expected.len() > 5 && expected.len() < CELLS - 5,
        "{} of {CELLS} kept: nothing is shown",
        expected.len()
    );
    for _ in 0..50 {
        rows.sort_by_cached_key(|_| noise.next());
        assert_eq!(found(&rows), expected);
    }
}

#[test]
fn layouts_are_found_without_being_named() {
    let named: BTreeMap<_, _> =
        layouts(1).into_iter().map(|(kind, outputs)| (format!("{kind:?}"), outputs)).collect();
    for (kind, outputs) in named.iter().filter(|(kind, _)| *kind != "YoloxDecoded" && *kind != "RtDetr") {
        let infos: Vec<_> = outputs
            .iter()
            .map(|(name, shape)| TensorInfo {
                name: (*name).into(),
                data_type: DataType::F32,
                shape: shape.iter().copied().map(Some).collect(),
            })
            .collect();
        let hints = Hints { classes: Some(CLASSES), input: INPUT, ..Hints::default() };
        assert_eq!(format!("{:?}", Head::recognise(&infos, &hints).unwrap().kind()), *kind);
    }
}
