//! Let one member say whatever it likes to three honest nodes, under its own true keys: they must neither halt nor stall.

use crate::founded::{Founded, submit, transaction};
use bytes::Bytes;
use countersign_node::Node;
use countersign_p2p::{Lane, Services, Transport};
use countersign_proof::{Checkpoint, Hash, Proposal, ProposalHeader, SignedHeader, plain_hash};
use futures::FutureExt;
use prost::Message;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

const LIAR: usize = 3;
const HONEST: [usize; 3] = [0, 1, 2];
const WITHIN: Duration = Duration::from_secs(60);
/// The numbers of the services: node/src/frames.rs.
const SERVICES: std::ops::RangeInclusive<u8> = 1..=11;
const RAFT: u8 = 1;
const FORWARD: u8 = 2;
const COSIGNATURE: u8 = 3;
const COSIGNATURES: u8 = 4;
const BLOCKS: u8 = 5;
const READ_INDEX: u8 = 6;
const RAFT_ID: u8 = 7;
const ECHO: u8 = 8;
const OWN: u8 = 9;
const EVIDENCE: u8 = 10;
const COMPLAINT: u8 = 11;

// The frames once more, on purpose: a liar encodes for itself, and a change of the wire is seen here.
#[derive(Clone, PartialEq, Message)]
struct CosignatureFrame {
    #[prost(uint64, tag = "1")]
    size: u64,
    #[prost(bytes = "vec", tag = "2")]
    root: Vec<u8>,
    #[prost(string, tag = "3")]
    node: String,
    #[prost(uint64, tag = "4")]
    time: u64,
    #[prost(bytes = "vec", tag = "5")]
    signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    log_signature: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct EchoFrame {
    #[prost(uint64, tag = "1")]
    size: u64,
    #[prost(bytes = "vec", tag = "2")]
    root: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Echoes {
    #[prost(message, repeated, tag = "1")]
    echoes: Vec<EchoFrame>,
}

#[derive(Clone, PartialEq, Message)]
struct Asked {
    #[prost(uint64, tag = "1")]
    from: u64,
    #[prost(bool, tag = "2")]
    uncertified: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Transactions {
    #[prost(bytes = "vec", repeated, tag = "1")]
    transactions: Vec<Vec<u8>>,
}

/// The member, and those it speaks to.
struct Liar<'a> {
    founded: &'a Founded,
    transport: Transport,
}

impl Liar<'_> {
    fn tell(&self, lane: Lane, service: u8, body: &impl Message) {
        self.tell_bytes(lane, service, &body.encode_to_vec());
    }

    fn tell_bytes(&self, lane: Lane, service: u8, body: &[u8]) {
        for n in HONEST {
            // A full queue drops it; that is theirs to bear.
            drop(self.transport.tell(&self.founded.name(n), lane, service, Bytes::copy_from_slice(body)));
        }
    }

    async fn ask(&self, lane: Lane, service: u8, body: Vec<u8>) {
        let calls = HONEST.iter().flat_map(|n| {
            let (name, body) = (self.founded.name(*n), Bytes::from(body.clone()));
            (0..50).map(move |_| (name.clone(), body.clone()))
        });
        let wait = Duration::from_millis(50);
        let calls =
            calls.map(|(name, body)| async move { self.transport.call(&name, lane, service, body, wait).await });
        drop(futures::future::join_all(calls).await);
    }

    fn cosignature(&self, size: u64, root: Hash, node: &str) -> CosignatureFrame {
        let voter = self.founded.secrets[LIAR].voter.as_ref().expect("it votes");
        let checkpoint = Checkpoint { origin: self.founded.genesis.origin(), size, root };
        let cosignature = checkpoint.cosign(node, 1_800_000_000, &voter.cosign);
        CosignatureFrame {
            size,
            root: root.0.to_vec(),
            node: node.to_owned(),
            time: cosignature.time,
            signature: cosignature.signature.to_vec(),
            log_signature: checkpoint.log_signature(&voter.log).signature,
        }
    }

    /// Evidence against itself, true to the letter, one file a height.
    fn evidence(&self, height: u64) -> Vec<u8> {
        let voter = self.founded.secrets[LIAR].voter.as_ref().expect("it votes");
        let header = |time: u64| ProposalHeader {
            count: 0,
            height,
            origin: self.founded.genesis.origin(),
            previous: Hash([7; 32]),
            proposer: self.founded.name(LIAR),
            term: 1,
            time,
            transactions: ProposalHeader::transactions_hash([]),
            v: 1,
        };
        let signed = |time| {
            let proposal = Proposal::sign(&header(time), vec![], &voter.proposal);
            let header = String::from_utf8(proposal.header).expect("canonical JSON");
            SignedHeader { header, signature: hex::encode(proposal.signature) }
        };
        countersign_proof::Evidence::two_proposals(signed(1), signed(2)).to_bytes()
    }
}

/// Cosignatures over nothing, over what is far ahead or just ahead, over another root, in another's name.
async fn false_cosignatures(liar: &Liar<'_>, size: u64) {
    let own = liar.founded.name(LIAR);
    let root = plain_hash(b"never");
    for size in [0, 1, size, size + 1, size + 2, size + 5, 1 << 40, u64::MAX] {
        liar.tell(Lane::Control, COSIGNATURE, &liar.cosignature(size, root, &own));
        liar.tell(Lane::Control, COSIGNATURE, &liar.cosignature(size, root, &liar.founded.name(0)));
        let short = CosignatureFrame { signature: vec![1; 63], ..liar.cosignature(size, root, &own) };
        liar.tell(Lane::Control, COSIGNATURE, &short);
    }
    for ahead in 0..6_000 {
        liar.tell(
            Lane::Bulk,
            COSIGNATURE,
            &liar.cosignature(size + 100 + ahead % 50, plain_hash(&[ahead as u8]), &own),
        );
        if ahead % 500 == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Echoes of every size there is, and of none.
async fn false_echoes(liar: &Liar<'_>, size: u64) {
    let echo = |size| EchoFrame { size, root: plain_hash(b"never").0.to_vec() };
    liar.tell(
        Lane::Control,
        ECHO,
        &Echoes { echoes: vec![echo(0), echo(u64::MAX), EchoFrame { size: 3, root: vec![1] }] },
    );
    for from in 0..100 {
        let echoes = (0..256).map(|n| echo(size + from * 256 + n)).collect();
        liar.tell(Lane::Control, ECHO, &Echoes { echoes });
    }
    liar.tell(Lane::Bulk, ECHO, &Echoes { echoes: (0..50_000).map(echo).collect() });
    sleep(Duration::from_millis(20)).await;
}

/// Evidence that is noise, and more true evidence against itself than there is room for.
async fn evidence(liar: &Liar<'_>, size: u64) {
    for noise in [vec![], b"{}".to_vec(), vec![b'['; 100_000], b"{\"kind\":\"evidence\",\"v\":1}".to_vec()] {
        liar.tell_bytes(Lane::Bulk, EVIDENCE, &noise);
    }
    for height in 0..100 {
        liar.tell_bytes(Lane::Control, EVIDENCE, &liar.evidence(size * 100 + height));
    }
    sleep(Duration::from_millis(20)).await;
}

/// Questions without an answer, and noise on every service.
async fn questions(liar: &Liar<'_>, size: u64) {
    for from in [0, 1, size, 1 << 40, u64::MAX] {
        let asked = Asked { from, uncertified: size.is_multiple_of(2) }.encode_to_vec();
        for service in [COSIGNATURES, BLOCKS] {
            liar.ask(Lane::Bulk, service, asked.clone()).await;
        }
    }
    for service in [READ_INDEX, RAFT_ID, OWN] {
        liar.ask(Lane::Control, service, vec![]).await;
    }
    for service in SERVICES {
        for noise in [vec![], vec![0xff; 300], vec![10; 10_000], b"\x0a\xff\xff\xff\xff\x0f".to_vec()] {
            liar.tell_bytes(Lane::Bulk, service, &noise);
            liar.ask(Lane::Control, service, noise).await;
        }
    }
    liar.ask(Lane::Control, RAFT, vec![1; 64]).await;
}

/// Transactions that nobody left out, many and large, false ones among them.
async fn complaints(liar: &Liar<'_>, size: u64) {
    for n in 0..60 {
        let account = format!("{}/ops", liar.founded.organisation(LIAR));
        let mut bytes = transaction(liar.founded, LIAR, &account, &format!("spam-{size}-{n}"));
        if n % 3 == 0 {
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
        }
        let body = Transactions { transactions: vec![bytes] };
        liar.tell(Lane::Bulk, COMPLAINT, &body);
        liar.ask(Lane::Bulk, FORWARD, body.encode_to_vec()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_a_member_says_the_others_neither_halt_nor_stall() {
    let founded = Founded::new(4);
    let mut nodes: Vec<Node> = Vec::new();
    for n in HONEST {
        nodes.push(founded.start(n, founded.disks(n)).await);
    }
    let liar = Liar { founded: &founded, transport: join(&founded).await };
    let mut written = 0;
    written += write(&founded, &nodes, written, 3).await;
    for _ in 0..2 {
        let size = nodes[0].applied().chain.size;
        tokio::join!(false_cosignatures(&liar, size), async { written += write(&founded, &nodes, written, 3).await });
        tokio::join!(false_echoes(&liar, size), async { written += write(&founded, &nodes, written, 3).await });
        tokio::join!(evidence(&liar, size), async { written += write(&founded, &nodes, written, 3).await });
        tokio::join!(questions(&liar, size), async { written += write(&founded, &nodes, written, 3).await });
        tokio::join!(complaints(&liar, size), async { written += write(&founded, &nodes, written, 3).await });
    }
    assert_eq!(written, 33);
    agree(&nodes).await;
    for node in &mut nodes {
        assert!(node.ended().now_or_never().is_none(), "{} has ended", node.name());
        assert_eq!(node.signed().size, node.applied().chain.size, "{} signs on", node.name());
        let accused = node.accused();
        assert!(accused.iter().all(|name| *name == founded.organisation(LIAR)), "{}: {accused:?}", node.name());
        assert!(!accused.is_empty(), "what it signed against itself stands");
    }
    for node in nodes {
        node.stop().await;
    }
}

/// Connects as the member, and swallows what it is sent.
async fn join(founded: &Founded) -> Transport {
    let mut services = Services::new();
    for service in SERVICES {
        let mut incoming = services.register(service, 1_024);
        tokio::spawn(async move { while incoming.recv().await.is_some() {} });
    }
    let own = countersign_p2p::Identity {
        name: founded.name(LIAR),
        genesis: founded.genesis.hash().0,
        tls_seed: founded.secrets[LIAR].tls.seed(),
    };
    let (_, directory) = tokio::sync::watch::channel(Arc::new(founded.directory()));
    let sockets = Arc::new(founded.network.sockets(&founded.address(LIAR)));
    let transport =
        countersign_p2p::start(own, directory, sockets, &founded.address(LIAR), services).await.expect("it starts");
    let connected = async {
        while transport.connected().len() < 2 * HONEST.len() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(WITHIN, connected).await.expect("it is a member like any other");
    transport
}

/// Writes through each node in turn, each certified.
async fn write(founded: &Founded, nodes: &[Node], from: usize, count: usize) -> usize {
    for n in from..from + count {
        let node = &nodes[n % nodes.len()];
        let account = format!("{}/ops", founded.organisation(n % nodes.len()));
        let bytes = transaction(founded, n % nodes.len(), &account, &format!("thing-{n}"));
        timeout(WITHIN, submit(node, bytes)).await.expect("is answered");
    }
    count
}

async fn agree(nodes: &[Node]) {
    let alike = async {
        loop {
            let all: BTreeMap<(u64, Hash), usize> = nodes.iter().fold(BTreeMap::new(), |mut all, node| {
                let applied = node.applied();
                *all.entry((applied.chain.size, applied.log_root)).or_default() += 1;
                all
            });
            let signed = nodes.iter().all(|node| node.signed().size == node.applied().chain.size);
            if all.len() == 1 && signed {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(WITHIN, alike).await.expect("all hold the same, and have signed it");
}
