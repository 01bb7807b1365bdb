//! `output=tensors`: what the network returned, for GStreamer's own decoders.

use gst_analytics::{AnalyticsRelationMeta, TensorDataType, TensorMeta};
use gst_osha_tests::{collect, file, model, objects};

/// The one frame that comes out of `element` for the picture `odd`.
fn frame(element: &str) -> gst::Buffer {
    let image = file("tests/golden/images/odd.png");
    let line = format!(
        "filesrc location={image} ! pngdec ! videoconvert ! video/x-raw,format=RGB ! {element} ! appsink name=out"
    );
    let delivered = collect(&line).unwrap();
    assert_eq!(delivered.error, None);
    delivered.samples[0].buffer_owned().unwrap()
}

/// Name, type and shape of what `model` returned.
fn tensors(model_name: &str, properties: &str) -> Vec<(String, TensorDataType, Vec<usize>)> {
    let buffer = frame(&format!("trtinfer output=tensors model={} {properties}", model(model_name)));
    assert!(buffer.meta::<AnalyticsRelationMeta>().is_none(), "detections that nobody asked for");
    let meta = buffer.meta::<TensorMeta>().unwrap();
    let tensor = |tensor: &gst_analytics::Tensor| {
        let elements: usize = tensor.dims().iter().product();
        let bytes = match tensor.data_type() {
            TensorDataType::Float16 => 2,
            TensorDataType::Int64 => 8,
            _ => 4,
        };
        assert_eq!(tensor.data().size(), elements * bytes);
        (tensor.id().as_str().to_string(), tensor.data_type(), tensor.dims().to_vec())
    };
    meta.as_slice().iter().map(tensor).collect()
}

#[test]
fn tensors_are_what_the_model_returns() {
    use TensorDataType::{Float16, Float32, Int64};
    let named = |name: &str, kind, shape: &[usize]| (name.to_owned(), kind, shape.to_vec());
    assert_eq!(tensors("yolo", ""), [named("output0", Float32, &[1, 7, 420])]);
    assert_eq!(tensors("yolo-fp16", ""), [named("output0", Float16, &[1, 7, 420])]);
    assert_eq!(tensors("yolo-dynamic", "batch-size=3"), [named("output0", Float32, &[1, 7, 420])]);
    let detr = [
        named("labels", Int64, &[1, 300]),
        named("boxes", Float32, &[1, 300, 4]),
        named("scores", Float32, &[1, 300]),
    ];
    assert_eq!(tensors("detr", ""), detr);
}

/// A copy of the model `tensorflow` whose metadata name the tensors as the stock decoder wants them named.
fn for_the_stock_decoder() -> (tempfile::TempDir, String) {
    let ids = [
        ("detection_boxes", "Gst.Model.ObjectDetector.Boxes"),
        ("detection_classes", "Gst.Model.ObjectDetector.Classes"),
        ("detection_scores", "Gst.Model.ObjectDetector.Scores"),
        ("num_detections", "Gst.Model.ObjectDetector.NumDetections"),
    ];
    let mut bytes = std::fs::read(model("tensorflow")).unwrap();
    for (name, id) in ids {
        bytes.extend(field(14, &[field(1, name.as_bytes()), field(2, id.as_bytes())].concat()));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ssd.onnx");
    std::fs::write(&path, bytes).unwrap();
    std::fs::copy(file("tests/golden/models/tensorflow.toml"), path.with_extension("toml")).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

/// A field of the ONNX file format: its number, its length, its bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2, u8::try_from(content.len()).expect("a short field")];
    bytes.extend(content);
    bytes
}

#[test]
fn the_stock_decoder_reads_the_tensors() {
    let (folder, ssd) = for_the_stock_decoder();
    let labels = folder.path().join("labels.txt");
    std::fs::write(&labels, "background\nhard hat\nit's a vest\nperson\n").unwrap();
    let stock = frame(&format!(
        "trtinfer output=tensors model={ssd} ! ssdobjectdetector score-threshold=0.5 size-threshold=1 label-file={}",
        labels.display()
    ));
    let own = frame(&format!("trtinfer model={ssd} confidence=0.5"));
    let (mut stock, own) = (objects::of(&stock).unwrap(), objects::of(&own).unwrap());
    for object in &mut stock {
        // The stock decoder lets boxes stick out of the picture.
        let [left, top, right, bottom] = object.corners;
        object.corners = [left.max(0.0), top.max(0.0), right.min(333.0), bottom.min(517.0)];
    }
    assert!(!own.is_empty());
    let matched = objects::matched(&own, &stock, 2.0, 0.01);
    assert_eq!((matched, stock.len()), (own.len(), own.len()), "{own:?}\n{stock:?}");
}
