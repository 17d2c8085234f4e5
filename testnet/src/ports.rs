//! Choose free ports on 127.0.0.1.
//!
//! Port 0 would give numbers from the range that outgoing connections use too, and a node that is down for a while
//! would find its own taken when it returns. So they come from below that range, from a random place on; each is
//! bound once to see that it is free. Another process can still take one before the node does: the caller tries again.

use crate::TestnetError;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Mutex;

const LOWEST: u16 = 10_000;
const FIRST_OUTGOING_DEFAULT: u16 = 32_768;
const ROOM_MIN: u16 = 1_000;

/// What this process has given out: a second network of the same test run must not get it again.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// `count` different ports that were free a moment ago.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>, TestnetError> {
    let mut given = GIVEN.lock().expect("no holder of this lock can panic");
    let highest = first_outgoing();
    let room = highest - LOWEST;
    let start = (getrandom::u32().unwrap_or_else(|_| std::process::id()) % u32::from(room)) as u16;
    let candidates = (0..room).map(|step| LOWEST + (u32::from(start) + u32::from(step)).rem_euclid(room.into()) as u16);
    let free: Vec<u16> = candidates.filter(|port| !given.contains(port) && is_free(*port)).take(count).collect();
    if free.len() < count {
        return Err(TestnetError::Usage(format!("fewer than {count} free ports between {LOWEST} and {highest}")));
    }
    given.extend(&free);
    Ok(free)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// Where Linux begins to take ports for outgoing connections.
fn first_outgoing() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = range.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(FIRST_OUTGOING_DEFAULT);
    first.max(LOWEST + ROOM_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_networks_get_different_ports() {
        let (one, two) = (free_ports(30).expect("free ports"), free_ports(30).expect("free ports"));
        let all: BTreeSet<u16> = one.iter().chain(&two).copied().collect();
        assert_eq!(all.len(), 60);
    }

    #[test]
    fn a_port_in_use_is_not_chosen() {
        let held = TcpListener::bind("127.0.0.1:0").expect("a port");
        assert!(!is_free(held.local_addr().expect("an address").port()));
    }
}
