//! Frames in GStreamer's CUDA memory, on a CUDA device. Counted as ignored where there is none.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, reason = "each test uses a part")]
mod common;
mod harness;

use std::process::ExitCode;
use std::sync::Arc;

use common::{HostImage, differences, scene};
use gpu::cuda::{DeviceBuffer, Error, HostBuffer, Stream};
use gpu::gstcuda::{self, CudaContext, CudaStream};
use gpu::kernels::{Painter, Preprocessor};
use gpu::{Frame, FrameError, FrameMut, MemoryKind, format};
use gst::prelude::*;
use gst_video::VideoInfo;
use vision::image::Image;
use vision::preprocess::InputSpec;
use vision::tensor::{DataType, ElementsMut};

fn missing() -> Option<String> {
    gst::init().unwrap();
    match gstcuda::status() {
        Err(Error::Unavailable(reason)) => Some(reason),
        status => status.err().map(|error| panic!("{error}")),
    }
}

/// The shared context.
fn context() -> Arc<CudaContext> {
    CudaContext::primary(0).unwrap()
}

fn video_info(width: u32, height: u32) -> VideoInfo {
    VideoInfo::builder(gst_video::VideoFormat::Nv12, width, height).build().unwrap()
}

/// A frame of a test pattern that `cudaupload` brought to the device in our context, as host bytes before and a buffer.
fn uploaded(context: &CudaContext) -> (gst::Buffer, gst::Buffer, VideoInfo) {
    let line = "videotestsrc num-buffers=1 pattern=smpte ! video/x-raw,format=NV12,width=642,height=362 ! \
                tee name=t ! queue ! cudaupload ! video/x-raw(memory:CUDAMemory) ! appsink name=device sync=false t. ! queue ! appsink name=host sync=false";
    let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.set_context(&context.to_gst().unwrap());
    pipeline.set_state(gst::State::Playing).unwrap();
    let pull = |name: &str| {
        let sink = pipeline.by_name(name).unwrap().downcast::<gst_app::AppSink>().unwrap();
        sink.pull_sample().unwrap()
    };
    let (host, device) = (pull("host"), pull("device"));
    let info = VideoInfo::from_caps(device.caps().unwrap()).unwrap();
    assert_eq!(MemoryKind::of(device.caps().unwrap().features(0)), Some(MemoryKind::Cuda));
    let buffers = (host.buffer_owned().unwrap(), device.buffer_owned().unwrap(), info);
    drop((host, device));
    pipeline.set_state(gst::State::Null).unwrap();
    buffers
}

fn host_image(image: &Image<'_>) -> HostImage {
    let mut copy = HostImage::noise(*image.info(), 1);
    let info = *image.info();
    for plane in 0..info.format.planes() {
        for y in 0..info.format.rows(plane, info.height) {
            copy.image_mut().row_mut(plane, y).copy_from_slice(image.row(plane, y));
        }
    }
    copy
}

/// The frame in `buffer` as the device holds it.
fn downloaded(buffer: &gst::BufferRef, info: &VideoInfo) -> HostImage {
    let Ok(Frame::Cuda(frame)) = Frame::map(buffer, info, MemoryKind::Cuda) else {
        panic!("the frame should lie in CUDA memory");
    };
    let stream = Stream::new(frame.context()).unwrap();
    let mut staging = HostBuffer::for_image(frame.context(), frame.info()).unwrap();
    frame.read_on(&stream, |image| image.download(&mut staging, &stream, "test: frame")).unwrap();
    host_image(&staging.view_image(*frame.info()).unwrap())
}

fn an_uploaded_frame_is_read_in_our_context() {
    let context = context();
    let (host, device, info) = uploaded(&context);
    let Ok(Frame::Cuda(frame)) = Frame::map(&device, &info, MemoryKind::Cuda) else {
        panic!("not CUDA memory")
    };
    assert_eq!(frame.context(), context.context());
    let expected = Frame::map(&host, &info, MemoryKind::Host).unwrap();
    let found = downloaded(&device, &info);
    assert_eq!(differences(&found.image(), &expected.image().unwrap()), 0);
    assert!(matches!(
        Frame::map(&device, &info, MemoryKind::Cuda).unwrap().image(),
        Err(FrameError::Memory(_))
    ));
}

