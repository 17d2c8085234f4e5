//! Find the `countersign` binary that this workspace builds.

use crate::TestnetError;
use std::env;
use std::path::PathBuf;

/// In this order: the file named in COUNTERSIGN_BIN, alone when it is set; beside this program or in the folder
/// above it, where cargo puts tests; `release/` in CARGO_TARGET_DIR.
pub fn find_binary() -> Result<PathBuf, TestnetError> {
    let places = match env::var_os("COUNTERSIGN_BIN") {
        Some(named) => vec![PathBuf::from(named)],
        None => usual_places(),
    };
    let found = places.iter().find(|place| place.is_file());
    let found = found.and_then(|place| place.canonicalize().ok());
    found.ok_or_else(|| {
        let looked: Vec<String> = places.iter().map(|p| p.display().to_string()).collect();
        TestnetError::NoBinary { looked: looked.join(", ") }
    })
}

fn usual_places() -> Vec<PathBuf> {
    let me = env::current_exe().ok();
    let beside = me.iter().flat_map(|exe| exe.ancestors().skip(1).take(2)).map(|folder| folder.join("countersign"));
    let target = env::var_os("CARGO_TARGET_DIR").map(|t| PathBuf::from(t).join("release/countersign"));
    beside.chain(target).collect()
}
