//! Find out who calls, on whichever surface: an account by its own token, or one that this node's operator vouches for.
//!
//! ```text
//!  token of the account's key ──────────────▶ the ledger knows the key ─────┐
//!  API key ──────────────────────────────────▶ api-keys.json ───────────────┤
//!  token of an OIDC issuer ──▶ its JWKS ─────▶ node.toml: name to account ──┼─▶ Caller, asked again while he stays
//!  client certificate ───────▶ its authority ▶ node.toml: name to account ──┘
//! ```

mod api_keys;
mod certificate;
mod oidc;

pub use api_keys::{API_KEYS_FILE, ApiKey, ApiKeys, ApiKeysError};
pub use certificate::Presented;
pub use jsonwebtoken::jwk::JwkSet;
pub use oidc::{ISSUERS_MAX, Issuer, IssuerKeys};

use crate::problem::Problem;
use crate::sight::Governed;
use api_keys::{KeyRing, Locked, is_api_key};
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use base64::prelude::{BASE64_STANDARD, Engine};
use countersign_ledger::store::Reader;
use countersign_proof::{Membership, PublicKey, canonical, organisation_of};
use countersign_proto::Token;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

/// Tells the time: milliseconds since 1970.
pub type NowMs = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Whom this node's operator vouches for, beside the accounts that have keys of their own.
#[derive(Default)]
pub struct Vouched {
    /// The file of API keys.
    pub api_keys: Option<PathBuf>,
    /// OIDC issuers whose tokens are taken.
    pub issuers: Vec<Issuer>,
    /// Accounts by the names that client certificates carry.
    pub certificates: BTreeMap<String, String>,
}

/// Finds out who calls one node. Cheap to clone.
#[derive(Clone)]
pub struct Callers {
    known: Arc<Known>,
}

struct Known {
    reader: Reader,
    origin: String,
    organisation: String,
    key_ring: KeyRing,
    issuers: Vec<Issuer>,
    certificates: BTreeMap<String, String>,
    now_ms: NowMs,
    governed: Option<Governed>,
    members: Mutex<Members>,
}

/// What was read of the ledger's own documents, at one height of governance.
#[derive(Default)]
struct Members {
    governed: Option<u64>,
    organisations: Option<Arc<BTreeSet<String>>>,
    keys: BTreeMap<String, Arc<Vec<PublicKey>>>,
}

/// Accounts whose keys are kept at one height of governance.
const ACCOUNTS_KEPT_MAX: usize = 65_536;

/// Who calls, and by what right. Made here only.
#[derive(Debug, Clone)]
pub struct Caller {
    account: String,
    by: By,
}

#[derive(Debug, Clone)]
enum By {
    /// A token of the account's own key.
    Token(PublicKey),
    /// An API key: its id and the collections of its scope.
    ApiKey { id: String, read: Vec<String>, write: Vec<String> },
    /// Somebody whom the operator trusts said so, for a time.
    Vouched { until_ms: u64 },
}

/// What says who calls, before it is judged.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// A token or an API key.
    Text(String),
    /// A certificate that the TLS handshake has verified.
    Certificate(Arc<Presented>),
}

impl Caller {
    /// `<organisation>/<account>`, or an organisation for its governance.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The account's organisation.
    pub fn organisation(&self) -> &str {
        organisation_of(&self.account)
    }

    /// Whether its scope covers reading the collection. What the ledger's rules say is another question.
    pub fn check_read(&self, collection: &str) -> Result<(), Problem> {
        match &self.by {
            By::ApiKey { read, .. } if !covers(read, collection) => Err(outside(collection, "read")),
            _ => Ok(()),
        }
    }

    /// Whether its scope covers writing to the collection.
    pub fn check_write(&self, collection: &str) -> Result<(), Problem> {
        match &self.by {
            By::ApiKey { write, .. } if !covers(write, collection) => Err(outside(collection, "write")),
            _ => Ok(()),
        }
    }