fn an_uploaded_frame_is_preprocessed_as_on_the_cpu() {
    let context = context();
    let (host, device, info) = uploaded(&context);
    let (spec, kind) = (InputSpec::new(320, 320), format::image_info(&info).unwrap());
    let stream = Stream::new(context.context()).unwrap();
    let preprocessor = Preprocessor::new(context.context(), kind, spec).unwrap();
    let mut tensor = DeviceBuffer::new(context.context(), spec.len() * 4).unwrap();
    let Ok(Frame::Cuda(frame)) = Frame::map(&device, &info, MemoryKind::Cuda) else {
        panic!("not CUDA memory")
    };
    let mut slot = tensor.elements_mut(DataType::F32, 0..spec.len()).unwrap();
    frame.read_on(&stream, |image| preprocessor.run(image, &mut slot, &stream)).unwrap();
    let mut found = HostBuffer::pinned(context.context(), tensor.len()).unwrap();
    tensor.download(0..tensor.len(), &mut found, &stream, "test: tensor").unwrap();
    let found: Vec<f32> =
        found.bytes().unwrap().as_chunks().0.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect();
    let mut expected = vec![0.0; spec.len()];
    let image = Frame::map(&host, &info, MemoryKind::Host).unwrap();
    let mut reference = vision::preprocess::Preprocessor::new(kind, spec).unwrap();
    reference.run(&image.image().unwrap(), ElementsMut::F32(&mut expected)).unwrap();
    assert_eq!(found, expected);
}

fn a_frame_that_is_ours_is_drawn_on_in_place() {
    let context = context();
    let (host, mut device, info) = uploaded(&context);
    let list = scene(30, (642, 362), 8);
    let mut painter = Painter::new(context.context()).unwrap();
    let mut copy = device.copy();
    let refused = FrameMut::map(copy.make_mut(), &info, MemoryKind::Cuda);
    assert!(matches!(refused, Err(FrameError::Shared)), "two buffers hold the memory");
    drop(refused);
    drop(copy);
    let Ok(FrameMut::Cuda(mut frame)) = FrameMut::map(device.get_mut().unwrap(), &info, MemoryKind::Cuda)
    else {
        panic!("the frame should be ours alone");
    };
    frame.write(|image, stream| painter.draw(&list, image, stream)).unwrap();
    drop(frame);
    let mut expected = host_image(&Frame::map(&host, &info, MemoryKind::Host).unwrap().image().unwrap());
    list.draw(&mut expected.image_mut());
    assert_eq!(differences(&downloaded(&device, &info).image(), &expected.image()), 0);
}

fn a_shared_frame_is_copied_and_drawn_into_a_pool() {
    let context = context();
    let (host, device, info) = uploaded(&context);
    let (list, stream) = (scene(30, (642, 362), 9), CudaStream::new(&context).unwrap());
    let pool = gstcuda::buffer_pool(&context, &stream, &info, 2, 0).unwrap();
    pool.set_active(true).unwrap();
    let mut copy = pool.acquire_buffer(None).unwrap();
    let mut painter = Painter::new(context.context()).unwrap();
    let Ok(Frame::Cuda(from)) = Frame::map(&device, &info, MemoryKind::Cuda) else {
        panic!("not CUDA memory")
    };
    let Ok(FrameMut::Cuda(mut to)) = FrameMut::map(copy.make_mut(), &info, MemoryKind::Cuda) else {
        panic!("not CUDA memory")
    };
    to.write(|to, stream| from.read_on(stream, |from| painter.copy_and_draw(&list, from, to, stream)))
        .unwrap();
    drop(to);
    let mut expected = host_image(&Frame::map(&host, &info, MemoryKind::Host).unwrap().image().unwrap());
    assert_eq!(differences(&downloaded(&device, &info).image(), &expected.image()), 0, "the source stays");
    list.draw(&mut expected.image_mut());
    assert_eq!(differences(&downloaded(&copy, &info).image(), &expected.image()), 0);
    drop(copy);
    pool.set_active(false).unwrap();
}

