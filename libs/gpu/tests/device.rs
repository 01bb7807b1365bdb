//! On a CUDA device: copies, order, kernels against `vision`. Counted as ignored where there is none.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, reason = "each test uses a part")]
mod common;
mod harness;
#[path = "common/convolution.rs"]
mod layers;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use common::{
    Answer, HostImage, Noise, answers, comparable, differences, info, infos, nothing, scene, specs,
};
use gpu::cuda::copies::Direction;
use gpu::cuda::cupti::{self, Recorder, Total, TransferKind};
use gpu::cuda::{
    Context, DeviceBuffer, DeviceElementsMut, DeviceImageBuf, Error, Event, Graph, HostBuffer, Stream,
    copies, status,
};
use gpu::kernels::{Activation, CandidateFinder, Convolution, Operands, Painter, Preprocessor, Searched};
use half::f16;
use vision::head::{Candidate, DenseLayout};
use vision::image::PixelFormat;
use vision::preprocess::InputSpec;
use vision::tensor::{DataType, ElementsMut};

fn missing() -> Option<String> {
    match status() {
        Err(Error::Unavailable(reason)) => Some(reason),
        status => status.err().map(|error| panic!("{error}")),
    }
}

/// The first device's primary context and a stream.
fn device() -> (Arc<Context>, Stream) {
    let context = Context::primary(0).unwrap();
    let stream = Stream::new(&context).unwrap();
    (context, stream)
}

/// `image` in device memory.
fn upload(image: &HostImage, context: &Arc<Context>, stream: &Stream) -> DeviceImageBuf {
    let mut staging = HostBuffer::for_image(context, &image.info).unwrap();
    staging.store_image(&image.image()).unwrap();
    let mut device = DeviceImageBuf::new(context, image.info).unwrap();
    device.upload(&mut staging, stream, "test: upload").unwrap();
    device
}

/// Bytes that differ between an image in device memory and one in host memory.
fn device_differences(device: &DeviceImageBuf, expected: &HostImage, stream: &Stream) -> usize {
    let mut staging = HostBuffer::for_image(stream.context(), &expected.info).unwrap();
    device.image().unwrap().download(&mut staging, stream, "test: download").unwrap();
    differences(&staging.view_image(expected.info).unwrap(), &expected.image())
}

/// One slot of an input tensor as the device writes it.
fn preprocessed(image: &HostImage, spec: &InputSpec, data_type: DataType, size: usize) -> Vec<u8> {
    let (context, stream) = device();
    let source = upload(image, &context, &stream);
    let preprocessor = Preprocessor::new(&context, image.info, *spec).unwrap();
    let mut tensor = DeviceBuffer::new(&context, spec.len() * size).unwrap();
    tensor.fill(0xff, &stream).unwrap();
    let mut slot = tensor.elements_mut(data_type, 0..spec.len()).unwrap();
    preprocessor.run(&source.image().unwrap(), &mut slot, &stream).unwrap();
    let mut host = HostBuffer::pinned(&context, tensor.len()).unwrap();
    tensor.download(0..tensor.len(), &mut host, &stream, "test: tensor").unwrap();
    host.bytes().unwrap().to_vec()
}

fn reference(image: &HostImage, spec: &InputSpec, out: ElementsMut<'_>) {
    let mut preprocessor = vision::preprocess::Preprocessor::new(image.info, *spec).unwrap();
    preprocessor.run(&image.image(), out).unwrap();
}

fn preprocessing_equals_the_cpu_bit_by_bit() {
    for (seed, info) in infos().into_iter().enumerate() {
        let image = HostImage::noise(info, seed as u64 + 1);
        for spec in specs() {
            let bytes = preprocessed(&image, &spec, DataType::F32, 4);
            let mut expected = vec![0.0f32; spec.len()];
            reference(&image, &spec, ElementsMut::F32(&mut expected));
            let found: Vec<f32> =
                bytes.as_chunks().0.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect();
            assert_eq!(found, expected, "{info:?} {spec:?}");
        }
    }
}

