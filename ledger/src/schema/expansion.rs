//! Sum up, for each subschema, every way it applies others to the same value.
//!
//! With the circles refused the graph of in-place edges is finite, and each sum is 1 plus those of the edges' ends. A
//! subschema with `unevaluated*` goes over its own in-place graph a second time, to mark what was evaluated, so every
//! subschema is two nodes: judged, and marked.
use std::collections::BTreeMap;

use super::{
    error::SchemaError,
    graph::{Edge, Graph, Id},
    limits::{EXPANSION_MAX, IN_PLACE_DEPTH_MAX, IN_PLACE_PATHS_MAX},
};

/// A subschema, and what is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Node {
    pub(super) id: Id,
    pub(super) marked: bool,
}

/// A node, and how often it is applied.
pub(super) type Applied = (Node, u64);

/// All that applying one subschema to a value applies to that value, itself first.
pub(super) type Expansion = Vec<Applied>;

/// The expansion of every subschema, by id; refuses circles and sums beyond the limits.
pub(super) fn expand(graph: &Graph) -> Result<Vec<Expansion>, SchemaError> {
    let mut sums = Sums { graph, done: BTreeMap::new(), path: Vec::new(), entries: 0 };
    for id in 0..graph.subschemas.len() {
        sums.expand(Node { id, marked: false })?;
    }
    let judged = sums.done.into_iter().filter(|(node, _)| !node.marked);
    Ok(judged.map(|(_, summed)| summed.expansion).collect())
}

struct Sums<'g> {
    graph: &'g Graph,
    done: BTreeMap<Node, Summed>,
    path: Vec<Node>,
    entries: usize,
}

struct Summed {
    expansion: Expansion,
    /// Edges of the longest way.
    depth: usize,
}

impl Sums<'_> {
    /// Sums up `node` and what it leads to; recursion is bounded because the path is.
    fn expand(&mut self, node: Node) -> Result<(), SchemaError> {
        if self.done.contains_key(&node) {
            return Ok(());
        }
        if self.path.contains(&node) {
            return Err(SchemaError::Circular { pointer: self.pointer(node) });
        }
        if self.path.len() > 2 * IN_PLACE_DEPTH_MAX {
            return Err(SchemaError::InPlaceDepth { pointer: self.pointer(node) });
        }
        self.path.push(node);
        let next = self.next(node);
        for inner in &next {
            self.expand(*inner)?;
        }
        self.path.pop();
        let summed = self.sum(node, &next)?;
        self.entries += summed.expansion.len();
        if self.entries > EXPANSION_MAX {
            return Err(SchemaError::Expansion);
        }
        self.done.insert(node, summed);
        Ok(())
    }

    /// What `node` applies to its own value.
    fn next(&self, node: Node) -> Vec<Node> {
        let subschema = &self.graph.subschemas[node.id];
        let mut next = Vec::new();
        for &(id, edge) in &subschema.in_place {
            if !node.marked || edge == Edge::Tested {
                next.push(Node { id, marked: false });
            }
            if node.marked && edge != Edge::Judged {
                next.push(Node { id, marked: true });
            }
        }
        if !node.marked && subschema.unevaluated {
            next.push(Node { id: node.id, marked: true });
        }
        next
    }

    fn sum(&self, node: Node, next: &[Node]) -> Result<Summed, SchemaError> {
        let mut times = BTreeMap::new();
        let (mut paths, mut depth) = (1, 0);
        for summed in next.iter().map(|inner| &self.done[inner]) {
            depth = depth.max(summed.depth + 1);
            for &(inner, count) in &summed.expansion {
                *times.entry(inner).or_insert(0) += count;
                paths += count;
            }
            // Checked at every step, so that the sums cannot overflow.
            if paths > IN_PLACE_PATHS_MAX {
                return Err(SchemaError::InPlacePaths { pointer: self.pointer(node) });
            }
        }
        if depth > IN_PLACE_DEPTH_MAX {
            return Err(SchemaError::InPlaceDepth { pointer: self.pointer(node) });
        }
        let expansion = std::iter::once((node, 1)).chain(times).collect();
        Ok(Summed { expansion, depth })
    }

    fn pointer(&self, node: Node) -> String {
        self.graph.subschemas[node.id].pointer.clone()
    }
}
