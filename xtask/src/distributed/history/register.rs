//! Decides whether a history is that of a linearizable register.
//!
//! The search of Wing and Gong with the memory of Lowe: an order of the operations is extended by each operation that no
//! remaining operation precedes, and a configuration (remaining operations, value) is never visited twice. Three
//! properties of a register whose values are written once keep it small:
//!
//! * A read that matches the value comes next without a loss of generality, since it changes nothing.
//! * A write without an answer that no read observed is omitted: an order with it is valid without it.
//! * A write without an answer takes effect just before the first read that observes it, since it has no end.

use std::collections::HashSet;

use super::{Action, Operation, Outcome, Reading, Value, Violation};

/// Maximum number of visited configurations.
const MAX_CONFIGURATIONS: usize = 2_000_000;

/// Checks the operations on one file, which is absent at first.
pub(crate) fn check(operations: &[Operation]) -> Result<(), Violation> {
    let corrupt = operations.iter().find(|operation| {
        operation.outcome == Outcome::Ok
            && matches!(operation.action, Action::Get(Reading::Corrupt(_)))
    });
    if let Some(corrupt) = corrupt {
        return Err(Violation::Corrupt(corrupt.clone()));
    }
    Search::new(operations).run()
}

/// The effect of an operation on the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Write(Option<Value>),
    Read(Option<Value>),
}

/// An operation of the search.
#[derive(Debug, Clone, Copy)]
struct Node<'a> {
    step: Step,
    /// Whether it is part of each order.
    required: bool,
    invoked: u64,
    returned: u64,
    operation: &'a Operation,
}

/// Which operations are in an order, and the value after them.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Configuration {
    /// All required nodes before this one.
    first: usize,
    /// Required nodes after it.
    done: Vec<usize>,
    optional: Vec<usize>,
    value: Option<Value>,
}

/// A write of the order, with the reads that follow it.
struct Frame {
    /// The operations that were added to the order.
    added: Vec<usize>,
    /// The value before them.
    before: Option<Value>,
    /// The writes that can come next.
    candidates: std::vec::IntoIter<usize>,
}

struct Search<'a> {
    /// Sorted by their start.
    nodes: Vec<Node<'a>>,
    /// Which nodes are in the order.
    done: Vec<bool>,
    /// No required node before this one is missing in the order.
    first: usize,
    optional: Vec<usize>,
    /// Number of required nodes that are missing in the order.
    remaining: usize,
    value: Option<Value>,
    visited: HashSet<Configuration>,
    /// The fewest missing nodes, and why the order ended there.
    best: Option<(usize, Violation)>,
}

impl<'a> Search<'a> {
    fn new(operations: &'a [Operation]) -> Self {
        let nodes = nodes(operations);
        let optional = (0..nodes.len()).filter(|index| !nodes[*index].required);
        Self {
            done: vec![false; nodes.len()],
            first: 0,
            optional: optional.collect(),
            remaining: nodes.iter().filter(|node| node.required).count(),
            nodes,
            value: None,
            visited: HashSet::new(),
            best: None,
        }
    }

    fn run(mut self) -> Result<(), Violation> {
        let mut stack = Vec::new();
        let (mut added, mut before) = (Vec::new(), self.value);
        loop {
            self.add_reads(&mut added);
            if self.remaining == 0 {
                return Ok(());
            }
            let is_new = self.visited.insert(self.configuration());
            if self.visited.len() > MAX_CONFIGURATIONS {
                return Err(Violation::Undecided);
            }
            let candidates = match is_new {
                true => self.writes(),
                false => Vec::new(),
            };
            stack.push(Frame {
                added,
                before,
                candidates: candidates.into_iter(),
            });
            // Goes back to the last frame with another candidate.
            let write = loop {
                let Some(frame) = stack.last_mut() else {
                    let violation = self.best.map(|(_, violation)| violation);
                    return Err(violation.unwrap_or(Violation::Undecided));
                };
                if let Some(write) = frame.candidates.next() {
                    break write;
                }
                self.remove(&frame.added, frame.before);
                stack.pop();
            };
            before = self.value;
            added = vec![write];
            self.add(write);
        }
    }

    /// The required nodes that are missing in the order, and the last instant at which the next one can start: none of
    /// those that start later can be next.
    fn next(&self) -> (Vec<usize>, u64) {
        let mut limit = u64::MAX;
        let mut next = Vec::new();
        for (index, node) in self.nodes.iter().enumerate().skip(self.first) {
            if node.invoked > limit {
                break;
            }
            if node.required && !self.done[index] {
                limit = limit.min(node.returned);
                next.push(index);
            }
        }
        next.retain(|index| self.nodes[*index].invoked <= limit);
        (next, limit)
    }