fn every_element_type_equals_the_cpu() {
    let (image, spec) = (HostImage::noise(infos()[0], 5), specs()[3]);
    let bytes = preprocessed(&image, &spec, DataType::F16, 2);
    let mut expected = vec![f16::ZERO; spec.len()];
    reference(&image, &spec, ElementsMut::F16(&mut expected));
    let found: Vec<f16> = bytes.as_chunks().0.iter().map(|bytes| f16::from_ne_bytes(*bytes)).collect();
    assert_eq!(found, expected);
    let mut expected = vec![0u8; spec.len()];
    reference(&image, &spec, ElementsMut::U8(&mut expected));
    assert_eq!(preprocessed(&image, &spec, DataType::U8, 1), expected);
}

fn drawing_in_place_equals_the_cpu() {
    let (context, stream) = device();
    let mut painter = Painter::new(&context).unwrap();
    for (seed, info) in infos().into_iter().enumerate() {
        // More shapes than one round of the kernel lists.
        for count in [24, 700] {
            let list = scene(count, (info.width, info.height), seed as u64 + 1);
            let mut image = HostImage::noise(info, seed as u64 + 1);
            let mut device = upload(&image, &context, &stream);
            painter.draw(&list, &mut device.image_mut().unwrap(), &stream).unwrap();
            list.draw(&mut image.image_mut());
            assert_eq!(device_differences(&device, &image, &stream), 0, "{count} shapes on {info:?}");
        }
    }
}

fn copying_and_drawing_equals_the_cpu_and_leaves_the_source() {
    let (context, stream) = device();
    let mut painter = Painter::new(&context).unwrap();
    for (seed, info) in infos().into_iter().enumerate() {
        let list = scene(12, (info.width, info.height), seed as u64 + 60);
        let mut image = HostImage::noise(info, seed as u64 + 1);
        let source = upload(&image, &context, &stream);
        let mut copy = upload(&HostImage::noise(info, 99), &context, &stream);
        painter
            .copy_and_draw(&list, &source.image().unwrap(), &mut copy.image_mut().unwrap(), &stream)
            .unwrap();
        assert_eq!(device_differences(&source, &image, &stream), 0, "source, {info:?}");
        list.draw(&mut image.image_mut());
        assert_eq!(device_differences(&copy, &image, &stream), 0, "copy, {info:?}");
    }
}

fn a_list_of_nothing_draws_nothing() {
    let (context, stream) = device();
    let image = HostImage::noise(infos()[0], 3);
    let mut device = upload(&image, &context, &stream);
    let mut painter = Painter::new(&context).unwrap();
    painter.draw(&nothing(), &mut device.image_mut().unwrap(), &stream).unwrap();
    assert_eq!(device_differences(&device, &image, &stream), 0);
}

fn draws_on_two_streams_share_one_painter() {
    let (context, first) = device();
    let streams = [first, Stream::new(&context).unwrap()];
    let mut painter = Painter::new(&context).unwrap();
    let info = info(PixelFormat::Nv12, (640, 360));
    for round in 0..40 {
        let (list, stream) = (scene(60, (640, 360), round + 1), &streams[round as usize % 2]);
        let mut image = HostImage::noise(info, round + 1);
        let mut device = upload(&image, &context, stream);
        painter.draw(&list, &mut device.image_mut().unwrap(), stream).unwrap();
        list.draw(&mut image.image_mut());
        assert_eq!(device_differences(&device, &image, stream), 0, "round {round}");
    }
}

fn copies_are_ordered_and_counted() {
    let (context, stream) = device();
    let other = Stream::new(&context).unwrap();
    let (mut from, mut to) =
        (HostBuffer::pinned(&context, 1 << 20).unwrap(), HostBuffer::mapped(&context, 1 << 20).unwrap());
    from.bytes_mut().unwrap().fill(7);
    let mut buffers =
        [DeviceBuffer::new(&context, 1 << 20).unwrap(), DeviceBuffer::new(&context, 1 << 20).unwrap()];
    let [first, second] = &mut buffers;
    first.upload(0, &mut from, 0..1 << 20, &stream, "test: order").unwrap();
    other.wait_for(&stream).unwrap();
    second.copy_from(0, first, 1 << 20, &other, "test: order").unwrap();
    second.download(0..1 << 20, &mut to, &other, "test: order").unwrap();
    assert!(to.bytes().unwrap().iter().all(|&byte| byte == 7));
    assert!(to.device_address().unwrap().is_some() && from.device_address().unwrap().is_none());
    let ours: Vec<_> = copies::all().into_iter().filter(|copies| copies.purpose == "test: order").collect();
    assert_eq!(ours.len(), 3);
    assert!(ours.iter().all(|copies| (copies.calls, copies.bytes) == (1, 1 << 20)));
}

