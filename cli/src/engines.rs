//! `gst-osha engine`: the engines that were built for this machine's GPUs.

mod build;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use engine::cache::{Cache, Entry, Header};

use crate::output::println;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What to do with the cached engines.
#[derive(clap::Args)]
pub struct Args {
    /// The cache's folder; by default that of trtinfer
    #[arg(long, global = true)]
    engine_cache: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Build a model's engine ahead of deployment; the options are those of trtinfer
    Build(build::Args),
    /// List the engines: size, age, model, what they were built for
    List {
        /// Print a JSON array instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Check an engine's file and print everything that it depends on
    Inspect {
        /// The file, or the first digits of its name
        engine: String,
    },
    /// Remove damaged engines, what crashed builders left, and what is asked for
    Prune {
        /// Remove engines that were not used for this many days
        #[arg(long, value_name = "DAYS")]
        unused_for: Option<u32>,
        /// Remove every engine
        #[arg(long)]
        all: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// When the cache cannot be read or written, or there is no such engine.
pub fn run(args: &Args) -> Result<()> {
    let cache = Cache::open(args.engine_cache.as_deref())?;
    match &args.action {
        Action::Build(args) => build::run(&cache, args),
        Action::List { json } => list(&cache, *json),
        Action::Inspect { engine } => inspect(&cache, engine),
        Action::Prune { unused_for, all } => prune(&cache, *unused_for, *all),
    }
}

fn list(cache: &Cache, json: bool) -> Result<()> {
    let entries = cache.entries()?;
    if json {
        let all: Vec<_> = entries.iter().map(as_json).collect();
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    println!("{}: {} engines", cache.folder().display(), entries.len());
    if !entries.is_empty() {
        println!(
            "{:<14} {:>9} {:>9} {:>7}  {:<14} built for",
            "engine", "MiB", "unused", "built in", "model"
        );
    }
    for entry in &entries {
        println!("{}", line(entry));
    }
    Ok(())
}

fn line(entry: &Entry) -> String {
    let name: String = name(entry).chars().take(12).collect();
    match &entry.header {
        Ok(header) => format!(
            "{name:<14} {:>9.1} {:>7} d {:>6} s  {:<14} {}",
            header.engine_bytes as f64 / f64::from(1 << 20),
            unused(entry).as_secs() / DAY.as_secs(),
            header.build_ms / 1000,
            header.key.model.chars().take(12).collect::<String>(),
            built_for(header)
        ),
        Err(reason) => format!("{name:<14} damaged: {reason}"),
    }
}

fn built_for(header: &Header) -> String {
    let key = &header.key;
    let parts = [&key.device, &key.builder, &key.driver, &key.precision, &key.profile];
    parts.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(", ")
}

fn as_json(entry: &Entry) -> serde_json::Value {
    let mut value = match &entry.header {
        Ok(header) => serde_json::json!({ "header": header }),
        Err(reason) => serde_json::json!({ "damaged": reason }),
    };
    value["path"] = entry.path.display().to_string().into();
    value["unused_s"] = unused(entry).as_secs().into();
    value
}

fn name(entry: &Entry) -> String {
    entry.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn unused(entry: &Entry) -> Duration {
    entry.last_used.and_then(|used| SystemTime::now().duration_since(used).ok()).unwrap_or_default()
}

fn inspect(cache: &Cache, asked: &str) -> Result<()> {
    let path = find(cache, asked)?;
    let header = cache.check(&path).map_err(|reason| {
        anyhow::anyhow!("{}: {reason}. `gst-osha engine prune` removes it", path.display())
    })?;
    println!("{}\n{}", path.display(), serde_json::to_string_pretty(&header)?);
    println!("checksums are right");
    Ok(())
}

/// The one entry whose file is `asked` or has a name that starts with it.
fn find(cache: &Cache, asked: &str) -> Result<PathBuf> {
    let entries = cache.entries()?;
    let file = std::fs::canonicalize(asked).ok();
    let is_meant = |entry: &&Entry| {
        let is_file = file.is_some() && entry.path.canonicalize().ok() == file;
        let name = entry.path.file_name().unwrap_or_default().to_string_lossy();
        is_file || (!asked.is_empty() && name.starts_with(asked))
    };
    let mut found = entries.iter().filter(is_meant);
    let first = found.next().with_context(|| {
        format!("no engine {asked:?} in {}; see `gst-osha engine list`", cache.folder().display())
    })?;
    if found.next().is_some() {
        bail!("more than one engine starts with {asked:?}; give more digits");
    }
    Ok(first.path.clone())
}

fn prune(cache: &Cache, unused_for: Option<u32>, all: bool) -> Result<()> {
    let limit = unused_for.map(|days| DAY * days);
    let is_stale =
        |entry: &Entry| all || entry.header.is_err() || limit.is_some_and(|limit| unused(entry) >= limit);
    let removed = cache.prune(is_stale)?;
    for path in &removed {
        println!("removed {}", path.display());
    }
    println!("{} files removed, {} engines left", removed.len(), cache.entries()?.len());
    Ok(())
}
