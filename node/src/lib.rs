//! Run a node: one process, one pipeline, forward only.
//!
//! ```text
//!  api ─▶ submit ─▶ mempool ─▶ order ─▶ (consensus) ─▶ apply ─▶ sign ─▶ certify ─▶ publish ─▶ subscribers
//!           ▲ reads cursors: applied, certified, published; and the store
//! ```
//!
//! Each station is one task that owns its state. Arrows are bounded channels pointing right; what an earlier station
//! must know of a later one it reads from the cursors or the store.

mod accuse;
mod api;
mod apply;
mod catch_up;
mod certify;
mod clock;
mod cursors;
mod distrust;
mod door;
mod echo;
mod error;
mod files;
mod folder;
mod frames;
mod gate;
mod http_tls;
mod incarnations;
mod left_out;
pub mod limits;
mod members;
mod mempool;
mod metered;
#[cfg(feature = "byzantine")]
mod misbehave;
mod order;
mod outside;
mod own;
mod publish;
mod purge;
mod read_index;
mod run;
mod services;
mod sign;
mod sign_lock;
mod start;
mod submit;
mod verifier;
mod view;
mod vouch;
mod wire;
mod witness;

pub use clock::{Clock, SystemClock, TokioClock};
pub use countersign_gateway::{API_KEYS_FILE, ApiKey, ApiKeys, ApiKeysError};
pub use cursors::{Applied, Certified, Signed};
pub use error::NodeError;
pub use files::{Files, FolderFiles, MemoryFiles};
pub use folder::{Config, Folder, NodeSecrets, VoterSecrets, init_sign_lock, organisation_of_folder};
pub use members::{Members, NodeEntry};
pub use mempool::MempoolSize;
pub use run::run;
pub use sign_lock::{SIGN_LOCK, SignLock};
pub use start::{Identity, Node, Seams, start};
pub use submit::{Answer, Level, Recorded};
pub use verifier::{Candidate, Fault, Verified, Verifier};
pub use vouch::{ClientCertificates, IssuerConfig};
pub use witness::{FollowedLog, OutsideWitness, WitnessConfig, init_witness};
