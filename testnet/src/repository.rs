//! Find the repository whose files a run is about.

use std::env;
use std::path::{Path, PathBuf};

/// The folder that the scripts name in COUNTERSIGN_REPOSITORY; else the one that this crate was built in. Clones may share
/// a target folder, so that the binary alone does not know.
pub(crate) fn repository() -> PathBuf {
    let built_in = || Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    env::var_os("COUNTERSIGN_REPOSITORY").map_or_else(built_in, PathBuf::from)
}
