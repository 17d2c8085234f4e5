//! Serve the public API over TLS from a ledger that is a map: enough to test a client against.

#![allow(dead_code, reason = "each test uses a part")]

use countersign_proof::*;
use countersign_proto::v1::ledger_server::{Ledger, LedgerServer};
use countersign_proto::v1::{self, *};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

pub const ACCOUNT: &str = "ua.example/ops";

/// The key of this seed.
pub fn key(seed: u8) -> KeyPair {
    KeyPair::from_seed(&[seed; 32])
}

/// A ledger of one organisation; the account's key is `key(2)`, the node's TLS key `key(6)`.
pub fn genesis() -> Genesis {
    let keys = |seed| key(seed).public();
    let node = FoundingNode { address: "x:1".into(), cosign: keys(3), log: keys(4), proposal: keys(5), tls: keys(6) };
    let organisation = FoundingOrganisation { governance: keys(1), nodes: [("1".to_owned(), node)].into() };
    let document = GenesisDocument {
        accounts: [(ACCOUNT.to_owned(), vec![keys(2)])].into(),
        collections: BTreeMap::new(),
        ledger: "test".into(),
        limits: Limits::DEFAULT,
        organisations: [("ua.example".to_owned(), organisation)].into(),
        quorum: "(n+f+1)/2".into(),
        rules: 1,
        time: 1,
        v: 1,
    };
    Genesis::parse(&canonical(&document)).expect("a genesis")
}

/// By transaction id: the leaf's index and the transaction's bytes.
pub type Executed = BTreeMap<Vec<u8>, (u64, Vec<u8>)>;

/// What one node does and has done; nodes of one ledger share `executed`.
#[derive(Clone, Default)]
pub struct Mock {
    /// What was executed.
    pub executed: Arc<Mutex<Executed>>,
    /// Submissions that came, repeated ones too.
    pub submissions: Arc<Mutex<u64>>,
    /// Streams end after so many messages, each executed but the last left without its answer.
    pub stream_length: Option<u64>,
    /// Each so-many-th submission is refused for a moment.
    pub refuse_every: Option<u64>,
    /// Receipts are of another body.
    pub lies: bool,
    /// Waits so long before it answers.
    pub silence_ms: u64,
}

impl Mock {
    /// Starts to serve; gives the address.
    pub async fn serve(&self) -> String {
        let pkcs8 = [&hex::decode("302e020100300506032b657004220420").expect("hex")[..], &[6; 32]].concat();
        let der = rustls::pki_types::PrivatePkcs8KeyDer::from(pkcs8);
        let tls = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ED25519).expect("a key");
        let parameters = rcgen::CertificateParams::new(vec!["node".into()]).expect("a name");
        let certificate = parameters.self_signed(&tls).expect("made").pem();
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, tls.serialize_pem()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("https://{}", listener.local_addr().expect("bound"));
        let server = Server::builder().tls_config(tls).expect("TLS").add_service(LedgerServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        address
    }

    fn execute(&self, request: &SubmitRequest) -> SubmitResponse {
        let mut submissions = self.submissions.lock().expect("held briefly");
        *submissions += 1;
        let transaction =
            Transaction::parse(request.transaction.clone(), &genesis().hash(), 1 << 20).expect("well formed");
        let id = transaction.id.0.to_vec();
        let mut response =
            SubmitResponse { sequence: request.sequence, transaction_id: id.clone(), ..Default::default() };
        if self.refuse_every.is_some_and(|every| submissions.is_multiple_of(every)) {
            response.set_outcome(v1::Outcome::Refused);
            (response.code, response.detail, response.retry_ms) = ("OVERLOADED".into(), "full".into(), 20);
            return response;
        }
        let mut executed = self.executed.lock().expect("held briefly");
        let next = executed.len() as u64;
        let (index, body) = executed.entry(id).or_insert((next, transaction.bytes.clone()));
        assert_eq!(*body, transaction.bytes, "one id, one transaction");
        response.leaf_index = Some(*index);
        response.height = Some(1 + *index);
        response.set_level(Level::Certified);
        if transaction.body.operations[0].id.starts_with("bad") {
            response.set_outcome(v1::Outcome::Rejected);
            (response.code, response.detail) = ("SCHEMA_VIOLATION".into(), "wrong".into());
        } else {
            response.set_outcome(v1::Outcome::Applied);
        }
        response
    }

    /// A receipt under a log of this one leaf.
    fn receipt_of(&self, id: &[u8]) -> Option<String> {
        let (_, bytes) = self.executed.lock().expect("held briefly").get(id)?.clone();
        let transaction = Transaction::parse(bytes, &genesis().hash(), 1 << 20).expect("executed");
        let body = if self.lies { Hash([0; 32]) } else { transaction.body_hash };
        let leaf = Leaf::Transaction(TransactionLeaf {
            body,
            by: transaction.by().to_owned(),
            code: None,
            height: 1,
            id: transaction.id,
            outcome: countersign_proof::Outcome::Applied,
            signatures: transaction.signatures_hash(),
            v: 1,
            writes: Some(Hash([1; 32])),
        });
        let leaf = leaf.to_bytes();
        let checkpoint = Checkpoint { origin: genesis().origin(), size: 1, root: leaf_hash(&leaf) };
        let cosigner = VerifierKey::cosigner("ua.example/1", key(3).public());
        let cosignature = checkpoint.cosign("ua.example/1", 1_763_892_000, &key(3)).to_note_signature(&cosigner);
        let note =
            Note { text: checkpoint.to_text(), signatures: vec![checkpoint.log_signature(&key(4)), cosignature] };
        Some(Receipt { leaf, index: 0, path: vec![], note: note.to_string() }.to_string())
    }
}

