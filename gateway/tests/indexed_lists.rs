//! Hold lists that an index serves to what they promise, over a ledger in memory.

mod common;

use axum::http::{Request, StatusCode};
use common::{Answer, Network, Site};
use countersign_proof::operation::Change;
use countersign_proof::{Operation, Put, Unit, canonical};
use serde_json::{Value, json};

const LIST: &str = "/v1/collections/tickets/documents";

fn network() -> Network {
    let mut network = Network::found();
    let schema = json!({
        "type": "object",
        "x-unique": ["/number"],
        "x-indexes": ["/at", ["/carrier", "/at"]]
    });
    network.define("tickets", &schema);
    network
}

fn operation(id: &str, change: Change) -> Operation {
    Operation { collection: "tickets".into(), id: id.into(), precondition: None, change: Some(change) }
}

fn put(id: &str, value: &Value) -> Operation {
    operation(id, Change::Put(Put { value: canonical(value), key: Vec::new() }))
}

async fn ask(site: &Site, token: &str, path: &str, parameters: &[(&str, &str)]) -> (StatusCode, Value) {
    let encoded = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02x}")).collect() };
    let parameters: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let request = Request::get(format!("{path}?{}", parameters.join("&")));
    let Answer { status, bytes, .. } = site.ask(request.header("authorization", format!("Bearer {token}"))).await;
    (status, serde_json::from_slice(&bytes).expect("JSON"))
}

