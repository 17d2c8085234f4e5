//! Grow a ledger to a step, and measure it there.

use super::Arguments;
use super::fill::{fill, signed};
use super::report::{Spread, Step};
use crate::Failure;
use crate::records::{COLLECTION, id, number_of};
use crate::taking::{Spent, Taking};
use crate::usage::{cpu_of, disk_of, memory_of};
use countersign_ledger::store::Reader;
use countersign_proof::{ProofError, Receipt, StateAnswer, StateProof, Trust, inclusion_proof, plain_hash};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Documents that are read, and proofs that are made, at each step.
const READS: u64 = 10_000;
const PROOFS: u64 = 1_000;

/// Where the ledger lies, and how it grows.
pub(super) struct Folder<'a> {
    pub(super) path: PathBuf,
    pub(super) arguments: &'a Arguments,
}

impl Folder<'_> {
    /// Grows the ledger to so many documents, closes it and opens it again, and adds what was measured.
    pub(super) fn step(
        &self,
        mut taking: Taking,
        mut steps: Vec<Step>,
        documents: u64,
    ) -> Result<(Taking, Vec<Step>), Failure> {
        let Arguments { measured, operations, block, .. } = *self.arguments;
        let (from, until) = (steps.last().map_or(0, |last| last.documents) + 1, documents - measured + 1);
        let mut step = Step { documents, ..Step::default() };
        step.fill_seconds = fill(&mut taking, from..until, operations, block)?.as_secs_f64();
        self.write(&mut taking, until..documents + 1, &mut step)?;
        step.transactions =
            steps.last().map_or(0, |last| last.transactions) + (until - from).div_ceil(operations) + measured;
        let founded = taking.founded.clone();
        taking.ledger.sync()?;
        let begun = Instant::now();
        drop(taking);
        step.close_seconds = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        let taking = Taking::open(&self.path, founded, self.arguments.cache_mib)?;
        let reader = taking.ledger.reader();
        // What else a node reads before it serves.
        drop((reader.epochs()?, reader.newest_certificate()?));
        step.start_seconds = begun.elapsed().as_secs_f64();
        step.leaves = reader.chain()?.size;
        read(&reader, &mut step)?;
        prove(&reader, &Trust::from_genesis(&taking.founded.genesis), &mut step)?;
        step.disk_bytes = disk_of(&self.path);
        step.memory_bytes = memory_of(std::process::id()).now;
        eprintln!("{documents} documents: {:.0} transactions a second", step.per_second);
        steps.push(step);
        Ok((taking, steps))
    }

    /// The measured part: nothing else runs in this process but what the database does behind it.
    fn write(&self, taking: &mut Taking, numbers: std::ops::Range<u64>, step: &mut Step) -> Result<(), Failure> {
        let blocks = signed(&taking.founded, numbers, self.arguments.block);
        let each = |spent: Duration| spent.as_secs_f64() * 1e6 / self.arguments.measured as f64;
        taking.spent = Spent::default();
        let (cpu, begun) = (cpu_of(std::process::id()), Instant::now());
        blocks.into_iter().try_for_each(|block| taking.block(block))?;
        step.per_second = self.arguments.measured as f64 / begun.elapsed().as_secs_f64();
        step.cpu_us = each(cpu_of(std::process::id()).saturating_sub(cpu));
        let Spent { propose, parse, verify, append, certify } = taking.spent;
        let parts =
            [("propose", propose), ("parse", parse), ("verify", verify), ("append", append), ("certify", certify)];
        step.part_us = parts.map(|(name, spent)| (name.to_owned(), each(spent))).into();
        Ok(())
    }
}

/// Numbers without a pattern, the same at every run; another row of them for each purpose.
fn any(purpose: &str, at: u64, below: u64) -> u64 {
    let hash = plain_hash(format!("{purpose} {at}").as_bytes()).0;
    u64::from_be_bytes(*hash.first_chunk().expect("eight of 32")) % below
}

fn read(reader: &Reader, step: &mut Step) -> Result<(), Failure> {
    step.read_us = times(READS, |at| {
        let number = any("read", at, step.documents) + 1;
        let version = reader.document(COLLECTION, &id(number))?;
        let value = version.and_then(|version| version.value).ok_or_else(|| format!("no document {number}"))?;
        match value["id"].as_str().and_then(number_of) == Some(number) {
            true => Ok(()),
            false => Err(format!("{} is not document {number}", value["id"]).into()),
        }
    })?;
    Ok(())
}

fn prove(reader: &Reader, trust: &Trust, step: &mut Step) -> Result<(), Failure> {
    let chain = reader.chain()?;
    // The genesis and its seal stand before the first transaction.
    let leaf = |at: u64| 2 + any("leaf", at, chain.size - 2);
    let document = |at: u64| id(any("state", at, step.documents) + 1);
    step.inclusion_us = times(PROOFS, |at| {
        inclusion_proof(reader, leaf(at), chain.size)?;
        Ok(())
    })?;
    let mut receipts = Vec::new();
    step.receipt_us = times(PROOFS, |at| {
        receipts
            .push(reader.receipt_from(leaf(at), chain.size)?.ok_or("the newest block has no certificate")?.to_string());
        Ok(())
    })?;
    step.receipt_bytes = largest(receipts.iter().map(String::len));
    step.receipt_verify_us = times(PROOFS, |at| {
        Receipt::parse(&receipts[at as usize])?.verify(trust).map_err(ProofError::from)?;
        Ok(())
    })?;
    let mut proofs = Vec::new();
    step.state_us = times(PROOFS, |at| {
        let proof = reader.state_proof(COLLECTION, &document(at), chain.height)?;
        proofs.push(proof.ok_or("the newest state is not provable")?.to_bytes());
        Ok(())
    })?;
    step.state_bytes = largest(proofs.iter().map(Vec::len));
    let mut siblings = Vec::new();
    step.state_verify_us = times(PROOFS, |at| {
        let proof = StateProof::parse(&proofs[at as usize])?;
        siblings.push(proof.siblings.len());
        match proof.verify(trust, COLLECTION, &document(at)).map_err(ProofError::from)?.answer() {
            StateAnswer::Present { value: Some(_), .. } => Ok(()),
            other => Err(format!("{} is {other:?}", document(at)).into()),
        }
    })?;
    step.state_siblings = largest(siblings.into_iter());
    Ok(())
}

fn largest(of: impl Iterator<Item = usize>) -> u64 {
    of.max().unwrap_or(0) as u64
}

/// How long each took.
fn times(count: u64, mut one: impl FnMut(u64) -> Result<(), Failure>) -> Result<Spread, Failure> {
    let mut times = Vec::with_capacity(count as usize);
    for at in 0..count {
        let begun = Instant::now();
        one(at)?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(Spread::of(times))
}
