//! `gst-osha index`: the standards index, built, asked, described and measured.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Subcommand, ValueEnum};
use engine::Options;
use osha::corpus::Corpus;
use osha::retrieval::evaluation::{self, Figures};
use osha::retrieval::file::{Info, Stored};
use osha::retrieval::{Answer, BuiltIn, Embedder, Hit, Index, Query, Scan, VectorEngine};
use retrieval::MiniLm;

use crate::output::println;
use crate::plugins;

/// Exit status of a question that has no answer.
const NOT_FOUND: u8 = 3;

/// Standards beyond which the plain scan is taken by default: there, Debian's build of FAISS is felt to be slower.
const MANY: usize = 20_000;

/// What to do.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build an index file from a corpus of standards
    Build(Build),
    /// Rank the standards that fit a text, and say why; exit status 3 if none does
    Query(Ask),
    /// Describe an index file
    Info {
        /// Index file
        index: PathBuf,
    },
    /// Measure recall and abstention on questions whose answers are known
    Evaluate(Evaluate),
}

#[derive(clap::Args)]
struct Build {
    /// Corpus, JSON lines; the shipped OSHA standards if not given
    corpus: Option<PathBuf>,
    /// Index file to write
    #[arg(short, long)]
    output: PathBuf,
    #[command(flatten)]
    backend: Backend,
}

