//! Run a network of node processes, break it, and ask it.

use crate::answer::{Answer, tail};
use crate::found::{PORTS_A_NODE, found, node};
use crate::node_process::{Lifetime, NodeProcess};
use crate::organisations::ORGANISATIONS_MAX;
use crate::ports::free_ports;
use crate::record::{NetworkRecord, NodeRecord};
use crate::relay::Relay;
use crate::status::{agreement, leader};
use crate::{
    Agreement, Client, Layout, NodeStatus, TestnetError, find_binary, operations_account, organisation_names,
    wait_until,
};
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const STARTS_MAX: usize = 4;
const READY_WITHIN: Duration = Duration::from_secs(60);
const LOG_TAIL_BYTES: usize = 4_000;

/// What network to make.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many companies, each with one node.
    pub organisations: usize,
    /// Where: an empty folder or none at all. Without one, a temporary folder that goes with the [`Network`].
    pub folder: Option<PathBuf>,
    /// The `countersign` binary. Without one, [`find_binary`] looks for it.
    pub binary: Option<PathBuf>,
    /// How long a word and its answer take between two nodes, beside what this machine takes. Relays of this process hold
    /// them back: nodes that outlive it must have none.
    pub round_trip: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options { organisations: 4, folder: None, binary: None, round_trip: Duration::ZERO }
    }
}

/// A network on this machine. Dropping it kills its nodes, except after [`Network::detach`].
#[derive(Debug)]
pub struct Network {
    binary: PathBuf,
    layout: Layout,
    record: NetworkRecord,
    processes: Vec<NodeProcess>,
    lifetime: Lifetime,
    /// Held for their drop.
    _relays: Vec<Relay>,
    temporary: Option<TempDir>,
}

impl Network {
    /// Founds a network, starts every node and waits for a leader. The nodes end with this value.
    pub fn start(options: Options) -> Result<Network, TestnetError> {
        Network::start_for(options, Lifetime::Ours)
    }

    /// The same, but its nodes live on in sessions of their own.
    pub fn start_detached(options: Options) -> Result<Network, TestnetError> {
        Network::start_for(options, Lifetime::Detached)
    }

    /// The network that lies in a folder, whatever of it runs. Its nodes live on.
    pub fn open(folder: &Path, binary: Option<PathBuf>) -> Result<Network, TestnetError> {
        let layout = Layout::new(folder.to_owned())?;
        let none = || TestnetError::Usage(format!("there is no network in {}", folder.display()));
        let record = NetworkRecord::load(&layout)?.ok_or_else(none)?;
        let processes = record.nodes.iter().map(NodeProcess::of).collect();
        let binary = binary.map_or_else(find_binary, Ok)?;
        Ok(Network {
            binary,
            layout,
            record,
            processes,
            lifetime: Lifetime::Detached,
            _relays: Vec::new(),
            temporary: None,
        })
    }

    /// Whether a folder holds a network.
    pub fn exists(folder: &Path) -> bool {
        folder.join("network.json").exists()
    }

    fn start_for(options: Options, lifetime: Lifetime) -> Result<Network, TestnetError> {
        if !(1..=ORGANISATIONS_MAX).contains(&options.organisations) {
            return Err(TestnetError::Usage(format!("a network has 1 to {ORGANISATIONS_MAX} organisations")));
        }
        let mut starts = 1;
        loop {
            match Network::start_once(&options, lifetime) {
                Err(TestnetError::PortTaken { .. }) if starts < STARTS_MAX => starts += 1,
                other => return other,
            }
        }
    }

    fn start_once(options: &Options, lifetime: Lifetime) -> Result<Network, TestnetError> {
        let binary = options.binary.clone().map_or_else(find_binary, Ok)?;
        let (layout, temporary) = empty_folder(options.folder.as_deref())?;
        let ports = free_ports(options.organisations * PORTS_A_NODE)?;
        let relays = match options.round_trip {
            Duration::ZERO => Vec::new(),
            far => {
                ports.iter().step_by(PORTS_A_NODE).map(|port| Relay::start(*port, far / 2)).collect::<Result<_, _>>()?
            }
        };
        let addresses: Vec<u16> = relays.iter().map(Relay::port).collect();
        let founded = found(&binary, &layout, &organisation_names(options.organisations), &ports, &addresses);
        // A folder with half a network in it would be in the way of the next start.
        let record = founded.inspect_err(|_| drop(fs::remove_dir_all(layout.root())))?;
        let processes = record.nodes.iter().map(NodeProcess::of).collect();
        let mut network = Network { binary, layout, record, processes, lifetime, _relays: relays, temporary };
        let started = network.restart_all();
        if let Err(TestnetError::PortTaken { .. }) = started {
            // The addresses are in the genesis: with other ports it is another network.
            network.end_all(Signal::KILL)?;
            fs::remove_dir_all(network.layout.root()).map_err(TestnetError::file(network.layout.root()))?;
        }
        started.map(|()| network)
    }

    /// The nodes, in order.
    pub fn nodes(&self) -> &[NodeRecord] {
        &self.record.nodes
    }