fn streams_wait_for_each_other_again_and_again() {
    const LENGTH: usize = 4 << 20;
    let (context, first) = device();
    let second = Stream::new(&context).unwrap();
    let mut buffer = DeviceBuffer::new(&context, LENGTH).unwrap();
    let mut host =
        [HostBuffer::pinned(&context, LENGTH).unwrap(), HostBuffer::pinned(&context, LENGTH).unwrap()];
    let [from, to] = &mut host;
    for round in 0..50 {
        from.bytes_mut().unwrap().fill(round);
        buffer.upload(0, from, 0..LENGTH, &first, "test: turns").unwrap();
        second.wait_for(&first).unwrap();
        buffer.download(0..LENGTH, to, &second, "test: turns").unwrap();
        first.wait_for(&second).unwrap();
        assert!(to.bytes().unwrap().iter().all(|&byte| byte == round), "round {round}");
    }
}

fn an_event_can_be_waited_for_awake() {
    let (context, stream) = device();
    let (mut from, mut buffer) =
        (HostBuffer::pinned(&context, 64 << 20).unwrap(), DeviceBuffer::new(&context, 64 << 20).unwrap());
    let event = Event::new(&context).unwrap();
    buffer.upload(0, &mut from, 0..64 << 20, &stream, "test: awake").unwrap();
    event.record(&stream).unwrap();
    event.spin(Duration::ZERO).unwrap();
    assert!(!event.has_happened().unwrap(), "64 MiB were copied at once");
    event.spin(Duration::from_secs(10)).unwrap();
    assert!(event.has_happened().unwrap());
}

fn an_event_can_be_waited_for_asleep() {
    let (context, stream) = device();
    let (mut from, mut buffer) =
        (HostBuffer::pinned(&context, 64 << 20).unwrap(), DeviceBuffer::new(&context, 64 << 20).unwrap());
    let event = Event::new(&context).unwrap();
    for _ in 0..10 {
        buffer.upload(0, &mut from, 0..64 << 20, &stream, "test: asleep").unwrap();
    }
    event.record(&stream).unwrap();
    assert!(!event.has_happened().unwrap(), "640 MiB were copied at once");
    event.synchronize().unwrap();
    assert!(event.has_happened().unwrap());
}

/// What is sent is what was there when it was sent, in as many copies as the driver takes along.
fn pageable_memory_is_sent_in_pieces() {
    const PURPOSE: &str = "test: pieces";
    let (context, stream) = device();
    let mut from = HostBuffer::pageable(&context, 150_000);
    let mut buffer = DeviceBuffer::new(&context, 150_000).unwrap();
    let mut to = HostBuffer::pinned(&context, 150_000).unwrap();
    let mut ballast = DeviceBuffer::new(&context, 256 << 20).unwrap();
    for (round, length) in [1, 65_536, 65_537, 150_000].into_iter().enumerate() {
        let mut pattern = |seed: usize| {
            let bytes = from.bytes_mut().unwrap();
            bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = ((at * 31 + seed) % 251) as u8);
            bytes.to_vec()
        };
        let sent = pattern(round);
        buffer.fill(255, &stream).unwrap();
        ballast.fill(0, &stream).unwrap();
        let at = 150_000 - length;
        buffer.upload(at, &mut from, 0..length, &stream, PURPOSE).unwrap();
        from.bytes_mut().unwrap().fill(0);
        buffer.download(0..150_000, &mut to, &stream, "test: back").unwrap();
        let arrived = to.bytes().unwrap();
        assert!(arrived[..at].iter().all(|&byte| byte == 255) && arrived[at..] == sent[..length], "{length}");
    }
    let counted = copies::all().into_iter().find(|copies| copies.purpose == PURPOSE).unwrap();
    assert_eq!((counted.calls, counted.bytes), (1 + 1 + 2 + 3, 1 + 65_536 + 65_537 + 150_000));
    buffer.upload(0, &mut from, 7..7, &stream, PURPOSE).unwrap();
    assert!(buffer.upload(0, &mut from, 7..150_001, &stream, PURPOSE).is_err());
}

