//! Ask for tiles and bundles: all that is certified is served as C2SP says, nothing else is.

mod common;

use axum::http::{Method, Request};
use common::{Network, Site};
use countersign_gateway::{NodeView, WitnessView};
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::time::{Duration, Instant};

const KEPT: &str = "public, max-age=31536000, immutable";

/// RFC 6962, section 2.1, word for word.
fn merkle_tree_hash(entries: &[Vec<u8>]) -> [u8; 32] {
    match entries {
        [] => Sha256::digest([]).into(),
        [entry] => Sha256::new().chain_update([0]).chain_update(entry).finalize().into(),
        _ => {
            let mut k = 1;
            while 2 * k < entries.len() {
                k *= 2;
            }
            let (left, right) = (merkle_tree_hash(&entries[..k]), merkle_tree_hash(&entries[k..]));
            Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
        }
    }
}

fn entries(network: &Network) -> Vec<Vec<u8>> {
    network.reader().leaves(0, usize::MAX).expect("memory")
}

/// The path of a tile below a thousand.
fn path(level: &str, index: usize, width: usize) -> String {
    if width == 256 { format!("/tile/{level}/{index:03}") } else { format!("/tile/{level}/{index:03}.p/{width}") }
}

/// The level-0 hashes and the bundle of one width, or that there are neither.
async fn tile_and_bundle(site: &Site, index: usize, width: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    let (tile, bundle) = (path("0", index, width), path("entries", index, width));
    match (site.status(&tile).await, site.status(&bundle).await) {
        (404, 404) => None,
        _ => Some((site.bytes(&tile).await, site.bytes(&bundle).await)),
    }
}

#[tokio::test]
async fn every_certified_tile_of_every_width_is_what_rfc_6962_computes() {
    let mut network = Network::found();
    network.fill(&[700, 700, 700, 477]);
    network.certify();
    network.fill(&[3]);
    let entries = entries(&network);
    let certified = network.reader().newest_certificate().expect("memory").expect("certified").0 as usize;
    assert!(certified == 2583 && entries.len() == 2587, "{certified} and {}", entries.len());
    let site = network.site(network.view());
    let mut served = 0;
    for level in 0..=3 {
        let span = 256usize.pow(level);
        let complete = certified / span;
        let hashes: Vec<u8> = entries[..complete * span].chunks(span).flat_map(merkle_tree_hash).collect();
        for index in 0..=complete / 256 {
            for width in 1..=256 {
                let (first, end) = (index * 256, index * 256 + width);
                let address = path(&level.to_string(), index, width);
                if end <= complete {
                    assert!(site.bytes(&address).await == hashes[32 * first..32 * end], "{address}");
                    served += 1;
                } else {
                    assert_eq!(site.status(&address).await, 404, "{address}");
                }
            }
        }
    }
    assert_eq!(served, 2583 + 10, "every leaf ends one tile, and so does every full tile");
}

#[tokio::test]
async fn nothing_beyond_the_certified_size_is_served_until_it_is_certified() {
    let mut network = Network::found();
    let site = network.site(network.view());
    assert_eq!(site.status("/tile/0/000.p/1").await, 404);
    assert!(site.get("/tile/0/000.p/1").await.text.contains("no checkpoint is certified yet"));
    network.fill(&[250]);
    network.certify();
    let certified = site.page("/checkpoint").await;
    assert_eq!(certified.lines().nth(1), Some("253"));
    let before = tile_and_bundle(&site, 0, 253).await.expect("certified");
    network.fill(&[250]);
    assert_eq!(site.page("/checkpoint").await, certified, "no certificate was added");
    for (index, width) in [(0, 254), (0, 256), (1, 1), (1, 248)] {
        assert_eq!(tile_and_bundle(&site, index, width).await, None, "{index} {width}");
    }
    assert_eq!(site.status("/tile/1/000.p/1").await, 404);
    let refusal = site.get("/tile/0/000").await.text;
    assert_eq!(refusal, "this reaches beyond the newest certified size, 253\n");
    network.certify();
    assert_eq!(site.page("/checkpoint").await.lines().nth(1), Some("504"));
    for (index, width) in [(0, 254), (0, 256), (1, 1), (1, 248)] {
        assert!(tile_and_bundle(&site, index, width).await.is_some(), "{index} {width}");
    }
    assert_eq!(tile_and_bundle(&site, 0, 253).await, Some(before.clone()), "the partial tile stays");
    let full = tile_and_bundle(&site, 0, 256).await.expect("certified");
    assert!(full.0.starts_with(&before.0) && full.1.starts_with(&before.1), "and begins the full one");
    assert_eq!(site.status("/tile/1/000.p/1").await, 200);
}

