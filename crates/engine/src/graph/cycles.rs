//! Order of evaluation, and what cannot be ordered.

use corten_syntax::Diagnostic;

use super::Structure;

/// Every node behind what it needs; otherwise in the order of the file. Within a cycle the order means nothing.
pub(super) fn order(needs: &[&[usize]]) -> Vec<usize> {
    let mut done = vec![false; needs.len()];
    let mut order = Vec::with_capacity(needs.len());
    // A stack instead of recursion: a chain of references may be as long as the file.
    let mut stack: Vec<(usize, usize)> = Vec::new();
    for start in 0..needs.len() {
        if done[start] {
            continue;
        }
        done[start] = true;
        stack.push((start, 0));
        while let Some((node, next)) = stack.pop() {
            match needs[node].get(next) {
                Some(&need) => {
                    stack.push((node, next + 1));
                    if !done[need] {
                        done[need] = true;
                        stack.push((need, 0));
                    }
                }
                None => order.push(node),
            }
        }
    }
    order
}

/// Groups of nodes that need each other, and nodes that need themselves; members in the order of the file.
pub(super) fn components(needs: &[&[usize]]) -> Vec<Vec<usize>> {
    // Kosaraju: in reverse order of finishing, what a node reaches against the edges is its component.
    let mut reversed = vec![Vec::new(); needs.len()];
    for (node, list) in needs.iter().enumerate() {
        for need in *list {
            reversed[*need].push(node);
        }
    }
    let mut seen = vec![false; needs.len()];
    let mut cycles = Vec::new();
    for start in order(needs).into_iter().rev() {
        let (mut members, mut todo) = (Vec::new(), vec![start]);
        while let Some(node) = todo.pop() {
            if std::mem::replace(&mut seen[node], true) {
                continue;
            }
            members.push(node);
            todo.extend(&reversed[node]);
        }
        let own = matches!(members[..], [only] if needs[only].contains(&only));
        if members.len() > 1 || own {
            members.sort_unstable();
            cycles.push(members);
        }
    }
    cycles.sort();
    cycles
}

/// As a load says it, at the first member.
pub(crate) fn load_message(structure: &Structure, cycle: &[usize]) -> Diagnostic {
    let names: Vec<&str> = cycle.iter().map(|node| &*structure.nodes[*node].local).collect();
    let message = match &names[..] {
        [only] => format!("self reference: {only}"),
        many => format!("cycle: {}", many.join(", ")),
    };
    Diagnostic::error(cycle.first().map(|node| structure.nodes[*node].block.header_span()), message)
}

/// As `validate` says it: once for each member.
pub(crate) fn validate_messages(structure: &Structure, cycle: &[usize]) -> Vec<Diagnostic> {
    let mut members: Vec<_> = cycle.iter().map(|node| &structure.nodes[*node]).collect();
    members.sort_by(|a, b| a.local.cmp(&b.local));
    let names: Vec<&str> = members.iter().map(|node| &*node.local).collect();
    let message = match &names[..] {
        [_] => "cannot reference self".to_owned(),
        many => format!("cycle detected: {}", many.join(", ")),
    };
    members.iter().map(|node| Diagnostic::error(node.block.header_span(), message.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::{components, order};

    fn both(needs: &[Vec<usize>]) -> (Vec<usize>, Vec<Vec<usize>>) {
        let needs: Vec<&[usize]> = needs.iter().map(Vec::as_slice).collect();
        (order(&needs), components(&needs))
    }

    #[test]
    fn what_is_needed_comes_first_and_the_rest_stays_in_the_order_of_the_file() {
        let (order, cycles) = both(&[vec![2], vec![], vec![1], vec![]]);
        assert_eq!((order, cycles.len()), (vec![1, 2, 0, 3], 0));
    }

    #[test]
    fn cycles_are_found_whole_and_apart() {
        let (order, cycles) = both(&[vec![1], vec![2], vec![0, 3], vec![3], vec![5], vec![4], vec![0]]);
        assert_eq!(cycles, [vec![0, 1, 2], vec![3], vec![4, 5]]);
        assert_eq!(order.len(), 7);
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let chain: Vec<Vec<usize>> = (0..200_000).map(|n| if n < 199_999 { vec![n + 1] } else { vec![] }).collect();
        let (order, cycles) = both(&chain);
        assert_eq!((order.first(), order.last(), cycles.len()), (Some(&199_999), Some(&0), 0));
    }
}
