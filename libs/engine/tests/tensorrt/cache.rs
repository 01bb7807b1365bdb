//! What the cache of engines is for: what may be used again, and what must not.

use std::sync::Arc;
use std::time::Duration;

use engine::cache::Miss;
use engine::tensorrt::progress::{Observer, Warner};
use engine::tensorrt::{self, Progress, Watch};
use engine::{EngineError, Options, Precision, TensorRtOptions, shared};

use crate::common::{Setup, builds, load, model, numbers, refusal, run};
use crate::double;

pub fn every_part_of_the_key_counts() {
    let setup = Setup::new();
    let changes: [fn(&mut TensorRtOptions); 4] = [
        |tensorrt| tensorrt.batch_size = 3,
        |tensorrt| tensorrt.workspace_mib = 32,
        |tensorrt| tensorrt.optimization_level = Some(1),
        |tensorrt| tensorrt.version_compatible = true,
    ];
    let variants = changes
        .map(|change| setup.with(change))
        .into_iter()
        .chain([setup.options.clone(), Options { precision: Precision::F32, ..setup.options.clone() }]);
    for (index, options) in variants.enumerate() {
        assert!(builds("affine_open", &options), "variant {index} was not built");
        assert!(!builds("affine_open", &options), "variant {index} was built twice");
        assert_eq!(setup.entries().len(), index + 1);
    }
    assert!(builds("metadata", &setup.options), "another model's engine was used");
}

/// A length-delimited protobuf field.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, content.len() as u8], content].concat()
}

pub fn tensors_in_a_file_of_their_own_count() {
    let (setup, folder) = (Setup::new(), tempfile::tempdir().unwrap());
    let (path, data) = (folder.path().join("m.onnx"), folder.path().join("m.data"));
    let place = field(13, &[field(1, b"location"), field(2, b"m.data")].concat());
    let tensor = [&[8, 1, 16, 1][..], &field(8, b"weight"), &place, &[14 << 3, 1]].concat();
    let network = std::fs::read(model("metadata")).unwrap();
    std::fs::write(&path, [network, field(7, &field(5, &tensor))].concat()).unwrap();
    let with = |bytes: &[u8]| {
        std::fs::write(&data, bytes).unwrap();
        let is_new = tensorrt::build(&path, &setup.options, &Watch::default()).unwrap().1;
        (is_new, shared::load(&path, &setup.options).unwrap())
    };
    let (first, again, other) = (with(b"1111"), with(b"1111"), with(b"22222"));
    assert_eq!((first.0, again.0, other.0), (true, false, true));
    assert!(shared::is_loaded(&path, &setup.options));
    assert!(!Arc::ptr_eq(&first.1, &other.1), "an engine of other weights is shared");
    drop((first, again, other));
    assert!(!shared::is_loaded(&path, &setup.options));
}

pub fn a_damaged_entry_is_built_anew() {
    let setup = Setup::new();
    assert!(builds("metadata", &setup.options));
    let whole = std::fs::read(setup.entry()).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() / 2], b"", b"no engine at all"] {
        std::fs::write(setup.entry(), damaged).unwrap();
        assert!(builds("metadata", &setup.options));
        assert!(!builds("metadata", &setup.options));
    }
    assert_eq!(run(&*setup.load("metadata"), &[1, 3, 8, 8], &numbers(192)).unwrap()[4], -11.0);
}

pub fn what_was_found_is_not_read_again() {
    let (setup, folder) = (Setup::new(), tempfile::tempdir().unwrap());
    let path = folder.path().join("m.onnx");
    std::fs::copy(model("metadata"), &path).unwrap();
    assert_eq!(tensorrt::prepare(&path, &setup.options).unwrap().needs_build(), Some(&Miss::New));
    assert!(tensorrt::build(&path, &setup.options, &Watch::default()).unwrap().1);
    let prepared = tensorrt::prepare(&path, &setup.options).unwrap();
    assert_eq!(prepared.needs_build(), None);
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_file(setup.entry()).unwrap();
    let engine = prepared.load(&Watch::default()).unwrap();
    assert_eq!(run(&*engine, &[1, 3, 8, 8], &numbers(192)).unwrap()[0], -13.0);
    assert!(setup.entries().is_empty(), "it was built again");
}

