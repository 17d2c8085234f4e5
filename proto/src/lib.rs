//! Describe the public gRPC API: the .proto files, the code made from them, and the only conversions.

mod convert;
mod token;

/// The messages and services of `countersign.v1`.
#[allow(missing_docs, clippy::all)]
pub mod v1 {
    tonic::include_proto!("countersign.v1");

    /// The descriptors of the API, for reflection.
    pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));
}

pub use convert::document;
pub use token::{Claims, TOKEN_SECONDS_MAX, Token, TokenError};
