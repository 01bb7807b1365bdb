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

#[path = "../../../gpu/tests/common/convolution.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod layers;
use layers::Layer;

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
        let convolution = fusion::of_attribute(&context.get::<Vec<i64>>(fusion::ATTRIBUTE).unwrap()).unwrap();
        Ok(Box::new(move |context: &ComputeContext| compute(convolution, context)))
    }
}

fn compute(convolution: Convolution, context: &ComputeContext) -> Result<(), ort::Error> {
    let tensor = |index| -> Result<(Vec<usize>, Vec<f32>), ort::Error> {
        let value = context.input(index)?.unwrap();
        let (shape, numbers) = value.try_extract_tensor::<f32>()?;
        Ok((shape.iter().map(|&size| size as usize).collect(), numbers.to_vec()))
    };
    let ((shape, input), (_, weights), (_, bias)) = (tensor(0)?, tensor(1)?, tensor(2)?);
    let input_shape = shape.try_into().unwrap();
    let output_shape = convolution.output_shape(input_shape, bias.len()).unwrap();
    let layer = Layer { convolution, input_shape, output_shape, input, weights, bias };
    let mut output = context.output(0, output_shape.map(|size| size as i64))?.unwrap();
    output.try_extract_tensor_mut::<f32>()?.1.copy_from_slice(&layer.expected());
    Ok(())
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
