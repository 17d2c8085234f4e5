//! Make a ledger in memory and ask its router for pages.
#![allow(dead_code, reason = "each test file uses a part")]

use axum::Router;
use axum::body::{Body as HttpBody, to_bytes};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, StatusCode};
use countersign_gateway::{
    ApiSetup, Callers, CursorView, Door, NodeView, PeerView, Progress, Served, Vouched, Witness, router,
};
use countersign_ledger::judge;
use countersign_ledger::store::{Ledger, MemoryKv, Position, Reader};
use countersign_proof::operation::Change;
use countersign_proof::{
    Body, Checkpoint, DefineCollection, Genesis, Hash, KeyPair, Note, Operation, Proposal, ProposalHeader, Signer,
    VerifierKey, canonical,
};
use countersign_proto::Claims;
use prost::Message;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};
use tower::ServiceExt;

const NODES: [&str; 4] = ["acme.example/1", "bolt.example/1", "cargo.example/1", "dock.example/1"];

/// The ledger of the golden vectors, to which blocks can be added.
pub struct Network {
    pub ledger: Ledger,
    pub genesis: Genesis,
    keys: Value,
    nonces: u64,
}

impl Network {
    /// A ledger that has its genesis only.
    pub fn found() -> Network {
        let vectors = include_str!("../../../proof/tests/vectors/ledger.json");
        let mut vectors: Value = serde_json::from_str(vectors).expect("the vectors are JSON");
        let genesis = Genesis::parse(vectors["genesis"].as_str().expect("text").as_bytes()).expect("a genesis");
        let ledger = Ledger::open(Arc::new(MemoryKv::new()), &genesis).expect("a new ledger");
        Network { ledger, genesis, keys: vectors["keys"].take(), nonces: 0 }
    }

    pub fn reader(&self) -> Reader {
        self.ledger.reader()
    }

    fn key(&self, name: &str) -> KeyPair {
        let mut seed = [0; 32];
        hex::decode_to_slice(self.keys[name]["seed"].as_str().expect(name), &mut seed).expect("hex");
        KeyPair::from_seed(&seed)
    }

    /// A token of acme.example/ops.
    pub fn token(&self) -> String {
        self.token_of("acme.example/ops")
    }

    /// A token of an account.
    pub fn token_of(&self, account: &str) -> String {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let now = since.as_secs();
        let claims = Claims { aud: self.genesis.origin(), exp: now + 60, iat: now, sub: account.into() };
        // An organisation's own account has its governance key.
        let name = if account.contains('/') { account.to_owned() } else { format!("{account}/governance") };
        claims.sign(&self.key(&name))
    }

    /// A transaction of acme.example/ops, with its id.
    pub fn transaction(&mut self, operations: Vec<Operation>) -> (Hash, Vec<u8>) {
        let key = self.key("acme.example/ops");
        self.nonces += 1;
        let body = Body {
            genesis: self.genesis.hash().0.to_vec(),
            nonce: u128::from(self.nonces).to_be_bytes().to_vec(),
            operations,
            caller: "ticket \u{202e}4711 <b>".into(),
            signers: vec![Signer { account: "acme.example/ops".into(), public_key: key.public().as_bytes().to_vec() }],
            ..Body::default()
        };
        (body.transaction_id(), body.sign(&[&key]))
    }

    /// A block with one transaction of these operations; the id of it.
    pub fn append(&mut self, operations: Vec<Operation>) -> Hash {
        let (id, bytes) = self.transaction(operations);
        self.append_block(vec![bytes]);
        id
    }

    /// Defines a collection to which acme.example writes, with the governance of a quorum.
    pub fn define(&mut self, name: &str, schema: &Value) {
        self.define_with(name, &serde_json::json!({"engine": "writers/v1", "write": ["acme.example"]}), schema);
    }

    /// Defines a collection with this access rule.
    pub fn define_with(&mut self, name: &str, access: &Value, schema: &Value) {
        let definition = canonical(&serde_json::json!({ "access": access, "schema": schema }));
        let define = Change::DefineCollection(DefineCollection { name: name.into(), definition });
        let accounts = ["acme.example", "bolt.example", "cargo.example"];
        let keys: Vec<KeyPair> = accounts.iter().map(|name| self.key(&format!("{name}/governance"))).collect();
        let signer = |(account, key): (&&str, &KeyPair)| Signer {
            account: (*account).to_owned(),
            public_key: key.public().as_bytes().to_vec(),
        };
        self.nonces += 1;
        let body = Body {
            genesis: self.genesis.hash().0.to_vec(),
            nonce: u128::from(self.nonces).to_be_bytes().to_vec(),
            operations: vec![Operation { change: Some(define), ..Operation::default() }],
            signers: accounts.iter().zip(&keys).map(signer).collect(),
            ..Body::default()
        };
        self.append_block(vec![body.sign(&keys.iter().collect::<Vec<_>>())]);
    }