#[derive(clap::Args)]
struct Ask {
    /// What was seen, or a question, in any words
    text: String,
    /// Where: construction, general_industry, … (`gst-osha index info` lists them); all if not given
    #[arg(long)]
    scope: Option<String>,
    /// A fact that the site declares, e.g. excavation_zone; may be given often. Leaves out standards that need others
    #[arg(long)]
    context: Vec<String>,
    /// How many standards
    #[arg(short, default_value_t = 5)]
    k: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

#[derive(clap::Args)]
struct Evaluate {
    /// Questions, JSON lines; the shipped ones if not given
    questions: Option<PathBuf>,
    /// Only questions with this `split`, e.g. tuning or held_out
    #[arg(long, default_value = "")]
    split: String,
    /// List what went wrong
    #[arg(long)]
    wrong: bool,
    #[command(flatten)]
    source: Source,
}

#[derive(clap::Args)]
struct Source {
    /// Index file; one of the shipped OSHA standards, built on the spot, if not given
    #[arg(long)]
    index: Option<PathBuf>,
    #[command(flatten)]
    backend: Backend,
}

#[derive(clap::Args)]
struct Backend {
    /// What turns texts into vectors; by default the one that the index file names, or the built-in one
    #[arg(long)]
    embedder: Option<EmbedderName>,
    /// Folder of MiniLM, as scripts/minilm makes it [default: models/minilm beside the program's folder]
    #[arg(long)]
    minilm: Option<PathBuf>,
    /// What searches vectors
    #[arg(long, default_value = "auto")]
    vectors: Vectors,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum EmbedderName {
    /// Part of the program
    BuiltIn,
    /// all-MiniLM-L6-v2
    Minilm,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Vectors {
    /// FAISS if it is part of the program, for large corpora in GPU memory or, without that, the scan
    Auto,
    /// FAISS, IndexFlatIP
    Faiss,
    /// The same in GPU memory
    FaissGpu,
    /// A scan in plain Rust
    Scan,
}

/// Runs a subcommand.
///
/// # Errors
/// When a file cannot be used, a name is unknown, or embedding or searching fails.
pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.command {
        Command::Build(args) => build(args)?,
        Command::Query(args) => return query(args),
        Command::Info { index } => info(index)?,
        Command::Evaluate(args) => evaluate(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

impl Backend {
    /// The embedder asked for, or else the one that made `id`.
    fn embedder(&self, id: Option<&str>) -> Result<Arc<dyn Embedder>> {
        let by_id =
            |id: &str| if id.starts_with("minilm/") { EmbedderName::Minilm } else { EmbedderName::BuiltIn };
        Ok(match self.embedder.or(id.map(by_id)).unwrap_or(EmbedderName::BuiltIn) {
            EmbedderName::BuiltIn => BuiltIn::get(),
            EmbedderName::Minilm => Arc::new(self.minilm()?),
        })
    }

    fn minilm(&self) -> Result<MiniLm> {
        let beside = || engine::own_folder().map(|folder| folder.join("../models/minilm"));
        let folder = self.minilm.clone().or_else(beside).unwrap_or_else(|| "build/models/minilm".into());
        let options = Options { folders: plugins::folders(), threads: 1, ..Options::default() };
        Ok(MiniLm::open(&folder, &options)?)
    }

    fn engine(&self, rows: usize) -> Result<Box<dyn VectorEngine>> {
        match self.vectors {
            Vectors::Scan => Ok(Box::new(Scan)),
            Vectors::Auto => Ok(gpu_first(on_cpu(rows), rows)),
            Vectors::Faiss => {
                faiss().context("this program was built without FAISS; --vectors scan gives the same hits")
            }
            Vectors::FaissGpu => faiss_gpu().context(
                "this program was built without FAISS in GPU memory; --vectors scan gives the same hits",
            ),
        }
    }
}

fn on_cpu(rows: usize) -> Box<dyn VectorEngine> {
    let faiss = if rows > MANY { None } else { faiss() };
    faiss.unwrap_or_else(|| Box::new(Scan))
}

#[cfg(feature = "faiss-gpu")]
fn faiss_gpu() -> Option<Box<dyn VectorEngine>> {
    Some(Box::new(retrieval::FaissGpu::default()))
}

#[cfg(not(feature = "faiss-gpu"))]
fn faiss_gpu() -> Option<Box<dyn VectorEngine>> {
    None
}

/// GPU memory for many standards; says why if it is not used.
#[cfg(feature = "faiss-gpu")]
fn gpu_first(otherwise: Box<dyn VectorEngine>, rows: usize) -> Box<dyn VectorEngine> {
    retrieval::GpuFirst::choose(rows, otherwise, |reason| eprintln!("gst-osha: {reason}"))
}

#[cfg(not(feature = "faiss-gpu"))]
fn gpu_first(otherwise: Box<dyn VectorEngine>, _rows: usize) -> Box<dyn VectorEngine> {
    otherwise
}

#[cfg(feature = "faiss")]
fn faiss() -> Option<Box<dyn VectorEngine>> {
    Some(Box::new(retrieval::Faiss))
}

#[cfg(not(feature = "faiss"))]
fn faiss() -> Option<Box<dyn VectorEngine>> {
    None
}

impl Source {
    fn open(&self) -> Result<Index> {
        let Some(path) = &self.index else {
            let corpus = Corpus::built_in().clone();
            let engine = self.backend.engine(corpus.records().len())?;
            return Ok(Index::build(corpus, self.backend.embedder(None)?, &*engine)?);
        };
        let stored = Stored::read(path)?;
        let embedder = self.backend.embedder(Some(&stored.info().embedder))?;
        let engine = self.backend.engine(stored.info().rows)?;
        Ok(stored.open(embedder, &*engine)?)
    }
}

fn build(args: &Build) -> Result<()> {
    let corpus = match &args.corpus {
        Some(path) => Corpus::from_file(path).with_context(|| path.display().to_string())?,
        None => Corpus::built_in().clone(),
    };
    let engine = args.backend.engine(corpus.records().len())?;
    let index = Index::build(corpus, args.backend.embedder(None)?, &*engine)?;
    index.write(&args.output)?;
    info(&args.output)
}

fn info(path: &Path) -> Result<()> {
    let stored = Stored::read(path)?;
    let Info { embedder, dimension, rows, corpus_hash, .. } = stored.info();
    let header = stored.corpus().header();
    println!("{:<10} {}", "file", path.display());
    println!("{:<10} {} {}: {}", "corpus", header.name, header.version, header.title);
    println!("{:<10} {corpus_hash}", "sha-256");
    println!("{:<10} {rows}", "standards");
    println!("{:<10} {embedder}, {dimension} numbers", "embedder");
    println!("{:<10} {}", "scopes", stored.corpus().scopes().join(", "));
    println!("{:<10} {}", "contexts", stored.corpus().contexts().join(", "));
    Ok(())
}

fn query(args: &Ask) -> Result<ExitCode> {
    let index = args.source.open()?;
    let scope = args.scope.as_ref().map(|scope| scope.replace([' ', '-'], "_"));
    known("scope", scope.as_ref(), &index.corpus().scopes())?;
    known("context", &args.context, &index.corpus().contexts())?;
    let contexts = (!args.context.is_empty()).then(|| args.context.iter().cloned().collect::<BTreeSet<_>>());
    let answer = index.query(&Query { text: args.text.clone(), scope, contexts, limit: args.k })?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&*answer)?);
    } else {
        print_answer(&answer);
    }
    Ok(if answer.hits.is_empty() { ExitCode::from(NOT_FOUND) } else { ExitCode::SUCCESS })
}

/// A name that no standard has is a mistake, not a filter that leaves nothing.
fn known<'a>(what: &str, names: impl IntoIterator<Item = &'a String>, known: &[&str]) -> Result<()> {
    match names.into_iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => bail!("no standard has the {what} {name:?}; there are: {}", known.join(", ")),
        None => Ok(()),
    }
}

