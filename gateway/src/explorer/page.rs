//! Hold what every page is made from: the reader, the node's view, the frame around a page.

use crate::refusal::Refusal;
use crate::sight::Sight;
use crate::view::NodeView;
use askama::Template;
use axum::response::Html;
use countersign_ledger::store::Reader;
use countersign_ledger::store::kv::KvError;
use countersign_proof::Transaction;
use std::sync::Arc;
use tokio::sync::watch;

/// What a handler reads from.
#[derive(Clone)]
pub(crate) struct Explorer {
    pub(crate) reader: Reader,
    /// What one may see of whom nothing is known.
    sight: Sight,
    view: watch::Receiver<Arc<NodeView>>,
}

impl Explorer {
    pub(crate) fn new(reader: Reader, sight: Sight, view: watch::Receiver<Arc<NodeView>>) -> Explorer {
        Explorer { reader, sight, view }
    }

    /// Whether the pages may show what the collection's documents hold. They ask nobody for a name.
    pub(crate) fn shows(&self, collection: &str) -> Result<bool, KvError> {
        self.sight.sees_everything(None, collection)
    }

    /// Whether they may show what a transaction says.
    pub(crate) fn shows_transaction(&self, transaction: &Transaction, height: u64) -> Result<bool, KvError> {
        self.sight.sees_transaction(None, transaction, height)
    }

    /// The newest view of the node.
    pub(crate) fn view(&self) -> Arc<NodeView> {
        self.view.borrow().clone()
    }

    /// Why the node does not do its work; none when it does.
    pub(crate) fn trouble(&self) -> Option<String> {
        // A view that nobody renews says nothing about now, however healthy it looks.
        if self.view.has_changed().is_err() {
            return Some("the node has stopped".to_owned());
        }
        let view = self.view();
        match (view.healthy, &view.reason[..]) {
            (true, _) => None,
            (false, "") => Some("the node is starting".to_owned()),
            (false, reason) => Some(reason.to_owned()),
        }
    }

    /// The frame of a page.
    pub(crate) fn frame(&self) -> Frame {
        let view = self.view();
        let ledger = view.origin.split('/').next().unwrap_or_default().to_owned();
        Frame { ledger, node: view.node.clone() }
    }

    /// The size below which every leaf is certified; 0 while nothing is.
    pub(crate) fn certified_size(&self) -> Result<u64, KvError> {
        Ok(self.reader.newest_certificate()?.map_or(0, |(size, _)| size))
    }
}

/// What stands at the top of every page.
#[derive(Default)]
pub(crate) struct Frame {
    pub(crate) ledger: String,
    pub(crate) node: String,
}

/// A page that is ready, or why there is none.
pub(crate) type Answer = Result<Html<String>, Refusal>;

/// Renders a page.
pub(crate) fn answer(page: impl Template) -> Answer {
    Ok(Html(page.render()?))
}
