//! Give every surface the same bad input: each refuses it with a code, in bounded time, and nothing of it is there afterwards.
//!
//! These tests drive the `countersign` binary: `./check` builds it first.

mod common;

use common::{api_key, connect, define_readings, http};
use countersign_client::key_file;
use countersign_proof::operation::Change;
use countersign_proof::{Body, DefineCollection, Genesis, Operation, Signer};
use countersign_proto::v1::ledger_client::LedgerClient;
use countersign_proto::v1::{Level, SubmitRequest};
use countersign_testnet::{Network, Options, governance_account};
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};
use tonic::transport::Channel;

/// For the refusal of one input, over a process and its start where it is the command line. The machine may be busy.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);

/// Bad documents, and the codes that may refuse them.
fn bad_documents() -> Vec<(&'static str, Vec<u8>, &'static [&'static str])> {
    let malformed: &[&str] = &["MALFORMED"];
    let too_large: &[&str] = &["TOO_LARGE", "MALFORMED"];
    let deep = |depth: usize| {
        let (open, close) = (r#"{"value":"#.repeat(depth), "}".repeat(depth));
        format!("{open}1{close}").into_bytes()
    };
    let many: Vec<String> = (0..100_000).map(|n| format!("\"k{n:06}\":1")).collect();
    vec![
        ("nothing", Vec::new(), malformed),
        ("no JSON", b"{\"value\":1".to_vec(), malformed),
        ("something behind it", b"{\"value\":1}{}".to_vec(), malformed),
        ("a byte order mark", b"\xef\xbb\xbf{\"value\":1}".to_vec(), malformed),
        ("no UTF-8", b"{\"unit\":\"\xff\",\"value\":1}".to_vec(), malformed),
        ("NaN", b"{\"value\":NaN}".to_vec(), malformed),
        ("1e400", b"{\"value\":1e400}".to_vec(), malformed),
        ("2^53+1", b"{\"value\":9007199254740993}".to_vec(), malformed),
        ("a lone surrogate", b"{\"unit\":\"\\ud800\",\"value\":1}".to_vec(), malformed),
        ("a name twice", b"{\"value\":1,\"value\":2}".to_vec(), malformed),
        ("one level too deep", deep(33), &["MALFORMED", "TOO_LARGE"]),
        ("100,000 levels", deep(100_000), &["MALFORMED", "TOO_LARGE"]),
        ("100,000 names", format!("{{{}}}", many.join(",")).into_bytes(), too_large),
        ("a name of 1 MiB", format!("{{\"{}\":1}}", "k".repeat(1 << 20)).into_bytes(), too_large),
        ("a text of 5 MB", format!("{{\"unit\":\"{}\",\"value\":1}}", "x".repeat(5_000_000)).into_bytes(), too_large),
        ("three breaks of the schema", br#"{"more":1,"unit":"K","value":"warm"}"#.to_vec(), &["SCHEMA_VIOLATION"]),
        ("not an object", b"7".to_vec(), &["INVALID_VALUE", "SCHEMA_VIOLATION"]),
    ]
}

/// Bad schemas, as the text of one.
fn bad_schemas() -> Vec<(&'static str, String)> {
    let large = json!({"description": "x".repeat(10_000_000)});
    vec![
        ("not a schema", json!({"type": 7}).to_string()),
        ("no object", "[]".to_owned()),
        ("an unknown draft", json!({"$schema": "https://json-schema.org/draft/1999/schema"}).to_string()),
        ("a remote $ref", json!({"$ref": "http://127.0.0.1:9/schema.json"}).to_string()),
        ("$ref to a file", json!({"$ref": "file:///etc/passwd"}).to_string()),
        ("itself", json!({"$ref": "#"}).to_string()),
        ("a circle", json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}).to_string()),
        ("10 MB", large.to_string()),
        ("no expression", json!({"properties": {"a": {"pattern": "("}}}).to_string()),
    ]
}

/// A network, and one caller of each surface of its first node.
struct Scene {
    network: Network,
    genesis: Genesis,
    client: LedgerClient<Channel>,
    key: String,
    nonces: u64,
}

impl Scene {
    async fn new() -> Scene {
        let network = Network::start(Options { organisations: 3, ..Options::default() }).expect("three nodes start");
        define_readings(&network, "readings");
        let genesis = fs::read(network.layout().genesis()).expect("a genesis");
        let genesis = Genesis::parse(&genesis).expect("a genesis");
        let client = connect(&network, 0).await;
        let key = api_key(&network, 0, &["--read", "*", "--write", "readings"]);
        Scene { network, genesis, client, key, nonces: 0 }
    }

    fn port(&self) -> u16 {
        self.network.nodes()[0].http_port
    }

    /// The code that refuses a document, over REST.
    fn rest(&self, document: &[u8]) -> String {
        let (status, body) = http(self.port(), &self.key, "PUT", "/v1/collections/readings/documents/bad", document);
        assert!((400..500).contains(&status), "{status}: {body}");
        body["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The same over GraphQL, as it would stand in the variables.
    fn graphql(&self, document: &[u8]) -> String {
        let query = "mutation($v: JSON!) { putReadings(id: \\\"bad\\\", value: $v) { transaction { id } } }";
        let body = [format!("{{\"query\":\"{query}\",\"variables\":{{\"v\":").as_bytes(), document, b"}}"].concat();
        let (status, body) = http(self.port(), &self.key, "POST", "/graphql", &body);
        assert!(status < 500, "{status}: {body}");
        body["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The same over gRPC, in a transaction that is signed as it is.
    async fn grpc(&mut self, account: &str, operation: Operation) -> String {
        self.nonces += 1;
        let key = key_file::read(&self.network.layout().account_key(account)).expect("the account's key");
        let body = Body {
            genesis: self.genesis.hash().0.to_vec(),
            nonce: u128::from(self.nonces).to_be_bytes().to_vec(),
            expires_ms: 0,
            caller: String::new(),
            operations: vec![operation],
            signers: vec![Signer { account: account.to_owned(), public_key: key.public().as_bytes().to_vec() }],
        };
        let request = SubmitRequest {
            transaction: body.sign(&[&key]),
            level: Level::Certified.into(),
            timeout_ms: 30_000,
            sequence: 0,
        };
        match self.client.submit(request).await {
            Ok(answer) => answer.into_inner().code,
            // Larger than a message may be: gRPC says so itself.
            Err(status) if status.code() == tonic::Code::OutOfRange => "TOO_LARGE".to_owned(),
            Err(status) => {
                let details = tonic_types::StatusExt::get_error_details(&status);
                details.error_info().map(|info| info.reason.clone()).unwrap_or_else(|| format!("{status:?}"))
            }
        }
    }

    /// The same on the command line, from a file.
    fn cli(&self, document: &[u8]) -> String {
        let file = self.network.layout().root().join("bad.json");
        fs::write(&file, document).expect("written");
        let account = format!("{}/ops", self.network.nodes()[0].organisation);
        let file = file.display().to_string();
        let submit = ["submit", "--put", "readings", "bad", "--json", &file, "--output-json"];
        let answer = self.network.cli(&account, &submit).expect("runs");
        assert_ne!(answer.code, Some(0), "{}", answer.output());
        assert!(!answer.stderr.contains("panicked"), "{}", answer.output());
        let said: Value = serde_json::from_str(&answer.stdout).unwrap_or_default();
        if let Some(code) = said["code"].as_str() {
            return code.to_owned();
        }
        // Without an outcome it is one sentence: the node's code and the field, or the file and what is wrong in it.
        assert_eq!(answer.stderr.trim().lines().count(), 1, "{}", answer.output());
        let code = answer.stderr.split_once("refused, ").and_then(|(_, rest)| rest.split(':').next());
        match code {
            Some(code) => code.to_owned(),
            None if answer.stderr.contains("is more than the maximum of") => "TOO_LARGE".into(),
            None if ["bad.json", "operation."].iter().any(|name| answer.stderr.contains(name)) => "MALFORMED".into(),
            None => format!("no code: {}", answer.output()),
        }
    }
}

fn timed(surface: &str, what: &str, started: Instant) {
    assert!(started.elapsed() < REFUSED_WITHIN, "{surface}: {what}: {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_document_is_refused_alike_on_every_surface() {
    let mut scene = Scene::new().await;
    let account = format!("{}/ops", scene.network.nodes()[0].organisation);
    for (what, document, codes) in bad_documents() {
        let operation = Operation {
            collection: "readings".into(),
            id: "bad".into(),
            precondition: None,
            change: Some(Change::Create(document.clone())),
        };
        let started = Instant::now();
        let code = scene.grpc(&account, operation).await;
        timed("gRPC", what, started);
        assert!(codes.contains(&&code[..]), "gRPC: {what}: {code}");
        for (surface, ask) in
            [("REST", Scene::rest as fn(&Scene, &[u8]) -> String), ("GraphQL", Scene::graphql), ("CLI", Scene::cli)]
        {
            let started = Instant::now();
            let code = ask(&scene, &document);
            timed(surface, what, started);
            assert!(codes.contains(&&code[..]), "{surface}: {what}: {code}");
        }
    }
    let (status, body) = http(scene.port(), &scene.key, "GET", "/v1/collections/readings/documents/bad", b"");
    assert_eq!(status, 404, "{body}");
    let (status, body) =
        http(scene.port(), &scene.key, "PUT", "/v1/collections/readings/documents/good", br#"{"value":1}"#);
    assert_eq!(status, 201, "{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_schema_is_refused_by_the_command_line_and_by_execution() {
    let mut scene = Scene::new().await;
    let account = governance_account(&scene.network.nodes()[0].organisation);
    let file = scene.network.layout().root().join("bad.schema.json");
    for (what, schema) in bad_schemas() {
        fs::write(&file, &schema).expect("written");
        let started = Instant::now();
        let refused = scene.network.define_collection("bad", &file).expect_err(what).to_string();
        timed("CLI", what, started);
        assert!(!refused.contains("panicked"), "{what}: {refused}");
        let started = Instant::now();
        let writers: Vec<&str> = scene.network.nodes().iter().map(|node| &node.organisation[..]).collect();
        let access = json!({"engine": "writers/v1", "write": writers});
        let definition = format!("{{\"access\":{access},\"schema\":{schema}}}").into_bytes();
        let definition = DefineCollection { name: "bad".into(), definition };
        let operation = Operation {
            collection: String::new(),
            id: String::new(),
            precondition: None,
            change: Some(Change::DefineCollection(definition)),
        };
        let code = scene.grpc(&account, operation).await;
        timed("gRPC", what, started);
        // One signature is not enough to define anything: what is malformed is refused before that is asked.
        assert!(
            ["MALFORMED", "TOO_LARGE", "INVALID_VALUE", "UNAUTHORIZED"].contains(&&code[..]),
            "gRPC: {what}: {code}"
        );
    }
    let (status, _) = http(scene.port(), &scene.key, "GET", "/v1/collections/bad", b"");
    assert_eq!(status, 404);
}
