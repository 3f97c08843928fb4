//! Processes and the containers that they run in.

use std::collections::BTreeMap;

use corten_signal::labels::Labels;
use corten_signal::targets::Targets;

/// Processes with the labels of their containers, and the containers.
pub(super) fn join(processes: Vec<Labels>, containers: &Targets) -> Vec<Labels> {
    let mut joined = Vec::with_capacity(processes.len() + containers.len());
    let mut by_id: BTreeMap<&str, &Labels> = BTreeMap::new();
    for container in containers {
        match container_id(container) {
            Some(id) => drop(by_id.insert(id, container)),
            None => joined.push(container.clone()),
        }
    }
    for process in processes {
        let container = container_id(&process).and_then(|id| by_id.get(id));
        let labels = match container {
            None => None,
            Some(container) => {
                let mut both = process.edit();
                for (name, value) in *container {
                    both.set(name, value);
                }
                Some(both.build())
            }
        };
        joined.push(labels.unwrap_or(process));
    }
    joined.extend(by_id.into_values().cloned());
    joined
}

fn container_id(target: &Labels) -> Option<&str> {
    if let Some(id) = target.get("__container_id__") {
        return Some(id);
    }
    if let Some(id) = target.get("__meta_kubernetes_pod_container_id") {
        return ["docker://", "containerd://", "cri-o://"].iter().find_map(|scheme| id.strip_prefix(scheme));
    }
    target.get("__meta_docker_container_id")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn processes_get_the_labels_of_their_containers() {
        let processes = vec![
            labels(&[("__process_pid__", "1"), ("__container_id__", "a")]),
            labels(&[("__process_pid__", "2"), ("__container_id__", "x")]),
            labels(&[("__process_pid__", "3")]),
            labels(&[("__process_pid__", "4"), ("__container_id__", "k")]),
        ];
        let docker = labels(&[("__meta_docker_container_id", "a"), ("name", "one")]);
        let pod = labels(&[("__meta_kubernetes_pod_container_id", "containerd://k"), ("name", "two")]);
        let other = labels(&[("name", "none")]);
        let containers = Targets::new([docker.clone(), pod.clone(), other.clone()]);
        let joined = join(processes.clone(), &containers);
        let with = |at: usize, more: &Labels| {
            let mut both = processes[at].edit();
            more.iter().for_each(|(name, value)| both.set(name, value));
            both.build()
        };
        assert_eq!(
            joined,
            [other, with(0, &docker), processes[1].clone(), processes[2].clone(), with(3, &pod), docker, pod]
        );
    }
}
