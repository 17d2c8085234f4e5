//! Hold the gRPC of real nodes to what it promises: who may do what, of every method, and what a subscriber hears.
//!
//! The methods come from the descriptor that the server reflects: one that is not in the matrix fails it. These tests drive
//! the `countersign` binary: `./check` builds it first.

mod common;

use common::{api_key, connect, define_readings, define_ruled, revoke, write};
use countersign_gateway::{API_KEYS_FILE, ApiKey, ApiKeys};
use countersign_proof::KeyPair;
use countersign_proto::v1::event::What;
use countersign_proto::v1::get_receipt_request::Of;
use countersign_proto::v1::ledger_client::LedgerClient;
use countersign_proto::v1::{self, ChangeKind};
use countersign_testnet::{Network, Options, governance_account};
use prost::Message;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

const WITHIN: Duration = Duration::from_secs(60);
const FOR_EVER: u64 = 9_007_199_254_740_991;

fn as_caller<T>(message: T, credential: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(credential) = credential {
        let value = format!("Bearer {credential}").parse().expect("ASCII");
        request.metadata_mut().insert("authorization", value);
    }
    request
}

/// What a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// The signatures in it say who speaks.
    Nothing,
    /// Any caller who is known.
    Known,
    ReadA,
    /// A caller whose scope covers all collections.
    ReadAll,
}

fn needs(method: &str) -> Needs {
    match method {
        "Submit" | "SubmitStream" => Needs::Nothing,
        "GetTransaction"
        | "GetBlock"
        | "ListBlocks"
        | "GetReceipt"
        | "GetTrustBundle"
        | "GetConsistencyProof"
        | "GetActivation"
        | "ListEvidence"
        | "GetStatus" => Needs::Known,
        "GetDocument" | "ListDocuments" | "GetHistory" | "GetHistoryProof" | "Subscribe" => Needs::ReadA,
        "ExportBlocks" => Needs::ReadAll,
        _ => panic!("{method} is not in the matrix: say what it needs"),
    }
}

async fn begun<T>(stream: Result<tonic::Response<Streaming<T>>, Status>) -> Result<(), Status> {
    // A stream that opened has let its caller in, unless it says otherwise at once.
    let mut stream = stream?.into_inner();
    match tokio::time::timeout(Duration::from_millis(300), stream.message()).await {
        Ok(Err(status)) => Err(status),
        _ => Ok(()),
    }
}

/// Calls a method as the holder of a credential. A is the collection `readings`.
async fn call(client: &mut LedgerClient<Channel>, method: &str, credential: Option<&str>) -> Result<(), Status> {
    let (collection, id) = ("readings".to_owned(), "a".to_owned());
    macro_rules! ask {
        ($method:ident, $message:expr) => {
            client.$method(as_caller($message, credential)).await.map(drop)
        };
    }
    match method {
        "Submit" => ask!(submit, v1::SubmitRequest::default()),
        "SubmitStream" => {
            let requests = tokio_stream::iter([v1::SubmitRequest::default()]);
            begun(client.submit_stream(as_caller(requests, credential)).await).await
        }
        "GetTransaction" => ask!(get_transaction, v1::GetTransactionRequest { transaction_id: vec![0; 32] }),
        "GetBlock" => ask!(get_block, v1::GetBlockRequest { height: 1 }),
        "ListBlocks" => ask!(list_blocks, v1::ListBlocksRequest::default()),
        "GetDocument" => ask!(get_document, v1::GetDocumentRequest { collection, id, ..Default::default() }),
        "ListDocuments" => ask!(list_documents, v1::ListDocumentsRequest { collection, ..Default::default() }),
        "GetHistory" => ask!(get_history, v1::GetHistoryRequest { collection, id, ..Default::default() }),
        "Subscribe" => {
            let request = v1::SubscribeRequest { collections: vec![collection], ..Default::default() };
            begun(client.subscribe(as_caller(request, credential)).await).await
        }
        "GetReceipt" => {
            ask!(get_receipt, v1::GetReceiptRequest { of: Some(Of::Height(1)), ..Default::default() })
        }
        "GetTrustBundle" => ask!(get_trust_bundle, v1::GetTrustBundleRequest {}),
        "GetConsistencyProof" => {
            ask!(get_consistency_proof, v1::GetConsistencyProofRequest { old_size: 1, new_size: 0 })
        }
        "GetHistoryProof" => {
            ask!(get_history_proof, v1::GetHistoryProofRequest { collection, id, ..Default::default() })
        }
        "GetActivation" => ask!(get_activation, v1::GetActivationRequest {}),
        "ListEvidence" => ask!(list_evidence, v1::ListEvidenceRequest {}),
        "ExportBlocks" => {
            begun(client.export_blocks(as_caller(v1::ExportBlocksRequest::default(), credential)).await).await
        }
        "GetStatus" => ask!(get_status, v1::GetStatusRequest {}),
        _ => panic!("{method} is not in the matrix: say how it is called"),
    }
}

