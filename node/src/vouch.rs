//! Read whom this node's operator vouches for, and keep the keys of the issuers he trusts.

use crate::folder::{Config, Folder};
use crate::outside::Endpoint;
use crate::{API_KEYS_FILE, NodeError};
use countersign_gateway::{ISSUERS_MAX, Issuer, IssuerKeys, JwkSet, Vouched};
use countersign_proof::{check_account, organisation_of};
use hyper::StatusCode;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

/// Names that one table gives accounts to.
const ACCOUNTS_MAX: usize = 10_000;
/// Bytes of a set of keys, or of what an issuer says of itself.
const JWKS_BYTES_MAX: usize = 256 << 10;
/// Keys that one issuer has at a time.
const JWKS_KEYS_MAX: usize = 64;
/// Keys are fetched this often; one that the issuer withdraws is refused after this at the latest.
const FETCH_EVERY: Duration = Duration::from_secs(600);
/// Between two fetches because of tokens under a key that is not known.
const FETCH_PAUSE: Duration = Duration::from_secs(10);
/// Between two tries of an issuer that does not answer.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Keys that could not be fetched for so long are trusted no more.
const STALE_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// `[client_certificates]`: callers with a certificate of an authority that the operator trusts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificates {
    /// A PEM file, relative to the node's folder: the authorities.
    pub authorities: PathBuf,
    /// Accounts of the node's organisation by a name of the certificate: an alternative name (URI, e-mail, DNS), or, of a
    /// certificate without any, its common name.
    pub accounts: BTreeMap<String, String>,
}

/// `[[issuers]]`: an OIDC issuer whose tokens are taken.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// Its name, as its tokens say it: `https://login.example`.
    pub issuer: String,
    /// What tokens for this node are for.
    pub audience: String,
    /// The claim that names the caller; `sub` if not given.
    #[serde(default = "sub")]
    pub claim: String,
    /// Where its keys are (a JWK Set): an address, or a file relative to the node's folder. Found by
    /// `<issuer>/.well-known/openid-configuration` if not given.
    pub jwks: Option<String>,
    /// For https: a PEM file, relative to the node's folder, with the authorities to trust; the system's if not given.
    pub authorities: Option<PathBuf>,
    /// Accounts of the node's organisation by the value of the claim.
    pub accounts: BTreeMap<String, String>,
}

fn sub() -> String {
    "sub".to_owned()
}

/// Fetches one issuer's keys for as long as the node runs.
pub(crate) struct Fetch {
    issuer: String,
    place: Place,
    newest: watch::Sender<Option<Arc<JwkSet>>>,
    again: mpsc::Receiver<()>,
}

enum Place {
    File(PathBuf),
    Keys(Endpoint),
    /// The issuer's own description says where the keys are; authorities for both.
    Described(Endpoint, Option<PathBuf>),
}

/// What node.toml says of callers, and the fetches that it needs.
pub(crate) fn open(folder: &Folder) -> Result<(Vouched, Vec<Fetch>), NodeError> {
    let Folder { path, config, .. } = folder;
    if config.issuers.len() > ISSUERS_MAX {
        let reason = format!("[[issuers]]: {}, at most {ISSUERS_MAX}", config.issuers.len());
        return Err(NodeError::Config(reason));
    }
    let certificates = match &config.client_certificates {
        None => BTreeMap::new(),
        Some(clients) => accounts("[client_certificates]", config, &clients.accounts)?,
    };
    let (mut issuers, mut fetches) = (Vec::new(), Vec::new());
    for issuer in &config.issuers {
        let what = format!("[[issuers]] {:?}", issuer.issuer);
        let twice = issuers.iter().any(|other: &Issuer| other.issuer == issuer.issuer);
        if twice || [&issuer.issuer, &issuer.audience, &issuer.claim].iter().any(|text| text.is_empty()) {
            return Err(NodeError::Config(format!("{what}: stands twice, or without issuer, audience or claim")));
        }
        let (told, newest) = watch::channel(None);
        let (again, asked) = mpsc::channel(1);
        let place = place(path, issuer).map_err(|reason| NodeError::Config(format!("{what}: {reason}")))?;
        fetches.push(Fetch { issuer: issuer.issuer.clone(), place, newest: told, again: asked });
        issuers.push(Issuer {
            accounts: accounts(&what, config, &issuer.accounts)?,
            issuer: issuer.issuer.clone(),
            audience: issuer.audience.clone(),
            claim: issuer.claim.clone(),
            keys: IssuerKeys { newest, again },
        });
    }
    Ok((Vouched { api_keys: Some(path.join(API_KEYS_FILE)), issuers, certificates }, fetches))
}