fn ids(page: &Value) -> Vec<String> {
    let documents = page["documents"].as_array().unwrap_or_else(|| panic!("no page: {page}"));
    documents.iter().map(|document| document["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn pages_in_the_order_of_an_index_join_to_one_list_of_one_height() {
    let mut network = network();
    // Each time stands twice, one in seven has none.
    let at = |n: u32| (n % 7 != 3).then(|| (n * 37) % 60);
    let value = |n: u32| at(n).map_or_else(|| json!({}), |at| json!({ "at": at, "carrier": "UA" }));
    network.append((0..120).map(|n| put(&format!("t-{n:03}"), &value(n))).collect());
    let mut ascending: Vec<(u32, String)> = (0..120).filter_map(|n| Some((at(n)?, format!("t-{n:03}")))).collect();
    ascending.sort();
    let ascending: Vec<String> = ascending.into_iter().map(|(_, id)| id).collect();
    let descending: Vec<String> = ascending.iter().rev().cloned().collect();
    let token = network.token();
    let carrier = r#"{"/carrier":{"eq":"UA"}}"#;
    for (sort, filter, expected) in [
        ("/at", "{}", &ascending),
        ("-/at", "{}", &descending),
        ("/at", carrier, &ascending),
        ("-/at", r#"{"/at":{"ge":0}}"#, &descending),
    ] {
        for limit in [1, 10, 64, 1000] {
            let (mut found, mut next, mut moved) = (Vec::new(), None::<String>, Vec::new());
            loop {
                let limit = limit.to_string();
                let mut asked = vec![("sort", sort), ("filter", filter), ("limit", &limit)];
                asked.extend(next.as_deref().map(|cursor| ("cursor", cursor)));
                let (status, page) = ask(&network.typed_site(), &token, LIST, &asked).await;
                assert_eq!(status, StatusCode::OK, "{page}");
                found.extend(ids(&page));
                next = page["next"].as_str().map(str::to_owned);
                if next.is_none() {
                    break;
                }
                assert!(!ids(&page).is_empty(), "a page with a cursor is never empty");
                // What moves in between is not of the first page's height.
                let id = found.last().expect("documents").clone();
                network.append(vec![put(&id, &json!({"at": 1000, "carrier": "UA"})), put("new", &json!({"at": 5}))]);
                moved.push(id);
            }
            assert_eq!(&found, expected, "{sort} {filter} by {limit}");
            if !moved.is_empty() {
                let number = |id: &str| id[2..].parse::<u32>().expect("a number");
                let mut back: Vec<Operation> = moved.iter().map(|id| put(id, &value(number(id)))).collect();
                back.push(operation("new", Change::Delete(Unit {})));
                network.append(back);
            }
        }
    }
}

#[tokio::test]
async fn an_index_serves_what_is_too_much_to_read() {
    let mut network = network();
    for block in 0..11 {
        let one = |n: i32| {
            let n = block * 1000 + n;
            put(&format!("t-{n:05}"), &json!({"number": format!("N{n}"), "at": n, "seat": n, "carrier": n % 3}))
        };
        network.append((0..1000).map(one).collect());
    }
    let (site, token) = (network.typed_site(), network.token());
    let list = |filter: &'static str| {
        let (site, token) = (&site, &token);
        async move { ask(site, token, LIST, &[("filter", filter)]).await }
    };
    let (status, page) = list(r#"{"/number":{"eq":"N10999"}}"#).await;
    assert_eq!((status, ids(&page)), (StatusCode::OK, vec!["t-10999".to_owned()]));
    assert_eq!(page.get("next"), None, "and there is no more");
    let (status, page) = list(r#"{"/at":{"ge":10997},"/seat":{"ne":10998}}"#).await;
    assert_eq!((status, ids(&page)), (StatusCode::OK, vec!["t-10997".to_owned(), "t-10999".to_owned()]));
    let (status, problem) = list(r#"{"/seat":{"eq":10999}}"#).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("INDEX_REQUIRED")));
    for (of, filter, expected) in [
        ("count", r#"{"/at":{"lt":1500}}"#, Some(json!({"count": 1500, "read_height": 12}))),
        ("count", r#"{"/at":{"lt":1500},"/carrier":{"eq":1}}"#, Some(json!({"count": 500, "read_height": 12}))),
        ("count", "{}", None),
        ("count", r#"{"/at":{"ge":0}}"#, None),
    ] {
        let path = format!("/v1/collections/tickets/{of}");
        let (status, answer) = ask(&site, &token, &path, &[("filter", filter)]).await;
        match expected {
            Some(expected) => assert_eq!((status, answer), (StatusCode::OK, expected), "{filter}"),
            None => assert_eq!((status, &answer["code"]), (StatusCode::BAD_REQUEST, &json!("INDEX_REQUIRED"))),
        }
    }
    let summed = [("filter", r#"{"/number":{"eq":"N7"}}"#), ("pointer", "/seat")];
    let (_, sum) = ask(&site, &token, "/v1/collections/tickets/sum", &summed).await;
    assert_eq!(sum, json!({"sum": 7, "count": 1, "skipped": 0, "read_height": 12}));
    // A list that ends by its budget gives what it found, and goes on behind it.
    let (_, page) = ask(&site, &token, LIST, &[("sort", "-/at"), ("limit", "2")]).await;
    assert_eq!(ids(&page), ["t-10999", "t-10998"]);
}

#[tokio::test]
async fn what_no_index_serves_and_what_no_page_gave_is_refused_by_name() {
    let mut network = network();
    network.append(vec![put("a", &json!({"at": 1, "carrier": "UA"})), put("b", &json!({"carrier": "UA"}))]);
    let (site, token) = (network.typed_site(), network.token());
    for (asked, code, field) in [
        (vec![("sort", "/carrier")], "INDEX_REQUIRED", "sort"),
        (vec![("sort", "-/nothing")], "INDEX_REQUIRED", "sort"),
        (vec![("sort", "at")], "MALFORMED", "sort"),
        (vec![("sort", "--/at")], "MALFORMED", "sort"),
        // Documents that have no place in this order, or are none.
        (vec![("sort", "/at"), ("cursor", "MiBi")], "MALFORMED", "cursor"),
        (vec![("sort", "/at"), ("cursor", "MiB6")], "MALFORMED", "cursor"),
        (vec![("sort", "/at"), ("cursor", "MSBh")], "MALFORMED", "cursor"),
    ] {
        let (status, problem) = ask(&site, &token, LIST, &asked).await;
        let found = (status, &problem["code"], &problem["field"]);
        assert_eq!(found, (StatusCode::BAD_REQUEST, &json!(code), &json!(field)), "{asked:?}: {problem}");
    }
    let (status, page) = ask(&site, &token, LIST, &[("sort", "/at"), ("cursor", "MiBh")]).await;
    assert_eq!((status, ids(&page)), (StatusCode::OK, vec![]), "behind the last there is nothing");
    for of in ["count", "sum"] {
        let path = format!("/v1/collections/tickets/{of}");
        let (status, problem) = ask(&site, &token, &path, &[("sort", "/at"), ("pointer", "/at")]).await;
        assert_eq!((status, &problem["field"]), (StatusCode::BAD_REQUEST, &json!("sort")));
    }
}

#[tokio::test]
async fn neither_order_nor_filter_nor_cursor_tells_a_value_that_is_hidden() {
    let mut network = Network::found();
    let others = "unless { principal.organisation.name == \"acme.example\" || !context.document.secret };";
    let access = json!({
        "engine": "cedar/v1",
        "fields": ["at"],
        "named": "none",
        "policies": {
            "acme": "permit(principal, action, resource) when { principal.organisation.name == \"acme.example\" };",
            "all_read": "permit(principal, action == Action::\"read\", resource);",
            "some_times_are_secret": format!("forbid(principal, action, resource == Field::\"at\") {others}")
        }
    });
    network.define_with("tickets", &access, &json!({"type": "object", "x-indexes": ["/at"], "x-unique": ["/number"]}));
    let value = |at: u32| json!({"at": at, "number": at, "secret": at.is_multiple_of(3)});
    network.append((0..10).map(|at| put(&format!("t-{at}"), &value(at))).collect());
    let (site, own, other) = (network.typed_site(), network.token(), network.token_of("bolt.example/dispatch"));
    let all = |of: &dyn Fn(&u32) -> bool| (0..10).filter(of).map(|at| format!("t-{at}")).collect::<Vec<_>>();
    let (every, seen) = (all(&|_| true), all(&|at| at % 3 != 0));
    for (token, expected) in [(&own, &every), (&other, &seen)] {
        for filter in ["{}", r#"{"/at":{"ge":0}}"#] {
            let (status, page) = ask(&site, token, LIST, &[("sort", "/at"), ("filter", filter)]).await;
            assert_eq!((status, &ids(&page)), (StatusCode::OK, expected), "{page}");
            let (_, page) = ask(&site, token, LIST, &[("sort", "-/at"), ("filter", filter)]).await;
            assert_eq!(ids(&page), expected.iter().rev().cloned().collect::<Vec<_>>());
        }
        let counted = [("filter", r#"{"/at":{"lt":7}}"#)];
        let (_, count) = ask(&site, token, "/v1/collections/tickets/count", &counted).await;
        assert_eq!(count["count"], expected.iter().filter(|id| &id[..] < "t-7").count());
        let (_, page) = ask(&site, token, LIST, &[("filter", r#"{"/at":{"eq":3}}"#)]).await;
        assert_eq!(ids(&page).len(), usize::from(token == &own));
        // By what he sees, the document is there.
        let (_, page) = ask(&site, token, LIST, &[("filter", r#"{"/number":{"eq":3}}"#)]).await;
        assert_eq!(ids(&page), ["t-3"]);
        assert_eq!(page["documents"][0]["value"].get("at").is_some(), token == &own);
        // "2 t-3": what comes behind a document would tell where it stands.
        let (status, _) = ask(&site, token, LIST, &[("sort", "/at"), ("cursor", "MiB0LTM")]).await;
        assert_eq!(status, if token == &own { StatusCode::OK } else { StatusCode::BAD_REQUEST });
    }
}
