//! What is made of models as exporters write them, and of broken ones.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use vision::geometry::Resize;
use vision::head::HeadKind;
use vision::model::{Contract, ContractError, Sidecar};
use vision::preprocess::{Channels, Layout};
use vision::tensor::{DataType, TensorInfo};

/// A model's declaration; 0 stands for a dimension left open.
#[derive(Clone)]
struct Model {
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
    metadata: BTreeMap<String, String>,
    sidecar: Sidecar,
    labels: Option<Vec<String>>,
}

fn tensor(name: &str, data_type: DataType, shape: &[usize]) -> TensorInfo {
    let shape = shape.iter().map(|&size| (size > 0).then_some(size)).collect();
    TensorInfo { name: name.into(), data_type, shape }
}

fn float(name: &str, shape: &[usize]) -> TensorInfo {
    tensor(name, DataType::F32, shape)
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|class| format!("thing {class}")).collect()
}

impl Model {
    fn new(outputs: &[TensorInfo]) -> Self {
        let inputs = vec![float("images", &[1, 3, 640, 640])];
        let (metadata, sidecar) = (BTreeMap::new(), Sidecar::default());
        Self { inputs, outputs: outputs.to_vec(), metadata, sidecar, labels: None }
    }

    /// With one output.
    fn with_output(shape: &[usize]) -> Self {
        Self::new(&[float("output0", shape)])
    }

    fn inputs(self, inputs: &[TensorInfo]) -> Self {
        Self { inputs: inputs.to_vec(), ..self }
    }

    fn metadata(mut self, key: &str, value: &str) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    fn labels(self, count: usize) -> Self {
        Self { labels: Some(names(count)), ..self }
    }

    fn sidecar(self, text: &str) -> Self {
        Self { sidecar: Sidecar::parse(text).unwrap(), ..self }
    }

    fn recognise(self) -> Result<Contract, ContractError> {
        let Self { inputs, outputs, metadata, sidecar, labels } = self;
        Contract::recognise(&inputs, &outputs, &metadata, Some(&sidecar), labels)
    }

    fn contract(self) -> Contract {
        self.recognise().unwrap()
    }

    fn kind(self) -> HeadKind {
        self.contract().head.kind()
    }

    fn error(self) -> String {
        self.recognise().unwrap_err().to_string()
    }
}

#[test]
fn shapes_alone_tell_most_heads_apart() {
    for (shape, kind, classes) in [
        ([1, 84, 8400], HeadKind::Yolo, Some(80)),
        ([1, 5, 8400], HeadKind::Yolo, Some(1)),
        ([0, 84, 0], HeadKind::Yolo, Some(80)),
        ([1, 25200, 85], HeadKind::Yolov5, Some(80)),
        ([1, 25200, 6], HeadKind::Yolov5, Some(1)),
        ([1, 8400, 85], HeadKind::Yolox, Some(80)),
        ([1, 300, 6], HeadKind::EndToEnd, None),
        ([0, 0, 6], HeadKind::EndToEnd, None),
        ([1, 300, 84], HeadKind::RtDetr, Some(80)),
    ] {
        let head = Model::with_output(&shape).contract().head;
        assert_eq!((head.kind(), head.classes()), (kind, classes), "{shape:?}");
    }
}

#[test]
fn the_number_of_names_decides_where_shapes_do_not() {
    assert_eq!(Model::with_output(&[1, 8400, 84]).labels(80).kind(), HeadKind::Yolo);
    assert_eq!(Model::with_output(&[1, 8400, 85]).labels(80).kind(), HeadKind::Yolox);
    // 365 classes and fewer queries look like planes.
    assert_eq!(Model::with_output(&[1, 300, 369]).labels(365).kind(), HeadKind::RtDetr);
}

#[test]
fn metadata_tell_the_meanings_of_six_columns_apart() {
    let six = || Model::with_output(&[1, 300, 6]).metadata("names", "{0: 'a', 1: 'b'}");
    assert_eq!(six().metadata("end2end", "True").kind(), HeadKind::EndToEnd);
    let exported =
        six().metadata("end2end", "False").metadata("args", "{'agnostic_nms': False, 'nms': True}");
    assert_eq!(exported.kind(), HeadKind::EndToEnd);
    let rows = six().metadata("head", "RTDETRDecoder").contract();
    assert_eq!((rows.head.kind(), rows.head.classes()), (HeadKind::RtDetr, None));
    let scores = six().metadata("description", "Ultralytics rtdetr-l model").contract();
    assert_eq!((scores.head.kind(), scores.head.classes()), (HeadKind::RtDetr, Some(2)));
    assert_eq!(scores.image.spec.resize, Resize::Stretch);
}

