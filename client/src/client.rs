//! Hold the connections to one ledger's nodes and ask the one that answers.

use crate::ClientError;
use crate::limits::{NODES_MAX, READ_TIMEOUT};
use crate::tls::connect_lazy;
use crate::token::TokenSource;
use countersign_proof::{Check, Genesis, Hash, KeyPair, ProofError, PublicKey, Refusal, Trust, TrustBundle};
use countersign_proto::v1::ledger_client::LedgerClient;
use countersign_proto::v1::{GetStatusRequest, GetTrustBundleRequest, Status};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tonic::transport::Channel;

/// What a client needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Addresses of nodes, `https://HOST:PORT`; the first is asked first.
    pub nodes: Vec<String>,
    /// The genesis: everything is verified against it.
    pub genesis: Genesis,
    /// The account that calls.
    pub account: String,
    /// One of the account's keys.
    pub key: KeyPair,
    /// TLS keys of nodes that are not in the genesis.
    pub tls_keys: Vec<PublicKey>,
}

/// A client of one ledger; cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    origin: String,
    /// The epochs known so far; it grows when a proof is of an epoch that is not known yet.
    trust: Mutex<Arc<Trust>>,
    nodes: Vec<LedgerClient<Channel>>,
    /// The node that is asked; moves on when it does not answer.
    current: AtomicUsize,
    tokens: TokenSource,
}

impl Client {
    /// Connects to the first node that answers, and checks that it serves this genesis.
    pub async fn connect(config: Config) -> Result<Client, ClientError> {
        let client = Client::new(config)?;
        let status = client.status().await?;
        let expected = client.genesis().hash();
        if status.genesis_hash != expected.0 {
            return Err(ClientError::mismatch("the node's genesis hash", expected, hex::encode(status.genesis_hash)));
        }
        Ok(client)
    }

    /// A client that connects when it is first used. Every transaction names the genesis, and every proof is
    /// checked against it, so that a node of another ledger is found out then.
    pub fn new(config: Config) -> Result<Client, ClientError> {
        if config.nodes.is_empty() || config.nodes.len() > NODES_MAX {
            return Err(ClientError::invalid("node", format!("give 1 to {NODES_MAX} addresses, https://HOST:PORT")));
        }
        let founders = config.genesis.document().organisations.values();
        let mut keys: Vec<PublicKey> = founders.flat_map(|o| o.nodes.values().map(|node| node.tls)).collect();
        keys.extend(&config.tls_keys);
        let nodes = config.nodes.iter().map(|node| connect_lazy(node, &keys)).collect::<Result<_, _>>()?;
        let origin = config.genesis.origin();
        let trust = Mutex::new(Arc::new(Trust::from_genesis(&config.genesis)));
        let tokens = TokenSource::new(origin.clone(), config.account.clone(), config.key.clone());
        let current = AtomicUsize::new(0);
        Ok(Client { inner: Arc::new(Inner { config, origin, trust, nodes, current, tokens }) })
    }

    /// Where the node that answers stands.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.ask(GetStatusRequest {}, |mut node, request| async move { node.get_status(request).await }).await
    }

    /// The genesis that everything is verified against.
    pub fn genesis(&self) -> &Genesis {
        &self.inner.config.genesis
    }

    /// The ledger: `<name>/<genesis hash>`.
    pub fn origin(&self) -> &str {
        &self.inner.origin
    }

    /// The epochs that proofs are verified under, as far as they are known.
    pub fn trust(&self) -> Arc<Trust> {
        self.inner.trust.lock().expect("no panic under the lock").clone()
    }

    /// Follows the membership to the newest epoch that a node shows, verified from the genesis or from what is known.
    pub async fn follow_epochs(&self) -> Result<TrustBundle, ClientError> {
        let call = |mut node: LedgerClient<Channel>, request| async move { node.get_trust_bundle(request).await };
        let response = self.ask(GetTrustBundleRequest {}, call).await?;
        let bundle = TrustBundle::parse(&response.bundle).map_err(unverified)?;
        bundle.genesis(&self.genesis_hash()).map_err(|refusal| unverified(refusal.error))?;
        let mut trust = (*self.trust()).clone();
        bundle.extend(&mut trust).map_err(|refusal| unverified(refusal.error))?;
        let mut known = self.inner.trust.lock().expect("no panic under the lock");
        if trust.epochs().len() > known.epochs().len() {
            *known = Arc::new(trust);
        }
        Ok(bundle)
    }

    /// Judges a proof under the epochs known; what is refused for its signers or its epoch is judged once more after
    /// asking for the epochs since.
    pub(crate) async fn judge<T>(&self, verify: impl Fn(&Trust) -> Result<T, Refusal>) -> Result<T, ClientError> {
        let known = self.trust();
        let refusal = match verify(&known) {
            Ok(verified) => return Ok(verified),
            Err(refusal) => refusal,
        };
        let may_be_newer = matches!(refusal.check, Check::Quorum | Check::LogSignature | Check::Epochs);
        if may_be_newer && self.follow_epochs().await.is_ok() && self.trust().epochs().len() > known.epochs().len() {
            return verify(&self.trust()).map_err(|refusal| unverified(refusal.error));
        }
        Err(unverified(refusal.error))
    }

    pub(crate) fn genesis_hash(&self) -> Hash {
        self.inner.config.genesis.hash()
    }

    /// Calls the current node; where it cannot serve, each other node once.
    pub(crate) async fn ask<Q, R, F, A>(&self, message: Q, call: F) -> Result<R, ClientError>
    where
        Q: Clone,
        F: Fn(LedgerClient<Channel>, tonic::Request<Q>) -> A,
        A: Future<Output = Result<tonic::Response<R>, tonic::Status>>,
    {
        let mut last = ClientError::Unavailable { detail: "no node was asked".into() };
        for _ in 0..self.inner.nodes.len() {
            let (at, node) = self.node();
            let answer = tokio::time::timeout(READ_TIMEOUT, call(node, self.request(message.clone()))).await;
            last = match answer {
                Ok(Ok(response)) => return Ok(response.into_inner()),
                Ok(Err(status)) => self.named(at, ClientError::of_read(&status)),
                Err(_) => self.named(at, ClientError::Unavailable { detail: "no answer in 30 s".into() }),
            };
            if !matches!(last, ClientError::Unavailable { .. }) {
                return Err(last);
            }
            self.leave(at);
        }
        Err(last)
    }

    /// The node that is asked now.
    pub(crate) fn node(&self) -> (usize, LedgerClient<Channel>) {
        let at = self.inner.current.load(Ordering::Relaxed);
        (at, self.inner.nodes[at].clone())
    }

    /// Goes on to the next node, unless another task already left this one.
    pub(crate) fn leave(&self, at: usize) {
        let next = (at + 1) % self.inner.nodes.len();
        let _ = self.inner.current.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// A request with the account's token.
    pub(crate) fn request<Q>(&self, message: Q) -> tonic::Request<Q> {
        let mut request = tonic::Request::new(message);
        request.metadata_mut().insert("authorization", self.inner.tokens.header());
        request
    }

    /// The error with the address of the node that it is about.
    pub(crate) fn named(&self, at: usize, error: ClientError) -> ClientError {
        match error {
            ClientError::Unavailable { detail } => {
                ClientError::Unavailable { detail: format!("{}: {detail}", self.inner.config.nodes[at]) }
            }
            other => other,
        }
    }
}

/// A proof that does not hold.
pub(crate) fn unverified(error: ProofError) -> ClientError {
    ClientError::Unverified(error)
}