    /// The places of its files.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The hash that its ledger is trusted by.
    pub fn genesis_hash(&self) -> &str {
        &self.record.genesis_hash
    }

    /// The `countersign` binary it runs.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Takes in a node that was founded after the others, and starts it. It answers once it has caught up.
    pub(crate) fn add_node(&mut self, organisation: &str, ports: &[u16], tls: String) -> Result<(), TestnetError> {
        let record = NodeRecord { tls: Some(tls), ..node(&self.layout, organisation, ports) };
        self.processes.push(NodeProcess::of(&record));
        self.record.nodes.push(record);
        self.launch(self.record.nodes.len() - 1)
    }

    /// Ends a node for good.
    pub(crate) fn remove_node(&mut self, n: usize) -> Result<(), TestnetError> {
        self.processes[n].end(Signal::TERM)?;
        self.processes.remove(n);
        self.record.nodes.remove(n);
        self.record.save(&self.layout)
    }

    /// Kills node `n`, counted from 0, as a crash would, and waits until it is gone.
    pub fn kill(&mut self, n: usize) -> Result<(), TestnetError> {
        self.processes[n].end(Signal::KILL)?;
        self.note_pids()
    }

    /// Kills every node at one stroke: no one is given time to learn that another died.
    pub fn kill_all(&mut self) -> Result<(), TestnetError> {
        self.end_all(Signal::KILL)
    }

    /// Asks every node to stop and waits until it has.
    pub fn stop_all(&mut self) -> Result<(), TestnetError> {
        self.end_all(Signal::TERM)
    }

    fn end_all(&mut self, signal: Signal) -> Result<(), TestnetError> {
        self.processes.iter_mut().for_each(|process| process.signal(signal));
        let gone = self.processes.iter_mut().try_for_each(NodeProcess::wait_gone);
        self.note_pids().and(gone)
    }

    /// Starts node `n` again, killing it first when it runs, and waits until it answers.
    pub fn restart(&mut self, n: usize) -> Result<(), TestnetError> {
        self.processes[n].end(Signal::KILL)?;
        self.launch(n)?;
        self.wait_answers(n)
    }

    /// Starts node `n` again with a binary that lies as `misbehaviour` says. It is not waited for: a liar need not answer.
    pub(crate) fn restart_lying(&mut self, n: usize, binary: &Path, misbehaviour: &str) -> Result<(), TestnetError> {
        self.processes[n].end(Signal::KILL)?;
        let (node, hash) = (&self.record.nodes[n], &self.record.genesis_hash);
        let lie = Some(misbehaviour);
        self.processes[n] = NodeProcess::start_as(binary, &self.layout, node, hash, self.lifetime, lie)?;
        self.note_pids()
    }

    /// Starts every node that does not run, then waits until all answer and have a leader.
    pub fn restart_all(&mut self) -> Result<(), TestnetError> {
        for n in 0..self.processes.len() {
            if self.processes[n].running().is_none() {
                self.launch(n)?;
            }
        }
        (0..self.processes.len()).try_for_each(|n| self.wait_answers(n))?;
        self.wait_leader(READY_WITHIN).map(drop)
    }

    fn launch(&mut self, n: usize) -> Result<(), TestnetError> {
        let (node, hash) = (&self.record.nodes[n], &self.record.genesis_hash);
        self.processes[n] = NodeProcess::start(&self.binary, &self.layout, node, hash, self.lifetime)?;
        // A crash of ours here leaves a process that is not in the record; `up` then finds its ports taken and says so.
        self.note_pids()
    }

    pub(crate) fn wait_answers(&mut self, n: usize) -> Result<(), TestnetError> {
        let client = self.client(&operations_account(&self.record.nodes[n].organisation), n);
        let what = format!("node {} answers", self.record.nodes[n].node);
        let answered = wait_until(&what, READY_WITHIN, || match self.processes[n].running() {
            Some(_) => client.status().map(|_| Ok(())).map_err(|e| e.to_string()),
            None => Ok(Err(self.ended(n))),
        });
        answered?
    }

    /// Why a node that had to run does not.
    fn ended(&self, n: usize) -> TestnetError {
        let node = self.record.nodes[n].node.clone();
        let log = self.log_tail(n);
        let taken = log.to_lowercase().contains("address already in use") || log.to_lowercase().contains("os error 98");
        if taken { TestnetError::PortTaken { node } } else { TestnetError::NodeEnded { node, log } }
    }

    /// The end of what node `n` printed.
    pub fn log_tail(&self, n: usize) -> String {
        let log = fs::read(self.layout.log(&self.record.nodes[n].organisation)).unwrap_or_default();
        tail(&String::from_utf8_lossy(&log), LOG_TAIL_BYTES).to_owned()
    }

    /// The process of node `n`, when it runs.
    pub fn pid(&mut self, n: usize) -> Option<u32> {
        self.processes[n].running()
    }

    /// The number of an account's own node.
    ///
    /// # Panics
    /// When no organisation of this network has the account.
    pub fn node_of(&self, account: &str) -> usize {
        let organisation = account.split_once('/').map_or(account, |(organisation, _)| organisation);
        let found = self.record.nodes.iter().position(|node| node.organisation == organisation);
        found.unwrap_or_else(|| panic!("{account} belongs to no organisation of this network"))
    }