#[test]
fn suppressing_across_classes_is_not_suppressing_in_the_graph() {
    let open =
        || Model::with_output(&[0, 0, 6]).metadata("names", "{0: 'a', 1: 'b'}").metadata("stride", "32");
    let agnostic = open().metadata("args", "{'agnostic_nms': True, 'nms': False}").error();
    assert!(agnostic.contains("fit more than one detector: name the right one as `head`"), "{agnostic}");
    assert_eq!(open().metadata("args", "{'nms': True}").kind(), HeadKind::EndToEnd);
    assert_eq!(open().metadata("end2end", "True").kind(), HeadKind::EndToEnd);
    assert_eq!(open().sidecar("head = 'end-to-end'").kind(), HeadKind::EndToEnd);
}

#[test]
fn three_outputs_by_name_or_by_type() {
    let lists = |names: [&str; 3], batch: &[usize]| {
        let shape = |last: &[usize]| [batch, &[300], last].concat();
        Model::new(&[
            tensor(names[0], DataType::I64, &shape(&[])),
            float(names[1], &shape(&[4])),
            float(names[2], &shape(&[])),
        ])
    };
    for names in [["labels", "boxes", "scores"], ["3254", "3250", "3261"]] {
        assert_eq!(lists(names, &[1]).kind(), HeadKind::Detr);
        assert_eq!(lists(names, &[]).kind(), HeadKind::Torchvision);
    }
    let open = [float("images", &[0, 3, 300, 300])];
    assert_eq!(lists(["labels", "boxes", "scores"], &[]).inputs(&open).contract().image.batch, Some(1));
}

#[test]
fn inputs_are_fed_as_their_kind_wants() {
    let spec = Model::with_output(&[1, 84, 8400]).contract().image.spec;
    assert_eq!(
        (spec.resize, spec.channels, spec.scale),
        (Resize::Letterbox, Channels::Rgb, [1.0 / 255.0; 3])
    );
    let spec = Model::with_output(&[1, 8400, 85]).contract().image.spec;
    assert_eq!((spec.resize, spec.channels, spec.scale), (Resize::TopLeft, Channels::Bgr, [1.0; 3]));
    let bytes = [tensor("input_tensor", DataType::U8, &[1, 320, 480, 3])];
    let outputs = ["detection_boxes:0", "detection_classes:0", "detection_scores:0"];
    let outputs =
        outputs.map(|name| float(name, if name.contains("boxes") { &[1, 10, 4] } else { &[1, 10] }));
    let image = Model::new(&outputs).inputs(&bytes).contract().image;
    assert_eq!((image.spec.width, image.spec.height, image.spec.layout), (480, 320, Layout::Nhwc));
    assert_eq!((image.spec.scale, image.shape(2)), ([1.0; 3], [2, 320, 480, 3]));
    let grey = [tensor("images", DataType::F16, &[1, 1, 640, 640])];
    assert_eq!(
        Model::with_output(&[1, 84, 8400]).inputs(&grey).contract().image.spec.channels,
        Channels::Gray
    );
}

#[test]
fn auxiliary_inputs_say_that_the_frame_is_the_input() {
    let outputs = [
        tensor("labels", DataType::I64, &[0, 300]),
        float("boxes", &[0, 300, 4]),
        float("scores", &[0, 300]),
    ];
    let image = float("images", &[0, 3, 480, 640]);
    let sizes = tensor("orig_target_sizes", DataType::I64, &[0, 2]);
    let contract = Model::new(&outputs).inputs(&[image.clone(), sizes]).contract();
    assert_eq!((contract.auxiliary[0].index, contract.auxiliary[0].row), (1, [640, 480]));
    let paddle = [float("rows", &[0, 6]), tensor("counts", DataType::I32, &[0])];
    let inputs = [float("im_shape", &[0, 2]), image, float("scale_factor", &[0, 2])];
    let contract = Model::new(&paddle).inputs(&inputs).contract();
    assert_eq!((contract.image.index, contract.head.kind()), (1, HeadKind::Paddle));
    assert_eq!(contract.auxiliary.iter().map(|input| input.row).collect::<Vec<_>>(), [[480, 640], [1, 1]]);
}

#[test]
fn open_sizes_are_filled_in() {
    let open = || Model::with_output(&[0, 84, 0]).inputs(&[float("images", &[0, 3, 0, 0])]);
    let size =
        |contract: Contract| (contract.image.spec.width, contract.image.spec.height, contract.image.batch);
    assert_eq!(size(open().contract()), (640, 640, None));
    assert_eq!(size(open().metadata("imgsz", "[384, 640]").contract()), (640, 384, None));
    assert_eq!(size(open().metadata("imgsz", "320").contract()), (320, 320, None));
    assert_eq!(size(open().metadata("imgsz", "320").sidecar("size = [96, 64]").contract()), (96, 64, None));
    let error = open().metadata("stride", "32").sidecar("size = [100, 64]").error();
    assert_eq!(error, "an input of 100x64 was asked for, but width and height must be multiples of 32");
    let error = Model::with_output(&[1, 84, 8400]).sidecar("size = [320, 320]").error();
    assert!(
        error.contains("asks for `size = [320, 320]`, but input `images` F32 [1, 3, 640, 640]"),
        "{error}"
    );
}