/// The node speaks for its own organisation alone.
fn accounts(
    what: &str,
    config: &Config,
    accounts: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, NodeError> {
    let wrong = |reason: String| NodeError::Config(format!("{what} accounts: {reason}"));
    if accounts.len() > ACCOUNTS_MAX {
        return Err(wrong(format!("{}, at most {ACCOUNTS_MAX}", accounts.len())));
    }
    let own = organisation_of(&config.node);
    for (name, account) in accounts {
        check_account("account", account).map_err(|e| wrong(format!("{name:?}: {e}")))?;
        // Governance is for who holds its key.
        if organisation_of(account) != own || account == own {
            return Err(wrong(format!("{name:?}: {account} is no account of {own} like {own}/ops")));
        }
    }
    Ok(accounts.clone())
}

fn place(folder: &Path, issuer: &IssuerConfig) -> Result<Place, String> {
    let authorities = issuer.authorities.as_ref().map(|file| folder.join(file));
    match &issuer.jwks {
        Some(file) if !file.contains("://") => Ok(Place::File(folder.join(file))),
        Some(url) => Ok(Place::Keys(private(url, authorities.as_deref())?)),
        None => {
            let described = private(&issuer.issuer, authorities.as_deref())?.under("/.well-known/openid-configuration");
            Ok(Place::Described(described, authorities))
        }
    }
}

/// Whoever could change the keys on their way could be anybody.
fn private(url: &str, authorities: Option<&Path>) -> Result<Endpoint, String> {
    let endpoint = Endpoint::parse(url, authorities)?;
    if endpoint.is_private() {
        Ok(endpoint)
    } else {
        Err(format!("{url:?}: keys come over https, or from this machine"))
    }
}

/// What an issuer says of itself (OpenID Connect Discovery 1.0, section 3).
#[derive(Deserialize)]
struct Description {
    issuer: String,
    jwks_uri: String,
}

impl Fetch {
    /// Runs until nobody wants the keys.
    pub(crate) async fn run(mut self) {
        let (mut wait, mut reached) = (Duration::from_secs(1), Instant::now());
        while !self.newest.is_closed() {
            match self.fetch().await {
                Ok(keys) => {
                    (wait, reached) = (FETCH_EVERY, Instant::now());
                    self.newest.send_replace(Some(Arc::new(keys)));
                }
                Err(reason) => {
                    tracing::warn!(issuer = self.issuer, reason, "the issuer's keys were not fetched");
                    wait = if wait >= FETCH_EVERY { Duration::from_secs(1) } else { (wait * 2).min(BACKOFF_MAX) };
                    if reached.elapsed() > STALE_AFTER {
                        self.newest.send_replace(None);
                    }
                }
            }
            // A token under an unknown key asks again, and so does nobody more often than this.
            let pause = wait.min(FETCH_PAUSE);
            sleep(pause).await;
            if timeout(wait - pause, self.again.recv()).await == Ok(None) {
                return;
            }
        }
    }

    async fn fetch(&self) -> Result<JwkSet, String> {
        let text = match &self.place {
            Place::File(path) => read(path)?,
            Place::Keys(endpoint) => get(endpoint).await?,
            Place::Described(endpoint, authorities) => {
                let said: Description = serde_json::from_str(&get(endpoint).await?).map_err(|e| e.to_string())?;
                if said.issuer != self.issuer {
                    return Err(format!("it says that it is {:?}", said.issuer));
                }
                let keys = private(&said.jwks_uri, authorities.as_deref())?;
                if endpoint.is_secure() && !keys.is_secure() {
                    return Err(format!("{:?}: keys come over https", said.jwks_uri));
                }
                get(&keys).await?
            }
        };
        let keys: JwkSet = serde_json::from_str(&text).map_err(|e| format!("no JWK Set: {e}"))?;
        match keys.keys.len() {
            1..=JWKS_KEYS_MAX => Ok(keys),
            count => Err(format!("{count} keys, need 1 to {JWKS_KEYS_MAX}")),
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let wrong = |reason: String| format!("{}: {reason}", path.display());
    let found = std::fs::metadata(path).map_err(|e| wrong(e.to_string()))?;
    if found.len() > JWKS_BYTES_MAX as u64 {
        return Err(wrong(format!("{} bytes, at most {JWKS_BYTES_MAX}", found.len())));
    }
    std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))
}

async fn get(endpoint: &Endpoint) -> Result<String, String> {
    let answered = endpoint.get(JWKS_BYTES_MAX).await?;
    match answered.status {
        StatusCode::OK => Ok(answered.body),
        status => Err(format!("it answered {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers requests for these paths.
    async fn issuer(answers: impl Fn(u16, &str) -> Option<String> + Send + 'static) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a client");
                let mut request = vec![0; 4_096];
                let read = stream.read(&mut request).await.expect("a request");
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                let path = request.split(' ').nth(1).expect("a path").to_owned();
                let answer = match answers(port, &path) {
                    Some(body) => format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
                    None => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
                };
                drop(stream.write_all(answer.as_bytes()).await);
            }
        });
        port
    }

    fn config(port: u16, path: &str, jwks: Option<&str>) -> IssuerConfig {
        IssuerConfig {
            issuer: format!("http://127.0.0.1:{port}{path}"),
            audience: "countersign".into(),
            claim: sub(),
            jwks: jwks.map(str::to_owned),
            authorities: None,
            accounts: BTreeMap::new(),
        }
    }

    async fn fetched(config: &IssuerConfig) -> Result<usize, String> {
        let (newest, _seen) = watch::channel(None);
        let (_again, again) = mpsc::channel(1);
        let fetch = Fetch { issuer: config.issuer.clone(), place: place(Path::new("."), config)?, newest, again };
        fetch.fetch().await.map(|keys| keys.keys.len())
    }

    const KEY: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    #[tokio::test]
    async fn keys_are_found_by_what_the_issuer_says_of_itself() {
        let port = issuer(|port, path| match path {
            "/a/.well-known/openid-configuration" => {
                let own = format!("http://127.0.0.1:{port}/a");
                Some(format!(r#"{{"issuer":"{own}","jwks_uri":"{own}/keys?p=1"}}"#))
            }
            // Another's description: its keys are not this issuer's.
            "/b/.well-known/openid-configuration" => {
                Some(format!(r#"{{"issuer":"http://127.0.0.1:{port}/a","jwks_uri":"http://127.0.0.1:{port}/a/keys"}}"#))
            }
            // It sends us to where keys can be changed on their way.
            "/c/.well-known/openid-configuration" => {
                Some(format!(r#"{{"issuer":"http://127.0.0.1:{port}/c","jwks_uri":"http://keys.example/"}}"#))
            }
            "/a/keys?p=1" => Some(KEY.to_owned()),
            "/none" => Some(r#"{"keys":[]}"#.to_owned()),
            "/large" => Some(" ".repeat(JWKS_BYTES_MAX + 1)),
            _ => None,
        })
        .await;
        assert_eq!(fetched(&config(port, "/a", None)).await, Ok(1));
        let at = |path: &str| format!("http://127.0.0.1:{port}{path}");
        assert_eq!(fetched(&config(port, "/x", Some(&at("/a/keys?p=1")))).await, Ok(1));
        for (path, jwks, says) in [
            ("/b", None, "it says that it is"),
            ("/c", None, "keys come over https"),
            ("/d", None, "404"),
            ("/a", Some(at("/none")), "0 keys"),
            ("/a", Some(at("/large")), "length limit"),
            ("/a", Some("http://keys.example/".to_owned()), "keys come over https"),
            ("/a", Some("no-such-file.json".to_owned()), "No such file"),
        ] {
            let reason = fetched(&config(port, path, jwks.as_deref())).await.expect_err(says);
            assert!(reason.contains(says), "{path} {jwks:?}: {reason}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_fetched_again_when_a_token_names_another_but_not_all_the_time() {
        let file = std::env::temp_dir().join(format!("countersign-jwks-{}.json", std::process::id()));
        std::fs::write(&file, KEY).expect("written");
        let (newest, mut seen) = watch::channel(None);
        let (again, asked) = mpsc::channel(1);
        let place = Place::File(file.clone());
        tokio::spawn(Fetch { issuer: "i".into(), place, newest, again: asked }.run());
        let began = Instant::now();
        seen.changed().await.expect("fetched");
        again.try_send(()).expect("room");
        seen.changed().await.expect("fetched again");
        assert_eq!(began.elapsed().as_secs(), FETCH_PAUSE.as_secs());
        seen.changed().await.expect("in its time");
        assert_eq!(began.elapsed().as_secs(), (FETCH_PAUSE + FETCH_EVERY).as_secs());
        // Keys that cannot be had any more are kept for a day.
        std::fs::remove_file(&file).expect("there");
        seen.changed().await.expect("told");
        assert!(seen.borrow().is_none() && began.elapsed() > STALE_AFTER, "{:?}", began.elapsed());
    }
}