#[tokio::test]
async fn hostile_paths_get_a_sentence_at_once() {
    let mut network = Network::found();
    network.fill(&[300]);
    network.certify();
    let site = network.site(network.view());
    let long = format!("/tile/0/x999{}/999", "/x999".repeat(400));
    let level = "the level is not a decimal number from 0 to 63";
    let width = "the width is not a decimal number from 1 to 255";
    let index = "the index is not in elements of three digits";
    let beyond = "this reaches beyond the newest certified size, 303";
    let started = Instant::now();
    for (rest, status, sentence) in [
        ("", 400, "not /tile/<L>/<N>"),
        ("0", 400, "not /tile/<L>/<N>"),
        ("/", 400, level),
        ("64/000", 400, level),
        ("00/000", 400, level),
        ("+1/000", 400, level),
        ("-1/000", 400, level),
        ("99999999999999999999/000", 400, level),
        ("data/000", 400, level),
        ("entries/", 400, level),
        ("%30/000", 400, level),
        ("0/", 400, index),
        ("0/0", 400, index),
        ("0/0000", 400, index),
        ("0/x000", 400, index),
        ("0/000/", 400, index),
        ("0//000", 400, index),
        ("0/001/000", 400, index),
        ("0/X001/000", 400, index),
        ("0/x000/000", 400, index),
        ("0/x000/x001/000", 400, index),
        ("0/x001/x234/x067", 400, index),
        ("0/+00", 400, index),
        ("0/%30%30%30", 400, index),
        ("0/..", 400, index),
        ("0/../../etc/passwd", 400, index),
        ("0/000.p", 400, index),
        ("0/000.p/", 400, width),
        ("0/000.p/0", 400, width),
        ("0/000.p/01", 400, width),
        ("0/000.p/256", 400, width),
        ("0/000.p/-1", 400, width),
        ("0/000.p/1/1", 400, width),
        ("0/000.p/1.p/1", 400, width),
        ("0/000.p/99999999999999999999", 400, width),
        ("entries/000.p/256", 400, width),
        ("entries/0/000", 400, index),
        ("entries/..", 400, index),
        ("0/001", 404, beyond),
        ("0/x018/446/744/073/709/551/615", 400, index),
        ("0/x018/x446/x744/x073/x709/x551/615", 404, beyond),
        ("0/x018/x446/x744/x073/x709/x551/616.p/1", 404, beyond),
        ("entries/x072/x057/x594/x037/x927/935", 404, beyond),
        ("entries/x072/x057/x594/x037/x927/936.p/1", 404, beyond),
        ("63/000", 404, beyond),
        ("8/000.p/1", 404, beyond),
        ("63/x999/x999/x999/x999/x999/999", 404, beyond),
        (long.strip_prefix("/tile/").expect("a tile"), 404, beyond),
    ] {
        let address = format!("/tile/{rest}");
        let page = site.get(&address).await;
        assert_eq!(page.status, status, "{address}: {}", page.text);
        assert!(page.text.contains(sentence), "{address}: {}", page.text);
        assert_eq!(page.headers["content-type"], "text/plain; charset=utf-8", "{address}");
        assert_eq!(page.headers["cache-control"], "no-store", "{address}: what is not there now may be there soon");
        assert_eq!(page.headers["access-control-allow-origin"], "*", "{address}");
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(site.status(&format!("{long}{long}")).await, 414);
}

#[tokio::test]
async fn answers_say_what_they_are_and_how_long_they_hold() {
    let mut network = Network::found();
    network.fill(&[1]);
    let site = network.site(network.view());
    for address in ["/checkpoint", "/policy"] {
        let page = site.get(address).await;
        assert_eq!((page.status.as_u16(), &page.text[..]), (404, "no checkpoint is certified yet\n"), "{address}");
        assert_eq!(page.headers["cache-control"], "no-store", "{address}");
    }
    network.certify();
    let (text, bytes) = ("text/plain; charset=utf-8", "application/octet-stream");
    for (address, form, kept) in [
        ("/checkpoint", text, "no-cache"),
        ("/policy", text, "no-cache"),
        ("/tile/0/000.p/3", bytes, KEPT),
        ("/tile/entries/000.p/3", bytes, KEPT),
    ] {
        let got = site.ask(Request::get(address)).await;
        assert_eq!(got.status, 200, "{address}");
        assert_eq!(got.headers["content-type"], form, "{address}");
        assert_eq!(got.headers["cache-control"], kept, "{address}");
        assert_eq!(got.headers["access-control-allow-origin"], "*", "{address}");
        assert_eq!(got.headers["x-content-type-options"], "nosniff", "{address}");
        let mut head = site.ask(Request::head(address)).await;
        assert!(head.bytes.is_empty() && !got.bytes.is_empty(), "{address}");
        assert_eq!(head.headers.remove("content-length").expect("known"), got.bytes.len().to_string(), "{address}");
        let mut expected = got.headers;
        expected.remove("content-length");
        assert_eq!((head.status, head.headers), (got.status, expected), "{address}");
        let posted = site.ask(Request::builder().method(Method::POST).uri(address)).await;
        assert_eq!(posted.status, 405, "{address}");
        assert_eq!(posted.bytes, b"this page can only be read (GET)\n", "{address}");
    }
    let explorer = site.get("/explorer").await.headers;
    assert_eq!(explorer["cache-control"], "no-store");
    assert!(explorer.get("access-control-allow-origin").is_none(), "pages for people stay closed to other sites");
    assert_eq!(site.page("/policy?epoch=0").await, site.page("/policy").await);
    assert_eq!(site.status("/policy?epoch=1").await, 404, "another epoch is not answered with this one");
    for wrong in ["/policy?epoch=", "/policy?epoch=-1", "/policy?epoch=0&epoch=0", "/policy?epoc=0"] {
        assert_eq!(site.status(wrong).await, 400, "{wrong}");
    }
}

#[tokio::test]
async fn bundles_are_compressed_for_who_can_read_that() {
    let mut network = Network::found();
    network.fill(&[300]);
    network.certify();
    let site = network.site(network.view());
    let address = "/tile/entries/000";
    let accepting = |accepted: &str| Request::get(address).header("accept-encoding", accepted);
    let plain = site.ask(Request::get(address)).await;
    assert!(plain.headers.get("content-encoding").is_none() && plain.headers["vary"] == "accept-encoding");
    for accepted in ["gzip", "identity;q=0.1, gzip;q=0.9", "br, gzip", "*"] {
        let packed = site.ask(accepting(accepted)).await;
        let encoding = packed.headers.get("content-encoding").expect(accepted);
        assert_eq!(encoding, "gzip", "{accepted}");
        assert_eq!(packed.headers["vary"], "accept-encoding", "{accepted}");
        assert_eq!(packed.headers["cache-control"], KEPT, "{accepted}");
        assert!(2 * packed.bytes.len() < plain.bytes.len(), "{} of {}", packed.bytes.len(), plain.bytes.len());
        let mut unpacked = Vec::new();
        GzDecoder::new(&packed.bytes[..]).read_to_end(&mut unpacked).expect("gzip");
        assert_eq!(unpacked, plain.bytes, "{accepted}");
    }
    for accepted in ["identity", "br", "gzip;q=0", ""] {
        let same = site.ask(accepting(accepted)).await;
        assert!(same.headers.get("content-encoding").is_none(), "{accepted}");
        assert_eq!(same.bytes, plain.bytes, "{accepted}");
    }
    let head = site.ask(Request::head(address).header("accept-encoding", "gzip")).await;
    assert!(head.bytes.is_empty() && head.headers["content-encoding"] == "gzip");
    let tile = site.ask(Request::get("/tile/0/000").header("accept-encoding", "gzip")).await;
    assert!(tile.headers.get("content-encoding").is_none(), "hashes cannot be compressed");
}

#[tokio::test]
async fn a_checkpoint_has_the_lines_of_the_witnesses_over_exactly_it_and_waits_for_none() {
    let mut network = Network::found();
    network.certify();
    let bare = network.site(network.view()).page("/checkpoint").await;
    let witness = |name: &str, size| WitnessView { name: name.into(), size, line: format!("\u{2014} {name} AAAA\n") };
    let view = NodeView { witnesses: vec![witness("a/1", 2), witness("b/1", 2), witness("c/1", 0)], ..network.view() };
    let site = network.site(view);
    let both = format!("{bare}\u{2014} a/1 AAAA\n\u{2014} b/1 AAAA\n");
    assert_eq!(site.page("/checkpoint").await, both);
    network.fill(&[1]);
    network.certify();
    let newer = site.page("/checkpoint").await;
    assert!(newer.lines().nth(1) == Some("4") && !newer.contains("a/1"), "{newer}");
    assert_eq!(site.page("/checkpoint/witnessed").await, both);
    let metrics = site.page("/metrics").await;
    assert!(metrics.contains("countersign_witness_cosigned_size{witness=\"b/1\"} 2\n"), "{metrics}");
    assert_eq!(network.site(network.view()).status("/checkpoint/witnessed").await, 404);
}