/// A pipeline whose sink `device` proposes a pool on `stream`, as our elements do.
fn decoding(context: &Arc<CudaContext>, stream: &Arc<CudaStream>) -> gst::Pipeline {
    let line = "videotestsrc num-buffers=8 pattern=smpte ! video/x-raw,format=I420,width=642,height=362 ! \
                x264enc bframes=0 ! video/x-h264,profile=baseline ! h264parse ! tee name=t ! queue ! nvh264dec ! \
                video/x-raw(memory:CUDAMemory),format=NV12 ! appsink name=device sync=false \
                t. ! queue ! openh264dec ! videoconvert ! video/x-raw,format=NV12 ! appsink name=host sync=false";
    let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.set_context(&context.to_gst().unwrap());
    let sink = pipeline.by_name("device").unwrap().downcast::<gst_app::AppSink>().unwrap();
    let (context, stream) = (context.clone(), stream.clone());
    let propose = move |_: &gst_app::AppSink, query: &mut gst::query::Allocation| {
        gstcuda::propose(query, &context, &stream, 4).is_ok()
    };
    sink.set_callbacks(gst_app::AppSinkCallbacks::builder().propose_allocation(propose).build());
    pipeline
}

fn a_decoder_writes_into_our_pool_on_our_stream() {
    let context = context();
    let stream = Arc::new(CudaStream::new(&context).unwrap());
    let pipeline = decoding(&context, &stream);
    pipeline.set_state(gst::State::Playing).unwrap();
    let sink = |name: &str| pipeline.by_name(name).unwrap().downcast::<gst_app::AppSink>().unwrap();
    for _ in 0..8 {
        let (device, host) = (sink("device").pull_sample().unwrap(), sink("host").pull_sample().unwrap());
        let info = VideoInfo::from_caps(device.caps().unwrap()).unwrap();
        let buffer = device.buffer().unwrap();
        let Ok(Frame::Cuda(frame)) = Frame::map(buffer, &info, MemoryKind::Cuda) else {
            panic!("not CUDA memory")
        };
        assert_eq!(frame.context(), context.context());
        assert_eq!(frame.stream().raw(), stream.stream().raw());
        let expected = Frame::map(host.buffer().unwrap(), &info, MemoryKind::Host).unwrap();
        assert_eq!(differences(&downloaded(buffer, &info).image(), &expected.image().unwrap()), 0);
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

fn queries_are_answered_with_our_context_and_pool() {
    let context = context();
    let element = gst::ElementFactory::make("fakesink").build().unwrap();
    let mut query = gst::query::Context::new("gst.cuda.context");
    assert!(context.answer(&element, query.query_mut()));
    assert_eq!(query.context_owned().unwrap().context_type(), "gst.cuda.context");
    let mut other = gst::query::Context::new("gst.gl.GLDisplay");
    assert!(!context.answer(&element, other.query_mut()));
    let info = video_info(1920, 1080);
    let mut allocation = gst::query::Allocation::new(Some(&info.to_caps().unwrap()), true);
    let stream = CudaStream::new(&context).unwrap();
    gstcuda::propose(&mut allocation, &context, &stream, 6).unwrap();
    let (pool, size, min, _) = allocation.allocation_pools().next().unwrap();
    assert!(pool.is_some() && size as usize >= 1920 * 1080 * 3 / 2 && min == 6);
}

fn host_memory_is_not_taken_for_cuda_memory() {
    let info = video_info(64, 64);
    let buffer = gst::Buffer::with_size(info.size()).unwrap();
    assert!(matches!(Frame::map(&buffer, &info, MemoryKind::Cuda), Err(FrameError::Cuda(_))));
}

fn main() -> ExitCode {
    harness::run_on_device_or_double(
        missing(),
        tests![
            an_uploaded_frame_is_read_in_our_context,
            an_uploaded_frame_is_preprocessed_as_on_the_cpu,
            a_frame_that_is_ours_is_drawn_on_in_place,
            a_shared_frame_is_copied_and_drawn_into_a_pool,
            queries_are_answered_with_our_context_and_pool,
            host_memory_is_not_taken_for_cuda_memory
        ],
        tests![a_decoder_writes_into_our_pool_on_our_stream],
        &[],
    )
}
