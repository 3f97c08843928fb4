//! The pipeline as a drawing: sources left, destinations right, one box a component.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use corten_engine::ComponentInfo;

use super::page::escape;

const WIDTH: usize = 230;
const HEIGHT: usize = 44;
const GAP_X: usize = 60;
const GAP_Y: usize = 16;
/// A drawing of more is no help; the list below it is.
const MOST: usize = 60;
const LONGEST_NAME: usize = 29;

/// The drawing of all nodes that data flows through; empty if there are none or too many.
pub(super) fn draw(components: &[ComponentInfo], link: impl Fn(&str) -> String) -> String {
    let edges = edges(components);
    let mut columns: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let layers = layers(components.len(), &edges);
    for (node, layer) in layers.iter().enumerate() {
        if edges.iter().any(|(from, to)| *from == node || *to == node) {
            columns.entry(*layer).or_default().push(node);
        }
    }
    let drawn: usize = columns.values().map(Vec::len).sum();
    if drawn == 0 || drawn > MOST {
        return String::new();
    }
    let tallest = columns.values().map(Vec::len).max().unwrap_or(1);
    let height = tallest * (HEIGHT + GAP_Y);
    let mut place: HashMap<usize, (usize, usize)> = HashMap::new();
    for (column, nodes) in columns.values_mut().enumerate() {
        // Below those that send to it, so that fewer lines cross.
        nodes.sort_by_key(|node| {
            let above: Vec<usize> = edges
                .iter()
                .filter(|(_, to)| to == node)
                .filter_map(|(from, _)| place.get(from).map(|p| p.1))
                .collect();
            above.iter().sum::<usize>() / above.len().max(1)
        });
        let top = (height - nodes.len() * (HEIGHT + GAP_Y)) / 2;
        for (row, node) in nodes.iter().enumerate() {
            place.insert(*node, (2 + column * (WIDTH + GAP_X), 2 + top + row * (HEIGHT + GAP_Y)));
        }
    }
    let width = columns.len() * (WIDTH + GAP_X) - GAP_X + 4;
    let mut svg = format!(
        "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"Pipeline\">"
    );
    for (from, to) in &edges {
        let (Some((x1, y1)), Some((x2, y2))) = (place.get(from), place.get(to)) else { continue };
        let (x1, y1, x2, y2) = (x1 + WIDTH, y1 + HEIGHT / 2, *x2, y2 + HEIGHT / 2);
        let (bend1, bend2) = (x1 + GAP_X / 2, x2.saturating_sub(GAP_X / 2));
        let _ = write!(svg, "<path class=\"edge\" d=\"M{x1} {y1}C{bend1} {y1} {bend2} {y2} {x2} {y2}\"/>");
    }
    for (node, (x, y)) in &place {
        let Some(info) = components.get(*node) else { continue };
        let state = info.health.state.as_str();
        let label = info.label.as_deref().unwrap_or_default();
        let (line1, line2) = (y + 18, y + 35);
        let _ = write!(
            svg,
            "<a href=\"{}\"><title>{}: {state}</title><rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"4\"/>\
             <rect class=\"bar {state}\" x=\"{x}\" y=\"{y}\" width=\"4\" height=\"{HEIGHT}\"/>\
             <text x=\"{}\" y=\"{line1}\">{}</text><text class=\"sub\" x=\"{}\" y=\"{line2}\">{}</text></a>",
            escape(&link(&info.id)),
            escape(&info.id),
            x + 13,
            escape(&shortened(&info.name)),
            x + 13,
            escape(&shortened(label)),
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Who sends to whom, as places in the list.
fn edges(components: &[ComponentInfo]) -> Vec<(usize, usize)> {
    let index: HashMap<&str, usize> = components.iter().enumerate().map(|(at, info)| (info.id.as_str(), at)).collect();
    components
        .iter()
        .enumerate()
        .flat_map(|(from, info)| info.data_flow_edges_to.iter().map(move |to| (from, to)))
        .filter_map(|(from, to)| Some((from, *index.get(to.as_str())?)))
        .filter(|(from, to)| from != to)
        .collect()
}

/// Puts sources first and destinations last.
pub(super) fn sort(components: &mut Vec<ComponentInfo>) {
    let layers = layers(components.len(), &edges(components));
    let mut order: Vec<(usize, ComponentInfo)> = layers.into_iter().zip(std::mem::take(components)).collect();
    order.sort_by(|a, b| (a.0, &a.1.id).cmp(&(b.0, &b.1.id)));
    components.extend(order.into_iter().map(|(_, info)| info));
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LONGEST_NAME {
        return text.to_owned();
    }
    text.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}

/// The length of the longest way to each node. Bounded rounds, should there be a circle.
fn layers(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut layers = vec![0; nodes];
    for _ in 0..nodes {
        let mut moved = false;
        for (from, to) in edges {
            if layers[*to] <= layers[*from] && layers[*from] + 1 < nodes {
                layers[*to] = layers[*from] + 1;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_stands_right_of_what_feeds_it() {
        assert_eq!(layers(5, &[(0, 1), (1, 2), (0, 3), (2, 3)]), [0, 1, 2, 3, 0]);
    }

    #[test]
    fn a_circle_ends() {
        assert_eq!(layers(2, &[(0, 1), (1, 0)]).len(), 2);
    }

    #[test]
    fn long_names_are_cut_at_a_letter() {
        assert_eq!(shortened(&"é".repeat(40)).chars().count(), LONGEST_NAME);
    }
}
