//! Keep the ledger on disk: one atomic write a block.

pub mod kv;
mod memory;
mod rocks;

pub use memory::MemoryKv;
pub use rocks::RocksKv;