fn print_answer(answer: &Answer) {
    let Answer { confidence, least_confidence, considered, filtered, .. } = answer;
    if answer.hits.is_empty() {
        println!("no standard found (confidence {confidence:.2}, least {least_confidence:.2})");
        return;
    }
    let width = answer.hits.iter().map(|hit| hit.citation.chars().count()).max().unwrap_or(0);
    println!("   score  semantic  lexical  words  {:<width$}  title", "citation");
    for (rank, hit) in (1..).zip(&answer.hits) {
        let Hit { score, semantic, lexical, coverage, citation, title, .. } = hit;
        println!(
            "{rank:>2}  {score:.2}  {semantic:>8.2}  {lexical:>7.1}  {:>4.0}%  {citation:<width$}  {title}",
            coverage * 100.0
        );
        println!("    {}", why(hit));
    }
    println!(
        "confidence {confidence:.2}; {considered} standards ranked, {filtered} left out by scope and context"
    );
}

fn why(hit: &Hit) -> String {
    let words = if hit.matched.is_empty() { "no word in common".to_owned() } else { hit.matched.join(", ") };
    match hit.needs.as_slice() {
        [] => words,
        needs if hit.applies => format!("{words}; {} declared", needs.join(" and ")),
        needs => format!("{words}; only if {}", needs.join(" and ")),
    }
}

fn evaluate(args: &Evaluate) -> Result<()> {
    let text = match &args.questions {
        Some(path) => std::fs::read_to_string(path).with_context(|| path.display().to_string())?,
        None => evaluation::BUILT_IN.to_owned(),
    };
    let questions = evaluation::questions(&text).map_err(anyhow::Error::msg)?;
    let index = args.source.open()?;
    let figures = evaluation::evaluate(&index, &questions, &args.split)?;
    print_figures(&index, &figures);
    if args.wrong {
        figures.wrong.iter().for_each(|story| println!("wrong     {story}"));
        figures.mistaken.iter().for_each(|story| println!("mistaken  {story}"));
    }
    Ok(())
}

fn print_figures(index: &Index, figures: &Figures) {
    println!("{:<12} {}", "embedder", index.embedder().id());
    println!("{:<12} {} related, {} unrelated", "questions", figures.related, figures.unrelated);
    println!("{:<12} {:.2}", "recall@1", figures.recall_1());
    println!("{:<12} {:.2}", "recall@5", figures.recall_5());
    println!("{:<12} {:.2} of the related", "answered", figures.answers());
    println!("{:<12} {:.2} of the unrelated", "abstained", figures.abstentions());
}
