//! Make the bearer tokens of an account, and replace them before they end.

use crate::limits::{TOKEN_SECONDS, TOKEN_SECONDS_BACK, TOKEN_SECONDS_USED};
use countersign_proof::KeyPair;
use countersign_proto::Claims;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};
use tonic::metadata::{Ascii, MetadataValue};

/// A token for the ledger `origin`, made at `now`, seconds since 1970. It holds for four minutes on a node whose
/// clock is right and allows for clocks that differ by a minute or two either way.
pub fn bearer_token(origin: &str, account: &str, key: &KeyPair, now: u64) -> String {
    let iat = now.saturating_sub(TOKEN_SECONDS_BACK);
    Claims { aud: origin.to_owned(), exp: iat + TOKEN_SECONDS, iat, sub: account.to_owned() }.sign(key)
}

/// The newest token and when it was made.
pub(crate) struct TokenSource {
    origin: String,
    account: String,
    key: KeyPair,
    newest: Mutex<Option<(u64, MetadataValue<Ascii>)>>,
}

impl TokenSource {
    pub(crate) fn new(origin: String, account: String, key: KeyPair) -> TokenSource {
        TokenSource { origin, account, key, newest: Mutex::new(None) }
    }

    /// The header `authorization` for a call now.
    pub(crate) fn header(&self) -> MetadataValue<Ascii> {
        self.header_at(now_ms() / 1000)
    }

    fn header_at(&self, now: u64) -> MetadataValue<Ascii> {
        let mut newest = self.newest.lock().expect("nothing panics while it is held");
        // A clock that was set back makes a new one, too.
        if let Some((made, header)) = &*newest
            && (*made..*made + TOKEN_SECONDS_USED).contains(&now)
        {
            return header.clone();
        }
        let token = bearer_token(&self.origin, &self.account, &self.key, now);
        let header: MetadataValue<Ascii> = format!("Bearer {token}").parse().expect("base64url and dots");
        *newest = Some((now, header.clone()));
        header
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
    u64::try_from(since.as_millis()).expect("before the year 500000000")
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_proto::Token;

    #[test]
    fn a_token_is_used_while_it_surely_holds_then_replaced() {
        let source = TokenSource::new("l/1".into(), "ua.example/ops".into(), KeyPair::from_seed(&[1; 32]));
        let first = source.header_at(1_000_000);
        assert_eq!(source.header_at(1_000_000 + TOKEN_SECONDS_USED - 1), first);
        assert_ne!(source.header_at(1_000_000 + TOKEN_SECONDS_USED), first);
        assert_ne!(source.header_at(999_999), first);
        // While in use it holds on a node whose clock is a minute off, either way.
        let token = first.to_str().expect("ASCII").strip_prefix("Bearer ").expect("the scheme");
        for node_clock in [1_000_000 - 60, 1_000_000 + TOKEN_SECONDS_USED + 59] {
            Token::parse(token, "l/1", node_clock).expect("holds");
        }
    }
}