/// Every method of the service, as the server itself describes it.
fn methods() -> Vec<String> {
    let described = prost_types::FileDescriptorSet::decode(v1::DESCRIPTOR).expect("a descriptor");
    let services = described.file.into_iter().flat_map(|file| file.service);
    services.flat_map(|service| service.method).map(|method| method.name().to_owned()).collect()
}

/// Who asks, with his credential and what he may.
struct Identity {
    name: &'static str,
    credential: Option<String>,
    may: &'static [Needs],
}

fn identities(network: &Network) -> Vec<Identity> {
    let organisation = &network.nodes()[0].organisation;
    let key = |read: &str, write: &[&str], expires_ms| ApiKey {
        account: format!("{organisation}/app"),
        expires_ms,
        per_day: 0,
        per_second: 0,
        read: vec![read.to_owned()],
        sha256: String::new(),
        write: write.iter().map(|name| (*name).to_owned()).collect(),
    };
    let mut keys = ApiKeys::default();
    let (_, expired) = keys.issue(&[1; 32], key("*", &["*"], 1));
    let (_, unknown) = ApiKeys::default().issue(&[3; 32], key("*", &["*"], FOR_EVER));
    let (_, reader) = keys.issue(&[4; 32], key("readings", &[], FOR_EVER));
    let (_, writer) = keys.issue(&[5; 32], key("readings", &["readings"], FOR_EVER));
    let (_, other) = keys.issue(&[6; 32], key("berths", &["berths"], FOR_EVER));
    let (_, everything) = keys.issue(&[7; 32], key("*", &[], FOR_EVER));
    keys.write(&network.nodes()[0].folder.join(API_KEYS_FILE)).expect("written");
    let revoked = api_key(network, 0, &["--read", "*"]);
    revoke(network, 0, &revoked);
    let token = network.client(&governance_account(organisation), 0).run(&["token", "new"]).expect("runs");
    let governance = token.ok().expect("a token").stdout.trim().to_owned();
    let identity = |name, credential, may| Identity { name, credential, may };
    let of_a: &[Needs] = &[Needs::Known, Needs::ReadA];
    let whole: &[Needs] = &[Needs::Known, Needs::ReadA, Needs::ReadAll];
    vec![
        identity("nobody", None, &[]),
        identity("unknown key", Some(unknown), &[]),
        identity("expired key", Some(expired), &[]),
        identity("revoked key", Some(revoked), &[]),
        identity("reader of A", Some(reader), of_a),
        identity("writer of A", Some(writer), of_a),
        identity("account of B", Some(other), &[Needs::Known]),
        identity("reader of all", Some(everything), whole),
        identity("governance", Some(governance), whole),
    ]
}

#[tokio::test]
async fn every_method_lets_in_whom_it_should_and_nobody_else() {
    let network = Network::start(Options { organisations: 3, ..Options::default() }).expect("three nodes start");
    define_readings(&network, "readings");
    let identities = identities(&network);
    // A key that was revoked is refused a moment later.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut client = connect(&network, 0).await;
    let methods = methods();
    assert!(methods.len() >= 17, "{methods:?}");
    for method in &methods {
        let needed = needs(method);
        for Identity { name, credential, may } in &identities {
            let refused = match call(&mut client, method, credential.as_deref()).await {
                Err(status) if [Code::Unauthenticated, Code::PermissionDenied].contains(&status.code()) => {
                    Some(status.code())
                }
                _ => None,
            };
            let known = may.contains(&Needs::Known);
            let expected = match needed == Needs::Nothing || may.contains(&needed) {
                true => None,
                false if known => Some(Code::PermissionDenied),
                false => Some(Code::Unauthenticated),
            };
            assert_eq!(refused, expected, "{method} as {name}");
        }
    }
}

fn submit(network: &Network, arguments: &[&str]) {
    let account = format!("{}/ops", network.nodes()[0].organisation);
    network.cli(&account, &[&["submit"], arguments].concat()).expect("runs").ok().expect("applied");
}

