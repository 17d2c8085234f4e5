//! Print a report for people.

use crate::report::{Case, Report, Row};

/// Everything in it.
pub(super) fn print(report: &Report) {
    let (machine, settings) = (&report.machine, &report.settings);
    println!("countersign-bench {}", settings.command);
    println!("{machine}; {} to {}", report.began, report.ended);
    println!(
        "{} organisations, a node each, processes of their own, TLS, fsync; {} ms between them and back; client on the same cores",
        settings.organisations, settings.round_trip_ms
    );
    println!("{}", settings.documents);
    println!("{} documents loaded before, committed in {:.1} s", settings.preload, settings.preload_seconds);
    println!("medians of {} runs of {} s, [least..most]", settings.runs, settings.seconds);
    println!(
        "{} certified transactions checked against {} certificates, each by its leaf; {} receipts verified as clients do",
        report.checked.transactions, report.checked.certificates, report.checked.receipts
    );
    rounds(report);
    of_nodes(report);
    stations(report);
    overload(report);
    ratios(report);
}

fn name(case: &Case) -> String {
    let load = match (&case.pace[..], case.in_flight, case.rate) {
        ("closed", in_flight, _) => format!("{in_flight} in flight"),
        ("half", ..) => "open, half of peak".into(),
        ("overload", ..) => "overload".into(),
        (_, _, rate) => format!("open, {rate}/s"),
    };
    let accounts = if case.accounts > 0 { format!(", {} accounts", case.accounts) } else { String::new() };
    let system = if case.system == "countersign" { case.level.clone() } else { case.system.clone() };
    format!("{system} {}, {load}{accounts}", case.to)
}

fn rounds(report: &Report) {
    println!(
        "\n{:<48} {:>22} {:>8} {:>16} {:>8} {:>7} {:>7} {:>7} {:>7}",
        "round", "a second", "p50 ms", "p99 ms", "p99.9", "us all", "nodes", "client", "a block"
    );
    for row in &report.rows {
        println!(
            "{:<48} {:>22} {:>8.1} {:>16} {:>8.1} {:>7.0} {:>7.0} {:>7.0} {:>7}",
            name(&row.case),
            spread(row, "per_second", 0),
            row.median("p50_ms"),
            spread(row, "p99_ms", 1),
            row.median("p999_ms"),
            row.median("cpu_us.all"),
            row.median("cpu_us.nodes"),
            row.median("cpu_us.client"),
            row.figures.get("transactions_a_block").map_or_else(String::new, |of| format!("{:.1}", of.median)),
        );
    }
    println!(
        "us: CPU a transaction, all nodes and client together, all nodes, client; a block: transactions in one, on average"
    );
}

fn spread(row: &Row, name: &str, places: usize) -> String {
    row.figures.get(name).map_or_else(String::new, |figure| {
        format!("{:.places$} [{:.places$}..{:.places$}]", figure.median, figure.min, figure.max)
    })
}

fn of_nodes(report: &Report) {
    let of_ours = || report.rows.iter().filter(|row| row.case.system == "countersign");
    let columns: Vec<String> = (1..=report.settings.organisations).map(|n| format!("cpu_us.node-{n}")).collect();
    println!(
        "\n{:<48} {:>8} {:>8} {:>8} {:>8}   CPU us a transaction of each node",
        "round", "ledger B", "raft B", "MiB", "most MiB"
    );
    for row in of_ours() {
        let nodes: Vec<String> = columns.iter().map(|column| format!("{:>6.0}", row.median(column))).collect();
        println!(
            "{:<48} {:>8.0} {:>8.0} {:>8.0} {:>8.0}   {}",
            name(&row.case),
            row.median("disk_bytes.ledger"),
            row.median("disk_bytes.raft"),
            row.median("memory_mib.node_now"),
            row.median("memory_mib.node_most"),
            nodes.join(" "),
        );
    }
    let overall = |name: &str| report.overall.get(name).copied().unwrap_or_default();
    println!(
        "{:<48} {:>8.0} {:>8.0} {:>8.0} {:>8.0}",
        "all rounds together",
        overall("disk_bytes.ledger"),
        overall("disk_bytes.raft"),
        overall("memory_mib.node_now"),
        overall("memory_mib.node_most")
    );
    println!(
        "B: growth on disk a transaction and node, in a round it comes in steps; MiB: of the largest node after it, and ever"
    );
}

/// Parts as rows, rounds as columns: few rounds, many parts.
fn stations(report: &Report) {
    let rows: Vec<&Row> =
        report.rows.iter().filter(|row| row.figures.keys().any(|name| name.starts_with("part_us."))).collect();
    let mut parts: Vec<&str> =
        rows.iter().flat_map(|row| row.figures.keys()).filter_map(|name| name.strip_prefix("part_us.")).collect();
    parts.sort_unstable();
    parts.dedup();
    println!("\nCPU us a transaction by station and thread, all nodes together");
    for (n, row) in rows.iter().enumerate() {
        println!("  ({}) {}", n + 1, name(&row.case));
    }
    let numbers: Vec<String> = (1..=rows.len()).map(|n| format!("{:>7}", format!("({n})"))).collect();
    println!("  {:<18} {}", "", numbers.join(" "));
    for part in parts {
        let values: Vec<String> =
            rows.iter().map(|row| format!("{:>7.1}", row.median(&format!("part_us.{part}")))).collect();
        println!("  {part:<18} {}", values.join(" "));
    }
}

fn overload(report: &Report) {
    for row in report.rows.iter().filter(|row| row.case.pace == "overload") {
        println!(
            "\noverload: {:.0}/s offered; {:.0} % of the peak certified; {:.1} % turned away at the client for want of room; \
             {:.0} times handed in again (refused for the moment, or not answered in time); {:.0} never known",
            row.median("offered_per_second"),
            row.median("goodput_percent"),
            row.median("turned_away_percent"),
            row.median("sent_again"),
            row.median("never_known"),
        );
    }
}

fn ratios(report: &Report) {
    let peers = report.rows.iter().filter(|row| row.case.system != "countersign");
    for (n, theirs) in peers.enumerate() {
        if n == 0 {
            println!("\nIn turn with ours in this run; whoever is not measured is idle meanwhile.");
            for (peer, version) in &report.settings.peers {
                println!(
                    "{peer}: {version}, three members, no TLS, its own default of fsync, 256-byte values under unique keys"
                );
            }
            println!("{:<32} {:>22} {:>22}", "ours over theirs", "a second", "p99");
        }
        let to = if theirs.case.to == "primary" { "all" } else { &theirs.case.to };
        let Some(ours) = report.closed_at("countersign", to, theirs.case.in_flight) else { continue };
        let ratio = |name: &str| {
            let ratio = ours.ratio(theirs, name);
            format!("{:.2} [{:.2}..{:.2}]", ratio.median, ratio.min, ratio.max)
        };
        println!("{:<32} {:>22} {:>22}", name(&theirs.case), ratio("per_second"), ratio("p99_ms"));
    }
}
