//! Hear panics and what the nodes log for a human to look at.

use std::fmt::{self, Write};
use std::sync::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt as print};

// The process' own hook and subscriber write here; the one thread of the simulation reads.
static HEARD: Mutex<Heard> = Mutex::new(Heard { panics: Vec::new(), errors: Vec::new(), catch_ups: 0 });

/// What was heard since the last look.
#[derive(Debug, Default)]
pub struct Heard {
    /// Panics: a task's panic would otherwise end with the task.
    pub panics: Vec<String>,
    /// ERROR events of our own crates.
    pub errors: Vec<String>,
    /// Catch-ups that began.
    pub catch_ups: u64,
}

/// Listens from now on; what RUST_LOG names is printed as well.
pub fn listen() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        HEARD.lock().expect("no panic under the lock").panics.push(panic.to_string());
        default(panic);
    }));
    let printed = print::layer().with_writer(std::io::stderr).with_ansi(false);
    let printed = printed.with_filter(EnvFilter::builder().parse_lossy(std::env::var("RUST_LOG").unwrap_or_default()));
    tracing_subscriber::registry().with(Ears).with(printed).init();
}

/// Takes what was heard.
pub fn take() -> Heard {
    std::mem::take(&mut HEARD.lock().expect("no panic under the lock"))
}

struct Ears;

impl<S: Subscriber> Layer<S> for Ears {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let ours = event.metadata().target().starts_with("countersign");
        if !ours || *event.metadata().level() > Level::INFO {
            return;
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        let mut heard = HEARD.lock().expect("no panic under the lock");
        heard.catch_ups += u64::from(text.0.contains("catching up from members"));
        if *event.metadata().level() == Level::ERROR {
            heard.errors.push(text.0);
        }
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{field}={value:?} ").expect("a string takes all");
    }
}
