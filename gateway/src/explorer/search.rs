//! Lead a search to its page: a height, a transaction id, a collection, or a document.

use crate::asked::{Asked, collection, document_id, number, transaction_id};
use crate::links;
use crate::refusal::Refusal;
use axum::response::Redirect;

/// The page itself says when there is nothing under the name.
pub(crate) async fn search(asked: Asked) -> Result<Redirect, Refusal> {
    Ok(Redirect::to(&destination(asked.q()?)?))
}

fn destination(q: &str) -> Result<String, Refusal> {
    if q.len() == 64 && q.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(links::transaction(&transaction_id(&q.to_ascii_lowercase())?));
    }
    if q.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(links::block(number("q", q)?));
    }
    if let Some((name, id)) = q.split_once('/') {
        return Ok(links::document(collection("q", name)?, document_id("q", id)?));
    }
    let hint = "not a height, a transaction id (64 hexadecimal digits), a collection or <collection>/<id>";
    let name = collection("q", q).map_err(|_| Refusal::field("q", hint))?;
    Ok(links::collection(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_leads_to_its_page() {
        let id = "AB".repeat(32);
        let lower = id.to_lowercase();
        for (q, page) in [
            ("12", "/explorer/blocks/12"),
            (&id, &format!("/explorer/transactions/{lower}")),
            ("shipments", "/explorer/documents/shipments"),
            ("$nodes/a.example/1", "/explorer/document?collection=%24nodes&id=a.example%2F1"),
            ("c/&q=\u{202e}\"", "/explorer/document?collection=c&id=%26q%3D%E2%80%AE%22"),
        ] {
            assert_eq!(destination(q).expect(q), page);
        }
        for q in ["007", "99999999999999999", "Shipments", "a b", "/x", "x/", "$veiled"] {
            assert!(destination(q).expect_err(q).to_string().starts_with("q: "), "{q}");
        }
    }
}