#[test]
fn a_sidecar_overrides() {
    let text = "head = 'yolox-decoded'\nresize = 'letterbox'\nchannels = 'rgb'\nmean = [1, 2, 3]\n\
        scale = [0.5, 0.5, 0.5]\npad = 0\nscore_threshold = 0.4\niou_threshold = 0.6";
    let contract = Model::with_output(&[1, 8400, 85]).sidecar(text).contract();
    let spec = contract.image.spec;
    assert_eq!(
        (contract.head.kind(), spec.resize, spec.channels),
        (HeadKind::YoloxDecoded, Resize::Letterbox, Channels::Rgb)
    );
    assert_eq!((spec.mean, spec.scale, spec.pad), ([1.0, 2.0, 3.0], [0.5; 3], 0));
    assert_eq!((contract.confidence, contract.iou), (Some(0.4), Some(0.6)));
    let error = Model::with_output(&[1, 84, 8400]).sidecar("channels = 'gray'").error();
    assert!(error.contains("asks for `channels = gray`, but input `images`"), "{error}");
}

#[test]
fn labels_by_hand_win_and_must_fit() {
    let model =
        || Model::with_output(&[1, 6, 8400]).metadata("names", "{0: 'a', 1: 'b'}").metadata("stride", "32");
    assert_eq!(model().contract().label(1), "b");
    assert_eq!(model().sidecar("labels = ['x', 'y']").contract().labels, ["x", "y"]);
    assert_eq!(model().sidecar("labels = ['x', 'y']").labels(2).contract().labels, names(2));
    assert_eq!(Model::with_output(&[1, 6, 8400]).contract().label(1), "class1");
    let error = model().labels(3).error();
    let expected =
        "expected 2 class names, as the outputs have that many score channels, found 3 in the labels file";
    assert!(error.starts_with(expected), "{error}");
    let error = Model::with_output(&[1, 300, 6]).metadata("names", "['a', 'b']").labels(3).error();
    assert!(
        error.starts_with("expected 2 class names, as the model's metadata name that many, found 3"),
        "{error}"
    );
}

#[test]
fn other_tasks_are_refused_by_name() {
    for (key, value, task) in
        [("task", "pose", "pose"), ("head", "OBB", "obb"), ("head", "Segment26", "segment")]
    {
        let error = Model::with_output(&[1, 56, 8400]).metadata(key, value).error();
        assert_eq!(
            error,
            format!("the model's task is `{task}`, but only `detect` is supported: export a detection model")
        );
    }
}

#[test]
fn broken_models_are_refused_with_reasons() {
    let good = || Model::with_output(&[1, 84, 8400]);
    let image = || float("images", &[1, 3, 640, 640]);
    let unknown = Model::new(&[float("output0", &[1, 116, 8400]), float("output1", &[1, 32, 160, 160])]);
    for (model, reason) in [
        (
            good().inputs(&[float("x", &[1, 640, 640])]),
            "expected an image input [N, 3, H, W] or [N, H, W, 3]",
        ),
        (good().inputs(&[float("x", &[1, 640, 640])]), "found `x` F32 [1, 640, 640]"),
        (good().inputs(&[tensor("x", DataType::I64, &[1, 3, 640, 640])]), "found `x` I64 [1, 3, 640, 640]"),
        (good().inputs(&[float("x", &[1, 4, 640, 640])]), "found `x` F32 [1, 4, 640, 640]"),
        (good().inputs(&[]), "found no input"),
        (good().inputs(&[image(), float("prompt", &[1, 77])]), "input `prompt` F32 [1, 77] is not known"),
        (good().inputs(&[image(), float("im_shape", &[1, 3])]), "input `im_shape` F32 [1, 3] is not known"),
        (
            unknown,
            "the outputs `output0` F32 [1, 116, 8400], `output1` F32 [1, 32, 160, 160] fit no known detector: yolo",
        ),
        (Model::with_output(&[1, 1000]), "fit no known detector"),
        (Model::new(&[]), "fit no known detector"),
        (good().sidecar("head = 'paddle'"), "do not fit head Paddle: correct `head` in the sidecar file"),
        (Model::with_output(&[1, 4, 8400]), "fit no known detector"),
        (
            good().metadata("names", "person"),
            "metadata `names` is `person`: expected `[` or `{`, found `p`; re-export",
        ),
        (good().metadata("imgsz", "[640, x]"), "metadata `imgsz` is `[640, x]`: expected `[height, width]`"),
        (good().metadata("stride", "-1"), "metadata `stride` is `-1`: expected a whole number above 0"),
    ] {
        let error = model.error();
        assert!(error.contains(reason), "{error}");
    }
}