/// The next change, and its documents before and after.
async fn change(stream: &mut Streaming<v1::Event>) -> (ChangeKind, Value, Value) {
    let value = |document: Option<v1::Document>| {
        let document = document.unwrap_or_default();
        serde_json::from_slice(&document.value).unwrap_or(Value::Null)
    };
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < WITHIN, "a change comes");
        let event = tokio::time::timeout(WITHIN, stream.message()).await.expect("in time").expect("open");
        if let Some(What::Change(change)) = event.expect("goes on").what {
            return (change.kind(), value(change.before), value(change.document));
        }
    }
}

#[tokio::test]
async fn a_subscriber_hears_what_he_asked_for_as_long_as_he_may() {
    let network = Network::start(Options { organisations: 3, ..Options::default() }).expect("three nodes start");
    let schema = json!({
        "type": "object",
        "required": ["reader"],
        "properties": {"reader": {"type": "string"}, "weight": {"type": "integer"}}
    });
    let [owner, reader] = [0, 1].map(|n| network.nodes()[n].organisation.clone());
    let access = json!({"engine": "cedar/v1", "fields": [], "named": "none", "policies": {
        "owner": format!("permit(principal, action, resource) when {{ principal.organisation.name == \"{owner}\" }};"),
        "reader": "permit(principal, action == Action::\"read\", resource) \
                   when { context.document.reader == principal.organisation.name };"
    }});
    define_ruled(&network, "parcels", &schema, &access);
    let key = api_key(&network, 1, &["--read", "parcels"]);
    let mut client = connect(&network, 1).await;
    let request = v1::SubscribeRequest {
        cursor: String::new(),
        collections: vec!["parcels".into()],
        filter: r#"{"/weight":{"ge":5}}"#.into(),
    };
    let mut stream = client.subscribe(as_caller(request, Some(&key))).await.expect("may listen").into_inner();
    let parcel = |weight: u32, reader: &str| {
        let value = json!({"reader": reader, "weight": weight});
        let file = write(&network, "parcel.json", &value).display().to_string();
        (file, value)
    };
    let put = |file: &str| submit(&network, &["--put", "parcels", "p1", "--json", file]);
    let (light, first) = parcel(1, &reader);
    put(&light);
    let (heavy, second) = parcel(7, &reader);
    put(&heavy);
    // The first is lighter than what was asked for; the second comes with what was before.
    assert_eq!(change(&mut stream).await, (ChangeKind::Updated, first, second.clone()));
    let (hidden, _) = parcel(9, &owner);
    put(&hidden);
    assert_eq!(change(&mut stream).await, (ChangeKind::Withdrawn, second, Value::Null));
    // What happens to it now is nobody's business but the owner's.
    let (hidden, _) = parcel(10, &owner);
    put(&hidden);
    let (shown, third) = parcel(11, &reader);
    put(&shown);
    assert_eq!(change(&mut stream).await, (ChangeKind::Created, Value::Null, third.clone()));
    submit(&network, &["--delete", "parcels", "p1"]);
    assert_eq!(change(&mut stream).await, (ChangeKind::Deleted, third, Value::Null));
    revoke(&network, 1, &key);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (shown, _) = parcel(12, &reader);
    put(&shown);
    let ended = tokio::time::timeout(WITHIN, stream.message()).await.expect("in time").expect_err("ended");
    assert_eq!(ended.code(), Code::Unauthenticated, "{ended:?}");
    ends_with_the_accounts_key(&network, &mut client, || put(&parcel(13, &reader).0)).await;
}

/// A stream of an account's own token ends when the ledger gives the account another key.
async fn ends_with_the_accounts_key(network: &Network, client: &mut LedgerClient<Channel>, put: impl Fn()) {
    let organisation = &network.nodes()[1].organisation;
    let account = format!("{organisation}/ops");
    let token = network.client(&account, 1).run(&["token", "new"]).expect("runs").ok().expect("a token");
    let request =
        v1::SubscribeRequest { cursor: "now".into(), collections: vec!["parcels".into()], ..Default::default() };
    let opened = client.subscribe(as_caller(request, Some(token.stdout.trim()))).await;
    let mut stream = opened.expect("may listen").into_inner();
    put();
    assert_eq!(change(&mut stream).await.0, ChangeKind::Updated);
    let other = KeyPair::from_seed(&[9; 32]).public().to_string();
    let set = ["account", "set", "--target", &account, "--public-key", &other];
    network.client(&governance_account(organisation), 1).run(&set).expect("runs").ok().expect("set");
    put();
    let ended = tokio::time::timeout(WITHIN, stream.message()).await.expect("in time").expect_err("ended");
    assert_eq!(ended.code(), Code::PermissionDenied, "{ended:?}");
}
