//! Name the organisations of a network with their accounts.

/// The most that a machine is asked to carry.
pub(crate) const ORGANISATIONS_MAX: usize = 16;

const FOUNDERS: [&str; 4] = ["ua.example", "b6.example", "dl.example", "port.example"];

/// The first `count` organisations: three airlines, the airport's operator, then `org5.example` and on.
pub fn organisation_names(count: usize) -> Vec<String> {
    let name = |n: usize| FOUNDERS.get(n).map_or_else(|| format!("org{}.example", n + 1), |name| (*name).to_owned());
    (0..count).map(name).collect()
}

/// The account that governs for an organisation: the one named as it.
pub fn governance_account(organisation: &str) -> String {
    organisation.to_owned()
}

/// The account that writes documents for an organisation.
pub fn operations_account(organisation: &str) -> String {
    format!("{organisation}/ops")
}

/// The account that signs what callers of a node's HTTP side write.
pub fn gateway_account(organisation: &str) -> String {
    format!("{organisation}/gateway")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_four_go_on_by_number() {
        let names = organisation_names(5);
        assert_eq!(names, ["ua.example", "b6.example", "dl.example", "port.example", "org5.example"]);
    }
}