pub fn builders_that_start_together_build_once() {
    let setup = Setup::new();
    if double::is_in_place() {
        double::builder().set("build_step_ms", 100);
    }
    let built: usize = std::thread::scope(|scope| {
        let start = |_| scope.spawn(|| usize::from(builds("metadata", &setup.options)));
        let threads: Vec<_> = (0..4).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((built, setup.entries().len()), (1, 1));
}

pub fn an_entry_that_the_library_refuses_is_built_anew() {
    let setup = Setup::new();
    double::builder().set("plan_version", 100_100);
    assert!(builds("metadata", &setup.options));
    double::builder().set("plan_version", 0);
    let before = double::builder().get("builds");
    let engine = setup.load("metadata");
    assert_eq!(double::builder().get("builds"), before + 1);
    assert_eq!(run(&*engine, &[1, 3, 8, 8], &numbers(192)).unwrap()[0], -13.0);
    load("metadata", &setup.options);
    assert_eq!(double::builder().get("builds"), before + 1);
}

pub fn an_engine_that_the_library_refuses_at_once_is_an_error() {
    let setup = Setup::new();
    double::builder().set("plan_version", 100_100);
    let error = refusal("metadata", &setup.options);
    let EngineError::PlanRefused { reason } = &error else { panic!("{error}") };
    assert!(reason.contains("version tag 100100 does not match"), "{reason}");
    // From the cache it is tried to be built once more, and once only.
    let before = double::builder().get("builds");
    assert!(tensorrt::load(&model("metadata"), &setup.options, &Watch::default()).is_err());
    assert_eq!(double::builder().get("builds"), before + 1);
}

pub fn a_model_that_is_replaced_before_it_is_built_is_an_error() {
    let (setup, folder) = (Setup::new(), tempfile::tempdir().unwrap());
    let path = folder.path().join("m.onnx");
    std::fs::copy(model("metadata"), &path).unwrap();
    let (key, _) = tensorrt::build(&path, &setup.options, &Watch::default()).unwrap();
    let entry = setup.cache.path().join(key.digest());
    std::fs::remove_file(entry.with_extension("engine")).unwrap();
    let another = std::fs::File::options().write(true).open(entry.with_extension("lock")).unwrap();
    another.lock().unwrap();
    let (told, heard) = std::sync::mpsc::channel();
    let observer: Observer = Arc::new(move |progress: &Progress| told.send(progress.to_string()).unwrap());
    let watch = Watch { observer: Some(observer), ..Watch::default() };
    let loading = std::thread::spawn({
        let (path, options) = (path.clone(), setup.options.clone());
        move || tensorrt::build(&path, &options, &watch).map(|_| ())
    });
    assert!(heard.recv_timeout(Duration::from_secs(5)).unwrap().contains("another process builds it"));
    // The same network of another producer.
    std::fs::write(&path, [&std::fs::read(&path).unwrap()[..], b"\x12\x01x"].concat()).unwrap();
    another.unlock().unwrap();
    assert_eq!(loading.join().unwrap(), Err(EngineError::ModelChanged(path)));
    assert!(setup.entries().is_empty(), "an engine of another model was kept");
}

pub fn who_cannot_keep_an_engine_is_told() {
    let setup = Setup::new();
    assert!(builds("metadata", &setup.options));
    let entry = setup.entry();
    std::fs::remove_file(&entry).unwrap();
    std::fs::create_dir(entry.with_extension("unfinished")).unwrap();
    let (told, heard) = std::sync::mpsc::channel();
    let warn: Warner = Arc::new(move |text: &str| told.send(text.to_owned()).unwrap());
    let watch = Watch { warn: Some(warn), ..Watch::default() };
    let engine = tensorrt::load(&model("metadata"), &setup.options, &watch).unwrap();
    assert_eq!(run(&*engine, &[1, 3, 8, 8], &numbers(192)).unwrap()[0], -13.0);
    let text = heard.try_recv().unwrap();
    assert!(text.contains("built anew next time") && text.contains("engine-cache"), "{text}");
}