fn any_host_memory_is_copied_or_read_in_place() {
    let (context, stream) = device();
    let image = HostImage::noise(info(PixelFormat::Rgba, (64, 48)), 7);
    let mut copy = DeviceImageBuf::new(&context, image.info).unwrap();
    let mut mapped = HostBuffer::mapped(&context, 64 * 48 * 4).unwrap();
    mapped.store_image(&image.image()).unwrap();
    let mut painter = Painter::new(&context).unwrap();
    let read = mapped.read_in_place(image.info, &stream, |from| {
        painter.copy_and_draw(&nothing(), from, &mut copy.image_mut()?, &stream)
    });
    read.unwrap();
    assert_eq!(device_differences(&copy, &image, &stream), 0);
    let pageable: Vec<u8> = mapped.bytes().unwrap().iter().map(|byte| !byte).collect();
    let mut buffer = DeviceBuffer::new(&context, pageable.len()).unwrap();
    buffer.write(&pageable, &stream, "test: pageable").unwrap();
    buffer.download(0..pageable.len(), &mut mapped, &stream, "test: back").unwrap();
    assert_eq!(mapped.bytes().unwrap(), pageable);
    assert!(buffer.write(&[0; 64 * 48 * 4 + 1], &stream, "test: too long").is_err());
    let mut pinned = HostBuffer::for_image(&context, &image.info).unwrap();
    let refused = pinned.read_in_place(image.info, &stream, |_| Ok(()));
    assert!(refused.unwrap_err().to_string().contains("is not mapped"));
}

/// Uploads `values` and lets the device find the candidates, twice with the same memory.
fn found<T: bytemuck::Pod>(values: &[T], data_type: DataType, answer: &Answer) -> Vec<Candidate> {
    let (context, stream) = device();
    let bytes: &[u8] = bytemuck::cast_slice(values);
    let mut host = HostBuffer::pinned(&context, bytes.len()).unwrap();
    host.bytes_mut().unwrap().copy_from_slice(bytes);
    let mut memory = DeviceBuffer::new(&context, bytes.len()).unwrap();
    memory.upload(0, &mut host, 0..bytes.len(), &stream, "test: output").unwrap();
    let positions = values.len() / answer.layout.width() / answer.images;
    let mut finder = CandidateFinder::new(&context, answer.images, positions).unwrap();
    let elements = memory.elements_mut(data_type, 0..values.len()).unwrap();
    let Answer { images, layout, confidence, .. } = *answer;
    let output = Searched { values: elements, images, layout, confidence };
    for _ in 0..2 {
        finder.find(&output, &stream).unwrap();
    }
    let found = finder.found().unwrap();
    assert!(finder.launch(&stream).is_err(), "nothing was recorded");
    finder.record(&output, &stream, || Ok::<_, Error>(())).unwrap();
    finder.launch(&stream).unwrap();
    assert_eq!(comparable(finder.found().unwrap()), comparable(found.clone()));
    found
}

fn candidates_equal_the_cpu() {
    for answer in answers() {
        let (halves, halved) = answer.clone().halved();
        let expected = (comparable(answer.expected()), comparable(halved.expected()));
        assert_eq!(comparable(found(&answer.values, DataType::F32, &answer)), expected.0);
        assert_eq!(comparable(found(&halves, DataType::F16, &halved)), expected.1);
    }
}

