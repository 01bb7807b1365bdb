//! The functions of `tensorrt/shim.cpp`.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};

/// `Dims::MAX_DIMS`.
pub const MAX_DIMS: usize = 8;

macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        $($(#[$doc])* #[repr(C)] pub struct $name { _private: [u8; 0] })*
    };
}

opaque! {
    /// `IGpuAsyncAllocator`.
    Allocator,
    /// `IRuntime`.
    Runtime,
    /// `ICudaEngine`.
    Engine,
    /// `IExecutionContext`.
    Context,
    /// A network that was read, with builder and parser.
    Network,
    /// `IHostMemory`.
    Plan,
}

/// A shape; a negative dimension is open, a negative rank is no shape.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    pub rank: i32,
    pub dims: [i64; MAX_DIMS],
}

/// An input or output of an engine. The name lives as long as the engine.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Tensor {
    pub name: *const c_char,
    pub is_input: bool,
    pub is_on_host: bool,
    pub data_type: i32,
    pub shape: Shape,
    pub smallest: Shape,
    pub largest: Shape,
}

/// Shapes of one input that an engine is made for.
#[repr(C)]
pub struct Profile {
    pub name: *const c_char,
    pub smallest: Shape,
    pub best: Shape,
    pub largest: Shape,
}

/// How an engine is to be built.
#[repr(C)]
pub struct Request {
    pub profiles: *const Profile,
    pub profile_count: u64,
    pub workspace: u64,
    pub optimization_level: i32,
    pub version_compatible: bool,
    pub hardware_compatible: bool,
}

/// Told how far a build is.
#[repr(C)]
pub struct Monitor {
    pub user: *mut c_void,
    pub start: unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, i32),
    pub step: unsafe extern "C" fn(*mut c_void, *const c_char, i32) -> bool,
    pub finish: unsafe extern "C" fn(*mut c_void, *const c_char),
}

pub type LogFunction = unsafe extern "C" fn(i32, *const c_char);
/// `createInferRuntime_INTERNAL` and `createInferBuilder_INTERNAL`.
pub type CreateFunction = unsafe extern "C" fn(*mut c_void, i32) -> *mut c_void;
/// `createNvOnnxParser_INTERNAL`.
pub type CreateParserFunction = unsafe extern "C" fn(*mut c_void, *mut c_void, c_int) -> *mut c_void;
pub type AllocateFunction = unsafe extern "C" fn(*mut c_void, u64, u64) -> *mut c_void;
pub type ReleaseFunction = unsafe extern "C" fn(*mut c_void, *mut c_void) -> bool;

unsafe extern "C" {
    pub safe fn osha_trt_headers_version() -> i32;
    pub fn osha_trt_set_log(function: LogFunction);

    pub fn osha_trt_allocator_new(
        user: *mut c_void,
        allocate: AllocateFunction,
        release: ReleaseFunction,
    ) -> *mut Allocator;
    pub fn osha_trt_allocator_delete(allocator: *mut Allocator);

    pub fn osha_trt_runtime_new(
        create: CreateFunction,
        allocator: *mut Allocator,
        host_code: bool,
    ) -> *mut Runtime;
    pub fn osha_trt_runtime_delete(runtime: *mut Runtime);

    pub fn osha_trt_engine_new(runtime: *mut Runtime, plan: *const c_void, size: u64) -> *mut Engine;
    pub fn osha_trt_engine_delete(engine: *mut Engine);
    pub fn osha_trt_engine_tensor_count(engine: *const Engine) -> i32;
    pub fn osha_trt_engine_tensor(engine: *const Engine, index: i32, tensor: *mut Tensor) -> bool;
    pub fn osha_trt_engine_context_bytes(engine: *const Engine) -> i64;

    pub fn osha_trt_context_new(engine: *mut Engine) -> *mut Context;
    pub fn osha_trt_context_delete(context: *mut Context);
    pub fn osha_trt_context_set_input(
        context: *mut Context,
        name: *const c_char,
        shape: *const Shape,
        address: *mut c_void,
    ) -> bool;
    pub fn osha_trt_context_set_output(
        context: *mut Context,
        name: *const c_char,
        address: *mut c_void,
    ) -> bool;
    pub fn osha_trt_context_shape(context: *const Context, name: *const c_char, shape: *mut Shape);
    pub fn osha_trt_context_enqueue(context: *mut Context, stream: *mut c_void) -> bool;

    pub fn osha_trt_network_new(
        create_builder: CreateFunction,
        create_parser: CreateParserFunction,
        allocator: *mut Allocator,
        path: *const c_char,
        text: *mut c_char,
        capacity: u64,
    ) -> *mut Network;
    pub fn osha_trt_network_delete(network: *mut Network);
    pub fn osha_trt_network_types(network: *const Network) -> u32;
    pub fn osha_trt_network_build(
        network: *mut Network,
        request: *const Request,
        monitor: *const Monitor,
    ) -> *mut Plan;

    pub fn osha_trt_plan_data(plan: *const Plan) -> *const c_void;
    pub fn osha_trt_plan_size(plan: *const Plan) -> u64;
    pub fn osha_trt_plan_delete(plan: *mut Plan);
}