    /// Adds all reads that match the value.
    fn add_reads(&mut self, added: &mut Vec<usize>) {
        loop {
            let (mut next, _) = self.next();
            let matching = Step::Read(self.value);
            next.retain(|index| self.nodes[*index].step == matching);
            if next.is_empty() {
                return;
            }
            for index in next {
                self.add(index);
                added.push(index);
            }
        }
    }

    /// The writes that can be next.
    fn writes(&mut self) -> Vec<usize> {
        let (next, limit) = self.next();
        if self
            .best
            .as_ref()
            .is_none_or(|(fewest, _)| self.remaining < *fewest)
        {
            let operations = next
                .iter()
                .map(|index| self.nodes[*index].operation.clone());
            let violation = Violation::NotLinearizable {
                value: self.value,
                next: operations.collect(),
            };
            self.best = Some((self.remaining, violation));
        }
        let read: HashSet<_> = next
            .iter()
            .filter_map(|index| match self.nodes[*index].step {
                Step::Read(value) => Some(value),
                Step::Write(_) => None,
            })
            .collect();
        let optional = self.optional.iter().copied().filter(|index| {
            let node = &self.nodes[*index];
            !self.done[*index]
                && node.invoked <= limit
                && matches!(node.step, Step::Write(value) if read.contains(&value))
        });
        let required = next
            .iter()
            .copied()
            .filter(|index| matches!(self.nodes[*index].step, Step::Write(_)));
        required.chain(optional).collect()
    }

    fn add(&mut self, index: usize) {
        let node = self.nodes[index];
        self.done[index] = true;
        if let Step::Write(value) = node.step {
            self.value = value;
        }
        if node.required {
            self.remaining -= 1;
        }
        let is_passed = |index: usize| {
            let node = self.nodes.get(index);
            node.is_some_and(|node| self.done[index] || !node.required)
        };
        while is_passed(self.first) {
            self.first += 1;
        }
    }

    fn remove(&mut self, added: &[usize], value: Option<Value>) {
        for index in added {
            self.done[*index] = false;
            if self.nodes[*index].required {
                self.remaining += 1;
                self.first = self.first.min(*index);
            }
        }
        self.value = value;
    }

    fn configuration(&self) -> Configuration {
        let done = self.done.iter().enumerate().skip(self.first);
        let (_, limit) = self.next();
        let done = done
            .take_while(|(index, _)| self.nodes[*index].invoked <= limit)
            .filter(|(index, done)| **done && self.nodes[*index].required);
        let optional = self.optional.iter().filter(|index| self.done[**index]);
        Configuration {
            first: self.first,
            done: done.map(|(index, _)| index).collect(),
            optional: optional.copied().collect(),
            value: self.value,
        }
    }
}

/// The operations that can matter, sorted by their start.
fn nodes(operations: &[Operation]) -> Vec<Node<'_>> {
    let mut nodes: Vec<Node<'_>> = operations.iter().filter_map(node).collect();
    let read: Vec<_> = nodes.iter().filter_map(Node::read).collect();
    nodes.retain(|node| match node.step {
        Step::Write(value) if !node.required => read
            .iter()
            .any(|(read, returned)| *read == value && *returned >= node.invoked),
        _ => true,
    });
    nodes.sort_by_key(|node| node.invoked);
    nodes
}

fn node(operation: &Operation) -> Option<Node<'_>> {
    let step = match (&operation.action, operation.outcome) {
        (_, Outcome::Failed) | (Action::Get(_), Outcome::Unknown) => return None,
        (Action::Put(value), _) => Step::Write(Some(*value)),
        (Action::Delete, _) => Step::Write(None),
        (Action::Get(Reading::Value(value)), _) => Step::Read(Some(*value)),
        (Action::Get(Reading::Absent), _) => Step::Read(None),
        // Rejected before the search.
        (Action::Get(Reading::Corrupt(_)), _) => return None,
    };
    let required = operation.outcome == Outcome::Ok;
    Some(Node {
        step,
        required,
        invoked: operation.invoked,
        returned: match required {
            true => operation.returned,
            false => u64::MAX,
        },
        operation,
    })
}

impl Node<'_> {
    /// The value that a read returned, and its end.
    fn read(&self) -> Option<(Option<Value>, u64)> {
        match self.step {
            Step::Read(value) => Some((value, self.returned)),
            Step::Write(_) => None,
        }
    }
}