fn a_search_comes_after_the_work_that_it_was_recorded_with() {
    let (context, stream) = device();
    let layout = DenseLayout { planes: true, objectness: false, output: 0, classes: 1 };
    let mut memory = DeviceBuffer::new(&context, 5 * 40 * 4).unwrap();
    // 0x3f3f3f3f is 0.75.
    memory.fill(0x3f, &stream).unwrap();
    // SAFETY: they lie in `memory`, where nobody else uses them while this does.
    #[allow(unsafe_code)]
    let mut bytes = unsafe { DeviceElementsMut::new(memory.address(), DataType::U8, memory.len()) };
    let values = memory.elements_mut(DataType::F32, 0..5 * 40).unwrap();
    let output = Searched { values, images: 1, layout, confidence: 0.5 };
    let mut finder = CandidateFinder::new(&context, 1, 40).unwrap();
    finder.record(&output, &stream, || bytes.zero(&stream)).unwrap();
    finder.find(&output, &stream).unwrap();
    assert_eq!(finder.found().unwrap().len(), 40, "what is recorded does not run");
    for _ in 0..2 {
        finder.launch(&stream).unwrap();
        assert_eq!(finder.found().unwrap(), []);
    }
}

fn more_candidates_than_are_brought_at_once_come_all_the_same() {
    let layout = DenseLayout { planes: true, objectness: false, output: 0, classes: 1 };
    let flat = Answer { layout, images: 1, values: vec![0.7; 5 * 8400], confidence: 0.5 };
    assert_eq!(found(&flat.values, DataType::F32, &flat), flat.expected());
    assert_eq!(flat.expected().len(), 8400);
}

/// `numbers` in device memory.
fn on_device(numbers: &[f32], stream: &Stream) -> DeviceBuffer {
    let bytes: &[u8] = bytemuck::cast_slice(numbers);
    let mut staging = HostBuffer::pinned(stream.context(), bytes.len()).unwrap();
    staging.bytes_mut().unwrap().copy_from_slice(bytes);
    let mut device = DeviceBuffer::new(stream.context(), bytes.len()).unwrap();
    device.upload(0, &mut staging, 0..bytes.len(), stream, "test: numbers").unwrap();
    device
}

fn convolutions_are_sums_of_products() {
    let (context, stream) = device();
    let mut noise = Noise(1);
    for layer in layers::layers(|| noise.between(-0.5, 0.5)) {
        let length = layer.output_shape.iter().product::<usize>();
        let [mut input, mut weights, mut bias] =
            [&layer.input, &layer.weights, &layer.bias].map(|numbers| on_device(numbers, &stream));
        let mut output = on_device(&vec![f32::NAN; length], &stream);
        let operands = Operands {
            input_shape: layer.input_shape,
            input: input.elements_mut(DataType::F32, 0..layer.input.len()).unwrap(),
            weights: weights.elements_mut(DataType::F32, 0..layer.weights.len()).unwrap(),
            bias: bias.elements_mut(DataType::F32, 0..layer.bias.len()).unwrap(),
            output: output.elements_mut(DataType::F32, 0..length).unwrap(),
        };
        layer.convolution.run(&operands, &stream).unwrap();
        let mut found = HostBuffer::pinned(&context, length * 4).unwrap();
        output.download(0..length * 4, &mut found, &stream, "test: numbers").unwrap();
        layer.compare(bytemuck::cast_slice(found.bytes().unwrap()));
    }
}

/// Copies of a size that nothing else has: plain ones, rows of a picture, and within a graph.
fn cupti_counts_what_is_copied() {
    const PURPOSE: &str = "test: cupti";
    const BYTES: usize = 123_456;
    let recorder = Recorder::start().unwrap();
    // The device's clock and the host's agree to some microseconds.
    let moment = || {
        std::thread::sleep(Duration::from_millis(5));
        let now = recorder.now().unwrap();
        std::thread::sleep(Duration::from_millis(5));
        now
    };
    let (context, stream) = device();
    let mut host = HostBuffer::pinned(&context, BYTES).unwrap();
    let (mut first, mut second) =
        (DeviceBuffer::new(&context, BYTES).unwrap(), DeviceBuffer::new(&context, BYTES).unwrap());
    first.upload(0, &mut host, 0..BYTES, &stream, "test: before").unwrap();
    stream.synchronize().unwrap();
    let begin = moment();
    for _ in 0..3 {
        first.upload(0, &mut host, 0..BYTES, &stream, PURPOSE).unwrap();
        second.copy_from(0, &first, BYTES, &stream, PURPOSE).unwrap();
    }
    second.download(0..BYTES, &mut host, &stream, PURPOSE).unwrap();
    stream.synchronize().unwrap();
    let end = moment();
    // Recording counts nothing as copied; launching does.
    let mut graph =
        Graph::record(&stream, || second.copy_from(0, &first, BYTES, &stream, "test: graph")).unwrap();
    graph.launch(&stream).unwrap();
    graph.launch(&stream).unwrap();
    stream.synchronize().unwrap();
    let last = moment();
    let recording = recorder.finish().unwrap();
    assert!(recording.is_complete(), "{} dropped, {} cut", recording.dropped, recording.cut);
    let ours = |period, kind| -> Total {
        let ours = recording.during(period);
        ours.filter(|transfer| transfer.kind == kind && transfer.bytes == BYTES as u64).collect()
    };
    for (direction, kind) in [
        (Direction::HostToDevice, TransferKind::HostToDevice),
        (Direction::DeviceToDevice, TransferKind::DeviceToDevice),
        (Direction::DeviceToHost, TransferKind::DeviceToHost),
    ] {
        let counted =
            copies::all().into_iter().find(|c| c.direction == direction && c.purpose == PURPOSE).unwrap();
        let seen = ours(begin..end, kind);
        assert_eq!((seen.calls, seen.bytes, seen.largest), (counted.calls, counted.bytes, BYTES as u64));
    }
    assert_eq!(ours(end..last, TransferKind::DeviceToDevice).calls, 2, "copies within graphs");
}

