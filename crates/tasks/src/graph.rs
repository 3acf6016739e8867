use std::collections::{HashMap, VecDeque};

use orchestrator_vocab::TaskId;

/// The most ids of a cycle that are shown; a longer one is shown by its two ends.
const CYCLE_SHOWN_MAX: usize = 20;

/// Who waits for whom within an organisation, kept free of cycles edge by edge.
///
/// After Pearce and Kelly, "A dynamic topological sort algorithm for directed acyclic graphs" (2006): every task has a
/// position, lower than those of the tasks it waits for. An edge that agrees with the positions costs nothing; one that
/// does not makes the tasks between the two positions be searched and moved. A task without edges is free to go to
/// either end, so that a chain grows in constant time at both.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    slots: HashMap<TaskId, u32>,
    nodes: Vec<Node>,
    unused: Vec<u32>,
    lowest: i64,
    highest: i64,
    /// Number of the search in progress; nodes that it has seen carry it.
    search: u32,
}

#[derive(Debug)]
struct Node {
    task: TaskId,
    position: i64,
    waits_for: Vec<u32>,
    awaited_by: Vec<u32>,
    seen_by: u32,
    seen_from: u32,
}

/// Tasks that would wait for each other: each waits for the next, the last is the first again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cycle {
    /// At most 20 ids.
    pub(crate) path: Vec<TaskId>,
}

/// A task and one that it waits for.
pub(crate) type Pair = (TaskId, TaskId);

impl Graph {
    /// Adds edges, all or none, and returns those that were new: what [`Graph::remove`] needs to undo this.
    pub(crate) fn add(&mut self, edges: &[Pair]) -> Result<Vec<Pair>, Cycle> {
        let mut added = Vec::with_capacity(edges.len());
        for &(task, depends_on) in edges {
            match self.add_one(task, depends_on) {
                Ok(true) => added.push((task, depends_on)),
                Ok(false) => {}
                Err(cycle) => {
                    self.remove(&added);
                    return Err(cycle);
                }
            }
        }
        Ok(added)
    }

    /// Removes edges; those that are not there are ignored. Tasks without edges are forgotten.
    pub(crate) fn remove(&mut self, edges: &[Pair]) {
        for (task, depends_on) in edges {
            let (Some(&from), Some(&to)) = (self.slots.get(task), self.slots.get(depends_on)) else { continue };
            take_out(&mut self.node(from).waits_for, to);
            take_out(&mut self.node(to).awaited_by, from);
            self.forget_if_alone(from);
            self.forget_if_alone(to);
        }
    }

    fn add_one(&mut self, task: TaskId, depends_on: TaskId) -> Result<bool, Cycle> {
        if task == depends_on {
            return Err(Cycle { path: vec![task, task] });
        }
        let (from, to) = (self.slot(task), self.slot(depends_on));
        if self.has(from, to) {
            return Ok(false);
        }
        if let Err(cycle) = self.make_room(from, to) {
            self.forget_if_alone(from);
            self.forget_if_alone(to);
            return Err(cycle);
        }
        self.node(from).waits_for.push(to);
        self.node(to).awaited_by.push(from);
        Ok(true)
    }

    /// The shorter of the two lists tells: thousands may wait for one task.
    fn has(&self, from: u32, to: u32) -> bool {
        let (waits_for, awaited_by) = (&self.nodes[from as usize].waits_for, &self.nodes[to as usize].awaited_by);
        if waits_for.len() < awaited_by.len() { waits_for.contains(&to) } else { awaited_by.contains(&from) }
    }

    /// Arranges the positions so that `from` comes before `to`.
    fn make_room(&mut self, from: u32, to: u32) -> Result<(), Cycle> {
        let (upper, lower) = (self.nodes[from as usize].position, self.nodes[to as usize].position);
        if upper < lower {
            return Ok(());
        }
        if self.nodes[from as usize].is_alone() {
            self.lowest -= 1;
            self.node(from).position = self.lowest;
            return Ok(());
        }
        if self.nodes[to as usize].is_alone() {
            self.highest += 1;
            self.node(to).position = self.highest;
            return Ok(());
        }
        let after = self.reach(to, |node| &node.waits_for, |position| position <= upper);
        if self.nodes[from as usize].seen_by == self.search {
            return Err(Cycle { path: self.cycle(from, to) });
        }
        let before = self.reach(from, |node| &node.awaited_by, |position| position >= lower);
        self.reorder(before, after);
        Ok(())
    }

