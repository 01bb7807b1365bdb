//! The operator that [`fusion`] puts into networks, on a CUDA device.

use std::sync::Arc;

use gpu::cuda::{DeviceElementsMut, Stream};
use gpu::kernels::{Convolution, Operands};
use ort::operator::{
    BoxedKernel, ComputeContext, KernelContext, Operator, OperatorDomain, OperatorInput, OperatorOutput,
    ShapeInferenceContext,
};
use ort::value::{DynTensorValueType, Shape, SymbolicDimensions, TensorElementType, ValueRef, ValueType};
use vision::tensor::DataType;

use super::fusion;

/// The operators of a session whose work is put into `stream`.
pub(super) fn operators(stream: &Arc<Stream>) -> Result<OperatorDomain, ort::Error> {
    OperatorDomain::new(fusion::DOMAIN)?.add(FusedConvolution { stream: Arc::clone(stream) })
}

struct FusedConvolution {
    stream: Arc<Stream>,
}

impl Operator for FusedConvolution {
    type Kernel<'context> = BoxedKernel<'context>;

    fn name(&self) -> &str {
        fusion::OPERATOR
    }

    fn execution_provider_type(&self) -> Option<&str> {
        Some("CUDAExecutionProvider")
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [const { OperatorInput::required(TensorElementType::Float32) }; 3]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'context>(
        &self,
        context: &KernelContext<'context>,
    ) -> Result<Self::Kernel<'context>, ort::Error> {
        let convolution = convolution(context.get(fusion::ATTRIBUTE))?;
        let stream = Arc::clone(&self.stream);
        Ok(Box::new(move |context: &ComputeContext| run(&convolution, context, &stream)))
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> Result<(), ort::Error> {
        infer_shape(context)
    }
}

/// The convolution that a node's attribute tells of.
fn convolution(attribute: Option<Vec<i64>>) -> Result<Convolution, ort::Error> {
    let numbers = attribute.unwrap_or_default();
    fusion::of_attribute(&numbers).ok_or_else(|| ort::Error::new(format!("{numbers:?} is no convolution")))
}

/// Tells the shape of what comes out, once that of what goes in is known: the runtime takes a shape that is known in part
/// for a wrong one.
pub fn infer_shape(context: &mut ShapeInferenceContext) -> Result<(), ort::Error> {
    let convolution = convolution(context.attr(fusion::ATTRIBUTE).ok())?;
    let inputs = context.inputs();
    let shape = |index: usize| inputs.get(index).and_then(ValueType::tensor_shape);
    let known = shape(0).and_then(|images| shape_of(images).ok()).zip(shape(2));
    let output = known.and_then(|(images, bias)| convolution.output_shape(images, bias.num_elements()));
    let Some(output) = output else { return Ok(()) };
    let shape = Shape::new(output.map(|size| size as i64));
    let dimension_symbols = SymbolicDimensions::empty(shape.len());
    context.set_output(0, &ValueType::Tensor { ty: TensorElementType::Float32, shape, dimension_symbols })
}

/// Images, channels, height and width.
fn shape_of(shape: &Shape) -> Result<[usize; 4], ort::Error> {
    let sizes: Vec<_> = shape.iter().filter_map(|&size| usize::try_from(size).ok()).collect();
    sizes.try_into().map_err(|_| ort::Error::new(format!("{shape:?} is no shape of images")))
}

fn run(convolution: &Convolution, context: &ComputeContext, stream: &Stream) -> Result<(), ort::Error> {
    let missing = || ort::Error::new("a tensor is missing");
    let input = |index| -> Result<ValueRef<'_, DynTensorValueType>, ort::Error> {
        context.input(index)?.ok_or_else(missing)?.downcast()
    };
    let (images, weights, bias) = (input(0)?, input(1)?, input(2)?);
    let input_shape = shape_of(images.shape())?;
    let channels = bias.shape().num_elements();
    let shape = convolution.output_shape(input_shape, channels);
    let shape = shape.ok_or_else(|| ort::Error::new("the kernel is larger than the image"))?;
    let output = context.output(0, shape.map(|size| size as i64))?.ok_or_else(missing)?;
    let output = output.downcast::<DynTensorValueType>()?;
    // SAFETY: the runtime keeps the tensors until what is in its stream now has been done, and that is this stream.
    #[allow(unsafe_code)]
    let elements = |address: *const std::ffi::c_void, shape: &Shape| unsafe {
        DeviceElementsMut::new(address as u64, DataType::F32, shape.num_elements())
    };
    let operands = Operands {
        input_shape,
        input: elements(images.data_ptr(), images.shape()),
        weights: elements(weights.data_ptr(), weights.shape()),
        bias: elements(bias.data_ptr(), bias.shape()),
        output: elements(output.data_ptr(), output.shape()),
    };
    convolution.run(&operands, stream).map_err(|error| ort::Error::new(error.to_string()))
}
