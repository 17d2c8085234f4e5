//! Answer with a tile of hashes.

use super::checkpoint::newest_certificate;
use super::path::Tile;
use super::plain::{Plain, immutable};
use crate::limits::TILE_WIDTH;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use countersign_ledger::store::Reader;
use countersign_proof::{Hash, LogTree};

pub(super) async fn hashes(State(reader): State<Reader>, uri: Uri) -> Result<Response, Plain> {
    let tile = Tile::of_hashes(&uri)?;
    let range = tile.within(newest_certificate(&reader)?.0)?;
    // The store gives every complete subtree's hash: one read each and a few hashes, at whatever level.
    let mut bytes = Vec::with_capacity(TILE_WIDTH as usize * size_of::<Hash>());
    for index in range {
        bytes.extend_from_slice(&reader.node(tile.node_level(), index)?.0);
    }
    Ok(immutable(bytes))
}