    /// `countersign` as `account` at node `n`.
    pub fn client(&self, account: &str, n: usize) -> Client {
        let node = &self.record.nodes[n];
        Client::new(&self.binary, &self.layout, node.api_url(), account).trusting(node.tls.as_deref())
    }

    /// Runs `countersign` as `account` at its own node.
    pub fn cli(&self, account: &str, arguments: &[&str]) -> Result<Answer, TestnetError> {
        self.client(account, self.node_of(account)).run(arguments)
    }

    /// Where node `n` stands.
    pub fn status(&self, n: usize) -> Result<NodeStatus, TestnetError> {
        self.client(&operations_account(&self.record.nodes[n].organisation), n).status()
    }

    /// Where those nodes stand that run.
    pub fn statuses(&mut self) -> Vec<NodeStatus> {
        let running: Vec<usize> =
            (0..self.processes.len()).filter(|n| self.processes[*n].running().is_some()).collect();
        running.into_iter().filter_map(|n| self.status(n).ok()).collect()
    }

    /// The leader's number, once a majority names it and it runs.
    pub fn leader(&mut self) -> Result<usize, String> {
        let statuses = self.statuses();
        let name = leader(&statuses, self.record.nodes.len())?;
        let n =
            self.record.nodes.iter().position(|node| node.node == name).ok_or(format!("no node is called {name}"))?;
        self.processes[n].running().map(|_| n).ok_or_else(|| format!("{name} leads, but does not run"))
    }

    /// Waits for a leader.
    pub fn wait_leader(&mut self, within: Duration) -> Result<usize, TestnetError> {
        wait_until("a majority names a leader that runs", within, || self.leader())
    }

    /// Waits until every node has applied and certified the same blocks with the same roots.
    pub fn wait_agreement(&mut self, within: Duration) -> Result<Agreement, TestnetError> {
        let what = "all nodes certified the same height with the same roots";
        let nodes = self.record.nodes.len();
        wait_until(what, within, || {
            let statuses = self.statuses();
            if statuses.len() < nodes {
                return Err(format!("{} of {nodes} nodes answer", statuses.len()));
            }
            agreement(&statuses)
        })
    }

    /// Lets the nodes live on after this value.
    pub fn detach(mut self) {
        assert_eq!(self.lifetime, Lifetime::Detached, "what shares our process group ends with it");
        self.processes.clear();
    }

    fn note_pids(&mut self) -> Result<(), TestnetError> {
        for (node, process) in self.record.nodes.iter_mut().zip(&mut self.processes) {
            node.pid = process.running();
        }
        self.record.save(&self.layout)
    }

    /// Leaves a temporary folder behind and says where.
    pub fn keep_folder(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            eprintln!("the network's folder is kept: {}", temporary.keep().display());
        }
    }

    /// Prints the end of every node's log, for the person who must find out why something failed.
    pub fn print_logs(&self) {
        for (n, node) in self.record.nodes.iter().enumerate() {
            eprintln!("--- the end of the log of {}:\n{}", node.node, self.log_tail(n));
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if self.lifetime == Lifetime::Ours {
            self.processes.iter_mut().for_each(|process| process.signal(Signal::KILL));
            let gone = self.processes.iter_mut().try_for_each(NodeProcess::wait_gone);
            gone.unwrap_or_else(|e| eprintln!("a node stays behind: {e}"));
        }
        if std::thread::panicking() {
            self.keep_folder();
            self.print_logs();
        }
    }
}

/// The folder for a new network. Only an empty one is taken, so that a failed start may remove what is in it.
fn empty_folder(folder: Option<&Path>) -> Result<(Layout, Option<TempDir>), TestnetError> {
    let Some(folder) = folder else {
        let temporary = tempfile::Builder::new().prefix("countersign-testnet-").tempdir();
        let temporary = temporary.map_err(TestnetError::file(&std::env::temp_dir()))?;
        return Ok((Layout::new(temporary.path().to_owned())?, Some(temporary)));
    };
    let layout = Layout::new(folder.to_owned())?;
    fs::create_dir_all(folder).map_err(TestnetError::file(folder))?;
    let mut inside = fs::read_dir(folder).map_err(TestnetError::file(folder))?;
    match inside.next() {
        None => Ok((layout, None)),
        Some(_) => Err(TestnetError::Usage(format!("{} is not empty and holds no network", folder.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_other_things_is_not_taken() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("letter.txt"), "dear").expect("a file");
        let options =
            Options { folder: Some(folder.path().to_owned()), binary: Some("/bin/true".into()), ..Options::default() };
        let error = Network::start(options).expect_err("it is not ours");
        assert!(error.to_string().contains("is not empty"), "{error}");
        assert!(folder.path().join("letter.txt").exists());
    }

    #[test]
    fn a_failed_start_says_which_command_failed() {
        let options = Options { binary: Some("/bin/false".into()), ..Options::default() };
        let error = Network::start(options).expect_err("false does nothing");
        assert!(error.to_string().contains("`countersign node init"), "{error}");
    }
}
