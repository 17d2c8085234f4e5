//! Explore every network of the list, print what was found, and fail when one is not as said.

use countersign_model::claims::Claim;
use countersign_model::explore::Run;
use countersign_model::runs;
use std::process::ExitCode;
use std::time::Instant;

const USAGE: &str = "usage: countersign-model [--list | --traces] [PART OF A NAME]";

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = arguments.iter().position(|a| a.starts_with("--")).map(|at| arguments.remove(at));
    let chosen = arguments.pop().unwrap_or_default();
    let runs: Vec<Run> = runs::all().into_iter().filter(|run| run.name.contains(&chosen)).collect();
    if !arguments.is_empty() || runs.is_empty() {
        eprintln!("{USAGE}: no network is so named");
        return ExitCode::from(2);
    }
    match option.as_deref() {
        None => explore(&runs),
        Some("--list") => {
            runs.iter().for_each(|run| println!("{}", run.name));
            ExitCode::SUCCESS
        }
        Some("--traces") => {
            runs.iter().for_each(traces);
            ExitCode::SUCCESS
        }
        Some(other) => {
            eprintln!("{USAGE}: what is {other}?");
            ExitCode::from(2)
        }
    }
}

fn explore(runs: &[Run]) -> ExitCode {
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let began = Instant::now();
    let (mut states, mut wrong) = (0, 0);
    for run in runs {
        let found = run.explore(threads);
        states += found.states;
        wrong += found.wrong.len();
        let how = if run.holds.is_empty() { "until broken" } else { "all" };
        println!("{}\n  {} states ({how}), {:.1?}", run.name, found.states, found.took);
        let as_said = |name: &&str| !found.wrong.iter().any(|wrong| wrong.ends_with(name));
        let claims = |claims: &[Claim]| claims.iter().map(|claim| claim.name()).collect::<Vec<_>>();
        claims(&run.holds).iter().filter(|name| as_said(name)).for_each(|name| println!("  held:   {name}"));
        claims(&run.breaks)
            .iter()
            .filter(|name| as_said(name))
            .for_each(|name| println!("  broken, as it must be: {name}"));
        let sights = run.shows.iter().map(|sight| sight.name());
        sights.filter(as_said).for_each(|name| println!("  seen:   {name}"));
        found.wrong.iter().for_each(|wrong| println!("  {wrong}"));
    }
    println!("{} networks, {states} states, {:.1?}: {wrong} wrong", runs.len(), began.elapsed());
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the shortest history to everything that must be found, and to what is wrongly broken.
fn traces(run: &Run) {
    let names = run.holds.iter().chain(&run.breaks).map(|claim| claim.name());
    for name in names.chain(run.shows.iter().map(|sight| sight.name())) {
        let Some(steps) = run.trace(name) else { continue };
        println!("{}: {name}", run.name);
        steps.iter().enumerate().for_each(|(at, step)| println!("  {:2}. {step}", at + 1));
    }
}
