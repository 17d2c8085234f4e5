//! Answer what the gateway asks of the node, and tell it how far the node has come.

use crate::NodeError;
use crate::api::{Api, Refusal};
use crate::folder::{Config, Folder, read_key, read_or_make_secret};
use countersign_gateway::{API_KEYS_FILE, ApiSetup, Ask, Door, GatewayAccount, Progress, Refused};
use countersign_proof::organisation_of;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

/// What the gateway may have under way: the node's own limits are tighter, and say which is reached.
const ASKS_MAX: usize = 4_096;

/// What the typed API of this node is made from; its two tasks run on `on`.
pub(crate) fn open(folder: &Folder, api: Api, on: &Handle) -> Result<ApiSetup, NodeError> {
    let (asks, asked) = mpsc::channel(ASKS_MAX);
    let (told, progress) = watch::channel(progress(&api));
    on.spawn(tell(api.clone(), told));
    on.spawn(answer(api, asked));
    Ok(ApiSetup {
        door: Door { asks, progress },
        organisation: organisation_of(&folder.config.node).to_owned(),
        account: account(folder)?,
        api_keys: Some(folder.path.join(API_KEYS_FILE)),
    })
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

fn progress(api: &Api) -> Progress {
    let (applied, certified) = (api.applied.borrow(), *api.certified.borrow());
    Progress {
        applied: applied.chain.height,
        governed: applied.governed_height,
        published: api.published.borrow().height,
        certified_size: certified.size,
        everyone_size: certified.everyone,
    }
}

/// Tells the gateway of every move until nobody looks or a station has ended.
async fn tell(mut api: Api, told: watch::Sender<Progress>) {
    while !told.is_closed() {
        let now = progress(&api);
        told.send_if_modified(|before| std::mem::replace(before, now) != now);
        let moved = tokio::select! {
            moved = api.applied.changed() => moved,
            moved = api.certified.changed() => moved,
            moved = api.published.changed() => moved,
        };
        if moved.is_err() {
            return;
        }
    }
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
        code: refusal.reason.to_owned(),
        detail: refusal.detail,
        field: refusal.field.map(str::to_owned),
        retry: refusal.retry,
        facts: refusal.facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}
