//! all-MiniLM-L6-v2 on `libs/engine`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{EngineError, InferenceEngine, Options};
use osha::retrieval::embedder::normalise;
use osha::retrieval::{Calibration, EmbedError, Embedder};
use sha2::{Digest, Sha256};
use tokenizers::Tokenizer;
use vision::tensor::Elements;

/// Length of a vector.
const DIMENSION: usize = 384;

/// Longer texts are cut: what the model was trained for.
const MOST_TOKENS: usize = 256;

/// The sentence embedder all-MiniLM-L6-v2, as `scripts/minilm` makes it.
pub struct MiniLm {
    id: String,
    engine: Arc<dyn InferenceEngine>,
    tokenizer: Tokenizer,
}

impl MiniLm {
    /// Loads `model.onnx` and `tokenizer.json` of a folder.
    ///
    /// # Errors
    /// When a file is missing or not what it should be, or the engine cannot be loaded.
    pub fn open(folder: &Path, options: &Options) -> Result<Self, OpenError> {
        let [model, tokenizer] = ["model.onnx", "tokenizer.json"].map(|name| folder.join(name));
        let weights =
            std::fs::read(&model).map_err(|source| OpenError::Missing { path: model.clone(), source })?;
        let rules = std::fs::read(&tokenizer)
            .map_err(|source| OpenError::Missing { path: tokenizer.clone(), source })?;
        let hash = Sha256::new().chain_update(&weights).chain_update(&rules).finalize();
        let id = format!(
            "minilm/1-{:02x}{:02x}{:02x}{:02x}{:02x}{:02x}",
            hash[0], hash[1], hash[2], hash[3], hash[4], hash[5]
        );
        let tokenizer = Tokenizer::from_bytes(&rules)
            .map_err(|error| OpenError::Tokenizer { path: tokenizer, reason: error.to_string() })?;
        let engine = engine::shared::load(&model, options)?;
        let embedder = Self { id, engine, tokenizer };
        match embedder.vector("hard hat") {
            Ok(vector) if vector.len() == DIMENSION => Ok(embedder),
            Ok(vector) => {
                let reason = format!("its vectors have {} numbers, not {DIMENSION}", vector.len());
                Err(OpenError::Model { path: model, reason })
            }
            Err(reason) => Err(OpenError::Model { path: model, reason }),
        }
    }

    fn vector(&self, text: &str) -> Result<Vec<f32>, String> {
        let encoding = self.tokenizer.encode_fast(text, true).map_err(|error| error.to_string())?;
        let tokens: Vec<i64> = encoding.get_ids().iter().take(MOST_TOKENS).map(|id| i64::from(*id)).collect();
        let text = |error: EngineError| error.to_string();
        let mut input = self.engine.allocate(0, &[1, tokens.len()]).map_err(text)?;
        input.write(Elements::I64(&tokens)).map_err(text)?;
        let outputs = self.engine.submit(vec![input]).wait().outputs.map_err(text)?;
        let Elements::F32(values) = outputs.view(0).map_err(text)?.elements else {
            return Err("its output is not of floats".to_owned());
        };
        let mut vector = values.to_vec();
        if vector.iter().any(|value| !value.is_finite()) {
            return Err("its output is not finite".to_owned());
        }
        normalise(&mut vector);
        Ok(vector)
    }
}

impl Embedder for MiniLm {
    fn id(&self) -> &str {
        &self.id
    }

    fn dimension(&self) -> usize {
        DIMENSION
    }

    fn embed(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        self.vector(text).map_err(|reason| EmbedError { embedder: self.id.clone(), reason })
    }

    fn calibration(&self) -> Calibration {
        Calibration {
            semantic_share: 0.4,
            least_confidence: 0.45,
            cosine_unrelated: 0.1,
            cosine_related: 0.5,
        }
    }
}

/// Why MiniLM cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file cannot be read.
    #[error("{}: {source}; scripts/minilm makes it", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The tokenizer's file is wrong.
    #[error("{}: {reason}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The model is not MiniLM.
    #[error("{}: {reason}; scripts/minilm makes the right one", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No engine runs it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