fn what_does_not_fit_is_refused() {
    let (context, stream) = device();
    let mut buffer = DeviceBuffer::new(&context, 16).unwrap();
    let mut host = HostBuffer::pinned(&context, 8).unwrap();
    assert!(matches!(buffer.upload(9, &mut host, 0..8, &stream, "test"), Err(Error::Argument(_))));
    assert!(matches!(buffer.download(0..16, &mut host, &stream, "test"), Err(Error::Argument(_))));
    assert!(buffer.elements_mut(DataType::F32, 0..5).is_err());
    assert!(matches!(Context::primary(99), Err(Error::Unavailable(_))));
    let preprocessor = Preprocessor::new(&context, infos()[0], specs()[0]).unwrap();
    let image = DeviceImageBuf::new(&context, infos()[1]).unwrap();
    let mut slot = buffer.elements_mut(DataType::F32, 0..4).unwrap();
    assert!(preprocessor.run(&image.image().unwrap(), &mut slot, &stream).is_err());
}

fn the_primary_context_is_one_per_process() {
    let (context, stream) = device();
    assert!(Arc::ptr_eq(&context, &Context::primary(0).unwrap()));
    let event = Event::new(&context).unwrap();
    event.record(&stream).unwrap();
    event.synchronize().unwrap();
    assert!(event.has_happened().unwrap());
    let (free, total) = context.memory().unwrap();
    assert!(free <= total && total <= context.device().memory);
}

/// What needs CUPTI, where it is installed.
fn with_cupti() -> &'static [harness::Test] {
    match cupti::load_library() {
        Ok(()) => tests![cupti_counts_what_is_copied],
        Err(reason) => {
            println!("SKIPPED: cupti_counts_what_is_copied ({reason})");
            &[]
        }
    }
}

fn main() -> ExitCode {
    // First what needs CUPTI, so that it is there before the context.
    let on_device = [
        with_cupti(),
        tests![
            preprocessing_equals_the_cpu_bit_by_bit,
            every_element_type_equals_the_cpu,
            drawing_in_place_equals_the_cpu,
            copying_and_drawing_equals_the_cpu_and_leaves_the_source,
            a_list_of_nothing_draws_nothing,
            draws_on_two_streams_share_one_painter,
            copies_are_ordered_and_counted,
            streams_wait_for_each_other_again_and_again,
            an_event_can_be_waited_for_asleep,
            pageable_memory_is_sent_in_pieces,
            an_event_can_be_waited_for_awake,
            any_host_memory_is_copied_or_read_in_place,
            candidates_equal_the_cpu,
            more_candidates_than_are_brought_at_once_come_all_the_same,
            a_search_comes_after_the_work_that_it_was_recorded_with,
            convolutions_are_sums_of_products,
            what_does_not_fit_is_refused,
            the_primary_context_is_one_per_process
        ],
    ]
    .concat();
    harness::run_on_device(missing(), &on_device, &[])
}
