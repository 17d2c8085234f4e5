//! Write down what happened, in order: what two runs of one seed must agree on to the byte.

use countersign_proof::{Hash, plain_hash};
use serde_json::Value;
use tokio::time::Instant;

/// Events as lines of JSON, each with its virtual time.
pub struct Trace {
    text: String,
    began: Instant,
}

impl Trace {
    /// Nothing yet.
    pub fn begin() -> Trace {
        Trace { text: String::new(), began: Instant::now() }
    }

    /// Adds an event and its members.
    pub fn note(&mut self, event: &str, members: Value) {
        self.text.push_str(&format!("{{\"at\":{},\"event\":\"{event}\",\"of\":{members}}}\n", self.elapsed_ms()));
    }

    /// Virtual time so far.
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).expect("a run is short")
    }

    /// The lines.
    pub fn into_text(self) -> String {
        self.text
    }
}

/// What names a whole trace.
pub fn hash(trace: &str) -> Hash {
    plain_hash(trace.as_bytes())
}
