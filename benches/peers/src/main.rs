//! Start another system on this machine and measure it as benches/network measures ours.
//!
//! A program of its own, driven by lines of JSON: it prints [`Ready`] when the system serves, then reads an [`Order`] a
//! line and prints a [`Round`] a line, until its input ends.

mod etcd;
#[path = "../../src/latency.rs"]
mod latency;
mod place;
mod postgres;
mod round;

use clap::{Parser, ValueEnum};
use round::{Order, Round};
use serde::Serialize;
use std::error::Error;
use std::path::PathBuf;
use tokio::io::{AsyncBufReadExt, BufReader};

/// Start another system on this machine and measure it; benches/network drives it
#[derive(Parser)]
struct Arguments {
    /// Which system.
    system: System,
    /// An empty folder for its data, on the file system to be measured.
    #[arg(long)]
    folder: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum System {
    /// Three members, TLS off, its own default of fsync; puts of 256 bytes under unique keys.
    Etcd,
    /// A primary that waits for one of two standbys; inserts of (id, 256 bytes), one row a transaction.
    Postgres,
}

/// The first line: what runs, and as which processes.
#[derive(Serialize)]
struct Ready {
    version: String,
    pids: Vec<u32>,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    match arguments.system {
        System::Etcd => {
            let etcd = etcd::Etcd::start(&arguments.folder).await?;
            let ready = Ready { version: etcd.version.clone(), pids: etcd.pids() };
            serve(ready, async |order| etcd.run(order).await).await
        }
        System::Postgres => {
            let postgres = postgres::Postgres::start(&arguments.folder).await?;
            let ready = Ready { version: postgres.version.clone(), pids: postgres.pids() };
            serve(ready, async |order| postgres.run(order).await).await
        }
    }
}

async fn serve(ready: Ready, run: impl AsyncFn(Order) -> Result<Round, Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    println!("{}", serde_json::to_string(&ready)?);
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = orders.next_line().await? {
        println!("{}", serde_json::to_string(&run(serde_json::from_str(&line)?).await?)?);
    }
    Ok(())
}
