//! The functions of `tensorrt/shim.cpp`, once for each product whose classes differ.
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

/// The calls of one product of TensorRT's.
#[repr(C)]
pub struct Shim {
    /// Version of the headers: major, minor and patch as 10000, 100 and 1.
    pub headers_version: i32,
    pub set_log: unsafe extern "C" fn(LogFunction),
    pub allocator_new: unsafe extern "C" fn(*mut c_void, AllocateFunction, ReleaseFunction) -> *mut Allocator,
    pub allocator_delete: unsafe extern "C" fn(*mut Allocator),
    pub runtime_new: unsafe extern "C" fn(CreateFunction, *mut Allocator, bool) -> *mut Runtime,
    pub runtime_delete: unsafe extern "C" fn(*mut Runtime),
    pub engine_new: unsafe extern "C" fn(*mut Runtime, *const c_void, u64) -> *mut Engine,
    pub engine_delete: unsafe extern "C" fn(*mut Engine),
    pub engine_tensor_count: unsafe extern "C" fn(*const Engine) -> i32,
    pub engine_tensor: unsafe extern "C" fn(*const Engine, i32, *mut Tensor) -> bool,
    pub engine_context_bytes: unsafe extern "C" fn(*const Engine) -> i64,
    pub context_new: unsafe extern "C" fn(*mut Engine) -> *mut Context,
    pub context_delete: unsafe extern "C" fn(*mut Context),
    pub context_set_input:
        unsafe extern "C" fn(*mut Context, *const c_char, *const Shape, *mut c_void) -> bool,
    pub context_set_output: unsafe extern "C" fn(*mut Context, *const c_char, *mut c_void) -> bool,
    pub context_shape: unsafe extern "C" fn(*const Context, *const c_char, *mut Shape),
    pub context_enqueue: unsafe extern "C" fn(*mut Context, *mut c_void) -> bool,
    pub network_new: unsafe extern "C" fn(
        CreateFunction,
        CreateParserFunction,
        *mut Allocator,
        *const c_char,
        *mut c_char,
        u64,
    ) -> *mut Network,
    pub network_delete: unsafe extern "C" fn(*mut Network),
    pub network_types: unsafe extern "C" fn(*const Network) -> u32,
    pub network_build: unsafe extern "C" fn(*mut Network, *const Request, *const Monitor) -> *mut Plan,
    pub plan_data: unsafe extern "C" fn(*const Plan) -> *const c_void,
    pub plan_size: unsafe extern "C" fn(*const Plan) -> u64,
    pub plan_delete: unsafe extern "C" fn(*mut Plan),
}

unsafe extern "C" {
    /// Of TensorRT.
    pub safe static osha_tensorrt: Shim;
    /// Of TensorRT for RTX.
    pub safe static osha_tensorrt_rtx: Shim;
}