    /// Whether its scope is no smaller than the account's own rights to read: what is not of one collection needs that.
    pub fn check_read_all(&self) -> Result<(), Problem> {
        match &self.by {
            By::ApiKey { read, .. } if !read.iter().any(|name| name == "*") => {
                Err(Problem::new("PERMISSION_DENIED", "the scope of this API key does not cover every collection"))
            }
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

impl Callers {
    /// Callers of a node of `organisation`. Without `governed` every look reads the ledger anew.
    pub fn new(
        reader: Reader,
        origin: String,
        organisation: String,
        vouched: Vouched,
        now_ms: NowMs,
        governed: Option<Governed>,
    ) -> Callers {
        let Vouched { api_keys, issuers, certificates } = vouched;
        let (key_ring, members) = (KeyRing::new(api_keys), Mutex::default());
        let known = Known { reader, origin, organisation, key_ring, issuers, certificates, now_ms, governed, members };
        Callers { known: Arc::new(known) }
    }

    /// The node's organisation.
    pub(crate) fn organisation(&self) -> &str {
        &self.known.organisation
    }

    /// The time, as tokens and keys are judged by it.
    pub(crate) fn now_ms(&self) -> u64 {
        (self.known.now_ms)()
    }

    /// Who calls, from the header `Authorization` (Bearer, or Basic with the key as password), from `X-Api-Key`, or from the
    /// certificate of the connection, a [`Presented`] among the extensions.
    pub fn caller(&self, headers: &HeaderMap, extensions: &Extensions) -> Result<Caller, Problem> {
        self.caller_of(&credential(headers, extensions)?)
    }

    /// The same of a credential.
    pub(crate) fn caller_of(&self, credential: &Credential) -> Result<Caller, Problem> {
        let caller = match credential {
            Credential::Text(text) if is_api_key(text) => self.by_api_key(text)?,
            Credential::Text(text) => match oidc::issuer_of(text) {
                Some(name) => self.by_issuer(&name, text)?,
                None => self.by_token(text)?,
            },
            Credential::Certificate(presented) => self.by_certificate(presented)?,
        };
        self.check_still(&caller)?;
        Ok(caller)
    }

    fn by_api_key(&self, text: &str) -> Result<Caller, Problem> {
        let (id, key) = self.known.key_ring.open(text, self.now_ms()).map_err(|locked| match locked {
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
        let token = Token::parse(text, &self.known.origin, self.now_ms() / 1000)
            .map_err(|error| Problem::new("UNAUTHENTICATED", error.to_string()))?;
        Ok(Caller { account: token.claims.sub, by: By::Token(token.key) })
    }

    fn by_issuer(&self, name: &str, text: &str) -> Result<Caller, Problem> {
        let unknown =
            || Problem::new("UNAUTHENTICATED", format!("the token's issuer {name:?} is not one of this node's"));
        let issuer = self.known.issuers.iter().find(|issuer| issuer.issuer == name).ok_or_else(unknown)?;
        let (account, until_ms) = issuer.account(text, self.now_ms() / 1000)?;
        Ok(Caller { account, by: By::Vouched { until_ms } })
    }

    fn by_certificate(&self, presented: &Presented) -> Result<Caller, Problem> {
        let named = presented.names.iter().filter_map(|name| self.known.certificates.get(name));
        let named: BTreeSet<&String> = named.collect();
        if named.len() > 1 {
            return Err(Problem::new("UNAUTHENTICATED", "the client certificate has names of several accounts"));
        }
        let unknown = || {
            let names = presented.names.join(", ");
            Problem::new(
                "UNAUTHENTICATED",
                format!("node.toml gives no account to the client certificate of {names:?}"),
            )
        };
        let account = named.into_iter().next().ok_or_else(unknown)?.clone();
        Ok(Caller { account, by: By::Vouched { until_ms: presented.until_ms } })
    }

    /// Whether the caller may still call: asked at the door, and of streams at every block.
    pub fn check_still(&self, caller: &Caller) -> Result<(), Problem> {
        let refused = |detail: String| Err(Problem::new("PERMISSION_DENIED", detail));
        let (organisation, own) = (caller.organisation(), self.organisation());
        if !self.organisations()?.contains(organisation) {
            return refused(format!("{organisation} is no member of this ledger"));
        }
        match &caller.by {
            By::Token(key) if !self.account_keys(&caller.account)?.contains(key) => {
                refused(format!("{key} is not a key of {}", caller.account))
            }
            By::Token(_) => Ok(()),
            By::ApiKey { id, .. } if !self.known.key_ring.still_opens(id, self.now_ms()) => {
                Err(Problem::new("UNAUTHENTICATED", "the API key was revoked or has expired"))
            }
            By::Vouched { until_ms } if self.now_ms() > *until_ms => {
                Err(Problem::new("UNAUTHENTICATED", "the token or the certificate has expired"))
            }
            _ if organisation != own => {
                refused(format!("{} is an account of {organisation}; this node is of {own}", caller.account))
            }
            _ => Ok(()),
        }
    }

    fn organisations(&self) -> Result<Arc<BTreeSet<String>>, Problem> {
        let mut members = self.members();
        if let Some(organisations) = &members.organisations {
            return Ok(organisations.clone());
        }
        let version = self.known.reader.document("$members", "current")?;
        let value = version.and_then(|version| version.value).unwrap_or_default();
        let names = Membership::parse(&canonical(&value))?.organisations.into_keys().collect();
        Ok(members.organisations.insert(Arc::new(names)).clone())
    }

    fn account_keys(&self, account: &str) -> Result<Arc<Vec<PublicKey>>, Problem> {
        let mut members = self.members();
        if let Some(keys) = members.keys.get(account) {
            return Ok(keys.clone());
        }
        let version = self.known.reader.document("$accounts", account)?;
        let value = version.and_then(|version| version.value);
        let keys: Vec<PublicKey> =
            value.and_then(|value| serde_json::from_value(value["keys"].clone()).ok()).unwrap_or_default();
        let keys = Arc::new(keys);
        members.keys.insert(account.to_owned(), keys.clone());
        Ok(keys)
    }

    /// What is known of the ledger's own documents as they are now.
    fn members(&self) -> MutexGuard<'_, Members> {
        let mut members = self.known.members.lock().expect("nobody panics with it");
        let governed = self.known.governed.as_ref().map(|governed| governed());
        if governed.is_none() || members.governed != governed || members.keys.len() > ACCOUNTS_KEPT_MAX {
            *members = Members { governed, ..Members::default() };
        }
        members
    }
}

/// What says who calls: a header before the connection's certificate.
pub(crate) fn credential(headers: &HeaderMap, extensions: &Extensions) -> Result<Credential, Problem> {
    let missing = || {
        let how = "give Authorization: Bearer with a token of an account or an API key of this node";
        Problem::new("UNAUTHENTICATED", how)
    };
    if let Some(key) = headers.get("x-api-key") {
        return key.to_str().map(|key| Credential::Text(key.to_owned())).map_err(|_| missing());
    }
    let Some(header) = headers.get(AUTHORIZATION) else {
        let presented = extensions.get::<Arc<Presented>>().ok_or_else(missing)?;
        return Ok(Credential::Certificate(presented.clone()));
    };
    let text = match header.to_str().ok().and_then(|header| header.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim().to_owned(),
        // Tools that only know Basic send the key as the password; the user name is theirs to choose.
        Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => {
            let bytes = BASE64_STANDARD.decode(pair.trim()).map_err(|_| missing())?;
            let pair = String::from_utf8(bytes).map_err(|_| missing())?;
            pair.split_once(':').map(|(_, password)| password.to_owned()).ok_or_else(missing)?
        }
        _ => return Err(missing()),
    };
    Ok(Credential::Text(text))
}

impl<S: AsRef<Callers> + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Caller, Problem> {
        state.as_ref().caller(&parts.headers, &parts.extensions)
    }
}