fn check_token<T>(request: &Request<T>) -> Result<(), Status> {
    let header = request.metadata().get("authorization").and_then(|h| h.to_str().ok());
    let token = header.and_then(|h| h.strip_prefix("Bearer ")).ok_or_else(|| Status::unauthenticated("no token"))?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let token = countersign_proto::Token::parse(token, &genesis().origin(), now);
    let token = token.map_err(|e| Status::unauthenticated(e.to_string()))?;
    if token.key == key(2).public() { Ok(()) } else { Err(Status::unauthenticated("not the account's key")) }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Ledger for Mock {
    type SubmitStreamStream = ReceiverStream<Result<SubmitResponse, Status>>;
    type SubscribeStream = ReceiverStream<Result<Event, Status>>;

    async fn submit(&self, request: Request<SubmitRequest>) -> Answer<SubmitResponse> {
        tokio::time::sleep(std::time::Duration::from_millis(self.silence_ms)).await;
        Ok(Response::new(self.execute(request.get_ref())))
    }

    async fn submit_stream(&self, request: Request<Streaming<SubmitRequest>>) -> Answer<Self::SubmitStreamStream> {
        check_token(&request)?;
        let (answers, stream) = mpsc::channel(16);
        let (mock, mut requests) = (self.clone(), request.into_inner());
        tokio::spawn(async move {
            let mut count = 0;
            while let Ok(Some(request)) = requests.message().await {
                count += 1;
                let response = mock.execute(&request);
                if mock.stream_length == Some(count) {
                    let _ = answers.send(Err(Status::unavailable("going down"))).await;
                    return;
                }
                if answers.send(Ok(response)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn subscribe(&self, request: Request<SubscribeRequest>) -> Answer<Self::SubscribeStream> {
        check_token(&request)?;
        let (events, stream) = mpsc::channel(16);
        let from = request.into_inner().cursor.parse::<u64>().map_or(0, |last| last + 1);
        for height in from..from + 3 {
            let event = Event { cursor: height.to_string(), what: Some(event::What::Progress(Progress { height })) };
            events.try_send(Ok(event)).expect("room for four");
        }
        events.try_send(Err(Status::unavailable("going down"))).expect("room for four");
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn get_status(&self, request: Request<GetStatusRequest>) -> Answer<v1::Status> {
        check_token(&request)?;
        let genesis = genesis();
        let genesis_hash = genesis.hash().0.to_vec();
        Ok(Response::new(v1::Status { origin: genesis.origin(), genesis_hash, ..Default::default() }))
    }

    async fn get_receipt(&self, request: Request<GetReceiptRequest>) -> Answer<GetReceiptResponse> {
        check_token(&request)?;
        let Some(get_receipt_request::Of::TransactionId(id)) = request.into_inner().of else {
            return Err(Status::unimplemented("only by transaction"));
        };
        let receipt = self.receipt_of(&id).ok_or_else(|| Status::not_found("no such transaction"))?;
        Ok(Response::new(GetReceiptResponse { receipt }))
    }

    type ExportBlocksStream = ReceiverStream<Result<v1::ExportedBlock, Status>>;

    async fn export_blocks(&self, _: Request<v1::ExportBlocksRequest>) -> Answer<Self::ExportBlocksStream> {
        Err(Status::unimplemented("mock"))
    }

    async fn get_trust_bundle(
        &self,
        request: Request<v1::GetTrustBundleRequest>,
    ) -> Answer<v1::GetTrustBundleResponse> {
        check_token(&request)?;
        let bundle = countersign_proof::TrustBundle::new(&genesis(), Vec::new()).to_bytes();
        Ok(Response::new(v1::GetTrustBundleResponse { bundle }))
    }

    async fn get_consistency_proof(
        &self,
        _: Request<v1::GetConsistencyProofRequest>,
    ) -> Answer<v1::GetConsistencyProofResponse> {
        Err(Status::unimplemented("mock"))
    }

    async fn get_history_proof(&self, _: Request<v1::GetHistoryProofRequest>) -> Answer<v1::GetHistoryProofResponse> {
        Err(Status::unimplemented("mock"))
    }

    async fn get_activation(&self, _: Request<v1::GetActivationRequest>) -> Answer<v1::GetActivationResponse> {
        Err(Status::unimplemented("mock"))
    }

    async fn list_evidence(&self, _: Request<v1::ListEvidenceRequest>) -> Answer<v1::ListEvidenceResponse> {
        Err(Status::unimplemented("mock"))
    }

    async fn get_transaction(&self, _: Request<GetTransactionRequest>) -> Answer<GetTransactionResponse> {
        Err(Status::unimplemented("mock"))
    }

    async fn get_block(&self, _: Request<GetBlockRequest>) -> Answer<Block> {
        Err(Status::unimplemented("mock"))
    }

    async fn list_blocks(&self, _: Request<ListBlocksRequest>) -> Answer<ListBlocksResponse> {
        Err(Status::unimplemented("mock"))
    }

    async fn get_document(&self, _: Request<GetDocumentRequest>) -> Answer<GetDocumentResponse> {
        Err(Status::not_found("mock"))
    }

    async fn list_documents(&self, _: Request<ListDocumentsRequest>) -> Answer<ListDocumentsResponse> {
        Err(Status::unimplemented("mock"))
    }

    async fn get_history(&self, _: Request<GetHistoryRequest>) -> Answer<GetHistoryResponse> {
        Err(Status::unimplemented("mock"))
    }
}
