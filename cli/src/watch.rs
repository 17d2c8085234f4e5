//! Follow certified changes and print each as a line of JSON.

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output;
use crate::read::document_json;
use clap::Args;
use countersign_client::v1::{Event, event::What};
use serde_json::{Value, json};

#[derive(Debug, Args)]
#[command(
    after_help = "Each line has a cursor. To go on after a line that was handled, give its cursor: nothing is missed or repeated.
Dropped connections are resumed by themselves, on the next node if need be.

Example:
  countersign watch --collection flights --cursor \"$(cat cursor)\""
)]
pub struct Watch {
    /// Go on after this cursor; empty for the start of the ledger, `now` for what comes
    #[arg(long, default_value = "")]
    cursor: String,
    /// Only these collections
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    collection: Vec<String>,
    /// Only changes whose document matches before or after, for example '{"/status": {"eq": "open"}}'
    #[arg(long, value_name = "JSON", default_value = "")]
    filter: String,
    /// Also print, as {"cursor","height"}, how far the ledger has come without a change
    #[arg(long)]
    progress: bool,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(command: &Watch) -> Result<(), Failure> {
    let mut subscription =
        command.connection.client()?.subscribe(&command.cursor, &command.collection).matching(&command.filter);
    loop {
        let event = subscription.next().await?;
        if let Some(line) = line_of(event, command.progress) {
            output::line(line)?;
        }
    }
}

fn line_of(event: Event, progress: bool) -> Option<Value> {
    match event.what? {
        What::Change(change) => {
            let kind = change.kind().as_str_name().to_ascii_lowercase();
            // What is withdrawn from the reader is told by what he saw last.
            let mut line = document_json(change.document.as_ref().or(change.before.as_ref())?);
            line["kind"] = kind.into();
            line["cursor"] = event.cursor.into();
            line["leaf"] = change.leaf_index.into();
            line["time_ms"] = change.time_ms.into();
            Some(line)
        }
        What::Progress(at) => progress.then(|| json!({ "cursor": event.cursor, "height": at.height })),
    }
}
