//! Print for people what was measured while a ledger grew.

use super::report::{Grown, Report, Step};

const MIB: f64 = 1024.0 * 1024.0;

/// Everything in it.
pub(super) fn print(report: &Report) {
    let (machine, settings) = (&report.machine, &report.settings);
    println!("countersign-bench {}", settings.command);
    println!("{machine}; {} to {}", report.began, report.ended);
    println!("{}", settings.documents);
    println!(
        "one ledger in one process: {} organisations sign each note, {} accounts write, {} documents a block;",
        settings.organisations, settings.accounts, settings.block
    );
    println!(
        "filled by transactions of {} document(s); measured at each step: the last {} transactions, of one each",
        settings.operations, settings.measured
    );
    println!(
        "reads and proofs follow right after the ledger was opened again; the files are in the system's memory as they come"
    );
    steps(report);
    parts(report);
    targets(report);
    report.network.iter().for_each(network);
}

fn steps(report: &Report) {
    row("documents", report, |step| step.documents.to_string());
    row("transactions", report, |step| step.transactions.to_string());
    row("leaves of the log", report, |step| step.leaves.to_string());
    row("filled before in s", report, |step| format!("{:.1}", step.fill_seconds));
    row("transactions a second", report, |step| format!("{:.0}", step.per_second));
    row("CPU us a transaction", report, |step| format!("{:.1}", step.cpu_us));
    let spread = |spread: &super::report::Spread| format!("{:.1} / {:.1}", spread.p50, spread.p99);
    row("read a document us, p50 / p99", report, |step| spread(&step.read_us));
    row("make an inclusion path us", report, |step| spread(&step.inclusion_us));
    row("make a receipt us", report, |step| spread(&step.receipt_us));
    row("verify a receipt us", report, |step| spread(&step.receipt_verify_us));
    row("bytes of a receipt, the largest", report, |step| step.receipt_bytes.to_string());
    row("make a state proof us", report, |step| spread(&step.state_us));
    row("verify a state proof us", report, |step| spread(&step.state_verify_us));
    row("bytes of a state proof, the largest", report, |step| step.state_bytes.to_string());
    row("hashes in it, 32 bytes each", report, |step| step.state_siblings.to_string());
    row("close s", report, |step| format!("{:.2}", step.close_seconds));
    row("open again s", report, |step| format!("{:.2}", step.start_seconds));
    row("disk bytes a transaction", report, |step| format!("{:.0}", step.bytes_each()));
    row("disk MiB", report, |step| format!("{:.0}", step.disk_bytes as f64 / MIB));
    row("memory MiB", report, |step| format!("{:.0}", step.memory_bytes as f64 / MIB));
}

fn row(name: &str, report: &Report, cell: impl Fn(&Step) -> String) {
    let cells = report.steps.iter().map(|step| format!(" {:>18}", cell(step)));
    println!("{name:<38}{}", cells.collect::<String>());
}

/// Where the time of a transaction went on the thread that takes blocks.
fn parts(report: &Report) {
    println!();
    for part in report.steps.first().iter().flat_map(|step| step.part_us.keys()) {
        row(&format!("us of a transaction: {part}"), report, |step| format!("{:.1}", step.part_us[part]));
    }
}

fn targets(report: &Report) {
    let Some(last) = report.steps.last() else { return };
    println!("\n{:<48} {:>12} {:>12}", format!("target, at {} documents", last.documents), "wanted", "measured");
    target("make a receipt, us", last.receipt_us.p50, "<=", 100.0);
    target("make a state proof, us", last.state_us.p50, "<=", 100.0);
    target("verify a receipt, us", last.receipt_verify_us.p50, "<=", 100.0);
    target("bytes of a receipt", last.receipt_bytes as f64, "<=", 2_500.0);
    // The promise does not say which; a receipt alone takes more than that.
    target("bytes of a state proof, its hashes alone", 32.0 * last.state_siblings as f64, "<=", 1_000.0);
    target("bytes of a state proof, the whole file", last.state_bytes as f64, "<=", 1_000.0);
    target("open again, s", last.start_seconds, "<=", 3.0);
    target("disk bytes a transaction", last.bytes_each(), "<=", 1_500.0);
    if let Some(percent) = report.kept_percent() {
        target("throughput of the first step that is kept, %", percent, ">=", 80.0);
    }
}

fn target(what: &str, measured: f64, side: &str, bound: f64) {
    let met = if side == ">=" { measured >= bound } else { measured <= bound };
    let verdict = if met { "met" } else { "not met" };
    println!("{what:<48} {:>12} {measured:>12.1}   {verdict}", format!("{side} {bound:.0}"));
}

fn network(grown: &Grown) {
    println!("\nthree nodes, processes of their own, TLS, fsync; certified, 1,024 in flight");
    println!("{:<38} {:>18} {:>18}", "documents before", grown.first.documents, grown.last.documents);
    for name in ["per_second", "p50_ms", "p99_ms", "cpu_us.all", "disk_bytes.ledger", "memory_mib.node_now"] {
        let of = |round: &super::report::Round| round.figures.get(name).copied().unwrap_or(0.0);
        println!("{name:<38} {:>18.1} {:>18.1}", of(&grown.first), of(&grown.last));
    }
    target("throughput of the first round that is kept, %", grown.kept_percent(), ">=", 80.0);
}
