//! Remember the newest checkpoint that was verified, and refuse what lies below or beside it.

use super::args::Claims;
use super::failure::CliFailure;
use super::sources::read;
use crate::limits::{JSON_DEPTH_MAX, MEMORY_BYTES_MAX};
use crate::refusal::At;
use crate::{Check, Checkpoint, ConsistencyProof, Note, ProofError, Refusal, Trust, canonical, parse_canonical};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemoryFile {
    kind: String,
    note: String,
    v: u64,
}

/// What was known before this verification, for the report.
pub(super) enum Known {
    /// Nothing is remembered, by the caller's wish.
    Off,
    /// Nothing was remembered yet.
    Nothing,
    /// A checkpoint of this size was, and this one is as large or larger, or joined to it.
    Size(u64),
}

/// Compares a certified checkpoint with the one remembered, and remembers the newer.
///
/// A smaller one is believed only when a consistency proof joins it to the remembered one; one of the same size must
/// have the same root; a larger one is believed as certified, and joined too when a proof was given.
pub(super) fn recall(claims: &Claims, trust: &Trust, note: &str) -> Result<Known, CliFailure> {
    let Some(path) = path(claims, trust) else { return Ok(Known::Off) };
    let found = checkpoint(note)?;
    let Some(remembered) = load(&path)? else {
        store(&path, note)?;
        return Ok(Known::Nothing);
    };
    let known = checkpoint(&remembered)?;
    Check::Memory.same("memory.origin", &known.origin, &found.origin)?;
    if found.size == known.size {
        Check::Memory.same("the root of one size; two certificates contradict each other", &known.root, &found.root)?;
    }
    let joined = claims.joined_by.as_deref().map(|file| joins(trust, file, &found, &known)).transpose()?;
    if found.size < known.size && joined.is_none() {
        let reason = format!(
            "size {} is below {}, verified before; fetch a newer proof, or join them with --joined-by",
            found.size, known.size
        );
        return Ok(Check::Memory.refuse("checkpoint.size", reason)?);
    }
    if found.size > known.size {
        store(&path, note)?;
    }
    Ok(Known::Size(known.size))
}

fn checkpoint(note: &str) -> Result<Checkpoint, Refusal> {
    Note::parse(note).and_then(|note| Checkpoint::parse(&note.text)).at(Check::Memory)
}

/// A certified consistency proof between exactly these two checkpoints.
fn joins(trust: &Trust, file: &Path, found: &Checkpoint, known: &Checkpoint) -> Result<(), CliFailure> {
    let proof = ConsistencyProof::parse(&read(file)?).at(Check::Memory)?.verify(trust)?;
    let (smaller, larger) = if found.size <= known.size { (found, known) } else { (known, found) };
    if (proof.smaller().checkpoint(), proof.larger().checkpoint()) != (smaller, larger) {
        let reason = format!("--joined-by joins other checkpoints than {} and {}", smaller.size, larger.size);
        return Ok(Check::Memory.refuse("consistency proof", reason)?);
    }
    Ok(())
}

fn path(claims: &Claims, trust: &Trust) -> Option<PathBuf> {
    if claims.no_memory {
        return None;
    }
    if let Some(path) = &claims.memory {
        return Some(path.clone());
    }
    let of_home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let state =
        std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(of_home)?;
    Some(state.join("countersign").join(format!("{}.memory.json", trust.origin().replace('/', "@"))))
}

fn load(path: &Path) -> Result<Option<String>, CliFailure> {
    if !path.exists() {
        return Ok(None);
    }
    let unusable = |reason: String| {
        let reason =
            format!("{}: {reason}; what was verified before is lost: move it away to begin anew", path.display());
        Check::Memory.refuse("memory", reason)
    };
    let bytes = read(path)?;
    let parsed = ProofError::check_max("memory", bytes.len(), MEMORY_BYTES_MAX)
        .and_then(|()| parse_canonical::<MemoryFile>("memory", &bytes, JSON_DEPTH_MAX));
    let memory = match parsed {
        Ok(memory) if memory.kind == "memory" && memory.v == 1 => memory,
        Ok(_) => return Ok(unusable("not a memory of version 1".into())?),
        Err(error) => return Ok(unusable(error.to_string())?),
    };
    match checkpoint(&memory.note) {
        Ok(_) => Ok(Some(memory.note)),
        Err(refusal) => Ok(unusable(refusal.error.to_string())?),
    }
}

/// The file is whole or as it was: a new one is renamed over the old.
fn store(path: &Path, note: &str) -> Result<(), CliFailure> {
    let failed = |e: std::io::Error| {
        CliFailure::Usage(format!("{}: cannot be written: {e}; --no-memory goes without", path.display()))
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let part = path.with_extension(format!("{}.part", std::process::id()));
    let file = MemoryFile { kind: "memory".into(), note: note.to_owned(), v: 1 };
    std::fs::write(&part, canonical(&file)).map_err(failed)?;
    std::fs::rename(&part, path).map_err(failed)
}
