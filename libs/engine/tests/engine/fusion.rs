//! A network with fused convolutions against the network as it is, both on the CPU.

use std::path::Path;

use engine::onnxruntime::{convolution, fusion, library};
use gpu::kernels::{Activation, Convolution};
use ort::operator::{
    BoxedKernel, ComputeContext, KernelContext, Operator, OperatorDomain, OperatorInput, OperatorOutput,
    ShapeInferenceContext,
};
use ort::session::Session;
use ort::session::builder::SessionBuilder;
use ort::value::{Tensor as Value, TensorElementType};

use crate::common::{model, options};

/// The operator on the CPU, as a plain sum.
struct OnCpu;

impl Operator for OnCpu {
    type Kernel<'context> = BoxedKernel<'context>;

    fn name(&self) -> &str {
        fusion::OPERATOR
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [const { OperatorInput::required(TensorElementType::Float32) }; 3]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> Result<(), ort::Error> {
        convolution::infer_shape(context)
    }

    fn create_kernel<'context>(
        &self,
        context: &KernelContext<'context>,
    ) -> Result<Self::Kernel<'context>, ort::Error> {
        let layer = fusion::of_attribute(&context.get::<Vec<i64>>(fusion::ATTRIBUTE).unwrap()).unwrap();
        Ok(Box::new(move |context: &ComputeContext| compute(&layer, context)))
    }
}

fn compute(layer: &Convolution, context: &ComputeContext) -> Result<(), ort::Error> {
    let (input, weights, bias) =
        (context.input(0)?.unwrap(), context.input(1)?.unwrap(), context.input(2)?.unwrap());
    let (shape, input) = input.try_extract_tensor::<f32>()?;
    let (weights, bias) = (weights.try_extract_tensor::<f32>()?.1, bias.try_extract_tensor::<f32>()?.1);
    let input_shape: [usize; 4] = std::array::from_fn(|axis| shape[axis] as usize);
    let output_shape = layer.output_shape(input_shape, bias.len()).unwrap();
    let mut output = context.output(0, output_shape.map(|size| size as i64))?.unwrap();
    let (_, output) = output.try_extract_tensor_mut::<f32>()?;
    let [_, channels, height, width] = output_shape;
    for (index, result) in output.iter_mut().enumerate() {
        let (pixel, plane) = (index % (height * width), index / (height * width));
        let place = (plane / channels, [pixel / width, pixel % width]);
        let x = sum(layer, (input, input_shape), (weights, channels, plane % channels), place)
            + bias[plane % channels];
        *result = match layer.activation {
            Activation::None => x,
            Activation::Relu => x.max(0.0),
            Activation::Silu => x / (1.0 + (-x).exp()),
        };
    }
    Ok(())
}

fn sum(
    layer: &Convolution,
    (input, [_, inputs, height, width]): (&[f32], [usize; 4]),
    (weights, channels, channel): (&[f32], usize, usize),
    (image, [row, column]): (usize, [usize; 2]),
) -> f32 {
    let mut sum = 0.0;
    for tap in 0..layer.kernel[0] * layer.kernel[1] {
        let y = (row * layer.stride[0] + tap / layer.kernel[1]).checked_sub(layer.padding[0]);
        let x = (column * layer.stride[1] + tap % layer.kernel[1]).checked_sub(layer.padding[1]);
        let (Some(y), Some(x)) = (y, x) else { continue };
        if y < height && x < width {
            sum += (0..inputs)
                .map(|plane| {
                    input[((image * inputs + plane) * height + y) * width + x]
                        * weights[(tap * inputs + plane) * channels + channel]
                })
                .sum::<f32>();
        }
    }
    sum
}

fn outputs(session: &mut Session) -> Vec<(Vec<i64>, Vec<f32>)> {
    let numbers: Vec<_> = (0..2 * 3 * 26 * 22).map(|index| (index * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let input = Value::from_array(([2, 3, 26, 22], numbers)).unwrap();
    let outputs = session.run(ort::inputs![input]).unwrap();
    outputs
        .values()
        .map(|value| {
            value
                .try_extract_tensor::<f32>()
                .map(|(shape, numbers)| (shape.to_vec(), numbers.to_vec()))
                .unwrap()
        })
        .collect()
}

/// A session of the fused model in the file `path`.
fn fused(builder: SessionBuilder, path: &Path) -> Session {
    let fused = fusion::fuse(path).unwrap().unwrap();
    let domain = OperatorDomain::new(fusion::DOMAIN).unwrap().add(OnCpu).unwrap();
    builder.with_operators(domain).unwrap().commit_from_memory(&fused.model).unwrap()
}

#[test]
fn a_fused_network_computes_what_the_network_does() {
    let library = library::open(&options()).unwrap();
    let builder = || Session::builder(library.environment()).unwrap();
    let path = model("convolutions");
    let plain = outputs(&mut builder().commit_from_file(&path).unwrap());
    let found = outputs(&mut fused(builder(), &path));
    assert_eq!(found.len(), plain.len());
    for ((shape, found), (expected_shape, expected)) in found.iter().zip(&plain) {
        assert_eq!(shape, expected_shape);
        let differ = |(a, b): (&f32, &f32)| (a - b).abs() > 1e-4;
        assert!(!found.iter().zip(expected).any(differ), "{found:?} instead of {expected:?}");
    }
}

/// Otherwise nodes that compute shapes would stay, and on a GPU the network could not be recorded.
#[test]
fn shapes_behind_a_fused_convolution_are_known() {
    let library = library::open(&options()).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/ppe-demo.onnx");
    let folder = tempfile::tempdir().unwrap();
    let optimized = folder.path().join("optimized.onnx");
    let builder = Session::builder(library.environment()).unwrap();
    drop(fused(builder.with_optimized_model_path(&optimized).unwrap(), &path));
    let has = |file: &Path, operator: &str| {
        let bytes = std::fs::read(file).unwrap();
        let field = [&[0x22, operator.len() as u8], operator.as_bytes()].concat();
        bytes.windows(field.len()).any(|window| window == field)
    };
    assert!(has(&path, "Shape") && has(&optimized, fusion::OPERATOR));
    assert!(!has(&optimized, "Shape"));
}
