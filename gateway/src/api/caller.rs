//! Find out who calls: an account by its own token, or by an API key that this node's operator issued.

use super::Api;
use super::problem::Problem;
use crate::api_keys::{Locked, is_api_key};
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::prelude::{BASE64_STANDARD, Engine};
use countersign_proof::{Membership, PublicKey, canonical, organisation_of};
use countersign_proto::Token;
use std::time::{SystemTime, UNIX_EPOCH};

/// Who calls, and by what right. Made here only.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The account.
    pub(crate) account: String,
    by: By,
}

#[derive(Debug, Clone)]
enum By {
    /// A token of the account's own key.
    Token(PublicKey),
    /// An API key: its id and the collections of its scope.
    ApiKey { id: String, read: Vec<String>, write: Vec<String> },
}

impl Caller {
    pub(crate) fn organisation(&self) -> &str {
        organisation_of(&self.account)
    }

    /// Whether its scope covers reading the collection. What the ledger's rules say is another question.
    pub(crate) fn check_read(&self, collection: &str) -> Result<(), Problem> {
        match &self.by {
            By::ApiKey { read, .. } if !covers(read, collection) => Err(outside(collection, "read")),
            _ => Ok(()),
        }
    }

    /// Whether its scope covers writing to the collection.
    pub(crate) fn check_write(&self, collection: &str) -> Result<(), Problem> {
        match &self.by {
            By::ApiKey { write, .. } if !covers(write, collection) => Err(outside(collection, "write")),
            _ => Ok(()),
        }
    }
}

fn covers(scope: &[String], collection: &str) -> bool {
    scope.iter().any(|name| name == collection || (name == "*" && !collection.starts_with('$')))
}

fn outside(collection: &str, what: &str) -> Problem {
    Problem::new("PERMISSION_DENIED", format!("the scope of this API key does not cover to {what} {collection:?}"))
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Api {
    /// Who calls, from the header `Authorization` (Bearer, or Basic with the key as password) or `X-Api-Key`.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let credential = credential(headers)?;
        self.caller_of(&credential)
    }

    /// The same of a credential's text: a token or an API key.
    pub(crate) fn caller_of(&self, credential: &str) -> Result<Caller, Problem> {
        let caller = if is_api_key(credential) { self.by_api_key(credential)? } else { self.by_token(credential)? };
        self.check_still(&caller)?;
        Ok(caller)
    }

    fn by_api_key(&self, text: &str) -> Result<Caller, Problem> {
        let (id, key) = self.key_ring.open(text, now_ms()).map_err(|locked| match locked {
            Locked::Unknown => Problem::new("UNAUTHENTICATED", "the API key is not one of this node's, or is revoked"),
            Locked::Expired => Problem::new("UNAUTHENTICATED", "the API key has expired"),
            Locked::Rate(after) => {
                Problem::new("RATE_LIMITED", "the API key has used its requests of this second").retry(after)
            }
            Locked::Quota(limit, after) => {
                Problem::new("QUOTA_EXCEEDED", format!("the API key has used its {limit} requests of this day"))
                    .retry(after)
            }
        })?;
        Ok(Caller { account: key.account, by: By::ApiKey { id, read: key.read, write: key.write } })
    }

    fn by_token(&self, text: &str) -> Result<Caller, Problem> {
        let token = Token::parse(text, &self.origin, now_ms() / 1000)
            .map_err(|error| Problem::new("UNAUTHENTICATED", error.to_string()))?;
        Ok(Caller { account: token.claims.sub, by: By::Token(token.key) })
    }

    /// Whether the caller may still call: asked at the door, and of streams at every block.
    pub(crate) fn check_still(&self, caller: &Caller) -> Result<(), Problem> {
        let refused = |detail: String| Err(Problem::new("PERMISSION_DENIED", detail));
        let organisation = caller.organisation();
        if !self.membership()?.organisations.contains_key(organisation) {
            return refused(format!("{organisation} is no member of this ledger"));
        }
        match &caller.by {
            By::ApiKey { id, .. } if !self.key_ring.still_opens(id, now_ms()) => {
                Err(Problem::new("UNAUTHENTICATED", "the API key was revoked or has expired"))
            }
            By::ApiKey { .. } if organisation != self.organisation => refused(format!(
                "the API key names an account of {organisation}; this node is of {}",
                self.organisation
            )),
            By::Token(key) if !self.account_keys(&caller.account)?.contains(key) => {
                refused(format!("{key} is not a key of {}", caller.account))
            }
            _ => Ok(()),
        }
    }

    fn membership(&self) -> Result<Membership, Problem> {
        let version = self.reader.document("$members", "current")?;
        let value = version.and_then(|version| version.value).unwrap_or_default();
        Ok(Membership::parse(&canonical(&value))?)
    }

    fn account_keys(&self, account: &str) -> Result<Vec<PublicKey>, Problem> {
        let version = self.reader.document("$accounts", account)?;
        let value = version.and_then(|version| version.value);
        Ok(value.and_then(|value| serde_json::from_value(value["keys"].clone()).ok()).unwrap_or_default())
    }
}

/// A token or an API key, as the headers give it.
pub(crate) fn credential(headers: &HeaderMap) -> Result<String, Problem> {
    let missing = || {
        let how = "give Authorization: Bearer with a token of an account or an API key of this node";
        Problem::new("UNAUTHENTICATED", how)
    };
    if let Some(key) = headers.get("x-api-key") {
        return key.to_str().map(str::to_owned).map_err(|_| missing());
    }
    let header = headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok()).ok_or_else(missing)?;
    match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim().to_owned()),
        // Tools that only know Basic send the key as the password; the user name is theirs to choose.
        Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => {
            let bytes = BASE64_STANDARD.decode(pair.trim()).map_err(|_| missing())?;
            let pair = String::from_utf8(bytes).map_err(|_| missing())?;
            pair.split_once(':').map(|(_, password)| password.to_owned()).ok_or_else(missing)
        }
        _ => Err(missing()),
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Caller, Problem> {
        api.caller(&parts.headers)
    }
}