    /// Everything that can be reached from `start` over `edges` within the positions, nearest first.
    fn reach(&mut self, start: u32, edges: fn(&Node) -> &Vec<u32>, within: impl Fn(i64) -> bool) -> Vec<u32> {
        self.next_search();
        let search = self.search;
        self.node(start).seen_by = search;
        let mut queue = VecDeque::from([start]);
        let mut reached = Vec::new();
        while let Some(slot) = queue.pop_front() {
            reached.push(slot);
            for index in 0..edges(&self.nodes[slot as usize]).len() {
                let next = edges(&self.nodes[slot as usize])[index];
                let node = &mut self.nodes[next as usize];
                if node.seen_by != search && within(node.position) {
                    (node.seen_by, node.seen_from) = (search, slot);
                    queue.push_back(next);
                }
            }
        }
        reached
    }

    /// The same positions for the same tasks, but all of `before` first.
    fn reorder(&mut self, mut before: Vec<u32>, mut after: Vec<u32>) {
        let position = |slot: &u32| self.nodes[*slot as usize].position;
        before.sort_unstable_by_key(position);
        after.sort_unstable_by_key(position);
        before.append(&mut after);
        let mut positions: Vec<i64> = before.iter().map(position).collect();
        positions.sort_unstable();
        for (slot, position) in before.into_iter().zip(positions) {
            self.node(slot).position = position;
        }
    }

    /// From `from` over the edge that was refused to `to`, and back along the search that met `from`.
    fn cycle(&self, from: u32, to: u32) -> Vec<TaskId> {
        let mut slots = vec![from];
        while slots.last() != Some(&to) {
            slots.push(self.nodes[slots[slots.len() - 1] as usize].seen_from);
        }
        slots.push(from);
        slots.reverse();
        if slots.len() > CYCLE_SHOWN_MAX {
            slots.drain(CYCLE_SHOWN_MAX / 2..slots.len() - CYCLE_SHOWN_MAX / 2);
        }
        slots.into_iter().map(|slot| self.nodes[slot as usize].task).collect()
    }

    fn next_search(&mut self) {
        self.search = self.search.wrapping_add(1);
        if self.search == 0 {
            self.nodes.iter_mut().for_each(|node| node.seen_by = 0);
            self.search = 1;
        }
    }

    fn slot(&mut self, task: TaskId) -> u32 {
        if let Some(slot) = self.slots.get(&task) {
            return *slot;
        }
        self.highest += 1;
        let (waits_for, awaited_by) = (Vec::new(), Vec::new());
        let node = Node { task, position: self.highest, waits_for, awaited_by, seen_by: 0, seen_from: 0 };
        let slot = match self.unused.pop() {
            Some(slot) => {
                self.nodes[slot as usize] = node;
                slot
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).expect("a graph has fewer than four thousand million tasks")
            }
        };
        self.slots.insert(task, slot);
        slot
    }

    fn forget_if_alone(&mut self, slot: u32) {
        let node = &self.nodes[slot as usize];
        if node.is_alone() && self.slots.remove(&node.task).is_some() {
            self.unused.push(slot);
        }
    }

    fn node(&mut self, slot: u32) -> &mut Node {
        &mut self.nodes[slot as usize]
    }
}

impl Node {
    fn is_alone(&self) -> bool {
        self.waits_for.is_empty() && self.awaited_by.is_empty()
    }
}

fn take_out(list: &mut Vec<u32>, slot: u32) {
    if let Some(index) = list.iter().position(|other| *other == slot) {
        list.swap_remove(index);
    }
}

#[cfg(test)]
mod tests;