    /// Blocks with these counts of transactions, each of one new document.
    pub fn fill(&mut self, blocks: &[u64]) {
        for count in blocks {
            let one = |network: &mut Network| {
                let id = format!("{:06}", network.nonces);
                network.transaction(vec![create(&id, r#"{"pallets":1}"#)]).1
            };
            let transactions = (0..*count).map(|_| one(self)).collect();
            self.append_block(transactions);
        }
    }

    pub fn append_block(&mut self, transactions: Vec<Vec<u8>>) {
        let chain = self.ledger.chain().clone();
        let header = ProposalHeader {
            count: transactions.len() as u64,
            height: chain.height + 1,
            origin: self.genesis.origin(),
            previous: chain.digest,
            proposer: NODES[0].into(),
            term: 1,
            time: chain.time + 1000,
            transactions: ProposalHeader::transactions_hash(transactions.iter().map(Vec::as_slice)),
            v: 1,
        };
        let bytes = Proposal::sign(&header, transactions, &self.key("acme.example/1/proposal")).encode_to_vec();
        let (members, limits) = self.ledger.in_force().expect("genesis set them");
        let (origin, hash) = (self.genesis.origin(), self.genesis.hash());
        let judged = judge(&bytes, 1, &chain, &origin, &hash, &members, &limits).expect("a valid proposal");
        self.ledger.append(Position { term: 1, index: chain.height + 2 }, judged).expect("memory takes all");
    }

    /// Three of the four organisations countersign what is there.
    pub fn certify(&self) {
        let (size, root, origin) = (self.ledger.chain().size, self.ledger.log_root(), self.genesis.origin());
        let checkpoint = Checkpoint { origin, size, root };
        let mut signatures = vec![checkpoint.log_signature(&self.key("acme.example/1/log"))];
        signatures.extend(NODES[..3].iter().map(|node| {
            let key = self.key(&format!("{node}/cosign"));
            checkpoint.cosign(node, 1_763_892_100, &key).to_note_signature(&VerifierKey::cosigner(node, key.public()))
        }));
        let note = Note { text: checkpoint.to_text(), signatures }.to_string();
        self.reader().put_certificate(size, &note).expect("memory takes all");
    }

    /// What the node would publish.
    pub fn view(&self) -> NodeView {
        let (height, tree_size) = (self.ledger.chain().height, self.ledger.chain().size);
        let certified_size = self.reader().newest_certificate().expect("memory").map_or(0, |(size, _)| size);
        let at = |height: u64| CursorView { index: height + 1, height };
        NodeView {
            node: NODES[0].into(),
            origin: self.genesis.origin(),
            release: "0.1.0".into(),
            leader: Some(NODES[1].into()),
            term: 1,
            raft_id: 1,
            appended: at(height + 2),
            committed: at(height + 1),
            applied: at(height),
            signed: at(height),
            certified: at(height - height.min(1)),
            published: at(height - height.min(1)),
            tree_size,
            certified_size,
            missing: vec!["dock.example".into()],
            peers: NODES[1..].iter().map(|node| peer(node, certified_size)).collect(),
            witnesses: Vec::new(),
            mempool_transactions: 7,
            mempool_bytes: 4096,
            station_microseconds: vec![("apply", 25), ("order", 7)],
            healthy: true,
            reason: String::new(),
        }
    }

    /// A site over this ledger and this view.
    pub fn site(&self, view: NodeView) -> Site {
        self.site_with(view, None)
    }

    /// The same, with a witness of other logs.
    pub fn site_with(&self, view: NodeView, witness: Option<Arc<Witness>>) -> Site {
        self.serve(view, None, witness)
    }

    /// A site with the typed API of acme.example, behind whose door is nobody.
    pub fn typed_site(&self) -> Site {
        self.followed_site(None).0
    }

    /// The same with API keys of this file, and what tells it how far the node has come.
    pub fn followed_site(&self, api_keys: Option<PathBuf>) -> (Site, watch::Sender<Progress>) {
        let (asks, _) = mpsc::channel(1);
        let (tell, progress) = watch::channel(self.progress());
        let door = Door { asks, progress };
        let vouched = Vouched { api_keys, ..Vouched::default() };
        let api = ApiSetup { door, callers: self.callers(vouched), account: None };
        (self.serve(self.view(), Some(api), None), tell)
    }

    /// Callers of a node of acme.example.
    pub fn callers(&self, vouched: Vouched) -> Callers {
        let now_ms = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
            since.as_millis() as u64
        };
        Callers::new(self.reader(), self.genesis.origin(), "acme.example".into(), vouched, Arc::new(now_ms), None)
    }

    /// All that there is is certified.
    pub fn progress(&self) -> Progress {
        let height = self.ledger.chain().height;
        Progress { applied: height, published: height, ..Progress::default() }
    }

    fn serve(&self, view: NodeView, api: Option<ApiSetup>, witness: Option<Arc<Witness>>) -> Site {
        let (publish, view) = watch::channel(Arc::new(view));
        let (genesis, log) = (Arc::new(self.genesis.clone()), Some(self.key("acme.example/1/log")));
        let served = Served { reader: self.reader(), genesis, log, view, api, witness };
        Site { router: router(served), publish: Some(publish) }
    }
}

fn peer(node: &str, certified_size: u64) -> PeerView {
    let up = node != NODES[3];
    let cosigned_size = if up { certified_size } else { 0 };
    PeerView { node: node.into(), voter: up, control_connected: up, bulk_connected: up, cosigned_size }
}

/// Sets a shipment to this JSON, which must be canonical.
pub fn create(id: &str, json: &str) -> Operation {
    operation(id, Change::Create(json.into()))
}

pub fn operation(id: &str, change: Change) -> Operation {
    Operation { collection: "shipments".into(), id: id.into(), precondition: None, change: Some(change) }
}

/// A router and the sender of its view.
pub struct Site {
    pub router: Router,
    pub publish: Option<watch::Sender<Arc<NodeView>>>,
}

/// An answer.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

/// An answer, its body as text.
pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Site {
    pub async fn get(&self, address: &str) -> Page {
        let Answer { status, headers, bytes } = self.ask(Request::get(address)).await;
        Page { status, headers, text: String::from_utf8(bytes).expect("UTF-8") }
    }

    /// Sends a request without a body.
    pub async fn ask(&self, request: Builder) -> Answer {
        let request = request.body(HttpBody::empty()).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("a router never fails");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 4 << 20).await.expect("answers are bounded").to_vec();
        Answer { status: parts.status, headers: parts.headers, bytes }
    }

    /// The bytes at an address, which must be there.
    pub async fn bytes(&self, address: &str) -> Vec<u8> {
        let answer = self.ask(Request::get(address)).await;
        assert_eq!(answer.status, StatusCode::OK, "{address}: {:?}", String::from_utf8_lossy(&answer.bytes));
        answer.bytes
    }

    /// The text of a page that must be there.
    pub async fn page(&self, address: &str) -> String {
        let page = self.get(address).await;
        assert_eq!(page.status, StatusCode::OK, "{address}: {}", page.text);
        page.text
    }

    pub async fn status(&self, address: &str) -> u16 {
        self.ask(Request::get(address)).await.status.as_u16()
    }

    /// Where an address redirects to.
    pub async fn redirect(&self, address: &str) -> String {
        let page = self.get(address).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{address}: {}", page.text);
        page.headers["location"].to_str().expect("ASCII").to_owned()
    }

    /// Follows the links with this text from page to page; the text of each page.
    pub async fn follow(&self, start: &str, link: &str) -> Vec<String> {
        let mut pages = vec![self.page(start).await];
        while let Some(address) = href(pages.last().expect("one at least"), link) {
            assert!(pages.len() < 100, "the pages do not end");
            pages.push(self.page(&address).await);
        }
        pages
    }
}

/// The address of the link with this text.
pub fn href(html: &str, link: &str) -> Option<String> {
    let (before, _) = html.split_once(&format!(">{link}</a>"))?;
    let (_, address) = before.rsplit_once("href=\"")?;
    let (address, _) = address.split_once('"')?;
    Some(address.replace("&#38;", "&"))
}
