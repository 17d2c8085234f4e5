//! Answer what the gateway asks of the node.

use crate::NodeError;
use crate::api::{Api, Refusal};
use crate::folder::{Config, Folder, read_key, read_or_make_secret};
use countersign_gateway::{ApiSetup, Ask, Door, GatewayAccount, Refused};
use countersign_proof::organisation_of;
use std::borrow::Cow;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// What the gateway may have under way: the node's own limits are tighter, and say which is reached.
const ASKS_MAX: usize = 4_096;

/// What the typed API of this node is made from; its task runs on `on`.
pub(crate) fn open(folder: &Folder, api: Api, on: &Handle) -> Result<ApiSetup, NodeError> {
    let (asks, asked) = mpsc::channel(ASKS_MAX);
    let (callers, progress) = (api.callers.clone(), api.feeds.progress.clone());
    on.spawn(answer(api, asked));
    Ok(ApiSetup { door: Door { asks, progress }, callers, account: account(folder)? })
}

/// The account that signs for callers, where node.toml names one.
fn account(folder: &Folder) -> Result<Option<GatewayAccount>, NodeError> {
    let Config { node, gateway_account, .. } = &folder.config;
    let Some(account) = gateway_account else { return Ok(None) };
    let wrong = |reason: String| NodeError::Config(format!("gateway_account: {reason}"));
    countersign_proof::check_account("gateway_account", account).map_err(|e| wrong(e.to_string()))?;
    if organisation_of(account) != organisation_of(node) {
        return Err(wrong(format!("{account} is no account of {}", organisation_of(node))));
    }
    let key = read_key(&folder.path, "gateway")?;
    let secret = read_or_make_secret(&folder.path, "gateway.secret")?;
    Ok(Some(GatewayAccount::new(account.clone(), key, secret)))
}

/// Each ask is answered on a task of its own: none waits for another.
async fn answer(api: Api, mut asked: mpsc::Receiver<Ask>) {
    while let Some(ask) = asked.recv().await {
        let api = api.clone();
        tokio::spawn(async move {
            // Whoever asked may be gone.
            match ask {
                Ask::Submit { request, answer } => {
                    drop(answer.send(api.submit_one(request).await.map_err(refused)));
                }
                Ask::Linearize { answer } => drop(answer.send(api.linearizable_height().await.map_err(refused))),
            }
        });
    }
}

fn refused(refusal: Refusal) -> Refused {
    Refused {
        code: refusal.reason.into_owned(),
        detail: refusal.detail,
        field: refusal.field.map(Cow::into_owned),
        retry: refusal.retry,
        facts: refusal.facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}
